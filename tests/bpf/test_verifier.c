/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the program costs to be accepted, and how large it is, by the features that are in use: printed, and held to a limit.
 * The kernel gives up at a million instructions; other versions of it walk further for the same program, and features to
 * come need room. Why a stage multiplies the walk of those behind it: join_ways() in bpf/packet.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "../lib/fixture.h"
#include "datapath/internal.h"

enum { VERIFIED_MAX = 200000 };

static const struct {
	const char *name;
	uint32_t features;
} sets[] = {
	{"none", 0},
	{"any port", SHUNT_FEATURE_ANY_PORT},
	{"gue", SHUNT_FEATURE_GUE},
	{"mss", SHUNT_FEATURE_MSS},
	{"deny", SHUNT_FEATURE_DENY},
	{"allow", SHUNT_FEATURE_ALLOW},
	{"allow, all services", SHUNT_FEATURE_ALLOW_ALL},
	{"limits", SHUNT_FEATURE_LIMIT},
	{"on_empty: reject", SHUNT_FEATURE_REJECT},
	{"on_empty: fail-open", SHUNT_FEATURE_FAIL_OPEN},
	{"passive", SHUNT_FEATURE_PASSIVE},
	{"schedulers", SHUNT_FEATURE_SCHEDULERS},
	{"prefixes", SHUNT_FEATURE_PREFIXES},
	{"clients", SHUNT_FEATURE_CLIENTS},
	{"quic", SHUNT_FEATURE_QUIC},
	{"nat", SHUNT_FEATURE_NAT},
	{"every feature", UINT32_MAX},
};

static struct bpf_prog_info info_of(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len), 0);
	return info;
}

static void the_verifier_walks_less_than_its_limit_for_every_set_of_features(void **state)
{
	uint32_t none_bytes = 0;

	(void)state;
	print_message("  %-22s %12s %12s %12s %12s\n", "features", "verified", "of explain", "xlated", "jited");
	for (size_t i = 0; i < N(sets); i++) {
		struct datapath_options options = fixture_defaults;
		struct bpf_prog_info packets, explain;
		struct fixture f;

		options.features = sets[i].features;
		options.client_table_size = 1024;
		fixture_open(&f, &options);
		packets = info_of(f.datapath->skeleton->progs.xdp_shunt);
		explain = info_of(f.datapath->skeleton->progs.xdp_explain);
		fixture_close(&f);
		print_message("  %-22s %12u %12u %12u %12u\n", sets[i].name, packets.verified_insns,
			      explain.verified_insns, packets.xlated_prog_len, packets.jited_prog_len);
		assert_in_range(packets.verified_insns, 1, VERIFIED_MAX - 1);
		assert_in_range(explain.verified_insns, 1, VERIFIED_MAX - 1);
		/* What is not in use is not there. */
		none_bytes = none_bytes ?: packets.xlated_prog_len;
		if (i > 0)
			assert_true(packets.xlated_prog_len > none_bytes);
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
