/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of a packet when nobody of its group is fit: its service's `on_empty`. Either it is dropped, or answered as a
 * host without a listener would (reject), or sent to the slot's backend although that is down (fail-open: where no backend
 * is fit the controller fills the slots with all that are not in maintenance).
 */
#ifndef SHUNT_BPF_EMPTY_H
#define SHUNT_BPF_EMPTY_H

#include <shunt/hash.h>

#include "checksum.h"
#include "icmp.h"
#include "vlan.h"

#define REJECT_TTL 64
#define REJECT_INTERVAL_NS 100000ULL /* between answers, a CPU: 10,000 a second */
#define REJECT_BURST 1000 /* answers that may come at once, a CPU */
#define QUOTE_IPV4_MAX (576 - 20 - 8) /* RFC 1812 4.3.2.3 */
#define CHECKSUM_STEP 512 /* bpf_csum_diff takes so many bytes at once */

enum { ICMP_PORT = 3, ICMPV6_UNREACHABLE = 1, ICMPV6_PORT = 4 };

/* Of TCP and ICMPv6. A mapped IPv4 address adds 0xffff, which is zero in this arithmetic, so that it serves IPv4 as well. */
struct pseudo_header {
	struct shunt_addr source, destination;
	__be32 len;
	__be32 protocol;
};

/* A token bucket, kept as the time at which it is full less the time it takes to fill: one word a CPU. */
stage bool may_reject(const struct packet *p)
{
	__u32 first = 0;
	__u64 *due = bpf_map_lookup_elem(&reject_due_ns, &first), now, start;

	if (!due)
		return false;
	now = bpf_ktime_get_ns();
	start = now > *due ? now : *due;
	if (start - now > REJECT_INTERVAL_NS * (REJECT_BURST - 1))
		return false;
	if (!p->dry)
		*due = start + REJECT_INTERVAL_NS;
	return true;
}

/* Where the answer's IP header is, NULL when there is no room for it and len bytes behind it. Ethernet is turned round. */
stage void *begin_answer(struct packet *p, __u32 len)
{
	struct ethhdr *eth = frame_start(p);
	void *at = frame_start(p) + l3_offset(p);

	if ((void *)(eth + 1) > frame_end(p) || at + len > frame_end(p))
		return NULL;
	swap_ethernet(eth);
	return at;
}

/* The IP header of an answer with len bytes behind it, from the service's address to the client. */
stage void write_answer_ipv4(const struct packet *p, struct iphdr *ip, __u8 protocol, __u16 len)
{
	*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = REJECT_TTL, .protocol = protocol};
	ip->tot_len = bpf_htons(sizeof(*ip) + len);
	ip->saddr = shunt_addr_word(&p->destination, 3);
	ip->daddr = shunt_addr_word(&p->source, 3);
	ip->check = checksum_fold((__u32)bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

stage void write_answer_ipv6(const struct packet *p, struct ipv6hdr *ip, __u8 protocol, __u16 len)
{
	*ip = (struct ipv6hdr){.version = 6, .nexthdr = protocol, .hop_limit = REJECT_TTL};
	ip->payload_len = bpf_htons(len);
	__builtin_memcpy(&ip->saddr, p->destination.byte, 16);
	__builtin_memcpy(&ip->daddr, p->source.byte, 16);
}

/* Writes Ethernet, IP and the header_len bytes (20 or 8) of the header that len bytes of payload begin with. */
stage int write_answer(struct packet *p, __u8 protocol, __u16 len, const void *header, __u32 header_len)
{
	void *at;

	if (p->family == ETH_P_IP) {
		at = begin_answer(p, sizeof(struct iphdr) + header_len);
		if (!at)
			return drop(p, SHUNT_DROP_INTERNAL);
		write_answer_ipv4(p, at, protocol, len);
		__builtin_memcpy(at + sizeof(struct iphdr), header, header_len);
	} else {
		at = begin_answer(p, sizeof(struct ipv6hdr) + header_len);
		if (!at)
			return drop(p, SHUNT_DROP_INTERNAL);
		write_answer_ipv6(p, at, protocol, len);
		__builtin_memcpy(at + sizeof(struct ipv6hdr), header, header_len);
	}
	return XDP_TX;
}

stage __u32 answer_ip_len(const struct packet *p)
{
	return p->family == ETH_P_IP ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

stage __u32 pseudo_sum(const struct packet *p, __u8 protocol, __u32 len)
{
	struct pseudo_header pseudo = {p->destination, p->source, bpf_htonl(len), bpf_htonl(protocol)};

	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

/* The reset that a closed port answers with (RFC 9293 3.10.7.1); false for a reset, which is never answered. */
stage bool make_reset(const struct packet *p, const struct tcphdr *in, struct tcphdr *reset)
{
	__u32 data_len = p->ip_len - (p->l4_offset - l3_offset(p)) - in->doff * 4;

	if (in->rst)
		return false;
	*reset = (struct tcphdr){.source = in->dest, .dest = in->source, .doff = 5, .rst = 1};
	if (in->ack) {
		reset->seq = in->ack_seq;
	} else {
		reset->ack = 1;
		reset->ack_seq = bpf_htonl(bpf_ntohl(in->seq) + data_len + in->syn + in->fin);
	}
	reset->check = checksum_fold((__u64)(__u32)bpf_csum_diff(NULL, 0, (__be32 *)reset, sizeof(*reset), 0) +
				     pseudo_sum(p, IPPROTO_TCP, sizeof(*reset)));
	return true;
}

stage int reject_tcp(struct packet *p)
{
	const struct tcphdr *in = frame_start(p) + p->l4_offset;
	int len = l3_offset(p) + answer_ip_len(p) + sizeof(struct tcphdr);
	struct tcphdr reset;

	if ((void *)(in + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	if (!make_reset(p, in, &reset))
		return drop(p, SHUNT_DROP_NO_BACKEND);
	if (!may_reject(p))
		return drop(p, SHUNT_DROP_REJECT_LIMIT);
	if (bpf_xdp_adjust_tail(p->ctx, len - (int)p->frame_len))
		return drop(p, SHUNT_DROP_INTERNAL);
	return write_answer(p, IPPROTO_TCP, sizeof(reset), &reset, sizeof(reset));
}

/* Sum of the first len bytes of the packet, at most SHUNT_QUOTE_MAX of them; -1: none. */
stage __s64 quote_sum(const struct packet *p, __u64 len)
{
	__u32 first = 0, left;
	struct shunt_quote *quote = bpf_map_lookup_elem(&reject_quote, &first);
	__u32 sum = 0;

	/*
	 * What the compiler knows the verifier of Linux 6.1 does not: it must see the comparisons, and of "not 0" it concludes
	 * nothing. Hence the barriers, and as the least length that of a header.
	 */
	barrier_var(len);
	if (!quote || len < sizeof(struct iphdr) || len > SHUNT_QUOTE_MAX ||
	    bpf_xdp_load_bytes(p->ctx, l3_offset(p), quote->byte, len))
		return -1;
	*(__u8 *)(quote->byte + len) = 0; /* whole words are summed up */
	*(__u8 *)(quote->byte + len + 1) = 0;
	*(__u8 *)(quote->byte + len + 2) = 0;
	left = (len + 3) & ~3U;
	for (int i = 0; i < (SHUNT_QUOTE_MAX + CHECKSUM_STEP - 1) / CHECKSUM_STEP; i++) {
		__u32 room = i < SHUNT_QUOTE_MAX / CHECKSUM_STEP ? CHECKSUM_STEP : SHUNT_QUOTE_MAX % CHECKSUM_STEP;
		__u32 step = left < room ? left : room;

		barrier_var(step);
		if (step > room)
			break;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)(quote->byte + i * CHECKSUM_STEP), step & ~3U, sum);
		left -= step;
	}
	return sum;
}

/* Makes room in front of the packet, which stays where it is, cut to what is quoted. */
stage int grow_front(struct packet *p, __u32 quoted, __u32 room)
{
	struct ethhdr *eth = frame_start(p), before;
	__be16 *type;

	if ((void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	before = *eth;
	if (bpf_xdp_adjust_tail(p->ctx, (int)(l3_offset(p) + quoted) - (int)p->frame_len))
		return drop(p, SHUNT_DROP_INTERNAL);
	if (bpf_xdp_adjust_head(p->ctx, -(int)room))
		return drop(p, SHUNT_DROP_NO_HEADROOM);
	eth = frame_start(p);
	if ((void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL); /* never: what was there is longer */
	*eth = before;
	type = write_tags(p, eth);
	if (!type || (void *)(type + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	*type = bpf_htons(p->family);
	return SHUNT_NEXT;
}

/* Destination unreachable, port unreachable, with the packet quoted behind it (RFC 792, RFC 4443 3.1). */
stage int reject_udp(struct packet *p)
{
	bool ipv4 = p->family == ETH_P_IP;
	__u32 most = ipv4 ? QUOTE_IPV4_MAX : SHUNT_QUOTE_MAX, quoted = p->ip_len < most ? p->ip_len : most;
	struct icmp_header header = {.type = ipv4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE,
				     .code = ipv4 ? ICMP_PORT : ICMPV6_PORT};
	__s64 sum;
	int verdict;

	if (!may_reject(p))
		return drop(p, SHUNT_DROP_REJECT_LIMIT);
	sum = quote_sum(p, quoted);
	if (sum < 0)
		return drop(p, SHUNT_DROP_INTERNAL);
	sum += (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&header, sizeof(header), 0);
	if (!ipv4)
		sum += pseudo_sum(p, IPPROTO_ICMPV6, sizeof(header) + quoted);
	header.checksum = checksum_fold(sum);
	if ((verdict = grow_front(p, quoted, answer_ip_len(p) + sizeof(header))))
		return verdict;
	return write_answer(p, ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, sizeof(header) + quoted, &header, sizeof(header));
}

stage int reject(struct packet *p)
{
	int verdict;

	/* RFC 1122 3.2.2: no answer to errors and later fragments. How long the segment is, a first fragment does not say. */
	if (p->is_icmp_error || p->unusual->fragment_offset || (p->is_fragment && p->protocol == IPPROTO_TCP))
		return drop(p, SHUNT_DROP_NO_BACKEND);
	verdict = p->protocol == IPPROTO_TCP ? reject_tcp(p) : reject_udp(p);
	if (verdict != XDP_TX)
		return verdict;
	drop(p, SHUNT_DROP_REJECTED); /* counted: the client's packet went no further */
	p->choice = SHUNT_CHOICE_REJECTED;
	return XDP_TX;
}

/* The slot's backend although it is down. */
stage bool fail_open(struct packet *p)
{
	__u32 id = p->slot.now;
	struct shunt_backend *backend = id ? bpf_map_lookup_elem(&backends, &id) : NULL;

	if (!backend || !(backend->flags & SHUNT_BACKEND_USED))
		return false;
	p->backend = backend;
	p->backend_id = id;
	p->choice = SHUNT_CHOICE_FAIL_OPEN;
	return true;
}

stage int nobody_serves(struct packet *p)
{
	if (feature(FAIL_OPEN) && p->service->flags & SHUNT_SERVICE_FAIL_OPEN && fail_open(p))
		return SHUNT_NEXT;
	if (feature(REJECT) && p->service->flags & SHUNT_SERVICE_REJECT)
		return reject(p);
	return drop(p, SHUNT_DROP_NO_BACKEND);
}

#endif
