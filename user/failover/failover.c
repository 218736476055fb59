/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which tier of a group serves. Knows members by tier and fitness, not by name; knows nothing of slots or flows.
 *
 * A tier is more or less able (tiers.c). Automatic failover leaves a tier as soon as another one is more able. Among equally
 * able tiers the one in use stays until failback, so that a recovery moves nothing by itself. An override lies over all
 * this: when it ends, the tier that was in use before is in use again. What may not move by itself is proposed.
 */
#include "failover/tiers.h"

bool failover_is_active(const struct failover *failover, const struct failover_member *members, size_t i)
{
	return set_has(set_of(&failover->now, members, SIZE_MAX), members, i);
}

static bool same_active(const struct failover *a, const struct failover *b, const struct group *group)
{
	for (size_t i = 0; i < group->n; i++)
		if (failover_is_active(a, group->members, i) != failover_is_active(b, group->members, i))
			return false;
	return true;
}

/* ---- by itself ---- */

/*
 * Keeps better_tier: once a better tier is timed it stays the one for as long as it can serve, so that a still better one
 * that flaps does not keep the group from returning to it.
 */
static void watch_better(struct failover *next, const struct group *group, uint64_t now_ms)
{
	enum ability best, needed = ability_in_use(group);
	uint32_t tier = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);

	needed = needed == NOBODY_FIT ? SOME_FIT : needed;
	if (next->better_tier != FAILOVER_NO_TIER && next->better_tier < next->now.tier &&
	    ability_of(group, next->better_tier) >= needed)
		return;
	forget_better(next);
	if (tier < next->now.tier) {
		next->better_tier = tier;
		next->better_since_ms = now_ms;
	}
}

/* What keeps the group from moving to a more able tier by itself. */
static enum failover_held held_by(const struct failover *next, const struct group *group, uint32_t tier, uint64_t now_ms)
{
	if (group->policy->mode == FAILOVER_MANUAL)
		return FAILOVER_HELD_MANUAL;
	if (group->policy->mode == FAILOVER_SEMI_AUTOMATIC && tier < next->now.tier)
		return FAILOVER_HELD_SEMI;
	return now_ms < next->held_until_ms ? FAILOVER_HELD_DOWN : FAILOVER_NOT_HELD;
}

/* A more able tier, NO_TIER: there is none. Of a semi-automatic group rather one that it may move to. */
static uint32_t more_able_tier(const struct failover *next, const struct group *group)
{
	enum ability best, below, in_use = ability_in_use(group);
	uint32_t tier = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);
	uint32_t tier_below = best_tier(group, next->now.tier, FAILOVER_NO_TIER, &below);

	if (group->policy->mode == FAILOVER_SEMI_AUTOMATIC && below > in_use)
		return tier_below;
	return best > in_use ? tier : FAILOVER_NO_TIER;
}

static void propose(struct failover *next, const struct group *group, uint64_t now_ms)
{
	next->proposed_tier = next->now.tier == FAILOVER_NO_TIER || failover_is_forced(next) ? FAILOVER_NO_TIER :
												more_able_tier(next, group);
	next->held = next->proposed_tier == FAILOVER_NO_TIER ? FAILOVER_NOT_HELD :
							       held_by(next, group, next->proposed_tier, now_ms);
}

enum recheck { RECHECK_GOOD, RECHECK_BAD, RECHECK_WAITS };

/* At the end of failback_delay every fit member of the tier must pass one more check. */
static enum recheck recheck(const struct group *group, uint32_t tier, uint64_t due_ms)
{
	enum recheck result = RECHECK_GOOD;

	for (size_t i = 0; i < group->n; i++) {
		const struct failover_member *member = &group->members[i];

		if (member->tier != tier || !member->fit)
			continue;
		if (member->checked_ms < due_ms)
			result = RECHECK_WAITS;
		else if (member->doubtful)
			return RECHECK_BAD;
	}
	return result;
}

/* When an automatic failback is due, the re-check left out; 0: none is on its way. */
static uint64_t failback_due_ms(const struct failover *failover, const struct failover_policy *policy,
				const struct failover_input *input)
{
	uint64_t due_ms = failover->better_since_ms + policy->failback_delay_ms;

	if (failover->better_tier == FAILOVER_NO_TIER || !policy->failback_automatic || policy->mode != FAILOVER_AUTOMATIC)
		return 0;
	due_ms = due_ms > failover->held_until_ms ? due_ms : failover->held_until_ms;
	return due_ms > input->damped_until_ms ? due_ms : input->damped_until_ms;
}

static enum failover_cause fail_back_by_itself(struct failover_step *step, const struct group *group,
					       const struct failover_input *input, uint64_t now_ms)
{
	struct failover *next = &step->next;
	uint64_t due_ms = failback_due_ms(next, group->policy, input);
	enum ability ability;
	uint32_t best = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &ability);
	enum recheck result;

	next->rechecking = false;
	if (!due_ms || now_ms < due_ms)
		return FAILOVER_CAUSE_NONE;
	result = group->policy->failback_delay_ms ? recheck(group, next->better_tier, due_ms) : RECHECK_GOOD;
	next->rechecking = result == RECHECK_WAITS;
	step->recheck_failed = result == RECHECK_BAD;
	if (result == RECHECK_BAD)
		next->better_since_ms = now_ms;
	if (result != RECHECK_GOOD)
		return FAILOVER_CAUSE_NONE;
	/* Without a delay nothing is timed: at once to the best. */
	use_tier(next, group, group->policy->failback_delay_ms ? next->better_tier : best);
	watch_better(next, group, now_ms);
	return FAILOVER_CAUSE_FAILBACK;
}

/* What happens by itself while no override holds. `freely`: one has just ended, so that even manual failover may move. */
static enum failover_cause decide(struct failover_step *step, const struct group *group, const struct failover_input *input,
				  bool freely, uint64_t now_ms)
{
	struct failover *next = &step->next;
	enum ability best;
	uint32_t tier = best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);

	if (next->now.tier == FAILOVER_NO_TIER) {
		use_tier(next, group, tier);
		return tier == FAILOVER_NO_TIER ? FAILOVER_CAUSE_NONE : FAILOVER_CAUSE_START;
	}
	tier = freely ? (best > ability_in_use(group) ? tier : FAILOVER_NO_TIER) : more_able_tier(next, group);
	if (tier != FAILOVER_NO_TIER && (freely || held_by(next, group, tier, now_ms) == FAILOVER_NOT_HELD)) {
		use_tier(next, group, tier);
		watch_better(next, group, now_ms);
		return FAILOVER_CAUSE_UNFIT;
	}
	watch_better(next, group, now_ms);
	return fail_back_by_itself(step, group, input, now_ms);
}

/* ---- what follows ---- */

static enum failover_state state_of(const struct failover *failover, const struct group *group,
				    const struct failover_input *input)
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
	/* A forced member that is the whole best tier is no failover, nor is the one that max_lag chose of it. */
	if (serving_tier(failover, group) == primary &&
	    (active == size_of_tier(group, primary) || (group->policy->max_lag_ms && !failover_is_forced(failover))))
		return fit == group->n ? FAILOVER_NORMAL : FAILOVER_DEGRADED;
	if (!failover_is_forced(failover) && failback_due_ms(failover, group->policy, input))
		return FAILOVER_FAILING_BACK;
	return FAILOVER_FAILED_OVER;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

static uint64_t wake_of(const struct failover *next, const struct failover_policy *policy, const struct failover_input *input)
{
	uint64_t wake_ms = next->shifted_percent < 100 ? next->step_ms : 0;

	if (failover_is_forced(next))
		return sooner(wake_ms, next->now.forced_until_ms);
	if (next->held == FAILOVER_HELD_DOWN)
		wake_ms = sooner(wake_ms, next->held_until_ms);
	return next->rechecking ? wake_ms : sooner(wake_ms, failback_due_ms(next, policy, input));
}

/* Away from the better one: to a less preferred tier, or to a part or a peer of the tier in use. */
static bool counts_as_failover(const struct failover *before, const struct failover *after, const struct group *group,
			       bool peers_count)
{
	uint32_t from = serving_tier(before, group), to = serving_tier(after, group);

	if (from == FAILOVER_NO_TIER || to == FAILOVER_NO_TIER)
		return false;
	return to > from || (peers_count && to == from && !same_active(before, after, group));
}

/* What of the state the members or the policy of today do not know any more. */
static void forget_what_is_gone(struct failover *next, const struct group *group)
{
	if (size_of_tier(group, next->now.tier) == 0)
		next->now.tier = FAILOVER_NO_TIER;
	if (!group->policy->max_lag_ms || next->now.chosen >= group->n)
		next->now.chosen = FAILOVER_NO_MEMBER;
	else if (group->members[next->now.chosen].tier != next->now.tier)
		next->now.chosen = FAILOVER_NO_MEMBER;
	if (group->policy->max_lag_ms && next->now.chosen == FAILOVER_NO_MEMBER && next->now.tier != FAILOVER_NO_TIER)
		next->now.chosen = choose_member(group, next->now.tier);
}

static enum failover_cause do_as_told(struct failover_step *step, const struct group *group, struct failover_input input,
				      uint64_t now_ms)
{
	if (input.event == FAILOVER_EVENT_FORCE)
		step->refused = force(&step->next, group, input, now_ms);
	else if (input.event == FAILOVER_EVENT_FAILBACK)
		step->refused = fail_back(&step->next, group);
	if (input.event == FAILOVER_EVENT_CHECK || step->refused)
		return FAILOVER_CAUSE_NONE;
	return input.scheduled ? FAILOVER_CAUSE_WINDOW : FAILOVER_CAUSE_OPERATOR;
}

struct failover_step failover_next(const struct failover *failover, const struct failover_policy *policy,
				   const struct failover_member *members, size_t n, struct failover_input input,
				   uint64_t now_ms)
{
	struct failover_step step = {.next = *failover};
	struct failover *next = &step.next;
	const struct group group = {policy, members, n, &next->now};
	enum failover_cause cause;
	bool ended = false;

	forget_what_is_gone(next, &group);
	step.cause = do_as_told(&step, &group, input, now_ms);
	if (failover_is_forced(next) && override_ends(next, &group, now_ms)) {
		end_override(next);
		step.cause = FAILOVER_CAUSE_EXPIRED;
		ended = true;
	}
	if (!failover_is_forced(next)) {
		cause = decide(&step, &group, &input, ended, now_ms);
		step.cause = step.cause == FAILOVER_CAUSE_NONE ? cause : step.cause;
	}
	roll(failover, &step, &group, now_ms);
	if (step.cause == FAILOVER_CAUSE_ROLLED_BACK && !failover_is_forced(next))
		watch_better(next, &group, now_ms);
	step.is_failover = step.cause != FAILOVER_CAUSE_NONE && step.cause != FAILOVER_CAUSE_START &&
			   step.cause != FAILOVER_CAUSE_ROLLED_BACK &&
			   counts_as_failover(failover, next, &group,
					      input.event == FAILOVER_EVENT_FORCE || policy->max_lag_ms);
	if (step.is_failover && step.cause == FAILOVER_CAUSE_UNFIT && policy->hold_down_ms)
		next->held_until_ms = now_ms + policy->hold_down_ms;
	if (now_ms >= next->held_until_ms)
		next->held_until_ms = 0;
	propose(next, &group, now_ms);
	next->state = state_of(next, &group, &input);
	step.wake_ms = wake_of(next, policy, &input);
	return step;
}

void failover_init(struct failover *failover)
{
	const struct failover_choice nobody = {.tier = FAILOVER_NO_TIER,
					       .chosen = FAILOVER_NO_MEMBER,
					       .forced = FAILOVER_NO_MEMBER,
					       .forced_tier = FAILOVER_NO_TIER};

	*failover = (struct failover){
		.now = nobody,
		.from = nobody,
		.shifted_percent = 100,
		.better_tier = FAILOVER_NO_TIER,
		.proposed_tier = FAILOVER_NO_TIER,
		.state = FAILOVER_DOWN,
	};
}
