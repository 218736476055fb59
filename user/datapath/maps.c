/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps in the controller's own memory, and what they are for whoever asks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "datapath/internal.h"

static int map_into_memory(const struct bpf_map *map, struct mapped *ret_mapped, void **ret_start)
{
	size_t page = sysconf(_SC_PAGESIZE);
	size_t element = (bpf_map__value_size(map) + 7) & ~(size_t)7;
	size_t bytes = (element * bpf_map__max_entries(map) + page - 1) & ~(page - 1);
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (start == MAP_FAILED)
		return datapath_fail(-errno, "map %s: cannot be mapped: %s", bpf_map__name(map), strerror(errno));
	*ret_mapped = (struct mapped){.start = start, .bytes = bytes};
	*ret_start = start;
	return 0;
}

int maps_open(struct datapath *d)
{
	const struct shunt_bpf *s = d->skeleton;
	const struct {
		const struct bpf_map *map;
		struct mapped *mapped;
		void *start;
	} all[] = {
		{s->maps.info, &d->info_map, &d->info},
		{s->maps.services, &d->services_map, &d->services.start},
		{s->maps.answers, &d->answers_map, &d->answers.start},
		{s->maps.answer_seeds, &d->answer_seeds_map, &d->answers.buckets},
		{s->maps.groups, &d->groups_map, &d->groups},
		{s->maps.slots, &d->slots_map, &d->slots},
		{s->maps.backends, &d->backends_map, &d->backends},
		{s->maps.flows, &d->flows_map, &d->flows},
		{s->maps.deny_filter, &d->filter_map, &d->filter},
		{s->maps.limits, &d->limits_map, &d->limits},
		{s->maps.prefix_roots, &d->roots_map, &d->index.roots},
		{s->maps.prefix_steps, &d->steps_map, &d->index.steps},
		{s->maps.prefix_seeds, &d->prefix_seeds_map, &d->index.seeds},
		{s->maps.prefix_entries, &d->entries_map, &d->index.entries},
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && r == 0; i++)
		r = map_into_memory(all[i].map, all[i].mapped, all[i].start);
	return r;
}

void maps_close(struct datapath *d)
{
	struct mapped *all[] = {&d->info_map, &d->services_map, &d->answers_map, &d->answer_seeds_map, &d->groups_map,
				&d->slots_map, &d->backends_map, &d->flows_map,
				&d->filter_map, &d->limits_map, &d->roots_map, &d->steps_map, &d->prefix_seeds_map,
				&d->entries_map};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i]->start)
			munmap(all[i]->start, all[i]->bytes);
}

static const char *map_type_name(const struct bpf_map *map)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return "percpu_array";
	case BPF_MAP_TYPE_LRU_HASH:
		return "lru_hash";
	case BPF_MAP_TYPE_HASH:
		return "hash";
	case BPF_MAP_TYPE_LPM_TRIE:
		return "lpm_trie";
	default:
		return "array";
	}
}

static size_t prefixes_in(const struct datapath *d, const struct bpf_map *map)
{
	if (map == d->skeleton->maps.client_groups)
		return d->n_clients;
	return d->lists[map == d->skeleton->maps.deny ? DATAPATH_DENY : DATAPATH_ALLOW].n;
}

/* As the kernel counts it, but for the few pages of the map itself. */
static uint64_t map_memory(const struct datapath *d, const struct bpf_map *map)
{
	const uint64_t hash_element = 48, hash_bucket = 16, trie_node = 96;
	uint64_t value = (bpf_map__value_size(map) + 7) & ~7U, key = (bpf_map__key_size(map) + 7) & ~7U;

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return value * bpf_map__max_entries(map) * (uint64_t)d->cpus;
	case BPF_MAP_TYPE_LPM_TRIE:
		return 2 * trie_node * prefixes_in(d, map);
	case BPF_MAP_TYPE_HASH:
		return (key + value + hash_element) * d->n_server_ids + hash_bucket * bpf_map__max_entries(map);
	case BPF_MAP_TYPE_LRU_HASH:
		return (key + value + hash_element + hash_bucket) * bpf_map__max_entries(map);
	default:
		return value * bpf_map__max_entries(map);
	}
}

size_t datapath_maps(struct datapath *d, struct datapath_map *ret_maps, size_t max)
{
	struct bpf_map *maps[PINNED_MAPS];
	size_t n = 0;

	pinned_maps_of(d->skeleton, maps);
	for (int i = 0; i < PINNED_MAPS && n < max; i++, n++) {
		pins_path(d->bpf_dir, pin_name(maps[i]), d->paths[i]);
		ret_maps[n] = (struct datapath_map){
			.name = pin_name(maps[i]),
			.path = d->paths[i],
			.type = map_type_name(maps[i]),
			.entries = bpf_map__max_entries(maps[i]),
			.key_bytes = bpf_map__key_size(maps[i]),
			.value_bytes = bpf_map__value_size(maps[i]),
			.memory_bytes = map_memory(d, maps[i]),
		};
	}
	return n;
}
