/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Matches a configuration with what runs and with what the adopted maps hold: backends and groups by name, endpoints by
 * backend and check. What did not change keeps its id, its health, its flows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

/* Who runs out of memory here cannot go on; the data path can, and the next start adopts it. */
void *must(void *memory)
{
	if (!memory) {
		log_error("out of memory: stopping, the data path goes on with its tables");
		abort();
	}
	return memory;
}

uint64_t identity_of(const char *kind, const char *name, const void *more, size_t more_bytes, uint32_t ordinal)
{
	uint64_t hash = shunt_mix64(ordinal + 1);

	for (; *kind; kind++)
		hash = shunt_mix64(hash ^ (uint8_t)*kind);
	for (; *name; name++)
		hash = shunt_mix64(hash + (uint8_t)*name);
	for (size_t i = 0; i < more_bytes; i++)
		hash = shunt_mix64(hash ^ ((const uint8_t *)more)[i]);
	return hash ? hash : 1;
}

/* ---- backends ---- */

static uint64_t backend_identity(const char *name, const struct shunt_addr *address)
{
	return identity_of("name and address", name, address, sizeof(*address), 0);
}

static struct backend *new_backend(struct controller *c, const char *name, const struct shunt_addr *address)
{
	struct backend *backend = must(calloc(1, sizeof(*backend)));

	backend->name = must(strdup(name));
	backend->address = *address;
	backend->identity = backend_identity(name, address);
	backend->removed = true; /* until a configuration has it */
	c->backends = must(realloc(c->backends, (c->n_backends + 1) * sizeof(*c->backends)));
	c->backends[c->n_backends++] = backend;
	HASH_ADD(hh_identity, c->by_identity, identity, sizeof(backend->identity), backend);
	if (next_hops_watch(c->next_hops, address) < 0)
		log_error("backend %s: its next hop cannot be followed: packets ask the kernel", name);
	return backend;
}

/* The same name and address is the same backend, also one that was removed while its flows still live. */
static struct backend *adopt_backend(struct controller *c, const struct config_backend *from, const struct state *restored)
{
	uint64_t identity = backend_identity(from->name, &from->address);
	struct backend *backend;
	bool is_new;

	HASH_FIND(hh_identity, c->by_identity, &identity, sizeof(identity), backend);
	is_new = !backend;
	if (is_new)
		backend = new_backend(c, from->name, &from->address);
	backend->removed = false;
	backend->l2 = false;
	backend->n_checks = 0;
	backend->port = from->port;
	backend->configured_weight = from->weight;
	if (is_new || !c->keep_weights) { /* an operator's weight holds until the next reload */
		backend->weight_until = 0;
		backend->weight = from->weight;
	}
	if (restored)
		persist_restore_backend(restored, backend);
	HASH_ADD_KEYPTR(hh, c->by_name, backend->name, strlen(backend->name), backend);
	return backend;
}

/* Pointers parallel to config->backends. What runs and is not named there is removed. */
struct backend **match_backends(struct controller *c, const struct config *config, const struct state *restored)
{
	struct backend **matched = must(calloc(config->n_backends + 1, sizeof(struct backend *)));

	HASH_CLEAR(hh, c->by_name);
	for (size_t i = 0; i < c->n_backends; i++)
		c->backends[i]->removed = true;
	for (size_t i = 0; i < config->n_backends; i++)
		matched[i] = adopt_backend(c, &config->backends[i], restored);
	for (size_t i = 0; i < config->n_services; i++) {
		for (size_t g = 0; g < config->n_groups && config->services[i].forward == SHUNT_FORWARD_L2; g++) {
			const struct config_group *group = &config->groups[g];

			if (!config_service_reaches(config, &config->services[i], g))
				continue;
			for (size_t m = 0; m < group->n_members; m++)
				matched[group->members[m].backend]->l2 = true;
		}
	}
	return matched;
}

/* ---- endpoints ---- */

/* Puts an endpoint into the maps, or finds it there with its last health: alive then is up until a check says otherwise. */
static int register_endpoint(struct controller *c, struct endpoint *endpoint)
{
	const struct backend *backend = endpoint->backend;
	const struct shunt_backend *element;
	bool found;
	uint64_t identity =
		identity_of("backend", backend->name, &backend->address, sizeof(backend->address), endpoint->ordinal);
	int r = datapath_backend(c->datapath, identity, &endpoint->id, &found);

	if (r < 0)
		return r;
	c->endpoint_of[endpoint->id] = endpoint;
	element = datapath_peek_backend(c->datapath, endpoint->id);
	if (!found) {
		datapath_backend_address(c->datapath, endpoint->id, &backend->address, backend->port);
		datapath_backend_alive(c->datapath, endpoint->id, endpoint->alive);
		backend_set_put(&c->alive, endpoint->id, endpoint->alive);
		return 0;
	}
	if (element->flags & SHUNT_BACKEND_ALIVE) {
		endpoint->health.state = HEALTH_UP;
		endpoint->alive = true;
		backend_set_put(&c->alive, endpoint->id, true);
	}
	return 0;
}

static uint16_t probe_port(const struct config *config, size_t group, const struct backend *backend,
			   const struct config_check *check)
{
	if (check->port || backend->port)
		return check->port ? check->port : backend->port;
	for (size_t i = 0; i < config->n_services; i++)
		if (config->services[i].port && config_service_reaches(config, &config->services[i], group))
			return config->services[i].port;
	return 0;
}

/*
 * Groups that check a backend in the same way and at the same port share an endpoint; the number of its check among the different
 * ones. A group that no service uses yet has no port of its own (0): it goes along with who has one.
 */
static uint32_t check_ordinal(struct backend *backend, const struct config_check *check, uint16_t port)
{
	for (uint32_t i = 0; i < backend->n_checks; i++) {
		struct backend_check *known = &backend->checks[i];

		if (!config_check_equal(known->check, check) || (port && known->port && port != known->port))
			continue;
		known->port = known->port ?: port;
		return i;
	}
	backend->checks = must(realloc(backend->checks, (backend->n_checks + 1) * sizeof(*backend->checks)));
	backend->checks[backend->n_checks] = (struct backend_check){check, port};
	return backend->n_checks++;
}

static struct endpoint *find_endpoint(const struct backend *backend, uint32_t ordinal)
{
	struct endpoint *endpoint = backend->endpoints;

	while (endpoint && endpoint->ordinal != ordinal)
		endpoint = endpoint->next;
	return endpoint;
}

static void add_endpoint(struct controller *c, struct endpoint *endpoint)
{
	endpoint->next = endpoint->backend->endpoints;
	endpoint->backend->endpoints = endpoint;
	endpoint->health_since = clock_wall_ms();
	endpoint->lag_ms = PROBE_LAG_NONE;
	endpoint->in_slots = true; /* until a scan says otherwise */
	endpoint->health_percent = endpoint->agent_percent = 100;
	c->endpoints = must(realloc(c->endpoints, (c->n_endpoints + 1) * sizeof(*c->endpoints)));
	c->endpoints[c->n_endpoints++] = endpoint;
}

static struct endpoint *new_endpoint(struct controller *c, struct backend *backend, uint32_t ordinal)
{
	struct endpoint *endpoint = must(calloc(1, sizeof(*endpoint)));

	endpoint->backend = backend;
	endpoint->ordinal = ordinal;
	if (register_endpoint(c, endpoint) < 0) {
		log_error("backend %s: %s: it takes no traffic", backend->name, datapath_error());
		free(endpoint);
		return NULL;
	}
	add_endpoint(c, endpoint);
	return endpoint;
}

/* `running`: the group serves already, so that who comes new begins slowly. */
static struct endpoint *match_endpoint(struct controller *c, const struct config *config, size_t group,
				       struct backend *backend, bool running)
{
	const struct config_check *check = &config->groups[group].check;
	uint32_t ordinal = check_ordinal(backend, check, probe_port(config, group, backend, check));
	uint16_t port = backend->checks[ordinal].port;
	struct endpoint *endpoint = find_endpoint(backend, ordinal);
	bool same;

	if (!endpoint && (endpoint = new_endpoint(c, backend, ordinal)))
		endpoint->health.returning = running;
	if (!endpoint)
		return NULL;
	same = via_match(c, endpoint, config, group) && endpoint->probe && endpoint->probe_port == port && config_check_equal(&endpoint->check, check);
	endpoint->check = *check;
	endpoint->probe_port = port;
	endpoint->wanted = true;
	datapath_backend_port(c->datapath, endpoint->id, backend->port);
	if (!same && endpoint_start(c, endpoint) < 0)
		log_error("backend %s: cannot be checked: it takes no traffic", backend->name);
	return endpoint;
}

/* ---- groups ---- */

/* Flows of unsettled slots may be pinned to backends that no slot names any more: any of those in the maps. */
static void know_pinned(const struct controller *c, struct group *group)
{
	for (uint32_t id = 1; id < SHUNT_MAX_BACKENDS; id++)
		if (datapath_peek_backend(c->datapath, id)->flags & SHUNT_BACKEND_USED)
			backend_set_put(&group->known, id, true);
}

static int register_group(struct controller *c, struct group *group)
{
	bool found, unsettled = false;
	int r = datapath_group(c->datapath, identity_of("group", group->name, NULL, 0, 0), &group->index, &found);

	if (r < 0)
		return r;
	group_free_bases(group);
	group->content = 0;
	free(group->moved_at);
	group->moved_at = NULL;
	group->started = group->started || found;
	for (uint32_t slot = 0; found && slot < c->table_size; slot++) {
		const struct shunt_slot *word = &datapath_table(c->datapath, group->index)[slot];

		backend_set_put(&group->known, word->now, true);
		backend_set_put(&group->known, word->was, true);
		unsettled = unsettled || word->state != SHUNT_SLOT_SETTLED;
	}
	if (unsettled)
		know_pinned(c, group);
	return 0;
}

static struct group *adopt_group(struct controller *c, const struct config_group *from)
{
	struct group *group = group_find(c, from->name);

	if (group)
		return group;
	group = must(calloc(1, sizeof(*group)));
	group->name = must(strdup(from->name));
	group->controller = c;
	failover_init(&group->failover);
	if (register_group(c, group) < 0) {
		log_error("group %s: %s", group->name, datapath_error());
		group_free(group);
		return NULL;
	}
	c->groups = must(realloc(c->groups, (c->n_groups + 1) * sizeof(*c->groups)));
	c->groups[c->n_groups++] = group;
	return group;
}

static const struct endpoint *endpoint_at(const struct group *group, size_t i)
{
	return i < group->n_members ? group->members[i].endpoint : NULL;
}

/* The member that an operator forced, or max_lag chose, keeps its place by name when the list changes. */
static size_t place_of(const struct group *group, const struct endpoint *endpoint)
{
	for (size_t i = 0; endpoint && i < group->n_members; i++)
		if (group->members[i].endpoint->backend == endpoint->backend)
			return i;
	return FAILOVER_NO_MEMBER;
}

/* What a member is known by besides its place. */
static void inherit(const struct group *group, struct member *member)
{
	for (size_t i = 0; i < group->n_members; i++) {
		if (group->members[i].endpoint != member->endpoint)
			continue;
		member->fit = group->members[i].fit;
		member->was_up = group->members[i].was_up;
		member->damping = group->members[i].damping;
		member->told_suppressed = group->members[i].told_suppressed;
	}
}

static void match_members(struct controller *c, const struct config *config, size_t index, struct group *group,
			  struct backend **backends)
{
	const struct config_group *from = &config->groups[index];
	struct member *members = must(calloc(from->n_members + 1, sizeof(*members)));
	struct failover *failover = &group->failover;
	const struct endpoint *forced = endpoint_at(group, failover->now.forced), *chosen = endpoint_at(group, failover->now.chosen);
	size_t n = 0;

	group_panic_forget(group);
	for (size_t m = 0; m < from->n_members; m++) {
		struct endpoint *endpoint = match_endpoint(c, config, index, backends[from->members[m].backend], group->decided);

		if (!endpoint)
			continue;
		members[n] = (struct member){.endpoint = endpoint, .priority = from->members[m].priority};
		inherit(group, &members[n++]);
		backend_set_put(&group->known, endpoint->id, true);
	}
	free(group->members);
	group->members = members;
	group->judged_ms = 0;
	group->n_members = n;
	group->config = from;
	failover->now.forced = place_of(group, forced);
	failover->now.chosen = place_of(group, chosen);
	failover->shifted_percent = 100; /* a rolling move that was on its way is over */
}

static bool is_scheduled(const struct config *config, size_t group)
{
	bool used = false;

	for (size_t i = 0; i < config->n_services; i++) {
		if (!config_service_reaches(config, &config->services[i], group))
			continue;
		if (config->services[i].scheduler == SHUNT_SCHEDULER_MAGLEV)
			return false;
		used = true;
	}
	return used;
}

void match_groups(struct controller *c, const struct config *config, struct backend **backends,
			 const struct state *restored)
{
	free(c->configured);
	c->configured = must(calloc(config->n_groups + 1, sizeof(struct group *)));
	for (size_t i = 0; i < c->n_endpoints; i++)
		c->endpoints[i]->wanted = false;
	for (size_t g = 0; g < config->n_groups; g++) {
		struct group *group = adopt_group(c, &config->groups[g]);

		if (!group)
			continue;
		c->configured[g] = group;
		match_members(c, config, g, group, backends);
		if (restored)
			persist_restore_group(restored, group);
	}
	match_last_resorts(c, config);
	for (size_t g = 0; g < config->n_groups; g++)
		if (c->configured[g])
			c->configured[g]->scheduled = is_scheduled(config, g);
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (!c->endpoints[i]->wanted)
			c->endpoints[i]->check = (struct config_check){.type = c->endpoints[i]->check.type};
	agents_forget(c);
}

/* Whom only this group's panic held alive is not any more. */
static void end_panic(struct controller *c, struct group *group)
{
	bool panicked = group->panic;

	group_panic_forget(group);
	for (size_t i = 0; panicked && i < group->n_members; i++)
		endpoint_refresh(c, group->members[i].endpoint);
}

void drop_groups(struct controller *c, const struct config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_groups; i++) {
		if (config_find_group(config, c->groups[i]->name) != SIZE_MAX) {
			c->groups[kept++] = c->groups[i];
			continue;
		}
		end_panic(c, c->groups[i]);
		group_free(c->groups[i]);
	}
	c->n_groups = kept;
}

void drop_tables(struct controller *c)
{
	uint64_t identity;

	for (uint32_t g = 0; g < datapath_room(c->datapath); g++) {
		bool needed = !datapath_group_used(c->datapath, g, &identity) || c->placements.origins[g];

		for (size_t i = 0; i < c->n_groups && !needed; i++)
			needed = c->groups[i]->index == g;
		if (!needed)
			datapath_group_remove(c->datapath, g);
	}
}

uint32_t groups_at_once(const struct controller *c, const struct config *config)
{
	uint32_t n = config->n_groups;
	uint64_t identity;

	for (size_t i = 0; i < c->n_groups; i++)
		n += config_find_group(config, c->groups[i]->name) == SIZE_MAX;
	for (uint32_t g = 0; c->datapath && g < datapath_room(c->datapath); g++)
		n += c->placements.origins[g] && datapath_group_used(c->datapath, g, &identity);
	return n < SHUNT_MAX_GROUPS ? n : SHUNT_MAX_GROUPS;
}

/* A backend that only the adopted maps know: removed from the configuration, while flows of it live. */
static void adopt_removed_backend(struct controller *c, uint32_t id, const struct shunt_backend *element)
{
	struct endpoint *endpoint = must(calloc(1, sizeof(*endpoint)));
	char address[ADDRESS_TEXT_MAX];

	endpoint->backend = new_backend(c, address_format(&element->address, address), &element->address);
	endpoint->id = id;
	endpoint->check.type = CHECK_NONE;
	endpoint->alive = element->flags & SHUNT_BACKEND_ALIVE;
	endpoint->health.state = endpoint->alive ? HEALTH_UP : HEALTH_UNKNOWN;
	backend_set_put(&c->alive, id, endpoint->alive);
	c->endpoint_of[id] = endpoint;
	add_endpoint(c, endpoint);
}

void match_strangers(struct controller *c)
{
	for (uint32_t id = 1; id < SHUNT_MAX_BACKENDS; id++) {
		const struct shunt_backend *element = datapath_peek_backend(c->datapath, id);

		if (element->flags & SHUNT_BACKEND_USED && !c->endpoint_of[id])
			adopt_removed_backend(c, id, element);
	}
}

/* ---- another layout: everything that runs is put into empty maps ---- */

void match_register_again(struct controller *c)
{
	memset(&c->alive, 0, sizeof(c->alive));
	memset(&c->fit, 0, sizeof(c->fit));
	memset(&c->in_service, 0, sizeof(c->in_service));
	memset(c->endpoint_of, 0, SHUNT_MAX_BACKENDS * sizeof(struct endpoint *));
	for (size_t i = 0; i < c->n_groups; i++)
		memset(&c->groups[i]->known, 0, sizeof(c->groups[i]->known));
	for (size_t i = 0; i < c->n_endpoints; i++)
		if (register_endpoint(c, c->endpoints[i]) < 0)
			log_error("backend %s: %s", c->endpoints[i]->backend->name, datapath_error());
	for (size_t i = 0; i < c->n_groups; i++)
		if (register_group(c, c->groups[i]) < 0)
			log_error("group %s: %s", c->groups[i]->name, datapath_error());
}
