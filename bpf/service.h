/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packet is it? One seed and one line read decide, however many services there are (hash and displace, hash.h).
 * A packet that is not for a service passes; one that is, or that is for a service's address, is answered for.
 */
#ifndef SHUNT_BPF_SERVICE_H
#define SHUNT_BPF_SERVICE_H

#include <shunt/hash.h>

#include "packet.h"
#include "sanity.h"

stage const struct shunt_service *service_lookup(const struct packet *p, __be16 port, __u8 protocol)
{
	__u64 hash = shunt_service_hash(cfg.hash_key, &p->destination, port, protocol);
	__u32 bucket = shunt_service_bucket(hash), line;
	const struct shunt_service_seed *seed = bpf_map_lookup_elem(&service_seeds, &bucket);
	const struct shunt_service *service;

	if (!seed)
		return NULL;
	line = shunt_service_line(hash, seed->seed);
	service = bpf_map_lookup_elem(&services, &line);
	if (!service || shunt_addr_half(&service->key.address, 1) != shunt_addr_half(&p->destination, 1) ||
	    shunt_addr_half(&service->key.address, 0) != shunt_addr_half(&p->destination, 0) || service->key.port != port ||
	    service->key.protocol != protocol || !service->key.used)
		return NULL;
	return service;
}

/* Every service's address has an entry of its own, by which echo requests and what has no ports are recognised. */
stage const struct shunt_service *address_lookup(const struct packet *p)
{
	return service_lookup(p, 0, p->family == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

stage int find_service(struct packet *p)
{
	if (likely(p->has_ports)) {
		p->service = service_lookup(p, p->destination_port, p->protocol);
		if (!p->service && cfg.features & SHUNT_FEATURE_ANY_PORT)
			p->service = service_lookup(p, 0, p->protocol);
		return p->service ? SHUNT_NEXT : XDP_PASS;
	}
	/* What follows is rare: no ports to go by. */
	if (!p->fault && p->protocol != IPPROTO_ICMP && p->protocol != IPPROTO_ICMPV6)
		return XDP_PASS;
	return address_lookup(p) ? SHUNT_NEXT : XDP_PASS;
}

/* Judges what parse() noted. From here on the packet is for one of our addresses. */
stage int admit(struct packet *p)
{
	if (unlikely(p->fault))
		return drop(p, p->fault);
	if (unlikely(source_is_martian(p)))
		return drop(p, SHUNT_DROP_MARTIAN);
	if (unlikely(source_is_destination(p)))
		return drop(p, SHUNT_DROP_LAND);
	return SHUNT_NEXT;
}

#endif
