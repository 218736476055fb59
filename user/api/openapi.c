/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The description of the API (OpenAPI 3.1), made of the tables of routes and of documents. */
#include <ctype.h>
#include <string.h>

#include "api/call.h"
#include "api/schemas.h"
#include "version.h"

#define REF_MAX 64

/* ---- documents ---- */

static json_t *schema_ref(const char *name, size_t length)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%.*s", (int)length, name));
}

/* One value: `length` bytes of a type without its "?", "[]" and "{}". */
static json_t *one_schema(const char *type, size_t length, bool nullable)
{
	if (isupper((unsigned char)*type))
		return nullable ? json_pack("{s:[o, {s:s}]}", "anyOf", schema_ref(type, length), "type", "null")
				: schema_ref(type, length);
	if (strncmp(type, "time", length) == 0)
		return json_pack("{s:o, s:s}", "type", nullable ? json_pack("[s, s]", "string", "null") : json_string("string"), "format",
				 "date-time");
	return json_pack("{s:o}", "type",
			 nullable ? json_pack("[s#, s]", type, (int)length, "null") : json_stringn(type, length));
}

static json_t *type_schema(const char *type)
{
	size_t length = strcspn(type, "?[{");
	bool nullable = type[length] == '?';
	const char *rest = type + length + nullable;
	json_t *one = one_schema(type, length, nullable);

	if (*rest == '[')
		return json_pack("{s:s, s:o}", "type", "array", "items", one);
	if (*rest == '{')
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", one);
	return one;
}

static json_t *field_schema(const struct schema_field *field)
{
	json_t *schema = type_schema(field->type);

	if (field->meaning)
		json_object_set_new(schema, "description", json_string(field->meaning));
	return schema;
}

static json_t *schemas(void)
{
	json_t *all = json_object();

	for (const struct schema_field *field = api_schema_fields; field->of;) {
		const char *of = field->of;
		json_t *properties = json_object(), *required = json_array();

		for (; field->of && strcmp(field->of, of) == 0; field++) {
			json_object_set_new(properties, field->key, field_schema(field));
			if (!field->optional)
				json_array_append_new(required, json_string(field->key));
		}
		json_object_set_new(all, of,
				    json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
					      "additionalProperties", 0));
	}
	json_object_set_new(all, "NewGroup",
			    json_pack("{s:s, s:s, s:{s:{s:s}}, s:[s]}", "type", "object", "description",
				      "the keys of a group under failover_groups of the configuration, see shunt.yaml(5)", "properties", "name",
				      "type", "string", "required", "name"));
	json_object_set_new(all, "OpenAPI", json_pack("{s:s}", "type", "object"));
	return all;
}

/* ---- requests ---- */

static json_t *body_type_schema(enum body_type type)
{
	switch (type) {
	case BODY_TEXT:
		return json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
	case BODY_DURATION:
		return json_pack("{s:s, s:[s, s]}", "type", "string", "examples", "30s", "5m");
	case BODY_NUMBER:
		return json_pack("{s:s, s:i, s:I}", "type", "integer", "minimum", 0, "maximum", (json_int_t)UINT32_MAX);
	case BODY_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case BODY_TEXTS:
		return json_pack("{s:s, s:{s:s}, s:i}", "type", "array", "items", "type", "string", "minItems", 1);
	}
	return json_object();
}

static json_t *body_schema(const struct route *route)
{
	json_t *properties = json_object(), *required = json_array();

	if (route->body_schema) {
		json_decref(properties);
		json_decref(required);
		return schema_ref(route->body_schema, strlen(route->body_schema));
	}
	for (const struct body_field *field = route->body; field->key; field++) {
		json_t *schema = body_type_schema(field->type);

		json_object_set_new(schema, "description", json_string(field->meaning));
		json_object_set_new(properties, field->key, schema);
		if (field->required)
			json_array_append_new(required, json_string(field->key));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required, "additionalProperties",
			 0);
}

static bool body_is_required(const struct route *route)
{
	for (const struct body_field *field = route->body; field && field->key; field++)
		if (field->required)
			return true;
	return route->body_schema;
}

static json_t *parameter(const char *in, const char *name, bool required, const char *meaning)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", name, "in", in, "required", (int)required, "description", meaning,
			 "schema", "type", "string");
}

static bool reads(const struct route *route)
{
	return strcmp(route->method, "GET") == 0;
}

void route_path_text(const struct route *route, char ret_path[ROUTE_PATH_MAX])
{
	const char *star = strchr(route->path, '*');

	if (star)
		snprintf(ret_path, ROUTE_PATH_MAX, "%.*s{name}%s", (int)(star - route->path), route->path, star + 1);
	else
		snprintf(ret_path, ROUTE_PATH_MAX, "%s", route->path);
}

static bool takes_if_match(const struct route *route)
{
	if (reads(route))
		return false;
	return strchr(route->path, '*') ? etag_kind_of(route->path) != ETAG_NONE : route->created != 0; /* the body has its name */
}

static json_t *parameters(const struct route *route)
{
	json_t *list = json_array();

	if (strchr(route->path, '*'))
		json_array_append_new(list, parameter("path", "name", true, "name or id"));
	for (const struct query_key *key = route->query; key && key->key; key++)
		json_array_append_new(list, parameter("query", key->key, key->required, key->meaning));
	if (takes_if_match(route))
		json_array_append_new(list, parameter("header", "If-Match", false,
						      "ETag of what you saw: refused with 412 when it has changed since; without it nothing is compared"));
	return list;
}

/* ---- answers ---- */

static json_t *content(const char *answer)
{
	if (strchr(answer, '/'))
		return json_pack("{s:{s:{s:s}}}", answer, "schema", "type", "string");
	return json_pack("{s:{s:o}}", "application/json", "schema", type_schema(answer));
}

static json_t *answer(const struct route *route)
{
	json_t *response = json_pack("{s:s, s:o}", "description", route->summary, "content", content(route->answer));

	if (reads(route) && strchr(route->path, '*') && etag_kind_of(route->path) != ETAG_NONE)
		json_object_set_new(response, "headers", json_pack("{s:{s:s, s:{s:s}}}", "ETag", "description", "for If-Match", "schema",
								   "type", "string"));
	return response;
}

static const struct refusal {
	unsigned status;
	const char *meaning, *answer; /* answer NULL: none that is described */
} refusals[] = {
	{400, "the request cannot be understood", "Error"},
	{401, "TCP: the token is missing or wrong", "Error"},
	{403, "this token may only read", "Error"},
	{404, "nothing has this name", "Error"},
	{405, "the path is not for this method; Allow says for which", "Error"},
	{409, "understood, and refused: error says why", "Error"},
	{412, "it is not what it was when you looked", "Error"},
	{413, "the body is too large", "Error"},
	{414, "the path is too long", NULL},
	{431, "the headers are too large", NULL},
	{500, "something is wrong with shunt itself", "Error"},
	{503, "as many read the stream as may", "Error"},
};

static bool may_refuse(const struct route *route, unsigned status)
{
	switch (status) {
	case 400:
		return route->query || route->body || route->body_schema;
	case 401:
		return strcmp(route->path, "/") != 0;
	case 403:
	case 409:
	case 413:
		return !reads(route);
	case 404:
		return strchr(route->path, '*') || (route->query && !strstr(route->path, "events"));
	case 412:
		return takes_if_match(route);
	case 503:
		return strchr(route->answer, '/') && strstr(route->answer, "event-stream");
	default:
		return status != 405; /* of a path, not of a route */
	}
}

static void set_status(json_t *all, unsigned status, json_t *take_response)
{
	char key[16];

	snprintf(key, sizeof(key), "%u", status);
	json_object_set_new(all, key, take_response);
}

static json_t *responses(const struct route *route)
{
	json_t *all = json_object();

	set_status(all, route->created ?: 200, answer(route));
	if (route->also)
		set_status(all, route->also, answer(route));
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (may_refuse(route, refusals[i].status))
			set_status(all, refusals[i].status,
				   json_pack("{s:o}", "$ref", json_sprintf("#/components/responses/%u", refusals[i].status)));
	return all;
}

static json_t *operation(const struct route *route)
{
	json_t *all = json_pack("{s:s, s:o, s:o}", "summary", route->summary, "parameters", parameters(route), "responses",
				responses(route));

	if (route->body || route->body_schema)
		json_object_set_new(all, "requestBody",
				    json_pack("{s:b, s:{s:{s:o}}}", "required", (int)body_is_required(route), "content",
					      "application/json", "schema", body_schema(route)));
	if (strcmp(route->path, "/") == 0)
		json_object_set_new(all, "security", json_array());
	return all;
}

static json_t *paths(void)
{
	json_t *all = json_object();

	for (const struct route *route = api_routes; route->path; route++) {
		char path[ROUTE_PATH_MAX], method[REF_MAX];
		json_t *item;
		size_t i = 0;

		route_path_text(route, path);
		for (; route->method[i]; i++)
			method[i] = (char)tolower((unsigned char)route->method[i]);
		method[i] = '\0';
		item = json_object_get(all, path);
		if (!item)
			json_object_set_new(all, path, item = json_object());
		json_object_set_new(item, method, operation(route));
	}
	return all;
}

/* 414 and 431 come from the HTTP library, before there is a request. */
static json_t *refused(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		set_status(all, refusals[i].status,
			   json_pack("{s:s, s:o*}", "description", refusals[i].meaning, "content",
				     refusals[i].answer ? content(refusals[i].answer) : NULL));
	return all;
}

void get_openapi(struct call *call)
{
	call_answer(call, 200,
		    json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:o, s:{s:o, s:o, s:{s:{s:s, s:s, s:s}}}, s:[{s:[]}, {}]}",
			      "openapi", "3.1.0",
			      "info", "title", "shunt", "version", SHUNT_VERSION,
			      "description", "A layer-4 load balancer: what it does, and what an operator asks of it. Durations are texts such as 30s or 5m, "
			      "times RFC 3339.",
			      "license", "name", "GPL-2.0-only OR BSD-2-Clause", "identifier", "GPL-2.0-only OR BSD-2-Clause",
			      "paths", paths(),
			      "components", "schemas", schemas(), "responses", refused(),
			      "securitySchemes", "token", "type", "http", "scheme", "bearer", "description",
			      "over TCP: that of token_file, or of read_token_file for reading; on the Unix socket none is needed",
			      "security", "token"));
}
