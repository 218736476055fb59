/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `shunt explain` says would happen next: where this flow, and a new one of its slot, would go if the backend it goes to
 * failed, or were drained. The same decisions and tables as if it happened (foresee.c), so that it cannot disagree.
 */
#include <netinet/in.h>

#include "shuntd/controller.h"

/* As bpf/slot.h has it: whether a flow that is there stays while its slot moves. */
static bool is_tracked(const struct config_service *service, uint8_t protocol)
{
	return service->tracking != TRACKING_NEVER &&
	       (protocol == IPPROTO_TCP || service->tracking == TRACKING_ALWAYS || service->quic.on);
}

/* Slots of a scheduler are picked for each new flow: which it would be then, nobody knows. */
static bool is_foreseeable(const struct shunt_explanation *answer)
{
	return answer->service && answer->backend && answer->choice != SHUNT_CHOICE_ANSWER &&
	       answer->choice != SHUNT_CHOICE_SCHEDULED && answer->choice != SHUNT_CHOICE_SERVER_ID;
}

static json_t *outcome(struct controller *c, const struct shunt_explanation *answer, struct group *group, enum out_of out, bool stays)
{
	const struct backend *backend = c->endpoint_of[answer->backend]->backend;
	const char *next;
	enum failover_state state;
	uint32_t id;

	if (foresee_slot(c, backend, out, group, answer->slot, &id, &state) < 0)
		return json_null();
	next = explain_backend_name(c, id);
	return json_pack("{s:s?, s:s?, s:s}", "backend", stays ? backend->name : next, "new_flow_backend", next, "group_state",
			 failover_state_text(state));
}

void explain_next(struct controller *c, uint8_t protocol, const struct shunt_explanation *answer, json_t *document)
{
	const struct config_service *service = explain_service(c, answer->service);
	struct group *group = group_at(c, answer->group);

	if (!service || !group || !is_foreseeable(answer) || !c->endpoint_of[answer->backend])
		return;
	json_object_set_new(document, "if_failed", outcome(c, answer, group, OUT_OF_ORDER, false));
	if (backend_admin(c->endpoint_of[answer->backend]->backend) != ADMIN_READY)
		return; /* it is out already: what `reason` says is what is */
	json_object_set_new(document, "if_drained", outcome(c, answer, group, OUT_OF_NEW_FLOWS, is_tracked(service, protocol)));
}
