/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Start and stop of everything, in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "shuntd/controller.h"
#include "version.h"

static int make_directories(const struct controller_options *options)
{
	const char *const paths[] = {options->run_dir, options->state_dir};

	for (size_t i = 0; i < 2; i++) {
		int r = file_make_directories(paths[i], 0750);

		if (r < 0) {
			log_error("%s: cannot make the folder: %s", paths[i], strerror(-r));
			return r;
		}
	}
	return 0;
}

static int load_first_config(struct controller *c, struct config **ret_config)
{
	struct config_messages messages = {0};
	int r = controller_load(c, &c->config_text, ret_config, &messages);

	config_messages_print(&messages, c->options.config_path, stderr);
	config_messages_clear(&messages);
	return r;
}

static int open_edges(struct controller *c)
{
	int r;

	if ((r = persist_open(c)) < 0 || (r = prober_open(c->event, &c->prober)) < 0 ||
	    (r = next_hops_open(c->event, next_hop_changed, c, &c->next_hops)) < 0 ||
	    (r = events_open(c->options.state_dir, &c->events)) < 0 || (r = discovery_open(c)) < 0 || (r = groups_open(c)) < 0 ||
	    (r = controller_open_hooks(c)) < 0)
		log_error("shuntd: cannot start: %s", strerror(-r));
	return r < 0 ? r : deny_open(c);
}

static int open_api(struct controller *c)
{
	char *socket_path = path_join(c->options.run_dir, "shunt.sock");
	int r = -ENOMEM;

	const struct api_options options = {
		.socket_path = socket_path,
		.listen = c->config->api.listen,
		.token_file = c->config->api.token_file,
		.read_token_file = c->config->api.read_token_file,
		.certificate_file = c->config->api.certificate_file,
		.key_file = c->config->api.key_file,
	};

	if (socket_path)
		r = api_open(c->event, &options, &controller_handlers, c, &c->api);
	if (r < 0)
		log_error("api: %s%s%s: %s", socket_path ? socket_path : "", options.listen ? " or " : "",
			  options.listen ? options.listen : "",
			  r == -EADDRINUSE ? "another shuntd listens there: give this one its own --run-dir" : strerror(-r));
	free(socket_path);
	return r;
}

static int apply_first_config(struct controller *c)
{
	struct config *config = NULL;
	char *error = NULL;
	int r = load_first_config(c, &config);

	if (r < 0)
		return r;
	r = controller_apply(c, config, c->options.fresh, &error);
	if (r < 0)
		log_error("%s", error ? error : strerror(-r));
	if (r < 0 && c->config != config)
		config_free(config);
	free(error);
	return r;
}

int controller_start(sd_event *event, const struct controller_options *options, struct controller **ret_controller)
{
	struct controller *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	c->options = *options;
	c->event = event;
	wall_follow(c);
	c->started = wall_now(c);
	c->endpoint_of = calloc(SHUNT_MAX_BACKENDS, sizeof(struct endpoint *));
	if (c->endpoint_of)
		r = make_directories(options);
	if (r == 0 && (r = open_edges(c)) == 0 && (r = apply_first_config(c)) == 0 && (r = open_api(c)) == 0)
		r = transitions_start(c);
	if (r == 0)
		deny_wake(c);
	if (r < 0) {
		controller_stop(c);
		return r;
	}
	events_add(c->events, "start", "shuntd", "controller", "version %s, %zu services, %zu groups, %zu backends%s",
		   SHUNT_VERSION, c->config->n_services, c->config->n_groups, c->config->n_backends,
		   datapath_adopted(c->datapath) ? ", adopted the running data path" : "");
	*ret_controller = c;
	return 0;
}

static void release_data_path(struct controller *c)
{
	int r;

	if (!c->datapath || !c->config || c->detached || c->config->on_exit != ON_EXIT_DETACH)
		return;
	r = datapath_remove(c->datapath);
	if (r < 0)
		log_error("on_exit: detach: %s", datapath_error());
	else
		log_info("the data path is off the interfaces (on_exit: detach)");
}

void controller_stop(struct controller *c)
{
	if (!c)
		return;
	groups_finish(c);
	persist_finish(c);
	api_close(c->api);
	c->api = NULL;
	trace_close(c);
	transitions_stop(c);
	sd_event_source_disable_unref(c->pass.timer);
	sd_event_source_disable_unref(c->tick);
	sd_event_source_disable_unref(c->round.timer);
	sd_event_source_disable_unref(c->neighbours_wanted);
	for (size_t i = 0; i < c->n_endpoints; i++)
		endpoint_free(c, c->endpoints[i]);
	for (size_t i = 0; i < c->n_groups; i++)
		group_free(c->groups[i]);
	via_close(c);
	release_data_path(c);
	HASH_CLEAR(hh, c->by_name);
	for (size_t i = 0; i < c->n_backends; i++)
		backend_free(c, c->backends[i]);
	hooks_close(c->hooks);
	discovery_close(c);
	prober_close(c->prober);
	next_hops_close(c->next_hops);
	persist_close(c); /* behind all that packets depend on: a disk may take its time */
	deny_close(c);
	events_close(c->events);
	datapath_close(c->datapath);
	config_free(c->config);
	free(c->config_text);
	json_decref(c->posted);
	free(c->backends);
	free(c->endpoints);
	free(c->endpoint_of);
	free(c->groups);
	free(c->configured);
	free(c->service_ids);
	tables_free(c->tables);
	free(c->counts);
	free(c);
}
