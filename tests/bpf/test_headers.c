/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 options and IPv6 extension headers within the bound and beyond it; sources and flags that cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define TCP4 (w->tcp[0])
#define TCP6 (w->tcp[1])
#define UDP4 (w->udp[0])
#define UDP6 (w->udp[1])

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60, PAD_N = 1 };

static struct frame *hop(struct frame *frame)
{
	return extension(frame, HOP_BY_HOP, 1, PAD_N, 4);
}

static struct frame *dest(struct frame *frame, unsigned int units)
{
	return extension(frame, DESTINATION, units, PAD_N, 4);
}

static struct frame *route(struct frame *frame, uint8_t left)
{
	return extension(frame, ROUTING, 3, 2, left);
}

/* A fragment header that says: this is all of it (RFC 6946). */
static struct frame *atomic(struct frame *frame)
{
	frame = extension(frame, FRAGMENT, 1, 0, 0);
	frame->byte[ETHERNET_LEN + 40 + 1] = 0;
	return frame;
}

static void headers_within_the_bound_are_read_past(void **state)
{
	struct world *w = *state;
	const struct frame *data = payload(tcp(CLIENT6, VIP6(L2), ACK), 50), *syn = tcp(CLIENT6, VIP6(TO_V6), SYN);
	const struct frame *query = payload(udp(CLIENT6, VIP6(TO_V4)), 30);
	const struct packet_case cases[] = {
		forwards_as(w, "hop-by-hop options", hop(copy(data)), data, TCP6[PORT_L2], w->v6),
		forwards_as(w, "hop-by-hop options, 6in6", hop(copy(syn)), syn, TCP6[PORT_IPIP_TO_V6], w->v6),
		forwards_as(w, "destination options, 6in4", dest(copy(query), 1), query, UDP6[PORT_IPIP_TO_V4], w->v4),
		forwards_as(w, "a route at its end", route(copy(data), 0), data, TCP6[PORT_L2], w->v6),
		forwards_as(w, "an atomic fragment", atomic(copy(query)), query, UDP6[PORT_IPIP_TO_V4], w->v4),
		forwards_as(w, "an atomic fragment of a SYN", atomic(copy(syn)), syn, TCP6[PORT_IPIP_TO_V6], w->v6),
		forwards_as(w, "all kinds, as RFC 8200 orders them",
			    hop(dest(route(atomic(dest(copy(data), 2)), 0), 1)), data, TCP6[PORT_L2], w->v6),
		forwards_as(w, "six headers", hop(dest(dest(dest(dest(dest(copy(data), 1), 1), 1), 1), 1)), data,
			    TCP6[PORT_L2], w->v6),
		forwards_as(w, "256 bytes", dest(copy(data), 32), data, TCP6[PORT_L2], w->v6),
		forwards_as(w, "tagged, too", vlan(hop(copy(data)), ETH_P_8021Q, 9), data, TCP6[PORT_L2], w->v6),
		answers("echo behind destination options", dest(echo(CLIENT6_HOST, VIP6_HOST, true), 1),
			dest(ttl(macs(echo(VIP6_HOST, CLIENT6_HOST, false), router_mac, balancer_mac), 64), 1)),
		forwards(w, "4 bytes of IPv4 options", options(tcp(CLIENT, VIP(L2), SYN), 4), TCP4[PORT_L2], w->v4),
		forwards(w, "20 bytes, 4in4", options(udp(CLIENT, VIP(TO_V4)), 20), UDP4[PORT_IPIP_TO_V4], w->v4),
		forwards(w, "40 bytes, 4in6", options(tcp(CLIENT, VIP(TO_V6), ACK), 40), TCP4[PORT_IPIP_TO_V6], w->v6),
	};

	check_cases(w, cases, N(cases));
}

static void headers_beyond_the_bound_are_dropped(void **state)
{
	struct world *w = *state;
	const struct frame *data = payload(tcp(CLIENT6, VIP6(L2), ACK), 50);
	const struct frame *other = payload(tcp(CLIENT6, "[2001:db8::11]:80", ACK), 50);
	const struct packet_case cases[] = {
		drops("seven headers", hop(dest(dest(dest(dest(dest(dest(copy(data), 1), 1), 1), 1), 1), 1)),
		      SHUNT_DROP_EXT_HEADERS),
		drops("more than 256 bytes", dest(dest(copy(data), 1), 32), SHUNT_DROP_EXT_HEADERS),
		drops("a route with a segment left", route(copy(data), 1), SHUNT_DROP_EXT_HEADERS),
		drops("two fragment headers", atomic(atomic(copy(data))), SHUNT_DROP_EXT_HEADERS),
		drops("hop-by-hop options that are not first", dest(hop(copy(data)), 1), SHUNT_DROP_MALFORMED),
		drops("a header longer than the packet", poke(dest(copy(data), 1), 14 + 40 + 1, 1, 10),
		      SHUNT_DROP_MALFORMED),
		drops("a header that leaves half a TCP header", poke(dest(copy(data), 1), 14 + 40 + 1, 1, 8),
		      SHUNT_DROP_MALFORMED),
		drops("a packet that ends within a header", poke(dest(copy(data), 4), 18, 2, 7), SHUNT_DROP_MALFORMED),
		drops("hop limit 0 behind options", hop(ttl(copy(data), 0)), SHUNT_DROP_TTL_ZERO),
		passes("seven headers for another address",
		       hop(dest(dest(dest(dest(dest(dest(copy(other), 1), 1), 1), 1), 1), 1))),
		passes("options for another address", hop(copy(other))),
		passes("options for another port", hop(tcp(CLIENT6, VIP6(UNUSED), SYN))),
		passes("options and another protocol",
		       hop(ip(CLIENT6_HOST, VIP6_HOST, IPPROTO_SCTP, "\x0f\xa0\0\x50\0\0\0\0", 8))),
		passes("a multicast listener report",
		       hop(ip("fe80::1", "ff02::16", IPPROTO_ICMPV6, "\x8f\0\0\0\0\0\0\0", 8))),
	};

	check_cases(w, cases, N(cases));
}

static void sources_that_nobody_has_are_dropped(void **state)
{
	struct world *w = *state;
	static const char *const martians[] = {
		"0.0.0.0:68",     "0.1.2.3:4000",         "127.0.0.1:4000", "127.255.255.255:4000",
		"224.0.0.1:4000", "239.255.255.255:4000", "240.0.0.1:4000", "255.255.255.255:4000",
	};
	static const char *const martians6[] = {"[::]:4000", "[::1]:4000", "[ff02::1]:4000", "[ff0e::1]:4000",
						"[::7]:4000"};
	static const char *const ordinary[] = {"1.0.0.1:4000",        "10.0.0.1:4000",    "126.255.255.255:4000",
					       "128.0.0.1:4000",      "169.254.1.1:4000", "192.0.2.11:4000",
					       "223.255.255.255:4000"};
	static const char *const ordinary6[] = {"[2001:db8::11]:4000", "[fd00::9]:4000", "[64:ff9b::1]:4000",
						"[fe80::1]:4000", "[2002::1]:4000"};
	struct packet_case cases[3 * N(martians) + 2 * N(martians6) + N(ordinary) + N(ordinary6)];
	size_t n = 0;

	for (size_t i = 0; i < N(martians); i++) {
		cases[n++] = drops(martians[i], tcp(martians[i], VIP(L2), SYN), SHUNT_DROP_MARTIAN);
		cases[n++] = drops(martians[i], udp(martians[i], VIP(TO_V4)), SHUNT_DROP_MARTIAN);
		cases[n++] = passes(martians[i], udp(martians[i], VIP(UNUSED)));
	}
	for (size_t i = 0; i < N(martians6); i++) {
		cases[n++] = drops(martians6[i], tcp(martians6[i], VIP6(L2), ACK), SHUNT_DROP_MARTIAN);
		cases[n++] = drops(martians6[i], udp(martians6[i], VIP6(TO_V6)), SHUNT_DROP_MARTIAN);
	}
	for (size_t i = 0; i < N(ordinary); i++)
		cases[n++] = forwards(w, ordinary[i], tcp(ordinary[i], VIP(L2), SYN), TCP4[PORT_L2], w->v4);
	for (size_t i = 0; i < N(ordinary6); i++)
		cases[n++] = forwards(w, ordinary6[i], tcp(ordinary6[i], VIP6(L2), SYN), TCP6[PORT_L2], w->v6);
	check_cases(w, cases, n);
}

static void more_that_cannot_be_is_dropped(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		drops("land", tcp(VIP_HOST ":4000", VIP(L2), SYN), SHUNT_DROP_LAND),
		drops("land, the port as well", tcp(VIP(L2), VIP(L2), SYN), SHUNT_DROP_LAND),
		drops("land, UDP", udp(VIP(TO_V4), VIP(TO_V4)), SHUNT_DROP_LAND),
		drops("land, IPv6", tcp(VIP6(L2), VIP6(L2), SYN), SHUNT_DROP_LAND),
		drops("land, echo", echo(VIP_HOST, VIP_HOST, true), SHUNT_DROP_LAND),
		passes("the address as the source, to another port", tcp(VIP(L2), VIP(UNUSED), SYN)),
		drops("echo from a broadcast address", echo("255.255.255.255", VIP_HOST, true), SHUNT_DROP_MARTIAN),
		drops("echo from nobody, IPv6", echo("::", VIP6_HOST, true), SHUNT_DROP_MARTIAN),
		drops("an IPv4 address mapped into an IPv6 source", udp("[::ffff:0:102:304]:9", VIP6(L2)),
		      SHUNT_DROP_MARTIAN),
		drops("SYN and FIN for IPv6", tcp(CLIENT6, VIP6(TO_V4), SYN | FIN), SHUNT_DROP_TCP_FLAGS),
		passes("SYN and FIN for another port", tcp(CLIENT, VIP(UNUSED), SYN | FIN)),
	};

	check_cases(w, cases, N(cases));
}

/* The valid ones are those of the kernel's connection tracking (tcp_valid_flags of nf_conntrack), and RST | ACK | URG. */
static void every_combination_of_tcp_flags_has_its_fate(void **state)
{
	enum { URG = 32, ECE_CWR = 0xc0 };
	struct world *w = *state;
	static const uint8_t valid[] = {SYN,       SYN | URG, SYN | ACK,      RST, RST | ACK, RST | ACK | URG, ACK,
					ACK | URG, FIN | ACK, FIN | ACK | URG};
	struct packet_case cases[256];
	char sentences[N(cases)][16];

	for (unsigned int flags = 0; flags < N(cases); flags++) {
		struct frame *in = tcp(CLIENT, VIP(L2), flags);

		snprintf(sentences[flags], sizeof(sentences[flags]), "flags %#x", flags);
		cases[flags] = drops(sentences[flags], in, SHUNT_DROP_TCP_FLAGS);
		for (size_t i = 0; i < N(valid); i++)
			if ((flags & ~(PSH | ECE_CWR)) == valid[i])
				cases[flags] = forwards(w, sentences[flags], in, TCP4[PORT_L2], w->v4);
	}
	check_cases(w, cases, N(cases));
}

static void no_truncated_packet_with_extension_headers_is_forwarded(void **state)
{
	struct world *w = *state;
	const struct frame *data = payload(tcp(CLIENT6, VIP6(L2), ACK), 20);
	const struct frame *whole[] = {
		hop(dest(route(atomic(dest(copy(data), 2)), 0), 1)),
		dest(payload(udp(CLIENT6, VIP6(TO_V4)), 5), 7),
		dest(echo(CLIENT6_HOST, VIP6_HOST, true), 1),
		vlan(hop(copy(data)), ETH_P_8021AD, 9),
	};

	for (size_t i = 0; i < N(whole); i++)
		for (size_t len = ETHERNET_LEN; len < whole[i]->len; len++) {
			int verdict = fixture_run(&w->f, cut(copy(whole[i]), len)).verdict;

			if (verdict != XDP_PASS && verdict != XDP_DROP)
				fail_msg("packet %zu cut to %zu bytes: %s", i, len, verdict_text(verdict));
		}
	assert_int_equal(fixture_counters(&w->f).service.packets, 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(headers_within_the_bound_are_read_past),
		test(headers_beyond_the_bound_are_dropped),
		test(sources_that_nobody_has_are_dropped),
		test(more_that_cannot_be_is_dropped),
		test(every_combination_of_tcp_flags_has_its_fate),
		test(no_truncated_packet_with_extension_headers_is_forwarded),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
