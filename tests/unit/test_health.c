/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histories of probe results and the states they lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "health/health.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void results_lead_to_states(void **state)
{
	/* One letter a result, a second apart: + good, - bad. Below it the state after it: U up, D down. */
	static const struct {
		const char *name;
		uint32_t rise, fall;
		const char *results, *states;
	} rows[] = {
		{"the first good result decides", 3, 3, "+", "U"},
		{"the first bad result decides", 3, 3, "-", "D"},
		{"three bad in a row take an up backend down", 2, 3, "+---", "UUUD"},
		{"one good in between starts the count again", 2, 3, "+--+--+---", "UUUUUUUUUD"},
		{"two good in a row bring a down backend up", 2, 3, "-++", "DDU"},
		{"one bad in between starts the count again", 2, 3, "-+-+-++", "DDDDDDU"},
		{"thresholds of one follow every result", 1, 1, "+-+--++", "UDUDDUU"},
		{"more of the same changes nothing", 2, 2, "+++++", "UUUUU"},
		{"a changed state starts its own count", 2, 2, "+--+-++", "UUDDDDU"},
		{"the second change needs its whole threshold again", 3, 2, "-+++-+-+--", "DDDUUUUUUD"},
	};

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		struct health_policy policy = {rows[row].rise, rows[row].fall};
		struct health health = {.state = HEALTH_UNKNOWN};

		print_message("  %s\n", rows[row].name);
		for (size_t i = 0; rows[row].results[i]; i++) {
			uint64_t now_ms = (i + 1) * 1000;
			struct health_step step = health_next(health, rows[row].results[i] == '+', &policy, now_ms);
			enum health_state expected = rows[row].states[i] == 'U' ? HEALTH_UP : HEALTH_DOWN;

			assert_int_equal(step.next.state, expected);
			assert_int_equal(step.changed, expected != health.state);
			assert_int_equal(step.next.since_ms, step.changed ? now_ms : health.since_ms);
			health = step.next;
		}
	}
}

static void a_year_of_good_results_is_no_overflow(void **state)
{
	struct health_policy policy = {UINT32_MAX, UINT32_MAX};
	struct health health = {.state = HEALTH_UP, .streak = UINT32_MAX - 1, .since_ms = 5};
	struct health_step step = health_next(health, false, &policy, 7);

	(void)state;
	assert_int_equal(step.next.state, HEALTH_DOWN);
	step = health_next(health, true, &policy, 7);
	assert_int_equal(step.next.streak, 0);
	assert_int_equal(step.next.since_ms, 5);
}

static void states_have_the_words_of_the_contract(void **state)
{
	(void)state;
	assert_string_equal(health_state_text(HEALTH_UNKNOWN), "unknown");
	assert_string_equal(health_state_text(HEALTH_UP), "up");
	assert_string_equal(health_state_text(HEALTH_DOWN), "down");
	assert_string_equal(health_state_text(HEALTH_DEGRADED), "degraded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_lead_to_states),
		cmocka_unit_test(a_year_of_good_results_is_no_overflow),
		cmocka_unit_test(states_have_the_words_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
