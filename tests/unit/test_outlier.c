/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups as their counters show them, and who is ejected: when, for how long, how many at once, and when nobody is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "health/outlier.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define MEMBERS_MAX 20

static const struct outlier_policy policy = {.min_packets = 20, .base_ms = 30000, .max_ms = 300000, .max_percent = 34};

static uint32_t roll(uint64_t *random, uint32_t n)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*random >> 33) % n;
}

static void who_stands_out_is_found_by_its_sign(void **state)
{
	static const struct {
		const char *name;
		struct { uint64_t tcp, syns, resets; } members[8];
		int outlier; /* -1: nobody */
		enum outlier_sign sign;
	} rows[] = {
		{"all alike", {{500, 100, 0}, {510, 100, 0}, {490, 99, 0}, {505, 101, 0}}, -1, OUTLIER_NONE},
		{"nothing but SYNs", {{500, 100, 0}, {510, 100, 0}, {60, 60, 0}, {505, 101, 0}}, 2, OUTLIER_SYNS},
		{"the same among three", {{500, 100, 0}, {60, 58, 0}, {505, 101, 0}}, 1, OUTLIER_SYNS},
		{"of two nobody can say", {{500, 100, 0}, {60, 60, 0}}, -1, OUTLIER_NONE},
		{"too few packets to tell", {{500, 100, 0}, {510, 100, 0}, {19, 19, 0}, {505, 101, 0}}, -1, OUTLIER_NONE},
		{"resets by clients", {{500, 100, 2}, {510, 100, 1}, {490, 99, 0}, {300, 100, 90}}, 3, OUTLIER_RESETS},
		{"clients that always reset are no sign", {{500, 100, 90}, {510, 100, 95}, {490, 99, 80}, {300, 70, 61}}, -1,
		 OUTLIER_NONE},
		{"bulk, and one that answers nobody", {{9000, 3, 0}, {8000, 2, 0}, {9500, 4, 0}, {25, 25, 0}}, 3, OUTLIER_SYNS},
		{"few more SYNs are chance", {{50, 10, 0}, {48, 11, 0}, {52, 10, 0}, {51, 17, 0}}, -1, OUTLIER_NONE},
		{"a third of its connections fail", {{500, 100, 0}, {510, 100, 0}, {490, 99, 0}, {400, 200, 0}}, 3, OUTLIER_SYNS},
		{"a group as uneven as that", {{500, 100, 0}, {500, 250, 0}, {500, 50, 0}, {500, 300, 0}}, -1, OUTLIER_NONE},
	};

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		struct outlier_member members[8] = {};
		size_t n = 0;

		for (; n < 8 && rows[row].members[n].tcp; n++)
			members[n] = (struct outlier_member){.tcp = rows[row].members[n].tcp,
							     .syns = rows[row].members[n].syns,
							     .resets = rows[row].members[n].resets,
							     .judged = true};
		outliers_next(members, n, &policy, 1000);
		for (size_t i = 0; i < n; i++)
			if (members[i].sign != ((int)i == rows[row].outlier ? rows[row].sign : OUTLIER_NONE))
				fail_msg("%s: member %zu: share %.2f, median %.2f, deviation %.3f", rows[row].name, i,
					 members[i].share, members[i].median, members[i].deviation);
	}
}

static void set_counts(struct outlier_member *members, size_t n, const bool *bad)
{
	for (size_t i = 0; i < n; i++) {
		members[i].tcp = bad[i] ? 60 : 500;
		members[i].syns = bad[i] ? 60 : 100;
		members[i].judged = true;
	}
}

static void ejections_double_to_a_cap_and_are_forgotten(void **state)
{
	struct outlier_member members[4] = {};
	const bool bad[] = {false, false, true, false}, none[4] = {};
	uint64_t now_ms = 1000, expected = 30000;

	(void)state;
	for (int ejection = 0; ejection < 6; ejection++, expected = expected * 2 > 300000 ? 300000 : expected * 2) {
		set_counts(members, 4, bad);
		assert_int_equal(outliers_next(members, 4, &policy, now_ms), 0); /* once may be chance */
		assert_int_equal(outliers_next(members, 4, &policy, now_ms += 1000), 1);
		assert_true(members[2].ejected);
		assert_int_equal(members[2].ejection.until_ms - now_ms, expected);
		assert_int_equal(outliers_next(members, 4, &policy, now_ms + expected - 1), 0);
		assert_int_equal(outliers_next(members, 4, &policy, now_ms += expected), 1);
		assert_true(members[2].returned);
		now_ms += 1000;
	}
	set_counts(members, 4, none);
	for (int i = 0; i < 301; i++)
		assert_int_equal(outliers_next(members, 4, &policy, now_ms += 1000), 0);
	set_counts(members, 4, bad);
	outliers_next(members, 4, &policy, now_ms += 1000);
	outliers_next(members, 4, &policy, now_ms += 1000);
	assert_int_equal(members[2].ejection.until_ms - now_ms, 30000);
}

static void no_more_are_ejected_than_allowed(void **state)
{
	uint64_t random = 7;
	uint32_t ejections = 0;

	(void)state;
	for (int world = 0; world < 500; world++) {
		size_t n = OUTLIER_MEMBERS_MIN + roll(&random, MEMBERS_MAX - OUTLIER_MEMBERS_MIN);
		struct outlier_policy own = policy;
		struct outlier_member members[MEMBERS_MAX] = {};
		uint64_t now_ms = 0;

		own.max_percent = 1 + roll(&random, 100);
		for (int round = 0; round < 100; round++) {
			size_t out = 0;

			for (size_t i = 0; i < n; i++) {
				members[i].tcp = roll(&random, 1000);
				members[i].syns = roll(&random, 3) ? members[i].tcp / 5 : members[i].tcp;
				members[i].judged = roll(&random, 20);
				members[i].barred = !roll(&random, 20);
			}
			outliers_next(members, n, &own, now_ms += 1000);
			for (size_t i = 0; i < n; i++) {
				out += members[i].ejection.until_ms != 0;
				ejections += members[i].ejected;
				assert_false(members[i].ejected && members[i].barred);
			}
			assert_true(out <= outliers_most(n, &own));
		}
	}
	print_message("  %u ejections in 500 groups\n", ejections);
	assert_true(ejections > 500);
}

/* Even load: connections of random lengths, the same for all. */
static void even_load_ejects_nobody(void **state)
{
	static const uint32_t flows_a_second[] = {5, 20, 100, 1000};
	uint64_t random = 1;

	(void)state;
	for (size_t row = 0; row < N(flows_a_second); row++) {
		struct outlier_member members[10] = {};
		uint32_t ejections = 0, rounds = 0;

		for (; rounds < 20000; rounds++) {
			size_t n = 3 + rounds % 8;

			for (size_t i = 0; i < n; i++) {
				members[i].tcp = members[i].syns = 0;
				members[i].judged = true;
				for (uint32_t flow = 0; flow < flows_a_second[row] / 2 + roll(&random, flows_a_second[row] + 1); flow++) {
					members[i].syns++;
					members[i].tcp += 4 + roll(&random, 6);
				}
			}
			outliers_next(members, n, &policy, rounds * 1000ULL);
			for (size_t i = 0; i < n; i++)
				ejections += members[i].ejected;
		}
		print_message("  %u flows a second each, %u rounds of a second: %u ejections\n", flows_a_second[row], rounds,
			      ejections);
		assert_int_equal(ejections, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_stands_out_is_found_by_its_sign),
		cmocka_unit_test(ejections_double_to_a_cap_and_are_forgotten),
		cmocka_unit_test(no_more_are_ejected_than_allowed),
		cmocka_unit_test(even_load_ejects_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
