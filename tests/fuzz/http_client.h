/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sends requests as they are, several at once, and reads what is answered. Knows no good from bad. */
#ifndef SHUNT_TESTS_HTTP_CLIENT_H
#define SHUNT_TESTS_HTTP_CLIENT_H

#include <sys/socket.h>

#include "http_request.h"

struct http_answer {
	unsigned status;
	const char *body;              /* into the text it was read from */
	size_t body_length;
	bool is_json, is_stream;
};

struct http_exchange {
	const struct http_request *request;
	int fd;                        /* -1: over */
	size_t sent;
	char *text;                    /* what came, ended by a zero byte; allocated */
	size_t length;
	uint64_t started_ms, took_ms;
	struct http_answer answers[HTTP_PIPELINE_MAX];
	int n_answers;                 /* whole ones */
	bool is_odd;                   /* what came, or came after them, is no answer */
	bool is_late;                  /* not over within the time given */
};

struct http_server {
	struct sockaddr_storage unix_name, tcp_name;
	socklen_t unix_length, tcp_length;
};

/* A new connection, or -errno. */
int http_connect(const struct http_server *server, bool over_tcp);

#define HTTP_AT_ONCE_MAX 64

/*
 * Sends all, and waits for the answers that are promised; is_late: they did not come within the limit. The connections of those that promise
 * none stay open until http_exchange_leave(), which reads what came meanwhile, or with `stay` until the server ends them.
 */
void http_exchange_all(const struct http_server *server, struct http_exchange *exchanges, size_t n, uint64_t limit_ms);
void http_exchange_leave(struct http_exchange *exchanges, size_t n, bool stay, uint64_t limit_ms);
void http_exchange_clear(struct http_exchange *exchange);

#endif
