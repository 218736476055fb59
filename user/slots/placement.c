// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which group takes clients while they go from one to another: the transitions of slots, one level above. */
#include "slots/slots.h"

struct shunt_client_group placement_settled(uint32_t group)
{
	return (struct shunt_client_group){.group = group, .state = SHUNT_SLOT_SETTLED};
}

static struct shunt_client_group resolving(uint32_t group)
{
	return (struct shunt_client_group){.group = group, .state = SHUNT_SLOT_RESOLVING};
}

struct shunt_client_group placement_next(struct shunt_client_group placement, uint32_t target)
{
	bool is_moving = placement.state == SHUNT_SLOT_MOVING;
	/* Where flows are that nobody has pinned yet: it stays what it is until all are pinned. */
	uint32_t unpinned = is_moving ? placement.was_group : placement.group;

	if (target == placement.group)
		return placement;
	if (target == unpinned)
		return resolving(target);
	return (struct shunt_client_group){.group = target, .was_group = unpinned, .state = SHUNT_SLOT_MOVING};
}

struct shunt_client_group placement_resolve(struct shunt_client_group placement)
{
	return placement.state == SHUNT_SLOT_MOVING ? resolving(placement.group) : placement;
}

struct shunt_client_group placement_settle(struct shunt_client_group placement)
{
	return placement.state == SHUNT_SLOT_RESOLVING ? placement_settled(placement.group) : placement;
}

bool placement_equal(struct shunt_client_group a, struct shunt_client_group b)
{
	return a.group == b.group && a.was_group == b.was_group && a.state == b.state;
}
