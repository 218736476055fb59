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

/* ---- the base table of one part ---- */

static bool is_of(const struct group *group, const struct failover_part *part, size_t i)
{
	return part->member != FAILOVER_NO_MEMBER ? i == part->member : group->members[i].priority == part->tier;
}

/* Members that have slots: those of the part, or all when there is none (part NULL). */
static bool has_slots(const struct group *group, const struct failover_part *part, size_t i)
{
	return !part || is_of(group, part, i);
}

static uint64_t base_key(const struct group *group, const struct failover_part *part)
{
	uint64_t key = 1;

	for (size_t i = 0; i < group->n_members; i++)
		if (has_slots(group, part, i))
			key = shunt_mix64(key * 31 + ((uint64_t)group->members[i].endpoint->id << 32) +
					  endpoint_table_weight(group->members[i].endpoint));
	return key;
}

/* Members by weight, whoever is up (DESIGN, "Who is down is resolved by probing"). */
static int build_base(const struct controller *c, const struct group *group, const struct failover_part *part,
		      struct base *base)
{
	struct maglev_member *members = calloc(group->n_members + 1, sizeof(*members));
	uint16_t *ids = calloc(group->n_members + 1, sizeof(*ids));
	size_t n = 0;
	int r = -ENOMEM;

	base->ids = base->ids ? base->ids : calloc(c->table_size, sizeof(*base->ids));
	if (!members || !ids || !base->ids)
		goto end;
	for (size_t i = 0; i < group->n_members; i++) {
		const struct endpoint *endpoint = group->members[i].endpoint;

		if (!has_slots(group, part, i))
			continue;
		members[n] = (struct maglev_member){identity_of("member", endpoint->backend->name, NULL, 0, 0),
						    endpoint_table_weight(endpoint)};
		ids[n++] = endpoint->id;
	}
	r = maglev_build(members, n, c->config->hash_seed, base->ids, c->table_size);
	if (r < 0)
		goto end;
	for (uint32_t slot = 0; slot < c->table_size; slot++)
		base->ids[slot] = base->ids[slot] == MAGLEV_NONE ? 0 : ids[base->ids[slot]];
end:
	free(members);
	free(ids);
	return r;
}

/*
 * The base table of a part: one that is there already, so that a failover does not wait for what the failback before it threw
 * away, else built in the place of the one that was not used for longest.
 */
static int find_base(const struct controller *c, struct group *group, const struct failover_part *part, struct base **ret_base)
{
	uint64_t key = base_key(group, part);
	size_t kept = group->n_parts < FAILOVER_PARTS_MAX ? group->n_parts + 1 : FAILOVER_PARTS_MAX;
	struct base *base = group->bases;
	int r;

	for (size_t i = 0; i < kept; i++) {
		if (group->bases[i].ids && group->bases[i].key == key) {
			base = &group->bases[i];
			goto found;
		}
		if (!group->bases[i].ids || (base->ids && group->bases[i].used < base->used))
			base = base->ids ? &group->bases[i] : base;
	}
	r = build_base(c, group, part, base);
	base->key = r < 0 ? 0 : key;
	if (r < 0)
		return r;
found:
	base->used = ++group->base_uses;
	*ret_base = base;
	return 0;
}

/* ---- all parts ---- */

/* 1: some slot, and so every slot, has a backend; 0: nobody is in the set. */
static int targets_of_part(struct controller *c, struct group *group, const struct failover_part *part,
			   const struct backend_set *set, uint16_t *ret_targets)
{
	struct base *base;
	int r = find_base(c, group, part, &base);

	if (r < 0)
		return r;
	slots_targets(base->ids, c->table_size, set, ret_targets);
	return ret_targets[0] != 0;
}

/* The parts one after the other, each with its share of the slots; where one has nobody, the others have its slots. */
static int targets_of_plan(struct controller *c, struct group *group, const struct backend_set *set)
{
	struct failover_part parts[FAILOVER_PARTS_MAX];
	size_t n = group_plan(c, group, parts);
	uint32_t begins = 0;
	bool somebody = false;

	group->n_parts = n;
	if (n == 0)
		memset(c->targets, 0, c->table_size * sizeof(*c->targets));
	for (size_t p = 0; p < n; p++) {
		int r = targets_of_part(c, group, &parts[p], set, somebody ? c->more_targets : c->targets);

		if (r < 0)
			return r;
		if (r > 0 && somebody)
			slots_overlay(c->targets, c->more_targets, c->table_size, FAILOVER_WHOLE, begins, begins + parts[p].share);
		somebody = somebody || r > 0;
		begins += parts[p].share;
	}
	return somebody;
}

/* Who may take new flows of this group: fit, and not suppressed in it. */
static struct backend_set fit_of(const struct group *group)
{
	struct backend_set fit = {0};

	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].fit)
			backend_set_put(&fit, group->members[i].endpoint->id, true);
	return fit;
}

static int targets_of_fit(struct controller *c, struct group *group)
{
	const struct backend_set fit = fit_of(group);

	return targets_of_plan(c, group, group->panic ? &c->in_service : &fit);
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
	int r = targets_of_fit(c, group);

	if (r > 0)
		use_resort(group, RESORT_NONE, NULL);
	for (struct group *at = group->fallback; at && r == 0; at = at->fallback)
		if ((r = targets_of_fit(c, at)) > 0)
			use_resort(group, RESORT_FALLBACK, at);
	/* Standbys that are fit but wait for an operator (failover: manual) stay out of it. */
	if (r == 0 && group->may_fail_open &&
	    (r = somebody_is_fit(c, group) ? targets_of_plan(c, group, &c->in_service) :
					     targets_of_part(c, group, NULL, &c->in_service, c->targets)) > 0)
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
