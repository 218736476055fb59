/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A share of the flow table for each service, through the loaded program: what one service pins, by a flood or in earnest,
 * costs its neighbour nothing that is within the neighbour's share. Both track always, as in the worst of transitions.
 */
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

#include "../lib/world.h"

enum { FLOWS = 1024, NEIGHBOURS = FLOWS / 16, HOG_CLASS = 3, NEIGHBOUR_CLASS = 12 };

struct shares {
	struct fixture f;
	uint32_t hog, neighbour;
};

static void set_class(struct shares *s, uint32_t service, uint8_t flow_class)
{
	((struct shunt_service *)fixture_service_by_id(&s->f, service))->flow_class = flow_class;
	assert_int_equal(datapath_set_services(s->f.datapath, s->f.services, s->f.n_services), 0);
}

static int setup(void **state)
{
	struct shares *s = calloc(1, sizeof(*s));
	struct datapath_options options = fixture_defaults;
	uint32_t group;

	options.flow_table_size = FLOWS;
	fixture_open(&s->f, &options);
	group = fixture_group(&s->f, 1);
	fixture_slots(&s->f, group, settled(fixture_backend(&s->f, "10.0.1.1", LINK_IN)));
	s->hog = fixture_service(&s->f, IPPROTO_TCP, VIP("80"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_TRACK_ALWAYS);
	s->neighbour = fixture_service(&s->f, IPPROTO_TCP, VIP("81"), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_TRACK_ALWAYS);
	set_class(s, s->hog, HOG_CLASS);
	set_class(s, s->neighbour, NEIGHBOUR_CLASS);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shares *s = *state;

	fixture_close(&s->f);
	free(s);
	return 0;
}

static const char *client(uint32_t number)
{
	static char text[32];

	snprintf(text, sizeof(text), "198.18.%u.%u:%u", number >> 8 & 255, number & 255, 1024 + (number >> 16));
	return text;
}

/* Sends the first packet of n flows of a service, and (established) the second. */
static void begin(struct shares *s, const char *service, uint32_t first, uint32_t n, bool established)
{
	for (uint32_t i = first; i < first + n; i++) {
		assert_int_equal(fixture_run_quietly(&s->f, tcp(client(i), service, SYN)), XDP_TX);
		if (established)
			assert_int_equal(fixture_run_quietly(&s->f, tcp(client(i), service, ACK)), XDP_TX);
		frames_free();
	}
}

/* How many of the flows are remembered. */
static uint32_t remembered(const struct shares *s, uint32_t service, const char *address, uint32_t first, uint32_t n)
{
	uint32_t found = 0;

	for (uint32_t i = first; i < first + n; i++) {
		found += flow_entry(&s->f, hash_of(&s->f, tcp(client(i), address, SYN), service)).fingerprint != 0;
		frames_free();
	}
	return found;
}

#define HOG VIP("80")
#define NEIGHBOUR VIP("81")

static void a_syn_flood_of_one_service_evicts_no_handshake_of_another(void **state)
{
	struct shares *s = *state;
	uint32_t before, after;

	begin(s, NEIGHBOUR, 0, NEIGHBOURS, false);
	before = remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS);
	begin(s, HOG, 100000, 20 * FLOWS, false);
	after = remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS);
	print_message("  %u handshakes remembered, %u after a flood of %u\n", before, after, 20 * FLOWS);
	assert_int_equal(before, NEIGHBOURS);
	assert_int_equal(after, NEIGHBOURS);
}

static void one_class_for_both_is_what_that_would_come_to_without_shares(void **state)
{
	struct shares *s = *state;

	set_class(s, s->neighbour, HOG_CLASS);
	begin(s, NEIGHBOUR, 0, NEIGHBOURS, false);
	begin(s, HOG, 100000, 20 * FLOWS, false);
	assert_true(remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS) < NEIGHBOURS / 2);
}

static void a_table_full_of_one_service_makes_room_for_another_once_that_is_told(void **state)
{
	struct shares *s = *state;
	uint32_t hogs, denied, served, left;

	begin(s, HOG, 0, 4 * FLOWS, true);
	hogs = fixture_flows_used(&s->f);
	assert_in_range(hogs, FLOWS * 95 / 100, FLOWS);
	begin(s, NEIGHBOUR, 0, NEIGHBOURS, true);
	denied = NEIGHBOURS - remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS);
	assert_true(denied > NEIGHBOURS * 9 / 10);
	datapath_set_crowded(s->f.datapath, 1U << HOG_CLASS);
	begin(s, NEIGHBOUR, 0, NEIGHBOURS, true);
	served = remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS);
	assert_int_equal(served, NEIGHBOURS);
	/* and keeps what it has got, whatever the other sends */
	begin(s, HOG, 100000, 4 * FLOWS, true);
	assert_int_equal(remembered(s, s->neighbour, NEIGHBOUR, 0, NEIGHBOURS), NEIGHBOURS);
	/* nor can the neighbour take more than its half of a line by a flood */
	begin(s, NEIGHBOUR, 100000, 20 * FLOWS, false);
	left = remembered(s, s->hog, HOG, 0, 4 * FLOWS) + remembered(s, s->hog, HOG, 100000, 4 * FLOWS);
	print_message("  of %u flows of the one, %u of the other's %u found no place; with shares all did; a flood of those left %u\n",
		      hogs, denied, NEIGHBOURS, left);
	assert_true(left >= FLOWS * 45 / 100);
}

static void nothing_established_is_evicted_while_nobody_has_too_much(void **state)
{
	struct shares *s = *state;
	uint32_t before, after;

	begin(s, HOG, 0, 2 * FLOWS, true);
	before = remembered(s, s->hog, HOG, 0, 2 * FLOWS);
	begin(s, NEIGHBOUR, 0, 10 * FLOWS, false);
	after = remembered(s, s->hog, HOG, 0, 2 * FLOWS);
	assert_int_equal(before, after);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(a_syn_flood_of_one_service_evicts_no_handshake_of_another),
		test(one_class_for_both_is_what_that_would_come_to_without_shares),
		test(a_table_full_of_one_service_makes_room_for_another_once_that_is_told),
		test(nothing_established_is_evicted_while_nobody_has_too_much),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
