/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An array of lines that packets find with one look: every key of a bucket has its own line under the bucket's seed (hash
 * and displace, headers/shunt/hash.h). A line is 64 bytes and begins with its struct shunt_service_key.
 */
#ifndef SHUNT_LINES_H
#define SHUNT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shunt/abi.h>

#define LINE_BYTES 64

struct lines {
	uint8_t *start;                 /* n_lines of them, a map's memory */
	struct shunt_key_bucket *buckets; /* n_buckets of them, likewise */
	uint32_t n_lines, n_buckets;    /* powers of two */
	const __u64 *hash_key;          /* shunt_hash_keys() */
	uint16_t (*hint)(const void *line); /* what is to stand in its bucket, 0: nothing; NULL: there are no hints */
	bool (*is_rare)(const void *line); /* few packets look for it: others stand among the first lines, it anywhere; NULL: none is */
	uint32_t *retired;              /* switched away from, cleared at the next change */
	size_t n_retired;
};

uint64_t lines_hash(const struct lines *lines, const struct shunt_service_key *key);
/* The line with this key, NULL: there is none. */
const void *lines_find(const struct lines *lines, const struct shunt_service_key *key);
/* Takes over what is there; lines that a killed controller wrote but never switched to are cleared. 0 or -ENOMEM. */
int lines_adopt(struct lines *lines);
void lines_close(struct lines *lines);
/* Every line that a packet can find. */
void lines_each(const struct lines *lines, void (*found)(void *userdata, const void *line), void *userdata);
/*
 * The complete set: `wanted` are n lines; of lines with one key the first is kept. A bucket
 * changes at once. `noun` is what lines are called in datapath_error(). 0, -ENOMEM, -ENOSPC.
 */
int lines_set(struct lines *lines, const void *wanted, size_t n, const char *noun);

#endif
