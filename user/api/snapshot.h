/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the controller knows at one moment, as plain values: filled by shuntd, rendered to JSON and to Prometheus text here.
 * Strings are borrowed from the controller and hold until control returns to the loop; those of services, groups and backends, in a look
 * that takes several turns of the loop (survey.h), as long as the configuration is the same.
 */
#ifndef SHUNT_SNAPSHOT_H
#define SHUNT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <shunt/abi.h>
#include <shunt/reasons.h>

#include "base/traffic.h"

/* Clients of a service that another group takes. */
struct snapshot_clients {
	const char *group;
	size_t prefixes;
};

struct snapshot_service {
	const char *name, *group;
	const char *forward, *hash, *tracking, *on_empty, *scheduler; /* words of the configuration */
	struct shunt_addr address;
	uint8_t prefix;                   /* length; 0: the one address */
	uint8_t protocol;
	uint16_t port;                    /* host order, 0: every port */
	struct snapshot_clients *clients; /* each group once; NULL: none */
	size_t n_clients;
	const char *group_state;          /* "settled" | "moving" | "resolving": on the way from one group to another */
	struct traffic stats;
};

struct snapshot_member {
	const char *backend;
	const char *role;                 /* "active" | "standby" | "out" */
	const char *why;                  /* why it is not active: "down: connection refused", "draining", "standby tier" …; or NULL */
	double share;                     /* part of the group's slots that new flows go to it by, 0 … 1 */
	double penalty;                   /* of flap damping */
	int64_t suppressed_until;         /* Unix milliseconds when it is reused if it is quiet; 0: it is not suppressed */
	int64_t lag_ms;                   /* as last told; -1: nobody did */
};

struct snapshot_group {
	const char *name, *mode, *state;  /* contract's words */
	const char *primary;              /* NULL: none */
	const char *last_resort;          /* "fallback NAME" or "fail-open" while nobody is fit and it is in use, else NULL */
	const char *forced;               /* member that it is held on, or NULL */
	const char *forced_by;            /* "operator" or "window", or NULL */
	int64_t forced_until;             /* Unix seconds, 0: until failback */
	const char *failback;             /* "manual" | "automatic" */
	int64_t failing_back_at;          /* Unix milliseconds when an automatic failback is due; 0: none runs */
	uint64_t failovers;
	int64_t last_failover;            /* Unix milliseconds, 0: never */
	uint32_t healthy, failed;
	uint64_t mtu_detection_ms;        /* the same from a path that is too narrow, seen by padded probes; 0: never */
	uint64_t detection_ms;            /* worst case from a backend's failure to "down", by its configuration; 0: never */
	struct snapshot_member *members;
	size_t n_members;
	uint32_t slots, moving, resolving; /* slots of the table; of these, in a transition */
	const char *failover;             /* "automatic" | "semi-automatic" | "manual" */
	char proposed[256];               /* backends that it would move to, ", " between them; "": nothing is proposed */
	const char *proposed_why;         /* what holds the move */
	int64_t held_until;               /* Unix milliseconds: no move by itself before; 0: none is held */
	bool rechecking;                  /* the failback waits for one more good check */
	bool panic;                       /* too few are fit: all in service are used */
	uint32_t shifted_percent;         /* of a rolling move; 100: none is on its way */
	int64_t suppressed_until;         /* Unix milliseconds: it flaps, and does not fail back by itself before; 0 */
};

/* How the last checks of a backend that is up went. */
struct snapshot_score {
	uint32_t percent;                 /* 100: all good and none slow */
	uint32_t results, bad, slow;
	double mean_ms, worst_ms;
};

struct snapshot_backend {
	const char *name;
	struct shunt_addr address;
	uint16_t port;                    /* host order; 0: none given */
	uint32_t weight;                  /* as the operator has it */
	uint32_t configured_weight;
	uint32_t effective_weight;        /* what health, slow start and agent leave of it */
	struct snapshot_score score;
	bool slow_start;                  /* its weight is on the way back */
	int64_t ejected_until;            /* Unix milliseconds, by passive detection; 0: not ejected */
	const char *ejected_why;          /* "97 % SYNs, others 18 %" */
	const char *breaker;              /* of its probes: "closed" | "open" | "half-open" */
	const char *health;               /* "up" | "degraded" | "down" | "unknown" */
	const char *admin;                /* "ready" | "drain" | "maint" */
	int64_t window_until;             /* Unix milliseconds, end of the maintenance window it is in; 0: none */
	const char *admin_by;             /* whose word that is: "operator" | "window" | "agent"; NULL of ready */
	int64_t admin_until, weight_until; /* Unix milliseconds when an operator's drain, maint or weight ends by itself; 0 */
	int64_t drain_until;              /* Unix milliseconds when the drain's timeout passes; 0: none */
	uint32_t flows;                   /* live pinned flows */
	bool drained;                     /* admin is drain and no flow is left */
	bool removed;                     /* not in the configuration any more, kept while flows live */
	const char *check_type, *check_last; /* check_last: text of the last result, "" before the first */
	const char *check_reason;         /* word of the last result: "ok", "refused" …; NULL before the first */
	double check_latency_ms;
	int64_t check_lag_ms;             /* as an agent or a program told it; -1: never */
	int64_t check_since;              /* Unix milliseconds: since when health is what it is */
	const char *next_hop;             /* "via eth0 02:00:…", or what is missing: "no route" */
	bool next_hop_ok;
	struct traffic stats;
};

#define SNAPSHOT_LATE_CLASSES 16

/* All checks, since the controller started. */
struct snapshot_checks {
	uint64_t started, skipped;        /* skipped: not made, since the controller was busy when they were due */
	uint32_t in_flight, queued;
	uint64_t late[SNAPSHOT_LATE_CLASSES]; /* how many began later than they should, by class; the last is for all beyond */
	uint32_t late_bounds_ms[SNAPSHOT_LATE_CLASSES];
	size_t n_late;                    /* classes, the last one without bound */
	uint64_t late_total_us;
};

/* A name of dns_backends. */
struct snapshot_name {
	const char *domain, *group;
	size_t addresses;
	const char *problem;              /* why the last lookup failed; NULL: it did not */
	bool given_up;                    /* it failed too often, and other names of the group serve */
	int64_t answered;                 /* Unix milliseconds of the last answer, 0: none since the start */
};

/* Who is told of events. */
struct snapshot_hook {
	const char *name;                 /* "exec" | "webhook" */
	const char *to;                   /* whom, without secrets */
	uint64_t attempts, delivered, failed, dropped;
	size_t waiting;
};

#define SNAPSHOT_HOOKS_MAX 2

struct snapshot_interface {
	const char *name;
	const char *mode;                 /* "native" | "generic" */
	const char *attach;               /* "dispatcher" | "direct" */
	int forwards[2];                  /* the kernel does, IPv4 and IPv6: 1, 0; negative: not known */
};

struct snapshot {
	const char *version, *node;       /* node: host name */
	int64_t started;                  /* Unix milliseconds */
	const char *problem;              /* what makes the controller degraded, or NULL */
	bool datapath_ok;
	struct snapshot_interface *interfaces;
	size_t n_interfaces;
	struct snapshot_service *services;
	size_t n_services;
	struct snapshot_group *groups;
	size_t n_groups;
	struct snapshot_backend *backends;
	size_t n_backends;
	size_t missing;                   /* so many of the last of these three, in this order, are still to be filled in */
	uint64_t generation;              /* of what is configured, for who fills it */
	struct traffic *of_services, *of_backends; /* by id, of when it was begun, for who fills it; NULL: not read ahead */
	struct snapshot_name *names;
	size_t n_names;
	struct snapshot_hook hooks[SNAPSHOT_HOOKS_MAX]; /* those configured */
	size_t n_hooks;
	uint64_t drops[SHUNT_DROP_REASON_COUNT];
	uint64_t flow_entries, flow_capacity;
	struct snapshot_checks checks;
};

/* One line of the audit trail. */
struct event {
	uint64_t id;                      /* grows by one each, also across restarts */
	int64_t time;                     /* Unix milliseconds */
	const char *kind;                 /* "failover" | "failback" | "backend" | "drain" | "reload" | "start" … */
	const char *object;               /* "group web", "backend web1", "shuntd" */
	const char *actor;                /* "checks" | "operator" | "controller" */
	const char *text;                 /* what happened and why, one sentence */
};

struct snapshot_map {
	const char *name, *path;          /* path: where it is pinned */
	const char *type;                 /* "array", "percpu_array" … */
	uint32_t entries, key_bytes, value_bytes;
	uint64_t memory_bytes;
};

#endif
