/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the runner tells outer.bpf.c about a run: the frame to restore, and which of its fields vary from packet to packet. */
#ifndef SHUNT_BENCH_OUTER_H
#define SHUNT_BENCH_OUTER_H

#include <linux/types.h>

struct bench_run {
	__u64 random;                /* state: its upper 24 bits are the flow, lower ones vary the destination */
	__u64 multiplier, increment; /* how the state goes on: at random, or one flow after the other */
	__u64 ethernet[2];           /* the first 12 bytes of the frame */
	__u64 source6[2], destination6[2]; /* of an IPv6 frame, as they stand in memory */
	__u32 ipv6;
	__u32 ttl_word;              /* the four bytes of the IP header that hold TTL or hop limit, as they stand in memory; its checksum 0 */
	__u32 ports;                 /* likewise */
	__u32 source;                /* IPv4, host byte order: of flow 0 */
	__u32 destination;           /* IPv4, host byte order: the lowest there is */
	__u32 destination_mask;      /* number of destinations - 1 */
	__u32 flow_mask;             /* number of flows - 1 */
	__u32 frame_len;             /* bytes */
	__u32 outer_len;             /* that the measured program puts in front, bytes */
	__u32 rest_sum;              /* of an IPv4 header: sum of all that does not vary, two bytes each, as they stand in memory */
};

#define BENCH_FLOW_SHIFT 40
#define BENCH_DESTINATION_SHIFT 20

#endif
