/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Clients that other groups take: the longest prefix, and how they go from one group to another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "net/address.h"

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define PORT "90"
#define OTHER_PORT "91"

/* Each group has one backend; home is the services' own. */
struct clients {
	struct fixture f;
	uint32_t home, far, near, b_home, b_far, b_near;
	uint32_t tcp, tcp6, udp, other;
	struct datapath_client list[8];
	size_t n;
};

static uint32_t group_to(struct clients *c, uint64_t identity, const char *address, uint32_t *ret_backend)
{
	uint32_t group = fixture_group(&c->f, identity);

	*ret_backend = fixture_backend(&c->f, address, LINK_IN);
	fixture_slots(&c->f, group, settled(*ret_backend));
	return group;
}

static int open_with(void **state, uint32_t features)
{
	struct clients *c = calloc(1, sizeof(*c));
	struct datapath_options options = fixture_defaults;

	options.features |= features;
	options.groups = 8;
	fixture_open(&c->f, &options);
	fixture_group(&c->f, 9); /* has number 0, which a word that nobody has written would say as well */
	c->home = group_to(c, 1, "10.0.1.1", &c->b_home);
	c->far = group_to(c, 2, "10.0.1.2", &c->b_far);
	c->near = group_to(c, 3, "10.0.1.3", &c->b_near);
	c->tcp = fixture_service(&c->f, IPPROTO_TCP, VIP(PORT), c->home, SHUNT_FORWARD_L2, SHUNT_SERVICE_CLIENTS);
	c->tcp6 = fixture_service(&c->f, IPPROTO_TCP, VIP6(PORT), c->home, SHUNT_FORWARD_L2, SHUNT_SERVICE_CLIENTS);
	c->udp = fixture_service(&c->f, IPPROTO_UDP, VIP(PORT), c->home, SHUNT_FORWARD_L2, SHUNT_SERVICE_CLIENTS);
	c->other = fixture_service(&c->f, IPPROTO_TCP, VIP(OTHER_PORT), c->home, SHUNT_FORWARD_L2, SHUNT_SERVICE_CLIENTS);
	*state = c;
	return 0;
}

static int setup(void **state)
{
	return open_with(state, SHUNT_FEATURE_CLIENTS);
}

static int setup_without_the_feature(void **state)
{
	return open_with(state, 0);
}

static int teardown(void **state)
{
	struct clients *c = *state;

	fixture_close(&c->f);
	free(c);
	return 0;
}

/* ---- what the controller would publish ---- */

static void place(struct clients *c, uint32_t service, const char *prefix, struct shunt_client_group placement)
{
	struct datapath_client *client = &c->list[c->n];
	struct shunt_addr address;
	uint8_t length;

	assert_int_equal(address_prefix_parse(prefix, &address, &length), 0);
	client->key = datapath_prefix_key(&address, length, service);
	client->placement = placement;
	for (size_t i = 0; i < c->n; i++)
		if (memcmp(&c->list[i].key, &client->key, sizeof(client->key)) == 0) {
			c->list[i].placement = placement;
			c->n--;
			break;
		}
	c->n++;
	qsort(c->list, c->n, sizeof(c->list[0]), datapath_client_order);
	assert_int_equal(datapath_set_clients(c->f.datapath, c->list, c->n, false), 0);
}

static struct shunt_client_group in(uint32_t group)
{
	return (struct shunt_client_group){.group = group};
}

static struct shunt_client_group going(uint32_t group, uint32_t was_group)
{
	return (struct shunt_client_group){.group = group, .was_group = was_group, .state = SHUNT_SLOT_MOVING};
}

static struct shunt_client_group arriving(uint32_t group)
{
	return (struct shunt_client_group){.group = group, .state = SHUNT_SLOT_RESOLVING};
}

static uint32_t backend_for(struct clients *c, const struct frame *frame)
{
	struct outcome outcome = fixture_run(&c->f, frame);

	assert_int_equal(outcome.verdict, XDP_TX);
	return backend_of(&c->f, outcome.frame);
}

/* ---- where clients go ---- */

static void the_longest_prefix_of_the_client_says_which_group(void **state)
{
	struct clients *c = *state;
	const struct {
		const char *client, *service;
		uint32_t backend;
	} rows[] = {
		{"198.51.100.7:4000", VIP(PORT), c->b_far},
		{"198.51.100.127:4000", VIP(PORT), c->b_far},
		{"198.51.100.128:4000", VIP(PORT), c->b_near},
		{"198.51.100.200:4000", VIP(PORT), c->b_home},
		{"198.51.101.7:4000", VIP(PORT), c->b_home},
		{"198.51.100.7:4000", VIP(OTHER_PORT), c->b_home},
		{"[2001:db8:c::7]:4000", VIP6(PORT), c->b_far},
		{"[2001:db8:c:8000::7]:4000", VIP6(PORT), c->b_near},
		{"[2001:db8:d::7]:4000", VIP6(PORT), c->b_home},
	};

	place(c, c->tcp, "198.51.100.0/24", in(c->far));
	place(c, c->tcp, "198.51.100.128/25", in(c->near));
	place(c, c->tcp, "198.51.100.200/32", in(c->home));
	place(c, c->tcp6, "2001:db8:c::/48", in(c->far));
	place(c, c->tcp6, "2001:db8:c:8000::/49", in(c->near));
	place(c, c->udp, "0.0.0.0/0", in(c->far));
	for (size_t i = 0; i < N(rows); i++)
		if (backend_for(c, tcp(rows[i].client, rows[i].service, SYN)) != rows[i].backend)
			fail_msg("%s to %s", rows[i].client, rows[i].service);
	assert_int_equal(backend_for(c, udp("203.0.113.9:53", VIP(PORT))), c->b_far);
	c->n = 0;
	assert_int_equal(datapath_set_clients(c->f.datapath, NULL, 0, false), 0);
	assert_int_equal(backend_for(c, tcp("198.51.100.7:4000", VIP(PORT), SYN)), c->b_home);
}

static void an_icmp_error_and_a_fragment_follow_the_client(void **state)
{
	struct clients *c = *state;
	const struct frame *whole = payload(udp(CLIENT, VIP(PORT)), 40);

	place(c, c->tcp, "198.51.100.0/24", in(c->far));
	place(c, c->udp, "198.51.100.0/24", in(c->near));
	assert_int_equal(backend_for(c, icmp_error("203.0.113.1", VIP_HOST, 3, 4, 1400, tcp(VIP(PORT), CLIENT, ACK), 40)),
			 c->b_far);
	assert_int_equal(backend_for(c, piece(whole, 7, 0, 24, true)), c->b_near);
	assert_int_equal(backend_for(c, piece(whole, 7, 24, 24, false)), c->b_near);
}

static void a_program_without_the_feature_knows_of_no_clients(void **state)
{
	struct clients *c = *state;

	place(c, c->tcp, "198.51.100.0/24", in(c->far));
	assert_int_equal(backend_for(c, tcp(CLIENT, VIP(PORT), SYN)), c->b_home);
	fixture_reopen(&c->f); /* what the map still holds is not lost: a program that adopts it has the feature */
	assert_int_equal(backend_for(c, tcp(CLIENT, VIP(PORT), SYN)), c->b_far);
}

/* ---- on the way from one group to another ---- */

/* Of one client each, so that what one row pins is no other row's. */
static void flows_stay_in_the_group_where_they_began(void **state)
{
	struct clients *c = *state;

	place(c, c->tcp, "198.51.100.0/24", going(c->far, c->home));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_home);
	assert_int_equal(flow_entry(&c->f, hash_of(&c->f, tcp("198.51.100.1:4000", VIP(PORT), ACK), c->tcp)).backend, c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(PORT), SYN)), c->b_far);
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(PORT), ACK)), c->b_far);
	/* and on, before all flows are pinned */
	place(c, c->tcp, "198.51.100.0/24", going(c->near, c->home));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(PORT), ACK)), c->b_far);
	assert_int_equal(backend_for(c, tcp("198.51.100.3:4000", VIP(PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.4:4000", VIP(PORT), SYN)), c->b_near);
	/* once all are pinned, who is not began in the new group */
	place(c, c->tcp, "198.51.100.0/24", arriving(c->near));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(PORT), ACK)), c->b_far);
	assert_int_equal(backend_for(c, tcp("198.51.100.5:4000", VIP(PORT), ACK)), c->b_near);
	place(c, c->tcp, "198.51.100.0/24", in(c->near));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_near);
}

static void the_old_groups_slot_may_move_meanwhile(void **state)
{
	struct clients *c = *state;

	place(c, c->tcp, "198.51.100.0/24", going(c->far, c->home));
	fixture_slots(&c->f, c->home, moving(c->b_near, c->b_home));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_home);
	fixture_slots(&c->f, c->far, moving(c->b_near, c->b_far)); /* nothing of these clients was ever on b_far */
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.3:4000", VIP(PORT), SYN)), c->b_near);
	datapath_backend_alive(c->f.datapath, c->b_home, false);
	assert_int_equal(backend_for(c, tcp("198.51.100.4:4000", VIP(PORT), ACK)), c->b_near);
}

/* The group of a whole service, with and without the code for clients. */
static void a_service_that_changes_its_group_keeps_its_flows(void **state)
{
	struct clients *c = *state;
	struct shunt_service *line = (struct shunt_service *)fixture_service_by_id(&c->f, c->other);

	line->group = c->far;
	line->was_group = c->home;
	line->group_state = SHUNT_SLOT_MOVING;
	assert_int_equal(datapath_set_services(c->f.datapath, c->f.services, c->f.n_services), 0);
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(OTHER_PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.2:4000", VIP(OTHER_PORT), SYN)), c->b_far);
	line->group_state = SHUNT_SLOT_RESOLVING;
	assert_int_equal(datapath_set_services(c->f.datapath, c->f.services, c->f.n_services), 0);
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(OTHER_PORT), ACK)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.100.3:4000", VIP(OTHER_PORT), ACK)), c->b_far);
}

/* ---- the map ---- */

static void what_is_published_is_adopted(void **state)
{
	struct clients *c = *state;
	const struct datapath_client *list;

	place(c, c->tcp, "198.51.100.0/24", going(c->far, c->home));
	place(c, c->tcp6, "2001:db8:c::/48", in(c->near));
	fixture_reopen(&c->f);
	assert_int_equal(datapath_clients(c->f.datapath, &list), 2);
	assert_memory_equal(list, c->list, 2 * sizeof(*list));
	assert_int_equal(backend_for(c, tcp("198.51.100.1:4000", VIP(PORT), ACK)), c->b_home);
	/* kept until told otherwise */
	assert_int_equal(datapath_set_clients(c->f.datapath, NULL, 0, true), 0);
	assert_int_equal(datapath_clients(c->f.datapath, &list), 2);
	assert_int_equal(datapath_set_clients(c->f.datapath, NULL, 0, false), 0);
	assert_int_equal(datapath_clients(c->f.datapath, &list), 0);
	assert_int_equal(backend_for(c, tcp("198.51.100.9:4000", VIP(PORT), SYN)), c->b_home);
}

/* Every other host of some /24s goes far, the rest of one /24 near. */
static void place_many(struct clients *c, uint32_t n)
{
	struct datapath_client *list = calloc(n, sizeof(*list));
	struct shunt_addr address;
	uint8_t length;

	assert_non_null(list);
	for (uint32_t i = 0; i < n; i++) {
		char text[64];

		snprintf(text, sizeof(text), "198.51.%u.%u/%u", i >> 7, i == 0 ? 0 : (i << 1 | 1) & 255, i == 0 ? 24U : 32U);
		assert_int_equal(address_prefix_parse(text, &address, &length), 0);
		list[i].key = datapath_prefix_key(&address, length, c->tcp);
		list[i].placement = in(i == 0 ? c->near : c->far);
	}
	qsort(list, n, sizeof(*list), datapath_client_order);
	assert_int_equal(datapath_set_clients(c->f.datapath, list, n, false), 0);
	free(list);
}

static void check_many(struct clients *c)
{
	assert_int_equal(backend_for(c, tcp("198.51.0.7:4000", VIP(PORT), SYN)), c->b_far);
	assert_int_equal(backend_for(c, tcp("198.51.0.8:4000", VIP(PORT), SYN)), c->b_near);
	assert_int_equal(backend_for(c, tcp("198.51.9.255:4000", VIP(PORT), SYN)), c->b_far);
	assert_int_equal(backend_for(c, tcp("198.51.9.254:4000", VIP(PORT), SYN)), c->b_home);
	assert_int_equal(backend_for(c, tcp("198.51.9.255:4000", VIP(OTHER_PORT), SYN)), c->b_home);
}

/* The index of a program that was opened for few has no place for many; of one that is opened for them it has. */
static void more_prefixes_than_it_was_opened_for_go_where_they_say(void **state)
{
	enum { MANY = 3000 };
	struct clients *c = *state;

	c->f.options.listed = 0;
	fixture_reopen(&c->f);
	assert_true(datapath_listed(c->f.datapath) < MANY);
	place_many(c, MANY);
	check_many(c);
	c->f.options.listed = MANY;
	fixture_reopen(&c->f);
	assert_true(datapath_listed(c->f.datapath) >= MANY);
	check_many(c);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(the_longest_prefix_of_the_client_says_which_group),
		test(an_icmp_error_and_a_fragment_follow_the_client),
		cmocka_unit_test_setup_teardown(a_program_without_the_feature_knows_of_no_clients, setup_without_the_feature,
						teardown),
		test(flows_stay_in_the_group_where_they_began),
		test(the_old_groups_slot_may_move_meanwhile),
		test(a_service_that_changes_its_group_keeps_its_flows),
		test(what_is_published_is_adopted),
		test(more_prefixes_than_it_was_opened_for_go_where_they_say),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
