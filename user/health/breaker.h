/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The circuit breaker of a backend's probes (Nygard, "Release It!", 2007): closed while it serves; open once it is down, when
 * probes come ever more rarely; half-open from the first good one on, when a few in a row are asked for at the usual pace.
 * Pure: chance is handed in.
 */
#ifndef SHUNT_BREAKER_H
#define SHUNT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_policy {
	uint32_t interval_ms;     /* between probes while closed and half-open */
	uint32_t max_interval_ms; /* the most while open; not above interval_ms: the pace never changes */
};

struct breaker {
	enum breaker_state state;
	uint32_t failures;        /* probes that failed while down, since it was closed */
};

/*
 * After a result: `down` is what health says by now. Returns the milliseconds from now to the next probe, 0: as usual.
 * Open: uniform from interval to min(max_interval, interval × 2^failures), "full jitter" (Brooker, "Exponential Backoff
 * And Jitter", AWS Architecture Blog 2015) over what lies beyond the usual pace. random: uniform over 32 bits.
 */
uint32_t breaker_next(struct breaker *breaker, const struct breaker_policy *policy, bool down, bool good, uint32_t random);

const char *breaker_state_text(enum breaker_state state); /* "closed" | "open" | "half-open" */

#endif
