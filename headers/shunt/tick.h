/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time of packets: CLOCK_MONOTONIC_COARSE, from the number of ticks (jiffies). To read that is one load in the middle of the
 * program, where each of the kernel's clocks is a call. Where returns are guarded against speculation (AMD's "Safe RET" of Zen 1
 * to 4) a call takes 7 ns and that clock two of them, a sixth of a packet's whole way. The kernel counts ticks by
 * CLOCK_MONOTONIC (tick_do_update_jiffies64()), so that the two stay as far apart as they are.
 */
#ifndef SHUNT_TICK_H
#define SHUNT_TICK_H

#include <linux/types.h>

struct shunt_tick {
	__u64 length_ns;
	__u64 start_ns;              /* the time of tick 0, modulo 2^64: the kernel does not begin with that one */
};

static inline __attribute__((always_inline)) __u64 shunt_tick_time(__u64 ticks, __u64 length_ns, __u64 start_ns)
{
	return ticks * length_ns + start_ns;
}

#endif
