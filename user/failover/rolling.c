/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes steps of a move: the target gets a growing part of the new flows, and all of them go back as soon as the target's
 * health falls. What nobody fit serves any more is left at once. Knows of a move only from where to where it leads.
 */
#include "failover/tiers.h"

static bool same_set(struct set a, struct set b)
{
	return a.member == b.member && (a.member != FAILOVER_NO_MEMBER || a.tier == b.tier);
}

static void finish(struct failover *next)
{
	next->from = (struct failover_choice){.tier = FAILOVER_NO_TIER,
					      .chosen = FAILOVER_NO_MEMBER,
					      .forced = FAILOVER_NO_MEMBER,
					      .forced_tier = FAILOVER_NO_TIER};
	next->shifted_percent = 100;
	next->target_fit = 0;
	next->step_ms = 0;
}

static void begin(const struct failover *before, struct failover *next, const struct group *group, uint64_t now_ms)
{
	struct set target = set_of(&next->now, group->members, group->n);
	bool reverses = before->shifted_percent < 100 && same_set(target, set_of(&before->from, group->members, group->n));

	next->from = before->now;
	next->shifted_percent = reverses ? 100 - before->shifted_percent : 0;
	next->shifted_percent += group->policy->step_percent;
	next->target_fit = set_fit(target, group);
	next->step_ms = now_ms + group->policy->step_interval_ms;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The next try comes by itself after the longest of failback_delay, hold_down and an interval. */
static void go_back(struct failover_step *step, const struct group *group, uint64_t now_ms)
{
	struct failover *next = &step->next;

	next->now = next->from;
	if (next->now.forced_until_ms && next->now.forced_until_ms <= now_ms)
		end_override(next);
	next->better_tier = FAILOVER_NO_TIER;
	next->better_since_ms = 0;
	next->held_until_ms = now_ms + later(later(group->policy->failback_delay_ms, group->policy->hold_down_ms),
					     group->policy->step_interval_ms);
	finish(next);
	step->cause = FAILOVER_CAUSE_ROLLED_BACK;
}

void roll(const struct failover *before, struct failover_step *step, const struct group *group, uint64_t now_ms)
{
	struct failover *next = &step->next;
	struct set old = set_of(&before->now, group->members, group->n), now = set_of(&next->now, group->members, group->n);

	if (!same_set(old, now) && before->now.tier != FAILOVER_NO_TIER)
		begin(before, next, group, now_ms);
	if (next->shifted_percent >= 100 || !group->policy->step_percent ||
	    set_fit(set_of(&next->from, group->members, group->n), group) == 0) {
		finish(next);
		return;
	}
	if (set_fit(now, group) < next->target_fit) {
		go_back(step, group, now_ms);
		return;
	}
	for (; next->shifted_percent < 100 && now_ms >= next->step_ms; next->step_ms += group->policy->step_interval_ms)
		next->shifted_percent += group->policy->step_percent;
	if (next->shifted_percent >= 100)
		finish(next);
}
