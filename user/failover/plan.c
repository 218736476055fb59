/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How new flows are shared out between tiers. Decides no move: that is failover.c's. */
#include "failover/tiers.h"

bool failover_part_has(const struct failover_part *part, const struct failover_member *members, size_t i)
{
	return set_has((struct set){part->tier, part->member}, members, i);
}

static struct failover_part part_of(struct set set, uint32_t share)
{
	return (struct failover_part){set.tier, set.member, share};
}

/* The next tier by preference after `last` (FAILOVER_NO_TIER: the first) other than `except`. */
static uint32_t tier_after(const struct group *group, uint32_t last, uint32_t except)
{
	uint32_t next = FAILOVER_NO_TIER;

	for (size_t i = 0; i < group->n; i++) {
		uint32_t tier = group->members[i].tier;

		if (tier != except && tier < next && (last == FAILOVER_NO_TIER || tier > last))
			next = tier;
	}
	return next;
}

/*
 * Envoy's priority load (Envoy documentation, "Priority levels": health of a level = min(100, factor * fit / members);
 * a level takes what of the load is left, up to its health; when all together are below 100 the loads are scaled up).
 * The tier in use comes first, then the others by preference.
 */
static size_t spill(const struct group *group, uint32_t in_use, struct failover_part *ret_parts)
{
	uint64_t health[FAILOVER_PARTS_MAX], total = 0, shared = 0;
	uint32_t last = FAILOVER_NO_TIER;
	size_t n = 0;

	for (uint32_t tier = in_use; tier != FAILOVER_NO_TIER && n < FAILOVER_PARTS_MAX && total < FAILOVER_WHOLE;
	     tier = last = tier_after(group, last, in_use)) {
		size_t size = size_of_tier(group, tier);
		uint64_t able = size ? (uint64_t)fit_of_tier(group, tier) * group->policy->overprovision_percent * 100 / size : 0;

		if (able == 0)
			continue;
		health[n] = able < FAILOVER_WHOLE - total ? able : FAILOVER_WHOLE - total;
		ret_parts[n] = (struct failover_part){tier, FAILOVER_NO_MEMBER, 0};
		total += health[n++];
	}
	for (size_t i = 0; i < n; i++) {
		ret_parts[i].share = health[i] * FAILOVER_WHOLE / total;
		shared += ret_parts[i].share;
	}
	if (n)
		ret_parts[0].share += FAILOVER_WHOLE - shared;
	return n;
}

size_t failover_plan(const struct failover *failover, const struct failover_policy *policy,
		     const struct failover_member *members, size_t n, struct failover_part ret_parts[FAILOVER_PARTS_MAX])
{
	const struct group group = {policy, members, n, &failover->now};
	struct set now = set_of(&failover->now, members, n);
	size_t parts = 0;

	if (failover->shifted_percent < 100) {
		uint32_t shifted = failover->shifted_percent * (FAILOVER_WHOLE / 100);

		ret_parts[0] = part_of(set_of(&failover->from, members, n), FAILOVER_WHOLE - shifted);
		ret_parts[1] = part_of(now, shifted);
		return 2;
	}
	if (policy->overprovision_percent && !failover_is_forced(failover))
		parts = spill(&group, now.tier, ret_parts);
	if (parts == 0 && (now.tier != FAILOVER_NO_TIER || now.member != FAILOVER_NO_MEMBER))
		ret_parts[parts++] = part_of(now, FAILOVER_WHOLE);
	return parts;
}
