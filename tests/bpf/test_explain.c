/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* `shunt explain` asks the loaded program, so it must say what the packet then does, and leave no trace. */
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
#include "net/address.h"

enum { BACKENDS = 12, FLOWS = 6000 };

static const char *const vip[] = {"192.0.2.10:80", "[2001:db8::10]:80", "192.0.2.10:53",
				  "192.0.2.11:80", "192.0.2.12:80",     "192.0.2.99:80"};

static uint64_t seed;

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(shunt_mix64(seed += 0x9e3779b97f4a7c15ULL) >> 32) % limit;
}

static struct shunt_slot random_word(void)
{
	uint32_t now = below(BACKENDS + 1), was = below(BACKENDS + 1);

	switch (below(3)) {
	case 0:
		return settled(now);
	case 1:
		return moving(now, was);
	default:
		return resolving(now);
	}
}

static void publish(struct fixture *f)
{
	uint32_t group = fixture_group(f, 1);

	for (uint32_t i = 1; i <= BACKENDS; i++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.1.%u", i);
		fixture_backend(f, address, LINK_IN);
	}
	fixture_service(f, IPPROTO_TCP, vip[0], group, SHUNT_FORWARD_L2, 0);
	fixture_service(f, IPPROTO_TCP, vip[1], group, SHUNT_FORWARD_L2, 0);
	fixture_service(f, IPPROTO_UDP, vip[2], group, SHUNT_FORWARD_L2, 0);
	fixture_service(f, IPPROTO_TCP, vip[3], group, SHUNT_FORWARD_L2, SHUNT_SERVICE_TRACK_ALWAYS);
	fixture_service(f, IPPROTO_TCP, vip[4], group, SHUNT_FORWARD_L2, SHUNT_SERVICE_SOURCE_IP);
}

/* Every slot another word, some backends down. */
static void shuffle(struct fixture *f)
{
	uint32_t group = fixture_group(f, 1);

	for (uint32_t slot = 0; slot < f->options.table_size; slot++)
		fixture_slot(f, group, slot, random_word());
	for (uint32_t id = 1; id <= BACKENDS; id++)
		datapath_backend_alive(f->datapath, id, below(4) != 0);
}

struct flow {
	struct datapath_flow asked;
	struct frame *packet;
};

static struct flow random_flow(void)
{
	uint32_t kind = below(N(vip));
	bool starts = below(2);
	char client[64];
	struct flow flow = {.asked = {.protocol = kind == 2 ? IPPROTO_UDP : IPPROTO_TCP, .starts = starts}};

	/* Few enough that many are seen again. */
	snprintf(client, sizeof(client), kind == 1 ? "[2001:db8:c::%x]:%u" : "198.51.100.%u:%u", below(100),
		 1000 + below(20));
	address_port_parse(client, &flow.asked.source, &flow.asked.source_port);
	address_port_parse(vip[kind], &flow.asked.destination, &flow.asked.destination_port);
	flow.packet = kind == 2 ? udp(client, vip[kind]) : tcp(client, vip[kind], starts ? SYN : ACK);
	return flow;
}

static void explanation_must_hold(struct fixture *f, int i, const struct flow *flow,
				  const struct shunt_explanation *said)
{
	struct counters before = fixture_counters(f), after;
	struct outcome got = fixture_run(f, flow->packet);
	uint32_t backend = got.verdict == XDP_TX ? backend_of(f, got.frame) : 0;

	after = fixture_counters(f);
	if (backend != said->backend)
		fail_msg("packet %d goes to %u, explained as %u (choice %u, slot %u: now %u, was %u, state %u)", i,
			 backend, said->backend, said->choice, said->slot, said->word.now, said->word.was,
			 said->word.state);
	assert_int_equal(got.verdict == XDP_PASS, said->verdict == XDP_PASS);
	assert_int_equal(got.verdict == XDP_DROP, said->verdict == XDP_DROP);
	assert_int_equal(said->service == 0, got.verdict == XDP_PASS);
	if (got.verdict == XDP_DROP)
		assert_int_equal(after.drops[said->reason], before.drops[said->reason] + 1);
	if (said->service)
		assert_int_equal(said->slot, slot_of(f, flow->packet, said->service));
}

static void explain_says_what_the_packet_then_does_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t choices[SHUNT_CHOICE_PROBED + 1] = {0};

	publish(f);
	for (int i = 0; i < FLOWS; i++) {
		struct shunt_explanation said = {0};
		struct counters before, after;
		struct shunt_flow *flows_before;
		const struct shunt_flow_line *flows_after;
		struct flow flow = random_flow();
		size_t bytes;

		if (i % 200 == 0)
			shuffle(f);
		before = fixture_counters(f);
		flows_before = fixture_flows_copy(f);
		assert_int_equal(datapath_explain(f->datapath, &flow.asked, &said), 0);
		after = fixture_counters(f);
		assert_memory_equal(&before, &after, sizeof(after));
		flows_after = fixture_flows(f, &bytes);
		assert_memory_equal(flows_before, flows_after, bytes);
		free(flows_before);
		choices[said.choice]++;
		explanation_must_hold(f, i, &flow, &said);
		frames_free();
	}
	print_message("  none %u, settled %u, untracked %u, new %u, old %u, pinned %u, probed %u\n", choices[0],
		      choices[1], choices[2], choices[3], choices[4], choices[5], choices[6]);
	for (size_t i = 0; i < N(choices); i++)
		assert_true(choices[i] > 30);
}

/* The same flow asked for twice: as it is known, and as if it began now. */
static void explain_says_where_a_pinned_flow_would_go_if_it_began_now(void **state)
{
	struct fixture *f = *state;
	struct shunt_explanation known, fresh;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP};
	uint32_t group, other = below(BACKENDS - 1) + 2;

	publish(f);
	group = fixture_group(f, 1);
	address_port_parse("198.51.100.1:1000", &flow.source, &flow.source_port);
	address_port_parse(vip[0], &flow.destination, &flow.destination_port);
	fixture_slots(f, group, moving(other, 1));
	fixture_run_quietly(f, tcp("198.51.100.1:1000", vip[0], ACK)); /* older than the change: stays, and is pinned */
	for (int i = 0; i < 2; i++, fixture_slots(f, group, resolving(other))) {
		flow.starts = flow.unknown = false;
		assert_int_equal(datapath_explain(f->datapath, &flow, &known), 0);
		flow.starts = flow.unknown = true;
		assert_int_equal(datapath_explain(f->datapath, &flow, &fresh), 0);
		assert_int_equal(known.choice, SHUNT_CHOICE_PINNED);
		assert_int_equal(known.backend, 1);
		assert_int_equal(fresh.choice, SHUNT_CHOICE_NEW);
		assert_int_equal(fresh.backend, other);
	}
}

static void explain_names_group_and_mode_and_link(void **state)
{
	struct fixture *f = *state;
	uint32_t group, backend, service;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP, .source_port = 1, .destination_port = 80, .starts = true};
	struct shunt_explanation said = {0};

	fixture_group(f, 1);
	group = fixture_group(f, 2);
	backend = fixture_backend(f, "10.0.1.1", LINK_OUT);
	service = fixture_service(f, IPPROTO_TCP, "192.0.2.10:80", group, SHUNT_FORWARD_IPIP, 0);
	fixture_slots(f, group, resolving(backend));
	address_parse("198.51.100.7", &flow.source);
	address_parse("192.0.2.10", &flow.destination);
	assert_int_equal(datapath_explain(f->datapath, &flow, &said), 0);
	assert_int_equal(said.verdict, XDP_REDIRECT);
	assert_int_equal(said.service, service);
	assert_int_equal(said.group, group);
	assert_int_equal(said.backend, backend);
	assert_int_equal(said.word.state, SHUNT_SLOT_RESOLVING);
	assert_int_equal(said.forward, SHUNT_FORWARD_IPIP);
	assert_int_equal(said.reason, SHUNT_DROP_NONE);
	assert_int_not_equal(said.link, 0);
	flow.destination_port = 81;
	assert_int_equal(datapath_explain(f->datapath, &flow, &said), 0);
	assert_int_equal(said.verdict, XDP_PASS);
	assert_int_equal(said.service | said.backend | said.choice, 0);
}

static int setup_nat(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct datapath_options options = fixture_defaults;

	options.features |= SHUNT_FEATURE_NAT;
	fixture_open(f, &options);
	fixture_routes();
	*state = f;
	return 0;
}

static void explain_knows_an_answer_of_nat_and_counts_nothing(void **state)
{
	struct fixture *f = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP, .source_port = 8080, .destination_port = 4000};
	uint32_t group = fixture_group(f, 1), backend = fixture_backend(f, "10.0.1.11", LINK_IN);
	struct shunt_explanation said = {0};
	struct counters before, after;

	fixture_slots(f, group, settled(backend));
	fixture_nat(f, IPPROTO_TCP, vip[0], group, backend, 8080);
	address_parse("10.0.1.11", &flow.source);
	address_parse("198.51.100.7", &flow.destination);
	before = fixture_counters(f);
	assert_int_equal(datapath_explain(f->datapath, &flow, &said), 0);
	after = fixture_counters(f);
	assert_true(said.verdict == XDP_TX || said.verdict == XDP_REDIRECT); /* by which link it came nobody has said */
	assert_int_equal(said.choice, SHUNT_CHOICE_ANSWER);
	assert_memory_equal(&before, &after, sizeof(after));
	assert_int_equal(fixture_run_quietly(f, tcp("10.0.1.11:8080", "198.51.100.7:4000", ACK)), XDP_TX);
	after = fixture_counters(f);
	assert_int_equal(after.service.answer_packets, before.service.answer_packets + 1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(explain_says_what_the_packet_then_does_and_changes_nothing),
		test(explain_says_where_a_pinned_flow_would_go_if_it_began_now),
		test(explain_names_group_and_mode_and_link),
		cmocka_unit_test_setup_teardown(explain_knows_an_answer_of_nat_and_counts_nothing, setup_nat, fixture_teardown),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
