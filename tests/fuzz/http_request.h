/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests that nobody should send, each made of a seed and its number alone: the same two make the same bytes. */
#ifndef SHUNT_TESTS_HTTP_REQUEST_H
#define SHUNT_TESTS_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PIPELINE_MAX 8
#define HTTP_TOKEN "s3cret"
#define HTTP_READ_TOKEN "r3ad"

struct dice {
	uint64_t state;
};

struct http_request {
	const char *kind;              /* what is wrong with it, in a word */
	char *bytes;                   /* allocated */
	size_t length;
	unsigned n_answers;            /* it is framed as HTTP wants, and so many answers must come; 0: answers, or just an end */
	bool is_head[HTTP_PIPELINE_MAX]; /* the answer of that number has no body */
	bool over_tcp;                 /* instead of the Unix socket */
	enum {
		HTTP_ANSWERED,         /* its client leaves when the answers are there */
		HTTP_LEAVE,            /* … when the server has looked at it */
		HTTP_HALF_CLOSE,       /* the same, after it said that no more is to come */
		HTTP_CLOSE,            /* … when all is sent, answered or not */
	} then;
};

struct dice dice_of(uint64_t seed, uint64_t number);
/* 0 … n - 1 */
uint32_t roll(struct dice *dice, uint32_t n);

void http_request_make(uint64_t seed, uint64_t number, struct http_request *ret_request);

/* ---- http_body.c ---- */

/* A JSON body, often a broken one, for the route: allocated, `ret_length` bytes that may hold zeros. */
char *http_body_make(struct dice *dice, const char *path, size_t *ret_length);

#endif
