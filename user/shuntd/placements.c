// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which group takes which clients of a service: all of them its own, those of a prefix of `clients` another. When that
 * changes, by a reload, flows stay where they began: the placement of the clients moves as slots do (user/slots), and is
 * remembered in the maps, so that a restart goes on from there.
 *
 * A prefix that the configuration has no more is kept until its clients have settled where those around it are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "shuntd/controller.h"

#define KEY_BITS_BEFORE_ADDRESS 32

/* Clients of a prefix, configured, published or both. Elements of a service stand in datapath_client_order(). */
struct node {
	struct datapath_client client;     /* as published; with .placement as it will be, once planned */
	bool published, configured;
	uint32_t group;                    /* in force for it: its own, or that of the prefix around it */
	struct shunt_client_group now;     /* likewise, what packets find */
	size_t around;                     /* the prefix that it is in; SIZE_MAX: none but the service */
};

static struct shunt_client_group same(struct shunt_client_group placement)
{
	return placement;
}

/* ---- one service ---- */

struct service_plan {
	const struct controller *c;
	placement_step step;
	struct shunt_client_group now, next; /* of all clients without a prefix */
	uint32_t group;
	bool is_new;                       /* the service: nothing of it has any flow */
	struct node *nodes;
	size_t n;
};

static bool has(const struct shunt_list_key *prefix, const struct shunt_list_key *within)
{
	uint32_t bits = prefix->length - KEY_BITS_BEFORE_ADDRESS;
	const uint8_t *a = prefix->address.byte, *b = within->address.byte;

	if (prefix->version != within->version || prefix->length > within->length || memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

static struct shunt_client_group next_of(const struct service_plan *plan, struct shunt_client_group now, uint32_t group)
{
	return plan->is_new ? placement_settled(group) : placement_next(plan->step(now), group);
}

/* From outer prefixes to those within them; `around` leads from the last one outwards. */
static void plan_nodes(struct service_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct node *node = &plan->nodes[i];
		size_t around = i == 0 ? SIZE_MAX : i - 1;

		while (around != SIZE_MAX && !has(&plan->nodes[around].client.key, &node->client.key))
			around = plan->nodes[around].around;
		node->around = around;
		if (!node->configured)
			node->group = around == SIZE_MAX ? plan->group : plan->nodes[around].group;
		node->now = node->published ? node->client.placement :
			    around == SIZE_MAX ? plan->now : plan->nodes[around].now;
		node->client.placement = next_of(plan, node->now, node->group);
	}
}

/* Whether packets would find the same without it. */
static bool is_idle(const struct service_plan *plan, const struct node *node)
{
	return !node->configured &&
	       (plan->is_new || placement_equal(node->client.placement, node->around == SIZE_MAX ? plan->next :
						plan->nodes[node->around].client.placement));
}

/* Configured and published prefixes of one service, each once, in order. */
static size_t merge_nodes(const struct controller *c, const struct config_clients *clients, uint32_t service_id,
			  const struct datapath_client *published, size_t n_published, struct node *nodes)
{
	size_t n = 0, i = 0, j = 0;

	while (i < clients->n || j < n_published) {
		struct datapath_client wanted = {0};
		int order = 1;

		if (i < clients->n) {
			const struct config_client *from = &clients->list[i];

			wanted.key = datapath_prefix_key(&from->prefix.address, from->prefix.length, service_id);
			order = j == n_published ? -1 : datapath_client_order(&wanted, &published[j]);
		}
		nodes[n] = (struct node){.client = order <= 0 ? wanted : published[j]};
		if (order >= 0) {
			nodes[n].client = published[j++];
			nodes[n].published = true;
		}
		if (order <= 0) {
			nodes[n].configured = true;
			nodes[n].group = c->configured[clients->list[i++].group]->index;
		}
		n++;
	}
	return n;
}

/* ---- what is on its way ---- */

static void leave_group(const struct controller *c, struct placements *to, uint32_t index)
{
	const struct group *group = group_at(c, index);

	for (size_t word = 0; group && word < sizeof(to->left.word) / sizeof(to->left.word[0]); word++)
		to->left.word[word] |= group->known.word[word];
}

static void note(const struct service_plan *plan, struct placements *to, struct shunt_client_group now,
		 struct shunt_client_group next)
{
	if (next.state == SHUNT_SLOT_SETTLED)
		return;
	if (!to->is_target[next.group])
		to->targets[to->n_targets++] = next.group;
	to->is_target[next.group] = true;
	to->moving = to->moving || next.state == SHUNT_SLOT_MOVING;
	to->resolving = to->resolving || next.state == SHUNT_SLOT_RESOLVING;
	if (next.state == SHUNT_SLOT_MOVING)
		to->origins[next.was_group] = true;
	if (next.state == SHUNT_SLOT_MOVING && !placement_equal(now, next))
		to->moved_at = transitions_now();
	if (next.group != now.group)
		leave_group(plan->c, to, now.group);
}

/* The published prefixes of a service, by binary search: the list is sorted by service. */
static size_t clients_of(const struct controller *c, uint32_t service_id, const struct datapath_client **ret_first)
{
	const struct datapath_client *all;
	size_t n = datapath_clients(c->datapath, &all), first = 0, last = n;

	while (first < last) {
		size_t middle = first + (last - first) / 2;

		if (all[middle].key.service < service_id)
			first = middle + 1;
		else
			last = middle;
	}
	while (last < n && all[last].key.service == service_id)
		last++;
	*ret_first = all + first;
	return last - first;
}

enum shunt_slot_state placements_state(const struct controller *c, size_t service)
{
	struct shunt_service_key key = service_key_of(&c->config->services[service]);
	const struct shunt_service *line = datapath_peek_service(c->datapath, &key);
	const struct datapath_client *published;
	size_t n = clients_of(c, c->service_ids[service], &published);
	bool moving = line && line->group_state == SHUNT_SLOT_MOVING;
	bool resolving = line && line->group_state == SHUNT_SLOT_RESOLVING;

	for (size_t i = 0; i < n; i++) {
		moving = moving || published[i].placement.state == SHUNT_SLOT_MOVING;
		resolving = resolving || published[i].placement.state == SHUNT_SLOT_RESOLVING;
	}
	return moving ? SHUNT_SLOT_MOVING : resolving ? SHUNT_SLOT_RESOLVING : SHUNT_SLOT_SETTLED;
}

static int plan_service(struct service_plan *plan, const struct config_service *service, uint32_t service_id,
			struct placement_plan *to, size_t *ret_kept)
{
	const struct datapath_client *published;
	size_t n_published = clients_of(plan->c, service_id, &published);

	*ret_kept = 0;
	plan->nodes = calloc(service->clients.n + n_published + 1, sizeof(*plan->nodes));
	if (!plan->nodes)
		return -ENOMEM;
	plan->n = merge_nodes(plan->c, &service->clients, service_id, published, plan->is_new ? 0 : n_published,
			      plan->nodes);
	plan_nodes(plan);
	for (size_t i = 0; i < plan->n; i++) {
		const struct node *node = &plan->nodes[i];

		note(plan, &to->next, plan->is_new ? node->client.placement : node->now, node->client.placement);
		if (is_idle(plan, node))
			continue;
		to->clients[to->n_clients++] = node->client;
		++*ret_kept;
	}
	free(plan->nodes);
	return 0;
}

/* ---- all of them ---- */

static size_t prefixes_at_most(const struct controller *c)
{
	const struct datapath_client *published;
	size_t n = datapath_clients(c->datapath, &published);

	for (size_t i = 0; i < c->config->n_services; i++)
		n += c->config->services[i].clients.n;
	return n;
}

/* Where flows may be pinned is known of groups that clients left since this controller runs; before that, anywhere. */
static void begin_plan(const struct controller *c, struct placements *next)
{
	bool adopted = !c->service_ids;

	memset(next, 0, sizeof(*next));
	next->moved_at = adopted ? transitions_now() : c->placements.moved_at;
	if (adopted)
		memset(&next->left, 0xff, sizeof(next->left));
	else if (c->placements.moving || c->placements.resolving)
		next->left = c->placements.left;
}

int placements_plan(const struct controller *c, const uint32_t *ids, const struct shunt_service_key *keys,
		    placement_step step, struct placement_plan *ret_plan)
{
	const struct config *config = c->config;
	struct placement_plan plan = {
		.services = calloc(config->n_services + 1, sizeof(*plan.services)),
		.has_clients = calloc(config->n_services + 1, sizeof(*plan.has_clients)),
		.clients = calloc(prefixes_at_most(c) + 1, sizeof(*plan.clients)),
	};
	int r = plan.services && plan.has_clients && plan.clients ? 0 : -ENOMEM;

	begin_plan(c, &plan.next);
	for (size_t i = 0; i < config->n_services && r == 0; i++) {
		const struct shunt_service *line = datapath_peek_service(c->datapath, &keys[i]);
		struct service_plan service = {.c = c, .step = step ? step : same, .is_new = !line,
					       .group = c->configured[config->services[i].group]->index};
		size_t kept = 0;

		if (line)
			service.now = (struct shunt_client_group){line->group, line->was_group, line->group_state};
		service.next = next_of(&service, service.now, service.group);
		note(&service, &plan.next, line ? service.now : service.next, service.next);
		plan.services[i] = service.next;
		r = plan_service(&service, &config->services[i], ids[i], &plan, &kept);
		plan.has_clients[i] = kept > 0;
	}
	if (r < 0) {
		placement_plan_free(&plan);
		return r;
	}
	qsort(plan.clients, plan.n_clients, sizeof(*plan.clients), datapath_client_order);
	*ret_plan = plan;
	return 0;
}

void placement_plan_free(struct placement_plan *plan)
{
	free(plan->services);
	free(plan->clients);
	free(plan->has_clients);
	*plan = (struct placement_plan){0};
}

/* ---- time and the flow table ---- */

bool placements_need_flows(const struct controller *c)
{
	return c->placements.moving || c->placements.resolving;
}

/* The entry does not say whose flow it is: what any flow could be, of clients that are on their way, counts. */
void placements_see_flow(struct controller *c, struct shunt_flow flow, uint32_t slot)
{
	struct placements *placements = &c->placements;

	if (placements->busy || !backend_set_has(&placements->left, flow.backend))
		return;
	for (size_t i = 0; i < placements->n_targets && !placements->busy; i++)
		placements->busy = datapath_table(c->datapath, placements->targets[i])[slot].now != flow.backend;
}

/* As slots do, all of them together: who began last is waited for. */
void placements_advance(struct controller *c, uint32_t now_ticks, uint32_t timeout_ticks)
{
	struct placements *placements = &c->placements;
	bool busy = placements->busy, settle = !placements->moving;
	int r;

	placements->busy = false;
	if (!placements_need_flows(c) || (settle ? busy : now_ticks - placements->moved_at < timeout_ticks))
		return;
	r = services_advance(c, settle);
	if (r < 0)
		log_error("clients: still followed from group to group: %s",
			  *datapath_error() ? datapath_error() : strerror(-r));
}
