#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Checks that go the way of traffic (`via: service`) see what is wrong with that way, and say what.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP4=192.0.2.10 VIP6=2001:db8::10
PADDED_INTERVAL_MS=500
TIMES="interval: 200ms, timeout: 200ms, healthy_threshold: 2, unhealthy_threshold: 3"
VIA="via: service, padded_interval: ${PADDED_INTERVAL_MS}ms, $TIMES"
LATE_MS=5000 # later than stated, on a machine that is busy with much else: commands and polling of this test count, too

# via_and_plain ip4|ip6 FORWARD ADDRESS [CHECK [GROUPS]]: b1 to b3 are checked by the way of traffic to ADDRESS; p1 to p3 are the
# same hosts, checked as such.
via_and_plain() {
	local i
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {forward: $2}
		services:
		  - {name: web, address: "$3", protocol: tcp, port: 80, group: app}
		  - {name: web-plain, address: "$3", protocol: tcp, port: 81, group: plain}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2, b3], health_check: {${4:-type: tcp}, $VIA}}
		  - {name: plain, mode: active-active, backends: [p1, p2, p3], health_check: {type: tcp, port: 80, $TIMES}}
		backends:
		$(for i in 1 2 3; do
			echo "  - {name: b$i, address: \"$("$1" b$i)\"}"
			echo "  - {name: p$i, address: \"$("$1" b$i)\"}"
		done)
	END
}

network() { # FORWARD
	local host
	net_make client lb b1 b2 b3
	# A service of another family than the backend's: the balancer has to have some route in that one.
	ip -n "$NET-lb" route add default via 10.77.0.1
	ip -n "$NET-lb" route add default via fd77::1
	for host in b1 b2 b3; do
		case $1 in ipip | gue) on "$host" "$SHUNT_BUILD/shunt-decap" load eth0 ;; esac
		serve "$host" 80 53
	done
}

is_health() { is "$2" backend "$1" health; } # BACKEND HEALTH
stated() { group app detection_ms; }
stated_mtu() { group app mtu_detection_ms; }

# goes_down BACKEND STATED-MS WHAT TEXT…: within the time stated, and each TEXT is in what is said of it. The plain check of the
# same host sees nothing.
goes_down() {
	local backend=$1 stated_ms=$2 what=$3 started took text
	shift 3
	started=$(now_ms)
	wait_for 10 "$backend is down: $what" is_health "$backend" down
	took=$(($(now_ms) - started))
	for text in "$@"; do
		says "$backend" "$text" "$what"
	done
	wait_for 10 "the plain check finds the same host up: $what" is_health "p${backend#b}" up
	note "$what: down after $took ms, stated $stated_ms ms: $(backend "$backend" check.last)"
	expect "$took" -le $((stated_ms + LATE_MS)) "milliseconds until down: $what"
}

# Some result, though not each on a busy machine, is of the reason "path" and has the text.
says() { # BACKEND TEXT WHAT
	wait_for 10 "$3: $1 is down for the path and says: $2" said_of "$1" "$2"
}
said_of() { json '"\(.check.reason) \(.check.last)"' backends "$1" | grep -F "$2" | grep -q "^path "; }

comes_back() { # BACKEND WHAT
	local started
	started=$(now_ms)
	wait_for 10 "$1 is up again: $2" is_health "$1" up
	note "$2 is mended: up after $(($(now_ms) - started)) ms"
}

lo_address_is_missing() { # ADDRESS TEXT
	local length=32
	case $1 in *:*) length=128 ;; esac
	ip -n "$NET-b1" address del "$1/$length" dev lo
	goes_down b1 "$(stated)" "$1 not on lo" "no answer from $1" "$2"
	ip -n "$NET-b1" address add "$1/$length" dev lo
	comes_back b1 "$1 not on lo"
}

tunnel_is_broken() { # TEXT
	on b2 "$SHUNT_BUILD/shunt-decap" unload eth0
	goes_down b2 "$(stated)" "nobody takes the tunnel off" "$1"
	on b2 "$SHUNT_BUILD/shunt-decap" load eth0
	comes_back b2 "the tunnel"
}

mtu_is_short() { # BYTES MODE
	ip -n "$NET-switch" link set p-b3 mtu 1400
	goes_down b3 "$(stated_mtu)" "MTU of 1400" "no answer to $1 bytes ($2)" "MTU is too short"
	ip -n "$NET-switch" link set p-b3 mtu $NET_MTU
	comes_back b3 "the MTU"
}

every_fault() { # ip4|ip6 FORWARD ADDRESS LO-TEXT [TUNNEL-TEXT]
	network "$2"
	via_and_plain "$1" "$2" "$3"
	wait_for 10 "a good path is told of" has_text b1 "connected via $3"
	lo_address_is_missing "$3" "$4"
	[ -z "${5:-}" ] || tunnel_is_broken "$5"
	mtu_is_short $NET_MTU "$2"
	wait_for 10 "all are up in the end" all_up
}

# ---- every kind of check ----

kinds() {
	local backend
	net_make client lb b1
	on b1 "$SHUNT_BUILD/shunt-decap" load eth0
	serve_http b1
	serve_tls b1
	serve_dns b1 192.0.2.80 $VIP4
	spawn echo-b1 b1 "$FLOWS" serve --name b1 90
	wait_for 5 "the echo server on b1 listens" said echo-b1 serving
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: ipip}
		services:
		  - {name: http, address: $VIP4, protocol: tcp, port: 80, group: http}
		  - {name: https, address: $VIP4, protocol: tcp, port: 443, group: https}
		  - {name: tcp, address: $VIP4, protocol: tcp, port: 90, group: tcp}
		  - {name: udp, address: $VIP4, protocol: udp, port: 90, group: udp}
		  - {name: dns, address: $VIP4, protocol: udp, port: 53, group: dns}
		failover_groups:
		  - {name: http, mode: active-active, backends: [http1], health_check: {path: /, expect: b1, $VIA}}
		  - {name: https, mode: active-active, backends: [https1], health_check: {type: https, ca_file: $T/service.crt, $VIA}}
		  - {name: tcp, mode: active-active, backends: [tcp1], health_check: {type: tcp, send: hello, expect: hello, $VIA}}
		  - {name: udp, mode: active-active, backends: [udp1], health_check: {type: udp, send: hello, expect: hello, $VIA}}
		  - {name: dns, mode: active-active, backends: [dns1], health_check: {query: app.example, answer: 192.0.2.80, $VIA}}
		backends:
		$(for backend in http https tcp udp dns; do echo "  - {name: ${backend}1, address: $(ip4 b1)}"; done)
	END
	wait_for 10 "http" has_text http1 "status 200 via $VIP4"
	wait_for 10 "dns" has_text dns1 "rcode NOERROR via $VIP4"
	wait_for 10 "https, with the service's address in the certificate" has_text https1 "status 200 via $VIP4"
	ip -n "$NET-b1" address del $VIP4/32 dev lo
	for backend in http https tcp udp dns; do
		wait_for 10 "$backend: the address is missing" is_health ${backend}1 down
		says ${backend}1 "no answer from $VIP4 through ipip" "$backend"
	done
	ip -n "$NET-b1" address add $VIP4/32 dev lo
	wait_for 10 "all are up again" all_up
	ip -n "$NET-switch" link set p-b1 mtu 1400
	for backend in http https tcp udp dns; do
		wait_for 10 "$backend: the MTU is short" is_health ${backend}1 down
		says ${backend}1 "no answer to $NET_MTU bytes (ipip)" "$backend"
	done
}

# A server whose certificate is for the service's address, as clients want it.
serve_tls() { # HOST
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/service.key" -out "$T/service.crt" -days 2 -subj "/CN=service" \
		-addext "subjectAltName=IP:$VIP4" 2>/dev/null
	serve_https "$1" service
}

# ---- where service and balancer are, and how many backends ----

# With strict reverse path filters: what answers come from must look as if it came from the backend.
service_address_is_the_balancers_own() {
	network ipip
	on lb sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1
	ip -n "$NET-lb" address add $VIP4/32 dev lo
	ip -n "$NET-lb" address add $VIP6/128 dev lo
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: ipip, health_check: {type: tcp, port: 80, $VIA}}
		services:
		  - {name: web, address: $VIP4, protocol: tcp, port: 80, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]
		backends: [{name: b1, address: $(ip4 b1)}, {name: b2, address: "$(ip6 b2)"}]
	END
	wait_for 10 "both addresses are asked" has_text b1 "via 2 service addresses"
	ip -n "$NET-b1" address del $VIP6/128 dev lo
	wait_for 10 "one of two addresses is missing" is_health b1 down
	says b1 "$VIP6" "which one"
	wait_for 10 "the other backend is up" is_health b2 up
}

checks_made() { [ "$(json .checks.started status)" -ge "$1" ]; }
never_down() { # LABEL
	! grep -q 'down, was' "$T/$SHUNTD.log" || fail "$1: $(grep -m 1 'down, was' "$T/$SHUNTD.log")"
}

# All of one service: to the backends' side their flows differ by the port alone.
many_backends() {
	local n=100 i
	net_make client lb b1
	for i in $(seq "$n"); do echo "address add 10.77.1.$i/16 dev eth0"; done | ip -n "$NET-b1" -batch -
	ip -n "$NET-lb" address add 10.77.0.2/16 dev eth0
	on lb sysctl -qw net.ipv4.ip_local_port_range='40000 40399'
	serve b1
	balance <<-END
		interfaces: [eth0]
		services: [{name: web, address: $VIP4, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - {name: app, mode: active-active, backends: [$(names $n)], health_check: {type: tcp, via: service, interval: 500ms, timeout: 500ms}}
		backends:
		$(for i in $(seq "$n"); do echo "  - {name: b$i, address: 10.77.1.$i}"; done)
	END
	wait_for 30 "$n backends are checked twenty times" checks_made $((20 * n))
	never_down "a backend that is up"
	note "$n backends of one service, every 500 ms: $(json .checks.started status) checks, none failed"
}

# ---- nat ----

translated() {
	net_two_sides lb client b1
	serve b1 8080
	balance <<-END
		interfaces: [eth0, eth1]
		defaults: {forward: nat, health_check: {type: tcp, $VIA}}
		services: [{name: web, address: $VIP4, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1]}]
		backends: [{name: b1, address: 10.78.0.11, port: 8080}]
	END
	ip -n "$NET-switch2" link set p-b1 mtu 1400
	wait_for 10 "the MTU is short" is_health b1 down
	says b1 "no answer to $NET_MTU bytes (nat)" "nat"
	ip -n "$NET-switch2" link set p-b1 mtu $NET_MTU
	comes_back b1 "the MTU"
}

# ---- from start to end ----

filters() { on lb tc filter show dev eth0 egress | grep -c 'handle.*probe_egress'; }
hooks() { on lb tc qdisc show dev eth0 | grep -c clsact; }

expect_programs() { # COUNT WHEN
	expect "$(filters || true)" -eq "$1" "programs on eth0, $2"
	expect "$(hooks || true)" -eq "$1" "clsact on eth0, $2"
}

one_service() { # VIA
	config <<-END
		interfaces: [eth0]
		defaults: {forward: ipip}
		services: [{name: web, address: $VIP4, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, ${1:+$1, }$TIMES}}]
		backends: [{name: b1, address: $(ip4 b1)}]
	END
}

starts_and_ends() {
	network ipip
	one_service "via: service"
	on lb "$SHUNT_BUILD/shunt" doctor -c "$CONFIG" >"$T/doctor" || true # of other lines others have their say
	expect_contains "$(<"$T/doctor")" "checks can be sent as traffic is (clsact)" "doctor"
	start_shuntd
	wait_for 10 "b1 is up" all_up
	expect_programs 1 "while it runs"
	kill_shuntd
	expect_programs 1 "when it was killed"
	start_shuntd
	wait_for 10 "b1 is up by its own checks" has_text b1 "via $VIP4"
	expect_programs 1 "after the restart"
	one_service ""
	shunt reload
	wait_for 10 "b1 is up by a plain check" all_up
	expect_programs 0 "without via"
	one_service "via: service"
	shunt reload
	wait_for 10 "b1 is up by the way of traffic" has_text b1 "via $VIP4"
	expect_programs 1 "with via again"
	stop_shuntd
	expect_programs 0 "when it was stopped"
	start_shuntd
	kill_shuntd
	one_service ""
	start_shuntd
	expect_programs 0 "when what a killed one left is of no use"
	one_service "via: service"
	shunt reload
	wait_for 10 "b1 is up by the way of traffic" has_text b1 "via $VIP4"
	shunt detach
	wait_for 10 "shuntd has ended" is_over "$SHUNTD"
	expect_programs 0 "detached"
}

has_text() { [[ $(backend "$1" check.last) == *"$2"* ]]; } # BACKEND TEXT

# Reloads go on while probes are under way: the programs are replaced, other features come and go, and no check fails of it.
reloads() {
	local i TIMES="interval: 300ms, timeout: 300ms, healthy_threshold: 2, unhealthy_threshold: 5" # a busy machine is no reload
	network ipip
	one_service "via: service"
	start_shuntd
	wait_for 10 "b1 is up" all_up
	for i in $(seq 10); do
		one_service "via: service"
		[ $((i % 2)) -eq 0 ] || sed -i 's/port: 80,/port: 80, mss: auto,/' "$CONFIG"
		shunt reload >/dev/null
	done
	wait_for 10 "checks go on" checks_made 20
	never_down "a reload"
}

suite via
OWN="is it on its lo?" OUT="nothing comes out of the"
run_test 'l2: a missing address and a short MTU are seen, and when they are mended' every_fault ip4 l2 $VIP4 "$OWN"
run_test 'l2, IPv6: the same' every_fault ip6 l2 $VIP6 "$OWN"
run_test 'ipip, IPv4 in IPv4: a missing address, a broken tunnel, a short MTU' every_fault ip4 ipip $VIP4 "$OWN" "$OUT"
run_test 'ipip, IPv6 in IPv6: the same' every_fault ip6 ipip $VIP6 "$OWN" "$OUT"
run_test 'ipip, IPv6 in IPv4: the same, address and tunnel are not told apart' every_fault ip4 ipip $VIP6 "on its lo?" "is its end up"
run_test 'ipip, IPv4 in IPv6: the same' every_fault ip6 ipip $VIP4 "on its lo?" "is its end up"
run_test 'gue: a missing address, a broken tunnel, a short MTU' every_fault ip4 gue $VIP4 "$OWN" "$OUT"
run_test 'http, https, tcp, udp and dns are sent as traffic is' kinds
run_test 'nat: a short MTU is seen' translated
run_test 'all addresses are asked, even where they are the balancer'"'"'s own, with strict reverse path filters' service_address_is_the_balancers_own
run_test 'a hundred backends of one service, and four hundred ports' many_backends
run_test 'nothing is left behind, what a killed one left is replaced' starts_and_ends
run_test 'reloads fail no check' reloads
finish
