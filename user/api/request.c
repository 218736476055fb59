/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One request between libmicrohttpd and api_route(). Decides who may come in and how much a body may be; must not know what is served. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/page.h"
#include "api/request.h"
#include "api/routes.h"
#include "api/server.h"
#include "api/stream_response.h"
#include "base/clock.h"
#include "base/number.h"

/* A body over API_BODY_MAX is read and thrown away up to here, so that the client gets its 413 and not a reset. */
#define BODY_SWALLOW_MAX (4 << 20)

/* One request while it comes in. */
struct upload {
	enum api_access access;
	unsigned refused;            /* status code: the body is thrown away; 0: go on */
	char *body;
	size_t length, seen;         /* bytes kept; bytes that came */
	/* An answer that waits for something, during which the connection is suspended. */
	struct listener *listener;
	struct MHD_Connection *connection;
	struct survey_job job;
	struct large large;
	struct api_response response;
	struct held_answer held;
	bool is_made;                /* response is the answer */
};

static struct MHD_Response *make_response(struct api_response *response)
{
	struct MHD_Response *out = NULL;

	if (response->body)
		out = MHD_create_response_from_buffer(strlen(response->body), response->body, MHD_RESPMEM_MUST_FREE);
	if (!out)
		free(response->body);
	response->body = NULL;
	return out;
}

/* The daemon is run as soon as the loop comes to it. */
static void run_soon(void *userdata)
{
	struct listener *listener = userdata;

	sd_event_source_set_time_relative(listener->timer, 0);
	sd_event_source_set_enabled(listener->timer, SD_EVENT_ONESHOT);
}

/* A stream for each who asks, up to so many: then the response is a refusal. */
static struct MHD_Response *make_stream(struct listener *listener, struct MHD_Connection *connection, struct api_response *response)
{
	struct MHD_Response *out;

	response->content_type = "text/event-stream";
	if (stream_response(listener->api->stream, response->stream_since, connection, run_soon, listener, &out) == 0)
		return out;
	api_response_error(response, 503, "%d read the stream already: ask again later", STREAM_READERS_MAX);
	return make_response(response);
}

static enum MHD_Result send_response(struct listener *listener, struct MHD_Connection *connection,
				     struct api_response *response)
{
	struct MHD_Response *out = response->is_stream ? make_stream(listener, connection, response) : make_response(response);
	enum MHD_Result result;

	if (!out)
		return MHD_NO;
	MHD_add_response_header(out, "Content-Type", response->content_type);
	MHD_add_response_header(out, "Cache-Control", "no-store");
	if (response->policy) {
		MHD_add_response_header(out, "Content-Security-Policy", response->policy);
		MHD_add_response_header(out, "Referrer-Policy", "no-referrer");
	}
	MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
	if (*response->allow)
		MHD_add_response_header(out, "Allow", response->allow);
	if (*response->etag)
		MHD_add_response_header(out, "ETag", response->etag);
	if (response->closes)
		MHD_add_response_header(out, "Connection", "close");
	if (response->status == 401)
		MHD_add_response_header(out, "WWW-Authenticate", "Bearer");
	if (response->status == 503 && response->is_stream)
		MHD_add_response_header(out, "Retry-After", "10");
	result = MHD_queue_response(connection, response->status, out);
	MHD_destroy_response(out);
	return result;
}

static enum MHD_Result suspend(struct listener *listener, struct MHD_Connection *connection, struct upload *upload,
			       const struct api_response *response)
{
	upload->listener = listener;
	upload->connection = connection;
	upload->response = *response;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* It is taken again, to be answered. */
static void resume(struct upload *upload)
{
	upload->is_made = true;
	MHD_resume_connection(upload->connection);
	run_soon(upload->listener);
}

/* ---- answers that are made in pieces ---- */

static void begin_large(void *userdata)
{
	struct upload *upload = userdata;

	free(upload->large.text.bytes);
	upload->large = (struct large){.form = upload->response.large};
}

static bool go_on_with_large(void *userdata, const struct snapshot *snapshot)
{
	struct upload *upload = userdata;

	return large_go_on(&upload->large, snapshot);
}

static void end_large(void *userdata, int r)
{
	struct upload *upload = userdata;
	struct api_response *response = &upload->response;
	struct text *text = &upload->large.text;

	if (r == 0 && !text->failed) {
		response->status = upload->large.status ?: response->status;
		response->body = text->bytes;
		*text = (struct text){0};
	} else {
		api_response_error(response, 500, "cannot look at everything: %s", strerror(r < 0 ? -r : ENOMEM));
	}
	resume(upload);
}

static enum MHD_Result answer_later(struct listener *listener, struct MHD_Connection *connection, struct upload *upload,
				    const struct api_response *response)
{
	upload->job = (struct survey_job){.begin = begin_large, .go_on = go_on_with_large, .end = end_large, .userdata = upload};
	survey_add(listener->api->survey, &upload->job);
	return suspend(listener, connection, upload, response);
}

/* ---- answers to commands, which wait until what they changed is on the disk ---- */

/* What the answer is to wait for; 0: nothing. */
static uint64_t saving(const struct api *api, const struct api_response *response)
{
	return response->is_done && api->handlers->saving ? api->handlers->saving(api->userdata) : 0;
}

static void end_saving(void *userdata, const char *problem)
{
	struct upload *upload = userdata;

	if (problem)
		api_response_error(&upload->response, 500, "%s", problem);
	resume(upload);
}

static enum MHD_Result answer_when_saved(struct listener *listener, struct MHD_Connection *connection, struct upload *upload,
					 const struct api_response *response, uint64_t number)
{
	upload->held = (struct held_answer){.end = end_saving, .userdata = upload};
	held_add(listener->api->held, &upload->held, number);
	return suspend(listener, connection, upload, response);
}

static enum MHD_Result send_refusal(struct listener *listener, struct MHD_Connection *connection, unsigned status)
{
	struct api_response response = {.closes = status == 400};

	if (status == 400)
		api_response_error(&response, status, "the body's length is said in two ways: one Content-Length, or Transfer-Encoding: chunked");
	else if (status == 413)
		api_response_error(&response, status, "the body is over %d bytes", API_BODY_MAX);
	else if (listener->api->token_file)
		api_response_error(&response, status, "this needs the token: Authorization: Bearer TOKEN");
	else
		api_response_error(&response, status, "without a token only programs on this host may ask, by address");
	return send_response(listener, connection, &response);
}

static enum api_access access_of(const struct listener *listener, struct MHD_Connection *connection)
{
	const struct api *api = listener->api;

	if (!listener->is_tcp)
		return API_WRITE;
	if (api->token_file)
		return access_of_token(api->token_file, api->read_token_file,
				       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Authorization"));
	return access_is_local(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
			       MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin"), api->tls) ? API_WRITE : API_NONE;
}

/* How the length of a body is said. */
struct framing {
	unsigned lengths, encodings; /* headers */
	bool is_strange;             /* an encoding other than "chunked", which is all that libmicrohttpd reads */
};

static enum MHD_Result see_header(void *userdata, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct framing *framing = userdata;

	(void)kind;
	framing->lengths += strcasecmp(key, "Content-Length") == 0;
	if (strcasecmp(key, "Transfer-Encoding") == 0) {
		framing->encodings++;
		framing->is_strange = framing->is_strange || !value || strcasecmp(value, "chunked") != 0;
	}
	return MHD_YES;
}

/*
 * Of a body whose length is said in two ways, a proxy in front may have read the other: what is a body to one of the two is a request to
 * the other (RFC 9112 sections 6.1 and 6.3, "request smuggling"). Libmicrohttpd 0.9.75 takes them.
 */
static bool is_ambiguous(struct MHD_Connection *connection)
{
	struct framing framing = {0};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &framing);
	return framing.lengths + framing.encodings > 1 || framing.is_strange;
}

static enum MHD_Result begin(struct listener *listener, struct MHD_Connection *connection, const char *method,
			     const char *url, void **request_state)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	struct upload *upload = calloc(1, sizeof(*upload));
	uint64_t length = 0;

	if (!upload)
		return MHD_NO;
	*request_state = upload;
	if (is_ambiguous(connection))
		return send_refusal(listener, connection, 400);
	upload->access = access_of(listener, connection);
	if (upload->access == API_NONE && !page_is_asked(method, url))
		upload->refused = 401;
	else if (text && number_parse(text, 0, API_BODY_MAX, &length) < 0)
		upload->refused = 413;
	if (text && number_parse(text, 0, BODY_SWALLOW_MAX, &length) < 0)
		return send_refusal(listener, connection, upload->refused);
	return MHD_YES;
}

static struct patience *patience_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void now_it_does(struct MHD_Connection *connection, int what)
{
	struct patience *client = patience_of(connection);

	if (!client)
		return;
	client->what = what;
	client->since_ms = clock_monotonic_ms();
	/* A browser that draws thousands of rows takes nothing for seconds: of an answer all of its time may be silence. */
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
				  what == PATIENCE_ANSWER ? PATIENCE_ANSWER_MS / 1000 : IDLE_TIMEOUT_SECONDS);
}

static enum MHD_Result take_body(struct upload *upload, const char *data, size_t length)
{
	char *grown;

	upload->seen += length;
	if (upload->seen > BODY_SWALLOW_MAX)
		return MHD_NO;
	if (!upload->refused && upload->seen > API_BODY_MAX)
		upload->refused = 413;
	if (upload->refused)
		return MHD_YES;
	grown = realloc(upload->body, upload->length + length);
	if (!grown)
		return MHD_NO;
	memcpy(grown + upload->length, data, length);
	upload->body = grown;
	upload->length += length;
	return MHD_YES;
}

static enum MHD_Result add_parameter(void *userdata, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct api_request *request = userdata;

	(void)kind;
	if (request->n_parameters == API_PARAMETERS_MAX)
		return MHD_NO;
	request->parameters[request->n_parameters++] = (struct api_parameter){key, value ?: ""};
	return MHD_YES;
}

enum MHD_Result request_take(void *userdata, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
			     const char *data, size_t *data_length, void **request_state)
{
	struct listener *listener = userdata;
	struct upload *upload = *request_state;
	struct api_request request = {.method = method, .path = url};
	struct api_response response;
	size_t length = *data_length;
	uint64_t number;

	(void)version;
	if (!upload)
		return begin(listener, connection, method, url, request_state);
	if (length) {
		*data_length = 0;
		return take_body(upload, data, length);
	}
	if (upload->refused)
		return send_refusal(listener, connection, upload->refused);
	if (upload->is_made)
		return send_response(listener, connection, &upload->response);
	request.body = upload->body;
	request.body_length = upload->length;
	request.last_event_id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Last-Event-ID");
	request.if_match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-Match");
	request.access = upload->access;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_parameter, &request);
	api_route(listener->api->handlers, listener->api->userdata, &request, &response);
	now_it_does(connection, response.is_stream ? PATIENCE_STREAM : PATIENCE_ANSWER);
	if (response.large)
		return answer_later(listener, connection, upload, &response);
	number = saving(listener->api, &response);
	if (number)
		return answer_when_saved(listener, connection, upload, &response, number);
	return send_response(listener, connection, &response);
}

void request_end(void *userdata, struct MHD_Connection *connection, void **request_state, enum MHD_RequestTerminationCode code)
{
	struct upload *upload = *request_state;

	(void)userdata, (void)code;
	now_it_does(connection, PATIENCE_REQUEST);
	if (upload) {
		free(upload->body);
		free(upload->response.body);
		free(upload->large.text.bytes);
	}
	free(upload);
	*request_state = NULL;
}

void request_connection(void *userdata, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = userdata;
	struct patience *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client)
			patience_remove(client);
		free(client);
		return;
	}
	client = malloc(sizeof(*client));
	if (!client) /* libmicrohttpd has no way to say no here: its own limit, silence, remains */
		return;
	patience_add(&listener->clients, client, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
		     clock_monotonic_ms());
	*context = client;
	sd_event_source_set_enabled(listener->limit, SD_EVENT_ON);
}

/* A zero byte would end the path before its end: such text stays as it came, and is no path there is. */
size_t request_unescape(void *userdata, struct MHD_Connection *connection, char *text)
{
	(void)userdata, (void)connection;
	return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}
