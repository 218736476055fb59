/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds a client's longest prefix in a list, as shunt/prefix_index.h says. Knows nothing of what the list is for. */
#ifndef SHUNT_BPF_PREFIX_INDEX_H
#define SHUNT_BPF_PREFIX_INDEX_H

#include <shunt/hash.h>
#include <shunt/prefix_index.h>

#include "packet.h"

#define LOOKS_AT_ONCE 2 /* enough for a list of up to three lengths; a call costs as much as two looks */

/* All bits when it is zero, else none, without a branch. */
stage __u64 all_bits_if_zero(__u64 number)
{
	__u64 is_other = (number | -number) >> 63;

	barrier_var(is_other);
	return is_other - 1;
}

/* Where to begin with a client of this family, SHUNT_INDEX_ASK_TRIE: not here. */
stage __u32 index_root(__u32 family, enum shunt_index_list list, __u32 service)
{
	__u32 index = shunt_index_root(list, service);
	const struct shunt_index_root *root = bpf_map_lookup_elem(&prefix_roots, &index);

	if (!root)
		return SHUNT_INDEX_ASK_TRIE;
	return *(const volatile __u32 *)&root->step[family == ETH_P_IPV6];
}

stage struct shunt_index_found index_found(__u64 word)
{
	struct shunt_index_found found;

	__builtin_memcpy(&found, &word, sizeof(found));
	return found;
}

/* Where the entry with this key is, if there is one. */
stage const struct shunt_index_entry *index_place(__u64 high, __u64 low, __u64 low_mask, __u64 rest)
{
	struct shunt_index_place place = shunt_index_place(cfg.hash_key, high, low, low_mask, rest);
	__u32 bucket = shunt_bucket(place.hash, cfg.index_buckets), line = bucket / SHUNT_INDEX_SEEDS_PER_LINE;
	const struct shunt_index_seeds *seeds = bpf_map_lookup_elem(&prefix_seeds, &line);

	if (!seeds)
		return NULL;
	line = shunt_index_line(place, seeds->seed[bucket % SHUNT_INDEX_SEEDS_PER_LINE], cfg.index_entries);
	return bpf_map_lookup_elem(&prefix_entries, &line);
}

/* What looks have found so far. 64 bits: what the compiler keeps on the stack as 32 the verifier forgets. */
struct index_search {
	__u64 best;                      /* the prefix that holds, struct shunt_index_found in one word; 0: none */
	__u64 step;                      /* where to look next, 0: nowhere */
};

/*
 * One look. `high`, `low`: halves of the client's address. Without branches where some clients are found and some
 * are not: who comes next nobody can foresee.
 */
stage struct index_search index_look(__u64 high, __u64 low, struct index_search search)
{
	const struct index_search never = {};
	__u32 step = search.step;
	const struct shunt_index_step *at = bpf_map_lookup_elem(&prefix_steps, &step);
	const struct shunt_index_entry *entry;
	__u64 a, b, other, is_there, is_last;

	if (!at)
		return never;
	a = bpf_be64_to_cpu(high) & at->mask[0];
	b = bpf_be64_to_cpu(low) & at->mask[1];
	entry = index_place(a, b, at->mask[1], at->rest);
	if (!entry)
		return never;
	other = (entry->address[0] ^ a) | (entry->address[1] ^ b) | (entry->rest ^ at->rest);
	is_there = all_bits_if_zero(other);
	is_last = is_there & ((__u64)entry->found.has_longer - 1);
	search.best ^= (search.best ^ *(const __u64 *)&entry->found) & is_there;
	search.step = at->next[is_there & 1] & ~is_last;
	return search;
}

/* Looks until nothing is left to look for. Global, as list_has(). */
__noinline __u64 index_look_on(__u64 high, __u64 low, __u64 best, __u32 step)
{
	struct index_search search = {best, step};

	for (__u64 i = 0; i < SHUNT_INDEX_DEPTH && search.step; i++)
		search = index_look(high, low, search);
	return search.best;
}

/* The client's prefix as a struct shunt_index_found in one word, 0: no prefix holds. Begins at `step`. */
stage __u64 index_find(__u64 high, __u64 low, __u32 step)
{
	struct index_search search = {.step = step};

#pragma unroll
	for (int i = 0; i < LOOKS_AT_ONCE; i++)
		if (search.step)
			search = index_look(high, low, search);
	return unlikely(search.step) ? index_look_on(high, low, search.best, search.step) : search.best;
}

#endif
