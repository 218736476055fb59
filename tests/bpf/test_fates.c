/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is not simply forwarded: packets that are for nobody, echo requests, drops with their reasons, malformed
 * packets, and backends whose next hop only the kernel knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/if_ether.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"

#define REPLY_TTL 64

/* ---- not for us ---- */

static struct frame *neighbour_solicitation(void)
{
	uint8_t message[24] = {135, [8] = 0x20, 1, 0xd, 0xb8, [23] = 0x10};

	return ttl(ip("2001:db8::1", "ff02::1:ff00:10", IPPROTO_ICMPV6, message, sizeof(message)), 255);
}

/* ::ffff:192.0.2.10, as which services know VIP_HOST. */
static struct frame *to_mapped_address(struct frame *frame)
{
	const size_t at = ETHERNET_LEN + 24;

	return poke(poke(poke(poke(frame, at, 4, 0), at + 4, 4, 0), at + 8, 4, 0xffff), at + 12, 4, 0xc000020a);
}

static void what_is_for_nobody_passes_untouched(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		passes("another port of a service's address", tcp(CLIENT, VIP(UNUSED), SYN)),
		passes("another port, IPv6", udp(CLIENT6, VIP6(UNUSED))),
		passes("another address", tcp(CLIENT, "192.0.2.11:80", SYN)),
		passes("another address, IPv6", tcp(CLIENT6, "[2001:db8::11]:80", SYN)),
		passes("a reply: the service's port is the source", tcp(VIP(L2), CLIENT, SYN | ACK)),
		passes("GRE to a service's address", ip(CLIENT_HOST, VIP_HOST, IPPROTO_GRE, "\0\0\x08\0", 4)),
		passes("SCTP to a service's address",
		       ip(CLIENT_HOST, VIP_HOST, IPPROTO_SCTP, "\x0f\xa0\0\x50\0\0\0\0\0\0\0\0", 12)),
		passes("OSPF", ip(CLIENT_HOST, "224.0.0.5", 89, "\2\1\0\4", 4)),
		passes("VRRP", ip(CLIENT_HOST, "224.0.0.18", 112, "\x31\1\1\1", 4)),
		passes("no next header, IPv6", ip(CLIENT6_HOST, VIP6_HOST, IPPROTO_NONE, "", 0)),
		passes("hop-by-hop options, IPv6",
		       ip(CLIENT6_HOST, VIP6_HOST, IPPROTO_HOPOPTS, "\x3b\0\1\4\0\0\0\0", 8)),
		passes("multicast", udp("10.0.0.9:5353", "224.0.0.251:5353")),
		passes("multicast, IPv6", udp("[fe80::9]:5353", "[ff02::fb]:5353")),
		passes("broadcast", udp("0.0.0.0:68", "255.255.255.255:67")),
		passes("ARP", ethernet(ETH_P_ARP, 46)),
		passes("LLDP", ethernet(0x88cc, 46)),
		passes("neighbour discovery", neighbour_solicitation()),
		passes("an Ethernet header without anything", ethernet(ETH_P_IP, 0)),
		passes("an Ethernet header without anything, IPv6", ethernet(ETH_P_IPV6, 0)),
		passes("an IP header cut short", cut(tcp(CLIENT, VIP(L2), SYN), ETHERNET_LEN + 19)),
		passes("an IPv6 header cut short", cut(tcp(CLIENT6, VIP6(L2), SYN), ETHERNET_LEN + 39)),
		passes("malformed, but for another address", cut(tcp(CLIENT, "192.0.2.11:80", SYN), 40)),
		passes("a fragment for another address", fragment(udp(CLIENT, "192.0.2.11:80"), 0, true)),
		passes("a fragment for another address, IPv6",
		       fragment6(udp(CLIENT6, "[2001:db8::11]:80"), 1448, false)),
		passes("TTL 0 for another address", ttl(udp(CLIENT, "192.0.2.11:80"), 0)),
		passes("an IPv4 service's address mapped into IPv6, never seen on the wire",
		       to_mapped_address(tcp(CLIENT6, VIP6(L2), SYN))),
	};

	check_cases(w, cases, N(cases));
}

/* ---- echo ---- */

static struct frame *back(struct frame *reply)
{
	return ttl(macs(reply, router_mac, balancer_mac), REPLY_TTL);
}

static struct frame *with_data(struct frame *frame, size_t len)
{
	return len ? payload(frame, len) : frame;
}

static void echo_requests_to_service_addresses_are_answered(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		answers("echo", echo(CLIENT_HOST, VIP_HOST, true), back(echo(VIP_HOST, CLIENT_HOST, false))),
		answers("echo, IPv6", echo(CLIENT6_HOST, VIP6_HOST, true), back(echo(VIP6_HOST, CLIENT6_HOST, false))),
		answers("echo with much data", payload(echo(CLIENT_HOST, VIP_HOST, true), 1400),
			back(payload(echo(VIP_HOST, CLIENT_HOST, false), 1400))),
		answers("echo with much data, IPv6", payload(echo(CLIENT6_HOST, VIP6_HOST, true), 1401),
			back(payload(echo(VIP6_HOST, CLIENT6_HOST, false), 1401))),
		answers("echo without data", icmp(CLIENT_HOST, VIP_HOST, 8, 0),
			back(icmp(VIP_HOST, CLIENT_HOST, 0, 0))),
		answers("echo, padded", padded(icmp(CLIENT_HOST, VIP_HOST, 8, 0), 60),
			back(padded(icmp(VIP_HOST, CLIENT_HOST, 0, 0), 60))),
		answers("echo with a traffic class", traffic_class(echo(CLIENT_HOST, VIP_HOST, true), 0xb8),
			back(traffic_class(echo(VIP_HOST, CLIENT_HOST, false), 0xb8))),
		answers("echo with a large TTL", ttl(echo(CLIENT_HOST, VIP_HOST, true), 255),
			back(echo(VIP_HOST, CLIENT_HOST, false))),
		answers("echo with IP options", options(echo(CLIENT_HOST, VIP_HOST, true), 8),
			back(options(echo(VIP_HOST, CLIENT_HOST, false), 8))),
		passes("an echo reply", echo(CLIENT_HOST, VIP_HOST, false)),
		passes("an echo reply, IPv6", echo(CLIENT6_HOST, VIP6_HOST, false)),
		passes("a timestamp request", icmp(CLIENT_HOST, VIP_HOST, 13, 0)),
		passes("ICMPv6 in IPv4", ip(CLIENT_HOST, VIP_HOST, IPPROTO_ICMPV6, "\x80\0\0\0\0\0\0\0", 8)),
		passes("ICMP in IPv6", ip(CLIENT6_HOST, VIP6_HOST, IPPROTO_ICMP, "\x08\0\0\0\0\0\0\0", 8)),
		passes("echo to an address without a service", echo(CLIENT_HOST, "192.0.2.11", true)),
		passes("echo to an address without a service, IPv6", echo(CLIENT6_HOST, "2001:db8::11", true)),
	};

	for (size_t i = 0; i < N(cases); i++)
		assert_true(!cases[i].out || checksums_right(cases[i].out));
	check_cases(w, cases, N(cases));
}

/* Every value of the sixteen checksummed bits that RFC 1624's corner cases depend on. */
static void echo_replies_have_right_checksums_whatever_the_data(void **state)
{
	struct world *w = *state;

	for (uint32_t word = 0; word < 65536; word += word < 300 || word > 65200 ? 1 : 251) {
		struct frame *four = icmp(CLIENT_HOST, VIP_HOST, 8, 0), *six = icmp(CLIENT6_HOST, VIP6_HOST, 128, 0);

		/* ttl() seals again, with the words changed by poke(). */
		four = ttl(poke(four, ETHERNET_LEN + 20 + 4, 2, word), word % 255 + 1);
		six = ttl(poke(six, ETHERNET_LEN + 40 + 4, 2, word), 9);
		assert_true(checksums_right(fixture_run(&w->f, four).frame));
		assert_true(checksums_right(fixture_run(&w->f, six).frame));
		frames_free();
	}
}

/* ---- drops ---- */

/* Reasons without a case, and why there cannot be one. */
static const struct {
	enum shunt_drop_reason reason;
	const char *why;
} unreachable[] = {
	{SHUNT_DROP_NONE, "says that a packet is not dropped"},
	{SHUNT_DROP_NO_HEADROOM, "has a test of its own: it needs a driver without headroom"},
	{SHUNT_DROP_REJECTED, "has its table in test_policy.c: it needs a service that rejects"},
	{SHUNT_DROP_REJECT_LIMIT, "has a test of its own in test_policy.c"},
	{SHUNT_DROP_DENIED, "has its tables in test_protect.c: they need lists"},
	{SHUNT_DROP_NOT_ALLOWED, "as well"},
	{SHUNT_DROP_SERVICE_LIMIT, "as well: it needs limits"},
	{SHUNT_DROP_CLIENT_LIMIT, "as well"},
	{SHUNT_DROP_TOO_BIG_LIMITED, "has a test of its own: it takes as many packets as may be answered at once"},
	{SHUNT_DROP_TTL_ENDED, "has golden cases: it needs nat, as have the next two"},
	{SHUNT_DROP_TTL_ENDED_ANSWERED, "as well"},
	{SHUNT_DROP_NO_NEIGHBOUR, "as well"},
};

static struct frame *many_extensions(struct frame *frame)
{
	for (int i = 0; i < 7; i++)
		frame = extension(frame, IPPROTO_DSTOPTS, 1, 1, 4);
	return frame;
}

static void every_drop_has_its_reason(void **state)
{
	struct world *w = *state;
	const struct packet_case cases[] = {
		drops("TCP header cut short", cut(tcp(CLIENT, VIP(L2), SYN), 14 + 20 + 19), SHUNT_DROP_MALFORMED),
		drops("TCP header cut short, IPv6", cut(tcp(CLIENT6, VIP6(L2), SYN), 14 + 40 + 19),
		      SHUNT_DROP_MALFORMED),
		drops("UDP header cut short", cut(udp(CLIENT, VIP(L2)), 14 + 20 + 7), SHUNT_DROP_MALFORMED),
		drops("ICMP header cut short", cut(icmp(CLIENT_HOST, VIP_HOST, 8, 0), 14 + 20 + 7),
		      SHUNT_DROP_MALFORMED),
		drops("ICMPv6 header cut short", cut(icmp(CLIENT6_HOST, VIP6_HOST, 128, 0), 14 + 40 + 7),
		      SHUNT_DROP_MALFORMED),
		drops("IP length beyond the frame", poke(tcp(CLIENT, VIP(L2), SYN), 16, 2, 41), SHUNT_DROP_MALFORMED),
		drops("IP length shorter than its header", poke(tcp(CLIENT, VIP(L2), SYN), 16, 2, 19),
		      SHUNT_DROP_MALFORMED),
		drops("IP length leaves half a TCP header", poke_ip(tcp(CLIENT, VIP(L2), SYN), 16, 2, 30),
		      SHUNT_DROP_MALFORMED),
		drops("IP length leaves half a UDP header", poke_ip(udp(CLIENT, VIP(L2)), 16, 2, 27),
		      SHUNT_DROP_MALFORMED),
		drops("IP length leaves half an ICMP header", poke_ip(echo(CLIENT_HOST, VIP_HOST, true), 16, 2, 27),
		      SHUNT_DROP_MALFORMED),
		drops("IPv6 length beyond the frame", poke(tcp(CLIENT6, VIP6(L2), SYN), 18, 2, 21),
		      SHUNT_DROP_MALFORMED),
		drops("IPv6 length 65535", poke(tcp(CLIENT6, VIP6(L2), SYN), 18, 2, 65535), SHUNT_DROP_MALFORMED),
		drops("IPv6 length leaves half a TCP header", poke(tcp(CLIENT6, VIP6(L2), SYN), 18, 2, 19),
		      SHUNT_DROP_MALFORMED),
		drops("IPv6 length 0", poke(udp(CLIENT6, VIP6(L2)), 18, 2, 0), SHUNT_DROP_MALFORMED),
		drops("IP header length 4 words", poke(tcp(CLIENT, VIP(L2), SYN), 14, 1, 0x44), SHUNT_DROP_MALFORMED),
		drops("IP header length beyond the packet", poke(tcp(CLIENT, VIP(L2), SYN), 14, 1, 0x4f),
		      SHUNT_DROP_MALFORMED),
		drops("version 5 in an IPv4 frame", poke(tcp(CLIENT, VIP(L2), SYN), 14, 1, 0x55), SHUNT_DROP_MALFORMED),
		drops("version 4 in an IPv6 frame", poke(tcp(CLIENT6, VIP6(L2), SYN), 14, 1, 0x40),
		      SHUNT_DROP_MALFORMED),
		drops("TCP data offset 4", poke(tcp(CLIENT, VIP(L2), SYN), 46, 1, 0x40), SHUNT_DROP_MALFORMED),
		drops("TCP data offset beyond the packet", poke(tcp(CLIENT, VIP(L2), SYN), 46, 1, 0x60),
		      SHUNT_DROP_MALFORMED),
		drops("UDP length 7", poke(udp(CLIENT, VIP(L2)), 38, 2, 7), SHUNT_DROP_MALFORMED),
		drops("UDP length beyond the packet", poke(udp(CLIENT, VIP(L2)), 38, 2, 9), SHUNT_DROP_MALFORMED),
		drops("UDP length 0, IPv6", poke(udp(CLIENT6, VIP6(L2)), 58, 2, 0), SHUNT_DROP_MALFORMED),

		drops("a wrong header checksum", poke(tcp(CLIENT, VIP(L2), SYN), 24, 2, 0x1234), SHUNT_DROP_IP_CHECKSUM),
		drops("header checksum 0", poke(udp(CLIENT, VIP(TO_V6)), 24, 2, 0), SHUNT_DROP_IP_CHECKSUM),
		drops("a broadcast frame", poke(tcp(CLIENT, VIP(L2), SYN), 0, 4, 0xffffffff), SHUNT_DROP_LINK_GROUP),
		drops("a multicast frame, IPv6", poke(udp(CLIENT6, VIP6(TO_V4)), 0, 1, 0x33), SHUNT_DROP_LINK_GROUP),
		drops("TTL 0", ttl(tcp(CLIENT, VIP(L2), ACK), 0), SHUNT_DROP_TTL_ZERO),
		drops("hop limit 0", ttl(udp(CLIENT6, VIP6(TO_V4)), 0), SHUNT_DROP_TTL_ZERO),
		drops("echo with TTL 0", ttl(echo(CLIENT_HOST, VIP_HOST, true), 0), SHUNT_DROP_TTL_ZERO),

		drops("a fragment too short for its ports",
		      fragment(ip(CLIENT_HOST, VIP_HOST, IPPROTO_TCP, "\1\2\0\x50\0\0\0\0", 8), 0, true),
		      SHUNT_DROP_FRAGMENT),
		drops("a fragment of an echo request", fragment(echo(CLIENT_HOST, VIP_HOST, true), 0, true),
		      SHUNT_DROP_FRAGMENT),
		drops("a later fragment", fragment(ip(CLIENT_HOST, VIP_HOST, IPPROTO_UDP, "data", 4), 1480, false),
		      SHUNT_DROP_FRAGMENT_UNKNOWN),
		drops("a later fragment, IPv6", fragment6(udp(CLIENT6, VIP6(L2)), 1448, false),
		      SHUNT_DROP_FRAGMENT_UNKNOWN),

		drops("an ICMP error that quotes nonsense", with_data(icmp(CLIENT_HOST, VIP_HOST, 3, 4), 28),
		      SHUNT_DROP_ICMP_ERROR),
		drops("an ICMPv6 error that quotes nonsense", with_data(icmp(CLIENT6_HOST, VIP6_HOST, 2, 0), 48),
		      SHUNT_DROP_ICMP_ERROR),
		drops("a source that nobody has", tcp("127.0.0.1:4000", VIP(L2), SYN), SHUNT_DROP_MARTIAN),
		drops("the service's own address as the source", tcp(VIP(L2), VIP(L2), SYN), SHUNT_DROP_LAND),
		drops("TCP without flags", tcp(CLIENT, VIP(L2), 0), SHUNT_DROP_TCP_FLAGS),
		drops("too many extension headers", many_extensions(tcp(CLIENT6, VIP6(L2), SYN)),
		      SHUNT_DROP_EXT_HEADERS),

		drops("a group without backends", tcp(CLIENT, VIP(EMPTY), SYN), SHUNT_DROP_NO_BACKEND),
		drops("a group without backends, UDP over IPv6", udp(CLIENT6, VIP6(EMPTY)), SHUNT_DROP_NO_BACKEND),
		drops("nobody knows the way", tcp(CLIENT, VIP(NO_NEXT_HOP), SYN), SHUNT_DROP_NO_NEXT_HOP),
		drops("a service of a group that cannot be", tcp(CLIENT, VIP(NO_GROUP), SYN), SHUNT_DROP_INTERNAL),

		drops("4in4, a byte too many", payload(tcp(CLIENT, VIP(TO_V4), ACK), 1441), SHUNT_DROP_TOO_BIG),
		drops("4in6, a byte too many", payload(tcp(CLIENT, VIP(TO_V6), ACK), 1421), SHUNT_DROP_TOO_BIG),
		answers_too_big("6in4, a byte too many", payload(tcp(CLIENT6, VIP6(TO_V4), ACK), 1421), 1480),
		answers_too_big("6in6, a byte too many", payload(tcp(CLIENT6, VIP6(TO_V6), ACK), 1401), 1460),
		drops("l2, a byte too many", payload(tcp(CLIENT, VIP(L2), ACK), 1461), SHUNT_DROP_TOO_BIG),
	};
	bool has_case[SHUNT_DROP_REASON_COUNT] = {false};

	check_cases(w, cases, N(cases));
	for (size_t i = 0; i < N(cases); i++)
		has_case[cases[i].reason] = true;
	for (size_t i = 0; i < N(unreachable); i++) {
		assert_false(has_case[unreachable[i].reason]); /* or it is not unreachable any more */
		has_case[unreachable[i].reason] = true;
	}
#define X(name, label, text)                                                                                           \
	if (!has_case[SHUNT_DROP_##name])                                                                              \
		fail_msg("drop reason %s has no case", label);
	SHUNT_DROP_REASONS(X)
#undef X
}

/* Metadata takes the headroom away (BPF_PROG_TEST_RUN takes it from the front of the data). */
static void without_headroom_nothing_is_encapsulated(void **state)
{
	enum { METADATA = 216, HEADROOM_LEFT = 256 - METADATA };
	struct world *w = *state;
	struct frame *packet = tcp(CLIENT, VIP(TO_V4), ACK);
	struct xdp_md context = {
		.data = METADATA, .data_end = METADATA + packet->len, .ingress_ifindex = w->f.ifindex[LINK_IN]};
	uint8_t in[FRAME_MAX] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = METADATA + packet->len, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);
	struct counters counters;
	int r;

	memcpy(in + METADATA, packet->byte, packet->len);
	r = bpf_prog_test_run_opts(fixture_program(&w->f), &run);
	if (r == -EINVAL) {
		print_message("  not tried: this kernel does not take %d bytes of metadata\n", METADATA);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(run.retval, XDP_DROP);
	counters = fixture_counters(&w->f);
	assert_int_equal(counters.drops[SHUNT_DROP_NO_HEADROOM], 1);
	assert_int_equal(counters.service.packets, 0);
}

/* ---- malformed ---- */

static void no_truncated_packet_is_ever_forwarded(void **state)
{
	struct world *w = *state;
	struct frame *whole[] = {
		tcp(CLIENT, VIP(L2), SYN),
		payload(tcp(CLIENT, VIP(L2), ACK), 40),
		udp(CLIENT, VIP(L2)),
		payload(udp(CLIENT, VIP(TO_V4)), 33),
		options(tcp(CLIENT, VIP(TO_V6), SYN), 40),
		tcp(CLIENT6, VIP6(L2), SYN),
		payload(tcp(CLIENT6, VIP6(TO_V4), ACK), 21),
		payload(udp(CLIENT6, VIP6(TO_V6)), 50),
		payload(udp(CLIENT6, VIP6(OTHER_LINK)), 4),
		echo(CLIENT_HOST, VIP_HOST, true),
		echo(CLIENT6_HOST, VIP6_HOST, true),
		options(echo(CLIENT_HOST, VIP_HOST, true), 20),
		tcp(CLIENT, VIP(UNUSED), SYN),
		neighbour_solicitation(),
		fragment(payload(udp(CLIENT, VIP(L2)), 8), 0, true),
		fragment6(udp(CLIENT6, VIP6(L2)), 8, true),
	};
	size_t n = 0;

	for (size_t i = 0; i < N(whole); i++)
		for (size_t len = ETHERNET_LEN; len < whole[i]->len; len++, n++) {
			struct frame *in = cut(copy(whole[i]), len);
			struct outcome got = fixture_run(&w->f, in);

			if ((got.verdict != XDP_PASS && got.verdict != XDP_DROP) || !frames_equal(in, got.frame)) {
				frames_write_pcap("truncated", (const struct frame *const[]){in, got.frame}, 2);
				fail_msg("packet %zu cut to %zu bytes: %s", i, len, verdict_text(got.verdict));
			}
		}
	print_message("  %zu truncated packets\n", n);
	assert_int_equal(fixture_counters(&w->f).service.packets, 0);
}

static void no_packet_of_random_bytes_is_ever_forwarded_wrongly(void **state)
{
	struct world *w = *state;
	uint64_t random = 1;

	for (int i = 0; i < 20000; i++) {
		struct frame *in =
			i % 2 ? payload(tcp(CLIENT, VIP(TO_V4), ACK), 20) : payload(udp(CLIENT6, VIP6(TO_V6)), 20);
		struct outcome got;

		for (int changes = 0; changes < 3; changes++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			poke(in, ETHERNET_LEN + (random >> 33) % 44, 1, random >> 56);
		}
		if (random >> 60)
			mend_ip(in, ETHERNET_LEN);
		got = fixture_run(&w->f, in);
		/* Whatever leaves has whole the packet that came, behind what was put in front. */
		if (got.verdict == XDP_TX || got.verdict == XDP_REDIRECT)
			assert_memory_equal(got.frame->byte + got.frame->len - 20, in->byte + in->len - 20, 20);
		else
			assert_true(frames_equal(in, got.frame));
		frames_free();
	}
}

/* ---- next hops that only the kernel knows ---- */

static void the_kernel_is_asked_for_a_next_hop_that_is_not_known(void **state)
{
	struct world *w = *state;
	static const uint8_t neighbour[] = {2, 0, 0, 0, 9, 15};
	struct frame *in = payload(tcp(CLIENT, VIP(NO_NEXT_HOP), ACK), 10);
	struct packet_case to_out = {.sentence = "by another link", .in = in, .verdict = XDP_REDIRECT};
	struct packet_case to_in = {.sentence = "by the same link", .in = in, .verdict = XDP_TX};
	const struct packet_case lost = drops("not resolved", in, SHUNT_DROP_NO_NEXT_HOP);

	to_out.out = macs(copy(in), neighbour, link_mac[LINK_OUT]);
	to_in.out = macs(copy(in), neighbour, link_mac[LINK_IN]);
	check_cases(w, &lost, 1);
	shell("sysctl -qw net.ipv4.ip_forward=1 && ip address add 10.0.1.1/24 dev out0");
	check_cases(w, &lost, 1);
	shell("ip neigh add 10.0.1.15 lladdr 02:00:00:00:09:0f dev out0 nud permanent");
	check_cases(w, &to_out, 1);
	shell("ip address del 10.0.1.1/24 dev out0; ip address add 10.0.1.1/24 dev in0 && "
	      "ip neigh add 10.0.1.15 lladdr 02:00:00:00:09:0f dev in0 nud permanent");
	check_cases(w, &to_in, 1);
	shell("ip address del 10.0.1.1/24 dev in0");
	check_cases(w, &lost, 1);
}

static void the_kernel_is_asked_for_an_ipv6_next_hop_and_the_packet_is_tunnelled(void **state)
{
	struct world *w = *state;
	static const uint8_t neighbour[] = {2, 0, 0, 0, 9, 16};
	uint32_t backend = fixture_backend(&w->f, "fd00::1:16", LINK_UNKNOWN), group = fixture_group(&w->f, 1);
	uint32_t service = fixture_service(&w->f, IPPROTO_UDP, "192.0.2.40:53", group, SHUNT_FORWARD_IPIP, 0);
	struct frame *in = payload(udp(CLIENT, "192.0.2.40:53"), 10);
	struct packet_case tunnelled = {.sentence = "4in6 by another link", .in = in, .verdict = XDP_REDIRECT};

	fixture_slots(&w->f, group, settled(backend));
	tunnelled.out = macs(sent(&w->f, in, service, backend), neighbour, link_mac[LINK_OUT]);
	shell("sysctl -qw net.ipv6.conf.all.forwarding=1 && ip address add fd00::1/64 dev out0 nodad && "
	      "ip neigh add fd00::1:16 lladdr 02:00:00:00:09:10 dev out0 nud permanent");
	check_cases(w, &tunnelled, 1);
	shell("ip address del fd00::1/64 dev out0");
}

/* ---- nat ---- */

static int setup_nat(void **state)
{
	return world_setup_with(state, SHUNT_FEATURE_NAT);
}

/* RFC 1812 section 4.3.2.8: a flood of packets whose TTL ends here is not answered by another. */
static void whose_ttl_ends_is_told_so_only_so_often(void **state)
{
	enum { PACKETS = 4000, BURST = 200 };
	struct world *w = *state;
	struct frame *in = ttl(tcp(CLIENT, "192.0.2.40:80", SYN), 1);
	struct counters before, after;
	uint32_t answered = 0;

	fixture_nat(&w->f, IPPROTO_TCP, "192.0.2.40:80", fixture_group(&w->f, 100 + w->v4), w->v4, 8080);
	before = fixture_counters(&w->f);
	for (int i = 0; i < PACKETS; i++)
		answered += fixture_run_quietly(&w->f, in) == XDP_TX;
	after = fixture_counters(&w->f);
	assert_in_range(answered, BURST, PACKETS - 1);
	assert_int_equal(after.drops[SHUNT_DROP_TTL_ENDED_ANSWERED] - before.drops[SHUNT_DROP_TTL_ENDED_ANSWERED], answered);
	assert_int_equal(after.drops[SHUNT_DROP_TTL_ENDED] - before.drops[SHUNT_DROP_TTL_ENDED], PACKETS - answered);
	assert_int_equal(after.service.packets, before.service.packets);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		test(what_is_for_nobody_passes_untouched),
		test(echo_requests_to_service_addresses_are_answered),
		test(echo_replies_have_right_checksums_whatever_the_data),
		test(every_drop_has_its_reason),
		test(without_headroom_nothing_is_encapsulated),
		test(no_truncated_packet_is_ever_forwarded),
		test(no_packet_of_random_bytes_is_ever_forwarded_wrongly),
		test(the_kernel_is_asked_for_a_next_hop_that_is_not_known),
		test(the_kernel_is_asked_for_an_ipv6_next_hop_and_the_packet_is_tunnelled),
		cmocka_unit_test_setup_teardown(whose_ttl_ends_is_told_so_only_so_often, setup_nat, world_teardown),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("fates", tests, NULL, NULL);
}
