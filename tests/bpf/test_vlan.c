/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* 802.1Q and 802.1ad: a tagged frame meets the fate of the same frame without tags, and what leaves has the tags still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

static struct frame *tagged(const struct frame *frame)
{
	return vlan(copy(frame), ETH_P_8021Q, 0x6064);
}

static struct frame *priority_tagged(const struct frame *frame)
{
	return vlan(copy(frame), ETH_P_8021Q, 0xa000);
}

static struct frame *service_tagged(const struct frame *frame)
{
	return vlan(copy(frame), ETH_P_8021AD, 0x0ffe);
}

static struct frame *twice_tagged(const struct frame *frame)
{
	return vlan(vlan(copy(frame), ETH_P_8021Q, 0x3002), ETH_P_8021AD, 0x7001);
}

static struct frame *twice_the_same(const struct frame *frame)
{
	return vlan(vlan(copy(frame), ETH_P_8021Q, 0x0fff), ETH_P_8021Q, 0x0001);
}

static struct frame *three_times_tagged(const struct frame *frame)
{
	return vlan(twice_tagged(frame), ETH_P_8021AD, 1);
}

static const struct {
	const char *words;
	struct frame *(*tag)(const struct frame *);
} ways[] = {
	{"an 802.1Q tag", tagged},
	{"a priority tag", priority_tagged},
	{"an 802.1ad tag", service_tagged},
	{"802.1ad and 802.1Q", twice_tagged},
	{"802.1Q in 802.1Q", twice_the_same},
};

static struct frame *back(struct frame *reply)
{
	return ttl(macs(reply, router_mac, balancer_mac), 64);
}

static void tags_stay_whatever_becomes_of_the_frame(void **state)
{
	struct world *w = *state;
	const struct packet_case plain[] = {
		forwards(w, "l2", payload(tcp(CLIENT, VIP(L2), ACK), 1460), w->tcp[0][PORT_L2], w->v4),
		forwards(w, "l2, IPv6", udp(CLIENT6, VIP6(L2)), w->udp[1][PORT_L2], w->v6),
		forwards(w, "l2, IP options", options(tcp(CLIENT, VIP(L2), SYN), 40), w->tcp[0][PORT_L2], w->v4),
		forwards(w, "l2, padded", padded(tcp(CLIENT, VIP(L2), ACK), 60), w->tcp[0][PORT_L2], w->v4),
		forwards(w, "4in4", tcp(CLIENT, VIP(TO_V4), SYN), w->tcp[0][PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, without data", udp(CLIENT, VIP(TO_V4)), w->udp[0][PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in4, the largest that fits", payload(tcp(CLIENT, VIP(TO_V4), ACK), 1440),
			 w->tcp[0][PORT_IPIP_TO_V4], w->v4),
		forwards(w, "4in6", udp(CLIENT, VIP(TO_V6)), w->udp[0][PORT_IPIP_TO_V6], w->v6),
		forwards(w, "6in4", tcp(CLIENT6, VIP6(TO_V4), SYN), w->tcp[1][PORT_IPIP_TO_V4], w->v4),
		forwards(w, "6in6, the largest that fits", payload(tcp(CLIENT6, VIP6(TO_V6), ACK), 1400),
			 w->tcp[1][PORT_IPIP_TO_V6], w->v6),
		forwards(w, "l2 by another link", tcp(CLIENT, VIP(OTHER_LINK), ACK), w->tcp[0][PORT_REDIRECT],
			 w->v4_out),
		forwards(w, "6in4 by another link", udp(CLIENT6, VIP6(TO_V4_OTHER_LINK)), w->udp[1][PORT_IPIP_REDIRECT],
			 w->v4_out),
		answers("echo", echo(CLIENT_HOST, VIP_HOST, true), back(echo(VIP_HOST, CLIENT_HOST, false))),
		answers("echo, IPv6", echo(CLIENT6_HOST, VIP6_HOST, true), back(echo(VIP6_HOST, CLIENT6_HOST, false))),
		passes("another port", tcp(CLIENT, VIP(UNUSED), SYN)),
		passes("another address, IPv6", tcp(CLIENT6, "[2001:db8::11]:80", SYN)),
		passes("ARP", ethernet(ETH_P_ARP, 46)),
		drops("IP length beyond the frame", poke(tcp(CLIENT, VIP(L2), SYN), 16, 2, 41), SHUNT_DROP_MALFORMED),
		drops("IPv6 length beyond the frame", poke(tcp(CLIENT6, VIP6(L2), SYN), 18, 2, 21),
		      SHUNT_DROP_MALFORMED),
		drops("TTL 0", ttl(tcp(CLIENT, VIP(L2), ACK), 0), SHUNT_DROP_TTL_ZERO),
		drops("4in4, a byte too many", payload(tcp(CLIENT, VIP(TO_V4), ACK), 1441), SHUNT_DROP_TOO_BIG),
	};
	struct packet_case cases[N(plain) * N(ways)];
	char sentences[N(cases)][128];
	size_t n = 0;

	for (size_t way = 0; way < N(ways); way++)
		for (size_t i = 0; i < N(plain); i++, n++) {
			snprintf(sentences[n], sizeof(sentences[n]), "%s: %s", ways[way].words, plain[i].sentence);
			cases[n] = plain[i];
			cases[n].sentence = sentences[n];
			cases[n].in = ways[way].tag(plain[i].in);
			if (plain[i].out)
				cases[n].out = ways[way].tag(plain[i].out);
		}
	check_cases(w, cases, n);
}

static void what_is_tagged_otherwise_passes(void **state)
{
	struct world *w = *state;
	struct frame *syn = tcp(CLIENT, VIP(L2), SYN);
	const struct packet_case cases[] = {
		passes("three tags", three_times_tagged(syn)),
		passes("an MPLS label behind a tag", vlan(poke(copy(syn), 12, 2, ETH_P_MPLS_UC), ETH_P_8021Q, 100)),
		passes("the old 0x9100 of QinQ", vlan(copy(syn), 0x9100, 100)),
		passes("a frame that ends with its tag", cut(tagged(syn), 16)),
		passes("a frame that ends within its type", cut(tagged(syn), 17)),
		passes("a frame that ends with the first of two tags", cut(twice_tagged(syn), 18)),
		passes("a frame that ends behind its tags", cut(twice_tagged(syn), 22)),
	};

	check_cases(w, cases, N(cases));
}

static void no_truncated_tagged_frame_is_ever_forwarded(void **state)
{
	struct world *w = *state;
	const struct frame *plain[] = {
		tcp(CLIENT, VIP(L2), SYN),
		payload(udp(CLIENT, VIP(TO_V6)), 9),
		options(tcp(CLIENT, VIP(TO_V4), ACK), 8),
		tcp(CLIENT6, VIP6(TO_V4), SYN),
		udp(CLIENT6, VIP6(L2)),
		echo(CLIENT_HOST, VIP_HOST, true),
		echo(CLIENT6_HOST, VIP6_HOST, true),
	};

	for (size_t i = 0; i < N(plain); i++)
		for (size_t way = 0; way < N(ways); way++) {
			const struct frame *whole = ways[way].tag(plain[i]);

			for (size_t len = ETHERNET_LEN; len < whole->len; len++) {
				struct outcome got = fixture_run(&w->f, cut(copy(whole), len));

				if (got.verdict != XDP_PASS && got.verdict != XDP_DROP)
					fail_msg("frame %zu with %s cut to %zu bytes: %s", i, ways[way].words, len,
						 verdict_text(got.verdict));
			}
		}
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(tags_stay_whatever_becomes_of_the_frame),
		test(what_is_tagged_otherwise_passes),
		test(no_truncated_tagged_frame_is_ever_forwarded),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("vlan", tests, NULL, NULL);
}
