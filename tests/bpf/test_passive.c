/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What passive detection counts of each backend, that nobody else pays for it, and what who uses it pays. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "../lib/fixture.h"

#define CLIENT "198.51.100.7:4000"
#define CLIENT6 "[2001:db8:c::7]:4000"
#define VIP "192.0.2.10:80"
#define VIP6 "[2001:db8::10]:80"

enum { RUNS = 11, PACKETS = 200000 };

static uint32_t open_with(struct fixture *f, uint32_t features)
{
	struct datapath_options options = fixture_defaults;
	uint32_t group, backend;

	options.features = features;
	fixture_open(f, &options);
	group = fixture_group(f, 1);
	backend = fixture_backend(f, "10.0.1.11", LINK_IN);
	fixture_slots(f, group, settled(backend));
	fixture_service(f, IPPROTO_TCP, VIP, group, SHUNT_FORWARD_L2, 0);
	fixture_service(f, IPPROTO_TCP, VIP6, group, SHUNT_FORWARD_L2, 0);
	fixture_service(f, IPPROTO_UDP, VIP, group, SHUNT_FORWARD_L2, 0);
	return backend;
}

static void run_all(struct fixture *f)
{
	const struct frame *const frames[] = {
		tcp(CLIENT, VIP, SYN),         tcp(CLIENT, VIP, SYN),       tcp(CLIENT, VIP, SYN | ACK),
		tcp(CLIENT, VIP, ACK),         tcp(CLIENT, VIP, FIN | ACK), tcp(CLIENT, VIP, RST),
		tcp(CLIENT6, VIP6, RST | ACK), tcp(CLIENT6, VIP6, SYN),     udp(CLIENT, VIP),
	};

	for (size_t i = 0; i < N(frames); i++)
		assert_int_equal(fixture_run_quietly(f, frames[i]), 3 /* XDP_TX */);
}

static void tcp_packets_syns_and_resets_are_counted(void **state)
{
	struct fixture f = {};
	uint32_t backend = open_with(&f, SHUNT_FEATURE_PASSIVE);
	struct shunt_backend_signs signs;
	struct traffic stats;

	(void)state;
	run_all(&f);
	datapath_backend_stats(f.datapath, backend, 1, &stats);
	datapath_backend_signs(f.datapath, backend, &signs);
	assert_int_equal(stats.packets, 9);
	assert_int_equal(signs.tcp, 8);
	assert_int_equal(signs.syns, 3);
	assert_int_equal(signs.resets, 2);
	fixture_close(&f);
}

static void without_the_feature_nothing_is(void **state)
{
	struct fixture f = {};
	uint32_t backend = open_with(&f, 0);
	struct shunt_backend_signs signs;
	struct traffic stats;

	(void)state;
	run_all(&f);
	datapath_backend_stats(f.datapath, backend, 1, &stats);
	datapath_backend_signs(f.datapath, backend, &signs);
	assert_int_equal(stats.packets, 9);
	assert_int_equal(signs.tcp + signs.syns + signs.resets, 0);
	fixture_close(&f);
}

static int by_time(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* ns a packet, of many of one frame; l2 leaves the packet as it was, but for its MAC addresses. */
static uint32_t time_of(const struct fixture *f, const struct frame *frame)
{
	uint8_t out[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->byte, .data_size_in = frame->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = PACKETS);

	assert_int_equal(bpf_prog_test_run_opts(fixture_program(f), &run), 0);
	return run.duration;
}

static void what_it_costs(void **state)
{
	struct fixture without = {}, with = {};
	struct frame *frame;
	uint32_t times[2][RUNS];

	(void)state;
	open_with(&without, 0);
	for (int run = 0; run < RUNS; run++) {
		frame = tcp(CLIENT, VIP, ACK);
		time_of(&without, frame); /* warm */
		times[0][run] = time_of(&without, frame);
		fixture_close(&without);
		open_with(&with, SHUNT_FEATURE_PASSIVE);
		frame = tcp(CLIENT, VIP, ACK);
		time_of(&with, frame);
		times[1][run] = time_of(&with, frame);
		fixture_close(&with);
		without = with = (struct fixture){};
		open_with(&without, 0);
	}
	fixture_close(&without);
	for (int i = 0; i < 2; i++)
		qsort(times[i], RUNS, sizeof(times[i][0]), by_time);
	print_message("  l2, median of %d alternated runs: %u ns a packet, with passive detection %u ns: %.2f times\n",
		      RUNS, times[0][RUNS / 2], times[1][RUNS / 2], (double)times[1][RUNS / 2] / times[0][RUNS / 2]);
	assert_true(times[1][RUNS / 2] < 2 * times[0][RUNS / 2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_packets_syns_and_resets_are_counted),
		cmocka_unit_test(without_the_feature_nothing_is),
		cmocka_unit_test(what_it_costs),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
