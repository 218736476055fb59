/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services for whole prefixes: the very address first, then the longest prefix; echo, fates and flows of their addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shunt/hash.h>

#include "../lib/world.h"
#include "net/address.h"

#define FEATURES (SHUNT_FEATURE_ANY_PORT | SHUNT_FEATURE_PREFIXES)
#define FROM "203.0.113.7:4000"
#define FROM6 "[2001:db8:c::7]:4000"

struct prefixes {
	struct world w;
	uint32_t backend[10]; /* each service has its own */
	uint32_t exact, half, whole, any, udp_whole, exact_any, six, six_long, two_any, two_port;
};

static uint32_t group_of(struct prefixes *p, uint32_t i)
{
	char address[32];
	uint32_t group = fixture_group(&p->w.f, i + 1);

	snprintf(address, sizeof(address), "10.0.1.%u", i + 1);
	p->backend[i] = fixture_backend(&p->w.f, address, LINK_IN);
	fixture_slots(&p->w.f, group, settled(p->backend[i]));
	return group;
}

static int setup(void **state)
{
	struct prefixes *p = calloc(1, sizeof(*p));
	struct datapath_options options = fixture_defaults;
	struct fixture *f = &p->w.f;

	options.features = FEATURES;
	fixture_open(f, &options);
	p->exact = fixture_service(f, IPPROTO_TCP, "192.0.2.10:80", group_of(p, 0), SHUNT_FORWARD_L2, 0);
	p->half = fixture_prefix(f, IPPROTO_TCP, "192.0.2.0/25", 80, group_of(p, 1), SHUNT_FORWARD_L2, 0);
	p->whole = fixture_prefix(f, IPPROTO_TCP, "192.0.2.0/24", 80, group_of(p, 2), SHUNT_FORWARD_L2, 0);
	p->any = fixture_prefix(f, IPPROTO_TCP, "192.0.2.0/26", 0, group_of(p, 3), SHUNT_FORWARD_L2, 0);
	p->udp_whole = fixture_prefix(f, IPPROTO_UDP, "192.0.2.0/24", 53, group_of(p, 4), SHUNT_FORWARD_IPIP, 0);
	p->exact_any = fixture_service(f, IPPROTO_TCP, "192.0.2.11:0", group_of(p, 5), SHUNT_FORWARD_L2, 0);
	p->six = fixture_prefix(f, IPPROTO_TCP, "2001:db8:1::/96", 0, group_of(p, 6), SHUNT_FORWARD_L2, 0);
	p->six_long = fixture_prefix(f, IPPROTO_TCP, "2001:db8:1::ff00/121", 443, group_of(p, 7), SHUNT_FORWARD_L2, 0);
	p->two_any = fixture_prefix(f, IPPROTO_TCP, "198.18.3.0/24", 0, group_of(p, 8), SHUNT_FORWARD_L2, 0);
	p->two_port = fixture_prefix(f, IPPROTO_TCP, "198.18.3.0/24", 80, group_of(p, 9), SHUNT_FORWARD_L2, 0);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct prefixes *p = *state;

	fixture_close(&p->w.f);
	free(p);
	return 0;
}

static void the_address_itself_comes_first_then_the_longest_prefix(void **state)
{
	struct prefixes *p = *state;
	const struct world *w = &p->w;
	const struct packet_case cases[] = {
		forwards(w, "the very address", tcp(FROM, "192.0.2.10:80", SYN), p->exact, p->backend[0]),
		forwards(w, "the very address for every port beats prefixes", tcp(FROM, "192.0.2.11:80", SYN),
			 p->exact_any, p->backend[5]),
		forwards(w, "a longer prefix for every port beats a shorter one for the port",
			 tcp(FROM, "192.0.2.9:80", SYN), p->any, p->backend[3]),
		forwards(w, "every port", tcp(FROM, "192.0.2.10:81", SYN), p->any, p->backend[3]),
		forwards(w, "the last address of every port's prefix", tcp(FROM, "192.0.2.63:80", ACK), p->any,
			 p->backend[3]),
		forwards(w, "the first behind it", tcp(FROM, "192.0.2.64:80", ACK), p->half, p->backend[1]),
		forwards(w, "the last of the half", tcp(FROM, "192.0.2.127:80", SYN), p->half, p->backend[1]),
		forwards(w, "the first of the other half", tcp(FROM, "192.0.2.128:80", SYN), p->whole, p->backend[2]),
		forwards(w, "the last of the whole", tcp(FROM, "192.0.2.255:80", SYN), p->whole, p->backend[2]),
		forwards(w, "the first of all", tcp(FROM, "192.0.2.0:80", SYN), p->any, p->backend[3]),
		forwards(w, "UDP, tunnelled", udp(FROM, "192.0.2.77:53"), p->udp_whole, p->backend[4]),
		forwards(w, "IPv6", tcp(FROM6, "[2001:db8:1::1]:7", SYN), p->six, p->backend[6]),
		forwards(w, "IPv6, the last address", tcp(FROM6, "[2001:db8:1::ffff:ffff]:443", SYN), p->six,
			 p->backend[6]),
		forwards(w, "IPv6, longer and for one port", tcp(FROM6, "[2001:db8:1::ff7f]:443", SYN), p->six_long,
			 p->backend[7]),
		forwards(w, "IPv6, another port of the longer one", tcp(FROM6, "[2001:db8:1::ff7f]:80", SYN), p->six,
			 p->backend[6]),
		forwards(w, "IPv6, right behind the longer one", tcp(FROM6, "[2001:db8:1::ff80]:443", SYN), p->six,
			 p->backend[6]),
		forwards(w, "of two alike the one for the port", tcp(FROM, "198.18.3.7:80", SYN), p->two_port, p->backend[9]),
		forwards(w, "of two alike, another port", tcp(FROM, "198.18.3.7:81", SYN), p->two_any, p->backend[8]),
		passes("outside", tcp(FROM, "192.0.3.0:80", SYN)),
		passes("below", tcp(FROM, "192.0.1.255:80", SYN)),
		passes("another port", tcp(FROM, "192.0.2.64:81", SYN)),
		passes("another protocol", udp(FROM, "192.0.2.64:80")),
		passes("outside, IPv6", tcp(FROM6, "[2001:db8:1:0:0:1::]:443", SYN)),
		passes("UDP, IPv6", udp(FROM6, "[2001:db8:1::1]:443")),
	};

	check_cases(&p->w, cases, N(cases));
}

static struct frame *reply(struct frame *frame)
{
	return ttl(macs(frame, router_mac, balancer_mac), 64);
}

static void what_has_no_ports_is_answered_for_the_whole_prefix(void **state)
{
	struct prefixes *p = *state;
	const struct packet_case cases[] = {
		answers("echo", echo("203.0.113.7", "192.0.2.200", true),
			reply(echo("192.0.2.200", "203.0.113.7", false))),
		answers("echo, IPv6", echo("2001:db8:c::7", "2001:db8:1::abcd", true),
			reply(echo("2001:db8:1::abcd", "2001:db8:c::7", false))),
		passes("echo to another address", echo("203.0.113.7", "192.0.3.1", true)),
		passes("echo to another address, IPv6", echo("2001:db8:c::7", "2001:db8:1::1:0:0", true)),
		drops("a header cut short", cut(tcp(FROM, "192.0.2.200:80", SYN), 14 + 20 + 12), SHUNT_DROP_MALFORMED),
		drops("TTL 0", ttl(tcp(FROM, "192.0.2.200:80", ACK), 0), SHUNT_DROP_TTL_ZERO),
		passes("a header cut short, to another address", cut(tcp(FROM, "192.0.3.200:80", SYN), 14 + 20 + 12)),
	};

	check_cases(&p->w, cases, N(cases));
}

/* Half of the slots to another backend: the same client and port must not have one slot for all addresses. */
static void flows_to_different_addresses_are_different_flows(void **state)
{
	struct prefixes *p = *state;
	uint32_t group = fixture_group(&p->w.f, 3), other = p->backend[0], counts[2] = {0};

	for (uint32_t slot = 0; slot < p->w.f.options.table_size; slot += 2)
		fixture_slot(&p->w.f, group, slot, settled(other));
	for (int i = 128; i < 256; i++) {
		char to[32];
		uint32_t backend;

		snprintf(to, sizeof(to), "192.0.2.%d:80", i);
		backend = backend_of(&p->w.f, fixture_run(&p->w.f, tcp(FROM, to, SYN)).frame);
		assert_int_equal(backend, slot_of(&p->w.f, tcp(FROM, to, SYN), p->whole) % 2 ? p->backend[2] : other);
		counts[backend == other]++;
	}
	assert_in_range(counts[0], 40, 88);
}

static void prefixes_come_and_go_and_survive_a_restart(void **state)
{
	struct prefixes *p = *state;
	struct fixture *f = &p->w.f;
	const struct shunt_service_key whole = fixture_service_by_id(f, p->whole)->key;
	const struct packet_case before =
		forwards(&p->w, "the whole prefix", tcp(FROM, "192.0.2.200:80", SYN), p->whole, p->backend[2]);
	const struct packet_case gone = passes("removed", tcp(FROM, "192.0.2.200:80", SYN));
	const struct packet_case no_echo =
		passes("no echo without a service", echo("203.0.113.7", "192.0.2.200", true));

	check_cases(&p->w, &before, 1);
	fixture_reopen(f);
	assert_int_equal(datapath_service_id(f->datapath, &whole), p->whole);
	assert_int_equal(datapath_set_services(f->datapath, f->services, f->n_services), 0);
	check_cases(&p->w, &before, 1);
	assert_int_equal(datapath_set_services(f->datapath, f->services, 1), 0);
	check_cases(&p->w, &gone, 1);
	check_cases(&p->w, &no_echo, 1);
	assert_int_equal(datapath_set_services(f->datapath, f->services, f->n_services), 0);
	check_cases(&p->w, &before, 1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(the_address_itself_comes_first_then_the_longest_prefix),
		test(what_has_no_ports_is_answered_for_the_whole_prefix),
		test(flows_to_different_addresses_are_different_flows),
		test(prefixes_come_and_go_and_survive_a_restart),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("prefixes", tests, NULL, NULL);
}
