/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is a backend up, how well, and how much of its weight is it good for? Takes the result of one probe and the time (of a
 * clock that never jumps), returns what changed. Pure: no I/O, no clock, no log, no chance of its own.
 * Rise and fall count consecutive results as HAProxy's do (HAProxy configuration manual 5.2, "rise", "fall"); a backend that
 * is up is degraded while its score (score.h) is low.
 */
#ifndef SHUNT_HEALTH_H
#define SHUNT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "health/breaker.h"
#include "health/score.h"

enum health_state { HEALTH_UNKNOWN, HEALTH_UP, HEALTH_DOWN, HEALTH_DEGRADED };

struct health_policy {
	uint32_t healthy_threshold;    /* good results in a row that make a down backend up, ≥ 1 */
	uint32_t unhealthy_threshold;  /* bad results in a row that make an up backend down, ≥ 1 */
	struct score_policy score;
	struct breaker_policy breaker;
	uint32_t slow_start_ms;        /* 0: a returning backend has its whole weight at once */
};

struct health {
	enum health_state state;
	uint32_t streak;               /* results in a row that speak against the state (degraded speaks as up) */
	uint64_t since_ms;             /* when the state was entered */
	bool returning;                /* was away: its next way up is a slow start. Not so at the very first start */
	bool ramping;
	uint64_t ramp_since_ms;        /* of the slow start, while ramping */
	struct score score;
	struct breaker breaker;
};

struct health_result {
	bool good;
	uint32_t latency_us;
	uint32_t random;               /* uniform over 32 bits, for the breaker's jitter */
};

struct health_step {
	bool changed;                  /* the state differs from what it was */
	struct score_warning warning;
	uint32_t next_probe_ms;        /* from now; 0: at the usual pace */
};

/* The first result of an unknown backend decides at once: no traffic before a first good check, and no waiting after it. */
struct health_step health_next(struct health *health, const struct health_policy *policy, struct health_result result,
			       uint64_t now_ms);

/* It is not asked any more, or again: nothing is known of it. */
void health_forget(struct health *health, bool returning, uint64_t now_ms);

/* It has its weight back only slowly, though checks never called it down. */
void health_return(struct health *health, const struct health_policy *policy, uint64_t now_ms);

/* What is left of the weight, 1 … 100 percent, and when that changes by time alone (0: does not). */
uint32_t health_weight_percent(const struct health *health, const struct health_policy *policy, uint64_t now_ms);
uint64_t health_wake_ms(const struct health *health, const struct health_policy *policy, uint64_t now_ms);

/* Up or degraded: it takes traffic. */
static inline bool health_serves(enum health_state state)
{
	return state == HEALTH_UP || state == HEALTH_DEGRADED;
}

const char *health_state_text(enum health_state state); /* "unknown" | "up" | "down" | "degraded" */

#endif
