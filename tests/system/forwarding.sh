#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packets reach real servers through the XDP program, in every mode, and are all accounted for.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP4=192.0.2.10 VIP6=2001:db8::10 OTHER_VIP4=192.0.2.11

# three_backends ip4|ip6 FORWARD [MODE]: services web (TCP 80) and dns (UDP 53), IPv4 and IPv6, on backends of one family.
three_backends() {
	balance <<-END
		interfaces: [{name: eth0, mode: ${3:-auto}}]
		flow_timeout: 2s
		defaults: {forward: $2, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, protocol: tcp, port: 80, group: app}
		  - {name: dns, address: $VIP4, protocol: udp, port: 53, group: app}
		  - {name: upload, address: $VIP4, protocol: tcp, port: 90, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app}
		  - {name: dns6, address: "$VIP6", protocol: udp, port: 53, group: app}
		failover_groups:
		  - {name: app, mode: active-active, backends: [$(names 3)], health_check: {type: tcp, port: 80}}
		$(some_backends 3 "$1")
	END
}

decapsulate() { # HOST…: takes the place of a tunnel device on backends
	local host
	for host in "$@"; do
		on "$host" "$SHUNT_BUILD/shunt-decap" load eth0
	done
}

serve_on() { # HOST…
	local host
	for host in "$@"; do
		serve "$host" 80 53
	done
}

# Every connection and every datagram is answered, by each of the three servers, and streams come back whole.
expect_traffic() { # ADDRESS
	on client "$FLOWS" connect "$1" 80 --every 3ms --count 100 >"$T/tcp" || fail "TCP to $1: $(tail -n 4 "$T/tcp")"
	expect "$(grep -c '^server b' "$T/tcp")" -eq 3 "servers that answered TCP"
	on client "$FLOWS" connect "$1" 53 --udp --every 3ms --count 100 >"$T/udp" || fail "UDP to $1: $(tail -n 4 "$T/udp")"
	expect "$(grep -c '^server b' "$T/udp")" -eq 3 "servers that answered UDP"
	on client "$FLOWS" hold 20 "$1" 80 --every 10ms --block 4096 --for 500ms >"$T/hold" ||
		fail "streams to $1: $(tail -n 4 "$T/hold")"
}

every_combination() { # FORWARD BACKENDS-FAMILY SERVICE-ADDRESS [MODE]
	net_make client lb b1 b2 b3
	[ "$1" = l2 ] || decapsulate b1 b2 b3
	serve_on b1 b2 b3
	three_backends "$2" "$1" "${4:-auto}"
	[ -z "${4:-}" ] || expect "$(json '.interfaces[0].mode' status)" = "$4" "XDP mode"
	expect_traffic "$3"
}

every_port_of_a_service() {
	local port address
	net_make client lb b1
	serve b1 80 2000 65000
	balance <<-END
		interfaces: [eth0]
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: all, address: $VIP4, protocol: tcp, port: 0, group: app}
		  - {name: all-udp, address: $VIP4, protocol: udp, port: 0, group: app}
		  - {name: all6, address: "$VIP6", protocol: tcp, port: 0, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1)
	END
	for port in 80 2000 65000; do
		for address in $VIP4 $VIP6; do
			on client "$FLOWS" connect "$address" "$port" --every 2ms --count 10 >"$T/log" ||
				fail "port $port of $address: $(tail -n 3 "$T/log")"
		done
		on client "$FLOWS" connect $VIP4 "$port" --udp --every 2ms --count 10 >"$T/log" ||
			fail "UDP port $port: $(tail -n 3 "$T/log")"
	done
}

echo_requests() {
	net_make client lb b1 b2 b3
	serve_on b1 b2 b3
	three_backends ip4 l2
	on b1 sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	on b2 sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	on b3 sysctl -qw net.ipv4.icmp_echo_ignore_all=1 net.ipv6.icmp.echo_ignore_all=1
	on client ping -c 20 -i 0.01 -W 1 -q $VIP4 | grep -q ' 0% packet loss' || fail "IPv4 echo"
	on client ping -c 5 -i 0.01 -W 1 -s 1400 -p 5a -q $VIP4 | grep -q ' 0% packet loss' || fail "IPv4 echo of 1400 bytes"
	on client ping -c 20 -i 0.01 -W 1 -q $VIP6 | grep -q ' 0% packet loss' || fail "IPv6 echo"
	expect_exit 1 on client ping -c 2 -i 0.05 -W 0.3 -q $OTHER_VIP4
}

other_traffic_passes() {
	net_make client lb b1 b2 b3
	serve_on b1 b2 b3
	ip -n "$NET-lb" address add $VIP4 dev lo
	serve lb 9090
	three_backends ip4 l2
	on client ping -c 3 -i 0.01 -W 1 -q 10.77.0.2 | grep -q ' 0% packet loss' || fail "ping of the balancer"
	on client ping -c 3 -i 0.01 -W 1 -q fd77::2 | grep -q ' 0% packet loss' || fail "IPv6 ping of the balancer"
	on client "$FLOWS" connect 10.77.0.2 9090 --every 2ms --count 10 >"$T/log" || fail "the balancer's own address"
	on client "$FLOWS" connect $VIP4 9090 --every 2ms --count 10 >"$T/log" || fail "another port of the service address"
	expect "$(grep -c '^server lb' "$T/log")" -eq 1 "the balancer's own server answered"
	on client "$FLOWS" connect $VIP4 80 --every 2ms --count 10 >"$T/log" || fail "the service"
	expect "$(grep -c '^server lb' "$T/log" || true)" -eq 0 "the service answered from a backend"
	expect "$(all_drops)" -eq 0 "drops"
}

two_sided() { # FORWARD
	local address
	net_make_two_sided client lb b1 b2 b3
	[ "$1" = l2 ] || decapsulate b1 b2 b3
	serve_on b1 b2 b3
	balance <<-END
		interfaces: [eth0, eth1]
		defaults: {forward: $1, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, protocol: tcp, port: 80, group: app}
		  - {name: dns, address: $VIP4, protocol: udp, port: 53, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app6}
		  - {name: dns6, address: "$VIP6", protocol: udp, port: 53, group: app6}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2, b3], health_check: {type: tcp, port: 80}}
		  - {name: app6, mode: active-active, backends: [c1, c2, c3], health_check: {type: tcp, port: 80}}
		backends:
		  - {name: b1, address: 10.78.0.11}
		  - {name: b2, address: 10.78.0.12}
		  - {name: b3, address: 10.78.0.13}
		  - {name: c1, address: "fd78::11"}
		  - {name: c2, address: "fd78::12"}
		  - {name: c3, address: "fd78::13"}
	END
	expect_traffic $VIP4
	expect_traffic $VIP6
}

# Counts what really crosses, without the help of what is tested.
count_packets() { # HOST ADDRESS PROTOCOL PORT HOOK(prerouting|output)
	on "$1" nft -f - <<-END
		table inet count {
			counter seen {}
			chain watch { type filter hook $5 priority -300; ip daddr $2 $3 dport $4 counter name seen; }
		}
	END
}

counted() { # HOST [bytes]
	on "$1" nft -j list counter inet count seen | jq ".nftables[] | .counter // empty | .${2:-packets}"
}

counters_agree() { # PROTOCOL PORT SERVICE
	local host sum=0 option=()
	[ "$1" != udp ] || option=(--udp)
	net_make client lb b1 b2 b3
	serve_on b1 b2 b3
	three_backends ip4 l2
	count_packets client $VIP4 "$1" "$2" output
	for host in b1 b2 b3; do
		count_packets "$host" $VIP4 "$1" "$2" prerouting
	done
	on client "$FLOWS" connect $VIP4 "$2" --every 2ms --count 300 "${option[@]}" >"$T/log" || fail "$(tail -n 4 "$T/log")"
	wait_for 3 "the client has closed its connections" no_open_connections
	expect "$(service "$3" packets)" -eq "$(counted client)" "packets of the service"
	expect "$(service "$3" bytes)" -eq $(($(counted client bytes) + 14 * $(counted client))) "bytes of the service"
	[ "$1" = udp ] || expect "$(service "$3" new_flows)" -eq 300 "new flows of the service"
	for host in b1 b2 b3; do
		expect "$(backend $host packets)" -eq "$(counted $host)" "packets of $host"
		sum=$((sum + $(counted $host)))
	done
	expect "$sum" -eq "$(counted client)" "packets that the backends saw"
	expect "$(all_drops)" -eq 0 "drops"
}

no_open_connections() { [ -z "$(on client ss -Htn state established state fin-wait-1 state fin-wait-2 state closing)" ]; }

drops_have_a_reason() {
	net_make client lb b1
	serve_on b1
	three_backends_in_maintenance
	on client "$FLOWS" connect $VIP4 53 --udp --every 2ms --count 50 --timeout 100ms >"$T/log" && fail "something answered"
	expect "$(drops no_backend)" -eq 50 "drops for want of a backend"
	expect "$(all_drops)" -eq 50 "all drops"
}

three_backends_in_maintenance() {
	balance <<-END
		interfaces: [eth0]
		defaults: {health_check: $FAST_CHECK}
		services: [{name: dns, address: $VIP4, protocol: udp, port: 53, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1)
	END
	shunt maint b1
}

nothing_is_lost() { # FORWARD
	local sent answered
	net_make client lb b1 b2 b3
	[ "$1" = l2 ] || decapsulate b1 b2 b3
	serve_on b1 b2 b3
	three_backends ip4 "$1"
	on client "$FLOWS" hold 50 $VIP4 53 --udp --every 20ms --block 1000 --for 4s >"$T/log" || fail "$(tail -n 4 "$T/log")"
	read -r sent answered < <(awk '/^flows/ { print $6, $8 }' "$T/log")
	expect "$sent" -ge 9000 "datagrams sent"
	expect "$answered" -eq "$sent" "datagrams answered"
	expect "$(awk '/^flows/ { print $4 }' "$T/log")" -eq 0 "flows that changed their server"
	note "$1: $sent datagrams sent, $answered answered"
}

large_transfer() { # FORWARD
	local sum host
	net_make client lb b1 b2 b3
	[ "$1" = l2 ] || decapsulate b1 b2 b3
	serve_on b1 b2 b3
	three_backends ip4 "$1"
	dd if=/dev/urandom of="$T/file" bs=1M count=64 status=none
	sum=$(sha256sum <"$T/file")
	for host in b1 b2 b3; do
		spawn "sink-$host" "$host" socat -u TCP-LISTEN:90,reuseaddr "CREATE:$T/up"
	done
	wait_for 5 "the sinks listen" all_listen 90
	on client socat -u "FILE:$T/file" TCP:$VIP4:90
	wait_for 10 "the file arrives whole" same_sum "$T/up" "$sum"
}

all_listen() { [ "$(for host in b1 b2 b3; do on $host ss -Hltn "sport = :$1"; done | wc -l)" -eq 3 ]; }
same_sum() { [ "$(sha256sum <"$1")" = "$2" ]; }

suite forwarding
run_test 'l2 carries IPv4' every_combination l2 ip4 $VIP4
run_test 'l2 carries IPv6' every_combination l2 ip6 $VIP6
run_test 'l2 carries IPv6 to backends known by their IPv4 address' every_combination l2 ip4 $VIP6
run_test 'ipip carries IPv4 in IPv4' every_combination ipip ip4 $VIP4
run_test 'ipip carries IPv6 in IPv6' every_combination ipip ip6 $VIP6
run_test 'ipip carries IPv4 in IPv6' every_combination ipip ip6 $VIP4
run_test 'ipip carries IPv6 in IPv4' every_combination ipip ip4 $VIP6
run_test 'gue carries IPv4 over IPv4' every_combination gue ip4 $VIP4
run_test 'gue carries IPv6 over IPv6' every_combination gue ip6 $VIP6
run_test 'gue carries IPv4 over IPv6' every_combination gue ip6 $VIP4
run_test 'gue carries IPv6 over IPv4' every_combination gue ip4 $VIP6
run_test 'generic mode: gue, IPv4 over IPv6' every_combination gue ip6 $VIP4 generic
run_test 'generic mode: l2' every_combination l2 ip4 $VIP4 generic
run_test 'generic mode: ipip, IPv6 in IPv4' every_combination ipip ip4 $VIP6 generic
run_test 'native mode is what auto picks on veth' every_combination l2 ip4 $VIP4 native
run_test 'a service with port 0 takes every port' every_port_of_a_service
run_test 'echo requests to a service address are answered, to others not' echo_requests
run_test 'what is not for a service passes untouched' other_traffic_passes
run_test 'l2 redirects to backends behind another interface' two_sided l2
run_test 'ipip redirects to backends behind another interface' two_sided ipip
run_test 'gue redirects to backends behind another interface' two_sided gue
run_test 'counters of TCP agree with what was sent and what arrived' counters_agree tcp 80 web
run_test 'counters of UDP agree with what was sent and what arrived' counters_agree udp 53 dns
run_test 'a drop is counted under its reason' drops_have_a_reason
run_test 'l2 loses nothing in steady state' nothing_is_lost l2
run_test 'ipip loses nothing in steady state' nothing_is_lost ipip
run_test 'gue loses nothing in steady state' nothing_is_lost gue
run_test 'a large upload arrives whole over l2' large_transfer l2
run_test 'a large upload arrives whole over ipip' large_transfer ipip
finish
