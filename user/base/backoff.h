/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Exponential backoff with jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog 2015). Pure: chance is handed in. */
#ifndef SHUNT_BACKOFF_H
#define SHUNT_BACKOFF_H

#include <stdint.h>

/* base × 2^doublings, at most `max`. */
static inline uint64_t backoff_ceiling(uint32_t base, uint32_t doublings, uint64_t max)
{
	uint64_t ceiling = (uint64_t)base << (doublings < 31 ? doublings : 31);

	return ceiling < max ? ceiling : max;
}

/* Uniform from `least` to `most`; random: uniform over 32 bits. Both below 2^32. */
static inline uint32_t backoff_between(uint64_t least, uint64_t most, uint32_t random)
{
	return least + (uint32_t)((most - least + 1) * random >> 32);
}

#endif
