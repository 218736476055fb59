/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From one configuration to the next. What can fail comes first and is undone; then what runs is matched with what is
 * wanted (match.c), tables are published, services switched to them, and what is left over is dropped. The first start
 * is a reload from nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

#define FIRST_CHECK_START_MS 1000 /* a probe's start jitter, with room for a busy host */

/* ---- data path and interfaces ---- */

static __be32 source_entropy(const struct config *config)
{
	if (address_is_zero(&config->source_ipv4) || config->source_ipv4_prefix >= 32)
		return 0;
	return htonl((1U << (32 - config->source_ipv4_prefix)) - 1);
}

static struct datapath_options datapath_options_of(const struct controller *c, const struct config *config, bool fresh)
{
	return (struct datapath_options){
		.bpf_dir = c->options.bpf_dir,
		.hash_seed = config->hash_seed,
		.table_size = config->table_size,
		.flow_table_size = config->flow_table_size,
		.flow_timeout_ms = config->flow_timeout_ms,
		.groups = groups_at_once(c, config),
		.client_table_size = config->client_table_size,
		.listed = protect_listed(config),
		.features = services_features(c, config),
		.source_entropy_ipv4 = source_entropy(config),
		.fresh = fresh,
	};
}

/* Whether the program that runs can serve the new configuration. */
static bool same_program(const struct controller *c, const struct config *config)
{
	return c->datapath && c->config && c->config->hash_seed == config->hash_seed &&
	       c->config->table_size == config->table_size && c->config->flow_table_size == config->flow_table_size &&
	       groups_at_once(c, config) <= datapath_room(c->datapath) &&
	       datapath_features(c->datapath) == services_features(c, config) &&
	       c->config->client_table_size == config->client_table_size &&
	       protect_listed(config) <= datapath_listed(c->datapath) &&
	       source_entropy(c->config) == source_entropy(config) &&
	       c->config->flow_timeout_ms == config->flow_timeout_ms;
}

static const struct config_interface *find_interface(const struct config *config, const char *name)
{
	for (size_t i = 0; config && i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	return NULL;
}

/* Takes the program off interfaces that are not in `keep`. */
static void detach_others(struct controller *c, const struct config *keep)
{
	const struct datapath_attachment *list;
	size_t i = 0;

	while (i < datapath_attachments(c->datapath, &list)) {
		if (find_interface(keep, list[i].name) || datapath_detach(c->datapath, list[i].name) < 0)
			i++;
	}
}

static int attach_all(struct controller *c, const struct config *config)
{
	const struct datapath_attachment *list;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		int r = datapath_attach(c->datapath, interface->name, interface->mode);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < datapath_attachments(c->datapath, &list); i++)
		if (!list[i].native && find_interface(config, list[i].name))
			log_warn("interface %s: XDP runs in generic mode: slower, the driver has no native one%s", list[i].name,
				 find_interface(config, list[i].name)->mode == INTERFACE_MODE_GENERIC ? " asked for" : "");
	return 0;
}

/* Interfaces that are new are tried with the program that runs, so that a failure leaves all as it was. */
static int try_new_interfaces(struct controller *c, const struct config *config, char **ret_error)
{
	int r = attach_all(c, config);

	if (r == 0)
		return 0;
	*ret_error = strdup(datapath_error());
	detach_others(c, c->config);
	return r;
}

/* Opens the program that is needed; the old goes on until the new is attached. */
static int swap_datapath(struct controller *c, const struct datapath_options *options, char **ret_error)
{
	struct datapath *datapath;
	int r = datapath_open(options, &datapath);

	if (r < 0) {
		*ret_error = strdup(*datapath_error() ? datapath_error() : strerror(-r));
		return r;
	}
	trace_pause(c);
	if (c->datapath)
		datapath_take_attachments(datapath, c->datapath);
	answers_watch_neighbours(c, datapath);
	datapath_close(c->datapath);
	c->datapath = datapath;
	return 0;
}

int controller_need_features(struct controller *c, uint32_t features, char **ret_error)
{
	struct datapath_options options = datapath_options_of(c, c->config, false);
	uint64_t started = clock_monotonic_ms();
	int r;

	if (!(features & ~datapath_features(c->datapath)))
		return 0;
	options.features |= features;
	r = swap_datapath(c, &options, ret_error);
	if (r < 0)
		return r;
	r = services_publish(c); /* maps that are the program's own are filled before packets find it */
	if (r == 0)
		r = attach_all(c, c->config);
	trace_resume(c);
	if (r < 0)
		*ret_error = strdup(*datapath_error() ? datapath_error() : strerror(-r));
	else
		log_info("the program was replaced by one that can do more, in %" PRIu64 " ms", clock_monotonic_ms() - started);
	return r;
}

static void set_scratch(struct controller *c, const struct config *config)
{
	if (c->tables && c->table_size == config->table_size)
		return;
	for (size_t i = 0; i < c->n_groups; i++)
		group_free_bases(c->groups[i]);
	tables_free(c->tables);
	free(c->counts);
	c->table_size = config->table_size;
	c->tables = tables_new(config->table_size);
	c->counts = must(calloc(SHUNT_MAX_BACKENDS, sizeof(*c->counts)));
}

static void match_all(struct controller *c, struct config *config, const struct state *restored)
{
	struct backend **backends = match_backends(c, config, restored);
	struct config *old = c->config;

	match_groups(c, config, backends, restored);
	free(backends);
	if (!old)
		match_strangers(c);
	c->config = config;
	c->generation++;
	c->tracks_always = false;
	for (size_t i = 0; i < config->n_services; i++)
		c->tracks_always = c->tracks_always || config->services[i].tracking == TRACKING_ALWAYS;
	for (size_t i = 0; i < c->n_backends; i++)
		backend_next_hop(c, c->backends[i]);
}

static int publish_all(struct controller *c, const struct config *config)
{
	int r;

	for (size_t i = 0; i < c->n_endpoints; i++)
		endpoint_refresh(c, c->endpoints[i]);
	groups_mark_configured(c);
	groups_finish(c);
	for (size_t i = 0; i < config->n_groups; i++)
		if (c->configured[i])
			group_count(c, c->configured[i]);
	r = services_publish(c);
	if (r < 0)
		log_error("services: the old ones stay: %s", *datapath_error() ? datapath_error() : strerror(-r));
	drop_groups(c, config);
	groups_finish(c);
	if (r == 0)
		drop_tables(c);
	return r;
}

/* ---- a start that replaces a running data path ---- */

static bool all_decided(const struct controller *c)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (!c->groups[i]->decided)
			return false;
	return true;
}

/* The first check starts within FIRST_CHECK_START_MS; one that cannot be made for want of something here gives no result. */
static uint64_t first_checks_deadline_ms(const struct config *config)
{
	uint32_t longest_ms = 0;

	for (size_t i = 0; i < config->n_groups; i++)
		if (config->groups[i].check.timeout_ms > longest_ms)
			longest_ms = config->groups[i].check.timeout_ms;
	return clock_monotonic_ms() + FIRST_CHECK_START_MS + longest_ms;
}

/*
 * Fresh maps know of no healthy backend. The data path that is to be replaced goes on until the first checks are in, or
 * the services would be without any backend meanwhile.
 */
static int await_first_checks(struct controller *c, const struct config *config)
{
	uint64_t deadline_ms = first_checks_deadline_ms(config);

	while (!all_decided(c)) {
		uint64_t now_ms = clock_monotonic_ms();
		int r;

		if (now_ms >= deadline_ms)
			return 0;
		r = sd_event_run(c->event, (deadline_ms - now_ms) * 1000);
		if (r < 0)
			return r;
	}
	return 0;
}

static void follow_hooks(struct controller *c, const struct config *config)
{
	int r = hooks_configure(c->hooks, &config->hooks, config->name_servers);

	if (r < 0)
		log_error("hooks: they stay as they were: %s", strerror(-r));
}

int controller_apply(struct controller *c, struct config *config, bool fresh, char **ret_error)
{
	const struct datapath_options options = datapath_options_of(c, config, fresh);
	bool first = !c->config, other = !same_program(c, config);
	struct state restored = {0};
	struct config *old = c->config;
	int r = 0;

	groups_finish(c);
	transitions_stop(c);
	if (!first)
		r = try_new_interfaces(c, config, ret_error);
	if (r == 0 && !first)
		r = via_open(c, config, false, ret_error);
	if (r == 0 && other)
		r = swap_datapath(c, &options, ret_error);
	if (r == 0 && other)
		r = via_open(c, config, true, ret_error);
	if (r < 0)
		return r;
	set_scratch(c, config);
	prober_set_max_in_flight(c->prober, config->max_checks_in_flight);
	if (first)
		persist_load(c, &restored);
	else if (fresh)
		match_register_again(c);
	match_all(c, config, first ? &restored : c->restoring);
	state_free(&restored);
	via_follow(c);
	r = publish_all(c, config);
	windows_follow(c, true);
	if (r == 0 && first && fresh)
		r = await_first_checks(c, config);
	if (r == 0 && (first || other))
		r = attach_all(c, config);
	if (r < 0 && first) {
		*ret_error = strdup(*datapath_error() ? datapath_error() : strerror(-r));
		return r; /* the caller stops */
	}
	if (r < 0)
		log_error("reload: %s", datapath_error());
	detach_others(c, config);
	discovery_follow(c);
	follow_hooks(c, config);
	trace_resume(c);
	transitions_scan(c);
	config_free(old);
	if (persist_save(c) < 0)
		log_error("state: cannot be saved in %s", c->options.state_dir);
	discovery_ask(c);
	return 0;
}

/* ---- reload ---- */

char *reload_messages_text(const struct config_messages *messages, const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	config_messages_print(messages, path, to);
	fclose(to);
	return text;
}

static json_t *change_list(const struct config_changes *changes)
{
	json_t *list = json_array();

	for (size_t i = 0; i < changes->n; i++)
		json_array_append_new(list, json_string(changes->list[i].text));
	return list;
}

static int refuse_scattering(const struct config_changes *changes, char **ret_error)
{
	for (size_t i = 0; i < changes->n; i++) {
		if (!changes->list[i].scatters)
			continue;
		if (asprintf(ret_error, "%s: would scatter living flows, or end them: refused (reload --force does it)",
			     changes->list[i].text) < 0)
			*ret_error = NULL;
		return -EPERM;
	}
	return 0;
}

/* Whether the maps have to be laid out anew. */
static bool other_layout(const struct config *a, const struct config *b)
{
	return a->hash_seed != b->hash_seed || a->table_size != b->table_size || a->flow_table_size != b->flow_table_size;
}

int controller_apply_changes(struct controller *c, struct config *config, bool force, json_t **ret_changed, char **ret_error)
{
	struct config_changes changes = {0};
	int r = config_diff(c->config, config, &changes);

	if (r == 0 && !force)
		r = refuse_scattering(&changes, ret_error);
	if (r == 0 && !force && answers_taken(c, config, ret_error))
		r = -EPERM;
	if (r == 0)
		r = controller_apply(c, config, other_layout(c->config, config), ret_error);
	if (r == 0) {
		events_add(c->events, "reload", "shuntd", "operator", "%zu change%s applied from %s", changes.n,
			   changes.n == 1 ? "" : "s", c->options.config_path);
		*ret_changed = change_list(&changes);
	}
	config_changes_clear(&changes);
	return r;
}

int controller_reload(struct controller *c, bool force, json_t **ret_changed, char **ret_error)
{
	struct config_messages messages = {0};
	struct config *config = NULL;
	char *text = NULL;
	int r = controller_load(c, &text, &config, &messages);

	if (r < 0)
		*ret_error = reload_messages_text(&messages, c->options.config_path);
	else
		r = controller_apply_changes(c, config, force, ret_changed, ret_error);
	config_messages_clear(&messages);
	if (r < 0) {
		config_free(config);
		free(text);
		log_error("reload: nothing was changed: %s", *ret_error ? *ret_error : strerror(-r));
		return r;
	}
	free(c->config_text);
	c->config_text = text;
	return 0;
}

/* ---- what there is besides the file ---- */

int controller_load(struct controller *c, char **ret_text, struct config **ret_config, struct config_messages *messages)
{
	struct config_besides besides;
	int r;

	besides_of(c, c->posted, &besides);
	r = config_load_with(c->options.config_path, &besides, ret_text, ret_config, messages);
	besides_free(&besides);
	return r;
}

int controller_rediscover(struct controller *c, char **ret_error)
{
	struct config_messages messages = {0};
	struct config_besides besides;
	struct config *config = NULL;
	int r;

	besides_of(c, c->posted, &besides);
	r = config_parse_with(c->config_text, strlen(c->config_text), &besides, &config, &messages);
	besides_free(&besides);
	if (r < 0)
		*ret_error = reload_messages_text(&messages, c->options.config_path);
	config_messages_clear(&messages);
	if (r < 0)
		return r;
	c->keep_weights = true;
	r = answers_taken(c, config, ret_error) ? -EPERM : controller_apply(c, config, false, ret_error);
	c->keep_weights = false;
	if (r < 0)
		config_free(config);
	return r;
}
