/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which clients may be on a deny list at all: a bit for each IPv4 /24, and for hashes of IPv6 /32s and /48s, so that nearly
 * every packet of somebody who is not denied costs one or two bits to read, however many prefixes there are. A trie of
 * 100,000 would cost it some seventeen cache misses. The trie decides about those whose bit is set.
 */
#ifndef SHUNT_DENY_FILTER_H
#define SHUNT_DENY_FILTER_H

#include "hash.h"

#define SHUNT_FILTER_IPV4_BITS 24    /* of the address, and so 2 MiB */
#define SHUNT_FILTER_IPV6_SHIFT 22   /* log2 of the bits of each IPv6 area: 512 KiB */
#define SHUNT_FILTER_32_AT (1U << SHUNT_FILTER_IPV4_BITS) /* first bit of the area of /32s, for prefixes shorter than 48 */
#define SHUNT_FILTER_48_AT (SHUNT_FILTER_32_AT + (1U << SHUNT_FILTER_IPV6_SHIFT))
#define SHUNT_DENY_FILTER_WORDS ((SHUNT_FILTER_48_AT + (1U << SHUNT_FILTER_IPV6_SHIFT)) / 64)

static inline __attribute__((always_inline)) __u32 shunt_byte_word(const __u8 *byte)
{
	return (__u32)byte[0] << 24 | (__u32)byte[1] << 16 | (__u32)byte[2] << 8 | byte[3];
}

static inline __attribute__((always_inline)) __u32 shunt_filter_hash(__u64 bits)
{
	return bits * 0x9e3779b97f4a7c15ULL >> (64 - SHUNT_FILTER_IPV6_SHIFT); /* Fibonacci hashing (Knuth, TAOCP 6.4) */
}

static inline __attribute__((always_inline)) __u32 shunt_filter_ipv4(const struct shunt_addr *address)
{
	return shunt_byte_word(address->byte + 12) >> (32 - SHUNT_FILTER_IPV4_BITS);
}

/* `first`: the first 32 bits of the address as a number. */
static inline __attribute__((always_inline)) __u32 shunt_filter_32(__u32 first)
{
	return SHUNT_FILTER_32_AT + shunt_filter_hash(first);
}

static inline __attribute__((always_inline)) __u32 shunt_filter_48(const struct shunt_addr *address)
{
	__u64 first = shunt_byte_word(address->byte), next = shunt_byte_word(address->byte + 4) >> 16;

	return SHUNT_FILTER_48_AT + shunt_filter_hash(first << 16 | next);
}

#endif
