/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions to rtnetlink and its events, over libmnl. Decides nothing. Requests are answered by the kernel within
 * send(), so reading the answer never waits.
 */
#include "net/netlink.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "net/address.h"

#define RECEIVE_BYTES 32768              /* the kernel fills up to this much of a dump at once */
#define EVENT_QUEUE_BYTES (4 * 1024 * 1024)
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct netlink {
	struct mnl_socket *requests;
	struct mnl_socket *events;
	unsigned int sequence;
	_Alignas(struct nlmsghdr) char buffer[RECEIVE_BYTES];
};

/* ---- attributes ---- */

struct attributes {
	const struct nlattr *list[128];
};

static int on_attribute(const struct nlattr *attribute, void *userdata)
{
	struct attributes *attributes = userdata;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < sizeof(attributes->list) / sizeof(attributes->list[0]))
		attributes->list[type] = attribute;
	return MNL_CB_OK;
}

static struct attributes attributes_of(const struct nlmsghdr *message, unsigned int header_bytes)
{
	struct attributes attributes = {0};

	mnl_attr_parse(message, header_bytes, on_attribute, &attributes);
	return attributes;
}

static uint32_t number_of(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ? mnl_attr_get_u32(attribute) : 0;
}

/* False, and untouched, when there is none or it is of no known family. */
static bool address_of(const struct nlattr *attribute, struct shunt_addr *ret_address)
{
	uint16_t length_bytes = attribute ? mnl_attr_get_payload_len(attribute) : 0;

	if (length_bytes == 4)
		address_from_ipv4(mnl_attr_get_payload(attribute), ret_address);
	else if (length_bytes == 16)
		address_from_ipv6(mnl_attr_get_payload(attribute), ret_address);
	return length_bytes == 4 || length_bytes == 16;
}

static bool mac_of(const struct nlattr *attribute, uint8_t ret_mac[6])
{
	if (!attribute || mnl_attr_get_payload_len(attribute) != 6)
		return false;
	memcpy(ret_mac, mnl_attr_get_payload(attribute), 6);
	return true;
}

static uint8_t put_address(struct nlmsghdr *message, uint16_t type, const struct shunt_addr *address)
{
	bool ipv4 = address_is_ipv4(address);

	mnl_attr_put(message, type, ipv4 ? 4 : 16, address->byte + (ipv4 ? 12 : 0));
	return ipv4 ? 32 : 128;
}

static uint8_t family_of(const struct shunt_addr *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

/* ---- questions ---- */

/* Sends and hands each message of the answer to `on_message`. 0, or the kernel's -errno. */
static int ask(struct netlink *netlink, struct nlmsghdr *message, mnl_cb_t on_message, void *userdata)
{
	unsigned int port = mnl_socket_get_portid(netlink->requests);
	ssize_t n;
	int r;

	message->nlmsg_flags |= NLM_F_REQUEST;
	message->nlmsg_seq = ++netlink->sequence;
	if (mnl_socket_sendto(netlink->requests, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(netlink->requests, netlink->buffer, sizeof(netlink->buffer));
		if (n < 0)
			return -errno;
		r = mnl_cb_run(netlink->buffer, n, message->nlmsg_seq, port, on_message, userdata);
		if (r < 0 && errno == EPROTO) /* the rest of an answer that was given up */
			r = MNL_CB_OK;
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static enum netlink_route_kind route_kind(uint8_t type)
{
	switch (type) {
	case RTN_UNICAST:
		return NETLINK_ROUTE_UNICAST;
	case RTN_LOCAL:
		return NETLINK_ROUTE_LOCAL;
	case RTN_UNREACHABLE:
		return NETLINK_ROUTE_UNREACHABLE;
	case RTN_BLACKHOLE:
		return NETLINK_ROUTE_BLACKHOLE;
	case RTN_PROHIBIT:
		return NETLINK_ROUTE_PROHIBITED;
	default:
		return NETLINK_ROUTE_OTHER;
	}
}

/* IPv4 answers a question about a refusing route with the error of its type; IPv6 with a message. */
static int route_from_error(int error, struct netlink_route *ret_route)
{
	struct netlink_route route = {0};

	switch (error) {
	case -ENETUNREACH:
		route.kind = NETLINK_ROUTE_NONE;
		break;
	case -EHOSTUNREACH:
		route.kind = NETLINK_ROUTE_UNREACHABLE;
		break;
	case -EINVAL:
		route.kind = NETLINK_ROUTE_BLACKHOLE;
		break;
	case -EACCES:
		route.kind = NETLINK_ROUTE_PROHIBITED;
		break;
	default:
		return error;
	}
	*ret_route = route;
	return 0;
}

static uint32_t route_mtu(const struct nlattr *metrics)
{
	const struct nlattr *metric;

	if (!metrics)
		return 0;
	mnl_attr_for_each_nested(metric, metrics)
		if (mnl_attr_get_type(metric) == RTAX_MTU)
			return number_of(metric);
	return 0;
}

static bool via_of(const struct nlattr *attribute, struct shunt_addr *ret_address)
{
	const struct rtvia *via = attribute ? mnl_attr_get_payload(attribute) : NULL;

	if (!via || mnl_attr_get_payload_len(attribute) < sizeof(*via) + 16 || via->rtvia_family != AF_INET6)
		return false;
	address_from_ipv6(via->rtvia_addr, ret_address);
	return true;
}

static int on_route(const struct nlmsghdr *message, void *userdata)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = attributes_of(message, sizeof(*header));
	struct netlink_route route = {.kind = route_kind(header->rtm_type)}, *ret_route = userdata;

	if (route.kind == NETLINK_ROUTE_UNICAST || route.kind == NETLINK_ROUTE_LOCAL) {
		route.ifindex = number_of(attributes.list[RTA_OIF]);
		route.has_gateway = address_of(attributes.list[RTA_GATEWAY], &route.gateway) ||
				    via_of(attributes.list[RTA_VIA], &route.gateway);
		address_of(attributes.list[RTA_PREFSRC], &route.source);
		route.mtu = route_mtu(attributes.list[RTA_METRICS]);
	}
	*ret_route = route;
	return MNL_CB_STOP;
}

int netlink_get_route(struct netlink *netlink, const struct shunt_addr *address, struct netlink_route *ret_route)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	int r;

	message->nlmsg_type = RTM_GETROUTE;
	header->rtm_family = family_of(address);
	header->rtm_dst_len = put_address(message, RTA_DST, address);
	r = ask(netlink, message, on_route, ret_route);
	return r < 0 ? route_from_error(r, ret_route) : 0;
}

static int on_neighbour(const struct nlmsghdr *message, void *userdata)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = attributes_of(message, sizeof(*header));
	struct netlink_neighbour *ret_neighbour = userdata;

	if (header->ndm_state & NUD_USABLE && mac_of(attributes.list[NDA_LLADDR], ret_neighbour->mac)) {
		ret_neighbour->usable = true;
		ret_neighbour->stale = header->ndm_state & NUD_STALE;
	}
	return MNL_CB_STOP;
}

static struct nlmsghdr *neighbour_message(char *buffer, uint16_t type, int ifindex, const struct shunt_addr *address)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = type;
	header->ndm_family = family_of(address);
	header->ndm_ifindex = ifindex;
	put_address(message, NDA_DST, address);
	return message;
}

int netlink_get_neighbour(struct netlink *netlink, int ifindex, const struct shunt_addr *address,
			  struct netlink_neighbour *ret_neighbour)
{
	struct netlink_neighbour neighbour = {0};
	_Alignas(struct nlmsghdr) char buffer[256];
	int r;

	r = ask(netlink, neighbour_message(buffer, RTM_GETNEIGH, ifindex, address), on_neighbour, &neighbour);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_neighbour = neighbour;
	return 0;
}

int netlink_use_neighbour(struct netlink *netlink, int ifindex, const struct shunt_addr *address)
{
	_Alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *message = neighbour_message(buffer, RTM_NEWNEIGH, ifindex, address);
	struct ndmsg *header = mnl_nlmsg_get_payload(message);

	header->ndm_flags = NTF_USE;
	message->nlmsg_flags = NLM_F_CREATE | NLM_F_ACK;
	return ask(netlink, message, NULL, NULL);
}

static struct netlink_link link_of(const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = attributes_of(message, sizeof(*header));
	struct netlink_link link = {
		.ifindex = header->ifi_index,
		.up = header->ifi_flags & IFF_UP && header->ifi_flags & IFF_LOWER_UP,
		.mtu = number_of(attributes.list[IFLA_MTU]),
	};

	link.ethernet = header->ifi_type == ARPHRD_ETHER && mac_of(attributes.list[IFLA_ADDRESS], link.mac);
	return link;
}

struct link_visitor {
	netlink_link_callback callback;
	void *userdata;
};

static int on_link(const struct nlmsghdr *message, void *userdata)
{
	struct link_visitor *visitor = userdata;
	struct netlink_link link = link_of(message);

	visitor->callback(visitor->userdata, &link);
	return MNL_CB_OK;
}

int netlink_each_link(struct netlink *netlink, netlink_link_callback callback, void *userdata)
{
	struct link_visitor visitor = {callback, userdata};
	_Alignas(struct nlmsghdr) char buffer[256];
	int r;

	do { /* -EINTR: a link changed in the middle of the dump */
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

		message->nlmsg_type = RTM_GETLINK;
		message->nlmsg_flags = NLM_F_DUMP;
		header->ifi_family = AF_UNSPEC;
		r = ask(netlink, message, on_link, &visitor);
	} while (r == -EINTR);
	return r;
}

/* ---- events ---- */

struct event_visitor {
	netlink_event_callback callback;
	void *userdata;
};

/* Bridges report their ports and forwarding entries in the same groups under a family of their own: not for us. */
static bool decode_link(const struct nlmsghdr *message, struct netlink_event *ret_event)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);

	if (header->ifi_family != AF_UNSPEC)
		return false;
	ret_event->kind = message->nlmsg_type == RTM_NEWLINK ? NETLINK_EVENT_LINK : NETLINK_EVENT_LINK_GONE;
	ret_event->link = link_of(message);
	return true;
}

static bool decode_neighbour(const struct nlmsghdr *message, struct netlink_event *ret_event)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = attributes_of(message, sizeof(*header));

	if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6)
		return false;
	ret_event->kind = NETLINK_EVENT_NEIGHBOUR;
	ret_event->ifindex = header->ndm_ifindex;
	return address_of(attributes.list[NDA_DST], &ret_event->address);
}

static bool decode_route(const struct nlmsghdr *message, struct netlink_event *ret_event)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct attributes attributes = attributes_of(message, sizeof(*header));
	static const uint8_t zero[4];

	if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)
		return false;
	ret_event->kind = NETLINK_EVENT_ROUTE;
	ret_event->prefix_length = header->rtm_dst_len + (header->rtm_family == AF_INET ? 96 : 0);
	if (!address_of(attributes.list[RTA_DST], &ret_event->address) && header->rtm_family == AF_INET)
		address_from_ipv4(zero, &ret_event->address);
	return true;
}

static int on_event(const struct nlmsghdr *message, void *userdata)
{
	struct event_visitor *visitor = userdata;
	struct netlink_event event = {.kind = NETLINK_EVENT_ROUTES};
	bool ours = true;

	if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
		ours = decode_link(message, &event);
	else if (message->nlmsg_type == RTM_NEWNEIGH || message->nlmsg_type == RTM_DELNEIGH)
		ours = decode_neighbour(message, &event);
	else if (message->nlmsg_type == RTM_NEWROUTE || message->nlmsg_type == RTM_DELROUTE)
		ours = decode_route(message, &event);
	if (ours)
		visitor->callback(visitor->userdata, &event);
	return MNL_CB_OK;
}

void netlink_take_events(struct netlink *netlink, unsigned int max, netlink_event_callback callback, void *userdata)
{
	struct event_visitor visitor = {callback, userdata};

	for (unsigned int i = 0; i < max; i++) {
		ssize_t n = mnl_socket_recvfrom(netlink->events, netlink->buffer, sizeof(netlink->buffer));

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) /* ENOBUFS: more came than the queue holds; ENOSPC: larger than the buffer */
			callback(userdata, &(struct netlink_event){.kind = NETLINK_EVENT_LOST});
		else
			mnl_cb_run(netlink->buffer, n, 0, 0, on_event, &visitor);
	}
}

int netlink_event_fd(struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->events);
}

static int socket_open(struct mnl_socket **ret_socket)
{
	struct mnl_socket *opened = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r;

	if (!opened)
		return -errno;
	if (mnl_socket_bind(opened, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(opened);
		return r;
	}
	*ret_socket = opened;
	return 0;
}

static int subscribe(struct mnl_socket *events)
{
	static const int groups[] = {
		RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,
	};
	int queue_bytes = EVENT_QUEUE_BYTES;

	/* Best effort: a short queue only means more resynchronizing. */
	setsockopt(mnl_socket_get_fd(events), SOL_SOCKET, SO_RCVBUFFORCE, &queue_bytes, sizeof(queue_bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int netlink_open(struct netlink **ret_netlink)
{
	struct netlink *netlink = calloc(1, sizeof(*netlink));
	int r;

	if (!netlink)
		return -ENOMEM;
	r = socket_open(&netlink->requests);
	if (r >= 0)
		r = socket_open(&netlink->events);
	if (r >= 0)
		r = subscribe(netlink->events);
	if (r < 0) {
		netlink_close(netlink);
		return r;
	}
	*ret_netlink = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->requests)
		mnl_socket_close(netlink->requests);
	if (netlink->events)
		mnl_socket_close(netlink->events);
	free(netlink);
}
