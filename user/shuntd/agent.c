/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a backend's agent says, carried out: its weight, and drain, maint or ready as a state of its own beside the
 * operator's and the windows', none of which it can take back. What it does not mention stays (HAProxy configuration manual
 * 5.2, "agent-check").
 */
#include "shuntd/controller.h"

static void set_weight(struct controller *c, struct endpoint *endpoint, uint32_t percent)
{
	char object[128];

	if (percent == endpoint->agent_percent)
		return;
	snprintf(object, sizeof(object), "backend %s", endpoint->backend->name);
	events_add(c->events, "weight", object, "agent", "%u%% -> %u%% of %u", endpoint->agent_percent, percent,
		   endpoint->backend->weight);
	endpoint->agent_percent = percent;
	endpoint_refresh(c, endpoint);
	groups_follow_paced(c, endpoint, true);
}

static void set_admin(struct controller *c, struct backend *backend, enum admin_state admin, const char *said)
{
	char object[128];

	if (backend->admin[ADMIN_BY_AGENT] == admin)
		return;
	backend_set_admin(c, backend, ADMIN_BY_AGENT, admin);
	snprintf(object, sizeof(object), "backend %s", backend->name);
	events_add(c->events, admin_text(admin), object, "agent", "%s%s", said,
		   backend_admin(backend) == admin ? "" :
		   backend_admin_source(backend) == ADMIN_BY_OPERATOR ? "; the operator's word holds" :
									 "; its maintenance window holds");
}

/* An agent that says nothing of it has nothing new to say; a program that is well and tells none does not know it any more. */
static bool tells_lag(const struct endpoint *endpoint, const struct probe_result *result)
{
	return result->lag_ms != PROBE_LAG_NONE || (endpoint->check.type == CHECK_EXEC && result->good);
}

void agent_said(struct controller *c, struct endpoint *endpoint, const struct probe_result *result)
{
	if (tells_lag(endpoint, result))
		endpoint->lag_ms = result->lag_ms;
	if (result->weight_percent != PROBE_WEIGHT_NONE)
		set_weight(c, endpoint, result->weight_percent);
	if (result->admin == PROBE_ADMIN_READY)
		set_admin(c, endpoint->backend, ADMIN_READY, result->text);
	else if (result->admin == PROBE_ADMIN_DRAIN)
		set_admin(c, endpoint->backend, ADMIN_DRAIN, result->text);
	else if (result->admin == PROBE_ADMIN_MAINT)
		set_admin(c, endpoint->backend, ADMIN_MAINT, result->text);
}

static bool asks_an_agent(const struct config_check *check)
{
	bool asks = check->type == CHECK_AGENT;

	for (size_t i = 0; i < check->n_parts; i++)
		asks = asks || check->parts[i].type == CHECK_AGENT;
	return asks;
}

void agents_forget(struct controller *c)
{
	for (size_t i = 0; i < c->n_backends; i++) {
		struct backend *backend = c->backends[i];
		bool asked = false;

		for (struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next) {
			if (endpoint->wanted && asks_an_agent(&endpoint->check))
				asked = true;
			else
				endpoint->agent_percent = 100;
		}
		if (!asked)
			backend->admin[ADMIN_BY_AGENT] = ADMIN_READY;
	}
}
