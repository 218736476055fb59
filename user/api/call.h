/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the functions of routes share, those of routes.c and of files of their own. */
#ifndef SHUNT_API_CALL_H
#define SHUNT_API_CALL_H

#include "api/body.h"
#include "api/routes.h"

struct call;

struct query_key {
	const char *key;
	bool required;
	const char *meaning;
};

/* A row of the table of routes (table.c), of which the description in OpenAPI is made, too. */
struct route {
	const char *method, *path;       /* '*' stands for one segment of the path, the name */
	void (*serve)(struct call *call);
	const char *summary;
	const char *answer;              /* schema of 200, "NAME[]": a list of it; with a '/': a media type that is not JSON */
	const struct query_key *query;   /* ends with a key of NULL; NULL: takes none */
	const struct body_field *body;   /* likewise, in the order in which call_decode() gives their values; NULL: takes none */
	const char *body_schema;         /* of a body that the route decodes by itself */
	unsigned created, also;          /* statuses: of success instead of 200; another one with the same document; 0: none */
};

extern const struct route api_routes[]; /* ends with a path of NULL */

#define ROUTE_PATH_MAX 64
void route_path_text(const struct route *route, char ret_path[ROUTE_PATH_MAX]); /* as OpenAPI has it: "{name}" for '*' */

/* What a route's function works with. */
struct call {
	const struct route *route;
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
int call_decode(struct call *call, void *const *ret_values, json_t **ret_document);
/* Values of the query, a place for each key of the route, NULL where absent: 0, or -EINVAL after an error was answered. */
int call_query(struct call *call, const char **ret_values);

/* ---- routes.c ---- */
/* Whether the group or backend is still what the client saw, else 412 was answered; of who does not say what that was, it is. */
bool call_is_as_seen(struct call *call, enum etag_kind kind, const char *name);
void get_health(struct call *call);
void get_metrics(struct call *call);
void get_status(struct call *call);
void get_services(struct call *call);
void get_groups(struct call *call);
void get_backends(struct call *call);
void get_events(struct call *call);
void get_events_stream(struct call *call);
void get_access(struct call *call);
void get_maps(struct call *call);
void get_explain(struct call *call);

/* ---- commands.c ---- */
void post_drain(struct call *call);
void post_maint(struct call *call);
void post_ready(struct call *call);
void post_weight(struct call *call);
void post_failover(struct call *call);
void post_failback(struct call *call);
void post_reload(struct call *call);
void post_backup(struct call *call);
void post_restore(struct call *call);
void post_detach(struct call *call);

/* ---- openapi.c ---- */
void get_openapi(struct call *call);

/* ---- groups.c ---- */
void post_groups(struct call *call);
void delete_group(struct call *call);

/* ---- deny.c ---- */
void get_deny(struct call *call);
void post_deny(struct call *call);
void delete_deny(struct call *call);

#endif
