/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups: asks failover who serves, maglev and slots for the table that follows, and publishes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "shuntd/controller.h"

struct group *group_find(const struct controller *c, const char *name)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (strcmp(c->groups[i]->name, name) == 0)
			return c->groups[i];
	return NULL;
}

struct group *group_at(const struct controller *c, uint32_t index)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i]->index == index)
			return c->groups[i];
	return NULL;
}

void group_free_bases(struct group *group)
{
	for (size_t i = 0; i < FAILOVER_PARTS_MAX; i++)
		base_release(group->bases[i].base);
	memset(group->bases, 0, sizeof(group->bases));
}

void group_free(struct group *group)
{
	if (!group)
		return;
	sd_event_source_disable_unref(group->timer);
	free(group->name);
	free(group->members);
	group_free_bases(group);
	free(group->moved_at);
	free(group);
}

bool group_has(const struct group *group, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].endpoint == endpoint)
			return true;
	return false;
}

/* ---- failover ---- */

bool group_member_is_active(const struct group *group, size_t member)
{
	struct failover_member members[group->n_members + 1]; /* an array of none is no array */

	for (size_t i = 0; i < group->n_members; i++)
		members[i].tier = group->members[i].priority;
	return failover_is_active(&group->failover, members, member);
}

/* At the first start a group waits for the first check of each member, or the first one up would get every flow. */
static bool waits_for_checks(const struct group *group)
{
	if (group->started)
		return false;
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].endpoint->health.state == HEALTH_UNKNOWN &&
		    backend_is_probed(group->members[i].endpoint->backend))
			return true;
	return false;
}

static int wake(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct group *group = userdata;

	(void)source;
	(void)usec;
	group_update(group->controller, group);
	return 0;
}

static void set_timer(struct controller *c, struct group *group, uint64_t wake_ms)
{
	if (!group->timer &&
	    sd_event_add_time(c->event, &group->timer, CLOCK_MONOTONIC, 0, 1000, wake, group) < 0)
		return;
	if (wake_ms)
		sd_event_source_set_time(group->timer, wake_ms * 1000);
	sd_event_source_set_enabled(group->timer, wake_ms ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* ---- the table ---- */

/* How the slots are shared out and how many are in transition, from the table in use. */
void group_count(struct controller *c, struct group *group)
{
	const struct shunt_slot *words = datapath_table(c->datapath, group->index);

	for (size_t i = 0; i < group->n_members; i++)
		c->counts[group->members[i].endpoint->id] = 0; /* of all others nobody asks */
	group->moving = group->resolving = 0;
	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		c->counts[words[slot].now]++;
		group->moving += words[slot].state == SHUNT_SLOT_MOVING;
		group->resolving += words[slot].state == SHUNT_SLOT_RESOLVING;
	}
	for (size_t i = 0; i < group->n_members; i++)
		group->members[i].slots = c->counts[group->members[i].endpoint->id];
	group->uncounted = false;
}

void group_publish(struct controller *c, struct group *group, struct table next)
{
	group->content = next.content;
	if (!next.changed)
		return;
	datapath_publish_table(c->datapath, group->index, next.words);
	group->uncounted = true;
	group->to_advance = false; /* what is resolving now may not have been when flows were counted */
}

static void publish(struct controller *c, struct group *group)
{
	const struct shunt_slot *now = datapath_table(c->datapath, group->index);
	struct table next;
	int r = group_targets(c, group);

	if (r < 0) {
		log_error("group %s: keeping the old table: %s", group->name, strerror(-r));
		return;
	}
	datapath_set_reserve(c->datapath, group->index, c->tables->targets[0]);
	next = tables_next(c->tables, now, group->content, &c->alive);
	if (next.changed && next.moving)
		transitions_moved(c, group, now, next.words);
	group_publish(c, group, next);
}

/* ---- deciding ---- */

static void note_fit(struct group *group, const struct failover_member *members)
{
	for (size_t i = 0; i < group->n_members; i++) {
		group->members[i].fit = members[i].fit;
		group->members[i].lag_seen_ms = members[i].lag_ms;
	}
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* What follows from the step: who takes new flows, the table, the next look. */
static void carry_out(struct controller *c, struct group *group, const struct failover_step *step, uint64_t now_ms)
{
	bool panicked = group->panic;

	group->failover = step->next;
	if (step->is_failover) {
		group->failovers++;
		group->last_failover = clock_wall_ms();
		group_flapped(group, now_ms);
	}
	group_panic(c, group);
	publish(c, group);
	set_timer(c, group, sooner(step->wake_ms, group_reuse_ms(group)));
	if (panicked && !group->panic)
		group_panic_over(c, group);
}

static void decide(struct controller *c, struct group *group, struct failover_input input, struct decision *decision)
{
	const struct failover_policy policy = group_policy(group);
	const struct damping_policy damping = group_damping_policy(group);
	uint64_t now_ms = clock_monotonic_ms();
	struct failover_member *members;

	decision->step = (struct failover_step){.next = group->failover};
	if (c->detached || (input.event == FAILOVER_EVENT_CHECK && waits_for_checks(group)))
		return;
	announcement_begin(group, &decision->before);
	group_damp(c, group, now_ms);
	members = group_members(c, group);
	if (!members)
		return;
	note_fit(group, members);
	input.damped_until_ms = damping_reuse_ms(group->damping, &damping);
	decision->step = failover_next(&group->failover, &policy, members, group->n_members, input, now_ms);
	decision->made = true;
	free(members);
	carry_out(c, group, &decision->step, now_ms);
	decision->switched = group->uncounted;
}

void group_decide_untold(struct controller *c, struct group *group, struct failover_input input)
{
	struct decision decision = {0};

	group->stale = GROUP_FOLLOWS;
	if (group->decision.made)
		group_tell(c, group);
	decide(c, group, input, &decision);
	group->decision = decision;
}

void group_tell(struct controller *c, struct group *group)
{
	struct decision *decision = &group->decision;

	decision->made = false;
	if (group->uncounted)
		group_count(c, group);
	group_tell_damping(c, group);
	announcement_end(c, group, &decision->before, &decision->step);
	group->decided = true;
	group->started = group->started || group->n_members > 0; /* those whose names nobody has told yet are to come */
	group_mark_dependents(c, group);
	if (decision->step.cause != FAILOVER_CAUSE_NONE || decision->before.shifted_percent != group->failover.shifted_percent)
		persist_soon(c);
}

struct failover_step group_decide(struct controller *c, struct group *group, struct failover_input input)
{
	struct failover_step step;

	group_decide_untold(c, group, input);
	step = group->decision.step;
	if (group->decision.made)
		group_tell(c, group);
	groups_go_on(c, groups_slice());
	return step;
}

void group_update(struct controller *c, struct group *group)
{
	group_decide(c, group, (struct failover_input){.event = FAILOVER_EVENT_CHECK});
}

/* With max_lag: whether the lag that a member has told since the last decision lets it take over, or no more. */
static bool lag_matters(const struct group *group, const struct endpoint *endpoint)
{
	uint32_t most_ms = group->config->max_lag_ms;

	for (size_t i = 0; most_ms && i < group->n_members; i++)
		if (group->members[i].endpoint == endpoint &&
		    (group->members[i].lag_seen_ms <= most_ms) != (endpoint->lag_ms <= most_ms))
			return true;
	return false;
}

void groups_recheck(struct controller *c, const struct endpoint *endpoint)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		struct group *group = c->groups[i];

		if ((group->failover.rechecking && group_has(group, endpoint)) || lag_matters(group, endpoint))
			group_update(c, group);
	}
}
