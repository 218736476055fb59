/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* QUIC: Initial packets start flows, the others stay where they are, and a server id in the connection id goes before both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define TO VIP("443")

struct quic {
	struct fixture f;
	uint32_t group, now, was, other, service;
};

static int setup(void **state)
{
	struct quic *q = calloc(1, sizeof(*q));
	struct datapath_options options = fixture_defaults;

	options.features |= SHUNT_FEATURE_QUIC;
	fixture_open(&q->f, &options);
	q->group = fixture_group(&q->f, 1);
	q->now = fixture_backend(&q->f, "10.0.1.1", LINK_IN);
	q->was = fixture_backend(&q->f, "10.0.1.2", LINK_IN);
	q->other = fixture_backend(&q->f, "10.0.1.3", LINK_IN);
	fixture_slots(&q->f, q->group, moving(q->now, q->was));
	q->service = fixture_service(&q->f, IPPROTO_UDP, TO, q->group, SHUNT_FORWARD_L2, SHUNT_SERVICE_QUIC);
	fixture_server_ids(&q->f, q->service, 0, 1);
	fixture_server_id(&q->f, q->service, (const uint8_t[]){3}, q->other);
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	struct quic *q = *state;

	fixture_close(&q->f);
	free(q);
	return 0;
}

/* ---- datagrams ---- */

enum { INITIAL = 0xc0, HANDSHAKE = 0xe0, V1 = 1, NOBODYS_ID = 0xee };

static struct frame *with(const char *client, const uint8_t *data, size_t len)
{
	struct frame *frame = payload(udp(client, TO), len);

	for (size_t i = 0; i < len; i++)
		poke(frame, frame->len - len + i, 1, data[i]);
	return frame;
}

static struct frame *long_header(const char *client, uint8_t first, uint8_t id)
{
	const uint8_t data[64] = {first, 0, 0, 0, V1, 8, id};

	return with(client, data, sizeof(data));
}

static struct frame *short_header(const char *client, uint8_t id)
{
	const uint8_t data[40] = {0x40, id};

	return with(client, data, sizeof(data));
}

static uint32_t backend_for(struct quic *q, const struct frame *frame)
{
	struct outcome outcome = fixture_run(&q->f, frame);

	assert_int_equal(outcome.verdict, XDP_TX);
	return backend_of(&q->f, outcome.frame);
}

static struct shunt_flow entry(const struct quic *q, const char *client)
{
	return flow_entry(&q->f, hash_of(&q->f, udp(client, TO), q->service));
}

/* ---- flows ---- */

static void an_initial_packet_starts_a_flow_and_any_other_belongs_to_an_old_one(void **state)
{
	struct quic *q = *state;

	assert_int_equal(backend_for(q, long_header("198.51.100.1:4000", INITIAL, NOBODYS_ID)), q->now);
	assert_int_equal(entry(q, "198.51.100.1:4000").established, 0);
	assert_int_equal(backend_for(q, long_header("198.51.100.1:4000", HANDSHAKE, NOBODYS_ID)), q->now);
	assert_int_equal(entry(q, "198.51.100.1:4000").established, 1);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", NOBODYS_ID)), q->now);
	assert_int_equal(backend_for(q, short_header("198.51.100.2:4000", NOBODYS_ID)), q->was);
	assert_int_equal(entry(q, "198.51.100.2:4000").backend, q->was);
	assert_int_equal(backend_for(q, long_header("198.51.100.3:4000", HANDSHAKE, NOBODYS_ID)), q->was);
	fixture_slots(&q->f, q->group, resolving(q->now));
	assert_int_equal(backend_for(q, short_header("198.51.100.2:4000", NOBODYS_ID)), q->was);
	assert_int_equal(backend_for(q, short_header("198.51.100.9:4000", NOBODYS_ID)), q->now);
	assert_int_equal(fixture_counters(&q->f).service.new_flows, 1);
}

static void udp_that_is_not_quic_moves_with_its_slot(void **state)
{
	struct quic *q = *state;

	fixture_service(&q->f, IPPROTO_UDP, TO, q->group, SHUNT_FORWARD_L2, 0);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->now);
	assert_int_equal(entry(q, "198.51.100.1:4000").fingerprint, 0);
	fixture_service(&q->f, IPPROTO_UDP, TO, q->group, SHUNT_FORWARD_L2, SHUNT_SERVICE_QUIC | SHUNT_SERVICE_TRACK_NEVER);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", NOBODYS_ID)), q->now);
	assert_int_equal(entry(q, "198.51.100.1:4000").fingerprint, 0);
}

/* What the middle of a datagram looks like says nothing: it goes where the beginning went, and begins no connection. */
static void a_later_fragment_that_looks_like_an_initial_packet_is_none(void **state)
{
	enum { FIRST = 504, REST = 200, L4 = ETHERNET_LEN + 20 };
	struct quic *q = *state;
	struct frame *whole = payload(short_header("198.51.100.1:4000", NOBODYS_ID), FIRST + REST);

	poke(poke(whole, L4 + FIRST + 8, 4, 0xc0000000), L4 + FIRST + 12, 1, 1); /* version 1, Initial */
	assert_int_equal(backend_for(q, piece(whole, 1, 0, FIRST, true)), q->was);
	assert_int_equal(backend_for(q, piece(whole, 1, FIRST, REST, false)), q->was);
	assert_int_equal(fixture_counters(&q->f).service.new_flows, 0);
}

/* ---- server ids ---- */

static void a_server_id_goes_before_slot_and_pin_and_is_pinned(void **state)
{
	struct quic *q = *state;

	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", NOBODYS_ID)), q->was);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->other);
	assert_int_equal(entry(q, "198.51.100.1:4000").backend, q->other);
	fixture_slots(&q->f, q->group, settled(q->now));
	assert_int_equal(backend_for(q, short_header("203.0.113.5:999", 3)), q->other);
	assert_int_equal(backend_for(q, long_header("203.0.113.6:999", HANDSHAKE, 3)), q->other);
	assert_int_equal(backend_for(q, long_header("203.0.113.7:999", INITIAL, 3)), q->now);
	assert_int_equal(entry(q, "203.0.113.5:999").backend, q->other); /* so the drain of a backend waits for it */
	assert_int_equal(entry(q, "203.0.113.7:999").fingerprint, 0);
}

/* Strangers who guess an id must not fill the table with entries that nobody may evict. */
static void one_packet_with_a_server_id_establishes_nothing(void **state)
{
	struct quic *q = *state;

	fixture_slots(&q->f, q->group, settled(q->now));
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->other);
	assert_int_equal(entry(q, "198.51.100.1:4000").established, 0);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->other);
	assert_int_equal(entry(q, "198.51.100.1:4000").established, 1);
}

static void a_backend_that_is_down_is_as_good_as_none(void **state)
{
	struct quic *q = *state;

	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->other);
	datapath_backend_alive(q->f.datapath, q->other, false);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->was);
	assert_int_equal(entry(q, "198.51.100.1:4000").backend, q->was);
	datapath_backend_alive(q->f.datapath, q->other, true);
	datapath_backend_remove(q->f.datapath, q->other); /* its ids go with it: another may get its number */
	assert_int_equal(backend_for(q, short_header("198.51.100.2:4000", 3)), q->was);
}

static void server_ids_are_adopted(void **state)
{
	struct quic *q = *state;
	const struct datapath_server_id *list;

	fixture_reopen(&q->f);
	assert_int_equal(datapath_server_ids(q->f.datapath, &list), 1);
	assert_int_equal(list[0].backend, q->other);
	assert_int_equal(backend_for(q, short_header("198.51.100.1:4000", 3)), q->other);
	assert_int_equal(datapath_set_server_ids(q->f.datapath, NULL, 0), 0);
	assert_int_equal(backend_for(q, short_header("198.51.100.2:4000", 3)), q->was);
}

static void explain_tells_of_the_backend_of_a_new_connection(void **state)
{
	struct quic *q = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_UDP, .source_port = 4000, .destination_port = 443};
	struct shunt_explanation answer;

	flow.source = (struct shunt_addr){.byte = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = 7}};
	flow.destination = service_key(IPPROTO_UDP, TO).address;
	assert_int_equal(datapath_explain(q->f.datapath, &flow, &answer), 0);
	assert_int_equal(answer.backend, q->was);
	flow.starts = true;
	assert_int_equal(datapath_explain(q->f.datapath, &flow, &answer), 0);
	assert_int_equal(answer.backend, q->now);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(an_initial_packet_starts_a_flow_and_any_other_belongs_to_an_old_one),
		test(udp_that_is_not_quic_moves_with_its_slot),
		test(a_later_fragment_that_looks_like_an_initial_packet_is_none),
		test(a_server_id_goes_before_slot_and_pin_and_is_pinned),
		test(one_packet_with_a_server_id_establishes_nothing),
		test(a_backend_that_is_down_is_as_good_as_none),
		test(server_ids_are_adopted),
		test(explain_tells_of_the_backend_of_a_new_connection),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
