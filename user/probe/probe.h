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

struct probe_result {
	bool good;
	uint32_t latency_us;
	const char *text;      /* "connected", "status 200", "connection refused", "timeout in connect", … */
};

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
void probe_free(struct probe *probe); /* stops it; NULL is fine */

#endif
