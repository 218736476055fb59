/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slots on their way back to settled. Once a second, while some slot is not settled: the flow table is aged and counted;
 * a slot that has been moving for flow_timeout becomes resolving; one that was resolving before the count began, and has
 * no live flow pinned elsewhere, becomes settled.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "shuntd/controller.h"

#define TICK_MS 500
/* Coarse times of the flow table are rounded to a quarter of a second: wait a little longer than flow_timeout. */
#define MARGIN_MS 500

uint32_t transitions_now(void)
{
	return (uint32_t)(clock_monotonic_ms() / TICK_MS);
}

/* From when slots have been moving: from now on, where nothing better is known (adopted tables). */
static bool times_needed(const struct controller *c, struct group *group)
{
	if (group->moved_at)
		return true;
	group->moved_at = malloc(c->table_size * sizeof(*group->moved_at));
	for (uint32_t slot = 0; group->moved_at && slot < c->table_size; slot++)
		group->moved_at[slot] = transitions_now();
	return group->moved_at; /* without memory they stay moving: safe, only dearer */
}

/* Notes when slots began to move; a slot that goes on moving away from the same backend keeps its time. */
void transitions_moved(struct controller *c, struct group *group, const struct shunt_slot *before,
		       const struct shunt_slot *after)
{
	uint32_t now = transitions_now();

	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		if (after[slot].state != SHUNT_SLOT_MOVING ||
		    (before[slot].state == SHUNT_SLOT_MOVING && before[slot].was == after[slot].was && group->moved_at))
			continue;
		if (!times_needed(c, group))
			return;
		group->moved_at[slot] = now;
	}
}

/* ---- one pass over the flow table ---- */

struct scan {
	struct controller *c;
	struct group **unsettled;
	size_t n_unsettled;
};

static void live_flow(void *userdata, struct shunt_flow flow)
{
	struct scan *scan = userdata;
	uint32_t slot = shunt_slot_index(flow.fingerprint, scan->c->table_size);
	struct endpoint *endpoint = scan->c->endpoint_of[flow.backend];

	if (endpoint)
		endpoint->flows++;
	shares_see_flow(scan->c, flow);
	if (placements_need_flows(scan->c))
		placements_see_flow(scan->c, flow, slot);
	for (size_t i = 0; i < scan->n_unsettled; i++) {
		struct group *group = scan->unsettled[i];

		if (!group->scheduled && backend_set_has(&group->known, flow.backend) &&
		    datapath_table(scan->c->datapath, group->index)[slot].now != flow.backend)
			group->busy[slot] = 1;
	}
}

static void count_flows(struct controller *c, struct group **unsettled, size_t n)
{
	struct scan scan = {c, unsettled, n};

	for (size_t i = 0; i < c->n_endpoints; i++)
		c->endpoints[i]->flows = 0;
	shares_begin(c);
	c->flow_entries = datapath_scan_flows(c->datapath, c->config->flow_timeout_ms, live_flow, &scan);
	shares_end(c);
	for (size_t i = 0; i < c->n_endpoints; i++)
		datapath_backend_load(c->datapath, c->endpoints[i]->id, c->endpoints[i]->flows,
				      endpoint_weight(c->endpoints[i]));
}

/* ---- what follows from it ---- */

static struct shunt_slot advance(const struct group *group, struct shunt_slot slot, uint32_t index, uint32_t moved_before)
{
	if (slot.state == SHUNT_SLOT_MOVING)
		return group->moved_at && (int32_t)(moved_before - group->moved_at[index]) >= 0 ? slot_resolve(slot) : slot;
	if (slot.state == SHUNT_SLOT_RESOLVING && !group->busy[index])
		return slot_settle(slot);
	return slot;
}

static uint32_t timeout_ticks(const struct controller *c)
{
	return (c->config->flow_timeout_ms + MARGIN_MS + TICK_MS - 1) / TICK_MS;
}

static void advance_group(struct controller *c, struct group *group)
{
	const struct shunt_slot *now = datapath_table(c->datapath, group->index);
	uint32_t moved_before = transitions_now() - timeout_ticks(c);
	struct shunt_slot *words = c->tables->words;
	bool changed = false;

	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		words[slot] = advance(group, now[slot], slot, moved_before);
		changed = changed || shunt_slot_word(words[slot]) != shunt_slot_word(now[slot]);
	}
	group_publish(c, group, tables_take(c->tables, changed));
	if (changed)
		group_count(c, group);
	if (group->moving == 0) {
		free(group->moved_at);
		group->moved_at = NULL;
	}
}

static bool prepare(struct controller *c, struct group *group)
{
	if (group->moving + group->resolving == 0)
		return false;
	if (!group->busy)
		group->busy = malloc(c->table_size);
	if (!group->busy)
		return false;
	memset(group->busy, 0, c->table_size);
	if (group->moving)
		times_needed(c, group);
	return true;
}

static void note_ids_in_table(struct controller *c, uint32_t group_index)
{
	const struct shunt_slot *words = datapath_table(c->datapath, group_index);

	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		if (c->endpoint_of[words[slot].now])
			c->endpoint_of[words[slot].now]->in_slots = true;
		if (c->endpoint_of[words[slot].was])
			c->endpoint_of[words[slot].was]->in_slots = true;
	}
}

static void note_ids_in_slots(struct controller *c)
{
	bool leaving = false;

	for (size_t i = 0; i < c->n_endpoints; i++) {
		c->endpoints[i]->in_slots = false;
		leaving = leaving || !c->endpoints[i]->wanted || backend_admin(c->endpoints[i]->backend) == ADMIN_DRAIN;
	}
	if (!leaving)
		return;
	for (size_t g = 0; g < c->n_groups; g++)
		note_ids_in_table(c, c->groups[g]->index);
	for (uint32_t g = 0; g < datapath_room(c->datapath); g++)
		if (c->placements.origins[g])
			note_ids_in_table(c, g);
}

void transitions_scan(struct controller *c)
{
	struct group **unsettled = calloc(c->n_groups + 1, sizeof(struct group *));
	size_t n = 0;

	if (!unsettled || c->detached) {
		free(unsettled);
		return;
	}
	for (size_t i = 0; i < c->n_groups; i++)
		if (prepare(c, c->groups[i]))
			unsettled[n++] = c->groups[i];
	if (n > 0 || c->tracks_always || c->flow_entries > 0 || placements_need_flows(c))
		count_flows(c, unsettled, n);
	for (size_t i = 0; i < n; i++)
		advance_group(c, unsettled[i]);
	placements_advance(c, transitions_now(), timeout_ticks(c));
	note_ids_in_slots(c);
	backends_note_drains(c);
	backends_retire(c);
	free(unsettled);
}

static int ticked(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;

	wall_follow(c);
	windows_follow(c, false);
	backends_end_overrides(c);
	transitions_scan(c);
	passive_watch(c);
	events_sync(c->events);
	(void)usec;
	sd_event_source_set_time_relative(source, TICK_MS * 1000);
	return 0;
}

int transitions_start(struct controller *c)
{
	int r = sd_event_add_time_relative(c->event, &c->tick, CLOCK_MONOTONIC, TICK_MS * 1000, 10000, ticked, c);

	return r < 0 ? r : sd_event_source_set_enabled(c->tick, SD_EVENT_ON);
}
