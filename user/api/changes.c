/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Of each object only its name, a fingerprint and its counters are kept. Objects come in the order of the configuration: where the names
 * in that order are others, something was added or removed, and the reader asks again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/changes.h"
#include "api/fingerprint.h"
#include "api/json.h"

#define COUNTERS_MAX 4
#define LATENCY_US 3 /* its place among the counters of a backend; told in milliseconds */

struct changes_seen {
	uint64_t name, fingerprint, counters[COUNTERS_MAX];
};

static struct changes_seen see_service(const struct snapshot *snapshot, size_t i)
{
	const struct snapshot_service *one = &snapshot->services[i];

	return (struct changes_seen){fingerprint_name(one->name), fingerprint_service(one),
				     {one->stats.packets, one->stats.bytes, one->stats.new_flows}};
}

static struct changes_seen see_group(const struct snapshot *snapshot, size_t i)
{
	const struct snapshot_group *one = &snapshot->groups[i];

	return (struct changes_seen){fingerprint_name(one->name), fingerprint_group(one), {one->moving, one->resolving}};
}

static struct changes_seen see_backend(const struct snapshot *snapshot, size_t i)
{
	const struct snapshot_backend *one = &snapshot->backends[i];

	return (struct changes_seen){fingerprint_name(one->name), fingerprint_backend(one),
				     {one->stats.packets, one->stats.bytes, one->flows, (uint64_t)(one->check_latency_ms * 1000)}};
}

static const char *service_name(const struct snapshot *snapshot, size_t i)
{
	return snapshot->services[i].name;
}

static const char *group_name(const struct snapshot *snapshot, size_t i)
{
	return snapshot->groups[i].name;
}

static const char *backend_name(const struct snapshot *snapshot, size_t i)
{
	return snapshot->backends[i].name;
}

static json_t *service_document(const struct snapshot *snapshot, size_t i)
{
	return api_service_json(&snapshot->services[i]);
}

static json_t *group_document(const struct snapshot *snapshot, size_t i)
{
	return api_group_json(&snapshot->groups[i]);
}

static json_t *backend_document(const struct snapshot *snapshot, size_t i)
{
	return api_backend_json(&snapshot->backends[i]);
}

static const struct kind {
	const char *noun, *nouns;
	size_t counters;          /* that are told ... */
	size_t telling;           /* ... when one of the first so many is different: a check's duration alone is not */
	struct changes_seen (*see)(const struct snapshot *, size_t);
	const char *(*name)(const struct snapshot *, size_t);
	json_t *(*document)(const struct snapshot *, size_t);
} kinds[3] = {
	{"service", "services", 3, 3, see_service, service_name, service_document},
	{"group", "groups", 2, 2, see_group, group_name, group_document},
	{"backend", "backends", 4, 3, see_backend, backend_name, backend_document},
};

static size_t count_of(const struct snapshot *snapshot, size_t kind)
{
	const size_t counts[] = {snapshot->n_services, snapshot->n_groups, snapshot->n_backends};

	return counts[kind];
}

/* ---- what is different ---- */

static bool are_others(const struct changes *before, const struct changes *now)
{
	for (size_t k = 0; k < 3; k++) {
		if (before->n[k] != now->n[k])
			return true;
		for (size_t i = 0; i < now->n[k]; i++)
			if (before->seen[k][i].name != now->seen[k][i].name)
				return true;
	}
	return false;
}

static size_t count_changed(const struct changes *before, const struct changes *now)
{
	size_t n = 0;

	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < now->n[k]; i++)
			n += before->seen[k][i].fingerprint != now->seen[k][i].fingerprint;
	return n;
}

static bool put_documents(struct text *text, const struct changes *before, const struct changes *now, const struct snapshot *snapshot)
{
	for (size_t k = 0; k < 3; k++)
		for (size_t i = 0; i < now->n[k]; i++)
			if (before->seen[k][i].fingerprint != now->seen[k][i].fingerprint &&
			    (!text_format(text, "event: %s\ndata: ", kinds[k].noun) ||
			     !text_put_json(text, kinds[k].document(snapshot, i)) || !text_put(text, "\n\n")))
				return false;
	return true;
}

static json_t *list_counters(const struct kind *kind, const struct changes_seen *seen)
{
	json_t *list = json_array();

	for (size_t i = 0; i < kind->counters; i++)
		json_array_append_new(list, i == LATENCY_US ? json_real((double)seen->counters[i] / 1000)
							   : json_integer((json_int_t)seen->counters[i]));
	return list;
}

static void add_traffic(json_t *to, size_t k, const struct changes *before, const struct changes *now, const struct snapshot *snapshot)
{
	const struct kind *kind = &kinds[k];
	json_t *all = json_object();

	for (size_t i = 0; i < now->n[k]; i++)
		if (memcmp(before->seen[k][i].counters, now->seen[k][i].counters, kind->telling * sizeof(uint64_t)) != 0)
			json_object_set_new(all, kind->name(snapshot, i), list_counters(kind, &now->seen[k][i]));
	json_object_set_new(to, kind->nouns, all);
}

static bool put_traffic(struct text *text, const struct changes *before, const struct changes *now, const struct snapshot *snapshot,
			int64_t now_ms)
{
	json_t *traffic = json_pack("{s:I}", "time", (json_int_t)now_ms);

	for (size_t k = 0; k < 3; k++)
		add_traffic(traffic, k, before, now, snapshot);
	json_object_set_new(traffic, "drops", api_drops_json(now->drops, before->drops));
	json_object_set_new(traffic, "flow_table", json_integer((json_int_t)now->flow_entries));
	return text_put(text, "event: traffic\ndata: ") && text_put_json(text, traffic) && text_put(text, "\n\n");
}

static bool put_changes(struct text *text, const struct changes *before, const struct changes *now, const struct snapshot *snapshot,
			int64_t now_ms)
{
	if (are_others(before, now) || count_changed(before, now) > CHANGES_MAX)
		return text_put(text, "event: reset\ndata: {}\n\n");
	return put_documents(text, before, now, snapshot) && put_traffic(text, before, now, snapshot, now_ms);
}

/* ---- a look ---- */

static bool see(const struct snapshot *snapshot, struct changes *now)
{
	for (size_t k = 0; k < 3; k++) {
		now->n[k] = count_of(snapshot, k);
		now->seen[k] = calloc(now->n[k] + 1, sizeof(*now->seen[k]));
		if (!now->seen[k])
			return false;
		for (size_t i = 0; i < now->n[k]; i++)
			now->seen[k][i] = kinds[k].see(snapshot, i);
	}
	memcpy(now->drops, snapshot->drops, sizeof(now->drops));
	now->flow_entries = snapshot->flow_entries;
	now->any = true;
	return true;
}

bool changes_look(struct changes *changes, const struct snapshot *snapshot, int64_t now_ms, struct text *text)
{
	struct changes now = {0};
	bool done = see(snapshot, &now) && (!changes->any || put_changes(text, changes, &now, snapshot, now_ms));

	changes_clear(changes);
	if (done)
		*changes = now;
	else
		changes_clear(&now);
	return done;
}

void changes_clear(struct changes *changes)
{
	for (size_t k = 0; k < 3; k++)
		free(changes->seen[k]);
	*changes = (struct changes){0};
}
