/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The lesser and the greater of two numbers below 2^63, or of two signed ones not that far apart, without a branch: the verifier
 * follows both ways of every branch, and in a loop all combinations of them.
 */
#ifndef SHUNT_LEAST_H
#define SHUNT_LEAST_H

#include <linux/types.h>

/*
 * All bits set when a < b. The barriers keep the compiler from seeing a comparison, which it would make a branch: of what it
 * knows to be below 2^63 it sees one in the sign of the difference.
 */
static inline __attribute__((always_inline)) __u64 shunt_mask_if_less(__u64 a, __u64 b)
{
	__s64 difference = a - b;

	__asm__ volatile("" : "+r"(difference));
	difference >>= 63;
	__asm__ volatile("" : "+r"(difference));
	return difference;
}

static inline __attribute__((always_inline)) __u64 shunt_least(__u64 a, __u64 b)
{
	return b ^ ((a ^ b) & shunt_mask_if_less(a, b));
}

static inline __attribute__((always_inline)) __u64 shunt_greatest(__u64 a, __u64 b)
{
	return a ^ ((a ^ b) & shunt_mask_if_less(a, b));
}

#endif
