/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Documents of everything there is, as text. Thousands of objects are put into words one by one: no tree of them is made. */
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/put.h"

static void put_services(struct text *to, const char *key, const struct snapshot *snapshot)
{
	put_open(to, key, '[');
	for (size_t i = 0; i < snapshot->n_services; i++)
		api_put_service(to, &snapshot->services[i]);
	put_close(to, ']');
}

static void put_groups(struct text *to, const char *key, const struct snapshot *snapshot)
{
	put_open(to, key, '[');
	for (size_t i = 0; i < snapshot->n_groups; i++)
		api_put_group(to, &snapshot->groups[i]);
	put_close(to, ']');
}

static void put_backends(struct text *to, const char *key, const struct snapshot *snapshot)
{
	put_open(to, key, '[');
	for (size_t i = 0; i < snapshot->n_backends; i++)
		api_put_backend(to, &snapshot->backends[i]);
	put_close(to, ']');
}

static char *done(struct text *text)
{
	if (!text->failed)
		return text->bytes;
	free(text->bytes);
	return NULL;
}

char *api_services_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	put_services(&text, NULL, snapshot);
	return done(&text);
}

char *api_groups_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	put_groups(&text, NULL, snapshot);
	return done(&text);
}

char *api_backends_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	put_backends(&text, NULL, snapshot);
	return done(&text);
}

/* The object again, to go on in it. */
static void reopen(struct text *text)
{
	if (!text->failed)
		text->bytes[--text->length] = '\0';
}

char *api_status_text(const struct snapshot *snapshot)
{
	struct text text = {0};

	put_value(&text, NULL, api_status_json(snapshot));
	reopen(&text);
	put_services(&text, "services", snapshot);
	put_groups(&text, "groups", snapshot);
	put_backends(&text, "backends", snapshot);
	put_close(&text, '}');
	return done(&text);
}
