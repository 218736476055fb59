/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services: from the configuration to the lines that packets find. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "net/address.h"
#include "shuntd/controller.h"

struct shunt_service_key service_key_of(const struct config_service *service)
{
	return (struct shunt_service_key){
		.address = service->address,
		.port = htons(service->port),
		.protocol = service->protocol,
		.used = 1,
		.prefix = !service->prefix ? 0 : address_is_ipv4(&service->address) ? 96 + service->prefix : service->prefix,
	};
}

static uint32_t flags_of(const struct controller *c, const struct config_service *service)
{
	static const uint32_t tracking[] = {
		[TRACKING_AUTO] = 0,
		[TRACKING_ALWAYS] = SHUNT_SERVICE_TRACK_ALWAYS,
		[TRACKING_NEVER] = SHUNT_SERVICE_TRACK_NEVER,
	};

	static const uint32_t on_empty[] = {
		[ON_EMPTY_DROP] = 0,
		[ON_EMPTY_REJECT] = SHUNT_SERVICE_REJECT,
		[ON_EMPTY_FAIL_OPEN] = SHUNT_SERVICE_FAIL_OPEN,
	};

	return protect_flags(c, service) | tracking[service->tracking] | on_empty[service->on_empty] |
	       (service->hash == HASH_SOURCE_IP ? SHUNT_SERVICE_SOURCE_IP : 0) | (service->quic.on ? SHUNT_SERVICE_QUIC : 0);
}

/* What the program must be able to do; everything else is dead code to it. */
uint32_t services_features(const struct controller *c, const struct config *config)
{
	uint32_t features = protect_features(c, config);

	for (size_t i = 0; i < config->n_groups; i++)
		if (config->groups[i].passive.enabled)
			features |= SHUNT_FEATURE_PASSIVE;
	for (size_t i = 0; i < config->n_services; i++) {
		const struct config_service *service = &config->services[i];

		if (service->port == 0)
			features |= SHUNT_FEATURE_ANY_PORT;
		if (service->prefix)
			features |= SHUNT_FEATURE_PREFIXES;
		if (service->forward == SHUNT_FORWARD_GUE)
			features |= SHUNT_FEATURE_GUE;
		if (service->forward == SHUNT_FORWARD_NAT)
			features |= SHUNT_FEATURE_NAT;
		if (service->mss)
			features |= SHUNT_FEATURE_MSS;
		if (service->quic.on)
			features |= SHUNT_FEATURE_QUIC;
		if (service->clients.n)
			features |= SHUNT_FEATURE_CLIENTS;
		if (service->scheduler != SHUNT_SCHEDULER_MAGLEV)
			features |= SHUNT_FEATURE_SCHEDULERS;
		if (service->on_empty == ON_EMPTY_REJECT)
			features |= SHUNT_FEATURE_REJECT;
		if (service->on_empty == ON_EMPTY_FAIL_OPEN)
			features |= SHUNT_FEATURE_FAIL_OPEN;
	}
	return features;
}

/* A service keeps the id, and so the counters, that it has in the maps; others get free ones with counters at zero. */
static int assign_ids(struct controller *c, uint32_t *ids)
{
	const struct config *config = c->config;
	uint8_t *taken = calloc(SHUNT_MAX_SERVICES, 1);
	uint32_t next = 1;

	if (!taken)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_services; i++) {
		struct shunt_service_key key = service_key_of(&config->services[i]);

		ids[i] = datapath_service_id(c->datapath, &key);
		taken[ids[i]] = 1;
	}
	for (size_t i = 0; i < config->n_services; i++) {
		if (ids[i])
			continue;
		while (taken[next])
			next++;
		ids[i] = next++;
		datapath_service_clear_stats(c->datapath, ids[i]);
	}
	free(taken);
	return 0;
}

static void fill_lines(const struct controller *c, const uint32_t *ids, const struct shunt_service_key *keys,
		       const struct placement_plan *plan, struct shunt_service *services)
{
	uint8_t classes[SHUNT_MAX_SERVICES];

	shares_assign(c, keys, classes);
	for (size_t i = 0; i < c->config->n_services; i++) {
		const struct config_service *from = &c->config->services[i];

		services[i] = (struct shunt_service){
			.key = keys[i],
			.id = ids[i],
			.group = plan->services[i].group,
			.was_group = plan->services[i].was_group,
			.group_state = plan->services[i].state,
			.flags = flags_of(c, from) | (plan->has_clients[i] ? SHUNT_SERVICE_CLIENTS : 0),
			.forward = from->forward,
			.scheduler = from->scheduler,
			.gue_port = htons(from->gue_port),
			.mss = from->mss,
			.server_id_offset = from->quic.server_id_offset,
			.server_id_len = from->quic.server_id_len,
			.flow_class = classes[i],
		};
	}
}

/* Lists that lines refer to are there before, and those of old lines go after them. So are answers, before requests. */
static int publish_lines(struct controller *c, const uint32_t *ids, const struct placement_plan *plan,
			 const struct shunt_service *services)
{
	int r = answers_publish(c, ids, true);

	if (r == 0)
		r = protect_publish(c, ids, true);
	if (r == 0)
		r = datapath_set_clients(c->datapath, plan->clients, plan->n_clients, true);
	if (r == 0)
		r = quic_publish(c, ids);
	if (r == 0)
		r = datapath_set_services(c->datapath, services, c->config->n_services);
	if (r == 0)
		r = datapath_set_clients(c->datapath, plan->clients, plan->n_clients, false);
	return r < 0 ? r : protect_publish(c, ids, false);
}

/* Every group of the configuration has a table, or nothing is published. */
static int groups_are_there(const struct controller *c)
{
	for (size_t i = 0; i < c->config->n_groups; i++)
		if (!c->configured[i])
			return -ENOSPC;
	return 0;
}

static int publish(struct controller *c, placement_step step)
{
	const struct config *config = c->config;
	uint32_t *ids = calloc(config->n_services + 1, sizeof(*ids));
	struct shunt_service *services = calloc(config->n_services + 1, sizeof(*services));
	struct shunt_service_key *keys = calloc(config->n_services + 1, sizeof(*keys));
	struct placement_plan plan = {0};
	int r = ids && services && keys ? groups_are_there(c) : -ENOMEM;

	for (size_t i = 0; i < config->n_services && r == 0; i++)
		keys[i] = service_key_of(&config->services[i]);
	if (r == 0)
		r = assign_ids(c, ids);
	if (r == 0)
		r = placements_plan(c, ids, keys, step, &plan);
	if (r == 0) {
		fill_lines(c, ids, keys, &plan, services);
		r = publish_lines(c, ids, &plan, services);
	}
	if (r == 0) {
		c->placements = plan.next;
		r = answers_publish(c, ids, false);
		free(c->service_ids);
		c->service_ids = ids;
		ids = NULL;
	}
	placement_plan_free(&plan);
	free(services);
	free(keys);
	free(ids);
	return r;
}

int services_publish(struct controller *c)
{
	return publish(c, NULL);
}

int services_advance(struct controller *c, bool settle)
{
	int r = publish(c, settle ? placement_settle : placement_resolve);

	if (r == 0)
		drop_tables(c);
	return r;
}
