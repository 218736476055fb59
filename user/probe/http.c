/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HTTP check: one GET on a connection of its own, so that a server which no longer accepts shows. 2xx and 3xx are
 * good; redirects are not followed, since the question is whether this backend answers. All transfers share one curl
 * multi handle, whose sockets and timer are sources of the loop. Time is up when prober.c says so, not curl.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "net/address.h"
#include "probe/kind.h"

#define BODY_MAX_BYTES 65536 /* of a longer body no more is read: the server has answered */
#define HEADER_MAX 512

struct http_client {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
};

struct http_transfer {
	CURL *easy;
	struct curl_slist *headers;
	bool running;                /* `easy` is in the client's multi handle */
	size_t body_bytes;
	int socket_error;            /* errno of socket(), else 0 */
};

/* ---- one transfer ---- */

/*
 * As in tcp.c, no TIME_WAIT: the response has been read, or is of no interest any more, when curl closes the socket,
 * and "Connection: close" has the server close first.
 */
static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http_transfer *transfer = userdata;
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(to->family, to->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->protocol);

	(void)purpose;
	if (fd < 0) {
		transfer->socket_error = errno;
		return CURL_SOCKET_BAD;
	}
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	return fd;
}

static size_t discard_body(char *data, size_t size, size_t n, void *userdata)
{
	struct http_transfer *transfer = userdata;

	(void)data;
	transfer->body_bytes += size * n;
	return transfer->body_bytes > BODY_MAX_BYTES ? 0 : size * n; /* 0 breaks the transfer off */
}

static int add_header(struct http_transfer *transfer, const char *text)
{
	struct curl_slist *longer = curl_slist_append(transfer->headers, text);

	if (!longer)
		return -ENOMEM;
	transfer->headers = longer;
	return 0;
}

static int add_headers(struct probe *probe)
{
	char host[HEADER_MAX];
	int r = add_header(probe->http, "Connection: close");

	if (r < 0 || !probe->check.host)
		return r;
	if (snprintf(host, sizeof(host), "Host: %s", probe->check.host) >= (int)sizeof(host))
		return -ENAMETOOLONG;
	return add_header(probe->http, host);
}

static void set_options(struct probe *probe)
{
	struct http_transfer *transfer = probe->http;
	char where[ADDRESS_TEXT_MAX], url[ADDRESS_TEXT_MAX + 16];

	snprintf(url, sizeof(url), "http://%s/", address_port_format(&probe->address, probe->port, where));
	curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
	curl_easy_setopt(transfer->easy, CURLOPT_REQUEST_TARGET, probe->check.path); /* as written, not normalized */
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	curl_easy_setopt(transfer->easy, CURLOPT_USERAGENT, "shunt/" SHUNT_VERSION);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(transfer->easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(transfer->easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(transfer->easy, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, discard_body);
	curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, probe);
}

static void transfer_free(struct probe *probe)
{
	if (!probe->http)
		return;
	curl_easy_cleanup(probe->http->easy);
	curl_slist_free_all(probe->http->headers);
	free(probe->http);
	probe->http = NULL;
}

static int transfer_new(struct probe *probe)
{
	int r;

	probe->http = calloc(1, sizeof(*probe->http));
	if (!probe->http)
		return -ENOMEM;
	probe->http->easy = curl_easy_init();
	r = probe->http->easy ? add_headers(probe) : -ENOMEM;
	if (r < 0) {
		transfer_free(probe);
		return r;
	}
	set_options(probe);
	return 0;
}

static void start(struct probe *probe)
{
	int r = probe->http ? 0 : transfer_new(probe);

	if (r < 0) {
		probe_skip(probe, r);
		return;
	}
	probe->http->body_bytes = 0;
	probe->http->socket_error = 0;
	if (curl_multi_add_handle(prober_http(probe->prober)->multi, probe->http->easy) != CURLM_OK) {
		probe_skip(probe, -ENOMEM);
		return;
	}
	probe->http->running = true;
}

static void stop(struct probe *probe)
{
	if (!probe->http || !probe->http->running)
		return;
	probe->http->running = false;
	curl_multi_remove_handle(prober_http(probe->prober)->multi, probe->http->easy);
}

static struct probe_stage stage(struct probe *probe)
{
	curl_off_t connected_us = 0, answered_us = 0;

	curl_easy_getinfo(probe->http->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	curl_easy_getinfo(probe->http->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered_us);
	if (!connected_us)
		return (struct probe_stage){PROBE_CONNECT_TIMEOUT, "in connect"};
	return (struct probe_stage){PROBE_RESPONSE_TIMEOUT,
				    answered_us ? "reading the response" : "waiting for the response"};
}

const struct probe_kind probe_http = {.start = start, .stop = stop, .stage = stage, .free = transfer_free};

/* ---- its end ---- */

static const char *failure_text(CURLcode code, int error)
{
	switch (code) {
	case CURLE_GOT_NOTHING:
		return "connection closed without a response";
	case CURLE_PARTIAL_FILE:
		return "response cut short";
	case CURLE_UNSUPPORTED_PROTOCOL: /* taken for HTTP/0.9, which has no status */
	case CURLE_WEIRD_SERVER_REPLY:
		return "not an HTTP response";
	default:
		return error ? probe_error_text(error) : curl_easy_strerror(code);
	}
}

static void conclude(struct probe *probe, CURLcode code)
{
	struct http_transfer *transfer = probe->http;
	long status = 0, os_error = 0;
	int error;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_error);
	error = transfer->socket_error ? transfer->socket_error : code == CURLE_OUT_OF_MEMORY ? ENOMEM : os_error;
	if (transfer->body_bytes > BODY_MAX_BYTES)
		code = CURLE_OK;
	if (status && (code == CURLE_OK || status >= 400))
		probe_finish(probe, status >= 200 && status < 400 ? PROBE_OK : PROBE_WRONG_STATUS, "status %ld", status);
	else if (probe_error_is_local(error))
		probe_skip(probe, -error);
	else
		probe_finish(probe, probe_error_reason(error, code == CURLE_COULDNT_CONNECT ? PROBE_CONNECT_FAILED
											     : PROBE_RESPONSE_FAILED),
			     "%s", failure_text(code, error));
}

/* Each end may call back, and the callback may free this probe and others; curl forgets the messages of those. */
static void reap(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		CURLcode code = message->data.result;
		struct probe *probe;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &probe);
		conclude(probe, code);
	}
}

/* ---- curl in the loop ---- */

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct http_client *client = userdata;
	int running, what = 0;

	(void)source;
	what |= revents & EPOLLIN ? CURL_CSELECT_IN : 0;
	what |= revents & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	what |= revents & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	curl_multi_socket_action(client->multi, fd, what, &running);
	reap(client);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct http_client *client = userdata;
	int running;

	(void)source, (void)usec;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	reap(client);
	return 0;
}

static int want_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct http_client *client = userdata;

	(void)multi;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(client->timer, (uint64_t)timeout_ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* curl says what it waits for on a socket; `socket_data` is our event source of that socket, NULL at first. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct http_client *client = userdata;
	sd_event_source *source = socket_data;
	uint32_t events = 0;

	(void)easy;
	events |= what & CURL_POLL_IN && what != CURL_POLL_REMOVE ? EPOLLIN : 0;
	events |= what & CURL_POLL_OUT && what != CURL_POLL_REMOVE ? EPOLLOUT : 0;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		curl_multi_assign(client->multi, fd, NULL);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(client->event, &source, fd, events, on_socket, client) < 0)
		return -1;
	curl_multi_assign(client->multi, fd, source);
	return 0;
}

int http_client_open(sd_event *event, struct http_client **ret_client)
{
	struct http_client *client;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	client = calloc(1, sizeof(*client));
	if (!client) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	client->event = event;
	client->multi = curl_multi_init();
	r = client->multi ? sd_event_add_time(event, &client->timer, CLOCK_MONOTONIC, 0, 1, on_timer, client) : -ENOMEM;
	if (r >= 0)
		r = sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
	if (r < 0) {
		http_client_close(client);
		return r;
	}
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	*ret_client = client;
	return 0;
}

void http_client_close(struct http_client *client)
{
	if (!client)
		return;
	sd_event_source_disable_unref(client->timer);
	client->timer = NULL; /* curl asks for it a last time */
	curl_multi_cleanup(client->multi);
	free(client);
	curl_global_cleanup();
}
