/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HAProxy's semantics of rise, fall and fastinter (configuration manual 2.6, section 5.2 "Server and default-server
 * options") as histories and the states that must follow. What its agents' words mean stands in test_probe_kinds.c.
 *
 *   "rise":      "… consider a server as operational after <count> consecutive successful health checks"
 *   "fall":      "… consider a server as dead after <count> consecutive unsuccessful health checks"
 *   "fastinter": of the delay between checks: "Transitionally UP (going down "fall"), Transitionally DOWN (going up "rise"),
 *                or yet unchecked"; "inter" while "UP 100% (non-transitional)", and while DOWN without "downinter".
 *
 * A deviation, on purpose: HAProxy takes an unchecked server for up; shunt gives it no traffic before its first good check.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/config.h"
#include "health/health.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/*
 * One letter a check: results g(ood), b(ad); states U(p), D(own), and in small letters while another check comes at
 * fastinter: u is going down, d is going up.
 */
static const struct {
	const char *section;
	uint32_t rise, fall;
	const char *results, *states;
} histories[] = {
	{"fall: the count is of consecutive checks", 2, 3, "gbbb", "UuuD"},
	{"fall: one good check starts the count again", 2, 3, "gbbgbbgbbb", "UuuUuuUuuD"},
	{"fall: failures that are not consecutive never add up", 2, 3, "gbgbgbgbgbg", "UuUuUuUuUuU"},
	{"fall 1: the first failure", 2, 1, "gb", "UD"},
	{"rise: the count is of consecutive checks", 2, 3, "gbbbgg", "UuuDdU"},
	{"rise: one failure starts the count again", 3, 1, "gbggbggg", "UDddDddU"},
	{"rise 1: the first success", 1, 1, "gbg", "UDU"},
	{"a transition is certain again at once: inter", 2, 2, "gbbggbb", "UuDdUuD"},
	{"more of the same changes nothing", 2, 3, "gggbbbbbgggg", "UUUuuDDDdUUU"},
	{"fastinter: in both directions", 3, 3, "gbbgbbbggbggg", "UuuUuuDddDddU"},
};

static char letter_of(const struct health *health)
{
	bool up = health->state == HEALTH_UP;

	assert_true(up || health->state == HEALTH_DOWN);
	return health->streak > 0 ? (up ? 'u' : 'd') : (up ? 'U' : 'D');
}

static void rise_fall_and_fastinter_are_haproxys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(histories); i++) {
		const struct health_policy policy = {.healthy_threshold = histories[i].rise,
						     .unhealthy_threshold = histories[i].fall};
		struct health health = {};
		char states[64] = "";

		for (size_t n = 0; histories[i].results[n]; n++) {
			health_next(&health, &policy, (struct health_result){.good = histories[i].results[n] == 'g'}, n * 100);
			states[n] = letter_of(&health);
		}
		if (strcmp(states, histories[i].states) != 0)
			fail_msg("%s: rise %u fall %u: %s gives %s, not %s", histories[i].section, histories[i].rise,
				 histories[i].fall, histories[i].results, states, histories[i].states);
	}
}

/* The worst case that `shunt status` states, for every failure's moment: checks played through in simulated time. */
static uint64_t play(const struct config_check *check, uint64_t failed_at_ms, bool answers_late)
{
	uint64_t at_ms = 0, next_ms;
	uint32_t bad = 0;

	for (;; at_ms = next_ms) {
		bool is_bad = at_ms >= failed_at_ms;
		uint64_t ends_ms = is_bad && answers_late ? at_ms + check->timeout_ms : at_ms;
		uint32_t again_ms = is_bad && check->fast_interval_ms ? check->fast_interval_ms : check->interval_ms;

		bad += is_bad;
		if (bad == check->unhealthy_threshold)
			return ends_ms - failed_at_ms;
		next_ms = at_ms + again_ms < ends_ms ? ends_ms : at_ms + again_ms;
	}
}

static void the_stated_worst_case_is_the_worst(void **state)
{
	struct config_check checks[] = {
		{.type = CHECK_TCP, .interval_ms = 1000, .timeout_ms = 500, .unhealthy_threshold = 3},
		{.type = CHECK_TCP, .interval_ms = 100, .timeout_ms = 100, .unhealthy_threshold = 3, .fast_interval_ms = 20},
		{.type = CHECK_HTTP, .interval_ms = 100, .timeout_ms = 15, .unhealthy_threshold = 4, .fast_interval_ms = 20},
		{.type = CHECK_TCP, .interval_ms = 250, .timeout_ms = 250, .unhealthy_threshold = 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(checks); i++) {
		uint64_t worst_ms = 0;

		for (uint64_t failed_at_ms = 1; failed_at_ms <= checks[i].interval_ms; failed_at_ms++)
			for (int late = 0; late < 2; late++)
				if (play(&checks[i], failed_at_ms, late) > worst_ms)
					worst_ms = play(&checks[i], failed_at_ms, late);
		print_message("worst of all moments %u ms, stated %u ms\n", (unsigned)worst_ms,
			      (unsigned)config_check_detection_ms(&checks[i]));
		/* it fails 1 ms after a check */
		assert_int_equal(config_check_detection_ms(&checks[i]), worst_ms + 1 + CONFIG_CHECK_SLACK_MS);
	}
	assert_int_equal(config_check_detection_ms(&(struct config_check){.type = CHECK_NONE}), 0);
	assert_int_equal(config_check_mtu_detection_ms(&checks[0]), 0);
	checks[0].via_service = true;
	checks[0].padded_interval_ms = 60000; /* the last good padded probe began just before the path became narrow */
	assert_int_equal(config_check_mtu_detection_ms(&checks[0]), 60000 + config_check_detection_ms(&checks[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rise_fall_and_fastinter_are_haproxys),
		cmocka_unit_test(the_stated_worst_case_is_the_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
