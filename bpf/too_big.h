/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet that does not fit towards its backend: the client is told the size that does, from the service's address, so
 * that path MTU discovery works through the tunnel (RFC 1191 section 4, RFC 8201). Fragmenting is not done: an IPv4
 * packet that allows it is dropped as one that cannot be answered is, since backends would have to reassemble.
 */
#ifndef SHUNT_BPF_TOO_BIG_H
#define SHUNT_BPF_TOO_BIG_H

#include "checksum.h"
#include "icmp.h"
#include "icmp_limit.h"
#include "parse.h"
#include "vlan.h"

#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_QUOTED 548                  /* bytes of the packet: the answer is 576 then (RFC 1812 section 4.3.2.3) */
#define IPV6_QUOTED 1232                 /* the answer is IPv6's least MTU then (RFC 4443 section 3.2) */
#define IPV6_MTU_MIN 1280                /* RFC 8200 section 5; hosts ignore less (RFC 8201 section 4) */
#define ICMP_ERROR_TTL 64
#define ICMP_ERROR_TOS 0xc0              /* internetwork control (RFC 1812 section 4.3.2.5) */

enum { ICMP_FRAGMENTATION_NEEDED = 4, ICMPV6_PACKET_TOO_BIG = 2 };

/* Header and message in front of the quoted packet. False: it is not all there. */
stage bool write_too_big_ipv4(struct xdp_md *ctx, __u32 l3_offset, __u32 mtu)
{
	struct iphdr *ip = (void *)(long)ctx->data + l3_offset;
	struct icmp_header *icmp = (void *)(ip + 1);
	const struct iphdr *quoted = (void *)(icmp + 1);

	if ((void *)quoted + IPV4_QUOTED > (void *)(long)ctx->data_end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = ICMP_ERROR_TOS;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*icmp) + IPV4_QUOTED);
	ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	ip->ttl = ICMP_ERROR_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	ip->check = ipv4_checksum(ip);
	icmp->type = ICMP_UNREACHABLE;
	icmp->code = ICMP_FRAGMENTATION_NEEDED;
	icmp->rest = bpf_htonl(mtu);
	icmp->checksum = checksum_fold(checksum_add(icmp, sizeof(*icmp) + IPV4_QUOTED, 0));
	return true;
}

stage bool write_too_big_ipv6(struct xdp_md *ctx, __u32 l3_offset, __u32 mtu)
{
	struct ipv6hdr *ip = (void *)(long)ctx->data + l3_offset;
	struct icmp_header *icmp = (void *)(ip + 1);
	const struct ipv6hdr *quoted = (void *)(icmp + 1);
	__u64 pseudo = bpf_htonl(sizeof(*icmp) + IPV6_QUOTED) + (__u64)bpf_htonl(IPPROTO_ICMPV6);

	if ((void *)quoted + IPV6_QUOTED > (void *)(long)ctx->data_end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 6;
	ip->payload_len = bpf_htons(sizeof(*icmp) + IPV6_QUOTED);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ICMP_ERROR_TTL;
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	icmp->type = ICMPV6_PACKET_TOO_BIG;
	icmp->rest = bpf_htonl(mtu);
	/* The pseudo header of RFC 4443 section 2.3: the addresses are side by side in the header. */
	pseudo += checksum_add(icmp, sizeof(*icmp) + IPV6_QUOTED, checksum_add(&ip->saddr, 2 * sizeof(ip->saddr), 0));
	icmp->checksum = checksum_fold(pseudo);
	return true;
}

/* The start of a frame, with all the tags it may have; what it has fewer is the start of the packet. */
struct link_header {
	struct ethhdr eth;
	struct vlan_tag tag[VLAN_TAGS_MAX];
};

/* The start of a packet, of either family. */
union ip_header {
	struct iphdr ipv4;
	struct ipv6hdr ipv6;
};

/*
 * Whether the client is to be told. Never of what was for many, or of later fragments of IPv4 (RFC 1122 section 3.2.2),
 * nor of an IPv4 path that 576 bytes do not fit, nor what IPv6 hosts ignore.
 */
stage bool is_answerable(const struct ethhdr *eth, const union ip_header *ip, bool ipv4, __u32 mtu)
{
	if (eth->h_dest[0] & 1)
		return false;
	if (ipv4)
		return (ip->ipv4.frag_off & bpf_htons(IPV4_DONT_FRAGMENT | IPV4_FRAGMENT_OFFSET)) ==
			       bpf_htons(IPV4_DONT_FRAGMENT) &&
		       bpf_ntohs(ip->ipv4.tot_len) > IPV4_QUOTED;
	return bpf_ntohs(ip->ipv6.payload_len) + sizeof(ip->ipv6) > mtu;
}

/* Cuts the frame to what is quoted, and makes room in front, with the link's header there, turned round. */
stage bool shape_too_big(struct xdp_md *ctx, __u32 l3_offset, bool ipv4)
{
	int quoted = ipv4 ? IPV4_QUOTED : IPV6_QUOTED, ip_len = ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct link_header link, *at = (void *)(long)ctx->data;

	if ((void *)(at + 1) > (void *)(long)ctx->data_end)
		return false;
	link = *at;
	if (bpf_xdp_adjust_tail(ctx, (int)l3_offset + quoted - (int)bpf_xdp_get_buff_len(ctx)) ||
	    bpf_xdp_adjust_head(ctx, -(ip_len + (int)sizeof(struct icmp_header))))
		return false;
	at = (void *)(long)ctx->data;
	if ((void *)(at + 1) > (void *)(long)ctx->data_end)
		return false;
	swap_ethernet(&link.eth);
	*at = link; /* what is no tag is overwritten next */
	return true;
}

/*
 * Turns the frame into the answer, if one is due. Returns the reason to count, an enum shunt_drop_reason. A function of
 * its own to the verifier, which looks at it once and not for each of the ways here.
 */
__noinline int answer_too_big(struct xdp_md *ctx, __u32 l3_offset, __u32 family, __u32 mtu)
{
	void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	bool ipv4 = family == ETH_P_IP, written;

	if (l3_offset > sizeof(struct link_header) || start + sizeof(struct link_header) > end ||
	    start + l3_offset + sizeof(union ip_header) > end)
		return SHUNT_DROP_TOO_BIG;
	if (!ipv4 && mtu < IPV6_MTU_MIN)
		mtu = IPV6_MTU_MIN;
	if (!is_answerable(start, start + l3_offset, ipv4, mtu))
		return SHUNT_DROP_TOO_BIG;
	if (!take_icmp_token())
		return SHUNT_DROP_TOO_BIG_LIMITED;
	written = shape_too_big(ctx, l3_offset, ipv4) && (ipv4 ? write_too_big_ipv4(ctx, l3_offset, mtu)
							       : write_too_big_ipv6(ctx, l3_offset, mtu));
	return written ? SHUNT_DROP_TOO_BIG_ANSWERED : SHUNT_DROP_INTERNAL;
}

/* The packet and the `outer_len` bytes that forwarding puts in front of it are longer than the backend's MTU. */
stage int refuse_too_big(struct packet *p, __u32 outer_len)
{
	__u32 mtu = p->backend->mtu > outer_len ? p->backend->mtu - outer_len : 0;
	int reason = SHUNT_DROP_TOO_BIG;

	/* Errors are never answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)). */
	if (!p->dry && !p->is_icmp_error)
		reason = answer_too_big(p->ctx, p->l3_offset, p->family, mtu);
	drop(p, reason);
	if (reason != SHUNT_DROP_TOO_BIG_ANSWERED)
		return XDP_DROP;
	p->backend = NULL; /* it gets nothing, and must not be counted as if it did */
	return XDP_TX;
}

#endif
