/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services for a whole prefix of addresses: asked only when no service has the very address. The trie knows which prefixes
 * there are; the service itself stands in `services` like any other, under the first address and the length of its prefix.
 */
#ifndef SHUNT_BPF_PREFIX_H
#define SHUNT_BPF_PREFIX_H

#include "packet.h"

/*
 * Finds the longest prefix for the key's address, whether for one port or for every port; of two alike the one for one port.
 * Makes the key that of its service: first address, port, and as prefixlen the length of the prefix. Global for the
 * verifier's sake, as pick_slowly().
 */
__noinline int find_prefix(struct shunt_prefix_key *key)
{
	const struct shunt_prefix *best, *any;
	struct shunt_prefix_key asked;

	if (!key)
		return false;
	asked = *key; /* Linux 6.1 takes a map's key from the stack, not from a global function's argument */
	asked.prefixlen = SHUNT_PREFIX_KEY_BITS + 128;
	best = bpf_map_lookup_elem(&service_prefixes, &asked);
	if (feature(ANY_PORT) && asked.port) {
		asked.port = 0;
		any = bpf_map_lookup_elem(&service_prefixes, &asked);
		if (any && (!best || best->prefix < any->prefix)) {
			best = any;
			key->port = 0;
		}
	}
	if (!best)
		return false;
	key->address = best->address;
	key->prefixlen = best->prefix;
	return true;
}

/* Where the service is with the key's address and protocol, if there is one. */
stage __u32 key_line(const struct shunt_prefix_key *key, __be16 port, __u8 prefix)
{
	__u64 hash = shunt_prefix_hash(cfg.hash_key, &key->address, port, key->protocol, prefix);

	return shunt_service_line(hash, service_bucket(hash).seed);
}

/*
 * The line of the service that takes the key's address though none has address and port: one for every port of it, else one
 * for the longest prefix. -1: none. Global for the verifier's sake: what comes after is judged once for all these ways.
 */
__noinline int line_otherwise(struct shunt_prefix_key *key)
{
	int line;

	if (!key)
		return -1;
	if (feature(ANY_PORT)) {
		line = key_line(key, 0, 0);
		if (service_line(line, &key->address, 0, key->protocol, 0))
			return line;
	}
	if (!find_prefix(key))
		return -1;
	line = key_line(key, key->port, key->prefixlen);
	return service_line(line, &key->address, key->port, key->protocol, key->prefixlen) ? line : -1;
}

stage const struct shunt_service *service_otherwise(struct packet *p)
{
	struct shunt_prefix_key key = {
		.port = destination_port(p),
		.protocol = p->protocol,
		.is_ipv4 = p->family == ETH_P_IP,
		.address = p->destination,
	};
	int line = line_otherwise(&key);
	const struct shunt_service *service = line < 0 ? NULL : bpf_map_lookup_elem(&services, &line);

	if (service)
		p->salt = shunt_service_salt(cfg.hash_key, &service->key);
	return service;
}

stage bool has_prefix(const struct packet *p)
{
	struct shunt_prefix_key key = {
		.protocol = p->family == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.is_ipv4 = p->family == ETH_P_IP,
		.address = p->destination,
	};

	return find_prefix(&key);
}

#endif
