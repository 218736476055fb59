/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lays out the services for one look: every key of a bucket has its own line under the bucket's seed (hash and displace,
 * headers/shunt/hash.h). A bucket changes as a whole: its keys are written to lines nobody looks at, then the seed is
 * switched, and the old lines are cleared at the next change, when no packet reads them any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <sys/syscall.h>

#include "datapath/internal.h"

#define SEED_TRIES 4000000                          /* 16 keys in one bucket, half of the lines taken: some 2^16 */
#define LINES_TAKEN_MAX (SHUNT_SERVICE_LINES / 2 + 512) /* more, and old lines are cleared before the change is over */

static uint64_t hash_of(const struct datapath *d, const struct shunt_service_key *key)
{
	return shunt_prefix_hash(d->cfg.hash_key, &key->address, key->port, key->protocol, key->prefix);
}

static uint32_t line_of(const struct datapath *d, const struct shunt_service_key *key, uint32_t seed)
{
	return shunt_service_line(hash_of(d, key), seed);
}

static const struct shunt_service *find(const struct datapath *d, const struct shunt_service_key *key)
{
	uint32_t seed = d->seeds[shunt_service_bucket(hash_of(d, key))].seed;
	const struct shunt_service *service = &d->services[line_of(d, key, seed)];

	return memcmp(&service->key, key, sizeof(*key)) ? NULL : service;
}

uint32_t datapath_service_id(const struct datapath *d, const struct shunt_service_key *key)
{
	const struct shunt_service *service = find(d, key);

	return service ? service->id : 0;
}

const struct shunt_service *datapath_peek_service(const struct datapath *d, const struct shunt_service_key *key)
{
	return find(d, key);
}

uint64_t datapath_service_salt(const struct datapath *d, const struct shunt_service_key *key)
{
	return shunt_mix64(hash_of(d, key) ^ 0x5e7f1ce5a17ULL);
}

/* Lines that a killed controller wrote but never switched to are cleared. */
int services_adopt(struct datapath *d)
{
	d->retired_lines = calloc(SHUNT_SERVICE_LINES, sizeof(*d->retired_lines));
	if (!d->retired_lines)
		return -ENOMEM;
	for (uint32_t line = 0; line < SHUNT_SERVICE_LINES; line++)
		if (d->services[line].key.used && find(d, &d->services[line].key) != &d->services[line])
			memset(&d->services[line], 0, sizeof(d->services[line]));
	return 0;
}

/* The wanted lines, sorted by bucket. */
struct wanted {
	uint32_t bucket;
	struct shunt_service service;
};

static int by_bucket(const void *a, const void *b)
{
	const struct wanted *left = a, *right = b;

	if (left->bucket != right->bucket)
		return left->bucket < right->bucket ? -1 : 1;
	return memcmp(&left->service.key, &right->service.key, sizeof(left->service.key));
}

static struct wanted wanted_of(const struct datapath *d, const struct shunt_service *service)
{
	return (struct wanted){shunt_service_bucket(hash_of(d, &service->key)), *service};
}

/* The entry by which echo requests to a service's address are recognised. */
static struct shunt_service echo_entry(const struct shunt_service *service)
{
	struct shunt_service echo = {
		.key = {.address = service->key.address, .used = 1, .prefix = service->key.prefix},
	};

	echo.key.protocol = shunt_addr_is_ipv4(&service->key.address) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return echo;
}

static size_t without_doubles(struct wanted *list, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || memcmp(&list[kept - 1].service.key, &list[i].service.key, sizeof(list[i].service.key)))
			list[kept++] = list[i];
	return kept;
}

/* Lines of each bucket that are in use now: a list per bucket, threaded through `next`. */
struct lines {
	uint32_t head[SHUNT_SERVICE_BUCKETS], next[SHUNT_SERVICE_LINES];
	uint8_t used[SHUNT_SERVICE_LINES];
	size_t n_used;
};

static struct lines *lines_in_use(const struct datapath *d)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return NULL;
	memset(lines->head, 0xff, sizeof(lines->head));
	for (uint32_t line = 0; line < SHUNT_SERVICE_LINES; line++) {
		uint32_t bucket;

		if (!d->services[line].key.used)
			continue;
		bucket = shunt_service_bucket(hash_of(d, &d->services[line].key));
		lines->used[line] = 1;
		lines->n_used++;
		lines->next[line] = lines->head[bucket];
		lines->head[bucket] = line;
	}
	return lines;
}

static bool bucket_is_as_wanted(const struct datapath *d, const struct lines *lines, uint32_t bucket,
				const struct wanted *wanted, size_t n)
{
	size_t have = 0;

	for (uint32_t line = lines->head[bucket]; line != UINT32_MAX; line = lines->next[line])
		have++;
	for (size_t i = 0; i < n; i++) {
		const struct shunt_service *live = find(d, &wanted[i].service.key);

		if (!live || memcmp(live, &wanted[i].service, sizeof(*live)))
			return false;
	}
	return have == n;
}

/* Whether under this seed every wanted key has a free line of its own, and no present key its present line. */
static bool seed_fits(const struct datapath *d, const struct lines *lines, uint32_t bucket, const struct wanted *wanted,
		      size_t n, uint32_t seed)
{
	for (uint32_t line = lines->head[bucket]; line != UINT32_MAX; line = lines->next[line])
		if (line_of(d, &d->services[line].key, seed) == line)
			return false;
	for (size_t i = 0; i < n; i++) {
		uint32_t line = line_of(d, &wanted[i].service.key, seed);

		if (lines->used[line])
			return false;
		for (size_t j = 0; j < i; j++)
			if (line_of(d, &wanted[j].service.key, seed) == line)
				return false;
	}
	return true;
}

static int bucket_change(struct datapath *d, struct lines *lines, uint32_t bucket, const struct wanted *wanted, size_t n)
{
	uint32_t seed = d->seeds[bucket].seed;
	int tries = 0;

	while (!seed_fits(d, lines, bucket, wanted, n, ++seed))
		if (++tries > SEED_TRIES)
			return datapath_fail(-ENOSPC, "no place for %zu services of one bucket: use another hash_seed", n);
	for (size_t i = 0; i < n; i++) {
		uint32_t line = line_of(d, &wanted[i].service.key, seed);

		d->services[line] = wanted[i].service;
		lines->used[line] = 1;
		lines->n_used++;
	}
	__atomic_store_n(&d->seeds[bucket].seed, seed, __ATOMIC_RELEASE);
	for (uint32_t line = lines->head[bucket]; line != UINT32_MAX; line = lines->next[line])
		d->retired_lines[d->n_retired_lines++] = line;
	return 0;
}

/* Waits until no packet reads a line that was switched away from, and clears those. */
static void clear_retired(struct datapath *d)
{
	if (d->n_retired_lines == 0)
		return;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0) /* a grace period of RCU */
		usleep(10000);
	for (size_t i = 0; i < d->n_retired_lines; i++)
		memset(&d->services[d->retired_lines[i]], 0, sizeof(struct shunt_service));
	d->n_retired_lines = 0;
}

/* Once more than half of the lines are taken, old ones are cleared before the change is over. */
static void make_room(struct datapath *d, struct lines *lines)
{
	if (lines->n_used <= LINES_TAKEN_MAX || d->n_retired_lines == 0)
		return;
	for (size_t i = 0; i < d->n_retired_lines; i++)
		lines->used[d->retired_lines[i]] = 0;
	lines->n_used -= d->n_retired_lines;
	clear_retired(d);
}

static int reconcile(struct datapath *d, struct lines *lines, const struct wanted *wanted, size_t n)
{
	size_t at = 0;

	for (uint32_t bucket = 0; bucket < SHUNT_SERVICE_BUCKETS; bucket++) {
		size_t first = at;
		int r;

		while (at < n && wanted[at].bucket == bucket)
			at++;
		if (bucket_is_as_wanted(d, lines, bucket, wanted + first, at - first))
			continue;
		make_room(d, lines);
		r = bucket_change(d, lines, bucket, wanted + first, at - first);
		if (r < 0)
			return r;
	}
	return 0;
}

int datapath_set_services(struct datapath *d, const struct shunt_service *services, size_t n)
{
	struct wanted *wanted = calloc(n * 2 + 1, sizeof(*wanted));
	struct lines *lines = NULL;
	size_t count = 0;
	int r = -ENOMEM;

	clear_retired(d);
	if (wanted)
		lines = lines_in_use(d);
	if (!lines)
		goto end;
	for (size_t i = 0; i < n; i++) {
		struct shunt_service echo = echo_entry(&services[i]);

		wanted[count++] = wanted_of(d, &services[i]);
		wanted[count++] = wanted_of(d, &echo);
	}
	qsort(wanted, count, sizeof(*wanted), by_bucket);
	r = prefixes_remove_others(d, services, n);
	if (r == 0)
		r = reconcile(d, lines, wanted, without_doubles(wanted, count));
	if (r == 0)
		r = prefixes_add(d, services, n);
end:
	free(lines);
	free(wanted);
	return r;
}
