/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The headers that go in front of a packet, as bytes: what xdp_shunt puts before traffic (encap.h) and probe_egress before a
 * probe (probe.bpf.c) is the same because it is written here. Knows nothing of where the packet lies.
 */
#ifndef SHUNT_BPF_OUTER_H
#define SHUNT_BPF_OUTER_H

#include "checksum.h"
#include "gue.h"
#include "nexthop.h"

#define IPV4_VERSION_AND_LENGTH 0x45U
#define OUTER_TTL 64U                    /* RFC 2003 section 3.1, RFC 2473 section 6.3: its own, not the inner one */

stage void write_ethernet(struct ethhdr *eth, const struct exit *exit)
{
	*(struct frame_addresses *)eth = exit_addresses(exit);
}

/* What goes in front of the packet: an outer IP header and, for gue, a layer between the two. Worked out where it is needed. */
stage bool outer_is_ipv4(const struct packet *p)
{
	return shunt_addr_is_ipv4(&p->backend->address);
}

stage bool is_gue(const struct packet *p)
{
	return feature(GUE) && p->service->forward == SHUNT_FORWARD_GUE;
}

stage __u32 outer_ip_len(const struct packet *p)
{
	return outer_is_ipv4(p) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

stage __u32 layer_len(const struct packet *p)
{
	return is_gue(p) ? sizeof(struct gue_layer) : 0;
}

stage __u32 inner_protocol(const struct packet *p)
{
	return p->family == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* What follows the outer IP header. */
stage __u32 outer_protocol(const struct packet *p)
{
	return is_gue(p) ? IPPROTO_UDP : inner_protocol(p);
}

/*
 * RFC 2003 and RFC 4213; don't-fragment always, as Linux tunnels do, for path MTU discovery; TOS whole, ECN included (RFC
 * 6040 normal mode). Host bits of the source spread flows over queues. The header is made of words: a checksum that
 * reads back what was just written waits for the stores.
 */
stage void write_outer_ipv4(const struct packet *p, struct iphdr *ip)
{
	const union {
		struct {
			__u8 ttl, protocol;
		};
		__u16 word;
	} hops = {{.ttl = OUTER_TTL, .protocol = outer_protocol(p)}};
	__be32 first = bpf_htonl(IPV4_VERSION_AND_LENGTH << 24 | (__u32)p->traffic_class << 16 |
				 (p->ip_len + layer_len(p) + (__u32)sizeof(*ip)));
	__be32 second = bpf_htonl(IPV4_DONT_FRAGMENT);
	__be32 source = shunt_addr_word(&p->backend->source, 3) | ((__u32)(p->hash >> 32) & cfg.source_entropy_ipv4);
	__be32 destination = shunt_addr_word(&p->backend->address, 3);
	__u64 sum = (__u64)first + second + hops.word + source + destination;

	((__be32 *)ip)[0] = first;
	((__be32 *)ip)[1] = second;
	*(__u16 *)&ip->ttl = hops.word;
	ip->check = checksum_fold_short(sum);
	ip->saddr = source;
	ip->daddr = destination;
}

/* RFC 2473; traffic class per RFC 6040, flow label from the flow hash per RFC 6438. */
stage void write_outer_ipv6(const struct packet *p, struct ipv6hdr *ip)
{
	__be32 first_word = bpf_htonl(6U << 28 | (__u32)p->traffic_class << 20 | ((__u32)(p->hash >> 32) & 0xfffff));

	__builtin_memcpy(ip, &first_word, 4);
	ip->payload_len = bpf_htons(p->ip_len + layer_len(p));
	ip->nexthdr = outer_protocol(p);
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, p->backend->source.byte, 16);
	__builtin_memcpy(&ip->daddr, p->backend->address.byte, 16);
}

/* Zero checksums: over IPv4 as ever, over IPv6 by RFC 6935 and 6936, since what is inside has checksums of its own. */
stage void write_gue(const struct packet *p, struct gue_layer *layer)
{
	*layer = (struct gue_layer){
		.udp.source = bpf_htons(GUE_SOURCE_PORT_FIRST | ((__u32)(p->hash >> 32) & GUE_SOURCE_PORT_MASK)),
		.udp.dest = p->service->gue_port,
		.udp.len = bpf_htons(p->ip_len + sizeof(*layer)),
		.gue.protocol = inner_protocol(p),
	};
}

#endif
