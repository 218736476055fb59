/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How able a tier is: enough of its members are fit, some are, none is. Decides no move. */
#include "failover/tiers.h"

struct set set_of(const struct failover_choice *choice, const struct failover_member *members, size_t n)
{
	if (choice->forced != FAILOVER_NO_MEMBER)
		return (struct set){choice->forced < n ? members[choice->forced].tier : FAILOVER_NO_TIER, choice->forced};
	if (choice->forced_tier != FAILOVER_NO_TIER)
		return (struct set){choice->forced_tier, FAILOVER_NO_MEMBER};
	return (struct set){choice->tier, choice->chosen};
}

bool set_has(struct set set, const struct failover_member *members, size_t i)
{
	return set.member != FAILOVER_NO_MEMBER ? i == set.member : members[i].tier == set.tier;
}

uint32_t set_fit(struct set set, const struct group *group)
{
	uint32_t fit = 0;

	for (size_t i = 0; i < group->n; i++)
		fit += group->members[i].fit && set_has(set, group->members, i);
	return fit;
}

size_t size_of_tier(const struct group *group, uint32_t tier)
{
	size_t size = 0;

	for (size_t i = 0; i < group->n; i++)
		size += group->members[i].tier == tier;
	return size;
}

uint32_t primary_tier(const struct group *group)
{
	uint32_t primary = FAILOVER_NO_TIER;

	for (size_t i = 0; i < group->n; i++)
		if (group->members[i].tier < primary)
			primary = group->members[i].tier;
	return primary;
}

/* ---- ability ---- */

/* Who serves may lag: it is the source. A primary tells no lag; a standby that tells none may be anywhere. */
static bool lags_too_much(const struct group *group, size_t i)
{
	const struct failover_member *member = &group->members[i];

	if (!group->policy->max_lag_ms || i == group->in_use->chosen)
		return false;
	if (member->lag_ms == FAILOVER_LAG_UNKNOWN)
		return member->tier != primary_tier(group);
	return member->lag_ms > group->policy->max_lag_ms;
}

uint32_t fit_of_tier(const struct group *group, uint32_t tier)
{
	uint32_t fit = 0;

	for (size_t i = 0; i < group->n; i++)
		fit += group->members[i].tier == tier && group->members[i].fit && !lags_too_much(group, i);
	return fit;
}

static uint32_t members_needed(const struct failover_least *least, size_t size)
{
	uint32_t needed = least->percent ? ((uint64_t)size * least->percent + 99) / 100 : least->count;

	return needed ? needed : 1;
}

enum ability ability_of(const struct group *group, uint32_t tier)
{
	const struct failover_policy *policy = group->policy;
	bool in_use = tier == group->in_use->tier || tier == group->in_use->forced_tier;
	bool as_min = in_use || (!policy->return_healthy.count && !policy->return_healthy.percent);
	uint32_t fit = fit_of_tier(group, tier);

	if (fit == 0)
		return NOBODY_FIT;
	if (policy->max_lag_ms)
		return ENOUGH_FIT; /* one serves at a time */
	return fit >= members_needed(as_min ? &policy->min_healthy : &policy->return_healthy, size_of_tier(group, tier)) ?
		       ENOUGH_FIT : SOME_FIT;
}

enum ability ability_in_use(const struct group *group)
{
	size_t chosen = group->in_use->chosen;

	if (!group->policy->max_lag_ms)
		return ability_of(group, group->in_use->tier);
	return chosen < group->n && group->members[chosen].fit ? ENOUGH_FIT : NOBODY_FIT;
}

uint32_t best_tier(const struct group *group, uint32_t above, uint32_t except, enum ability *ret_ability)
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

size_t choose_member(const struct group *group, uint32_t tier)
{
	size_t best = FAILOVER_NO_MEMBER;

	if (!group->policy->max_lag_ms)
		return FAILOVER_NO_MEMBER;
	for (size_t i = 0; i < group->n; i++) {
		if (group->members[i].tier != tier || !group->members[i].fit || lags_too_much(group, i))
			continue;
		if (best == FAILOVER_NO_MEMBER || group->members[i].lag_ms < group->members[best].lag_ms)
			best = i;
	}
	return best;
}
