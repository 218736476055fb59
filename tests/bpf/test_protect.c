/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is denied, who is allowed, and how many new flows a service and each of its clients may begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include <shunt/bucket.h>

#include "../lib/packet_odd.h"
#include "../lib/world.h"
#include "datapath/internal.h"
#include "net/address.h"

#define FEATURES (SHUNT_FEATURE_ANY_PORT | SHUNT_FEATURE_DENY | SHUNT_FEATURE_ALLOW | SHUNT_FEATURE_LIMIT)
#define GUARDED "90"
#define MANY 100000
#define NS_PER_S 1000000000ULL
#define MINUTE_NS (60 * NS_PER_S)
#define MINUTE (MINUTE_NS >> SHUNT_DUE_SHIFT) /* of a client's bucket */

struct guarded_world {
	struct world w;
	uint32_t backend, plain[2], guarded[2], udp[2]; /* services, by family */
};

static int setup_with(void **state, uint32_t features, uint32_t flags)
{
	struct guarded_world *g = calloc(1, sizeof(*g));
	struct datapath_options options = fixture_defaults;
	struct fixture *f = &g->w.f;
	uint32_t group;

	options.features = features;
	options.client_table_size = 1024;
	fixture_open(f, &options);
	group = fixture_group(f, 1);
	g->backend = fixture_backend(f, "10.0.1.11", LINK_IN);
	fixture_slots(f, group, settled(g->backend));
	g->plain[0] = fixture_service(f, IPPROTO_TCP, VIP(L2), group, SHUNT_FORWARD_IPIP, 0);
	g->plain[1] = fixture_service(f, IPPROTO_TCP, VIP6(L2), group, SHUNT_FORWARD_IPIP, 0);
	g->guarded[0] = fixture_service(f, IPPROTO_TCP, VIP(GUARDED), group, SHUNT_FORWARD_IPIP, flags);
	g->guarded[1] = fixture_service(f, IPPROTO_TCP, VIP6(GUARDED), group, SHUNT_FORWARD_IPIP, flags);
	g->udp[0] = fixture_service(f, IPPROTO_UDP, VIP(GUARDED), group, SHUNT_FORWARD_IPIP, flags);
	g->udp[1] = fixture_service(f, IPPROTO_UDP, VIP6(GUARDED), group, SHUNT_FORWARD_IPIP, flags);
	*state = g;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, FEATURES, 0);
}

static int setup_denying(void **state)
{
	return setup_with(state, FEATURES, SHUNT_SERVICE_DENY);
}

static int setup_allowing(void **state)
{
	return setup_with(state, FEATURES, SHUNT_SERVICE_ALLOW);
}

static int setup_allowing_all(void **state)
{
	return setup_with(state, FEATURES | SHUNT_FEATURE_ALLOW_ALL, 0);
}

static int setup_limiting(void **state)
{
	return setup_with(state, FEATURES, SHUNT_SERVICE_LIMIT);
}

static int setup_remembering(void **state)
{
	return setup_with(state, FEATURES, SHUNT_SERVICE_DENY | SHUNT_SERVICE_LIMIT | SHUNT_SERVICE_TRACK_ALWAYS);
}

static int setup_without(void **state)
{
	return setup_with(state, 0, SHUNT_SERVICE_DENY | SHUNT_SERVICE_ALLOW | SHUNT_SERVICE_LIMIT);
}

static int teardown(void **state)
{
	struct guarded_world *g = *state;

	fixture_close(&g->w.f);
	free(g);
	return 0;
}

static struct shunt_list_key prefix(const char *text, uint32_t service)
{
	struct shunt_addr address;
	uint8_t length;

	assert_int_equal(address_prefix_parse(text, &address, &length), 0);
	return datapath_prefix_key(&address, length, service);
}

static void set_list(struct guarded_world *g, enum datapath_list list, struct shunt_list_key *keys, size_t n)
{
	assert_int_equal(datapath_set_prefixes(g->w.f.datapath, list, keys, n, false), 0);
}

#define SET(g, which, ...) \
	set_list(g, which, (struct shunt_list_key[]){__VA_ARGS__}, N(((struct shunt_list_key[]){__VA_ARGS__})))

static struct packet_case goes(struct guarded_world *g, const char *sentence, struct frame *in, uint32_t service)
{
	return forwards(&g->w, sentence, in, service, g->backend);
}

/* ---- deny ---- */

static void a_denied_client_is_dropped_whatever_it_sends_to_a_service(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_list_key eight;

	SET(g, DATAPATH_DENY, prefix("198.51.100.0/25", 0), prefix("203.0.113.9/32", 0), prefix("10.0.0.0/8", 0),
	    prefix("2001:db8:bad::/48", 0), prefix("2001:db9::/32", 0), prefix("2620::/16", 0),
	    prefix("2001:db8:c::7/128", 0));
	const struct packet_case cases[] = {
		drops("a SYN", tcp(CLIENT, VIP(L2), SYN), SHUNT_DROP_DENIED),
		drops("of an established flow", tcp(CLIENT, VIP(L2), ACK), SHUNT_DROP_DENIED),
		drops("UDP", udp(CLIENT, VIP(GUARDED)), SHUNT_DROP_DENIED),
		drops("an echo request", echo(CLIENT_HOST, VIP_HOST, true), SHUNT_DROP_DENIED),
		drops("the last address of a /25", tcp("198.51.100.127:1", VIP(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "the first one behind it", tcp("198.51.100.128:1", VIP(L2), SYN), g->plain[0]),
		drops("a whole address", tcp("203.0.113.9:1", VIP(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "its neighbour", tcp("203.0.113.8:1", VIP(L2), SYN), g->plain[0]),
		drops("the first of a /8", tcp("10.0.0.1:1", VIP(L2), SYN), SHUNT_DROP_DENIED),
		drops("the last of a /8", tcp("10.255.255.254:1", VIP(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "behind the /8", tcp("11.0.0.1:1", VIP(L2), SYN), g->plain[0]),
		drops("an IPv6 host", tcp(CLIENT6, VIP6(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "its IPv6 neighbour", tcp("[2001:db8:c::8]:1", VIP6(L2), SYN), g->plain[1]),
		drops("a /48", udp("[2001:db8:bad:1::1]:1", VIP6(GUARDED)), SHUNT_DROP_DENIED),
		goes(g, "the /48 after it", tcp("[2001:db8:bae::1]:1", VIP6(L2), SYN), g->plain[1]),
		drops("a /32", tcp("[2001:db9:1::1]:1", VIP6(L2), SYN), SHUNT_DROP_DENIED),
		drops("a /16", tcp("[2620:1:2::1]:1", VIP6(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "behind the /16", tcp("[2621::1]:1", VIP6(L2), SYN), g->plain[1]),
		passes("to a port without service", tcp(CLIENT, VIP(UNUSED), SYN)),
		passes("to another address", tcp(CLIENT, "192.0.2.77:80", SYN)),
	};

	check_cases(&g->w, cases, N(cases));
	eight = prefix("10.0.0.0/8", 0);
	assert_int_equal(datapath_prefix_packets(g->w.f.datapath, &eight), 2);
}

static void everybody_of_a_family_can_be_denied_without_the_other(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case four[] = {
		drops("IPv4", tcp(CLIENT, VIP(L2), SYN), SHUNT_DROP_DENIED),
		goes(g, "IPv6", tcp(CLIENT6, VIP6(L2), SYN), g->plain[1]),
	}, six[] = {
		goes(g, "IPv4", tcp(CLIENT, VIP(L2), SYN), g->plain[0]),
		drops("IPv6", tcp(CLIENT6, VIP6(L2), SYN), SHUNT_DROP_DENIED),
	};

	SET(g, DATAPATH_DENY, prefix("0.0.0.0/0", 0));
	check_cases(&g->w, four, N(four));
	SET(g, DATAPATH_DENY, prefix("::/0", 0));
	check_cases(&g->w, six, N(six));
}

static void a_service_denies_for_itself(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case cases[] = {
		drops("its own list", tcp(CLIENT, VIP(GUARDED), SYN), SHUNT_DROP_DENIED),
		goes(g, "another service", tcp(CLIENT, VIP(L2), SYN), g->plain[0]),
		goes(g, "the other protocol of its port", udp(CLIENT, VIP(GUARDED)), g->udp[0]),
		drops("its own list, IPv6", tcp(CLIENT6, VIP6(GUARDED), SYN), SHUNT_DROP_DENIED),
		drops("the list of all", tcp("203.0.113.1:1", VIP(GUARDED), SYN), SHUNT_DROP_DENIED),
	};

	SET(g, DATAPATH_DENY, prefix("198.51.100.0/24", g->guarded[0]), prefix("2001:db8:c::/48", g->guarded[1]),
	    prefix("203.0.113.0/24", 0));
	check_cases(&g->w, cases, N(cases));
}

static void what_is_taken_off_the_list_is_served_again(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case denied = drops("on it", tcp(CLIENT, VIP(L2), ACK), SHUNT_DROP_DENIED);
	const struct packet_case served = goes(g, "off it", tcp(CLIENT, VIP(L2), ACK), g->plain[0]);

	SET(g, DATAPATH_DENY, prefix("198.51.100.0/24", 0), prefix("198.51.0.0/16", 0));
	SET(g, DATAPATH_DENY, prefix("198.51.0.0/16", 0), prefix("198.51.0.0/16", 0));
	check_cases(&g->w, &denied, 1);
	fixture_reopen(&g->w.f);
	check_cases(&g->w, &denied, 1);
	set_list(g, DATAPATH_DENY, NULL, 0);
	check_cases(&g->w, &served, 1);
}

static void a_hundred_thousand_prefixes_deny_exactly_their_own(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_list_key *keys = calloc(MANY, sizeof(*keys));
	struct packet_case cases[200];

	/* Every other /32 of a range, and every other /64 behind. */
	for (uint32_t i = 0; i < MANY; i++) {
		char text[64];

		if (i % 2)
			snprintf(text, sizeof(text), "100.%u.%u.%u/32", 64 + (i >> 16), i >> 8 & 255, i & 255);
		else
			snprintf(text, sizeof(text), "2001:db8:%x:%x::/64", i >> 8, i & 255);
		keys[i] = prefix(text, 0);
	}
	set_list(g, DATAPATH_DENY, keys, MANY);
	free(keys);
	for (uint32_t i = 1, n = 0; n < N(cases); i += 997, n += 2) {
		char in4[64], in6[64];
		struct packet_case *c = &cases[n];

		snprintf(in4, sizeof(in4), "100.%u.%u.%u:9", 64 + (i >> 16), i >> 8 & 255, i & 255);
		snprintf(in6, sizeof(in6), "[2001:db8:%x:%x::9]:9", i >> 8, i & 255);
		c[0] = i % 2 ? drops(in4, tcp(in4, VIP(L2), ACK), SHUNT_DROP_DENIED)
			     : goes(g, in4, tcp(in4, VIP(L2), ACK), g->plain[0]);
		c[1] = i % 2 ? goes(g, in6, tcp(in6, VIP6(L2), ACK), g->plain[1])
			     : drops(in6, tcp(in6, VIP6(L2), ACK), SHUNT_DROP_DENIED);
		c[0].sentence = c[1].sentence = "every 997th";
	}
	check_cases(&g->w, cases, N(cases));
}

/* ---- allow ---- */

static void a_service_with_a_list_serves_nobody_else(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case cases[] = {
		goes(g, "on the list", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		drops("not on it", tcp("203.0.113.1:1", VIP(GUARDED), SYN), SHUNT_DROP_NOT_ALLOWED),
		drops("not on it, established", tcp("203.0.113.1:1", VIP(GUARDED), ACK), SHUNT_DROP_NOT_ALLOWED),
		drops("an empty list", udp(CLIENT, VIP(GUARDED)), SHUNT_DROP_NOT_ALLOWED),
		goes(g, "a service without list", tcp("203.0.113.1:1", VIP(L2), SYN), g->plain[0]),
		goes(g, "on the list, IPv6", tcp(CLIENT6, VIP6(GUARDED), SYN), g->guarded[1]),
		drops("not on it, IPv6", tcp("[2001:db8:d::1]:1", VIP6(GUARDED), SYN), SHUNT_DROP_NOT_ALLOWED),
		drops("denied goes before allowed", tcp("198.51.100.66:1", VIP(GUARDED), SYN), SHUNT_DROP_DENIED),
	};

	SET(g, DATAPATH_ALLOW, prefix("198.51.100.0/24", g->guarded[0]), prefix("2001:db8:c::/48", g->guarded[1]));
	SET(g, DATAPATH_DENY, prefix("198.51.100.66/32", 0));
	check_cases(&g->w, cases, N(cases));
}

static void a_list_of_all_services_keeps_everybody_else_out(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case cases[] = {
		goes(g, "on the list", tcp(CLIENT, VIP(L2), SYN), g->plain[0]),
		drops("not on it", tcp("203.0.113.1:1", VIP(L2), SYN), SHUNT_DROP_NOT_ALLOWED),
		drops("an echo request", echo("203.0.113.1", VIP_HOST, true), SHUNT_DROP_NOT_ALLOWED),
		drops("IPv6", tcp(CLIENT6, VIP6(L2), SYN), SHUNT_DROP_NOT_ALLOWED),
		passes("not for a service", tcp("203.0.113.1:1", VIP(UNUSED), SYN)),
	};

	SET(g, DATAPATH_ALLOW, prefix("198.51.100.0/24", 0));
	check_cases(&g->w, cases, N(cases));
}

/* ---- limits ---- */

/* As the controller does. */
static void limit_service(struct guarded_world *g, uint32_t service, struct shunt_limit limit)
{
	limit.client_most = limit.client_interval + limit.client_burst + (NS_PER_S >> SHUNT_DUE_SHIFT);
	datapath_set_limit(g->w.f.datapath, service, &limit);
}

static void set_limit(struct guarded_world *g, struct shunt_limit limit)
{
	for (int i = 0; i < 2; i++) {
		limit_service(g, g->guarded[i], limit);
		limit_service(g, g->udp[i], limit);
	}
}

static int64_t coarse_clock_ns(void)
{
	struct timespec now;

	assert_return_code(clock_gettime(CLOCK_MONOTONIC_COARSE, &now), errno);
	return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

/* By the bucket that the packet sets anew. The kernel's coarse clock is now and then one tick ahead of its own number of ticks. */
static void the_time_of_a_packet_is_that_of_the_last_tick(void **state)
{
	struct guarded_world *g = *state;
	struct datapath *d = g->w.f.datapath;
	struct timespec tick;
	int64_t behind_most = INT64_MIN, ahead_most = INT64_MIN;

	assert_return_code(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), errno);
	set_limit(g, (struct shunt_limit){.interval_ns = NS_PER_S});
	for (int i = 0; i < 40; i++) {
		const struct packet_case syn[] = {goes(g, "begins a flow", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0])};
		int64_t before, time, after;

		d->limits[g->guarded[0]].due_ns = 0;
		before = coarse_clock_ns();
		check_cases(&g->w, syn, 1);
		after = coarse_clock_ns();
		time = d->limits[g->guarded[0]].due_ns - NS_PER_S;
		behind_most = before - time > behind_most ? before - time : behind_most;
		ahead_most = time - after > ahead_most ? time - after : ahead_most;
		(void)nanosleep(&(struct timespec){.tv_nsec = tick.tv_nsec * 7 / 10}, NULL);
	}
	print_message("  a tick is %.1f ms; packets are behind the coarse clock by %.3f ms at most, ahead by %.3f\n", tick.tv_nsec / 1e6,
		      behind_most / 1e6, ahead_most / 1e6);
	assert_true(behind_most < tick.tv_nsec * 3 / 2 && ahead_most < tick.tv_nsec * 3 / 2);
}

/* So slow that no new flow is due again within the test. */
static void over_its_limit_a_service_begins_no_more_flows(void **state)
{
	struct guarded_world *g = *state;

	set_limit(g, (struct shunt_limit){.interval_ns = MINUTE_NS, .burst_ns = MINUTE_NS});
	const struct packet_case cases[] = {
		goes(g, "the first", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		goes(g, "the burst", tcp("203.0.113.1:1", VIP(GUARDED), SYN), g->guarded[0]),
		drops("over it", tcp("203.0.113.2:1", VIP(GUARDED), SYN), SHUNT_DROP_SERVICE_LIMIT),
		drops("again", tcp(CLIENT, VIP(GUARDED), SYN), SHUNT_DROP_SERVICE_LIMIT),
		goes(g, "an established flow", tcp(CLIENT, VIP(GUARDED), ACK), g->guarded[0]),
		goes(g, "the end of one", tcp(CLIENT, VIP(GUARDED), FIN | ACK), g->guarded[0]),
		goes(g, "UDP tells no new flows", udp(CLIENT, VIP(GUARDED)), g->udp[0]),
		goes(g, "a service without limit", tcp(CLIENT, VIP(L2), SYN), g->plain[0]),
		goes(g, "another service has its own", tcp(CLIENT6, VIP6(GUARDED), SYN), g->guarded[1]),
	};

	check_cases(&g->w, cases, N(cases));
}

static void over_its_limit_a_client_begins_no_more_flows_while_others_do(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_limit limit = {.client_interval = MINUTE, .client_burst = MINUTE};
	const uint8_t mask[16] = {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0};

	memcpy(limit.client_mask, mask, 16);
	limit_service(g, g->guarded[1], limit);
	memset(limit.client_mask, 255, 16);
	limit_service(g, g->guarded[0], limit);
	const struct packet_case cases[] = {
		goes(g, "the first", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		goes(g, "the burst, from another port", tcp("198.51.100.7:5", VIP(GUARDED), SYN), g->guarded[0]),
		drops("over it", tcp("198.51.100.7:6", VIP(GUARDED), SYN), SHUNT_DROP_CLIENT_LIMIT),
		goes(g, "its neighbour", tcp("198.51.100.8:6", VIP(GUARDED), SYN), g->guarded[0]),
		goes(g, "its established flow", tcp(CLIENT, VIP(GUARDED), ACK), g->guarded[0]),
		goes(g, "IPv6", tcp(CLIENT6, VIP6(GUARDED), SYN), g->guarded[1]),
		goes(g, "the burst of a /64", tcp("[2001:db8:c::8]:6", VIP6(GUARDED), SYN), g->guarded[1]),
		drops("over it", tcp("[2001:db8:c::ffff:9]:6", VIP6(GUARDED), SYN), SHUNT_DROP_CLIENT_LIMIT),
		goes(g, "the next /64", tcp("[2001:db8:c:1::9]:6", VIP6(GUARDED), SYN), g->guarded[1]),
	};

	check_cases(&g->w, cases, N(cases));
}

static void a_limited_client_does_not_use_up_what_the_service_has_for_others(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_limit limit = {.interval_ns = MINUTE_NS, .burst_ns = MINUTE_NS,
				    .client_interval = MINUTE};

	memset(limit.client_mask, 255, 16);
	set_limit(g, limit);
	const struct packet_case cases[] = {
		goes(g, "one", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		drops("too many of one client", tcp(CLIENT, VIP(GUARDED), SYN), SHUNT_DROP_CLIENT_LIMIT),
		drops("and again", tcp(CLIENT, VIP(GUARDED), SYN), SHUNT_DROP_CLIENT_LIMIT),
		goes(g, "another client", tcp("203.0.113.1:1", VIP(GUARDED), SYN), g->guarded[0]),
		drops("one too many of the service", tcp("203.0.113.2:1", VIP(GUARDED), SYN), SHUNT_DROP_SERVICE_LIMIT),
	};

	check_cases(&g->w, cases, N(cases));
}

/* ---- how exact a client's limit is ---- */

enum { CLIENTS = 32, RATE = 200, BURST = 150, ACCURACY_MS = 2000 };
#define CLIENT_INTERVAL (NS_PER_S / RATE >> SHUNT_DUE_SHIFT)

struct accuracy {
	uint64_t passed[CLIENTS], began_ns, ended_ns, before_ns, longest_gap_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* One SYN of each client, of any address of its prefix (of the IPv6 client's /64), from any port. */
static void a_round(struct guarded_world *g, struct accuracy *a, bool ipv4, uint32_t round)
{
	char from[64];

	for (uint32_t i = 0; i < CLIENTS; i++) {
		if (ipv4)
			snprintf(from, sizeof(from), "198.51.100.%u:%u", i + 1, 1024 + round % 60000);
		else
			snprintf(from, sizeof(from), "[2001:db8:c:%x::%x]:%u", i + 1, round * 7919 & 0xffff, 1024 + round % 60000);
		a->passed[i] += fixture_run_quietly(&g->w.f, tcp(from, ipv4 ? VIP(GUARDED) : VIP6(GUARDED), SYN)) == XDP_TX;
	}
	frames_free();
}

/* As fast as it goes, many times the rate of each. The longest time between two rounds says whether none had to wait. */
static struct accuracy flood_by_all(struct guarded_world *g, bool ipv4)
{
	struct accuracy a = {.began_ns = now_ns()};

	a.before_ns = a.began_ns;
	for (uint32_t round = 0; a.ended_ns < a.began_ns + ACCURACY_MS * 1000000ULL; round++) {
		a_round(g, &a, ipv4, round);
		a.ended_ns = now_ns();
		if (a.ended_ns - a.before_ns > a.longest_gap_ns)
			a.longest_gap_ns = a.ended_ns - a.before_ns;
		a.before_ns = a.ended_ns;
	}
	return a;
}

/*
 * Rate times time and the burst, no more; and no less, unless the test itself did not come to send for as long as the burst
 * lasts. Both ends of the time are known to a round.
 */
static void each_client_has_its_rate_and_no_more(struct guarded_world *g, bool ipv4)
{
	struct accuracy a = flood_by_all(g, ipv4);
	double seconds = (a.ended_ns - a.began_ns) / 1e9, round = a.longest_gap_ns / 1e9, ideal = BURST + RATE * seconds;
	uint64_t least = UINT64_MAX, most = 0;

	for (uint32_t i = 0; i < CLIENTS; i++) {
		least = a.passed[i] < least ? a.passed[i] : least;
		most = a.passed[i] > most ? a.passed[i] : most;
	}
	print_message("  IPv%c: %d clients, %d a second each, burst %d, for %.3f s: %" PRIu64 " to %" PRIu64 " passed, ideal %.1f "
		      "(%+.2f %% to %+.2f %%)\n",
		      ipv4 ? '4' : '6', CLIENTS, RATE, BURST, seconds, least, most, ideal, (least / ideal - 1) * 100,
		      (most / ideal - 1) * 100);
	assert_true(most <= ideal + 1);
	if (round < (double)BURST / RATE)
		assert_true(least >= ideal - RATE * round - 2);
	else
		print_message("  the machine was too busy to say what is least: %.0f ms without a packet\n", round * 1000);
}

static void every_client_has_its_rate_whatever_the_others_do(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_limit limit = {.client_interval = CLIENT_INTERVAL, .client_burst = (BURST - 1) * CLIENT_INTERVAL};

	memset(limit.client_mask, 255, 16);
	limit_service(g, g->guarded[0], limit);
	limit.client_mask[1] = 0; /* of IPv6 a /64 */
	limit_service(g, g->guarded[1], limit);
	each_client_has_its_rate_and_no_more(g, true);
	each_client_has_its_rate_and_no_more(g, false);
}

static void a_flood_of_clients_that_come_once_does_not_free_the_one_that_came_often(void **state)
{
	struct guarded_world *g = *state;
	struct shunt_limit limit = {.client_interval = MINUTE, .client_burst = 9 * MINUTE};
	const struct packet_case over = drops("still over", tcp(CLIENT, VIP(GUARDED), SYN), SHUNT_DROP_CLIENT_LIMIT);
	struct frame *often = tcp(CLIENT, VIP(GUARDED), SYN), *once = tcp("100.64.0.0:1", VIP(GUARDED), SYN);

	memset(limit.client_mask, 255, 16);
	set_limit(g, limit);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fixture_run_quietly(&g->w.f, often), XDP_TX);
	for (uint32_t i = 0; i < 20000; i++)
		fixture_run_quietly(&g->w.f, poke_ip(once, ETHERNET_LEN + 12, 4, 100U << 24 | 64 << 16 | i));
	check_cases(&g->w, &over, 1);
}

static void explaining_takes_nothing_from_a_limit(void **state)
{
	struct guarded_world *g = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP, .destination_port = 90, .starts = true};
	struct shunt_limit limit = {.interval_ns = MINUTE_NS, .client_interval = MINUTE};
	const struct packet_case first = goes(g, "the first", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]);
	struct shunt_explanation explanation;

	memset(limit.client_mask, 255, 16);
	set_limit(g, limit);
	assert_int_equal(address_parse(CLIENT_HOST, &flow.source), 0);
	assert_int_equal(address_parse(VIP_HOST, &flow.destination), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(datapath_explain(g->w.f.datapath, &flow, &explanation), 0);
		assert_int_equal(explanation.reason, SHUNT_DROP_NONE);
	}
	check_cases(&g->w, &first, 1);
	assert_int_equal(datapath_explain(g->w.f.datapath, &flow, &explanation), 0);
	assert_int_equal(explanation.reason, SHUNT_DROP_CLIENT_LIMIT);
}

static void explaining_counts_nobody_as_denied(void **state)
{
	struct guarded_world *g = *state;
	struct datapath_flow flow = {.protocol = IPPROTO_TCP, .destination_port = 80, .starts = true};
	const struct shunt_list_key denied = prefix("198.51.100.0/24", 0);
	struct shunt_explanation explanation;

	SET(g, DATAPATH_DENY, denied);
	assert_int_equal(address_parse(CLIENT_HOST, &flow.source), 0);
	assert_int_equal(address_parse(VIP_HOST, &flow.destination), 0);
	assert_int_equal(datapath_explain(g->w.f.datapath, &flow, &explanation), 0);
	assert_int_equal(explanation.reason, SHUNT_DROP_DENIED);
	assert_int_equal(datapath_prefix_packets(g->w.f.datapath, &denied), 0);
	assert_int_equal(fixture_run_quietly(&g->w.f, tcp(CLIENT, VIP(L2), SYN)), XDP_DROP);
	assert_int_equal(datapath_prefix_packets(g->w.f.datapath, &denied), 1);
}

/* ---- what cannot be ---- */

/*
 * It goes before any list, bucket or table is asked: else a stranger could use up others' new flows, fill the flow table or
 * claim fragments with packets of sources that nobody has.
 */
static void what_cannot_be_touches_no_state(void **state)
{
	const uint8_t everybody[MAC_LEN] = {255, 255, 255, 255, 255, 255};
	struct guarded_world *g = *state;
	const struct frame *datagram = payload(udp("127.0.0.1:4000", VIP(GUARDED)), 1000);
	struct shunt_limit limit = {.interval_ns = MINUTE_NS, .client_interval = MINUTE};
	const struct packet_case cannot_be[] = {
		drops("a source that nobody has", tcp("127.0.0.1:1", VIP(GUARDED), SYN), SHUNT_DROP_MARTIAN),
		drops("a source that nobody has, IPv6", tcp("[::1]:1", VIP6(GUARDED), SYN), SHUNT_DROP_MARTIAN),
		drops("land", tcp(VIP(GUARDED), VIP(GUARDED), SYN), SHUNT_DROP_LAND),
		drops("land, IPv6", tcp(VIP6(GUARDED), VIP6(GUARDED), SYN), SHUNT_DROP_LAND),
		drops("SYN and FIN", tcp(CLIENT, VIP(GUARDED), SYN | FIN), SHUNT_DROP_TCP_FLAGS),
		drops("SYN and FIN, IPv6", tcp(CLIENT6, VIP6(GUARDED), SYN | FIN), SHUNT_DROP_TCP_FLAGS),
		drops("TTL 0", ttl(tcp(CLIENT, VIP(GUARDED), SYN), 0), SHUNT_DROP_TTL_ZERO),
		drops("hop limit 0", ttl(tcp(CLIENT6, VIP6(GUARDED), SYN), 0), SHUNT_DROP_TTL_ZERO),
		drops("a wrong checksum", poke(tcp(CLIENT, VIP(GUARDED), SYN), ETHERNET_LEN + 10, 2, 0x1234), SHUNT_DROP_IP_CHECKSUM),
		drops("a length that lies", cut(tcp(CLIENT, VIP(GUARDED), SYN), ETHERNET_LEN + 39), SHUNT_DROP_MALFORMED),
		drops("a length that lies, IPv6", cut(tcp(CLIENT6, VIP6(GUARDED), SYN), ETHERNET_LEN + 59), SHUNT_DROP_MALFORMED),
		drops("in a frame for many", macs(tcp(CLIENT, VIP(GUARDED), SYN), everybody, router_mac), SHUNT_DROP_LINK_GROUP),
		drops("a first fragment", piece(datagram, 7, 0, 504, true), SHUNT_DROP_MARTIAN),
		drops("what follows it", piece(datagram, 7, 504, 504, false), SHUNT_DROP_FRAGMENT_UNKNOWN),
	};
	const struct packet_case first[] = {
		goes(g, "the first that can be", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		goes(g, "the first that can be, IPv6", tcp(CLIENT6, VIP6(GUARDED), SYN), g->guarded[1]),
	};

	memset(limit.client_mask, 255, 16);
	set_limit(g, limit);
	SET(g, DATAPATH_DENY, prefix("127.0.0.0/8", 0), prefix("::/64", 0));
	check_cases(&g->w, cannot_be, N(cannot_be));
	assert_int_equal(fixture_flows_used(&g->w.f), 0);
	check_cases(&g->w, first, N(first));
	assert_int_equal(fixture_flows_used(&g->w.f), N(first));
}

/* ---- not used ---- */

static void a_program_without_these_features_looks_nothing_up(void **state)
{
	struct guarded_world *g = *state;
	const struct packet_case cases[] = {
		goes(g, "on a list", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
		goes(g, "over a limit", tcp(CLIENT, VIP(GUARDED), SYN), g->guarded[0]),
	};

	SET(g, DATAPATH_DENY, prefix("198.51.100.0/24", 0));
	set_limit(g, (struct shunt_limit){.interval_ns = MINUTE_NS});
	check_cases(&g->w, cases, N(cases));
}

int main(void)
{
#define test(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(a_denied_client_is_dropped_whatever_it_sends_to_a_service, setup),
		test(everybody_of_a_family_can_be_denied_without_the_other, setup),
		test(a_service_denies_for_itself, setup_denying),
		test(what_is_taken_off_the_list_is_served_again, setup),
		test(a_hundred_thousand_prefixes_deny_exactly_their_own, setup),
		test(a_service_with_a_list_serves_nobody_else, setup_allowing),
		test(a_list_of_all_services_keeps_everybody_else_out, setup_allowing_all),
		test(the_time_of_a_packet_is_that_of_the_last_tick, setup_limiting),
		test(over_its_limit_a_service_begins_no_more_flows, setup_limiting),
		test(over_its_limit_a_client_begins_no_more_flows_while_others_do, setup_limiting),
		test(a_limited_client_does_not_use_up_what_the_service_has_for_others, setup_limiting),
		test(every_client_has_its_rate_whatever_the_others_do, setup_limiting),
		test(a_flood_of_clients_that_come_once_does_not_free_the_one_that_came_often, setup_limiting),
		test(explaining_takes_nothing_from_a_limit, setup_limiting),
		test(explaining_counts_nobody_as_denied, setup),
		test(what_cannot_be_touches_no_state, setup_remembering),
		test(a_program_without_these_features_looks_nothing_up, setup_without),
	};

	fixture_isolate();
	return cmocka_run_group_tests_name("protect", tests, NULL, NULL);
}
