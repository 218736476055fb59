/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which tier of a group serves. Knows members by tier and fitness, not by name; knows nothing of slots or flows.
 *
 * A tier is more or less able: enough of its members are fit, some are, none is. Automatic failover leaves a tier as soon as
 * another one is more able. Among equally able tiers the one in use stays until failback, so that a recovery moves nothing
 * by itself. An override lies over all this: when it ends, the tier that was in use before is in use again.
 */
#include <errno.h>

#include "failover/failover.h"

enum ability { NOBODY_FIT, SOME_FIT, ENOUGH_FIT };

struct group {
	const struct failover_policy *policy;
	const struct failover_member *members;
	size_t n;
};

static enum ability ability_of(const struct group *group, uint32_t tier)
{
	uint32_t fit = 0;

	for (size_t i = 0; i < group->n; i++)
		fit += group->members[i].tier == tier && group->members[i].fit;
	if (fit == 0)
		return NOBODY_FIT;
	return fit >= group->policy->min_healthy ? ENOUGH_FIT : SOME_FIT;
}

/* The most preferred of the most able tiers above `above` (FAILOVER_NO_TIER: of all) other than `except`. */
static uint32_t best_tier(const struct group *group, uint32_t above, uint32_t except, enum ability *ret_ability)
{
	uint32_t best = FAILOVER_NO_TIER, last = FAILOVER_NO_TIER;

	*ret_ability = NOBODY_FIT;
	for (size_t i = 0; i < group->n; i++) {
		uint32_t tier = group->members[i].tier;
		enum ability ability;

		if (tier == last || tier == except || (above != FAILOVER_NO_TIER && tier <= above) ||
		    (*ret_ability == ENOUGH_FIT && tier >= best))
			continue;
		last = tier;
		ability = ability_of(group, tier);
		if (ability > *ret_ability || (ability == *ret_ability && ability > NOBODY_FIT && tier < best)) {
			best = tier;
			*ret_ability = ability;
		}
	}
	return best;
}

static uint32_t primary_tier(const struct group *group)
{
	uint32_t primary = FAILOVER_NO_TIER;

	for (size_t i = 0; i < group->n; i++)
		if (group->members[i].tier < primary)
			primary = group->members[i].tier;
	return primary;
}

static size_t size_of_tier(const struct group *group, uint32_t tier)
{
	size_t size = 0;

	for (size_t i = 0; i < group->n; i++)
		size += group->members[i].tier == tier;
	return size;
}

bool failover_is_forced(const struct failover *failover)
{
	return failover->forced != FAILOVER_NO_MEMBER || failover->forced_tier != FAILOVER_NO_TIER;
}

bool failover_is_active(const struct failover *failover, const struct failover_member *members, size_t i)
{
	if (failover->forced != FAILOVER_NO_MEMBER)
		return i == failover->forced;
	if (failover->forced_tier != FAILOVER_NO_TIER)
		return members[i].tier == failover->forced_tier;
	return members[i].tier == failover->tier;
}

static uint32_t serving_tier(const struct failover *failover, const struct group *group)
{
	if (failover->forced != FAILOVER_NO_MEMBER)
		return failover->forced < group->n ? group->members[failover->forced].tier : FAILOVER_NO_TIER;
	return failover->forced_tier != FAILOVER_NO_TIER ? failover->forced_tier : failover->tier;
}

static bool same_active(const struct failover *a, const struct failover *b, const struct group *group)
{
	for (size_t i = 0; i < group->n; i++)
		if (failover_is_active(a, group->members, i) != failover_is_active(b, group->members, i))
			return false;
	return true;
}

static void forget_better(struct failover *failover)
{
	failover->better_tier = FAILOVER_NO_TIER;
	failover->better_since_ms = 0;
}

static void end_override(struct failover *failover)
{
	failover->forced = FAILOVER_NO_MEMBER;
	failover->forced_tier = FAILOVER_NO_TIER;
	failover->forced_until_ms = 0;
}

/* The next less preferred tier with enough fit members, else the most preferred other one, else one with any. */
static uint32_t next_tier(const struct group *group, uint32_t serving)
{
	enum ability below, any;
	uint32_t tier_below = best_tier(group, serving, serving, &below);
	uint32_t tier_any = best_tier(group, FAILOVER_NO_TIER, serving, &any);

	return serving != FAILOVER_NO_TIER && below == any ? tier_below : tier_any;
}

static int force(struct failover *next, const struct group *group, struct failover_input input, uint64_t now_ms)
{
	uint32_t tier = FAILOVER_NO_TIER;

	if (input.until_ms && input.until_ms <= now_ms)
		return -EINVAL;
	if (input.member == FAILOVER_NO_MEMBER) {
		tier = next_tier(group, serving_tier(next, group));
		if (tier == FAILOVER_NO_TIER)
			return -EHOSTDOWN;
	} else if (input.member >= group->n) {
		return -EINVAL;
	} else if (!group->members[input.member].fit) {
		return -EHOSTDOWN;
	} else if (next->forced == input.member && next->forced_until_ms == input.until_ms) {
		return -EALREADY;
	}
	next->forced = input.member;
	next->forced_tier = tier;
	next->forced_until_ms = input.until_ms;
	forget_better(next);
	return 0;
}

static int fail_back(struct failover *next, const struct group *group)
{
	uint32_t primary = primary_tier(group);
	enum ability best;

	if (!failover_is_forced(next) && next->tier == primary)
		return -EALREADY;
	if (best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best) != primary)
		return -EHOSTDOWN;
	end_override(next);
	forget_better(next);
	next->tier = primary;
	return 0;
}

/* Ends an override that ran out, or whose member is not there or, when moving is automatic, not fit any more. */
static bool override_ends(const struct failover *failover, const struct group *group, uint64_t now_ms)
{
	enum ability best;

	if (failover->forced_until_ms && now_ms >= failover->forced_until_ms)
		return true;
	if (failover->forced != FAILOVER_NO_MEMBER) {
		if (failover->forced >= group->n)
			return true;
		return group->policy->failover_automatic && !group->members[failover->forced].fit;
	}
	if (size_of_tier(group, failover->forced_tier) == 0)
		return true;
	best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);
	return group->policy->failover_automatic &&
	       (best == NOBODY_FIT || ability_of(group, failover->forced_tier) < best);
}

/*
 * Keeps better_tier: once a better tier is timed it stays the one for as long as it can serve, so that a still better one
 * that flaps does not keep the group from returning to it.
 */
static void watch_better(struct failover *next, const struct group *group, uint64_t now_ms)
{
	enum ability best, needed = ability_of(group, next->tier);
	uint32_t tier = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);

	needed = needed == NOBODY_FIT ? SOME_FIT : needed;
	if (next->better_tier != FAILOVER_NO_TIER && next->better_tier < next->tier &&
	    ability_of(group, next->better_tier) >= needed)
		return;
	forget_better(next);
	if (tier < next->tier) {
		next->better_tier = tier;
		next->better_since_ms = now_ms;
	}
}

/* What happens by itself while no override holds. `freely`: one has just ended, so that even manual failover may move. */
static enum failover_cause decide(struct failover *next, const struct group *group, bool freely, uint64_t now_ms)
{
	enum ability best;
	uint32_t tier = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);

	if (next->tier == FAILOVER_NO_TIER) {
		next->tier = tier;
		return tier == FAILOVER_NO_TIER ? FAILOVER_CAUSE_NONE : FAILOVER_CAUSE_START;
	}
	if (best > ability_of(group, next->tier) && (group->policy->failover_automatic || freely)) {
		next->tier = tier;
		forget_better(next);
		return FAILOVER_CAUSE_UNFIT;
	}
	watch_better(next, group, now_ms);
	if (next->better_tier == FAILOVER_NO_TIER || !group->policy->failback_automatic ||
	    now_ms - next->better_since_ms < group->policy->failback_delay_ms)
		return FAILOVER_CAUSE_NONE;
	next->tier = next->better_tier;
	watch_better(next, group, now_ms);
	return FAILOVER_CAUSE_FAILBACK;
}

static enum failover_state state_of(const struct failover *failover, const struct group *group)
{
	uint32_t primary = primary_tier(group);
	size_t active = 0, active_fit = 0, fit = 0;

	for (size_t i = 0; i < group->n; i++) {
		bool is_active = failover_is_active(failover, group->members, i);

		active += is_active;
		active_fit += is_active && group->members[i].fit;
		fit += group->members[i].fit;
	}
	if (active_fit == 0)
		return FAILOVER_DOWN;
	/* A forced member that is the whole best tier is no failover. */
	if (serving_tier(failover, group) == primary && active == size_of_tier(group, primary))
		return fit == group->n ? FAILOVER_NORMAL : FAILOVER_DEGRADED;
	if (failover->better_tier != FAILOVER_NO_TIER && group->policy->failback_automatic)
		return FAILOVER_FAILING_BACK;
	return FAILOVER_FAILED_OVER;
}

static uint64_t wake_of(const struct failover *next, const struct failover_policy *policy)
{
	if (failover_is_forced(next))
		return next->forced_until_ms;
	if (next->better_tier != FAILOVER_NO_TIER && policy->failback_automatic)
		return next->better_since_ms + policy->failback_delay_ms;
	return 0;
}

/* Away from the better one: to a less preferred tier, or by force to a part or a peer of the tier in use. */
static bool counts_as_failover(const struct failover *before, const struct failover *after, const struct group *group,
			       bool by_force)
{
	uint32_t from = serving_tier(before, group), to = serving_tier(after, group);

	if (from == FAILOVER_NO_TIER || to == FAILOVER_NO_TIER)
		return false;
	return to > from || (by_force && to == from && !same_active(before, after, group));
}

struct failover_step failover_next(const struct failover *failover, const struct failover_policy *policy,
				   const struct failover_member *members, size_t n, struct failover_input input,
				   uint64_t now_ms)
{
	const struct group group = {policy, members, n};
	struct failover_step step = {.next = *failover};
	struct failover *next = &step.next;
	enum failover_cause cause;
	bool ended = false;

	if (size_of_tier(&group, next->tier) == 0)
		next->tier = FAILOVER_NO_TIER;
	if (input.event == FAILOVER_EVENT_FORCE)
		step.refused = force(next, &group, input, now_ms);
	else if (input.event == FAILOVER_EVENT_FAILBACK)
		step.refused = fail_back(next, &group);
	if (input.event != FAILOVER_EVENT_CHECK && step.refused == 0)
		step.cause = FAILOVER_CAUSE_OPERATOR;
	if (failover_is_forced(next) && override_ends(next, &group, now_ms)) {
		end_override(next);
		step.cause = FAILOVER_CAUSE_EXPIRED;
		ended = true;
	}
	if (!failover_is_forced(next)) {
		cause = decide(next, &group, ended, now_ms);
		step.cause = step.cause == FAILOVER_CAUSE_NONE ? cause : step.cause;
	}
	step.is_failover = step.cause != FAILOVER_CAUSE_NONE && step.cause != FAILOVER_CAUSE_START &&
			   counts_as_failover(failover, next, &group, input.event == FAILOVER_EVENT_FORCE);
	next->state = state_of(next, &group);
	step.wake_ms = wake_of(next, policy);
	return step;
}

void failover_init(struct failover *failover)
{
	*failover = (struct failover){
		.tier = FAILOVER_NO_TIER,
		.forced = FAILOVER_NO_MEMBER,
		.forced_tier = FAILOVER_NO_TIER,
		.better_tier = FAILOVER_NO_TIER,
		.state = FAILOVER_DOWN,
	};
}

const char *failover_state_text(enum failover_state state)
{
	static const char *const text[] = {
		[FAILOVER_NORMAL] = "normal",
		[FAILOVER_FAILED_OVER] = "failed-over",
		[FAILOVER_FAILING_BACK] = "failing-back",
		[FAILOVER_DEGRADED] = "degraded",
		[FAILOVER_DOWN] = "down",
	};

	return text[state];
}

const char *failover_cause_text(enum failover_cause cause)
{
	static const char *const text[] = {
		[FAILOVER_CAUSE_NONE] = "nothing changed",
		[FAILOVER_CAUSE_START] = "first decision",
		[FAILOVER_CAUSE_UNFIT] = "the tier in use cannot serve any more",
		[FAILOVER_CAUSE_FAILBACK] = "a better tier has been healthy long enough",
		[FAILOVER_CAUSE_OPERATOR] = "by an operator",
		[FAILOVER_CAUSE_EXPIRED] = "the override ran out or its backend is not fit any more",
	};

	return text[cause];
}
