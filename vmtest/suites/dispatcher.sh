#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The interface is shared with another XDP program through libxdp's dispatcher where the kernel allows it. Debian's
# libxdp 1.3.1 manages on 6.1; on newer kernels the dispatcher refuses programs that change packets (fixed in 1.5.5),
# and some forbid freplace altogether: there shuntd attaches its program alone, and says so.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

CHECK='{type: tcp, port: 80, interval: 1s, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 10}'
VIP=192.0.2.10

network() {
	net_make client lb b1 b2
	serve b1 80 53
	serve b2 80 53
	config <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {forward: l2, health_check: $CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: dns, address: $VIP, protocol: udp, port: 53, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]
		backends: [{name: b1, address: $(ip4 b1), weight: 100}, {name: b2, address: $(ip4 b2)}]
	END
}

start_and_wait() {
	start_shuntd
	wait_for 20 "every backend is up" all_up
}

attach() { json '.interfaces[0].attach' status; }
filter() { on lb xdp-filter "$@" || fail "xdp-filter $*"; } # another program on the interface, Debian's xdp-tools
programs() { on lb xdp-loader status eth0; }
ours() { programs | awk '$0 ~ "xdp_shunt" { for (i = 1; i <= NF; i++) if ($i == "xdp_shunt") print $(i + 1) }'; } # ids
filter_is_there() { programs | grep -q 'xdpfilt_'; }

expect_connections() { # WHEN
	on client "$FLOWS" connect $VIP 80 --every 10ms --count 40 >"$T/connections" ||
		fail "connections $1: $(tail -n 4 "$T/connections")"
	expect "$(grep -c '^server b' "$T/connections")" -eq 2 "servers that answered $1"
}

# The other program still judges packets: it drops what it is told to, before it comes to ours.
expect_filtering() {
	filter port 53 -m dst
	! on client "$FLOWS" connect $VIP 53 --udp --every 10ms --count 5 --timeout 200ms >"$T/log" ||
		fail "nothing is filtered"
	filter port 53 -m dst -r
	on client "$FLOWS" connect $VIP 53 --udp --every 10ms --count 20 >"$T/log" || fail "UDP: $(tail -n 4 "$T/log")"
}

# Connections live through a stop and a start, and a new program takes the place of the old.
expect_hitless_restart() { # SIGNAL
	local before
	before=$(ours)
	hold streams 10 $VIP 80 --every 50ms --block 1000 --stall 20s
	stop shuntd "$1" 30
	start_and_wait
	expect "$(ours | wc -l)" -eq 1 "programs of ours on the interface"
	expect "$(ours)" != "$before" "the program after a restart"
	stop_traffic streams
	expect_unbroken streams
}

beside_another_program() {
	network
	filter load eth0 -m native
	start_and_wait
	expect "$(attach)" = dispatcher "how it is attached"
	expect_contains "$(shunt status)" "eth0 native, dispatcher" "the status"
	expect "$(ours | wc -l)" -eq 1 "programs of ours"
	expect_connections "beside another program"
	expect_filtering
	expect_hitless_restart TERM
	expect_hitless_restart KILL
	expect_connections "after restarts"
	expect_filtering
	shunt detach
	filter_is_there || fail "the other program is gone: $(programs)"
	expect "$(ours | wc -l)" -eq 0 "programs of ours after detach"
	filter unload eth0
}

another_program_joins() {
	local before
	network
	start_and_wait
	expect "$(attach)" = dispatcher "how it is attached"
	hold streams 10 $VIP 80 --every 50ms --block 1000 --stall 20s
	filter load eth0 -m native
	expect_filtering
	before=$(ours)
	sed -i 's/weight: 100/weight: 200/' "$CONFIG"
	shunt reload
	expect "$(backend b1 weight)" -eq 200 "weight after the reload"
	expect "$(ours)" = "$before" "the program after a reload that changes nothing about it"
	filter unload eth0
	expect_connections "after the other has left"
	stop_traffic streams
	expect_unbroken streams
	shunt detach
	expect "$(programs | grep -c xdp_shunt || true)" -eq 0 "programs of ours after detach"
}

without_a_dispatcher() {
	network
	start_and_wait
	expect "$(attach)" = direct "how it is attached"
	expect_contains "$(shunt status)" "eth0 native, direct" "the status"
	said shuntd 'eth0: attached directly' || fail "the log does not say it"
	expect_connections "through the program attached directly"
	hold streams 10 $VIP 80 --every 50ms --block 1000 --stall 20s
	stop shuntd KILL 30
	start_and_wait
	expect "$(attach)" = direct "how it is attached after a restart"
	stop_traffic streams
	expect_unbroken streams
	shunt detach
	ip -n "$NET-lb" -d link show eth0 | grep -q 'prog/xdp' && fail "it is still attached"
	return 0
}

without_a_dispatcher_another_is_left_alone() {
	network
	filter load eth0 -m native
	spawn shuntd lb "$SHUNT_BUILD/shuntd" -c "$CONFIG" --run-dir "$RUN_DIR" --state-dir "$STATE_DIR" \
		--bpf-dir "$BPF_DIR"
	wait_for 60 "shuntd gives up" is_over shuntd
	said shuntd 'eth0: another XDP program is attached \(xdp(_dispatcher|filt)' ||
		fail "it said: $(tail -n 2 "$T/shuntd.log")"
	filter_is_there || fail "the other program is gone: $(programs)"
	filter unload eth0
}

suite dispatcher
case $(uname -r) in
6.1.*)
	run_test 'shuntd joins a program that was there: traffic, restarts, detach' beside_another_program
	run_test 'another program joins and leaves while shuntd runs, no connection breaks' another_program_joins
	;;
*)
	run_test 'no dispatcher: shuntd attaches directly and says so, a restart breaks nothing' without_a_dispatcher
	run_test 'no dispatcher: the program of another is left alone' without_a_dispatcher_another_is_left_alone
	;;
esac
finish
