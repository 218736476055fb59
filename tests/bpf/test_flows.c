/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow table as packets fill it: whose entry makes way for whom, and that a flood of SYNs pushes nobody out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <cmocka.h>

#include <shunt/flow_line.h>
#include <shunt/hash.h>

#include "../lib/fixture.h"
#include "base/clock.h"
#include "datapath/internal.h"

#define VIP "192.0.2.10:80"
#define CLIENT "198.51.100.7:4000"
enum { NOW = 1, WAS, OTHER };

static uint32_t publish_moving(struct fixture *f)
{
	uint32_t group = fixture_group(f, 1);

	fixture_backend(f, "10.0.1.1", LINK_IN);
	fixture_backend(f, "10.0.1.2", LINK_IN);
	fixture_backend(f, "10.0.1.3", LINK_IN);
	fixture_slots(f, group, moving(NOW, WAS));
	return fixture_service(f, IPPROTO_TCP, VIP, group, SHUNT_FORWARD_L2, 0);
}

static uint16_t coarse_now(void)
{
	return shunt_coarse_time(clock_monotonic_ns());
}

/* ---- victims ---- */

enum kind { FREE, HALF, DONE }; /* an entry of a flow that is not established, one that is */

struct victim_row {
	const char *sentence;
	enum kind kind[SHUNT_FLOWS_PER_LINE];
	uint16_t age[SHUNT_FLOWS_PER_LINE];
	unsigned int flags;
	int victim; /* -1: nobody makes way */
};

static void fill_line(struct shunt_flow_line *line, const struct victim_row *row)
{
	for (uint32_t i = 0; i < SHUNT_FLOWS_PER_LINE; i++) {
		line->flow[i] = (struct shunt_flow){
			.fingerprint = 1000 + i,
			.backend = OTHER,
			.established = row->kind[i] == DONE,
			.seen = coarse_now() - row->age[i],
		};
		if (row->kind[i] == FREE)
			line->flow[i] = (struct shunt_flow){0};
	}
}

static bool victim_row_holds(struct fixture *f, const struct victim_row *row, uint32_t service)
{
	struct frame *in = tcp(CLIENT, VIP, row->flags);
	uint64_t hash = hash_of(f, in, service);
	struct shunt_flow_line *line = fixture_flow_line(f, hash), before;
	bool starts = row->flags == SYN;
	uint32_t backend, expected = starts && row->victim >= 0 ? NOW : WAS;
	int changed = -1, n_changed = 0;

	fill_line(line, row);
	before = *line;
	backend = backend_of(f, fixture_run(f, in).frame);
	for (int i = 0; i < SHUNT_FLOWS_PER_LINE; i++)
		if (memcmp(&line->flow[i], &before.flow[i], sizeof(struct shunt_flow)) != 0) {
			changed = i;
			n_changed++;
		}
	if (changed == row->victim && n_changed == (row->victim >= 0) && backend == expected)
		return true;
	printf("%s: %d makes way, expected %d; goes to %u, expected %u\n", row->sentence, changed, row->victim, backend,
	       expected);
	return false;
}

static void the_oldest_flow_that_never_was_established_makes_way(void **state)
{
	static const struct victim_row rows[] = {
		{"an empty line", {FREE}, {0}, SYN, 0},
		{"one place is free",
		 {DONE, HALF, DONE, DONE, FREE, DONE, DONE, DONE},
		 {9, 9, 9, 9, 0, 9, 9, 9},
		 SYN,
		 4},
		{"one place is free, data",
		 {DONE, HALF, DONE, DONE, FREE, DONE, DONE, DONE},
		 {9, 9, 9, 9, 0, 9, 9, 9},
		 ACK,
		 4},
		{"the oldest of the half open",
		 {HALF, HALF, HALF, HALF, HALF, HALF, HALF, HALF},
		 {3, 1, 4, 1, 5, 9, 2, 6},
		 SYN,
		 5},
		{"the half open one, though established ones are older",
		 {DONE, DONE, HALF, DONE, DONE, DONE, DONE, DONE},
		 {900, 900, 1, 900, 900, 900, 900, 900},
		 SYN,
		 2},
		{"data too takes the half open one first",
		 {DONE, DONE, HALF, DONE, DONE, DONE, DONE, DONE},
		 {900, 900, 1, 900, 900, 900, 900, 900},
		 ACK,
		 2},
		{"all established: a SYN pushes nobody out",
		 {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE},
		 {900, 800, 700, 600, 500, 400, 300, 200},
		 SYN,
		 -1},
		{"all established: data pushes nobody out either",
		 {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE},
		 {300, 800, 700, 900, 500, 400, 300, 200},
		 ACK,
		 -1},
		{"all established: one that nobody used for longer than flow_timeout makes way",
		 {DONE, DONE, DONE, DONE, DONE, DONE, DONE, DONE},
		 {300, 800, 700, 9000, 500, 400, 300, 200},
		 SYN,
		 3},
		{"ages are right across the wrap of the clock",
		 {HALF, HALF, HALF, HALF, HALF, HALF, HALF, HALF},
		 {1, 32000, 3, 4, 5, 6, 7, 8},
		 SYN,
		 1},
	};
	struct fixture *f = *state;
	uint32_t service = publish_moving(f);
	size_t failed = 0;

	for (size_t i = 0; i < N(rows); i++)
		failed += !victim_row_holds(f, &rows[i], service);
	assert_int_equal(failed, 0);
}

static void a_packet_refreshes_the_time_of_its_entry(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish_moving(f);
	struct frame *in = tcp(CLIENT, VIP, ACK);
	uint64_t hash = hash_of(f, in, service);
	struct shunt_flow_line *line = fixture_flow_line(f, hash);

	line->flow[7] = (struct shunt_flow){
		.fingerprint = shunt_fingerprint(hash), .backend = OTHER, .seen = coarse_now() - 1000};
	assert_int_equal(backend_of(f, fixture_run(f, in).frame), OTHER);
	assert_true(shunt_flow_age(line->flow[7], coarse_now()) <= 1);
	assert_int_equal(line->flow[7].established, 1);
	assert_int_equal(line->flow[7].backend, OTHER);
	assert_int_equal(fixture_flows_used(f), 1);
}

/* A line that is only read stays in the caches of all processors. */
static void a_busy_flow_seldom_writes_to_its_entry(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish_moving(f);
	struct frame *in = tcp(CLIENT, VIP, ACK);
	uint64_t hash = hash_of(f, in, service);
	struct shunt_flow_line *line = fixture_flow_line(f, hash);
	uint16_t lag = f->datapath->cfg.flow_lag, seen;

	assert_true(lag > 2);
	seen = coarse_now() - lag + 2;
	line->flow[0] = (struct shunt_flow){
		.fingerprint = shunt_fingerprint(hash), .backend = OTHER, .established = 1, .seen = seen};
	assert_int_equal(backend_of(f, fixture_run(f, in).frame), OTHER);
	assert_int_equal(line->flow[0].seen, seen);
	line->flow[0].seen = coarse_now() - lag - 1;
	assert_int_equal(backend_of(f, fixture_run(f, in).frame), OTHER);
	assert_true(shunt_flow_age(line->flow[0], coarse_now()) <= 1);
	/* What else the packet says is noted at once. */
	line->flow[0].seen = seen = coarse_now() - lag + 2;
	assert_int_equal(backend_of(f, fixture_run(f, tcp(CLIENT, VIP, FIN | ACK)).frame), OTHER);
	assert_int_equal(line->flow[0].closing, 1);
}

/* A backend drains, and a client comes back on the port that it has just used. */
static void whoever_uses_a_port_again_begins_another_flow(void **state)
{
	static const unsigned int ends[] = {FIN | ACK, RST, RST | ACK};
	struct fixture *f = *state;
	uint32_t service = publish_moving(f);

	for (size_t i = 0; i < N(ends); i++) {
		uint64_t hash = hash_of(f, tcp(CLIENT, VIP, SYN), service);
		const struct {
			unsigned int flags;
			uint32_t backend;
		} steps[] = {
			{ACK, WAS},
			{SYN, WAS}, /* forged, or late: nobody has ended anything */
			{ACK | PSH, WAS},
			{ends[i], WAS},
			{ACK, WAS}, /* half closed: the answers are acknowledged */
			{ends[i], WAS},
			{SYN, NOW},
			{SYN, NOW},
			{ACK, NOW},
			{SYN, NOW},
		};

		*fixture_flow_line(f, hash) = (struct shunt_flow_line){0};
		for (size_t j = 0; j < N(steps); j++)
			assert_int_equal(backend_of(f, fixture_run(f, tcp(CLIENT, VIP, steps[j].flags)).frame), steps[j].backend);
		assert_int_equal(flow_entry(f, hash).closing, 0);
		assert_int_equal(flow_entry(f, hash).established, 1);
		assert_int_equal(fixture_flows_used(f), 1);
	}
}

static void flows_of_different_slots_never_share_a_fingerprint(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish_moving(f), group = fixture_group(f, 1);
	size_t bytes;
	const struct shunt_flow *flow;

	for (uint32_t slot = 0; slot < f->options.table_size; slot++)
		fixture_slot(f, group, slot, slot % 2 ? moving(NOW, WAS) : settled(OTHER));
	for (int port = 1000; port < 1600; port++) {
		char client[32];
		struct frame *in;

		snprintf(client, sizeof(client), "198.51.100.9:%d", port);
		in = tcp(client, VIP, ACK);
		assert_int_equal(backend_of(f, fixture_run(f, in).frame), slot_of(f, in, service) % 2 ? WAS : OTHER);
		frames_free();
	}
	flow = fixture_flows(f, &bytes)->flow;
	for (size_t i = 0; i < bytes / sizeof(*flow); i++)
		assert_true(!flow[i].fingerprint || shunt_slot_index(flow[i].fingerprint, f->options.table_size) % 2);
}

/* ---- the flood ---- */

enum { ESTABLISHED = 400, FLOOD = 100000 };

static void client_name(char client[32], unsigned int net, uint64_t n)
{
	uint64_t r = shunt_mix64(n + 1);

	snprintf(client, 32, "%u.%u.%u.%u:%u", net, (unsigned int)(r & 255), (unsigned int)(r >> 8 & 255),
		 (unsigned int)(r >> 16 & 255), 1024 + (unsigned int)(r >> 24) % 60000);
}

static uint32_t send_one(struct fixture *f, unsigned int net, uint64_t n, unsigned int flags)
{
	char client[32];

	client_name(client, net, n);
	return backend_of(f, fixture_run(f, tcp(client, VIP, flags)).frame);
}

static void a_syn_flood_pushes_no_established_flow_out(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish_moving(f), went_to[ESTABLISHED], before, pinned = 0, evicted = 0;
	bool is_pinned[ESTABLISHED];

	for (int i = 0; i < ESTABLISHED; i++) {
		uint32_t first = send_one(f, 100, i, SYN);

		went_to[i] = send_one(f, 100, i, ACK);
		assert_int_equal(went_to[i], first);
	}
	/* The ninth flow of a line found no place: that is not the flood's doing. */
	for (int i = 0; i < ESTABLISHED; i++) {
		char client[32];

		client_name(client, 100, i);
		is_pinned[i] = flow_entry(f, hash_of(f, tcp(client, VIP, ACK), service)).backend == went_to[i];
		pinned += is_pinned[i];
	}
	before = fixture_flows_used(f);
	for (int i = 0; i < FLOOD; i++) {
		char client[32];
		struct frame *in;

		client_name(client, 203, i);
		in = tcp(client, VIP, SYN);
		assert_int_equal(fixture_run_quietly(f, in), XDP_TX);
		frames_free();
	}
	assert_true(fixture_flows_used(f) > before + 400); /* the flood did fill the table */
	for (int i = 0; i < ESTABLISHED; i++) {
		evicted += is_pinned[i] && send_one(f, 100, i, ACK) != went_to[i];
		frames_free();
	}
	print_message("  %u of %u flows pinned in a table of %u, %u after %u SYNs\n", pinned, ESTABLISHED,
		      f->options.flow_table_size, pinned - evicted, FLOOD);
	assert_int_equal(evicted, 0);
	assert_true(pinned > ESTABLISHED * 95 / 100);
}

/* ---- the controller's side ---- */

static void count_live(void *userdata, struct shunt_flow flow)
{
	uint32_t *count = userdata;

	count[flow.backend]++;
}

static void the_controller_sees_ages_and_frees_what_packets_pinned(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish_moving(f), count[8] = {0};
	struct frame *last = NULL;
	char client[32];

	for (int i = 0; i < 60; i++) {
		client_name(client, 100, i);
		last = tcp(client, VIP, i < 20 ? SYN : ACK);
		fixture_run(f, last);
	}
	assert_int_equal(datapath_scan_flows(f->datapath, 60000, count_live, count), 60);
	assert_int_equal(count[NOW], 20);
	assert_int_equal(count[WAS], 40);
	datapath_forget_flows(f->datapath, NOW);
	assert_int_equal(fixture_flows_used(f), 40);
	for (size_t i = 0; i < SHUNT_FLOWS_PER_LINE; i++) /* the line of the last flow was not used for ten seconds */
		fixture_flow_line(f, hash_of(f, last, service))->flow[i].seen -= 40;
	memset(count, 0, sizeof(count));
	assert_true(datapath_scan_flows(f->datapath, 5000, count_live, count) < 40);
	assert_true(fixture_flows_used(f) == count[WAS] && count[WAS] >= 32);
	assert_int_equal(flow_entry(f, hash_of(f, last, service)).backend, 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(the_oldest_flow_that_never_was_established_makes_way),
		test(a_packet_refreshes_the_time_of_its_entry),
		test(a_busy_flow_seldom_writes_to_its_entry),
		test(whoever_uses_a_port_again_begins_another_flow),
		test(flows_of_different_slots_never_share_a_fingerprint),
		test(a_syn_flood_pushes_no_established_flow_out),
		test(the_controller_sees_ages_and_frees_what_packets_pinned),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
