/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which member owns which slot. Knows members by key and weight only: nothing of backends, health or maps.
 *
 * Members take turns; at its turn a member takes the first free slot of its permutation. With weights, a member's turns
 * are as many as its share of the table (rounded by largest remainder, so never a whole slot off) and lie evenly over
 * the whole population, so that a heavy member does not get the early choices and a light one the late ones.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <shunt/hash.h>

#include "base/cleanup.h"
#include "maglev/maglev.h"

static uint32_t weight_of(const uint32_t *weights, size_t i)
{
	return weights ? weights[i] : 1;
}

static int larger_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Turns of each member: the floor of its share, and one more for the largest remainders (of equal ones, the first). */
static int share_turns(const uint32_t *weights, size_t n, uint64_t total, uint32_t size, uint32_t *ret_turns)
{
	_cleanup_(freep) uint64_t *remainders = malloc(n * sizeof(*remainders));
	uint32_t left = size;

	if (!remainders)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint64_t share = (uint64_t)size * weight_of(weights, i);

		ret_turns[i] = share / total;
		left -= ret_turns[i];
		/* total < 2^48, as n < 2^16: the remainder has room for the index below it. */
		remainders[i] = share % total << 16 | (UINT16_MAX - i);
	}
	qsort(remainders, n, sizeof(*remainders), larger_first);
	for (uint32_t i = 0; i < left; i++)
		ret_turns[UINT16_MAX - (remainders[i] & UINT16_MAX)]++;
	return 0;
}

/* When a member takes its turns, in slots filled until then: first after half a step, then step by step. 32.32 fixed point. */
struct pace {
	uint64_t at, step;
};

static struct pace pace_of(uint64_t total, uint32_t weight, uint32_t size)
{
	uint64_t limit = (uint64_t)size << 32;
	uint64_t whole = total / weight;
	uint64_t step = whole >= size ? limit : (whole << 32) + ((total % weight << 32) / weight);

	return (struct pace){.at = step / 2, .step = step};
}

static uint32_t pace_next(struct pace *pace, uint32_t size)
{
	uint32_t at = pace->at >> 32;

	pace->at += pace->step;
	return at < size ? at : size - 1;
}

/* Puts all turns in order of time, those of one time in order of members: a counting sort. */
static void order_turns(const uint32_t *weights, const uint32_t *turns, size_t n, uint64_t total, uint32_t size,
			uint32_t *starts, uint16_t *ret_order)
{
	uint32_t sum = 0;

	memset(starts, 0, size * sizeof(*starts));
	for (size_t i = 0; i < n; i++) {
		struct pace pace = turns[i] ? pace_of(total, weight_of(weights, i), size) : (struct pace){0};

		for (uint32_t turn = 0; turn < turns[i]; turn++)
			starts[pace_next(&pace, size)]++;
	}
	for (uint32_t at = 0; at < size; at++) {
		uint32_t here = starts[at];

		starts[at] = sum;
		sum += here;
	}
	for (size_t i = 0; i < n; i++) {
		struct pace pace = turns[i] ? pace_of(total, weight_of(weights, i), size) : (struct pace){0};

		for (uint32_t turn = 0; turn < turns[i]; turn++)
			ret_order[starts[pace_next(&pace, size)]++] = i;
	}
}

/*
 * The hot loop: some size * ln(size) looks. A bitmap of what is taken stays in the first-level cache where the table does
 * not, and a conditional subtraction stands for the modulo, be the size a power of two or a prime.
 */
static int take_slots(const struct maglev_permutation *permutations, size_t n, const uint16_t *order, uint16_t *table,
		      uint32_t size)
{
	_cleanup_(freep) struct maglev_permutation *cursors = malloc(n * sizeof(*cursors));
	_cleanup_(freep) uint64_t *taken = calloc(size / 64 + 1, sizeof(*taken));

	if (!cursors || !taken)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		cursors[i] = (struct maglev_permutation){permutations[i].offset % size, permutations[i].skip % size};
	for (uint32_t turn = 0; turn < size; turn++) {
		struct maglev_permutation *cursor = &cursors[order[turn]];
		uint32_t slot = cursor->offset, skip = cursor->skip;

		while (taken[slot / 64] >> (slot % 64) & 1)
			slot = slot >= size - skip ? slot - (size - skip) : slot + skip;
		taken[slot / 64] |= 1ULL << (slot % 64);
		table[slot] = order[turn];
		cursor->offset = slot;
	}
	return 0;
}

int maglev_populate(const struct maglev_permutation *permutations, const uint32_t *weights, size_t n, uint16_t *table,
		    uint32_t size)
{
	_cleanup_(freep) uint32_t *turns = NULL, *starts = NULL;
	_cleanup_(freep) uint16_t *order = NULL;
	uint64_t total = 0;
	int r;

	if (n >= MAGLEV_NONE)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		total += weight_of(weights, i);
	if (total == 0 || size == 0) {
		memset(table, 0xff, size * sizeof(*table)); /* MAGLEV_NONE */
		return 0;
	}
	turns = malloc(n * sizeof(*turns));
	starts = malloc(size * sizeof(*starts));
	order = malloc(size * sizeof(*order));
	if (!turns || !starts || !order)
		return -ENOMEM;
	r = share_turns(weights, n, total, size, turns);
	if (r < 0)
		return r;
	order_turns(weights, turns, n, total, size, starts, order);
	return take_slots(permutations, n, order, table, size);
}

/* A member with its place in the caller's list. */
struct ranked {
	struct maglev_member member;
	uint16_t index;
};

/* By key; members of one key are told apart by weight, and with the same weight they are interchangeable. */
static int by_key(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->member.key != y->member.key)
		return x->member.key < y->member.key ? -1 : 1;
	if (x->member.weight != y->member.weight)
		return x->member.weight < y->member.weight ? -1 : 1;
	return x->index - y->index;
}

static struct maglev_permutation permutation_of(uint64_t key, uint64_t seed, uint32_t size)
{
	uint64_t hash = shunt_mix64(key ^ shunt_mix64(seed + 0x9e3779b97f4a7c15ULL));

	/* An odd skip and a power of two have no common factor. */
	return (struct maglev_permutation){.offset = hash & (size - 1), .skip = (hash >> 32 | 1) & (size - 1)};
}

int maglev_build(const struct maglev_member *members, size_t n, uint64_t seed, uint16_t *table, uint32_t size)
{
	_cleanup_(freep) struct ranked *ranked = malloc((n + 1) * sizeof(*ranked));
	_cleanup_(freep) struct maglev_permutation *permutations = malloc((n + 1) * sizeof(*permutations));
	_cleanup_(freep) uint32_t *weights = malloc((n + 1) * sizeof(*weights));
	int r;

	if (n >= MAGLEV_NONE)
		return -EINVAL;
	if (!ranked || !permutations || !weights)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){members[i], i};
	if (n == 1 && members[0].weight) { /* the usual primary or standby: all slots are its own */
		memset(table, 0, size * sizeof(*table));
		return 0;
	}
	qsort(ranked, n, sizeof(*ranked), by_key);
	for (size_t i = 0; i < n; i++) {
		permutations[i] = permutation_of(ranked[i].member.key, seed, size);
		weights[i] = ranked[i].member.weight;
	}
	r = maglev_populate(permutations, weights, n, table, size);
	if (r < 0)
		return r;
	for (uint32_t slot = 0; slot < size; slot++)
		if (table[slot] != MAGLEV_NONE)
			table[slot] = ranked[table[slot]].index;
	return 0;
}
