#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packets that are not the ordinary ones, in real networks: a narrow link on the way to the client, so that path MTU
# discovery must work through the balancer; datagrams in fragments; tagged frames.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP4=192.0.2.10 VIP6=2001:db8::10
NARROW_MTU=1300

# balanced ip4|ip6 FORWARD: services web (TCP 80) and dns (UDP 53), IPv4 and IPv6, on three backends.
balanced() {
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: $2, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, protocol: tcp, port: 80, group: app}
		  - {name: dns, address: $VIP4, protocol: udp, port: 53, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app}
		  - {name: dns6, address: "$VIP6", protocol: udp, port: 53, group: app}
		failover_groups:
		  - {name: app, mode: active-active, backends: [$(names 3)], health_check: {type: tcp, port: 80}}
		$(some_backends 3 "$1")
	END
}

decapsulate() { # HOST…
	local host
	for host in "$@"; do
		on "$host" "$SHUNT_BUILD/shunt-decap" load eth0
	done
}

# The client is behind a router whose link to it is narrow in that direction only: the client does not know, and offers
# segments of 1,460 bytes. Backends answer through the router, which routes the service addresses to the balancer.
net_make_behind_narrow_link() {
	local host
	net_make lb b1 b2 b3
	net_host router
	net_leg router eth0 switch 10.77.0.254/24 fd77::254/64
	net_host client
	ip -n "$NET-router" -batch - <<-END
		link add narrow mtu $NARROW_MTU type veth peer name eth0 mtu 1500 netns $NET-client
		address add 10.79.0.254/24 dev narrow
		address add fd79::254/64 dev narrow nodad
		link set narrow up
	END
	ip -n "$NET-client" -batch - <<-END
		address add 10.79.0.1/24 dev eth0
		address add fd79::1/64 dev eth0 nodad
		link set eth0 up
		route add default via 10.79.0.254
		route add default via fd79::254
	END
	net_forwards router
	net_route_services router 10.77.0.2 fd77::2
	for host in b1 b2 b3; do
		ip -n "$NET-$host" route add default via 10.77.0.254
		ip -n "$NET-$host" route add default via fd77::254
	done
}

received() { # HOST COUNTER: of nstat, since the host came up
	on "$1" nstat -asz "$2" 2>/dev/null | awk -v name="$2" '$1 == name { print $2 }'
}

received_by_all() { # COUNTER
	echo $(($(received b1 "$1") + $(received b2 "$1") + $(received b3 "$1")))
}

a_download_behind_a_narrow_link() { # FORWARD BACKENDS-FAMILY ADDRESS COUNTER
	local host sum i
	net_make_behind_narrow_link
	[ "$1" = l2 ] || decapsulate b1 b2 b3
	dd if=/dev/urandom of="$T/file" bs=1M count=10 status=none
	sum=$(sha256sum <"$T/file")
	for host in b1 b2 b3; do
		serve_http "$host"
		ln "$T/file" "$T/nginx-$host/www/file"
	done
	balanced "$2" "$1"
	# Twelve, from different ports: all three backends have answered, each of which had to be told.
	for i in $(seq 12); do
		on client curl -sf --max-time 15 -o "$T/got" "http://$3/file" || fail "download $i: curl says $?"
		expect "$(sha256sum <"$T/got")" = "$sum" "what download $i brought"
		rm "$T/got"
	done
	expect "$(received_by_all "$4")" -ge 3 "errors that reached the backends ($4)"
	expect "$(all_drops)" -eq 0 "drops"
	note "$1 to $2, $3: 12 downloads of 10 MB, $(received_by_all "$4") errors reached their backend"
}

# What the backends send must fit the client, whose link has 1,500 bytes; theirs has more, for the outer header.
answer_in_1500() { # HOST…
	local host
	for host in "$@"; do
		ip -n "$NET-$host" route replace 10.77.0.1 dev eth0 mtu 1500
		ip -n "$NET-$host" route replace fd77::1 dev eth0 mtu 1500
	done
}

datagrams_in_fragments() { # FORWARD BACKENDS-FAMILY ADDRESS
	local sent answered
	net_make client lb b1 b2 b3
	answer_in_1500 b1 b2 b3
	[ "$1" != ipip ] || decapsulate b1 b2 b3
	serve b1 80 53
	serve b2 80 53
	serve b3 80 53
	balanced "$2" "$1"
	on client "$FLOWS" hold 30 "$3" 53 --udp --every 40ms --block 8000 --for 2s >"$T/log" || fail "$(tail -n 4 "$T/log")"
	read -r sent answered < <(awk '/^flows/ { print $6, $8 }' "$T/log")
	expect "$sent" -ge 1000 "datagrams sent"
	expect "$answered" -eq "$sent" "datagrams answered whole"
	expect "$(awk '/^flows/ { print $4 }' "$T/log")" -eq 0 "flows that changed their server"
	expect "$(all_drops)" -eq 0 "drops"
	expect $(($(service dns packets) + $(service dns6 packets))) -eq $((6 * sent)) "fragments that were forwarded"
	note "$1 to $2, $3: $sent datagrams of 8,000 bytes sent, $answered answered whole"
}

# tagged ONCE|TWICE HOST…: frames of these hosts leave with one or two tags, and nothing gets in without them.
tagged() {
	local push=push pop=pop host
	[ "$1" = once ] || push=push_two pop=pop_two
	shift
	for host in "$@"; do
		# In the frame, where XDP sees them; veth else hands tags over beside it.
		on "$host" ethtool -K eth0 txvlan off tx-vlan-stag-hw-insert off
		on switch ethtool -K "p-$host" txvlan off tx-vlan-stag-hw-insert off
		on "$host" tc qdisc add dev eth0 clsact
		on "$host" tc filter add dev eth0 egress bpf da obj "$SHUNT_BUILD/tests/lib/vlan_tag.bpf.o" sec "tc/$push"
		on "$host" tc filter add dev eth0 ingress bpf da obj "$SHUNT_BUILD/tests/lib/vlan_tag.bpf.o" sec "tc/$pop"
	done
}

a_tagged_network() { # once|twice FORWARD BACKENDS-FAMILY
	local address
	net_make client lb b1 b2 b3
	tagged "$1" client lb b1 b2 b3
	serve b1 80 53
	serve b2 80 53
	serve b3 80 53
	balanced "$3" "$2"
	for address in $VIP4 $VIP6; do
		on client ping -c 5 -i 0.01 -W 1 -q "$address" | grep -q ' 0% packet loss' || fail "echo of $address"
		on client "$FLOWS" connect "$address" 80 --every 3ms --count 100 >"$T/log" || fail "TCP: $(tail -n 4 "$T/log")"
		expect "$(grep -c '^server b' "$T/log")" -eq 3 "servers that answered TCP"
		on client "$FLOWS" connect "$address" 53 --udp --every 3ms --count 100 >"$T/log" || fail "UDP: $(tail -n 4 "$T/log")"
		on client "$FLOWS" hold 10 "$address" 80 --every 10ms --block 4096 --for 500ms >"$T/log" ||
			fail "streams: $(tail -n 4 "$T/log")"
	done
	expect "$(all_drops)" -eq 0 "drops"
}

# A switch that knows no addresses, as one does when an entry has aged out: everybody sees every frame, two balancers among them.
# Each forwards the client's, and takes what the other has sent for what it is.
two_balancers_on_a_hub() {
	local lb sent forwarded
	net_make client lb lb2 b1 b2 b3
	serve b1 53 80
	serve b2 53 80
	serve b3 53 80
	for lb in lb lb2; do
		use_instance "of-$lb" "$lb"
		balanced ip4 l2
	done
	ip -n "$NET-switch" link set br0 type bridge ageing_time 0
	on client "$FLOWS" connect $VIP4 53 --udp --every 3ms --count 50 >"$T/udp" || fail "UDP: $(tail -n 4 "$T/udp")"
	on client "$FLOWS" connect $VIP4 80 --every 3ms --count 20 >"$T/tcp" || fail "TCP: $(tail -n 4 "$T/tcp")"
	sent=$(on client nstat -asz TcpOutSegs UdpOutDatagrams | awk '/OutSegs|OutDatagrams/ { n += $2 } END { print n }')
	for lb in lb lb2; do
		use_instance "of-$lb" "$lb"
		forwarded=$(json '[.[].packets] | add' services)
		note "$lb has forwarded $forwarded of the client's $sent packets"
		expect "$forwarded" -gt 0 "packets that $lb has forwarded"
		expect "$forwarded" -le $((2 * sent)) "packets that $lb has forwarded (resets and repeats are not among those sent)"
	done
}

suite packets
run_test 'a download behind a narrow link: l2' a_download_behind_a_narrow_link l2 ip4 $VIP4 IcmpInDestUnreachs
run_test 'a download behind a narrow link: ipip' a_download_behind_a_narrow_link ipip ip4 $VIP4 IcmpInDestUnreachs
run_test 'a download behind a narrow link: l2, IPv6' a_download_behind_a_narrow_link l2 ip6 "[$VIP6]" Icmp6InPktTooBigs
run_test 'a download behind a narrow link: ipip, IPv6 in IPv4' a_download_behind_a_narrow_link ipip ip4 "[$VIP6]" Icmp6InPktTooBigs
run_test 'a download behind a narrow link: gue' a_download_behind_a_narrow_link gue ip4 $VIP4 IcmpInDestUnreachs
run_test 'a download behind a narrow link: gue, IPv6 over IPv6' a_download_behind_a_narrow_link gue ip6 "[$VIP6]" Icmp6InPktTooBigs
run_test 'datagrams in fragments arrive whole: l2' datagrams_in_fragments l2 ip4 $VIP4
run_test 'datagrams in fragments arrive whole: ipip, IPv4 in IPv6' datagrams_in_fragments ipip ip6 $VIP4
run_test 'datagrams in fragments arrive whole: l2, IPv6' datagrams_in_fragments l2 ip6 $VIP6
run_test 'datagrams in fragments arrive whole: ipip, IPv6 in IPv4' datagrams_in_fragments ipip ip4 $VIP6
run_test 'a tagged network: l2, 802.1Q' a_tagged_network once l2 ip4
run_test 'a tagged network: l2, 802.1ad and 802.1Q' a_tagged_network twice l2 ip6
run_test 'two balancers on a hub do not send to and fro what both have' two_balancers_on_a_hub
finish
