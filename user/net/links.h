/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The network interfaces of this namespace as last heard of. Says whether one changed, not what follows. */
#ifndef SHUNT_LINKS_H
#define SHUNT_LINKS_H

#include <stdbool.h>

#include "net/netlink.h"

struct link;
struct links {
	struct link *by_ifindex;
};

const struct netlink_link *links_find(struct links *links, int ifindex); /* NULL: unknown */
bool links_store(struct links *links, const struct netlink_link *now);   /* true: it is new or differs */
bool links_drop(struct links *links, int ifindex);                       /* true: it was known */
int links_reload(struct links *links, struct netlink *netlink);          /* on error the old ones stay */
void links_clear(struct links *links);

/* Whether the kernel forwards what comes by the interface, in this family: 1 yes, 0 no, -errno. */
int link_forwards(const char *name, bool ipv4);

#endif
