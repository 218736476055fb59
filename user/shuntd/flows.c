/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `shunt flows`: the live pinned flows of each backend, how long they have been silent, and the state of their slots. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "shuntd/controller.h"

#include <shunt/flow_line.h>

static const uint32_t idle_limits_s[] = {5, 30, 60, 300};
#define N_IDLE (sizeof(idle_limits_s) / sizeof(*idle_limits_s) + 1)
#define N_STATES 3

struct count {
	uint64_t flows, unanswered;
	uint64_t idle[N_IDLE], states[N_STATES];
};

struct tally {
	const struct controller *c;
	struct count *counts;          /* by id in the maps */
	uint16_t now;
};

/* An entry does not say which group it is of: of those that know its backend, the slot that is least settled counts. */
static uint32_t slot_state_of(const struct controller *c, struct shunt_flow flow)
{
	static const int unrest[] = {[SHUNT_SLOT_SETTLED] = 0, [SHUNT_SLOT_RESOLVING] = 1, [SHUNT_SLOT_MOVING] = 2};
	uint32_t slot = shunt_slot_index(flow.fingerprint, c->table_size), state = SHUNT_SLOT_SETTLED;

	for (size_t i = 0; i < c->n_groups; i++) {
		const struct group *group = c->groups[i];
		uint32_t its;

		if (group->moving + group->resolving == 0 || !backend_set_has(&group->known, flow.backend))
			continue;
		its = datapath_table(c->datapath, group->index)[slot].state;
		if (its < N_STATES && unrest[its] > unrest[state])
			state = its;
	}
	return state;
}

static void live_flow(void *userdata, struct shunt_flow flow)
{
	struct tally *tally = userdata;
	struct count *count = &tally->counts[flow.backend];
	uint32_t idle_s = (uint32_t)(((uint64_t)shunt_flow_age(flow, tally->now) << SHUNT_COARSE_TIME_SHIFT) / 1000000000);
	size_t i = 0;

	while (i < N_IDLE - 1 && idle_s >= idle_limits_s[i])
		i++;
	count->flows++;
	count->unanswered += !flow.established;
	count->idle[i]++;
	count->states[slot_state_of(tally->c, flow)]++;
}

static void add(struct count *to, const struct count *from)
{
	to->flows += from->flows;
	to->unanswered += from->unanswered;
	for (size_t i = 0; i < N_IDLE; i++)
		to->idle[i] += from->idle[i];
	for (size_t i = 0; i < N_STATES; i++)
		to->states[i] += from->states[i];
}

static json_t *idle_json(const struct count *count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < N_IDLE; i++)
		json_array_append_new(list, json_pack("{s:o, s:I}", "below_s",
						      i < N_IDLE - 1 ? json_integer(idle_limits_s[i]) : json_null(), "flows",
						      (json_int_t)count->idle[i]));
	return list;
}

static json_t *count_json(const char *name, const struct count *count)
{
	json_t *states = json_object();

	for (uint32_t i = 0; i < N_STATES; i++)
		json_object_set_new(states, slot_state_text(i), json_integer((json_int_t)count->states[i]));
	return json_pack("{s:s, s:I, s:I, s:o, s:o}", "name", name, "flows", (json_int_t)count->flows, "one_packet",
			 (json_int_t)count->unanswered, "slots", states, "idle", idle_json(count));
}

int controller_flows(void *userdata, const char *name, struct api_reply *reply)
{
	struct controller *c = userdata;
	struct tally tally = {.c = c, .now = shunt_coarse_time(clock_monotonic_ns())};
	json_t *backends = json_array();

	if (name && !backend_find(c, name)) {
		json_decref(backends);
		return asprintf(&reply->error, "no backend is named \"%s\"", name) < 0 ? -ENOMEM : -ENOENT;
	}
	tally.counts = calloc(SHUNT_MAX_BACKENDS, sizeof(*tally.counts));
	if (!tally.counts) {
		json_decref(backends);
		return -ENOMEM;
	}
	c->flow_entries = datapath_scan_flows(c->datapath, c->config->flow_timeout_ms, live_flow, &tally);
	for (size_t i = 0; i < c->n_backends; i++) {
		const struct backend *backend = c->backends[i];
		struct count count = {0};

		if (name && strcmp(backend->name, name) != 0)
			continue;
		for (const struct endpoint *endpoint = backend->endpoints; endpoint; endpoint = endpoint->next)
			add(&count, &tally.counts[endpoint->id]);
		json_array_append_new(backends, count_json(backend->name, &count));
	}
	free(tally.counts);
	reply->document = json_pack("{s:I, s:I, s:o}", "flows", (json_int_t)c->flow_entries, "capacity",
				    (json_int_t)datapath_flow_capacity(c->datapath), "backends", backends);
	return reply->document ? 0 : -ENOMEM;
}
