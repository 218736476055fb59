/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Documents of everything there is, as text. Thousands of objects are put into words one by one, each freed before the next:
 * a tree of them all takes three times as long, most of it to free.
 */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"

#define FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))

struct text {
	char *bytes;
	size_t length, room;
};

static int append(const char *bytes, size_t length, void *userdata)
{
	struct text *text = userdata;

	if (text->length + length + 1 > text->room) {
		size_t room = (text->length + length + 1) * 2;
		char *grown = realloc(text->bytes, room);

		if (!grown)
			return -1;
		text->bytes = grown;
		text->room = room;
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
	return 0;
}

static bool put(struct text *text, const char *words)
{
	return append(words, strlen(words), text) == 0;
}

static bool put_json(struct text *text, json_t *take_value)
{
	bool done = take_value && json_dump_callback(take_value, append, text, FLAGS) == 0;

	json_decref(take_value);
	return done;
}

/* The array of a kind. */
static bool put_array(struct text *text, const struct snapshot *snapshot, size_t n,
		      json_t *(*object)(const struct snapshot *snapshot, size_t i))
{
	for (size_t i = 0; i < n; i++)
		if (!put(text, i ? "," : "[") || !put_json(text, object(snapshot, i)))
			return false;
	return put(text, n ? "]" : "[]");
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
	bool done = put_json(text, take_object);

	if (!done || text->bytes[text->length - 1] != '}')
		return false;
	text->bytes[--text->length] = '\0';
	return true;
}

char *api_status_text(const struct snapshot *snapshot)
{
	struct text text = {0};
	bool whole = put_members(&text, api_status_json(snapshot)) && put(&text, ",\"services\":") &&
		     put_services(&text, snapshot) && put(&text, ",\"groups\":") && put_groups(&text, snapshot) &&
		     put(&text, ",\"backends\":") && put_backends(&text, snapshot) && put(&text, "}");

	return done(&text, whole);
}
