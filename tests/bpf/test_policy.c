/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who gets the packet beyond the slot's word: what happens where nobody is fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"
#include "net/address.h"

#define FEATURES                                                                                                       \
	(SHUNT_FEATURE_ANY_PORT | SHUNT_FEATURE_REJECT | SHUNT_FEATURE_FAIL_OPEN | SHUNT_FEATURE_SCHEDULERS |          \
	 SHUNT_FEATURE_PREFIXES)
#define V6 ETHERNET_LEN + 40
#define V4 ETHERNET_LEN + 20
#define REJECT VIP_HOST ":90"
#define REJECT6 "[" VIP6_HOST "]:90"
#define OPEN VIP_HOST ":91"

enum { ANSWER_TTL = 64 };

struct policy_world {
	struct world w;
	uint32_t group, dead, down; /* down: a backend that is not alive; dead: the group that has it in every slot */
	uint32_t open_tcp, open_udp;
};

static int setup(void **state)
{
	struct policy_world *p = calloc(1, sizeof(*p));
	struct datapath_options options = fixture_defaults;
	struct fixture *f = &p->w.f;

	options.features = FEATURES;
	fixture_open(f, &options);
	p->group = fixture_group(f, 1);
	p->dead = fixture_group(f, 2);
	p->down = fixture_backend(f, "10.0.1.9", LINK_IN);
	fixture_slots(f, p->dead, settled(p->down));
	datapath_backend_alive(f->datapath, p->down, false);
	fixture_service(f, IPPROTO_TCP, REJECT, p->group, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	fixture_service(f, IPPROTO_UDP, REJECT, p->group, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	fixture_service(f, IPPROTO_TCP, REJECT6, p->dead, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_REJECT);
	fixture_service(f, IPPROTO_UDP, REJECT6, p->dead, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_REJECT);
	p->open_tcp = fixture_service(f, IPPROTO_TCP, OPEN, p->dead, SHUNT_FORWARD_L2, SHUNT_SERVICE_FAIL_OPEN);
	p->open_udp = fixture_service(f, IPPROTO_UDP, OPEN, p->dead, SHUNT_FORWARD_IPIP, SHUNT_SERVICE_FAIL_OPEN);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct policy_world *p = *state;

	fixture_close(&p->w.f);
	free(p);
	return 0;
}

/* ---- on_empty: reject ---- */

/* As the balancer sends what it makes itself: back to where it came from, id 0. */
static struct frame *answer(struct frame *frame)
{
	if (frame->byte[ETHERNET_LEN] >> 4 == 4)
		poke(frame, ETHERNET_LEN + 4, 2, 0);
	return ttl(macs(frame, router_mac, balancer_mac), ANSWER_TTL);
}

static struct frame *reset(const char *from, const char *to, unsigned int flags, uint32_t sequence,
			   uint32_t acknowledged)
{
	struct frame *frame = tcp(from, to, flags);
	size_t l4 = frame->byte[ETHERNET_LEN] >> 4 == 4 ? V4 : V6;

	poke(poke(poke(frame, l4 + 4, 4, sequence), l4 + 8, 4, acknowledged), l4 + 14, 2, 0);
	return answer(frame);
}

static struct frame *unreachable(const struct frame *of, const char *from, const char *to, size_t quoted)
{
	bool ipv6 = strchr(from, ':');
	uint8_t message[8 + 1500] = {ipv6 ? 1 : 3, ipv6 ? 4 : 3};

	memcpy(message + 8, of->byte + ETHERNET_LEN, quoted);
	return answer(ip(from, to, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, message, 8 + quoted));
}

static struct packet_case rejects(const char *sentence, struct frame *in, struct frame *out)
{
	struct packet_case c = answers(sentence, in, out);

	assert_true(out->byte[12] == 0x81 || out->byte[12] == 0x88 || checksums_right(out)); /* not behind tags */
	c.reason = SHUNT_DROP_REJECTED;
	return c;
}

/* RFC 9293 3.10.7.1. The builder's packets have sequence number 0x01020304 and acknowledge 0x05060708. */
static void tcp_without_a_fit_backend_is_reset(void **state)
{
	struct policy_world *p = *state;
	const struct packet_case cases[] = {
		rejects("SYN: acknowledged with one more", tcp(CLIENT, REJECT, SYN),
			reset(REJECT, CLIENT, RST | ACK, 0, 0x01020305)),
		rejects("SYN with data", payload(tcp(CLIENT, REJECT, SYN), 7),
			reset(REJECT, CLIENT, RST | ACK, 0, 0x0102030c)),
		rejects("SYN with IP options", options(tcp(CLIENT, REJECT, SYN), 12),
			reset(REJECT, CLIENT, RST | ACK, 0, 0x01020305)),
		rejects("SYN, padded", padded(tcp(CLIENT, REJECT, SYN), 60),
			reset(REJECT, CLIENT, RST | ACK, 0, 0x01020305)),
		rejects("ACK: from where it acknowledges", tcp(CLIENT, REJECT, ACK),
			reset(REJECT, CLIENT, RST, 0x05060708, 0)),
		rejects("data", payload(tcp(CLIENT, REJECT, ACK | PSH), 1400),
			reset(REJECT, CLIENT, RST, 0x05060708, 0)),
		rejects("SYN and ACK", tcp(CLIENT, REJECT, SYN | ACK), reset(REJECT, CLIENT, RST, 0x05060708, 0)),
		drops("what cannot be is not answered: FIN alone", tcp(CLIENT, REJECT, FIN), SHUNT_DROP_TCP_FLAGS),
		rejects("SYN, IPv6, the slot's backend is down", tcp(CLIENT6, REJECT6, SYN),
			reset(REJECT6, CLIENT6, RST | ACK, 0, 0x01020305)),
		rejects("data, IPv6", payload(tcp(CLIENT6, REJECT6, ACK), 100),
			reset(REJECT6, CLIENT6, RST, 0x05060708, 0)),
		drops("a reset is never answered", tcp(CLIENT, REJECT, RST), SHUNT_DROP_NO_BACKEND),
		drops("a reset is never answered, IPv6", tcp(CLIENT6, REJECT6, RST | ACK), SHUNT_DROP_NO_BACKEND),
	};

	check_cases(&p->w, cases, N(cases));
}

static struct packet_case rejects_udp(const char *sentence, struct frame *in, size_t quoted)
{
	bool ipv6 = in->byte[ETHERNET_LEN] >> 4 == 6;

	return rejects(sentence, in,
		       unreachable(in, ipv6 ? VIP6_HOST : VIP_HOST, ipv6 ? CLIENT6_HOST : CLIENT_HOST, quoted));
}

static void udp_without_a_fit_backend_finds_the_port_unreachable(void **state)
{
	struct policy_world *p = *state;
	const struct packet_case cases[] = {
		rejects_udp("empty datagram", udp(CLIENT, REJECT), 28),
		rejects_udp("odd length", payload(udp(CLIENT, REJECT), 33), 61),
		rejects_udp("padding is not quoted", padded(udp(CLIENT, REJECT), 60), 28),
		rejects_udp("IP options are quoted", options(payload(udp(CLIENT, REJECT), 2), 8), 38),
		rejects_udp("as much as makes 576 bytes", payload(udp(CLIENT, REJECT), 520), 548),
		rejects_udp("no more than makes 576 bytes (RFC 1812)", payload(udp(CLIENT, REJECT), 1400), 548),
		rejects_udp("empty datagram, IPv6", udp(CLIENT6, REJECT6), 48),
		rejects_udp("length of 3 modulo 4, IPv6", payload(udp(CLIENT6, REJECT6), 515), 563),
		rejects_udp("as much as makes 1280 bytes, IPv6", payload(udp(CLIENT6, REJECT6), 1184), 1232),
		rejects_udp("no more than makes 1280 bytes (RFC 4443)", payload(udp(CLIENT6, REJECT6), 1400), 1232),
	};

	check_cases(&p->w, cases, N(cases));
}

static void an_answer_has_the_tags_of_what_it_answers(void **state)
{
	struct policy_world *p = *state;
	struct frame *datagram = payload(udp(CLIENT6, REJECT6), 30), *syn = tcp(CLIENT, REJECT, SYN);
	const struct packet_case cases[] = {
		rejects("one tag", vlan(copy(syn), ETH_P_8021Q, 0x6064),
			vlan(reset(REJECT, CLIENT, RST | ACK, 0, 0x01020305), ETH_P_8021Q, 0x6064)),
		rejects("one tag, UDP", vlan(copy(datagram), ETH_P_8021Q, 7),
			vlan(unreachable(datagram, VIP6_HOST, CLIENT6_HOST, 78), ETH_P_8021Q, 7)),
		rejects("two tags, UDP", vlan(vlan(copy(datagram), ETH_P_8021Q, 7), ETH_P_8021AD, 8),
			vlan(vlan(unreachable(datagram, VIP6_HOST, CLIENT6_HOST, 78), ETH_P_8021Q, 7), ETH_P_8021AD,
			     8)),
	};

	check_cases(&p->w, cases, N(cases));
}

/* With every feature of this file in it. */
static void the_verifier_has_little_to_do(void **state)
{
	struct policy_world *p = *state;
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fixture_program(&p->w.f), &info, &len), 0);
	print_message("  %u instructions, %u bytes jited, %u verified\n", info.xlated_prog_len / 8, info.jited_prog_len,
		      info.verified_insns);
	assert_true(info.verified_insns < 200000);
}

static struct frame *error_about(const struct frame *quoted)
{
	uint8_t message[8 + 28] = {3, 4};

	memcpy(message + 8, quoted->byte + ETHERNET_LEN, 28);
	return ip("203.0.113.1", VIP_HOST, IPPROTO_ICMP, message, sizeof(message));
}

static void errors_and_fragments_are_not_rejected(void **state)
{
	struct policy_world *p = *state;
	const struct packet_case cases[] = {
		drops("an error about a flow", error_about(udp(REJECT, CLIENT)), SHUNT_DROP_NO_BACKEND),
		drops("an error about a TCP flow", error_about(tcp(REJECT, CLIENT, ACK)), SHUNT_DROP_NO_BACKEND),
		drops("the first fragment of a segment", fragment(payload(tcp(CLIENT, REJECT, ACK), 100), 0, true),
		      SHUNT_DROP_NO_BACKEND),
	};

	check_cases(&p->w, cases, N(cases));
}

/* One rate for all answers: each kind is over it where the others are. */
static void answers_are_limited_and_what_is_over_is_counted(void **state)
{
	enum { EACH = 25 };
	struct policy_world *p = *state;
	struct fixture *f = &p->w.f;
	const struct frame *kinds[] = {tcp(CLIENT, REJECT, SYN), udp(CLIENT, REJECT), tcp(CLIENT6, REJECT6, SYN), udp(CLIENT6, REJECT6)};
	uint32_t tries = 0, limited[N(kinds)] = {0};
	struct counters counters;

	for (size_t over = 0; over < N(kinds) && tries < 200000; tries++) {
		bool is_over = fixture_run_quietly(f, kinds[tries % N(kinds)]) == XDP_DROP;

		over += is_over && ++limited[tries % N(kinds)] == EACH;
	}
	for (size_t i = 0; i < N(kinds); i++)
		assert_true(limited[i] >= EACH);
	counters = fixture_counters(f);
	assert_int_equal(counters.drops[SHUNT_DROP_REJECT_LIMIT], limited[0] + limited[1] + limited[2] + limited[3]);
	assert_int_equal(counters.drops[SHUNT_DROP_REJECTED], tries - counters.drops[SHUNT_DROP_REJECT_LIMIT]);
	assert_true(counters.drops[SHUNT_DROP_REJECTED] >= 1000);
}

static void explaining_takes_nothing_from_the_rate_of_answers(void **state)
{
	enum { MORE_THAN_A_BURST = 20000 };
	struct policy_world *p = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_UDP, .source_port = 4000, .destination_port = 90, .starts = true};
	struct shunt_explanation explanation;

	assert_int_equal(address_parse(CLIENT_HOST, &flow.source), 0);
	assert_int_equal(address_parse(VIP_HOST, &flow.destination), 0);
	for (int i = 0; i < MORE_THAN_A_BURST; i++) {
		assert_int_equal(datapath_explain(p->w.f.datapath, &flow, &explanation), 0);
		assert_int_not_equal(explanation.reason, SHUNT_DROP_REJECT_LIMIT);
	}
	assert_int_equal(fixture_counters(&p->w.f).drops[SHUNT_DROP_REJECTED], 0);
	assert_int_equal(fixture_run_quietly(&p->w.f, udp(CLIENT, REJECT)), XDP_TX);
}

static void a_flow_that_has_a_backend_again_is_forwarded(void **state)
{
	struct policy_world *p = *state;
	uint32_t backend = fixture_backend(&p->w.f, "10.0.1.11", LINK_IN);
	struct frame *in = tcp(CLIENT, REJECT, SYN);
	struct packet_case c;

	fixture_slots(&p->w.f, p->group, settled(backend));
	c = forwards(&p->w, "to the backend", in, 1, backend);
	check_cases(&p->w, &c, 1);
}

/* ---- on_empty: fail-open ---- */

static void a_service_that_fails_open_uses_the_slots_backend_though_it_is_down(void **state)
{
	struct policy_world *p = *state;
	const struct packet_case cases[] = {
		forwards(&p->w, "SYN", tcp(CLIENT, OPEN, SYN), p->open_tcp, p->down),
		forwards(&p->w, "data", payload(tcp(CLIENT, OPEN, ACK), 9), p->open_tcp, p->down),
		forwards(&p->w, "UDP, tunnelled", payload(udp(CLIENT, OPEN), 9), p->open_udp, p->down),
	};

	check_cases(&p->w, cases, N(cases));
	assert_int_equal(fixture_flows_used(&p->w.f), 0);
}

static void a_service_that_fails_open_prefers_who_is_alive(void **state)
{
	struct policy_world *p = *state;
	struct fixture *f = &p->w.f;
	uint32_t alive = fixture_backend(f, "10.0.1.11", LINK_IN);

	for (uint32_t slot = 0; slot < f->options.table_size; slot += 2)
		fixture_slot(f, p->dead, slot, settled(alive));
	for (int client = 1; client < 60; client++) {
		char from[32];

		snprintf(from, sizeof(from), "198.51.100.%d:4000", client);
		assert_int_equal(backend_of(f, fixture_run(f, tcp(from, OPEN, SYN)).frame), alive);
	}
}

static void without_any_backend_in_the_slots_failing_open_drops(void **state)
{
	struct policy_world *p = *state;
	const struct packet_case c = drops("all in maintenance", tcp(CLIENT, OPEN, SYN), SHUNT_DROP_NO_BACKEND);

	fixture_slots(&p->w.f, p->dead, settled(0));
	check_cases(&p->w, &c, 1);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(tcp_without_a_fit_backend_is_reset),
		test(udp_without_a_fit_backend_finds_the_port_unreachable),
		test(an_answer_has_the_tags_of_what_it_answers),
		test(the_verifier_has_little_to_do),
		test(errors_and_fragments_are_not_rejected),
		test(answers_are_limited_and_what_is_over_is_counted),
		test(explaining_takes_nothing_from_the_rate_of_answers),
		test(a_flow_that_has_a_backend_again_is_forwarded),
		test(a_service_that_fails_open_uses_the_slots_backend_though_it_is_down),
		test(a_service_that_fails_open_prefers_who_is_alive),
		test(without_any_backend_in_the_slots_failing_open_drops),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
