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

#define GOOD(milliseconds) ((struct health_result){true, (milliseconds) * 1000, 0})
#define BAD ((struct health_result){false, 500000, 0})

/* Every second, slow above 100 ms; the last 20 results of at most a minute count; a tenth of the weight is left. */
static struct health_policy policy_of(uint32_t rise, uint32_t fall)
{
	return (struct health_policy){
		.healthy_threshold = rise,
		.unhealthy_threshold = fall,
		.score = {.results = 20, .window_ms = 60000, .slow_us = 100000, .timeout_us = 500000, .least_percent = 20},
		.breaker = {.interval_ms = 1000},
	};
}

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
		struct health_policy policy = policy_of(rows[row].rise, rows[row].fall);
		struct health health = {.state = HEALTH_UNKNOWN};

		print_message("  %s\n", rows[row].name);
		for (size_t i = 0; rows[row].results[i]; i++) {
			uint64_t now_ms = (i + 1) * 1000;
			struct health_result result = {.good = rows[row].results[i] == '+', .latency_us = 1000};
			enum health_state before = health.state;
			uint64_t since_ms = health.since_ms;
			struct health_step step = health_next(&health, &policy, result, now_ms);
			enum health_state expected = rows[row].states[i] == 'U' ? HEALTH_UP : HEALTH_DOWN;

			assert_int_equal(health.state, expected);
			assert_int_equal(step.changed, expected != before);
			assert_int_equal(health.since_ms, step.changed ? now_ms : since_ms);
			assert_int_equal(step.next_probe_ms, 0);
		}
	}
}

static void a_year_of_good_results_is_no_overflow(void **state)
{
	struct health_policy policy = policy_of(UINT32_MAX, UINT32_MAX);
	struct health health = {.state = HEALTH_UP, .streak = UINT32_MAX - 1, .since_ms = 5}, other = health;

	(void)state;
	health_next(&health, &policy, BAD, 7);
	assert_int_equal(health.state, HEALTH_DOWN);
	health_next(&other, &policy, GOOD(1), 7);
	assert_int_equal(other.streak, 0);
	assert_int_equal(other.since_ms, 5);
}

static void states_have_the_words_of_the_contract(void **state)
{
	(void)state;
	assert_string_equal(health_state_text(HEALTH_UNKNOWN), "unknown");
	assert_string_equal(health_state_text(HEALTH_UP), "up");
	assert_string_equal(health_state_text(HEALTH_DOWN), "down");
	assert_string_equal(health_state_text(HEALTH_DEGRADED), "degraded");
}

/* ---- score ---- */

static void results_lead_to_scores_and_weights(void **state)
{
	/* One letter a result, a second apart: + good, s slow, - bad, ' ' a minute without any. */
	static const struct {
		const char *name, *results;
		enum health_state state;
		uint32_t score, percent;
	} rows[] = {
		{"nine results say nothing yet", "+-+-+-+-+", HEALTH_UP, 100, 100},
		{"all good", "+++++++++++++++++++++++++", HEALTH_UP, 100, 100},
		{"one bad of ten is no degradation", "+++++-++++", HEALTH_UP, 90, 100},
		{"three bad of ten: below 80, a first step", "+-++-++-++", HEALTH_DEGRADED, 70, 80},
		{"half of them slow: 75", "s+s+s+s+s+s+s+s+s+s+", HEALTH_DEGRADED, 75, 80},
		{"all slow: half of the score, three steps", "ssssssssssssssssssss", HEALTH_DEGRADED, 50, 40},
		{"below 50: the least weight", "-+-+-+-+-+-s-s-s-s-s", HEALTH_DEGRADED, 37, 20},
		{"what is older than the window counts no more", "-+-+-+-+-+ +++++++++++++++++++++", HEALTH_UP, 100, 100},
		{"only the last 20 count", "-+-+-+-+-+++++++++++++++++++++++", HEALTH_UP, 100, 100},
		{"hysteresis: at 85 a step that was taken holds", "+-++-++-++++++++++++", HEALTH_DEGRADED, 85, 80},
		{"at 90 and above it is taken back", "+-++-++-++++++++++++++++++++++", HEALTH_DEGRADED, 100, 80},
		{"once it has held for as many results as count", "+-++-++-+++++++++++++++++++++++", HEALTH_UP, 100, 100},
	};

	(void)state;
	for (size_t row = 0; row < N(rows); row++) {
		struct health_policy policy = policy_of(2, 3);
		struct health health = {.state = HEALTH_UP};
		uint64_t now_ms = UINT32_MAX - 5000; /* its low half wraps on the way */
		struct score_figures figures;

		for (size_t i = 0; rows[row].results[i]; i++) {
			char c = rows[row].results[i];

			now_ms += c == ' ' ? 60000 : 1000;
			if (c != ' ')
				health_next(&health, &policy, c == '-' ? BAD : GOOD(c == 's' ? 200 : 10), now_ms);
		}
		figures = score_figures(&health.score, &policy.score, now_ms);
		print_message("  %s: score %u, %u %% of the weight\n", rows[row].name, figures.percent,
			      health_weight_percent(&health, &policy, now_ms));
		assert_int_equal(figures.percent, rows[row].score);
		assert_int_equal(health.state, rows[row].state);
		assert_int_equal(health_weight_percent(&health, &policy, now_ms), rows[row].percent);
	}
}

static void a_degraded_backend_goes_down_and_comes_back_with_a_clean_record(void **state)
{
	struct health_policy policy = policy_of(2, 3);
	struct health health = {.state = HEALTH_UP};
	uint64_t now_ms = 1000;

	(void)state;
	for (const char *c = "+-++-++-++---"; *c; c++)
		health_next(&health, &policy, *c == '+' ? GOOD(1) : BAD, now_ms += 1000);
	assert_int_equal(health.state, HEALTH_DOWN);
	health_next(&health, &policy, GOOD(1), now_ms += 1000);
	health_next(&health, &policy, GOOD(1), now_ms += 1000);
	assert_int_equal(health.state, HEALTH_UP);
	assert_int_equal(score_figures(&health.score, &policy.score, now_ms).results, 1);
	assert_int_equal(health_weight_percent(&health, &policy, now_ms), 100);
}

/* A wavering backend may cost few rebuilds of tables: how many steps a random one takes. */
static void steps_do_not_churn(void **state)
{
	static const uint32_t bad_percent[] = {2, 10, 20, 30, 45};
	uint32_t random = 1;

	(void)state;
	for (size_t row = 0; row < N(bad_percent); row++) {
		struct health_policy policy = policy_of(2, 1000); /* never down */
		struct health health = {.state = HEALTH_UP};
		uint32_t before = 100, steps = 0;

		policy.score.results = 30;
		for (uint64_t second = 1; second <= 86400; second++) {
			random = random * 1664525 + 1013904223;
			health_next(&health, &policy, (random >> 8) % 100 < bad_percent[row] ? BAD : GOOD(5), second * 1000);
			steps += health_weight_percent(&health, &policy, second * 1000) != before;
			before = health_weight_percent(&health, &policy, second * 1000);
		}
		print_message("  %u %% of the checks fail: the weight changes %.1f times an hour\n", bad_percent[row], steps / 24.0);
		assert_true(steps < 24 * 120);
		if (bad_percent[row] <= 2)
			assert_int_equal(steps, 0);
	}
}

/* ---- trend ---- */

static uint32_t warnings(const struct health_policy *policy, uint32_t seconds, uint32_t (*latency_ms)(uint32_t second),
			 bool (*good)(uint32_t second), struct score_warning *ret_first, uint32_t *ret_at)
{
	struct health health = {.state = HEALTH_UP};
	uint32_t n = 0;

	for (uint32_t second = 1; second <= seconds; second++) {
		struct health_result result = {!good || good(second), latency_ms(second) * 1000, 0};
		struct health_step step = health_next(&health, policy, result, second * 1000ULL);

		if (step.warning.trend != SCORE_TREND_NONE && n++ == 0) {
			*ret_first = step.warning;
			*ret_at = second;
		}
	}
	return n;
}

static uint32_t noise(uint32_t second, uint32_t range)
{
	return (second * 2654435761U >> 16) % range;
}

static uint32_t steady(uint32_t second) { return 20 + noise(second, 15); }
static uint32_t growing(uint32_t second) { return (second < 100 ? 20 : 20 + 2 * (second - 100)) + noise(second, 15); }
static bool ever_worse(uint32_t second) { return second < 100 || (second * 40503U >> 4) % 100 > 2 * (second - 100); }

static void trends_are_foreseen_and_told_once(void **state)
{
	struct health_policy policy = policy_of(2, 1000);
	struct score_warning first = {};
	uint32_t at = 0;

	(void)state;
	policy.score.results = 30;
	policy.score.slow_us = 0;
	assert_int_equal(warnings(&policy, 300, growing, NULL, &first, &at), 0); /* nobody asked for it */
	policy.score.predict_ms = 120000;
	assert_int_equal(warnings(&policy, 7 * 86400, steady, NULL, &first, &at), 0);
	print_message("  steady latencies for a week: no warning\n");
	assert_int_equal(warnings(&policy, 300, growing, NULL, &first, &at), 1);
	print_message("  2 ms more every second from second 100 on, timeout 500 ms at second 340: told at second %u, for second %u\n",
		      at, at + first.in_ms / 1000);
	assert_int_equal(first.trend, SCORE_TREND_LATENCY);
	assert_in_range(at + first.in_ms / 1000, 320, 360);
	assert_in_range(first.per_minute, 100, 140);
	policy.score.results = 60;
	assert_int_equal(warnings(&policy, 160, steady, ever_worse, &first, &at), 1);
	print_message("  2 %% more of the checks fail every second from second 100 on: told at second %u\n", at);
	assert_int_equal(first.trend, SCORE_TREND_FAILURES);
	assert_in_range(at, 101, 150);
}

/* ---- slow start ---- */

static void a_returning_backend_gets_its_weight_in_steps(void **state)
{
	struct health_policy policy = policy_of(1, 1);
	struct health health = {.state = HEALTH_UNKNOWN};
	uint32_t steps = 0, before = 10;

	(void)state;
	policy.slow_start_ms = 30000;
	health_next(&health, &policy, GOOD(1), 1000);
	assert_int_equal(health_weight_percent(&health, &policy, 1000), 100); /* the first start is not slow */
	health_next(&health, &policy, BAD, 2000);
	health_next(&health, &policy, GOOD(1), 10000);
	assert_int_equal(health_weight_percent(&health, &policy, 10000), 10);
	for (uint64_t now_ms = 10000; health_wake_ms(&health, &policy, now_ms); steps++) {
		uint64_t wake_ms = health_wake_ms(&health, &policy, now_ms);

		assert_true(wake_ms > now_ms);
		assert_int_equal(health_weight_percent(&health, &policy, wake_ms - 1), before);
		now_ms = wake_ms;
		assert_int_equal(health_weight_percent(&health, &policy, now_ms), before + 10);
		before += 10;
	}
	assert_int_equal(before, 100);
	assert_int_equal(steps, 9);
	health_forget(&health, true, 50000); /* maintenance */
	health_next(&health, &policy, GOOD(1), 60000);
	assert_int_equal(health_weight_percent(&health, &policy, 60000), 10);
	health_next(&health, &policy, BAD, 61000); /* it falls again on the way: the next return begins anew */
	health_next(&health, &policy, GOOD(1), 70000);
	assert_int_equal(health_weight_percent(&health, &policy, 70000), 10);
}

/* ---- the circuit breaker ---- */

static void probes_of_who_is_down_come_ever_more_rarely(void **state)
{
	const struct breaker_policy policy = {.interval_ms = 1000, .max_interval_ms = 60000};
	struct breaker breaker = {BREAKER_CLOSED, 0};

	(void)state;
	assert_int_equal(breaker_next(&breaker, &policy, false, false, UINT32_MAX), 0); /* bad, not yet down */
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	for (uint32_t ceiling = 2000, i = 0; i < 100; i++, ceiling = ceiling < 60000 ? ceiling * 2 : ceiling) {
		struct breaker other = breaker;

		assert_int_equal(breaker_next(&other, &policy, true, false, 0), 1000);
		assert_int_equal(breaker_next(&breaker, &policy, true, false, UINT32_MAX), ceiling < 60000 ? ceiling : 60000);
		assert_int_equal(breaker.state, BREAKER_OPEN);
	}
	assert_int_equal(breaker_next(&breaker, &policy, true, true, 7), 0);
	assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
	assert_int_equal(breaker_next(&breaker, &policy, true, false, UINT32_MAX), 60000); /* it was not to be */
	assert_int_equal(breaker.state, BREAKER_OPEN);
	assert_int_equal(breaker_next(&breaker, &policy, true, true, 7), 0);
	assert_int_equal(breaker_next(&breaker, &policy, false, true, 7), 0);
	assert_int_equal(breaker.state, BREAKER_CLOSED);
	assert_int_equal(breaker.failures, 0);
}

static void without_a_max_interval_the_pace_never_changes(void **state)
{
	const struct breaker_policy policy = {.interval_ms = 1000, .max_interval_ms = 0};
	struct breaker breaker = {BREAKER_CLOSED, 0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(breaker_next(&breaker, &policy, true, false, UINT32_MAX), 0);
	assert_int_equal(breaker.state, BREAKER_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_lead_to_states),
		cmocka_unit_test(a_year_of_good_results_is_no_overflow),
		cmocka_unit_test(states_have_the_words_of_the_contract),
		cmocka_unit_test(results_lead_to_scores_and_weights),
		cmocka_unit_test(a_degraded_backend_goes_down_and_comes_back_with_a_clean_record),
		cmocka_unit_test(steps_do_not_churn),
		cmocka_unit_test(trends_are_foreseen_and_told_once),
		cmocka_unit_test(a_returning_backend_gets_its_weight_in_steps),
		cmocka_unit_test(probes_of_who_is_down_come_ever_more_rarely),
		cmocka_unit_test(without_a_max_interval_the_pace_never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
