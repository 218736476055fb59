/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the program costs to be accepted, and how large it is, by the features that are in use: printed, and held to a limit.
 * The kernel gives up at a million instructions; other versions of it walk further for the same program, and features to
 * come need room. Why a stage multiplies the walk of those behind it: join_ways() in bpf/packet.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/feature_sets.h"
#include "../lib/fixture.h"

enum { VERIFIED_MAX = 200000 };

static void the_verifier_walks_less_than_its_limit_for_every_set_of_features(void **state)
{
	uint32_t none_bytes = 0;

	(void)state;
	print_message("  %-22s %12s %12s %12s %12s %12s\n", "features", "verified", "of explain", "of trace", "xlated", "jited");
	for (size_t i = 0; i < n_feature_sets; i++) {
		struct program_size size = program_size(feature_sets[i].features);

		print_message("  %-22s %12u %12u %12u %12u %12u\n", feature_sets[i].name, size.verified, size.verified_explain,
			      size.verified_trace, size.xlated, size.jited);
		assert_in_range(size.verified, 1, VERIFIED_MAX - 1);
		assert_in_range(size.verified_explain, 1, VERIFIED_MAX - 1);
		assert_in_range(size.verified_trace, 1, VERIFIED_MAX - 1);
		/* What is not in use is not there. */
		none_bytes = none_bytes ?: size.xlated;
		if (i > 0)
			assert_true(size.xlated > none_bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verifier_walks_less_than_its_limit_for_every_set_of_features),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
