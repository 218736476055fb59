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
	struct mac *mac = (void *)eth;

	mac[0] = exit->destination;
	mac[1] = exit->source;
}

/* What goes in front of the packet: an outer IP header and, for gue, a layer between the two. */
struct outer {
	bool ipv4, gue;
	__u8 protocol;                   /* of what follows the outer IP header */
	__u8 inner_protocol;             /* IPPROTO_IPIP | IPPROTO_IPV6 */
	__u16 ip_len, layer_len;         /* bytes */
};

stage struct outer outer_of(const struct packet *p)
{
	struct outer outer = {
		.ipv4 = shunt_addr_is_ipv4(&p->backend->address),
		.gue = cfg.features & SHUNT_FEATURE_GUE && p->service->forward == SHUNT_FORWARD_GUE,
		.inner_protocol = p->family == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6,
	};

	outer.protocol = outer.gue ? IPPROTO_UDP : outer.inner_protocol;
	outer.ip_len = outer.ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	outer.layer_len = outer.gue ? sizeof(struct gue_layer) : 0;
	return outer;
}

/*
 * RFC 2003 and RFC 4213; don't-fragment always, as Linux tunnels do, for path MTU discovery; TOS whole, ECN included (RFC
 * 6040 normal mode). Host bits of the source spread flows over queues. The header is made as five words: a checksum that
 * reads back what was just written waits for the stores.
 */
stage void write_outer_ipv4(const struct packet *p, struct iphdr *ip, const struct outer *outer)
{
	__be32 word[] = {
		bpf_htonl(IPV4_VERSION_AND_LENGTH << 24 | (__u32)p->traffic_class << 16 |
			  (p->ip_len + outer->layer_len + (__u32)sizeof(*ip))),
		bpf_htonl(IPV4_DONT_FRAGMENT),
		bpf_htonl(OUTER_TTL << 24 | (__u32)outer->protocol << 16),
		shunt_addr_word(&p->backend->source, 3) | ((__u32)(p->hash >> 32) & cfg.source_entropy_ipv4),
		shunt_addr_word(&p->backend->address, 3),
	};
	__u64 sum = 0;

	for (int i = 0; i < 5; i++)
		sum += word[i];
	word[2] |= bpf_htonl(bpf_ntohs(checksum_fold(sum)));
	__builtin_memcpy(ip, word, sizeof(*ip));
}

/* RFC 2473; traffic class per RFC 6040, flow label from the flow hash per RFC 6438. */
stage void write_outer_ipv6(const struct packet *p, struct ipv6hdr *ip, const struct outer *outer)
{
	__be32 first_word = bpf_htonl(6U << 28 | (__u32)p->traffic_class << 20 | ((__u32)(p->hash >> 32) & 0xfffff));

	__builtin_memcpy(ip, &first_word, 4);
	ip->payload_len = bpf_htons(p->ip_len + outer->layer_len);
	ip->nexthdr = outer->protocol;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, p->backend->source.byte, 16);
	__builtin_memcpy(&ip->daddr, p->backend->address.byte, 16);
}

/* Zero checksums: over IPv4 as ever, over IPv6 by RFC 6935 and 6936, since what is inside has checksums of its own. */
stage void write_gue(const struct packet *p, struct gue_layer *layer, const struct outer *outer)
{
	*layer = (struct gue_layer){
		.udp.source = bpf_htons(GUE_SOURCE_PORT_FIRST | ((__u32)(p->hash >> 32) & GUE_SOURCE_PORT_MASK)),
		.udp.dest = p->service->gue_port,
		.udp.len = bpf_htons(p->ip_len + sizeof(*layer)),
		.gue.protocol = outer->inner_protocol,
	};
}

#endif
