/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the frame leaves. The controller keeps each backend's next hop in `backends`; while it does not know it, the
 * kernel's own tables are asked (bpf_fib_lookup, which needs forwarding enabled on the interface the packet came by).
 */
#ifndef SHUNT_BPF_NEXTHOP_H
#define SHUNT_BPF_NEXTHOP_H

#include <shunt/hash.h>

#include "packet.h"

#define FIB_AF_INET 2
#define FIB_AF_INET6 10

/* The addresses of a frame, in the largest pieces that are aligned there. */
struct frame_addresses {
	__u32 destination;
	__u16 destination_rest, source;
	__u32 source_rest;
} __attribute__((may_alias));

/* The frame's addresses and the interface it leaves by. */
struct exit {
	struct frame_addresses addresses;
	__u32 ifindex;
	__u32 link;                      /* index into tx_ports, 0: redirect by ifindex */
};

/* Asks the kernel for the way to the backend. A function of its own, for its stack. */
__noinline int ask_fib(struct xdp_md *ctx, struct exit *exit, __u32 backend_id, __u32 protocol)
{
	const struct shunt_backend *backend = bpf_map_lookup_elem(&backends, &backend_id);
	struct bpf_fib_lookup fib = {.ifindex = ctx->ingress_ifindex, .l4_protocol = protocol};

	if (!exit || !backend)
		return false;
	if (shunt_addr_is_ipv4(&backend->address)) {
		fib.family = FIB_AF_INET;
		fib.ipv4_src = shunt_addr_word(&backend->source, 3);
		fib.ipv4_dst = shunt_addr_word(&backend->address, 3);
	} else {
		fib.family = FIB_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, backend->source.byte, 16);
		__builtin_memcpy(fib.ipv6_dst, backend->address.byte, 16);
	}
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	__builtin_memcpy(&exit->addresses.destination, fib.dmac, 4);
	__builtin_memcpy(&exit->addresses.destination_rest, fib.dmac + 4, 2);
	__builtin_memcpy(&exit->addresses.source, fib.smac, 2);
	__builtin_memcpy(&exit->addresses.source_rest, fib.smac + 2, 4);
	exit->ifindex = fib.ifindex;
	exit->link = 0;
	return true;
}

stage bool exit_by_fib(const struct packet *p, struct exit *exit)
{
	struct exit found = {}; /* the other stays in registers */

	if (!ask_fib(p->ctx, &found, p->backend_id, p->protocol))
		return false;
	*exit = found;
	return true;
}

/* What the controller knows of it. */
stage bool known_exit(struct packet *p, struct exit *exit)
{
	union {
		struct {
			__u32 destination;
			__u16 destination_rest, link;
		};
		__u64 word;
	} next_hop = {.word = *(const volatile __u64 *)&p->backend->next_hop};
	__u32 index = next_hop.link & (SHUNT_MAX_LINKS - 1);
	const struct shunt_link *link = &direct.links[index];

	if (unlikely(!index))
		return false;
	exit->addresses.destination = next_hop.destination;
	exit->addresses.destination_rest = next_hop.destination_rest;
	exit->addresses.source = ((const struct frame_addresses *)link)->source;
	exit->addresses.source_rest = ((const struct frame_addresses *)link)->source_rest;
	exit->ifindex = link->ifindex;
	exit->link = index;
	p->link = index;
	return true;
}

stage bool find_exit(struct packet *p, struct exit *exit)
{
	return likely(known_exit(p, exit)) || exit_by_fib(p, exit);
}

stage int leave(const struct packet *p, const struct exit *exit)
{
	if (exit->ifindex == p->ctx->ingress_ifindex)
		return XDP_TX;
	if (exit->link && bpf_redirect_map(&tx_ports, exit->link, XDP_ABORTED) == XDP_REDIRECT)
		return XDP_REDIRECT;
	return bpf_redirect(exit->ifindex, 0);
}

#endif
