/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Decides which route a request is for, whether its arguments can be understood and which status its outcome has, and answers
 * the routes that read. Must not know what a command does, nor of sockets. The table is in table.c, the commands in commands.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

#include "api/call.h"
#include "api/json.h"
#include "base/cleanup.h"
#include "base/number.h"
#include "net/address.h"

static const char type_json[] = "application/json";

void api_response_error(struct api_response *response, unsigned status, const char *format, ...)
{
	_cleanup_(freep) char *text = NULL;
	json_t *document;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	document = json_pack("{s:s}", "error", text ?: "out of memory");
	if (!document) /* the text is not UTF-8 */
		document = json_pack("{s:s}", "error", "the request is not UTF-8");
	response->status = status;
	response->content_type = type_json;
	free(response->body);
	response->body = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(document);
}

void call_answer(struct call *call, unsigned status, json_t *take_document)
{
	char *body = take_document ? json_dumps(take_document, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	json_decref(take_document);
	if (!body) {
		api_response_error(call->response, 500, "out of memory");
		return;
	}
	call->response->status = status;
	call->response->content_type = type_json;
	call->response->body = body;
}

static unsigned status_of(int error)
{
	switch (error) {
	case -ENOENT:
		return 404;
	case -EINVAL:
		return 400;
	case -EBUSY:
	case -EHOSTDOWN:
	case -EALREADY:
	case -EPERM:
		return 409;
	default:
		return 500;
	}
}

void call_reply(struct call *call, int r, struct api_reply *reply)
{
	if (r < 0) {
		api_response_error(call->response, status_of(r), "%s", reply->error ?: strerror(-r));
		json_decref(reply->document);
	} else {
		call_answer(call, 200, reply->document ?: json_pack("{s:s}", "status", "ok"));
	}
	free(reply->error);
}

/* ---- what is ---- */

static bool take_snapshot(struct call *call, const char *name, struct snapshot *snapshot)
{
	int r = call->handlers->snapshot_of(call->userdata, name, snapshot);

	if (r < 0)
		api_response_error(call->response, 500, "cannot take a snapshot: %s", strerror(-r));
	return r >= 0;
}

static void answer_large(struct call *call, const struct large_form *form)
{
	call->response->status = 200;
	call->response->content_type = form->content_type;
	call->response->large = form;
}

void get_health(struct call *call)
{
	answer_large(call, &large_health);
}

void get_metrics(struct call *call)
{
	answer_large(call, &large_metrics);
}

void get_status(struct call *call)
{
	answer_large(call, &large_status);
}

static void get_kind(struct call *call, const char *noun, const struct large_form *all,
		     json_t *(*by_name)(const struct snapshot *, const char *))
{
	struct snapshot snapshot = {};
	json_t *one;

	if (!*call->name) {
		answer_large(call, all);
		return;
	}
	if (!take_snapshot(call, call->name, &snapshot))
		return;
	if ((one = by_name(&snapshot, call->name))) {
		call_answer(call, 200, one);
		etag_of(&snapshot, etag_kind_of(call->request->path), call->name, call->response->etag);
	} else {
		api_response_error(call->response, 404, "no %s is named \"%s\"", noun, call->name);
	}
	call->handlers->snapshot_free(call->userdata, &snapshot);
}

void get_services(struct call *call)
{
	get_kind(call, "service", &large_services, api_service_by_name);
}

void get_groups(struct call *call)
{
	get_kind(call, "group", &large_groups, api_group_by_name);
}

void get_backends(struct call *call)
{
	get_kind(call, "backend", &large_backends, api_backend_by_name);
}

int call_query(struct call *call, const char **ret_values)
{
	const struct api_request *request = call->request;
	const struct query_key *keys = call->route->query, *key;

	for (key = keys; key->key; key++)
		ret_values[key - keys] = NULL;
	for (size_t i = 0; i < request->n_parameters; i++) {
		key = keys;
		while (key->key && strcmp(key->key, request->parameters[i].key) != 0)
			key++;
		if (!key->key) {
			api_response_error(call->response, 400, "unknown parameter \"%s\"", request->parameters[i].key);
			return -EINVAL;
		}
		ret_values[key - keys] = request->parameters[i].value;
	}
	for (key = keys; key->key; key++)
		if (key->required && !ret_values[key - keys]) {
			api_response_error(call->response, 400, "\"%s\" is missing", key->key);
			return -EINVAL;
		}
	return 0;
}

int call_decode(struct call *call, void *const *ret_values, json_t **ret_document)
{
	_cleanup_(freep) char *error = NULL;
	int r = body_decode(call->request->body, call->request->body_length, call->route->body, ret_values, ret_document,
			    &error);

	if (r < 0)
		api_response_error(call->response, 400, "%s", error ?: "out of memory");
	return r;
}

void get_events(struct call *call)
{
	_cleanup_(freep) struct event *events = calloc(API_EVENTS_MAX, sizeof(*events));
	const char *since_text;
	uint64_t since = 0;
	json_t *all;
	size_t n;

	if (call_query(call, &since_text) < 0)
		return;
	if (since_text && number_parse(since_text, 0, INT64_MAX, &since) < 0) {
		api_response_error(call->response, 400, "\"since\" must be the id of an event, a whole number");
		return;
	}
	n = events ? call->handlers->events(call->userdata, since, events, API_EVENTS_MAX) : 0;
	all = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, api_event_json(&events[i]));
	call_answer(call, 200, all);
}

/* Where a reader goes on: the query's `since`, or what a browser's EventSource says of itself when it comes back. */
void get_events_stream(struct call *call)
{
	const char *since_text;

	if (call_query(call, &since_text) < 0)
		return;
	if (!since_text)
		since_text = call->request->last_event_id;
	call->response->stream_since = UINT64_MAX;
	if (since_text && number_parse(since_text, 0, INT64_MAX, &call->response->stream_since) < 0) {
		api_response_error(call->response, 400, "\"since\" or Last-Event-ID must be the id of an event, a whole number");
		return;
	}
	call->response->status = 200;
	call->response->is_stream = true;
}

void get_access(struct call *call)
{
	call_answer(call, 200, json_pack("{s:s}", "access", call->request->access == API_WRITE ? "write" : "read"));
}

void get_maps(struct call *call)
{
	struct snapshot_map maps[API_MAPS_MAX];
	size_t n = call->handlers->maps(call->userdata, maps, API_MAPS_MAX);
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, api_map_json(&maps[i]));
	call_answer(call, 200, all);
}

void get_explain(struct call *call)
{
	struct shunt_addr source, destination;
	struct api_reply reply = {};
	uint16_t source_port, destination_port;
	const char *values[3];
	uint8_t protocol;

	if (call_query(call, values) < 0)
		return;
	// NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): all three are required
	protocol = strcmp(values[0], "tcp") == 0 ? IPPROTO_TCP : strcmp(values[0], "udp") == 0 ? IPPROTO_UDP : 0;
	if (!protocol)
		api_response_error(call->response, 400, "\"proto\" must be tcp or udp");
	else if (address_port_parse(values[1], &source, &source_port) < 0)
		api_response_error(call->response, 400, "\"src\" must be ADDRESS:PORT, IPv6 in brackets");
	else if (address_port_parse(values[2], &destination, &destination_port) < 0)
		api_response_error(call->response, 400, "\"dst\" must be ADDRESS:PORT, IPv6 in brackets");
	else if (address_is_ipv4(&source) != address_is_ipv4(&destination))
		api_response_error(call->response, 400, "\"src\" and \"dst\" must be of one address family");
	else
		call_reply(call,
			     call->handlers->explain(call->userdata, protocol, &source, source_port, &destination,
						     destination_port, &reply),
			     &reply);
}

/* Whether `path` is of `pattern`; `ret_name` gets the segment for '*', "" without one. */
static bool path_matches(const char *pattern, const char *path, char ret_name[API_NAME_MAX])
{
	size_t length = 0;

	*ret_name = '\0';
	for (; *pattern && *pattern != '*'; pattern++, path++)
		if (*pattern != *path)
			return false;
	if (!*pattern)
		return !*path;
	length = strcspn(path, "/");
	if (!length || length >= API_NAME_MAX || strcmp(pattern + 1, path + length) != 0)
		return false;
	memcpy(ret_name, path, length);
	ret_name[length] = '\0';
	return true;
}

/* HEAD is GET whose body the server leaves out. */
static bool method_matches(const char *method, const char *given)
{
	return strcmp(method, given) == 0 || (strcmp(method, "GET") == 0 && strcmp(given, "HEAD") == 0);
}

/* The methods that a path takes, for the header Allow. */
static void allow(const char *method, char *methods, size_t size)
{
	size_t length = strlen(methods);

	snprintf(methods + length, size - length, "%s%s%s", length ? ", " : "", method,
		 strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

bool call_is_as_seen(struct call *call, enum etag_kind kind, const char *name)
{
	const struct api_request *request = call->request;
	struct snapshot snapshot = {};
	char etag[ETAG_MAX];
	bool same;

	if (!request->if_match || kind == ETAG_NONE)
		return true;
	if (!take_snapshot(call, name, &snapshot))
		return false;
	same = etag_of(&snapshot, kind, name, etag) && etag_is_in(request->if_match, etag);
	call->handlers->snapshot_free(call->userdata, &snapshot);
	if (!same)
		api_response_error(call->response, 412, "%s is not what it was when you looked: look again, and then decide", name);
	return same;
}

static void serve(struct call *call)
{
	const struct route *route = call->route;
	bool reads = strcmp(route->method, "GET") == 0;

	if (!reads && call->request->access != API_WRITE)
		api_response_error(call->response, 403, "this token may only read: %s %s needs that of token_file", route->method,
				   call->request->path);
	else if (reads || call_is_as_seen(call, etag_kind_of(call->request->path), call->name))
		route->serve(call);
	call->response->is_done = !reads && call->response->status < 300;
}

void api_route(const struct api_handlers *handlers, void *userdata, const struct api_request *request,
	       struct api_response *ret_response)
{
	struct call call = {.handlers = handlers, .userdata = userdata, .request = request, .response = ret_response};

	*ret_response = (struct api_response){};
	for (const struct route *route = api_routes; route->path; route++) {
		if (!path_matches(route->path, request->path, call.name))
			continue;
		if (method_matches(route->method, request->method)) {
			call.route = route;
			*ret_response->allow = '\0';
			serve(&call);
			return;
		}
		allow(route->method, ret_response->allow, sizeof(ret_response->allow));
	}
	if (*ret_response->allow)
		api_response_error(ret_response, 405, "%s is for %s only", request->path, ret_response->allow);
	else
		api_response_error(ret_response, 404, "no such path: %s", request->path);
}
