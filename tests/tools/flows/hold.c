// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * N flows that live until the end. Each sends the next block of its stream at its turn and compares what comes back, byte
 * by byte. TCP: broken is a reset, an end, a wrong byte's connection or silence; at the end each sends a last block, and silent
 * are those that owe an answer. UDP: what is lost and who answers is counted.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "flows.h"

#define WINDOW_BYTES 65536U /* sent and not yet back, at most */
#define BUFFER_BYTES 65536
#define DATAGRAM_HEADER 8   /* the offset of the block in the stream */
#define LAST_TCP_NS 2000000000ULL
#define LAST_UDP_NS 200000000ULL

enum state { CONNECTING, ASKED, STREAMING, BROKEN };

struct flow {
	int fd;
	uint32_t id;
	enum state state;
	uint64_t sent, received;      /* bytes of the stream; UDP: of datagrams sent and answered */
	uint64_t answers;             /* UDP: datagrams that came back */
	uint64_t mismatched;
	uint64_t progress_ns;         /* when something was last heard, or first missed */
	unsigned moves;               /* UDP: changes of the server that answers */
	char name[FLOWS_NAME_MAX];
	size_t name_length;
	const char *reason;           /* why it broke */
};

static const struct flows_options *options;
static struct flow *flows;
static int epoll_fd;
static unsigned n_streaming, n_broken;

static void break_flow(struct flow *flow, const char *reason)
{
	char local[FLOWS_ENDPOINT_MAX];

	if (flow->state == BROKEN)
		return;
	printf("%llu broken %s %s %s\n", (unsigned long long)now_ns(), local_endpoint(flow->fd, local),
	       flow->name[0] ? flow->name : "-", reason);
	flow->reason = reason;
	n_streaming -= flow->state == STREAMING;
	n_broken++;
	flow->state = BROKEN;
	if (flow->fd >= 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, flow->fd, NULL);
}

static void on_name(struct flow *flow)
{
	flow->state = STREAMING;
	if (++n_streaming == options->count)
		printf("ready %u\n", n_streaming);
}

/* ---- TCP ---- */

/* Returns how many bytes belonged to the line with the server's name. */
static size_t take_name(struct flow *flow, const uint8_t *data, size_t length)
{
	size_t i = 0;

	while (i < length) {
		char c = (char)data[i++];

		if (c == '\n') {
			on_name(flow);
			break;
		}
		if (flow->name_length < FLOWS_NAME_MAX - 1)
			flow->name[flow->name_length++] = c;
	}
	return i;
}

static void tcp_receive(struct flow *flow)
{
	static uint8_t buffer[BUFFER_BYTES];
	ssize_t n = recv(flow->fd, buffer, sizeof(buffer), 0);
	size_t begin = 0;

	if (n == 0)
		break_flow(flow, "closed");
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		break_flow(flow, strerror(errno));
	if (n <= 0)
		return;
	flow->progress_ns = now_ns();
	if (flow->state == ASKED)
		begin = take_name(flow, buffer, (size_t)n);
	flow->mismatched += stream_mismatches(flow->id, flow->received, buffer + begin, (size_t)n - begin);
	flow->received += (size_t)n - begin;
}

static void tcp_connected(struct flow *flow)
{
	static const uint8_t ask = FLOWS_ASK_NAME;
	int error = socket_error(flow->fd);

	if (error || send(flow->fd, &ask, 1, MSG_NOSIGNAL) != 1) {
		break_flow(flow, strerror(error ? error : errno));
		return;
	}
	flow->state = ASKED;
	flow->progress_ns = now_ns();
	watch(epoll_fd, flow->fd, EPOLLIN, flow, false);
}

static void tcp_send(struct flow *flow)
{
	static uint8_t block[WINDOW_BYTES];
	ssize_t n;

	if (flow->sent - flow->received + options->block_bytes > WINDOW_BYTES)
		return;
	if (flow->sent == flow->received)
		flow->progress_ns = now_ns();
	stream_fill(flow->id, flow->sent, block, options->block_bytes);
	n = send(flow->fd, block, options->block_bytes, MSG_NOSIGNAL);
	if (n >= 0)
		flow->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		break_flow(flow, strerror(errno));
}

/* ---- UDP ---- */

static void udp_send(struct flow *flow)
{
	static uint8_t datagram[1 + DATAGRAM_HEADER + WINDOW_BYTES];

	datagram[0] = FLOWS_ASK_NAME;
	memcpy(datagram + 1, &flow->sent, DATAGRAM_HEADER);
	stream_fill(flow->id, flow->sent, datagram + 1 + DATAGRAM_HEADER, options->block_bytes);
	send(flow->fd, datagram, 1 + DATAGRAM_HEADER + options->block_bytes, MSG_NOSIGNAL);
	flow->sent += options->block_bytes;
}

static void udp_receive(struct flow *flow)
{
	static uint8_t buffer[BUFFER_BYTES];
	ssize_t n = recv(flow->fd, buffer, sizeof(buffer), 0);
	uint8_t *end = n > 0 ? memchr(buffer, '\n', (size_t)n) : NULL;
	size_t name_length = end ? (size_t)(end - buffer) : 0;
	uint64_t offset;

	if (!end || name_length >= FLOWS_NAME_MAX || (size_t)n != name_length + 1 + DATAGRAM_HEADER + options->block_bytes)
		return; /* a refusal, or nobody's answer: it counts as lost */
	*end = 0;
	if (flow->state != STREAMING)
		on_name(flow);
	else if (strcmp(flow->name, (char *)buffer) != 0)
		flow->moves++;
	memcpy(flow->name, buffer, name_length + 1);
	memcpy(&offset, end + 1, DATAGRAM_HEADER);
	flow->mismatched += stream_mismatches(flow->id, offset, end + 1 + DATAGRAM_HEADER, options->block_bytes);
	flow->received += options->block_bytes;
	flow->answers++;
}

/* ---- both ---- */

static void start_flow(struct flow *flow, uint32_t id)
{
	flow->id = id;
	flow->progress_ns = now_ns();
	flow->fd = socket_to_server(options);
	if (flow->fd < 0) {
		break_flow(flow, strerror(errno));
		return;
	}
	if (!options->udp)
		setsockopt(flow->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	flow->state = options->udp ? ASKED : CONNECTING;
	watch(epoll_fd, flow->fd, options->udp ? EPOLLIN : EPOLLOUT, flow, true);
}

static void on_event(struct flow *flow)
{
	if (flow->state == BROKEN)
		return;
	if (options->udp)
		udp_receive(flow);
	else if (flow->state == CONNECTING)
		tcp_connected(flow);
	else
		tcp_receive(flow);
}

static void on_turn(struct flow *flow, uint64_t now)
{
	if (flow->state == BROKEN)
		return;
	if (options->udp) {
		udp_send(flow);
		return;
	}
	if ((flow->state != STREAMING || flow->sent > flow->received) && now - flow->progress_ns > options->stall_ns)
		break_flow(flow, flow->state == CONNECTING ? "not connected" : "stalled");
	else if (flow->state == STREAMING)
		tcp_send(flow);
}

/* TCP: whether something sent is not back yet. */
static bool is_owed(const struct flow *flow)
{
	return !options->udp && flow->state != BROKEN && (flow->state != STREAMING || flow->sent > flow->received);
}

static void report(struct tally *tally)
{
	unsigned long long bytes = 0, mismatched = 0, moves = 0, sent = 0, answers = 0;
	unsigned silent = 0;
	char local[FLOWS_ENDPOINT_MAX], server[FLOWS_ENDPOINT_MAX];

	tally_clear(tally);
	for (unsigned i = 0; i < options->count; i++) {
		const struct flow *flow = &flows[i];

		bytes += flow->received;
		mismatched += flow->mismatched;
		moves += flow->moves;
		sent += flow->sent / options->block_bytes;
		answers += flow->answers;
		silent += is_owed(flow);
		tally_add(tally, flow->name[0] ? flow->name : "-");
		if (options->list)
			printf("flow %s %s %s %s\n", local_endpoint(flow->fd, local), server_endpoint(options, server),
			       flow->name[0] ? flow->name : "-", flow->reason ? flow->reason : "ok");
	}
	tally_print(tally);
	if (options->udp)
		printf("flows %u moved %llu sent %llu received %llu mismatched %llu\n", options->count, moves, sent,
		       answers, mismatched);
	else
		printf("connections %u broken %u bytes %llu mismatched %llu silent %u\n", options->count, n_broken, bytes,
		       mismatched, silent);
	fflush(stdout);
}

/* Handles what arrives until then. */
static void listen_until(uint64_t due_ns)
{
	struct epoll_event events[256];
	int n = epoll_wait(epoll_fd, events, 256, next_timeout_ms(now_ns(), due_ns));

	for (int i = 0; i < n; i++)
		on_event(events[i].data.ptr);
}

static bool any_is_owed(void)
{
	for (unsigned i = 0; i < options->count; i++)
		if (is_owed(&flows[i]))
			return true;
	return false;
}

/* A connection that died without a word is noticed only by asking it. */
static void end_streams(void)
{
	uint64_t end = now_ns() + (options->udp ? LAST_UDP_NS : LAST_TCP_NS);

	for (unsigned i = 0; i < options->count && !options->udp; i++)
		if (flows[i].state == STREAMING)
			tcp_send(&flows[i]);
	while ((options->udp || any_is_owed()) && now_ns() < end)
		listen_until(end);
}

int hold(const struct flows_options *given)
{
	struct tally *tally = tally_new();
	uint64_t start = now_ns(), mismatched = 0, turn = 0, end = given->for_ns ? start + given->for_ns : UINT64_MAX;

	options = given;
	flows = calloc(options->count, sizeof(*flows));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!flows || epoll_fd < 0)
		die("start");
	for (unsigned i = 0; i < options->count; i++)
		start_flow(&flows[i], i);
	/* Turns are spread evenly, so that the servers and the rings see a stream and not bursts. */
	while (!asked_to_stop() && now_ns() < end) {
		uint64_t due = start + turn * options->every_ns / options->count;

		listen_until(due < end ? due : end);
		for (unsigned i = 0; i < options->count && due <= now_ns(); i++) {
			on_turn(&flows[turn++ % options->count], now_ns());
			due = start + turn * options->every_ns / options->count;
		}
		if (asked_to_report())
			report(tally);
	}
	end_streams();
	report(tally);
	for (unsigned i = 0; i < options->count; i++)
		mismatched += flows[i].mismatched;
	tally_free(tally);
	free(flows);
	return n_broken || mismatched;
}
