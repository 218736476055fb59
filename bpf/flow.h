/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flows that a slot in transition must remember (DESIGN, "Track only what moved"). Called only for slots that are not
 * settled, for services that track always, and while a slot's backend has just gone down.
 *
 * pick_slowly() is a global function: the verifier judges it once, for any arguments, and not again for every way on which
 * a packet may come here. That is why it is handed scalars and gives back the number of a backend, not a pointer.
 */
#ifndef SHUNT_BPF_FLOW_H
#define SHUNT_BPF_FLOW_H

#include <shunt/flow_line.h>
#include <shunt/hash.h>

#include "packet.h"

#define FLOW_INSERT_TRIES 3

stage bool backend_is_alive(const struct shunt_backend *backend)
{
	return backend && *(const volatile __u32 *)&backend->flags & SHUNT_BACKEND_ALIVE;
}

stage struct shunt_backend *backend_lookup(__u32 id)
{
	return bpf_map_lookup_elem(&backends, &id);
}

/* The slot at `index` of the group's table in use, all zero when the tables contradict each other. */
stage struct shunt_slot slot_read(__u32 table, __u32 index)
{
	__u32 place = table * (cfg.table_size / SHUNT_SLOTS_PER_LINE) + index / SHUNT_SLOTS_PER_LINE;
	struct shunt_slot_line *line = bpf_map_lookup_elem(&slots, &place);
	struct shunt_slot slot = {};
	__u32 word;

	if (line) {
		word = ((const volatile __u32 *)line)[index % SHUNT_SLOTS_PER_LINE];
		__builtin_memcpy(&slot, &word, sizeof(slot));
	}
	return slot;
}

/* What the choice depends on, and the choice. */
struct pick {
	__u64 hash;                      /* of the flow */
	__u32 table;                     /* of the group, now */
	__u16 was_group;                 /* see struct shunt_client_group */
	__u16 reserve;                   /* of the group */
	__u32 slot_index;
	struct shunt_slot slot;
	__u32 backend_id;                /* chosen */
	__u32 choice;                    /* enum shunt_choice */
	__u32 named;                     /* backend that the packet itself names (quic.h), 0: none */
	__u32 service;                   /* id */
	__u8 group_state;                /* see struct shunt_client_group */
	__u8 scheduler;                  /* enum shunt_scheduler; of a packet that may start a flow */
	bool starts_flow, ends_flow;     /* TCP: SYN; FIN or RST */
	bool tracked, always;            /* whether flows are looked up at all; whether every flow is pinned */
	bool dry;
	bool unknown;                    /* as if nobody had pinned the flow */
};

stage bool choose(struct pick *p, __u32 id, enum shunt_choice choice)
{
	if (!backend_is_alive(backend_lookup(id)))
		return false;
	p->backend_id = id;
	p->choice = choice;
	return true;
}

/* The next alive backend along the probe sequence, among those that the table uses now; 0: none. Global, as pick_slowly(). */
__noinline int probe(__u32 table, __u32 slot_index)
{
	for (__u32 i = 1; i <= SHUNT_PROBE_LIMIT; i++) {
		struct shunt_slot slot = slot_read(table, shunt_probe(slot_index, i, cfg.table_size));

		if (backend_is_alive(backend_lookup(slot.now)))
			return slot.now;
	}
	return 0;
}

/* Whether it was not the slot that said where to: a flow that went so is remembered, or it would go elsewhere once the table follows. */
stage bool is_makeshift(const struct pick *p)
{
	return p->choice == SHUNT_CHOICE_PROBED || p->choice == SHUNT_CHOICE_RESERVE;
}

stage bool choose_by_probing(struct pick *p)
{
	return choose(p, probe(p->table, p->slot_index), SHUNT_CHOICE_PROBED) || choose(p, p->reserve, SHUNT_CHOICE_RESERVE);
}

#include "schedule.h"

/* The entry has seen one more packet. */
stage void flow_refresh(struct shunt_flow *at, struct shunt_flow flow, bool starts_flow, bool ends_flow)
{
	__u16 now = shunt_coarse_time(coarse_ns());
	struct shunt_flow fresh = shunt_flow_refreshed(flow, now, cfg.flow_lag, starts_flow, ends_flow);

	if (shunt_flow_word(fresh) != shunt_flow_word(flow))
		shunt_flow_swap(at, flow, fresh); /* who was faster has refreshed it as well */
}

/* Where in the line a flow is, or may be put; -1: nowhere. Global for the verifier's sake, as pick_slowly(). */
__noinline int flow_place(const struct shunt_flow_line *line, __u32 fingerprint, __u32 now)
{
	int found;

	if (!line)
		return -1;
	found = shunt_flow_find(line, fingerprint);
	return found >= 0 ? found : shunt_flow_victim(line, cfg.flow_timeout, now, fingerprint, direct.crowded);
}

/*
 * Remembers p->backend_id for the flow; false when the line is full of flows that must not be evicted. `found`: where the
 * line has the flow, -1: nowhere; while there are free entries one of them is taken without looking at the others.
 */
static __always_inline bool flow_pin(struct pick *p, struct shunt_flow_line *line, int found, __u16 now)
{
	int place = found < 0 ? shunt_flow_free(line) : found;
	struct shunt_flow flow = {
		.fingerprint = shunt_fingerprint(p->hash),
		.backend = p->backend_id,
		.established = !p->starts_flow,
		.closing = p->ends_flow,
		.seen = now,
	};

	for (int i = 0; i < FLOW_INSERT_TRIES; i++) {
		struct shunt_flow *at;

		if (place < 0)
			place = flow_place(line, flow.fingerprint, now);
		if (place < 0)
			return false;
		if (p->dry)
			return true;
		at = &line->flow[place & (SHUNT_FLOWS_PER_LINE - 1)];
		if (shunt_flow_swap(at, shunt_flow_load(at), flow))
			return true;
		place = -1;
	}
	return false;
}

/* Where a flow that is not pinned goes. */
static __always_inline bool choose_default(struct pick *p)
{
	enum shunt_choice choice = SHUNT_CHOICE_SETTLED;

	if (p->slot.state != SHUNT_SLOT_SETTLED)
		choice = p->starts_flow || p->slot.state == SHUNT_SLOT_RESOLVING ? SHUNT_CHOICE_NEW : SHUNT_CHOICE_OLD;
	if (choose(p, shunt_slot_default(p->slot, p->starts_flow), choice))
		return true;
	if (p->slot.state == SHUNT_SLOT_MOVING && p->slot.now && /* now 0: all drain, nobody takes new flows */
	    (choose(p, p->slot.now, SHUNT_CHOICE_NEW) || choose(p, p->slot.was, SHUNT_CHOICE_OLD)))
		return true;
	return choose_by_probing(p);
}

/*
 * The backend that the packet names. It is pinned as well: so a drain waits for it. It counts as not established before a
 * second packet, so that strangers who guess a server id cannot fill the table.
 */
static __always_inline bool choose_named(struct pick *p)
{
	__u32 fingerprint = shunt_fingerprint(p->hash), index = shunt_flow_line_index(p->hash, cfg.flow_lines);
	struct shunt_flow_line *line = bpf_map_lookup_elem(&flows, &index);
	__u16 now = shunt_coarse_time(coarse_ns());
	struct shunt_flow flow = {};
	struct shunt_flow *at;
	int i;

	if (!choose(p, p->named, SHUNT_CHOICE_SERVER_ID))
		return false;
	if (!line || !p->tracked)
		return true;
	i = shunt_flow_find(line, fingerprint);
	at = &line->flow[i & (SHUNT_FLOWS_PER_LINE - 1)];
	if (i >= 0)
		flow = shunt_flow_load(at);
	p->starts_flow = flow.fingerprint != fingerprint || flow.backend != p->named;
	if (p->starts_flow)
		flow_pin(p, line, i, now);
	else if (!p->dry)
		flow_refresh(at, flow, p->starts_flow, p->ends_flow);
	return true;
}

/* A flow that nobody pinned, of a service with a scheduler. Where it cannot be remembered its hash decides, now and later. */
static __always_inline bool choose_new(struct pick *p, struct shunt_flow_line *line, int found, __u16 now)
{
	__u32 by_hash_index = p->slot_index;
	struct shunt_slot by_hash = p->slot;

	if (choose_scheduled(p) && flow_pin(p, line, found, now)) {
		count_scheduled(p);
		return true;
	}
	p->slot = by_hash;
	p->slot_index = by_hash_index;
	p->starts_flow = false;
	return choose_default(p);
}

/* Chooses the backend by the flow table and the slot's word, and pins the choice where that is needed. */
static __always_inline bool choose_tracked(struct pick *p)
{
	__u32 fingerprint = shunt_fingerprint(p->hash), index = shunt_flow_line_index(p->hash, cfg.flow_lines);
	struct shunt_flow_line *line = bpf_map_lookup_elem(&flows, &index);
	__u16 now = shunt_coarse_time(coarse_ns());
	int i;

	if (!line)
		return choose_default(p);
	i = shunt_flow_find(line, fingerprint);
	if (i >= 0 && !p->unknown) {
		struct shunt_flow *at = &line->flow[i & (SHUNT_FLOWS_PER_LINE - 1)];
		struct shunt_flow flow = shunt_flow_load(at);

		if (shunt_flow_goes_on(flow, fingerprint, p->starts_flow) && choose(p, flow.backend, SHUNT_CHOICE_PINNED)) {
			if (!p->dry)
				flow_refresh(at, flow, p->starts_flow, p->ends_flow);
			return true;
		}
	}
	if (feature(SCHEDULERS) && p->scheduler)
		return choose_new(p, line, i, now);
	if (!choose_default(p))
		return false;
	/* What names a dead backend is overwritten, so that the flow does not go back when that returns; so is what is over. */
	if (!p->always && !shunt_slot_pins(p->slot) && !is_makeshift(p) && i < 0)
		return true;
	/* A new flow that cannot be remembered goes where flows that nobody remembers go: there it stays together. */
	if (!flow_pin(p, line, i, now) && p->starts_flow && shunt_slot_pins(p->slot))
		choose(p, p->slot.was, SHUNT_CHOICE_OLD);
	return true;
}

/* The word of the slot as it counts for a flow that may have begun in the group that its clients come from. */
stage struct shunt_slot word_between_groups(const struct pick *p)
{
	__u32 was_group = p->was_group;
	const struct shunt_group *was = bpf_map_lookup_elem(&groups, &was_group);
	struct shunt_slot from = {};

	if (was)
		from = slot_read(*(const volatile __u32 *)&was->table, p->slot_index);
	return shunt_slot_between(p->slot, from, p->group_state);
}

/* Whether there is a backend that takes the packet. */
__noinline int pick_slowly(struct pick *p)
{
	if (!p)
		return false;
	if (p->group_state)
		p->slot = word_between_groups(p);
	if (feature(QUIC) && p->named && choose_named(p))
		return true;
	if (p->tracked)
		return choose_tracked(p);
	return choose(p, p->slot.now, SHUNT_CHOICE_UNTRACKED) || choose_by_probing(p);
}

#endif
