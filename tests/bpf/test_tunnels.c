/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* GUE byte for byte, answers to packets that are too big for their tunnel, and the MSS of SYNs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define ICMP_BURST 200
#define GUE_TCP(family, backend) (w->tcp[family][PORT_GUE_TO_V4 + (backend)]) /* 0: IPv4, 1: IPv6 */
#define GUE_UDP(family, backend) (w->udp[family][PORT_GUE_TO_V4 + (backend)])

/* ---- gue ---- */

static void gue_writes_the_whole_frame_as_it_should_be(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		forwards(w, "4 in 4, a SYN", tcp(CLIENT, VIP(GUE_TO_V4), SYN), GUE_TCP(0, 0), w->v4),
		forwards(w, "4 in 4, data", payload(tcp(CLIENT, VIP(GUE_TO_V4), ACK), 333), GUE_TCP(0, 0), w->v4),
		forwards(w, "4 in 4, the largest that fits", payload(tcp(CLIENT, VIP(GUE_TO_V4), ACK), 1428), GUE_TCP(0, 0), w->v4),
		forwards(w, "4 in 4, UDP", payload(udp(CLIENT, VIP(GUE_TO_V4)), 99), GUE_UDP(0, 0), w->v4),
		forwards(w, "4 in 4, UDP without data", udp(CLIENT, VIP(GUE_TO_V4)), GUE_UDP(0, 0), w->v4),
		forwards(w, "4 in 4, padded", padded(udp(CLIENT, VIP(GUE_TO_V4)), 60), GUE_UDP(0, 0), w->v4),
		forwards(w, "4 in 4, IP options", options(tcp(CLIENT, VIP(GUE_TO_V4), ACK), 12), GUE_TCP(0, 0), w->v4),
		forwards(w, "4 in 4, congestion marked", traffic_class(tcp(CLIENT, VIP(GUE_TO_V4), ACK), 0xbb), GUE_TCP(0, 0), w->v4),
		forwards(w, "4 in 6, a SYN", tcp(CLIENT, VIP(GUE_TO_V6), SYN), GUE_TCP(0, 1), w->v6),
		forwards(w, "4 in 6, the largest that fits", payload(tcp(CLIENT, VIP(GUE_TO_V6), ACK), 1408), GUE_TCP(0, 1), w->v6),
		forwards(w, "4 in 6, UDP", payload(udp(CLIENT, VIP(GUE_TO_V6)), 100), GUE_UDP(0, 1), w->v6),
		forwards(w, "4 in 6, padded", padded(udp(CLIENT, VIP(GUE_TO_V6)), 60), GUE_UDP(0, 1), w->v6),
		forwards(w, "6 in 4, a SYN", tcp(CLIENT6, VIP6(GUE_TO_V4), SYN), GUE_TCP(1, 0), w->v4),
		forwards(w, "6 in 4, the largest that fits", payload(tcp(CLIENT6, VIP6(GUE_TO_V4), ACK), 1408), GUE_TCP(1, 0), w->v4),
		forwards(w, "6 in 4, UDP", payload(udp(CLIENT6, VIP6(GUE_TO_V4)), 100), GUE_UDP(1, 0), w->v4),
		forwards(w, "6 in 6, a SYN", tcp(CLIENT6, VIP6(GUE_TO_V6), SYN), GUE_TCP(1, 1), w->v6),
		forwards(w, "6 in 6, the largest that fits", payload(tcp(CLIENT6, VIP6(GUE_TO_V6), ACK), 1388), GUE_TCP(1, 1), w->v6),
		forwards(w, "6 in 6, UDP", payload(udp(CLIENT6, VIP6(GUE_TO_V6)), 100), GUE_UDP(1, 1), w->v6),
		forwards(w, "6 in 6, a traffic class", traffic_class(udp(CLIENT6, VIP6(GUE_TO_V6)), 0xb9), GUE_UDP(1, 1), w->v6),
	};

	for (size_t i = 0; i < N(cases); i++)
		assert_true(checksums_right(cases[i].out));
	check_cases(w, cases, N(cases));
}

/* Against bytes written down from the draft, not made by the builder of the other cases. */
static void the_layer_of_gue_has_the_bytes_of_the_draft(void **state)
{
	struct world *w = *state;
	static const uint8_t four[] = {0x17, 0xc0, 0, 12 + 40, 0, 0, 0, 4, 0, 0, 0x45};   /* from the destination port on */
	static const uint8_t six[] = {0x17, 0xc0, 0, 12 + 60, 0, 0, 0, 41, 0, 0, 0x60};
	struct outcome got = fixture_run(&w->f, tcp(CLIENT, VIP(GUE_TO_V4), ACK));
	const uint8_t *at = got.frame->byte + ETHERNET_LEN;

	assert_int_equal(got.verdict, XDP_TX);
	assert_int_equal(at[9], IPPROTO_UDP);
	assert_int_equal(at[2] << 8 | at[3], 20 + 12 + 40);
	assert_memory_equal(at + 22, four, sizeof(four));

	got = fixture_run(&w->f, tcp(CLIENT6, VIP6(GUE_TO_V6), ACK));
	at = got.frame->byte + ETHERNET_LEN;
	assert_int_equal(got.verdict, XDP_TX);
	assert_int_equal(at[6], IPPROTO_UDP);
	assert_int_equal(at[4] << 8 | at[5], 12 + 60);
	assert_memory_equal(at + 42, six, sizeof(six));
}

static void the_source_port_is_one_a_flow_and_ephemeral(void **state)
{
	struct world *w = *state;
	uint32_t first = 0, changes = 0;

	for (int i = 0; i < 200; i++) {
		char client[64];
		struct outcome syn, data;
		uint32_t port;

		snprintf(client, sizeof(client), "198.51.100.%d:%d", i, 1000 + i);
		syn = fixture_run(&w->f, tcp(client, VIP(GUE_TO_V4), SYN));
		data = fixture_run(&w->f, payload(tcp(client, VIP(GUE_TO_V4), ACK), 100));
		assert_memory_equal(syn.frame->byte + ETHERNET_LEN + 20, data.frame->byte + ETHERNET_LEN + 20, 2);
		port = syn.frame->byte[ETHERNET_LEN + 20] << 8 | syn.frame->byte[ETHERNET_LEN + 21];
		assert_in_range(port, 49152, 65535);
		changes += port != first;
		first = port;
		frames_free();
	}
	assert_true(changes > 195);
}

static void a_service_has_a_gue_port_of_its_own(void **state)
{
	struct world *w = *state;
	struct frame *in = udp(CLIENT, VIP(GUE_TO_V4));
	struct packet_case c;

	fixture_tunnel(&w->f, GUE_UDP(0, 0), 5555, 0);
	c = forwards(w, "GUE to port 5555", in, GUE_UDP(0, 0), w->v4);
	assert_int_equal(c.out->byte[36] << 8 | c.out->byte[37], 5555);
	check_cases(w, &c, 1);
}

/* ---- too big ---- */

static struct frame *tcp_of(const char *client, const char *vip, size_t len)
{
	return dont_fragment(payload(tcp(client, vip, ACK), len));
}

static void what_is_too_big_for_the_tunnel_is_answered(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		answers_too_big("l2", tcp_of(CLIENT, VIP(L2), 1461), 1500),
		answers_too_big("l2, IPv6", tcp_of(CLIENT6, VIP6(L2), 1441), 1500),
		answers_too_big("ipip, 4in4, a byte too many", tcp_of(CLIENT, VIP(TO_V4), 1441), 1480),
		answers_too_big("ipip, 4in4, a full packet", tcp_of(CLIENT, VIP(TO_V4), 1460), 1480),
		answers_too_big("ipip, 4in4, UDP", dont_fragment(payload(udp(CLIENT, VIP(TO_V4)), 1472)), 1480),
		answers_too_big("ipip, 4in4, an odd length", tcp_of(CLIENT, VIP(TO_V4), 1445), 1480),
		answers_too_big("ipip, 4in4, padded", padded(tcp_of(CLIENT, VIP(TO_V4), 1441), 1600), 1480),
		answers_too_big("ipip, 4in4, IP options", dont_fragment(options(tcp_of(CLIENT, VIP(TO_V4), 1430), 40)), 1480),
		answers_too_big("ipip, 4in4, a traffic class", traffic_class(tcp_of(CLIENT, VIP(TO_V4), 1460), 0xb9), 1480),
		answers_too_big("ipip, 4in6", tcp_of(CLIENT, VIP(TO_V6), 1421), 1460),
		answers_too_big("ipip, 6in4", tcp_of(CLIENT6, VIP6(TO_V4), 1421), 1480),
		answers_too_big("ipip, 6in6", tcp_of(CLIENT6, VIP6(TO_V6), 1401), 1460),
		answers_too_big("ipip, 6in6, UDP", payload(udp(CLIENT6, VIP6(TO_V6)), 1452), 1460),
		answers_too_big("ipip, 6in4, a flow label", flow_label(tcp_of(CLIENT6, VIP6(TO_V4), 1440), 0xabcde), 1480),
		answers_too_big("ipip by another link: the answer goes back by the first",
				tcp_of(CLIENT, VIP(TO_V4_OTHER_LINK), 1460), 1480),
		answers_too_big("gue, 4 in 4", tcp_of(CLIENT, VIP(GUE_TO_V4), 1429), 1468),
		answers_too_big("gue, 4 in 6", tcp_of(CLIENT, VIP(GUE_TO_V6), 1409), 1448),
		answers_too_big("gue, 6 in 4", tcp_of(CLIENT6, VIP6(GUE_TO_V4), 1409), 1468),
		answers_too_big("gue, 6 in 6", tcp_of(CLIENT6, VIP6(GUE_TO_V6), 1389), 1448),

		drops("IPv4 that may be fragmented", payload(tcp(CLIENT, VIP(TO_V4), ACK), 1460), SHUNT_DROP_TOO_BIG),
		drops("IPv4 that may be fragmented, gue", payload(udp(CLIENT, VIP(GUE_TO_V6)), 1450), SHUNT_DROP_TOO_BIG),
		drops("sent to many by Ethernet", macs(tcp_of(CLIENT, VIP(TO_V4), 1460), (const uint8_t[]){1, 0, 94, 0, 0, 1}, router_mac),
		      SHUNT_DROP_LINK_GROUP),
	};

	for (size_t i = 0; i < N(cases); i++)
		assert_true(!cases[i].out || checksums_right(cases[i].out));
	check_cases(w, cases, N(cases));
}

/* The bytes of RFC 792, 1191 and 4443, written down here. */
static void the_answer_has_the_bytes_of_the_standards(void **state)
{
	struct world *w = *state;
	static const uint8_t four[] = {0x45, 0xc0, 0x02, 0x40, 0, 0, 0x40, 0, 64, 1};
	static const uint8_t four_addresses[] = {192, 0, 2, 10, 198, 51, 100, 7, 3, 4};
	static const uint8_t six[] = {0x60, 0, 0, 0, 0x04, 0xd8, 58, 64, 0x20, 0x01, 0x0d, 0xb8};
	struct frame *in = tcp_of(CLIENT, VIP(TO_V4), 1460), *in6 = tcp_of(CLIENT6, VIP6(TO_V6), 1440);
	struct frame *out = fixture_run(&w->f, in).frame;

	assert_int_equal(out->len, 14 + 576);
	assert_memory_equal(out->byte, router_mac, MAC_LEN);
	assert_memory_equal(out->byte + MAC_LEN, balancer_mac, MAC_LEN);
	assert_memory_equal(out->byte + 14, four, sizeof(four));
	assert_memory_equal(out->byte + 26, four_addresses, sizeof(four_addresses));
	assert_memory_equal(out->byte + 38, "\0\0\x05\xc8", 4); /* 1480 */
	assert_memory_equal(out->byte + 42, in->byte + 14, 548);
	assert_true(checksums_right(out));

	out = fixture_run(&w->f, in6).frame;
	assert_int_equal(out->len, 14 + 1280);
	assert_memory_equal(out->byte + 14, six, sizeof(six));
	assert_memory_equal(out->byte + 22, in6->byte + 38, 16);
	assert_memory_equal(out->byte + 38, in6->byte + 22, 16);
	assert_memory_equal(out->byte + 54, "\x02\0", 2);
	assert_memory_equal(out->byte + 58, "\0\0\x05\xb4", 4); /* 1460 */
	assert_memory_equal(out->byte + 62, in6->byte + 14, 1232);
	assert_true(checksums_right(out));
}

static void the_backends_own_mtu_is_what_counts(void **state)
{
	struct world *w = *state;

	fixture_mtu(&w->f, w->v4, 1280);
	fixture_mtu(&w->f, w->v6, 1300);
	const struct packet_case small[] = {
		answers_too_big("4in4, a path of 1280", tcp_of(CLIENT, VIP(TO_V4), 1221), 1260),
		forwards(w, "4in4 that fits 1280", tcp_of(CLIENT, VIP(TO_V4), 1220), w->tcp[0][PORT_IPIP_TO_V4], w->v4),
		answers_too_big("6in4, a path of 1280: hosts ignore less than 1280", tcp_of(CLIENT6, VIP6(TO_V4), 1221), 1280),
		drops("6in4 of 1280 bytes, which hosts will not lower", tcp_of(CLIENT6, VIP6(TO_V4), 1220), SHUNT_DROP_TOO_BIG),
		answers_too_big("gue in 6, a path of 1300", tcp_of(CLIENT, VIP(GUE_TO_V6), 1400), 1248),
	};
	check_cases(w, small, N(small));

	fixture_mtu(&w->f, w->v4, 576);
	const struct packet_case tiny[] = {
		answers_too_big("a path of 576", tcp_of(CLIENT, VIP(TO_V4), 1000), 556),
		drops("a packet of what is quoted at most", tcp_of(CLIENT, VIP(GUE_TO_V4), 508), SHUNT_DROP_TOO_BIG),
	};
	const struct packet_case fitting = forwards(w, "556 bytes", tcp_of(CLIENT, VIP(TO_V4), 516), w->tcp[0][PORT_IPIP_TO_V4], w->v4);

	fixture_mtu(&w->f, w->v4, 576);
	check_cases(w, &fitting, 1);
	check_cases(w, tiny, 1);
	fixture_mtu(&w->f, w->v4, 570);
	check_cases(w, tiny + 1, 1);
}

static void an_unknown_mtu_lets_everything_pass(void **state)
{
	struct world *w = *state;

	fixture_mtu(&w->f, w->v4, 0);
	const struct packet_case c = forwards(w, "1500 bytes", tcp_of(CLIENT, VIP(TO_V4), 1460), w->tcp[0][PORT_IPIP_TO_V4], w->v4);

	check_cases(w, &c, 1);
}

static void answers_are_limited_and_what_is_over_is_counted(void **state)
{
	struct world *w = *state;
	struct frame *in = tcp_of(CLIENT, VIP(TO_V4), 1460), *in6 = tcp_of(CLIENT6, VIP6(TO_V6), 1440);
	struct counters before = fixture_counters(&w->f), after;
	uint32_t answered = 0, n = 20 * ICMP_BURST;

	for (uint32_t i = 0; i < n; i++)
		answered += fixture_run_quietly(&w->f, i % 2 ? in : in6) == XDP_TX;
	after = fixture_counters(&w->f);
	assert_in_range(answered, ICMP_BURST, n - 1);
	assert_int_equal(after.drops[SHUNT_DROP_TOO_BIG_ANSWERED] - before.drops[SHUNT_DROP_TOO_BIG_ANSWERED], answered);
	assert_int_equal(after.drops[SHUNT_DROP_TOO_BIG_LIMITED] - before.drops[SHUNT_DROP_TOO_BIG_LIMITED], n - answered);
	assert_int_equal(after.service.packets, before.service.packets);
	print_message("  %u of %u answered\n", answered, n);
}

/* ---- MSS ---- */

static struct frame *syn(const char *client, const char *vip, const char *option, size_t len)
{
	return tcp_options(tcp(client, vip, SYN), option, len);
}

#define MSS(high, low) "\x02\x04" high low
#define OPTIONS(text) text, sizeof(text) - 1

static struct frame *expected(struct world *w, uint32_t service, uint32_t backend, struct frame *syn_with_limit)
{
	return sent(&w->f, syn_with_limit, service, backend);
}

static struct packet_case clamps(struct world *w, const char *sentence, struct frame *in, struct frame *lowered,
				 uint32_t service, uint32_t backend)
{
	struct packet_case c = forwards(w, sentence, in, service, backend);

	c.out = expected(w, service, backend, lowered);
	return c;
}

static void a_limit_lowers_the_mss_of_syns_and_nothing_else(void **state)
{
	struct world *w = *state;
	uint32_t l2 = w->tcp[0][PORT_L2], l2_6 = w->tcp[1][PORT_L2];

	fixture_tunnel(&w->f, l2, 6080, 1000);
	fixture_tunnel(&w->f, l2_6, 6080, 1000);
#define LOWERED(sentence, before, after) \
	clamps(w, sentence, syn(CLIENT, VIP(L2), OPTIONS(before)), syn(CLIENT, VIP(L2), OPTIONS(after)), l2, w->v4)
#define UNTOUCHED(sentence, option) forwards(w, sentence, syn(CLIENT, VIP(L2), OPTIONS(option)), l2, w->v4)
	const struct packet_case cases[] = {
		LOWERED("1460", MSS("\x05", "\xb4"), MSS("\x03", "\xe8")),
		LOWERED("1001", MSS("\x03", "\xe9"), MSS("\x03", "\xe8")),
		LOWERED("65535", MSS("\xff", "\xff"), MSS("\x03", "\xe8")),
		LOWERED("after a no-operation, at an odd place", "\x01" MSS("\x05", "\xb4") "\x01\x01\x01", "\x01" MSS("\x03", "\xe8") "\x01\x01\x01"),
		LOWERED("after window scale, at an odd place", "\x03\x03\x07" MSS("\x05", "\xb4") "\x00",
			"\x03\x03\x07" MSS("\x03", "\xe8") "\x00"),
		LOWERED("as Linux has it", MSS("\x05", "\xb4") "\x04\x02\x08\x0a\1\2\3\4\0\0\0\0\x01\x03\x03\x07",
			MSS("\x03", "\xe8") "\x04\x02\x08\x0a\1\2\3\4\0\0\0\0\x01\x03\x03\x07"),
		LOWERED("the last of forty bytes",
			"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
			"\x01\x01\x01\x01\x01\x01\x01\x01" MSS("\x05", "\xb4"),
			"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
			"\x01\x01\x01\x01\x01\x01\x01\x01" MSS("\x03", "\xe8")),
		clamps(w, "IPv6", syn(CLIENT6, VIP6(L2), OPTIONS(MSS("\x05", "\xa0"))),
		       syn(CLIENT6, VIP6(L2), OPTIONS(MSS("\x03", "\xe8"))), l2_6, w->v6),
		clamps(w, "behind IP options", options(syn(CLIENT, VIP(L2), OPTIONS(MSS("\x05", "\xb4"))), 40),
		       options(syn(CLIENT, VIP(L2), OPTIONS(MSS("\x03", "\xe8"))), 40), l2, w->v4),
		clamps(w, "of a SYN with data", payload(syn(CLIENT, VIP(L2), OPTIONS(MSS("\x05", "\xb4"))), 33),
		       payload(syn(CLIENT, VIP(L2), OPTIONS(MSS("\x03", "\xe8"))), 33), l2, w->v4),
		UNTOUCHED("1000 is the limit", MSS("\x03", "\xe8")),
		UNTOUCHED("less than the limit", MSS("\x02", "\x18")),
		UNTOUCHED("no such option", "\x01\x03\x03\x07"),
		UNTOUCHED("behind the end of options", "\x00\x04\x00\x00" MSS("\x05", "\xb4")),
		UNTOUCHED("of a wrong length", "\x02\x03\x05\xb4"),
		UNTOUCHED("behind an option of length 0", "\x08\x00\x01\x01" MSS("\x05", "\xb4")),
		UNTOUCHED("behind an option that is longer than the header", "\x08\x20\x01\x01" MSS("\x05", "\xb4")),
		UNTOUCHED("cut by the end of the header", "\x01\x01\x02\x04"),
		/* The same sum as before: 0x0001 + 0x0203. */
		forwards(w, "cut by the end of the header, data behind it",
			 poke(payload(syn(CLIENT, VIP(L2), OPTIONS("\x01\x01\x02\x04")), 8), ETHERNET_LEN + 20 + 24, 4, 0xffff0204), l2, w->v4),
		forwards(w, "a SYN without options", tcp(CLIENT, VIP(L2), SYN), l2, w->v4),
		forwards(w, "a segment that is no SYN", tcp_options(tcp(CLIENT, VIP(L2), ACK), OPTIONS(MSS("\x05", "\xb4"))), l2, w->v4),
		forwards(w, "data that looks like the option", payload(tcp(CLIENT, VIP(L2), SYN), 30), l2, w->v4),
		forwards(w, "a service without limit", syn(CLIENT, VIP(TO_V4), OPTIONS(MSS("\x05", "\xb4"))), w->tcp[0][PORT_IPIP_TO_V4], w->v4),
	};
	for (size_t i = 0; i < N(cases); i++)
		assert_true(checksums_right(cases[i].out));
	check_cases(w, cases, N(cases));
}

/* Whatever bits the sum of the segment has (RFC 1624). */
static void a_lowered_mss_leaves_a_right_checksum(void **state)
{
	struct world *w = *state;

	fixture_tunnel(&w->f, w->tcp[0][PORT_L2], 6080, 1000);
	for (uint32_t word = 0; word < 65536; word += word < 300 || word > 65200 ? 1 : 251) {
		const char odd[] = {1, 2, 4, 0x05, (char)0xb4, 1, (char)(word >> 8), (char)word};
		const char even[] = {2, 4, (char)0xff, (char)0xff, 0, 0, (char)(word >> 8), (char)word};

		assert_true(checksums_right(fixture_run(&w->f, syn(CLIENT, VIP(L2), odd, sizeof(odd))).frame));
		assert_true(checksums_right(fixture_run(&w->f, syn(CLIENT, VIP(L2), even, sizeof(even))).frame));
		frames_free();
	}
}

/* What a frame says behind its outer headers; the option is the first. */
static uint32_t mss_in(const struct frame *frame, uint32_t outer_len, bool ipv4)
{
	const uint8_t *option = frame->byte + ETHERNET_LEN + outer_len + (ipv4 ? 20 : 40) + 20;

	assert_int_equal(option[0], 2);
	return option[2] << 8 | option[3];
}

static void auto_is_what_fits_the_tunnel(void **state)
{
	struct world *w = *state;
	struct fixture *f = &w->f;
	static const char *const clients[] = {CLIENT, CLIENT6};
	static const struct {
		const char *vip[2];
		enum port port; /* PORT_COUNT: gue */
		int backend;
		uint32_t outer_len;
	} modes[] = {
		{{VIP(L2), VIP6(L2)}, PORT_L2, 0, 0},
		{{VIP(TO_V4), VIP6(TO_V4)}, PORT_IPIP_TO_V4, 0, 20},
		{{VIP(TO_V6), VIP6(TO_V6)}, PORT_IPIP_TO_V6, 1, 40},
		{{VIP(GUE_TO_V4), VIP6(GUE_TO_V4)}, PORT_COUNT, 0, 32},
		{{VIP(GUE_TO_V6), VIP6(GUE_TO_V6)}, PORT_COUNT, 1, 52},
	};

	for (size_t i = 0; i < N(modes); i++)
		for (int family = 0; family < 2; family++) {
			uint32_t service = modes[i].port == PORT_COUNT ? GUE_TCP(family, modes[i].backend)
								       : w->tcp[family][modes[i].port];
			struct frame *in = syn(clients[family], modes[i].vip[family], OPTIONS(MSS("\xff", "\xff")));
			struct outcome got;

			fixture_tunnel(f, service, 6080, SHUNT_MSS_AUTO);
			got = fixture_run(f, in);
			assert_int_equal(got.verdict, XDP_TX);
			assert_true(checksums_right(got.frame));
			assert_int_equal(mss_in(got.frame, modes[i].outer_len, !family),
					 1500 - modes[i].outer_len - (family ? 60 : 40));
		}
	fixture_mtu(f, w->v4, 0);
	assert_int_equal(mss_in(fixture_run(f, syn(CLIENT, VIP(TO_V4), OPTIONS(MSS("\xff", "\xff")))).frame, 20, true), 65535);
}

/* ---- tags ---- */

static struct frame *tagged(const struct frame *frame, int tags)
{
	struct frame *with = vlan(copy(frame), ETH_P_8021Q, 0x6007);

	return tags > 1 ? vlan(with, ETH_P_8021AD, 0x0064) : with;
}

static void tags_stay_on_whatever_is_done(void **state)
{
	struct world *w = *state;

	fixture_tunnel(&w->f, GUE_TCP(1, 0), 6080, 1000);
	for (int tags = 1; tags <= 2; tags++) {
		struct packet_case cases[] = {
			forwards(w, "gue, 4 in 4", payload(tcp(CLIENT, VIP(GUE_TO_V4), ACK), 10), GUE_TCP(0, 0), w->v4),
			forwards(w, "gue, 4 in 6", udp(CLIENT, VIP(GUE_TO_V6)), GUE_UDP(0, 1), w->v6),
			forwards(w, "gue, 6 in 6", payload(tcp(CLIENT6, VIP6(GUE_TO_V6), ACK), 1388), GUE_TCP(1, 1), w->v6),
			clamps(w, "a SYN whose MSS is lowered", syn(CLIENT6, VIP6(GUE_TO_V4), OPTIONS(MSS("\x05", "\xa0"))),
			       syn(CLIENT6, VIP6(GUE_TO_V4), OPTIONS(MSS("\x03", "\xe8"))), GUE_TCP(1, 0), w->v4),
			answers_too_big("too big, IPv4", tcp_of(CLIENT, VIP(TO_V4), 1460), 1480),
			answers_too_big("too big, IPv6", tcp_of(CLIENT6, VIP6(GUE_TO_V6), 1440), 1448),
		};

		for (size_t i = 0; i < N(cases); i++) {
			cases[i].in = tagged(cases[i].in, tags);
			cases[i].out = tagged(cases[i].out, tags);
		}
		check_cases(w, cases, N(cases));
	}
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(gue_writes_the_whole_frame_as_it_should_be),
		test(the_layer_of_gue_has_the_bytes_of_the_draft),
		test(the_source_port_is_one_a_flow_and_ephemeral),
		test(a_service_has_a_gue_port_of_its_own),
		test(what_is_too_big_for_the_tunnel_is_answered),
		test(the_answer_has_the_bytes_of_the_standards),
		test(the_backends_own_mtu_is_what_counts),
		test(an_unknown_mtu_lets_everything_pass),
		test(answers_are_limited_and_what_is_over_is_counted),
		test(a_limit_lowers_the_mss_of_syns_and_nothing_else),
		test(a_lowered_mss_leaves_a_right_checksum),
		test(auto_is_what_fits_the_tunnel),
		test(tags_stay_on_whatever_is_done),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("tunnels", tests, NULL, NULL);
}
