/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names and their addresses as JSON and back. Decides whether a file can be trusted; resolves nothing. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "net/address.h"
#include "state/damaged.h"
#include "state/names.h"

#define NAMES_BYTES_MAX (16 * 1024 * 1024)

void names_free(struct config_discovered *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((char *)names[i].domain);
		free((char *)names[i].group);
		free((struct config_discovered_address *)names[i].list);
	}
	free(names);
}

/* ---- reading: 0, -ENOMEM, or -EBADMSG for what names_save would not have written ---- */

static int read_address(json_t *json, struct config_discovered_address *ret_address)
{
	int port, priority, weight;
	const char *text;

	if (json_unpack(json, "{s:s, s:i, s:i, s:i}", "address", &text, "port", &port, "priority", &priority, "weight", &weight) < 0 ||
	    address_parse(text, &ret_address->address) < 0 || (port | priority | weight) & ~0xffff)
		return -EBADMSG;
	ret_address->port = port;
	ret_address->priority = priority;
	ret_address->weight = weight;
	return 0;
}

static int read_name(json_t *json, struct config_discovered *ret_name)
{
	const char *domain, *group;
	struct config_discovered_address *list;
	json_t *addresses;
	int r = 0;

	if (json_unpack(json, "{s:s, s:s, s:o}", "domain", &domain, "group", &group, "addresses", &addresses) < 0 ||
	    !json_is_array(addresses))
		return -EBADMSG;
	list = calloc(json_array_size(addresses) + 1, sizeof(*list));
	*ret_name = (struct config_discovered){strdup(domain), strdup(group), list, json_array_size(addresses)};
	if (!list || !ret_name->domain || !ret_name->group)
		return -ENOMEM;
	for (size_t i = 0; i < ret_name->n && r == 0; i++)
		r = read_address(json_array_get(addresses, i), &list[i]);
	return r;
}

static int read_names(const char *text, size_t length, struct config_discovered **ret_names, size_t *ret_n)
{
	_cleanup_(json_decrefp) json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	struct config_discovered *names;
	size_t n = json_array_size(json);
	int r = 0;

	if (!json_is_array(json))
		return -EBADMSG;
	names = calloc(n + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = read_name(json_array_get(json, i), &names[i]);
	if (r < 0) {
		names_free(names, n);
		return r;
	}
	*ret_names = names;
	*ret_n = n;
	return 0;
}

int names_load(const char *state_dir, struct config_discovered **ret_names, size_t *ret_n)
{
	_cleanup_(freep) char *path = path_join(state_dir, NAMES_FILE), *text = NULL;
	size_t length;
	int r;

	*ret_names = NULL;
	*ret_n = 0;
	if (!path)
		return -ENOMEM;
	r = file_read(path, NAMES_BYTES_MAX, &text, &length);
	if (r == 0)
		r = read_names(text, length, ret_names, ret_n);
	if (r != -EBADMSG && r != -EFBIG)
		return r == -ENOENT ? 0 : r;
	return damaged_set_aside(path, "names", "the names are asked for anew");
}

/* ---- writing ---- */

static json_t *name_json(const struct config_discovered *name)
{
	json_t *addresses = json_array();
	char text[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < name->n; i++)
		json_array_append_new(addresses, json_pack("{s:s, s:i, s:i, s:i}", "address",
							   address_format(&name->list[i].address, text), "port",
							   (int)name->list[i].port, "priority", (int)name->list[i].priority,
							   "weight", (int)name->list[i].weight));
	return json_pack("{s:s, s:s, s:o}", "domain", name->domain, "group", name->group, "addresses", addresses);
}

int names_save(const char *state_dir, const struct config_discovered *names, size_t n, struct saver *saver)
{
	_cleanup_(json_decrefp) json_t *json = json_array();
	_cleanup_(freep) char *path = path_join(state_dir, NAMES_FILE);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(json, name_json(&names[i]));
	return path ? saver_write(saver, path, json ? json_dumps(json, JSON_INDENT(1)) : NULL, 0640) : -ENOMEM;
}
