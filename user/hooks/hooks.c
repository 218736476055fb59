/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both receivers together: what is configured, and a document for each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/lane.h"

const char *hook_kind_text(enum hook_kind kind)
{
	return kind == HOOK_EXEC ? "exec" : "webhook";
}

static bool is_configured(const struct config_hooks *config, enum hook_kind kind)
{
	return kind == HOOK_EXEC ? config->exec != NULL : config->webhook != NULL;
}

int hooks_open(sd_event *event, struct children *children, hooks_told told, void *userdata, struct hooks **ret_hooks)
{
	struct hooks *hooks = calloc(1, sizeof(*hooks));
	int r;

	if (!hooks)
		return -ENOMEM;
	*hooks = (struct hooks){.event = event, .children = children, .told = told, .userdata = userdata};
	r = http_client_open(event, &hooks->http);
	for (int i = 0; r >= 0 && i < HOOK_KINDS; i++)
		r = lane_open(&hooks->lanes[i], hooks, i);
	if (r < 0) {
		hooks_close(hooks);
		return r;
	}
	*ret_hooks = hooks;
	return 0;
}

void hooks_close(struct hooks *hooks)
{
	if (!hooks)
		return;
	for (int i = 0; i < HOOK_KINDS; i++)
		lane_close(&hooks->lanes[i]);
	resolver_close(hooks->resolver);
	http_client_close(hooks->http);
	config_hooks_clear(&hooks->config);
	free(hooks->name_servers);
	free(hooks);
}

/* Lookups are of the resolver that is closed here: the lane has been stopped. */
static void set_name_servers(struct hooks *hooks, char *take_name_servers)
{
	resolver_close(hooks->resolver);
	hooks->resolver = NULL;
	free(hooks->name_servers);
	hooks->name_servers = take_name_servers;
}

int hooks_configure(struct hooks *hooks, const struct config_hooks *config, const char *name_servers)
{
	char *copy_of_servers = name_servers ? strdup(name_servers) : NULL;
	bool same_servers = name_servers ? hooks->name_servers && !strcmp(hooks->name_servers, name_servers) : !hooks->name_servers;
	struct config_hooks copy;

	if (name_servers && !copy_of_servers)
		return -ENOMEM;
	if (same_servers && config_hooks_equal(&hooks->config, config)) {
		free(copy_of_servers);
		return 0;
	}
	if (config_hooks_copy(config, &copy) < 0) {
		free(copy_of_servers);
		return -ENOMEM;
	}
	for (int i = 0; i < HOOK_KINDS; i++) {
		if (!is_configured(config, i))
			lane_clear(&hooks->lanes[i], "it is not configured any more");
		else
			lane_stop(&hooks->lanes[i]);
	}
	set_name_servers(hooks, copy_of_servers);
	config_hooks_clear(&hooks->config);
	hooks->config = copy;
	for (int i = 0; i < HOOK_KINDS; i++)
		lane_go_on(&hooks->lanes[i]);
	return 0;
}

bool hooks_want(const struct hooks *hooks, enum config_hook_event event)
{
	return hooks && (hooks->config.exec || hooks->config.webhook) && hooks->config.on & event;
}

static struct delivery *new_delivery(uint64_t id, const char *name, const char *what, const json_t *document)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery)
		return NULL;
	*delivery = (struct delivery){.id = id, .name = strdup(name), .what = strdup(what),
				      .body = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(6))};
	if (delivery->name && delivery->what && delivery->body)
		return delivery;
	delivery_free(delivery);
	return NULL;
}

void hooks_send(struct hooks *hooks, uint64_t id, const char *name, const char *what, json_t *take_document)
{
	for (int i = 0; i < HOOK_KINDS; i++) {
		struct delivery *delivery;

		if (!is_configured(&hooks->config, i))
			continue;
		delivery = take_document ? new_delivery(id, name, what, take_document) : NULL;
		if (delivery)
			lane_put(&hooks->lanes[i], delivery);
		else
			hooks->lanes[i].figures.dropped++; /* without memory */
	}
	json_decref(take_document);
}

struct hook_figures hooks_figures(const struct hooks *hooks, enum hook_kind kind)
{
	struct hook_figures figures = hooks->lanes[kind].figures;

	figures.configured = is_configured(&hooks->config, kind);
	figures.waiting = hooks->lanes[kind].n;
	return figures;
}
