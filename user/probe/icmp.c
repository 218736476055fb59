/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ICMP check: one echo request, over a ping socket where the kernel allows it (net.ipv4.ping_group_range), else over a
 * raw one. A token in the request tells its reply from those of others.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "net/checksum.h"
#include "probe/kind.h"

/* ICMP and ICMPv6 have the same header for echo (RFC 792, RFC 4443 section 4.1). */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint64_t token;
};

/* Who is not allowed a ping socket may be allowed a raw one. */
static int open_socket(struct probe *probe)
{
	int protocol = address_is_ipv4(&probe->address) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int fd = probe_socket(probe, SOCK_DGRAM, protocol);

	probe->raw = fd == -EACCES || fd == -EPERM || fd == -EPROTONOSUPPORT;
	return probe->raw ? probe_socket(probe, SOCK_RAW, protocol) : fd;
}

/* Errors of the way are wanted (IP_RECVERR), replies to others are not, as far as the kernel can tell. */
static void set_options(const struct probe *probe, int fd)
{
	const int on = 1;
	struct icmp6_filter filter;

	if (address_is_ipv4(&probe->address)) {
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
		return;
	}
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
	if (probe->raw)
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
}

static void start(struct probe *probe)
{
	struct sockaddr_storage to;
	socklen_t length = address_to_sockaddr(&probe->address, 0, &to);
	int fd = open_socket(probe);

	if (fd < 0) {
		probe_skip(probe, fd);
		return;
	}
	set_options(probe, fd);
	probe->socket = fd;
	if (connect(fd, (const struct sockaddr *)&to, length) < 0)
		probe_fail(probe, errno, PROBE_CONNECT_FAILED);
	else
		datagram_on(probe, fd);
}

static int compose(struct probe *probe)
{
	struct echo echo = {.type = address_is_ipv4(&probe->address) ? ICMP_ECHO : ICMP6_ECHO_REQUEST};

	_Static_assert(sizeof(echo) == 16, "as it goes over the wire");
	arc4random_buf(&probe->token, sizeof(probe->token));
	echo.token = probe->token;
	echo.id = (uint16_t)probe->token;
	echo.checksum = internet_checksum(&echo, sizeof(echo));
	probe->question_length = sizeof(echo);
	probe->question = malloc(probe->question_length);
	if (!probe->question)
		return -ENOMEM;
	memcpy(probe->question, &echo, sizeof(echo));
	return 0;
}

static void take(struct probe *probe, const uint8_t *data, size_t length)
{
	bool ipv4 = address_is_ipv4(&probe->address);
	size_t header = probe->raw && ipv4 && length ? (data[0] & 0x0fU) * 4 : 0;
	struct echo echo;

	if (length < header + sizeof(echo))
		return;
	memcpy(&echo, data + header, sizeof(echo));
	if (echo.type == (ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) && echo.token == probe->token)
		probe_finish(probe, PROBE_OK, "echo reply");
}

static struct probe_stage stage(struct probe *probe)
{
	(void)probe;
	return (struct probe_stage){PROBE_RESPONSE_TIMEOUT, "waiting for the echo reply"};
}

const struct probe_kind probe_icmp = {
	.start = start, .stop = datagram_stop, .stage = stage, .compose = compose, .take = take};
