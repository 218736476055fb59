/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a client may take to send a request, and to take the answer. Libmicrohttpd cuts off who is silent; this, who sends or takes a
 * byte now and then so as never to be.
 */
#ifndef SHUNT_API_PATIENCE_H
#define SHUNT_API_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define IDLE_TIMEOUT_SECONDS 5 /* of a client that sends nothing */
#define PATIENCE_REQUEST_MS 10000
#define PATIENCE_ANSWER_MS 60000

/* A connection; all zero but `fd`, and in a list of the caller's. */
struct patience {
	int fd;
	uint64_t since_ms;         /* of what it does now */
	enum { PATIENCE_REQUEST, PATIENCE_ANSWER, PATIENCE_STREAM } what;
	struct patience *next, **at; /* *at is this one */
};

void patience_add(struct patience **list, struct patience *one, int fd, uint64_t now_ms);
void patience_remove(struct patience *one);
/* Cuts off who took too long. */
void patience_look(struct patience *list, uint64_t now_ms);

#endif
