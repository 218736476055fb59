/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet that goes no further, and whose sender is told by ICMP, as often as errors may be sent.
 *
 * One that does not fit towards its backend: the client is told the size that does, from the service's address, so that path
 * MTU discovery works through the tunnel (RFC 1191 section 4, RFC 8201). Fragmenting is not done: an IPv4 packet that allows
 * it is dropped as one that cannot be answered is, since backends would have to reassemble. One whose TTL or hop limit ends
 * here, where the balancer is a router (nat): time exceeded, with the IP header and 8 bytes quoted, as much as any such
 * packet has (RFC 792, RFC 1812 section 5.3.1; RFC 4443 section 3.3).
 */
#ifndef SHUNT_BPF_REFUSE_H
#define SHUNT_BPF_REFUSE_H

#include "checksum.h"
#include "icmp.h"
#include "icmp_error.h"
#include "icmp_limit.h"
#include "parse.h"
#include "vlan.h"

#define IPV4_QUOTED 548                  /* bytes of the packet: the answer is 576 then (RFC 1812 section 4.3.2.3) */
#define IPV6_QUOTED 1232                 /* the answer is IPv6's least MTU then (RFC 4443 section 3.2) */
#define IPV6_MTU_MIN 1280                /* RFC 8200 section 5; hosts ignore less (RFC 8201 section 4) */
#define ICMP_ERROR_TTL 64
#define ICMP_ERROR_TOS 0xc0              /* internetwork control (RFC 1812 section 4.3.2.5) */

#define EXPIRED_IPV4_QUOTED (20 + QUOTED_MIN_LEN)
#define EXPIRED_IPV6_QUOTED (40 + QUOTED_MIN_LEN)

enum { ICMP_FRAGMENTATION_NEEDED = 4, ICMPV6_PACKET_TOO_BIG = 2, ICMP_TIME_EXCEEDED = 11, ICMPV6_TIME_EXCEEDED = 3 };

/* What an error says. `from`: who sends it; NULL: the address that the packet was for. */
struct icmp_error {
	__u8 type, code;
	__u32 rest;                      /* of the header, host order */
	const struct shunt_addr *from;
};

/* Header and message in front of the quoted packet, of which `len` bytes follow. False: it is not all there. */
stage bool write_error_ipv4(struct xdp_md *ctx, __u32 l3_offset, const struct icmp_error *error, __u32 len)
{
	struct iphdr *ip = (void *)(long)ctx->data + l3_offset;
	struct icmp_header *icmp = (void *)(ip + 1);
	const struct iphdr *quoted = (void *)(icmp + 1);

	if ((void *)quoted + len > (void *)(long)ctx->data_end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = ICMP_ERROR_TOS;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*icmp) + len);
	ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	ip->ttl = ICMP_ERROR_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->saddr = quoted->daddr;
	if (error->from)
		__builtin_memcpy(&ip->saddr, error->from->byte + 12, sizeof(ip->saddr));
	ip->daddr = quoted->saddr;
	ip->check = ipv4_checksum(ip);
	icmp->type = error->type;
	icmp->code = error->code;
	icmp->rest = bpf_htonl(error->rest);
	icmp->checksum = checksum_fold(checksum_add(icmp, sizeof(*icmp) + len, 0));
	return true;
}

stage bool write_error_ipv6(struct xdp_md *ctx, __u32 l3_offset, const struct icmp_error *error, __u32 len)
{
	struct ipv6hdr *ip = (void *)(long)ctx->data + l3_offset;
	struct icmp_header *icmp = (void *)(ip + 1);
	const struct ipv6hdr *quoted = (void *)(icmp + 1);
	__u64 pseudo = bpf_htonl(sizeof(*icmp) + len) + (__u64)bpf_htonl(IPPROTO_ICMPV6);

	if ((void *)quoted + len > (void *)(long)ctx->data_end)
		return false;
	__builtin_memset(ip, 0, sizeof(*ip) + sizeof(*icmp));
	ip->version = 6;
	ip->payload_len = bpf_htons(sizeof(*icmp) + len);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ICMP_ERROR_TTL;
	ip->saddr = quoted->daddr;
	if (error->from)
		__builtin_memcpy(&ip->saddr, error->from->byte, sizeof(ip->saddr));
	ip->daddr = quoted->saddr;
	icmp->type = error->type;
	icmp->code = error->code;
	icmp->rest = bpf_htonl(error->rest);
	/* The pseudo header of RFC 4443 section 2.3: the addresses are side by side in the header. */
	pseudo += checksum_add(icmp, sizeof(*icmp) + len, checksum_add(&ip->saddr, 2 * sizeof(ip->saddr), 0));
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

/* Cuts the frame to `quoted` bytes of the packet, and makes room in front, with the link's header there, turned round. */
stage bool shape_error(struct xdp_md *ctx, __u32 l3_offset, bool ipv4, int quoted)
{
	int ip_len = ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
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

/* The size that fits. Returns the reason to count, as tell_sender(). */
stage int tell_too_big(struct xdp_md *ctx, __u32 l3_offset, bool ipv4, __u32 mtu, const struct shunt_addr *from)
{
	struct icmp_error error = {.from = from};
	void *start = (void *)(long)ctx->data;
	bool written;

	if (!ipv4 && mtu < IPV6_MTU_MIN)
		mtu = IPV6_MTU_MIN;
	if (!is_answerable(start, start + l3_offset, ipv4, mtu))
		return SHUNT_DROP_TOO_BIG;
	if (!take_icmp_token())
		return SHUNT_DROP_TOO_BIG_LIMITED;
	error.type = ipv4 ? ICMP_UNREACHABLE : ICMPV6_PACKET_TOO_BIG;
	error.code = ipv4 ? ICMP_FRAGMENTATION_NEEDED : 0;
	error.rest = mtu;
	written = shape_error(ctx, l3_offset, ipv4, ipv4 ? IPV4_QUOTED : IPV6_QUOTED) &&
		  (ipv4 ? write_error_ipv4(ctx, l3_offset, &error, IPV4_QUOTED)
			: write_error_ipv6(ctx, l3_offset, &error, IPV6_QUOTED));
	return written ? SHUNT_DROP_TOO_BIG_ANSWERED : SHUNT_DROP_INTERNAL;
}

/* Never of what was for many, or of later fragments (RFC 1122 section 3.2.2), nor of a header with options, which are cut. */
stage bool may_tell_expired(const struct ethhdr *eth, const union ip_header *ip, bool ipv4)
{
	if (eth->h_dest[0] & 1)
		return false;
	return !ipv4 || (ip->ipv4.ihl == 5 && !(ip->ipv4.frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)));
}

stage int tell_expired(struct xdp_md *ctx, __u32 l3_offset, bool ipv4, const struct shunt_addr *from)
{
	struct icmp_error error = {.type = ipv4 ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED, .from = from};
	void *start = (void *)(long)ctx->data;
	bool written;

	if (!may_tell_expired(start, start + l3_offset, ipv4) || !take_icmp_token())
		return SHUNT_DROP_TTL_ENDED;
	written = shape_error(ctx, l3_offset, ipv4, ipv4 ? EXPIRED_IPV4_QUOTED : EXPIRED_IPV6_QUOTED) &&
		  (ipv4 ? write_error_ipv4(ctx, l3_offset, &error, EXPIRED_IPV4_QUOTED)
			: write_error_ipv6(ctx, l3_offset, &error, EXPIRED_IPV6_QUOTED));
	return written ? SHUNT_DROP_TTL_ENDED_ANSWERED : SHUNT_DROP_INTERNAL;
}

/*
 * Turns the frame into the answer that is due for the reason, if one is. Returns the reason to count, an enum
 * shunt_drop_reason. `from`: who says so, NULL: the address that the packet was for. A function of its own to the verifier,
 * which looks at it once and not for each of the ways here.
 */
__noinline int tell_sender(struct xdp_md *ctx, __u32 l3_and_family, int reason, __u32 mtu, const struct shunt_addr *from)
{
	void *start = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 l3_offset = l3_and_family & 0xffff;
	bool ipv4 = l3_and_family >> 16 == ETH_P_IP;

	if (l3_offset > sizeof(struct link_header) || start + sizeof(struct link_header) > end ||
	    start + l3_offset + sizeof(struct iphdr) > end)
		return reason;
	if (reason == SHUNT_DROP_TOO_BIG)
		return tell_too_big(ctx, l3_offset, ipv4, mtu, from);
	if (feature(NAT) && reason == SHUNT_DROP_TTL_ENDED)
		return tell_expired(ctx, l3_offset, ipv4, from);
	return reason;
}

/* The packet goes no further: dropped, unless it has become the answer. */
stage int count_refused(struct packet *p, int reason)
{
	drop(p, reason);
	if (reason != SHUNT_DROP_TOO_BIG_ANSWERED && reason != SHUNT_DROP_TTL_ENDED_ANSWERED)
		return XDP_DROP;
	p->backend = NULL; /* it gets nothing, and must not be counted as if it did */
	return XDP_TX;
}

stage int refuse(struct packet *p, int reason, __u32 mtu, const struct shunt_addr *from)
{
	/* Errors are never answered (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)). */
	if (!p->dry && !p->is_icmp_error)
		reason = tell_sender(p->ctx, l3_offset(p) | p->family << 16, reason, mtu, from);
	return count_refused(p, reason);
}

/* The packet and the `outer_len` bytes that forwarding puts in front of it are longer than the backend's MTU. */
stage int refuse_too_big(struct packet *p, __u32 outer_len)
{
	return refuse(p, SHUNT_DROP_TOO_BIG, p->backend->mtu > outer_len ? p->backend->mtu - outer_len : 0, NULL);
}

#endif
