/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Penalties of what flaps: when it is suppressed, and when it is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "failover/damping.h"

#define MINUTE 60000ULL

static const struct damping_policy policy = {.half_life_ms = 15 * MINUTE, .max_suppress_ms = 60 * MINUTE, .suppress = 6000, .reuse = 750};

static struct damping flaps(struct damping damping, size_t n, uint64_t from_ms, uint64_t every_ms)
{
	for (size_t i = 0; i < n; i++)
		damping = damping_flap(damping, &policy, from_ms + i * every_ms);
	return damping;
}

static void a_penalty_halves_with_every_half_life(void **state)
{
	struct damping damping = flaps((struct damping){0}, 4, 1, 0);

	(void)state;
	assert_float_equal(damping.penalty, 4000, 0.001);
	assert_float_equal(damping_next(damping, &policy, 1 + 15 * MINUTE).penalty, 2000, 0.001);
	assert_float_equal(damping_next(damping, &policy, 1 + 60 * MINUTE).penalty, 250, 0.001);
	assert_float_equal(damping_next(damping, &policy, 0).penalty, 4000, 0.001); /* time that goes back decays nothing */
}

static void few_or_rare_flaps_suppress_nobody(void **state)
{
	(void)state;
	assert_false(flaps((struct damping){0}, 5, 1, 0).suppressed);
	assert_true(flaps((struct damping){0}, 6, 1, 0).suppressed);
	assert_true(flaps((struct damping){0}, 9, 1, 2 * MINUTE).suppressed);
	assert_false(flaps((struct damping){0}, 1000, 1, 15 * MINUTE).suppressed);
}

/* 6,000 decays to 750 in three half-lives. */
static void who_is_quiet_is_reused_when_it_was_said(void **state)
{
	struct damping damping = flaps((struct damping){0}, 6, 1, 0);
	uint64_t reuse_ms = damping_reuse_ms(damping, &policy);

	(void)state;
	assert_in_range(reuse_ms, 1 + 45 * MINUTE - 1, 1 + 45 * MINUTE + 1);
	assert_true(damping_next(damping, &policy, reuse_ms - 2 * MINUTE).suppressed);
	damping = damping_next(damping, &policy, reuse_ms);
	assert_false(damping.suppressed);
	assert_int_equal(damping_reuse_ms(damping, &policy), 0);
	/* It has not forgotten: fewer flaps suffice the next time. */
	assert_true(flaps(damping, 6, reuse_ms, 0).suppressed);
	assert_true(damping.penalty > 700);
}

static void nobody_is_suppressed_for_longer_than_the_most(void **state)
{
	struct damping damping = flaps((struct damping){0}, 100000, 1, 10);
	uint64_t last_ms = 1 + 99999 * 10;

	(void)state;
	assert_true(damping_reuse_ms(damping, &policy) <= last_ms + 60 * MINUTE + 1);
	assert_false(damping_next(damping, &policy, last_ms + 60 * MINUTE).suppressed);
}

static void without_a_policy_nothing_is_counted(void **state)
{
	const struct damping_policy none = {0};
	struct damping damping = {0};

	(void)state;
	for (size_t i = 0; i < 100; i++)
		damping = damping_flap(damping, &none, i);
	assert_false(damping.suppressed);
	assert_int_equal(damping_reuse_ms(damping, &none), 0);
}

static void the_last_fit_member_is_not_suppressed(void **state)
{
	struct failover_member members[3] = {{.fit = true}, {.fit = true}, {.fit = false}};
	const bool one[3] = {true, false, false}, both[3] = {true, true, false};

	(void)state;
	damping_apply(members, one, 3);
	assert_false(members[0].fit);
	assert_true(members[1].fit);
	members[0].fit = true;
	damping_apply(members, both, 3);
	assert_true(members[0].fit && members[1].fit);
	assert_false(members[2].fit);
}

static void a_panic_begins_below_the_threshold(void **state)
{
	(void)state;
	assert_false(failover_panics(10, 3, 30));
	assert_true(failover_panics(10, 2, 30));
	assert_false(failover_panics(10, 0, 0));
	assert_false(failover_panics(0, 0, 30));
	assert_true(failover_panics(1, 0, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_penalty_halves_with_every_half_life),
		cmocka_unit_test(few_or_rare_flaps_suppress_nobody),
		cmocka_unit_test(who_is_quiet_is_reused_when_it_was_said),
		cmocka_unit_test(nobody_is_suppressed_for_longer_than_the_most),
		cmocka_unit_test(without_a_policy_nothing_is_counted),
		cmocka_unit_test(the_last_fit_member_is_not_suppressed),
		cmocka_unit_test(a_panic_begins_below_the_threshold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
