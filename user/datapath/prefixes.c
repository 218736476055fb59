/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The trie of the prefixes that services have. A packet finds an element whole or not at all: the kernel replaces nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int trie(const struct datapath *d)
{
	return bpf_map__fd(d->skeleton->maps.service_prefixes);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct shunt_prefix_key));
}

static struct shunt_prefix_key key_of(const struct shunt_service *service, bool echo)
{
	struct shunt_prefix_key key = {
		.prefixlen = SHUNT_PREFIX_KEY_BITS + service->key.prefix,
		.port = echo ? 0 : service->key.port,
		.protocol = service->key.protocol,
		.is_ipv4 = shunt_addr_is_ipv4(&service->key.address),
		.address = service->key.address,
	};

	if (echo)
		key.protocol = key.is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return key;
}

/* The keys of all services that have a prefix, and of the answers to echo requests, sorted. NULL: no memory. */
static struct shunt_prefix_key *wanted_keys(const struct shunt_service *services, size_t n, size_t *ret_n)
{
	struct shunt_prefix_key *keys = calloc(2 * n + 1, sizeof(*keys));

	*ret_n = 0;
	for (size_t i = 0; keys && i < n; i++) {
		if (!services[i].key.prefix)
			continue;
		keys[(*ret_n)++] = key_of(&services[i], false);
		keys[(*ret_n)++] = key_of(&services[i], true);
	}
	if (keys)
		qsort(keys, *ret_n, sizeof(*keys), by_key);
	return keys;
}

int prefixes_remove_others(struct datapath *d, const struct shunt_service *services, size_t n)
{
	struct shunt_prefix_key *keys = wanted_keys(services, n, &n), at, next;
	bool more;

	if (!keys)
		return -ENOMEM;
	more = bpf_map_get_next_key(trie(d), NULL, &at) == 0;
	while (more) {
		more = bpf_map_get_next_key(trie(d), &at, &next) == 0;
		if (!bsearch(&at, keys, n, sizeof(*keys), by_key))
			bpf_map_delete_elem(trie(d), &at);
		at = next;
	}
	free(keys);
	return 0;
}

int prefixes_add(struct datapath *d, const struct shunt_service *services, size_t n)
{
	struct shunt_prefix_key *keys = wanted_keys(services, n, &n);
	int r = keys ? 0 : -ENOMEM;

	for (size_t i = 0; keys && i < n && r == 0; i++) {
		struct shunt_prefix prefix = {
			.address = keys[i].address,
			.prefix = keys[i].prefixlen - SHUNT_PREFIX_KEY_BITS,
		};

		r = bpf_map_update_elem(trie(d), &keys[i], &prefix, BPF_ANY);
		if (r < 0)
			datapath_fail(r, "map %s: a prefix cannot be added: %s",
				      bpf_map__name(d->skeleton->maps.service_prefixes), strerror(-r));
	}
	free(keys);
	return r;
}
