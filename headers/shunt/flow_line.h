/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a slot word means for a packet, and how a line of the flow table is read and written. One definition: run in the
 * kernel, tested natively, and simulated in tests/unit.
 */
#ifndef SHUNT_FLOW_LINE_H
#define SHUNT_FLOW_LINE_H

#include "abi.h"
#include "hash.h"
#include "least.h"

#define SHUNT_COARSE_TIME_SHIFT 28 /* 2^28 ns, about a quarter of a second; 15 bits of it wrap after 2.4 hours */
#define SHUNT_COARSE_TIME_MASK 0x7fff

static inline __attribute__((always_inline)) __u16 shunt_coarse_time(__u64 monotonic_ns)
{
	return monotonic_ns >> SHUNT_COARSE_TIME_SHIFT & SHUNT_COARSE_TIME_MASK;
}

/* Age of an entry in coarse units; right for ages below 2.4 hours. */
static inline __attribute__((always_inline)) __u16 shunt_flow_age(struct shunt_flow flow, __u16 now)
{
	return (now - flow.seen) & SHUNT_COARSE_TIME_MASK;
}

/* The line of a flow: by the high half of its hash, so that the flows of a few moving slots use the whole table. */
static inline __attribute__((always_inline)) __u32 shunt_flow_line_index(__u64 hash, __u32 flow_lines)
{
	return (__u32)(hash >> 32) & (flow_lines - 1);
}

/* Entries are read and written whole, whatever the compiler thinks of their type. */
typedef __u64 __attribute__((may_alias)) shunt_flow_cell;

static inline __attribute__((always_inline)) __u64 shunt_flow_word(struct shunt_flow flow)
{
	__u64 word;

	__builtin_memcpy(&word, &flow, sizeof(word));
	return word;
}

/* Reads an entry whole: one 64-bit load. */
static inline __attribute__((always_inline)) struct shunt_flow shunt_flow_load(const struct shunt_flow *from)
{
	__u64 word = *(const volatile shunt_flow_cell *)from;
	struct shunt_flow flow;

	__builtin_memcpy(&flow, &word, sizeof(flow));
	return flow;
}

/* Replaces `old` by `new`; false when somebody else was faster. */
static inline __attribute__((always_inline)) int shunt_flow_swap(struct shunt_flow *at, struct shunt_flow old,
								 struct shunt_flow new)
{
	__u64 expected = shunt_flow_word(old);

	return __sync_val_compare_and_swap((shunt_flow_cell *)at, expected, shunt_flow_word(new)) == expected;
}

/*
 * Index of the entry with this fingerprint, or -1. Without branches: which one it is nobody can foresee, and while the line comes
 * from memory the processor goes on with what follows.
 */
static inline __attribute__((always_inline)) int shunt_flow_find(const struct shunt_flow_line *line, __u32 fingerprint)
{
	__u64 found = 0;

	for (__u64 i = 0; i < SHUNT_FLOWS_PER_LINE; i++) {
		__u64 less_one = (__u64)(line->flow[i].fingerprint ^ fingerprint) - 1;

		__asm__ volatile("" : "+r"(less_one)); /* see shunt_least() */
		found |= (i + 1) & -(less_one >> 63);
	}
	return (int)found - 1;
}

/* Index of the first free entry, or -1. Without branches: which one it is nobody can foresee. */
static inline __attribute__((always_inline)) int shunt_flow_free(const struct shunt_flow_line *line)
{
	__u64 found = 0;

	for (__u64 i = SHUNT_FLOWS_PER_LINE; i > 0; i--) {
		__u64 is_free = ((__u64)line->flow[i - 1].fingerprint - 1) >> 63;

		__asm__ volatile("" : "+r"(is_free)); /* see shunt_least() */
		found ^= (found ^ i) & -is_free;
	}
	return (int)found - 1;
}

/* How many entries of the line each class has, four bits each. */
static inline __attribute__((always_inline)) __u64 shunt_flow_classes_in(const struct shunt_flow_line *line)
{
	__u64 counts = 0;

	for (__u32 i = 0; i < SHUNT_FLOWS_PER_LINE; i++) {
		struct shunt_flow flow = shunt_flow_load(&line->flow[i]);
		__u64 is_used = 1 - (((__u64)flow.fingerprint - 1) >> 63);

		counts += is_used << 4 * shunt_flow_class(flow.fingerprint);
	}
	return counts;
}

/*
 * Index of the entry that a new one with this fingerprint may replace, -1: none. In this order: a free one; one not
 * established, of the class that has most entries in the line, the oldest of those, but of no class that has fewer than the
 * newcomer's own; an established one that nobody has used for more than `timeout` (coarse units), which matters while no
 * controller ages the table; the oldest established one of a class in `crowded`, for a newcomer that is of none of those and
 * has fewer in the line.
 *
 * A SYN flood so replaces its own service's entries only. No newcomer takes the place of a living established flow, but
 * where one service has filled the table with them its excess makes room for others.
 */
static inline __attribute__((always_inline)) int shunt_flow_victim(const struct shunt_flow_line *line, __u32 timeout,
								   __u16 now, __u32 fingerprint, __u32 crowded)
{
	__u64 best = 0, counts = shunt_flow_classes_in(line);
	__u32 own_class = shunt_flow_class(fingerprint);
	__u64 own = counts >> 4 * own_class & 15, may_crowd_out = ~(crowded >> own_class) & 1;

	/* Rank above the place, so that the largest word says both. Without branches: see shunt_least(). */
	for (__u32 i = 0; i < SHUNT_FLOWS_PER_LINE; i++) {
		struct shunt_flow flow = shunt_flow_load(&line->flow[i]);
		__u32 class = shunt_flow_class(flow.fingerprint);
		__u64 age = shunt_flow_age(flow, now), is_free = ((__u64)flow.fingerprint - 1) >> 63;
		__u64 is_old = (timeout - age) >> 63, is_new = !flow.established, count = counts >> 4 * class & 15;
		__u64 has_fewer = (own - count) >> 63, has_more = (count - own) >> 63;
		__u64 is_excess = may_crowd_out & crowded >> class & has_fewer;
		__u64 may_go = is_free | (is_new & ~has_more) | is_old | is_excess;
		__u64 rank = is_free << 23 | is_new << 22 | is_old << 21 | count << 17 | (age + 1);

		best = shunt_greatest(best, (rank << 3 | (SHUNT_FLOWS_PER_LINE - 1 - i)) & -(may_go & 1));
	}
	return best ? (int)(SHUNT_FLOWS_PER_LINE - 1 - (best & (SHUNT_FLOWS_PER_LINE - 1))) : -1;
}

/*
 * Whether the flow of a packet is the one that the entry remembers. A client that uses a port again begins another connection,
 * and so another flow, once it has ended the one before: else those who go through their ports quickly would keep a backend
 * that drains for ever. While nobody has seen an end a SYN is one that was sent again, or forged: the flow stays where it is.
 */
static inline __attribute__((always_inline)) int shunt_flow_goes_on(struct shunt_flow flow, __u32 fingerprint, int starts_flow)
{
	return flow.fingerprint == fingerprint && !(starts_flow && flow.closing);
}

/*
 * The entry after one more packet. Its time may fall behind by `lag` (coarse units): a flow that is busy then writes to its line
 * every `lag` and not with each tick, and the line can stay in several caches.
 */
static inline __attribute__((always_inline)) struct shunt_flow shunt_flow_refreshed(struct shunt_flow flow, __u16 now, __u32 lag,
										    int starts_flow, int ends_flow)
{
	if (shunt_flow_age(flow, now) > lag)
		flow.seen = now;
	flow.established |= !starts_flow;
	flow.closing |= ends_flow;
	return flow;
}

/* ---- the three states of a slot (DESIGN: "Track only what moved") ---- */

/* Which backend takes a packet whose flow is not pinned: `starts_flow` is a SYN and the like. */
static inline __attribute__((always_inline)) __u32 shunt_slot_default(struct shunt_slot slot, int starts_flow)
{
	return slot.state == SHUNT_SLOT_MOVING && !starts_flow ? slot.was : slot.now;
}

/* Whether a miss is remembered: what an unsettled slot decides now must still hold after its next change. */
static inline __attribute__((always_inline)) int shunt_slot_pins(struct shunt_slot slot)
{
	return slot.state == SHUNT_SLOT_MOVING;
}

/*
 * The word that counts while clients go from one group to another: `to` and `from` are the words that their slot has in the
 * two tables, `state` is that of the placement. The same three states, one level above (struct shunt_client_group).
 */
static inline __attribute__((always_inline)) struct shunt_slot shunt_slot_between(struct shunt_slot to,
										  struct shunt_slot from, __u32 state)
{
	if (state == SHUNT_SLOT_MOVING) {
		to.was = shunt_slot_default(from, 0);
		to.state = SHUNT_SLOT_MOVING;
	} else if (state == SHUNT_SLOT_RESOLVING && to.state == SHUNT_SLOT_SETTLED) {
		to.state = SHUNT_SLOT_RESOLVING;
	}
	return to;
}

static inline __attribute__((always_inline)) __u32 shunt_slot_word(struct shunt_slot slot)
{
	__u32 word;

	__builtin_memcpy(&word, &slot, sizeof(word));
	return word;
}

#endif
