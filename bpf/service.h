/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packet is it? One seed and one line read decide, however many services there are (hash and displace, hash.h).
 * A packet that is not for a service passes; one that is, or that is for a service's address, is answered for.
 */
#ifndef SHUNT_BPF_SERVICE_H
#define SHUNT_BPF_SERVICE_H

#include <shunt/hash.h>

#include "answer.h"
#include "note.h"
#include "packet.h"
#include "sanity.h"

stage bool key_equals(const struct shunt_service_key *key, const struct shunt_addr *address, __be16 port, __u8 protocol,
		      __u8 prefix)
{
	return shunt_addr_half(&key->address, 1) == shunt_addr_half(address, 1) &&
	       shunt_addr_half(&key->address, 0) == shunt_addr_half(address, 0) &&
	       *(const shunt_addr_halves *)&key->port == shunt_key_word(port, protocol, prefix);
}

/* Of the service with the key of this hash, if there is one. */
stage struct shunt_key_bucket service_bucket(__u64 hash)
{
	__u32 word = *(const volatile __u32 *)&direct.service_buckets[shunt_service_bucket(hash)];
	struct shunt_key_bucket bucket;

	__builtin_memcpy(&bucket, &word, sizeof(bucket));
	return bucket;
}

/* The service in that line, when it has the key. */
stage const struct shunt_service *service_line(__u32 line, const struct shunt_addr *address, __be16 port, __u8 protocol,
					       __u8 prefix)
{
	const struct shunt_service *service = bpf_map_lookup_elem(&services, &line);

	return service && key_equals(&service->key, address, port, protocol, prefix) ? service : NULL;
}

#include "prefix.h"

/*
 * Besides the service, what is known of it before its line has come from memory: the salt, which is of the key, and the group
 * that it has in all likelihood.
 */
stage const struct shunt_service *service_lookup(struct packet *p, __be16 port, __u8 protocol)
{
	__u64 hash = shunt_service_hash(cfg.hash_key, &p->destination, port, protocol);
	struct shunt_key_bucket bucket = service_bucket(hash);

	p->salt = hash;
	p->likely_group = bucket.hint;
	return service_line(shunt_service_line(hash, bucket.seed), &p->destination, port, protocol, 0);
}

/* Every service's address or prefix has an entry of its own, by which echo requests and what has no ports are recognised. */
stage bool is_service_address(struct packet *p)
{
	return service_lookup(p, 0, p->family == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6) ||
	       (feature(PREFIXES) && has_prefix(p));
}

stage int find_service(struct packet *p)
{
	if (likely(!p->no_ports)) {
		p->service = service_lookup(p, destination_port(p), p->protocol);
		if (!p->service && feature(PREFIXES))
			p->service = service_otherwise(p);
		else if (!p->service && feature(ANY_PORT))
			p->service = service_lookup(p, 0, p->protocol);
		if (likely(p->service))
			return SHUNT_NEXT;
	} else { /* rare: no ports to go by */
		if (!p->fault && p->protocol != IPPROTO_ICMP && p->protocol != IPPROTO_ICMPV6)
			return XDP_PASS;
		if (is_service_address(p))
			return SHUNT_NEXT;
		if (p->dry)
			return XDP_PASS; /* what explain asks with has ports: nothing of the rest on its stack */
	}
	return feature(NAT) ? send_answer(p) : XDP_PASS;
}

/* Judges what parse() noted. From here on the packet is for one of our addresses. */
stage int admit(struct packet *p)
{
	if (p->service)
		note_group(p, p->service->group); /* until its clients are asked for theirs */
	if (unlikely(p->fault))
		return drop(p, p->fault);
	if (unlikely(source_is_martian(p)))
		return drop(p, SHUNT_DROP_MARTIAN);
	if (unlikely(source_is_destination(p)))
		return drop(p, SHUNT_DROP_LAND);
	return SHUNT_NEXT;
}

#endif
