#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Whatever the operator does and whatever happens to the controller, living connections stay where they are: 200 of them
# carry data all the time, none may break, no byte may be lost or changed.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10
N=200
FORWARD=${SHUNT_FORWARD:-l2}

# the_config BACKENDS [EXTRA-OF-SERVICE]: group app of the named backends. Checks go to port 81, so that a test can let one fail
# while its server serves on.
the_config() {
	local name
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		defaults: {forward: $FORWARD, health_check: ${CHECK:-$FAST_CHECK}}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [$1]}]
		backends:
	END
	for name in ${1//,/ }; do
		echo "  - {name: $name, address: $(ip4 "$name"), port: 81}"
	done
}

start_system() { # BACKENDS
	local i
	net_make client lb b1 b2 b3 b4 b5
	for i in 1 2 3 4 5; do
		[ "$FORWARD" != ipip ] || on "b$i" "$SHUNT_BUILD/shunt-decap" load eth0
		serve "b$i" 80 81
	done
	the_config "$1" | balance
}

fail_check() { # BACKEND
	on "$1" nft -f - <<-END
		table inet check {
			chain in { type filter hook input priority 0; tcp dport 81 reject with tcp reset; }
		}
	END
	wait_for 3 "$1 is down" is down backend "$1" health
}

mend_check() { # BACKEND
	on "$1" nft delete table inet check
	wait_for 3 "$1 is up" is up backend "$1" health
}

reload_with() { # BACKENDS
	the_config "$1" | config
	expect_exit 0 shunt reload
}

# ---- what happens ----

add_a_backend() {
	reload_with 'b1, b2, b3, b4'
	wait_for 3 "b4 is active" is 'b1 b2 b3 b4' active app
	expect "$(servers $VIP 80)" = "b1 b2 b3 b4" "who answers new connections"
}

drain_a_backend() {
	expect_exit 0 shunt drain b2
	wait_for 3 "b2 takes no new flows" is 'b1 b3' active app
	expect "$(servers $VIP 80)" = "b1 b3" "who answers new connections"
}

change_a_weight() {
	expect_exit 0 shunt weight b1 10
	wait_for 3 "b1 gets less" is true json '.[0].backends | map(select(.name == "b1"))[0].share < 0.1' groups
	servers $VIP 80 >/dev/null
}

a_failed_one_returns() {
	mend_check b3
	wait_for 3 "b3 is active" is 'b1 b2 b3' active app
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers new connections"
}

remove_a_backend() {
	reload_with 'b1, b2'
	wait_for 3 "b3 takes no new flows" is 'b1 b2' active app
	expect "$(servers $VIP 80)" = "b1 b2" "who answers new connections"
}

reload_the_configuration() {
	CHECK='{type: tcp, interval: 200ms, timeout: 150ms, healthy_threshold: 3, unhealthy_threshold: 2}'
	reload_with 'b1, b2, b3'
	expect_exit 0 shunt reload
}

restart_the_controller() {
	stop_shuntd
	expect "$(servers $VIP 80)" = "$(active_before)" "who answers without a controller"
	start_shuntd
	wait_for 5 "every backend is up" all_up
	servers $VIP 80 >/dev/null
}

kill_the_controller() {
	kill_shuntd
	expect "$(servers $VIP 80)" = "$(active_before)" "who answers without a controller"
	start_shuntd
	wait_for 5 "every backend is up" all_up
	servers $VIP 80 >/dev/null
}

active_before() { cat "$T/active"; }

# ---- the tests ----

# connections_survive WHAT-HAPPENS [BACKEND-THAT-IS-DOWN-FIRST]
connections_survive() {
	start_system 'b1, b2, b3'
	[ -z "${2:-}" ] || fail_check "$2"
	hold hold $((N / 2)) $VIP 80 --every 40ms --block 500
	hold hold6 $((N / 2)) $VIP6 80 --every 40ms --block 500
	active app >"$T/active"
	"$1"
	wait_for 15 "every living flow of a slot that moved is pinned" no_slot_moves
	servers $VIP 80 >/dev/null
	stop_traffic hold
	stop_traffic hold6
	expect_unbroken hold
	expect_unbroken hold6
}

everything_at_once() {
	start_system 'b1, b2, b3, b4'
	fail_check b4
	hold hold $N $VIP 80 --every 40ms --block 500
	mend_check b4
	reload_with 'b1, b2, b3, b4, b5'
	hold later 50 $VIP 80 --every 40ms --block 500
	shunt drain b2
	shunt weight b1 20
	active app >"$T/active"
	kill_shuntd
	start_shuntd
	wait_for 5 "b5 is up" is up backend b5 health
	shunt ready b2
	stop_shuntd
	start_shuntd
	wait_for 5 "every backend is up" all_up
	reload_with 'b1, b2, b3, b5'
	shunt weight b5 300
	expect "$(servers $VIP 80)" = "b1 b2 b3 b5" "who answers new connections"
	wait_for 20 "every living flow of a slot that moved is pinned" no_slot_moves
	stop_traffic hold
	stop_traffic later
	expect_unbroken hold
	expect_unbroken later
	wait_for 15 "the slots settle when the flows are gone" settled
	note "$(awk '/^connections/ { n += $2; bytes += $6; broken += $4 } END {
		printf "%d connections, %.1f MB carried and compared, %d broken", n, bytes / 1e6, broken }' \
		"$T/hold.log" "$T/later.log")"
}

new_connections_never_fail() {
	start_system 'b1, b2, b3'
	connect_every 5 connect $VIP 80
	shunt drain b1
	shunt weight b2 20
	reload_with 'b1, b2, b3, b4'
	kill_shuntd
	start_shuntd
	wait_for 5 "every backend is up" all_up
	shunt ready b1
	shunt maint b3
	stop_shuntd
	start_shuntd
	wait_for 5 "b4 is up" is up backend b4 health
	wait_for 15 "every living flow of a slot that moved is pinned" no_slot_moves
	stop_traffic connect
	expect_no_failure connect
	note "$(grep '^attempts' "$T/connect.log"), through drain, weight, reload, maint, restart and kill -9"
}

udp_flows_that_are_tracked_stay() {
	local moved
	net_make client lb b1 b2 b3
	serve b1 53
	serve b2 53
	serve b3 53
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services: [{name: game, address: $VIP, protocol: udp, port: 53, group: app, tracking: always}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2, b3], health_check: {type: tcp, port: 53}}]
		$(some_backends 3)
	END
	hold hold 60 $VIP 53 --udp --every 50ms
	shunt drain b1
	wait_for 3 "b1 takes no new flows" is 'b2 b3' active app
	shunt weight b2 10
	wait_for 15 "every living flow of a slot that moved is pinned" no_slot_moves
	stop_traffic hold
	moved=$(awk '/^flows/ { print $4 }' "$T/hold.log")
	expect "$moved" -eq 0 "UDP flows that changed their server"
}

# A service of every port is a feature that the program is loaded anew for; six groups need a larger map of slots.
another_program_and_more_groups() {
	local before i
	before=$(on lb ip -j link show eth0 | jq '.[0].xdp.prog.id')
	{
		the_config 'b1, b2, b3' | sed "/name: web6/a\\  - {name: all, address: 192.0.2.11, protocol: tcp, port: 0, group: extra1}
			/^failover_groups/s/\\]\$/, $(for i in 1 2 3 4 5 6; do
			printf '{name: extra%d, mode: active-active, backends: [b1, b2]}, ' "$i"
		done)]/"
	} | config
	expect_exit 0 shunt reload
	expect "$(on lb ip -j link show eth0 | jq '.[0].xdp.prog.id')" -ne "$before" "id of the program now"
	wait_for 3 "the new groups serve" is 'b1 b2' active extra6
	expect "$(servers 192.0.2.11 81)" = "b1 b2" "who answers at a port of the new service"
}

# Once its slots resolve, only the flow table knows of the removed backend.
removed_resolving_and_restarted() {
	remove_a_backend
	wait_for 15 "every living flow of a slot that moved is pinned" no_slot_moves
	kill_shuntd
	start_shuntd
	wait_for 5 "every backend is up" is true json '[.[] | select(.removed | not) | .health == "up"] | all' backends
	wait_for 15 "a scan of the flow table has counted the flows of b3" flows_of_removed
}

flows_of_removed() { is true json '[.[] | select(.removed) | .flows] | add > 0' backends; }

removed_and_restarted() {
	remove_a_backend
	kill_shuntd
	start_shuntd
	wait_for 5 "every backend is up" is true json '[.[] | select(.removed | not) | .health == "up"] | all' backends
}

suite connections
run_test "$N connections survive a backend added" connections_survive add_a_backend
run_test "$N connections survive a backend drained" connections_survive drain_a_backend
run_test "$N connections survive a changed weight" connections_survive change_a_weight
run_test "$N connections survive the return of a failed backend" connections_survive a_failed_one_returns b3
run_test "$N connections survive a backend removed from the configuration" connections_survive remove_a_backend
run_test "$N connections survive a reload" connections_survive reload_the_configuration
run_test "$N connections survive a restart of shuntd" connections_survive restart_the_controller
run_test "$N connections survive kill -9 of shuntd" connections_survive kill_the_controller
run_test "$N connections survive another program and a larger map" connections_survive another_program_and_more_groups
run_test "$N connections survive kill -9 after a backend was removed" connections_survive removed_and_restarted
run_test "$N connections survive kill -9 when only flows know of it" connections_survive removed_resolving_and_restarted
limit 90
run_test "$N connections survive all of it, one after the other" everything_at_once
run_test 'no new connection fails meanwhile' new_connections_never_fail
run_test 'UDP flows of a service that tracks always stay' udp_flows_that_are_tracked_stay
finish
