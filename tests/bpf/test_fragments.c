/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments: the first goes by its ports, the others follow it; what was made to deceive is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define UDP4 (w->udp[0])
#define UDP6 (w->udp[1])
#define TCP4 (w->tcp[0])
#define TCP6 (w->tcp[1])

enum { ID = 0x1234, FIRST = 800, SECOND = 400 };

/* First, middle and last of a packet, and the packet itself as the plain frame of the flow. */
static size_t three_pieces(const struct world *w, struct packet_case *cases, const struct frame *whole, uint32_t id,
			   uint32_t service, uint32_t backend)
{
	size_t len = whole->len - ETHERNET_LEN - (whole->byte[ETHERNET_LEN] >> 4 == 4 ? 20 : 40), rest = FIRST + SECOND;

	cases[0] = forwards_as(w, "the first fragment", piece(whole, id, 0, FIRST, true), whole, service, backend);
	cases[1] = forwards_as(w, "one in the middle", piece(whole, id, FIRST, SECOND, true), whole, service, backend);
	cases[2] = forwards_as(w, "the last", piece(whole, id, rest, len - rest, false), whole, service, backend);
	return 3;
}

static void a_datagram_in_fragments_arrives_whole_in_every_mode(void **state)
{
	struct world *w = *state;
	struct packet_case cases[64];
	size_t n = 0;
	const struct {
		const char *to, *to6;
		enum port port;
		uint32_t v4, v6; /* backends */
	} modes[] = {
		{VIP(L2), VIP6(L2), PORT_L2, w->v4, w->v6},
		{VIP(TO_V4), VIP6(TO_V4), PORT_IPIP_TO_V4, w->v4, w->v4},
		{VIP(TO_V6), VIP6(TO_V6), PORT_IPIP_TO_V6, w->v6, w->v6},
		{VIP(OTHER_LINK), VIP6(OTHER_LINK), PORT_REDIRECT, w->v4_out, w->v6_out},
		{VIP(TO_V4_OTHER_LINK), VIP6(TO_V4_OTHER_LINK), PORT_IPIP_REDIRECT, w->v4_out, w->v4_out},
	};

	for (uint32_t i = 0; i < N(modes); i++) {
		n += three_pieces(w, cases + n, payload(udp(CLIENT, modes[i].to), 1300), ID + i, UDP4[modes[i].port],
				  modes[i].v4);
		n += three_pieces(w, cases + n, payload(udp(CLIENT6, modes[i].to6), 1301), ID + i, UDP6[modes[i].port],
				  modes[i].v6);
		n += three_pieces(w, cases + n, payload(tcp(CLIENT, modes[i].to, ACK), 1299), ID + i,
				  TCP4[modes[i].port], modes[i].v4);
		n += three_pieces(w, cases + n, payload(tcp(CLIENT6, modes[i].to6, ACK), 1298), ID + 50 + i,
				  TCP6[modes[i].port], modes[i].v6);
	}
	assert_true(n <= N(cases));
	check_cases(w, cases, n);
}

static struct packet_case tagged(struct packet_case c)
{
	c.in = vlan(copy(c.in), ETH_P_8021Q, 5);
	c.out = vlan(copy(c.out), ETH_P_8021Q, 5);
	return c;
}

static void fragments_with_tags_options_and_extension_headers(void **state)
{
	struct world *w = *state;
	struct frame *whole = payload(udp(CLIENT, VIP(TO_V4)), 1000), *whole6 = payload(udp(CLIENT6, VIP6(L2)), 1000);
	struct frame *with_options = options(payload(udp(CLIENT, VIP(L2)), 1000), 40);
	const struct packet_case cases[] = {
		tagged(forwards_as(w, "tagged", piece(whole, ID, 0, 504, true), whole, UDP4[PORT_IPIP_TO_V4], w->v4)),
		tagged(forwards_as(w, "tagged, the last", piece(whole, ID, 504, 504, false), whole,
				   UDP4[PORT_IPIP_TO_V4], w->v4)),
		forwards_as(w, "IP options", piece(with_options, ID, 0, 504, true), with_options, UDP4[PORT_L2], w->v4),
		forwards_as(w, "IP options, the last", piece(with_options, ID, 504, 504, false), with_options,
			    UDP4[PORT_L2], w->v4),
		forwards_as(w, "hop-by-hop options", extension(piece(whole6, ID, 0, 504, true), 0, 1, 1, 4), whole6,
			    UDP6[PORT_L2], w->v6),
		forwards_as(w, "hop-by-hop options, the last",
			    extension(piece(whole6, ID, 504, 504, false), 0, 1, 1, 4), whole6, UDP6[PORT_L2], w->v6),
		forwards_as(w, "options among what is fragmented",
			    piece(extension(copy(whole6), 60, 2, 1, 4), ID + 1, 0, 504, true), whole6, UDP6[PORT_L2],
			    w->v6),
		forwards_as(w, "options among what is fragmented, the last",
			    piece(extension(copy(whole6), 60, 2, 1, 4), ID + 1, 504, 504, false), whole6, UDP6[PORT_L2],
			    w->v6),
		forwards_as(w, "a first one with no more than the UDP header", piece(whole, ID + 2, 0, 8, true), whole,
			    UDP4[PORT_IPIP_TO_V4], w->v4),
		forwards_as(w, "what follows it", piece(whole, ID + 2, 8, 496, true), whole, UDP4[PORT_IPIP_TO_V4],
			    w->v4),
	};

	check_cases(w, cases, N(cases));
}

static void only_fragments_of_the_same_datagram_follow(void **state)
{
	struct world *w = *state;
	struct frame *whole = payload(udp(CLIENT, VIP(L2)), 1000), *whole6 = payload(udp(CLIENT6, VIP6(L2)), 1000);
	struct frame *other = payload(udp("198.51.100.8:4000", VIP(L2)), 1000);
	struct frame *big = payload(tcp(CLIENT, VIP(L2), ACK), 1000);
	const struct packet_case cases[] = {
		drops("one that comes before its first", piece(whole, ID, 504, 504, false),
		      SHUNT_DROP_FRAGMENT_UNKNOWN),
		forwards_as(w, "the first", piece(whole, ID, 0, 504, true), whole, UDP4[PORT_L2], w->v4),
		forwards_as(w, "now it is known", piece(whole, ID, 504, 504, false), whole, UDP4[PORT_L2], w->v4),
		drops("another id", piece(whole, ID + 1, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
		drops("another client", piece(other, ID, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
		drops("another protocol", piece(big, ID, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
		drops("IPv6, before its first", piece(whole6, ID, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
		forwards_as(w, "IPv6, the first", piece(whole6, ID, 0, 504, true), whole6, UDP6[PORT_L2], w->v6),
		forwards_as(w, "IPv6, known", piece(whole6, ID, 504, 504, false), whole6, UDP6[PORT_L2], w->v6),
		drops("IPv6, an id that differs in its upper half", piece(whole6, ID + 0x10000, 504, 504, false),
		      SHUNT_DROP_FRAGMENT_UNKNOWN),
		drops("IPv6, options among what is fragmented, before its first",
		      piece(extension(copy(whole6), 60, 2, 1, 4), ID + 2, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
		passes("the first of a port without a service",
		       piece(payload(udp(CLIENT, VIP(UNUSED)), 1000), ID, 0, 504, true)),
		passes("another address", piece(payload(udp(CLIENT, "192.0.2.11:80"), 1000), ID, 504, 504, false)),
		passes("a protocol without ports",
		       piece(ip(CLIENT_HOST, VIP_HOST, IPPROTO_GRE, whole->byte, 600), ID, 96, 504, false)),
	};

	check_cases(w, cases, N(cases));
}

static void fragments_made_to_deceive_are_refused(void **state)
{
	struct world *w = *state;
	struct frame *whole = payload(udp(CLIENT, VIP(L2)), 1000), *whole6 = payload(udp(CLIENT6, VIP6(L2)), 1000);
	struct frame *big = payload(tcp(CLIENT, VIP(L2), ACK), 1000),
		     *big6 = payload(tcp(CLIENT6, VIP6(L2), ACK), 1000);
	const struct packet_case cases[] = {
		drops("TCP flags left for the next one (RFC 1858)", piece(big, ID, 0, 8, true), SHUNT_DROP_FRAGMENT),
		drops("half a TCP header", piece(big, ID, 0, 16, true), SHUNT_DROP_FRAGMENT),
		drops("half a TCP header, IPv6", piece(big6, ID, 0, 16, true), SHUNT_DROP_FRAGMENT),
		drops("a later one that begins in the TCP header", piece(big, ID, 8, 800, false), SHUNT_DROP_FRAGMENT),
		drops("a later one that begins in the TCP header, IPv6", piece(big6, ID, 8, 800, false),
		      SHUNT_DROP_FRAGMENT),
		forwards_as(w, "the first of a datagram", piece(whole, ID, 0, 504, true), whole, UDP4[PORT_L2], w->v4),
		drops("one that overlaps it (RFC 5722)", piece(whole, ID, 496, 504, false), SHUNT_DROP_FRAGMENT),
		drops("one that overlaps its ports", piece(whole, ID, 8, 504, true), SHUNT_DROP_FRAGMENT),
		forwards_as(w, "the first of a datagram, IPv6", piece(whole6, ID, 0, 504, true), whole6, UDP6[PORT_L2],
			    w->v6),
		drops("one that overlaps it, IPv6", piece(whole6, ID, 496, 504, false), SHUNT_DROP_FRAGMENT),
		drops("a length that is no multiple of 8, and more to come", piece(whole, ID, 504, 100, true),
		      SHUNT_DROP_MALFORMED),
		drops("the same, IPv6", piece(whole6, ID, 504, 100, true), SHUNT_DROP_MALFORMED),
		drops("an end beyond 65,535 bytes (ping of death)", fragment(copy(whole), 65000, false),
		      SHUNT_DROP_MALFORMED),
		drops("an end beyond 65,535 bytes, IPv6", fragment6(copy(whole6), 65000, false), SHUNT_DROP_MALFORMED),
		drops("nothing in it, IPv6", piece(whole6, ID, 504, 0, true), SHUNT_DROP_MALFORMED),
		drops("nothing in it", piece(whole, ID, 504, 0, false), SHUNT_DROP_MALFORMED),
		drops("a later fragment of an echo request",
		      piece(payload(echo(CLIENT_HOST, VIP_HOST, true), 1000), ID, 504, 400, true), SHUNT_DROP_FRAGMENT),
		drops("a first fragment of ICMPv6",
		      piece(payload(echo(CLIENT6_HOST, VIP6_HOST, true), 1000), ID, 0, 504, true), SHUNT_DROP_FRAGMENT),
		drops("TTL 0", piece(ttl(copy(whole), 0), ID, 0, 504, true), SHUNT_DROP_TTL_ZERO),
		drops("a later one with TTL 0", piece(ttl(copy(whole), 0), ID, 504, 504, false), SHUNT_DROP_TTL_ZERO),
		drops("a source that nobody has", piece(payload(udp("127.0.0.1:9", VIP(L2)), 1000), ID, 0, 504, true),
		      SHUNT_DROP_MARTIAN),
	};

	check_cases(w, cases, N(cases));
}

static void the_rest_of_a_datagram_goes_where_its_beginning_went(void **state)
{
	struct world *w = *state;
	uint32_t group = fixture_group(&w->f, 7), tables[2] = {w->v4, w->v4_out}, used[2] = {0};

	for (uint32_t slot = 0; slot < w->f.options.table_size; slot++)
		fixture_slot(&w->f, group, slot, settled(tables[slot % 2]));
	fixture_service(&w->f, IPPROTO_UDP, "192.0.2.30:53", group, SHUNT_FORWARD_L2, 0);
	for (uint32_t i = 0; i < 200; i++) {
		char client[64];
		struct frame *whole;
		uint32_t first, rest;

		snprintf(client, sizeof(client), "198.51.100.%u:%u", i, 1000 + i);
		whole = payload(udp(client, "192.0.2.30:53"), 1000);
		first = backend_of(&w->f, fixture_run(&w->f, piece(whole, i, 0, 504, true)).frame);
		if (i % 4 == 0) /* the slots move in between: UDP flows move with them, not datagrams */
			fixture_slots(&w->f, group, settled(first == w->v4 ? w->v4_out : w->v4));
		rest = backend_of(&w->f, fixture_run(&w->f, piece(whole, i, 504, 504, false)).frame);
		assert_int_equal(first, rest);
		used[first == w->v4]++;
		for (uint32_t slot = 0; i % 4 == 0 && slot < w->f.options.table_size; slot++)
			fixture_slot(&w->f, group, slot, settled(tables[slot % 2]));
		frames_free();
	}
	assert_true(used[0] > 40 && used[1] > 40);
}

static void when_the_backend_of_the_beginning_is_down_the_rest_goes_to_a_live_one(void **state)
{
	struct world *w = *state;
	uint32_t group = fixture_group(&w->f, 7);
	struct frame *whole = payload(udp(CLIENT, "192.0.2.30:53"), 1000);

	fixture_slots(&w->f, group, settled(w->v4));
	fixture_service(&w->f, IPPROTO_UDP, "192.0.2.30:53", group, SHUNT_FORWARD_L2, 0);
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, piece(whole, ID, 0, 504, true)).frame), w->v4);
	datapath_backend_alive(w->f.datapath, w->v4, false);
	fixture_slots(&w->f, group, settled(w->v4_out));
	assert_int_equal(backend_of(&w->f, fixture_run(&w->f, piece(whole, ID, 504, 504, false)).frame), w->v4_out);
}

static void more_datagrams_than_there_is_room_for_only_push_out_the_oldest(void **state)
{
	struct world *w = *state;
	struct frame *whole = payload(udp(CLIENT, VIP(L2)), 1000);

	for (uint32_t id = 0; id < 4 * SHUNT_MAX_FRAGMENTED && id < 65536; id++) {
		fixture_run_quietly(&w->f, piece(whole, id, 0, 504, true));
		if (id % 64 == 0)
			assert_int_equal(fixture_run_quietly(&w->f, piece(whole, id, 504, 504, false)), XDP_TX);
		if (id % 256 == 255) {
			frames_free();
			whole = payload(udp(CLIENT, VIP(L2)), 1000);
		}
	}
	assert_int_equal(fixture_counters(&w->f).drops[SHUNT_DROP_FRAGMENT_UNKNOWN], 0);
}

static void no_truncated_fragment_is_forwarded(void **state)
{
	struct world *w = *state;
	const struct frame *whole = payload(udp(CLIENT, VIP(TO_V4)), 200),
			   *whole6 = payload(udp(CLIENT6, VIP6(L2)), 200);
	const struct frame *pieces[] = {
		piece(whole, ID, 0, 104, true),
		piece(whole6, ID, 0, 104, true),
		piece(whole, ID, 104, 104, false),
		piece(whole6, ID, 104, 104, false),
	};

	for (size_t i = 0; i < N(pieces); i++)
		for (size_t len = ETHERNET_LEN; len < pieces[i]->len; len++) {
			int verdict = fixture_run(&w->f, cut(copy(pieces[i]), len)).verdict;

			if (verdict != XDP_PASS && verdict != XDP_DROP)
				fail_msg("fragment %zu cut to %zu bytes: %s", i, len, verdict_text(verdict));
		}
	assert_int_equal(fixture_counters(&w->f).service.packets, 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(a_datagram_in_fragments_arrives_whole_in_every_mode),
		test(fragments_with_tags_options_and_extension_headers),
		test(only_fragments_of_the_same_datagram_follow),
		test(fragments_made_to_deceive_are_refused),
		test(the_rest_of_a_datagram_goes_where_its_beginning_went),
		test(when_the_backend_of_the_beginning_is_down_the_rest_goes_to_a_live_one),
		test(more_datagrams_than_there_is_room_for_only_push_out_the_oldest),
		test(no_truncated_fragment_is_forwarded),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("fragments", tests, NULL, NULL);
}
