/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `shunt explain`: asks the loaded program where a flow goes, and puts its answer into words. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/drop_reason.h"
#include "net/address.h"
#include "shuntd/controller.h"

const struct config_service *explain_service(const struct controller *c, uint32_t id)
{
	for (size_t i = 0; i < c->config->n_services; i++)
		if (id && c->service_ids[i] == id)
			return &c->config->services[i];
	return NULL;
}

const char *explain_service_name(const struct controller *c, uint32_t id)
{
	const struct config_service *service = explain_service(c, id);

	return service ? service->name : NULL;
}

static const char *group_name(const struct controller *c, uint32_t index)
{
	const struct group *group = group_at(c, index);

	return group ? group->name : NULL;
}

const char *explain_backend_name(const struct controller *c, uint32_t id)
{
	return id && c->endpoint_of[id] ? c->endpoint_of[id]->backend->name : NULL;
}

/* A flow that is known: where it stays, and where it would go if it began now, as `fresh` says. */
static json_t *pinned_text(const struct controller *c, const struct shunt_explanation *answer,
			   const struct shunt_explanation *fresh)
{
	static const char *const state[] = {[ADMIN_READY] = "", [ADMIN_DRAIN] = " (draining)", [ADMIN_MAINT] = " (in maintenance)"};
	const struct endpoint *pinned = c->endpoint_of[answer->backend];
	const char *name = pinned ? pinned->backend->name : "a backend that was removed", *now = explain_backend_name(c, fresh->backend);
	const char *admin = pinned ? state[backend_admin(pinned->backend)] : "";

	if (fresh->backend == answer->backend)
		return json_sprintf("slot %u is %s and the flow is pinned to %s%s", answer->slot,
				    slot_state_text(answer->word.state), name, admin);
	return json_sprintf("slot %u is %s and the flow is pinned to %s%s; a new flow would go to %s", answer->slot,
			    slot_state_text(answer->word.state), name, admin, now ? now : "nobody");
}

static json_t *reason_text(const struct controller *c, const struct shunt_explanation *answer,
			   const struct shunt_explanation *fresh)
{
	const char *now = explain_backend_name(c, answer->word.now), *was = explain_backend_name(c, answer->word.was);

	if (answer->choice == SHUNT_CHOICE_ANSWER && answer->verdict != XDP_DROP)
		return json_sprintf("an answer of backend %s: it goes on as the service's", explain_backend_name(c, answer->backend));
	if (answer->verdict == XDP_PASS)
		return json_string("no service has this address, protocol and port: the packet passes untouched");
	if (answer->verdict == XDP_DROP)
		return json_sprintf("dropped: %s", drop_reason_text(answer->reason) ?: "unknown reason");
	switch (answer->choice) {
	case SHUNT_CHOICE_SETTLED:
		return json_sprintf("slot %u is settled on %s", answer->slot, now ? now : "nobody");
	case SHUNT_CHOICE_UNTRACKED:
		return json_sprintf("flows of this kind are not tracked: they go where slot %u goes", answer->slot);
	case SHUNT_CHOICE_NEW:
		return json_sprintf("slot %u is %s: flows that nobody pinned go to %s", answer->slot,
				    slot_state_text(answer->word.state), now ? now : "nobody");
	case SHUNT_CHOICE_OLD:
		return json_sprintf("slot %u is moving from %s to %s: a flow older than the change stays, a new one goes to %s",
				    answer->slot, was ? was : "nobody", now ? now : "nobody", now ? now : "nobody");
	case SHUNT_CHOICE_PINNED:
		return pinned_text(c, answer, fresh);
	case SHUNT_CHOICE_SCHEDULED:
		return json_sprintf("a new flow: the service's scheduler picks slot %u, which has %s", answer->slot,
				    now ? now : "nobody");
	case SHUNT_CHOICE_SERVER_ID:
		return json_sprintf("the server id in the connection id is that of %s", explain_backend_name(c, answer->backend));
	case SHUNT_CHOICE_REJECTED:
		return json_string("no backend is fit: answered with a reset (TCP) or port unreachable (UDP)");
	case SHUNT_CHOICE_FAIL_OPEN:
		return json_sprintf("no backend is alive and the service fails open: %s of slot %u takes it, whatever its "
				    "checks say", now ? now : "the backend", answer->slot);
	case SHUNT_CHOICE_PROBED:
		return json_sprintf("%s of slot %u is down: the next alive one in its probe sequence", now ? now : "the backend",
				    answer->slot);
	case SHUNT_CHOICE_RESERVE:
		return json_sprintf("%s of slot %u is down, and whoever is in its probe sequence: the group's reserve, until the "
				    "table follows", now ? now : "the backend", answer->slot);
	default:
		return json_string("no backend was chosen");
	}
}

/* The same, and why it is that group's slot, where it is not the one of every client. */
static json_t *reason_with_clients(const struct controller *c, const struct shunt_explanation *answer,
				   const struct shunt_explanation *fresh, const struct shunt_addr *source)
{
	const struct config_service *service = explain_service(c, answer->service);
	const struct config_client *client = service ? config_client_of(service, source) : NULL;
	json_t *reason = reason_text(c, answer, fresh), *longer;
	char prefix[CONFIG_ADDRESS_TEXT_MAX];

	if (!client || !answer->backend || !json_is_string(reason))
		return reason;
	longer = json_sprintf("clients of %s go to group %s; %s",
			      config_prefix_format(&client->prefix, prefix, sizeof(prefix)),
			      c->config->groups[client->group].name, json_string_value(reason));
	json_decref(reason);
	return longer;
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* Where nat delivers; NULL: it is not nat. */
static const char *delivery(const struct controller *c, const struct shunt_explanation *answer, uint16_t port, char *buffer)
{
	const struct config_service *service = explain_service(c, answer->service);
	const struct endpoint *endpoint = c->endpoint_of[answer->backend];
	struct config_backend backend = {0};

	if (answer->forward != SHUNT_FORWARD_NAT || !endpoint || !service)
		return NULL;
	backend.port = endpoint->backend->port;
	return address_port_format(&endpoint->backend->address, config_nat_port(service, &backend) ?: port, buffer);
}

/* Whose answer it is, the program does not say, but the map that it has found it in. */
static void name_answer(const struct controller *c, const struct datapath_flow *flow, struct shunt_explanation *answer)
{
	struct shunt_service_key key = {
		.address = flow->source, .port = htons(flow->source_port), .protocol = flow->protocol, .used = 1};
	const struct shunt_answer *line;

	if (answer->choice != SHUNT_CHOICE_ANSWER)
		return;
	line = datapath_find_answer(c->datapath, &key);
	key.port = 0;
	if (!line)
		line = datapath_find_answer(c->datapath, &key);
	if (!line)
		return;
	answer->service = line->service;
	answer->backend = line->backend;
}

int controller_explain(void *userdata, uint8_t protocol, const struct shunt_addr *source, uint16_t source_port,
		       const struct shunt_addr *destination, uint16_t destination_port, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct datapath_flow flow = {protocol, *source, *destination, source_port, destination_port, false, false};
	struct shunt_explanation answer, fresh;
	bool has_slot, is_answer;
	char to[ADDRESS_TEXT_MAX];
	int r = datapath_explain(c->datapath, &flow, &answer);

	flow.starts = flow.unknown = true;
	if (r == 0)
		r = datapath_explain(c->datapath, &flow, &fresh);
	if (r < 0) {
		reply->error = strdup(datapath_error());
		return r;
	}
	name_answer(c, &flow, &answer);
	is_answer = answer.choice == SHUNT_CHOICE_ANSWER;
	has_slot = answer.service && !is_answer;
	reply->document = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				    "service", text_or_null(explain_service_name(c, answer.service)),
				    "group", text_or_null(has_slot ? group_name(c, answer.group) : NULL),
				    "slot", has_slot ? json_integer(answer.slot) : json_null(),
				    "slot_state", text_or_null(has_slot ? slot_state_text(answer.word.state) : NULL),
				    "backend", text_or_null(explain_backend_name(c, answer.backend)),
				    "pinned_backend",
				    text_or_null(answer.choice == SHUNT_CHOICE_PINNED ? explain_backend_name(c, answer.backend) : NULL),
				    "new_flow_backend", text_or_null(is_answer ? NULL : explain_backend_name(c, fresh.backend)),
				    "delivered_to", text_or_null(delivery(c, &answer, destination_port, to)),
				    "reason", reason_with_clients(c, &answer, &fresh, source));
	if (reply->document)
		explain_next(c, protocol, &answer, reply->document);
	return reply->document ? 0 : -ENOMEM;
}
