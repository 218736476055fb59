/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The listeners: libmicrohttpd with its epoll descriptor in the controller's loop, one daemon a listener, so that a crowd on TCP cannot shut
 * the operator out of the Unix socket. Decides limits of connections; what comes in through them is request.c's.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "api/access.h"
#include "api/listen.h"
#include "api/request.h"
#include "api/server.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define CONNECTIONS_MAX 64
/* TLS 1.2 and 1.3 alone (RFC 8996). */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

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

static struct MHD_Daemon *start_daemon(struct listener *listener, int fd)
{
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	bool is_tls = listener->is_tcp && listener->api->tls;

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0), 0, NULL, NULL, request_take,
				listener,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_SECONDS,
				MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_UNESCAPE_CALLBACK, request_unescape, NULL,
				MHD_OPTION_NOTIFY_COMPLETED, request_end, NULL,
				MHD_OPTION_NOTIFY_CONNECTION, request_connection, listener,
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
	r = held_new(event, &api->held);
	if (r >= 0)
		r = survey_new(event, handlers, userdata, &api->survey);
	if (r >= 0)
		r = stream_new(event, handlers, userdata, api->survey, &api->stream);
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

void api_saved(struct api *api, uint64_t number, const char *path, int r)
{
	held_saved(api->held, number, path, r);
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
	/* A daemon cannot stop with suspended connections. */
	if (api->held)
		held_cancel(api->held);
	if (api->survey)
		survey_cancel(api->survey);
	if (api->stream)
		stream_end(api->stream);
	listener_close(&api->unix_listener);
	listener_close(&api->tcp_listener);
	stream_free(api->stream);
	survey_free(api->survey);
	held_free(api->held);
	sd_event_unref(api->event);
	free(api->socket_path);
	tls_close(api->tls);
	free(api->token_file);
	free(api->read_token_file);
	free(api);
}
