/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asks backends whether they serve: one probe a backend and check, again and again. Reports each result; what follows
 * from it is for health and failover to say.
 */
#ifndef SHUNT_PROBE_H
#define SHUNT_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "config/config.h"

struct children; /* loop/child.h */
struct prober; /* what all probes share: the loop, curl's multi handle */
struct probe;  /* one backend's check, repeating */

/*
 * Why a probe ended as it did, told apart as HAProxy does (management guide, "check_status": L4CON, L4TOUT, L6RSP …), with
 * a word for programs: probe_reason_word.
 */
enum probe_reason {
	PROBE_OK,
	PROBE_REFUSED,         /* the connection, or by an ICMP port unreachable */
	PROBE_UNREACHABLE,     /* no route, host or network unreachable, no neighbour */
	PROBE_CONNECT_TIMEOUT,
	PROBE_CONNECT_FAILED,  /* otherwise */
	PROBE_TLS_TIMEOUT,
	PROBE_TLS_FAILED,
	PROBE_RESPONSE_TIMEOUT,
	PROBE_RESPONSE_FAILED, /* closed, reset or cut short, not the protocol */
	PROBE_WRONG_STATUS,
	PROBE_WRONG_BODY,
	PROBE_PROGRAM_TIMEOUT,
	PROBE_PROGRAM_FAILED,  /* exit status, signal, or not to be started */
	PROBE_TOLD_DOWN,       /* an agent's word */
	PROBE_PATH,            /* the backend itself answers, the path that traffic takes to it does not */
	PROBE_REASON_COUNT,
};

/* What an agent says of its backend's administrative state (HAProxy configuration manual 5.2, "agent-check"). */
enum probe_admin {
	PROBE_ADMIN_NONE,
	PROBE_ADMIN_UP,
	PROBE_ADMIN_DOWN,
	PROBE_ADMIN_DRAIN,
	PROBE_ADMIN_MAINT,
	PROBE_ADMIN_READY,
};

#define PROBE_WEIGHT_NONE (-1)
#define PROBE_LAG_NONE UINT32_MAX

struct probe_result {
	bool good;                /* reason is PROBE_OK */
	enum probe_reason reason;
	uint32_t latency_us;
	const char *text;         /* "connected", "status 200", "connection refused", "timeout in connect after 1s" … */
	int weight_percent;       /* of the configured weight, as an agent says; PROBE_WEIGHT_NONE: it says nothing of it */
	enum probe_admin admin;
	uint32_t lag_ms;          /* how far its data are behind ("lag=MS" of an agent or a program); PROBE_LAG_NONE: not told */
};

const char *probe_reason_word(enum probe_reason reason); /* "ok" | "refused" | "connect-timeout" … */

/* Called from the loop, once for each finished probe. It may free the probe. */
typedef void (*probe_callback)(void *userdata, const struct probe_result *result);

/* Upper bounds of the classes of `late`, milliseconds; one more class is for all beyond. */
#define PROBER_LATE_CLASSES {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}
#define PROBER_N_LATE 10

struct prober_stats {
	uint64_t started, skipped;           /* skipped: not made, the loop was held up for more than half an interval */
	uint32_t in_flight, queued;
	uint64_t late[PROBER_N_LATE + 1];    /* how many began that much after their time */
	uint64_t late_total_us;
};

int prober_open(sd_event *event, struct prober **ret_prober);
struct children *prober_children(struct prober *prober); /* what runs programs, of its checks and of others */
void prober_close(struct prober *prober); /* after all its probes; NULL is fine */
void prober_set_max_in_flight(struct prober *prober, uint32_t max); /* checks at a time, ≥ 1; the parts of one count */
struct prober_stats prober_stats(const struct prober *prober);

/* One way that traffic takes to the backend (`via: service`). Marks are what bpf/probe.bpf.c knows it by. */
struct probe_path {
	struct shunt_addr service;   /* the address that clients use */
	struct shunt_addr peer;      /* what the socket is connected to in its place */
	uint32_t mark, padded_mark, tunnel_mark; /* SO_MARK of each kind of probe; 0: there is none of that kind */
	uint16_t packet_bytes;       /* of the padded probe as it leaves; 0: not known, there is none */
	bool tunnelled;
	char mode[8];                /* "l2" | "ipip" … */
};

struct probe_target {
	const char *name;            /* of the backend; copied */
	struct shunt_addr address;
	uint16_t port;               /* host order */
	const struct probe_path *paths; /* of a check with via_service; copied */
	size_t n_paths;              /* 0: it asks the backend itself */
};

/*
 * Starts probing as `check` says; it is copied. CHECK_NONE is always good and reports once. The first probe starts after a
 * random part of min(interval / 2, 200 ms), later ones `interval` after the start of the one before, never two at once.
 */
int probe_start(struct prober *prober, const struct probe_target *target, const struct config_check *check,
		probe_callback callback, void *userdata, struct probe **ret_probe);
/* From its callback: the next attempt comes then, and the ones after it at the usual pace again. */
void probe_next_in(struct probe *probe, uint32_t delay_ms);
/*
 * While the state that follows from the results is not certain, probes come every fast_interval (HAProxy configuration
 * manual 5.2, "fastinter"). To be called from the callback.
 */
void probe_hurry(struct probe *probe, bool hurry);
/* What has changed of its paths, which are as many as before. */
void probe_update_paths(struct probe *probe, const struct probe_path *paths);
void probe_free(struct probe *probe); /* stops it; NULL is fine */

/* What follows from an agent's line of text (agent.c); good or not is left to `reason`. Pure. */
struct probe_agent_words {
	enum probe_admin admin;      /* ready, drain, maint; PROBE_ADMIN_NONE: it says nothing of it */
	enum probe_admin operation;  /* up, down; PROBE_ADMIN_NONE */
	int weight_percent;          /* PROBE_WEIGHT_NONE */
	uint32_t lag_ms;             /* PROBE_LAG_NONE */
	bool understood;             /* every word was */
	char reason[96];             /* what stands behind '#', "" for nothing */
};
struct probe_agent_words probe_agent_parse(const char *line);

#endif
