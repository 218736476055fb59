/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sets of features that are looked at one by one, and how large the program is with each. */
#ifndef SHUNT_TEST_FEATURE_SETS_H
#define SHUNT_TEST_FEATURE_SETS_H

#include <stddef.h>
#include <stdint.h>

struct feature_set {
	const char *name;
	uint32_t features; /* enum shunt_features */
};

extern const struct feature_set feature_sets[]; /* the first has none, the last all */
extern const size_t n_feature_sets;

struct program_size {
	uint32_t verified, verified_explain, verified_trace; /* instructions that the verifier walked, of each program */
	uint32_t xlated, jited; /* of xdp_shunt, bytes */
};

/* Loads the data path with these features and closes it again. */
struct program_size program_size(uint32_t features);

#endif
