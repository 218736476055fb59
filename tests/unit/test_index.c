// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The index of prefixes (user/datapath/index.h): whatever is on its lists, a search finds what the longest prefix says. Lists at
 * random, nested and side by side; the search is that of bpf/prefix_index.h, step by step. SHUNT_SEED=N replays.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "datapath/index.h"
#include "datapath/datapath.h"

#include <shunt/hash.h>

enum { SERVICES = 3, LISTS = 40, MOST = 400, CLIENTS = 2000 };

static uint64_t seed = 1;

static uint64_t any(void)
{
	return shunt_mix64(seed += 0x9e3779b97f4a7c15ULL);
}

/* An index in memory of its own, as the maps would be. */
struct rig {
	struct index index;
	__u64 hash_key[4];
};

static void rig_open(struct rig *rig, size_t prefixes)
{
	struct index *index = &rig->index;

	memset(rig, 0, sizeof(*rig));
	shunt_hash_keys(0x5eed, rig->hash_key);
	index->hash_key = rig->hash_key;
	index->n_roots = SHUNT_INDEX_LISTS * SHUNT_MAX_SERVICES;
	index->n_steps = SHUNT_INDEX_STEPS;
	index->n_entries = index_entries_for(prefixes);
	index->n_seeds = index_seeds_for(index->n_entries);
	index->roots = calloc(index->n_roots, sizeof(*index->roots));
	index->steps = calloc(index->n_steps, sizeof(*index->steps));
	index->seeds = calloc(index->n_seeds / SHUNT_INDEX_SEEDS_PER_LINE, sizeof(*index->seeds));
	index->entries = calloc(index->n_entries, sizeof(*index->entries));
	assert_true(index->roots && index->steps && index->seeds && index->entries);
	index_suspend(index);
}

static void rig_close(struct rig *rig)
{
	free(rig->index.roots);
	free(rig->index.steps);
	free(rig->index.seeds);
	free(rig->index.entries);
}

/* ---- the search, as packets do it ---- */

static uint32_t root_of(const struct rig *rig, uint32_t list, uint32_t service, const struct shunt_addr *client)
{
	return rig->index.roots[shunt_index_root(list, service)].step[!shunt_addr_is_ipv4(client)];
}

static uint32_t search(const struct rig *rig, uint32_t step, const struct shunt_addr *client, uint32_t *ret_looks)
{
	const struct index *index = &rig->index;
	uint64_t high = be64toh(shunt_addr_half(client, 0)), low = be64toh(shunt_addr_half(client, 1));
	uint32_t best = 0;

	for (*ret_looks = 0; step; ++*ret_looks) {
		const struct shunt_index_step *at = &index->steps[step];
		uint64_t a = high & at->mask[0], b = low & at->mask[1];
		struct shunt_index_place place = shunt_index_place(index->hash_key, a, b, at->mask[1], at->rest);
		uint32_t bucket = shunt_bucket(place.hash, index->n_seeds);
		uint16_t at_seed = index->seeds[bucket / SHUNT_INDEX_SEEDS_PER_LINE].seed[bucket % SHUNT_INDEX_SEEDS_PER_LINE];
		const struct shunt_index_entry *entry = &index->entries[shunt_index_line(place, at_seed, index->n_entries)];
		bool is_there = entry->address[0] == a && entry->address[1] == b && entry->rest == at->rest;

		if (is_there)
			best = entry->found.is_listed ? entry->found.group : 0;
		step = is_there && !entry->found.has_longer ? 0 : at->next[is_there];
	}
	return best;
}

/* ---- what it must find ---- */

static bool has(const struct shunt_list_key *key, const struct shunt_addr *client)
{
	uint32_t bits = key->length - 32;

	if ((key->version == 4) != !!shunt_addr_is_ipv4(client) || memcmp(key->address.byte, client->byte, bits / 8))
		return false;
	return bits % 8 == 0 || (key->address.byte[bits / 8] ^ client->byte[bits / 8]) >> (8 - bits % 8) == 0;
}

static uint32_t longest(const struct index_prefix *prefixes, size_t n, uint32_t list, uint32_t service,
			const struct shunt_addr *client)
{
	const struct index_prefix *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (prefixes[i].list == list && prefixes[i].key.service == service && has(&prefixes[i].key, client) &&
		    (!best || prefixes[i].key.length > best->key.length))
			best = &prefixes[i];
	return best ? best->found.group : 0;
}

/* Addresses that often have bits in common, so that prefixes are within each other and clients within prefixes. */
static struct shunt_addr address_at_random(bool ipv4)
{
	uint64_t r = any(), kind = any();
	struct shunt_addr address = {0};

	for (int i = 0; i < 16; i++, r = r >> 7 | r << 57)
		address.byte[i] = kind >> (3 * i) & 7 ? (uint8_t)(kind >> 48 & 1) : (uint8_t)r;
	if (ipv4) {
		memset(address.byte, 0, 10);
		memset(address.byte + 10, 0xff, 2);
	}
	return address;
}

static bool is_new(const struct index_prefix *prefixes, size_t n, const struct index_prefix *one)
{
	for (size_t i = 0; i < n; i++)
		if (prefixes[i].list == one->list && memcmp(&prefixes[i].key, &one->key, sizeof(one->key)) == 0)
			return false;
	return true;
}

/* `lengths`: how many different ones; few lists have many. */
static size_t prefixes_at_random(struct index_prefix *prefixes, size_t wanted, uint32_t lengths)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted; i++) {
		bool ipv4 = any() & 1;
		struct shunt_addr address = address_at_random(ipv4);
		uint32_t length = any() % lengths * (ipv4 ? 33 : 129) / lengths;
		struct index_prefix one = {.list = any() & 1, .found = {.group = 1 + n, .is_listed = 1}};

		one.key = datapath_prefix_key(&address, length, any() % SERVICES);
		if (is_new(prefixes, n, &one))
			prefixes[n++] = one;
	}
	return n;
}

static void compare(const struct rig *rig, const struct index_prefix *prefixes, size_t n, uint32_t *ret_most_looks)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct shunt_addr client = address_at_random(any() & 1);
		uint32_t list = any() & 1, service = any() % SERVICES, looks, found;
		uint32_t root = root_of(rig, list, service, &client);

		assert_int_not_equal(root, SHUNT_INDEX_ASK_TRIE);
		found = search(rig, root, &client, &looks);
		if (found != longest(prefixes, n, list, service, &client))
			fail_msg("client %d: another prefix than the longest", i);
		if (looks > *ret_most_looks)
			*ret_most_looks = looks;
	}
}

static void every_search_finds_the_longest_prefix(void **state)
{
	static struct index_prefix prefixes[MOST];
	const char *given = getenv("SHUNT_SEED");
	uint32_t most_looks = 0;

	(void)state;
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("  SHUNT_SEED=%llu\n", (unsigned long long)seed);
	for (uint32_t round = 0; round < LISTS; round++) {
		size_t n = prefixes_at_random(prefixes, any() % MOST, 1 + any() % 129);
		struct rig rig;

		rig_open(&rig, 8 * n); /* room for all markers */
		assert_int_equal(index_build(&rig.index, prefixes, n), 0);
		compare(&rig, prefixes, n, &most_looks);
		rig_close(&rig);
	}
	print_message("  %u looks at most\n", most_looks);
	assert_true(most_looks > 2 && most_looks <= SHUNT_INDEX_DEPTH);
}

/* ---- size ---- */

/* So many /24 and /32 of IPv4 and /48 of IPv6, some side by side, as lists of 100,000 are. */
static void fill(struct index_prefix *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct shunt_addr address = {.byte = {[10] = 0xff, [11] = 0xff}};
		uint32_t number = i < n / 2 ? i : i * 2654435761U, length = i % 8 == 1 ? 32 : 24;

		address.byte[12] = 1 + (number >> 16);
		address.byte[13] = number >> 8;
		address.byte[14] = number;
		address.byte[15] = length == 32 ? 1 + i % 200 : 0;
		if (i % 8 == 2) {
			address = (struct shunt_addr){.byte = {0x20, 1, i >> 24, i >> 16, i >> 8, i}};
			length = 48;
		}
		prefixes[i] = (struct index_prefix){.found = {.group = 1, .is_listed = 1}};
		prefixes[i].key = datapath_prefix_key(&address, length, 0);
	}
}

static void a_hundred_thousand_prefixes_have_room_and_are_found(void **state)
{
	enum { N = 100000 };
	struct index_prefix *prefixes = calloc(N, sizeof(*prefixes));
	struct timespec before, after;
	uint32_t looks, most = 0;
	struct rig rig;

	(void)state;
	assert_non_null(prefixes);
	fill(prefixes, N);
	rig_open(&rig, N);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(index_build(&rig.index, prefixes, N), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	for (size_t i = 0; i < N; i++) {
		const struct shunt_addr *client = &prefixes[i].key.address;

		assert_int_equal(search(&rig, root_of(&rig, SHUNT_INDEX_ALLOW, 0, client), client, &looks), 1);
		most = looks > most ? looks : most;
	}
	print_message("  built in %.1f ms, %.1f MB, %u looks at most\n",
		      (after.tv_sec - before.tv_sec) * 1e3 + (after.tv_nsec - before.tv_nsec) / 1e6,
		      (rig.index.n_entries * sizeof(*rig.index.entries) + rig.index.n_seeds * sizeof(uint16_t)) / 1e6, most);
	rig_close(&rig);
	free(prefixes);
}

/* As many as the index is made for, of one length: dense, with gaps, in clusters that fill less or more than half of their siblings. */
static uint32_t number_of(uint32_t pattern, uint32_t i)
{
	static const uint32_t cluster[] = {1, 2, 17, 33, 48, 63};

	if (pattern == 0)
		return i * 2654435761U & 0xffffff;
	return i / cluster[pattern - 1] * 64 + i % cluster[pattern - 1];
}

static void a_full_list_of_any_pattern_has_room(void **state)
{
	enum { ENTRIES = 1 << 17, N = ENTRIES / 2, PATTERNS = 7 };
	struct index_prefix *prefixes = calloc(N, sizeof(*prefixes));

	(void)state;
	assert_non_null(prefixes);
	assert_int_equal(index_prefixes_in(ENTRIES), N);
	for (uint32_t pattern = 0; pattern < PATTERNS; pattern++) {
		struct rig rig;

		for (uint32_t i = 0; i < N; i++) {
			struct shunt_addr address = {.byte = {[10] = 0xff, [11] = 0xff}};
			uint32_t network = htobe32(number_of(pattern, i) << 8);

			memcpy(address.byte + 12, &network, 4);
			prefixes[i] = (struct index_prefix){.found = {.group = 1, .is_listed = 1}};
			prefixes[i].key = datapath_prefix_key(&address, 24, 0);
		}
		rig_open(&rig, N);
		assert_int_equal(rig.index.n_entries, ENTRIES);
		if (index_build(&rig.index, prefixes, N) < 0)
			fail_msg("pattern %u does not fit", pattern);
		rig_close(&rig);
	}
	free(prefixes);
}

static void what_has_no_room_is_left_to_the_tries(void **state)
{
	enum { MANY = 2000, FEW = 25 };
	static struct index_prefix prefixes[MANY];
	struct shunt_addr client = {.byte = {[10] = 0xff, [11] = 0xff, [12] = 9}};
	struct rig rig;

	(void)state;
	fill(prefixes, MANY);
	rig_open(&rig, FEW);
	assert_int_equal(index_build(&rig.index, prefixes, MANY), -ENOSPC);
	assert_int_equal(root_of(&rig, SHUNT_INDEX_ALLOW, 0, &client), SHUNT_INDEX_ASK_TRIE);
	assert_int_equal(index_build(&rig.index, prefixes, 1), 0);
	assert_int_not_equal(root_of(&rig, SHUNT_INDEX_ALLOW, 0, &client), SHUNT_INDEX_ASK_TRIE);
	assert_int_equal(root_of(&rig, SHUNT_INDEX_CLIENTS, 0, &client), 0);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_search_finds_the_longest_prefix),
		cmocka_unit_test(a_hundred_thousand_prefixes_have_room_and_are_found),
		cmocka_unit_test(a_full_list_of_any_pattern_has_room),
		cmocka_unit_test(what_has_no_room_is_left_to_the_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
