// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "datapath/index.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <shunt/hash.h>

#define IPV4_MAPPED_BITS 96
#define SERVICE_BITS 32
#define LENGTHS 129
#define FEWEST_ENTRIES 1024              /* siblings are spread evenly only by number */
#define KEYS_PER_SEED 4                 /* about so many, were every entry taken */

/* ---- addresses as numbers ---- */

struct bits {
	uint64_t high, low;
};

static struct bits bits_of(const struct shunt_addr *address)
{
	return (struct bits){be64toh(shunt_addr_half(address, 0)), be64toh(shunt_addr_half(address, 1))};
}

static uint64_t mask64(uint32_t length)
{
	return length == 0 ? 0 : length >= 64 ? UINT64_MAX : UINT64_MAX << (64 - length);
}

static struct bits mask_of(uint32_t length)
{
	return (struct bits){mask64(length), length > 64 ? mask64(length - 64) : 0};
}

static struct bits masked(struct bits bits, uint32_t length)
{
	struct bits mask = mask_of(length);

	return (struct bits){bits.high & mask.high, bits.low & mask.low};
}

static int compare_bits(struct bits a, struct bits b)
{
	if (a.high != b.high)
		return a.high < b.high ? -1 : 1;
	return (a.low > b.low) - (a.low < b.low);
}

/* ---- prefixes and markers ---- */

struct item {
	struct bits address;
	uint64_t rest;
	struct shunt_index_place place;
	struct shunt_index_found found;
	uint32_t length;                /* of all 128 bits */
	bool is_marker;
};

struct items {
	struct item *list;
	size_t n, room;
};

static int append(struct items *items, const struct item *item)
{
	size_t room = items->room ? items->room * 2 : 64;
	struct item *more;

	if (items->n == items->room) {
		more = reallocarray(items->list, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		items->list = more;
		items->room = room;
	}
	items->list[items->n++] = *item;
	return 0;
}

/* A prefix before those within it, and before a marker of its own length. */
static int by_address(const void *a, const void *b)
{
	const struct item *left = a, *right = b;
	int order = compare_bits(left->address, right->address);

	if (order)
		return order;
	if (left->length != right->length)
		return left->length < right->length ? -1 : 1;
	return left->is_marker - right->is_marker;
}

static uint32_t length_of(const struct index_prefix *prefix)
{
	return prefix->key.length - SERVICE_BITS;
}

/* Lists one after the other: those prefixes that are searched together. */
static int by_list(const void *a, const void *b)
{
	const struct index_prefix *left = a, *right = b;

	if (left->list != right->list)
		return left->list < right->list ? -1 : 1;
	if (left->key.service != right->key.service)
		return left->key.service < right->key.service ? -1 : 1;
	return (left->key.version > right->key.version) - (left->key.version < right->key.version);
}

/* ---- the search tree over the lengths of a list ---- */

struct tree {
	struct index *index;
	const struct index_prefix *of;  /* some prefix of the list */
	uint32_t length[LENGTHS], n;    /* ascending */
	size_t weight[LENGTHS + 1];     /* how many prefixes are shorter than length[i] */
	uint32_t next_step;
};

static bool is_ipv6(const struct index_prefix *prefix)
{
	return prefix->key.version != 4;
}

/*
 * Where to divide length[first] … length[last]: so that as many prefixes are on either side, as far as `depth` looks allow.
 * Of what most prefixes have is asked first, and needs fewest markers.
 */
static uint32_t divide(const struct tree *tree, uint32_t first, uint32_t last, uint32_t depth)
{
	uint32_t fit = (1U << (depth - 1)) - 1, best = first + (last - first) / 2;
	size_t least = SIZE_MAX;

	for (uint32_t i = first; i <= last; i++) {
		size_t before = tree->weight[i] - tree->weight[first], after = tree->weight[last + 1] - tree->weight[i + 1];
		size_t larger = before > after ? before : after;

		if (i - first <= fit && last - i <= fit && larger < least) {
			least = larger;
			best = i;
		}
	}
	return best;
}

/* Returns the step at which length[first] … length[end - 1] are searched, 0: there are none. */
static uint32_t plant(struct tree *tree, uint32_t first, uint32_t end, uint32_t depth)
{
	uint32_t at = first < end ? divide(tree, first, end - 1, depth) : 0, number = tree->next_step;
	const struct index_prefix *of = tree->of;
	struct shunt_index_step *step;
	struct bits mask;

	if (first >= end)
		return 0;
	tree->next_step++;
	step = &tree->index->steps[number];
	mask = mask_of(tree->length[at]);
	step->mask[0] = mask.high;
	step->mask[1] = mask.low;
	step->rest = shunt_index_rest(of->list, of->key.service, is_ipv6(of), tree->length[at]);
	step->next[0] = plant(tree, first, at, depth - 1);
	step->next[1] = plant(tree, at + 1, end, depth - 1);
	return number;
}

static void count_lengths(struct tree *tree, const struct index_prefix *prefixes, size_t n)
{
	size_t count[LENGTHS] = {0};

	for (size_t i = 0; i < n; i++)
		count[length_of(&prefixes[i])]++;
	for (uint32_t length = 0; length < LENGTHS; length++) {
		if (count[length] == 0)
			continue;
		tree->length[tree->n] = length;
		tree->weight[tree->n + 1] = tree->weight[tree->n] + count[length];
		tree->n++;
	}
}

/* The prefix, and a marker at every step where who looks for it must go on to longer ones. */
static int add_with_markers(struct items *items, const struct index *index, uint32_t root, const struct index_prefix *prefix)
{
	uint32_t length = length_of(prefix);
	struct bits address = bits_of(&prefix->key.address);
	int r = 0;

	for (uint32_t number = root; number && r == 0;) {
		const struct shunt_index_step *step = &index->steps[number];
		uint32_t here = shunt_index_length(step->rest);
		struct item item = {.address = masked(address, here), .rest = step->rest, .length = here, .is_marker = here < length};

		if (here == length) {
			item.found = prefix->found;
			return append(items, &item);
		}
		if (here < length) {
			item.found.has_longer = 1;
			r = append(items, &item);
		}
		number = step->next[here < length];
	}
	return r;
}

/* Of entries from `first` on: doubles become one, and each learns which prefix holds there. */
static void resolve(struct items *items, size_t first)
{
	const struct item *around[LENGTHS]; /* prefixes that have each other, and the item */
	size_t kept = first, depth = 0;

	if (items->n == first)
		return;
	qsort(items->list + first, items->n - first, sizeof(*items->list), by_address);
	for (size_t i = first; i < items->n; i++) {
		struct item item = items->list[i];
		struct item *previous = kept > first ? &items->list[kept - 1] : NULL;

		if (previous && previous->length == item.length && compare_bits(previous->address, item.address) == 0) {
			previous->found.has_longer |= item.found.has_longer;
			continue;
		}
		while (depth > 0 && compare_bits(masked(item.address, around[depth - 1]->length), around[depth - 1]->address))
			depth--;
		if (item.is_marker && depth > 0) {
			item.found = around[depth - 1]->found;
			item.found.has_longer = 1;
		}
		items->list[kept] = item;
		if (!item.is_marker)
			around[depth++] = &items->list[kept];
		kept++;
	}
	items->n = kept;
}

static int add_list(struct index *index, struct items *items, const struct index_prefix *prefixes, size_t n,
		    uint32_t *next_step)
{
	struct tree tree = {.index = index, .of = prefixes, .next_step = *next_step};
	size_t first = items->n;
	uint32_t root;
	int r = 0;

	count_lengths(&tree, prefixes, n);
	if (tree.next_step + tree.n > index->n_steps)
		return -ENOSPC;
	root = plant(&tree, 0, tree.n, SHUNT_INDEX_DEPTH);
	*next_step = tree.next_step;
	for (size_t i = 0; i < n && r == 0; i++)
		r = add_with_markers(items, index, root, &prefixes[i]);
	if (r == 0)
		resolve(items, first);
	return r;
}

/* ---- their places ---- */

static uint32_t bucket_of(const struct index *index, const struct item *item)
{
	return shunt_bucket(item->place.hash, index->n_seeds);
}

static bool seed_fits(const struct index *index, const struct item *const *keys, uint32_t n, uint32_t seed)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t line = shunt_index_line(keys[i]->place, seed, index->n_entries);

		if (index->entries[line].rest)
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (shunt_index_line(keys[j]->place, seed, index->n_entries) == line)
				return false;
	}
	return true;
}

static int place_bucket(struct index *index, uint32_t bucket, const struct item *const *keys, uint32_t n)
{
	uint32_t seed = 0;

	while (!seed_fits(index, keys, n, seed))
		if (++seed > UINT16_MAX)
			return -ENOSPC;
	index->seeds[bucket / SHUNT_INDEX_SEEDS_PER_LINE].seed[bucket % SHUNT_INDEX_SEEDS_PER_LINE] = seed;
	for (uint32_t i = 0; i < n; i++)
		index->entries[shunt_index_line(keys[i]->place, seed, index->n_entries)] = (struct shunt_index_entry){
			.address = {keys[i]->address.high, keys[i]->address.low},
			.rest = keys[i]->rest,
			.found = keys[i]->found,
		};
	return 0;
}

/* Keys by bucket: those of bucket b are sorted[start[b]] … sorted[start[b + 1] - 1]. */
static void sort_into_buckets(const struct index *index, const struct items *items, const struct item **ret_sorted,
			      uint32_t *ret_start)
{
	for (size_t i = 0; i < items->n; i++)
		ret_start[bucket_of(index, &items->list[i]) + 2]++;
	for (uint32_t bucket = 2; bucket <= index->n_seeds + 1; bucket++)
		ret_start[bucket] += ret_start[bucket - 1];
	for (size_t i = 0; i < items->n; i++)
		ret_sorted[ret_start[bucket_of(index, &items->list[i]) + 1]++] = &items->list[i];
}

/* The fullest buckets first, while most places are free. */
static int place_buckets(struct index *index, const struct item *const *sorted, const uint32_t *start)
{
	uint32_t fullest = 0;
	int r = 0;

	for (uint32_t bucket = 0; bucket < index->n_seeds; bucket++)
		if (start[bucket + 1] - start[bucket] > fullest)
			fullest = start[bucket + 1] - start[bucket];
	for (uint32_t n = fullest; n > 0; n--)
		for (uint32_t bucket = 0; bucket < index->n_seeds && r == 0; bucket++)
			if (start[bucket + 1] - start[bucket] == n)
				r = place_bucket(index, bucket, sorted + start[bucket], n);
	return r;
}

static int place(struct index *index, struct items *items)
{
	const struct item **sorted = calloc(items->n + 1, sizeof(struct item *));
	uint32_t *start = calloc((size_t)index->n_seeds + 2, sizeof(*start));
	int r = sorted && start ? 0 : -ENOMEM;

	if (r == 0 && items->n > index->n_entries / 8 * 7)
		r = -ENOSPC;
	for (size_t i = 0; i < items->n; i++) {
		struct item *item = &items->list[i];

		item->place = shunt_index_place(index->hash_key, item->address.high, item->address.low,
						mask_of(item->length).low, item->rest);
	}
	if (r == 0) {
		memset(index->entries, 0, (size_t)index->n_entries * sizeof(*index->entries));
		sort_into_buckets(index, items, sorted, start);
		r = place_buckets(index, sorted, start);
	}
	free(sorted);
	free(start);
	return r;
}

/* ---- all of it ---- */

uint32_t index_entries_for(size_t prefixes)
{
	uint32_t entries = FEWEST_ENTRIES;

	if (prefixes > 2 * SHUNT_MAX_LISTED)
		prefixes = 2 * SHUNT_MAX_LISTED;
	while (index_prefixes_in(entries) < prefixes)
		entries *= 2;
	return entries;
}

uint32_t index_prefixes_in(uint32_t entries)
{
	return entries / 2;
}

uint32_t index_seeds_for(uint32_t entries)
{
	uint32_t seeds = SHUNT_INDEX_SEEDS_PER_LINE;

	while (seeds < entries / KEYS_PER_SEED)
		seeds *= 2;
	return seeds;
}

static struct shunt_index_root *root_of(const struct index *index, const struct index_prefix *prefix)
{
	return &index->roots[shunt_index_root(prefix->list, prefix->key.service)];
}

static void set_root(uint32_t *step, uint32_t value)
{
	__atomic_store_n(step, value, __ATOMIC_RELEASE);
}

void index_suspend(struct index *index)
{
	for (uint32_t i = 0; i < index->n_roots; i++)
		for (int family = 0; family < 2; family++)
			set_root(&index->roots[i].step[family], SHUNT_INDEX_ASK_TRIE);
	if (index->is_open && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0) /* a grace period of RCU */
		usleep(10000);
	index->is_open = false;
}

static size_t list_end(const struct index_prefix *prefixes, size_t n, size_t first)
{
	size_t end = first;

	while (end < n && by_list(&prefixes[first], &prefixes[end]) == 0)
		end++;
	return end;
}

/* Lists that found no room keep what index_suspend() gave them; who has no list has nobody on it. */
static void open_roots(struct index *index, const struct index_prefix *prefixes, size_t n, const uint32_t *root_of_list)
{
	uint32_t *next = calloc((size_t)index->n_roots * 2, sizeof(*next));
	size_t list = 0;

	if (!next)
		return;
	for (size_t i = 0; i < n; i = list_end(prefixes, n, i), list++)
		next[(root_of(index, &prefixes[i]) - index->roots) * 2 + is_ipv6(&prefixes[i])] = root_of_list[list];
	for (uint32_t i = 0; i < index->n_roots * 2; i++)
		set_root(&index->roots[i / 2].step[i % 2], next[i]);
	free(next);
	index->is_open = true;
}

static int add_lists(struct index *index, struct items *items, const struct index_prefix *prefixes, size_t n,
		     uint32_t *ret_roots)
{
	uint32_t next_step = 1;
	size_t list = 0;
	int failed = 0;

	for (size_t i = 0, end; i < n; i = end, list++) {
		int r;

		end = list_end(prefixes, n, i);
		ret_roots[list] = next_step;
		r = add_list(index, items, prefixes + i, end - i, &next_step);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			ret_roots[list] = SHUNT_INDEX_ASK_TRIE;
		failed = r < 0 ? r : failed;
	}
	return failed;
}

int index_build(struct index *index, struct index_prefix *prefixes, size_t n)
{
	uint32_t *roots = calloc(n + 1, sizeof(*roots));
	struct items items = {0};
	int r = -ENOMEM, placed = 0;

	if (index->is_open)
		index_suspend(index);
	if (n)
		qsort(prefixes, n, sizeof(*prefixes), by_list);
	if (roots)
		r = add_lists(index, &items, prefixes, n, roots);
	if (r != -ENOMEM)
		placed = place(index, &items);
	if (r != -ENOMEM && placed == 0)
		open_roots(index, prefixes, n, roots);
	free(items.list);
	free(roots);
	return placed < 0 ? placed : r;
}
