/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "net/links.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/cleanup.h"
#include "base/file.h"

struct link {
	int ifindex;
	struct netlink_link now;
	UT_hash_handle hh;
};

static bool link_equal(const struct netlink_link *a, const struct netlink_link *b)
{
	return a->up == b->up && a->ethernet == b->ethernet && a->mtu == b->mtu &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac));
}

static struct link *find(struct links *links, int ifindex)
{
	struct link *link;

	HASH_FIND_INT(links->by_ifindex, &ifindex, link);
	return link;
}

const struct netlink_link *links_find(struct links *links, int ifindex)
{
	const struct link *link = find(links, ifindex);

	return link ? &link->now : NULL;
}

bool links_store(struct links *links, const struct netlink_link *now)
{
	struct link *link = find(links, now->ifindex);

	if (link && link_equal(&link->now, now))
		return false;
	if (!link) {
		link = calloc(1, sizeof(*link));
		if (!link)
			return true; /* unknown, as if it were down, until the next reload */
		link->ifindex = now->ifindex;
		HASH_ADD_INT(links->by_ifindex, ifindex, link);
	}
	link->now = *now;
	return true;
}

bool links_drop(struct links *links, int ifindex)
{
	struct link *link = find(links, ifindex);

	if (!link)
		return false;
	HASH_DEL(links->by_ifindex, link);
	free(link);
	return true;
}

static void on_link(void *userdata, const struct netlink_link *link)
{
	links_store(userdata, link);
}

int links_reload(struct links *links, struct netlink *netlink)
{
	struct links new = {0};
	int r = netlink_each_link(netlink, on_link, &new);

	if (r < 0) {
		links_clear(&new);
		return r;
	}
	links_clear(links);
	*links = new;
	return 0;
}

void links_clear(struct links *links)
{
	struct link *link, *next;

	HASH_ITER (hh, links->by_ifindex, link, next) {
		HASH_DEL(links->by_ifindex, link);
		free(link);
	}
}

int link_forwards(const char *name, bool ipv4)
{
	_cleanup_(freep) char *text = NULL;
	char path[128];
	size_t length;
	int r;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%c/conf/%s/forwarding", ipv4 ? '4' : '6', name);
	r = file_read(path, 64, &text, &length);
	return r < 0 ? r : text[0] != '0';
}
