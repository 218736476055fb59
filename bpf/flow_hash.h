/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The hash of a packet's flow: its slot, its place in the flow table, and what spreads its outer headers. */
#ifndef SHUNT_BPF_FLOW_HASH_H
#define SHUNT_BPF_FLOW_HASH_H

#include <shunt/hash.h>

#include "packet.h"

stage __u64 flow_hash(const struct packet *p)
{
	__u64 salt = p->salt;
	__u32 ports = p->ports;

	if (p->service->flags & SHUNT_SERVICE_SOURCE_IP)
		ports = 0;
	else if (feature(PREFIXES) && p->service->key.prefix)
		salt = shunt_prefix_salt(salt, &p->destination);
	return shunt_flow_hash(cfg.hash_key, &p->source, ports, salt);
}

#endif
