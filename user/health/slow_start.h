/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A backend that returns takes its weight back in steps, as HAProxy's "slowstart" does (configuration manual 5.2), so that
 * cold caches and fresh processes are not flooded. Steps, because each one rebuilds the tables of its groups. Pure.
 */
#ifndef SHUNT_SLOW_START_H
#define SHUNT_SLOW_START_H

#include <stdint.h>

#define SLOW_START_STEPS 10

/* Percent of the weight `elapsed` after the return: 10 at once, 10 more with each tenth of the time, 100 from nine tenths on. */
static inline uint32_t slow_start_percent(uint64_t elapsed_ms, uint32_t duration_ms)
{
	uint64_t steps = duration_ms ? elapsed_ms * SLOW_START_STEPS / duration_ms + 1 : SLOW_START_STEPS;

	return (uint32_t)(steps < SLOW_START_STEPS ? steps : SLOW_START_STEPS) * (100 / SLOW_START_STEPS);
}

/* When the percentage rises next, since the return; UINT64_MAX: never. */
static inline uint64_t slow_start_next_ms(uint64_t elapsed_ms, uint32_t duration_ms)
{
	uint64_t steps = duration_ms ? elapsed_ms * SLOW_START_STEPS / duration_ms + 1 : SLOW_START_STEPS;

	return steps < SLOW_START_STEPS ? (steps * duration_ms + SLOW_START_STEPS - 1) / SLOW_START_STEPS : UINT64_MAX;
}

#endif
