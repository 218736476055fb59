/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What operators ask for through the API. Kept in the state directory before it is acknowledged: the API waits for that (api_saved). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "shuntd/controller.h"

static int saved(struct controller *c, struct api_reply *reply)
{
	int r = persist_save(c);

	return r < 0 ? api_refuse(reply, r, "done, but not saved: after a crash it is forgotten: %s: %s", c->options.state_dir,
			      strerror(-r)) : 0;
}

/* ---- backends ---- */

static int64_t wall_in(const struct controller *c, uint64_t ms)
{
	return ms ? wall_now(c) + (int64_t)ms : 0;
}

/* ", for 30m", "" without an end. */
static const char *for_text(uint64_t for_ms, char *buffer, size_t size)
{
	char duration[DURATION_TEXT_MAX];

	snprintf(buffer, size, for_ms ? ", for %s" : "%s", for_ms ? duration_format(for_ms, duration) : "");
	return buffer;
}

static int set_admin(struct controller *c, const char *name, enum admin_state admin, int64_t drain_until, uint64_t for_ms,
		     struct api_reply *reply)
{
	struct backend *backend = backend_find(c, name);
	char object[128], duration[64];
	bool changed;

	if (!backend)
		return api_refuse(reply, -ENOENT, "backend %s does not exist", name);
	changed = backend->admin[ADMIN_BY_OPERATOR] != admin || backend->drain_until != drain_until ||
		  backend->admin_until != wall_in(c, for_ms);
	backend->drain_until = drain_until;
	backend->admin_until = wall_in(c, for_ms);
	for (struct endpoint *endpoint = backend->endpoints; endpoint && admin == ADMIN_READY; endpoint = endpoint->next)
		endpoint_pardon(c, endpoint);
	backend_set_admin(c, backend, ADMIN_BY_OPERATOR, admin);
	snprintf(object, sizeof(object), "backend %s", name);
	if (changed)
		events_add(c->events, admin_text(admin), object, "operator", "%s%s",
			   admin == ADMIN_DRAIN ? "no new flows, established ones stay" :
			   admin == ADMIN_MAINT ? "out at once, established flows move" : "takes traffic again when healthy",
			   for_text(for_ms, duration, sizeof(duration)));
	return saved(c, reply);
}

static int drain(void *userdata, const char *backend, uint64_t timeout_ms, uint64_t for_ms, struct api_reply *reply)
{
	return set_admin(userdata, backend, ADMIN_DRAIN, wall_in(userdata, timeout_ms), for_ms, reply);
}

static int maint(void *userdata, const char *backend, uint64_t for_ms, struct api_reply *reply)
{
	return set_admin(userdata, backend, ADMIN_MAINT, 0, for_ms, reply);
}

static int ready(void *userdata, const char *backend, struct api_reply *reply)
{
	return set_admin(userdata, backend, ADMIN_READY, 0, 0, reply);
}

static int weight(void *userdata, const char *name, uint32_t value, uint64_t for_ms, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct backend *backend = backend_find(c, name);
	char object[128], duration[64];

	if (!backend)
		return api_refuse(reply, -ENOENT, "backend %s does not exist", name);
	if (value > CONFIG_WEIGHT_MAX)
		return api_refuse(reply, -EINVAL, "backend %s: weight %u: the most is %u", name, value, CONFIG_WEIGHT_MAX);
	snprintf(object, sizeof(object), "backend %s", name);
	events_add(c->events, "weight", object, "operator", "%u -> %u, until the next reload%s", backend->weight, value,
		   for_text(for_ms, duration, sizeof(duration)));
	backend->weight_until = wall_in(c, for_ms);
	backend_set_weight(c, backend, value);
	return saved(c, reply);
}

/* ---- groups ---- */

static size_t member_named(const struct group *group, const char *backend)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (strcmp(group->members[i].endpoint->backend->name, backend) == 0)
			return i;
	return FAILOVER_NO_MEMBER;
}

static const char *why_not_fit(const struct endpoint *endpoint)
{
	if (backend_admin(endpoint->backend) != ADMIN_READY)
		return backend_admin(endpoint->backend) == ADMIN_DRAIN ? "is draining" : "is in maintenance";
	if (endpoint_table_weight(endpoint) == 0)
		return "has weight 0";
	if (endpoint_is_ejected(endpoint))
		return "is ejected by passive detection";
	return endpoint->health.state == HEALTH_UNKNOWN ? "has not been checked yet" : "is down";
}

static int failover(void *userdata, const char *name, const char *backend, uint64_t for_ms, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct group *group = group_find(c, name);
	struct failover_input input = {.event = FAILOVER_EVENT_FORCE, .member = FAILOVER_NO_MEMBER};
	struct failover_step step;

	if (!group)
		return api_refuse(reply, -ENOENT, "group %s does not exist", name);
	if (backend && (input.member = member_named(group, backend)) == FAILOVER_NO_MEMBER)
		return api_refuse(reply, -EINVAL, "group %s has no backend %s", name, backend);
	if (for_ms)
		input.until_ms = clock_monotonic_ms() + for_ms;
	step = group_decide(c, group, input);
	if (step.refused == -EHOSTDOWN && backend)
		return api_refuse(reply, -EHOSTDOWN, "backend %s %s: group %s stays as it is", backend,
			      why_not_fit(group->members[input.member].endpoint), name);
	if (step.refused == -EHOSTDOWN)
		return api_refuse(reply, -EHOSTDOWN, "group %s has no other fit backend to fail over to", name);
	if (step.refused == -EALREADY)
		return api_refuse(reply, -EALREADY, "group %s is already forced onto %s", name, backend ? backend : "that");
	if (step.refused < 0)
		return api_refuse(reply, step.refused, "group %s: %s", name, strerror(-step.refused));
	return saved(c, reply);
}

static int failback(void *userdata, const char *name, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct group *group = group_find(c, name);
	struct failover_step step;

	if (!group)
		return api_refuse(reply, -ENOENT, "group %s does not exist", name);
	step = group_decide(c, group, (struct failover_input){.event = FAILOVER_EVENT_FAILBACK});
	if (step.refused == -EHOSTDOWN)
		return api_refuse(reply, -EHOSTDOWN, "group %s: its primary is not fit: stays as it is", name);
	if (step.refused == -EALREADY)
		return api_refuse(reply, -EALREADY, "group %s is on its primary already", name);
	return saved(c, reply);
}

/* ---- what would be ---- */

static int foresee_group(struct controller *c, const struct api_foresee *what, struct api_reply *reply)
{
	struct group *group = group_find(c, what->name);
	struct failover_input input = {.event = FAILOVER_EVENT_FORCE, .member = FAILOVER_NO_MEMBER};

	if (!group)
		return api_refuse(reply, -ENOENT, "group %s does not exist", what->name);
	if (what->backend && (input.member = member_named(group, what->backend)) == FAILOVER_NO_MEMBER)
		return api_refuse(reply, -EINVAL, "group %s has no backend %s", what->name, what->backend);
	return foresee_failover(c, group, input, &reply->document);
}

static int foresee_file(struct controller *c, bool force, struct api_reply *reply)
{
	struct config_messages messages = {0};
	struct config *config = NULL;
	int r = controller_load(c, NULL, &config, &messages);

	if (r < 0)
		reply->error = reload_messages_text(&messages, c->options.config_path);
	else
		r = foresee_reload(c, config, &reply->document);
	if (r == 0 && !force && json_array_size(json_object_get(reply->document, "needs_force")))
		r = api_refuse(reply, -EPERM, "%s: would scatter living flows over other backends: refused (reload --force does it)",
			   json_string_value(json_array_get(json_object_get(reply->document, "needs_force"), 0)));
	config_messages_clear(&messages);
	config_free(config);
	return r < 0 && r != -EPERM ? -EINVAL : r;
}

static int foresee(void *userdata, const struct api_foresee *what, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct backend *backend;
	int r;

	if (what->kind == API_FORESEE_RELOAD)
		return foresee_file(c, what->force, reply);
	if (what->kind == API_FORESEE_FAILOVER) {
		r = foresee_group(c, what, reply);
		return r < 0 && !reply->error ? api_refuse(reply, r, "group %s would stay as it is: %s", what->name,
						       r == -EHOSTDOWN ? "who it would go to is not fit" : strerror(-r)) : r;
	}
	backend = backend_find(c, what->name);
	if (!backend)
		return api_refuse(reply, -ENOENT, "backend %s does not exist", what->name);
	return foresee_admin(c, backend, what->kind == API_FORESEE_MAINT ? ADMIN_MAINT : ADMIN_DRAIN, &reply->document);
}

/* ---- the whole ---- */

static int reload(void *userdata, bool force, struct api_reply *reply)
{
	json_t *changed = NULL;
	int r = controller_reload(userdata, force, &changed, &reply->error);

	if (r == 0)
		reply->document = json_pack("{s:o}", "changed", changed);
	/* Whatever is wrong is wrong with the file. */
	return r < 0 && r != -EPERM && r != -ENOMEM ? -EINVAL : r;
}

static int stop_after_reply(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	(void)userdata;
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int detach(void *userdata, struct api_reply *reply)
{
	struct controller *c = userdata;
	int r;

	groups_finish(c);
	r = datapath_remove(c->datapath);
	if (r < 0)
		return api_refuse(reply, r, "%s", datapath_error());
	c->detached = true;
	events_add(c->events, "detach", "shuntd", "operator", "the data path is off the interfaces; shuntd stops");
	r = sd_event_add_time_relative(c->event, NULL, CLOCK_MONOTONIC, 300 * 1000, 0, stop_after_reply, NULL);
	return r < 0 ? api_refuse(reply, r, "detached, but shuntd goes on: stop it") : 0;
}

static size_t list_events(void *userdata, uint64_t since, struct event *ret_events, size_t max)
{
	struct controller *c = userdata;

	return events_since(c->events, since, ret_events, max);
}

static size_t list_maps(void *userdata, struct snapshot_map *ret_maps, size_t max)
{
	struct controller *c = userdata;
	struct datapath_map maps[32];
	size_t n = datapath_maps(c->datapath, maps, sizeof(maps) / sizeof(maps[0]));

	for (size_t i = 0; i < n && i < max; i++)
		ret_maps[i] = (struct snapshot_map){
			.name = maps[i].name,
			.path = maps[i].path,
			.type = maps[i].type,
			.entries = maps[i].entries,
			.key_bytes = maps[i].key_bytes,
			.value_bytes = maps[i].value_bytes,
			.memory_bytes = maps[i].memory_bytes,
		};
	return n < max ? n : max;
}

const struct api_handlers controller_handlers = {
	.snapshot_begin = controller_snapshot_begin,
	.snapshot_go_on = controller_snapshot_go_on,
	.snapshot_of = controller_snapshot_of,
	.snapshot_free = controller_snapshot_free,
	.drain = drain,
	.maint = maint,
	.ready = ready,
	.weight = weight,
	.failover = failover,
	.failback = failback,
	.group_post = group_post,
	.group_delete = group_delete,
	.reload = reload,
	.foresee = foresee,
	.saving = persist_saving,
	.backup = controller_backup,
	.restore = controller_restore,
	.detach = detach,
	.explain = controller_explain,
	.flows = controller_flows,
	.trace_begin = controller_trace_begin,
	.trace_fetch = controller_trace_fetch,
	.trace_end = controller_trace_end,
	.deny_add = deny_add,
	.deny_remove = deny_remove,
	.deny_list = deny_list,
	.events = list_events,
	.maps = list_maps,
};
