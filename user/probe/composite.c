/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `all` and `any`: the parts of one check begin together; the whole ends as soon as they decide it, or at its timeout. What
 * an agent among them says of weight, state and lag is passed on; not to reach it decides nothing, as HAProxy has it
 * (configuration manual 5.2, "agent-check"): whether the host is there is for the other parts to say.
 */
#include <stdio.h>
#include <string.h>

#include "probe/kind.h"

static bool is_any(const struct probe *probe)
{
	return probe->check.type == CHECK_ANY;
}

/* An agent that could not be asked: neither for the backend nor against it. */
static bool says_nothing(const struct probe *part)
{
	return part->check.type == CHECK_AGENT && !part->result.good && part->result.reason != PROBE_TOLD_DOWN;
}

static void pass_on(struct probe *probe)
{
	for (size_t i = 0; i < probe->n_parts; i++) {
		const struct probe_result *result = &probe->parts[i].result;

		if (!probe->parts[i].ended)
			continue;
		if (result->weight_percent != PROBE_WEIGHT_NONE)
			probe->told.weight_percent = result->weight_percent;
		if (result->admin != PROBE_ADMIN_NONE)
			probe->told.admin = result->admin;
		if (result->lag_ms != PROBE_LAG_NONE)
			probe->told.lag_ms = result->lag_ms;
	}
}

static void finish(struct probe *probe, const struct probe *part)
{
	pass_on(probe);
	probe_finish(probe, part->result.reason, "%s: %s", config_check_type_text(part->check.type), part->text);
}

/* One part decides if it is bad of `all`, or good of `any`; else the last one does. May free the probe. */
static void decide(struct probe *probe)
{
	const struct probe *last = NULL, *against = NULL;
	size_t ended = 0;
	int skip_error = 0;

	for (size_t i = 0; i < probe->n_parts; i++) {
		const struct probe *part = &probe->parts[i];

		if (!part->ended)
			continue;
		ended++;
		if (part->skip_error)
			skip_error = part->skip_error;
		if (part->skip_error || says_nothing(part))
			continue;
		last = part;
		if (part->result.good == is_any(probe))
			against = part;
	}
	if (against)
		finish(probe, against);
	else if (ended < probe->n_parts)
		return;
	else if (skip_error)
		probe_skip(probe, skip_error);
	else if (!last)
		finish(probe, &probe->parts[0]);
	else if (is_any(probe) || probe->n_parts == 1)
		finish(probe, last);
	else {
		pass_on(probe);
		probe_finish(probe, PROBE_OK, "all %zu are good: %s: %s", probe->n_parts,
			     config_check_type_text(last->check.type), last->text);
	}
}

void parts_forget(struct probe *probe)
{
	for (size_t i = 0; i < probe->n_parts; i++) {
		probe->parts[i].ended = false;
		probe->parts[i].skip_error = 0;
	}
}

/* Parts that end at once are heard when all have begun. */
static void start(struct probe *probe)
{
	probe->starting = true;
	parts_forget(probe);
	for (size_t i = 0; i < probe->n_parts; i++)
		probe_begin(&probe->parts[i]);
	probe->starting = false;
	decide(probe);
}

void parts_late(struct probe *probe)
{
	probe->starting = true;
	for (size_t i = 0; i < probe->n_parts; i++)
		if (probe->parts[i].running)
			probe_time_is_up(&probe->parts[i]);
	probe->starting = false;
	probe->kind->decide(probe);
}

void parts_stop(struct probe *probe)
{
	for (size_t i = 0; i < probe->n_parts; i++) {
		struct probe *part = &probe->parts[i];

		if (part->running && part->kind)
			part->kind->stop(part);
		part->running = false;
	}
}

const struct probe_kind probe_composite = {.start = start, .late = parts_late, .stop = parts_stop, .decide = decide};
