/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maglev's population of a lookup table (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * NSDI 2016, section 3.4), with weights, over a table size that is a power of two (skips are odd) or a prime.
 */
#ifndef SHUNT_MAGLEV_H
#define SHUNT_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_NONE UINT16_MAX

struct maglev_permutation {
	uint32_t offset, skip;   /* the j-th preference is (offset + j * skip) mod size; gcd(skip, size) must be 1 */
};

struct maglev_member {
	uint64_t key;            /* hash of the member's name: the same on every host */
	uint32_t weight;         /* 0: gets no slot */
};

/*
 * Fills table[0 … size-1] with member indexes by turns; a member's number of turns is proportional to its weight.
 * weights NULL: all equal. All MAGLEV_NONE when no member has a weight. 0, -ENOMEM, or -EINVAL for n ≥ MAGLEV_NONE.
 */
int maglev_populate(const struct maglev_permutation *permutations, const uint32_t *weights, size_t n, uint16_t *table,
		    uint32_t size);

/* The same with the permutations that keys and seed give. `size` is a power of two. The order of members is irrelevant
 * to who owns which slot: turns are taken in the order of keys. */
int maglev_build(const struct maglev_member *members, size_t n, uint64_t seed, uint16_t *table, uint32_t size);

#endif
