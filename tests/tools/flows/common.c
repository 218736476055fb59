// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "flows.h"

#define TALLY_MAX 64

struct tally {
	struct {
		char name[FLOWS_NAME_MAX];
		uint64_t n;
	} line[TALLY_MAX];
	size_t n_lines;
};

static volatile sig_atomic_t stop_signals, report_signals;

__attribute__((noreturn)) void die(const char *what)
{
	fprintf(stderr, "flows: %s: %s\n", what, strerror(errno));
	exit(2);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int next_timeout_ms(uint64_t now, uint64_t due_ns)
{
	return due_ns <= now ? 0 : (int)((due_ns - now + 999999) / 1000000);
}

void watch(int epoll, int fd, uint32_t events, void *data, bool is_new)
{
	struct epoll_event event = { .events = events, .data.ptr = data };

	if (epoll_ctl(epoll, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
		die("epoll_ctl");
}

int socket_to_server(const struct flows_options *options)
{
	int fd = socket(options->family, (options->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&options->server, options->server_length) < 0 && errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int socket_error(int fd)
{
	int error = 0;
	socklen_t length = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

static const char *endpoint_text(const struct sockaddr_storage *address, char buffer[FLOWS_ENDPOINT_MAX])
{
	const struct sockaddr_in *in = (const void *)address;
	const struct sockaddr_in6 *in6 = (const void *)address;
	char text[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		snprintf(buffer, FLOWS_ENDPOINT_MAX, "%s:%u", text, ntohs(in->sin_port));
	} else {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		snprintf(buffer, FLOWS_ENDPOINT_MAX, "[%s]:%u", text, ntohs(in6->sin6_port));
	}
	return buffer;
}

const char *local_endpoint(int fd, char buffer[FLOWS_ENDPOINT_MAX])
{
	struct sockaddr_storage address = { .ss_family = AF_INET6 };
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		memset(&address, 0, sizeof(address));
	return endpoint_text(&address, buffer);
}

const char *server_endpoint(const struct flows_options *options, char buffer[FLOWS_ENDPOINT_MAX])
{
	return endpoint_text(&options->server, buffer);
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		report_signals = 1;
	else
		stop_signals = 1;
}

void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool asked_to_stop(void)
{
	return stop_signals;
}

bool asked_to_report(void)
{
	bool asked = report_signals;

	report_signals = 0;
	return asked;
}

struct tally *tally_new(void)
{
	struct tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		die("memory");
	return tally;
}

void tally_free(struct tally *tally)
{
	free(tally);
}

void tally_clear(struct tally *tally)
{
	tally->n_lines = 0;
}

void tally_add(struct tally *tally, const char *name)
{
	size_t i = 0;

	while (i < tally->n_lines && strcmp(tally->line[i].name, name) < 0)
		i++;
	if (i == tally->n_lines || strcmp(tally->line[i].name, name) != 0) {
		if (tally->n_lines == TALLY_MAX)
			return;
		memmove(&tally->line[i + 1], &tally->line[i], (tally->n_lines - i) * sizeof(tally->line[0]));
		snprintf(tally->line[i].name, FLOWS_NAME_MAX, "%s", name);
		tally->line[i].n = 0;
		tally->n_lines++;
	}
	tally->line[i].n++;
}

void tally_print(const struct tally *tally)
{
	for (size_t i = 0; i < tally->n_lines; i++)
		printf("server %s %llu\n", tally->line[i].name, (unsigned long long)tally->line[i].n);
}

/* MurmurHash3's fmix64: neighbouring streams and offsets share nothing, so that a byte out of place is seen. */
static uint8_t stream_byte(uint32_t id, uint64_t offset)
{
	uint64_t x = ((uint64_t)id << 40) ^ (offset / 8);

	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	x ^= x >> 33;
	return (uint8_t)(x >> (8 * (offset % 8)));
}

void stream_fill(uint32_t id, uint64_t offset, uint8_t *to, size_t length)
{
	for (size_t i = 0; i < length; i++)
		to[i] = stream_byte(id, offset + i);
}

size_t stream_mismatches(uint32_t id, uint64_t offset, const uint8_t *got, size_t length)
{
	size_t n = 0;

	for (size_t i = 0; i < length; i++)
		n += got[i] != stream_byte(id, offset + i);
	return n;
}
