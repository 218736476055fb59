/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every hash that packet path and controller must agree on. Pure functions of their arguments.
 *
 * Keyed multilinear hashing over 64-bit words (Lemire and Kaser, "Strongly universal string hashing is fast", 2014): its
 * multiplications do not wait for each other. The finalizer is MurmurHash3's fmix64 (Appleby, public domain).
 * Words are read in host byte order: hosts of one cluster must share their endianness to share their tables.
 */
#ifndef SHUNT_HASH_H
#define SHUNT_HASH_H

#include "abi.h"

static inline __attribute__((always_inline)) __u64 shunt_mix64(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	x ^= x >> 33;
	return x;
}

/* The keys of shunt_multilinear() from the operator's hash_seed: splitmix64 (Steele, Lea and Flood, OOPSLA 2014), made odd. */
static inline void shunt_hash_keys(__u64 hash_seed, __u64 ret_key[4])
{
	for (int i = 0; i < 4; i++)
		ret_key[i] = shunt_mix64(hash_seed + (__u64)(i + 1) * 0x9e3779b97f4a7c15ULL) | 1;
}

static inline __attribute__((always_inline)) __u64 shunt_multilinear(const volatile __u64 key[4], __u64 a, __u64 b, __u64 c)
{
	return key[0] + a * key[1] + b * key[2] + c * key[3];
}

/* As an array of these: of an array of bytes the compiler loads every byte for itself, since it need not be aligned. */
typedef __u64 __attribute__((may_alias)) shunt_addr_halves;

static inline __attribute__((always_inline)) __u64 shunt_addr_half(const struct shunt_addr *address, int half)
{
	return ((const shunt_addr_halves *)address)[half];
}

/* 32 bits of it as they stand in memory; 3: all of an IPv4 address. Part of a half: else the halves would be kept in pieces. */
static inline __attribute__((always_inline)) __u32 shunt_addr_word(const struct shunt_addr *address, int word)
{
	int is_first = word % 2 == 0, is_low = (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) == is_first;

	return shunt_addr_half(address, word / 2) >> (is_low ? 0 : 32);
}

/* The second half of an IPv4 address (network byte order) mapped into IPv6; the first is zero. */
static inline __attribute__((always_inline)) __u64 shunt_mapped_half(__be32 ipv4)
{
	const union {
		__u32 word[2];
		__u64 half;
	} low = {.word = {__builtin_bswap32(0x0000ffff), ipv4}};

	return low.half;
}

static inline __attribute__((always_inline)) int shunt_addr_is_ipv4(const struct shunt_addr *address)
{
	return shunt_addr_half(address, 0) == 0 && shunt_addr_word(address, 2) == __builtin_bswap32(0x0000ffff);
}

/* ---- services: hash and displace (Belazzougui, Botelho, Dietzfelbinger, "Hash, displace, and compress", 2009) ---- */

/* What a service's key has beside its address, in one word as it stands there. */
static inline __attribute__((always_inline)) __u64 shunt_key_word(__be16 port, __u8 protocol, __u8 prefix)
{
	const union {
		struct {
			__be16 port;
			__u8 protocol, used, prefix, pad[3];
		};
		__u64 word;
	} key = {{.port = port, .protocol = protocol, .used = 1, .prefix = prefix}};

	return key.word;
}

/* Of a key that the controller places: one round of a finalizer, since keys need not be spread evenly and packets wait. */
static inline __attribute__((always_inline)) __u64 shunt_placed_hash(const volatile __u64 key[4], __u64 a, __u64 b, __u64 c)
{
	__u64 hash = shunt_multilinear(key, a, b, c);

	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 29;
}

/* prefix: of struct shunt_service_key, 0 for a single address. */
static inline __attribute__((always_inline)) __u64 shunt_prefix_hash(const volatile __u64 key[4],
								     const struct shunt_addr *address, __be16 port,
								     __u8 protocol, __u8 prefix)
{
	return shunt_placed_hash(key, shunt_addr_half(address, 0), shunt_addr_half(address, 1),
				 shunt_key_word(port, protocol, prefix));
}

static inline __attribute__((always_inline)) __u64 shunt_service_hash(const volatile __u64 key[4],
								      const struct shunt_addr *address, __be16 port,
								      __u8 protocol)
{
	return shunt_prefix_hash(key, address, port, protocol, 0);
}

/*
 * Sets apart the flow hashes of services: the very hash by which a packet finds its service, so that where the flow goes is
 * worked out while the service's line is still on its way from memory.
 */
static inline __attribute__((always_inline)) __u64 shunt_service_salt(const volatile __u64 key[4],
								      const struct shunt_service_key *service)
{
	return shunt_prefix_hash(key, &service->address, service->port, service->protocol, service->prefix);
}

/* Of a number of buckets or lines that is a power of two; services and answers have their own. */
static inline __attribute__((always_inline)) __u32 shunt_bucket(__u64 hash, __u32 buckets)
{
	return hash & (buckets - 1);
}

/* The line of a key whose bucket has this seed. The controller picks seeds so that no two keys share a line. */
static inline __attribute__((always_inline)) __u32 shunt_line(__u64 hash, __u32 seed, __u32 lines)
{
	return ((__u32)(hash >> 32) + seed * ((__u32)(hash >> 12) | 1)) & (lines - 1);
}

static inline __attribute__((always_inline)) __u32 shunt_service_bucket(__u64 hash)
{
	return shunt_bucket(hash, SHUNT_SERVICE_BUCKETS);
}

static inline __attribute__((always_inline)) __u32 shunt_service_line(__u64 hash, __u32 seed)
{
	return shunt_line(hash, seed, SHUNT_SERVICE_LINES);
}

/* ---- flows ---- */

/*
 * `ports` are those of source and destination as they stand in a packet, in one word; 0 when the service hashes the source
 * address alone. The salt is added last: it takes longest to be known.
 */
static inline __attribute__((always_inline)) __u64 shunt_flow_hash(const volatile __u64 key[4],
								   const struct shunt_addr *source, __u32 ports,
								   __u64 salt)
{
	return shunt_mix64(shunt_multilinear(key, shunt_addr_half(source, 0), shunt_addr_half(source, 1), ports) + salt);
}

/* Flows to several addresses of one service differ by their destination: it becomes part of the salt. */
static inline __attribute__((always_inline)) __u64 shunt_prefix_salt(__u64 salt, const struct shunt_addr *destination)
{
	return salt ^ shunt_mix64(shunt_addr_half(destination, 0) ^ shunt_mix64(shunt_addr_half(destination, 1)));
}

/* The hash of a flow of this class: the highest bits of its low half say so, in which neither slot nor line is. */
static inline __attribute__((always_inline)) __u64 shunt_flow_hash_of_class(__u64 hash, __u32 flow_class)
{
	const __u64 mask = (__u64)(SHUNT_FLOW_CLASSES - 1) << SHUNT_FLOW_CLASS_SHIFT;

	return (hash & ~mask) | (__u64)flow_class << SHUNT_FLOW_CLASS_SHIFT;
}

/* Low half of the hash; 0 stands for a free entry. To avoid it a bit is set that is neither of a slot nor of a class. */
static inline __attribute__((always_inline)) __u32 shunt_fingerprint(__u64 hash)
{
	return (__u32)hash ? (__u32)hash : 1U << (SHUNT_FLOW_CLASS_SHIFT - 1);
}

static inline __attribute__((always_inline)) __u32 shunt_flow_class(__u32 fingerprint)
{
	return fingerprint >> SHUNT_FLOW_CLASS_SHIFT;
}

static inline __attribute__((always_inline)) __u32 shunt_slot_index(__u32 fingerprint, __u32 table_size)
{
	return fingerprint & (table_size - 1);
}

/*
 * The i-th place after `slot` where another backend is looked for when the slot's own is not fit; i = 0 is the slot itself, and
 * over a power of two every slot comes once. Double hashing with an odd step (Knuth, TAOCP 3, 6.4, algorithm D), but among
 * slots that are renumbered first: a member of Maglev's has its slots at even steps, too, and of the two steps would be one
 * multiple of the other so often that one flow in 200 found a dead backend's slots only, where one in 65,536 is what chance has.
 */
#define SHUNT_PROBE_LIMIT 16 /* places that a packet looks at, in the instant before the controller rewrites a dead backend's slots */
#define SHUNT_PROBE_FACTOR 0x9e3779b1U
#define SHUNT_PROBE_FACTOR_INVERSE 0x0e8b2f51U /* mod 2^32 */

static inline __attribute__((always_inline)) __u32 shunt_probe_slot(__u32 number, __u32 table_size)
{
	number &= table_size - 1;
	number ^= number >> 4;
	number = number * SHUNT_PROBE_FACTOR & (table_size - 1);
	return number ^ number >> 4;
}

/* What shunt_probe_slot() makes this slot of. */
static inline __attribute__((always_inline)) __u32 shunt_probe_number(__u32 slot, __u32 table_size)
{
	slot ^= slot >> 4;
	slot ^= slot >> 8;
	slot ^= slot >> 16;
	slot = slot * SHUNT_PROBE_FACTOR_INVERSE & (table_size - 1);
	slot ^= slot >> 4;
	slot ^= slot >> 8;
	return slot ^ slot >> 16;
}

static inline __attribute__((always_inline)) __u32 shunt_probe_step(__u32 slot)
{
	return (__u32)shunt_mix64(slot + 1) | 1;
}

static inline __attribute__((always_inline)) __u32 shunt_probe(__u32 slot, __u32 i, __u32 table_size)
{
	return shunt_probe_slot(shunt_probe_number(slot, table_size) + i * shunt_probe_step(slot), table_size);
}

#endif
