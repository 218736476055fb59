/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who takes the flows of a group for which the packet path finds nobody by probing: those that come between the store which takes a
 * dead backend out and the group's next table. It is chosen by what the group would decide now, when the one before is not fit any
 * more: for a thousand groups before any of them has its table, since a choice takes microseconds and a table half a millisecond.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shuntd/controller.h"

/* One of the fit members that would have slots, another one for another `number`; 0: nobody would. */
static uint32_t foreseen(const struct controller *c, const struct group *group, uint32_t number)
{
	const struct failover_policy policy = group_policy(group);
	const struct damping_policy damping = group_damping_policy(group);
	struct failover_input input = {.event = FAILOVER_EVENT_CHECK, .damped_until_ms = damping_reuse_ms(group->damping, &damping)};
	_cleanup_(freep) struct failover_member *members = group_members(c, group);
	struct failover_part parts[FAILOVER_PARTS_MAX];
	uint32_t fit[group->n_members + 1]; /* an array of none is no array */
	struct failover_step step;
	size_t n, n_fit = 0;

	if (!members || !group->started)
		return 0;
	step = failover_next(&group->failover, &policy, members, group->n_members, input, clock_monotonic_ms());
	n = failover_plan(&step.next, &policy, members, group->n_members, parts);
	for (size_t p = 0; p < n && n_fit == 0; p++)
		for (size_t i = 0; i < group->n_members; i++)
			if (members[i].fit && group_part_has(group, &parts[p], i))
				fit[n_fit++] = group->members[i].endpoint->id;
	return n_fit ? fit[number % n_fit] : 0;
}

bool group_has_reserve(struct controller *c, const struct group *group)
{
	uint32_t reserve = datapath_reserve(c->datapath, group->index);

	if (reserve && backend_set_has(&c->fit, reserve))
		return true;
	reserve = foreseen(c, group, group->index);
	for (const struct group *at = group->fallback; at && !reserve; at = at->fallback)
		reserve = foreseen(c, at, group->index);
	if (reserve)
		datapath_set_reserve(c->datapath, group->index, reserve);
	return reserve;
}
