// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keeps the index of prefixes (index.h) at what the lists hold that packets would else look for in tries. */
#include <stdlib.h>

#include "datapath/internal.h"

static size_t collect(const struct datapath *d, struct index_prefix *to)
{
	const struct list_keys *allow = &d->lists[DATAPATH_ALLOW];
	size_t n = 0;

	for (size_t i = 0; i < allow->n; i++)
		to[n++] = (struct index_prefix){.key = allow->list[i], .list = SHUNT_INDEX_ALLOW, .found.is_listed = 1};
	for (size_t i = 0; i < d->n_clients; i++) {
		const struct shunt_client_group *placement = &d->clients[i].placement;

		to[n++] = (struct index_prefix){
			.key = d->clients[i].key,
			.list = SHUNT_INDEX_CLIENTS,
			.found = {.group = placement->group, .was_group = placement->was_group, .state = placement->state,
				  .is_listed = 1},
		};
	}
	return n;
}

void index_begin_change(struct datapath *d)
{
	if (d->index.is_open)
		index_suspend(&d->index);
}

/* Where there is no room or no memory for it the tries go on answering: slower, and the same. */
void index_end_change(struct datapath *d)
{
	struct index_prefix *prefixes;

	if (!d->index.is_used || d->index.is_open)
		return;
	prefixes = calloc(d->lists[DATAPATH_ALLOW].n + d->n_clients + 1, sizeof(*prefixes));
	if (prefixes)
		index_build(&d->index, prefixes, collect(d, prefixes));
	free(prefixes);
}

void index_open(struct datapath *d)
{
	if (!d->index.is_used)
		return;
	index_suspend(&d->index); /* it begins with zeros, which would mean that nobody is on any list */
	index_end_change(d);
}
