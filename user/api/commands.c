/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Routes by which an operator commands: their arguments go to the handler, its outcome back. */
#include "api/call.h"
#include "api/dry_run.h"

void post_drain(struct call *call)
{
	uint64_t timeout_ms = 0, for_ms = 0;
	bool dry_run = false;
	void *const values[] = {&timeout_ms, &for_ms, &dry_run};
	struct api_reply reply = {};
	json_t *body;

	if (dry_run_asked(call, &dry_run) < 0 || call_decode(call, values, &body) < 0)
		return;
	if (dry_run)
		dry_run_answer(call, API_FORESEE_DRAIN, NULL, false);
	else
		call_reply(call, call->handlers->drain(call->userdata, call->name, timeout_ms, for_ms, &reply), &reply);
	json_decref(body);
}

void post_weight(struct call *call)
{
	uint32_t weight = 0;
	uint64_t for_ms = 0;
	void *const values[] = {&weight, &for_ms};
	struct api_reply reply = {};
	json_t *body;

	if (call_decode(call, values, &body) < 0)
		return;
	call_reply(call, call->handlers->weight(call->userdata, call->name, weight, for_ms, &reply), &reply);
	json_decref(body);
}

/* To a backend, or to the next best: the same command under both of its names. */
void post_failover(struct call *call)
{
	const char *backend = NULL;
	uint64_t for_ms = 0;
	bool dry_run = false;
	void *const values[] = {&backend, &for_ms, &dry_run};
	struct api_reply reply = {};
	json_t *body;

	if (dry_run_asked(call, &dry_run) < 0 || call_decode(call, values, &body) < 0)
		return;
	if (dry_run)
		dry_run_answer(call, API_FORESEE_FAILOVER, backend, false);
	else
		call_reply(call, call->handlers->failover(call->userdata, call->name, backend, for_ms, &reply), &reply);
	json_decref(body);
}

void post_reload(struct call *call)
{
	bool force = false, dry_run = false;
	void *const values[] = {&force, &dry_run};
	struct api_reply reply = {};
	json_t *body;

	if (dry_run_asked(call, &dry_run) < 0 || call_decode(call, values, &body) < 0)
		return;
	if (dry_run)
		dry_run_answer(call, API_FORESEE_RELOAD, NULL, force);
	else
		call_reply(call, call->handlers->reload(call->userdata, force, &reply), &reply);
	json_decref(body);
}

/* A command on something by name, without arguments. */
static void post_plain(struct call *call, int (*command)(void *, const char *, struct api_reply *))
{
	struct api_reply reply = {};
	json_t *body;

	if (call_decode(call, NULL, &body) < 0)
		return;
	json_decref(body);
	call_reply(call, command(call->userdata, call->name, &reply), &reply);
}

void post_maint(struct call *call)
{
	uint64_t for_ms = 0;
	bool dry_run = false;
	void *const values[] = {&for_ms, &dry_run};
	struct api_reply reply = {};
	json_t *body;

	if (dry_run_asked(call, &dry_run) < 0 || call_decode(call, values, &body) < 0)
		return;
	json_decref(body);
	if (dry_run)
		dry_run_answer(call, API_FORESEE_MAINT, NULL, false);
	else
		call_reply(call, call->handlers->maint(call->userdata, call->name, for_ms, &reply), &reply);
}

void post_ready(struct call *call)
{
	post_plain(call, call->handlers->ready);
}

void post_failback(struct call *call)
{
	post_plain(call, call->handlers->failback);
}

static void post_of_all(struct call *call, int (*command)(void *, struct api_reply *))
{
	struct api_reply reply = {};
	json_t *body;

	if (call_decode(call, NULL, &body) < 0)
		return;
	json_decref(body);
	call_reply(call, command(call->userdata, &reply), &reply);
}

void post_detach(struct call *call)
{
	post_of_all(call, call->handlers->detach);
}

/* Not by GET: what it answers is the whole configuration, which a token for reading is not given. */
void post_backup(struct call *call)
{
	post_of_all(call, call->handlers->backup);
}

void post_restore(struct call *call)
{
	bool force = false;
	void *const values[] = {&force};
	struct api_reply reply = {};
	json_t *body;

	if (call_decode(call, values, &body) < 0)
		return;
	json_decref(body);
	call_reply(call, call->handlers->restore(call->userdata, force, &reply), &reply);
}
