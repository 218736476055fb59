// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which clients of a service other groups take. */
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"
#include "net/address.h"

/* A prefix of the draft, to be sorted; duplicates then stand side by side, the first of the file first. */
struct entry {
	struct config_client client; /* begins with the prefix */
	const struct draft_client *draft;
};

static int by_prefix(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order = config_prefix_order(&left->client.prefix, &right->client.prefix);

	return order ? order : (left->draft > right->draft) - (left->draft < right->draft);
}

static size_t client_group(struct validation *v, const char *who, const struct draft_client *draft)
{
	size_t group = find_name(&v->groups, &draft->group);
	char name[QUOTE_MAX];

	if (group == KEYMAP_NONE && draft->group.ok && (v->draft->groups.ok || !v->draft->groups.at.line))
		report_error(v->report, draft->group.at,
			     "%s: clients: group %s is not in failover_groups: define it there, or name another", who,
			     quote(draft->group.text, name));
	return group;
}

static void refuse_family(struct validation *v, const char *who, const struct draft_service *service,
			  const struct draft_client *draft)
{
	bool ipv4 = address_is_ipv4(&service->address.address);

	if (draft->prefix.ok && service->address.ok && address_is_ipv4(&draft->prefix.address) != ipv4)
		report_error(v->report, draft->prefix.at,
			     "%s: clients: prefix %s is none of a client of an %s address: give an %s prefix, or remove it",
			     who, draft->prefix.text, ipv4 ? "IPv4" : "IPv6", ipv4 ? "IPv4" : "IPv6");
}

static void refuse_double(struct validation *v, const char *who, const struct entry *entry, const struct entry *first)
{
	if (entry->draft->prefix.ok && first->draft->prefix.ok &&
	    !config_prefix_order(&entry->client.prefix, &first->client.prefix))
		report_error(v->report, entry->draft->prefix.at,
			     "%s: clients: prefix %s is already given in line %d: remove one of them", who,
			     entry->draft->prefix.text, first->draft->prefix.at.line);
}

static int by_number(const void *a, const void *b)
{
	size_t left = *(const size_t *)a, right = *(const size_t *)b;

	return (left > right) - (left < right);
}

static void collect_groups(struct validation *v, struct config_clients *clients)
{
	size_t n;

	clients->groups = new_list(v->report, clients->n, sizeof(*clients->groups), &n);
	for (size_t i = 0; i < n; i++)
		clients->groups[i] = clients->list[i].group;
	if (n)
		qsort(clients->groups, n, sizeof(*clients->groups), by_number);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || clients->groups[i] != clients->groups[clients->n_groups - 1])
			clients->groups[clients->n_groups++] = clients->groups[i];
}

void build_clients(struct validation *v, const char *who, const struct draft_service *draft, struct config_service *service)
{
	const struct draft_client *drafts = draft->clients.list;
	struct config_clients *clients = &service->clients;
	struct entry *entries;
	size_t n;

	entries = new_list(v->report, draft->clients.n, sizeof(*entries), &n);
	clients->list = new_list(v->report, n, sizeof(*clients->list), &clients->n);
	for (size_t i = 0; i < clients->n; i++) {
		const struct item *prefix = &drafts[i].prefix;

		refuse_family(v, who, draft, &drafts[i]);
		entries[i].client.prefix = (struct config_prefix){prefix->address, prefix->number};
		entries[i].client.group = client_group(v, who, &drafts[i]);
		entries[i].draft = &drafts[i];
	}
	if (clients->n)
		qsort(entries, clients->n, sizeof(*entries), by_prefix);
	for (size_t i = 0; i < clients->n; i++) {
		clients->list[i] = entries[i].client;
		if (i > 0)
			refuse_double(v, who, &entries[i], &entries[i - 1]);
	}
	collect_groups(v, clients);
	free(entries);
}
