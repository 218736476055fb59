/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which features (enum shunt_features) a program is loaded with. feature() of bpf/maps.h is a CO-RE relocation: whether a value of
 * the enumeration exists where the program is loaded. What it is asked of is not the kernel's types but a description of our own,
 * which has the values that are wanted. So a feature is a number in the code, not in a map: nothing is read to know it.
 */
#ifndef SHUNT_DATAPATH_FEATURES_H
#define SHUNT_DATAPATH_FEATURES_H

#include <stdint.h>

#include <bpf/btf.h>

struct features {
	int fd; /* of the description, a file without a name */
	char path[32]; /* for bpf_object_open_opts.btf_custom_path; libbpf reads it when it loads */
};

/* Nothing is on. 0, or -errno. Closed when `fd` is. */
int features_open(struct features *ret_features);

/* From the next load on these bits are on. `types` are the program's, for their names. 0, or -errno. */
int features_set(const struct features *features, const struct btf *types, uint32_t bits);

#endif
