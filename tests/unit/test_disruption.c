/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a change of one weight moves: slots of a Maglev table whose owner changes, against the least that the new shares
 * ask for. Only new flows of these slots go elsewhere; the figures of docs/health.md are this test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "health/slow_start.h"
#include "maglev/maglev.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SIZE 65536U
#define MEMBERS_MAX 100

static void build(size_t n, uint32_t weight_of_first, uint16_t *table)
{
	struct maglev_member members[MEMBERS_MAX];

	for (size_t i = 0; i < n; i++)
		members[i] = (struct maglev_member){0x9e3779b97f4a7c15ULL * (i + 1), i ? 100 : weight_of_first};
	assert_int_equal(maglev_build(members, n, 0, table, SIZE), 0);
}

/* Percent of the slots; *ret_least: that the shares ask for. */
static double moved(size_t n, uint32_t from, uint32_t to, double *ret_least)
{
	static uint16_t before[SIZE], after[SIZE];
	uint32_t changed = 0, had = 0, has = 0;

	build(n, from, before);
	build(n, to, after);
	for (uint32_t slot = 0; slot < SIZE; slot++) {
		changed += before[slot] != after[slot];
		had += before[slot] == 0;
		has += after[slot] == 0;
	}
	*ret_least = 100.0 * (had > has ? had - has : has - had) / SIZE;
	return 100.0 * changed / SIZE;
}

static void a_weight_that_falls_moves_little_more_than_it_must(void **state)
{
	static const struct {
		size_t n;
		uint32_t from, to;
	} rows[] = {{3, 100, 80}, {3, 100, 60}, {3, 100, 20}, {10, 100, 80}, {10, 100, 20}, {100, 100, 80}, {100, 100, 20}};

	(void)state;
	print_message("  backends  weight of one  slots moved  least\n");
	for (size_t i = 0; i < N(rows); i++) {
		double least, all = moved(rows[i].n, rows[i].from, rows[i].to, &least);

		print_message("  %8zu  %3u -> %3u     %8.2f %%  %5.2f %%\n", rows[i].n, rows[i].from, rows[i].to, all, least);
		assert_true(all >= least);
		assert_true(all < 25);
	}
}

static void a_slow_start_moves_what_a_return_moves_in_parts(void **state)
{
	static const size_t sizes[] = {3, 10, 100};

	(void)state;
	print_message("  backends  at once  slow start, all steps together  largest step\n");
	for (size_t i = 0; i < N(sizes); i++) {
		double sum = 0, largest = 0, least, at_once = moved(sizes[i], 0, 100, &least);
		uint32_t before = 0;

		for (uint64_t ms = 0; ms < 1000; ms += 100) {
			uint32_t percent = slow_start_percent(ms, 1000);
			double step = moved(sizes[i], before, percent, &least);

			sum += step;
			largest = step > largest ? step : largest;
			before = percent;
		}
		assert_int_equal(before, 100);
		print_message("  %8zu  %6.2f %%  %29.2f %%  %10.2f %%\n", sizes[i], at_once, sum, largest);
		assert_true(largest < at_once);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_weight_that_falls_moves_little_more_than_it_must),
		cmocka_unit_test(a_slow_start_moves_what_a_return_moves_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
