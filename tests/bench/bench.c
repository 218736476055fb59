/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Nanoseconds a packet on one core, and what else a balancer costs (README.md). With SHUNT_BENCH_SHORT=1 in the environment
 * in a minute, for CI. Prints tables, writes bench.json and bench.svg into the build folder.
 */
#include <stdlib.h>

#include "bench.h"

enum { TRIES = 3 };

/* Ratios far off may be somebody else's work on the machine: then all is measured again. */
int main(void)
{
	static struct bench b;
	struct results results;
	bool too_far = true;

	fixture_isolate();
	bench_open(&b, getenv("SHUNT_BENCH_SHORT") != NULL);
	for (int i = 0; i < TRIES && too_far; i++) {
		results.n = 0;
		bench_measure(&b);
		print_table(&b);
		judge_claims(&b, &results);
		judge_costs(&results);
		print_results(&results);
		too_far = is_too_far(&results);
	}
	if (!b.brief)
		print_sizes(); /* tests/bpf/test_verifier.c tells them in CI */
	write_json(&b, &results);
	write_plot(&b);
	bench_close(&b);
	return too_far;
}
