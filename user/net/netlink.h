/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's routes, neighbours and links as plain structs: questions answered at once, and events. Knows the
 * messages of rtnetlink and nothing of who asks.
 */
#ifndef SHUNT_NETLINK_H
#define SHUNT_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include <shunt/abi.h>

struct netlink; /* one socket for questions, one for events, in the network namespace of the opener */

enum netlink_route_kind {
	NETLINK_ROUTE_UNKNOWN = 0,   /* not asked yet, or the kernel could not say */
	NETLINK_ROUTE_UNICAST,
	NETLINK_ROUTE_LOCAL,
	NETLINK_ROUTE_NONE,
	NETLINK_ROUTE_UNREACHABLE,
	NETLINK_ROUTE_BLACKHOLE,
	NETLINK_ROUTE_PROHIBITED,
	NETLINK_ROUTE_OTHER,         /* multicast, broadcast … */
};

struct netlink_route {
	enum netlink_route_kind kind;
	int ifindex;                 /* 0 unless unicast or local */
	bool has_gateway;
	struct shunt_addr gateway;   /* may be of the other family (RFC 5549) */
	struct shunt_addr source;    /* all zero: none */
	uint32_t mtu;                /* bytes; 0: the link's */
};

struct netlink_neighbour {
	bool usable;                 /* mac holds; stale or not */
	bool stale;                  /* not confirmed for a while */
	uint8_t mac[6];
};

struct netlink_link {
	int ifindex;
	bool up;                     /* administratively, and has a carrier */
	bool ethernet;               /* mac holds */
	uint8_t mac[6];
	uint32_t mtu;                /* bytes */
};

enum netlink_event_kind {
	NETLINK_EVENT_LINK,          /* `link` is new or changed */
	NETLINK_EVENT_LINK_GONE,     /* link.ifindex is gone */
	NETLINK_EVENT_NEIGHBOUR,     /* the neighbour `address` on `ifindex` may have changed */
	NETLINK_EVENT_ROUTE,         /* routes to addresses within address/prefix_length may have changed */
	NETLINK_EVENT_ROUTES,        /* any route may have: addresses, rules, next hop objects */
	NETLINK_EVENT_LOST,          /* events were lost, anything may have changed */
};

struct netlink_event {
	enum netlink_event_kind kind;
	struct netlink_link link;
	int ifindex;
	struct shunt_addr address;
	uint8_t prefix_length;       /* of the 128 bits of `address`, also for IPv4 */
};

typedef void (*netlink_event_callback)(void *userdata, const struct netlink_event *event);
typedef void (*netlink_link_callback)(void *userdata, const struct netlink_link *link);

int netlink_open(struct netlink **ret_netlink);
void netlink_close(struct netlink *netlink); /* NULL is fine */

/*
 * What the kernel would do with a packet of this host to `address`, policy routing included. No route is an answer, not
 * an error.
 */
int netlink_get_route(struct netlink *netlink, const struct shunt_addr *address, struct netlink_route *ret_route);
/* An unknown neighbour is an answer: not usable. */
int netlink_get_neighbour(struct netlink *netlink, int ifindex, const struct shunt_addr *address,
			  struct netlink_neighbour *ret_neighbour);
/* Has the kernel resolve or confirm it, as if a packet were waiting. -ENOBUFS: the kernel's neighbour table is full. */
int netlink_use_neighbour(struct netlink *netlink, int ifindex, const struct shunt_addr *address);
int netlink_each_link(struct netlink *netlink, netlink_link_callback callback, void *userdata);

int netlink_event_fd(struct netlink *netlink);
/* Takes what waits on the event socket, at most `max` datagrams; never blocks. */
void netlink_take_events(struct netlink *netlink, unsigned int max, netlink_event_callback callback, void *userdata);

#endif
