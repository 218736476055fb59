/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Schedulers: who gets a new flow, that weights hold, and that a flow stays where it began. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include <shunt/flow_line.h>
#include <shunt/hash.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define FEATURES (SHUNT_FEATURE_ANY_PORT | SHUNT_FEATURE_SCHEDULERS)
#define TO VIP_HOST ":80"

enum { SLOTS = 64, SLOTS_A = 32, SLOTS_B = 24 }; /* of backends a, b, and the rest of c */

struct scheduled {
	struct fixture f;
	uint32_t group, a, b, c;
	uint32_t tcp, udp;
};

static int setup(void **state)
{
	struct scheduled *s = calloc(1, sizeof(*s));
	struct datapath_options options = fixture_defaults;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0); /* turns are counted on each CPU */
	options.features = FEATURES;
	fixture_open(&s->f, &options);
	s->group = fixture_group(&s->f, 1);
	s->a = fixture_backend(&s->f, "10.0.1.1", LINK_IN);
	s->b = fixture_backend(&s->f, "10.0.1.2", LINK_IN);
	s->c = fixture_backend(&s->f, "10.0.1.3", LINK_IN);
	for (uint32_t slot = 0; slot < SLOTS; slot++)
		fixture_slot(&s->f, s->group, slot,
			     settled(slot < SLOTS_A             ? s->a
				     : slot < SLOTS_A + SLOTS_B ? s->b
								: s->c));
	s->tcp = fixture_service(&s->f, IPPROTO_TCP, TO, s->group, SHUNT_FORWARD_L2, 0);
	s->udp = fixture_service(&s->f, IPPROTO_UDP, TO, s->group, SHUNT_FORWARD_L2, 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scheduled *s = *state;

	fixture_close(&s->f);
	free(s);
	return 0;
}

static void use(struct scheduled *s, enum shunt_scheduler scheduler)
{
	fixture_scheduler(&s->f, s->tcp, scheduler);
	fixture_scheduler(&s->f, s->udp, scheduler);
}

static const char *client(uint32_t number)
{
	static char text[32];

	snprintf(text, sizeof(text), "198.18.%u.%u:%u", number >> 8 & 255, number & 255, 1024 + (number >> 16));
	return text;
}

static uint32_t backend_for(struct scheduled *s, const struct frame *frame)
{
	struct outcome outcome = fixture_run(&s->f, frame);

	assert_int_equal(outcome.verdict, XDP_TX);
	return backend_of(&s->f, outcome.frame);
}

/* How n new flows are shared out, from the client with this number on. */
static void share(struct scheduled *s, bool is_tcp, uint32_t first, uint32_t n, uint32_t ret_counts[4])
{
	memset(ret_counts, 0, 4 * sizeof(*ret_counts));
	for (uint32_t i = first; i < first + n; i++) {
		ret_counts[backend_for(s, is_tcp ? tcp(client(i), TO, SYN) : udp(client(i), TO))]++;
		frames_free();
	}
	print_message("  %u %u %u\n", ret_counts[s->a], ret_counts[s->b], ret_counts[s->c]);
}

static void assert_about(uint32_t got, uint32_t expected)
{
	assert_in_range(got, expected - expected / 6, expected + expected / 6);
}

static void round_robin_takes_every_slot_in_its_turn(void **state)
{
	struct scheduled *s = *state;
	uint32_t counts[4];

	use(s, SHUNT_SCHEDULER_ROUND_ROBIN);
	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		share(s, is_tcp, 1, 3 * SLOTS, counts);
		assert_int_equal(counts[s->a], 3 * SLOTS_A);
		assert_int_equal(counts[s->b], 3 * SLOTS_B);
		assert_int_equal(counts[s->c], 3 * (SLOTS - SLOTS_A - SLOTS_B));
	}
}

static void random_holds_the_weights(void **state)
{
	struct scheduled *s = *state;
	uint32_t counts[4];

	use(s, SHUNT_SCHEDULER_RANDOM);
	share(s, true, 1, 100 * SLOTS, counts);
	assert_about(counts[s->a], 100 * SLOTS_A);
	assert_about(counts[s->b], 100 * SLOTS_B);
	assert_about(counts[s->c], 100 * (SLOTS - SLOTS_A - SLOTS_B));
}

static void load(struct scheduled *s, uint32_t a, uint32_t b, uint32_t c)
{
	datapath_backend_load(s->f.datapath, s->a, a, SLOTS_A);
	datapath_backend_load(s->f.datapath, s->b, b, SLOTS_B);
	datapath_backend_load(s->f.datapath, s->c, c, SLOTS - SLOTS_A - SLOTS_B);
}

static void least_connections_levels_flows_by_weight(void **state)
{
	struct scheduled *s = *state;
	uint32_t counts[4];

	use(s, SHUNT_SCHEDULER_LEAST_CONNECTIONS);
	load(s, 0, 0, 0);
	share(s, true, 1, 20 * SLOTS, counts);
	assert_about(counts[s->a], 20 * SLOTS_A);
	assert_about(counts[s->b], 20 * SLOTS_B);
	assert_about(counts[s->c], 20 * (SLOTS - SLOTS_A - SLOTS_B));
	assert_int_equal(datapath_peek_backend(s->f.datapath, s->a)->flows, counts[s->a]);

	/* Who has more than all the others gets a flow only when both slots are its own: a half of a half, here. */
	load(s, 100000, 0, 0);
	share(s, true, 100000, 20 * SLOTS, counts);
	assert_about(counts[s->a], 20 * SLOTS / 4);
	/* By weight: 3200 flows of weight 32 are as many as 800 of weight 8. */
	load(s, 3200, 2400, 800);
	share(s, false, 200000, 20 * SLOTS, counts);
	assert_about(counts[s->a], 20 * SLOTS_A);
}

static void a_flow_stays_where_it_began(void **state)
{
	struct scheduled *s = *state;

	for (enum shunt_scheduler scheduler = SHUNT_SCHEDULER_ROUND_ROBIN;
	     scheduler <= SHUNT_SCHEDULER_LEAST_CONNECTIONS; scheduler++) {
		use(s, scheduler);
		for (uint32_t i = 0; i < 200; i++) {
			uint32_t at = backend_for(s, tcp(client(i), TO, SYN));
			uint32_t udp_at = backend_for(s, udp(client(i), TO));

			assert_int_equal(backend_for(s, tcp(client(i), TO, SYN)), at); /* sent again */
			assert_int_equal(backend_for(s, tcp(client(i), TO, ACK)), at);
			assert_int_equal(backend_for(s, payload(tcp(client(i), TO, ACK | PSH), 5)), at);
			assert_int_equal(backend_for(s, tcp(client(i), TO, FIN | ACK)), at);
			assert_int_equal(backend_for(s, payload(udp(client(i), TO), 3)), udp_at);
		}
		frames_free();
	}
}

static uint32_t by_hash(struct scheduled *s, const struct frame *frame, uint32_t service)
{
	return datapath_table(s->f.datapath, s->group)[slot_of(&s->f, frame, service)].now;
}

static void a_flow_that_is_not_found_and_does_not_start_goes_by_its_hash(void **state)
{
	struct scheduled *s = *state;

	use(s, SHUNT_SCHEDULER_RANDOM);
	for (uint32_t i = 0; i < 100; i++) {
		struct frame *packet = tcp(client(i), TO, ACK);

		assert_int_equal(backend_for(s, packet), by_hash(s, packet, s->tcp));
		assert_int_equal(backend_for(s, tcp(client(i), TO, SYN)), by_hash(s, packet, s->tcp)); /* pinned now */
	}
}

/* The error begins nothing, be it about UDP: it takes nobody's turn and goes where the flow does that nobody remembers. */
static void an_error_about_a_flow_that_is_not_found_goes_by_its_hash(void **state)
{
	struct scheduled *s = *state;

	use(s, SHUNT_SCHEDULER_RANDOM);
	for (uint32_t i = 0; i < 100; i++) {
		struct frame *quoted = udp(TO, client(i)), *error;

		error = icmp_error("203.0.113.254", VIP_HOST, 3, 4, 1400, quoted, quoted->len - ETHERNET_LEN);
		assert_int_equal(backend_for(s, error), by_hash(s, udp(client(i), TO), s->udp));
		frames_free();
	}
	assert_int_equal(fixture_flows_used(&s->f), 0);
}

static void a_flow_that_cannot_be_remembered_goes_by_its_hash(void **state)
{
	struct scheduled *s = *state;
	const uint16_t now = shunt_coarse_time(0);

	use(s, SHUNT_SCHEDULER_RANDOM);
	for (uint32_t i = 0; i < 50; i++) {
		struct frame *syn = tcp(client(i), TO, SYN), *datagram = udp(client(i), TO);
		struct frame *both[] = {syn, datagram};

		for (size_t k = 0; k < N(both); k++) {
			uint32_t service = k ? s->udp : s->tcp;
			struct shunt_flow_line *line = fixture_flow_line(&s->f, hash_of(&s->f, both[k], service));

			assert_int_equal(backend_for(s, both[k]) != 0, 1); /* so that the time is of now */
			for (uint32_t f = 0; f < SHUNT_FLOWS_PER_LINE; f++) {
				uint16_t seen = line->flow[f].fingerprint ? line->flow[f].seen : now;

				for (uint32_t g = 0; g < SHUNT_FLOWS_PER_LINE; g++)
					seen = line->flow[g].fingerprint ? line->flow[g].seen : seen;
				line->flow[f] = (struct shunt_flow){
					.fingerprint = 7 + f, .backend = s->a, .established = 1, .seen = seen};
			}
			for (int times = 0; times < 5; times++)
				assert_int_equal(backend_for(s, both[k]), by_hash(s, both[k], service));
		}
		frames_free();
	}
}

static void who_is_down_gets_nothing_and_its_flows_go_on_elsewhere(void **state)
{
	struct scheduled *s = *state;
	uint32_t counts[4];

	use(s, SHUNT_SCHEDULER_LEAST_CONNECTIONS);
	load(s, 9, 0, 9);
	share(s, true, 1, 100, counts);
	assert_true(counts[s->b] > 0);
	datapath_backend_alive(s->f.datapath, s->b, false);
	share(s, true, 1, 100, counts); /* the same flows */
	assert_int_equal(counts[s->b], 0);
	share(s, true, 1000, 100, counts);
	assert_int_equal(counts[s->b], 0);
}

/* A drain: its slots have moved, its flows have not. */
static void who_drains_keeps_its_flows_and_gets_no_new_ones(void **state)
{
	struct scheduled *s = *state;
	uint32_t counts[4], began[100];

	use(s, SHUNT_SCHEDULER_ROUND_ROBIN);
	for (uint32_t i = 0; i < N(began); i++) {
		began[i] = backend_for(s, tcp(client(i), TO, SYN));
		backend_for(s, tcp(client(i), TO, ACK));
	}
	for (uint32_t slot = 0; slot < SLOTS_A; slot++)
		fixture_slot(&s->f, s->group, slot, moving(s->b, s->a));
	for (uint32_t i = 0; i < N(began); i++)
		assert_int_equal(backend_for(s, tcp(client(i), TO, ACK)), began[i]);
	share(s, true, 1000, 200, counts);
	assert_int_equal(counts[s->a], 0);
	for (uint32_t i = 0; i < N(began); i++) {
		assert_int_equal(backend_for(s, tcp(client(i), TO, FIN | ACK)), began[i]);
		assert_int_not_equal(backend_for(s, tcp(client(i), TO, SYN)), s->a); /* the port is used again */
	}
}

static void explaining_takes_nobodys_turn(void **state)
{
	struct scheduled *s = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP, .source_port = 9, .destination_port = 80, .starts = true};
	struct shunt_service_key key = service_key(IPPROTO_TCP, TO), from = service_key(IPPROTO_TCP, "198.18.9.9:9");
	struct shunt_explanation first, second;

	flow.source = from.address;
	flow.destination = key.address;
	use(s, SHUNT_SCHEDULER_ROUND_ROBIN);
	assert_int_equal(datapath_explain(s->f.datapath, &flow, &first), 0);
	assert_int_equal(datapath_explain(s->f.datapath, &flow, &second), 0);
	assert_int_equal(first.choice, SHUNT_CHOICE_SCHEDULED);
	assert_int_equal(first.slot, second.slot);
	assert_int_equal(fixture_flows_used(&s->f), 0);
	assert_int_equal(backend_for(s, tcp("198.18.9.9:9", TO, SYN)),
			 datapath_table(s->f.datapath, s->group)[first.slot].now);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(round_robin_takes_every_slot_in_its_turn),
		test(random_holds_the_weights),
		test(least_connections_levels_flows_by_weight),
		test(a_flow_stays_where_it_began),
		test(a_flow_that_is_not_found_and_does_not_start_goes_by_its_hash),
		test(an_error_about_a_flow_that_is_not_found_goes_by_its_hash),
		test(a_flow_that_cannot_be_remembered_goes_by_its_hash),
		test(who_is_down_gets_nothing_and_its_flows_go_on_elsewhere),
		test(who_drains_keeps_its_flows_and_gets_no_new_ones),
		test(explaining_takes_nobodys_turn),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("schedulers", tests, NULL, NULL);
}
