/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What goes to a backend: whole frames for every forwarding mode, family and way out, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/world.h"

#define TCP4 (w->tcp[0])
#define TCP6 (w->tcp[1])
#define UDP4 (w->udp[0])
#define UDP6 (w->udp[1])

static void every_mode_writes_the_whole_frame_as_it_should_be(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		forwards(w, "l2, a SYN", tcp(CLIENT, VIP(L2), SYN), TCP4[PORT_L2], w->v4),
		forwards(w, "l2, data", payload(tcp(CLIENT, VIP(L2), ACK | PSH), 1000), TCP4[PORT_L2], w->v4),
		forwards(w, "l2, a full-size packet", payload(tcp(CLIENT, VIP(L2), ACK), 1460), TCP4[PORT_L2], w->v4),
		forwards(w, "l2, a FIN", tcp(CLIENT, VIP(L2), ACK | FIN), TCP4[PORT_L2], w->v4),
		forwards(w, "l2, UDP", payload(udp(CLIENT, VIP(L2)), 30), UDP4[PORT_L2], w->v4),
		forwards(w, "l2, UDP without data", udp(CLIENT, VIP(L2)), UDP4[PORT_L2], w->v4),
		forwards(w, "l2 over IPv6, TCP", payload(tcp(CLIENT6, VIP6(L2), ACK), 1440), TCP6[PORT_L2], w->v6),
		forwards(w, "l2 over IPv6, UDP", payload(udp(CLIENT6, VIP6(L2)), 9), UDP6[PORT_L2], w->v6),
		forwards(w, "l2, a packet padded to Ethernet's least", padded(tcp(CLIENT, VIP(L2), ACK), 60),
			 TCP4[PORT_L2], w->v4),
		forwards(w, "l2, IP options", options(payload(tcp(CLIENT, VIP(L2), ACK), 5), 40), TCP4[PORT_L2], w->v4),

		forwards(w, "4in4, a SYN", tcp(CLIENT, VIP(TO_V4), SYN), TCP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, data", payload(tcp(CLIENT, VIP(TO_V4), ACK), 333), TCP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, the largest that fits", payload(tcp(CLIENT, VIP(TO_V4), ACK), 1440),
			 TCP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, UDP", payload(udp(CLIENT, VIP(TO_V4)), 100), UDP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, padded", padded(udp(CLIENT, VIP(TO_V4)), 60), UDP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, IP options", options(tcp(CLIENT, VIP(TO_V4), ACK), 12), TCP4[PORT_IPIP_TO_V4],
			 w->v4),
		forwards(w, "4in6, a SYN", tcp(CLIENT, VIP(TO_V6), SYN), TCP4[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "4in6, the largest that fits", payload(tcp(CLIENT, VIP(TO_V6), ACK), 1420),
			 TCP4[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "4in6, UDP", payload(udp(CLIENT, VIP(TO_V6)), 100), UDP4[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "4in6, padded", padded(udp(CLIENT, VIP(TO_V6)), 60), UDP4[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "6in4, a SYN", tcp(CLIENT6, VIP6(TO_V4), SYN), TCP6[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "6in4, the largest that fits", payload(tcp(CLIENT6, VIP6(TO_V4), ACK), 1420),
			 TCP6[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "6in4, UDP", payload(udp(CLIENT6, VIP6(TO_V4)), 100), UDP6[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "6in6, a SYN", tcp(CLIENT6, VIP6(TO_V6), SYN), TCP6[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "6in6, the largest that fits", payload(tcp(CLIENT6, VIP6(TO_V6), ACK), 1400),
			 TCP6[PORT_IPIP_TO_V6], w->v6),
		forwards(w, "6in6, UDP", payload(udp(CLIENT6, VIP6(TO_V6)), 100), UDP6[PORT_IPIP_TO_V6], w->v6),

		forwards(w, "l2 by another link", tcp(CLIENT, VIP(OTHER_LINK), ACK), TCP4[PORT_REDIRECT], w->v4_out),
		forwards(w, "l2 by another link, IPv6", udp(CLIENT6, VIP6(OTHER_LINK)), UDP6[PORT_REDIRECT], w->v6_out),
		forwards(w, "4in4 by another link", udp(CLIENT, VIP(TO_V4_OTHER_LINK)), UDP4[PORT_IPIP_REDIRECT],
			 w->v4_out),
		forwards(w, "6in4 by another link", tcp(CLIENT6, VIP6(TO_V4_OTHER_LINK), SYN), TCP6[PORT_IPIP_REDIRECT],
			 w->v4_out),
	};
	for (size_t i = 0; i < N(cases); i++)
		assert_true(checksums_right(cases[i].out));
	check_cases(w, cases, N(cases));
}

static void the_outer_header_has_the_bytes_of_the_standards(void **state)
{
	struct world *w = *state;
	static const uint8_t ipv4[] = {0x45, 0xb9, 0, 60, 0, 0, 0x40, 0, 64, 4, 0xe5, 0xda, 10, 0, 0, 1, 10, 0, 1, 11};
	static const uint8_t ipv6[] = {0, 60, 41,   64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				       0, 1,  0xfd, 0,  0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x12};
	struct outcome four, six;

	four = fixture_run(&w->f, traffic_class(tcp(CLIENT, VIP(TO_V4), ACK), 0xb9));
	assert_int_equal(four.verdict, XDP_TX);
	assert_memory_equal(four.frame->byte + 12, "\x08\x00", 2);
	/* All but the checksum: that is checked by summing. */
	assert_memory_equal(four.frame->byte + ETHERNET_LEN, ipv4, 10);
	assert_memory_equal(four.frame->byte + ETHERNET_LEN + 12, ipv4 + 12, 8);
	assert_true(checksums_right(four.frame));

	six = fixture_run(&w->f, traffic_class(tcp(CLIENT6, VIP6(TO_V6), ACK), 0xb9));
	assert_int_equal(six.verdict, XDP_TX);
	assert_memory_equal(six.frame->byte + 12, "\x86\xdd", 2);
	assert_int_equal(six.frame->byte[ETHERNET_LEN], 0x6b);
	assert_int_equal(six.frame->byte[ETHERNET_LEN + 1] >> 4, 0x9);
	assert_memory_equal(six.frame->byte + ETHERNET_LEN + 4, ipv6, sizeof(ipv6));
}

static void traffic_class_and_ecn_are_copied_to_the_outer_header(void **state)
{
	struct world *w = *state;

	for (unsigned int class = 0; class < 256; class ++) {
		struct frame *in[] = {
			traffic_class(tcp(CLIENT, VIP(TO_V4), ACK), class),
			traffic_class(tcp(CLIENT, VIP(TO_V6), ACK), class),
			traffic_class(tcp(CLIENT6, VIP6(TO_V4), ACK), class),
			traffic_class(tcp(CLIENT6, VIP6(TO_V6), ACK), class),
		};

		for (size_t i = 0; i < N(in); i++) {
			enum port port = i % 2 ? PORT_IPIP_TO_V6 : PORT_IPIP_TO_V4;
			uint32_t backend = i % 2 ? w->v6 : w->v4;
			struct outcome got = fixture_run(&w->f, in[i]);
			struct frame *out = sent(&w->f, in[i], w->tcp[i / 2][port], backend);

			if (!frames_equal(out, got.frame)) {
				frames_print_difference(out, got.frame);
				fail_msg("traffic class %#x", class);
			}
		}
		frames_free();
	}
}

static void the_flow_label_is_one_a_flow_and_differs_between_flows(void **state)
{
	struct world *w = *state;
	uint32_t first = 0, changes = 0;

	for (int i = 0; i < 100; i++) {
		char client[64];
		struct outcome syn, data;
		uint32_t label;

		snprintf(client, sizeof(client), "198.51.100.%d:%d", i, 1000 + i);
		syn = fixture_run(&w->f, tcp(client, VIP(TO_V6), SYN));
		data = fixture_run(&w->f, payload(tcp(client, VIP(TO_V6), ACK), 100));
		assert_memory_equal(syn.frame->byte + ETHERNET_LEN, data.frame->byte + ETHERNET_LEN, 4);
		label = (syn.frame->byte[15] & 15) << 16 | syn.frame->byte[16] << 8 | syn.frame->byte[17];
		changes += label != first;
		first = label;
	}
	assert_true(changes > 95);
}

static void source_entropy_stays_within_the_prefix(void **state)
{
	struct world *w = *state;
	uint8_t seen[256] = {0};
	int different = 0;

	fixture_close(&w->f);
	struct datapath_options options = fixture_defaults;

	options.source_entropy_ipv4 = htonl(0x0000003f); /* 10.0.0.0/26 */
	fixture_open(&w->f, &options);
	uint32_t backend = fixture_backend(&w->f, "10.0.1.11", LINK_IN), group = fixture_group(&w->f, 1);
	uint32_t service = fixture_service(&w->f, IPPROTO_TCP, VIP(TO_V4), group, SHUNT_FORWARD_IPIP, 0);
	struct shunt_addr source = {.byte = {[10] = 0xff, 0xff, 10, 9, 8, 64}};

	datapath_backend_source(w->f.datapath, backend, &source);
	fixture_slots(&w->f, group, settled(backend));
	for (int i = 0; i < 1000; i++) {
		char client[64];
		struct frame *in;
		struct outcome got;

		snprintf(client, sizeof(client), "198.51.100.7:%d", 1000 + i);
		in = tcp(client, VIP(TO_V4), ACK);
		got = fixture_run(&w->f, in);
		assert_true(frames_equal(got.frame, sent(&w->f, in, service, backend)));
		assert_true(checksums_right(got.frame));
		assert_memory_equal(got.frame->byte + 26, source.byte + 12, 3);
		assert_int_equal(got.frame->byte[29] & 0xc0, 64);
		different += !seen[got.frame->byte[29]]++;
	}
	assert_int_equal(different, 64);
}

static void exact_port_wins_over_any_port(void **state)
{
	struct world *w = *state;
	uint32_t all = fixture_group(&w->f, 100 + w->v4), one = fixture_group(&w->f, 100 + w->v4_out);
	uint32_t any = fixture_service(&w->f, IPPROTO_TCP, "192.0.2.20:0", all, SHUNT_FORWARD_L2, 0);
	uint32_t exact = fixture_service(&w->f, IPPROTO_TCP, "192.0.2.20:443", one, SHUNT_FORWARD_L2, 0);
	uint32_t any6 = fixture_service(&w->f, IPPROTO_UDP, "[2001:db8::20]:0", all, SHUNT_FORWARD_L2, 0);

	const struct packet_case cases[] = {
		forwards(w, "any port takes port 1", tcp(CLIENT, "192.0.2.20:1", SYN), any, w->v4),
		forwards(w, "any port takes port 65535", tcp(CLIENT, "192.0.2.20:65535", ACK), any, w->v4),
		forwards(w, "any port takes port 0", tcp(CLIENT, "192.0.2.20:0", ACK), any, w->v4),
		forwards(w, "the exact port wins", tcp(CLIENT, "192.0.2.20:443", ACK), exact, w->v4_out),
		forwards(w, "any port over IPv6, UDP", udp(CLIENT6, "[2001:db8::20]:53"), any6, w->v4),
		passes("any TCP port is not UDP", udp(CLIENT, "192.0.2.20:1")),
		passes("any UDP port is not TCP", tcp(CLIENT6, "[2001:db8::20]:53", SYN)),
	};

	check_cases(w, cases, N(cases));
}

static void services_of_one_address_do_not_mix(void **state)
{
	struct world *w = *state;
	struct traffic stats;
	static const char *const vips[] = {VIP(L2), VIP(TO_V4), VIP(TO_V6)};
	static const enum port ports[] = {PORT_L2, PORT_IPIP_TO_V4, PORT_IPIP_TO_V6};

	for (size_t i = 0; i < N(vips); i++)
		for (size_t n = 0; n <= i; n++) {
			assert_int_equal(fixture_run(&w->f, tcp(CLIENT, vips[i], ACK)).verdict, XDP_TX);
			assert_int_equal(fixture_run(&w->f, udp(CLIENT, vips[i])).verdict, XDP_TX);
			assert_int_equal(fixture_run(&w->f, udp(CLIENT, vips[i])).verdict, XDP_TX);
		}
	for (size_t i = 0; i < N(vips); i++) {
		datapath_service_stats(w->f.datapath, TCP4[ports[i]], 1, &stats);
		assert_int_equal(stats.packets, i + 1);
		assert_int_equal(stats.bytes, (i + 1) * 54);
		assert_int_equal(stats.new_flows, 0);
		datapath_service_stats(w->f.datapath, UDP4[ports[i]], 1, &stats);
		assert_int_equal(stats.packets, 2 * (i + 1));
	}
}

static void hash_of_the_source_address_keeps_a_client_with_its_backend(void **state)
{
	struct world *w = *state;
	uint32_t group = fixture_group(&w->f, 7), by_client, by_flow, different = 0;

	for (uint32_t slot = 0; slot < w->f.options.table_size; slot++)
		fixture_slot(&w->f, group, slot, settled(slot % 2 ? w->v4 : w->v4_out));
	by_client =
		fixture_service(&w->f, IPPROTO_TCP, "192.0.2.30:22", group, SHUNT_FORWARD_L2, SHUNT_SERVICE_SOURCE_IP);
	by_flow = fixture_service(&w->f, IPPROTO_TCP, "192.0.2.30:23", group, SHUNT_FORWARD_L2, 0);
	assert_int_not_equal(by_client, by_flow);
	for (int i = 0; i < 50; i++) {
		char client[64];
		uint32_t first = 0;

		for (int port = 2000; port < 2010; port++) {
			uint32_t backend;

			snprintf(client, sizeof(client), "198.51.100.%d:%d", i, port);
			backend = backend_of(&w->f, fixture_run(&w->f, tcp(client, "192.0.2.30:22", SYN)).frame);
			assert_true(port == 2000 || backend == first);
			first = backend;
			different +=
				backend_of(&w->f, fixture_run(&w->f, tcp(client, "192.0.2.30:23", SYN)).frame) != first;
		}
	}
	assert_in_range(different, 150, 350);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(every_mode_writes_the_whole_frame_as_it_should_be),
		test(the_outer_header_has_the_bytes_of_the_standards),
		test(traffic_class_and_ecn_are_copied_to_the_outer_header),
		test(the_flow_label_is_one_a_flow_and_differs_between_flows),
		test(source_entropy_stays_within_the_prefix),
		test(exact_port_wins_over_any_port),
		test(services_of_one_address_do_not_mix),
		test(hash_of_the_source_address_keeps_a_client_with_its_backend),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("packets", tests, NULL, NULL);
}
