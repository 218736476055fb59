/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Token buckets as one number: the time at which the next packet would be due at the steady rate (the virtual scheduling
 * algorithm of ITU-T I.371 and RFC 2698's equal). A packet may come `burst` ahead of it. A bucket whose time is past is
 * full, the same as none at all: so a line of clients forgets those first, and a flood of clients that come once does not
 * push out the busy ones. One definition: run in the kernel, tested natively.
 */
#ifndef SHUNT_BUCKET_H
#define SHUNT_BUCKET_H

#include "abi.h"
#include "least.h"

#define SHUNT_DUE_BITS 40            /* microseconds: wraps after 12.7 days */
#define SHUNT_DUE_MASK ((1ULL << SHUNT_DUE_BITS) - 1)

typedef __u64 __attribute__((may_alias)) shunt_client_cell;

/*
 * How far ahead of `now` the bucket is when this packet has come, or ~0: too far, it goes. What is further ahead than this
 * limit can have put it is past (the difference wraps), or was put there by another limit: it counts as full.
 */
static inline __attribute__((always_inline)) __u64 shunt_bucket_next(__u64 ahead, __u64 interval, __u64 burst)
{
	if (ahead > burst + interval)
		ahead = 0;
	return ahead > burst ? ~0ULL : ahead + interval;
}

/* Index of the client's bucket in its line; of the one that it takes instead, the least ahead, with *ret_ahead 0. */
static inline __attribute__((always_inline)) __u32 shunt_client_find(const struct shunt_client_line *line, __u32 client,
								      __u64 now_us, __u64 *ret_word, __u64 *ret_ahead)
{
	__u64 best = ~0ULL >> 1;

	/* How far ahead, above the place, so that the smallest word says both. Without branches: see shunt_least(). */
	for (__u32 i = 0; i < SHUNT_CLIENTS_PER_LINE; i++) {
		__u64 word = *(const volatile shunt_client_cell *)&line->client[i];
		__u64 ahead = (word - now_us) & SHUNT_DUE_MASK, is_past = ahead >> (SHUNT_DUE_BITS - 1);
		__u64 is_client = ((word >> SHUNT_DUE_BITS ^ client) - 1) >> 63;
		__u64 rank = (((ahead & (is_past - 1)) << 3 | 1ULL << 60) & (is_client - 1)) | i;

		best = shunt_least(best, rank);
	}
	best &= SHUNT_CLIENTS_PER_LINE - 1;
	*ret_word = *(const volatile shunt_client_cell *)&line->client[best];
	*ret_ahead = *ret_word >> SHUNT_DUE_BITS == client ? (*ret_word - now_us) & SHUNT_DUE_MASK : 0;
	return best;
}

static inline __attribute__((always_inline)) __u64 shunt_client_word(__u32 client, __u64 due_us)
{
	return (__u64)client << SHUNT_DUE_BITS | (due_us & SHUNT_DUE_MASK);
}

#endif
