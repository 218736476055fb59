/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maintenance windows: when one begins to drain, opens and closes. A function of the configuration and the wall clock alone, so
 * that a restart, or a clock that jumps, needs nothing remembered. Pure: no I/O, no clock, no log, no globals but the time zone.
 */
#ifndef SHUNT_WINDOW_H
#define SHUNT_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cron.h"

struct window {
	bool recurs;                   /* by cron; else once, at start_ms */
	struct cron cron;
	int64_t start_ms;              /* Unix milliseconds */
	uint64_t duration_ms;          /* > 0 */
	uint64_t drain_ms;             /* so much before it opens nothing new comes any more; 0: no drain */
};

enum window_phase { WINDOW_CLOSED, WINDOW_DRAINING, WINDOW_OPEN };

struct window_step {
	enum window_phase phase;
	int64_t opens_ms, closes_ms;   /* of the occurrence it is in, else of the next one; INT64_MAX: there is none any more */
	int64_t until_ms;              /* when the phase changes; INT64_MAX: never */
};

/* Occurrences that overlap are one after the other: the earlier one counts until it closes. */
struct window_step window_at(const struct window *window, int64_t wall_ms);

#endif
