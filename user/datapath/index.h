/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The index of prefixes in front of the tries `allow` and `client_groups` (shunt/prefix_index.h): arrays that packets read.
 * It is made anew from what the lists hold, as a whole; meanwhile, and for what it has no room for, packets ask the tries.
 */
#ifndef SHUNT_INDEX_H
#define SHUNT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shunt/prefix_index.h>

/* A prefix of a list, and what is found under it. */
struct index_prefix {
	struct shunt_list_key key;
	enum shunt_index_list list;
	struct shunt_index_found found;
};

struct index {
	struct shunt_index_root *roots; /* of a map's memory, as the others */
	struct shunt_index_step *steps;
	struct shunt_index_seeds *seeds;
	struct shunt_index_entry *entries;
	uint32_t n_roots, n_steps, n_seeds, n_entries; /* seeds, entries: powers of two */
	const __u64 *hash_key;          /* shunt_hash_keys() */
	bool is_used;                   /* the program knows lists of the kind at all */
	bool is_open;                   /* packets use it */
};

/* Entries that should be there for so many prefixes: with those markers that a mixed list needs. */
uint32_t index_entries_for(size_t prefixes);
uint32_t index_prefixes_in(uint32_t entries); /* the other way round */
uint32_t index_seeds_for(uint32_t entries); /* at least SHUNT_INDEX_SEEDS_PER_LINE */
/* Packets ask the tries from now on; when this returns none reads the arrays any more. */
void index_suspend(struct index *index);
/*
 * Makes it anew and lets packets use it. The order of `prefixes` becomes another. -ENOSPC: of some list, or of all, packets go
 * on asking the tries; -ENOMEM: of all.
 */
int index_build(struct index *index, struct index_prefix *prefixes, size_t n);

#endif
