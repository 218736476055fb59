/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds a client's longest prefix in a list, as shunt/prefix_index.h says. Knows nothing of what the list is for. */
#ifndef SHUNT_BPF_PREFIX_INDEX_H
#define SHUNT_BPF_PREFIX_INDEX_H

#include <shunt/hash.h>
#include <shunt/prefix_index.h>

#include "packet.h"

/* All bits when it is zero, else none, without a branch. */
stage __u64 all_bits_if_zero(__u64 number)
{
	__u64 is_other = (number | -number) >> 63;

	barrier_var(is_other);
	return is_other - 1;
}

/* Where to begin with the client (halves of its address), SHUNT_INDEX_ASK_TRIE: not here. */
stage __u32 index_root(__u64 high, __u64 low, enum shunt_index_list list, __u32 service)
{
	__u32 index = shunt_index_root(list, service);
	const struct shunt_index_root *root = bpf_map_lookup_elem(&prefix_roots, &index);

	if (!root)
		return SHUNT_INDEX_ASK_TRIE;
	return *(const volatile __u32 *)&root->step[!shunt_halves_are_ipv4(high, low)];
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

/*
 * A struct shunt_index_found in one word, 0: no prefix holds. `high`, `low`: halves of the client's address. Without branches
 * where some clients are found and some are not: who comes next nobody can foresee. Global, as list_has().
 */
__noinline __u64 index_find(__u64 high, __u64 low, __u32 step)
{
	__u64 best = 0;

	high = bpf_be64_to_cpu(high);
	low = bpf_be64_to_cpu(low);
	/* 64 bits: what the compiler keeps on the stack as 32 the verifier forgets, and so that the loop ends. */
	for (__u64 i = 0; i < SHUNT_INDEX_DEPTH && step; i++) {
		const struct shunt_index_step *at = bpf_map_lookup_elem(&prefix_steps, &step);
		const struct shunt_index_entry *entry;
		__u64 a, b, other, is_there, is_last;

		if (!at)
			break;
		a = high & at->mask[0];
		b = low & at->mask[1];
		entry = index_place(a, b, at->mask[1], at->rest);
		if (!entry)
			break;
		other = (entry->address[0] ^ a) | (entry->address[1] ^ b) | (entry->rest ^ at->rest);
		is_there = all_bits_if_zero(other);
		best ^= (best ^ *(const __u64 *)&entry->found) & is_there;
		is_last = is_there & ((__u64)entry->found.has_longer - 1);
		step = at->next[is_there & 1] & ~is_last;
	}
	return best;
}

#endif
