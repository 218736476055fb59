/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_client.h"

/* ---- answers (RFC 9112) ---- */

/* Value of a header among those before `end`, or NULL. */
static const char *header_of(const char *head, const char *end, const char *name)
{
	for (const char *line = strstr(head, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, strlen(name)) == 0 && line[2 + strlen(name)] == ':')
			return line + 2 + strlen(name) + strspn(line + 3 + strlen(name), " ") + 1;
	return NULL;
}

/* 1: an answer, and ret_length bytes of it; 0: more must come; -1: this is none. */
static int read_answer(const char *text, size_t length, bool is_head, struct http_answer *ret_answer, size_t *ret_length)
{
	const char *end = strstr(text, "\r\n\r\n"), *value;
	char digits[4] = "", version, space;
	size_t body_length = 0, room;

	if (strncmp(text, "HTTP/1.", length < 7 ? length : 7) != 0)
		return -1;
	if (!end)
		return 0;
	if (sscanf(text, "HTTP/1.%c %3[0-9]%c", &version, digits, &space) != 3 || strlen(digits) != 3 || space != ' ')
		return -1;
	*ret_answer = (struct http_answer){.status = (unsigned)atoi(digits), .body = end + 4};
	value = header_of(text, end, "Content-Type");
	ret_answer->is_json = value && strncmp(value, "application/json", 16) == 0;
	ret_answer->is_stream = value && strncmp(value, "text/event-stream", 17) == 0;
	value = header_of(text, end, "Content-Length");
	if (value && !is_head)
		body_length = strtoul(value, NULL, 10);
	else if (!value && !ret_answer->is_stream && ret_answer->status >= 200)
		return -1;
	room = length - (size_t)(ret_answer->body - text);
	ret_answer->body_length = body_length;
	*ret_length = (size_t)(ret_answer->body - text) + body_length;
	return room >= body_length;
}

static void read_answers(struct http_exchange *exchange)
{
	size_t at = 0, length;

	exchange->n_answers = 0;
	exchange->is_odd = false;
	while (at < exchange->length && exchange->n_answers < HTTP_PIPELINE_MAX) {
		struct http_answer answer;
		int r = read_answer(exchange->text + at, exchange->length - at, exchange->request->is_head[exchange->n_answers], &answer, &length);

		if (r < 0)
			exchange->is_odd = true;
		if (r <= 0)
			return;
		at += length;
		if (answer.status >= 200)
			exchange->answers[exchange->n_answers++] = answer;
		if (answer.is_stream)
			return;
	}
}

/* ---- connections ---- */

int http_connect(const struct http_server *server, bool over_tcp)
{
	const struct linger at_once = {1, 0}; /* no port stays in TIME_WAIT */
	int fd = socket(over_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = over_tcp ? connect(fd, (const struct sockaddr *)&server->tcp_name, server->tcp_length)
			 : connect(fd, (const struct sockaddr *)&server->unix_name, server->unix_length);

	if (r < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	if (over_tcp)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void end(struct http_exchange *exchange)
{
	close(exchange->fd);
	exchange->fd = -1;
	exchange->took_ms = clock_monotonic_ms() - exchange->started_ms;
	read_answers(exchange);
}

/* Also when the server does not want all of it: then its answer counts. */
static void send_some(struct http_exchange *exchange)
{
	const struct http_request *request = exchange->request;
	ssize_t n = send(exchange->fd, request->bytes + exchange->sent, request->length - exchange->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		exchange->sent = request->length;
	else if (n > 0)
		exchange->sent += (size_t)n;
	if (exchange->sent == request->length && request->then == HTTP_CLOSE)
		end(exchange);
	else if (exchange->sent == request->length && request->then == HTTP_HALF_CLOSE)
		shutdown(exchange->fd, SHUT_WR);
}

static void receive_some(struct http_exchange *exchange)
{
	char chunk[16384];
	ssize_t n = recv(exchange->fd, chunk, sizeof(chunk), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(exchange);
		return;
	}
	exchange->text = realloc(exchange->text, exchange->length + (size_t)n + 1);
	memcpy(exchange->text + exchange->length, chunk, (size_t)n);
	exchange->length += (size_t)n;
	exchange->text[exchange->length] = '\0';
	if (!exchange->request->n_answers)
		return;
	read_answers(exchange);
	if (exchange->is_odd || exchange->n_answers == (int)exchange->request->n_answers)
		end(exchange);
}

/* Whether something is still to be done for it. */
static bool is_busy(const struct http_exchange *exchange, bool stay)
{
	return exchange->fd >= 0 && (stay || exchange->request->n_answers || exchange->sent < exchange->request->length);
}

static void wait_for_some(struct http_exchange *exchanges, size_t n)
{
	struct pollfd wait[HTTP_AT_ONCE_MAX];

	for (size_t i = 0; i < n; i++)
		wait[i] = (struct pollfd){exchanges[i].fd, POLLIN | (exchanges[i].sent < exchanges[i].request->length ? POLLOUT : 0), 0};
	poll(wait, n, 1000);
	for (size_t i = 0; i < n; i++) {
		if (exchanges[i].fd >= 0 && (wait[i].revents & POLLOUT))
			send_some(&exchanges[i]);
		if (exchanges[i].fd >= 0 && (wait[i].revents & ~POLLOUT))
			receive_some(&exchanges[i]);
	}
}

static void carry_on(struct http_exchange *exchanges, size_t n, bool stay, uint64_t limit_ms)
{
	uint64_t start = clock_monotonic_ms();
	size_t busy = n;

	while (busy && clock_monotonic_ms() - start < limit_ms) {
		busy = 0;
		for (size_t i = 0; i < n; i++)
			busy += is_busy(&exchanges[i], stay);
		if (busy)
			wait_for_some(exchanges, n);
	}
	for (size_t i = 0; i < n; i++)
		if (is_busy(&exchanges[i], stay)) {
			exchanges[i].is_late = true;
			end(&exchanges[i]);
		}
}

void http_exchange_all(const struct http_server *server, struct http_exchange *exchanges, size_t n, uint64_t limit_ms)
{
	for (size_t i = 0; i < n; i++) {
		exchanges[i].started_ms = clock_monotonic_ms();
		exchanges[i].fd = http_connect(server, exchanges[i].request->over_tcp);
	}
	carry_on(exchanges, n, false, limit_ms);
}

void http_exchange_leave(struct http_exchange *exchanges, size_t n, bool stay, uint64_t limit_ms)
{
	if (stay)
		carry_on(exchanges, n, true, limit_ms);
	for (size_t i = 0; i < n; i++) {
		if (exchanges[i].fd >= 0)
			receive_some(&exchanges[i]);
		if (exchanges[i].fd >= 0)
			end(&exchanges[i]);
	}
}

void http_exchange_clear(struct http_exchange *exchange)
{
	free(exchange->text);
	*exchange = (struct http_exchange){.fd = -1};
}
