/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Next hops against the real kernel: this process and a child each live in a network namespace of their own, joined by
 * two veth pairs. Namespaces without a name vanish with their processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/address.h"
#include "net/next_hop.h"

#define DEADLINE_MS 20000
#define MANY 10000

static const uint8_t near0[6] = {2, 0, 0, 0, 0, 0x10}, near1[6] = {2, 0, 0, 0, 0, 0x11};
static const uint8_t far0[6] = {2, 0, 0, 0, 0, 0x20}, far1[6] = {2, 0, 0, 0, 0, 0x21};
static const uint8_t far0_moved[6] = {2, 0, 0, 0, 0, 0x2f};

static pid_t peer;
static sd_event *event;
static struct next_hops *hops;
static unsigned int calls;
static struct shunt_addr called_address;
static struct next_hop called_hop;
static bool unwatch_when_called;

/* ---- the two namespaces ---- */

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command))
		fail_msg("failed: %s", command);
}

#define here(...) run(__VA_ARGS__)
#define there(command) run("nsenter --net=/proc/%d/ns/net sh -c '%s'", peer, command)

static void live_as_peer(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int start_peer(void)
{
	int ready[2];
	char byte;
	ssize_t n;

	if (unshare(CLONE_NEWNET) || pipe(ready))
		return -1;
	peer = fork();
	if (!peer)
		live_as_peer(ready[1]);
	close(ready[1]);
	n = peer > 0 ? read(ready[0], &byte, 1) : -1;
	close(ready[0]);
	return n == 1 ? 0 : -1;
}

static void on_hop(void *userdata, const struct shunt_addr *address, const struct next_hop *hop)
{
	assert_ptr_equal(userdata, &calls);
	calls++;
	called_address = *address;
	called_hop = *hop;
	if (unwatch_when_called)
		next_hops_unwatch(hops, address);
}

static int setup(void **state)
{
	(void)state;
	calls = 0;
	unwatch_when_called = false;
	hops = NULL;
	event = NULL;
	peer = 0;
	if (geteuid() || start_peer())
		return 0; /* the test says so, require_network() */
	here("ip link set lo up");
	for (int i = 0; i < 2; i++) {
		here("ip link add v%d address 02:00:00:00:00:1%d type veth peer name p%d address 02:00:00:00:00:2%d "
		     "netns %d", i, i, i, i, peer);
		/* The kernel's own link-local addresses settle seconds later, with events that would help. */
		here("ip link set v%d addrgenmode none && ip addr add fe80::1%d/64 dev v%d nodad", i, i, i);
		here("ip addr add 10.0.%d.1/24 dev v%d && ip addr add fd00:%d::1/64 dev v%d nodad", i, i, i, i);
		here("ip link set v%d up", i);
	}
	there("ip link set lo up");
	there("for i in 0 1; do ip addr add 10.0.$i.2/24 dev p$i; ip addr add fd00:$i::2/64 dev p$i nodad; "
	      "ip link set p$i up; done");
	assert_true(sd_event_new(&event) >= 0);
	assert_return_code(next_hops_open(event, on_hop, &calls, &hops), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	next_hops_close(hops);
	sd_event_unref(event);
	if (peer > 0) {
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
	}
	return 0;
}

static void require_network(void)
{
	if (hops)
		return;
	print_message("skipped: needs root and network namespaces\n");
	skip();
}

/* ---- waiting ---- */

static struct shunt_addr address_of(const char *text)
{
	struct shunt_addr address;

	assert_return_code(address_parse(text, &address), 0);
	return address;
}

static const struct next_hop *hop_of(const char *text)
{
	struct shunt_addr address = address_of(text);

	return next_hops_get(hops, &address);
}

static void watch(const char *text)
{
	struct shunt_addr address = address_of(text);
	unsigned int before = calls;

	require_network();
	assert_return_code(next_hops_watch(hops, &address), 0);
	assert_int_equal(calls, before);
	assert_non_null(next_hops_get(hops, &address));
}

#define wait_until(condition) \
	do { \
		uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS; \
		while (!(condition)) { \
			if (clock_monotonic_ms() > deadline_ms) \
				fail_msg("never: %s (last problem: %s)", #condition, \
					 called_hop.problem ? called_hop.problem : "none"); \
			assert_return_code(sd_event_run(event, 100000), 0); \
		} \
	} while (0)

static bool goes_to(const char *text, const uint8_t mac[6])
{
	const struct next_hop *hop = hop_of(text);

	return hop->resolved && !memcmp(hop->mac, mac, 6);
}

static bool fails_with(const char *text, const char *problem)
{
	const struct next_hop *hop = hop_of(text);

	return !hop->resolved && hop->problem && !strcmp(hop->problem, problem);
}

/* ---- tests ---- */

static void an_on_link_address_resolves_to_its_own_mac(void **state)
{
	struct shunt_addr address = address_of("10.0.0.2"), source = address_of("10.0.0.1");
	const struct next_hop *hop;

	(void)state;
	watch("10.0.0.2");
	assert_false(hop_of("10.0.0.2")->resolved);
	wait_until(goes_to("10.0.0.2", far0));
	hop = hop_of("10.0.0.2");
	assert_true(hop->on_link);
	assert_false(hop->local);
	assert_null(hop->problem);
	assert_int_equal(hop->ifindex, if_nametoindex("v0"));
	assert_memory_equal(hop->link_mac, near0, 6);
	assert_int_equal(hop->mtu, 1500);
	assert_memory_equal(&hop->source, &source, sizeof(source));
	assert_memory_equal(&called_address, &address, sizeof(address));
	assert_true(called_hop.resolved);
	assert_memory_equal(called_hop.mac, far0, 6);
}

static void an_address_behind_a_gateway_resolves_to_the_gateway(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 via 10.0.1.2");
	watch("192.0.2.7");
	wait_until(goes_to("192.0.2.7", far1));
	assert_false(hop_of("192.0.2.7")->on_link);
	assert_memory_equal(hop_of("192.0.2.7")->link_mac, near1, 6);
}

static void an_ipv4_route_may_have_an_ipv6_gateway(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 via inet6 fd00:1::2 dev v1");
	watch("192.0.2.7");
	wait_until(goes_to("192.0.2.7", far1));
	assert_false(hop_of("192.0.2.7")->on_link);
}

static void ipv6_resolves_by_neighbour_discovery(void **state)
{
	struct shunt_addr source = address_of("fd00:0::1");

	(void)state;
	require_network();
	here("ip route add 2001:db8::/32 via fd00:1::2");
	watch("fd00:0::2");
	watch("2001:db8::7");
	wait_until(goes_to("fd00:0::2", far0) && goes_to("2001:db8::7", far1));
	assert_true(hop_of("fd00:0::2")->on_link);
	assert_memory_equal(&hop_of("fd00:0::2")->source, &source, sizeof(source));
	assert_false(hop_of("2001:db8::7")->on_link);
}

static void a_changed_mac_is_told(void **state)
{
	(void)state;
	watch("10.0.0.2");
	wait_until(goes_to("10.0.0.2", far0));
	here("echo 0 > /proc/sys/net/ipv4/neigh/v0/locktime");
	there("echo 1 > /proc/sys/net/ipv4/conf/p0/arp_notify; ip link set p0 address 02:00:00:00:00:2f");
	wait_until(goes_to("10.0.0.2", far0_moved));
	assert_memory_equal(called_hop.mac, far0_moved, 6);
}

static void a_stale_neighbour_is_used_and_confirmed(void **state)
{
	(void)state;
	watch("10.0.0.2");
	wait_until(goes_to("10.0.0.2", far0));
	here("ip ntable change name arp_cache dev v0 delay_probe 100");
	here("ip neigh replace 10.0.0.2 dev v0 lladdr 02:00:00:00:00:2f nud stale");
	wait_until(goes_to("10.0.0.2", far0_moved)); /* stale: used nevertheless */
	wait_until(goes_to("10.0.0.2", far0));       /* asked, and the true one answered */
}

static void a_neighbour_that_appears_late_is_found(void **state)
{
	(void)state;
	watch("10.0.0.9");
	wait_until(fails_with("10.0.0.9", "no neighbour"));
	assert_int_equal(hop_of("10.0.0.9")->ifindex, if_nametoindex("v0"));
	there("ip addr add 10.0.0.9/24 dev p0");
	wait_until(goes_to("10.0.0.9", far0));
}

static void a_link_that_goes_down_unresolves_until_it_is_back(void **state)
{
	(void)state;
	watch("10.0.0.2");
	wait_until(goes_to("10.0.0.2", far0));
	there("ip link set p0 down"); /* only the carrier is gone */
	wait_until(fails_with("10.0.0.2", "interface is down"));
	there("ip link set p0 up");
	wait_until(goes_to("10.0.0.2", far0));
	here("ip link set v0 down"); /* and its routes with it */
	wait_until(fails_with("10.0.0.2", "no route"));
	here("ip link set v0 up");
	wait_until(goes_to("10.0.0.2", far0));
	here("ip link del v0");
	wait_until(fails_with("10.0.0.2", "no route"));
	assert_int_equal(called_hop.ifindex, 0);
}

static void a_replaced_route_moves_the_next_hop(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 via 10.0.0.2");
	watch("192.0.2.7");
	wait_until(goes_to("192.0.2.7", far0));
	here("ip route replace 192.0.2.0/24 via 10.0.1.2");
	wait_until(goes_to("192.0.2.7", far1));
	assert_int_equal(hop_of("192.0.2.7")->ifindex, if_nametoindex("v1"));
	here("ip route add 192.0.2.7/32 via 10.0.0.2"); /* a longer prefix */
	wait_until(goes_to("192.0.2.7", far0));
	here("ip route add 192.0.2.7/32 via 10.0.1.2 table 100 && ip rule add to 192.0.2.0/24 lookup 100 pref 10");
	wait_until(goes_to("192.0.2.7", far1));
}

static void a_multipath_route_gives_one_of_its_gateways(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 nexthop via 10.0.0.2 nexthop via 10.0.1.2");
	watch("192.0.2.7");
	wait_until(goes_to("192.0.2.7", far0) || goes_to("192.0.2.7", far1));
	here("ip link set v0 down");
	wait_until(goes_to("192.0.2.7", far1));
}

static void refusing_routes_are_told_apart(void **state)
{
	(void)state;
	watch("192.0.2.7");
	watch("2001:db8::7");
	wait_until(fails_with("192.0.2.7", "no route") && fails_with("2001:db8::7", "no route"));
	assert_int_equal(hop_of("192.0.2.7")->ifindex, 0);
	here("ip route add unreachable 192.0.2.0/24 && ip route add unreachable 2001:db8::/32");
	wait_until(fails_with("192.0.2.7", "route is unreachable"));
	wait_until(fails_with("2001:db8::7", "route is unreachable"));
	here("ip route replace blackhole 192.0.2.0/24 && ip route replace blackhole 2001:db8::/32");
	wait_until(fails_with("192.0.2.7", "route is a blackhole"));
	wait_until(fails_with("2001:db8::7", "route is a blackhole"));
	here("ip route replace prohibit 192.0.2.0/24");
	wait_until(fails_with("192.0.2.7", "route is prohibited"));
	here("ip route replace 192.0.2.0/24 via 10.0.0.2 && ip route replace 2001:db8::/32 via fd00:0::2");
	wait_until(goes_to("192.0.2.7", far0) && goes_to("2001:db8::7", far0));
}

static void the_hosts_own_address_is_local(void **state)
{
	(void)state;
	watch("10.0.0.1");
	watch("fd00:0::1");
	wait_until(hop_of("10.0.0.1")->local && hop_of("fd00:0::1")->local);
	assert_true(fails_with("10.0.0.1", "address is this host's own"));
	here("ip addr del 10.0.0.1/24 dev v0");
	wait_until(fails_with("10.0.0.1", "no route"));
	assert_false(hop_of("10.0.0.1")->local);
}

static void the_mtu_is_the_smaller_of_route_and_link(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 via 10.0.0.2 mtu 1400");
	watch("192.0.2.7");
	watch("10.0.0.2");
	wait_until(hop_of("192.0.2.7")->mtu == 1400 && hop_of("10.0.0.2")->mtu == 1500);
	here("ip link set v0 mtu 1300");
	wait_until(hop_of("192.0.2.7")->mtu == 1300 && hop_of("10.0.0.2")->mtu == 1300);
	here("ip link set v0 mtu 65535");
	here("ip route replace 192.0.2.0/24 via 10.0.0.2");
	wait_until(hop_of("192.0.2.7")->mtu == 65535);
}

static void the_source_follows_the_route(void **state)
{
	struct shunt_addr first = address_of("10.0.0.1"), second = address_of("10.0.0.77");

	(void)state;
	require_network();
	here("ip addr add 10.0.0.77/32 dev v0 && ip route add 192.0.2.0/24 via 10.0.0.2");
	watch("192.0.2.7");
	wait_until(address_equal(&hop_of("192.0.2.7")->source, &first));
	here("ip route replace 192.0.2.0/24 via 10.0.0.2 src 10.0.0.77");
	wait_until(address_equal(&hop_of("192.0.2.7")->source, &second));
}

static void watches_are_counted(void **state)
{
	struct shunt_addr address = address_of("10.0.0.2");

	(void)state;
	watch("10.0.0.2");
	watch("10.0.0.2");
	next_hops_unwatch(hops, &address);
	wait_until(goes_to("10.0.0.2", far0));
	next_hops_unwatch(hops, &address);
	assert_null(next_hops_get(hops, &address));
	next_hops_unwatch(hops, &address);
}

static void a_watch_may_end_within_its_callback(void **state)
{
	struct shunt_addr address = address_of("10.0.0.2");

	(void)state;
	watch("10.0.0.2");
	watch("10.0.1.2");
	unwatch_when_called = true;
	wait_until(calls == 2);
	assert_null(next_hops_get(hops, &address));
}

static void ten_thousand_watches_follow_one_gateway(void **state)
{
	struct shunt_addr address;
	uint64_t start_ms = clock_monotonic_ms(), all_ms;
	unsigned int before;

	(void)state;
	require_network();
	here("ip route add 172.16.0.0/12 via 10.0.0.2");
	watch("10.0.0.2");
	wait_until(goes_to("10.0.0.2", far0));
	before = calls;
	for (int i = 0; i < MANY; i++) {
		address = address_of("172.16.0.0");
		address.byte[14] = i >> 8;
		address.byte[15] = i;
		assert_return_code(next_hops_watch(hops, &address), 0);
	}
	wait_until(calls == before + MANY);
	all_ms = clock_monotonic_ms() - start_ms;
	before = calls;
	here("ip neigh replace 10.0.0.2 dev v0 lladdr 02:00:00:00:00:2f nud reachable");
	wait_until(calls == before + MANY + 1);
	before = calls;
	start_ms = clock_monotonic_ms();
	here("ip route replace 172.16.0.0/12 via 10.0.1.2");
	wait_until(calls >= before + MANY && goes_to("172.16.0.0", far1));
	print_message("10,000 new: %d ms, 10,000 moved: %d ms\n", (int)all_ms, (int)(clock_monotonic_ms() - start_ms));
}

static void lost_events_are_made_up_for(void **state)
{
	(void)state;
	require_network();
	here("ip route add 192.0.2.0/24 via 10.0.0.2");
	watch("192.0.2.7");
	wait_until(goes_to("192.0.2.7", far0));
	while (sd_event_run(event, 0) > 0)
		continue; /* no event may be left that would help */
	here("awk 'BEGIN { for (i = 0; i < 30000; i++) print \"neigh add 172.16.\" int(i / 256) \".\" i %% 256 "
	     "\" lladdr 02:00:00:00:00:77 nud permanent dev v1\" }' | ip -batch -"); /* of no concern, but many */
	here("ip route replace 192.0.2.0/24 via 10.0.1.2"); /* this one's event does not fit */
	wait_until(goes_to("192.0.2.7", far1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_on_link_address_resolves_to_its_own_mac),
		TEST(an_address_behind_a_gateway_resolves_to_the_gateway),
		TEST(an_ipv4_route_may_have_an_ipv6_gateway),
		TEST(ipv6_resolves_by_neighbour_discovery),
		TEST(a_changed_mac_is_told),
		TEST(a_stale_neighbour_is_used_and_confirmed),
		TEST(a_neighbour_that_appears_late_is_found),
		TEST(a_link_that_goes_down_unresolves_until_it_is_back),
		TEST(a_replaced_route_moves_the_next_hop),
		TEST(a_multipath_route_gives_one_of_its_gateways),
		TEST(refusing_routes_are_told_apart),
		TEST(the_hosts_own_address_is_local),
		TEST(the_mtu_is_the_smaller_of_route_and_link),
		TEST(the_source_follows_the_route),
		TEST(watches_are_counted),
		TEST(a_watch_may_end_within_its_callback),
		TEST(ten_thousand_watches_follow_one_gateway),
		TEST(lost_events_are_made_up_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
