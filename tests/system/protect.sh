#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Clients that are denied or come too often are kept out while others go on.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10

# guarded TOP SERVICE-KEYS: web on both families, one backend; TOP are lines of the configuration, SERVICE-KEYS of services.
configure() {
	config <<-END
		interfaces: [eth0]
		$1
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, port: 80, group: app$2}
		  - {name: web6, address: "$VIP6", port: 80, group: app$2}
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1)
	END
}

guarded() {
	net_make client client2 lb b1
	serve b1 80
	configure "$@"
	start_shuntd
	wait_for 10 "every backend is up" all_up
}

# Whether a host gets an answer, within the second.
reaches() { on "$1" "$FLOWS" connect "$2" 80 --every 2ms --count 3 --timeout 400ms >"$T/log" 2>&1; }
expect_served() {
	reaches "$1" $VIP || fail "$1 is not served: $(tail -n 3 "$T/log")"
	reaches "$1" $VIP6 || fail "$1 is not served over IPv6: $(tail -n 3 "$T/log")"
}
expect_kept_out() {
	! reaches "$1" $VIP || fail "$1 is served"
	! reaches "$1" $VIP6 || fail "$1 is served over IPv6"
}

a_denied_client() {
	guarded "deny: [$(ip4 client2), \"$(ip6 client2)/128\"]" ""
	hold others 20 $VIP 80 --every 20ms --block 500
	expect_served client
	expect_kept_out client2
	expect "$(drops denied)" -ge 6 "drops"
	on client2 ping -c 2 -i 0.05 -W 1 -q 10.77.0.2 | grep -q ' 0% packet loss' || fail "the balancer itself is out of reach"
	bpftool map dump pinned "$BPF_DIR/deny" | grep -q '"packets": *[1-9]' || fail "the pinned list counts nothing"
	configure "" ""
	shunt reload >/dev/null
	expect_served client2
	configure "" ", deny: [10.77.0.0/24, \"fd77::/64\"]"
	shunt reload >/dev/null
	expect_kept_out client2
	configure "" ", allow: [$(ip4 client), \"$(ip6 client)\", $(ip4 client2)/32, \"$(ip6 client2)\"]"
	shunt reload >/dev/null
	expect_served client2
	configure "" ", allow: [$(ip4 client), \"$(ip6 client)\"]"
	shunt reload >/dev/null
	expect_kept_out client2
	expect_served client
	expect "$(drops not_allowed)" -ge 6 "drops"
}

a_long_list() {
	local started
	guarded "" ""
	hold others 20 $VIP 80 --every 20ms --block 500
	configure "$(awk 'BEGIN { printf "deny: [10.77.0.3"
		for (i = 0; i < 100000; i++) printf ", 100.%d.%d.%d", 64 + int(i / 65536), int(i / 256) % 256, i % 256
		printf ", \"fd77::3\"]" }')" ""
	started=$(now_ms)
	shunt reload >"$T/reload"
	note "a reload that adds 100,002 prefixes: $(($(now_ms) - started)) ms"
	expect_contains "$(cat "$T/reload")" "100002 added" "what the reload says"
	expect_kept_out client2
	expect_served client
	kill_shuntd
	started=$(now_ms)
	start_shuntd
	note "a start with them: $(($(now_ms) - started)) ms"
	expect_kept_out client2
	started=$(now_ms)
	shunt reload >"$T/reload"
	note "a reload that changes nothing: $(($(now_ms) - started)) ms"
	stop_traffic others
	expect_unbroken others
}

# The kernel of the client sends a lost SYN again after a second and after three, hence the count of SYNs that came through.
a_limit_of_new_flows() {
	local before after
	guarded "" ""
	hold others 20 $VIP 80 --every 20ms --block 500
	configure "" ", limits: {new_flows: 50, burst: 5}"
	shunt reload >/dev/null
	before=$(json .new_flows services web)
	on client2 "$FLOWS" connect $VIP 80 --every 4ms --count 1000 --timeout 300ms >"$T/flood" 2>&1 &&
		fail "a flood went through whole"
	after=$(json .new_flows services web)
	note "$((after - before)) of 1000 connections in 4 s at 50 a second"
	expect "$((after - before))" -ge 160 "new flows in four seconds"
	expect "$((after - before))" -le 240 "new flows in four seconds"
	expect "$(drops service_limit)" -ge 500 "drops"
	stop_traffic others
	expect_unbroken others
}

a_limit_of_each_client() {
	guarded "" ", limits: {per_client: 5, client_burst: 5}"
	on client2 "$FLOWS" connect $VIP 80 --every 2ms --count 200 --timeout 300ms >"$T/flood" 2>&1 &&
		fail "a flood went through whole"
	on client "$FLOWS" connect $VIP 80 --every 300ms --count 8 >"$T/log" || fail "the other client: $(tail -n 3 "$T/log")"
	expect "$(drops client_limit)" -ge 100 "drops"
}

# Two services that remember every flow, in a table that the one fills. The other's connections must be remembered, or the
# drain of their backend would break them once its slots have resolved.
a_share_for_each_service() {
	local i
	net_make client client2 lb b1 b2
	for i in 1 2; do serve "b$i" 80 81; done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 3s
		table_size: 256
		flow_table_size: 512
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: greedy, address: $VIP, port: 80, group: app, tracking: always}
		  - {name: modest, address: $VIP, port: 81, group: app, tracking: always}
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2], health_check: {port: 80}}]
		$(some_backends 2)
	END
	spawn greedy client2 "$FLOWS" hold 900 $VIP 80 --every 400ms --block 50 --for 60s
	wait_for 20 "the table is full of one service" is_told_of "full, and greedy has"
	# Of 20 in 64 lines no five meet in one, where four of eight places are what a service takes from another (one run in 900 has such).
	hold modest 20 $VIP 81 --every 50ms --block 200
	note "$(json '[.[] | select(.kind == "flows") | .text] | last' events)"
	shunt drain b1
	wait_for 15 "the slots of b1 have moved" no_slot_moves
	stop_traffic modest
	expect_unbroken modest
	stop greedy
	wait_for 15 "the table has room again" is_told_of "greedy is within its share again"
}

is_told_of() { json '.[].text' events | grep -q "$1"; }

# ---- a SYN flood ----

FLOOD_SYNS=${SHUNT_FLOOD_SYNS:-100000}

# Everything but sources that cannot be, of which a random one is in seven.
drops_of_possible() { json '[.drops | to_entries[] | select(.key != "martian") | .value] | add' status; }
has_new_flows() { [ "$(service web new_flows)" -ge "$1" ]; } # COUNT

# flood STATE: SYNs of random sources as fast as this machine makes them, until so many have gone to backends.
flood() {
	local before started took
	before=$(service web new_flows)
	started=$(now_ms)
	spawn flood client2 nice -n 19 hping3 --flood --rand-source --syn --destport 80 --quiet $VIP
	wait_for 120 "$FLOOD_SYNS SYNs have gone to backends" has_new_flows $((before + FLOOD_SYNS))
	took=$(($(now_ms) - started))
	stop flood
	note "$1: $((($(service web new_flows) - before) * 1000 / took)) SYNs a second for $took ms, $(remembered | wc -l) of 4096 flows remembered"
}

# Fingerprint and backend of each flow in the table, read from the map itself: the controller counts only now and then.
remembered() {
	bpftool -j map dump pinned "$BPF_DIR/flows" |
		jq -r '.[].formatted.value.flow[] | select(.fingerprint != 0) | "\(.fingerprint) \(.backend)"' | sort
}

# The connections that a backend has from a client, as its kernel knows them.
connections_to() { on "$1" ss -Htn state established "sport = :80 and dst $(ip4 client)" | wc -l; }
remembers_all_of() { [ "$(remembered | wc -l)" -eq "$(connections_to "$1")" ]; } # BACKEND

# Backends are checked slowly, so that none is down for a machine that is busy with the flood. Slots that move go on moving.
a_flood_of_random_sources() {
	local lost
	command -v hping3 >/dev/null || skip "hping3 is not installed"
	net_make client client2 lb b1 b2
	serve b1 80
	serve b2 80
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 10m
		table_size: 256
		flow_table_size: 4096
		defaults: {health_check: {type: tcp, interval: 1s, timeout: 900ms, healthy_threshold: 1, unhealthy_threshold: 60}}
		services: [{name: web, address: $VIP, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2], health_check: {port: 80}}]
		$(some_backends 2)
	END
	hold others 100 $VIP 80 --every 20ms --block 500 --stall 60s
	lost=$(drops_of_possible)
	flood settled
	expect "$(remembered | wc -l)" -eq 0 "flows remembered while nothing moves"
	expect "$(connections_to b1)" -ge 20 "connections to b1 of a hundred"
	shunt drain b1 >/dev/null
	wait_for 20 "every connection to b1 is remembered" remembers_all_of b1
	remembered >"$T/kept"
	flood moving
	remembered >"$T/after"
	expect "$(comm -23 "$T/kept" "$T/after" | wc -l)" -eq 0 "connections that the flood has pushed out of the table"
	expect "$(wc -l <"$T/after")" -ge 2000 "flows in a table that a flood has filled"
	expect "$(drops_of_possible)" -eq "$lost" "packets dropped, but for impossible sources"
	stop_traffic others
	expect_unbroken others
}

suite protect
run_test "A denied client is kept out while others go on, and a reload changes who" a_denied_client
run_test "A hundred thousand denied prefixes are kept over a reload and a crash" a_long_list
run_test "A limit of new flows holds and established connections lose nothing" a_limit_of_new_flows
run_test "A limit of each client leaves others alone" a_limit_of_each_client
run_test "A service that fills the flow table leaves others their share of it" a_share_for_each_service
run_test "A SYN flood of random sources breaks no connection, settled or moving, and pushes none out of the flow table" \
	a_flood_of_random_sources
finish
