/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slot a new flow takes when its service has a scheduler: the next in turn, any, or of two the one whose backend has
 * fewer flows for its weight. All walk the group's own table, so that weights, failures and drains hold as they do for the
 * flow's hash. The flow is pinned, or else it goes by its hash: only the flow table knows what a scheduler once decided.
 */
#ifndef SHUNT_BPF_SCHEDULE_H
#define SHUNT_BPF_SCHEDULE_H

#include "packet.h"

#define TURN_START_STEP 0x9e3779b1U /* CPUs begin at different places of the table */

stage __u32 slot_in_turn(const struct pick *p)
{
	__u32 service = p->service, start = bpf_get_smp_processor_id() * TURN_START_STEP;
	__u64 *turn = bpf_map_lookup_elem(&turns, &service);

	if (!turn)
		return start;
	start += *turn;
	if (!p->dry)
		++*turn;
	return start;
}

/* Whether a has fewer flows for its weight than b; who is not alive has more than anybody. */
stage bool has_fewer_flows(__u32 a, __u32 b)
{
	const struct shunt_backend *first = backend_lookup(a), *second = backend_lookup(b);

	if (!backend_is_alive(first) || !backend_is_alive(second))
		return backend_is_alive(first);
	return (__u64)first->flows * (second->weight ?: 1) < (__u64)second->flows * (first->weight ?: 1);
}

/* "The power of two choices" (Mitzenmacher, 2001): nearly as even as asking all, and no herd runs to the one least loaded. */
stage __u32 slot_of_the_less_loaded(const struct pick *p)
{
	__u32 one = bpf_get_prandom_u32() & (cfg.table_size - 1), other = bpf_get_prandom_u32() & (cfg.table_size - 1);

	return has_fewer_flows(slot_read(p->table, other).now, slot_read(p->table, one).now) ? other : one;
}

stage __u32 scheduled_slot(const struct pick *p)
{
	if (p->scheduler == SHUNT_SCHEDULER_ROUND_ROBIN)
		return slot_in_turn(p) & (cfg.table_size - 1);
	if (p->scheduler == SHUNT_SCHEDULER_RANDOM)
		return bpf_get_prandom_u32() & (cfg.table_size - 1);
	return slot_of_the_less_loaded(p);
}

/* Until the controller counts again, a flow that was just given to a backend counts as one more. */
stage void count_scheduled(const struct pick *p)
{
	struct shunt_backend *backend = backend_lookup(p->backend_id);

	if (backend && !p->dry && p->scheduler == SHUNT_SCHEDULER_LEAST_CONNECTIONS)
		__sync_fetch_and_add(&backend->flows, 1);
}

/* Global for the verifier's sake, as pick_slowly(). False: nobody near the slot is alive, the pick is as it was. */
__noinline int choose_scheduled(struct pick *p)
{
	struct shunt_slot by_hash;
	__u32 by_hash_index;

	if (!p)
		return false;
	by_hash = p->slot;
	by_hash_index = p->slot_index;
	p->slot_index = scheduled_slot(p);
	p->slot = slot_read(p->table, p->slot_index);
	if (choose(p, p->slot.now, SHUNT_CHOICE_SCHEDULED) || choose_by_probing(p))
		return true;
	p->slot = by_hash;
	p->slot_index = by_hash_index;
	return false;
}

#endif
