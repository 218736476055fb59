/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the programs fit the stack of every kernel that we support. All functions of a chain of calls share 512 bytes
 * (MAX_BPF_STACK); Linux 6.1 counts each frame in steps of 32 (check_max_stack_depth() of its verifier), later ones in
 * steps of 16 where programs are compiled: what loads here may be refused there. The frames are those that this kernel's
 * verifier tells ("stack depth 328+64+0…", one for each function, in the order of their first instructions); who calls whom
 * is in the instructions. What the kernel refuses for its stack is refused by this test as well, and by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include <shunt/decap.h>

#include "../lib/fixture.h"
#include "datapath/features.h"
#include "decap.skel.h"
#include "probe.skel.h"
#include "shunt.skel.h"

enum { STACK_MAX = 512, STEP = 32, FUNCTIONS_MAX = 256, LOG_BYTES = 1 << 20, LOG_OF_COSTS = 4 /* BPF_LOG_STATS */ };

struct function {
	uint32_t start; /* its first instruction */
	uint32_t frame; /* bytes, as the verifier has seen them used */
	char name[64];
};

struct program {
	const struct bpf_insn *instructions;
	uint32_t n_instructions;
	struct function functions[FUNCTIONS_MAX]; /* in order of `start` */
	uint32_t n_functions;
};

/* ---- what there is of a loaded program ---- */

static bool calls(const struct bpf_insn *instruction)
{
	return instruction->code == (BPF_JMP | BPF_CALL) && instruction->src_reg == BPF_PSEUDO_CALL;
}

static int by_start(const void *a, const void *b)
{
	const struct function *one = a, *other = b;

	return (one->start > other->start) - (one->start < other->start);
}

static uint32_t function_at(const struct program *program, uint32_t start)
{
	for (uint32_t i = 0; i < program->n_functions; i++)
		if (program->functions[i].start == start)
			return i;
	return program->n_functions;
}

/* A function begins where something is called. */
static void find_functions(struct program *program)
{
	program->n_functions = 1; /* the program itself, at 0 */
	for (uint32_t i = 0; i < program->n_instructions; i++) {
		const struct bpf_insn *at = &program->instructions[i];
		uint32_t start = i + at->imm + 1;

		/* A callback's place would be in the second half of a constant: nobody uses one. */
		assert_false(at->code == (BPF_LD | BPF_IMM | BPF_DW) && at->src_reg == BPF_PSEUDO_FUNC);
		if (!calls(at) || function_at(program, start) < program->n_functions)
			continue;
		assert_true(program->n_functions < FUNCTIONS_MAX);
		program->functions[program->n_functions++].start = start;
	}
	qsort(program->functions, program->n_functions, sizeof(program->functions[0]), by_start);
}

static void read_frames(struct program *program, const char *log)
{
	const char *at = strstr(log, "stack depth ");
	char *end;

	assert_non_null(at);
	at += strlen("stack depth ");
	for (uint32_t i = 0; i < program->n_functions; i++) {
		program->functions[i].frame = strtoul(at, &end, 10);
		assert_true(end > at);
		assert_int_equal(*end == '+', i + 1 < program->n_functions); /* it tells of as many as we have found */
		at = end + 1;
	}
}

static void read_names(struct program *program, int fd)
{
	struct bpf_func_info functions[FUNCTIONS_MAX];
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	struct btf *btf;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_int_equal(info.nr_func_info, program->n_functions);
	len = sizeof(info);
	info = (struct bpf_prog_info){
		.btf_id = info.btf_id,
		.nr_func_info = info.nr_func_info,
		.func_info_rec_size = sizeof(functions[0]),
		.func_info = (uintptr_t)functions,
	};
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	btf = btf__load_from_kernel_by_id(info.btf_id);
	assert_non_null(btf);
	for (uint32_t i = 0; i < program->n_functions; i++)
		snprintf(program->functions[i].name, sizeof(program->functions[i].name), "%s",
			 btf__name_by_offset(btf, btf__type_by_id(btf, functions[i].type_id)->name_off));
	btf__free(btf);
}

/* ---- the deepest chain of calls ---- */

/* Bytes of stack below and with function `i`; `chain` becomes its text. A program that calls itself is never loaded. */
static uint32_t deepest(const struct program *program, uint32_t i, char chain[512])
{
	const struct function *function = &program->functions[i];
	uint32_t end = i + 1 < program->n_functions ? program->functions[i + 1].start : program->n_instructions;
	uint32_t own = (function->frame ? function->frame + STEP - 1 : STEP) / STEP * STEP, most = 0;
	char below[512], rest[512] = "";

	for (uint32_t at = function->start; at < end; at++) {
		const struct bpf_insn *instruction = &program->instructions[at];
		uint32_t depth;

		if (!calls(instruction))
			continue;
		depth = deepest(program, function_at(program, at + instruction->imm + 1), below);
		if (depth <= most)
			continue;
		most = depth;
		snprintf(rest, sizeof(rest), " + %.500s", below);
	}
	snprintf(chain, 512, "%s %u%.400s", function->name, own, rest);
	return own + most;
}

static bool fits(const struct bpf_program *loaded, const char *log)
{
	struct program program = {
		.instructions = bpf_program__insns(loaded),
		.n_instructions = bpf_program__insn_cnt(loaded),
	};
	char chain[512];
	uint32_t depth;

	find_functions(&program);
	read_frames(&program, log);
	read_names(&program, bpf_program__fd(loaded));
	depth = deepest(&program, 0, chain);
	print_message("  %3u of %d bytes: %s\n", depth, STACK_MAX, chain);
	return depth <= STACK_MAX;
}

/* ---- the objects, with all that they can do ---- */

static void load_and_judge(struct bpf_object *object)
{
	struct bpf_program *program;
	bool all_fit = true;
	char *logs[8];
	size_t n = 0;

	bpf_object__for_each_program(program, object)
	{
		assert_true(n < N(logs));
		logs[n] = calloc(1, LOG_BYTES);
		assert_non_null(logs[n]);
		bpf_program__set_autoload(program, true);
		bpf_program__set_log_level(program, LOG_OF_COSTS);
		bpf_program__set_log_buf(program, logs[n++], LOG_BYTES);
	}
	if (bpf_object__load(object) != 0) {
		for (size_t i = 0; i < n; i++)
			print_message("%s\n", logs[i]);
		fail_msg("the kernel refuses it");
	}
	n = 0;
	bpf_object__for_each_program(program, object) all_fit &= fits(program, logs[n++]);
	for (size_t i = 0; i < n; i++)
		free(logs[i]);
	assert_true(all_fit);
}

/* Code of a feature that is off is not looked at. */
static struct features all_features(void)
{
	struct features features;
	struct shunt_bpf *skeleton = shunt_bpf__open();

	assert_non_null(skeleton);
	assert_int_equal(features_open(&features), 0);
	assert_int_equal(features_set(&features, bpf_object__btf(skeleton->obj), UINT32_MAX), 0);
	shunt_bpf__destroy(skeleton);
	return features;
}

static void configure(const volatile struct shunt_config *cfg)
{
	const struct shunt_config all = {
		.table_size = fixture_defaults.table_size,
		.flow_lines = fixture_defaults.flow_table_size / SHUNT_FLOWS_PER_LINE,
		.client_lines = 1,
	};

	memcpy((void *)(uintptr_t)cfg, &all, sizeof(all)); /* read-only from loading on */
}

static void the_data_path_with_every_feature_fits_the_stack_of_linux_6_1(void **state)
{
	struct features features = all_features();
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = features.path);
	struct shunt_bpf *skeleton = shunt_bpf__open_opts(&options);

	(void)state;
	assert_non_null(skeleton);
	configure(&skeleton->rodata->cfg);
	load_and_judge(skeleton->obj);
	shunt_bpf__destroy(skeleton);
	close(features.fd);
}

static void probes_fit_the_stack_of_linux_6_1(void **state)
{
	struct features features = all_features();
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = features.path);
	struct probe_bpf *skeleton = probe_bpf__open_opts(&options);

	(void)state;
	assert_non_null(skeleton);
	configure(&skeleton->rodata->cfg);
	skeleton->rodata->probe_tag = 1;
	load_and_judge(skeleton->obj);
	probe_bpf__destroy(skeleton);
	close(features.fd);
}

static void the_decapsulator_fits_the_stack_of_linux_6_1(void **state)
{
	struct decap_bpf *skeleton = decap_bpf__open();

	(void)state;
	assert_non_null(skeleton);
	((struct decap_config *)(uintptr_t)&skeleton->rodata->config)->gue_port = htons(DECAP_GUE_PORT);
	load_and_judge(skeleton->obj);
	decap_bpf__destroy(skeleton);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_data_path_with_every_feature_fits_the_stack_of_linux_6_1),
		cmocka_unit_test(probes_fit_the_stack_of_linux_6_1),
		cmocka_unit_test(the_decapsulator_fits_the_stack_of_linux_6_1),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
