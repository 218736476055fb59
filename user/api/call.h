/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the functions of routes share, those of routes.c and of files of their own. */
#ifndef SHUNT_API_CALL_H
#define SHUNT_API_CALL_H

#include "api/body.h"
#include "api/routes.h"

/* What a route's function works with. */
struct call {
	const struct api_handlers *handlers;
	void *userdata;
	const struct api_request *request;
	char name[API_NAME_MAX];   /* what '*' of the path stood for */
	struct api_response *response;
};

void call_answer(struct call *call, unsigned status, json_t *take_document);
/* The outcome of a command: 200, or the status of -errno `r` and the reason. Takes what is in `reply`. */
void call_reply(struct call *call, int r, struct api_reply *reply);
/* The body: as body_decode(), after an error was answered. */
int call_decode(struct call *call, const struct body_field *fields, json_t **ret_document);
/* Values of the query by name: 0, or -EINVAL after an error was answered. `ret_values` are NULL where absent. */
int call_query(struct call *call, const char *const *keys, size_t n, const char **ret_values);

/* ---- groups.c ---- */
void post_groups(struct call *call);
void delete_group(struct call *call);

/* ---- deny.c ---- */
void get_deny(struct call *call);
void post_deny(struct call *call);
void delete_deny(struct call *call);

#endif
