/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures of what was measured: medians over the rounds, of times and of ratios within a round. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int ascending(const void *a, const void *b)
{
	double difference = *(const double *)a - *(const double *)b;

	return (difference > 0) - (difference < 0);
}

double median(const double *values, int n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), ascending);
	return sorted[n / 2];
}

double median_ns(const struct bench *b, enum contender_id id, enum column column)
{
	return median(b->list[id].ns[column], b->rounds);
}

double times(const struct bench *b, enum contender_id of, enum column of_column, enum contender_id per, enum column per_column)
{
	double ratio[ROUNDS_MAX];

	for (int round = 0; round < b->rounds; round++)
		ratio[round] = b->list[of].ns[of_column][round] / b->list[per].ns[per_column][round];
	return median(ratio, b->rounds);
}

double more_ns(const struct bench *b, enum contender_id of, enum column of_column, enum contender_id than,
	       enum column than_column)
{
	double difference[ROUNDS_MAX];

	for (int round = 0; round < b->rounds; round++)
		difference[round] = b->list[of].ns[of_column][round] - b->list[than].ns[than_column][round];
	return median(difference, b->rounds);
}

double times_empty(const struct bench *b, enum contender_id id, enum column column)
{
	return times(b, id, column, C_EMPTY, column);
}
