/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The exec check: a program decides, exit status 0 being good. It learns of its backend by the environment; its output is
 * read for a reason and for "lag=MS". That all it began ends with it is child.c's business.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/child.h"
#include "net/address.h"
#include "probe/kind.h"

#define VARIABLES 4

static void stop(struct probe *probe)
{
	child_free(probe->program);
	probe->program = NULL;
}

static void on_end(void *userdata, const siginfo_t *info, const char *output)
{
	struct probe *probe = userdata;
	char line[98];
	const char *mark = *child_first_line(output, line, sizeof(line)) ? ": " : "";

	probe->told.lag_ms = probe_lag(output);
	if (info->si_code != CLD_EXITED)
		probe_finish(probe, PROBE_PROGRAM_FAILED, "killed by signal %d%s%s", info->si_status, mark, line);
	else
		probe_finish(probe, info->si_status ? PROBE_PROGRAM_FAILED : PROBE_OK, "exit status %d%s%s", info->si_status,
			     mark, line);
}

/* Allocated texts; 0 or -ENOMEM. */
static int set_variables(const struct probe *probe, char **variables)
{
	char address[ADDRESS_TEXT_MAX];
	int n = 0;

	address_format(&probe->address, address);
	if (asprintf(&variables[n], "SHUNT_BACKEND=%s", probe->name) < 0 ||
	    asprintf(&variables[++n], "SHUNT_ADDRESS=%s", address) < 0 ||
	    asprintf(&variables[++n], "SHUNT_PORT=%u", probe->port) < 0 ||
	    asprintf(&variables[++n], "SHUNT_TIMEOUT_MS=%u", probe->check.timeout_ms) < 0) {
		variables[n] = NULL; /* asprintf leaves it undefined */
		return -ENOMEM;
	}
	return 0;
}

static void start(struct probe *probe)
{
	char *variables[VARIABLES + 1] = {};
	const struct child_request request = {.command = probe->check.command, .variables = variables};
	int r = set_variables(probe, variables);

	if (r == 0)
		r = child_start(prober_children(probe->prober), &request, on_end, probe, &probe->program);
	for (int i = 0; i < VARIABLES; i++)
		free(variables[i]);
	if (r == -ENOENT || r == -EACCES || r == -ENOEXEC)
		probe_finish(probe, PROBE_PROGRAM_FAILED, "%s: %s", probe->check.command[0], strerror(-r));
	else if (r < 0)
		probe_skip(probe, r);
}

static struct probe_stage stage(struct probe *probe)
{
	(void)probe;
	return (struct probe_stage){PROBE_PROGRAM_TIMEOUT, "of the program, killed"};
}

const struct probe_kind probe_exec = {.start = start, .stop = stop, .stage = stage};
