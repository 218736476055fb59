/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What else a balancer costs: memory of its maps at the defaults, time to write a table, size of the program, and that code
 * which nobody uses is not in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include <shunt/hash.h>

#include "../lib/feature_sets.h"
#include "bench.h"
#include "config/config.h"
#include "datapath/internal.h"
#include "maglev/maglev.h"

enum { WRITES = ROUNDS_MAX };

/* What a balancer has with the defaults, one group, and nothing configured that not everybody has. */
static void open_with_defaults(struct fixture *f)
{
	struct datapath_options options = fixture_defaults;

	options.table_size = SLOTS;
	options.flow_table_size = 1 << 20;
	options.client_table_size = 1 << 16;
	options.groups = 1;
	options.features = 0;
	fixture_open(f, &options);
	for (int i = 1; i <= N_BACKENDS; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.1.%d", i);
		fixture_backend(f, address, LINK_IN);
	}
}

/* As the kernel accounts for it. */
static uint64_t memory_of(const struct bpf_map *map)
{
	unsigned long long bytes = 0;
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "memlock: %llu", &bytes); /* NOLINT: a kernel's number */
	(void)fclose(file);
	return bytes;
}

static uint64_t memory_of_all(const struct fixture *f)
{
	const struct bpf_object *object = f->datapath->skeleton->obj;
	uint64_t bytes = 0;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
		if (bpf_map__fd(map) >= 0)
			bytes += memory_of(map);
	return bytes;
}

static double monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double building_ms(uint16_t *table)
{
	struct maglev_member members[N_BACKENDS];
	double start;

	for (uint32_t i = 0; i < N_BACKENDS; i++)
		members[i] = (struct maglev_member){.key = shunt_mix64(i), .weight = 100};
	start = monotonic_ms();
	assert_int_equal(maglev_build(members, N_BACKENDS, 0x5eed, table, SLOTS), 0);
	return monotonic_ms() - start;
}

/* From words that are there to packets that go by them. */
static double writing_ms(struct fixture *f, const uint16_t *table, uint32_t turn)
{
	static struct shunt_slot words[SLOTS];
	uint32_t group = fixture_group(f, 1);
	double start;

	for (uint32_t i = 0; i < SLOTS; i++)
		words[i] = settled(1 + (table[i] + turn) % N_BACKENDS);
	start = monotonic_ms();
	datapath_publish_table(f->datapath, group, words);
	return monotonic_ms() - start;
}

/* How often the program as it was loaded refers to a map. */
static unsigned int references(int program, uint32_t map_id)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	unsigned int found = 0;
	struct bpf_insn *code;

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &len), 0);
	code = calloc(1, info.xlated_prog_len);
	assert_non_null(code);
	info = (struct bpf_prog_info){.xlated_prog_len = info.xlated_prog_len, .xlated_prog_insns = (uintptr_t)code};
	len = sizeof(info);
	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &len), 0);
	for (size_t i = 0; i < info.xlated_prog_len / sizeof(*code); i++)
		found += code[i].code == (BPF_LD | BPF_IMM | BPF_DW) && code[i].src_reg == BPF_PSEUDO_MAP_FD &&
			 (uint32_t)code[i].imm == map_id;
	free(code);
	return found;
}

static unsigned int references_to(const struct fixture *f, const char *map_name)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(object_map(f->datapath->skeleton->obj, map_name), &info, &len), 0);
	return references(fixture_program(f), info.id);
}

/* Of maps that only protections have; `services`, to know that references are found at all. */
static void judge_absence(const struct fixture *f, struct results *results)
{
	static const char *const maps[] = {"deny", "deny_filter", "allow", "limits", "clients", "client_groups"};
	struct result result = {.text = "protections not configured: map references in the code", .unit = "", .limit = 0.5};

	assert_true(references_to(f, "services") > 0);
	for (size_t i = 0; i < N(maps); i++)
		result.value += references_to(f, maps[i]);
	add_result(results, result);
}

void judge_costs(struct results *results)
{
	static uint16_t table[SLOTS];
	double building[WRITES], writing[WRITES];
	struct fixture f;

	open_with_defaults(&f);
	for (uint32_t i = 0; i < WRITES; i++) {
		building[i] = building_ms(table);
		writing[i] = writing_ms(&f, table, i);
	}
	judge_absence(&f, results);
	add_result(results, (struct result){"maps: defaults, 100 backends, room for 1 Mi pinned flows", "MB",
					    memory_of_all(&f) / 1e6, 32, 64});
	add_result(results,
		   (struct result){"building a table of 65,536 slots for 100 backends", "ms", median(building, WRITES), NO_TARGET, 0});
	add_result(results, (struct result){"writing a changed table of 65,536 slots", "ms", median(writing, WRITES), 0.5, 0});
	fixture_close(&f);
}

void print_sizes(void)
{
	printf("\n%-30s%14s%14s%14s%14s\n", "the program, by features", "verified", "xlated", "jited", "more xlated");
	for (size_t i = 0, none = 0; i < n_feature_sets; i++) {
		struct program_size size = program_size(feature_sets[i].features);

		none = none ?: size.xlated;
		printf("  %-28s%14u%13uB%13uB%13zuB\n", feature_sets[i].name, size.verified, size.xlated, size.jited,
		       size.xlated - none);
	}
}
