/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which backend takes the packet: its flow's hash gives a slot, the slot's word the backend. */
#ifndef SHUNT_BPF_SLOT_H
#define SHUNT_BPF_SLOT_H

#include "flow.h"

stage __u64 flow_hash(const struct packet *p)
{
	__u32 ports = (__u32)p->source_port << 16 | p->destination_port;

	if (p->service->flags & SHUNT_SERVICE_SOURCE_IP)
		ports = 0;
	return shunt_flow_hash(cfg.hash_key, &p->source, ports, p->service->salt);
}

/* Only TCP says where a flow begins; other protocols move with their slot unless the service asks for more. */
stage bool is_tracked(const struct packet *p)
{
	return (p->protocol == IPPROTO_TCP || p->service->flags & SHUNT_SERVICE_TRACK_ALWAYS) &&
	       !(p->service->flags & SHUNT_SERVICE_TRACK_NEVER);
}

stage int pick_backend(struct packet *p)
{
	__u32 group_index = p->service->group, table;
	const struct shunt_group *group = bpf_map_lookup_elem(&groups, &group_index);
	bool always = p->service->flags & SHUNT_SERVICE_TRACK_ALWAYS, chosen;

	if (unlikely(!group))
		return drop(p, SHUNT_DROP_INTERNAL);
	table = *(const volatile __u32 *)&group->table;
	p->hash = flow_hash(p);
	p->slot_index = shunt_slot_index(shunt_fingerprint(p->hash), cfg.table_size);
	p->slot = slot_read(table, p->slot_index);

	/* The way of nearly every packet: settled, alive, no flow looked up. */
	if (likely(!always && p->slot.state == SHUNT_SLOT_SETTLED &&
		   choose(p, p->slot.now, SHUNT_CHOICE_SETTLED)))
		return SHUNT_NEXT;
	if (is_tracked(p))
		chosen = choose_tracked(p, table, always);
	else
		chosen = choose(p, p->slot.now, SHUNT_CHOICE_UNTRACKED) || choose_by_probing(p, table);
	return chosen ? SHUNT_NEXT : drop(p, SHUNT_DROP_NO_BACKEND);
}

#endif
