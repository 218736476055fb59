/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups: who is a member, in which order of preference, and what a mode asks for. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>

#include "config/validate.h"

#define WHO_MAX (QUOTE_MAX + 16)

/* `group "web": `, with which the group's messages begin. Returns `buffer`. */
static const char *who(const struct draft_group *group, char buffer[WHO_MAX])
{
	char name[QUOTE_MAX];

	snprintf(buffer, WHO_MAX, "group %s: ", quote(group->name.text, name));
	return buffer;
}

static void resolve_member(struct validation *v, size_t group_index, const struct draft_member *draft,
			   struct config_member *member)
{
	const struct draft_group *group = (const struct draft_group *)v->draft->groups.list + group_index;
	char before[WHO_MAX], name[QUOTE_MAX];

	member->backend = find_name(&v->backends, &draft->name);
	if (member->backend == KEYMAP_NONE) {
		if (draft->name.ok && (v->draft->backends.ok || !v->draft->backends.at.line))
			report_error(v->report, draft->name.at,
				     "%sbackend %s is not in backends: define it there, or remove it here",
				     who(group, before), quote(draft->name.text, name));
		return;
	}
	if (v->last_group[member->backend] == group_index + 1)
		report_error(v->report, draft->name.at, "%sbackend %s is listed twice: remove one of them",
			     who(group, before), quote(draft->name.text, name));
	v->last_group[member->backend] = group_index + 1;
}

/* The primary stands first; who has no priority stands behind all that are listed before. */
static void set_priorities(const struct draft_group *draft, struct config_group *group)
{
	const struct draft_member *drafts = draft->members.list;
	uint32_t highest = 0;

	for (size_t i = 0; i < group->n_members; i++) {
		struct config_member *member = &group->members[i];
		bool is_primary = group->primary != SIZE_MAX && member->backend == group->primary;

		member->priority = number_or(&drafts[i].priority, is_primary ? 0 : (uint64_t)highest + 1);
		if (member->priority > highest)
			highest = member->priority;
	}
}

static const struct config_member *find_member(const struct config_group *group, size_t backend)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (group->members[i].backend == backend)
			return &group->members[i];
	return NULL;
}

static void validate_active_passive(struct validation *v, const struct draft_group *draft, struct config_group *group)
{
	const struct draft_member *drafts = draft->members.list;
	const struct config_member *primary;
	char before[WHO_MAX], name[QUOTE_MAX];

	if (!draft->primary.at.line && draft->has_dns_primary) { /* known as soon as an address of that name is */
		set_priorities(draft, group);
		return;
	}
	if (!draft->primary.at.line) {
		report_error(v->report, draft->at,
			     "%smode active-passive needs a primary: add \"primary: NAME\", or \"mode: active-active\"",
			     who(draft, before));
		return;
	}
	group->primary = find_name(&v->backends, &draft->primary);
	primary = group->primary == KEYMAP_NONE ? NULL : find_member(group, group->primary);
	if (!primary) {
		if (draft->primary.ok && draft->members.ok)
			report_error(v->report, draft->primary.at,
				     "%sprimary %s is not one of its backends: add it to them, or name another",
				     who(draft, before), quote(draft->primary.text, name));
		return;
	}
	set_priorities(draft, group);
	for (size_t i = 0; i < group->n_members; i++) {
		if (group->members[i].priority >= primary->priority)
			continue;
		report_error(v->report, drafts[i].name.at,
			     "%sbackend %s is preferred (priority %" PRIu32 ") to the primary (%" PRIu32
			     "): give the primary the lowest priority",
			     who(draft, before), quote(drafts[i].name.text, name), group->members[i].priority,
			     primary->priority);
		return;
	}
}

static void note_primary(struct validation *v, const struct draft_group *draft, const char *mode)
{
	char before[WHO_MAX], name[QUOTE_MAX];

	if (draft->primary.ok && find_name(&v->backends, &draft->primary) == KEYMAP_NONE)
		report_error(v->report, draft->primary.at,
			     "%sprimary %s is not in backends: define it there, or remove the key", who(draft, before),
			     quote(draft->primary.text, name));
	else if (draft->primary.ok)
		report_note(v->report, draft->primary.at, "%sprimary has no effect in mode %s", who(draft, before), mode);
}

/* Tiers as in active-passive; the first one listed is the best unless priorities say otherwise. */
static void validate_rolling(struct validation *v, const struct draft_group *draft, struct config_group *group)
{
	note_primary(v, draft, "rolling");
	set_priorities(draft, group);
}

/* One tier: what orders members is accepted and has no effect. */
static void validate_active_active(struct validation *v, const struct draft_group *draft)
{
	const struct draft_member *drafts = draft->members.list;
	char before[WHO_MAX];

	note_primary(v, draft, "active-active");
	for (size_t i = 0; i < draft->members.n; i++) {
		if (!drafts[i].priority.ok)
			continue;
		report_note(v->report, drafts[i].priority.at, "%spriority has no effect in mode active-active",
			    who(draft, before));
		return;
	}
}

static void validate_group(struct validation *v, size_t index, const struct draft_check *check_defaults)
{
	const struct draft_group *draft = (const struct draft_group *)v->draft->groups.list + index;
	struct draft_check check = check_merge(&draft->check, check_defaults);
	struct config_group *group = &v->config->groups[index];
	char before[WHO_MAX];

	group->name = copy_text(v->report, draft->name.text);
	group->posted = draft->posted;
	group->primary = SIZE_MAX;
	group->fallback = SIZE_MAX;
	group->mode = draft->mode.number;
	group->members = new_list(v->report, draft->members.n, sizeof(*group->members), &group->n_members);
	for (size_t i = 0; i < group->n_members; i++)
		resolve_member(v, index, (const struct draft_member *)draft->members.list + i, &group->members[i]);
	if (draft->mode.at.line && !draft->mode.ok)
		; /* told already; what another mode asks for would only confuse */
	else if (group->mode == GROUP_ACTIVE_PASSIVE)
		validate_active_passive(v, draft, group);
	else if (group->mode == GROUP_ROLLING)
		validate_rolling(v, draft, group);
	else
		validate_active_active(v, draft);
	if (!draft->members.at.line && !draft->has_dns)
		report_error(v->report, draft->at, "%sbackends is missing: give a list of backends, or a name in dns_backends",
			     who(draft, before));
	else if (draft->members.ok && !draft->members.n && !draft->has_dns)
		report_error(v->report, draft->members.at, "%sbackends has 0 elements: give one", who(draft, before));
	validate_failover(v->report, who(draft, before), draft, group);
	check_validate(v->report, who(draft, before), &draft->check, &check);
	check_build(v->report, &check, &group->check);
	passive_build(v->report, who(draft, before), &draft->passive, &group->passive);
	health_build(v->report, who(draft, before), &draft->check, &v->draft->defaults.check, &group->check);
	if (group->check.via_service)
		group->check.scope = copy_text(v->report, draft->name.text);
	group->check.on_down = draft->on_down.number;
}

static void resolve_fallback(struct validation *v, size_t index)
{
	const struct draft_group *draft = (const struct draft_group *)v->draft->groups.list + index;
	char before[WHO_MAX], name[QUOTE_MAX];
	size_t found = find_name(&v->groups, &draft->fallback);

	if (found != KEYMAP_NONE)
		v->config->groups[index].fallback = found;
	else if (draft->fallback.ok)
		report_error(v->report, draft->fallback.at,
			     "%sfallback %s is not in failover_groups: define it there, or name another",
			     who(draft, before), quote(draft->fallback.text, name));
}

/* A circle is told of once, at the first of its groups. */
static void refuse_circle(struct validation *v, size_t index)
{
	const struct draft_group *drafts = v->draft->groups.list;
	size_t at = v->config->groups[index].fallback, steps = 0;
	char before[WHO_MAX], name[QUOTE_MAX];

	while (at != SIZE_MAX && at > index && steps++ < v->config->n_groups)
		at = v->config->groups[at].fallback;
	if (at == index)
		report_error(v->report, drafts[index].fallback.at,
			     "%sfallback %s leads back to it: name a group that does not fall back on this one",
			     who(&drafts[index], before), quote(drafts[index].fallback.text, name));
}

void validate_via_services(struct validation *v)
{
	const struct draft_group *drafts = v->draft->groups.list;
	size_t services[CONFIG_VIA_ADDRESSES_MAX], n;
	char before[WHO_MAX];

	for (size_t i = 0; i < v->config->n_groups; i++) {
		if (!v->config->groups[i].check.via_service)
			continue;
		n = config_via_services(v->config, i, services);
		if (n > CONFIG_VIA_ADDRESSES_MAX)
			report_error(v->report, drafts[i].at,
				     "%shealth_check: via: service would go to %zu addresses of services, at most %d are possible: "
				     "split the group",
				     who(&drafts[i], before), n, CONFIG_VIA_ADDRESSES_MAX);
	}
}

void validate_groups(struct validation *v)
{
	struct draft_check defaults = check_defaults(v->draft);
	struct config *config = v->config;

	config->groups = new_list(v->report, v->draft->groups.n, sizeof(*config->groups), &config->n_groups);
	for (size_t i = 0; i < config->n_groups; i++)
		validate_group(v, i, &defaults);
	index_names(v->report, "group", &v->draft->groups, sizeof(struct draft_group),
		    offsetof(struct draft_group, name), &v->groups);
	for (size_t i = 0; i < config->n_groups; i++)
		resolve_fallback(v, i);
	for (size_t i = 0; i < config->n_groups; i++)
		refuse_circle(v, i);
}
