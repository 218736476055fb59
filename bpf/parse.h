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

#define IPV4_WITHOUT_OPTIONS 0x45 /* version and words of the header: its first byte */
#define IPV4_WORDS_MIN 5
#define IPV4_WORDS_MAX 15
#define PLAIN_MIN_LEN (ETH_HLEN + sizeof(struct ipv6hdr)) /* which is as long as IPv4 and TCP */
#define ICMP_MIN_LEN 8 /* RFC 792, 4443: every message has as much */

/* One branch for all: before each the compiler writes to the stack what it knows of the packet by then. */
stage bool any_negative(__s32 a, __s32 b, __s32 c)
{
	return (a | b | c) < 0;
}

/*
 * Zero when the words add up to all ones, which is to say to a multiple of 0xffff (RFC 1071 section 2). Times the inverse of
 * 0xffff modulo 2^64 a multiple becomes the quotient, which is small, and any other number one beyond 2^48: cheaper than folding.
 */
stage __u32 checksum_error(__u64 sum)
{
	return sum * 0xfffefffefffeffffULL >> 48;
}

/* Of a header, in words of 32 bits; of its options of those that are there. */
stage __u64 sum_of_ipv4_header(const struct packet *p, const struct iphdr *ip, __u32 header_len)
{
	const __be32 *word = (const __be32 *)ip;
	__u64 sum = 0;

	for (__u32 i = 0; i < IPV4_WORDS_MIN; i++)
		sum += word[i];
	for (__u32 i = IPV4_WORDS_MIN; i < IPV4_WORDS_MAX; i++)
		if (i * 4 < header_len && (void *)(word + i + 1) <= p->end)
			sum += word[i];
	return sum;
}

/* The transport header is cut short; a fragment that ends within it was made so. */
stage void too_short(struct packet *p)
{
	p->fault = p->is_fragment ? SHUNT_DROP_FRAGMENT : SHUNT_DROP_MALFORMED;
}

/* Ports and flags of the TCP header at l4_offset (RFC 9293), of so many bytes from there on. False: something is wrong. */
stage bool parse_tcp(struct packet *p, __u32 l4_len)
{
	const struct tcphdr *tcp = p->start + p->l4_offset;
	__u32 header_len, flags;

	if ((void *)(tcp + 1) > p->end) {
		too_short(p);
		return false;
	}
	header_len = (((const __u8 *)tcp)[TCP_LENGTH_AT] & 0xf0) >> 2;
	if (any_negative(header_len - sizeof(*tcp), l4_len - header_len, 0)) {
		too_short(p);
		return false;
	}
	flags = ((const __u8 *)tcp)[TCP_FLAGS_AT];
	p->ports = *(const __u32 *)tcp;
	p->starts_flow = is_zero((flags & (TCP_SYN | TCP_ACK)) ^ TCP_SYN);
	p->tcp_flags = flags;
	p->no_ports = false;
	if (unlikely(!tcp_flags_are_possible(flags))) {
		p->fault = SHUNT_DROP_TCP_FLAGS;
		return false;
	}
	return true;
}

/* Likewise of UDP (RFC 768). The length is that of the datagram, of which a first fragment has not all. */
stage bool parse_udp(struct packet *p, __u32 l4_len)
{
	const struct udphdr *udp = p->start + p->l4_offset;

	if ((void *)(udp + 1) > p->end || any_negative(l4_len - sizeof(*udp), bpf_ntohs(udp->len) - sizeof(*udp),
						       p->is_fragment ? 0 : l4_len - bpf_ntohs(udp->len))) {
		too_short(p);
		return false;
	}
	p->ports = *(const __u32 *)udp;
	p->no_ports = false;
	return true;
}

stage void parse_icmp(struct packet *p, __u32 l4_len)
{
	const void *icmp = p->start + p->l4_offset;

	if (icmp + ICMP_MIN_LEN > p->end || l4_len < ICMP_MIN_LEN || p->is_fragment)
		too_short(p);
	else
		p->icmp_type = *(const __u8 *)icmp;
}

/*
 * Addresses are made of two halves, each a register, and stay so: what the compiler is told nothing of it cannot take to pieces
 * where the families meet.
 */
stage struct shunt_addr whole_address(__u64 high, __u64 low)
{
	struct shunt_addr address;

	barrier_var(low);
	((shunt_addr_halves *)&address)[0] = high;
	((shunt_addr_halves *)&address)[1] = low;
	return address;
}

stage struct shunt_addr mapped_address(__be32 ipv4)
{
	return whole_address(0, shunt_mapped_half(ipv4));
}

/* Aligned to two bytes, as frames are. */
__attribute__((no_sanitize("alignment"))) stage struct shunt_addr address_at(const void *at)
{
	return whole_address(((const shunt_addr_halves *)at)[0], ((const shunt_addr_halves *)at)[1]);
}

/* The first bit of the frame's destination: broadcast or multicast. */
stage __u32 is_for_group(const struct packet *p)
{
	return *(const __u8 *)p->start & 1;
}

/*
 * What a careful host or router would not take although it is well made: a packet that is too old, and one for a single host
 * in a frame for many, of which several balancers would each forward their copy (RFC 1122 section 3.3.6, RFC 1812 section
 * 5.3.4). What else is wrong weighs more.
 */
stage void judge_delivery(struct packet *p, __u8 ttl)
{
	if (unlikely(is_zero(ttl) | is_for_group(p)) && !p->fault)
		p->fault = ttl ? SHUNT_DROP_LINK_GROUP : SHUNT_DROP_TTL_ZERO;
}

/* RFC 791: a header that is there, of so many bytes as it says. */
stage void read_ipv4(struct packet *p, const struct iphdr *ip, __u32 header_len)
{
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->source = mapped_address(ip->saddr);
	p->destination = mapped_address(ip->daddr);
	p->protocol = ip->protocol;
	p->traffic_class = ip->tos;
	p->l4_offset = (l3_offset(p) + header_len) & FRAME_OFFSET_MAX;
}

/* What is wrong with it, and whether it is a fragment. */
stage void judge_ipv4(struct packet *p, const struct iphdr *ip, __u32 header_len)
{
	__u16 fragment = bpf_ntohs(ip->frag_off);

	/* Version 4 and at least 5 words, the packet has room for its header, the frame for the packet. */
	if (any_negative((0x4f - 0x45) - (__u8)(*(const __u8 *)ip - 0x45), p->ip_len - header_len,
			 p->frame_len - l3_offset(p) - p->ip_len)) {
		p->fault = SHUNT_DROP_MALFORMED;
	} else if (checksum_error(sum_of_ipv4_header(p, ip, header_len))) {
		p->fault = SHUNT_DROP_IP_CHECKSUM;
	} else if (fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) {
		p->is_fragment = true;
		p->unusual->fragment_offset = (fragment & IPV4_FRAGMENT_OFFSET) * 8;
		p->unusual->fragment_id = ip->id;
		judge_fragment(p, p->ip_len - header_len, fragment & IPV4_MORE_FRAGMENTS);
	}
	judge_delivery(p, ip->ttl);
}

/* Whether judge_ipv4() finds nothing to note of a header without options: one branch. */
stage bool is_plain_ipv4(const struct packet *p, const struct iphdr *ip)
{
	__u32 fragment = ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET);
	bool lies = any_negative(p->ip_len - sizeof(*ip), p->frame_len - l3_offset(p) - p->ip_len, ip->ttl - 1);

	return likely(!(lies | checksum_error(sum_of_ipv4_header(p, ip, sizeof(*ip))) | fragment | is_for_group(p)));
}

/* RFC 8200: likewise. */
stage void read_ipv6(struct packet *p, const struct ipv6hdr *ip)
{
	__u32 first_word;

	__builtin_memcpy(&first_word, ip, 4);
	p->source = address_at(&ip->saddr);
	p->destination = address_at(&ip->daddr);
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->protocol = ip->nexthdr;
	p->traffic_class = bpf_ntohl(first_word) >> 20 & 0xff;
	p->l4_offset = l3_offset(p) + sizeof(*ip);
}

/* Not version 6, more than the frame has room for, or no `hops` left. */
stage bool ipv6_lies(const struct packet *p, const struct ipv6hdr *ip, __s32 hops)
{
	return any_negative(-(ip->version ^ 6), p->frame_len - l3_offset(p) - p->ip_len, hops - 1);
}

stage void judge_ipv6(struct packet *p, const struct ipv6hdr *ip)
{
	if (ipv6_lies(p, ip, 1))
		p->fault = SHUNT_DROP_MALFORMED;
	judge_delivery(p, ip->hop_limit);
}

stage bool is_plain_ipv6(const struct packet *p, const struct ipv6hdr *ip)
{
	return likely(!(ipv6_lies(p, ip, ip->hop_limit) | is_for_group(p)));
}

/* The IP header at l3_offset. Mapped addresses are never on the wire (RFC 4291 2.5.5.2), and here they mean IPv4: they pass. */
stage int parse_ip(struct packet *p)
{
	void *header = p->start + l3_offset(p);
	const struct ipv6hdr *ipv6 = header;
	const struct iphdr *ipv4 = header;

	if (p->family == ETH_P_IP && (void *)(ipv4 + 1) <= p->end) {
		read_ipv4(p, ipv4, ipv4->ihl * 4);
		judge_ipv4(p, ipv4, ipv4->ihl * 4);
		return SHUNT_NEXT;
	}
	if (p->family != ETH_P_IPV6 || (void *)(ipv6 + 1) > p->end)
		return XDP_PASS;
	read_ipv6(p, ipv6);
	judge_ipv6(p, ipv6);
	return shunt_addr_is_ipv4(&p->destination) ? XDP_PASS : SHUNT_NEXT;
}

/* Whether the header of TCP, UDP or ICMP is to be read. Of what judge_delivery() refuses, too: what is wrong there weighs more. */
stage bool has_transport(const struct packet *p)
{
	return (!p->fault || p->fault == SHUNT_DROP_TTL_ZERO || p->fault == SHUNT_DROP_LINK_GROUP) &&
	       !(p->is_fragment && p->unusual->fragment_offset);
}

/* The type of the frame; false: there are not as many bytes as it is to have at the least. */
stage bool parse_ethernet(struct packet *p, __u32 min_len)
{
	p->start = frame_start(p);
	p->end = frame_end(p);
	if (p->start + min_len > p->end)
		return false;
	p->frame_len = p->end - p->start;
	p->family = bpf_ntohs(*(__be16 *)(p->start + ETHERNET_ADDRESSES_LEN));
	return true;
}

/* False: it has none, or something is wrong with them. */
stage bool parse_plain_ports(struct packet *p)
{
	__u32 l4_len = l3_offset(p) + p->ip_len - p->l4_offset, protocol = p->protocol;

	barrier_var(protocol); /* or the compiler carries on a constant of each way, and the ways do not become one */
	if (likely(protocol == IPPROTO_TCP))
		return parse_tcp(p, l4_len);
	return protocol == IPPROTO_UDP && parse_udp(p, l4_len);
}

/*
 * Nearly every packet is of this kind: TCP or UDP behind a header without options, whole, without tags, nothing wrong with it,
 * and of PLAIN_MIN_LEN, which all have by Ethernet's padding. All places are constants then. Of any other what was noted so far
 * does not count.
 */
stage bool parse_plain(struct packet *p)
{
	const struct ipv6hdr *ipv6 = p->start + ETH_HLEN;
	const struct iphdr *ipv4 = p->start + ETH_HLEN;
	__u32 family = p->family;

	barrier_var(family); /* or the compiler carries on a constant of each way, in place of the one number */
	if (family == ETH_P_IP) {
		if (*(const __u8 *)ipv4 != IPV4_WITHOUT_OPTIONS)
			return false;
		read_ipv4(p, ipv4, sizeof(*ipv4));
		return is_plain_ipv4(p, ipv4) && parse_plain_ports(p);
	}
	if (family != ETH_P_IPV6)
		return false;
	read_ipv6(p, ipv6);
	return is_plain_ipv6(p, ipv6) && !shunt_addr_is_ipv4(&p->destination) && parse_plain_ports(p);
}

/* Reads past the extension headers of the packet. What is wrong there weighs more than that it is too old. */
static __always_inline void parse_extensions(struct packet *p)
{
	__u32 end = l3_offset(p) + p->ip_len;
	struct extensions chain = {.offset = p->l4_offset, .end = end, .protocol = p->protocol};
	int fault = walk_extensions(p->ctx, &chain);

	if (fault) {
		p->fault = fault;
		return;
	}
	p->l4_offset = chain.offset & FRAME_OFFSET_MAX;
	p->protocol = chain.protocol;
	p->is_fragment = chain.is_fragment && chain.fragment & (FRAGMENT_OFFSET | FRAGMENT_MORE); /* else atomic: RFC 6946 */
	if (!p->is_fragment)
		return;
	p->unusual->fragment_offset = chain.fragment & FRAGMENT_OFFSET;
	p->unusual->fragment_id = chain.fragment_id;
	judge_fragment(p, end - chain.fragment_start, chain.fragment & FRAGMENT_MORE);
}

/* What parse_headers() finds: the part of struct packet that is read from the headers up to the IP header. */
struct headers {
	struct shunt_addr source, destination;
	__u16 ip_len, l4_offset, family;
	__u32 facts;
	__u8 protocol, traffic_class;
	struct unusual unusual;
};

/* Room for it, of each CPU: the stack has none to spare. Packets only. */
SHUNT_COUNTERS(headers, struct headers, 1);

/* Global, so that the verifier judges all these ways once, and not again with what follows. */
__noinline int parse_headers(struct xdp_md *ctx, struct headers *ret)
{
	struct packet p = {.ctx = ctx};

	if (!ret)
		return XDP_ABORTED;
	ret->unusual = (struct unusual){};
	p.unusual = &ret->unusual;
	if (!parse_ethernet(&p, ETH_HLEN))
		return XDP_PASS;
	if (is_vlan(p.family))
		parse_tags(&p);
	if (parse_ip(&p))
		return XDP_PASS;
	ret->source = p.source;
	ret->destination = p.destination;
	ret->ip_len = p.ip_len;
	ret->l4_offset = p.l4_offset;
	ret->family = p.family;
	ret->facts = p.facts;
	ret->protocol = p.protocol;
	ret->traffic_class = p.traffic_class;
	return SHUNT_NEXT;
}

stage void take_headers(struct packet *p, const struct headers *found)
{
	p->source = found->source;
	p->destination = found->destination;
	p->ip_len = found->ip_len;
	p->l4_offset = found->l4_offset & FRAME_OFFSET_MAX; /* so that the verifier knows it small */
	p->family = found->family;
	p->facts = found->facts;
	p->protocol = found->protocol;
	p->traffic_class = found->traffic_class;
	*p->unusual = found->unusual;
}

/* What the transport header at l4_offset says. */
stage void parse_transport(struct packet *p)
{
	__u32 l4_len = l3_offset(p) + p->ip_len - p->l4_offset;

	if (p->protocol == IPPROTO_TCP)
		parse_tcp(p, l4_len);
	else if (p->protocol == IPPROTO_UDP)
		parse_udp(p, l4_len);
	else if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
		parse_icmp(p, l4_len);
}

/* Any packet. */
static __always_inline int parse_slowly(struct packet *p)
{
	__u32 first = 0;
	struct headers *found = bpf_map_lookup_elem(&headers, &first);
	int verdict = parse_headers(p->ctx, found);

	if (verdict || !found)
		return verdict;
	parse_ethernet(p, ETH_HLEN);
	take_headers(p, found);
	if (p->family == ETH_P_IPV6 && has_transport(p) && is_extension(p->protocol))
		parse_extensions(p);
	p->no_ports = true;
	join_ways(p);
	if (has_transport(p))
		parse_transport(p);
	return SHUNT_NEXT;
}

stage int parse(struct packet *p)
{
	struct packet plain = *p;
	int verdict;

	if (likely(parse_ethernet(&plain, PLAIN_MIN_LEN) && parse_plain(&plain)))
		*p = plain;
	else if ((verdict = parse_slowly(p)))
		return verdict;
	join_ways(p);
	return SHUNT_NEXT;
}

#endif
