/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DESIGN's table "Track only what moved", row by row: which backend takes a packet, and what is remembered of it. */
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

#define CLIENT "198.51.100.7:4000"
#define VIP "192.0.2.10:80"

/* Ids in the order they are made. The slot of the flow has the row's word, every other slot is settled on SPARE; LAST is the group's reserve. */
enum { NOBODY, NOW, WAS, PIN, SPARE, LAST };
enum { SPARE_ONLY = 1 << NOW | 1 << WAS | 1 << PIN }; /* of `dead` */

struct row {
	const char *sentence;
	struct shunt_slot word;
	unsigned int flags; /* of the TCP segment */
	uint32_t pinned; /* what an entry says before, NOBODY: there is none */
	uint32_t dead; /* bits of backends that are down */
	uint32_t goes_to;
	uint32_t pinned_then;
	enum shunt_choice choice;
};

static uint32_t publish(struct fixture *f, uint8_t protocol, uint32_t flags)
{
	uint32_t group = fixture_group(f, 1);

	for (uint32_t id = NOW; id <= LAST; id++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.1.%u", id);
		assert_int_equal(fixture_backend(f, address, LINK_IN), id);
	}
	fixture_slots(f, group, settled(SPARE));
	return fixture_service(f, protocol, VIP, group, SHUNT_FORWARD_L2, flags);
}

static void write_entry(struct fixture *f, uint64_t hash, uint32_t backend)
{
	struct shunt_flow_line *line = fixture_flow_line(f, hash);

	memset(line, 0, sizeof(*line));
	if (backend)
		line->flow[3] = (struct shunt_flow){.fingerprint = shunt_fingerprint(hash), .backend = backend};
}

static enum shunt_choice explained(struct fixture *f, uint8_t protocol, bool starts)
{
	struct datapath_flow flow = {
		.protocol = protocol, .source_port = 4000, .destination_port = 80, .starts = starts};
	struct shunt_explanation explanation = {0};

	flow.source = (struct shunt_addr){.byte = {[10] = 0xff, 0xff, 198, 51, 100, 7}};
	flow.destination = (struct shunt_addr){.byte = {[10] = 0xff, 0xff, 192, 0, 2, 10}};
	assert_int_equal(datapath_explain(f->datapath, &flow, &explanation), 0);
	return explanation.choice;
}

static bool row_holds(struct fixture *f, const struct row *row, uint8_t protocol, uint32_t service)
{
	struct frame *in = protocol == IPPROTO_TCP ? tcp(CLIENT, VIP, row->flags) : udp(CLIENT, VIP);
	uint64_t hash = hash_of(f, in, service);
	enum shunt_choice choice;
	struct outcome got;
	uint32_t went_to, pinned;

	fixture_slot(f, fixture_group(f, 1), slot_of(f, in, service), row->word);
	write_entry(f, hash, row->pinned);
	for (uint32_t id = NOW; id <= LAST; id++)
		datapath_backend_alive(f->datapath, id, !(row->dead & 1 << id));
	choice = explained(f, protocol, row->flags == SYN);
	got = fixture_run(f, in);
	went_to = got.verdict == XDP_TX ? backend_of(f, got.frame) : NOBODY;
	pinned = flow_entry(f, hash).backend;
	if (went_to == row->goes_to && pinned == row->pinned_then && choice == row->choice)
		return true;
	printf("%s:\n  goes to %u, expected %u; then pinned to %u, expected %u; choice %d, expected %d\n",
	       row->sentence, went_to, row->goes_to, pinned, row->pinned_then, choice, row->choice);
	return false;
}

static void check_rows(struct fixture *f, const struct row *rows, size_t n, uint8_t protocol, uint32_t flags)
{
	uint32_t service = publish(f, protocol, flags);
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += !row_holds(f, &rows[i], protocol, service);
	if (failed)
		fail_msg("%zu of %zu rows", failed, n);
	print_message("  %zu rows\n", n);
}

#define SETTLED SHUNT_CHOICE_SETTLED
#define NEW SHUNT_CHOICE_NEW
#define OLD SHUNT_CHOICE_OLD
#define PINNED SHUNT_CHOICE_PINNED
#define PROBED SHUNT_CHOICE_PROBED
#define UNTRACKED SHUNT_CHOICE_UNTRACKED
#define RESERVE SHUNT_CHOICE_RESERVE
#define DOWN(id) (1 << (id))
#define ALL_DOWN (SPARE_ONLY | DOWN(SPARE))

static void tcp_goes_where_the_state_of_its_slot_says(void **state)
{
	const struct shunt_slot s = settled(NOW), m = moving(NOW, WAS), r = resolving(NOW), drained = moving(0, WAS);
	const struct row rows[] = {
		{"settled, SYN", s, SYN, 0, 0, NOW, 0, SETTLED},
		{"settled, data", s, ACK, 0, 0, NOW, 0, SETTLED},
		{"settled, SYN-ACK", s, SYN | ACK, 0, 0, NOW, 0, SETTLED},
		{"settled, an entry is not even looked at", s, ACK, PIN, 0, NOW, PIN, SETTLED},
		{"settled, an entry is not even looked at by a SYN", s, SYN, PIN, 0, NOW, PIN, SETTLED},
		{"settled on a dead one, SYN", s, SYN, 0, DOWN(NOW), SPARE, SPARE, PROBED},
		{"settled on a dead one, data", s, ACK, 0, DOWN(NOW), SPARE, SPARE, PROBED},
		{"settled on a dead one, pinned in the meantime", s, ACK, PIN, DOWN(NOW), PIN, PIN, PINNED},
		{"settled on a dead one, pinned to a dead one", s, ACK, PIN, DOWN(NOW) | DOWN(PIN), SPARE, SPARE,
		 PROBED},
		{"settled, all dead", s, SYN, 0, ALL_DOWN, NOBODY, 0, SHUNT_CHOICE_NONE},

		{"moving, SYN", m, SYN, 0, 0, NOW, NOW, NEW},
		{"moving, data", m, ACK, 0, 0, WAS, WAS, OLD},
		{"moving, FIN", m, FIN | ACK, 0, 0, WAS, WAS, OLD},
		{"moving, SYN-ACK", m, SYN | ACK, 0, 0, WAS, WAS, OLD},
		{"moving, RST", m, RST, 0, 0, WAS, WAS, OLD},
		{"moving, pinned, SYN", m, SYN, PIN, 0, PIN, PIN, PINNED},
		{"moving, pinned, data", m, ACK, PIN, 0, PIN, PIN, PINNED},
		{"moving, pinned to now, data", m, ACK, NOW, 0, NOW, NOW, PINNED},
		{"moving, pinned to was, SYN", m, SYN, WAS, 0, WAS, WAS, PINNED},
		{"moving, pinned to a dead one, SYN", m, SYN, PIN, DOWN(PIN), NOW, NOW, NEW},
		{"moving, pinned to a dead one, data", m, ACK, PIN, DOWN(PIN), WAS, WAS, OLD},
		{"moving, was dead, SYN", m, SYN, 0, DOWN(WAS), NOW, NOW, NEW},
		{"moving, was dead, data", m, ACK, 0, DOWN(WAS), NOW, NOW, NEW},
		{"moving, was dead, pinned to it", m, ACK, WAS, DOWN(WAS), NOW, NOW, NEW},
		{"moving, now dead, SYN", m, SYN, 0, DOWN(NOW), WAS, WAS, OLD},
		{"moving, now dead, data", m, ACK, 0, DOWN(NOW), WAS, WAS, OLD},
		{"moving, now dead, pinned to it", m, ACK, NOW, DOWN(NOW), WAS, WAS, OLD},
		{"moving, both dead, SYN", m, SYN, 0, DOWN(NOW) | DOWN(WAS), SPARE, SPARE, PROBED},
		{"moving, both dead, data", m, ACK, 0, DOWN(NOW) | DOWN(WAS), SPARE, SPARE, PROBED},
		{"moving, both dead, pinned elsewhere", m, ACK, PIN, DOWN(NOW) | DOWN(WAS), PIN, PIN, PINNED},
		{"moving, all dead, the entry stays", m, ACK, PIN, ALL_DOWN, NOBODY, PIN,
		 SHUNT_CHOICE_NONE},

		{"nobody takes new flows, data stays", drained, ACK, 0, 0, WAS, WAS, OLD},
		{"nobody of this slot takes new flows, SYN", drained, SYN, 0, 0, SPARE, SPARE, PROBED},
		{"nobody of this slot takes new flows, was dead", drained, ACK, 0, DOWN(WAS), SPARE, SPARE, PROBED},
		{"nobody takes new flows, pinned", drained, ACK, PIN, 0, PIN, PIN, PINNED},

		{"resolving, SYN", r, SYN, 0, 0, NOW, 0, NEW},
		{"resolving, data", r, ACK, 0, 0, NOW, 0, NEW},
		{"resolving, pinned, SYN", r, SYN, PIN, 0, PIN, PIN, PINNED},
		{"resolving, pinned, data", r, ACK, PIN, 0, PIN, PIN, PINNED},
		{"resolving, pinned to a dead one: not to go back when it returns", r, ACK, PIN, DOWN(PIN), NOW, NOW,
		 NEW},
		{"resolving, pinned to a dead one, SYN", r, SYN, PIN, DOWN(PIN), NOW, NOW, NEW},
		{"resolving, dead, SYN", r, SYN, 0, DOWN(NOW), SPARE, SPARE, PROBED},
		{"resolving, dead, data", r, ACK, 0, DOWN(NOW), SPARE, SPARE, PROBED},
		{"resolving, dead, pinned elsewhere", r, ACK, PIN, DOWN(NOW), PIN, PIN, PINNED},
	};

	check_rows(*state, rows, N(rows), IPPROTO_TCP, 0);
}

static void udp_moves_with_its_slot(void **state)
{
	const struct row rows[] = {
		{"settled", settled(NOW), 0, 0, 0, NOW, 0, SETTLED},
		{"settled on a dead one", settled(NOW), 0, 0, DOWN(NOW), SPARE, 0, PROBED},
		{"moving", moving(NOW, WAS), 0, 0, 0, NOW, 0, UNTRACKED},
		{"moving, an entry is not even looked at", moving(NOW, WAS), 0, PIN, 0, NOW, PIN, UNTRACKED},
		{"moving, now dead", moving(NOW, WAS), 0, 0, DOWN(NOW), SPARE, 0, PROBED},
		{"resolving", resolving(NOW), 0, PIN, 0, NOW, PIN, UNTRACKED},
		{"all dead", settled(NOW), 0, 0, ALL_DOWN, NOBODY, 0, SHUNT_CHOICE_NONE},
	};

	check_rows(*state, rows, N(rows), IPPROTO_UDP, 0);
}

static void tcp_that_is_never_tracked_moves_with_its_slot(void **state)
{
	const struct row rows[] = {
		{"settled", settled(NOW), SYN, 0, 0, NOW, 0, SETTLED},
		{"moving, SYN", moving(NOW, WAS), SYN, 0, 0, NOW, 0, UNTRACKED},
		{"moving, data", moving(NOW, WAS), ACK, PIN, 0, NOW, PIN, UNTRACKED},
		{"resolving, data", resolving(NOW), ACK, PIN, 0, NOW, PIN, UNTRACKED},
		{"dead", settled(NOW), ACK, PIN, DOWN(NOW), SPARE, PIN, PROBED},
	};

	check_rows(*state, rows, N(rows), IPPROTO_TCP, SHUNT_SERVICE_TRACK_NEVER);
}

static void what_is_always_tracked_is_pinned_in_every_state(void **state)
{
	const struct row rows[] = {
		{"settled, SYN", settled(NOW), SYN, 0, 0, NOW, NOW, SETTLED},
		{"settled, data", settled(NOW), ACK, 0, 0, NOW, NOW, SETTLED},
		{"settled, pinned elsewhere", settled(NOW), ACK, PIN, 0, PIN, PIN, PINNED},
		{"settled, pinned to a dead one", settled(NOW), ACK, PIN, DOWN(PIN), NOW, NOW, SETTLED},
		{"moving, SYN", moving(NOW, WAS), SYN, 0, 0, NOW, NOW, NEW},
		{"moving, data", moving(NOW, WAS), ACK, 0, 0, WAS, WAS, OLD},
		{"resolving, data", resolving(NOW), ACK, 0, 0, NOW, NOW, NEW},
		{"dead", settled(NOW), ACK, 0, DOWN(NOW), SPARE, SPARE, PROBED},
	};

	check_rows(*state, rows, N(rows), IPPROTO_TCP, SHUNT_SERVICE_TRACK_ALWAYS);
}

static void udp_that_is_always_tracked_is_pinned(void **state)
{
	const struct row rows[] = {
		{"settled", settled(NOW), 0, 0, 0, NOW, NOW, SETTLED},
		{"settled, pinned elsewhere", settled(NOW), 0, PIN, 0, PIN, PIN, PINNED},
		{"moving: it may be an old flow, and stays", moving(NOW, WAS), 0, 0, 0, WAS, WAS, OLD},
		{"moving, pinned", moving(NOW, WAS), 0, PIN, 0, PIN, PIN, PINNED},
		{"resolving", resolving(NOW), 0, 0, 0, NOW, NOW, NEW},
	};

	check_rows(*state, rows, N(rows), IPPROTO_UDP, SHUNT_SERVICE_TRACK_ALWAYS);
}

/* In no slot of the table, and alone alive: until the next table is in use. */
static void who_finds_nobody_goes_to_the_reserve(void **state)
{
	const struct row rows[] = {
		{"settled, SYN", settled(NOW), SYN, 0, ALL_DOWN, LAST, LAST, RESERVE},
		{"settled, data", settled(NOW), ACK, 0, ALL_DOWN, LAST, LAST, RESERVE},
		{"settled, pinned to a dead one", settled(NOW), ACK, PIN, ALL_DOWN, LAST, LAST, RESERVE},
		{"settled, pinned to it", settled(NOW), ACK, LAST, ALL_DOWN, LAST, LAST, PINNED},
		{"settled, somebody is found by probing", settled(NOW), SYN, 0, DOWN(NOW), SPARE, SPARE, PROBED},
		{"settled, alive", settled(NOW), SYN, 0, 0, NOW, 0, SETTLED},
		{"settled, the reserve is dead, too", settled(NOW), SYN, 0, ALL_DOWN | DOWN(LAST), NOBODY, 0, SHUNT_CHOICE_NONE},
		{"moving, data", moving(NOW, WAS), ACK, 0, ALL_DOWN, LAST, LAST, RESERVE},
		{"resolving, SYN", resolving(NOW), SYN, 0, ALL_DOWN, LAST, LAST, RESERVE},
	};
	const struct row untracked[] = {
		{"settled", settled(NOW), 0, 0, ALL_DOWN, LAST, 0, RESERVE},
		{"moving", moving(NOW, WAS), 0, 0, ALL_DOWN, LAST, 0, RESERVE},
	};
	struct fixture *f = *state;

	datapath_set_reserve(f->datapath, fixture_group(f, 1), LAST);
	check_rows(f, rows, N(rows), IPPROTO_TCP, 0);
	check_rows(f, untracked, N(untracked), IPPROTO_UDP, 0);
}

/* ---- through time ---- */

static uint32_t backend_now(struct fixture *f, const char *client, unsigned int flags)
{
	struct outcome got = fixture_run(f, tcp(client, VIP, flags));

	return got.verdict == XDP_TX ? backend_of(f, got.frame) : NOBODY;
}

static void a_flow_of_the_reserve_stays_when_the_table_follows(void **state)
{
	static const char *const client = "198.51.100.7:4000";
	struct fixture *f = *state;
	uint32_t group;

	publish(f, IPPROTO_TCP, 0);
	group = fixture_group(f, 1);
	datapath_set_reserve(f->datapath, group, LAST);
	fixture_slots(f, group, settled(NOW));
	datapath_backend_alive(f->datapath, NOW, false);
	assert_int_equal(backend_now(f, client, SYN), LAST);
	fixture_slots(f, group, resolving(PIN)); /* the slot's own target is another */
	datapath_set_reserve(f->datapath, group, PIN);
	assert_int_equal(backend_now(f, client, ACK), LAST);
	datapath_backend_alive(f->datapath, NOW, true);
	assert_int_equal(backend_now(f, client, ACK), LAST);
	assert_int_equal(backend_now(f, "198.51.100.8:5000", SYN), PIN);
}

static void a_flow_stays_through_the_move_of_its_slot_and_the_next(void **state)
{
	static const char *const old = "198.51.100.7:4000", *const new = "198.51.100.8:5000";
	struct fixture *f = *state;
	uint32_t group;

	publish(f, IPPROTO_TCP, 0);
	group = fixture_group(f, 1);
	fixture_slots(f, group, settled(WAS));
	assert_int_equal(backend_now(f, old, SYN), WAS);
	assert_int_equal(backend_now(f, old, ACK), WAS);
	fixture_slots(f, group, moving(NOW, WAS));
	assert_int_equal(backend_now(f, new, SYN), NOW);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(backend_now(f, old, ACK), WAS);
		assert_int_equal(backend_now(f, new, ACK), NOW);
	}
	fixture_slots(f, group, moving(PIN, WAS)); /* the target changed before the first move was over */
	assert_int_equal(backend_now(f, old, ACK), WAS);
	assert_int_equal(backend_now(f, new, ACK), NOW);
	fixture_slots(f, group, resolving(PIN));
	assert_int_equal(backend_now(f, old, ACK), WAS);
	assert_int_equal(backend_now(f, new, ACK), NOW);
	datapath_backend_alive(f->datapath, WAS, false);
	assert_int_equal(backend_now(f, old, ACK), PIN);
	datapath_backend_alive(f->datapath, WAS, true);
	assert_int_equal(backend_now(f, old, ACK), PIN);
	assert_int_equal(backend_now(f, new, ACK), NOW);
}

static void an_entry_says_whether_more_than_the_first_packet_was_seen(void **state)
{
	struct fixture *f = *state;
	uint32_t service = publish(f, IPPROTO_TCP, 0);
	uint64_t hash = hash_of(f, tcp(CLIENT, VIP, SYN), service);

	fixture_slots(f, fixture_group(f, 1), moving(NOW, WAS));
	backend_now(f, CLIENT, SYN);
	assert_int_equal(flow_entry(f, hash).established, 0);
	backend_now(f, CLIENT, SYN); /* sent again */
	assert_int_equal(flow_entry(f, hash).established, 0);
	backend_now(f, CLIENT, ACK);
	assert_int_equal(flow_entry(f, hash).established, 1);
	backend_now(f, CLIENT, SYN);
	assert_int_equal(flow_entry(f, hash).established, 1);
	assert_int_equal(fixture_flows_used(f), 1);
}

/* ---- settled slots ---- */

static void random_client(char client[32], uint64_t *random)
{
	uint64_t r = shunt_mix64(*random += 0x9e3779b97f4a7c15ULL);

	snprintf(client, 32, "198.18.%u.%u:%u", (unsigned int)(r & 255), (unsigned int)(r >> 8 & 255),
		 1024 + (unsigned int)(r >> 16) % 60000);
}

static void settled_slots_write_nothing_to_the_flow_table(void **state)
{
	static const unsigned int flags[] = {SYN, ACK, FIN | ACK, RST};
	struct fixture *f = *state;
	struct shunt_flow *before;
	struct shunt_flow_line *flows;
	uint64_t random = 1;
	char client[32];
	size_t bytes;

	publish(f, IPPROTO_TCP, 0);
	fixture_slots(f, fixture_group(f, 1), moving(NOW, WAS)); /* so that there is something to change */
	for (int i = 0; i < 300; i++) {
		random_client(client, &random);
		backend_now(f, client, SYN);
	}
	assert_true(fixture_flows_used(f) > 250);
	fixture_slots(f, fixture_group(f, 1), settled(NOW));
	before = fixture_flows_copy(f);
	random = 1; /* the same flows, and then others */
	for (int i = 0; i < 5000; i++) {
		random_client(client, &random);
		assert_int_equal(backend_now(f, client, flags[i % 4]), NOW);
		frames_free();
	}
	flows = fixture_flows(f, &bytes);
	assert_memory_equal(before, flows, bytes);
	free(before);
}

/* ---- probing ---- */

/* By the definition: the first alive backend of slots along the probe sequence, within 16 places. */
static uint32_t first_alive(struct fixture *f, uint32_t slot, uint64_t dead)
{
	const struct shunt_slot *table = datapath_table(f->datapath, fixture_group(f, 2));

	for (uint32_t i = 0; i <= 16; i++) {
		uint32_t backend = table[shunt_probe(slot, i, f->options.table_size)].now;

		if (!(dead >> backend & 1))
			return backend;
	}
	return NOBODY;
}

static void probing_goes_past_the_dead_in_the_order_of_the_sequence(void **state)
{
	struct fixture *f = *state;
	uint32_t group = fixture_group(f, 2),
		 service = fixture_service(f, IPPROTO_TCP, VIP, group, SHUNT_FORWARD_L2, 0);
	uint64_t random = 7, dead = 0;
	uint32_t nobody = 0;

	for (uint32_t id = 1; id <= 16; id++) {
		char address[32];

		snprintf(address, sizeof(address), "10.0.1.%u", id);
		assert_int_equal(fixture_backend(f, address, LINK_IN), id);
	}
	for (uint32_t slot = 0; slot < f->options.table_size; slot++)
		fixture_slot(f, group, slot, settled(slot % 16 + 1));
	for (uint32_t n_dead = 1; n_dead <= 16; n_dead++) {
		dead |= 1ULL << (n_dead * 5 % 16 + 1);
		for (uint32_t id = 1; id <= 16; id++)
			datapath_backend_alive(f->datapath, id, !(dead >> id & 1));
		for (int i = 0; i < 100; i++) {
			char client[32];
			uint32_t expected;
			struct frame *in;

			random_client(client, &random);
			in = tcp(client, VIP, i % 2 ? SYN : ACK);
			expected = first_alive(f, slot_of(f, in, service), dead);
			assert_int_equal(backend_now(f, client, i % 2 ? SYN : ACK), expected);
			assert_int_equal(backend_now(f, client, ACK), expected); /* pinned, or chosen again */
			nobody += expected == NOBODY;
			frames_free();
		}
	}
	print_message("  %u of 1,600 found nobody\n", nobody);
	assert_in_range(nobody, 100, 300); /* all of the last round, and those beyond the 16 places */
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		test(tcp_goes_where_the_state_of_its_slot_says),
		test(udp_moves_with_its_slot),
		test(tcp_that_is_never_tracked_moves_with_its_slot),
		test(what_is_always_tracked_is_pinned_in_every_state),
		test(udp_that_is_always_tracked_is_pinned),
		test(who_finds_nobody_goes_to_the_reserve),
		test(a_flow_of_the_reserve_stays_when_the_table_follows),
		test(a_flow_stays_through_the_move_of_its_slot_and_the_next),
		test(an_entry_says_whether_more_than_the_first_packet_was_seen),
		test(settled_slots_write_nothing_to_the_flow_table),
		test(probing_goes_past_the_dead_in_the_order_of_the_sequence),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
