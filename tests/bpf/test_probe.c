/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What probes look like that are sent the way of traffic: packet in, packet out. The judge is xdp_shunt itself: what it makes
 * of a client's packet, probe_egress must make of the same packet of the prober.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <linux/pkt_cls.h>
#include <net/if.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"
#include "datapath/paths.h"
#include "net/address.h"

#define PRIORITY 0x5348
#define LARGEST 1400
#define VERIFIED_MAX 20000
#define STAND_IN "192.0.0.8"
#define STAND_IN6 "100::"

struct probes {
	struct world *w;
	struct paths *paths;
	int egress, ingress;             /* the programs */
};

/* ---- the programs, as they are on an interface ---- */

static int filter_program(int ifindex, enum bpf_tc_attach_point point, uint32_t tag)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = tag, .priority = PRIORITY);

	return bpf_tc_query(&hook, &query) < 0 ? -1 : bpf_prog_get_fd_by_id(query.prog_id);
}

static uint32_t tag_of(const struct paths *paths)
{
	return paths_mark(paths, 0, 0) >> SHUNT_PROBE_TAG_SHIFT;
}

static int setup(void **state)
{
	struct probes *p = calloc(1, sizeof(*p));
	void *world = NULL;

	if (!p || world_setup_with(&world, SHUNT_FEATURE_NAT))
		return -1;
	p->w = world;
	if (paths_open(p->w->f.datapath, NULL, &p->paths) || paths_attach(p->paths, p->w->f.ifindex[LINK_IN]))
		return -1;
	p->egress = filter_program(p->w->f.ifindex[LINK_IN], BPF_TC_EGRESS, tag_of(p->paths));
	p->ingress = filter_program(p->w->f.ifindex[LINK_IN], BPF_TC_INGRESS, tag_of(p->paths));
	*state = p;
	return p->egress < 0 || p->ingress < 0;
}

static int teardown(void **state)
{
	struct probes *p = *state;
	void *world = p->w;

	close(p->egress);
	close(p->ingress);
	paths_close(p->paths);
	world_teardown(&world);
	free(p);
	return 0;
}

static struct outcome run(const struct probes *p, int program, const struct frame *in, uint32_t mark)
{
	struct __sk_buff context = {.mark = mark, .ifindex = p->w->f.ifindex[LINK_IN]};
	struct outcome outcome = {.frame = copy(in)};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->byte, .data_size_in = in->len, .data_out = outcome.frame->byte,
		    .data_size_out = FRAME_MAX, .ctx_in = &context, .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .repeat = 1);
	int r = bpf_prog_test_run_opts(program, &opts);

	if (r < 0)
		fail_msg("BPF_PROG_TEST_RUN with %u bytes: %s", in->len, strerror(-r));
	outcome.frame->len = opts.data_size_out;
	outcome.verdict = (int)opts.retval;
	if (outcome.verdict == TC_ACT_OK || outcome.verdict == TC_ACT_REDIRECT)
		assert_int_equal(context.mark, 0); /* met once */
	return outcome;
}

/* ---- ways ---- */

/* A path to the backend by the way of this service; returns its key. */
static uint32_t path_of(const struct probes *p, uint32_t service, uint32_t backend, const char *peer)
{
	uint32_t key = shunt_probe_key(backend, service % SHUNT_PROBE_PATHS);
	struct shunt_probe_path path = {
		.service = *fixture_service_by_id(&p->w->f, service),
		.backend = backend,
		.largest = LARGEST,
	};

	assert_return_code(address_parse(peer, &path.peer), 0);
	assert_int_equal(paths_set(p->paths, key, &path), 0);
	return key;
}

struct way {
	const char *sentence, *service, *peer; /* as clients and as the prober's socket have them */
	uint32_t id, backend;
	bool udp;
};

#define BOTH(w, about, family, vip, peer_text, port, to) \
	{about ", TCP", vip, peer_text, (w)->tcp[family][port], (w)->to, false}, \
	{about ", UDP", vip, peer_text, (w)->udp[family][port], (w)->to, true}

#define WAYS(w) { \
	BOTH(w, "l2", 0, VIP(L2), "10.0.1.11", PORT_L2, v4), \
	BOTH(w, "l2, IPv6", 1, VIP6(L2), "fd00::1:12", PORT_L2, v6), \
	BOTH(w, "l2 by another interface", 0, VIP(OTHER_LINK), "10.0.1.13", PORT_REDIRECT, v4_out), \
	BOTH(w, "ipip, 4 in 4", 0, VIP(TO_V4), "10.0.1.11", PORT_IPIP_TO_V4, v4), \
	BOTH(w, "ipip, 6 in 4", 1, VIP6(TO_V4), STAND_IN6, PORT_IPIP_TO_V4, v4), \
	BOTH(w, "ipip, 4 in 6", 0, VIP(TO_V6), STAND_IN, PORT_IPIP_TO_V6, v6), \
	BOTH(w, "ipip, 6 in 6", 1, VIP6(TO_V6), "fd00::1:12", PORT_IPIP_TO_V6, v6), \
	BOTH(w, "ipip by another interface", 0, VIP(TO_V4_OTHER_LINK), "10.0.1.13", PORT_IPIP_REDIRECT, v4_out), \
	BOTH(w, "gue, 4 in 4", 0, VIP(GUE_TO_V4), "10.0.1.11", PORT_GUE_TO_V4, v4), \
	BOTH(w, "gue, 6 in 4", 1, VIP6(GUE_TO_V4), STAND_IN6, PORT_GUE_TO_V4, v4), \
	BOTH(w, "gue, 4 in 6", 0, VIP(GUE_TO_V6), STAND_IN, PORT_GUE_TO_V6, v6), \
	BOTH(w, "gue, 6 in 6", 1, VIP6(GUE_TO_V6), "fd00::1:12", PORT_GUE_TO_V6, v6), \
}

/* "10.0.1.11" with the port of "192.0.2.10:80". */
static const char *with_port(const char *address, const char *of, char buffer[64])
{
	bool ipv6 = strchr(address, ':');

	snprintf(buffer, 64, ipv6 ? "[%s]%s" : "%s%s", address, strrchr(of, ':'));
	return buffer;
}

static const char *client_of(const struct way *way)
{
	return *way->service == '[' ? CLIENT6 : CLIENT;
}

static struct frame *packet(const struct way *way, const char *from, const char *to, unsigned int flags, size_t bytes)
{
	return payload(way->udp ? udp(from, to) : tcp(from, to, flags), bytes);
}

static struct frame *probe_of(const struct way *way, unsigned int flags, size_t bytes)
{
	char peer[64];

	return packet(way, client_of(way), with_port(way->peer, way->service, peer), flags, bytes);
}

static void same_frame(const struct way *way, const char *what, const struct frame *expected, const struct frame *got)
{
	if (frames_equal(expected, got))
		return;
	frames_print_difference(expected, got);
	fail_msg("%s: %s", way->sentence, what);
}

/* XDP_TX is to go on by the same interface. */
static int verdict_like(int xdp)
{
	return xdp == XDP_TX ? TC_ACT_OK : xdp == XDP_REDIRECT ? TC_ACT_REDIRECT : -2;
}

static void a_probe_leaves_as_xdp_shunt_would_send_it(void **state)
{
	struct probes *p = *state;
	const struct way ways[] = WAYS(p->w);

	for (size_t i = 0; i < N(ways); i++) {
		uint32_t key = path_of(p, ways[i].id, ways[i].backend, ways[i].peer);
		uint32_t mark = paths_mark(p->paths, key, SHUNT_PROBE_SERVICE);

		for (size_t bytes = 0; bytes < 300; bytes += 99) {
			unsigned int flags = bytes ? ACK : SYN;
			struct outcome traffic =
				fixture_run(&p->w->f, packet(&ways[i], client_of(&ways[i]), ways[i].service, flags, bytes));
			struct outcome probe = run(p, p->egress, probe_of(&ways[i], flags, bytes), mark);

			same_frame(&ways[i], "as traffic", traffic.frame, probe.frame);
			assert_true(checksums_right(probe.frame));
			assert_int_equal(probe.verdict, verdict_like(traffic.verdict));
		}
	}
}

/* The frame without what is in front of the packet inside. */
static struct frame *inner_of(const struct way *way, const struct frame *frame, size_t inner_len)
{
	struct frame *inner = copy(frame);
	size_t outer_len = frame->len - ETHERNET_LEN - inner_len;

	memmove(inner->byte + ETHERNET_LEN, frame->byte + ETHERNET_LEN + outer_len, inner_len);
	inner->len = ETHERNET_LEN + inner_len;
	inner->byte[12] = *way->service == '[' ? 0x86 : 0x08;
	inner->byte[13] = *way->service == '[' ? 0xdd : 0x00;
	return inner;
}

static void a_padded_probe_is_as_large_as_traffic_can_be_and_whole(void **state)
{
	struct probes *p = *state;
	const struct way ways[] = WAYS(p->w);

	for (size_t i = 0; i < N(ways); i++) {
		uint32_t key = path_of(p, ways[i].id, ways[i].backend, ways[i].peer);
		struct outcome probe = run(p, p->egress, probe_of(&ways[i], SYN, ways[i].udp ? 33 : 0),
					   paths_mark(p->paths, key, SHUNT_PROBE_PADDED));
		struct frame *inner = macs(inner_of(&ways[i], probe.frame, LARGEST), link_mac[LINK_IN], link_mac[LINK_IN]);
		struct outcome traffic = fixture_run(&p->w->f, inner);

		assert_true(checksums_right(inner));
		assert_true(checksums_right(probe.frame));
		same_frame(&ways[i], "padded, as traffic", traffic.frame, probe.frame);
		assert_int_equal(probe.verdict, verdict_like(traffic.verdict));
	}
}

/* What follows a SYN is as large as it is: its data are the program's. */
static void only_what_opens_a_probe_is_padded(void **state)
{
	struct probes *p = *state;
	const struct way way = {"ipip", VIP(TO_V4), "10.0.1.11", p->w->tcp[0][PORT_IPIP_TO_V4], p->w->v4, false};
	uint32_t mark = paths_mark(p->paths, path_of(p, way.id, way.backend, way.peer), SHUNT_PROBE_PADDED);
	const unsigned int flags[] = {ACK, ACK | RST, ACK | FIN, SYN | ACK};

	for (size_t i = 0; i < N(flags); i++) {
		struct frame *in = probe_of(&way, flags[i], 10);

		assert_int_equal(run(p, p->egress, in, mark).frame->len, in->len + 20);
	}
}

static void the_question_to_the_tunnel_keeps_its_destination(void **state)
{
	struct probes *p = *state;
	const struct way way = {"ipip", VIP(TO_V4), "10.0.1.11", p->w->tcp[0][PORT_IPIP_TO_V4], p->w->v4, false};
	uint32_t key = path_of(p, way.id, way.backend, way.peer);
	struct frame *in = probe_of(&way, SYN, 0);
	struct outcome probe = run(p, p->egress, in, paths_mark(p->paths, key, SHUNT_PROBE_TUNNEL));

	same_frame(&way, "inside", macs(in, link_mac[0], link_mac[0]), macs(inner_of(&way, probe.frame, in->len - ETHERNET_LEN),
									     link_mac[0], link_mac[0]));
	assert_memory_equal(probe.frame->byte + ETHERNET_LEN + 16, "\x0a\x00\x01\x0b", 4);
}

static void nat_leaves_a_probe_as_it_is_but_for_the_next_hop(void **state)
{
	struct probes *p = *state;
	uint32_t group = fixture_group(&p->w->f, 77), id;
	struct frame *in = tcp(CLIENT, "10.0.1.11:8080", SYN);
	uint8_t mac[MAC_LEN];
	struct outcome probe;

	fixture_slots(&p->w->f, group, settled(p->w->v4));
	id = fixture_nat(&p->w->f, IPPROTO_TCP, "192.0.2.77:80", group, p->w->v4, 8080);
	probe = run(p, p->egress, in, paths_mark(p->paths, path_of(p, id, p->w->v4, "10.0.1.11"), SHUNT_PROBE_SERVICE));
	backend_mac(p->w->v4, mac);
	assert_int_equal(probe.verdict, TC_ACT_OK);
	assert_true(frames_equal(macs(in, mac, link_mac[LINK_IN]), probe.frame));
}

/* ---- answers ---- */

static void an_answer_of_the_service_becomes_one_of_the_peer(void **state)
{
	struct probes *p = *state;
	const struct way ways[] = WAYS(p->w);

	for (size_t i = 0; i < N(ways); i++) {
		uint32_t key = path_of(p, ways[i].id, ways[i].backend, ways[i].peer);
		char peer[64];
		struct outcome got;

		run(p, p->egress, probe_of(&ways[i], SYN, 0), paths_mark(p->paths, key, SHUNT_PROBE_SERVICE));
		got = run(p, p->ingress, packet(&ways[i], ways[i].service, client_of(&ways[i]), SYN | ACK, 21), 0);
		same_frame(&ways[i], "its answer",
			   packet(&ways[i], with_port(ways[i].peer, ways[i].service, peer), client_of(&ways[i]), SYN | ACK, 21),
			   got.frame);
		assert_int_equal(got.verdict, TC_ACT_UNSPEC);
	}
}

/* ---- what is not theirs ---- */

static void other_packets_are_not_touched(void **state)
{
	struct probes *p = *state;
	const struct way way = {"ipip", VIP(TO_V4), "10.0.1.11", p->w->tcp[0][PORT_IPIP_TO_V4], p->w->v4, false};
	uint32_t mark = paths_mark(p->paths, path_of(p, way.id, way.backend, way.peer), SHUNT_PROBE_SERVICE);
	struct frame *probe = probe_of(&way, SYN, 0);
	const struct {
		const char *sentence;
		int program;
		struct frame *in;
		uint32_t mark;
		int verdict;
	} cases[] = {
		{"without a mark", p->egress, probe, 0, TC_ACT_UNSPEC},
		{"with an operator's mark", p->egress, probe, 1, TC_ACT_UNSPEC},
		{"with the mark of another controller", p->egress, probe, mark ^ 1U << SHUNT_PROBE_TAG_SHIFT, TC_ACT_UNSPEC},
		{"of a check that is gone", p->egress, probe, mark ^ 4000U << SHUNT_PROBE_KEY_SHIFT, TC_ACT_SHOT},
		{"that is no TCP nor UDP", p->egress, icmp(CLIENT_HOST, "10.0.1.11", 8, 0), mark, TC_ACT_SHOT},
		{"an answer to nobody", p->ingress, tcp(VIP(TO_V4), "198.51.100.7:4999", SYN | ACK), 0, TC_ACT_UNSPEC},
		{"an answer of another service", p->ingress, tcp("192.0.2.99:81", CLIENT, SYN | ACK), 0, TC_ACT_UNSPEC},
		{"IPv4 options", p->ingress, options(tcp(VIP(TO_V4), CLIENT, SYN | ACK), 4), 0, TC_ACT_UNSPEC},
		{"a fragment", p->ingress, fragment(tcp(VIP(TO_V4), CLIENT, SYN | ACK), 0, true), 0, TC_ACT_UNSPEC},
		{"no IP", p->ingress, ethernet(0x88cc, 50), 0, TC_ACT_UNSPEC},
		{"a truncated one", p->ingress, cut(tcp(VIP(TO_V4), CLIENT, SYN | ACK), 36), 0, TC_ACT_UNSPEC},
	};

	run(p, p->egress, probe, mark); /* its answer would be known */
	for (size_t i = 0; i < N(cases); i++) {
		struct outcome got = run(p, cases[i].program, cases[i].in, cases[i].mark);

		print_message("  %s\n", cases[i].sentence);
		assert_int_equal(got.verdict, cases[i].verdict);
		assert_true(frames_equal(cases[i].in, got.frame));
	}
}

/* Otherwise it would leave by the route of its stand-in, which has nothing to do with the backend. */
static void without_a_next_hop_a_probe_goes_as_the_kernel_sends_it_to_the_backend_itself_or_not_at_all(void **state)
{
	struct probes *p = *state;
	const struct way way = {"l2", VIP(NO_NEXT_HOP), "10.0.1.15", p->w->tcp[0][PORT_NO_NEXT_HOP], p->w->no_next_hop, false};
	uint32_t key = path_of(p, way.id, way.backend, way.peer);

	assert_int_equal(run(p, p->egress, probe_of(&way, SYN, 0), paths_mark(p->paths, key, SHUNT_PROBE_SERVICE)).verdict,
			 TC_ACT_OK);
	key = path_of(p, way.id, way.backend, STAND_IN);
	assert_int_equal(run(p, p->egress, probe_of(&way, SYN, 0), paths_mark(p->paths, key, SHUNT_PROBE_SERVICE)).verdict,
			 TC_ACT_SHOT);
}

/* ---- on interfaces ---- */

static void closing_takes_the_programs_off_and_opening_replaces_what_a_killed_one_left(void **state)
{
	struct probes *p = *state;
	int ifindex = p->w->f.ifindex[LINK_OUT], first, second;
	uint32_t tag = tag_of(p->paths);
	struct paths *again;

	assert_int_equal(paths_attach(p->paths, ifindex), 0);
	assert_int_equal(paths_attach(p->paths, ifindex), 0); /* is there */
	first = filter_program(ifindex, BPF_TC_EGRESS, tag);
	assert_return_code(first, 0);
	assert_int_equal(paths_open(p->w->f.datapath, p->paths, &again), 0);
	p->paths = again;
	second = filter_program(ifindex, BPF_TC_EGRESS, tag);
	assert_return_code(second, 0);
	close(first);
	close(second);
	paths_sweep(FIXTURE_BPF_DIR "-other");
	second = filter_program(ifindex, BPF_TC_EGRESS, tag);
	assert_return_code(second, 0); /* another instance's */
	close(second);
	paths_sweep(FIXTURE_BPF_DIR);
	assert_int_equal(filter_program(ifindex, BPF_TC_EGRESS, tag), -1);
	assert_int_equal(filter_program(ifindex, BPF_TC_INGRESS, tag), -1);
}

/* The hook is everybody's. */
static void the_hook_stays_as_long_as_others_have_filters_at_it(void **state)
{
	struct probes *p = *state;
	int ifindex = p->w->f.ifindex[LINK_OUT];
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, others, .handle = 1, .priority = 1, .prog_fd = p->egress);
	LIBBPF_OPTS(bpf_tc_opts, same, .handle = 1, .priority = 1);
	char name[IF_NAMESIZE];

	if_indextoname(ifindex, name);
	assert_int_equal(paths_attach(p->paths, ifindex), 0);
	assert_int_equal(bpf_tc_attach(&hook, &others), 0);
	paths_sweep(FIXTURE_BPF_DIR);
	assert_int_equal(bpf_tc_query(&hook, &same), 0);
	same.prog_id = 0;
	assert_int_equal(bpf_tc_detach(&hook, &same), 0);
	paths_close(p->paths);
	assert_int_equal(paths_open(p->w->f.datapath, NULL, &p->paths), 0);
	assert_int_equal(paths_attach(p->paths, ifindex), 0);
	paths_sweep(FIXTURE_BPF_DIR);
	shell("! tc qdisc show dev %s | grep -q clsact", name);
}

static void the_verifier_walks_less_than_its_limit(void **state)
{
	const struct probes *p = *state;
	const struct {
		const char *name;
		int program;
	} programs[] = {{SHUNT_PROBE_EGRESS, p->egress}, {SHUNT_PROBE_INGRESS, p->ingress}};

	for (size_t i = 0; i < N(programs); i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(programs[i].program, &info, &len), 0);
		print_message("  %s: %u instructions verified, %u bytes xlated, %u bytes jited\n", programs[i].name,
			      info.verified_insns, info.xlated_prog_len, info.jited_prog_len);
		assert_in_range(info.verified_insns, 1, VERIFIED_MAX - 1);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_probe_leaves_as_xdp_shunt_would_send_it),
		TEST(a_padded_probe_is_as_large_as_traffic_can_be_and_whole),
		TEST(only_what_opens_a_probe_is_padded),
		TEST(the_question_to_the_tunnel_keeps_its_destination),
		TEST(nat_leaves_a_probe_as_it_is_but_for_the_next_hop),
		TEST(an_answer_of_the_service_becomes_one_of_the_peer),
		TEST(other_packets_are_not_touched),
		TEST(without_a_next_hop_a_probe_goes_as_the_kernel_sends_it_to_the_backend_itself_or_not_at_all),
		TEST(the_hook_stays_as_long_as_others_have_filters_at_it),
		TEST(the_verifier_walks_less_than_its_limit),
		TEST(closing_takes_the_programs_off_and_opening_replaces_what_a_killed_one_left),
	};

	fixture_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
