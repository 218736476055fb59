/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writes the frame that goes to the backend: `l2` changes the Ethernet addresses, `ipip` puts an outer IP header in
 * front, `gue` an outer IP header, UDP and GUE. To these the packet of the client itself is never touched: to it, balancer
 * and backend are one host, not a router on the way. `nat` makes the backend its destination (nat.h).
 */
#ifndef SHUNT_BPF_ENCAP_H
#define SHUNT_BPF_ENCAP_H

#include "mss.h"
#include "nat.h"
#include "nexthop.h"
#include "outer.h"
#include "refuse.h"
#include "vlan.h"

stage bool fits(const struct packet *p, __u32 outer_len)
{
	return p->ip_len + outer_len <= p->backend->mtu || !p->backend->mtu;
}

/* Grows the frame and writes all that is in front of the packet; the four family mixes are two writers. */
stage int encapsulate(struct packet *p, const struct exit *exit, __u32 outer_len)
{
	bool to_ipv4 = outer_len - layer_len(p) == sizeof(struct iphdr); /* outer_is_ipv4(), without reading it again */
	struct ethhdr *eth;
	__be16 *type;
	void *at;

	if (unlikely(bpf_xdp_adjust_head(p->ctx, -outer_len)))
		return drop(p, SHUNT_DROP_NO_HEADROOM);
	eth = frame_start(p);
	if ((void *)(eth + 1) > frame_end(p) || !(type = write_tags(p, eth)) ||
	    (void *)(type + 1) + sizeof(struct ipv6hdr) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL); /* never: what was there is longer */
	at = type + 1;
	write_ethernet(eth, exit);
	if (to_ipv4) {
		*type = bpf_htons(ETH_P_IP);
		write_outer_ipv4(p, at);
		at += sizeof(struct iphdr);
	} else {
		*type = bpf_htons(ETH_P_IPV6);
		write_outer_ipv6(p, at);
		at += sizeof(struct ipv6hdr);
	}
	if (!is_gue(p))
		return SHUNT_NEXT;
	if (at + sizeof(struct gue_layer) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	write_gue(p, at);
	return SHUNT_NEXT;
}

stage int rewrite_l2(struct packet *p, const struct exit *exit)
{
	struct ethhdr *eth = frame_start(p);

	if ((void *)(eth + 1) > frame_end(p))
		return drop(p, SHUNT_DROP_INTERNAL);
	write_ethernet(eth, exit);
	return SHUNT_NEXT;
}

/*
 * The frame goes to the backend already: another balancer has sent it there, as balancers agree, and it is here because a switch
 * floods it or a bridge of this host carries it. `l2` leaves the packet as it was: taken for a client's it would go in circles.
 */
stage bool is_on_its_way(const struct packet *p, const struct exit *exit)
{
	const struct frame_addresses *is = frame_start(p), to = exit_addresses(exit);

	return (void *)(is + 1) <= frame_end(p) && is->destination == to.destination && is->destination_rest == to.destination_rest;
}

/* It is none of ours, and does not count. */
stage int pass_by(struct packet *p)
{
	p->backend = NULL;
	return XDP_PASS;
}

stage int send_by_l2(struct packet *p, const struct exit *exit)
{
	return unlikely(is_on_its_way(p, exit)) ? pass_by(p) : rewrite_l2(p, exit);
}

/* A service for every port keeps the client's, whatever port the backend has. */
stage int translate_destination(struct packet *p, const struct exit *exit)
{
	__be16 port = p->service->key.port && p->backend->port ? p->backend->port : destination_port(p);
	int reason = translate(p->ctx, &p->backend->address, nat_place_of(p).word, nat_change_of(p, port).word);

	return unlikely(reason) ? refuse(p, reason, 0, NULL) : rewrite_l2(p, exit);
}

stage bool is_translated(const struct packet *p)
{
	return feature(NAT) && p->service->forward == SHUNT_FORWARD_NAT;
}

stage int send_on(struct packet *p)
{
	bool tunnelled = p->service->forward == SHUNT_FORWARD_IPIP || p->service->forward == SHUNT_FORWARD_GUE;
	struct fib_exit fib;
	struct exit exit = {.fib = &fib};
	__u32 outer_len;
	int verdict;

	if (unlikely(!find_exit(p, &exit)))
		return drop(p, SHUNT_DROP_NO_NEXT_HOP);
	/* Forgotten, or all mixes of headers, known exits and others would be ways of their own to the end. */
	outer_len = forget(p, tunnelled ? outer_ip_len(p) + layer_len(p) : 0);
	if (unlikely(!fits(p, outer_len)))
		return refuse_too_big(p, outer_len);
	if (p->dry)
		return leave(p, &exit); /* all is found out */
	if (feature(MSS) && p->service->mss && p->starts_flow)
		limit_mss(p, outer_len);
	if (is_translated(p))
		verdict = translate_destination(p, &exit);
	else
		verdict = outer_len ? encapsulate(p, &exit, outer_len) : send_by_l2(p, &exit);
	return verdict ?: leave(p, &exit);
}

#endif
