/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which backend each slot of a group should have: the base table by weight, probed for who is fit; and where nobody is, the
 * last resorts in their order: the fallback group's fit backends, then (fail-open) the group's own, whatever their health.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maglev/maglev.h"
#include "shuntd/controller.h"

/* ---- the base table ---- */

/* Whether member i has slots in the base table: it is active, or everybody is asked for. */
static bool has_slots(const struct group *group, size_t i, bool everybody)
{
	return everybody || group_member_is_active(group, i);
}

static uint64_t base_key(const struct group *group, bool everybody)
{
	uint64_t key = 1;

	for (size_t i = 0; i < group->n_members; i++)
		if (has_slots(group, i, everybody))
			key = shunt_mix64(key * 31 + ((uint64_t)group->members[i].endpoint->id << 32) +
					  endpoint_table_weight(group->members[i].endpoint));
	return key;
}

/* The base table: the active members by weight, whoever is up (DESIGN, "Who is down is resolved by probing"). */
static int build_base(const struct controller *c, struct group *group, bool everybody)
{
	struct maglev_member *members = calloc(group->n_members + 1, sizeof(*members));
	uint16_t *ids = calloc(group->n_members + 1, sizeof(*ids));
	uint64_t key = base_key(group, everybody);
	size_t n = 0;
	int r = -ENOMEM;

	if (key == group->base_key) {
		r = 0;
		goto end;
	}
	if (!members || !ids)
		goto end;
	for (size_t i = 0; i < group->n_members; i++) {
		const struct endpoint *endpoint = group->members[i].endpoint;

		if (!has_slots(group, i, everybody))
			continue;
		members[n] = (struct maglev_member){identity_of("member", endpoint->backend->name, NULL, 0, 0),
						    endpoint_table_weight(endpoint)};
		ids[n++] = endpoint->id;
	}
	r = maglev_build(members, n, c->config->hash_seed, group->base, c->table_size);
	if (r < 0)
		goto end;
	for (uint32_t slot = 0; slot < c->table_size; slot++)
		group->base[slot] = group->base[slot] == MAGLEV_NONE ? 0 : ids[group->base[slot]];
	group->base_key = key;
end:
	free(members);
	free(ids);
	return r;
}

/* 1: some slot, and so every slot, has a backend of the group; 0: nobody is in the set. */
static int targets_within(struct controller *c, struct group *group, const struct backend_set *set, bool everybody)
{
	int r = build_base(c, group, everybody);

	if (r < 0)
		return r;
	slots_targets(group->base, c->table_size, set, c->targets);
	return c->targets[0] != 0;
}

/* ---- last resorts ---- */

static bool somebody_is_fit(const struct controller *c, const struct group *group)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (backend_set_has(&c->fit, group->members[i].endpoint->id))
			return true;
	return false;
}

static void use_resort(struct group *group, enum last_resort resort, struct group *serving)
{
	group->resort = resort;
	group->serving = serving;
	if (resort == RESORT_FALLBACK)
		snprintf(group->resort_text, sizeof(group->resort_text), "fallback %s", serving->name);
	else if (resort == RESORT_FAIL_OPEN)
		snprintf(group->resort_text, sizeof(group->resort_text), "fail-open");
}

const char *group_resort_text(const struct group *group)
{
	return group->resort == RESORT_NONE ? NULL : group->resort_text;
}

int group_targets(struct controller *c, struct group *group)
{
	int r = targets_within(c, group, &c->fit, false);

	if (r > 0)
		use_resort(group, RESORT_NONE, NULL);
	for (struct group *at = group->fallback; at && r == 0; at = at->fallback)
		if ((r = targets_within(c, at, &c->fit, false)) > 0)
			use_resort(group, RESORT_FALLBACK, at);
	/* Standbys that are fit but wait for an operator (failover: manual) stay out of it. */
	if (r == 0 && group->may_fail_open &&
	    (r = targets_within(c, group, &c->in_service, !somebody_is_fit(c, group))) > 0)
		use_resort(group, RESORT_FAIL_OPEN, NULL);
	if (r == 0)
		use_resort(group, RESORT_NONE, NULL);
	return r < 0 ? r : 0;
}

void group_update_dependents(struct controller *c, const struct group *group)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i]->fallback == group && c->groups[i]->failover.state == FAILOVER_DOWN)
			group_update(c, c->groups[i]);
}

static void match_fallback(struct controller *c, struct group *group, size_t fallback)
{
	group->fallback = fallback == SIZE_MAX ? NULL : c->configured[fallback];
	for (size_t at = fallback; at != SIZE_MAX && c->configured[at]; at = c->configured[at]->config->fallback)
		for (size_t m = 0; m < c->configured[at]->n_members; m++)
			backend_set_put(&group->known, c->configured[at]->members[m].endpoint->id, true);
}

static void let_fail_open(struct group *group)
{
	if (group)
		group->may_fail_open = true;
}

void match_last_resorts(struct controller *c, const struct config *config)
{
	for (size_t i = 0; i < c->n_groups; i++) {
		struct group *group = c->groups[i];

		group->fallback = NULL;
		group->may_fail_open = false;
		if (group->serving && config_find_group(config, group->serving->name) == SIZE_MAX)
			use_resort(group, RESORT_NONE, NULL);
	}
	for (size_t g = 0; g < config->n_groups; g++)
		if (c->configured[g])
			match_fallback(c, c->configured[g], config->groups[g].fallback);
	for (size_t i = 0; i < config->n_services; i++) {
		const struct config_service *service = &config->services[i];

		if (service->on_empty != ON_EMPTY_FAIL_OPEN)
			continue;
		let_fail_open(c->configured[service->group]);
		for (size_t g = 0; g < service->clients.n_groups; g++)
			let_fail_open(c->configured[service->clients.groups[g]]);
	}
}
