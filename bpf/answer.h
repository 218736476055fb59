/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way back of `nat`: what a backend sends from a port that some service is translated to is an answer of that service,
 * which backend, port and protocol name without a table of flows. It goes on as the service's. ICMP errors about what was
 * forwarded, from the backend or from routers on the way to it, are such answers too: follow_icmp_error() shows the flow.
 *
 * The kernel's tables say where to (bpf_fib_lookup, which needs forwarding enabled on the interface the answer came by). What
 * is for this host passes untouched, as answers to health checks are, and so does what the kernel has no way for: it says
 * so to the backend. What it would forward must not pass as it is, or the client had the backend's own address. While the
 * next hop is not resolved the kernel is given the answer translated: it keeps packets until it has found the neighbour.
 */
#ifndef SHUNT_BPF_ANSWER_H
#define SHUNT_BPF_ANSWER_H

#include <shunt/hash.h>

#include "mss.h"
#include "nat.h"
#include "nexthop.h"
#include "refuse.h"

#define ANSWER_PASSES 0 /* of route_answer(): for this host, or for nobody the kernel knows */
#define REFUSAL_REASON 0xff
#define REFUSAL_MTU_SHIFT 8
#define TOS_OF_ROUTES 0x1c

/* Port, protocol, used and prefix are one word of the key. */
stage bool answer_equals(const struct shunt_answer *answer, const struct shunt_service_key *key)
{
	const void *rest = &answer->key.port, *wanted = &key->port;

	return shunt_addr_half(&answer->key.address, 1) == shunt_addr_half(&key->address, 1) &&
	       shunt_addr_half(&answer->key.address, 0) == shunt_addr_half(&key->address, 0) &&
	       *(const __u64 *)rest == *(const __u64 *)wanted;
}

stage int answer_line(const struct shunt_service_key *key)
{
	__u64 hash = shunt_service_hash(cfg.hash_key, &key->address, key->port, key->protocol);
	__u32 bucket = shunt_bucket(hash, SHUNT_ANSWER_BUCKETS), line = bucket / SHUNT_ANSWER_BUCKETS_PER_LINE;
	const struct shunt_answer_seeds *seeds = bpf_map_lookup_elem(&answer_seeds, &line);
	const struct shunt_answer *answer;

	if (!seeds)
		return -1;
	line = shunt_line(hash, seeds->bucket[bucket % SHUNT_ANSWER_BUCKETS_PER_LINE].seed, SHUNT_ANSWER_LINES);
	answer = bpf_map_lookup_elem(&answers, &line);
	return answer && answer_equals(answer, key) ? (int)line : -1;
}

/* An address of the header at `offset`, which is there: parse() has seen it. Else all zero, which nobody has. */
stage struct shunt_addr read_address(struct xdp_md *ctx, __u32 offset, bool ipv4, bool source)
{
	void *header = (void *)(long)ctx->data + (offset & FRAME_OFFSET_MAX);
	const void *at = address_in(header, (void *)(long)ctx->data_end, ipv4, source);
	struct shunt_addr address = {};

	if (!at)
		return address;
	if (!ipv4) {
		__builtin_memcpy(address.byte, at, 16);
		return address;
	}
	address.byte[10] = address.byte[11] = 0xff;
	__builtin_memcpy(address.byte + 12, at, 4);
	return address;
}

/*
 * The line of who sends from here, -1: nobody of ours. Of an error that is who the quoted packet was for. Global, so that
 * what comes after is judged once; it reads the address from the packet, for stages have no stack to spare.
 */
__noinline int find_answer(struct xdp_md *ctx, __u64 place_word, __u64 flow_word)
{
	union nat_place place = {.word = place_word};
	union nat_change flow = {.word = flow_word};
	bool ipv4 = flow.flags & NAT_IPV4, is_error = flow.flags & NAT_ERROR;
	struct shunt_service_key key = {.port = flow.port, .protocol = flow.protocol, .used = 1};
	int line;

	if (!feature(NAT))
		return -1;
	key.address = is_error ? read_address(ctx, place.l4 + ICMP_ERROR_HEADER_LEN, ipv4, false)
			       : read_address(ctx, place.l3, ipv4, true);
	line = answer_line(&key);
	if (line < 0 && feature(ANY_PORT)) {
		key.port = 0;
		line = answer_line(&key);
	}
	return line;
}

/* What else must be known of an answer, in a register. */
union answer_query {
	struct {
		__be16 destination_port;
		__u16 ip_len;
		__u8 fault;              /* enum shunt_drop_reason: it will be dropped for this, and is not to be changed */
		__u8 tos;                /* those bits of the traffic class that IPv4 routes go by */
		__u8 dry;
		__u8 pad;
	};
	__u64 word;
};

/* Tells the controller, who has the kernel resolve it; as often as ICMP errors may be sent. */
stage void want_neighbour(const struct bpf_fib_lookup *fib)
{
	struct shunt_neighbour_wanted *wanted;

	if (!take_icmp_token())
		return;
	wanted = bpf_ringbuf_reserve(&neighbours_wanted, sizeof(*wanted), 0);
	if (!wanted)
		return;
	*wanted = (struct shunt_neighbour_wanted){.ifindex = fib->ifindex};
	if (fib->family == FIB_AF_INET) {
		wanted->address.byte[10] = wanted->address.byte[11] = 0xff;
		__builtin_memcpy(wanted->address.byte + 12, &fib->ipv4_dst, 4);
	} else {
		__builtin_memcpy(wanted->address.byte, fib->ipv6_dst, 16);
	}
	bpf_ringbuf_submit(wanted, 0);
}

/* Why route_answer() has no way, negative: enum shunt_drop_reason, and what would have fitted, bytes of IP packet. */
stage int refusal(enum shunt_drop_reason reason, __u32 mtu)
{
	return -(int)(reason | mtu << REFUSAL_MTU_SHIFT);
}

/* What the kernel's answer means for the packet: a refusal(), or ANSWER_PASSES. */
stage int judge_route(int found, const struct bpf_fib_lookup *fib, bool dry)
{
	switch (found) {
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		if (!dry)
			want_neighbour(fib);
		return refusal(SHUNT_DROP_NO_NEIGHBOUR, 0);
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return refusal(SHUNT_DROP_TOO_BIG, fib->mtu_result);
	case BPF_FIB_LKUP_RET_NOT_FWDED: /* this host's own, or no route */
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return ANSWER_PASSES;
	default:
		return refusal(SHUNT_DROP_NO_NEXT_HOP, 0); /* a way that only the kernel can go: a tunnel of the route's own */
	}
}

/* Puts the addresses of the next hop on the frame, whose TTL must not end here. */
stage int address_frame(struct xdp_md *ctx, const struct bpf_fib_lookup *fib, __u32 l3_offset)
{
	void *data = (void *)(long)ctx->data, *header = data + (l3_offset & FRAME_OFFSET_MAX);
	bool ipv4 = fib->family == FIB_AF_INET;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || header + sizeof(struct iphdr) > (void *)(long)ctx->data_end)
		return refusal(SHUNT_DROP_INTERNAL, 0);
	if ((ipv4 ? ((struct iphdr *)header)->ttl : ((struct ipv6hdr *)header)->hop_limit) <= TTL_LAST)
		return refusal(SHUNT_DROP_TTL_ENDED, 0);
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
	return fib->ifindex;
}

/*
 * Asks the kernel for the way to the client and, when there is one, addresses the frame to it. Returns the interface that it
 * leaves by; else ANSWER_PASSES, or a refusal(), the frame being as it was.
 */
__noinline int route_answer(struct xdp_md *ctx, const struct shunt_answer *answer, __u32 l3_offset, __u64 query_word)
{
	union answer_query query = {.word = query_word};
	struct bpf_fib_lookup fib = {
		.ifindex = ctx->ingress_ifindex,
		.dport = query.destination_port,
		.tot_len = query.ip_len,
	};
	bool ipv4 = answer && shunt_addr_is_ipv4(&answer->address);
	const void *destination;
	int found, way;

	destination = address_in((void *)(long)ctx->data + (l3_offset & FRAME_OFFSET_MAX), (void *)(long)ctx->data_end, ipv4, false);
	if (!feature(NAT) || !answer || !destination)
		return refusal(SHUNT_DROP_INTERNAL, 0);
	fib.l4_protocol = answer->key.protocol;
	fib.sport = answer->port;
	fib.family = ipv4 ? FIB_AF_INET : FIB_AF_INET6;
	if (ipv4) {
		fib.tos = query.tos;
		__builtin_memcpy(&fib.ipv4_src, answer->address.byte + 12, 4);
		__builtin_memcpy(&fib.ipv4_dst, destination, 4);
	} else {
		__builtin_memcpy(fib.ipv6_src, answer->address.byte, 16);
		__builtin_memcpy(fib.ipv6_dst, destination, 16);
	}
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	way = found == BPF_FIB_LKUP_RET_SUCCESS ? 1 : judge_route(found, &fib, query.dry || query.fault);
	if (way != ANSWER_PASSES && query.fault)
		return refusal(query.fault, 0); /* before anything else that may be wrong: nobody is told, nothing is asked for */
	return way > 0 ? address_frame(ctx, &fib, l3_offset) : way;
}

/* The backend is told from this host's own address towards it. */
stage int refuse_answer(struct xdp_md *ctx, const struct shunt_answer *answer, __u32 l3_offset, int reason, __u32 mtu)
{
	__u32 id = answer->backend, family = shunt_addr_is_ipv4(&answer->address) ? ETH_P_IP : ETH_P_IPV6;
	const struct shunt_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend ? tell_sender(ctx, l3_offset | family << 16, reason, mtu, &backend->source) : reason;
}

/*
 * A SYN-ACK says how large segments of the client may be. Only of nat it passes here: then `mss` holds both ways, and `auto`
 * is what the way to the backend takes.
 */
__noinline int limit_answer_mss(struct xdp_md *ctx, const struct shunt_answer *answer, __u32 l4_offset)
{
	struct tcphdr *tcp = (void *)(long)ctx->data + (l4_offset & TCP_OFFSET_MAX);
	const struct shunt_backend *backend;
	__u32 id;

	if (!feature(NAT) || !feature(MSS) || !answer || !answer->mss)
		return 0;
	id = answer->backend;
	backend = bpf_map_lookup_elem(&backends, &id);
	if (!backend || answer->key.protocol != IPPROTO_TCP || (void *)(tcp + 1) > (void *)(long)ctx->data_end || !tcp->syn)
		return 0;
	return lower_mss(ctx, l4_offset, answer->mss, backend->mtu, shunt_addr_is_ipv4(&answer->address) ? ETH_P_IP : ETH_P_IPV6);
}

/* What goes back: only of nat it passes here. */
__noinline int count_answer(struct xdp_md *ctx, const struct shunt_answer *answer)
{
	__u64 frame_len = ctx->data_end - ctx->data;
	struct shunt_answer_stats *service, *backend;
	__u32 service_id, backend_id;

	if (!feature(NAT) || !answer)
		return 0;
	service_id = answer->service;
	backend_id = answer->backend;
	service = bpf_map_lookup_elem(&service_answers, &service_id);
	backend = bpf_map_lookup_elem(&backend_answers, &backend_id);
	if (!service || !backend)
		return 0;
	service->packets++;
	service->bytes += frame_len;
	backend->packets++;
	backend->bytes += frame_len;
	return 0;
}

/*
 * Sends it on if it is an answer. Returns the verdict, XDP_PASS when it is none or for nobody behind us; negative: a reason
 * to count (enum shunt_drop_reason), NO_NEIGHBOUR when it is translated and for the kernel to forward. A function of its own,
 * so that nothing of it is on the stack of the stages.
 */
__noinline int answer_onwards(struct xdp_md *ctx, __u64 place_word, __u64 flow_word, __u64 query_word)
{
	union nat_place place = {.word = place_word};
	union nat_change change = {.word = flow_word};
	int line = find_answer(ctx, place_word, flow_word), exit, reason;
	const struct shunt_answer *answer;
	bool to_kernel;

	if (!feature(NAT) || line < 0 || !(answer = bpf_map_lookup_elem(&answers, &line)))
		return XDP_PASS;
	exit = route_answer(ctx, answer, place.l3, query_word);
	if (exit == ANSWER_PASSES)
		return XDP_PASS;
	to_kernel = exit == refusal(SHUNT_DROP_NO_NEIGHBOUR, 0);
	if (exit < 0 && !to_kernel) {
		reason = -exit & REFUSAL_REASON;
		if (!(change.flags & (NAT_DRY | NAT_ERROR))) /* errors are never answered */
			reason = refuse_answer(ctx, answer, place.l3, reason, -exit >> REFUSAL_MTU_SHIFT);
		return -reason;
	}
	if (answer->port)
		change.port = answer->port;
	change.flags |= NAT_SOURCE | (to_kernel ? NAT_KEEP_TTL : 0);
	reason = translate(ctx, &answer->address, place_word, change.word);
	if (reason)
		return -reason;
	if (change.flags & NAT_PORTS)
		limit_answer_mss(ctx, answer, place.l4);
	if (!(change.flags & NAT_DRY))
		count_answer(ctx, answer);
	if (to_kernel)
		return -SHUNT_DROP_NO_NEIGHBOUR;
	return exit == (int)ctx->ingress_ifindex ? XDP_TX : bpf_redirect(exit, 0);
}

/* Whether the packet comes from a backend whose answers pass here, whatever it sends. */
stage bool is_from_backend(const struct packet *p)
{
	union nat_change flow = {
		.protocol = p->family == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6,
		.flags = p->family == ETH_P_IP ? NAT_IPV4 : 0,
	};

	return find_answer(p->ctx, nat_place_of(p).word, flow.word) >= 0;
}

/*
 * A backend's fragment that is not known to be of an answer. What the first one said is remembered of it, too, so that a later
 * one whose first was not seen may be told from those that the backend sends for itself: it could be of an answer, and the
 * client had the backend's own address.
 */
stage int send_fragment_of_backend(struct packet *p)
{
	if (!is_from_backend(p))
		return XDP_PASS;
	if (p->fault == SHUNT_DROP_FRAGMENT_UNKNOWN)
		return drop(p, SHUNT_DROP_FRAGMENT_UNKNOWN);
	remember_fragment(p);
	return XDP_PASS;
}

/* A packet that is for no service: an answer, or nobody's. */
stage int send_answer(struct packet *p)
{
	union answer_query query = {
		.destination_port = destination_port(p),
		.ip_len = p->ip_len,
		.fault = p->fault,
		.tos = p->traffic_class & TOS_OF_ROUTES,
		.dry = p->dry,
	};
	int verdict;

	verdict = p->no_ports ? XDP_PASS
			      : answer_onwards(p->ctx, nat_place_of(p).word, nat_change_of(p, source_port(p)).word, query.word);
	if (verdict == XDP_PASS)
		return unlikely(p->is_fragment && !p->dry) ? send_fragment_of_backend(p) : XDP_PASS;
	p->choice = SHUNT_CHOICE_ANSWER;
	if (unlikely(verdict < 0 && verdict != -SHUNT_DROP_NO_NEIGHBOUR))
		return count_refused(p, -verdict);
	if (unlikely(verdict < 0)) {
		drop(p, SHUNT_DROP_NO_NEIGHBOUR); /* counted, not dropped */
		verdict = XDP_PASS;
	}
	remember_fragment(p);
	return verdict;
}

#endif
