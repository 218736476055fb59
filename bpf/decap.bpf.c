/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The backend's side: takes the outer header off IPv4 and IPv6 in IPv4 and IPv6 (RFC 2003, 4213, 2473), and with it UDP
 * and GUE where they follow it (gue.h), for hosts without tunnel modules. Whatever is not such a packet, or not to a
 * unicast address, passes untouched. Every unicast destination is taken for this host's own: not for routers on the
 * way of other people's tunnels. An outer IPv6 header followed by extension headers is left to the stack; shunt sends
 * none. So is GUE that is more than a plain data message. The UDP checksum of GUE is not looked at: what is inside has
 * its own (RFC 6936). Keeps nothing but counters.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include <shunt/decap.h>
#include <shunt/hash.h>

#include "gue.h"

#define VLAN_TAGS_MAX 2
#define LINK_BYTES_MAX (ETH_HLEN + VLAN_TAGS_MAX * 4)
#define OFFSET_MAX 255 /* beyond every header looked at */
#define FRAGMENT_BITS 0x3fff /* more fragments, or an offset */

enum { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3, ECN_MASK = 3 };

struct vlan_tag {
	__be16 control;
	__be16 type;
};

struct tunnel {
	__u32 link_bytes;        /* Ethernet header and VLAN tags */
	__u32 outer_bytes;       /* outer IP header, and for gue UDP and GUE */
	__u32 inner_bytes;       /* what the outer headers say follows them */
	bool is_gue;
	__u32 udp_bytes;         /* of GUE, as the UDP header says */
	__u8 inner_protocol;     /* IPPROTO_IPIP | IPPROTO_IPV6 */
	__u8 outer_ecn;
	struct shunt_addr source;
};

const volatile struct decap_config config;

/* Written by the program, read by `shunt-decap status`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decap_stats);
} decap_stats SEC(".maps");

/* The header at `offset`, or NULL when the packet's linear part ends before it does. */
static __always_inline void *header_at(struct xdp_md *ctx, __u32 offset, __u32 bytes)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;

	if (offset > OFFSET_MAX || data + offset + bytes > data_end)
		return NULL;
	return data + offset;
}

static __always_inline int is_tunnel(__u8 protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6;
}

/* A layer of GUE, `offset` bytes into the frame, that is for our port and that we understand. */
static __always_inline const struct gue_layer *find_gue(struct xdp_md *ctx, __u32 offset)
{
	const struct gue_layer *layer = config.gue_port ? header_at(ctx, offset, sizeof(*layer)) : NULL;

	if (!layer || layer->udp.dest != config.gue_port || layer->gue.variant_control_hlen || layer->gue.flags ||
	    !is_tunnel(layer->gue.protocol))
		return NULL;
	return layer;
}

/* What follows an outer IP header: a packet, or GUE with a packet. False: neither. */
static __always_inline bool find_inner(struct xdp_md *ctx, struct tunnel *tunnel, __u8 protocol, __u32 offset)
{
	const struct gue_layer *layer;

	tunnel->inner_protocol = protocol;
	if (protocol != IPPROTO_UDP)
		return is_tunnel(protocol);
	layer = find_gue(ctx, offset);
	if (!layer)
		return false;
	tunnel->is_gue = true;
	tunnel->inner_protocol = layer->gue.protocol;
	tunnel->udp_bytes = bpf_ntohs(layer->udp.len);
	return true;
}

/* Counts UDP and GUE among the outer headers. False: the lengths of IP and UDP contradict each other. */
static __always_inline bool step_over_gue(struct tunnel *tunnel)
{
	if (!tunnel->is_gue)
		return true;
	if (tunnel->udp_bytes < sizeof(struct gue_layer) || tunnel->udp_bytes > tunnel->inner_bytes)
		return false;
	tunnel->inner_bytes = tunnel->udp_bytes - sizeof(struct gue_layer);
	tunnel->outer_bytes += sizeof(struct gue_layer);
	return true;
}

static __always_inline int is_wanted(const struct shunt_addr *source)
{
	const volatile __u64 *from = (const volatile __u64 *)&config.from;
	const volatile __u64 *mask = (const volatile __u64 *)&config.from_mask;

	return !((shunt_addr_half(source, 0) ^ from[0]) & mask[0]) &&
	       !((shunt_addr_half(source, 1) ^ from[1]) & mask[1]);
}

/* Steps over the link's headers. Returns the EtherType, network byte order; 0: nothing for us. */
static __always_inline __be16 parse_link(struct xdp_md *ctx, struct tunnel *tunnel)
{
	const struct ethhdr *ethernet = header_at(ctx, 0, sizeof(*ethernet));
	__be16 type;

	if (!ethernet || ethernet->h_dest[0] & 1)
		return 0;
	type = ethernet->h_proto;
	tunnel->link_bytes = sizeof(*ethernet);
#pragma unroll
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		const struct vlan_tag *tag = header_at(ctx, tunnel->link_bytes, sizeof(*tag));

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (!tag)
			return 0;
		type = tag->type;
		tunnel->link_bytes += sizeof(*tag);
	}
	return type;
}

static __always_inline enum decap_outcome parse_outer_ipv4(struct xdp_md *ctx, struct tunnel *tunnel)
{
	const struct iphdr *ip = header_at(ctx, tunnel->link_bytes, sizeof(*ip));
	const __u8 *destination;
	__u32 total_bytes;

	if (!ip || ip->version != 4 || !find_inner(ctx, tunnel, ip->protocol, tunnel->link_bytes + ip->ihl * 4))
		return DECAP_PASSED;
	destination = (const __u8 *)&ip->daddr;
	if (destination[0] == 0 || destination[0] >= 224) /* unspecified, multicast, broadcast */
		return DECAP_PASSED;
	tunnel->source.byte[10] = tunnel->source.byte[11] = 0xff;
	__builtin_memcpy(tunnel->source.byte + 12, &ip->saddr, 4);
	if (!is_wanted(&tunnel->source))
		return DECAP_FOREIGN;
	if (ip->frag_off & bpf_htons(FRAGMENT_BITS))
		return DECAP_FRAGMENT;
	total_bytes = bpf_ntohs(ip->tot_len);
	tunnel->outer_bytes = ip->ihl * 4;
	if (tunnel->outer_bytes < sizeof(*ip) || total_bytes < tunnel->outer_bytes ||
	    tunnel->link_bytes + total_bytes > bpf_xdp_get_buff_len(ctx))
		return DECAP_MALFORMED_OUTER;
	tunnel->inner_bytes = total_bytes - tunnel->outer_bytes;
	tunnel->outer_ecn = ip->tos & ECN_MASK;
	return step_over_gue(tunnel) ? DECAP_GO_ON : DECAP_MALFORMED_OUTER;
}

static __always_inline __u8 *ipv6_second_byte(struct ipv6hdr *ip)
{
	return (__u8 *)ip + 1;
}

static __always_inline __u8 ipv6_ecn(struct ipv6hdr *ip)
{
	return *ipv6_second_byte(ip) >> 4 & ECN_MASK;
}

static __always_inline enum decap_outcome parse_outer_ipv6(struct xdp_md *ctx, struct tunnel *tunnel)
{
	struct ipv6hdr *ip = header_at(ctx, tunnel->link_bytes, sizeof(*ip));

	if (!ip || ip->version != 6 || ip->daddr.s6_addr[0] == 0xff ||
	    !find_inner(ctx, tunnel, ip->nexthdr, tunnel->link_bytes + sizeof(*ip)))
		return DECAP_PASSED;
	__builtin_memcpy(&tunnel->source, &ip->saddr, 16);
	if (!is_wanted(&tunnel->source))
		return DECAP_FOREIGN;
	tunnel->outer_bytes = sizeof(*ip);
	tunnel->inner_bytes = bpf_ntohs(ip->payload_len);
	if (tunnel->link_bytes + tunnel->outer_bytes + tunnel->inner_bytes > bpf_xdp_get_buff_len(ctx))
		return DECAP_MALFORMED_OUTER;
	tunnel->outer_ecn = ipv6_ecn(ip);
	return step_over_gue(tunnel) ? DECAP_GO_ON : DECAP_MALFORMED_OUTER;
}

static __always_inline enum decap_outcome find_tunnel(struct xdp_md *ctx, struct tunnel *tunnel)
{
	__be16 type = parse_link(ctx, tunnel);

	if (type == bpf_htons(ETH_P_IP))
		return parse_outer_ipv4(ctx, tunnel);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_outer_ipv6(ctx, tunnel);
	return DECAP_PASSED;
}

/*
 * The inner ECN field after decapsulation (RFC 6040, figure 4). -1: drop, since a packet whose transport does not know
 * ECN must not lose the mark of congestion silently.
 */
static __always_inline int merge_ecn(__u8 outer, __u8 inner)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	if (outer == ECN_ECT_1 && inner == ECN_ECT_0)
		return ECN_ECT_1;
	return inner;
}

/* Changes a 16-bit word under an Internet checksum (RFC 1624, equation 3). */
static __always_inline __sum16 checksum_replace(__sum16 checksum, __be16 from, __be16 to)
{
	__u32 sum = (__u16)~checksum + (__u32)(__u16)~from + to;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline enum decap_outcome check_inner_ipv4(struct xdp_md *ctx, const struct tunnel *tunnel)
{
	struct iphdr *ip = header_at(ctx, tunnel->link_bytes + tunnel->outer_bytes, sizeof(*ip));
	__be16 *first_word = (__be16 *)ip, old;
	__u32 total_bytes;
	int ecn;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return DECAP_MALFORMED_INNER;
	total_bytes = bpf_ntohs(ip->tot_len);
	if (total_bytes < ip->ihl * 4U || total_bytes > tunnel->inner_bytes)
		return DECAP_MALFORMED_INNER;
	ecn = merge_ecn(tunnel->outer_ecn, ip->tos & ECN_MASK);
	if (ecn < 0)
		return DECAP_CONGESTION;
	old = *first_word;
	ip->tos = (ip->tos & ~ECN_MASK) | ecn;
	ip->check = checksum_replace(ip->check, old, *first_word);
	return DECAP_GO_ON;
}

static __always_inline enum decap_outcome check_inner_ipv6(struct xdp_md *ctx, const struct tunnel *tunnel)
{
	struct ipv6hdr *ip = header_at(ctx, tunnel->link_bytes + tunnel->outer_bytes, sizeof(*ip));
	int ecn;

	if (!ip || ip->version != 6 || sizeof(*ip) + bpf_ntohs(ip->payload_len) > tunnel->inner_bytes)
		return DECAP_MALFORMED_INNER;
	ecn = merge_ecn(tunnel->outer_ecn, ipv6_ecn(ip));
	if (ecn < 0)
		return DECAP_CONGESTION;
	*ipv6_second_byte(ip) = (*ipv6_second_byte(ip) & ~(ECN_MASK << 4)) | ecn << 4;
	return DECAP_GO_ON;
}

static __always_inline enum decap_outcome check_inner(struct xdp_md *ctx, const struct tunnel *tunnel)
{
	return tunnel->inner_protocol == IPPROTO_IPIP ? check_inner_ipv4(ctx, tunnel) : check_inner_ipv6(ctx, tunnel);
}

/* Moves the link's headers up to the inner packet, whose EtherType they then carry. */
static __always_inline enum decap_outcome strip_outer(struct xdp_md *ctx, const struct tunnel *tunnel)
{
	__u8 link[LINK_BYTES_MAX];
	__u32 bytes = tunnel->link_bytes;
	__be16 *type;

	if (bytes < ETH_HLEN || bytes > LINK_BYTES_MAX)
		return DECAP_INTERNAL;
	if (bpf_xdp_load_bytes(ctx, 0, link, bytes) || bpf_xdp_adjust_head(ctx, tunnel->outer_bytes) ||
	    bpf_xdp_store_bytes(ctx, 0, link, bytes))
		return DECAP_INTERNAL;
	type = header_at(ctx, bytes - sizeof(*type), sizeof(*type));
	if (!type)
		return DECAP_INTERNAL;
	*type = tunnel->inner_protocol == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return DECAP_DECAPSULATED;
}

static __always_inline enum xdp_action finish(enum decap_outcome outcome)
{
	struct decap_stats *stats = bpf_map_lookup_elem(&decap_stats, &(__u32){0});

	if (!stats)
		return XDP_PASS;
	switch (outcome) {
#define X(name, counter, action, text) \
	case DECAP_##name: \
		stats->counter++; \
		return action;
		DECAP_OUTCOMES(X)
#undef X
	default:
		return XDP_PASS;
	}
}

SEC("xdp.frags")
int shunt_decap(struct xdp_md *ctx)
{
	struct tunnel tunnel = {0};
	enum decap_outcome outcome;

	(outcome = find_tunnel(ctx, &tunnel)) ||
		(outcome = check_inner(ctx, &tunnel)) ||
		(outcome = strip_outer(ctx, &tunnel));
	return finish(outcome);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
