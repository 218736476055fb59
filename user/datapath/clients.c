// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The trie client_groups: which group takes the clients of a prefix of a service. It changes by what differs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int trie(const struct datapath *d)
{
	return bpf_map__fd(d->skeleton->maps.client_groups);
}

int datapath_client_order(const void *a, const void *b)
{
	const struct shunt_list_key *left = &((const struct datapath_client *)a)->key;
	const struct shunt_list_key *right = &((const struct datapath_client *)b)->key;
	int order;

	if (left->service != right->service)
		return left->service < right->service ? -1 : 1;
	if (left->version != right->version)
		return left->version < right->version ? -1 : 1;
	order = memcmp(&left->address, &right->address, sizeof(left->address));
	return order ? order : (left->length > right->length) - (left->length < right->length);
}

static int append(struct datapath *d, const struct datapath_client *client)
{
	struct datapath_client *more = d->clients;

	if ((d->n_clients & (d->n_clients - 1)) == 0) /* the capacity is the next power of two */
		more = reallocarray(more, d->n_clients ? d->n_clients * 2 : 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	d->clients = more;
	d->clients[d->n_clients++] = *client;
	return 0;
}

int clients_adopt(struct datapath *d)
{
	struct datapath_client client = {0};
	int r = 0;

	for (void *previous = NULL; r == 0 && bpf_map_get_next_key(trie(d), previous, &client.key) == 0;
	     previous = &client.key)
		if (bpf_map_lookup_elem(trie(d), &client.key, &client.placement) == 0)
			r = append(d, &client);
	if (d->n_clients)
		qsort(d->clients, d->n_clients, sizeof(client), datapath_client_order);
	return r;
}

size_t datapath_clients(const struct datapath *d, const struct datapath_client **ret_list)
{
	*ret_list = d->clients;
	return d->n_clients;
}

static int put(const struct datapath *d, const struct datapath_client *client)
{
	int r = bpf_map_update_elem(trie(d), &client->key, &client->placement, BPF_ANY);

	return r < 0 ? datapath_fail(r, "%s: no room for another prefix: %s", SHUNT_MAP_CLIENT_GROUPS, strerror(-r)) : 0;
}

/* Walks old and new side by side. What is not reached after a failure stays, in the map and in the list. */
int datapath_set_clients(struct datapath *d, const struct datapath_client *clients, size_t n, bool keep)
{
	struct datapath_client *old = d->clients;
	size_t n_old = d->n_clients, i = 0, j = 0;
	int r = 0, kept;

	d->clients = NULL;
	d->n_clients = 0;
	while (i < n_old || j < n) {
		int order = i == n_old ? 1 : j == n ? -1 : datapath_client_order(&old[i], &clients[j]);
		bool same = order == 0 && memcmp(&old[i].placement, &clients[j].placement, sizeof(old[i].placement)) == 0;

		if (r == 0 && ((order >= 0 && !same) || (order < 0 && !keep)))
			index_begin_change(d);
		if (order >= 0 && !same && r == 0)
			r = put(d, &clients[j]);
		if (order < 0 && !keep && r == 0) {
			bpf_map_delete_elem(trie(d), &old[i].key);
		} else if (order <= 0 || r == 0) {
			kept = append(d, order < 0 || r < 0 ? &old[i] : &clients[j]);
			r = r < 0 ? r : kept;
		}
		i += order <= 0;
		j += order >= 0;
	}
	free(old);
	index_end_change(d);
	return r;
}
