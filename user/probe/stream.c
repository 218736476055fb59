/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One connection of TCP: connect, say something, hear something. What the answer means is for tcp.c and agent.c. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "probe/kind.h"

void stream_stop(struct probe *probe)
{
	probe->io = sd_event_source_disable_unref(probe->io);
	if (probe->socket >= 0)
		close(probe->socket);
	probe->socket = -1;
	free(probe->answer);
	probe->answer = NULL;
	probe->answer_length = 0;
}

/* Reads what is there and has it judged. */
static void hear(struct probe *probe)
{
	ssize_t n = recv(probe->socket, probe->answer + probe->answer_length,
			 PROBE_ANSWER_MAX - 1 - probe->answer_length, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		probe_fail(probe, errno, PROBE_RESPONSE_FAILED);
		return;
	}
	probe->answer_length += n;
	probe->answer[probe->answer_length] = '\0';
	probe->kind->judge(probe, n == 0 || probe->answer_length == PROBE_ANSWER_MAX - 1);
}

/* The kernel takes what a check may send (1 KiB) at once. */
static void say(struct probe *probe)
{
	const struct config_bytes *send_bytes = &probe->check.send;

	probe->connected = true;
	if (send_bytes->length &&
	    send(probe->socket, send_bytes->data, send_bytes->length, MSG_NOSIGNAL) != (ssize_t)send_bytes->length) {
		probe_fail(probe, errno, PROBE_RESPONSE_FAILED);
		return;
	}
	probe->answer = malloc(PROBE_ANSWER_MAX);
	if (!probe->answer)
		probe_skip(probe, -ENOMEM);
	else if (sd_event_source_set_io_events(probe->io, EPOLLIN) < 0)
		probe_skip(probe, -ENOMEM);
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct probe *probe = userdata;
	int error = 0;
	socklen_t length = sizeof(error);

	(void)source, (void)revents;
	if (probe->connected) {
		hear(probe);
		return 0;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error)
		probe_fail(probe, error, PROBE_CONNECT_FAILED);
	else if (!probe->kind->judge || (probe->kind == &probe_tcp && !probe->check.send.length && !probe->check.expect.length))
		probe_finish(probe, PROBE_OK, "connected");
	else
		say(probe);
	return 0;
}

/*
 * Closing with a linger time of zero resets the connection instead of leaving it in TIME_WAIT, of which a thousand
 * probes a second would keep sixty thousand on this host. What was of interest has been read by then.
 */
static int open_socket(const struct probe *probe)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	int fd = probe_socket(probe, SOCK_STREAM, IPPROTO_TCP);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	return fd;
}

void stream_start(struct probe *probe)
{
	struct sockaddr_storage to;
	socklen_t length = address_to_sockaddr(&probe->address, probe->port, &to);
	int r;

	probe->connected = false;
	probe->socket = open_socket(probe);
	if (probe->socket < 0) {
		probe_fail(probe, -probe->socket, PROBE_CONNECT_FAILED);
		return;
	}
	if (connect(probe->socket, (const struct sockaddr *)&to, length) < 0 && errno != EINPROGRESS) {
		probe_fail(probe, errno, PROBE_CONNECT_FAILED);
		return;
	}
	r = sd_event_add_io(prober_event(probe->prober), &probe->io, probe->socket, EPOLLOUT, on_event, probe);
	if (r < 0)
		probe_skip(probe, r);
}

struct probe_stage stream_stage(struct probe *probe)
{
	if (!probe->connected)
		return (struct probe_stage){PROBE_CONNECT_TIMEOUT, "in connect"};
	return (struct probe_stage){PROBE_RESPONSE_TIMEOUT,
				    probe->answer_length ? "reading the answer" : "waiting for the answer"};
}
