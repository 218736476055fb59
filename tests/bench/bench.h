/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What bench.c tells bench.bpf.c about a run. */
#ifndef SHUNT_BENCH_H
#define SHUNT_BENCH_H

#include <linux/types.h>

struct bench_run {
	__u64 random;
	__u64 ethernet[2]; /* the first 12 bytes of the frame */
	__u32 flow_mask; /* number of flows - 1 */
	__u32 frame_len;
	__u32 outer_len; /* what the measured program puts in front */
	__u32 ipv6;
	__u32 source; /* IPv4, host byte order: the address of flow 0, its lower 24 bits zero */
	__u32 pad;
};

#endif
