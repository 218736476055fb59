/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Documents of everything there is, as text. Thousands of objects are put into words one by one, each freed before the next:
 * a tree of them all takes three times as long, most of it to free.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/text.h"

/* The array of a kind. */
static bool put_array(struct text *text, const struct snapshot *snapshot, size_t n,
		      json_t *(*object)(const struct snapshot *snapshot, size_t i))
{
	for (size_t i = 0; i < n; i++)
		if (!text_put(text, i ? "," : "[") || !text_put_json(text, object(snapshot, i)))
			return false;
	return text_put(text, n ? "]" : "[]");
}

static json_t *service_at(const struct snapshot *snapshot, size_t i)
{
	return api_service_json(&snapshot->services[i]);
}

static json_t *group_at(const struct snapshot *snapshot, size_t i)
{
	return api_group_json(&snapshot->groups[i]);
}

static json_t *backend_at(const struct snapshot *snapshot, size_t i)
{
	return api_backend_json(&snapshot->backends[i]);
}

static bool put_services(struct text *text, const struct snapshot *snapshot)
{
	return put_array(text, snapshot, snapshot->n_services, service_at);
}

static bool put_groups(struct text *text, const struct snapshot *snapshot)
{
	return put_array(text, snapshot, snapshot->n_groups, group_at);
}

static bool put_backends(struct text *text, const struct snapshot *snapshot)
{
	return put_array(text, snapshot, snapshot->n_backends, backend_at);
}

static char *done(struct text *text, bool whole)
{
	if (whole)
		return text->bytes;
	free(text->bytes);
	return NULL;
}

char *api_services_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	return done(&text, put_services(&text, snapshot));
}

char *api_groups_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	return done(&text, put_groups(&text, snapshot));
}

char *api_backends_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	return done(&text, put_backends(&text, snapshot));
}

/* An object's members, without its braces. */
static bool put_members(struct text *text, json_t *take_object)
{
	bool done = text_put_json(text, take_object);

	if (!done || text->bytes[text->length - 1] != '}')
		return false;
	text->bytes[--text->length] = '\0';
	return true;
}

char *api_status_text(const struct snapshot *snapshot)
{
	struct text text = {0};
	bool whole = put_members(&text, api_status_json(snapshot)) && text_put(&text, ",\"services\":") &&
		     put_services(&text, snapshot) && text_put(&text, ",\"groups\":") && put_groups(&text, snapshot) &&
		     text_put(&text, ",\"backends\":") && put_backends(&text, snapshot) && text_put(&text, "}");

	return done(&text, whole);
}
