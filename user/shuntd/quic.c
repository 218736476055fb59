// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Server ids of QUIC: from the configuration to the map that packets ask. A backend that is removed keeps its id for as long
 * as flows of it live.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shuntd/controller.h"

struct ids {
	struct datapath_server_id *list;
	size_t n, room;
};

static bool append(struct ids *ids, const struct datapath_server_id *id)
{
	if (ids->n == ids->room) {
		struct datapath_server_id *more = reallocarray(ids->list, ids->room ? 2 * ids->room : 64, sizeof(*more));

		if (!more)
			return false;
		ids->room = ids->room ? 2 * ids->room : 64;
		ids->list = more;
	}
	ids->list[ids->n++] = *id;
	return true;
}

static bool has(const struct ids *ids, size_t from, const struct shunt_server_id *key)
{
	for (size_t i = from; i < ids->n; i++)
		if (memcmp(&ids->list[i].key, key, sizeof(*key)) == 0)
			return true;
	return false;
}

/* Of a backend that several groups check differently, the one that the service's own group knows comes first. */
static bool add_group(const struct controller *c, struct ids *ids, size_t from, const struct config_service *service,
		      uint32_t service_id, size_t group_index)
{
	const struct config_group *config = &c->config->groups[group_index];
	const struct group *group = c->configured[group_index];
	bool added = true;

	for (size_t m = 0; group && added && m < config->n_members; m++) {
		const struct config_backend *backend = &c->config->backends[config->members[m].backend];
		struct datapath_server_id id = {.key = {.service = service_id, .len = backend->server_id.len}};

		memcpy(id.key.byte, backend->server_id.byte, sizeof(id.key.byte));
		if (backend->server_id.len != service->quic.server_id_len || has(ids, from, &id.key))
			continue;
		for (size_t i = 0; i < group->n_members; i++)
			if (strcmp(group->members[i].endpoint->backend->name, backend->name) == 0)
				id.backend = group->members[i].endpoint->id;
		added = !id.backend || append(ids, &id);
	}
	return added;
}

static bool add_service(const struct controller *c, struct ids *ids, const struct config_service *service, uint32_t service_id)
{
	size_t from = ids->n;
	bool added = !service->quic.server_id_len || add_group(c, ids, from, service, service_id, service->group);

	for (size_t g = 0; added && service->quic.server_id_len && g < c->config->n_groups; g++)
		if (config_service_reaches(c->config, service, g))
			added = add_group(c, ids, from, service, service_id, g);
	return added;
}

static bool reads(const struct controller *c, const uint32_t *service_ids, const struct shunt_server_id *key)
{
	for (size_t i = 0; i < c->config->n_services; i++)
		if (service_ids[i] == key->service)
			return c->config->services[i].quic.server_id_len == key->len;
	return false;
}

/* What was there and belongs to backends that are still alive though no group has them. */
static bool add_leaving(const struct controller *c, const uint32_t *service_ids, struct ids *ids)
{
	const struct datapath_server_id *old;
	size_t n = datapath_server_ids(c->datapath, &old);
	bool added = true;

	for (size_t i = 0; i < n && added; i++) {
		const struct endpoint *endpoint = c->endpoint_of[old[i].backend];

		if (endpoint && !endpoint->wanted && reads(c, service_ids, &old[i].key) && !has(ids, 0, &old[i].key))
			added = append(ids, &old[i]);
	}
	return added;
}

int quic_publish(struct controller *c, const uint32_t *service_ids)
{
	struct ids ids = {0};
	bool added = true;
	int r;

	for (size_t i = 0; i < c->config->n_services && added; i++)
		added = add_service(c, &ids, &c->config->services[i], service_ids[i]);
	added = added && add_leaving(c, service_ids, &ids);
	r = added ? datapath_set_server_ids(c->datapath, ids.list, ids.n) : -ENOMEM;
	free(ids.list);
	return r;
}
