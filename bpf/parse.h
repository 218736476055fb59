/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads addresses, protocol and ports. Decides nothing but "not IP: pass": what is wrong with a packet is noted here and
 * judged by admit(), once it is known that the packet is for a service. What is for nobody is never touched.
 */
#ifndef SHUNT_BPF_PARSE_H
#define SHUNT_BPF_PARSE_H

#include <shunt/hash.h>

#include "extensions.h"
#include "fragment.h"
#include "packet.h"
#include "sanity.h"
#include "vlan.h"

#define ICMP_MIN_LEN 8 /* RFC 792, 4443: every message has as much */

/* One branch for all: before each the compiler writes to the stack what it knows of the packet by then. */
stage bool any_negative(__s32 a, __s32 b, __s32 c)
{
	return (a | b | c) < 0;
}

/* The transport header is cut short; a fragment that ends within it was made so. */
stage void too_short(struct packet *p)
{
	p->fault = p->is_fragment ? SHUNT_DROP_FRAGMENT : SHUNT_DROP_MALFORMED;
}

/* Ports, and what the TCP flags say, from the transport header at l4_offset (RFC 9293, 768). */
stage void parse_ports(struct packet *p)
{
	void *l4 = frame_start(p) + p->l4_offset;
	__u32 l4_len = p->l3_offset + p->ip_len - p->l4_offset;

	if (p->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;
		__u32 header_len, flags;

		if ((void *)(tcp + 1) > frame_end(p)) {
			too_short(p);
			return;
		}
		header_len = (((__u8 *)tcp)[TCP_LENGTH_AT] & 0xf0) >> 2;
		if (any_negative(header_len - sizeof(*tcp), l4_len - header_len, 0)) {
			too_short(p);
			return;
		}
		flags = ((__u8 *)tcp)[TCP_FLAGS_AT];
		p->source_port = tcp->source;
		p->destination_port = tcp->dest;
		p->starts_flow = is_zero((flags & (TCP_SYN | TCP_ACK)) ^ TCP_SYN);
		if (cfg.features & SHUNT_FEATURE_PASSIVE)
			p->is_reset = (flags & TCP_RST) != 0;
		p->has_ports = true;
		if (unlikely(!tcp_flags_are_possible(flags)))
			p->fault = SHUNT_DROP_TCP_FLAGS;
	} else if (p->protocol == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		/* The length is that of the datagram, of which a first fragment has not all. */
		if ((void *)(udp + 1) > frame_end(p) ||
		    any_negative(l4_len - sizeof(*udp), bpf_ntohs(udp->len) - sizeof(*udp),
				 p->is_fragment ? 0 : l4_len - bpf_ntohs(udp->len))) {
			too_short(p);
			return;
		}
		p->source_port = udp->source;
		p->destination_port = udp->dest;
		p->has_ports = true;
	} else if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6) {
		if (l4 + ICMP_MIN_LEN > frame_end(p) || l4_len < ICMP_MIN_LEN || p->is_fragment) {
			too_short(p);
			return;
		}
		p->icmp_type = *(__u8 *)l4;
	}
}

/* RFC 791. */
stage int parse_ipv4(struct packet *p)
{
	struct iphdr *ip = frame_start(p) + p->l3_offset;
	__u32 header_len;
	__u16 fragment;
	__u8 first_byte;

	if ((void *)(ip + 1) > frame_end(p))
		return XDP_PASS;
	header_len = ip->ihl * 4;
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->source = (struct shunt_addr){.byte[10] = 0xff, .byte[11] = 0xff};
	p->destination = p->source;
	__builtin_memcpy(p->source.byte + 12, &ip->saddr, 4);
	__builtin_memcpy(p->destination.byte + 12, &ip->daddr, 4);
	p->protocol = ip->protocol;
	p->traffic_class = ip->tos;
	p->l4_offset = (p->l3_offset + header_len) & FRAME_OFFSET_MAX;
	/* The first byte says version 4 and at least 5 words, the packet has room for its header, the frame for the packet. */
	first_byte = *(__u8 *)ip;
	if (unlikely(((__u8)(first_byte - 0x45) > 0x4f - 0x45) | (p->ip_len < header_len) |
		     (p->l3_offset + p->ip_len > p->frame_len))) {
		p->fault = SHUNT_DROP_MALFORMED;
		return SHUNT_NEXT;
	}
	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))) {
		p->is_fragment = true;
		p->unusual->fragment_offset = (fragment & IPV4_FRAGMENT_OFFSET) * 8;
		p->unusual->fragment_id = ip->id;
		judge_fragment(p, p->ip_len - header_len, fragment & IPV4_MORE_FRAGMENTS);
	}
	if (unlikely(!ip->ttl && !p->fault))
		p->fault = SHUNT_DROP_TTL_ZERO;
	return SHUNT_NEXT;
}

/* Reads past the extension headers of the packet, which ends at `end`. */
static __always_inline void parse_extensions(struct packet *p, __u32 end)
{
	struct extensions chain = {.offset = p->l4_offset, .end = end, .protocol = p->protocol};

	p->fault = walk_extensions(p->ctx, &chain);
	if (p->fault)
		return;
	p->l4_offset = chain.offset & FRAME_OFFSET_MAX;
	p->protocol = chain.protocol;
	p->is_fragment = chain.is_fragment && chain.fragment & (FRAGMENT_OFFSET | FRAGMENT_MORE); /* else atomic: RFC 6946 */
	if (!p->is_fragment)
		return;
	p->unusual->fragment_offset = chain.fragment & FRAGMENT_OFFSET;
	p->unusual->fragment_id = chain.fragment_id;
	judge_fragment(p, end - chain.fragment_start, chain.fragment & FRAGMENT_MORE);
}

/* RFC 8200. */
stage int parse_ipv6(struct packet *p)
{
	struct ipv6hdr *ip = frame_start(p) + p->l3_offset;
	__u32 first_word, end;
	__u8 hop_limit;

	if ((void *)(ip + 1) > frame_end(p))
		return XDP_PASS;
	__builtin_memcpy(&first_word, ip, 4);
	__builtin_memcpy(p->source.byte, &ip->saddr, 16);
	__builtin_memcpy(p->destination.byte, &ip->daddr, 16);
	if (unlikely(shunt_addr_is_ipv4(&p->destination)))
		return XDP_PASS; /* mapped addresses are never on the wire (RFC 4291 2.5.5.2), and here they mean IPv4 */
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->protocol = ip->nexthdr;
	p->traffic_class = bpf_ntohl(first_word) >> 20;
	p->l4_offset = p->l3_offset + sizeof(*ip);
	hop_limit = ip->hop_limit;
	end = p->l4_offset + bpf_ntohs(ip->payload_len);
	if (unlikely(any_negative(-(ip->version ^ 6), p->frame_len - end, 0))) {
		p->fault = SHUNT_DROP_MALFORMED;
		return SHUNT_NEXT;
	}
	if (unlikely(is_extension(p->protocol)))
		parse_extensions(p, end);
	if (unlikely(!hop_limit && !p->fault))
		p->fault = SHUNT_DROP_TTL_ZERO;
	return SHUNT_NEXT;
}

stage int parse_ip(struct packet *p)
{
	if (p->family == ETH_P_IP)
		return parse_ipv4(p);
	if (p->family == ETH_P_IPV6)
		return parse_ipv6(p);
	return XDP_PASS;
}

/* Whether the header of TCP, UDP or ICMP is to be read. Of what is too old as well: what is wrong there weighs more. */
stage bool has_transport(const struct packet *p)
{
	return (!p->fault || p->fault == SHUNT_DROP_TTL_ZERO) && !(p->is_fragment && p->unusual->fragment_offset);
}

stage int parse(struct packet *p)
{
	struct ethhdr *eth = frame_start(p);
	int verdict;

	if ((void *)(eth + 1) > frame_end(p))
		return XDP_PASS;
	p->frame_len = frame_end(p) - frame_start(p);
	p->family = bpf_ntohs(*(__be16 *)((void *)eth + ETHERNET_ADDRESSES_LEN)); /* h_proto counts as not aligned */
	p->l3_offset = ETH_HLEN;
	if (unlikely(is_vlan(p->family)))
		parse_tags(p);
	verdict = parse_ip(p);
	if (verdict)
		return verdict;
	join_ways(p);
	if (!is_unusual(p) || has_transport(p))
		parse_ports(p);
	join_ways(p);
	return SHUNT_NEXT;
}

#endif
