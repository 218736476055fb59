/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What stands in front of the tries `allow` and `client_groups`, and finds a client's longest prefix with few looks: binary
 * search over the lengths that prefixes of a list have (Waldvogel, Varghese, Turner and Plattner, "Scalable high speed IP
 * routing lookups", SIGCOMM 1997). All lists share one array of entries, in which hash and displace (hash.h) finds each
 * with one look. An entry is a prefix, or a marker on the way to longer ones that says which prefix holds until one of those is
 * found: so nothing is ever looked up again. A list of one length costs one look, of up to three two, of any eight at most.
 */
#ifndef SHUNT_PREFIX_INDEX_H
#define SHUNT_PREFIX_INDEX_H

#include "hash.h"

#define SHUNT_INDEX_DEPTH 8          /* looks at most: 2^8 - 1 lengths, an IPv6 list has 129 */
#define SHUNT_INDEX_STEPS 16384      /* of all lists together */

enum shunt_index_list { SHUNT_INDEX_ALLOW = 0, SHUNT_INDEX_CLIENTS = 1, SHUNT_INDEX_LISTS = 2 };

#define SHUNT_INDEX_SIBLING_BITS 6

/*
 * What an entry must equal beside its address; never 0, so that a free entry equals nothing. With the length, of all 128 bits,
 * goes how far from the end of the address its last bit is, for an IPv4 or long IPv6 prefix.
 */
static inline __attribute__((always_inline)) __u64 shunt_index_rest(__u32 list, __u32 service, __u32 is_ipv6, __u32 length)
{
	return 1ULL << 63 | (__u64)list << 56 | (__u64)is_ipv6 << 55 | (__u64)(-length & 63) << 40 | (__u64)length << 32 | service;
}

static inline __attribute__((always_inline)) __u32 shunt_index_length(__u64 rest)
{
	return rest >> 32 & 0xff;
}

/*
 * Where an entry is looked for. Sixty-four prefixes side by side (of those longer than 64 bits) share hash and seed, and stand
 * side by side: so clients of one neighbourhood share seeds, cache lines and pages. Which of the sixty-four is turned about by the
 * hash, since many lists have multiples of something.
 */
struct shunt_index_place {
	__u64 hash;
	__u32 sibling;
};

/* `high`, `low`: of the masked address, as numbers; low_mask: of the second half. */
static inline __attribute__((always_inline)) struct shunt_index_place
shunt_index_place(const volatile __u64 key[4], __u64 high, __u64 low, __u64 low_mask, __u64 rest)
{
	__u64 block = low & low_mask << SHUNT_INDEX_SIBLING_BITS;
	/* What differs in high bits only would differ in high bits of the products only, and so meet: it goes to low bits as well. */
	__u64 hash = shunt_placed_hash(key, high ^ high >> 32, block ^ block >> 32, rest);

	return (struct shunt_index_place){
		.hash = hash,
		.sibling = ((low ^ block) >> (rest >> 40 & 63)) ^ hash >> (64 - SHUNT_INDEX_SIBLING_BITS),
	};
}

/*
 * Its index among so many entries (a power of two) when its bucket has this seed. By the higher bits of the sum, which depend
 * on all others: or in a small array two keys would often meet under every seed.
 */
static inline __attribute__((always_inline)) __u32 shunt_index_line(struct shunt_index_place place, __u32 seed, __u32 entries)
{
	__u32 spread = (__u32)(place.hash >> 32) + seed * ((__u32)(place.hash >> 12) | 1);

	return (spread >> 8 & (entries - (1 << SHUNT_INDEX_SIBLING_BITS))) | place.sibling;
}

static inline __attribute__((always_inline)) __u32 shunt_index_root(__u32 list, __u32 service)
{
	return list * SHUNT_MAX_SERVICES + service;
}

#endif
