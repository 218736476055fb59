/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bucket changes as a whole: its keys are written to lines nobody looks at, then the bucket is switched, and the old lines
 * are cleared at the next change, when no packet reads them any more.
 */
#include "datapath/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "datapath/internal.h"

#define SEED_TRIES 65536                /* all there are: room for 13 keys in one bucket, half of the lines taken */
#define NEAR_TRIES 1024                 /* before farther lines will do as well: four keys in a quarter of them, half of it taken */
#define FEWEST_NEAR 64U
#define NO_LINE UINT32_MAX

static uint8_t *line_at(const struct lines *lines, uint32_t line)
{
	return lines->start + (size_t)line * LINE_BYTES;
}

static const struct shunt_service_key *key_at(const struct lines *lines, uint32_t line)
{
	return (const struct shunt_service_key *)line_at(lines, line);
}

uint64_t lines_hash(const struct lines *lines, const struct shunt_service_key *key)
{
	return shunt_prefix_hash(lines->hash_key, &key->address, key->port, key->protocol, key->prefix);
}

static uint32_t bucket_of(const struct lines *lines, const struct shunt_service_key *key)
{
	return shunt_bucket(lines_hash(lines, key), lines->n_buckets);
}

static uint32_t line_of(const struct lines *lines, const struct shunt_service_key *key, uint32_t seed)
{
	return shunt_line(lines_hash(lines, key), seed, lines->n_lines);
}

const void *lines_find(const struct lines *lines, const struct shunt_service_key *key)
{
	uint32_t line = line_of(lines, key, lines->buckets[bucket_of(lines, key)].seed);

	return memcmp(key_at(lines, line), key, sizeof(*key)) ? NULL : line_at(lines, line);
}

int lines_adopt(struct lines *lines)
{
	lines->retired = calloc(lines->n_lines, sizeof(*lines->retired));
	if (!lines->retired)
		return -ENOMEM;
	for (uint32_t line = 0; line < lines->n_lines; line++)
		if (key_at(lines, line)->used && lines_find(lines, key_at(lines, line)) != line_at(lines, line))
			memset(line_at(lines, line), 0, LINE_BYTES);
	return 0;
}

void lines_close(struct lines *lines)
{
	free(lines->retired);
	lines->retired = NULL;
}

void lines_each(const struct lines *lines, void (*found)(void *userdata, const void *line), void *userdata)
{
	for (uint32_t line = 0; line < lines->n_lines; line++)
		if (key_at(lines, line)->used && lines_find(lines, key_at(lines, line)) == line_at(lines, line))
			found(userdata, line_at(lines, line));
}

/* ---- what is wanted ---- */

struct wanted {
	uint32_t bucket;
	const uint8_t *line;
};

static const struct shunt_service_key *wanted_key(const struct wanted *wanted)
{
	return (const struct shunt_service_key *)wanted->line;
}

static int by_bucket(const void *a, const void *b)
{
	const struct wanted *left = a, *right = b;
	int order;

	if (left->bucket != right->bucket)
		return left->bucket < right->bucket ? -1 : 1;
	order = memcmp(left->line, right->line, sizeof(struct shunt_service_key));
	return order ? order : (left->line > right->line) - (left->line < right->line);
}

static size_t without_doubles(struct wanted *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || memcmp(wanted_key(&list[kept - 1]), wanted_key(&list[i]), sizeof(struct shunt_service_key)))
			list[kept++] = list[i];
	return kept;
}

/* ---- what there is ---- */

/* Lines of each bucket that are in use now: a list per bucket, threaded through `next`. */
struct present {
	uint32_t *head, *next;
	uint8_t *used;
	size_t n_used;
};

static struct present *present_lines(const struct lines *lines)
{
	size_t bytes = ((size_t)lines->n_buckets + lines->n_lines) * sizeof(uint32_t) + lines->n_lines;
	struct present *present = calloc(1, sizeof(*present) + bytes);

	if (!present)
		return NULL;
	present->head = (uint32_t *)(present + 1);
	present->next = present->head + lines->n_buckets;
	present->used = (uint8_t *)(present->next + lines->n_lines);
	memset(present->head, 0xff, lines->n_buckets * sizeof(*present->head));
	for (uint32_t line = 0; line < lines->n_lines; line++) {
		uint32_t bucket;

		if (!key_at(lines, line)->used)
			continue;
		bucket = bucket_of(lines, key_at(lines, line));
		present->used[line] = 1;
		present->n_used++;
		present->next[line] = present->head[bucket];
		present->head[bucket] = line;
	}
	return present;
}

static bool bucket_is_as_wanted(const struct lines *lines, const struct present *present, uint32_t bucket,
				const struct wanted *wanted, size_t n)
{
	size_t have = 0;

	for (uint32_t line = present->head[bucket]; line != NO_LINE; line = present->next[line])
		have++;
	for (size_t i = 0; i < n; i++) {
		const void *live = lines_find(lines, wanted_key(&wanted[i]));

		if (!live || memcmp(live, wanted[i].line, LINE_BYTES))
			return false;
	}
	return have == n;
}

static bool is_rare(const struct lines *lines, const struct wanted *wanted)
{
	return lines->is_rare && lines->is_rare(wanted->line);
}

/*
 * Whether under this seed every wanted key has a free line of its own, among the first `near` ones unless it is rare, and no
 * present key its present line.
 */
static bool seed_fits(const struct lines *lines, const struct present *present, uint32_t bucket,
		      const struct wanted *wanted, size_t n, uint32_t near, uint32_t seed)
{
	for (uint32_t line = present->head[bucket]; line != NO_LINE; line = present->next[line])
		if (line_of(lines, key_at(lines, line), seed) == line)
			return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t line = line_of(lines, wanted_key(&wanted[i]), seed);

		if (present->used[line] || (line >= near && !is_rare(lines, &wanted[i])))
			return false;
		for (size_t j = 0; j < i; j++)
			if (line_of(lines, wanted_key(&wanted[j]), seed) == line)
				return false;
	}
	return true;
}

/* ---- changing ---- */

/* What one of them has to say. */
static uint16_t hint_of(const struct lines *lines, const struct wanted *wanted, size_t n)
{
	uint16_t hint = 0;

	for (size_t i = 0; i < n && lines->hint && !hint; i++)
		hint = lines->hint(wanted[i].line);
	return hint;
}

static void switch_bucket(struct lines *lines, uint32_t bucket, struct shunt_key_bucket to)
{
	uint32_t word;

	memcpy(&word, &to, sizeof(word));
	__atomic_store_n((uint32_t *)&lines->buckets[bucket], word, __ATOMIC_RELEASE);
}

/* The next seed that fits; where none does, more lines count as near. */
static bool find_seed(const struct lines *lines, const struct present *present, uint32_t bucket, const struct wanted *wanted,
		      size_t n, uint32_t near, uint16_t *seed)
{
	for (; near <= lines->n_lines; near *= 2)
		for (int tries = near < lines->n_lines ? NEAR_TRIES : SEED_TRIES; tries > 0; tries--)
			if (seed_fits(lines, present, bucket, wanted, n, near, ++*seed))
				return true;
	return false;
}

static int bucket_change(struct lines *lines, struct present *present, uint32_t bucket, const struct wanted *wanted,
			 size_t n, uint32_t near, const char *noun)
{
	uint16_t seed = lines->buckets[bucket].seed;

	if (!find_seed(lines, present, bucket, wanted, n, near, &seed))
		return datapath_fail(-ENOSPC, "no place for %zu %s of one bucket: use another hash_seed", n, noun);
	for (size_t i = 0; i < n; i++) {
		uint32_t line = line_of(lines, wanted_key(&wanted[i]), seed);

		memcpy(line_at(lines, line), wanted[i].line, LINE_BYTES);
		present->used[line] = 1;
		present->n_used++;
	}
	switch_bucket(lines, bucket, (struct shunt_key_bucket){.seed = seed, .hint = hint_of(lines, wanted, n)});
	for (uint32_t line = present->head[bucket]; line != NO_LINE; line = present->next[line])
		lines->retired[lines->n_retired++] = line;
	return 0;
}

/* Waits until no packet reads a line that was switched away from, and clears those. */
static void clear_retired(struct lines *lines)
{
	if (lines->n_retired == 0)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0) /* a grace period of RCU */
		usleep(10000);
	for (size_t i = 0; i < lines->n_retired; i++)
		memset(line_at(lines, lines->retired[i]), 0, LINE_BYTES);
	lines->n_retired = 0;
}

/* Once more than half of the lines are taken, old ones are cleared before the change is over. */
static void make_room(struct lines *lines, struct present *present)
{
	if (present->n_used <= lines->n_lines / 2 + lines->n_lines / 64 || lines->n_retired == 0)
		return;
	for (size_t i = 0; i < lines->n_retired; i++)
		present->used[lines->retired[i]] = 0;
	present->n_used -= lines->n_retired;
	clear_retired(lines);
}

/*
 * Room for twice as many as are not rare, in few pages: of each page that a packet's way goes through the place in memory must be
 * at hand as well.
 */
static uint32_t near_lines(const struct lines *lines, const struct wanted *wanted, size_t n)
{
	uint32_t near = lines->n_lines < FEWEST_NEAR ? lines->n_lines : FEWEST_NEAR;
	size_t often = 0;

	for (size_t i = 0; i < n; i++)
		often += !is_rare(lines, &wanted[i]);
	while (near < 2 * often && near < lines->n_lines)
		near *= 2;
	return near;
}

static int reconcile(struct lines *lines, struct present *present, const struct wanted *wanted, size_t n, const char *noun)
{
	uint32_t near = near_lines(lines, wanted, n);
	size_t at = 0;

	for (uint32_t bucket = 0; bucket < lines->n_buckets; bucket++) {
		size_t first = at;
		int r;

		while (at < n && wanted[at].bucket == bucket)
			at++;
		if (bucket_is_as_wanted(lines, present, bucket, wanted + first, at - first))
			continue;
		make_room(lines, present);
		r = bucket_change(lines, present, bucket, wanted + first, at - first, near, noun);
		if (r < 0)
			return r;
	}
	return 0;
}

int lines_set(struct lines *lines, const void *list, size_t n, const char *noun)
{
	struct wanted *wanted = calloc(n + 1, sizeof(*wanted));
	struct present *present = NULL;
	int r = -ENOMEM;

	clear_retired(lines);
	if (wanted)
		present = present_lines(lines);
	if (present) {
		for (size_t i = 0; i < n; i++) {
			wanted[i].line = (const uint8_t *)list + i * LINE_BYTES;
			wanted[i].bucket = bucket_of(lines, wanted_key(&wanted[i]));
		}
		qsort(wanted, n, sizeof(*wanted), by_bucket);
		r = reconcile(lines, present, wanted, without_doubles(wanted, n), noun);
	}
	free(present);
	free(wanted);
	return r;
}
