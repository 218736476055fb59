/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which backend each slot of a group should have, and what the slot's word becomes on the way there. Pure: no I/O, no
 * clock, no globals. The rules and why no flow of an alive backend ever moves: DESIGN, "Track only what moved".
 */
#ifndef SHUNT_SLOTS_H
#define SHUNT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <shunt/abi.h>
#include <shunt/flow_line.h>
#include <shunt/hash.h>

/* A set of backend ids. */
struct backend_set {
	uint64_t word[SHUNT_MAX_BACKENDS / 64];
};

static inline bool backend_set_has(const struct backend_set *set, uint32_t id)
{
	return set->word[id / 64] >> (id % 64) & 1;
}

static inline void backend_set_put(struct backend_set *set, uint32_t id, bool in)
{
	if (in)
		set->word[id / 64] |= 1ULL << (id % 64);
	else
		set->word[id / 64] &= ~(1ULL << (id % 64));
}

/*
 * base[size]: backend ids of the base table, 0 where nobody owns the slot. fit: who may take new flows. A slot whose owner
 * is not fit goes to the first fit owner along its probe sequence (shunt_probe); 0 when base has no fit owner at all.
 * Depends on (base, fit) alone, not on the order of events.
 */
void slots_targets(const uint16_t *base, uint32_t size, const struct backend_set *fit, uint16_t *ret_targets);

/*
 * Writes `more` over the part [begin, end) of `whole` of all targets. Which slots are in which part is fixed, and parts that
 * begin or end a little further on share all others: a share that grows takes only what it grows by.
 */
void slots_overlay(uint16_t *targets, const uint16_t *more, uint32_t size, uint32_t whole, uint32_t begin, uint32_t end);

/* The next word of a slot. alive: healthy and not in maintenance (a draining backend is alive); id 0 is never alive. */
struct shunt_slot slot_next(struct shunt_slot slot, uint32_t target, const struct backend_set *alive);

/* The same of all slots of a table, size entries each. */
struct slots_change {
	bool changed, moving;    /* some slot is another than before; some slot is moving */
};
struct slots_change slots_next(const struct shunt_slot *now, const uint16_t *targets, uint32_t size, const struct backend_set *alive,
			       struct shunt_slot *ret_next);

/* A moving slot after flow_timeout: every live flow has been pinned. Others are unchanged. */
struct shunt_slot slot_resolve(struct shunt_slot slot);
/* A resolving slot none of whose live flows is pinned elsewhere. Others are unchanged. */
struct shunt_slot slot_settle(struct shunt_slot slot);

const char *slot_state_text(uint32_t state); /* "settled" | "moving" | "resolving" */

/*
 * The same one level above: which group takes clients (struct shunt_client_group). A group is never down, so of the rules
 * of slot_next() three remain. A settled placement has was_group 0, so that equal ones are equal byte by byte.
 */
struct shunt_client_group placement_settled(uint32_t group);
struct shunt_client_group placement_next(struct shunt_client_group placement, uint32_t target_group);
struct shunt_client_group placement_resolve(struct shunt_client_group placement); /* once it has moved for flow_timeout */
struct shunt_client_group placement_settle(struct shunt_client_group placement); /* once no live flow is pinned elsewhere */
bool placement_equal(struct shunt_client_group a, struct shunt_client_group b);

#endif
