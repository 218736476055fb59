/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One curl multi handle whose sockets and timer are sources of the loop. Knows nothing of what is asked, and why. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "loop/http_client.h"

#define TIMER_IGNORED_MS 10000
#define ROUNDS_MAX 8 /* of curl at a time: then others have their turn */

struct http_client {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer;
	sd_event_source *soon;       /* a timer of no time, which curl asks for several times a transfer */
	bool works, wants_more;      /* curl is called; it asked for that timer meanwhile */
};

/* Each end may call back, and the callback may free this transfer and others; curl forgets the messages of those. */
static void reap(struct http_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(client->multi, &left))) {
		CURLcode code = message->data.result;
		const struct http_end *end;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &end);
		end->callback(end->userdata, code);
	}
}

/* On the socket, and then on what curl wants to do as soon as it can. */
static void work(struct http_client *client, curl_socket_t fd, int what)
{
	int running;

	client->works = client->wants_more = true;
	for (int i = 0; i < ROUNDS_MAX && client->wants_more; i++) {
		client->wants_more = false;
		curl_multi_socket_action(client->multi, fd, what, &running);
		fd = CURL_SOCKET_TIMEOUT;
		what = 0;
	}
	client->works = false;
	if (client->wants_more)
		sd_event_source_set_enabled(client->soon, SD_EVENT_ONESHOT);
	reap(client);
}

static int on_socket(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int what = 0;

	(void)source;
	what |= revents & EPOLLIN ? CURL_CSELECT_IN : 0;
	what |= revents & EPOLLOUT ? CURL_CSELECT_OUT : 0;
	what |= revents & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
	work(userdata, fd, what);
	return 0;
}

static int go_on(sd_event_source *source, void *userdata)
{
	(void)source;
	work(userdata, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)usec;
	return go_on(source, userdata);
}

/*
 * Curl's timers are for "as soon as you can", several times a transfer, and for timeouts of its own. To set a timer is a
 * system call and a round of the loop, which a thousand checks a second notice: the first kind goes without either where it
 * can, and the second is not set at all while it is far off, since time is up for a transfer when its owner says so.
 */
static int want_timer(CURLM *multi, long timeout_ms, void *userdata)
{
	struct http_client *client = userdata;

	(void)multi;
	if (!client->timer)
		return 0; /* closing */
	client->wants_more = timeout_ms == 0;
	if (timeout_ms == 0 && client->works)
		return 0;
	if (timeout_ms == 0)
		return sd_event_source_set_enabled(client->soon, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
	if (timeout_ms < 0 || timeout_ms >= TIMER_IGNORED_MS)
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

int http_client_add(struct http_client *client, CURL *easy, const struct http_end *end)
{
	curl_easy_setopt(easy, CURLOPT_PRIVATE, end);
	return curl_multi_add_handle(client->multi, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void http_client_remove(struct http_client *client, CURL *easy)
{
	curl_multi_remove_handle(client->multi, easy);
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
	if (r >= 0)
		r = sd_event_add_defer(event, &client->soon, go_on, client);
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
	sd_event_source_disable_unref(client->soon);
	client->timer = NULL; /* curl asks for it a last time */
	curl_multi_cleanup(client->multi);
	free(client);
	curl_global_cleanup();
}
