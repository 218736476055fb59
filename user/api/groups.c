/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Groups that are posted and deleted. */
#include "api/call.h"
#include "api/json.h"

/* What keys one has the configuration knows: only that it is an object is looked at here. */
void post_groups(struct call *call)
{
	const struct api_request *request = call->request;
	struct snapshot snapshot = {};
	struct api_reply reply = {};
	json_error_t error;
	json_t *group = json_loadb(request->body ?: "", request->body_length, JSON_REJECT_DUPLICATES, &error);
	const char *name = json_string_value(json_object_get(group, "name"));
	int r;

	if (!json_is_object(group)) {
		if (group)
			api_response_error(call->response, 400, "the body must be a JSON object, a group");
		else
			api_response_error(call->response, 400, "the body is no JSON: %s", error.text);
		json_decref(group);
		return;
	}
	if (!call_is_as_seen(call, ETAG_GROUP, name ?: "")) {
		json_decref(group);
		return;
	}
	r = call->handlers->group_post(call->userdata, group, &reply);
	if (r < 0 || call->handlers->snapshot_of(call->userdata, name, &snapshot) < 0) {
		call_reply(call, r, &reply);
	} else {
		call_answer(call, 201, api_group_by_name(&snapshot, name));
		call->handlers->snapshot_free(call->userdata, &snapshot);
	}
	json_decref(group);
}

void delete_group(struct call *call)
{
	struct api_reply reply = {};

	call_reply(call, call->handlers->group_delete(call->userdata, call->name, &reply), &reply);
}
