/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Answers echo requests to service addresses, so that `ping` says whether the balancer is there (RFC 792, RFC 4443 4.1). */
#ifndef SHUNT_BPF_ICMP_H
#define SHUNT_BPF_ICMP_H

#include "checksum.h"
#include "packet.h"

/* Not <linux/icmp.h>, which needs the socket headers of the machine. */
enum { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_ECHO_REQUEST = 8 };
enum { ICMPV6_ECHO_REQUEST = 128, ICMPV6_ECHO_REPLY = 129 };

struct icmp_header {
	__u8 type;
	__u8 code;
	__sum16 checksum;
	__be32 rest;
};

#define ECHO_REPLY_TTL 64

stage void swap_ethernet(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
}

/* The type is the first byte of the message and the checksum its second half word; the sums of the addresses do not change. */
stage int turn_message(struct packet *p, __u8 reply_type)
{
	struct icmp_header *icmp = frame_start(p) + p->l4_offset;
	__u16 old, new;

	if ((void *)(icmp + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	__builtin_memcpy(&old, icmp, 2);
	icmp->type = reply_type;
	__builtin_memcpy(&new, icmp, 2);
	icmp->checksum = checksum_replace(icmp->checksum, old, new);
	return XDP_TX;
}

stage int answer_echo_ipv4(struct packet *p)
{
	struct ethhdr *eth = frame_start(p);
	struct iphdr *ip = frame_start(p) + l3_offset(p);
	__be32 address;
	__u16 old, new;

	if ((void *)(ip + 1) > frame_end(p) || (void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	swap_ethernet(eth);
	address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	__builtin_memcpy(&old, &ip->ttl, 2);
	ip->ttl = ECHO_REPLY_TTL;
	__builtin_memcpy(&new, &ip->ttl, 2);
	ip->check = checksum_replace(ip->check, old, new);
	return turn_message(p, ICMP_ECHO_REPLY);
}

stage int answer_echo_ipv6(struct packet *p)
{
	struct ethhdr *eth = frame_start(p);
	struct ipv6hdr *ip = frame_start(p) + l3_offset(p);

	if ((void *)(ip + 1) > frame_end(p) || (void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	swap_ethernet(eth);
	ip->saddr = *(struct in6_addr *)p->destination.byte;
	ip->daddr = *(struct in6_addr *)p->source.byte;
	ip->hop_limit = ECHO_REPLY_TTL;
	return turn_message(p, ICMPV6_ECHO_REPLY);
}

/* ICMP to a service address that is not about a service's flow: echo requests are answered, the rest is the kernel's. */
stage int answer_icmp(struct packet *p)
{
	const struct shunt_service *service = p->service;

	barrier_var(service); /* or the compiler carries on whether there is one as a number beside it */
	if (likely(service))
		return SHUNT_NEXT;
	if (p->protocol == IPPROTO_ICMP && p->family == ETH_P_IP && p->icmp_type == ICMP_ECHO_REQUEST)
		return answer_echo_ipv4(p);
	if (p->protocol == IPPROTO_ICMPV6 && p->family == ETH_P_IPV6 && p->icmp_type == ICMPV6_ECHO_REQUEST)
		return answer_echo_ipv6(p);
	return XDP_PASS;
}

#endif
