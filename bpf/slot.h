/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which backend takes the packet: its flow's hash gives a slot, the slot's word the backend. */
#ifndef SHUNT_BPF_SLOT_H
#define SHUNT_BPF_SLOT_H

#include "clients.h"
#include "empty.h"
#include "extensions.h"
#include "flow.h"
#include "flow_hash.h"
#include "note.h"
#include "sanity.h"

/* Only TCP and QUIC say where a flow begins; other protocols move with their slot unless the service asks for more. */
stage bool is_tracked(const struct packet *p)
{
	return (p->protocol == IPPROTO_TCP || p->service->flags & (SHUNT_SERVICE_TRACK_ALWAYS | SHUNT_SERVICE_QUIC)) &&
	       !(p->service->flags & SHUNT_SERVICE_TRACK_NEVER);
}

/* Whether a packet whose flow nobody pinned may be a new one, which the scheduler places. */
stage bool starts_or_may(const struct packet *p)
{
	return p->starts_flow || (p->protocol != IPPROTO_TCP && !p->is_icmp_error);
}

/* RFC 9293 section 3.6. */
stage bool ends_flow(const struct packet *p)
{
	return (p->tcp_flags & (TCP_FIN | TCP_RST)) != 0;
}

/*
 * The way of nearly every packet whose flow is remembered: without a call. What else there may be to a flow pick_slowly() knows,
 * and looks again.
 */
stage bool find_pinned(struct packet *p)
{
	__u64 hash = shunt_flow_hash_of_class(p->hash, p->service->flow_class);
	__u32 index = shunt_flow_line_index(hash, cfg.flow_lines);
	struct shunt_flow_line *line = bpf_map_lookup_elem(&flows, &index);
	struct shunt_flow *at;
	struct shunt_flow flow;
	int i;

	if (!line || (i = shunt_flow_find(line, shunt_fingerprint(hash))) < 0)
		return false;
	at = &line->flow[i & (SHUNT_FLOWS_PER_LINE - 1)];
	flow = shunt_flow_load(at);
	p->backend_id = flow.backend;
	p->backend = backend_lookup(p->backend_id);
	if (unlikely(flow.fingerprint != shunt_fingerprint(hash) || !backend_is_alive(p->backend)))
		return false;
	p->choice = SHUNT_CHOICE_PINNED;
	flow_refresh(at, flow, false, ends_flow(p));
	return true;
}

/* Explain is asked for more than where the flow is, and an ICMP error does not belong to it. */
stage bool may_be_pinned(const struct packet *p)
{
	return !p->dry && is_tracked(p) && !p->starts_flow && !p->is_icmp_error && !p->named_backend;
}

/* The rare ways: the slot is not settled, flows are always tracked, or the slot's backend is down. */
stage int pick_unsettled(struct packet *p, const struct shunt_group *group, __u32 table, struct placement placement)
{
	struct pick pick = {
		.hash = shunt_flow_hash_of_class(p->hash, p->service->flow_class),
		.table = table,
		.reserve = *(const volatile __u16 *)&group->reserve,
		.was_group = placement.was_group,
		.group_state = placement.state,
		.named = p->named_backend,
		.slot_index = p->slot_index,
		.slot = p->slot,
		.service = p->service->id,
		.scheduler = starts_or_may(p) ? p->service->scheduler : 0,
		.starts_flow = p->starts_flow,
		.ends_flow = ends_flow(p),
		.tracked = is_tracked(p),
		.always = p->service->flags & SHUNT_SERVICE_TRACK_ALWAYS,
		.dry = p->dry || p->is_icmp_error,
		.unknown = p->unknown,
	};

	if (!pick_slowly(&pick))
		return nobody_serves(p);
	p->backend = backend_lookup(pick.backend_id);
	p->backend_id = pick.backend_id;
	p->choice = pick.choice;
	p->slot_index = pick.slot_index;
	p->slot = pick.slot;
	note_slot(p);
	return p->backend ? SHUNT_NEXT : drop(p, SHUNT_DROP_INTERNAL);
}

/* The client's address has changed, and with it the slot. */
stage bool is_named_elsewhere(const struct packet *p)
{
	return feature(QUIC) && p->named_backend && p->named_backend != p->slot.now;
}

stage int pick_backend(struct packet *p)
{
	struct placement placement = placement_of(p);
	__u32 group_id = foresee(p->likely_group, placement.group), table; /* the service's bucket says which */
	const struct shunt_group *group = bpf_map_lookup_elem(&groups, &group_id);

	note_group(p, placement.group);
	if (unlikely(!group))
		return drop(p, SHUNT_DROP_INTERNAL);
	table = *(const volatile __u32 *)&group->table;
	p->hash = flow_hash(p);
	p->slot_index = shunt_slot_index((__u32)p->hash, cfg.table_size); /* that of its fingerprint */
	p->slot = slot_read(table, p->slot_index);
	note_slot(p);

	if (unlikely(p->is_remembered) && backend_is_alive(backend_lookup(p->unusual->remembered_backend))) {
		p->backend_id = p->unusual->remembered_backend;
		p->backend = backend_lookup(p->backend_id);
		return p->backend ? SHUNT_NEXT : drop(p, SHUNT_DROP_INTERNAL);
	}
	/* The way of nearly every packet: settled, alive, no flow looked up. */
	if (likely(!(p->service->flags & SHUNT_SERVICE_TRACK_ALWAYS) && p->slot.state == SHUNT_SLOT_SETTLED &&
		   placement.state == SHUNT_SLOT_SETTLED)) {
		p->backend_id = p->slot.now;
		p->backend = backend_lookup(p->backend_id);
		p->choice = SHUNT_CHOICE_SETTLED;
		if (likely(backend_is_alive(p->backend) && !is_named_elsewhere(p)))
			return SHUNT_NEXT;
	}
	join_ways(p);
	if (may_be_pinned(p) && find_pinned(p))
		return SHUNT_NEXT;
	p->backend = NULL;
	p->backend_id = 0;
	p->choice = SHUNT_CHOICE_NONE;
	return pick_unsettled(p, group, table, placement);
}

#endif
