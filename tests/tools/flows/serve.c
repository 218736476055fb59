// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The echo server: TCP and UDP, IPv4 and IPv6, on every port given. Answers from the address it was asked at. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "flows.h"

#define BUFFER_BYTES 16384
#define DATAGRAM_BYTES 65536

enum kind { LISTENER, DATAGRAMS, CONNECTION };

struct endpoint {
	enum kind kind;
	int fd;
	bool asked;                   /* the first byte was looked at */
	size_t begin, end;            /* of what is to be sent back */
	uint8_t buffer[];
};

static const char *server_name;
static int epoll_fd;

static struct endpoint *endpoint_new(enum kind kind, int fd)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint) + (kind == CONNECTION ? BUFFER_BYTES : 0));

	if (!endpoint)
		die("memory");
	endpoint->kind = kind;
	endpoint->fd = fd;
	watch(epoll_fd, fd, EPOLLIN, endpoint, true);
	return endpoint;
}

static void endpoint_close(struct endpoint *endpoint)
{
	close(endpoint->fd);
	free(endpoint);
}

static void on_listener(struct endpoint *listener)
{
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		endpoint_new(CONNECTION, fd);
}

/* False when the connection has ended. */
static bool receive(struct endpoint *connection)
{
	ssize_t n = recv(connection->fd, connection->buffer, BUFFER_BYTES, 0);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	connection->begin = 0;
	connection->end = (size_t)n;
	if (connection->asked)
		return true;
	connection->asked = true;
	if (connection->buffer[0] == FLOWS_ASK_NAME) {
		char line[FLOWS_NAME_MAX + 1];
		int length = snprintf(line, sizeof(line), "%s\n", server_name);

		connection->begin = 1;
		return send(connection->fd, line, (size_t)length, MSG_NOSIGNAL) == length;
	}
	return true;
}

static bool send_back(struct endpoint *connection)
{
	while (connection->begin < connection->end) {
		ssize_t n = send(connection->fd, connection->buffer + connection->begin,
				 connection->end - connection->begin, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		connection->begin += (size_t)n;
	}
	return true;
}

static void on_connection(struct endpoint *connection)
{
	bool was_full = connection->begin < connection->end, is_full;

	if ((!was_full && !receive(connection)) || !send_back(connection)) {
		endpoint_close(connection);
		return;
	}
	is_full = connection->begin < connection->end;
	if (is_full != was_full)
		watch(epoll_fd, connection->fd, is_full ? EPOLLOUT : EPOLLIN, connection, false);
}

/* Without a source the kernel would answer from the address of the interface, not from the service's. */
static void on_datagrams(struct endpoint *endpoint)
{
	static uint8_t data[DATAGRAM_BYTES];
	char line[FLOWS_NAME_MAX + 1];
	int line_length = snprintf(line, sizeof(line), "%s\n", server_name);

	for (int i = 0; i < 64; i++) {
		union {
			struct cmsghdr header;
			uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		} control;
		struct sockaddr_storage peer;
		struct iovec part[2] = { { line, 0 }, { data, sizeof(data) } };
		struct msghdr message = { .msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = &part[1],
					  .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(endpoint->fd, &message, 0);
		struct cmsghdr *header = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

		if (n < 0)
			return;
		if (header && header->cmsg_type == IPV6_PKTINFO)
			((struct in6_pktinfo *)CMSG_DATA(header))->ipi6_ifindex = 0;
		part[1].iov_len = (size_t)n;
		if (n > 0 && data[0] == FLOWS_ASK_NAME) {
			part[0].iov_len = (size_t)line_length;
			part[1].iov_base = data + 1;
			part[1].iov_len--;
		}
		message.msg_iov = part;
		message.msg_iovlen = 2;
		message.msg_flags = 0;
		sendmsg(endpoint->fd, &message, MSG_DONTWAIT);
	}
}

static void listen_on(uint16_t port, int type)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), no = 0, yes = 1, big = 4 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	else if (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof(yes)) < 0)
		die("IPV6_RECVPKTINFO");
	else
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 || (type == SOCK_STREAM && listen(fd, 4096) < 0))
		die("bind");
	endpoint_new(type == SOCK_STREAM ? LISTENER : DATAGRAMS, fd);
}

__attribute__((noreturn)) void serve(const char *name, char *const *ports)
{
	struct epoll_event events[256];

	server_name = name;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (; *ports; ports++) {
		listen_on((uint16_t)strtoul(*ports, NULL, 10), SOCK_STREAM);
		listen_on((uint16_t)strtoul(*ports, NULL, 10), SOCK_DGRAM);
	}
	printf("serving\n");
	for (;;) { /* until a signal ends the process */
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++) {
			struct endpoint *endpoint = events[i].data.ptr;

			if (endpoint->kind == LISTENER)
				on_listener(endpoint);
			else if (endpoint->kind == DATAGRAMS)
				on_datagrams(endpoint);
			else
				on_connection(endpoint);
		}
	}
}
