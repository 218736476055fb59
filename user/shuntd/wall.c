/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Operators give durations, which are kept as times of the wall clock, so that they hold over a restart. When that clock is
 * set, they move with it: a drain for half an hour takes half an hour. Maintenance windows are the wall clock's own.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "shuntd/controller.h"

#define STEP_MS 1000 /* less is a clock that is slewed */

static void shift(int64_t *until, int64_t by_ms)
{
	if (*until)
		*until += by_ms;
}

/* Not the clock itself: it can be set between the look that notices and the one that compares. */
int64_t wall_now(const struct controller *c)
{
	return (int64_t)clock_monotonic_ms() + c->wall_ahead;
}

void wall_follow(struct controller *c)
{
	int64_t ahead = clock_wall_ms() - (int64_t)clock_monotonic_ms(), by_ms = ahead - c->wall_ahead;

	if (c->wall_ahead && llabs(by_ms) >= STEP_MS) {
		log_warn("the wall clock was set %s by %lld s: what runs for a time runs on", by_ms > 0 ? "forward" : "back",
			 (long long)(llabs(by_ms) / 1000));
		for (size_t i = 0; i < c->n_backends; i++) {
			shift(&c->backends[i]->drain_until, by_ms);
			shift(&c->backends[i]->admin_until, by_ms);
			shift(&c->backends[i]->weight_until, by_ms);
		}
		persist_soon(c);
	}
	c->wall_ahead = ahead;
}
