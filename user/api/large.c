/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A list goes on where it was left. Prometheus wants all samples of a metric together, so metrics wait until nothing is missing. */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/large.h"
#include "api/put.h"

static size_t count_services(const struct snapshot *snapshot)
{
	return snapshot->n_services;
}

static size_t count_groups(const struct snapshot *snapshot)
{
	return snapshot->n_groups;
}

static size_t count_backends(const struct snapshot *snapshot)
{
	return snapshot->n_backends;
}

static void put_service(struct text *to, const struct snapshot *snapshot, size_t i)
{
	api_put_service(to, &snapshot->services[i]);
}

static void put_group(struct text *to, const struct snapshot *snapshot, size_t i)
{
	api_put_group(to, &snapshot->groups[i]);
}

static void put_backend(struct text *to, const struct snapshot *snapshot, size_t i)
{
	api_put_backend(to, &snapshot->backends[i]);
}

enum { SERVICES, GROUPS, BACKENDS, KINDS }; /* in the order in which a snapshot is filled */
#define ALL ((1U << KINDS) - 1)

static const struct kind {
	const char *key;
	size_t (*count)(const struct snapshot *snapshot);
	void (*put)(struct text *to, const struct snapshot *snapshot, size_t i);
} kinds[KINDS] = {
	[SERVICES] = {"services", count_services, put_service},
	[GROUPS] = {"groups", count_groups, put_group},
	[BACKENDS] = {"backends", count_backends, put_backend},
};

/* How many of a kind are known. */
static size_t known(const struct snapshot *snapshot, size_t kind)
{
	size_t missing = snapshot->missing, n = kinds[kind].count(snapshot);

	for (size_t later = kind + 1; later < KINDS; later++) {
		size_t count = kinds[later].count(snapshot);

		missing -= missing < count ? missing : count;
	}
	return n - (missing < n ? missing : n);
}

/* Whether the list is complete. */
static bool put_list(struct large *large, const struct snapshot *snapshot)
{
	const struct kind *kind = &kinds[large->kind];

	if (!large->is_open)
		put_open(&large->text, large->form->kinds == ALL ? kind->key : NULL, '[');
	large->is_open = true;
	for (size_t n = known(snapshot, large->kind); large->at < n; large->at++)
		kind->put(&large->text, snapshot, large->at);
	if (large->at < kind->count(snapshot))
		return false;
	put_close(&large->text, ']');
	large->is_open = false;
	large->at = 0;
	return true;
}

static bool put_lists(struct large *large, const struct snapshot *snapshot)
{
	for (; large->kind < KINDS; large->kind++)
		if (large->form->kinds & 1U << large->kind && !put_list(large, snapshot))
			return false;
	return true;
}

/* The object again, to go on in it. */
static void reopen(struct text *text)
{
	if (!text->failed)
		text->bytes[--text->length] = '\0';
}

static bool put_status(struct large *large, const struct snapshot *snapshot)
{
	if (!large->text.length) {
		put_value(&large->text, NULL, api_status_json(snapshot));
		reopen(&large->text);
	}
	if (!put_lists(large, snapshot))
		return false;
	put_close(&large->text, '}');
	return true;
}

static bool put_health(struct large *large, const struct snapshot *snapshot)
{
	json_t *health;
	const char *status;

	if (snapshot->missing)
		return false;
	health = api_health_json(snapshot);
	status = json_string_value(json_object_get(health, "status"));
	large->status = status && strcmp(status, "unhealthy") == 0 ? 503 : 200;
	text_put_json(&large->text, health);
	return true;
}

static bool put_metrics(struct large *large, const struct snapshot *snapshot)
{
	return !snapshot->missing && !api_put_metric(&large->text, large->at++, snapshot);
}

static const char json[] = "application/json";

const struct large_form large_status = {put_status, json, ALL};
const struct large_form large_services = {put_lists, json, 1U << SERVICES};
const struct large_form large_groups = {put_lists, json, 1U << GROUPS};
const struct large_form large_backends = {put_lists, json, 1U << BACKENDS};
const struct large_form large_health = {put_health, json, 0};
const struct large_form large_metrics = {put_metrics, "text/plain; version=0.0.4; charset=utf-8", 0};

bool large_go_on(struct large *large, const struct snapshot *snapshot)
{
	return large->form->go_on(large, snapshot) || large->text.failed;
}

char *large_text(const struct large_form *form, const struct snapshot *snapshot)
{
	struct large large = {.form = form};

	while (!large_go_on(&large, snapshot))
		;
	if (!large.text.failed)
		return large.text.bytes;
	free(large.text.bytes);
	return NULL;
}
