/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes the frame that goes to the backend: `l2` changes the Ethernet addresses, `ipip` puts an outer IP header in
 * front, `gue` an outer IP header, UDP and GUE. To these the packet of the client itself is never touched: to it, balancer
 * and backend are one host, not a router on the way. `nat` makes the backend its destination (nat.h).
 */
#ifndef SHUNT_BPF_ENCAP_H
#define SHUNT_BPF_ENCAP_H

#include "checksum.h"
#include "gue.h"
#include "mss.h"
#include "nat.h"
#include "nexthop.h"
#include "refuse.h"
#include "vlan.h"

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
stage bool write_gue(const struct packet *p, struct gue_layer *layer, const struct outer *outer)
{
	if ((void *)(layer + 1) > frame_end(p))
		return false;
	*layer = (struct gue_layer){
		.udp.source = bpf_htons(GUE_SOURCE_PORT_FIRST | ((__u32)(p->hash >> 32) & GUE_SOURCE_PORT_MASK)),
		.udp.dest = p->service->gue_port,
		.udp.len = bpf_htons(p->ip_len + sizeof(*layer)),
		.gue.protocol = outer->inner_protocol,
	};
	return true;
}

stage bool fits(const struct packet *p, __u32 outer_len)
{
	return p->ip_len + outer_len <= p->backend->mtu || !p->backend->mtu;
}

/* Grows the frame and writes all that is in front of the packet; the four family mixes are two writers. */
stage int encapsulate(struct packet *p, const struct exit *exit, const struct outer *outer)
{
	struct ethhdr *eth;
	__be16 *type;
	void *at;

	if (unlikely(bpf_xdp_adjust_head(p->ctx, -(outer->ip_len + outer->layer_len))))
		return drop(p, SHUNT_DROP_NO_HEADROOM);
	eth = frame_start(p);
	type = frame_type(p);
	at = type + 1;
	if ((void *)(eth + 1) + VLAN_TAGS_MAX * sizeof(struct vlan_tag) > frame_end(p) ||
	    at + sizeof(struct ipv6hdr) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL); /* never: what was there is longer */
	write_ethernet(eth, exit);
	write_tags(p, eth);
	*type = bpf_htons(outer->ipv4 ? ETH_P_IP : ETH_P_IPV6);
	if (outer->ipv4)
		write_outer_ipv4(p, at, outer);
	else
		write_outer_ipv6(p, at, outer);
	if (outer->gue && !write_gue(p, at + outer->ip_len, outer))
		return drop(p, SHUNT_DROP_INTERNAL);
	return SHUNT_NEXT;
}

stage int rewrite_l2(struct packet *p, const struct exit *exit)
{
	struct ethhdr *eth = frame_start(p);

	if ((void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	write_ethernet(eth, exit);
	return SHUNT_NEXT;
}

/* A service for every port keeps the client's, whatever port the backend has. */
stage int translate_destination(struct packet *p, const struct exit *exit)
{
	__be16 port = p->service->key.port && p->backend->port ? p->backend->port : p->destination_port;
	int reason = translate(p->ctx, &p->backend->address, nat_place_of(p).word, nat_change_of(p, port).word);

	return unlikely(reason) ? refuse(p, reason, 0, NULL) : rewrite_l2(p, exit);
}

stage bool is_translated(const struct packet *p)
{
	return cfg.features & SHUNT_FEATURE_NAT && p->service->forward == SHUNT_FORWARD_NAT;
}

stage int send_on(struct packet *p)
{
	bool tunnelled = p->service->forward == SHUNT_FORWARD_IPIP || p->service->forward == SHUNT_FORWARD_GUE;
	struct outer outer;
	struct exit exit;
	__u32 outer_len;
	int verdict;

	if (unlikely(!find_exit(p, &exit)))
		return drop(p, SHUNT_DROP_NO_NEXT_HOP);
	outer = outer_of(p);
	outer_len = tunnelled ? outer.ip_len + outer.layer_len : 0;
	if (unlikely(!fits(p, outer_len)))
		return refuse_too_big(p, outer_len);
	if (p->dry)
		return leave(p, &exit); /* all is found out */
	if (cfg.features & SHUNT_FEATURE_MSS && p->service->mss && p->starts_flow)
		limit_mss(p, outer_len);
	if (is_translated(p))
		verdict = translate_destination(p, &exit);
	else
		verdict = tunnelled ? encapsulate(p, &exit, &outer) : rewrite_l2(p, &exit);
	return verdict ?: leave(p, &exit);
}

#endif
