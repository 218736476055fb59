/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides which answers may have changed and what each watched address's next hop is. An event is only a hint: the
 * answer is always asked of the kernel afresh, so that neither the order of events nor lost ones matter. What may
 * have changed waits in two queues, each thing once, and a bounded part of them is worked off a turn of the loop.
 * Must not know what a next hop is used for, nor the messages of netlink (netlink.c).
 */
#include "net/next_hop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "net/address.h"
#include "net/links.h"
#include "net/netlink.h"

enum {
	WORK_PER_TURN = 256,       /* questions to the kernel, some microseconds each */
	DATAGRAMS_PER_TURN = 64,
	ROUTE_SCANS_PER_TURN = 16, /* more route events than this: ask about every watch instead of comparing each */
	TICK_MS = 250,
	UNRESOLVED_ASK_MS = 1000,
	STALE_ASK_MS = 10000,      /* forwarded packets bypass the stack, so nothing else keeps a neighbour fresh */
	RESYNC_MS = 60000,         /* for what the kernel does not announce, such as a path MTU that expires */
	MTU_MAX = 65535,
};

struct neighbour_key {
	struct shunt_addr address;
	int ifindex;
	int pad;
};

/* Exists while a watch uses it. */
struct neighbour {
	struct neighbour_key key;
	struct netlink_neighbour now;
	bool table_full;                            /* the kernel had no room for it when last asked */
	uint64_t ask_at_ms;                         /* when it is to be resolved or confirmed again */
	struct watch *watches;
	bool queued;
	struct neighbour *prev, *next;              /* in neighbour_queue */
	UT_hash_handle hh;
};

struct watch {
	struct shunt_addr address;
	unsigned int references;
	struct netlink_route route;
	bool route_wanted;                          /* `route` may be out of date */
	struct neighbour *neighbour;                /* of a unicast route, else NULL */
	struct watch *neighbour_prev, *neighbour_next;
	struct next_hop hop;
	bool told;                                  /* the callback knows `hop` */
	bool queued;
	struct watch *prev, *next;                  /* in watch_queue */
	UT_hash_handle hh;
};

struct next_hops {
	struct netlink *netlink;
	next_hop_callback callback;
	void *userdata;
	sd_event_source *events, *work, *tick;
	uint64_t resync_at_ms;
	bool links_wanted, routes_wanted;           /* all of them may be out of date */
	unsigned int route_scans;                   /* left in this turn */
	struct links links;
	struct neighbour *neighbours, *neighbour_queue;
	struct watch *watches, *watch_queue;
};

/* ---- what may have changed ---- */

static void want_work(struct next_hops *hops)
{
	sd_event_source_set_enabled(hops->work, SD_EVENT_ON);
}

static void mark_watch(struct next_hops *hops, struct watch *watch, bool route_wanted)
{
	watch->route_wanted |= route_wanted;
	if (watch->queued)
		return;
	watch->queued = true;
	DL_APPEND(hops->watch_queue, watch);
	want_work(hops);
}

static void mark_neighbour(struct next_hops *hops, struct neighbour *neighbour)
{
	if (neighbour->queued)
		return;
	neighbour->queued = true;
	DL_APPEND(hops->neighbour_queue, neighbour);
	want_work(hops);
}

static void mark_all_routes(struct next_hops *hops)
{
	hops->routes_wanted = true;
	want_work(hops);
}

static void mark_everything(struct next_hops *hops)
{
	struct neighbour *neighbour, *next;

	hops->links_wanted = true;
	mark_all_routes(hops);
	HASH_ITER (hh, hops->neighbours, neighbour, next)
		mark_neighbour(hops, neighbour);
	hops->resync_at_ms = clock_monotonic_ms() + RESYNC_MS;
}

static bool within(const struct shunt_addr *address, const struct shunt_addr *prefix, uint8_t length)
{
	unsigned int whole = length / 8, rest = length % 8;

	if (memcmp(address->byte, prefix->byte, whole))
		return false;
	return !rest || !((address->byte[whole] ^ prefix->byte[whole]) & (uint8_t)(0xff00 >> rest));
}

static void on_route_event(struct next_hops *hops, const struct netlink_event *event)
{
	struct watch *watch, *next;

	if (!hops->route_scans) {
		mark_all_routes(hops);
		return;
	}
	hops->route_scans--;
	HASH_ITER (hh, hops->watches, watch, next)
		if (within(&watch->address, &event->address, event->prefix_length))
			mark_watch(hops, watch, true);
}

/* ---- neighbours ---- */

static struct neighbour_key neighbour_key(int ifindex, const struct shunt_addr *address)
{
	return (struct neighbour_key){.address = *address, .ifindex = ifindex};
}

static void mark_users(struct next_hops *hops, struct neighbour *neighbour)
{
	struct watch *watch;

	DL_FOREACH2 (neighbour->watches, watch, neighbour_next)
		mark_watch(hops, watch, false);
}

/* Has the kernel resolve or confirm it when that is due. */
static void neighbour_keep_fresh(struct next_hops *hops, struct neighbour *neighbour, uint64_t now_ms)
{
	bool full;

	if (neighbour->now.usable && !neighbour->now.stale)
		return;
	if (now_ms < neighbour->ask_at_ms)
		return;
	neighbour->ask_at_ms = now_ms + (neighbour->now.usable ? STALE_ASK_MS : UNRESOLVED_ASK_MS);
	full = netlink_use_neighbour(hops->netlink, neighbour->key.ifindex, &neighbour->key.address) == -ENOBUFS;
	if (full != neighbour->table_full)
		mark_users(hops, neighbour);
	neighbour->table_full = full;
	mark_neighbour(hops, neighbour);
}

/* Takes over what the kernel knows of it. */
static void neighbour_update(struct next_hops *hops, struct neighbour *neighbour)
{
	struct netlink_neighbour old = neighbour->now;
	uint64_t now_ms = clock_monotonic_ms();

	if (netlink_get_neighbour(hops->netlink, neighbour->key.ifindex, &neighbour->key.address, &neighbour->now) < 0)
		return; /* the tick asks again while it is unresolved, else the resync */
	if (neighbour->now.usable && neighbour->now.stale && !(old.usable && old.stale))
		neighbour->ask_at_ms = now_ms + STALE_ASK_MS;
	if (!neighbour->now.usable && old.usable)
		neighbour->ask_at_ms = now_ms;
	if (old.usable != neighbour->now.usable || memcmp(old.mac, neighbour->now.mac, sizeof(old.mac)))
		mark_users(hops, neighbour);
	neighbour_keep_fresh(hops, neighbour, now_ms);
}

static struct neighbour *neighbour_take(struct next_hops *hops, int ifindex, const struct shunt_addr *address)
{
	struct neighbour_key key = neighbour_key(ifindex, address);
	struct neighbour *neighbour;

	HASH_FIND(hh, hops->neighbours, &key, sizeof(key), neighbour);
	if (neighbour)
		return neighbour;
	neighbour = calloc(1, sizeof(*neighbour));
	if (!neighbour)
		return NULL;
	neighbour->key = key;
	HASH_ADD(hh, hops->neighbours, key, sizeof(neighbour->key), neighbour);
	neighbour_update(hops, neighbour);
	return neighbour;
}

static void neighbour_free(struct next_hops *hops, struct neighbour *neighbour)
{
	if (neighbour->queued)
		DL_DELETE(hops->neighbour_queue, neighbour);
	HASH_DEL(hops->neighbours, neighbour);
	free(neighbour);
}

/* ---- watches ---- */

static void watch_use_neighbour(struct next_hops *hops, struct watch *watch, struct neighbour *neighbour)
{
	struct neighbour *old = watch->neighbour;

	if (old == neighbour)
		return;
	if (old)
		DL_DELETE2(old->watches, watch, neighbour_prev, neighbour_next);
	if (old && !old->watches)
		neighbour_free(hops, old);
	watch->neighbour = neighbour;
	if (neighbour)
		DL_APPEND2(neighbour->watches, watch, neighbour_prev, neighbour_next);
}

static void watch_ask_route(struct next_hops *hops, struct watch *watch)
{
	const struct netlink_route *route = &watch->route;
	const struct shunt_addr *next = &watch->address;
	struct neighbour *neighbour = NULL;

	watch->route_wanted = false;
	if (netlink_get_route(hops->netlink, &watch->address, &watch->route) < 0)
		return; /* the old answer holds until the resync */
	if (route->has_gateway)
		next = &route->gateway;
	if (route->kind == NETLINK_ROUTE_UNICAST)
		neighbour = neighbour_take(hops, route->ifindex, next);
	watch_use_neighbour(hops, watch, neighbour);
}

static const char *route_problem(enum netlink_route_kind kind)
{
	switch (kind) {
	case NETLINK_ROUTE_UNICAST:
		return NULL;
	case NETLINK_ROUTE_LOCAL:
		return "address is this host's own";
	case NETLINK_ROUTE_NONE:
		return "no route";
	case NETLINK_ROUTE_UNREACHABLE:
		return "route is unreachable";
	case NETLINK_ROUTE_BLACKHOLE:
		return "route is a blackhole";
	case NETLINK_ROUTE_PROHIBITED:
		return "route is prohibited";
	case NETLINK_ROUTE_OTHER:
		return "route is not unicast";
	case NETLINK_ROUTE_UNKNOWN:
		break;
	}
	return "not looked up yet";
}

static const char *problem_of(const struct watch *watch, const struct netlink_link *link)
{
	const char *problem = route_problem(watch->route.kind);

	if (problem)
		return problem;
	if (!link || !link->up)
		return "interface is down";
	if (!link->ethernet)
		return "interface has no Ethernet address";
	if (watch->neighbour && watch->neighbour->table_full && !watch->neighbour->now.usable)
		return "the kernel's neighbour table is full (gc_thresh3)";
	if (!watch->neighbour || !watch->neighbour->now.usable)
		return "no neighbour";
	return NULL;
}

static struct next_hop watch_hop(struct next_hops *hops, const struct watch *watch)
{
	const struct netlink_route *route = &watch->route;
	const struct netlink_link *link = links_find(&hops->links, route->ifindex);
	uint32_t mtu = link ? link->mtu : MTU_MAX;
	struct next_hop hop = {
		.on_link = route->kind == NETLINK_ROUTE_UNICAST && !route->has_gateway,
		.local = route->kind == NETLINK_ROUTE_LOCAL,
		.ifindex = route->ifindex,
		.source = route->source,
		.problem = problem_of(watch, link),
	};

	hop.resolved = !hop.problem;
	if (hop.resolved && watch->neighbour)
		memcpy(hop.mac, watch->neighbour->now.mac, sizeof(hop.mac));
	if (link)
		memcpy(hop.link_mac, link->mac, sizeof(hop.link_mac));
	if (route->mtu && route->mtu < mtu)
		mtu = route->mtu;
	if (route->ifindex)
		hop.mtu = mtu < MTU_MAX ? mtu : MTU_MAX;
	return hop;
}

static bool hop_equal(const struct next_hop *a, const struct next_hop *b)
{
	return a->resolved == b->resolved && a->on_link == b->on_link && a->local == b->local &&
	       a->ifindex == b->ifindex && !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       !memcmp(a->link_mac, b->link_mac, sizeof(a->link_mac)) && a->mtu == b->mtu &&
	       address_equal(&a->source, &b->source) && a->problem == b->problem;
}

/* Calls back last, since that may end the watch. */
static void watch_update(struct next_hops *hops, struct watch *watch)
{
	struct shunt_addr address = watch->address;
	struct next_hop hop;

	if (watch->route_wanted)
		watch_ask_route(hops, watch);
	hop = watch_hop(hops, watch);
	if (watch->told && hop_equal(&hop, &watch->hop))
		return;
	watch->told = true;
	watch->hop = hop;
	hops->callback(hops->userdata, &address, &hop);
}

static void watch_free(struct next_hops *hops, struct watch *watch)
{
	watch_use_neighbour(hops, watch, NULL);
	if (watch->queued)
		DL_DELETE(hops->watch_queue, watch);
	HASH_DEL(hops->watches, watch);
	free(watch);
}

/* ---- the loop's side ---- */

static void on_netlink_event(void *userdata, const struct netlink_event *event)
{
	struct next_hops *hops = userdata;
	struct neighbour_key key = neighbour_key(event->ifindex, &event->address);
	struct neighbour *neighbour;

	switch (event->kind) {
	case NETLINK_EVENT_LINK:
		if (links_store(&hops->links, &event->link))
			mark_all_routes(hops); /* it takes and brings routes, not all of which the kernel announces */
		break;
	case NETLINK_EVENT_LINK_GONE:
		if (links_drop(&hops->links, event->link.ifindex))
			mark_all_routes(hops);
		break;
	case NETLINK_EVENT_NEIGHBOUR:
		HASH_FIND(hh, hops->neighbours, &key, sizeof(key), neighbour);
		if (neighbour)
			mark_neighbour(hops, neighbour);
		break;
	case NETLINK_EVENT_ROUTE:
		on_route_event(hops, event);
		break;
	case NETLINK_EVENT_ROUTES:
		mark_all_routes(hops);
		break;
	case NETLINK_EVENT_LOST:
		mark_everything(hops);
		break;
	}
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct next_hops *hops = userdata;

	(void)source, (void)fd, (void)revents;
	hops->route_scans = ROUTE_SCANS_PER_TURN;
	netlink_take_events(hops->netlink, DATAGRAMS_PER_TURN, on_netlink_event, hops);
	return 0;
}

static void update_all(struct next_hops *hops)
{
	struct watch *watch, *next;

	if (hops->links_wanted)
		links_reload(&hops->links, hops->netlink); /* on failure the old ones hold until the resync */
	if (hops->links_wanted || hops->routes_wanted)
		HASH_ITER (hh, hops->watches, watch, next)
			mark_watch(hops, watch, true);
	hops->links_wanted = hops->routes_wanted = false;
}

static void update_neighbours(struct next_hops *hops)
{
	for (int i = 0; i < WORK_PER_TURN && hops->neighbour_queue; i++) {
		struct neighbour *neighbour = hops->neighbour_queue;

		DL_DELETE(hops->neighbour_queue, neighbour);
		neighbour->queued = false;
		neighbour_update(hops, neighbour);
	}
}

static void update_watches(struct next_hops *hops)
{
	for (int i = 0; i < WORK_PER_TURN && hops->watch_queue; i++) {
		struct watch *watch = hops->watch_queue;

		DL_DELETE(hops->watch_queue, watch);
		watch->queued = false;
		watch_update(hops, watch);
	}
}

static int on_work(sd_event_source *source, void *userdata)
{
	struct next_hops *hops = userdata;

	update_all(hops);
	update_neighbours(hops);
	update_watches(hops);
	if (!hops->neighbour_queue && !hops->watch_queue && !hops->links_wanted && !hops->routes_wanted)
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct next_hops *hops = userdata;
	struct neighbour *neighbour, *next;
	uint64_t now_ms = clock_monotonic_ms();

	(void)usec;
	HASH_ITER (hh, hops->neighbours, neighbour, next)
		neighbour_keep_fresh(hops, neighbour, now_ms);
	if (now_ms >= hops->resync_at_ms)
		mark_everything(hops);
	return sd_event_source_set_time_relative(source, TICK_MS * 1000);
}

/* ---- the interface ---- */

static int add_sources(struct next_hops *hops, sd_event *event)
{
	int r;

	r = sd_event_add_io(event, &hops->events, netlink_event_fd(hops->netlink), EPOLLIN, on_events, hops);
	if (r >= 0)
		r = sd_event_add_defer(event, &hops->work, on_work, hops);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &hops->tick, CLOCK_MONOTONIC, TICK_MS * 1000, 0, on_tick, hops);
	if (r >= 0)
		r = sd_event_source_set_enabled(hops->tick, SD_EVENT_ON);
	return r;
}

int next_hops_open(sd_event *event, next_hop_callback callback, void *userdata, struct next_hops **ret_next_hops)
{
	struct next_hops *hops = calloc(1, sizeof(*hops));
	int r;

	if (!hops)
		return -ENOMEM;
	hops->callback = callback;
	hops->userdata = userdata;
	r = netlink_open(&hops->netlink);
	if (r >= 0)
		r = add_sources(hops, event);
	if (r < 0) {
		next_hops_close(hops);
		return r;
	}
	mark_everything(hops);
	*ret_next_hops = hops;
	return 0;
}

void next_hops_close(struct next_hops *hops)
{
	struct watch *watch, *next;

	if (!hops)
		return;
	HASH_ITER (hh, hops->watches, watch, next)
		watch_free(hops, watch);
	links_clear(&hops->links);
	sd_event_source_disable_unref(hops->tick);
	sd_event_source_disable_unref(hops->work);
	sd_event_source_disable_unref(hops->events);
	netlink_close(hops->netlink);
	free(hops);
}

int next_hops_watch(struct next_hops *hops, const struct shunt_addr *address)
{
	struct watch *watch;

	HASH_FIND(hh, hops->watches, address, sizeof(*address), watch);
	if (watch) {
		watch->references++;
		return 0;
	}
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	watch->address = *address;
	watch->references = 1;
	watch->hop.problem = route_problem(NETLINK_ROUTE_UNKNOWN);
	HASH_ADD(hh, hops->watches, address, sizeof(watch->address), watch);
	mark_watch(hops, watch, true);
	return 0;
}

void next_hops_unwatch(struct next_hops *hops, const struct shunt_addr *address)
{
	struct watch *watch;

	HASH_FIND(hh, hops->watches, address, sizeof(*address), watch);
	if (watch && --watch->references == 0)
		watch_free(hops, watch);
}

void next_hops_resolve(struct next_hops *hops, int ifindex, const struct shunt_addr *neighbour)
{
	netlink_use_neighbour(hops->netlink, ifindex, neighbour);
}

const struct next_hop *next_hops_get(struct next_hops *hops, const struct shunt_addr *address)
{
	struct watch *watch;

	HASH_FIND(hh, hops->watches, address, sizeof(*address), watch);
	return watch ? &watch->hop : NULL;
}
