// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A new connection at every tick, however long the others take: asks the server's name, tells the outcome in one line,
 * "START END ok NAME" or "START END failed REASON", times in ns of CLOCK_MONOTONIC. UDP: a datagram from a new port.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "flows.h"

#define ATTEMPTS_MAX 8192
#define ANSWER_BYTES 2048

struct attempt {
	int fd;                       /* -1: over */
	bool asked;
	uint64_t start_ns;
	size_t length;
	char answer[ANSWER_BYTES];
};

static const struct flows_options *options;
static struct attempt *attempts; /* a ring: attempts that may still be under way are first … next - 1 */
static uint64_t first, next, n_ok, n_failed;
static struct tally *tally;
static int epoll_fd;

static void finish(struct attempt *attempt, const char *name, const char *failure)
{
	printf("%llu %llu %s %s\n", (unsigned long long)attempt->start_ns, (unsigned long long)now_ns(),
	       failure ? "failed" : "ok", failure ? failure : name);
	if (failure) {
		n_failed++;
	} else {
		n_ok++;
		tally_add(tally, name);
	}
	if (attempt->fd >= 0)
		close(attempt->fd);
	attempt->fd = -1;
}

static bool ask(struct attempt *attempt)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: flows\r\nConnection: close\r\n\r\n";
	static const char name[] = { FLOWS_ASK_NAME };
	const char *question = options->http ? http : name;
	size_t length = options->http ? sizeof(http) - 1 : sizeof(name);

	return send(attempt->fd, question, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* The server's name, cut out of the answer; NULL when it is not whole yet. HTTP: the last line of the whole answer. */
static char *answer_name(struct attempt *attempt, bool ended)
{
	char *end, *line;

	attempt->answer[attempt->length] = 0;
	if (!options->http) {
		end = strchr(attempt->answer, '\n');
		if (end)
			*end = 0;
		return end ? attempt->answer : NULL;
	}
	if (!ended || strncmp(attempt->answer, "HTTP/1.1 200", 12) != 0)
		return NULL;
	while (attempt->length && strchr("\r\n", attempt->answer[attempt->length - 1]))
		attempt->answer[--attempt->length] = 0;
	line = strrchr(attempt->answer, '\n');
	return line ? line + 1 : NULL;
}

static void receive(struct attempt *attempt)
{
	ssize_t n = recv(attempt->fd, attempt->answer + attempt->length, ANSWER_BYTES - 1 - attempt->length, 0);
	char *name;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			finish(attempt, NULL, strerror(errno));
		return;
	}
	attempt->length += (size_t)n;
	name = answer_name(attempt, n == 0);
	if (name)
		finish(attempt, name, NULL);
	else if (n == 0)
		finish(attempt, NULL, "closed without an answer");
}

static void on_event(struct attempt *attempt)
{
	int error;

	if (attempt->fd < 0)
		return;
	if (attempt->asked) {
		receive(attempt);
		return;
	}
	error = socket_error(attempt->fd);
	if (error || !ask(attempt)) {
		finish(attempt, NULL, strerror(error ? error : errno));
		return;
	}
	attempt->asked = true;
	watch(epoll_fd, attempt->fd, EPOLLIN, attempt, false);
}

static void start_attempt(void)
{
	struct attempt *attempt = &attempts[next++ % ATTEMPTS_MAX];

	attempt->asked = false;
	attempt->length = 0;
	attempt->start_ns = now_ns();
	attempt->fd = socket_to_server(options);
	if (attempt->fd < 0)
		finish(attempt, NULL, strerror(errno));
	else
		watch(epoll_fd, attempt->fd, EPOLLOUT, attempt, true);
}

/* Ends what took too long; all wait equally long, so the oldest are first. */
static void expire(uint64_t now)
{
	for (; first < next; first++) {
		struct attempt *attempt = &attempts[first % ATTEMPTS_MAX];

		if (attempt->fd < 0)
			continue;
		if (now - attempt->start_ns < options->timeout_ns)
			return;
		finish(attempt, NULL, attempt->asked && !options->udp ? "no answer in time" : "timeout");
	}
}

static uint64_t next_expiry(void)
{
	return first < next ? attempts[first % ATTEMPTS_MAX].start_ns + options->timeout_ns : UINT64_MAX;
}

static void report(void)
{
	tally_print(tally);
	printf("attempts %llu ok %llu failed %llu\n", (unsigned long long)(n_ok + n_failed), (unsigned long long)n_ok,
	       (unsigned long long)n_failed);
	fflush(stdout);
}

int connect_repeatedly(const struct flows_options *given)
{
	uint64_t start = now_ns(), end = given->for_ns ? start + given->for_ns : UINT64_MAX;
	uint64_t count = given->count ? given->count : UINT64_MAX;
	struct epoll_event events[256];

	options = given;
	attempts = calloc(ATTEMPTS_MAX, sizeof(*attempts));
	tally = tally_new();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!attempts || epoll_fd < 0)
		die("start");
	for (;;) {
		uint64_t now = now_ns(), due = start + next * options->every_ns, wake;
		bool over = asked_to_stop() || now >= end || next >= count;
		int n;

		expire(now);
		if (over && first == next)
			break;
		if (!over && due <= now && next - first < ATTEMPTS_MAX) {
			start_attempt();
			due += options->every_ns;
		}
		wake = over || next_expiry() < due ? next_expiry() : due;
		n = epoll_wait(epoll_fd, events, 256, wake == UINT64_MAX ? 0 : next_timeout_ms(now_ns(), wake));
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr);
		if (asked_to_report())
			report();
	}
	report();
	tally_free(tally);
	free(attempts);
	return n_failed > 0;
}
