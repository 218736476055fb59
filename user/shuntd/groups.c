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

void group_free(struct group *group)
{
	if (!group)
		return;
	sd_event_source_disable_unref(group->timer);
	free(group->name);
	free(group->members);
	free(group->base);
	free(group->moved_at);
	free(group->busy);
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

struct failover_policy group_policy(const struct group *group)
{
	return (struct failover_policy){
		.failover_automatic = group->config->failover_automatic,
		.failback_automatic = group->config->failback_automatic,
		.failback_delay_ms = group->config->failback_delay_ms,
		.min_healthy = group->config->min_healthy,
	};
}

static struct failover_member *failover_members(const struct controller *c, const struct group *group)
{
	struct failover_member *members = calloc(group->n_members + 1, sizeof(*members));

	for (size_t i = 0; members && i < group->n_members; i++) {
		members[i].tier = group->members[i].priority;
		members[i].fit = backend_set_has(&c->fit, group->members[i].endpoint->id);
	}
	return members;
}

bool group_member_is_active(const struct group *group, size_t member)
{
	struct failover_member members[group->n_members];

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

static void active_names(const struct group *group, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < group->n_members && used + 1 < size; i++)
		if (group_member_is_active(group, i))
			used += snprintf(text + used, size - used, "%s%s", used ? ", " : "",
					 group->members[i].endpoint->backend->name);
}

static void announce_failover(struct controller *c, struct group *group, const char *before, const struct failover_step *step)
{
	char object[128], now[256];

	active_names(group, now, sizeof(now));
	snprintf(object, sizeof(object), "group %s", group->name);
	events_add(c->events, step->is_failover ? "failover" : step->cause == FAILOVER_CAUSE_START ? "start" : "failback", object,
		   step->cause == FAILOVER_CAUSE_OPERATOR ? "operator" : "controller", "%s%s%s: %s",
		   step->cause == FAILOVER_CAUSE_START ? "" : before, step->cause == FAILOVER_CAUSE_START ? "" : " -> ", now,
		   failover_cause_text(step->cause));
}

static void announce_down(struct controller *c, const struct group *group, enum failover_state before)
{
	char object[128];
	bool is_down = group->failover.state == FAILOVER_DOWN;

	if (is_down == (before == FAILOVER_DOWN))
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (is_down)
		events_add(c->events, "group", object, "controller", "down: no fit backend takes its new flows");
	else
		events_add(c->events, "group", object, "controller", "serves again");
}

static void announce_resort(struct controller *c, const struct group *group, const char *before)
{
	const char *now = group_resort_text(group);
	char object[128];

	if (strcmp(before, now ? now : "") == 0)
		return;
	snprintf(object, sizeof(object), "group %s", group->name);
	if (group->resort == RESORT_FALLBACK)
		events_add(c->events, "fallback", object, "controller", "nobody of its own is fit: new flows go to group %s",
			   group->serving->name);
	else if (group->resort == RESORT_FAIL_OPEN)
		events_add(c->events, "fail-open", object, "controller",
			   "nobody is fit: flows go to every backend that is not in maintenance, whatever its checks say");
	else
		events_add(c->events, "group", object, "controller", "last resort %s is over", before);
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
	uint32_t *counts = calloc(SHUNT_MAX_BACKENDS, sizeof(*counts));

	if (!counts)
		return;
	group->moving = group->resolving = 0;
	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		counts[words[slot].now]++;
		group->moving += words[slot].state == SHUNT_SLOT_MOVING;
		group->resolving += words[slot].state == SHUNT_SLOT_RESOLVING;
	}
	for (size_t i = 0; i < group->n_members; i++)
		group->members[i].slots = counts[group->members[i].endpoint->id];
	free(counts);
}

static void publish(struct controller *c, struct group *group)
{
	const struct shunt_slot *now = datapath_table(c->datapath, group->index);
	bool changed = false;
	int r = group_targets(c, group);

	if (r < 0) {
		log_error("group %s: keeping the old table: %s", group->name, strerror(-r));
		return;
	}
	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		c->words[slot] = slot_next(now[slot], c->targets[slot], &c->alive);
		changed = changed || shunt_slot_word(c->words[slot]) != shunt_slot_word(now[slot]);
	}
	if (!changed)
		return;
	transitions_moved(c, group, now, c->words);
	datapath_publish_table(c->datapath, group->index, c->words);
	group_count(c, group);
}

/* ---- deciding ---- */

struct failover_step group_decide(struct controller *c, struct group *group, struct failover_input input)
{
	struct failover_member *members = failover_members(c, group);
	const struct failover_policy policy = group_policy(group);
	enum failover_state before = group->failover.state;
	bool first = !group->decided;
	struct failover_step step = {.next = group->failover};
	char active_before[256], resort_before[sizeof(group->resort_text)];

	if (!members || c->detached || (input.event == FAILOVER_EVENT_CHECK && waits_for_checks(group))) {
		free(members);
		return step;
	}
	active_names(group, active_before, sizeof(active_before));
	snprintf(resort_before, sizeof(resort_before), "%s", group_resort_text(group) ? group->resort_text : "");
	step = failover_next(&group->failover, &policy, members, group->n_members, input, clock_monotonic_ms());
	free(members);
	group->failover = step.next;
	if (step.is_failover) {
		group->failovers++;
		group->last_failover = clock_wall_ms();
	}
	publish(c, group);
	set_timer(c, group, step.wake_ms);
	if (step.cause != FAILOVER_CAUSE_NONE)
		announce_failover(c, group, active_before, &step);
	group->started = group->decided = true;
	announce_down(c, group, first ? FAILOVER_NORMAL : before);
	announce_resort(c, group, resort_before);
	group_update_dependents(c, group);
	if (step.cause != FAILOVER_CAUSE_NONE)
		persist_soon(c);
	return step;
}

void group_update(struct controller *c, struct group *group)
{
	group_decide(c, group, (struct failover_input){.event = FAILOVER_EVENT_CHECK});
}
