/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What hooks are told: an event of the audit trail as a document, with what of it programs need as fields. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "api/text.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/address.h"
#include "shuntd/controller.h"

#define DOCUMENT_VERSION 1

/* Results are events themselves, of which no hook is told. */
static void on_told(void *userdata, enum hook_kind kind, const char *text)
{
	struct controller *c = userdata;
	char object[32];

	snprintf(object, sizeof(object), "hook %s", hook_kind_text(kind));
	events_add(c->events, "hook", object, "controller", "%s", text);
}

int controller_open_hooks(struct controller *c)
{
	return hooks_open(c->event, prober_children(c->prober), on_told, c, &c->hooks);
}

/* Sends the last event of the trail with what is known of its object, which is taken, under `kind`. */
static void tell(struct controller *c, const char *name, const char *kind, json_t *take_object)
{
	char time[CLOCK_TEXT_MAX], what[160];
	struct utsname host;
	struct event event;

	if (events_last(c->events, &event) < 0) {
		json_decref(take_object);
		return;
	}
	uname(&host);
	snprintf(what, sizeof(what), "%s of %s", name, event.object);
	hooks_send(c->hooks, event.id, name, what,
		   json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:o, s:o}", "version", DOCUMENT_VERSION, "node", host.nodename,
			     "id", (json_int_t)event.id, "time", clock_rfc3339(event.time, time), "event", name, "actor",
			     event.actor, "text", text_json(event.text), kind, take_object));
}

/* "b1, b2" as an array. */
static json_t *names_json(const char *names)
{
	json_t *list = json_array();

	while (*names) {
		size_t length = strcspn(names, ",");

		json_array_append_new(list, json_stringn(names, length));
		names += length;
		names += strspn(names, ", ");
	}
	return list;
}

void hooks_tell_move(struct controller *c, const struct group *group, bool is_failover, const char *before,
		     enum failover_cause cause)
{
	char now[256];

	if (!hooks_want(c->hooks, is_failover ? HOOK_ON_FAILOVER : HOOK_ON_FAILBACK))
		return;
	group_active_names(group, now, sizeof(now));
	tell(c, is_failover ? "failover" : "failback", "group",
	     json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "name", group->name, "mode",
		       config_group_mode_text(group->config->mode), "state", failover_state_text(group->failover.state),
		       "cause", failover_cause_text(cause), "from", names_json(before), "to", names_json(now)));
}

void hooks_tell_group(struct controller *c, const struct group *group)
{
	bool is_down = group->failover.state == FAILOVER_DOWN;
	json_t *members;

	if (!hooks_want(c->hooks, HOOK_ON_GROUP))
		return;
	members = json_array();
	for (size_t i = 0; i < group->n_members; i++)
		json_array_append_new(members,
				      json_pack("{s:s, s:s, s:s}", "name", group->members[i].endpoint->backend->name, "health",
						health_state_text(group->members[i].endpoint->health.state), "admin",
						admin_text(backend_admin(group->members[i].endpoint->backend))));
	tell(c, is_down ? "group-down" : "group-up", "group",
	     json_pack("{s:s, s:s, s:s, s:o}", "name", group->name, "mode", config_group_mode_text(group->config->mode), "state",
		       failover_state_text(group->failover.state), "backends", members));
}

void hooks_tell_backend(struct controller *c, const struct endpoint *endpoint, enum health_state before)
{
	const struct backend *backend = endpoint->backend;
	char address[ADDRESS_TEXT_MAX];

	if (!hooks_want(c->hooks, HOOK_ON_BACKEND))
		return;
	tell(c, "backend", "backend",
	     json_pack("{s:s, s:s, s:i, s:s, s:s, s:{s:s, s:s, s:o, s:f}}", "name", backend->name, "address",
		       address_format(&backend->address, address), "port", endpoint->probe_port, "from",
		       health_state_text(before), "to", health_state_text(endpoint->health.state), "check", "type",
		       config_check_type_text(endpoint->check.type), "reason", probe_reason_word(endpoint->reason), "text",
		       text_json(endpoint->last), "latency_ms", endpoint->latency_us / 1000.0));
}
