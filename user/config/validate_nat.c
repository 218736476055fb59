/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * forward: nat. Answers are translated back without a memory of flows: the address, port and protocol that a backend answers
 * from must name one service, and one address of it.
 */
#include <netinet/in.h>
#include <stdlib.h>

#include "config/validate.h"
#include "config/words.h"
#include "net/address.h"

#define EVERY_PORT 0
#define SOME_PORT 0x10000 /* at least one, not known which */

/* What a backend answers from; a key of the map of claims, hence without padding. */
struct claim {
	struct shunt_addr address;
	uint32_t port, protocol;
};

/* Two for each backend that a service may have. */
struct claims {
	struct keymap map;           /* values: services */
	struct claim *list;
	size_t n, room;
};

static const struct draft_service *draft_of(const struct validation *v, size_t service)
{
	return (const struct draft_service *)v->draft->services.list + service;
}

static const struct draft_group *draft_group_of(const struct validation *v, size_t group)
{
	return (const struct draft_group *)v->draft->groups.list + group;
}

uint16_t config_nat_port(const struct config_service *service, const struct config_backend *backend)
{
	return service->port && backend->port ? backend->port : service->port;
}

/* The service that has the claim already, KEYMAP_NONE: none other. */
static size_t make_claim(struct validation *v, struct claims *claims, struct claim claim, size_t service)
{
	int error = 0;
	size_t found;

	if (claims->n == claims->room)
		return KEYMAP_NONE; /* out of memory: reported */
	claims->list[claims->n] = claim;
	found = keymap_put(&claims->map, &claims->list[claims->n], sizeof(claim), service, &error);
	claims->n += found == KEYMAP_NONE;
	if (error)
		v->report->out_of_memory = true;
	return found == service ? KEYMAP_NONE : found;
}

static size_t find_claim(const struct claims *claims, struct claim claim, size_t service)
{
	size_t found = keymap_get(&claims->map, &claim, sizeof(claim));

	return found == service ? KEYMAP_NONE : found;
}

/* Who answers from there already, if it is another service. */
static size_t claim_answers(struct validation *v, struct claims *claims, size_t service, const struct config_backend *backend)
{
	const struct config_service *of = &v->config->services[service];
	struct claim claim = {backend->address, config_nat_port(of, backend), of->protocol}, other = claim;
	size_t found = make_claim(v, claims, claim, service);

	other.port = claim.port == EVERY_PORT ? SOME_PORT : EVERY_PORT;
	if (found == KEYMAP_NONE)
		found = find_claim(claims, other, service);
	claim.port = SOME_PORT;
	make_claim(v, claims, claim, service);
	return found;
}

static void report_claimed(struct validation *v, size_t service, size_t other, size_t group, const struct config_backend *backend)
{
	const struct draft_service *draft = draft_of(v, service), *first = draft_of(v, other);
	uint16_t port = config_nat_port(&v->config->services[service], backend);
	char name[QUOTE_MAX], first_name[QUOTE_MAX], group_name[QUOTE_MAX], backend_name[QUOTE_MAX], port_text[32];
	const char *protocol = word_text(protocol_words, v->config->services[service].protocol);

	snprintf(port_text, sizeof(port_text), port ? "%s port %u" : "every %s port", protocol, port);
	report_error(v->report, draft->group.at,
		     "service %s: what backend %s of group %s answers from %s already belongs to service %s of line %d, and "
		     "nat tells services apart by that: give the backend another port for one of them, as a backend of its own",
		     quote(draft->name.text, name), quote(backend->name, backend_name),
		     quote(v->config->groups[group].name, group_name), port_text, quote(first->name.text, first_name), first->at.line);
}

static void report_family(struct validation *v, size_t service, size_t group, size_t member)
{
	const struct draft_service *draft = draft_of(v, service);
	const struct draft_member *members = draft_group_of(v, group)->members.list;
	const struct config_backend *backend = &v->config->backends[v->config->groups[group].members[member].backend];
	bool ipv4 = address_is_ipv4(&v->config->services[service].address);
	char name[QUOTE_MAX], group_name[QUOTE_MAX], backend_name[QUOTE_MAX];

	report_error(v->report, members[member].name.at,
		     "group %s: backend %s is known by its %s address, and service %s forwards %s by nat, which does not translate "
		     "between them: give the backend's %s address, or use ipip or gue",
		     quote(v->config->groups[group].name, group_name), quote(backend->name, backend_name), ipv4 ? "IPv6" : "IPv4",
		     quote(draft->name.text, name), ipv4 ? "IPv4" : "IPv6", ipv4 ? "IPv4" : "IPv6");
}

/* One complaint of each kind for a service and group is enough. */
static void validate_answers(struct validation *v, struct claims *claims, size_t service, size_t group)
{
	const struct config_group *of = &v->config->groups[group];
	bool told_family = false, told_claim = false;

	for (size_t m = 0; m < of->n_members; m++) {
		const struct config_backend *backend;
		size_t other;

		if (of->members[m].backend >= v->config->n_backends)
			continue;
		backend = &v->config->backends[of->members[m].backend];
		if (address_is_zero(&backend->address))
			continue;
		if (address_is_ipv4(&backend->address) != address_is_ipv4(&v->config->services[service].address)) {
			if (!told_family)
				report_family(v, service, group, m);
			told_family = true;
			continue;
		}
		other = claim_answers(v, claims, service, backend);
		if (other != KEYMAP_NONE && !told_claim)
			report_claimed(v, service, other, group, backend);
		told_claim = told_claim || other != KEYMAP_NONE;
	}
}

static void refuse_prefix(struct validation *v, size_t service)
{
	const struct draft_service *draft = draft_of(v, service);
	char name[QUOTE_MAX];

	report_error(v->report, draft->address.at,
		     "service %s: nat needs one address, not a whole prefix, or answers could not be given their address back: give "
		     "one address, or use l2, ipip or gue",
		     quote(draft->name.text, name));
}

static bool is_complete(const struct validation *v, size_t service)
{
	const struct draft_service *draft = draft_of(v, service);

	return v->config->services[service].forward == SHUNT_FORWARD_NAT && draft->address.ok && draft->port.ok &&
	       v->config->services[service].group < v->config->n_groups;
}

static size_t count_claims(const struct validation *v)
{
	const struct config *config = v->config;
	size_t n = 0;

	for (size_t s = 0; s < config->n_services; s++)
		for (size_t g = 0; g < config->n_groups && is_complete(v, s); g++)
			if (config_service_reaches(config, &config->services[s], g))
				n += 2 * config->groups[g].n_members;
	return n;
}

void validate_nat(struct validation *v)
{
	const struct config *config = v->config;
	struct claims claims = {.room = count_claims(v)};
	size_t n;

	if (claims.room == 0)
		return;
	if (claims.room > 2 * SHUNT_MAX_ANSWERS)
		report_error(v->report, v->draft->services.at,
			     "services: %zu pairs of a service that forwards by nat and a backend of it: %d are the most",
			     claims.room / 2, SHUNT_MAX_ANSWERS);
	claims.list = new_list(v->report, claims.room, sizeof(*claims.list), &n);
	for (size_t s = 0; claims.list && s < config->n_services; s++) {
		if (!is_complete(v, s))
			continue;
		if (config->services[s].prefix) {
			refuse_prefix(v, s);
			continue;
		}
		for (size_t g = 0; g < config->n_groups; g++)
			if (config_service_reaches(config, &config->services[s], g))
				validate_answers(v, &claims, s, g);
	}
	keymap_clear(&claims.map);
	free(claims.list);
}
