#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who gets the packet beyond a group's own healthy backends: on_empty, fallback groups, schedulers, prefixes, clients.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10

# group app of b1 and b2, group sorry of b3; services web (TCP 80), dns (UDP 53), web6, dns6.
app_and_sorry() { # OF-SERVICES OF-GROUP-APP
	local i
	for i in 1 2 3; do serve "b$i" 80 53; done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app, $1}
		  - {name: dns, address: $VIP, protocol: udp, port: 53, group: app, $1}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app, $1}
		  - {name: dns6, address: "$VIP6", protocol: udp, port: 53, group: app, $1}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2], health_check: {type: tcp, port: 80}${2:+, $2}}
		  - {name: sorry, mode: active-active, backends: [b3], health_check: {type: tcp, port: 80}}
		$(some_backends 3)
	END
}

die() { stop "server-$1" KILL; }
is_state() { is "$2" group "$1" state; } # GROUP STATE
resort() { group app last_resort; }
# What one new flow meets: refused at once, or nothing until the timeout.
what_a_flow_meets() { # ADDRESS PORT [OPTION…]
	on client "$FLOWS" connect "$@" --count 1 --timeout 1s 2>&1 | awk '/ failed / { $1 = $2 = $3 = ""; print; exit } / ok / { print "ok"; exit }'
}

rejected() {
	local address
	net_make client lb b1 b2 b3
	app_and_sorry 'on_empty: reject'
	hold established 5 $VIP 80 --every 20ms --block 100
	die b1
	die b2
	wait_for 5 "the group is down" is_state app down
	for address in $VIP $VIP6; do
		expect_contains "$(what_a_flow_meets "$address" 80)" refused "TCP to $address"
		expect_contains "$(what_a_flow_meets "$address" 53 --udp)" refused "UDP to $address"
	done
	expect "$(drops rejected)" -ge 4 "answers that were counted"
	wait_for 5 "connections that were open are reset" said established broken
	expect_contains "$(shunt explain tcp 10.77.0.1:4000 $VIP:80)" "answered with a reset" "explain"
	serve b1 80 53
	wait_for 5 "the group serves again" is_state app degraded
	expect "$(servers $VIP 80 20)" = b1 "who answers again"
}

# The checks lie: b1 and b2 serve port 80 and 53, but nothing listens where they are checked.
fails_open() {
	local i
	net_make client lb b1 b2 b3
	for i in 1 2 3; do serve "b$i" 80 53; done
	config <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app, on_empty: fail-open}
		  - {name: strict, address: 192.0.2.11, protocol: tcp, port: 80, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2, b3], health_check: {type: tcp, port: 99}}]
		$(some_backends 3)
	END
	start_shuntd
	wait_for 5 "it fails open" is fail-open resort
	is_state app down || fail "the group does not say that it is down"
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers"
	expect "$(active app)" = "b1 b2 b3" "active"
	expect_contains "$(shunt status)" "FAILS OPEN" "status"
	[ -n "$(json '.[] | select(.kind == "fail-open") | .id' events)" ] || fail "no event tells of it"
	expect_contains "$(what_a_flow_meets 192.0.2.11 80)" "time" "a service that does not fail open"
	shunt maint b2
	wait_for 3 "who is in maintenance takes nothing" is "b1 b3" active app
	expect "$(servers $VIP 80)" = "b1 b3" "who answers without b2"
	hold through 20 $VIP 80 --every 10ms --block 500
	serve b1 99
	wait_for 5 "who is up takes all" is b1 active app
	expect "$(servers $VIP 80 20)" = b1 "who answers once b1 is up"
	expect "$(resort)" = null "last resort"
}

falls_back() {
	net_make client lb b1 b2 b3
	app_and_sorry 'on_empty: reject' 'fallback: sorry'
	expect "$(servers $VIP 80)" = "b1 b2" "who answers at first"
	die b1
	wait_for 5 "b1 is down" is down backend b1 health
	expect "$(servers $VIP 80 20)" = "b2" "one member is left"
	die b2
	wait_for 5 "the fallback takes over" is "fallback sorry" resort
	expect "$(servers $VIP 80 20)" = b3 "who answers TCP"
	expect "$(servers $VIP6 80 20)" = b3 "who answers TCP over IPv6"
	on client "$FLOWS" connect $VIP 53 --udp --every 2ms --count 20 >"$T/log" || fail "UDP: $(tail -n 3 "$T/log")"
	expect_contains "$(shunt status)" "its new flows go to fallback sorry" "status"
	hold sorry 20 $VIP 80 --every 20ms --block 500
	serve b1 80 53
	wait_for 5 "its own backend takes new flows again" is b1 active app
	expect "$(servers $VIP 80 20)" = b1 "who answers new flows"
	stop_traffic sorry
	expect_unbroken sorry
	die b1
	die b3
	wait_for 5 "nobody is left" is null resort
	expect_contains "$(what_a_flow_meets $VIP 80)" refused "without anybody"
	serve b3 80 53
	wait_for 5 "the fallback is back" is "fallback sorry" resort
	expect "$(servers $VIP 80 20)" = b3 "who answers at last"
}

fallback_survives_a_restart() {
	net_make client lb b1 b2 b3
	app_and_sorry 'on_empty: drop' 'fallback: sorry'
	die b1
	die b2
	wait_for 5 "the fallback takes over" is "fallback sorry" resort
	connect_every 1 through $VIP 80
	for _ in 1 2 3 4; do # the first table of a start that forgets the fallback is there for a part of a millisecond
		kill_shuntd
		start_shuntd
		wait_for 5 "the fallback still serves" is "fallback sorry" resort
	done
	stop_traffic through
	expect_no_failure through
}

# Three backends, b1 with twice the weight, behind one scheduler.
three_scheduled() { # SCHEDULER
	local i
	net_make client lb b1 b2 b3
	for i in 1 2 3; do serve "b$i" 80 53; done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 256
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app, scheduler: $1}
		  - {name: dns6, address: "$VIP6", protocol: udp, port: 53, group: app, scheduler: $1}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2, b3], health_check: {type: tcp, port: 80}}
		backends:
		  - {name: b1, address: "$(ip4 b1)", weight: 200}
		  - {name: b2, address: "$(ip4 b2)"}
		  - {name: b3, address: "$(ip4 b3)"}
	END
}

expect_shares() { # LOG N: b1 has a half, the others a quarter each, give or take two fifths of that
	local name expected count told=''
	for name in b1 b2 b3; do
		expected=$(($2 / 4))
		[ $name != b1 ] || expected=$(($2 / 2))
		count=$(awk -v name=$name '$1 == "server" && $2 == name { print $3 }' "$1")
		expect "${count:-0}" -ge $((expected * 3 / 5)) "flows of $name of $2"
		expect "${count:-0}" -le $((expected * 7 / 5)) "flows of $name of $2"
		told="$told, $name $(awk -v n="$count" -v all="$2" 'BEGIN { printf "%.1f", 100 * n / all }') %"
	done
	note "of $2 flows${told}; by weight 50, 25 and 25 %"
}

scheduled() { # SCHEDULER
	three_scheduled "$1"
	hold through 40 $VIP 80 --every 20ms --block 300
	on client "$FLOWS" connect $VIP 80 --every 2ms --count 400 >"$T/tcp" || fail "TCP: $(tail -n 4 "$T/tcp")"
	on client "$FLOWS" connect $VIP6 53 --udp --every 2ms --count 400 >"$T/udp" || fail "UDP: $(tail -n 4 "$T/udp")"
	expect_shares "$T/tcp" 400
	expect_shares "$T/udp" 400
	on client "$FLOWS" hold 30 $VIP6 53 --udp --every 20ms --block 300 --for 1s >"$T/hold" || fail "$(tail -n 4 "$T/hold")"
	expect "$(awk '/^flows/ { print $4 }' "$T/hold")" -eq 0 "UDP flows that changed their server"
	shunt drain b2
	expect "$(servers $VIP 80)" = "b1 b3" "who answers while b2 drains"
	shunt ready b2
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers afterwards"
	wait_for 15 "no slot waits for flows that a scheduler placed" settled
	kill_shuntd
	start_shuntd
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers after a restart"
	stop_traffic through
	expect_unbroken through
}

# A proxy that uses each of its few ports again before flow_timeout is over: what it begins anew does not stay with who drains.
drain_ends_under_ports_used_again() {
	three_scheduled round-robin
	on client sysctl -qw net.ipv4.ip_local_port_range='2000 2099'
	connect_every 15 proxy $VIP 80
	wait_for 10 "the proxy uses its ports again" has_connected 150
	expect_exit 0 shunt drain b1 --wait --timeout 15s
	expect "$(backend b1 flows)" -eq 0 "flows left"
	is_running proxy || fail "the proxy stopped: $(tail -n 1 "$T/proxy.log")"
	stop_traffic proxy
	expect_no_failure proxy
	note "$(grep '^attempts' "$T/proxy.log") from 100 ports"
}

has_connected() { [ "$(grep -c ' ok ' "$T/proxy.log")" -gt "$1" ]; }

# ---- hash: source-ip ----

SOURCES=160 # addresses of the client

# sources_served FILE: a line "ADDRESS SERVER" for each of two connections of each address. (A curl for each would take a busy machine longer
# than everything else here.)
sources_served() {
	local round
	for round in 1 2; do
		seq -f 10.80.0.%.0f $SOURCES |
			sed 's|.*|next\ninterface = &\nurl = http://'"$VIP"'/\nmax-time = 5\nfail\nsilent\nshow-error\nwrite-out = "%{local_ip}\\n"|' |
			on client curl -K - 2>"$T/curl.err.$round" | paste -d' ' - - | awk '{ print $2, $1 }'
	done | sort >"$1"
	expect "$(grep -c ' b[123]$' "$1")" -eq $((2 * SOURCES)) "pages ($(tail -qn 1 "$T"/curl.err.*))"
}

# All connections of an address go to one server, whose share is its weight; when one dies its addresses alone move.
addresses_keep_their_server() {
	local host count
	net_make client lb b1 b2 b3
	seq $SOURCES | sed 's|.*|address add 10.80.0.&/32 dev lo|' | ip -n "$NET-client" -batch -
	for host in b1 b2 b3; do
		ip -n "$NET-$host" route add 10.80.0.0/24 via "$(ip4 client)"
		serve_http "$host"
	done
	balance <<-END
		interfaces: [eth0]
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, port: 80, group: app, hash: source-ip}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2, b3], health_check: {port: 80}}]
		backends: [{name: b1, address: $(ip4 b1), weight: 200}, {name: b2, address: $(ip4 b2)}, {name: b3, address: $(ip4 b3)}]
	END
	sources_served "$T/first"
	expect "$(uniq "$T/first" | wc -l)" -eq $SOURCES "pairs of address and server"
	uniq "$T/first" | awk '{ n[$2]++ } END { for (name in n) print "server", name, n[name] }' >"$T/shares"
	expect_shares "$T/shares" $SOURCES
	kill_shuntd
	start_shuntd
	shunt maint b3
	wait_for 5 "b3 is out" is "b1 b2" active app
	sources_served "$T/second"
	expect "$(uniq "$T/second" | wc -l)" -eq $SOURCES "pairs without b3"
	count=$(join <(uniq "$T/first") <(uniq "$T/second") | awk '$2 != "b3" && $2 != $3' | wc -l)
	expect "$count" -eq 0 "addresses that changed their server although it lives"
}

# b1 has all connections; two others come: they take the next ones.
least_connections_level_out() {
	three_scheduled least-connections
	shunt maint b2
	shunt maint b3
	wait_for 3 "b1 is alone" is b1 active app
	hold first 120 $VIP 80 --every 50ms --block 100
	wait_for 5 "its flows are counted" at_least 120 backend b1 flows
	shunt ready b2
	shunt ready b3
	wait_for 5 "all are active" is "b1 b2 b3" active app
	hold second 120 $VIP 80 --every 50ms --block 100
	wait_for 5 "all flows are counted" at_least 240 flows_of_all
	# b1 has half of the slots: both of the two that are looked at are its for a quarter of the flows, 30 with a deviation of 4.7.
	expect "$(backend b1 flows)" -le 172 "flows of b1"
	expect "$(backend b2 flows)" -ge 25 "flows of b2"
	expect "$(backend b3 flows)" -ge 25 "flows of b3"
	stop_traffic first
	stop_traffic second
	expect_unbroken first
	expect_unbroken second
}

at_least() { # N COMMAND…
	local least=$1
	shift
	[ "$("$@")" -ge "$least" ]
}
flows_of_all() { json '[.[].flows] | add' backends; }

back_to_maglev() {
	three_scheduled round-robin
	sed -i 's/scheduler: round-robin/scheduler: random/' "$CONFIG"
	expect_exit 0 shunt reload
	sed -i 's/scheduler: random/scheduler: maglev/' "$CONFIG"
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" "scheduler random -> maglev: would scatter living flows" "what is said"
	expect_exit 0 shunt reload --force
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers"
}

# ---- prefixes ----

local_prefixes() { # HOST: every address of the prefixes is its own
	ip -n "$NET-$1" route add local 192.0.2.0/24 dev lo
	ip -n "$NET-$1" route add local 2001:db8::/64 dev lo
}

prefix_services() { # EXTRA-SERVICES
	config <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: 192.0.2.0/24, protocol: tcp, port: 80, group: app}
		  - {name: dns, address: 192.0.2.0/24, protocol: udp, port: 53, group: app}
		  - {name: six, address: "2001:db8::/64", protocol: tcp, port: 0, group: app}
		$1
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2], health_check: {type: tcp, port: 80}}
		  - {name: one, mode: active-active, backends: [b3], health_check: {type: tcp, port: 80}}
		$(some_backends 3)
	END
}

whole_prefixes() {
	local i address
	net_make client lb b1 b2 b3
	for i in 1 2 3; do
		local_prefixes "b$i"
		serve "b$i" 80 53
	done
	prefix_services '  - {name: exact, address: 192.0.2.10, protocol: tcp, port: 80, group: one}'
	start_shuntd
	wait_for 10 "every backend is up" all_up
	for address in 192.0.2.1 192.0.2.77 192.0.2.254 2001:db8::1 2001:db8::7:7; do
		expect "$(servers $address 80 40)" = "b1 b2" "who answers at $address"
		on client ping -c 2 -i 0.05 -W 1 -q $address | grep -q ' 0% packet loss' || fail "echo of $address"
	done
	on client "$FLOWS" connect 192.0.2.99 53 --udp --every 2ms --count 20 >"$T/log" || fail "UDP: $(tail -n 3 "$T/log")"
	expect "$(servers 192.0.2.10 80 20)" = b3 "who answers at the address that has a service of its own"
	expect "$(service web address)" = 192.0.2.0/24 "address of the service"
	expect_contains "$(shunt explain tcp 10.77.0.1:4000 192.0.2.200:80)" web "explain"
	hold through 20 192.0.2.66 80 --every 20ms --block 300
	kill_shuntd
	start_shuntd
	expect "$(service web packets)" -gt 0 "packets of before the restart"
	prefix_services '  - {name: part, address: 192.0.2.128/25, protocol: tcp, port: 80, group: one}'
	expect_exit 0 shunt reload
	expect "$(servers 192.0.2.10 80 40)" = "b1 b2" "who answers at an address that has no service of its own any more"
	expect "$(servers 192.0.2.200 80 20)" = b3 "who answers in the longer prefix"
	stop_traffic through
	expect_unbroken through
}

suite policy
run_test 'on_empty: reject answers with resets and port unreachable' rejected
run_test 'on_empty: fail-open uses backends whatever their checks say, and says so' fails_open
run_test 'a fallback group serves when nobody is fit, and gives back' falls_back
run_test 'a fallback survives a restart of the controller' fallback_survives_a_restart
run_test 'round-robin holds weights, flows stay, drains and restarts lose nothing' scheduled round-robin
run_test 'random holds weights, flows stay, drains and restarts lose nothing' scheduled random
run_test 'least-connections holds weights, flows stay, drains and restarts lose nothing' scheduled least-connections
run_test 'a drain ends though a client uses its ports again and again' drain_ends_under_ports_used_again
run_test 'least-connections gives new flows to who has few' least_connections_level_out
run_test 'hash: source-ip keeps all connections of an address on one server, by weight' addresses_keep_their_server
run_test 'the way back from a scheduler to maglev has to be forced' back_to_maglev
run_test 'a service for a whole prefix serves all its addresses, the more specific wins' whole_prefixes
finish
