/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where in a window a moment is. Knows nothing of backends, groups or what is done to them. */
#include "maintenance/window.h"

#define MS_PER_S 1000

/* When the first occurrence opens that closes after `wall_ms`; INT64_MAX: none. */
static int64_t opens(const struct window *window, int64_t wall_ms)
{
	int64_t from_ms = wall_ms - (int64_t)window->duration_ms, next_s;

	if (!window->recurs)
		return window->start_ms > from_ms ? window->start_ms : INT64_MAX;
	next_s = cron_next(&window->cron, from_ms / MS_PER_S);
	return next_s == INT64_MAX ? INT64_MAX : next_s * MS_PER_S;
}

struct window_step window_at(const struct window *window, int64_t wall_ms)
{
	struct window_step step = {.opens_ms = opens(window, wall_ms)};
	int64_t drains_ms = step.opens_ms - (int64_t)window->drain_ms;

	if (step.opens_ms == INT64_MAX) {
		step.closes_ms = step.until_ms = INT64_MAX;
		return step;
	}
	step.closes_ms = step.opens_ms + (int64_t)window->duration_ms;
	if (wall_ms >= step.opens_ms) {
		step.phase = WINDOW_OPEN;
		step.until_ms = step.closes_ms;
	} else if (wall_ms >= drains_ms) {
		step.phase = WINDOW_DRAINING;
		step.until_ms = step.opens_ms;
	} else {
		step.until_ms = drains_ms;
	}
	return step;
}
