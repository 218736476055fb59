/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "datapath/internal.h"
#include "feature_sets.h"
#include "fixture.h"

const struct feature_set feature_sets[] = {
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
const size_t n_feature_sets = N(feature_sets);

static struct bpf_prog_info info_of(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len), 0);
	return info;
}

static void on_packet(void *userdata, const struct shunt_trace *event)
{
	(void)userdata;
	(void)event;
}

struct program_size program_size(uint32_t features)
{
	struct datapath_options options = fixture_defaults;
	struct bpf_prog_info packets, explain, trace;
	struct fixture f;

	options.features = features;
	options.client_table_size = 1024;
	fixture_open(&f, &options);
	packets = info_of(f.datapath->skeleton->progs.xdp_shunt);
	explain = info_of(f.datapath->skeleton->progs.xdp_explain);
	assert_int_equal(datapath_trace_start(f.datapath, on_packet, NULL), 0); /* as `shunt trace` has it loaded */
	trace = info_of(attached_skeleton(f.datapath)->progs.xdp_shunt_trace);
	datapath_trace_stop(f.datapath);
	fixture_close(&f);
	return (struct program_size){
		.verified = packets.verified_insns,
		.verified_explain = explain.verified_insns,
		.verified_trace = trace.verified_insns,
		.xlated = packets.xlated_prog_len,
		.jited = packets.jited_prog_len,
	};
}
