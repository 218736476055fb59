/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * HTTP between sockets and api_route(): libmicrohttpd with its epoll descriptor in the controller's loop, one daemon a
 * listener, so that a crowd on TCP cannot shut the operator out of the Unix socket. Decides limits and who may come in;
 * must not know what is served.
 */
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>

#include "api/access.h"
#include "api/listen.h"
#include "api/page.h"
#include "api/patience.h"
#include "api/routes.h"
#include "api/stream_response.h"
#include "api/tls.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"

#define CONNECTIONS_MAX 64
#define IDLE_TIMEOUT_SECONDS 5
/* TLS 1.2 and 1.3 alone (RFC 8996). */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
/* A body over API_BODY_MAX is read and thrown away up to here, so that the client gets its 413 and not a reset. */
#define BODY_SWALLOW_MAX (4 << 20)

struct listener {
	struct api *api;
	struct MHD_Daemon *daemon;   /* NULL: not used */
	sd_event_source *io, *timer, *limit;
	struct patience *clients;
	bool is_tcp;
};

struct api {
	sd_event *event;
	struct listener unix_listener, tcp_listener;
	struct stream *stream;
	char *socket_path;           /* NULL until it is ours */
	dev_t socket_device;
	ino_t socket_inode;
	char *token_file;            /* NULL: TCP is for this host, without a token */
	char *read_token_file;       /* NULL: none */
	struct tls *tls;             /* NULL: TCP is without */
	const struct api_handlers *handlers;
	void *userdata;
};

/* One request while it comes in. */
struct upload {
	enum api_access access;
	unsigned refused;            /* status code: the body is thrown away; 0: go on */
	char *body;
	size_t length, seen;         /* bytes kept; bytes that came */
};

static struct MHD_Response *make_response(struct api_response *response)
{
	struct MHD_Response *out = NULL;

	if (response->body)
		out = MHD_create_response_from_buffer(strlen(response->body), response->body, MHD_RESPMEM_MUST_FREE);
	if (!out)
		free(response->body);
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
	if (response->status == 401)
		MHD_add_response_header(out, "WWW-Authenticate", "Bearer");
	if (response->status == 503 && response->is_stream)
		MHD_add_response_header(out, "Retry-After", "10");
	result = MHD_queue_response(connection, response->status, out);
	MHD_destroy_response(out);
	return result;
}

static enum MHD_Result send_refusal(struct listener *listener, struct MHD_Connection *connection, unsigned status)
{
	struct api_response response = {};

	if (status == 413)
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

static enum MHD_Result begin(struct listener *listener, struct MHD_Connection *connection, const char *method,
			     const char *url, void **request_state)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	struct upload *upload = calloc(1, sizeof(*upload));
	uint64_t length = 0;

	if (!upload)
		return MHD_NO;
	*request_state = upload;
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

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data, size_t *data_length,
				  void **request_state)
{
	struct listener *listener = userdata;
	struct upload *upload = *request_state;
	struct api_request request = {.method = method, .path = url};
	struct api_response response;
	size_t length = *data_length;

	(void)version;
	if (!upload)
		return begin(listener, connection, method, url, request_state);
	if (length) {
		*data_length = 0;
		return take_body(upload, data, length);
	}
	if (upload->refused)
		return send_refusal(listener, connection, upload->refused);
	request.body = upload->body;
	request.body_length = upload->length;
	request.last_event_id = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Last-Event-ID");
	request.if_match = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "If-Match");
	request.access = upload->access;
	MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_parameter, &request);
	api_route(listener->api->handlers, listener->api->userdata, &request, &response);
	now_it_does(connection, response.is_stream ? PATIENCE_STREAM : PATIENCE_ANSWER);
	return send_response(listener, connection, &response);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **request_state,
			 enum MHD_RequestTerminationCode code)
{
	struct upload *upload = *request_state;

	(void)userdata, (void)code;
	now_it_does(connection, PATIENCE_REQUEST);
	if (upload)
		free(upload->body);
	free(upload);
	*request_state = NULL;
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
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

/* ---- the loop ---- */

/* Once a second while somebody is connected. */
static int on_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct listener *listener = userdata;

	(void)usec;
	if (!listener->clients)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	patience_look(listener->clients, clock_monotonic_ms());
	return sd_event_source_set_time_relative(source, 1000000);
}

static bool is_full(const struct listener *listener)
{
	return MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections ==
	       CONNECTIONS_MAX;
}

static int run(struct listener *listener)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	bool was_full = is_full(listener);

	MHD_run(listener->daemon);
	if (was_full && !is_full(listener))
		MHD_run(listener->daemon); /* it listens again only at the start of a run (0.9.75, MHD_epoll) */
	if (MHD_get_timeout(listener->daemon, &wait_ms) != MHD_YES)
		return sd_event_source_set_enabled(listener->timer, SD_EVENT_OFF);
	sd_event_source_set_time_relative(listener->timer, wait_ms * 1000);
	return sd_event_source_set_enabled(listener->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source, (void)fd, (void)events;
	return run(userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	return run(userdata);
}

/* A zero byte would end the path before its end: such text stays as it came, and is no path there is. */
static size_t unescape(void *userdata, struct MHD_Connection *connection, char *text)
{
	(void)userdata, (void)connection;
	return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static struct MHD_Daemon *start_daemon(struct listener *listener, int fd)
{
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	bool is_tls = listener->is_tcp && listener->api->tls;

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request,
				listener,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_SECONDS,
				MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
				MHD_OPTION_ARRAY, is_tls ? tls : tls + 2, MHD_OPTION_END);
}

/* Takes the socket, also when it fails. */
static int listener_open(struct api *api, int take_fd, bool is_tcp, struct listener *listener)
{
	const union MHD_DaemonInfo *info;
	int r;

	*listener = (struct listener){.api = api, .is_tcp = is_tcp};
	listener->daemon = start_daemon(listener, take_fd);
	if (!listener->daemon) {
		close(take_fd);
		return -ENOMEM;
	}
	info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	r = sd_event_add_io(api->event, &listener->io, info->epoll_fd, EPOLLIN, on_io, listener);
	if (r < 0)
		return r;
	r = sd_event_add_time_relative(api->event, &listener->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, listener);
	if (r >= 0)
		r = sd_event_add_time_relative(api->event, &listener->limit, CLOCK_MONOTONIC, 1000000, 100000, on_limit, listener);
	if (r >= 0)
		r = sd_event_source_set_enabled(listener->limit, SD_EVENT_ON);
	return r < 0 ? r : 0;
}

static void listener_close(struct listener *listener)
{
	sd_event_source_disable_unref(listener->io);
	sd_event_source_disable_unref(listener->timer);
	if (listener->daemon)
		MHD_stop_daemon(listener->daemon);
	sd_event_source_disable_unref(listener->limit);
	*listener = (struct listener){};
}

static int open_unix(struct api *api, const char *path)
{
	struct stat status;
	int fd, r;

	r = listen_unix(path, &fd);
	if (r < 0)
		return r;
	api->socket_path = strdup(path);
	if (api->socket_path && stat(path, &status) == 0) {
		api->socket_device = status.st_dev;
		api->socket_inode = status.st_ino;
	}
	return listener_open(api, fd, false, &api->unix_listener);
}

static int take_token_file(const char *path, char **ret_path)
{
	int r = access_check_file(path);

	if (r < 0) {
		log_error("api: token file %s: %s", path, r == -EINVAL ? "no token is in it" : strerror(-r));
		return r;
	}
	*ret_path = strdup(path);
	return *ret_path ? 0 : -ENOMEM;
}

static int open_tcp(struct api *api, const struct api_options *options)
{
	bool is_loopback;
	int fd, r = 0;

	if (options->token_file)
		r = take_token_file(options->token_file, &api->token_file);
	if (r == 0 && options->read_token_file)
		r = take_token_file(options->read_token_file, &api->read_token_file);
	if (r == 0 && options->certificate_file)
		r = tls_open(options->certificate_file, options->key_file, &api->tls);
	if (r == 0)
		r = listen_tcp(options->listen, &fd, &is_loopback);
	if (r < 0)
		return r;
	if (!is_loopback && !(api->token_file && api->tls)) {
		close(fd);
		return -EPERM;
	}
	return listener_open(api, fd, true, &api->tcp_listener);
}

int api_open(sd_event *event, const struct api_options *options, const struct api_handlers *handlers, void *userdata,
	     struct api **ret_api)
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return -ENOMEM;
	api->event = sd_event_ref(event);
	api->handlers = handlers;
	api->userdata = userdata;
	r = stream_new(event, handlers, userdata, &api->stream);
	if (r >= 0)
		r = open_unix(api, options->socket_path);
	if (r >= 0 && options->listen)
		r = open_tcp(api, options);
	if (r < 0) {
		api_close(api);
		return r;
	}
	*ret_api = api;
	return 0;
}

/* A socket that another controller put in the place of ours stays. */
static void remove_socket(const struct api *api)
{
	struct stat status;

	if (api->socket_path && stat(api->socket_path, &status) == 0 && status.st_dev == api->socket_device &&
	    status.st_ino == api->socket_inode)
		unlink(api->socket_path);
}

void api_close(struct api *api)
{
	if (!api)
		return;
	remove_socket(api);
	if (api->stream)
		stream_end(api->stream); /* a daemon cannot stop with suspended connections */
	listener_close(&api->unix_listener);
	listener_close(&api->tcp_listener);
	stream_free(api->stream);
	sd_event_unref(api->event);
	free(api->socket_path);
	tls_close(api->tls);
	free(api->token_file);
	free(api->read_token_file);
	free(api);
}
