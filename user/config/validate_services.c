/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services: what each takes, that no two take the same, and that the group behind them can serve them. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"
#include "config/words.h"
#include "net/address.h"

#define CLAIMS_PER_SERVICE 3
#define ANY_PROTOCOL 0
#define EVERY_PORT 0
#define SOME_PORT 0x10000

/* Something a service takes for itself: a key of the map of claims, hence without padding. */
struct claim {
	struct shunt_addr address;
	uint32_t port; /* SOME_PORT: at least one, not known which */
	uint16_t protocol, prefix; /* prefixes of different lengths are no overlap: the longest wins */
};

static const struct draft_service *draft_of(const struct validation *v, size_t service)
{
	return (const struct draft_service *)v->draft->services.list + service;
}

static bool has_bits_beyond(const struct shunt_addr *address, uint32_t bits)
{
	for (uint32_t i = bits; i < 128; i++)
		if (address->byte[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

static uint32_t family_start(const struct shunt_addr *address)
{
	return address_is_ipv4(address) ? 96 : 0; /* where the family's own bits begin */
}

static void validate_prefix(struct validation *v, const struct draft_service *draft, struct config_service *service)
{
	uint32_t start = family_start(&service->address), length = number_or(&draft->address, 128 - start);
	char name[QUOTE_MAX];

	if (start + length == 128)
		return;
	service->prefix = length;
	if (has_bits_beyond(&service->address, start + length))
		report_error(v->report, draft->address.at,
			     "service %s: address \"%s\" has bits beyond its prefix: clear them, or give the address "
			     "alone",
			     quote(draft->name.text, name), draft->address.text);
}

/* What a scheduler decided cannot be found out again: it has to be remembered. */
static void validate_scheduler(struct validation *v, const struct draft_service *draft, struct config_service *service)
{
	char name[QUOTE_MAX];

	if (service->scheduler == SHUNT_SCHEDULER_MAGLEV)
		return;
	if (draft->tracking.ok && service->tracking == TRACKING_NEVER)
		report_error(v->report, draft->tracking.at,
			     "service %s: scheduler %s needs every flow remembered: remove tracking never, or use "
			     "scheduler maglev",
			     quote(draft->name.text, name), draft->scheduler.text);
	service->tracking = TRACKING_ALWAYS;
}

static void build_tunnel(struct validation *v, const struct draft_service *draft, struct config_service *service)
{
	const struct item *forward = draft->forward.ok ? &draft->forward : &v->draft->defaults.forward;
	char name[QUOTE_MAX];

	service->forward = forward->number;
	service->gue_port = number_or(&draft->gue.port, v->draft->defaults.gue.port.number);
	service->mss = draft->mss.number;
	if (draft->gue.port.ok && service->forward != SHUNT_FORWARD_GUE)
		report_note(v->report, draft->gue.at, "service %s: gue has no effect with forward %s",
			    quote(draft->name.text, name), config_forward_text(service->forward));
	if (draft->mss.ok && service->protocol != IPPROTO_TCP)
		report_error(v->report, draft->mss.at, "service %s: mss is for TCP services: remove it",
			     quote(draft->name.text, name));
}

static void build_service(struct validation *v, size_t index)
{
	const struct draft_service *draft = draft_of(v, index);
	struct config_service *service = &v->config->services[index];
	char name[QUOTE_MAX], group[QUOTE_MAX], who[QUOTE_MAX + 16];

	service->name = copy_text(v->report, draft->name.text);
	service->address = draft->address.address;
	validate_prefix(v, draft, service);
	service->protocol = draft->protocol.number;
	service->port = draft->port.number;
	build_tunnel(v, draft, service);
	service->hash = draft->hash.number;
	service->scheduler = draft->scheduler.number;
	service->tracking = draft->tracking.number;
	validate_scheduler(v, draft, service);
	service->on_empty = draft->on_empty.number;
	build_prefixes(v->report, &draft->deny, &service->deny);
	build_prefixes(v->report, &draft->allow, &service->allow);
	snprintf(who, sizeof(who), "service %s", quote(draft->name.text, name));
	build_limits(v->report, who, draft, service);
	build_clients(v, who, draft, service);
	build_quic(v, who, draft, service);
	service->group = find_name(&v->groups, &draft->group);
	if (service->group == KEYMAP_NONE && draft->group.ok && (v->draft->groups.ok || !v->draft->groups.at.line))
		report_error(v->report, draft->group.at,
			     "service %s: group %s is not in failover_groups: define it there, or name another",
			     quote(draft->name.text, name), quote(draft->group.text, group));
}

/* Returns the service that already has the claim, else KEYMAP_NONE and the claim is entered. */
static size_t make_claim(struct validation *v, struct keymap *claims, struct claim *claim, size_t service)
{
	int error = 0;
	size_t found = keymap_put(claims, claim, sizeof(*claim), service, &error);

	if (error)
		v->report->out_of_memory = true;
	return found;
}

static void report_overlap(struct validation *v, size_t index, size_t other)
{
	const struct draft_service *draft = draft_of(v, index), *first = draft_of(v, other);
	const struct config_service *taken = &v->config->services[other];
	char name[QUOTE_MAX], first_name[QUOTE_MAX], address[CONFIG_ADDRESS_TEXT_MAX],
		port[16] = "every port";

	if (taken->port)
		snprintf(port, sizeof(port), "port %u", taken->port);
	report_error(v->report, draft->address.at,
		     "service %s overlaps service %s of line %d (%s, %s, %s): give one of them another address, "
		     "protocol or port",
		     quote(draft->name.text, name), quote(first->name.text, first_name), first->at.line,
		     word_text(protocol_words, taken->protocol), config_service_address(taken, address), port);
}

/* `own`: room for the claims of this service, which live as long as the map. */
static void claim_service(struct validation *v, struct keymap *claims, struct claim own[CLAIMS_PER_SERVICE],
			  size_t index)
{
	const struct draft_service *draft = draft_of(v, index);
	const struct config_service *service = &v->config->services[index];
	size_t same, every, some, other;

	if (!draft->address.ok)
		return;
	own[0] = (struct claim){service->address, EVERY_PORT, ANY_PROTOCOL, service->prefix};
	make_claim(v, claims, &own[0], index);
	if (!draft->port.ok || (draft->protocol.at.line && !draft->protocol.ok))
		return;
	own[1] = (struct claim){service->address, EVERY_PORT, service->protocol, service->prefix};
	every = keymap_get(claims, &own[1], sizeof(own[1]));
	own[1].port = service->port;
	own[2] = (struct claim){service->address, SOME_PORT, service->protocol, service->prefix};
	same = make_claim(v, claims, &own[1], index);
	some = make_claim(v, claims, &own[2], index);
	if (service->port != EVERY_PORT)
		some = KEYMAP_NONE; /* another port of the address is no harm to one port */
	other = same != KEYMAP_NONE ? same : every;
	if (other == KEYMAP_NONE)
		other = some;
	if (other != KEYMAP_NONE)
		report_overlap(v, index, other);
}

/* A backend that has a service's address would get its packets back from itself. */
static void refuse_service_addresses(struct validation *v, const struct keymap *claims)
{
	const struct draft_backend *backends = v->draft->backends.list;

	for (size_t i = 0; i < v->config->n_backends; i++) {
		struct claim claim = {backends[i].address.address, EVERY_PORT, ANY_PROTOCOL, 0};
		size_t service = backends[i].address.ok ? keymap_get(claims, &claim, sizeof(claim)) : KEYMAP_NONE;
		char backend_name[QUOTE_MAX], name[QUOTE_MAX];
		const char *text = backends[i].name.text;

		if (service == KEYMAP_NONE)
			continue;
		report_error(v->report, backends[i].address.at,
			     "backend %s: address %s is the address of service %s: give the backend's own",
			     quote(text, backend_name), backends[i].address.text,
			     quote(draft_of(v, service)->name.text, name));
	}
}

static bool prefix_has(const struct config_service *service, const struct shunt_addr *address)
{
	uint32_t bits = family_start(&service->address) + service->prefix;
	struct shunt_addr difference;

	for (uint32_t i = 0; i < sizeof(difference.byte); i++)
		difference.byte[i] = i * 8 < bits ? service->address.byte[i] ^ address->byte[i] : 0;
	if (bits % 8)
		difference.byte[bits / 8] &= 0xff00 >> (bits % 8);
	return address_is_zero(&difference);
}

/* The same of a prefix: what is sent to the backend itself, checks and their answers, would be taken for the service's. */
static void refuse_backends_in_prefixes(struct validation *v)
{
	const struct draft_backend *backends = v->draft->backends.list;
	char backend_name[QUOTE_MAX], name[QUOTE_MAX];

	for (size_t s = 0; s < v->config->n_services; s++) {
		const struct config_service *service = &v->config->services[s];

		for (size_t i = 0; i < v->config->n_backends && service->prefix; i++)
			if (backends[i].address.ok && prefix_has(service, &backends[i].address.address))
				report_error(v->report, backends[i].address.at,
					     "backend %s: address %s is in the prefix of service %s: give it one outside",
					     quote(backends[i].name.text, backend_name), backends[i].address.text,
					     quote(draft_of(v, s)->name.text, name));
	}
}

static void validate_claims(struct validation *v)
{
	struct keymap claims = {};
	struct claim *own;
	size_t n;

	own = new_list(v->report, CLAIMS_PER_SERVICE * v->config->n_services, sizeof(*own), &n);
	for (size_t i = 0; own && i < v->config->n_services; i++)
		claim_service(v, &claims, own + CLAIMS_PER_SERVICE * i, i);
	refuse_service_addresses(v, &claims);
	refuse_backends_in_prefixes(v);
	keymap_clear(&claims);
	free(own);
}

/* Its own, else the backend's, else that of the first service that uses the group: one of them must be a port. */
static void validate_check_port(struct validation *v, size_t index, size_t service)
{
	const struct draft_group *draft = (const struct draft_group *)v->draft->groups.list + index;
	const struct draft_backend *backends = v->draft->backends.list;
	const struct draft_member *members = draft->members.list;
	const struct config_group *group = &v->config->groups[index];
	char name[QUOTE_MAX], backend_name[QUOTE_MAX], service_name[QUOTE_MAX];

	if (service == KEYMAP_NONE || group->check.type == CHECK_NONE || group->check.port ||
	    draft->check.port.at.line || !draft_of(v, service)->port.ok || v->config->services[service].port)
		return;
	for (size_t i = 0; i < group->n_members; i++) {
		size_t backend = group->members[i].backend;

		if (backend == KEYMAP_NONE || backends[backend].port.at.line)
			continue;
		report_error(v->report, members[i].name.at,
			     "group %s: no port to check backend %s on, as service %s takes every port: give the "
			     "health_check or the backend a port",
			     quote(draft->name.text, name), quote(members[i].name.text, backend_name),
			     quote(draft_of(v, service)->name.text, service_name));
		return;
	}
}

static void validate_uses(struct validation *v)
{
	struct config *config = v->config;
	size_t *first_service; /* whose packets may come to the group, KEYMAP_NONE: none does */
	size_t n;

	first_service = new_list(v->report, config->n_groups, sizeof(*first_service), &n);
	for (size_t i = 0; i < n; i++)
		first_service[i] = KEYMAP_NONE;
	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < config->n_services && first_service[i] == KEYMAP_NONE; s++)
			if (config_service_reaches(config, &config->services[s], i))
				first_service[i] = s;
	for (size_t i = 0; i < n; i++)
		validate_check_port(v, i, first_service[i]);
	free(first_service);
}

void validate_services(struct validation *v)
{
	struct config *config = v->config;
	struct keymap names = {};

	config->services = new_list(v->report, v->draft->services.n, sizeof(*config->services), &config->n_services);
	for (size_t i = 0; i < config->n_services; i++)
		build_service(v, i);
	index_names(v->report, "service", &v->draft->services, sizeof(struct draft_service),
		    offsetof(struct draft_service, name), &names);
	keymap_clear(&names);
	validate_claims(v);
	validate_uses(v);
	validate_server_ids(v);
	validate_nat(v);
}
