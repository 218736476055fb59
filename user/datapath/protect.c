/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The lists deny and allow, the filter in front of deny, and limits. A list changes by what differs, not as a whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

#include <shunt/deny_filter.h>

#define IPV4_MAPPED_BITS 96
#define SERVICE_BITS 32

struct shunt_list_key datapath_prefix_key(const struct shunt_addr *address, uint8_t prefix_bits, uint32_t service)
{
	bool ipv4 = shunt_addr_is_ipv4(address);
	uint32_t bits = prefix_bits + (ipv4 ? IPV4_MAPPED_BITS : 0);
	struct shunt_list_key key = {.length = SERVICE_BITS + bits, .service = service, .version = ipv4 ? 4 : 6};

	for (uint32_t i = 0; i * 8 < bits; i++)
		key.address.byte[i] = address->byte[i] & (bits - i * 8 >= 8 ? 0xff : 0xff << (8 - (bits - i * 8)));
	return key;
}

static int map_of(const struct datapath *d, enum datapath_list list)
{
	return bpf_map__fd(list == DATAPATH_DENY ? d->skeleton->maps.deny : d->skeleton->maps.allow);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct shunt_list_key));
}

/* ---- the filter in front of deny ---- */

static void fill(uint64_t *bits, uint32_t first, uint32_t n)
{
	for (uint32_t bit = first; bit < first + n; bit++)
		bits[bit / 64] |= 1ULL << bit % 64;
}

static void add_to_filter(uint64_t *bits, const struct shunt_list_key *key)
{
	uint32_t length = key->length - SERVICE_BITS, first = shunt_byte_word(key->address.byte);

	if (key->version == 4) {
		length -= IPV4_MAPPED_BITS;
		fill(bits, shunt_filter_ipv4(&key->address),
		     length < SHUNT_FILTER_IPV4_BITS ? 1U << (SHUNT_FILTER_IPV4_BITS - length) : 1);
	} else if (length >= 48) {
		fill(bits, shunt_filter_48(&key->address), 1);
	} else if (length + SHUNT_FILTER_IPV6_SHIFT <= 32) {
		fill(bits, SHUNT_FILTER_32_AT, 1U << SHUNT_FILTER_IPV6_SHIFT); /* as many /32s as there are bits */
	} else {
		for (uint64_t i = 0; i < (length < 32 ? 1ULL << (32 - length) : 1); i++)
			fill(bits, shunt_filter_32(first + i), 1);
	}
}

/* From what deny holds. Words that differ are stored one by one: a packet sees every bit that old and new have set. */
static int rebuild_filter(struct datapath *d)
{
	const struct list_keys *deny = &d->lists[DATAPATH_DENY];
	uint64_t *bits = calloc(SHUNT_DENY_FILTER_WORDS, sizeof(*bits));

	if (!bits)
		return -ENOMEM;
	for (size_t i = 0; i < deny->n; i++)
		add_to_filter(bits, &deny->list[i]);
	for (uint32_t i = 0; i < SHUNT_DENY_FILTER_WORDS; i++)
		if (d->filter[i].bits != bits[i])
			__atomic_store_n(&d->filter[i].bits, bits[i], __ATOMIC_RELAXED);
	free(bits);
	return 0;
}

/* ---- the lists ---- */

static int keys_append(struct list_keys *keys, const struct shunt_list_key *key)
{
	struct shunt_list_key *more = keys->list;

	if ((keys->n & (keys->n - 1)) == 0) /* the capacity is the next power of two */
		more = reallocarray(more, keys->n ? keys->n * 2 : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	keys->list = more;
	keys->list[keys->n++] = *key;
	return 0;
}

static int adopt_list(struct datapath *d, enum datapath_list list)
{
	struct list_keys *keys = &d->lists[list];
	struct shunt_list_key key;
	int r = 0;

	for (void *previous = NULL; r == 0 && bpf_map_get_next_key(map_of(d, list), previous, &key) == 0; previous = &key)
		r = keys_append(keys, &key);
	if (keys->n)
		qsort(keys->list, keys->n, sizeof(key), by_key);
	return r;
}

int lists_adopt(struct datapath *d)
{
	int r = adopt_list(d, DATAPATH_DENY);

	return r < 0 ? r : adopt_list(d, DATAPATH_ALLOW);
}

void lists_forget(struct datapath *d)
{
	free(d->lists[DATAPATH_DENY].list);
	free(d->lists[DATAPATH_ALLOW].list);
}

static int add_key(const struct datapath *d, enum datapath_list list, const struct shunt_list_key *key)
{
	struct shunt_listed prefix = {0};
	int r = bpf_map_update_elem(map_of(d, list), key, &prefix, BPF_ANY);

	return r < 0 ? datapath_fail(r, "%s: no room for another prefix: %s", list == DATAPATH_DENY ? "deny" : "allow",
				     strerror(-r)) : 0;
}

/* Walks old and new side by side. On failure what is in the map is what `ret_keys` has, and the old that is not reached. */
static int merge(struct datapath *d, enum datapath_list list, const struct shunt_list_key *keys, size_t n, bool keep,
		 struct list_keys *ret_keys)
{
	const struct list_keys *old = &d->lists[list];
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < old->n || j < n)) {
		int order = i == old->n ? 1 : j == n ? -1 : by_key(&old->list[i], &keys[j]);

		if (list == DATAPATH_ALLOW && (order > 0 || (order < 0 && !keep)))
			index_begin_change(d);
		if (order > 0 && (r = add_key(d, list, &keys[j])) < 0)
			break;
		if (order < 0 && !keep)
			bpf_map_delete_elem(map_of(d, list), &old->list[i]);
		else
			r = keys_append(ret_keys, order < 0 ? &old->list[i] : &keys[j]);
		i += order <= 0;
		j += order >= 0;
		while (j > 0 && j < n && by_key(&keys[j - 1], &keys[j]) == 0)
			j++;
	}
	for (; r < 0 && i < old->n; i++)
		keys_append(ret_keys, &old->list[i]);
	return r;
}

int datapath_set_prefixes(struct datapath *d, enum datapath_list list, struct shunt_list_key *keys, size_t n, bool keep)
{
	struct list_keys present = {0};
	int r;

	if (n)
		qsort(keys, n, sizeof(*keys), by_key);
	r = merge(d, list, keys, n, keep, &present);
	free(d->lists[list].list);
	d->lists[list] = present;
	index_end_change(d);
	if (list == DATAPATH_DENY && rebuild_filter(d) < 0)
		r = r < 0 ? r : -ENOMEM;
	return r;
}

uint64_t datapath_prefix_packets(const struct datapath *d, const struct shunt_list_key *key)
{
	struct shunt_listed prefix = {0};

	return bpf_map_lookup_elem(map_of(d, DATAPATH_DENY), key, &prefix) < 0 ? 0 : prefix.packets;
}

/* ---- limits ---- */

void datapath_set_limit(struct datapath *d, uint32_t service, const struct shunt_limit *limit)
{
	struct shunt_limit *to = &d->limits[service];

	__atomic_store_n(&to->interval_ns, limit->interval_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&to->burst_ns, limit->burst_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&to->client_interval, limit->client_interval, __ATOMIC_RELAXED);
	__atomic_store_n(&to->client_burst, limit->client_burst, __ATOMIC_RELAXED);
	__atomic_store_n(&to->client_most, limit->client_most, __ATOMIC_RELAXED);
	__atomic_store_n(&to->client_mask[0], limit->client_mask[0], __ATOMIC_RELAXED);
	__atomic_store_n(&to->client_mask[1], limit->client_mask[1], __ATOMIC_RELAXED);
}
