/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histories of groups: who takes new flows after each event, why, and whether it counts as a failover. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/hash.h>

#include "failover/failover.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define MEMBERS_MAX 8
#define NOBODY FAILOVER_NO_MEMBER

#define CHECK FAILOVER_EVENT_CHECK
#define FORCE FAILOVER_EVENT_FORCE
#define FAILBACK FAILOVER_EVENT_FAILBACK

/*
 * One moment of a history. fit and active have one character a member: '+' fit or active, '.' not. The event happens at
 * `at` seconds with the members as given.
 */
struct moment {
	uint32_t at;
	const char *fit;
	enum failover_event event;
	size_t member;
	uint32_t until;
	/* expected */
	const char *active;
	const char *state;
	enum failover_cause cause;
	bool is_failover;
	uint32_t wake;
	int refused;
};

#define START FAILOVER_CAUSE_START
#define UNFIT FAILOVER_CAUSE_UNFIT
#define BACK FAILOVER_CAUSE_FAILBACK
#define OPERATOR FAILOVER_CAUSE_OPERATOR
#define EXPIRED FAILOVER_CAUSE_EXPIRED

#define MANUAL_FAILBACK                                                                                                \
	{                                                                                                              \
		.failover_automatic = true, .min_healthy = 1                                                           \
	}
#define AUTO_FAILBACK                                                                                                  \
	{                                                                                                              \
		.failover_automatic = true, .failback_automatic = true, .failback_delay_ms = 30000, .min_healthy = 1   \
	}
#define ALL_MANUAL                                                                                                     \
	{                                                                                                              \
		.min_healthy = 1                                                                                       \
	}

static const struct history {
	const char *name;
	struct failover_policy policy;
	const char *tiers; /* one digit a member */
	struct moment moments[12];
} histories[] = {
	{"a standby takes over, and a recovered primary stays standby until failback",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {3, "++", .active = ".+", .state = "failed-over"},
	  {900, "++", .active = ".+", .state = "failed-over"},
	  {901, "++", FAILBACK, .active = "+.", .state = "normal", .cause = OPERATOR},
	  {902, "++", FAILBACK, .active = "+.", .state = "normal", .refused = -EALREADY}}},
	{"when the standby fails, the recovered primary takes over again, which is no failover",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = ".+", .state = "failed-over"},
	  {3, "+.", .active = "+.", .state = "degraded", .cause = UNFIT}}},
	{"automatic failback waits for unbroken health",
	 AUTO_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {20, "++", .active = ".+", .state = "failing-back", .wake = 50},
	  {40, "++", .active = ".+", .state = "failing-back", .wake = 50},
	  {45, ".+", .active = ".+", .state = "failed-over"},
	  {46, "++", .active = ".+", .state = "failing-back", .wake = 76},
	  {75, "++", .active = ".+", .state = "failing-back", .wake = 76},
	  {76, "++", .active = "+.", .state = "normal", .cause = BACK}}},
	{"failback without a delay is at once",
	 {.failover_automatic = true, .failback_automatic = true, .min_healthy = 1},
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", .active = "+.", .state = "normal", .cause = BACK}}},
	{"manual failover never moves by itself",
	 ALL_MANUAL,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", .active = "+.", .state = "down"},
	  {3, ".+", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {4, "++", .active = ".+", .state = "failed-over"},
	  {5, "+.", .active = ".+", .state = "down"},
	  {6, "+.", FAILBACK, .active = "+.", .state = "degraded", .cause = OPERATOR}}},
	{"nobody fit at the start: down until somebody is, even with manual failover",
	 ALL_MANUAL,
	 "012",
	 {{1, "...", .active = "...", .state = "down"},
	  {2, "...", FORCE, NOBODY, .active = "...", .state = "down", .refused = -EHOSTDOWN},
	  {3, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {4, "+++", .active = "..+", .state = "failed-over"}}},
	{"all fail: the tier stays until one is fit",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "..", .active = "+.", .state = "down"},
	  {3, "+.", .active = "+.", .state = "degraded"},
	  {4, "..", .active = "+.", .state = "down"},
	  {5, ".+", .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"too few healthy members of a tier: the next one takes over",
	 {.failover_automatic = true, .min_healthy = 2},
	 "000111",
	 {{1, "++++++", .active = "+++...", .state = "normal", .cause = START},
	  {2, ".+++++", .active = "+++...", .state = "degraded"},
	  {3, "..++++", .active = "...+++", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {4, "..+..+", .active = "...+++", .state = "failed-over"},
	  {5, "..+...", .active = "+++...", .state = "degraded", .cause = UNFIT},
	  {6, "..++..", .active = "+++...", .state = "degraded"},
	  {7, "..+++.", .active = "...+++", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"members of one priority share a tier",
	 MANUAL_FAILBACK,
	 "0112",
	 {{1, "++++", .active = "+...", .state = "normal", .cause = START},
	  {2, ".+++", .active = ".++.", .state = "failed-over", .cause = UNFIT, .is_failover = true},
	  {3, ".+.+", .active = ".++.", .state = "failed-over"},
	  {4, "...+", .active = "...+", .state = "failed-over", .cause = UNFIT, .is_failover = true}}},
	{"active-active: all members of the one tier, whoever is fit",
	 MANUAL_FAILBACK,
	 "000",
	 {{1, "+++", .active = "+++", .state = "normal", .cause = START},
	  {2, "+.+", .active = "+++", .state = "degraded"},
	  {3, "...", .active = "+++", .state = "down"},
	  {4, "+++", .active = "+++", .state = "normal"},
	  {5, "+++", FORCE, NOBODY, .active = "+++", .state = "normal", .refused = -EHOSTDOWN},
	  {6, "+++", FORCE, 1, .active = ".+.", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {7, "+++", FAILBACK, .active = "+++", .state = "normal", .cause = OPERATOR},
	  {8, "+++", FAILBACK, .active = "+++", .state = "normal", .refused = -EALREADY}}},
	{"a forced member holds until failback, whatever failback says",
	 AUTO_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "++", FORCE, 1, .active = ".+", .state = "failed-over", .refused = -EALREADY},
	  {900, "++", .active = ".+", .state = "failed-over"},
	  {901, ".+", FAILBACK, .active = ".+", .state = "failed-over", .refused = -EHOSTDOWN},
	  {902, "++", FAILBACK, .active = "+.", .state = "normal", .cause = OPERATOR}}},
	{"a forced member with an expiry",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {10, "++", FORCE, 1, 70, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {20, "++", FORCE, 1, 90, .active = ".+", .state = "failed-over", .cause = OPERATOR, .wake = 90},
	  {89, "++", .active = ".+", .state = "failed-over", .wake = 90},
	  {90, "++", .active = "+.", .state = "normal", .cause = EXPIRED}}},
	{"an override in the past is refused",
	 MANUAL_FAILBACK,
	 "01",
	 {{10, "++", .active = "+.", .state = "normal", .cause = START},
	  {20, "++", FORCE, 1, 20, .active = "+.", .state = "normal", .refused = -EINVAL}}},
	{"an override runs out while the primary is down: the best fit one serves",
	 ALL_MANUAL,
	 "012",
	 {{1, "+++", .active = "+..", .state = "normal", .cause = START},
	  {10, "+++", FORCE, 2, 70, .active = "..+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {60, ".++", .active = "..+", .state = "failed-over", .wake = 70},
	  {70, ".++", .active = ".+.", .state = "failed-over", .cause = EXPIRED}}},
	{"an override ends where the group was before",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, ".++", .active = ".+.", .state = "failed-over", .cause = START},
	  {10, ".++", FORCE, 2, 70, .active = "..+", .state = "failed-over", .cause = OPERATOR, .is_failover = true,
	   .wake = 70},
	  {20, "+++", .active = "..+", .state = "failed-over", .wake = 70},
	  {70, "+++", .active = ".+.", .state = "failed-over", .cause = EXPIRED}}},
	{"a forced member fails with automatic failover: the override is dropped",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "+.", .active = "+.", .state = "degraded", .cause = EXPIRED},
	  {4, "++", .active = "+.", .state = "normal"}}},
	{"a forced primary fails with automatic failover: that is a failover",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, ".+", .active = ".+", .state = "failed-over", .cause = START},
	  {2, "++", FORCE, 0, .active = "+.", .state = "normal", .cause = OPERATOR},
	  {3, ".+", .active = ".+", .state = "failed-over", .cause = EXPIRED, .is_failover = true}}},
	{"a forced member fails with manual failover: the override is kept",
	 ALL_MANUAL,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, "++", FORCE, 1, .active = ".+", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "+.", .active = ".+", .state = "down"},
	  {4, "++", .active = ".+", .state = "failed-over"}}},
	{"what is not fit or not there cannot be forced",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, "+.+", .active = "+..", .state = "degraded", .cause = START},
	  {2, "+.+", FORCE, 1, .active = "+..", .state = "degraded", .refused = -EHOSTDOWN},
	  {3, "+.+", FORCE, 3, .active = "+..", .state = "degraded", .refused = -EINVAL},
	  {4, "+.+", FORCE, 9999, .active = "+..", .state = "degraded", .refused = -EINVAL},
	  {5, "+..", FORCE, NOBODY, .active = "+..", .state = "degraded", .refused = -EHOSTDOWN}}},
	{"the next best: the next less preferred tier, then round to the others",
	 MANUAL_FAILBACK,
	 "01123",
	 {{1, "+++++", .active = "+....", .state = "normal", .cause = START},
	  {2, "+++++", FORCE, NOBODY, .active = ".++..", .state = "failed-over", .cause = OPERATOR,
	   .is_failover = true},
	  {3, "+++.+", FORCE, NOBODY, .active = "....+", .state = "failed-over", .cause = OPERATOR,
	   .is_failover = true},
	  {4, "+++++", FORCE, NOBODY, .active = "+....", .state = "normal", .cause = OPERATOR},
	  {5, "+....", FORCE, NOBODY, .active = "+....", .state = "degraded", .refused = -EHOSTDOWN},
	  {6, "+++++", FAILBACK, .active = "+....", .state = "normal", .cause = OPERATOR}}},
	{"a forced tier serves with all its members until it is less able than another",
	 MANUAL_FAILBACK,
	 "0011",
	 {{1, "++++", .active = "++..", .state = "normal", .cause = START},
	  {2, "++++", FORCE, NOBODY, .active = "..++", .state = "failed-over", .cause = OPERATOR, .is_failover = true},
	  {3, "++.+", .active = "..++", .state = "failed-over"},
	  {4, "++..", .active = "++..", .state = "degraded", .cause = EXPIRED}}},
	{"a flapping best tier does not keep the group from a stable better one",
	 AUTO_FAILBACK,
	 "012",
	 {{1, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {10, "+++", .active = "..+", .state = "failing-back", .wake = 40},
	  {20, ".++", .active = "..+", .state = "failing-back", .wake = 50},
	  {30, "+++", .active = "..+", .state = "failing-back", .wake = 50},
	  {40, ".++", .active = "..+", .state = "failing-back", .wake = 50},
	  {50, ".++", .active = ".+.", .state = "failed-over", .cause = BACK},
	  {60, "+++", .active = ".+.", .state = "failing-back", .wake = 90},
	  {90, "+++", .active = "+..", .state = "normal", .cause = BACK}}},
	{"failback needs the primary itself",
	 MANUAL_FAILBACK,
	 "012",
	 {{1, "..+", .active = "..+", .state = "failed-over", .cause = START},
	  {2, ".++", FAILBACK, .active = "..+", .state = "failed-over", .refused = -EHOSTDOWN},
	  {3, "+++", FAILBACK, .active = "+..", .state = "normal", .cause = OPERATOR}}},
	{"a refused command does not keep the checks from deciding",
	 MANUAL_FAILBACK,
	 "01",
	 {{1, "++", .active = "+.", .state = "normal", .cause = START},
	  {2, ".+", FORCE, 0, .active = ".+", .state = "failed-over", .cause = UNFIT, .is_failover = true,
	   .refused = -EHOSTDOWN}}},
};

static size_t make_members(const char *tiers, const char *fit, struct failover_member *ret_members)
{
	size_t n = strlen(tiers);

	assert_int_equal(strlen(fit), n);
	for (size_t i = 0; i < n; i++)
		ret_members[i] = (struct failover_member){.tier = tiers[i] - '0', .fit = fit[i] == '+'};
	return n;
}

static const char *active_text(const struct failover *failover, const struct failover_member *members, size_t n)
{
	static char text[MEMBERS_MAX + 1];

	for (size_t i = 0; i < n; i++)
		text[i] = failover_is_active(failover, members, i) ? '+' : '.';
	text[n] = '\0';
	return text;
}

static void histories_go_as_told(void **state)
{
	(void)state;
	for (size_t h = 0; h < N(histories); h++) {
		struct failover failover;

		print_message("  %s\n", histories[h].name);
		failover_init(&failover);
		for (const struct moment *m = histories[h].moments; m->fit; m++) {
			struct failover_member members[MEMBERS_MAX];
			size_t n = make_members(histories[h].tiers, m->fit, members);
			struct failover_input input = {m->event, m->member, m->until * 1000ULL};
			struct failover_step step =
				failover_next(&failover, &histories[h].policy, members, n, input, m->at * 1000ULL);

			print_message("    at %u\n", m->at);
			assert_int_equal(step.refused, m->refused);
			assert_string_equal(active_text(&step.next, members, n), m->active);
			assert_string_equal(failover_state_text(step.next.state), m->state);
			assert_string_equal(failover_cause_text(step.cause), failover_cause_text(m->cause));
			assert_int_equal(step.is_failover, m->is_failover);
			assert_int_equal(step.wake_ms, m->wake * 1000ULL);
			failover = step.next;
		}
	}
}

static void a_group_that_changes_under_its_state_decides_anew(void **state)
{
	struct failover_policy policy = MANUAL_FAILBACK, manual = ALL_MANUAL;
	struct failover_member members[2] = {{5, true}, {6, true}};
	struct failover failover;
	struct failover_step step;

	(void)state;
	failover_init(&failover);
	step = failover_next(&failover, &policy, members, 0, (struct failover_input){0}, 1);
	assert_int_equal(step.next.state, FAILOVER_DOWN);
	assert_int_equal(step.next.tier, FAILOVER_NO_TIER);
	failover.tier = 3; /* a tier that a reload took away */
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_int_equal(step.next.tier, 5);
	assert_int_equal(step.cause, FAILOVER_CAUSE_START);
	failover.forced = 7; /* a member that a reload took away */
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_false(failover_is_forced(&step.next));
	assert_int_equal(step.cause, FAILOVER_CAUSE_EXPIRED);
	failover.forced = FAILOVER_NO_MEMBER;
	failover.forced_tier = 9;
	step = failover_next(&failover, &manual, members, 2, (struct failover_input){0}, 1);
	assert_false(failover_is_forced(&step.next));
}

/* ---- random histories ---- */

static uint32_t roll(uint64_t *random, uint32_t n)
{
	return shunt_mix64(*random += 0x9e3779b97f4a7c15ULL) % n;
}

static uint32_t fit_in(const struct failover_member *members, size_t n, uint32_t tier)
{
	uint32_t fit = 0;

	for (size_t i = 0; i < n; i++)
		fit += members[i].tier == tier && members[i].fit;
	return fit;
}

static void assert_sound(const struct failover *before, const struct failover_step *step,
			 const struct failover_policy *policy, const struct failover_member *members, size_t n,
			 struct failover_input input, uint64_t now_ms)
{
	uint32_t active_fit = 0, enough = 0, fit = 0;
	bool moved = false;

	for (size_t i = 0; i < n; i++) {
		active_fit += members[i].fit && failover_is_active(&step->next, members, i);
		fit += members[i].fit;
		enough += fit_in(members, n, members[i].tier) >= policy->min_healthy;
		moved |= failover_is_active(before, members, i) != failover_is_active(&step->next, members, i);
	}
	assert_true((step->next.state == FAILOVER_DOWN) == (active_fit == 0));
	if (policy->failover_automatic && fit)
		assert_true(active_fit);
	if (policy->failover_automatic && enough && !failover_is_forced(&step->next))
		assert_true(fit_in(members, n, step->next.tier) >= policy->min_healthy);
	if (!policy->failover_automatic && !policy->failback_automatic && input.event == CHECK &&
	    !before->forced_until_ms && before->tier != FAILOVER_NO_TIER)
		assert_false(moved);
	assert_true(!moved || step->cause != FAILOVER_CAUSE_NONE);
	assert_true(!step->is_failover || moved);
	assert_true(!step->is_failover || (step->cause != START && step->cause != BACK));
	assert_true(!step->wake_ms || step->wake_ms > now_ms);
	assert_true(step->next.state != FAILOVER_FAILING_BACK || step->wake_ms);
	assert_true(!step->next.forced_until_ms || step->wake_ms == step->next.forced_until_ms);
	if (step->refused == 0 && input.event == FAILBACK)
		assert_false(failover_is_forced(&step->next));
}

static void random_histories_are_sound(void **state)
{
	const char *given = getenv("SHUNT_SEED");
	uint64_t first = given ? strtoull(given, NULL, 0) : 1, steps = 0, failovers = 0;

	(void)state;
	print_message("  from SHUNT_SEED=%llu\n", (unsigned long long)first);
	for (uint64_t seed = first; seed < first + (given ? 1 : 3000); seed++) {
		uint64_t random = seed * 0x10001, now_ms = 1000;
		struct failover_policy policy = {roll(&random, 3) > 0, roll(&random, 2), roll(&random, 3) * 15000,
						 1 + roll(&random, 2)};
		struct failover_member members[MEMBERS_MAX] = {{0}};
		size_t n = 1 + roll(&random, MEMBERS_MAX);
		struct failover failover;

		for (size_t i = 0; i < n; i++)
			members[i] = (struct failover_member){roll(&random, 4), roll(&random, 2)};
		failover_init(&failover);
		for (int i = 0; i < 300; i++, steps++) {
			uint32_t what = roll(&random, 20);
			struct failover_input input = {
				.event = what == 0   ? FORCE
					 : what == 1 ? FAILBACK
						     : CHECK,
				.member = roll(&random, 3) ? roll(&random, n) : NOBODY,
				.until_ms = roll(&random, 2) ? now_ms + 1 + roll(&random, 60000) : 0,
			};
			struct failover_step step = failover_next(&failover, &policy, members, n, input, now_ms), again;

			assert_sound(&failover, &step, &policy, members, n, input, now_ms);
			again = failover_next(&failover, &policy, members, n, input, now_ms);
			assert_memory_equal(&again.next, &step.next, sizeof(step.next));
			/* Having decided, there is nothing left to decide. */
			again = failover_next(&step.next, &policy, members, n, (struct failover_input){0}, now_ms);
			assert_memory_equal(&again.next, &step.next, sizeof(step.next));
			assert_int_equal(again.cause, FAILOVER_CAUSE_NONE);
			failovers += step.is_failover;
			failover = step.next;
			now_ms = step.wake_ms && roll(&random, 4) == 0 ? step.wake_ms
								       : now_ms + 1 + roll(&random, 20000);
			if (roll(&random, 2))
				members[roll(&random, n)].fit = roll(&random, 3) > 0;
		}
	}
	print_message("  %llu steps, %llu failovers\n", (unsigned long long)steps, (unsigned long long)failovers);
}

static void a_year_of_flapping_passes_in_a_second(void **state)
{
	struct failover_policy policy = AUTO_FAILBACK;
	struct failover_member members[2] = {{0, true}, {1, true}};
	uint64_t random = 1, failovers = 0, failbacks = 0;
	struct failover failover;

	(void)state;
	failover_init(&failover);
	for (uint64_t now_ms = 1; now_ms < 365ULL * 24 * 3600 * 1000; now_ms += 10000) {
		struct failover_step step;

		if (roll(&random, 12) == 0)
			members[0].fit = !members[0].fit;
		step = failover_next(&failover, &policy, members, 2, (struct failover_input){0}, now_ms);
		failovers += step.is_failover;
		failbacks += step.cause == FAILOVER_CAUSE_FAILBACK;
		failover = step.next;
	}
	print_message("  %llu failovers, %llu failbacks\n", (unsigned long long)failovers,
		      (unsigned long long)failbacks);
	assert_true(failovers > 1000 && (failovers == failbacks || failovers == failbacks + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histories_go_as_told),
		cmocka_unit_test(a_group_that_changes_under_its_state_decides_anew),
		cmocka_unit_test(random_histories_are_sound),
		cmocka_unit_test(a_year_of_flapping_passes_in_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
