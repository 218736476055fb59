/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP check: whether a connection is accepted, by the backend's kernel at least. Says nothing on it. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "probe/kind.h"

static void stop(struct probe *probe)
{
	probe->connected = sd_event_source_disable_unref(probe->connected);
	if (probe->socket >= 0)
		close(probe->socket);
	probe->socket = -1;
}

static int on_connected(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	int error = 0;
	socklen_t length = sizeof(error);

	(void)source, (void)revents;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	probe_finish_connect(userdata, error);
	return 0;
}

/*
 * Closing with a linger time of zero resets the connection instead of leaving it in TIME_WAIT, of which a thousand
 * probes a second would keep sixty thousand on this host. Nothing was sent that a reset could lose.
 */
static int open_socket(int family)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	return fd;
}

static void start(struct probe *probe)
{
	struct sockaddr_storage to;
	socklen_t length = address_to_sockaddr(&probe->address, probe->port, &to);
	int error, r;

	probe->socket = open_socket(to.ss_family);
	if (probe->socket < 0) {
		probe_finish_connect(probe, -probe->socket);
		return;
	}
	error = connect(probe->socket, (const struct sockaddr *)&to, length) < 0 ? errno : 0;
	if (error != EINPROGRESS) {
		probe_finish_connect(probe, error);
		return;
	}
	r = sd_event_add_io(prober_event(probe->prober), &probe->connected, probe->socket, EPOLLOUT,
			    on_connected, probe);
	if (r < 0)
		probe_skip(probe, r);
}

static struct probe_stage stage(struct probe *probe)
{
	(void)probe;
	return (struct probe_stage){PROBE_CONNECT_TIMEOUT, "in connect"};
}

const struct probe_kind probe_tcp = {.start = start, .stop = stop, .stage = stage};
