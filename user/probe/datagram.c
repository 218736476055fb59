/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One question and its answer in datagrams, on a connected socket: ICMP unreachables come back as its errors. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "probe/kind.h"

void datagram_stop(struct probe *probe)
{
	probe->io = sd_event_source_disable_unref(probe->io);
	if (probe->socket >= 0)
		close(probe->socket);
	probe->socket = -1;
	free(probe->answer);
	free(probe->question);
	probe->answer = probe->question = NULL;
	probe->question_length = 0;
}

static int on_event(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct probe *probe = userdata;
	ssize_t n = recv(fd, probe->answer, PROBE_ANSWER_MAX, 0);

	(void)source, (void)revents;
	if (n >= 0)
		probe->kind->take(probe, probe->answer, n);
	else if (errno != EAGAIN && errno != EINTR)
		probe_fail(probe, errno, PROBE_RESPONSE_FAILED);
	return 0;
}

static void ask(struct probe *probe)
{
	const void *data = probe->question ? (const void *)probe->question : probe->check.send.data;
	size_t length = probe->question ? probe->question_length : probe->check.send.length;

	if (send(probe->socket, data, length, MSG_NOSIGNAL) < 0)
		probe_fail(probe, errno, PROBE_CONNECT_FAILED);
}

void datagram_on(struct probe *probe, int socket)
{
	int r = 0;

	probe->socket = socket;
	probe->answer = malloc(PROBE_ANSWER_MAX);
	if (!probe->answer)
		r = -ENOMEM;
	if (r == 0 && probe->kind->compose)
		r = probe->kind->compose(probe);
	if (r == 0)
		r = sd_event_add_io(prober_event(probe->prober), &probe->io, socket, EPOLLIN, on_event, probe);
	if (r < 0)
		probe_skip(probe, r);
	else
		ask(probe);
}

void datagram_start(struct probe *probe)
{
	struct sockaddr_storage to;
	socklen_t length = address_to_sockaddr(&probe->address, probe->port, &to);
	int fd = probe_socket(probe, SOCK_DGRAM, IPPROTO_UDP);

	if (fd < 0) {
		probe_fail(probe, -fd, PROBE_CONNECT_FAILED);
		return;
	}
	probe->socket = fd; /* stop closes it */
	if (connect(fd, (const struct sockaddr *)&to, length) < 0)
		probe_fail(probe, errno, PROBE_CONNECT_FAILED);
	else
		datagram_on(probe, fd);
}

struct probe_stage datagram_stage(struct probe *probe)
{
	(void)probe;
	return (struct probe_stage){PROBE_RESPONSE_TIMEOUT, "waiting for the answer"};
}
