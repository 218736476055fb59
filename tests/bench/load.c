/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Loads what is measured: the balancers, the programs around them, and the conventional design with its LRUs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench.h"
#include "datapath/internal.h" /* the maps, for the conventional design to use the same */

/* Entries of the LRU, for each column: twice the flows, and never so many that a usual machine has no memory for them. */
static const uint32_t lru_entries[COLUMNS] = {1 << 16, 1 << 17, 1 << 21, 6 << 20, 1 << 21};

void die(const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- the programs around ours ---- */

static struct bpf_object *open_object(const char *name)
{
	struct bpf_object *object;
	char path[512];

	object = bpf_object__open_file(build_path(name, path), NULL);
	if (!object)
		die(path, -errno);
	return object;
}

static void load_object(struct bpf_object *object)
{
	int r = bpf_object__load(object);

	if (r < 0)
		die(bpf_object__name(object), r);
}

int object_program(const struct bpf_object *object, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(object, name));
}

int object_map(const struct bpf_object *object, const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(object, name));
}

static void copy_configuration(struct bpf_map *map, const struct bpf_object *from)
{
	struct bpf_map *ours = bpf_object__find_map_by_name(from, ".rodata");
	size_t size;
	const void *value = bpf_map__initial_value(ours, &size);

	if (bpf_map__set_initial_value(map, value, size) < 0)
		die("configuration of the conventional design", -errno);
}

/* The conventional design has the maps and the configuration of a balancer of ours. */
static void share_map(struct bpf_map *map, const struct bpf_object *with)
{
	const char *name = bpf_map__is_internal(map) ? strchr(bpf_map__name(map), '.') : bpf_map__name(map);
	const struct bpf_map *ours = bpf_object__find_map_by_name(with, name);

	if (!strcmp(name, ".rodata"))
		copy_configuration(map, with);
	else if (ours && bpf_map__fd(ours) < 0)
		bpf_map__set_autocreate(map, false);
	else if (ours && bpf_map__reuse_fd(map, bpf_map__fd(ours)) < 0)
		die(name, -errno);
}

static void load_conventional(struct bench *b)
{
	struct bpf_program *program;
	struct bpf_map *map, *lru;

	b->conventional = open_object("tests/bench/conventional.bpf.o");
	lru = bpf_map__inner_map(bpf_object__find_map_by_name(b->conventional, "lru_of_cpu"));
	b->lru_key_bytes = bpf_map__key_size(lru);
	b->lru_value_bytes = bpf_map__value_size(lru);
	bpf_object__for_each_program(program, b->conventional)
		bpf_program__set_autoload(program, strcmp(bpf_program__name(program), "xdp_shunt") == 0);
	bpf_object__for_each_map(map, b->conventional)
		share_map(map, b->balancers[PLAIN].datapath->skeleton->obj);
	load_object(b->conventional);
}

static bool needs_lru(const struct bench *b, enum column column)
{
	for (int id = 0; id < CONTENDERS; id++)
		if (b->list[id].program == CONVENTIONAL && is_measured(b, id, column))
			return true;
	return false;
}

/* Where there is no memory for the LRU there is nothing to measure; that is told. */
static void make_lru(struct bench *b, enum column column)
{
	b->lru[column] = -1;
	if (!needs_lru(b, column))
		return;
	b->lru[column] = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "connections", b->lru_key_bytes, b->lru_value_bytes,
					lru_entries[column], NULL);
	if (b->lru[column] >= 0)
		return;
	for (int id = 0; id < CONTENDERS; id++)
		if (b->list[id].program == CONVENTIONAL)
			b->list[id].columns &= ~(1U << column);
	printf("no LRU hash of %u entries, so nothing to compare with at %s: %s\n", lru_entries[column],
	       column_names[column], strerror(errno));
}

void use_lru(const struct bench *b, enum column column)
{
	int outer = object_map(b->conventional, "lru_of_cpu"), cpus = libbpf_num_possible_cpus();

	for (int cpu = 0; cpu < cpus; cpu++) {
		int r = bpf_map_update_elem(outer, &cpu, &b->lru[column], BPF_ANY);

		if (r < 0)
			die("lru_of_cpu", r);
	}
}

/* With SHUNT_BENCH_ONLY in the environment: what has that in its name, and what nearly all is compared with. */
static bool is_wanted(enum contender_id id)
{
	const char *only = getenv("SHUNT_BENCH_ONLY");

	return !only || id == C_EMPTY || id == C_IPIP_4IN4 || id == C_IPIP_6IN6 || id == C_SYN ||
	       strstr(contenders[id].name, only);
}

void bench_open(struct bench *b, bool brief)
{
	b->brief = brief;
	b->rounds = brief ? 5 : 9;
	b->packets = brief ? 100000 : 250000;
	memcpy(b->list, contenders, sizeof(b->list));
	for (int id = 0; id < CONTENDERS; id++)
		if (!is_wanted(id))
			b->list[id].columns = 0;
	balancers_open(b->balancers);
	b->outer = open_object("tests/bench/outer.bpf.o");
	load_object(b->outer);
	load_conventional(b);
	for (int column = 0; column < COLUMNS; column++)
		make_lru(b, column);
}

void bench_close(struct bench *b)
{
	for (int column = 0; column < COLUMNS; column++)
		if (b->lru[column] >= 0)
			close(b->lru[column]);
	bpf_object__close(b->conventional);
	bpf_object__close(b->outer);
	balancers_close(b->balancers);
}
