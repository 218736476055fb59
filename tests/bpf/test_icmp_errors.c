/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors reach the backend whose answer they quote (RFC 7690), and nobody else's flow is touched by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define ROUTER "203.0.113.1"
#define ROUTER6 "2001:db8:f::1"

enum { UNREACHABLE = 3, TOO_BIG_CODE = 4, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, TIME_EXCEEDED6 = 3, PARAMETER_PROBLEM6 = 4 };
enum { QUOTE_MIN = 28, QUOTE_MIN6 = 48 };

/* The error about what `answer` says, quoting its first len bytes; 0: all of it. */
static struct frame *error(uint8_t type, uint8_t code, const struct frame *answer, size_t len)
{
	bool ipv4 = answer->byte[ETHERNET_LEN] >> 4 == 4;

	return icmp_error(ipv4 ? ROUTER : ROUTER6, ipv4 ? VIP_HOST : VIP6_HOST, type, code, 1400, answer,
			  len ? len : answer->len - ETHERNET_LEN);
}

static struct frame *too_big(const struct frame *answer)
{
	return answer->byte[ETHERNET_LEN] >> 4 == 4 ? error(UNREACHABLE, TOO_BIG_CODE, answer, 0)
						    : error(TOO_BIG6, 0, answer, 0);
}

static void every_error_goes_where_the_flow_goes(void **state)
{
	struct world *w = *state;
	const struct {
		const char *vip, *vip6;
		enum port port;
		uint32_t v4, v6; /* backends */
	} modes[] = {
		{VIP(L2), VIP6(L2), PORT_L2, w->v4, w->v6},
		{VIP(TO_V4), VIP6(TO_V4), PORT_IPIP_TO_V4, w->v4, w->v4},
		{VIP(TO_V6), VIP6(TO_V6), PORT_IPIP_TO_V6, w->v6, w->v6},
		{VIP(OTHER_LINK), VIP6(OTHER_LINK), PORT_REDIRECT, w->v4_out, w->v6_out},
	};
	static const uint8_t types[][2] = {
		{UNREACHABLE, 4}, {UNREACHABLE, 1}, {UNREACHABLE, 3}, {TIME_EXCEEDED, 0}, {PARAMETER_PROBLEM, 0}};
	static const uint8_t types6[][2] = {
		{TOO_BIG6, 0}, {UNREACHABLE6, 0}, {UNREACHABLE6, 4}, {TIME_EXCEEDED6, 0}, {PARAMETER_PROBLEM6, 1}};
	struct packet_case cases[N(modes) * N(types) * 8];
	size_t n = 0;

	for (size_t mode = 0; mode < N(modes); mode++) {
		enum port port = modes[mode].port;
		const struct frame *tcp4 = payload(tcp(modes[mode].vip, CLIENT, ACK), 500);
		const struct frame *udp4 = payload(udp(modes[mode].vip, CLIENT), 500);
		const struct frame *tcp6 = payload(tcp(modes[mode].vip6, CLIENT6, ACK), 1100);
		const struct frame *udp6 = payload(udp(modes[mode].vip6, CLIENT6), 500);
		const struct frame *flow = tcp(CLIENT, modes[mode].vip, ACK),
				   *flow6 = tcp(CLIENT6, modes[mode].vip6, ACK);

		for (size_t i = 0; i < N(types); i++) {
			const uint8_t *t = types[i], *t6 = types6[i];

			cases[n++] = forwards_as(w, "TCP", error(t[0], t[1], tcp4, 0), flow, w->tcp[0][port],
						 modes[mode].v4);
			cases[n++] = forwards_as(w, "TCP, 8 bytes", error(t[0], t[1], tcp4, QUOTE_MIN), flow,
						 w->tcp[0][port], modes[mode].v4);
			cases[n++] = forwards_as(w, "UDP", error(t[0], t[1], udp4, 0), flow, w->udp[0][port],
						 modes[mode].v4);
			cases[n++] = forwards_as(w, "UDP, 8 bytes", error(t[0], t[1], udp4, QUOTE_MIN), flow,
						 w->udp[0][port], modes[mode].v4);
			cases[n++] = forwards_as(w, "TCP, IPv6", error(t6[0], t6[1], tcp6, 0), flow6, w->tcp[1][port],
						 modes[mode].v6);
			cases[n++] = forwards_as(w, "TCP, IPv6, 8 bytes", error(t6[0], t6[1], tcp6, QUOTE_MIN6), flow6,
						 w->tcp[1][port], modes[mode].v6);
			cases[n++] = forwards_as(w, "UDP, IPv6", error(t6[0], t6[1], udp6, 0), flow6, w->udp[1][port],
						 modes[mode].v6);
			cases[n++] = forwards_as(w, "UDP, IPv6, 8 bytes", error(t6[0], t6[1], udp6, QUOTE_MIN6), flow6,
						 w->udp[1][port], modes[mode].v6);
		}
	}
	check_cases(w, cases, n);
}

static void what_an_error_quotes_may_be_unusual(void **state)
{
	struct world *w = *state;
	const struct frame *flow = udp(CLIENT, VIP(L2)), *flow6 = udp(CLIENT6, VIP6(L2));
	struct frame *answer = payload(udp(VIP(L2), CLIENT), 1000), *answer6 = payload(udp(VIP6(L2), CLIENT6), 1000);
	struct packet_case tagged = forwards_as(w, "a tagged error", too_big(answer), flow, w->udp[0][PORT_L2], w->v4);

	tagged.in = vlan(copy(tagged.in), ETH_P_8021Q, 7);
	tagged.out = vlan(copy(tagged.out), ETH_P_8021Q, 7);
	const struct packet_case cases[] = {
		tagged,
		forwards_as(w, "IP options in the quotation", too_big(options(copy(answer), 40)), flow,
			    w->udp[0][PORT_L2], w->v4),
		forwards_as(w, "IP options of the error itself", options(too_big(answer), 24), flow, w->udp[0][PORT_L2],
			    w->v4),
		forwards_as(w, "a first fragment", too_big(piece(answer, 7, 0, 504, true)), flow, w->udp[0][PORT_L2],
			    w->v4),
		forwards_as(w, "a first fragment, IPv6", too_big(piece(answer6, 7, 0, 504, true)), flow6,
			    w->udp[1][PORT_L2], w->v6),
		forwards_as(w, "extension headers in the quotation", too_big(extension(copy(answer6), 60, 2, 1, 4)),
			    flow6, w->udp[1][PORT_L2], w->v6),
		forwards_as(w, "extension headers of the error itself", extension(too_big(answer6), 60, 2, 1, 4), flow6,
			    w->udp[1][PORT_L2], w->v6),
		forwards_as(w, "TTL 0 in the quotation", error(TIME_EXCEEDED, 0, ttl(copy(answer), 0), 0), flow,
			    w->udp[0][PORT_L2], w->v4),
		forwards_as(w, "an error by the client itself",
			    icmp_error(CLIENT_HOST, VIP_HOST, 3, 3, 0, answer, QUOTE_MIN), flow, w->udp[0][PORT_L2],
			    w->v4),
	};

	check_cases(w, cases, N(cases));
}

static void an_error_that_quotes_no_packet_of_the_service_is_dropped(void **state)
{
	struct world *w = *state;
	struct frame *answer = payload(tcp(VIP(L2), CLIENT, ACK), 100),
		     *answer6 = payload(tcp(VIP6(L2), CLIENT6, ACK), 100);
	struct frame *request = payload(tcp(CLIENT, VIP(L2), ACK), 100);
	const struct packet_case cases[] = {
		drops("a byte short of the ports", error(3, 4, answer, QUOTE_MIN - 1), SHUNT_DROP_ICMP_ERROR),
		drops("half an IP header", error(3, 4, answer, 19), SHUNT_DROP_ICMP_ERROR),
		drops("nothing", error(3, 4, answer, 0 + 1), SHUNT_DROP_ICMP_ERROR),
		drops("a byte short of the ports, IPv6", error(2, 0, answer6, QUOTE_MIN6 - 1), SHUNT_DROP_ICMP_ERROR),
		drops("half an IPv6 header", error(2, 0, answer6, 39), SHUNT_DROP_ICMP_ERROR),
		drops("IPv6 in an ICMPv4 error", icmp_error(ROUTER, VIP_HOST, 3, 4, 0, answer6, 60),
		      SHUNT_DROP_ICMP_ERROR),
		drops("IPv4 in an ICMPv6 error", icmp_error(ROUTER6, VIP6_HOST, 2, 0, 0, answer, 60),
		      SHUNT_DROP_ICMP_ERROR),
		drops("the client's packet, not the answer", error(3, 4, request, 0), SHUNT_DROP_ICMP_ERROR),
		drops("an answer of another address", error(3, 4, tcp("192.0.2.11:80", CLIENT, ACK), 0),
		      SHUNT_DROP_ICMP_ERROR),
		drops("an answer of another address, IPv6", error(2, 0, tcp("[2001:db8::11]:80", CLIENT6, ACK), 0),
		      SHUNT_DROP_ICMP_ERROR),
		drops("a later fragment", error(3, 4, piece(answer, 7, 64, 32, true), 0), SHUNT_DROP_ICMP_ERROR),
		drops("a later fragment, IPv6", error(2, 0, piece(answer6, 7, 64, 32, true), 0), SHUNT_DROP_ICMP_ERROR),
		drops("a header length of 4 words", error(3, 4, poke(copy(answer), 14, 1, 0x44), 0),
		      SHUNT_DROP_ICMP_ERROR),
		drops("a header beyond the quotation", error(3, 4, poke(copy(answer), 14, 1, 0x4f), 40),
		      SHUNT_DROP_ICMP_ERROR),
		drops("an IP length without ports", error(3, 4, poke(copy(answer), 16, 2, 27), 0),
		      SHUNT_DROP_ICMP_ERROR),
		drops("seven extension headers",
		      error(2, 0,
			    extension(extension(extension(extension(extension(extension(extension(copy(answer6), 60, 1,
												  1, 4),
											60, 1, 1, 4),
									      60, 1, 1, 4),
								    60, 1, 1, 4),
							  60, 1, 1, 4),
						60, 1, 1, 4),
				      60, 1, 1, 4),
			    0),
		      SHUNT_DROP_ICMP_ERROR),
		drops("to a client that cannot be", error(3, 4, tcp(VIP(L2), "127.0.0.1:4000", ACK), 0),
		      SHUNT_DROP_MARTIAN),
		drops("to the service itself", error(3, 4, tcp(VIP(L2), VIP(L2), ACK), 0), SHUNT_DROP_LAND),
		drops("from nobody", icmp_error("127.0.0.1", VIP_HOST, 3, 4, 0, answer, 60), SHUNT_DROP_MARTIAN),
		drops("from nobody, IPv6", icmp_error("::1", VIP6_HOST, 2, 0, 0, answer6, 60), SHUNT_DROP_MARTIAN),
		drops("a fragment of an error", piece(too_big(answer), 7, 0, 104, true), SHUNT_DROP_FRAGMENT),
		drops("with TTL 0", ttl(too_big(answer), 0), SHUNT_DROP_TTL_ZERO),
		drops("about a service without backends", error(3, 4, tcp(VIP(EMPTY), CLIENT, ACK), 0),
		      SHUNT_DROP_NO_BACKEND),
		passes("about another port: the kernel's own", error(3, 4, tcp(VIP(UNUSED), CLIENT, ACK), 0)),
		passes("about an echo reply: ours", error(3, 1, echo(VIP_HOST, CLIENT_HOST, false), 0)),
		passes("about an echo reply, IPv6", error(1, 0, echo(VIP6_HOST, CLIENT6_HOST, false), 0)),
		passes("a source quench (RFC 6633)", error(4, 0, answer, 0)),
		passes("a redirect", error(5, 1, answer, 0)),
		passes("for another address", icmp_error(ROUTER, "192.0.2.11", 3, 4, 0, answer, 60)),
		passes("nonsense for another address", icmp_error(ROUTER, "192.0.2.11", 3, 4, 0, answer, 10)),
	};

	check_cases(w, cases, N(cases));
}

static void an_error_finds_the_backend_that_the_flow_is_pinned_to_and_pins_nothing(void **state)
{
	struct world *w = *state;
	uint32_t group = fixture_group(&w->f, 7);
	uint32_t service = fixture_service(&w->f, IPPROTO_TCP, "192.0.2.30:80", group, SHUNT_FORWARD_L2, 0);
	struct frame *data = tcp(CLIENT, "192.0.2.30:80", ACK),
		     *answer = payload(tcp("192.0.2.30:80", CLIENT, ACK), 100);
	struct frame *trouble = icmp_error(ROUTER, "192.0.2.30", 3, 4, 1400, answer, 60);
	struct shunt_flow_line *line;
	struct shunt_flow *before;
	size_t bytes;
	const void *flows = fixture_flows(&w->f, &bytes);

	/* Older than the change and not pinned yet: it goes to the old backend, and is not pinned by an error. */
	fixture_slots(&w->f, group, moving(w->v4_out, w->v4));
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, trouble).frame), w->v4);
	assert_int_equal(fixture_flows_used(&w->f), 0);
	/* Pinned: an error finds it, and the entry stays as it is. */
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, data).frame), w->v4);
	assert_int_equal(flow_entry(&w->f, hash_of(&w->f, data, service)).backend, w->v4);
	fixture_slots(&w->f, group, resolving(w->v4_out));
	line = fixture_flow_line(&w->f, hash_of(&w->f, data, service));
	line->flow[0].seen -= 1000; /* else there would be nothing to write */
	line->flow[0].established = 0;
	before = fixture_flows_copy(&w->f);
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, trouble).frame), w->v4);
	assert_memory_equal(before, flows, bytes);
	free(before);
	/* Its backend is down: a live one, and still nothing is pinned. */
	datapath_backend_alive(w->f.datapath, w->v4, false);
	before = fixture_flows_copy(&w->f);
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, trouble).frame), w->v4_out);
	assert_memory_equal(before, flows, bytes);
	free(before);
}

static void errors_and_fragments_are_never_answered(void **state)
{
	struct world *w = *state;
	struct frame *whole, *answer;

	fixture_close(&w->f);
	struct datapath_options with_reject = fixture_defaults;

	with_reject.features |= SHUNT_FEATURE_REJECT;
	fixture_open(&w->f, &with_reject);
	uint32_t group = fixture_group(&w->f, 1);

	fixture_slots(&w->f, group, settled(0));
	fixture_service(&w->f, IPPROTO_TCP, VIP(L2), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	fixture_service(&w->f, IPPROTO_UDP, VIP(L2), group, SHUNT_FORWARD_L2, SHUNT_SERVICE_REJECT);
	whole = payload(udp(CLIENT, VIP(L2)), 1000);
	answer = payload(tcp(VIP(L2), CLIENT, ACK), 100);
	const struct packet_case cases[] = {
		drops("an error about a flow of an empty group", too_big(answer), SHUNT_DROP_NO_BACKEND),
		drops("a first fragment of TCP", piece(payload(tcp(CLIENT, VIP(L2), ACK), 1000), 7, 0, 504, true),
		      SHUNT_DROP_NO_BACKEND),
		drops("a later one: its first was not forwarded", piece(whole, 7, 504, 504, false),
		      SHUNT_DROP_FRAGMENT_UNKNOWN),
	};

	check_cases(w, cases, N(cases));
	assert_int_equal(fixture_run(&w->f, whole).verdict, XDP_TX);
}

static void no_truncated_error_is_forwarded(void **state)
{
	struct world *w = *state;
	const struct frame *errors[] = {
		too_big(payload(tcp(VIP(L2), CLIENT, ACK), 30)),
		too_big(payload(udp(VIP6(TO_V4), CLIENT6), 30)),
		too_big(options(udp(VIP(TO_V6), CLIENT), 20)),
		too_big(extension(udp(VIP6(L2), CLIENT6), 60, 1, 1, 4)),
	};

	for (size_t i = 0; i < N(errors); i++)
		for (size_t len = ETHERNET_LEN; len < errors[i]->len; len++) {
			int verdict = fixture_run(&w->f, cut(copy(errors[i]), len)).verdict;

			if (verdict != XDP_PASS && verdict != XDP_DROP)
				fail_msg("error %zu cut to %zu bytes: %s", i, len, verdict_text(verdict));
		}
	assert_int_equal(fixture_counters(&w->f).service.packets, 0);
}

/* Whatever bytes come, what leaves is the frame that came, whole, behind at most an outer header. */
static void no_mutated_frame_is_sent_on_changed(void **state)
{
	struct world *w = *state;
	const struct frame *seeds[] = {
		too_big(payload(tcp(VIP(TO_V4), CLIENT, ACK), 30)),
		too_big(payload(udp(VIP6(TO_V4), CLIENT6), 30)),
		piece(payload(udp(CLIENT, VIP(TO_V4)), 100), 1, 0, 56, true),
		piece(payload(udp(CLIENT6, VIP6(L2)), 100), 1, 56, 48, false),
		extension(payload(tcp(CLIENT6, VIP6(TO_V6), ACK), 30), 60, 3, 1, 4),
		vlan(tcp(CLIENT, VIP(TO_V4), SYN), ETH_P_8021Q, 3),
	};
	uint64_t random = 1;

	for (int i = 0; i < 30000; i++) {
		struct frame in = *seeds[(size_t)i % N(seeds)];
		struct outcome got;

		for (int changes = 0; changes < 3; changes++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			poke(&in, 12 + (random >> 33) % (in.len - 12), 1, random >> 56);
		}
		if (random >> 60)
			mend_ip(&in, ip_offset(&in));
		got = fixture_run(&w->f, &in);
		if (got.verdict == XDP_TX || got.verdict == XDP_REDIRECT)
			assert_memory_equal(got.frame->byte + got.frame->len - 30, in.byte + in.len - 30, 30);
		else
			assert_true(frames_equal(&in, got.frame));
	}
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(every_error_goes_where_the_flow_goes),
		test(what_an_error_quotes_may_be_unusual),
		test(an_error_that_quotes_no_packet_of_the_service_is_dropped),
		test(an_error_finds_the_backend_that_the_flow_is_pinned_to_and_pins_nothing),
		test(errors_and_fragments_are_never_answered),
		test(no_truncated_error_is_forwarded),
		test(no_mutated_frame_is_sent_on_changed),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("ICMP errors", tests, NULL, NULL);
}
