/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fragments. The first one has the ports: it goes where its flow goes, which is remembered for the datagram; the later ones
 * follow it. One that comes before its first is dropped: holding it back would cost memory that strangers could claim.
 * A first fragment without its whole transport header, and one that begins within it or within the first, can only be
 * meant to deceive (RFC 1858, RFC 3128, RFC 5722, RFC 8200 section 4.5).
 */
#ifndef SHUNT_BPF_FRAGMENT_H
#define SHUNT_BPF_FRAGMENT_H

#include "packet.h"

#define DATAGRAM_MAX 65535
#define TCP_FLAGS_IN 16 /* a later TCP fragment may not begin in the first bytes of the header */

/* What the lengths say: len bytes at p->unusual->fragment_offset of the datagram. */
stage void judge_fragment(struct packet *p, __u32 len, bool more)
{
	if ((more && len % 8) || !len || p->unusual->fragment_offset + len > DATAGRAM_MAX)
		p->fault = SHUNT_DROP_MALFORMED;
	else if (p->protocol == IPPROTO_TCP && p->unusual->fragment_offset && p->unusual->fragment_offset < TCP_FLAGS_IN)
		p->fault = SHUNT_DROP_FRAGMENT;
	p->unusual->fragment_len = len;
}

/* RFC 791: source, destination, identification and protocol; RFC 8200 section 4.5: without the protocol. */
stage struct shunt_fragment_key fragment_key(const struct packet *p)
{
	return (struct shunt_fragment_key){
		.source = p->source,
		.destination = p->destination,
		.id = p->unusual->fragment_id,
		.protocol = p->family == ETH_P_IP ? p->protocol : 0,
	};
}

/* Gives a later fragment the ports of the first one. */
static __always_inline void recall(struct packet *p)
{
	struct shunt_fragment_key key = fragment_key(p);
	const struct shunt_fragment *first = bpf_map_lookup_elem(&fragments, &key);

	if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		p->fault = SHUNT_DROP_FRAGMENT;
		return;
	}
	if (!first) {
		/* Behind IPv6 options may be anything. */
		if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP || p->protocol == IPPROTO_DSTOPTS)
			p->fault = SHUNT_DROP_FRAGMENT_UNKNOWN;
		return;
	}
	if (p->unusual->fragment_offset < first->len)
		p->fault = SHUNT_DROP_FRAGMENT;
	p->protocol = first->protocol;
	p->ports = join_ports(first->source_port, first->destination_port);
	p->unusual->remembered_backend = first->backend;
	p->is_remembered = true;
	p->no_ports = false;
}

stage void recall_fragment(struct packet *p)
{
	if (p->is_fragment && p->unusual->fragment_offset && !p->fault)
		recall(p);
}

/* Remembers where the first fragment goes, for the others. */
static __always_inline void remember(const struct packet *p)
{
	struct shunt_fragment_key key = fragment_key(p);
	struct shunt_fragment first = {
		.source_port = source_port(p),
		.destination_port = destination_port(p),
		.backend = p->backend_id,
		.len = p->unusual->fragment_len,
		.protocol = p->protocol,
	};

	bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
}

stage int remember_fragment(struct packet *p)
{
	if (unlikely(p->is_fragment && !p->unusual->fragment_offset && !p->dry))
		remember(p);
	return SHUNT_NEXT;
}

#endif
