/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routes of `shunt flows` and `shunt trace`, where a watcher begins, fetches what came, and leaves. */
#include "api/call.h"
#include "api/watch.h"

void get_flows(struct call *call)
{
	struct api_reply reply = {};
	const char *backend;

	if (call_query(call, &backend) == 0)
		call_reply(call, call->handlers->flows(call->userdata, backend, &reply), &reply);
}

void post_trace(struct call *call)
{
	struct api_trace wanted = {0};
	void *const values[] = {&wanted.service, &wanted.backend, &wanted.client, &wanted.reason, &wanted.bytes};
	struct api_reply reply = {};
	json_t *body;

	if (call_decode(call, values, &body) < 0)
		return;
	call_reply(call, call->handlers->trace_begin(call->userdata, &wanted, &reply), &reply);
	json_decref(body);
}

void get_trace(struct call *call)
{
	struct api_reply reply = {};

	call_reply(call, call->handlers->trace_fetch(call->userdata, call->name, &reply), &reply);
}

void delete_trace(struct call *call)
{
	struct api_reply reply = {};

	call_reply(call, call->handlers->trace_end(call->userdata, call->name, &reply), &reply);
}
