/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups, tables, backends and links: what packets read changes by one aligned store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

/* Words are stored whole, whatever the compiler thinks of their type. */
typedef uint64_t __attribute__((may_alias)) next_hop_cell;

/* ---- groups and their tables ---- */

int datapath_group(struct datapath *d, uint64_t identity, uint32_t *ret_group, bool *ret_found)
{
	uint32_t free_group = UINT32_MAX;

	for (uint32_t g = 0; g < datapath_room(d); g++) {
		if (d->groups[g].used && d->groups[g].identity == identity) {
			*ret_group = g;
			*ret_found = true;
			return 0;
		}
		if (!d->groups[g].used && free_group == UINT32_MAX)
			free_group = g;
	}
	if (free_group == UINT32_MAX)
		return datapath_fail(-ENOSPC, "there is no room for another group");
	memset(d->slots + (size_t)free_group * 2 * (d->cfg.table_size / SHUNT_SLOTS_PER_LINE), 0,
	       (size_t)d->cfg.table_size * 2 * sizeof(struct shunt_slot));
	d->groups[free_group] = (struct shunt_group){.table = free_group * 2, .used = 1, .identity = identity};
	*ret_group = free_group;
	*ret_found = false;
	return 0;
}

void datapath_group_remove(struct datapath *d, uint32_t group)
{
	d->groups[group] = (struct shunt_group){0};
}

bool datapath_group_used(const struct datapath *d, uint32_t group, uint64_t *ret_identity)
{
	*ret_identity = d->groups[group].identity;
	return d->groups[group].used;
}

static struct shunt_slot *table_start(const struct datapath *d, uint32_t table)
{
	return d->slots[(size_t)table * (d->cfg.table_size / SHUNT_SLOTS_PER_LINE)].slot;
}

const struct shunt_slot *datapath_table(const struct datapath *d, uint32_t group)
{
	return table_start(d, d->groups[group].table);
}

void datapath_publish_table(struct datapath *d, uint32_t group, const struct shunt_slot *words)
{
	uint32_t next = d->groups[group].table ^ 1;

	/*
	 * A packet that was slow may still read here: whole words, of the same group, at worst the ones of a moment ago. memcpy writes
	 * aligned words in no smaller pieces, and larger ones faster than a loop of stores does.
	 */
	memcpy(table_start(d, next), words, d->cfg.table_size * sizeof(*words));
	__atomic_store_n(&d->groups[group].table, next, __ATOMIC_RELEASE);
}

void datapath_set_reserve(struct datapath *d, uint32_t group, uint32_t backend)
{
	__atomic_store_n(&d->groups[group].reserve, backend, __ATOMIC_RELEASE);
}

uint32_t datapath_reserve(const struct datapath *d, uint32_t group)
{
	return d->groups[group].reserve;
}

/* ---- backends ---- */

static int index_backend(struct datapath *d, uint32_t id)
{
	struct backend_index *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->identity = d->backends[id].identity;
	entry->id = id;
	HASH_ADD(hh, d->backend_ids, identity, sizeof(entry->identity), entry);
	return 0;
}

int backends_adopt(struct datapath *d)
{
	int r = 0;

	d->next_backend = 1;
	for (uint32_t id = 1; id < SHUNT_MAX_BACKENDS && r == 0; id++)
		if (d->backends[id].flags & SHUNT_BACKEND_USED)
			r = index_backend(d, id);
	return r;
}

void backends_forget(struct datapath *d)
{
	struct backend_index *entry, *next;

	HASH_ITER(hh, d->backend_ids, entry, next) {
		HASH_DEL(d->backend_ids, entry);
		free(entry);
	}
}

static uint32_t free_backend_id(struct datapath *d)
{
	for (uint32_t tried = 1; tried < SHUNT_MAX_BACKENDS; tried++) {
		uint32_t id = d->next_backend;

		d->next_backend = id + 1 < SHUNT_MAX_BACKENDS ? id + 1 : 1;
		if (!(d->backends[id].flags & SHUNT_BACKEND_USED))
			return id;
	}
	return 0;
}

int datapath_backend(struct datapath *d, uint64_t identity, uint32_t *ret_id, bool *ret_found)
{
	struct backend_index *entry;
	uint32_t id;
	int r;

	HASH_FIND(hh, d->backend_ids, &identity, sizeof(identity), entry);
	if (entry) {
		*ret_id = entry->id;
		*ret_found = true;
		return 0;
	}
	id = free_backend_id(d);
	if (!id)
		return datapath_fail(-ENOSPC, "there is no room for another backend: %d is the most", SHUNT_MAX_BACKENDS - 1);
	d->backends[id] = (struct shunt_backend){.identity = identity, .flags = SHUNT_BACKEND_USED};
	r = index_backend(d, id);
	if (r < 0) {
		d->backends[id] = (struct shunt_backend){0};
		return r;
	}
	*ret_id = id;
	*ret_found = false;
	return 0;
}

void datapath_backend_remove(struct datapath *d, uint32_t id)
{
	struct backend_index *entry;

	HASH_FIND(hh, d->backend_ids, &d->backends[id].identity, sizeof(uint64_t), entry);
	if (entry) {
		HASH_DEL(d->backend_ids, entry);
		free(entry);
	}
	server_ids_forget(d, id);
	d->backends[id] = (struct shunt_backend){0};
	backend_clear_stats(d, id);
}

const struct shunt_backend *datapath_peek_backend(const struct datapath *d, uint32_t id)
{
	return &d->backends[id];
}

/* The address belongs to the identity: it is written once, before the backend is alive. */
void datapath_backend_address(struct datapath *d, uint32_t id, const struct shunt_addr *address, uint16_t port_host)
{
	d->backends[id].address = *address;
	d->backends[id].port = htons(port_host);
}

void datapath_backend_port(struct datapath *d, uint32_t id, uint16_t port_host)
{
	__atomic_store_n(&d->backends[id].port, htons(port_host), __ATOMIC_RELAXED);
}

void datapath_backend_source(struct datapath *d, uint32_t id, const struct shunt_addr *source)
{
	d->backends[id].source = *source;
}

void datapath_backend_alive(struct datapath *d, uint32_t id, bool alive)
{
	uint32_t flags = SHUNT_BACKEND_USED | (alive ? SHUNT_BACKEND_ALIVE : 0);

	__atomic_store_n(&d->backends[id].flags, flags, __ATOMIC_RELEASE);
}

void datapath_backend_load(struct datapath *d, uint32_t id, uint32_t flows, uint16_t weight)
{
	__atomic_store_n(&d->backends[id].flows, flows, __ATOMIC_RELAXED);
	__atomic_store_n(&d->backends[id].weight, weight, __ATOMIC_RELAXED);
}

/* ---- links and next hops ---- */

static int open_port(struct datapath *d, uint32_t link)
{
	uint32_t ifindex = d->direct->links[link].ifindex;

	return bpf_map_update_elem(bpf_map__fd(d->skeleton->maps.tx_ports), &link, &ifindex, BPF_ANY);
}

/* tx_ports is not pinned: it is made anew for each loaded program. A link whose device is gone stays without a port. */
void links_restore(struct datapath *d)
{
	for (uint32_t link = 1; link < SHUNT_MAX_LINKS; link++)
		if (d->direct->links[link].ifindex)
			open_port(d, link);
}

static bool link_is(const struct shunt_link *link, int ifindex, const uint8_t mac[6])
{
	return link->ifindex == (uint32_t)ifindex && !memcmp(link->mac, mac, 6);
}

/* A link's element does not change while next hops refer to it: another MAC address gets another element. */
static uint32_t link_index(struct datapath *d, int ifindex, const uint8_t mac[6])
{
	uint32_t empty = 0;

	for (uint32_t link = 1; link < SHUNT_MAX_LINKS; link++) {
		if (link_is(&d->direct->links[link], ifindex, mac))
			return link;
		if (!d->direct->links[link].ifindex && !empty)
			empty = link;
	}
	if (!empty)
		return 0; /* packets ask the kernel instead */
	d->direct->links[empty].ifindex = ifindex;
	memcpy(d->direct->links[empty].mac, mac, 6);
	open_port(d, empty);
	return empty;
}

void datapath_backend_next_hop(struct datapath *d, uint32_t id, int ifindex, const uint8_t mac[6],
			       const uint8_t link_mac[6], uint16_t mtu)
{
	struct shunt_next_hop next_hop = {.link = ifindex ? link_index(d, ifindex, link_mac) : 0};
	uint64_t word;

	if (next_hop.link)
		memcpy(next_hop.mac, mac, 6);
	memcpy(&word, &next_hop, sizeof(word));
	__atomic_store_n(&d->backends[id].mtu, mtu, __ATOMIC_RELAXED);
	__atomic_store_n((next_hop_cell *)&d->backends[id].next_hop, word, __ATOMIC_RELEASE);
}
