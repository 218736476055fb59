/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Draft → configuration: defaults, names, what may not stand together. Here are the parts that stand alone (settings,
 * interfaces, backends); groups and services, which refer to others, have files of their own. Knows nothing of YAML.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "config/validate.h"
#include "net/address.h"

#define IPV4_BITS 32

void *new_list(struct report *report, size_t n, size_t element_bytes, size_t *ret_n)
{
	void *list = n ? calloc(n, element_bytes) : NULL;

	if (n && !list)
		report->out_of_memory = true;
	*ret_n = list ? n : 0;
	return list;
}

char *copy_text(struct report *report, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		report->out_of_memory = true;
	return copy;
}

void index_names(struct report *report, const char *noun, const struct items *items, size_t item_bytes,
		 size_t name_offset, struct keymap *names)
{
	for (size_t i = 0; i < items->n; i++) {
		const struct item *name = (const void *)((const char *)items->list + i * item_bytes + name_offset);
		const struct item *first;
		char quoted[QUOTE_MAX];
		size_t found;
		int error = 0;

		if (!name->text)
			continue;
		found = keymap_put(names, name->text, strlen(name->text), i, &error);
		if (error)
			report->out_of_memory = true;
		if (found == KEYMAP_NONE)
			continue;
		first = (const void *)((const char *)items->list + found * item_bytes + name_offset);
		report_error(report, name->at, "%s %s is already defined in line %d: rename or remove one of them",
			     noun, quote(name->text, quoted), first->at.line);
	}
}

size_t find_name(const struct keymap *names, const struct item *name)
{
	return name->text ? keymap_get(names, name->text, strlen(name->text)) : KEYMAP_NONE;
}

static void validate_interfaces(struct validation *v)
{
	const struct draft_interface *drafts = v->draft->interfaces.list;
	struct config *config = v->config;
	struct keymap names = {};

	config->interfaces =
		new_list(v->report, v->draft->interfaces.n, sizeof(*config->interfaces), &config->n_interfaces);
	for (size_t i = 0; i < config->n_interfaces; i++) {
		if (drafts[i].name.ok)
			strncpy(config->interfaces[i].name, drafts[i].name.text,
				sizeof(config->interfaces[i].name) - 1);
		config->interfaces[i].mode = drafts[i].mode.number;
	}
	index_names(v->report, "interface", &v->draft->interfaces, sizeof(*drafts),
		    offsetof(struct draft_interface, name), &names);
	keymap_clear(&names);
}

static void validate_source(struct validation *v)
{
	const struct item *ipv4 = &v->draft->source.ipv4, *ipv6 = &v->draft->source.ipv6;
	uint32_t bits;

	v->config->source_ipv4_prefix = IPV4_BITS;
	if (ipv6->ok)
		v->config->source_ipv6 = ipv6->address;
	if (!ipv4->ok)
		return;
	v->config->source_ipv4 = ipv4->address;
	v->config->source_ipv4_prefix = ipv4->number;
	memcpy(&bits, ipv4->address.byte + sizeof(ipv4->address.byte) - sizeof(bits), sizeof(bits));
	if (ipv4->number < IPV4_BITS && ntohl(bits) & (UINT32_MAX >> ipv4->number))
		report_error(v->report, ipv4->at,
			     "source: ipv4 \"%s\" has bits beyond its prefix: clear them, or give the address alone",
			     ipv4->text);
}

/* Only the local host may talk to the API without a token. */
static bool is_loopback(const struct shunt_addr *address)
{
	static const struct shunt_addr ipv6_loopback = {.byte = {[15] = 1}};

	return address_is_ipv4(address) ? address->byte[12] == 127 : address_equal(address, &ipv6_loopback);
}

/* What goes over a network is encrypted, and only who has a token may ask. */
static void validate_api_reach(struct validation *v, const struct draft_api *api)
{
	bool has_token = api->token_file.at.line, has_certificate = api->certificate_file.at.line;

	if (api->listen.ok && !is_loopback(&api->listen.address) && !(has_token && has_certificate))
		report_error(v->report, api->listen.at,
			     "api: listen \"%s\" is not a loopback address: add %s%s%s, or listen on 127.0.0.1 or [::1]",
			     api->listen.text, has_token ? "" : "a token_file", has_token || has_certificate ? "" : " and ",
			     has_certificate ? "" : "a certificate_file with its key_file");
	if (api->read_token_file.at.line && !has_token)
		report_error(v->report, api->read_token_file.at, "api: read_token_file needs a token_file for whoever may change things");
	if (has_certificate != (api->key_file.at.line != 0))
		report_error(v->report, has_certificate ? api->certificate_file.at : api->key_file.at,
			     "api: certificate_file and key_file belong together: %s is missing",
			     has_certificate ? "key_file" : "certificate_file");
}

static void validate_api(struct validation *v)
{
	const struct draft_api *api = &v->draft->api;
	const struct {
		const struct item *item;
		char **to;
		const char *key;
	} texts[] = {
		{&api->listen, &v->config->api.listen, "listen"},
		{&api->token_file, &v->config->api.token_file, "token_file"},
		{&api->read_token_file, &v->config->api.read_token_file, "read_token_file"},
		{&api->certificate_file, &v->config->api.certificate_file, "certificate_file"},
		{&api->key_file, &v->config->api.key_file, "key_file"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].item->ok)
			*texts[i].to = copy_text(v->report, texts[i].item->text);
		if (texts[i].item->ok && !api->listen.at.line)
			report_note(v->report, texts[i].item->at, "api: %s has no effect without listen", texts[i].key);
	}
	validate_api_reach(v, api);
}

static void validate_settings(struct validation *v)
{
	const struct draft *draft = v->draft;
	struct draft_check defaults = check_defaults(draft);

	v->config->hash_seed = draft->hash_seed.number;
	v->config->table_size = draft->table_size.number;
	v->config->flow_timeout_ms = draft->flow_timeout.number;
	v->config->flow_table_size = draft->flow_table_size.number;
	v->config->max_checks_in_flight = draft->max_checks_in_flight.number;
	v->config->on_exit = draft->on_exit.number;
	validate_source(v);
	validate_api(v);
	check_validate(v->report, "defaults: ", &draft->defaults.check, &defaults);
}

static void validate_backends(struct validation *v)
{
	const struct draft_backend *drafts = v->draft->backends.list;
	struct config *config = v->config;
	size_t n;

	config->backends = new_list(v->report, v->draft->backends.n, sizeof(*config->backends), &config->n_backends);
	for (size_t i = 0; i < config->n_backends; i++) {
		config->backends[i].name = copy_text(v->report, drafts[i].name.text);
		config->backends[i].address = drafts[i].address.address;
		config->backends[i].weight = drafts[i].weight.number;
		config->backends[i].port = drafts[i].port.number;
		config->backends[i].server_id.len = drafts[i].server_id.number;
		memcpy(config->backends[i].server_id.byte, drafts[i].server_id.address.byte, SHUNT_SERVER_ID_MAX);
	}
	index_names(v->report, "backend", &v->draft->backends, sizeof(*drafts), offsetof(struct draft_backend, name),
		    &v->backends);
	v->last_group = new_list(v->report, config->n_backends, sizeof(*v->last_group), &n);
}

/* What is valid and does nothing. Only told of a valid file: with errors about, much seems unused that is not. */
static void note_unused(struct validation *v)
{
	const struct draft_backend *backends = v->draft->backends.list;
	const struct draft_group *groups = v->draft->groups.list;
	bool *used;
	size_t n;

	for (size_t i = 0; i < v->config->n_backends; i++)
		if (!v->last_group[i])
			report_note(v->report, backends[i].name.at, "backend \"%s\" is in no group: it gets no traffic",
				    backends[i].name.text);
	used = new_list(v->report, v->config->n_groups, sizeof(*used), &n);
	for (size_t i = 0; i < n; i++)
		for (size_t s = 0; s < v->config->n_services && !used[i]; s++)
			used[i] = config_service_reaches(v->config, &v->config->services[s], i);
	for (size_t i = 0; i < n; i++)
		if (!used[i])
			report_note(v->report, groups[i].name.at, "group \"%s\" is used by no service",
				    groups[i].name.text);
	free(used);
}

void config_validate(const struct draft *draft, struct config *config, struct report *report)
{
	struct validation v = {.draft = draft, .config = config, .report = report};

	validate_settings(&v);
	validate_interfaces(&v);
	validate_backends(&v);
	if (!report->out_of_memory)
		validate_groups(&v);
	if (!report->out_of_memory)
		validate_services(&v);
	if (!report->out_of_memory)
		validate_via_services(&v);
	validate_protection(&v);
	validate_hooks(&v);
	if (!report->out_of_memory)
		validate_windows(&v);
	if (!report->out_of_memory)
		validate_dns(&v);
	if (!report->out_of_memory && !report->n_errors)
		note_unused(&v);
	keymap_clear(&v.backends);
	keymap_clear(&v.groups);
	free(v.last_group);
}
