/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Deny and allow lists and limits: from the configuration to the maps that packets find. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shunt/bucket.h>

#include "net/address.h"
#include "shuntd/controller.h"

#define NS_PER_S 1000000000ULL

uint32_t protect_flags(const struct controller *c, const struct config_service *service)
{
	return (service->deny.n || denied_of_service(&c->denied, service->name) ? SHUNT_SERVICE_DENY : 0) |
	       (service->allow.given ? SHUNT_SERVICE_ALLOW : 0) |
	       (service->limits.new_flows || service->limits.per_client ? SHUNT_SERVICE_LIMIT : 0);
}

uint32_t protect_features(const struct controller *c, const struct config *config)
{
	uint32_t features = (config->deny.n || c->denied.n ? SHUNT_FEATURE_DENY : 0) |
			    (config->allow.given ? SHUNT_FEATURE_ALLOW_ALL : 0);

	for (size_t i = 0; i < config->n_services; i++) {
		uint32_t flags = protect_flags(c, &config->services[i]);

		features |= (flags & SHUNT_SERVICE_DENY ? SHUNT_FEATURE_DENY : 0) |
			    (flags & SHUNT_SERVICE_ALLOW ? SHUNT_FEATURE_ALLOW : 0) |
			    (flags & SHUNT_SERVICE_LIMIT ? SHUNT_FEATURE_LIMIT : 0);
	}
	return features;
}

/* ---- lists ---- */

static const struct config_prefixes *list_of(const struct config_service *service, enum datapath_list list)
{
	return list == DATAPATH_DENY ? &service->deny : &service->allow;
}

static size_t add_keys(struct shunt_list_key *to, const struct config_prefixes *prefixes, uint32_t service)
{
	for (size_t i = 0; i < prefixes->n; i++)
		to[i] = datapath_prefix_key(&prefixes->list[i].address, prefixes->list[i].length, service);
	return prefixes->n;
}

/* The id in lists: 0 for all services; -1: it is not configured (any more). */
static int64_t list_id(const struct controller *c, const char *service, const uint32_t *ids)
{
	size_t i = *service ? config_find_service(c->config, service) : SIZE_MAX;

	return !*service ? 0 : i == SIZE_MAX ? -1 : (int64_t)ids[i];
}

/* What operators denied. Of a service that is not configured it waits. */
static size_t add_denied(const struct controller *c, struct shunt_list_key *to, const uint32_t *ids)
{
	const char *service = "";
	int64_t id = 0;
	size_t n = 0;

	for (size_t i = 0; i < c->denied.n; i++) {
		const struct denied *entry = &c->denied.list[i];

		if (service != entry->service)
			id = list_id(c, entry->service, ids);
		service = entry->service;
		if (id >= 0)
			to[n++] = datapath_prefix_key(&entry->prefix.address, entry->prefix.length, (uint32_t)id);
	}
	return n;
}

static int publish_list(struct controller *c, enum datapath_list list, const uint32_t *ids, bool keep)
{
	const struct config *config = c->config;
	const struct config_prefixes *all = list == DATAPATH_DENY ? &config->deny : &config->allow;
	struct shunt_list_key *keys;
	size_t n = all->n;
	int r;

	for (size_t i = 0; i < config->n_services; i++)
		n += list_of(&config->services[i], list)->n;
	if (list == DATAPATH_DENY)
		n += c->denied.n;
	keys = calloc(n + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	n = add_keys(keys, all, 0);
	for (size_t i = 0; i < config->n_services; i++)
		n += add_keys(keys + n, list_of(&config->services[i], list), ids[i]);
	if (list == DATAPATH_DENY)
		n += add_denied(c, keys + n, ids);
	r = datapath_set_prefixes(c->datapath, list, keys, n, keep);
	free(keys);
	return r;
}

/* ---- limits ---- */

/* How far ahead of the steady rate one may come: that many, the one that is due included. */
static uint64_t burst_time(uint64_t interval, uint32_t burst)
{
	return interval * (burst - 1);
}

/* Rounded up: never more than the rate that is configured, at 1,000 a second 0.02 % less. */
static uint64_t client_interval(uint32_t per_client)
{
	uint64_t unit_rate = (uint64_t)per_client << SHUNT_DUE_SHIFT;

	return (NS_PER_S + unit_rate - 1) / unit_rate;
}

static uint64_t mask_half(uint32_t bits, int half)
{
	uint8_t byte[8];
	uint64_t word;

	for (uint32_t i = 0; i < 8; i++) {
		uint32_t before = (half * 8 + i) * 8;

		byte[i] = bits <= before ? 0 : bits - before >= 8 ? 0xff : 0xff << (8 - (bits - before));
	}
	memcpy(&word, byte, sizeof(word));
	return word;
}

static struct shunt_limit limit_of(const struct config_service *service)
{
	const struct config_limits *limits = &service->limits;
	uint32_t bits = address_is_ipv4(&service->address) ? 96U + limits->client_ipv4 : limits->client_ipv6;
	struct shunt_limit limit = {.client_mask = {mask_half(bits, 0), mask_half(bits, 1)}};

	if (limits->new_flows) {
		limit.interval_ns = NS_PER_S / limits->new_flows;
		limit.burst_ns = burst_time(limit.interval_ns, limits->burst);
	}
	if (limits->per_client) {
		limit.client_interval = client_interval(limits->per_client);
		limit.client_burst = burst_time(limit.client_interval, limits->client_burst);
	}
	return limit;
}

/* The furthest that a client of any service can be ahead, as packets see it: by a clock that may be a tick behind. */
static uint64_t furthest(const struct config *config)
{
	uint64_t most = 0;

	for (size_t i = 0; i < config->n_services; i++) {
		struct shunt_limit limit = limit_of(&config->services[i]);

		if (limit.client_burst + limit.client_interval > most)
			most = limit.client_burst + limit.client_interval;
	}
	return most + (NS_PER_S >> SHUNT_DUE_SHIFT);
}

int protect_publish(struct controller *c, const uint32_t *ids, bool keep)
{
	int r = publish_list(c, DATAPATH_DENY, ids, keep);
	uint64_t most = furthest(c->config);

	for (size_t i = 0; i < c->config->n_services; i++) {
		struct shunt_limit limit = limit_of(&c->config->services[i]);

		limit.client_most = most;
		datapath_set_limit(c->datapath, ids[i], &limit);
	}
	return r < 0 ? r : publish_list(c, DATAPATH_ALLOW, ids, keep);
}

uint32_t protect_listed(const struct config *config)
{
	size_t n = config->allow.n;

	for (size_t i = 0; i < config->n_services; i++)
		n += config->services[i].allow.n + config->services[i].clients.n;
	return n < UINT32_MAX ? n : UINT32_MAX;
}

int protect_publish_denied(struct controller *c)
{
	return publish_list(c, DATAPATH_DENY, c->service_ids, false);
}
