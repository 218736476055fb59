/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes the frame that goes to the backend: `l2` changes the Ethernet addresses, `ipip` puts an outer IP header in front.
 * The packet of the client itself is never touched: to it, balancer and backend are one host, not a router on the way.
 */
#ifndef SHUNT_BPF_ENCAP_H
#define SHUNT_BPF_ENCAP_H

#include "nexthop.h"
#include "vlan.h"

#define OUTER_TTL 64                     /* RFC 2003 section 3.1, RFC 2473 section 6.3: its own, not the inner one */
#define IPV4_DONT_FRAGMENT 0x4000        /* always, as Linux tunnels do: path MTU discovery needs it */

stage void write_ethernet(struct ethhdr *eth, const struct exit *exit)
{
	__builtin_memcpy(eth->h_dest, exit->destination_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, exit->source_mac, ETH_ALEN);
}

/* Internet checksum (RFC 1071) of a header without options whose check field is zero. */
stage __u16 ipv4_checksum(const struct iphdr *ip)
{
	const __u16 *half = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* RFC 2003 and RFC 4213; TOS whole, ECN included (RFC 6040 normal mode). Host bits of the source spread flows over queues. */
stage void write_outer_ipv4(const struct packet *p, struct iphdr *ip, __u8 inner_protocol)
{
	__be32 source;

	__builtin_memcpy(&source, p->backend->source.byte + 12, 4);
	source |= (__u32)(p->hash >> 32) & cfg.source_entropy_ipv4;
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = p->traffic_class,
		.tot_len = bpf_htons(p->ip_len + sizeof(*ip)),
		.frag_off = bpf_htons(IPV4_DONT_FRAGMENT),
		.ttl = OUTER_TTL,
		.protocol = inner_protocol,
		.saddr = source,
	};
	__builtin_memcpy(&ip->daddr, p->backend->address.byte + 12, 4);
	ip->check = ipv4_checksum(ip);
}

/* RFC 2473; traffic class per RFC 6040, flow label from the flow hash per RFC 6438. */
stage void write_outer_ipv6(const struct packet *p, struct ipv6hdr *ip, __u8 inner_protocol)
{
	__be32 first_word = bpf_htonl(6U << 28 | (__u32)p->traffic_class << 20 | ((__u32)(p->hash >> 32) & 0xfffff));

	__builtin_memcpy(ip, &first_word, 4);
	ip->payload_len = bpf_htons(p->ip_len);
	ip->nexthdr = inner_protocol;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, p->backend->source.byte, 16);
	__builtin_memcpy(&ip->daddr, p->backend->address.byte, 16);
}

stage bool fits(const struct packet *p, __u32 outer_len)
{
	return p->ip_len + outer_len <= p->backend->mtu || !p->backend->mtu;
}

/* Grows the frame by the outer header and writes Ethernet and outer header; the four family mixes are two writers. */
stage int encapsulate(struct packet *p, const struct exit *exit)
{
	bool outer_ipv4 = shunt_addr_is_ipv4(&p->backend->address);
	__u8 inner_protocol = p->family == ETH_P_IP ? IPPROTO_IPIP : IPPROTO_IPV6;
	int outer_len = outer_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct ethhdr *eth;
	void *outer;

	if (unlikely(!fits(p, outer_len)))
		return drop(p, SHUNT_DROP_TOO_BIG);
	if (unlikely(bpf_xdp_adjust_head(p->ctx, -outer_len)))
		return drop(p, SHUNT_DROP_NO_HEADROOM);
	eth = frame_start(p);
	outer = frame_start(p) + p->l3_offset;
	if ((void *)(eth + 1) + VLAN_TAGS_MAX * sizeof(struct vlan_tag) > frame_end(p) ||
	    outer + sizeof(struct ipv6hdr) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL); /* never: what was there is longer */
	write_ethernet(eth, exit);
	write_tags(p, eth);
	((__be16 *)outer)[-1] = bpf_htons(outer_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	if (outer_ipv4)
		write_outer_ipv4(p, outer, inner_protocol);
	else
		write_outer_ipv6(p, outer, inner_protocol);
	return SHUNT_NEXT;
}

stage int rewrite_l2(struct packet *p, const struct exit *exit)
{
	struct ethhdr *eth = frame_start(p);

	if (unlikely(!fits(p, 0)))
		return drop(p, SHUNT_DROP_TOO_BIG);
	if ((void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	write_ethernet(eth, exit);
	return SHUNT_NEXT;
}

stage int send_on(struct packet *p)
{
	struct exit exit;
	int verdict;

	if (unlikely(!find_exit(p, &exit)))
		return drop(p, SHUNT_DROP_NO_NEXT_HOP);
	verdict = p->service->forward == SHUNT_FORWARD_IPIP ? encapsulate(p, &exit) : rewrite_l2(p, &exit);
	return verdict ?: leave(p, &exit);
}

#endif
