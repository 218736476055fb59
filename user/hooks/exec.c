/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A program gets the document: exit status 0 means delivered. */
#include <stdlib.h>
#include <string.h>

#include "hooks/lane.h"

#define VARIABLES 3

static void stop(struct lane *lane)
{
	child_free(lane->child);
	lane->child = NULL;
}

static void on_end(void *userdata, const siginfo_t *info, const char *output)
{
	struct lane *lane = userdata;
	bool exited = info->si_code == CLD_EXITED;
	int status = info->si_status;
	char line[128];
	const char *mark = *child_first_line(output, line, sizeof(line)) ? ": " : "";

	stop(lane);
	lane_ended(lane, exited && status == 0, "%s %d%s%s", exited ? "exit status" : "killed by signal", status, mark, line);
}

static void start(struct lane *lane)
{
	const struct delivery *delivery = lane->queue;
	char id[64], name[64], attempt[64];
	char *const variables[VARIABLES + 1] = {id, name, attempt, NULL};
	const struct child_request request = {.command = lane->hooks->config.exec, .variables = variables,
					      .input = delivery->body, .input_bytes = strlen(delivery->body)};
	int r;

	snprintf(id, sizeof(id), "SHUNT_EVENT_ID=%llu", (unsigned long long)delivery->id);
	snprintf(name, sizeof(name), "SHUNT_EVENT=%s", delivery->name);
	snprintf(attempt, sizeof(attempt), "SHUNT_ATTEMPT=%u", delivery->attempts);
	r = child_start(lane->hooks->children, &request, on_end, lane, &lane->child);
	if (r < 0)
		lane_ended(lane, false, "%s: %s", lane->hooks->config.exec[0], strerror(-r));
}

const struct lane_kind lane_exec = {.start = start, .stop = stop};
