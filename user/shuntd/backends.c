/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Backends and their endpoints: from probe results, operators' words and next hops to the elements of `backends`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "health/standing.h"
#include "shuntd/controller.h"

struct backend *backend_find(const struct controller *c, const char *name)
{
	struct backend *backend;

	HASH_FIND_STR(c->by_name, name, backend);
	return backend;
}

/* ---- what may be sent to it ---- */

/* At once, but after every group has followed that it was away (follow.c). */
static void come_alive(struct controller *c, struct endpoint *endpoint)
{
	groups_catch_up(c, endpoint);
	endpoint->leaving = false;
	datapath_backend_alive(c->datapath, endpoint->id, true);
}

/* Packets go on to it until tables without which they would find nobody have been switched (follow.c). */
static void begin_to_leave(struct controller *c, struct endpoint *endpoint)
{
	if (c->n_leaving++ == 0)
		c->leaving_since_ns = clock_monotonic_ns();
	endpoint->leaving = true;
}

bool endpoint_refresh(struct controller *c, struct endpoint *endpoint)
{
	const struct backend *backend = endpoint->backend;
	enum admin_state admin = backend_admin(backend);
	const struct standing_facts facts = {
		.health = endpoint->health.state,
		.was_alive = endpoint->alive,
		.keeps_flows = endpoint->check.on_down == ON_DOWN_KEEP,
		.opened = endpoint->opened,
		.drained = admin == ADMIN_DRAIN,
		.maintained = admin == ADMIN_MAINT,
		.ejected = endpoint_is_ejected(endpoint),
		.weighs = endpoint_table_weight(endpoint) > 0 && endpoint->wanted,
	};
	const struct standing standing = standing_of(facts);

	if (c->detached || (standing.alive == endpoint->alive && standing.fit == backend_set_has(&c->fit, endpoint->id) &&
			    standing.in_service == backend_set_has(&c->in_service, endpoint->id)))
		return false;
	if (standing.alive && !endpoint->alive)
		come_alive(c, endpoint);
	else if (!standing.alive && endpoint->alive)
		begin_to_leave(c, endpoint);
	endpoint->alive = standing.alive;
	backend_set_put(&c->alive, endpoint->id, standing.alive);
	backend_set_put(&c->fit, endpoint->id, standing.fit);
	backend_set_put(&c->in_service, endpoint->id, standing.in_service);
	return true;
}

void endpoint_publish(struct controller *c, struct endpoint *endpoint)
{
	if (endpoint_refresh(c, endpoint))
		groups_follow(c, endpoint, false);
}

void backend_publish(struct controller *c, struct backend *backend)
{
	for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
		if (endpoint_refresh(c, endpoint))
			groups_mark(c, endpoint, false);
	groups_finish(c);
}

/* ---- start and end ---- */

int endpoint_start(struct controller *c, struct endpoint *endpoint)
{
	struct probe_target target = {
		.name = endpoint->backend->name,
		.address = endpoint->backend->address,
		.port = endpoint->probe_port,
	};

	probe_free(endpoint->probe);
	endpoint->probe = NULL;
	if (!backend_is_probed(endpoint->backend)) {
		endpoint_forget_health(endpoint, true);
		snprintf(endpoint->last, sizeof(endpoint->last), "not checked in maintenance");
		return 0;
	}
	endpoint->context = (struct endpoint_context){c, endpoint};
	if (!via_is_ready(endpoint))
		return 0;
	via_target(endpoint, &target);
	return probe_start(c->prober, &target, &endpoint->check, endpoint_probed, &endpoint->context, &endpoint->probe);
}

void endpoint_free(struct controller *c, struct endpoint *endpoint)
{
	struct endpoint **at;

	if (!endpoint)
		return;
	probe_free(endpoint->probe);
	via_forget(c, endpoint);
	sd_event_source_disable_unref(endpoint->health_timer);
	for (at = &endpoint->backend->endpoints; *at; at = &(*at)->next)
		if (*at == endpoint) {
			*at = endpoint->next;
			break;
		}
	if (endpoint->id && c->endpoint_of[endpoint->id] == endpoint)
		c->endpoint_of[endpoint->id] = NULL;
	c->generation++;
	free(endpoint);
}

/* ---- next hops ---- */

static void describe_next_hop(struct backend *backend)
{
	const struct next_hop *hop = &backend->next_hop;
	char device[IF_NAMESIZE] = "?";

	if (hop->ifindex)
		if_indextoname(hop->ifindex, device);
	if (hop->local)
		snprintf(backend->next_hop_text, sizeof(backend->next_hop_text), "the address is this host's own");
	else if (!hop->resolved)
		snprintf(backend->next_hop_text, sizeof(backend->next_hop_text), "%s", hop->problem ? hop->problem : "not resolved");
	else if (backend->l2 && !hop->on_link)
		snprintf(backend->next_hop_text, sizeof(backend->next_hop_text),
			 "behind a router on %s: l2 needs a connected network", device);
	else
		snprintf(backend->next_hop_text, sizeof(backend->next_hop_text),
			 "via %s %02x:%02x:%02x:%02x:%02x:%02x", device, hop->mac[0], hop->mac[1], hop->mac[2], hop->mac[3],
			 hop->mac[4], hop->mac[5]);
}

/* The outer source: what the configuration says for the family, else what this host would use towards the backend. */
static struct shunt_addr outer_source(const struct controller *c, const struct backend *backend)
{
	const struct shunt_addr *configured =
		address_is_ipv4(&backend->address) ? &c->config->source_ipv4 : &c->config->source_ipv6;

	return address_is_zero(configured) ? backend->next_hop.source : *configured;
}

/* To a backend behind a router, l2 would reach the router only: such packets are dropped and counted, not lost there. */
static bool usable(const struct backend *backend)
{
	return backend->next_hop.resolved && !backend->next_hop.local && (!backend->l2 || backend->next_hop.on_link);
}

void backend_next_hop(struct controller *c, struct backend *backend)
{
	const struct next_hop *hop = &backend->next_hop;
	struct shunt_addr source = outer_source(c, backend);

	if (!backend->next_hop_known || c->detached)
		return;
	describe_next_hop(backend);
	for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		datapath_backend_source(c->datapath, endpoint->id, &source);
		datapath_backend_next_hop(c->datapath, endpoint->id, usable(backend) ? hop->ifindex : 0, hop->mac,
					  hop->link_mac, hop->mtu);
		via_next_hop(c, endpoint);
	}
}

void next_hop_changed(void *userdata, const struct shunt_addr *address, const struct next_hop *hop)
{
	struct controller *c = userdata;

	via_stand_in_moved(c, address, hop);
	for (size_t i = 0; i < c->n_backends; i++) {
		struct backend *backend = c->backends[i];
		bool was_usable = backend->next_hop_known && usable(backend);

		if (!address_equal(&backend->address, address))
			continue;
		backend->next_hop = *hop;
		backend->next_hop_known = true;
		backend_next_hop(c, backend);
		if (was_usable && !usable(backend))
			log_warn("backend %s: next hop lost: %s", backend->name, backend->next_hop_text);
		else
			log_debug("backend %s: next hop: %s", backend->name, backend->next_hop_text);
	}
}

/* ---- what operators said for a time ---- */

void backend_set_weight(struct controller *c, struct backend *backend, uint32_t weight)
{
	backend->weight = weight;
	backend_publish(c, backend);
	for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
		groups_follow(c, endpoint, true);
}

static bool is_over(int64_t *until, int64_t now)
{
	if (!*until || now < *until)
		return false;
	*until = 0;
	return true;
}

void backends_end_overrides(struct controller *c)
{
	int64_t now = wall_now(c);

	for (size_t i = 0; i < c->n_backends; i++) {
		struct backend *backend = c->backends[i];
		char object[128];

		snprintf(object, sizeof(object), "backend %s", backend->name);
		if (is_over(&backend->admin_until, now)) {
			backend->drain_until = 0;
			backend_set_admin(c, backend, ADMIN_BY_OPERATOR, ADMIN_READY);
			events_add(c->events, "ready", object, "controller", "the time that an operator gave is over");
			persist_soon(c);
		}
		if (is_over(&backend->weight_until, now)) {
			events_add(c->events, "weight", object, "controller", "%u -> %u: the time that an operator gave is over",
				   backend->weight, backend->configured_weight);
			backend_set_weight(c, backend, backend->configured_weight);
			persist_soon(c);
		}
	}
}

/* ---- drains whose time is over ---- */

/* The drain stays in force: what is left is told, cutting it off is the operator's decision. */
void backends_note_drains(struct controller *c)
{
	int64_t now = wall_now(c);

	for (size_t i = 0; i < c->n_backends; i++) {
		struct backend *backend = c->backends[i];
		uint32_t flows = 0;
		char object[128];

		if (backend->admin[ADMIN_BY_OPERATOR] != ADMIN_DRAIN || !backend->drain_until || now < backend->drain_until)
			continue;
		backend->drain_until = 0;
		for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
			flows += endpoint->flows;
		snprintf(object, sizeof(object), "backend %s", backend->name);
		events_add(c->events, "drain", object, "controller",
			   "the timeout passed with %u pinned flows left: they stay, `shunt maint %s` ends them", flows,
			   backend->name);
		persist_soon(c);
	}
}

/* ---- the end of a removed one ---- */

void backend_free(struct controller *c, struct backend *backend)
{
	if (c->next_hops)
		next_hops_unwatch(c->next_hops, &backend->address);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every backend is in this hash */
	HASH_DELETE(hh_identity, c->by_identity, backend);
	c->generation++;
	free(backend->checks);
	free(backend->name);
	free(backend);
}

void backends_retire(struct controller *c)
{
	size_t kept = 0, before = c->n_endpoints;

	for (size_t i = 0; i < c->n_endpoints; i++) {
		struct endpoint *endpoint = c->endpoints[i];

		if (endpoint->wanted || endpoint->in_slots || endpoint->flows > 0) {
			c->endpoints[kept++] = endpoint;
			continue;
		}
		datapath_forget_flows(c->datapath, endpoint->id);
		datapath_backend_remove(c->datapath, endpoint->id);
		backend_set_put(&c->alive, endpoint->id, false);
		backend_set_put(&c->fit, endpoint->id, false);
		backend_set_put(&c->in_service, endpoint->id, false);
		for (size_t g = 0; g < c->n_groups; g++)
			backend_set_put(&c->groups[g]->known, endpoint->id, false);
		log_info("backend %s: removed, no flow is left", endpoint->backend->name);
		endpoint_free(c, endpoint);
	}
	c->n_endpoints = kept;
	if (kept < before && c->service_ids && answers_publish(c, c->service_ids, false) < 0)
		log_error("nat: what removed backends answered for stays: %s", datapath_error());
	kept = 0;
	for (size_t i = 0; i < c->n_backends; i++) {
		if (c->backends[i]->removed && !c->backends[i]->endpoints)
			backend_free(c, c->backends[i]);
		else
			c->backends[kept++] = c->backends[i];
	}
	c->n_backends = kept;
}
