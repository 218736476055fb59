/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The order of the stages (document, draft, configuration), and what asks a finished configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "config/document.h"
#include "config/draft.h"
#include "net/address.h"

#define FILE_MAX_BYTES (16 << 20)

int config_parse_with(const char *text, size_t length, const struct config_besides *besides, struct config **ret_config,
		      struct config_messages *messages)
{
	struct report report = {.messages = messages};
	struct draft draft = {};
	yaml_document_t document;
	struct config *config;
	int r;

	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	if (length > FILE_MAX_BYTES) {
		report_error(&report, (struct place){}, "larger than %d MiB: no configuration is",
			     FILE_MAX_BYTES >> 20);
	} else if (document_load(text, length, &document, &report)) {
		config_decode(&document, &draft, &report);
		draft_add_posted(&draft, besides->groups, besides->n_groups, &report);
		draft_add_discovered(&draft, besides->discovered, besides->n_discovered, &report);
		config_validate(&draft, config, &report);
		draft_release(&draft);
		yaml_document_delete(&document);
	}
	r = report_finish(&report);
	if (r < 0) {
		config_free(config);
		return r;
	}
	*ret_config = config;
	return 0;
}

int config_parse(const char *text, size_t length, struct config **ret_config, struct config_messages *messages)
{
	return config_parse_with(text, length, &(struct config_besides){0}, ret_config, messages);
}

int config_load_with(const char *path, const struct config_besides *besides, char **ret_text, struct config **ret_config,
		     struct config_messages *messages)
{
	struct report report = {.messages = messages};
	_cleanup_(freep) char *text = NULL;
	size_t length;
	int r;

	r = file_read(path, FILE_MAX_BYTES, &text, &length);
	if (r == 0) {
		r = config_parse_with(text, length, besides, ret_config, messages);
		if (r == 0 && ret_text) {
			*ret_text = text;
			text = NULL;
		}
		return r;
	}
	if (r == -EFBIG)
		report_error(&report, (struct place){}, "larger than %d MiB: no configuration is",
			     FILE_MAX_BYTES >> 20);
	else
		report_error(&report, (struct place){}, "cannot read: %s", strerror(-r));
	return r;
}

int config_load(const char *path, struct config **ret_config, struct config_messages *messages)
{
	return config_load_with(path, &(struct config_besides){0}, NULL, ret_config, messages);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_services; i++) {
		free(config->services[i].name);
		free(config->services[i].deny.list);
		free(config->services[i].allow.list);
		free(config->services[i].clients.list);
		free(config->services[i].clients.groups);
	}
	free(config->deny.list);
	free(config->allow.list);
	for (size_t i = 0; i < config->n_backends; i++)
		free(config->backends[i].name);
	for (size_t i = 0; i < config->n_groups; i++) {
		free(config->groups[i].name);
		free(config->groups[i].members);
		config_check_clear(&config->groups[i].check);
	}
	for (size_t i = 0; i < config->n_dns; i++) {
		free(config->dns[i].domain);
		free(config->dns[i].protocol);
	}
	free(config->dns);
	free(config->name_servers);
	for (size_t i = 0; i < config->n_windows; i++)
		free(config->windows[i].cron_text);
	free(config->windows);
	config_hooks_clear(&config->hooks);
	free(config->interfaces);
	free(config->services);
	free(config->groups);
	free(config->backends);
	free(config->api.listen);
	free(config->api.token_file);
	free(config->api.read_token_file);
	free(config->api.certificate_file);
	free(config->api.key_file);
	free(config);
}

/* Also asked of a half-built configuration, in which fallbacks may lead in a circle: hence the bound. */
static bool group_reaches(const struct config *config, size_t from, size_t group)
{
	for (size_t steps = 0; from < config->n_groups && steps <= config->n_groups; steps++) {
		if (from == group)
			return true;
		from = config->groups[from].fallback;
	}
	return false;
}

bool config_service_reaches(const struct config *config, const struct config_service *service, size_t group)
{
	bool reaches = group_reaches(config, service->group, group);

	for (size_t i = 0; i < service->clients.n_groups && !reaches; i++)
		reaches = group_reaches(config, service->clients.groups[i], group);
	return reaches;
}

static bool same_way(const struct config_service *a, const struct config_service *b)
{
	return address_equal(&a->address, &b->address) && a->forward == b->forward && a->gue_port == b->gue_port;
}

size_t config_via_services(const struct config *config, size_t group, size_t ret_services[CONFIG_VIA_ADDRESSES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_services; i++) {
		bool known = !config_service_reaches(config, &config->services[i], group);

		for (size_t k = 0; k < n && k < CONFIG_VIA_ADDRESSES_MAX && !known; k++)
			known = same_way(&config->services[ret_services[k]], &config->services[i]);
		if (known)
			continue;
		if (n < CONFIG_VIA_ADDRESSES_MAX)
			ret_services[n] = i;
		n++;
	}
	return n;
}

const struct config_client *config_client_of(const struct config_service *service, const struct shunt_addr *address)
{
	const struct config_client *best = NULL;

	for (size_t i = 0; i < service->clients.n; i++) {
		const struct config_client *client = &service->clients.list[i];

		if (config_prefix_has(&client->prefix, address) && (!best || best->prefix.length < client->prefix.length))
			best = client;
	}
	return best;
}

const char *config_service_address(const struct config_service *service, char buffer[CONFIG_ADDRESS_TEXT_MAX])
{
	size_t length;

	address_format(&service->address, buffer);
	length = strlen(buffer);
	if (service->prefix)
		snprintf(buffer + length, CONFIG_ADDRESS_TEXT_MAX - length, "/%u", service->prefix);
	return buffer;
}

size_t config_find_backend(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_backends; i++)
		if (!strcmp(config->backends[i].name, name))
			return i;
	return SIZE_MAX;
}

size_t config_find_group(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_groups; i++)
		if (!strcmp(config->groups[i].name, name))
			return i;
	return SIZE_MAX;
}

size_t config_find_service(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_services; i++)
		if (!strcmp(config->services[i].name, name))
			return i;
	return SIZE_MAX;
}
