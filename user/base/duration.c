/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which texts are durations, and how one is written back. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"

#define DURATION_MAX_MS (365ULL * 24 * 3600 * 1000)

/* Longest first: a duration is written in the first unit that divides it. */
static const struct {
	const char *name;
	uint64_t ms;
} units[] = {{"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

int duration_parse(const char *text, uint64_t *ret_ms)
{
	unsigned long long count;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	count = strtoull(text, &end, 10);
	for (size_t i = 0; i < N_UNITS; i++)
		if (strcmp(end, units[i].name) == 0) {
			if (errno || count > DURATION_MAX_MS / units[i].ms)
				return -ERANGE;
			*ret_ms = count * units[i].ms;
			return 0;
		}
	return -EINVAL;
}

const char *duration_format(uint64_t ms, char buffer[DURATION_TEXT_MAX])
{
	size_t unit = 0;

	if (ms == 0)
		return strcpy(buffer, "0s");
	while (ms % units[unit].ms)
		unit++;
	snprintf(buffer, DURATION_TEXT_MAX, "%" PRIu64 "%s", ms / units[unit].ms, units[unit].name);
	return buffer;
}
