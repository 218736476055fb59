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

#define SHUNT_DUE_SHIFT 8 /* a client's bucket counts in 256 ns: a shift of the clock's time, no division */
#define SHUNT_DUE_BITS 40 /* wraps after 3.2 days */
#define SHUNT_DUE_MASK ((1ULL << SHUNT_DUE_BITS) - 1)
#define SHUNT_FORGETTABLE 2 /* packets: who has sent no more of late may lose its bucket to a new client */

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

/*
 * Whether the packet may come by a time that is perhaps behind (coarse_ns(), up to two ticks). By that time a bucket looks
 * further ahead than it is, never less: what this lets pass the right time would, too; what it does not, the right time decides.
 */
static inline __attribute__((always_inline)) int shunt_bucket_has_room(__u64 ahead, __u64 burst)
{
	return ahead <= burst || ahead >> 63;
}

/* How far ahead the bucket in this word is; negative: past. */
static inline __attribute__((always_inline)) __u64 shunt_client_ahead(__u64 word, __u64 now)
{
	return (__s64)((word - now) << (64 - SHUNT_DUE_BITS)) >> (64 - SHUNT_DUE_BITS);
}

static inline __attribute__((always_inline)) __u64 shunt_client_word(__u32 client, __u64 due)
{
	return (__u64)client << SHUNT_DUE_BITS | (due & SHUNT_DUE_MASK);
}

static inline __attribute__((always_inline)) volatile shunt_client_cell *shunt_client_at(const struct shunt_client_line *line, __u32 at)
{
	return (volatile shunt_client_cell *)&line->client[at & (SHUNT_CLIENTS_PER_LINE - 1)];
}

/*
 * Index of the bucket that is the least ahead. Without branches: which it is nobody can foresee, and see shunt_least(). In
 * pairs, so that comparisons do not all wait for each other.
 */
static inline __attribute__((always_inline)) __u32 shunt_client_least(const struct shunt_client_line *line, __u64 now,
								      __u64 most)
{
	__u64 rank[SHUNT_CLIENTS_PER_LINE], earliest = now + most + 1;

	/* In the high bits how far ahead, such that what is past comes before all that is not; in the low ones where. */
	for (__u32 i = 0; i < SHUNT_CLIENTS_PER_LINE; i++)
		rank[i] = (*shunt_client_at(line, i) - earliest) << (64 - SHUNT_DUE_BITS) >> 1 | i;
	for (__u32 n = SHUNT_CLIENTS_PER_LINE / 2; n > 0; n /= 2)
		for (__u32 i = 0; i < n; i++)
			rank[i] = shunt_least(rank[i], rank[i + n]);
	return rank[0] & (SHUNT_CLIENTS_PER_LINE - 1);
}

/* Whether the bucket in this word is further ahead than that, though not further than any limit (`most`) can have put it. */
static inline __attribute__((always_inline)) int shunt_client_is_ahead(__u64 word, __u64 now, __u64 by, __u64 most)
{
	return ((word - now - by - 1) & SHUNT_DUE_MASK) < most;
}

/*
 * Where a client's bucket is, another place for each client: what is there and not worth remembering is the client's own, or it
 * takes it. Only where another's is that would be missed the client has its bucket elsewhere in the line.
 */
static inline __attribute__((always_inline)) __u32 shunt_client_home(__u32 client)
{
	return client / 2 & (SHUNT_CLIENTS_PER_LINE - 1);
}

/*
 * The word of the bucket at its home when the client has come: what is its own counts as far as it is ahead. Without a branch,
 * since nobody can foresee either when there are about as many clients as places.
 */
static inline __attribute__((always_inline)) __u64 shunt_client_next(__u64 word, __u32 client, __u64 now, __u64 interval)
{
	__u64 ahead = shunt_client_ahead(word, now), is_own = shunt_mask_if_less(word >> SHUNT_DUE_BITS ^ client, 1);

	return shunt_client_word(client, now + interval + (ahead & is_own & shunt_mask_if_less(0, ahead)));
}

/*
 * Index of the bucket that a client has (`ret_own`) or takes where the one at its home is further ahead: it takes the least ahead.
 * Past is what is further ahead than any limit (`most`) can have put it: what nobody has touched since the time wrapped, or ever.
 */
static inline __attribute__((always_inline)) __u32 shunt_client_place(const struct shunt_client_line *line, __u32 client, __u64 now,
								      __u64 interval, __u64 most, int *ret_own)
{
	__u32 home = shunt_client_home(client), at;

	*ret_own = 1;
	for (__u32 i = 0; i < SHUNT_CLIENTS_PER_LINE; i++) {
		at = (home + i) & (SHUNT_CLIENTS_PER_LINE - 1);
		if (*shunt_client_at(line, at) >> SHUNT_DUE_BITS == client)
			return at;
	}
	*ret_own = 0;
	if (shunt_client_is_ahead(*shunt_client_at(line, home), now, SHUNT_FORGETTABLE * interval, most))
		return shunt_client_least(line, now, most);
	return home;
}

#endif
