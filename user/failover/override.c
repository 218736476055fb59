/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What operators ask for: an override that lies over the tier in use until failback or its end, the confirmation of what is
 * proposed, failback. Decides whether it can be done; what happens without operators is failover.c's.
 */
#include <errno.h>

#include "failover/tiers.h"

bool failover_is_forced(const struct failover *failover)
{
	return failover->now.forced != FAILOVER_NO_MEMBER || failover->now.forced_tier != FAILOVER_NO_TIER;
}

uint32_t serving_tier(const struct failover *failover, const struct group *group)
{
	return set_of(&failover->now, group->members, group->n).tier;
}

void forget_better(struct failover *failover)
{
	failover->better_tier = FAILOVER_NO_TIER;
	failover->better_since_ms = 0;
	failover->rechecking = false;
}

void end_override(struct failover *failover)
{
	failover->now.forced = FAILOVER_NO_MEMBER;
	failover->now.forced_tier = FAILOVER_NO_TIER;
	failover->now.forced_until_ms = 0;
}

void use_tier(struct failover *next, const struct group *group, uint32_t tier)
{
	next->now.tier = tier;
	next->now.chosen = choose_member(group, tier);
	forget_better(next);
}

/* The next less preferred tier with enough fit members, else the most preferred other one, else one with any. */
static uint32_t next_tier(const struct group *group, uint32_t serving)
{
	enum ability below, any;
	uint32_t tier_below = best_tier(group, serving, serving, &below);
	uint32_t tier_any = best_tier(group, FAILOVER_NO_TIER, serving, &any);

	return serving != FAILOVER_NO_TIER && below == any ? tier_below : tier_any;
}

static int force_member(struct failover *next, const struct group *group, struct failover_input input)
{
	if (input.member >= group->n)
		return -EINVAL;
	if (!group->members[input.member].fit)
		return -EHOSTDOWN;
	if (next->now.forced == input.member && next->now.forced_until_ms == input.until_ms)
		return -EALREADY;
	next->now.forced = input.member;
	next->now.forced_tier = FAILOVER_NO_TIER;
	return 0;
}

static int force_next_tier(struct failover *next, const struct group *group)
{
	uint32_t tier = next_tier(group, serving_tier(next, group));

	if (tier == FAILOVER_NO_TIER)
		return -EHOSTDOWN;
	next->now.forced = choose_member(group, tier);
	next->now.forced_tier = next->now.forced == FAILOVER_NO_MEMBER ? tier : FAILOVER_NO_TIER;
	return 0;
}

int force(struct failover *next, const struct group *group, struct failover_input input, uint64_t now_ms)
{
	int r;

	if (input.until_ms && input.until_ms <= now_ms)
		return -EINVAL;
	if (input.member == FAILOVER_NO_MEMBER && !input.until_ms && next->proposed_tier != FAILOVER_NO_TIER &&
	    ability_of(group, next->proposed_tier) > ability_in_use(group)) {
		use_tier(next, group, next->proposed_tier); /* confirmed: a decision, not an override */
		return 0;
	}
	r = input.member == FAILOVER_NO_MEMBER ? force_next_tier(next, group) : force_member(next, group, input);
	if (r < 0)
		return r;
	next->now.forced_until_ms = input.until_ms;
	forget_better(next);
	return 0;
}

int fail_back(struct failover *next, const struct group *group)
{
	uint32_t primary = primary_tier(group);
	enum ability best;

	if (!failover_is_forced(next) && next->now.tier == primary)
		return -EALREADY;
	if (best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best) != primary)
		return -EHOSTDOWN;
	end_override(next);
	use_tier(next, group, primary);
	return 0;
}

bool override_ends(const struct failover *failover, const struct group *group, uint64_t now_ms)
{
	const struct failover_choice *now = &failover->now;
	bool automatic = group->policy->mode == FAILOVER_AUTOMATIC;
	enum ability best;

	if (now->forced_until_ms && now_ms >= now->forced_until_ms)
		return true;
	if (now->forced != FAILOVER_NO_MEMBER)
		return now->forced >= group->n || (automatic && !group->members[now->forced].fit);
	if (size_of_tier(group, now->forced_tier) == 0)
		return true;
	best_tier(group, FAILOVER_NO_TIER, FAILOVER_NO_TIER, &best);
	return automatic && (best == NOBODY_FIT || ability_of(group, now->forced_tier) < best);
}
