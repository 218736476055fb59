/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The HTTP API of CONTRACT on a Unix socket and, when configured, on TCP: libmicrohttpd driven by the controller's loop
 * (external epoll, no threads). Knows routes, documents and status codes; what a command does is behind struct api_handlers.
 */
#ifndef SHUNT_API_H
#define SHUNT_API_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "api/snapshot.h"
#include "config/config.h"

/* Why a command was refused: text for the operator, allocated; the handler's -errno picks the status code. */
struct api_reply {
	char *error;                      /* set with a negative return; freed by the API */
	json_t *document;                 /* optional on success, taken by the API; NULL: {"status": "ok"} */
};

/* Says why, and returns `error`, for a handler that ends with it. */
int api_refuse(struct api_reply *reply, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What a watcher of packets asks for; NULL: any. */
struct api_trace {
	const char *service, *backend, *client, *reason;
	bool bytes;                       /* the packets themselves, too */
};

#define API_DENY_MAX 10000 /* prefixes in one request or answer; who has more asks again */

/* Prefixes to deny, or to deny no more. */
struct api_deny {
	struct config_prefix *prefixes;   /* sorted, each once */
	size_t n;                         /* at least 1 */
	const char *service;              /* NULL: all services */
	uint64_t for_ms;                  /* 0: until taken back */
};

/* Which denied prefixes are asked for. */
struct api_deny_query {
	const struct config_prefix *after;    /* behind this one in the order of the list; NULL: from the start */
	const struct config_prefix *overlaps; /* that contain it or are within it; NULL: all */
	const char *service;                  /* NULL: all */
};

enum api_foresee_kind { API_FORESEE_DRAIN, API_FORESEE_MAINT, API_FORESEE_FAILOVER, API_FORESEE_RELOAD };

struct api_foresee {
	enum api_foresee_kind kind;
	const char *name;                 /* of the backend or group; "" of a reload */
	const char *backend;              /* of a failover: to whom; NULL: next best */
	bool force;                       /* of a reload */
};

/*
 * Handlers return 0 or -errno: -ENOENT 404 · -EINVAL 400 · -EBUSY, -EHOSTDOWN, -EALREADY, -EPERM 409 · others 500.
 * Durations in ms, 0: none given.
 */
struct api_handlers {
	/* Services, groups and backends have their places, and are still missing … */
	int (*snapshot_begin)(void *userdata, struct snapshot *ret_snapshot);
	/* … until this has filled in the next few of them often enough. -ESTALE: what is configured has changed, begin anew. */
	int (*snapshot_go_on)(void *userdata, struct snapshot *snapshot);
	/* At once, with those of this name alone. */
	int (*snapshot_of)(void *userdata, const char *name, struct snapshot *ret_snapshot);
	void (*snapshot_free)(void *userdata, struct snapshot *snapshot);
	uint64_t (*saving)(void *userdata); /* a command is answered once api_saved() came to this number; 0, or NULL: at once */
	int (*drain)(void *userdata, const char *backend, uint64_t timeout_ms, uint64_t for_ms, struct api_reply *reply); /* for_ms: then taken back */
	int (*maint)(void *userdata, const char *backend, uint64_t for_ms, struct api_reply *reply);
	int (*ready)(void *userdata, const char *backend, struct api_reply *reply);
	int (*weight)(void *userdata, const char *backend, uint32_t weight, uint64_t for_ms, struct api_reply *reply);
	int (*failover)(void *userdata, const char *group, const char *backend, uint64_t for_ms, struct api_reply *reply); /* backend NULL: next best */
	int (*group_post)(void *userdata, const json_t *group, struct api_reply *reply); /* an object with a group's keys of the configuration */
	int (*group_delete)(void *userdata, const char *name, struct api_reply *reply);
	int (*failback)(void *userdata, const char *group, struct api_reply *reply);
	int (*reload)(void *userdata, bool force, struct api_reply *reply);   /* document {"changed": [text…]}; errors as one text, a line each */
	/* What a command would move, changing nothing: document {"dry_run": true, "groups": […]}; refused as the command would be. */
	int (*foresee)(void *userdata, const struct api_foresee *what, struct api_reply *reply);
	/* Document {"configuration_file", "state_dir", "backup"}; what it has is written where it says, and put in force. */
	int (*backup)(void *userdata, struct api_reply *reply);
	int (*restore)(void *userdata, bool force, struct api_reply *reply); /* document {"changed": [text…]} */
	int (*detach)(void *userdata, struct api_reply *reply);
	int (*explain)(void *userdata, uint8_t protocol, const struct shunt_addr *source, uint16_t source_port,
		       const struct shunt_addr *destination, uint16_t destination_port, struct api_reply *reply); /* document of CONTRACT */
	int (*deny_add)(void *userdata, const struct api_deny *deny, struct api_reply *reply);
	int (*deny_remove)(void *userdata, const struct api_deny *deny, struct api_reply *reply);
	int (*deny_list)(void *userdata, const struct api_deny_query *query, struct api_reply *reply); /* document: an array */
	/* Up to `max` events with id > since, oldest first, into ret_events; returns how many. */
	size_t (*events)(void *userdata, uint64_t since, struct event *ret_events, size_t max);
	int (*flows)(void *userdata, const char *backend, struct api_reply *reply); /* NULL: of all */
	int (*trace_begin)(void *userdata, const struct api_trace *wanted, struct api_reply *reply); /* document {"watcher": id} */
	int (*trace_fetch)(void *userdata, const char *id, struct api_reply *reply); /* {"packets": […], "lost": N}: what came since */
	int (*trace_end)(void *userdata, const char *id, struct api_reply *reply);
	size_t (*maps)(void *userdata, struct snapshot_map *ret_maps, size_t max);
};

struct api;

struct api_options {
	const char *socket_path;          /* replaced when nobody listens on it any more (-EADDRINUSE otherwise), mode 0660 */
	const char *listen;               /* address:port; NULL: no TCP */
	const char *token_file;           /* NULL: whoever is on this host */
	const char *read_token_file;      /* for reading alone; NULL: none */
	const char *certificate_file, *key_file; /* TLS; NULL: without */
};

/* 0 | -errno: -EPERM where TCP beyond this host lacks a token or a certificate. What is wrong with a file is logged. */
int api_open(sd_event *event, const struct api_options *options, const struct api_handlers *handlers, void *userdata,
	     struct api **ret_api);
void api_close(struct api *api); /* removes the socket */
/*
 * One more thing is saved, or could not be: `path` and -errno, of which all are told that still wait. Commands up to this number are
 * answered.
 */
void api_saved(struct api *api, uint64_t number, const char *path, int r);

/* Rendering, usable without a server: new references, NULL without memory. */
json_t *api_service_json(const struct snapshot_service *service);
json_t *api_group_json(const struct snapshot_group *group);
json_t *api_backend_json(const struct snapshot_backend *backend);
json_t *api_health_json(const struct snapshot *snapshot);   /* GET /health; "status" decides 200 or 503 */
json_t *api_event_json(const struct event *event);

struct api_metric {
	const char *name, *type;      /* of Prometheus */
	const char *labels;           /* names, as "group, backend"; "" for none */
	const char *help;
};

const struct api_metric *api_metric(size_t i); /* the ith of GET /metrics; NULL: there are not as many */

#endif
