/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about what a service sent: they come from any router to the service's address, and must reach the backend
 * whose packet they quote, or path MTU discovery stalls (RFC 7690). The quoted packet is one of the backend's answers: turned
 * around it names the client's flow, and the error then goes where a packet of that flow goes, without being one: no
 * flow is pinned or kept alive by it.
 */
#ifndef SHUNT_BPF_ICMP_ERROR_H
#define SHUNT_BPF_ICMP_ERROR_H

#include <shunt/hash.h>

#include "extensions.h"
#include "sanity.h"

#define ICMP_ERROR_HEADER_LEN 8
#define QUOTED_MIN_LEN 8 /* of the transport header: RFC 792; more in practice (RFC 1812 4.3.2.3, RFC 4443 2.4) */
#define QUOTED_FRAGMENT_OFFSET 0x1fff

/* Bit by type. RFC 792: unreachable (too big among them), time exceeded, parameter problem; RFC 4443: types 1 to 4. */
#define ICMP_ERRORS (1U << 3 | 1U << 11 | 1U << 12)
#define ICMPV6_ERRORS (1U << 1 | 1U << 2 | 1U << 3 | 1U << 4)

stage bool is_icmp_error(const struct packet *p)
{
	__u32 errors = p->family == ETH_P_IP ? ICMP_ERRORS : ICMPV6_ERRORS;
	__u8 protocol = p->family == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	return p->protocol == protocol && p->icmp_type < 32 && errors >> p->icmp_type & 1;
}

/* The packet that an error quotes, as it was sent. */
struct quoted {
	struct shunt_addr source, destination;
	__be16 source_port, destination_port;
	__u8 protocol;
	__u8 pad[3];
};

/* Addresses, protocol and the place of the transport header, 0 when the header is none or not of a first fragment. */
stage __u32 read_quoted_ipv4(struct quoted *quoted, const struct iphdr *ip, void *data_end)
{
	__u32 header_len;

	if ((void *)(ip + 1) > data_end)
		return 0;
	header_len = ip->ihl * 4;
	if (ip->version != 4 || header_len < sizeof(*ip) || bpf_ntohs(ip->tot_len) < header_len + QUOTED_MIN_LEN ||
	    ip->frag_off & bpf_htons(QUOTED_FRAGMENT_OFFSET))
		return 0;
	quoted->source.byte[10] = quoted->source.byte[11] = 0xff;
	quoted->destination = quoted->source;
	__builtin_memcpy(quoted->source.byte + 12, &ip->saddr, 4);
	__builtin_memcpy(quoted->destination.byte + 12, &ip->daddr, 4);
	quoted->protocol = ip->protocol;
	return header_len;
}

static __always_inline __u32 read_quoted_ipv6(struct xdp_md *ctx, struct quoted *quoted, __u32 offset, __u32 end)
{
	const struct ipv6hdr *ip = (void *)(long)ctx->data + offset;
	struct extensions chain = {.offset = offset + sizeof(*ip), .end = end};

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end || ip->version != 6)
		return 0;
	__builtin_memcpy(quoted->source.byte, &ip->saddr, 16);
	__builtin_memcpy(quoted->destination.byte, &ip->daddr, 16);
	chain.protocol = ip->nexthdr;
	if (walk_extensions(ctx, &chain) || chain.fragment & FRAGMENT_OFFSET)
		return 0;
	quoted->protocol = chain.protocol;
	return chain.offset - offset;
}

/*
 * Reads the packet quoted between offset and end of the frame. Returns where in the frame its transport header is; 0: there
 * is no packet, or it is cut too short. Global, for the verifier.
 */
__noinline int read_quoted(struct xdp_md *ctx, struct quoted *quoted, __u32 offset, __u32 end, __u32 family)
{
	void *data_end = (void *)(long)ctx->data_end;
	__u32 header_len;
	__be16 *port;

	if (!quoted)
		return 0;
	offset &= FRAME_OFFSET_MAX;
	header_len = family == ETH_P_IP ? read_quoted_ipv4(quoted, (void *)(long)ctx->data + offset, data_end)
					: read_quoted_ipv6(ctx, quoted, offset, end);
	if (!header_len || offset + header_len + QUOTED_MIN_LEN > end)
		return 0;
	port = (void *)(long)ctx->data + ((offset + header_len) & FRAME_OFFSET_MAX);
	if ((void *)(port + 2) > data_end)
		return 0;
	quoted->source_port = port[0];
	quoted->destination_port = port[1];
	return offset + header_len;
}

stage bool addresses_equal(const struct shunt_addr *a, const struct shunt_addr *b)
{
	return shunt_addr_half(a, 0) == shunt_addr_half(b, 0) && shunt_addr_half(a, 1) == shunt_addr_half(b, 1);
}

/* Puts the client's flow in place of the error's own addresses. */
static __always_inline void follow(struct packet *p)
{
	struct quoted quoted = {};
	int l4_offset = read_quoted(p->ctx, &quoted, p->l4_offset + ICMP_ERROR_HEADER_LEN, l3_offset(p) + p->ip_len, p->family);

	p->unusual->quoted_l4_offset = l4_offset;
	if (!l4_offset ||
	    !addresses_equal(&quoted.source, &p->destination)) {
		p->fault = SHUNT_DROP_ICMP_ERROR;
		return;
	}
	if (quoted.protocol != IPPROTO_TCP && quoted.protocol != IPPROTO_UDP)
		return; /* not a service's: an echo reply of ours, or the kernel's own */
	if (source_is_martian(p) || source_is_destination(p)) { /* admit() sees the flow's addresses in their place */
		p->fault = source_is_martian(p) ? SHUNT_DROP_MARTIAN : SHUNT_DROP_LAND;
		return;
	}
	p->source = quoted.destination;
	p->ports = join_ports(quoted.destination_port, quoted.source_port);
	p->protocol = quoted.protocol;
	p->no_ports = false;
	p->is_icmp_error = true;
}

stage void follow_icmp_error(struct packet *p)
{
	if (p->icmp_type && !p->fault && is_icmp_error(p))
		follow(p);
}

#endif
