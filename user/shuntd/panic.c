/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Panic: so few backends of a group are fit that those left would have to carry what they cannot, so that every one in
 * service is used, whatever its checks say (Envoy documentation, "Panic threshold"). The packet path knows of no panic: a
 * backend that is used so is alive to it.
 */
#include "shuntd/controller.h"

/* Counts who the plan gives flows to; the panic of a tier that serves nothing is nobody's. */
bool group_would_panic(const struct controller *c, const struct group *group)
{
	struct failover_part parts[FAILOVER_PARTS_MAX];
	size_t n_parts = group_plan(c, group, parts), in_service = 0, fit = 0;

	for (size_t i = 0; i < group->n_members; i++) {
		const struct failover_member as_member = {.tier = group->members[i].priority};
		bool used = false;

		for (size_t p = 0; p < n_parts; p++)
			used = used || (parts[p].member != FAILOVER_NO_MEMBER ? parts[p].member == i :
										  parts[p].tier == as_member.tier);
		in_service += used && backend_set_has(&c->in_service, group->members[i].endpoint->id);
		fit += used && group->members[i].fit;
	}
	return failover_panics(in_service, fit, group->config->panic_percent);
}

void group_panic(struct controller *c, struct group *group)
{
	bool was = group->panic;

	group->panic = group_would_panic(c, group);
	if (group->panic == was)
		return;
	for (size_t i = 0; i < group->n_members; i++) {
		struct endpoint *endpoint = group->members[i].endpoint;

		endpoint->opened += group->panic ? 1 : -1U;
		if (group->panic)
			endpoint_refresh(c, endpoint);
	}
}

/* Who is down again to everybody: all groups that know it must follow. */
void group_panic_over(struct controller *c, const struct group *group)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (endpoint_refresh(c, group->members[i].endpoint))
			groups_mark(c, group->members[i].endpoint, false);
}

void group_panic_forget(struct group *group)
{
	for (size_t i = 0; group->panic && i < group->n_members; i++)
		group->members[i].endpoint->opened--;
	group->panic = false;
}
