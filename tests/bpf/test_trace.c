/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tracing program against the one in whose place it is put: the same verdicts, the same bytes, the same counters; what it
 * hands over; what it costs the verifier, and a packet. The first program must not refer to anything of tracing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "../lib/fixture.h"
#include "base/clock.h"
#include "datapath/internal.h"

#define CLIENT "198.51.100.7:4000"
#define CLIENT6 "[2001:db8:1::7]:4000"
#define VIP "192.0.2.10:80"
#define VIP6 "[2001:db8::10]:80"

enum { VERIFIED_MAX = 200000, REPEAT = 20000, ROUNDS = 9 };

static struct shunt_trace seen[64];
static size_t n_seen;

static void note(void *userdata, const struct shunt_trace *event)
{
	(void)userdata;
	if (n_seen < N(seen))
		seen[n_seen++] = *event;
}

static void watch(struct fixture *f, struct shunt_trace_filter filter, uint64_t interval_ns)
{
	struct shunt_trace_control control = {
		.until_ns = clock_monotonic_ns() + 600000000000ULL,
		.interval_ns = interval_ns,
		.burst_ns = 4 * interval_ns,
		.filter = filter,
	};

	datapath_trace_control(f->datapath, &control);
}

struct ran {
	int verdict;
	uint32_t length;
	uint8_t bytes[FRAME_MAX];
	uint32_t duration_ns;
};

static void run(struct fixture *f, const struct frame *in, uint32_t repeat, struct ran *ran)
{
	struct xdp_md context = {.data_end = in->len, .ingress_ifindex = f->ifindex[LINK_IN]};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->byte, .data_size_in = in->len, .data_out = ran->bytes,
		    .data_size_out = FRAME_MAX, .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = repeat);

	assert_int_equal(bpf_prog_test_run_opts(attached_program(f->datapath), &opts), 0);
	ran->verdict = opts.retval;
	ran->length = opts.data_size_out;
	ran->duration_ns = opts.duration;
}

static void publish(struct fixture *f, enum shunt_forward forward)
{
	uint32_t group = fixture_group(f, 1), backend = fixture_backend(f, "10.0.1.11", LINK_IN);

	fixture_slots(f, group, settled(backend));
	fixture_service(f, IPPROTO_TCP, VIP, group, forward, 0);
	fixture_service(f, IPPROTO_TCP, VIP6, group, forward, 0);
}

static void both_programs_do_the_same(void **state)
{
	struct fixture *f = *state;
	struct frame *frames[] = {
		tcp(CLIENT, VIP, SYN), tcp(CLIENT, VIP, ACK), payload(tcp(CLIENT, VIP, ACK), 1000), tcp(CLIENT6, VIP6, SYN),
		ttl(tcp(CLIENT, VIP, ACK), 0), cut(tcp(CLIENT, VIP, ACK), 40), tcp(CLIENT, "192.0.2.99:80", SYN),
		payload(tcp(CLIENT, VIP, ACK), 1480), udp(CLIENT, VIP),
	};

	publish(f, SHUNT_FORWARD_IPIP);
	for (size_t i = 0; i < N(frames); i++) {
		static struct ran first, traced;

		run(f, frames[i], 1, &first);
		assert_int_equal(datapath_trace_start(f->datapath, note, NULL), 0);
		watch(f, (struct shunt_trace_filter){0}, 1);
		run(f, frames[i], 1, &traced);
		datapath_trace_stop(f->datapath);
		assert_int_equal(traced.verdict, first.verdict);
		assert_int_equal(traced.length, first.length);
		assert_memory_equal(traced.bytes, first.bytes, first.length);
	}
}

static void a_packet_is_told_as_it_came_and_as_it_left(void **state)
{
	struct fixture *f = *state;
	struct frame *in = payload(tcp(CLIENT, VIP, SYN), 600);
	static struct ran out;

	publish(f, SHUNT_FORWARD_IPIP);
	assert_int_equal(datapath_trace_start(f->datapath, note, NULL), 0);
	n_seen = 0;
	watch(f, (struct shunt_trace_filter){0}, 1);
	run(f, in, 1, &out);
	run(f, ttl(tcp(CLIENT, VIP, ACK), 0), 1, &(struct ran){0});
	run(f, tcp(CLIENT, "192.0.2.99:80", SYN), 1, &(struct ran){0});
	datapath_trace_read(f->datapath);
	assert_int_equal(n_seen, 2); /* what is for nobody here is not told */
	assert_int_equal(seen[0].what.verdict, out.verdict);
	assert_int_equal(seen[0].what.choice, SHUNT_CHOICE_SETTLED);
	assert_int_equal(seen[0].before_length, in->len);
	assert_memory_equal(seen[0].before, in->byte, SHUNT_TRACE_BYTES);
	assert_int_equal(seen[0].after_length, in->len + 20);
	assert_memory_equal(seen[0].after, out.bytes, SHUNT_TRACE_BYTES);
	assert_int_equal(seen[1].what.reason, SHUNT_DROP_TTL_ZERO);
	assert_int_equal(seen[1].after_length, 0);
	datapath_trace_stop(f->datapath);
}

static void only_what_is_wanted_and_within_the_rate_is_told(void **state)
{
	struct fixture *f = *state;
	struct frame *in = tcp(CLIENT, VIP, ACK);
	static struct ran out;

	publish(f, SHUNT_FORWARD_L2);
	assert_int_equal(datapath_trace_start(f->datapath, note, NULL), 0);
	n_seen = 0;
	watch(f, (struct shunt_trace_filter){.drop = SHUNT_DROP_TTL_ZERO}, 1);
	run(f, in, 10, &out);
	datapath_trace_read(f->datapath);
	assert_int_equal(n_seen, 0);
	assert_int_equal(datapath_trace_skipped(f->datapath), 0);
	watch(f, (struct shunt_trace_filter){.choice = SHUNT_CHOICE_SETTLED}, 600000000000ULL); /* the burst, then none */
	run(f, in, 100, &out);
	datapath_trace_read(f->datapath);
	assert_in_range(n_seen, 1, 6);
	assert_int_equal(datapath_trace_skipped(f->datapath), 100 - n_seen);
	/* Nobody renews: nothing is told, nothing counted. */
	n_seen = 0;
	datapath_trace_control(f->datapath, &(struct shunt_trace_control){.until_ns = 1, .interval_ns = 1, .burst_ns = 1});
	run(f, in, 100, &out);
	datapath_trace_read(f->datapath);
	assert_int_equal(n_seen, 0);
	datapath_trace_stop(f->datapath);
}

static int by_number(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b;
}

static uint32_t median(uint32_t numbers[ROUNDS])
{
	qsort(numbers, ROUNDS, sizeof(*numbers), by_number);
	return numbers[ROUNDS / 2];
}

/* Printed: what it costs a packet while somebody watches. While nobody does, that program is not there. */
static void what_it_costs(void **state)
{
	const struct shunt_trace_filter nothing = {.drop = SHUNT_DROP_TTL_ZERO}, all = {0};
	struct fixture *f = *state;
	struct frame *in = tcp(CLIENT, VIP, ACK);
	uint32_t off[ROUNDS], filtered[ROUNDS], over_rate[ROUNDS];
	static struct ran out;

	publish(f, SHUNT_FORWARD_L2);
	for (int i = 0; i < ROUNDS; i++) {
		run(f, in, REPEAT, &out);
		off[i] = out.duration_ns;
		assert_int_equal(datapath_trace_start(f->datapath, note, NULL), 0);
		watch(f, nothing, 1);
		run(f, in, REPEAT, &out);
		filtered[i] = out.duration_ns;
		watch(f, all, 1000000);
		run(f, in, REPEAT, &out);
		over_rate[i] = out.duration_ns;
		datapath_trace_stop(f->datapath);
	}
	print_message("  ns a packet: %u while nobody watches, %u when none is wanted, %u when all are, at 1,000 a second\n",
		      median(off), median(filtered), median(over_rate));
}

static bool refers_to(int program, int map)
{
	uint32_t maps[64], length = sizeof(struct bpf_prog_info), map_length = sizeof(struct bpf_map_info);
	struct bpf_prog_info info = {.nr_map_ids = N(maps), .map_ids = (uintptr_t)maps};
	struct bpf_map_info map_info = {0};

	assert_int_equal(bpf_obj_get_info_by_fd(program, &info, &length), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(map, &map_info, &map_length), 0);
	for (uint32_t i = 0; i < info.nr_map_ids; i++)
		if (maps[i] == map_info.id)
			return true;
	return false;
}

static void the_verifier_takes_it_with_every_feature(void **state)
{
	struct datapath_options options = fixture_defaults;
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	struct fixture f;

	(void)state;
	options.features = UINT32_MAX;
	options.client_table_size = 1024;
	fixture_open(&f, &options);
	assert_int_equal(datapath_trace_start(f.datapath, note, NULL), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(attached_program(f.datapath), &info, &length), 0);
	print_message("  verified, with every feature: %u\n", info.verified_insns);
	assert_in_range(info.verified_insns, 1, VERIFIED_MAX - 1);
	for (int i = 0; i < 3; i++) {
		const struct bpf_map *const maps[] = {attached_skeleton(f.datapath)->maps.trace_ring,
						      attached_skeleton(f.datapath)->maps.trace_scratch,
						      attached_skeleton(f.datapath)->maps.trace_control};

		assert_true(refers_to(attached_program(f.datapath), bpf_map__fd(maps[i])));
		assert_false(refers_to(fixture_program(&f), bpf_map__fd(maps[i])));
	}
	assert_true(bpf_map__fd(f.datapath->skeleton->maps.trace_ring) < 0);
	datapath_trace_stop(f.datapath);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_programs_do_the_same, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_packet_is_told_as_it_came_and_as_it_left, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(only_what_is_wanted_and_within_the_rate_is_told, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_it_costs, fixture_setup, fixture_teardown),
		cmocka_unit_test(the_verifier_takes_it_with_every_feature),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
