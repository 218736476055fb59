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

int prober_open(sd_event *event, struct prober **ret_prober);
void prober_close(struct prober *prober); /* after all its probes; NULL is fine */

/*
 * Starts probing address:port (host order) as `check` says; `check` is copied. CHECK_NONE is always good and reports
 * once. The first probe starts after a random part of min(interval / 2, 200 ms), later ones `interval` after the start of
 * the one before, never two at once.
 */
int probe_start(struct prober *prober, const struct shunt_addr *address, uint16_t port, const struct config_check *check,
		probe_callback callback, void *userdata, struct probe **ret_probe);
/* From its callback: the next attempt comes then, and the ones after it at the usual pace again. */
void probe_next_in(struct probe *probe, uint32_t delay_ms);
void probe_free(struct probe *probe); /* stops it; NULL is fine */

#endif
