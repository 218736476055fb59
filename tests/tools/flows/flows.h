/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Traffic for the system tests: an echo server that tells its name, and clients that notice every connection that breaks,
 * every byte that changes and every attempt that fails. What is asked of the server: the byte FLOWS_ASK_NAME first, on a
 * connection or in a datagram, is answered by "NAME\n"; everything after it comes back as it was sent.
 */
#ifndef FLOWS_H
#define FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define FLOWS_ASK_NAME 0x01
#define FLOWS_NAME_MAX 32
#define FLOWS_ENDPOINT_MAX 64 /* "[IPv6]:port" */

struct flows_options {
	struct sockaddr_storage server;
	socklen_t server_length;
	int family;
	unsigned count;               /* hold: connections; connect: attempts, 0: until told to stop */
	uint64_t every_ns;            /* hold: between blocks of one connection; connect: between attempts */
	uint64_t timeout_ns;          /* connect: an attempt fails after */
	uint64_t stall_ns;            /* hold: a connection without an answer for so long is broken */
	uint64_t for_ns;              /* stop after, 0: when told to */
	unsigned block_bytes;
	bool udp, http, list;
};

__attribute__((noreturn)) void serve(const char *name, char *const *ports);
int hold(const struct flows_options *options);
int connect_repeatedly(const struct flows_options *options);

/* ---- shared by the modes ---- */

uint64_t now_ns(void);
int next_timeout_ms(uint64_t now, uint64_t due_ns); /* for epoll_wait: rounded up, 0 when due */
void watch(int epoll, int fd, uint32_t events, void *data, bool is_new);
int socket_to_server(const struct flows_options *options); /* connecting, does not block; -1 with errno */
int socket_error(int fd);                                   /* and clears it */
const char *local_endpoint(int fd, char buffer[FLOWS_ENDPOINT_MAX]);
const char *server_endpoint(const struct flows_options *options, char buffer[FLOWS_ENDPOINT_MAX]);
__attribute__((noreturn)) void die(const char *what);

/* SIGTERM and SIGINT ask for the end, SIGUSR1 for a summary meanwhile. */
void catch_signals(void);
bool asked_to_stop(void);
bool asked_to_report(void); /* true once for each signal */

/* How often each server answered. */
struct tally;
struct tally *tally_new(void);
void tally_free(struct tally *tally);
void tally_clear(struct tally *tally);
void tally_add(struct tally *tally, const char *name);
void tally_print(const struct tally *tally); /* "server NAME N", sorted by name */

/* The stream of a connection: byte `offset` of stream `id`. */
void stream_fill(uint32_t id, uint64_t offset, uint8_t *to, size_t length);
size_t stream_mismatches(uint32_t id, uint64_t offset, const uint8_t *got, size_t length);

#endif
