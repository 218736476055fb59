#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Full-size packets through tunnels on links that take no more than 1500 bytes: the client is told what fits, and goes on.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP4=192.0.2.10 VIP6=2001:db8::10
FILE_BYTES=10000000
# shellcheck disable=SC2034 # of netns.sh
NET_MTU=1500 # everywhere: what the tunnel adds is too much

# tunnelled FORWARD ip4|ip6 [SERVICE-KEYS]: a client, a backend with a web server and a sink for uploads, and the balancer.
tunnelled() {
	net_make client lb b1
	serve_both_ways "$@"
}

serve_both_ways() { # as tunnelled()
	local more=${3:+, $3}
	[ "$1" = l2 ] || on b1 "$SHUNT_BUILD/shunt-decap" load eth0 --gue-port 6081
	serve_http b1
	dd if=/dev/urandom of="$T/nginx-b1/www/file" bs=$FILE_BYTES count=1 status=none
	spawn sink b1 socat -u TCP6-LISTEN:90,ipv6only=0,reuseaddr,fork "CREATE:$T/up"
	wait_for 5 "the sink listens" sink_listens
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: $1, gue: {port: 6081}, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, port: 80, group: app$more}
		  - {name: upload, address: $VIP4, port: 90, group: app$more}
		  - {name: web6, address: "$VIP6", port: 80, group: app$more}
		  - {name: upload6, address: "$VIP6", port: 90, group: app$more}
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1 "$2")
	END
}

# client – r – core, where lb and b1 are, each link of its own MTU; what lb sends to b1 is limited by a route.
far_client() { # MTU MTU MTU
	local host
	net_make lb b1
	for host in client r core; do net_host "$host"; done
	net_leg core eth0 switch 10.77.0.254/24 fd77::254/64
	net_cable client eth0 r in "$1" 1
	net_cable r out core in "$2" 2
	for host in r core; do net_forwards "$host"; done
	for host in lb b1; do default_route "$host" 10.77.0.254 fd77::254; done
	default_route client 10.1.0.2 fd00:1::2
	default_route r 10.2.0.2 fd00:2::2
	ip -n "$NET-core" route add 10.1.0.0/24 via 10.2.0.1
	ip -n "$NET-core" route add fd00:1::/64 via fd00:2::1
	net_route_services core 10.77.0.2 fd77::2
	ip -n "$NET-lb" route add "$(ip4 b1)" dev eth0 mtu "$3"
	ip -n "$NET-lb" route add "$(ip6 b1)" dev eth0 mtu "$3"
}

default_route() { # HOST ADDRESS ADDRESS
	ip -n "$NET-$1" route add default via "$2"
	ip -n "$NET-$1" route add default via "$3"
}

# transfer WHAT COMMAND…: says in $took how long it took, ms.
transfer() {
	local started what=$1
	shift
	started=$(now_ms)
	"$@" || fail "the $what"
	took=$(($(now_ms) - started))
	expect "$took" -lt 15000 "milliseconds of the $what"
}

upload() { # ADDRESS
	rm -f "$T/up"
	timeout 20 nsenter --net="/run/netns/$NET-client" -- socat -u "FILE:$T/nginx-b1/www/file" "TCP:$(in_url "$1"):90" &&
		wait_for 5 "the upload arrives whole" all_arrived && cmp "$T/up" "$T/nginx-b1/www/file"
}

download() { # ADDRESS
	on client curl -sSf -m 20 -o "$T/down" "http://$(in_url "$1")/file" && cmp "$T/down" "$T/nginx-b1/www/file"
}

# A narrow link in each place that there is, both ways, both families. Between balancer and backend a route says it.
narrow_links() { # FORWARD MTU-AT-CLIENT MTU-BEFORE-BALANCER MTU-TO-BACKEND
	local address took told=''
	far_client "$2" "$3" "$4"
	serve_both_ways "$1" ip4
	for address in $VIP4 $VIP6; do
		transfer upload upload "$address"
		told="$told, up in $took ms"
		net_forget_paths client b1
		transfer download download "$address"
		told="$told, down in $took ms"
	done
	expect "$(drops too_big)" -eq 0 "packets dropped without an answer"
	note "$1, links of $2 $3 $4: IPv4 and IPv6${told}; $(drops too_big_answered) answers of our own; timeouts:" \
		"client $(net_timeouts client), backend $(net_timeouts b1)"
}

sink_listens() { [ -n "$(on b1 ss -Hltn 'sport = :90')" ]; }
all_arrived() { [ "$(stat -c %s "$T/up" 2>/dev/null)" = $FILE_BYTES ]; }
known_mtu() { ip -n "$NET-client" route get "$1" | grep -o 'mtu [0-9]*' | cut -d' ' -f2; } # ADDRESS: as the client learned it
in_url() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# A stall of path MTU discovery lasts until the client gives up, minutes: seconds tell the two apart.
path_mtu_is_discovered() { # FORWARD BACKENDS-FAMILY SERVICE-ADDRESS EXPECTED-MTU
	local took uploaded
	tunnelled "$1" "$2"
	transfer upload upload "$3"
	uploaded=$took
	expect "$(known_mtu "$3")" -eq "$4" "the MTU that the client learned"
	expect "$(drops too_big_answered)" -gt 0 "packets answered"
	transfer download download "$3"
	expect "$(drops too_big)" -eq 0 "packets dropped without an answer"
	note "10 MB up in $uploaded ms, down in $took ms; the client learned $4; $(drops too_big_answered) answers," \
		"$(net_timeouts client) timeouts"
}

# Only the client's SYN passes the balancer: what it limits is what the backend sends.
mss_is_limited() { # FORWARD BACKENDS-FAMILY SERVICE-ADDRESS MSS EXPECTED
	tunnelled "$1" "$2" "mss: $4"
	spawn idle client socat "TCP:$(in_url "$3"):80" EXEC:'sleep infinity'
	wait_for 5 "the backend sends segments of $5 bytes at most" backend_sends "$5"
	on client curl -sSf -m 20 -o "$T/down" "http://$(in_url "$3")/file" || fail "the download"
	cmp "$T/down" "$T/nginx-b1/www/file" || fail "the download arrived changed"
}

# MSS as ss tells it is less the 12 bytes of timestamps.
backend_sends() { on b1 ss -Htin state established 'sport = :80' | grep -q " mss:$(($1 - 12)) "; }

udp_is_answered_too() {
	tunnelled ipip ip4
	config <<-END
		interfaces: [eth0]
		defaults: {forward: ipip, health_check: $FAST_CHECK}
		services: [{name: dns, address: $VIP4, protocol: udp, port: 53, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1)
	END
	shunt reload
	# A datagram that must not be fragmented is refused once the client knows the path.
	on client socat -u "FILE:$T/nginx-b1/www/file,readbytes=1472" "UDP-SENDTO:$VIP4:53,mtudiscover=2" || true
	wait_for 5 "the client learns the MTU" is 1480 known_mtu $VIP4
	expect "$(drops too_big_answered)" -eq 1 "packets answered"
}

suite path_mtu
run_test 'ipip: path MTU discovery, IPv4 in IPv4' path_mtu_is_discovered ipip ip4 $VIP4 1480
run_test 'ipip: path MTU discovery, IPv6 in IPv6' path_mtu_is_discovered ipip ip6 $VIP6 1460
run_test 'ipip: path MTU discovery, IPv4 in IPv6' path_mtu_is_discovered ipip ip6 $VIP4 1460
run_test 'ipip: path MTU discovery, IPv6 in IPv4' path_mtu_is_discovered ipip ip4 $VIP6 1480
run_test 'gue: path MTU discovery, IPv4 over IPv4' path_mtu_is_discovered gue ip4 $VIP4 1468
run_test 'gue: path MTU discovery, IPv6 over IPv6' path_mtu_is_discovered gue ip6 $VIP6 1448
run_test 'gue: path MTU discovery, IPv4 over IPv6' path_mtu_is_discovered gue ip6 $VIP4 1448
run_test 'gue: path MTU discovery, IPv6 over IPv4' path_mtu_is_discovered gue ip4 $VIP6 1468
for forward in l2 ipip gue; do
	run_test "$forward: a narrow link at the client" narrow_links $forward 1400 1500 1500
	run_test "$forward: a narrow link before the balancer" narrow_links $forward 1500 1400 1500
	run_test "$forward: a narrow way to the backend" narrow_links $forward 1500 1500 1400
done
run_test 'UDP: path MTU discovery' udp_is_answered_too
run_test 'mss: auto limits what backends send to what fits ipip' mss_is_limited ipip ip4 $VIP4 auto 1440
run_test 'mss: auto limits what backends send to what fits gue, IPv6' mss_is_limited gue ip6 $VIP6 auto 1388
run_test 'mss: a number limits what backends send by l2' mss_is_limited l2 ip4 $VIP4 1000 1000
finish
