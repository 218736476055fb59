/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slots on their way back to settled. A pass, each half second while some slot is not settled: the flow table is aged and counted;
 * a slot that has been moving for flow_timeout becomes resolving; one that was resolving before the count began, and has
 * no live flow pinned elsewhere, becomes settled. A thousand large tables take longer than checks can wait: groups have their
 * turn in slices; one whose table is switched after the count waits for the next pass.
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

/* ---- what the flow table holds ---- */

/* Remembers it for the groups' turns. Without memory no slot settles in this pass. */
static void remember(struct pass *pass, uint32_t slot, uint32_t backend)
{
	if (pass->n_pinned == pass->room) {
		size_t room = pass->room ? pass->room * 2 : 1024;
		struct pinned *pinned = realloc(pass->pinned, room * sizeof(*pinned));

		pass->blind = pass->blind || !pinned;
		if (!pinned)
			return;
		pass->pinned = pinned;
		pass->room = room;
	}
	pass->pinned[pass->n_pinned++] = (struct pinned){slot, backend};
}

static void live_flow(void *userdata, struct shunt_flow flow)
{
	struct controller *c = userdata;
	uint32_t slot = shunt_slot_index(flow.fingerprint, c->table_size);
	struct endpoint *endpoint = c->endpoint_of[flow.backend];

	if (endpoint)
		endpoint->flows++;
	shares_see_flow(c, flow);
	if (placements_need_flows(c))
		placements_see_flow(c, flow, slot);
	if (c->pass.unsettled)
		remember(&c->pass, slot, flow.backend);
}

static void count_flows(struct controller *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++)
		c->endpoints[i]->flows = 0;
	shares_begin(c);
	c->flow_entries = datapath_scan_flows(c->datapath, c->config->flow_timeout_ms, live_flow, c);
	shares_end(c);
	for (size_t i = 0; i < c->n_endpoints; i++)
		datapath_backend_load(c->datapath, c->endpoints[i]->id, c->endpoints[i]->flows,
				      endpoint_weight(c->endpoints[i]));
}

/* ---- what follows from it ---- */

/* Slots of the group that a live flow is pinned to another backend in: flows do not say of which group they are. */
static void note_busy(const struct controller *c, const struct group *group, uint8_t *busy)
{
	const struct shunt_slot *words = datapath_table(c->datapath, group->index);

	memset(busy, c->pass.blind, c->table_size);
	for (size_t i = 0; i < c->pass.n_pinned && !group->scheduled; i++) {
		const struct pinned *at = &c->pass.pinned[i];

		if (words[at->slot].now != at->backend && backend_set_has(&group->known, at->backend))
			busy[at->slot] = 1;
	}
}

static struct shunt_slot advance(const struct group *group, struct shunt_slot slot, uint32_t index, uint32_t moved_before,
				 bool busy)
{
	if (slot.state == SHUNT_SLOT_MOVING)
		return group->moved_at && (int32_t)(moved_before - group->moved_at[index]) >= 0 ? slot_resolve(slot) : slot;
	if (slot.state == SHUNT_SLOT_RESOLVING && !busy)
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
	uint8_t *busy = c->tables->busy;
	bool changed = false;

	note_busy(c, group, busy);
	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		words[slot] = advance(group, now[slot], slot, moved_before, busy[slot]);
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

/* ---- a pass ---- */

static void begin_pass(struct controller *c)
{
	struct pass *pass = &c->pass;

	*pass = (struct pass){.timer = pass->timer, .running = true};
	for (size_t i = 0; i < c->n_groups; i++) {
		struct group *group = c->groups[i];

		group->to_advance = group->moving + group->resolving > 0;
		pass->unsettled = pass->unsettled || group->to_advance;
		if (group->moving)
			times_needed(c, group);
	}
	if (pass->unsettled || c->tracks_always || c->flow_entries > 0 || placements_need_flows(c))
		count_flows(c);
}

void transitions_stop(struct controller *c)
{
	for (size_t i = 0; i < c->n_groups; i++)
		c->groups[i]->to_advance = false;
	free(c->pass.pinned);
	c->pass = (struct pass){.timer = c->pass.timer};
}

/* False: the time is over, some group still waits for its turn. */
static bool advance_some(struct controller *c, uint64_t deadline_ns)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		if (!c->groups[i]->to_advance)
			continue;
		if (clock_monotonic_ns() >= deadline_ns)
			return false;
		c->groups[i]->to_advance = false;
		advance_group(c, c->groups[i]);
	}
	return true;
}

static void end_pass(struct controller *c)
{
	transitions_stop(c);
	placements_advance(c, transitions_now(), timeout_ticks(c));
	note_ids_in_slots(c);
	backends_note_drains(c);
	backends_retire(c);
}

void transitions_scan(struct controller *c)
{
	transitions_stop(c);
	if (c->detached)
		return;
	begin_pass(c);
	advance_some(c, UINT64_MAX);
	end_pass(c);
}

static int advance_slice(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;

	(void)usec;
	if (!c->pass.running || c->detached)
		return 0;
	if (advance_some(c, clock_monotonic_ns() + SLICE_NS)) {
		end_pass(c);
		return 0;
	}
	sd_event_source_set_time_relative(source, 0);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int ticked(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct controller *c = userdata;

	wall_follow(c);
	windows_follow(c, false);
	backends_end_overrides(c);
	if (!c->pass.running && !c->detached) {
		begin_pass(c);
		advance_slice(c->pass.timer, usec, c);
	}
	passive_watch(c);
	persist_watch(c);
	events_sync(c->events, c->kept.saver);
	sd_event_source_set_time_relative(source, TICK_MS * 1000);
	return 0;
}

int transitions_start(struct controller *c)
{
	int r = sd_event_add_time_relative(c->event, &c->pass.timer, CLOCK_MONOTONIC, 0, 1, advance_slice, c);

	if (r == 0)
		r = sd_event_source_set_priority(c->pass.timer, SLICE_PRIORITY);
	if (r == 0)
		r = sd_event_add_time_relative(c->event, &c->tick, CLOCK_MONOTONIC, TICK_MS * 1000, 10000, ticked, c);
	return r < 0 ? r : sd_event_source_set_enabled(c->tick, SD_EVENT_ON);
}
