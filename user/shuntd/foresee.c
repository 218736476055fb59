/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a command would do, asked before it is given: the same decisions and targets, made over copies of groups and of who is
 * fit, and compared with the tables in use. Changes nothing that packets or operators could see.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/address.h"
#include "shuntd/controller.h"

/* ---- one group ---- */

static const char *name_of(const struct controller *c, const struct group *group, uint32_t id)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].endpoint->id == id)
			return group->members[i].endpoint->backend->name;
	return c->endpoint_of[id] ? c->endpoint_of[id]->backend->name : "nobody";
}

static json_t *percent_of(uint32_t slots, uint32_t table_size)
{
	return json_real(table_size ? 100.0 * slots / table_size : 0);
}

/* From the table in use (NULL: the group would be new) to tables.targets. */
static json_t *moves_json(const struct controller *c, const struct group *group, const struct shunt_slot *now)
{
	uint32_t *counts = must(calloc(SHUNT_MAX_BACKENDS, sizeof(*counts))), moved = 0;
	json_t *to = json_array();

	for (uint32_t slot = 0; slot < c->table_size; slot++) {
		if (now && now[slot].now == c->tables->targets[slot])
			continue;
		moved++;
		counts[c->tables->targets[slot]]++;
	}
	for (uint32_t id = 0; id < SHUNT_MAX_BACKENDS; id++)
		if (counts[id])
			json_array_append_new(to, json_pack("{s:o, s:I, s:o}", "backend",
							    id ? json_string(name_of(c, group, id)) : json_null(), "slots",
							    (json_int_t)counts[id], "percent", percent_of(counts[id], c->table_size)));
	free(counts);
	return json_pack("{s:s, s:I, s:I, s:o, s:s, s:o}", "name", group->name, "slots", (json_int_t)moved, "of",
			 (json_int_t)c->table_size, "percent", percent_of(moved, c->table_size), "state",
			 failover_state_text(group->failover.state), "to", to);
}

/* Decides for `group`, a copy whose members may be others. Appends to `groups`; 0, or what failover refused. */
static int foresee(struct controller *what_if, struct group *group, const struct shunt_slot *now, struct failover_input input,
		   json_t *groups)
{
	const struct failover_policy policy = group_policy(group);
	struct failover_member *members = must(group_members(what_if, group));
	struct failover_step step =
		failover_next(&group->failover, &policy, members, group->n_members, input, clock_monotonic_ms());
	int r = step.refused;

	for (size_t i = 0; i < group->n_members; i++)
		group->members[i].fit = members[i].fit;
	free(members);
	group->failover = step.next;
	if (r == 0) {
		group->panic = group_would_panic(what_if, group);
		r = group_targets(what_if, group);
	}
	if (r == 0)
		json_array_append_new(groups, moves_json(what_if, group, now));
	return r;
}

static struct group copy_of(const struct group *group)
{
	struct group copy = *group;

	copy.members = must(calloc(group->n_members + 1, sizeof(*copy.members)));
	memcpy(copy.members, group->members, group->n_members * sizeof(*copy.members));
	return copy;
}

/* Base tables that were built on the way are the group's now: they only depend on what they were built from. */
static void end_copy(struct group *group, struct group *copy)
{
	memcpy(group->bases, copy->bases, sizeof(group->bases));
	group->base_uses = copy->base_uses;
	free(copy->members);
}

static int foresee_as_it_is(struct controller *what_if, struct group *group, struct failover_input input, json_t *groups)
{
	struct group copy = copy_of(group);
	int r = foresee(what_if, &copy, datapath_table(what_if->datapath, group->index), input, groups);

	end_copy(group, &copy);
	return r;
}

static struct controller *what_if_of(const struct controller *c)
{
	struct controller *what_if = must(malloc(sizeof(*what_if)));

	*what_if = *c;
	return what_if;
}

/* ---- drain, maint, and a failure ---- */

static void take_out(struct controller *what_if, const struct backend *backend, enum out_of out)
{
	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
		backend_set_put(&what_if->fit, endpoint->id, false);
		if (out != OUT_OF_NEW_FLOWS)
			backend_set_put(&what_if->alive, endpoint->id, false);
		if (out == OUT_OF_SERVICE)
			backend_set_put(&what_if->in_service, endpoint->id, false);
	}
}

int foresee_slot(struct controller *c, const struct backend *backend, enum out_of out, struct group *group, uint32_t slot,
		 uint32_t *ret_id, enum failover_state *ret_state)
{
	struct controller *what_if = what_if_of(c);
	struct group copy = copy_of(group);
	json_t *moves = json_array();
	int r;

	take_out(what_if, backend, out);
	r = foresee(what_if, &copy, datapath_table(c->datapath, group->index), (struct failover_input){0}, moves);
	if (r == 0) {
		*ret_id = c->tables->targets[slot]; /* scratch that both share */
		*ret_state = copy.failover.state;
	}
	end_copy(group, &copy);
	json_decref(moves);
	free(what_if);
	return r;
}

int foresee_admin(struct controller *c, const struct backend *backend, enum admin_state admin, json_t **ret_document)
{
	struct controller *what_if = what_if_of(c);
	json_t *groups = json_array();
	uint32_t flows = 0;
	int r = 0;

	take_out(what_if, backend, admin == ADMIN_MAINT ? OUT_OF_SERVICE : OUT_OF_NEW_FLOWS);
	for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
		flows += endpoint->flows;
	for (size_t i = 0; i < c->n_groups && r == 0; i++)
		for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
			if (group_has(c->groups[i], endpoint))
				r = foresee_as_it_is(what_if, c->groups[i], (struct failover_input){0}, groups);
	free(what_if);
	*ret_document = json_pack("{s:b, s:o, s:I}", "dry_run", 1, "groups", groups, "flows", (json_int_t)flows);
	return r;
}

/* ---- failover ---- */

int foresee_failover(struct controller *c, struct group *group, struct failover_input input, json_t **ret_document)
{
	json_t *groups = json_array();
	int r = foresee_as_it_is(c, group, input, groups);

	*ret_document = json_pack("{s:b, s:o}", "dry_run", 1, "groups", groups);
	return r;
}

/* ---- reload ---- */

/* A member of the configuration to come: what runs with its new weight, or one that is taken for up. */
static void stand_in(struct controller *what_if, const struct config *config, const struct config_group *from, size_t m,
		     const struct group *running, struct member *ret_member, struct endpoint *ret_endpoint,
		     struct backend *ret_backend)
{
	const struct config_backend *wanted = &config->backends[from->members[m].backend];

	*ret_member = (struct member){0};
	*ret_endpoint = (struct endpoint){.id = SHUNT_MAX_BACKENDS - 1 - m, .wanted = true, .health_percent = 100, .agent_percent = 100,
					  .lag_ms = PROBE_LAG_NONE};
	*ret_backend = (struct backend){0};
	for (size_t i = 0; running && i < running->n_members; i++) {
		const struct endpoint *endpoint = running->members[i].endpoint;

		if (strcmp(endpoint->backend->name, wanted->name) != 0 || !address_equal(&endpoint->backend->address, &wanted->address))
			continue;
		*ret_member = running->members[i];
		*ret_endpoint = *endpoint;
		*ret_backend = *endpoint->backend;
	}
	if (!ret_backend->name)
		backend_set_put(&what_if->fit, ret_endpoint->id, wanted->weight > 0);
	ret_backend->name = wanted->name;
	ret_backend->weight = wanted->weight;
	ret_endpoint->backend = ret_backend;
	ret_member->endpoint = ret_endpoint;
	ret_member->priority = from->members[m].priority;
}

static size_t place_by_name(const struct group *group, const struct group *running, size_t place)
{
	for (size_t i = 0; running && place < running->n_members && i < group->n_members; i++)
		if (strcmp(group->members[i].endpoint->backend->name, running->members[place].endpoint->backend->name) == 0)
			return i;
	return FAILOVER_NO_MEMBER;
}

static int foresee_config_group(struct controller *c, const struct config *config, const struct config_group *from, json_t *groups)
{
	struct controller *what_if = what_if_of(c);
	struct group *running = group_find(c, from->name), group = {.name = from->name, .controller = c};
	struct endpoint *endpoints = must(calloc(from->n_members + 1, sizeof(*endpoints)));
	struct backend *backends = must(calloc(from->n_members + 1, sizeof(*backends)));
	int r;

	if (running)
		group = *running;
	else
		failover_init(&group.failover);
	group.config = from;
	group.members = must(calloc(from->n_members + 1, sizeof(*group.members)));
	group.n_members = from->n_members;
	for (size_t m = 0; m < from->n_members; m++)
		stand_in(what_if, config, from, m, running, &group.members[m], &endpoints[m], &backends[m]);
	group.failover.now.forced = place_by_name(&group, running, group.failover.now.forced);
	group.failover.now.chosen = place_by_name(&group, running, group.failover.now.chosen);
	group.failover.shifted_percent = 100;
	r = foresee(what_if, &group, running ? datapath_table(c->datapath, running->index) : NULL, (struct failover_input){0}, groups);
	if (running)
		end_copy(running, &group);
	else
		group_free_bases(&group);
	if (!running)
		free(group.members);
	free(endpoints);
	free(backends);
	free(what_if);
	return r;
}

/* With another table_size or hash_seed all slots are others: nothing can be compared. */
static bool is_comparable(const struct config *a, const struct config *b)
{
	return a->table_size == b->table_size && a->hash_seed == b->hash_seed;
}

int foresee_reload(struct controller *c, const struct config *config, json_t **ret_document)
{
	struct config_changes changes = {0};
	json_t *changed = json_array(), *refused = json_array(), *groups = json_array();
	int r = config_diff(c->config, config, &changes);

	for (size_t i = 0; i < changes.n; i++) {
		json_array_append_new(changed, json_string(changes.list[i].text));
		if (changes.list[i].scatters)
			json_array_append_new(refused, json_string(changes.list[i].text));
	}
	config_changes_clear(&changes);
	for (size_t g = 0; g < config->n_groups && r == 0 && is_comparable(c->config, config); g++)
		r = foresee_config_group(c, config, &config->groups[g], groups);
	*ret_document = json_pack("{s:b, s:o, s:o, s:o}", "dry_run", 1, "changed", changed, "needs_force", refused, "groups", groups);
	return r;
}
