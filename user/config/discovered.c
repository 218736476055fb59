/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * dns_backends: the entries themselves, and the addresses they stand for, which become backends and members as if the file
 * had them. Who asks, and when, is not known here.
 */
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"
#include "config/validate.h"
#include "net/address.h"

#define TIERS_PER_ENTRY 64 /* SRV priorities of a name that are told apart */

/* ---- addresses into the draft ---- */

static struct draft_group *find_group(struct draft *draft, const char *name)
{
	struct draft_group *groups = draft->groups.list;

	for (size_t i = 0; name && i < draft->groups.n; i++)
		if (groups[i].name.ok && strcmp(groups[i].name.text, name) == 0)
			return &groups[i];
	return NULL;
}

/* "DOMAIN@ADDRESS", which lives as long as the draft. */
static const char *make_name(struct draft *draft, const char *domain, const struct shunt_addr *address, struct report *report)
{
	char text[ADDRESS_TEXT_MAX];
	char **names = realloc(draft->names, (draft->n_names + 1) * sizeof(*names));

	if (names)
		draft->names = names;
	if (!names || asprintf(&names[draft->n_names], "%s@%s", domain, address_format(address, text)) < 0) {
		report->out_of_memory = true;
		return NULL;
	}
	return names[draft->n_names++];
}

/* How many of the entry's SRV priorities are preferred to this one. */
static uint32_t rank(const struct config_discovered *known, uint16_t priority)
{
	uint32_t better = 0;

	for (size_t i = 0; i < known->n; i++) {
		bool first_of_its_kind = known->list[i].priority < priority;

		for (size_t j = 0; j < i && first_of_its_kind; j++)
			first_of_its_kind = known->list[j].priority != known->list[i].priority;
		better += first_of_its_kind;
	}
	return better < TIERS_PER_ENTRY ? better : TIERS_PER_ENTRY - 1;
}

/* The tier of an entry's best addresses: behind all that the file lists, in the order of the entries; the primary's is 0. */
static uint32_t tier_of_entry(const struct draft *draft, const struct draft_group *group, size_t entry)
{
	const struct draft_dns *dns = draft->dns.list;
	const struct draft_member *members = group->members.list;
	uint32_t tier = group->members_listed + 1;

	if (dns[entry].is_primary.number)
		return 0;
	for (size_t i = 0; i < group->members_listed; i++)
		if (members[i].priority.ok && members[i].priority.number >= tier)
			tier = members[i].priority.number + 1;
	return tier + TIERS_PER_ENTRY * entry;
}

static void add_address(struct draft *draft, size_t entry, struct draft_group *group, const struct config_discovered *known,
			const struct config_discovered_address *address, struct report *report)
{
	const struct draft_dns *dns = (const struct draft_dns *)draft->dns.list + entry;
	const char *name = make_name(draft, dns->domain.text, &address->address, report);
	struct item item = {.at = dns->at, .ok = true, .text = name}, port = dns->port;
	uint32_t tier = tier_of_entry(draft, group, entry);
	struct draft_backend *backend = name ? draft_append(&draft->backends, sizeof(*backend), report) : NULL;
	struct draft_member *member = backend ? draft_append(&group->members, sizeof(*member), report) : NULL;

	if (!member)
		return;
	if (address->port && !port.ok)
		port = (struct item){.at = dns->at, .ok = true, .number = address->port};
	schema_start(&backend_schema, backend);
	backend->at = dns->at;
	backend->name = item;
	backend->port = port;
	backend->address = (struct item){.at = dns->at, .ok = true, .address = address->address};
	if (address->weight)
		backend->weight = (struct item){.at = dns->at, .ok = true, .number = address->weight};
	*member = (struct draft_member){.at = dns->at, .name = item};
	if (group->mode.number != GROUP_ACTIVE_ACTIVE)
		member->priority = (struct item){.at = dns->at, .ok = true, .number = tier + rank(known, address->priority)};
	if (dns->is_primary.number && !group->primary.at.line && rank(known, address->priority) == 0)
		group->primary = item;
}

static const struct config_discovered *find_known(const struct draft_dns *dns, const struct config_discovered *discovered,
						  size_t n)
{
	for (size_t i = 0; i < n && dns->domain.ok && dns->group.ok; i++)
		if (strcmp(discovered[i].domain, dns->domain.text) == 0 && strcmp(discovered[i].group, dns->group.text) == 0)
			return &discovered[i];
	return NULL;
}

void draft_add_discovered(struct draft *draft, const struct config_discovered *discovered, size_t n, struct report *report)
{
	const struct draft_dns *dns = draft->dns.list;
	struct draft_group *groups = draft->groups.list;

	for (size_t i = 0; i < draft->groups.n; i++)
		groups[i].members_listed = groups[i].members.n;
	for (size_t i = 0; i < draft->dns.n; i++) {
		const struct config_discovered *known = find_known(&dns[i], discovered, n);
		struct draft_group *group = find_group(draft, dns[i].group.text);

		if (!group)
			continue;
		group->has_dns = true;
		group->has_dns_primary = group->has_dns_primary || dns[i].is_primary.number;
		for (size_t a = 0; known && a < known->n; a++)
			add_address(draft, i, group, known, &known->list[a], report);
	}
}

/* ---- the entries ---- */

static void refuse_second(struct validation *v, size_t index)
{
	const struct draft_dns *dns = v->draft->dns.list;
	char name[QUOTE_MAX];

	for (size_t i = 0; i < index; i++) {
		if (v->config->dns[i].group != v->config->dns[index].group || !dns[i].domain.ok || !dns[index].domain.ok)
			continue;
		if (strcmp(dns[i].domain.text, dns[index].domain.text) == 0)
			report_error(v->report, dns[index].domain.at, "dns_backend %s is already given in line %d: remove one of them",
				     quote(dns[index].domain.text, name), dns[i].at.line);
		else if (v->config->dns[i].is_primary && v->config->dns[index].is_primary)
			report_error(v->report, dns[index].is_primary.at,
				     "dns_backend %s: the group's primary is given in line %d already: one name can be it",
				     quote(dns[index].domain.text, name), dns[i].at.line);
	}
}

static void validate_entry(struct validation *v, size_t index)
{
	const struct draft_dns *draft = (const struct draft_dns *)v->draft->dns.list + index;
	struct config_dns *dns = &v->config->dns[index];
	size_t group = find_name(&v->groups, &draft->group);
	char name[QUOTE_MAX], domain[QUOTE_MAX];

	*dns = (struct config_dns){
		.domain = copy_text(v->report, draft->domain.ok ? draft->domain.text : NULL),
		.protocol = copy_text(v->report, draft->protocol.ok ? draft->protocol.text : NULL),
		.group = group == KEYMAP_NONE ? SIZE_MAX : group,
		.port = draft->port.number,
		.srv = draft->type.number,
		.is_primary = draft->is_primary.number,
		.refresh_ms = draft->refresh.number,
		.try_count = draft->try_count.number,
	};
	if (group == KEYMAP_NONE && draft->group.ok)
		report_error(v->report, draft->group.at, "dns_backend %s: group %s is not in failover_groups: define it there, or name another",
			     quote(draft->domain.text, domain), quote(draft->group.text, name));
	else
		refuse_second(v, index);
}

static void build_name_servers(struct validation *v)
{
	const struct draft_name_server *drafts = v->draft->name_servers.list;
	size_t size = v->draft->name_servers.n * ADDRESS_TEXT_MAX + 1, used = 0;
	char *text = v->draft->name_servers.n ? calloc(1, size) : NULL, one[ADDRESS_TEXT_MAX];

	for (size_t i = 0; text && i < v->draft->name_servers.n; i++)
		used += snprintf(text + used, size - used, "%s%s", used ? "," : "",
				 address_port_format(&drafts[i].address.address, drafts[i].address.number, one));
	v->report->out_of_memory = v->report->out_of_memory || (v->draft->name_servers.n && !text);
	v->config->name_servers = text;
}

void validate_dns(struct validation *v)
{
	struct config *config = v->config;

	build_name_servers(v);
	config->dns = new_list(v->report, v->draft->dns.n, sizeof(*config->dns), &config->n_dns);
	for (size_t i = 0; i < config->n_dns; i++)
		validate_entry(v, i);
}
