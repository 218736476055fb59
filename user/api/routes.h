/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One request in, one response out. Knows nothing of sockets, connections or libmicrohttpd. */
#ifndef SHUNT_API_ROUTES_H
#define SHUNT_API_ROUTES_H

#include "api/access.h"
#include "api/api.h"
#include "api/etag.h"
#include "api/large.h"

#define API_BODY_MAX (1 << 20) /* bytes of a request's body: ten thousand prefixes to deny, and twice as much */
#define API_PARAMETERS_MAX 8
#define API_NAME_MAX 256
#define API_EVENTS_MAX 1000    /* in one answer; who wants more asks again with the last id */
#define API_MAPS_MAX 64

struct api_parameter {
	const char *key, *value;   /* value "" for a key alone */
};

struct api_request {
	const char *method, *path; /* path without the query, percent-decoded */
	struct api_parameter parameters[API_PARAMETERS_MAX];
	size_t n_parameters;
	const char *body;          /* NULL: none */
	size_t body_length;
	const char *last_event_id; /* header of that name; NULL: none */
	const char *if_match;      /* header of that name; NULL: none */
	enum api_access access;    /* of who asks */
};

struct api_response {
	unsigned status;
	char *body;                /* allocated */
	const struct large_form *large; /* instead of a body, a document that is to be made in pieces */
	const char *content_type;
	char allow[64];            /* with 405, else "" */
	char etag[ETAG_MAX];       /* of the one group or backend that is answered, else "" */
	bool is_done;              /* a command: it is answered when what it changed is saved */
	bool is_stream;            /* instead of a body, the stream … */
	uint64_t stream_since;     /* … with the events behind this id first; UINT64_MAX: only what comes */
	bool closes;               /* the connection, after it */
	const char *policy;        /* Content-Security-Policy of a page, else NULL */
};

void api_route(const struct api_handlers *handlers, void *userdata, const struct api_request *request,
	       struct api_response *ret_response);
/* Fills `response` with {"error": text}. */
void api_response_error(struct api_response *response, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
