/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The three commands. Each returns 0 or -errno, having said on stderr what went wrong. */
#ifndef SHUNT_DECAP_COMMANDS_H
#define SHUNT_DECAP_COMMANDS_H

#include <stdint.h>

#include <shunt/decap.h>

struct decap_options {
	const char *interface;
	int ifindex;
	uint32_t mode_flags;         /* XDP_FLAGS_DRV_MODE | XDP_FLAGS_SKB_MODE; 0: auto */
	struct decap_config config;
};

/* Attaches the program, or replaces the one of an earlier load at one stroke; the counters go on. */
int decap_load(const struct decap_options *options);
int decap_unload(const struct decap_options *options);
int decap_status(const struct decap_options *options);

#endif
