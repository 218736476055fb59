// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The map server_ids: backends by the server id in connection ids of QUIC. It changes element by element. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int map_of(const struct datapath *d)
{
	return bpf_map__fd(d->skeleton->maps.server_ids);
}

int server_ids_adopt(struct datapath *d)
{
	struct datapath_server_id id;
	size_t room = 0;

	for (void *previous = NULL; bpf_map_get_next_key(map_of(d), previous, &id.key) == 0; previous = &id.key) {
		if (bpf_map_lookup_elem(map_of(d), &id.key, &id.backend) < 0)
			continue;
		if (d->n_server_ids == room) {
			struct datapath_server_id *more = reallocarray(d->server_ids, room = room ? 2 * room : 16, sizeof(*more));

			if (!more)
				return -ENOMEM;
			d->server_ids = more;
		}
		d->server_ids[d->n_server_ids++] = id;
	}
	return 0;
}

size_t datapath_server_ids(const struct datapath *d, const struct datapath_server_id **ret_list)
{
	*ret_list = d->server_ids;
	return d->n_server_ids;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct shunt_server_id));
}

int datapath_set_server_ids(struct datapath *d, const struct datapath_server_id *ids, size_t n)
{
	struct datapath_server_id *next = calloc(n + 1, sizeof(*next));
	int r = 0;

	if (!next)
		return -ENOMEM;
	if (n > 0)
		memcpy(next, ids, n * sizeof(*next));
	qsort(next, n, sizeof(*next), by_key);
	for (size_t i = 0; i < n && r == 0; i++)
		r = bpf_map_update_elem(map_of(d), &next[i].key, &next[i].backend, BPF_ANY);
	if (r < 0) {
		free(next);
		return datapath_fail(r, "%s: no room for another: %s", SHUNT_MAP_SERVER_IDS, strerror(-r));
	}
	for (size_t i = 0; i < d->n_server_ids; i++)
		if (!bsearch(&d->server_ids[i], next, n, sizeof(*next), by_key))
			bpf_map_delete_elem(map_of(d), &d->server_ids[i].key);
	free(d->server_ids);
	d->server_ids = next;
	d->n_server_ids = n;
	return 0;
}

void server_ids_forget(struct datapath *d, uint32_t backend)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_server_ids; i++) {
		if (d->server_ids[i].backend == backend)
			bpf_map_delete_elem(map_of(d), &d->server_ids[i].key);
		else
			d->server_ids[kept++] = d->server_ids[i];
	}
	d->n_server_ids = kept;
}
