/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The HTTP API: its operations and its documents. */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "api/schemas.h"
#include "reference/reference.h"

/* ---- operations ---- */

static void write_key(FILE *to, const char **lead, const char *key, bool required, const char *meaning)
{
	fprintf(to, "%s`%s`%s%s%s", *lead, key, required ? " (must be given)" : "", meaning ? ": " : "", meaning ?: "");
	*lead = "; ";
}

/* What goes in: parameters of the query and keys of the body. */
static void write_input(FILE *to, const struct route *route)
{
	const char *lead = "query: ";

	for (const struct query_key *key = route->query; key && key->key; key++)
		write_key(to, &lead, key->key, key->required, key->meaning);
	lead = route->query && route->query->key ? "<br>body: " : "body: ";
	for (const struct body_field *field = route->body; field && field->key; field++)
		write_key(to, &lead, field->key, field->required, field->meaning);
	if (route->body_schema)
		fputs("body: a group, as in [`failover_groups`](configuration.md#failover_groups)", to);
}

/* "Group[]" as a link to that document. */
static void write_type(FILE *to, const char *type)
{
	size_t length = strcspn(type, "?[{");

	if (isupper((unsigned char)*type) && strcmp(type, "OpenAPI") != 0) {
		fprintf(to, "[%.*s](#", (int)length, type);
		for (size_t i = 0; i < length; i++)
			fputc(tolower((unsigned char)type[i]), to);
		fputc(')', to);
	} else
		fprintf(to, "%.*s", (int)length, type);
	fputs(type[length] == '?' ? " or null" : "", to);
	type += length + (type[length] == '?');
	fputs(*type == '[' ? ", a list" : *type == '{' ? ", by name" : "", to);
}

static void write_operation(FILE *to, const struct route *route)
{
	char path[ROUTE_PATH_MAX];

	route_path_text(route, path);
	fprintf(to, "| `%s %s` | %s | ", route->method, path, route->summary);
	write_input(to, route);
	fputs(" | ", to);
	write_type(to, route->answer);
	fputs(" |\n", to);
}

/* ---- documents ---- */

static void write_document(FILE *to, const struct schema_field *first)
{
	fprintf(to, "\n## %s\n| member | type | meaning |\n| --- | --- | --- |\n", first->of);
	for (const struct schema_field *field = first; field->of && strcmp(field->of, first->of) == 0; field++) {
		fprintf(to, "| `%s`%s | ", field->key, field->optional ? " (may be left out)" : "");
		write_type(to, field->type);
		fprintf(to, " | %s |\n", field->meaning ?: "");
	}
}

void write_http(FILE *to)
{
	const char *before = "";

	fputs("<!-- Written by `make reference` from the tables in user/api/table.c and schemas.c. -->\n"
	      "# Operations and documents of the API\n"
	      "How it is reached, tokens, statuses and the stream: [the HTTP API](../api.md). The same for programs, "
	      "as OpenAPI 3.1: `GET "
	      "/api/v1/openapi.json`.\nA `GET` needs a token to read, all else the one for everything. Durations are "
	      "texts such as `\"5m\"`, "
	      "times RFC 3339.\n\n"
	      "| request | does | takes | answers |\n| --- | --- | --- | --- |\n",
	      to);
	for (const struct route *route = api_routes; route->path; route++)
		write_operation(to, route);
	for (const struct schema_field *field = api_schema_fields; field->of; before = field->of, field++)
		if (strcmp(field->of, before) != 0)
			write_document(to, field);
}
