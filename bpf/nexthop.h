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

/* What the kernel's tables said. */
struct fib_exit {
	struct frame_addresses addresses;
	__u32 ifindex;
};

/*
 * Where the frame leaves. Of what the controller knows only a word, which changes at once: the rest is read where it is written,
 * and need not be kept meanwhile.
 */
struct exit {
	__u64 next_hop;                  /* struct shunt_next_hop */
	__u64 link;                      /* its link, 0: not known. 64 bits: of what is kept on the stack as 32 the verifier forgets it */
	struct fib_exit *fib;            /* when it is not known: in memory of its own, so that the rest stays in registers */
};

/* Asks the kernel for the way to the backend. A function of its own, for its stack. */
__noinline int ask_fib(struct xdp_md *ctx, struct fib_exit *exit, __u32 backend_id, __u32 protocol)
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
	return true;
}

stage bool exit_by_fib(const struct packet *p, struct exit *exit)
{
	*exit->fib = (struct fib_exit){};
	exit->link = 0;
	return ask_fib(p->ctx, exit->fib, p->backend_id, p->protocol);
}

/* What the controller knows of it. */
stage bool known_exit(struct packet *p, struct exit *exit)
{
	exit->next_hop = *(const volatile __u64 *)&p->backend->next_hop;
	exit->link = exit->next_hop >> 48 & (SHUNT_MAX_LINKS - 1);
	p->link = exit->link;
	return exit->link;
}

stage bool find_exit(struct packet *p, struct exit *exit)
{
	return likely(known_exit(p, exit)) || exit_by_fib(p, exit);
}

stage struct frame_addresses exit_addresses(const struct exit *exit)
{
	const struct frame_addresses *link = (const void *)&direct.links[exit->link];

	if (unlikely(!exit->link))
		return exit->fib->addresses;
	return (struct frame_addresses){
		.destination = exit->next_hop,
		.destination_rest = exit->next_hop >> 32,
		.source = link->source,
		.source_rest = link->source_rest,
	};
}

stage __u32 exit_ifindex(const struct exit *exit)
{
	return likely(exit->link) ? direct.links[exit->link].ifindex : exit->fib->ifindex;
}

stage int leave(const struct packet *p, const struct exit *exit)
{
	__u32 ifindex = exit_ifindex(exit);

	if (ifindex == p->ctx->ingress_ifindex)
		return XDP_TX;
	if (exit->link && bpf_redirect_map(&tx_ports, exit->link, XDP_ABORTED) == XDP_REDIRECT)
		return XDP_REDIRECT;
	return bpf_redirect(ifindex, 0);
}

#endif
