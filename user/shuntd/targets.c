/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which backend each slot of a group should have: the base table by weight, probed for who is fit; and where nobody is, the
 * last resorts in their order: the fallback group's fit backends, then (fail-open) the group's own, whatever their health.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "maglev/maglev.h"
#include "shuntd/controller.h"

/* ---- the base table of one part ---- */

bool group_part_has(const struct group *group, const struct failover_part *part, size_t i)
{
	return part->member != FAILOVER_NO_MEMBER ? i == part->member : group->members[i].priority == part->tier;
}

/* Members that have slots: those of the part, or all when there is none (part NULL). */
static bool has_slots(const struct group *group, const struct failover_part *part, size_t i)
{
	return !part || group_part_has(group, part, i);
}

static uint64_t member_key(const struct endpoint *endpoint)
{
	return identity_of("member", endpoint->backend->name, NULL, 0, 0);
}

static uint64_t base_key(const struct controller *c, const struct group *group, const struct failover_part *part)
{
	uint64_t key = shunt_mix64(c->config->hash_seed + 1);

	for (size_t i = 0; i < group->n_members; i++) {
		const struct endpoint *endpoint = group->members[i].endpoint;

		if (!has_slots(group, part, i))
			continue;
		key = shunt_mix64(key * 31 + ((uint64_t)endpoint->id << 32) + endpoint_table_weight(endpoint));
		key = shunt_mix64(key ^ member_key(endpoint));
	}
	return key;
}

/* Members by weight, whoever is up (DESIGN, "Who is down is resolved by probing"). */
static int fill_base(const struct controller *c, const struct group *group, const struct failover_part *part, struct base *base)
{
	_cleanup_(freep) struct maglev_member *members = calloc(group->n_members + 1, sizeof(*members));
	_cleanup_(freep) uint16_t *ids = calloc(group->n_members + 1, sizeof(*ids));
	size_t n = 0;
	int r;

	if (!members || !ids)
		return -ENOMEM;
	for (size_t i = 0; i < group->n_members; i++) {
		const struct endpoint *endpoint = group->members[i].endpoint;

		if (!has_slots(group, part, i))
			continue;
		members[n] = (struct maglev_member){member_key(endpoint), endpoint_table_weight(endpoint)};
		ids[n++] = endpoint->id;
	}
	r = maglev_build(members, n, c->config->hash_seed, base->ids, c->table_size);
	for (uint32_t slot = 0; slot < c->table_size && r == 0; slot++)
		base->ids[slot] = base->ids[slot] == MAGLEV_NONE ? 0 : ids[base->ids[slot]];
	return r;
}

/* One that some group has already, else built. NULL without memory. */
static struct base *get_base(const struct controller *c, const struct group *group, const struct failover_part *part, uint64_t key)
{
	struct base *base = base_find(c->tables, key);

	if (base)
		return base;
	base = base_new(c->tables, key);
	if (base && fill_base(c, group, part, base) < 0) {
		base_release(base);
		return NULL;
	}
	return base;
}

/*
 * The base table of a part: one that the group has already, so that a failover does not wait for what the failback before it
 * threw away, else it takes the place of the one that was not used for longest.
 */
static int find_base(const struct controller *c, struct group *group, const struct failover_part *part, const struct base **ret_base)
{
	uint64_t key = base_key(c, group, part);
	size_t kept = group->n_parts < FAILOVER_PARTS_MAX ? group->n_parts + 1 : FAILOVER_PARTS_MAX;
	struct base_use *use = group->bases;
	struct base *base;

	for (size_t i = 0; i < kept; i++) {
		if (group->bases[i].base && group->bases[i].base->key == key) {
			use = &group->bases[i];
			goto found;
		}
		if (!group->bases[i].base || (use->base && group->bases[i].used < use->used))
			use = use->base ? &group->bases[i] : use;
	}
	base = get_base(c, group, part, key);
	if (!base)
		return -ENOMEM;
	base_release(use->base);
	use->base = base;
found:
	use->used = ++group->base_uses;
	*ret_base = use->base;
	return 0;
}

/* ---- all parts ---- */

/* 1: some slot, and so every slot, has a backend; 0: nobody is in the set. */
static int targets_of_part(struct controller *c, struct group *group, const struct failover_part *part,
			   const struct backend_set *set)
{
	const struct base *base;
	int r = find_base(c, group, part, &base);

	if (r < 0)
		return r;
	tables_aim(c->tables, base, set);
	return c->tables->targets[0] != 0;
}

/* The same for a part behind others: it takes its share from them. */
static int add_targets_of_part(struct controller *c, struct group *group, const struct failover_part *part,
			       const struct backend_set *set, uint32_t begins)
{
	struct tables *tables = c->tables;
	const struct base *base;
	int r = find_base(c, group, part, &base);

	if (r < 0)
		return r;
	slots_targets(base->ids, tables->size, set, tables->more_targets);
	if (tables->more_targets[0] == 0)
		return 0;
	slots_overlay(tables->targets, tables->more_targets, tables->size, FAILOVER_WHOLE, begins, begins + part->share);
	tables_aimed(tables);
	return 1;
}

/* The parts one after the other, each with its share of the slots; where one has nobody, the others have its slots. */
static int targets_of_plan(struct controller *c, struct group *group, const struct backend_set *set)
{
	struct failover_part parts[FAILOVER_PARTS_MAX];
	size_t n = group_plan(c, group, parts);
	uint32_t begins = 0;
	bool somebody = false;

	group->n_parts = n;
	if (n == 0) {
		memset(c->tables->targets, 0, c->table_size * sizeof(*c->tables->targets));
		tables_aimed(c->tables);
	}
	for (size_t p = 0; p < n; p++) {
		int r = somebody ? add_targets_of_part(c, group, &parts[p], set, begins) : targets_of_part(c, group, &parts[p], set);

		if (r < 0)
			return r;
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
					     targets_of_part(c, group, NULL, &c->in_service)) > 0)
		use_resort(group, RESORT_FAIL_OPEN, NULL);
	if (r == 0)
		use_resort(group, RESORT_NONE, NULL);
	return r < 0 ? r : 0;
}

void group_mark_dependents(struct controller *c, const struct group *group)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i]->fallback == group && c->groups[i]->failover.state == FAILOVER_DOWN)
			group_mark(c, c->groups[i]);
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
