#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an operator asks: doctor, trace, flows, explain.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

the_config() { # FORWARD
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		defaults: {forward: $1, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2]}
		$(some_backends 2)
	END
}

# ---- doctor ----

doctor() { nsenter --net="/run/netns/$NET-lb" -- "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" doctor -c "$CONFIG" "$@"; }

lines_of() { # LEVEL: subject and text, of the last doctor --json in $T/out
	jq -r ".lines[] | select(.level == \"$1\") | .subject + \": \" + .text" "$T/out"
}

remedy_of() { jq -r ".lines[] | select(.subject == \"$1\" and .remedy) | .remedy" "$T/out"; } # SUBJECT

doctor_before_a_start() {
	net_make client lb b1 b2
	the_config ipip | config
	doctor --json >"$T/out" || fail "a fail where nothing is wrong: $(lines_of fail)"
	expect_contains "$(lines_of ok)" "controller: shuntd does not run" "without a controller"
	expect_contains "$(lines_of ok)" "eth0: driver veth has native XDP" "the driver's own word"
	expect_contains "$(lines_of warn)" "MTU ipip: clients may send 1600 bytes, and 1580 fit" "the budget of ipip"
	expect_contains "$(lines_of warn)" "backend b1: neighbour 10.77.0.11 on eth0 is not resolved" "next hops"
}

doctor_names_what_mends_it() {
	net_make client lb b1 b2
	the_config ipip | config
	on lb ip link set dev eth0 mtu 1500
	on lb ping -c 1 -W 2 "$(ip4 b1)" >/dev/null
	on lb ping -c 1 -W 2 "$(ip4 b2)" >/dev/null
	doctor --json >"$T/out"
	expect_contains "$(lines_of warn)" "MTU ipip: clients may send 1500 bytes, and 1480 fit on the way to b1" "the budget of ipip"
	on lb ip route replace "$(ip4 b2)" dev eth0 mtu 1400
	on lb ip route add unreachable 10.77.0.11
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "backend b1: no next hop for 10.77.0.11: its route drops" "an unreachable route"
	expect "$(remedy_of 'backend b1')" = "ip route get 10.77.0.11" "what to look at"
	expect_contains "$(lines_of warn)" "and 1380 fit on the way to b2 (1400 less 20 in front)" "the route's own MTU"
	on lb ip route del unreachable 10.77.0.11
	on lb sysctl -qw net.ipv4.conf.all.rp_filter=1
	doctor --json >"$T/out"
	expect_contains "$(lines_of warn)" "eth0: rp_filter is strict" "rp_filter"
	on lb sh -c "$(remedy_of eth0 | grep sysctl)" >/dev/null
	doctor --json >"$T/out"
	expect_contains "$(lines_of ok)" "eth0: rp_filter is loose" "the remedy as it was named mends it"
}

doctor_beside_a_controller() {
	net_make client lb b1 b2
	serve b1
	serve b2
	the_config l2 | balance
	expect_exit 0 doctor --json --bpf-dir "$BPF_DIR"
	expect_contains "$(lines_of ok)" "controller: shuntd " "the controller answers"
	expect_contains "$(lines_of ok)" "eth0: native XDP in driver veth" "the mode"
	expect_contains "$(lines_of ok)" "MTU l2: packets of 1600 bytes fit, with 0 more in front" "the budget of l2"
	expect_contains "$(lines_of ok)" "next hops: known for all 2 backends" "next hops"
	expect_contains "$(lines_of ok)" "a data path of shunt is pinned" "bpffs"
	kill_shuntd
	expect_exit 0 doctor --bpf-dir "$BPF_DIR"
	expect_contains "$(cat "$T/out")" "shuntd does not answer: packets go on" "without a controller"
	expect "$(awk 'length > 80' "$T/out" | wc -l)" -eq 0 "lines over 80 columns"
}

doctor_sees_another_program() {
	net_make client lb b1 b2
	the_config l2 | config
	on lb "$NET_XDP_PASS" eth0
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "eth0: another XDP program is in the way: " "somebody else's program"
	on lb sh -c "$(jq -r '.lines[] | select(.level == "fail") | .remedy' "$T/out")"
	expect_exit 0 doctor
	sed -i 's/eth0/eth9/' "$CONFIG"
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "eth9: there is no such interface" "an interface that is not there"
	echo 'surprise: true' >>"$CONFIG"
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "configuration: $CONFIG has 1 error" "a configuration with an error"
}

suite operator
run_test 'doctor looks at a host before the first start' doctor_before_a_start
run_test 'doctor names the command that mends it, and it does' doctor_names_what_mends_it
run_test 'doctor knows the controller, and what goes on without it' doctor_beside_a_controller
run_test 'doctor sees another XDP program, a missing interface and a wrong configuration' doctor_sees_another_program
finish
