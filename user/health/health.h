/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a backend up? Takes the result of one probe and the time, returns the state. Pure: no I/O, no clock, no log.
 * Rise and fall count consecutive results as HAProxy's do (HAProxy configuration manual 5.2, "rise", "fall").
 */
#ifndef SHUNT_HEALTH_H
#define SHUNT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN, HEALTH_DEGRADED };

struct health_policy {
	uint32_t healthy_threshold;    /* good results in a row that make a down backend up, ≥ 1 */
	uint32_t unhealthy_threshold;  /* bad results in a row that make an up backend down, ≥ 1 */
};

struct health {
	enum health_state state;
	uint32_t streak;               /* results in a row that speak against the state */
	uint64_t since_ms;             /* when the state was entered */
};

struct health_step {
	struct health next;
	bool changed;                  /* next.state differs from what it was */
};

/* The first result of an unknown backend decides at once: no traffic before a first good check, and no waiting after it. */
struct health_step health_next(struct health health, bool good, const struct health_policy *policy, uint64_t now_ms);

/* Up or degraded: it takes traffic. */
static inline bool health_serves(enum health_state state)
{
	return state == HEALTH_UP || state == HEALTH_DEGRADED;
}

const char *health_state_text(enum health_state state); /* "unknown" | "up" | "down" | "degraded" */

#endif
