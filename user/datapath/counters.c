/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packets have counted: 64-bit words, summed over the CPUs. */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

#define COUNTER_WORDS_MAX 8
#define TRAFFIC_AT_ONCE 64 /* ids, in a system call */

static size_t words_of(const struct bpf_map *map)
{
	return bpf_map__value_size(map) / sizeof(uint64_t);
}

static void sum_cpus(const struct datapath *d, const uint64_t *values, size_t words, uint64_t *ret_words)
{
	memset(ret_words, 0, words * sizeof(uint64_t));
	for (size_t i = 0; i < (size_t)d->cpus * words; i++)
		ret_words[i % words] += values[i];
}

static void sum_counters(const struct datapath *d, const struct bpf_map *map, uint32_t key, uint64_t *ret_words)
{
	uint64_t values[d->cpus * COUNTER_WORDS_MAX];

	memset(ret_words, 0, words_of(map) * sizeof(uint64_t));
	if (key >= bpf_map__max_entries(map)) /* nobody counts there */
		return;
	if (bpf_map_lookup_elem(bpf_map__fd(map), &key, values) == 0)
		sum_cpus(d, values, words_of(map), ret_words);
}

static void clear_counters(const struct datapath *d, const struct bpf_map *map, uint32_t key)
{
	uint64_t zero[d->cpus * COUNTER_WORDS_MAX];

	memset(zero, 0, sizeof(zero));
	if (key < bpf_map__max_entries(map))
		bpf_map_update_elem(bpf_map__fd(map), &key, zero, BPF_ANY);
}

/*
 * Of keys from `first` on, up to `n`, the words of each behind those of the one before; what is not there has zeros. A batch goes on
 * behind a key, and ends at the map's end with ENOENT.
 */
static void sum_batch(const struct datapath *d, const struct bpf_map *map, uint32_t first, uint32_t n,
		      uint64_t *ret_words)
{
	size_t words = words_of(map), stride = (size_t)d->cpus * words;
	uint32_t before = first - 1, last, keys[TRAFFIC_AT_ONCE], read = n;
	uint64_t values[TRAFFIC_AT_ONCE * stride];

	memset(ret_words, 0, n * words * sizeof(uint64_t));
	if (first >= bpf_map__max_entries(map))
		return;
	if (bpf_map_lookup_batch(bpf_map__fd(map), first ? &before : NULL, &last, keys, values, &read, NULL) < 0 &&
	    errno != ENOENT)
		return;
	for (uint32_t i = 0; i < read; i++)
		sum_cpus(d, values + i * stride, words, ret_words + i * words);
}

/* ---- traffic ---- */

/* Where the traffic of something is. */
struct place {
	const struct bpf_map *stats, *answers;
	bool has_flows;
};

static struct place services(const struct datapath *d)
{
	return (struct place){d->skeleton->maps.service_stats, d->skeleton->maps.service_answers, true};
}

static struct place backends(const struct datapath *d)
{
	return (struct place){d->skeleton->maps.backend_stats, d->skeleton->maps.backend_answers, false};
}

_Static_assert(offsetof(struct shunt_service_stats, packets) == offsetof(struct shunt_backend_stats, packets) &&
		       offsetof(struct shunt_service_stats, bytes) == offsetof(struct shunt_backend_stats, bytes),
	       "they begin alike");

static struct traffic traffic_of(const struct place *place, const uint64_t *stats, const uint64_t *answers)
{
	return (struct traffic){
		.packets = stats[offsetof(struct shunt_service_stats, packets) / sizeof(uint64_t)],
		.bytes = stats[offsetof(struct shunt_service_stats, bytes) / sizeof(uint64_t)],
		.new_flows = place->has_flows
				     ? stats[offsetof(struct shunt_service_stats, new_flows) / sizeof(uint64_t)]
				     : 0,
		.answer_packets = answers[offsetof(struct shunt_answer_stats, packets) / sizeof(uint64_t)],
		.answer_bytes = answers[offsetof(struct shunt_answer_stats, bytes) / sizeof(uint64_t)],
	};
}

static void read_some(const struct datapath *d, const struct place *place, uint32_t first, uint32_t n,
		      struct traffic *ret_list)
{
	uint64_t stats[TRAFFIC_AT_ONCE * COUNTER_WORDS_MAX], answers[TRAFFIC_AT_ONCE * COUNTER_WORDS_MAX];

	sum_batch(d, place->stats, first, n, stats);
	sum_batch(d, place->answers, first, n, answers);
	for (size_t i = 0; i < n; i++)
		ret_list[i] =
			traffic_of(place, stats + i * words_of(place->stats), answers + i * words_of(place->answers));
}

static void read_all(const struct datapath *d, const struct place *place, uint32_t first, uint32_t n,
		     struct traffic *ret_list)
{
	for (uint32_t i = 0; i < n; i += TRAFFIC_AT_ONCE)
		read_some(d, place, first + i, n - i < TRAFFIC_AT_ONCE ? n - i : TRAFFIC_AT_ONCE, ret_list + i);
}

void datapath_service_stats(struct datapath *d, uint32_t first, uint32_t n, struct traffic *ret_list)
{
	const struct place place = services(d);

	read_all(d, &place, first, n, ret_list);
}

void datapath_backend_stats(struct datapath *d, uint32_t first, uint32_t n, struct traffic *ret_list)
{
	const struct place place = backends(d);

	read_all(d, &place, first, n, ret_list);
}

void datapath_service_clear_stats(struct datapath *d, uint32_t id)
{
	clear_counters(d, d->skeleton->maps.service_stats, id);
	clear_counters(d, d->skeleton->maps.service_answers, id);
}

void datapath_backend_signs(struct datapath *d, uint32_t id, struct shunt_backend_signs *ret_signs)
{
	sum_counters(d, d->skeleton->maps.backend_signs, id, (uint64_t *)ret_signs);
}

void backend_clear_stats(struct datapath *d, uint32_t id)
{
	clear_counters(d, d->skeleton->maps.backend_stats, id);
	clear_counters(d, d->skeleton->maps.backend_answers, id);
	clear_counters(d, d->skeleton->maps.backend_signs, id);
}

void datapath_drop_stats(struct datapath *d, uint64_t ret_drops[SHUNT_DROP_REASON_COUNT])
{
	for (uint32_t reason = 0; reason < SHUNT_DROP_REASON_COUNT; reason++)
		sum_counters(d, d->skeleton->maps.drop_stats, reason, &ret_drops[reason]);
}
