/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups as the pure libraries see them: policies from the configuration, members from what runs. */
#include <stdlib.h>

#include "base/clock.h"
#include "shuntd/controller.h"

_Static_assert((int)CONFIG_FAILOVER_AUTOMATIC == (int)FAILOVER_AUTOMATIC &&
		       (int)CONFIG_FAILOVER_SEMI_AUTOMATIC == (int)FAILOVER_SEMI_AUTOMATIC &&
		       (int)CONFIG_FAILOVER_MANUAL == (int)FAILOVER_MANUAL, "the same words in the same order");
_Static_assert(PROBE_LAG_NONE == FAILOVER_LAG_UNKNOWN, "the same word for: nobody told");

static struct failover_least least_of(const struct config_least *least)
{
	return (struct failover_least){least->count, least->percent};
}

struct failover_policy group_policy(const struct group *group)
{
	const struct config_group *config = group->config;

	return (struct failover_policy){
		.mode = (enum failover_mode)config->failover,
		.failback_automatic = config->failback_automatic,
		.failback_delay_ms = config->failback_delay_ms,
		.hold_down_ms = config->hold_down_ms,
		.min_healthy = least_of(&config->min_healthy),
		.return_healthy = least_of(&config->return_healthy),
		.overprovision_percent = config->overprovision_percent,
		.step_percent = config->step_percent,
		.step_interval_ms = config->step_interval_ms,
		.max_lag_ms = config->max_lag_ms,
	};
}

struct damping_policy group_damping_policy(const struct group *group)
{
	const struct config_damping *config = &group->config->damping;

	return (struct damping_policy){config->half_life_ms, config->max_suppress_ms, config->suppress, config->reuse};
}

struct failover_member *group_members(const struct controller *c, const struct group *group)
{
	struct failover_member *members = calloc(group->n_members + 1, sizeof(*members));
	bool *suppressed = calloc(group->n_members + 1, sizeof(*suppressed));

	for (size_t i = 0; members && suppressed && i < group->n_members; i++) {
		const struct endpoint *endpoint = group->members[i].endpoint;

		members[i] = (struct failover_member){
			.tier = group->members[i].priority,
			.fit = backend_set_has(&c->fit, endpoint->id),
			.doubtful = endpoint->doubtful,
			.checked_ms = endpoint->check.type == CHECK_NONE ? UINT64_MAX : endpoint->checked_ms,
			.lag_ms = endpoint->lag_ms,
		};
		suppressed[i] = group->members[i].damping.suppressed;
	}
	if (members && suppressed)
		damping_apply(members, suppressed, group->n_members);
	free(suppressed);
	return members;
}

size_t group_plan(const struct controller *c, const struct group *group, struct failover_part ret_parts[FAILOVER_PARTS_MAX])
{
	const struct failover_policy policy = group_policy(group);
	struct failover_member *members = group_members(c, group);
	size_t n = members ? failover_plan(&group->failover, &policy, members, group->n_members, ret_parts) : 0;

	free(members);
	return n;
}

/* ---- damping ---- */

/* What the trail does not have yet. */
static void tell_damping(struct controller *c, const char *kind, const char *name, const struct group *group,
			 const struct damping *damping, bool *told)
{
	const struct damping_policy policy = group_damping_policy(group);
	char object[128];

	if (damping->suppressed == *told)
		return;
	*told = damping->suppressed;
	snprintf(object, sizeof(object), "%s %s", kind, name);
	if (damping->suppressed)
		events_add(c->events, "suppressed", object, "controller",
			   "flaps in group %s: penalty %.0f, at %u and above it %s; reused in %llu s if it is quiet", group->name,
			   damping->penalty, policy.suppress,
			   *kind == 'g' ? "does not fail back by itself" : "takes no new flows",
			   (unsigned long long)(damping_reuse_ms(*damping, &policy) - clock_monotonic_ms() + 999) / 1000);
	else
		events_add(c->events, "reused", object, "controller", "quiet in group %s: penalty %.0f, at %u and below it is used",
			   group->name, damping->penalty, policy.reuse);
}

void group_damp(struct controller *c, struct group *group, uint64_t now_ms)
{
	const struct damping_policy policy = group_damping_policy(group);

	for (size_t i = 0; i < group->n_members; i++) {
		struct member *member = &group->members[i];
		bool was_suppressed = member->damping.suppressed, is_down = member->endpoint->health.state == HEALTH_DOWN;

		member->damping = member->was_up && is_down ? damping_flap(member->damping, &policy, now_ms) :
							     damping_next(member->damping, &policy, now_ms);
		if (policy.half_life_ms && ((member->was_up && is_down) || member->damping.suppressed != was_suppressed))
			persist_soon(c);
		member->was_up = is_down ? false : member->was_up || member->endpoint->alive;
	}
	group->damping = damping_next(group->damping, &policy, now_ms);
}

void group_tell_damping(struct controller *c, struct group *group)
{
	for (size_t i = 0; i < group->n_members; i++) {
		struct member *member = &group->members[i];

		tell_damping(c, "backend", member->endpoint->backend->name, group, &member->damping, &member->told_suppressed);
	}
	tell_damping(c, "group", group->name, group, &group->damping, &group->told_suppressed);
}

/* A failover is a flap of the group. */
void group_flapped(struct group *group, uint64_t now_ms)
{
	const struct damping_policy policy = group_damping_policy(group);

	group->damping = damping_flap(group->damping, &policy, now_ms);
}

uint64_t group_reuse_ms(const struct group *group)
{
	const struct damping_policy policy = group_damping_policy(group);
	uint64_t soonest = damping_reuse_ms(group->damping, &policy);

	for (size_t i = 0; i < group->n_members; i++) {
		uint64_t at = damping_reuse_ms(group->members[i].damping, &policy);

		soonest = at && (!soonest || at < soonest) ? at : soonest;
	}
	return soonest;
}
