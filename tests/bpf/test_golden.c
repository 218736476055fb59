/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets whose fate was written down by scapy from the standards, not by us (tests/packets): whole frames are
 * compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/golden.h"

enum { CASES_LEAST = 250, WORLDS_MAX = 32 };

static struct golden golden;
static const char *world_name;

/* A world of the name that *state has. */
static int named_world_setup(void **state)
{
	int r;

	world_name = *state;
	r = world_setup(state);
	if (r == 0)
		golden_world(*state, world_name);
	return r;
}

static void every_packet_meets_its_fate(void **state)
{
	struct packet_case *cases = calloc(golden.n, sizeof(*cases));
	struct world *w = *state;
	size_t n = 0;

	assert_non_null(cases);
	for (size_t i = 0; i < golden.n; i++) {
		const struct golden_case *c = &golden.cases[i];

		if (strcmp(c->world, world_name) != 0)
			continue;
		for (size_t b = 0; b < c->n_before; b++)
			fixture_run_quietly(&w->f, c->before[b]);
		cases[n++] = c->packet;
	}
	check_cases(w, cases, n);
	free(cases);
	assert_true(n > 0);
}

static void there_are_as_many_cases_as_promised_and_each_in_a_world(void **state)
{
	(void)state;
	print_message("  %zu cases\n", golden.n);
	assert_true(golden.n >= CASES_LEAST);
	for (size_t i = 0; i < golden.n; i++) {
		bool known = false;

		for (size_t world = 0; golden_world_name(world); world++)
			known |= strcmp(golden.cases[i].world, golden_world_name(world)) == 0;
		if (!known)
			fail_msg("%s: no world is called %s", golden.cases[i].packet.sentence, golden.cases[i].world);
	}
}

static void the_file_of_cases_is_what_its_script_writes(void **state)
{
	(void)state;
	if (system("/usr/bin/python3 -c 'import scapy' >/dev/null 2>&1") != 0) { /* NOLINT: a command of ours */
		print_message("  skipped: needs the package python3-scapy\n");
		skip();
	}
	assert_int_equal(system("tests/packets/generate.py --check"), 0); /* NOLINT */
}

int main(void)
{
	struct CMUnitTest tests[WORLDS_MAX + 2] = {
		cmocka_unit_test(there_are_as_many_cases_as_promised_and_each_in_a_world),
		cmocka_unit_test(the_file_of_cases_is_what_its_script_writes),
	};
	char names[WORLDS_MAX][80];
	int failed;

	fixture_isolate();
	golden = golden_read();
	for (size_t i = 0; i < WORLDS_MAX && golden_world_name(i); i++) {
		snprintf(names[i], sizeof(names[i]), "every_packet_meets_its_fate in the world \"%s\"",
			 golden_world_name(i));
		tests[i + 2] = (struct CMUnitTest){
			.name = names[i],
			.test_func = every_packet_meets_its_fate,
			.setup_func = named_world_setup,
			.teardown_func = world_teardown,
			.initial_state = (void *)golden_world_name(i),
		};
	}
	failed = cmocka_run_group_tests_name("golden", tests, NULL, NULL);
	golden_free(&golden);
	return failed;
}
