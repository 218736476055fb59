/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where packets to an address leave: follows the kernel's routes, neighbours and links over netlink, and asks the kernel to
 * resolve the neighbours it needs. Nothing is configured by MAC address.
 */
#ifndef SHUNT_NEXT_HOP_H
#define SHUNT_NEXT_HOP_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <shunt/abi.h>

struct next_hops;

struct next_hop {
	bool resolved;               /* ifindex and mac hold */
	bool on_link;                /* directly connected: no gateway in between (what `l2` needs) */
	bool local;                  /* the address is this host's own */
	int ifindex;                 /* 0: no route */
	uint8_t mac[6];              /* of the neighbour */
	uint8_t link_mac[6];         /* of the interface */
	uint16_t mtu;                /* of the route, else of the interface; bytes of IP packet, at most 65535 */
	struct shunt_addr source;    /* address this host would use towards it */
	const char *problem;         /* NULL, or why it is not resolved: "no route", "no neighbour", "route is unreachable" … */
};

/* Called from the loop (never from within next_hops_watch) whenever the answer for an address is new or changed. */
typedef void (*next_hop_callback)(void *userdata, const struct shunt_addr *address, const struct next_hop *hop);

int next_hops_open(sd_event *event, next_hop_callback callback, void *userdata, struct next_hops **ret_next_hops);
void next_hops_close(struct next_hops *next_hops);

/* Watches are counted: each watch needs its unwatch. */
int next_hops_watch(struct next_hops *next_hops, const struct shunt_addr *address);
void next_hops_unwatch(struct next_hops *next_hops, const struct shunt_addr *address);
/* Has the kernel resolve a neighbour, once. */
void next_hops_resolve(struct next_hops *next_hops, int ifindex, const struct shunt_addr *neighbour);
/* What is known now; NULL when the address is not watched. Valid until control returns to the loop. */
const struct next_hop *next_hops_get(struct next_hops *next_hops, const struct shunt_addr *address);

#endif
