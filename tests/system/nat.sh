#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: nat. Backends have a default route, the balancer, and nothing else: no service address, no tunnel. They listen on
# another port than the service, the one that is checked.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP4=192.0.2.10 VIP6=2001:db8::10 OTHER_VIP4=192.0.2.11
FILE_BYTES=10000000

behind4() { echo "10.78.0.$(host_number "$1")"; }
behind6() { echo "fd78::$(host_number "$1")"; }

# lb is the backends' only way out.
translated_net() { net_two_sides lb "$@"; } # HOST…, without lb

# Services at ports 80 and 53, delivered to 8080; checks go there too.
translate() { # N-OF-BACKENDS ip4|ip6 [GROUP-KEYS]
	local i address=behind4 vip=$VIP4
	[ "$2" = ip4 ] || { address=behind6 && vip=$VIP6; }
	cat <<-END
		interfaces: ${INTERFACES:-[eth0, eth1]}
		flow_timeout: 2s
		defaults: {forward: nat, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: "$vip", protocol: tcp, port: 80, group: app}
		  - {name: dns, address: "$vip", protocol: udp, port: 53, group: app}
		failover_groups: [{name: app, ${3:-mode: active-active}, backends: [$(names "$1")]}]
		backends:
	END
	for i in $(seq "$1"); do
		echo "  - {name: b$i, address: \"$($address "b$i")\", port: 8080}"
	done
}

# What `flows` adds to a block makes packets of 1,500 bytes of answers to these: 28 and 48 bytes of headers.
full_udp() { if [ "$1" = ip4 ]; then echo 1461; else echo 1441; fi; } # ip4|ip6

nothing_but_a_default_route() { # ip4|ip6 ADDRESS
	local host
	translated_net client b1 b2 b3
	for host in b1 b2 b3; do serve "$host" 8080; done
	translate 3 "$1" | balance
	on client "$FLOWS" connect "$2" 80 --every 3ms --count 100 >"$T/tcp" || fail "TCP to $2: $(tail -n 4 "$T/tcp")"
	expect "$(grep -c '^server b' "$T/tcp")" -eq 3 "servers that answered TCP"
	on client "$FLOWS" connect "$2" 53 --udp --every 3ms --count 100 >"$T/udp" || fail "UDP to $2: $(tail -n 4 "$T/udp")"
	expect "$(grep -c '^server b' "$T/udp")" -eq 3 "servers that answered UDP"
	on client "$FLOWS" hold 20 "$2" 80 --every 10ms --block 4096 --for 500ms >"$T/hold" ||
		fail "streams to $2: $(tail -n 4 "$T/hold")"
	note "$(tail -n 1 "$T/hold")"
	on client "$FLOWS" hold 4 "$2" 53 --udp --every 50ms --block "$(full_udp "$1")" --for 500ms >"$T/full" ||
		fail "full-size UDP to $2: $(tail -n 4 "$T/full")"
	expect "$(awk '/^flows/ { print $8 }' "$T/full")" -eq "$(awk '/^flows/ { print $6 }' "$T/full")" "full-size datagrams answered"
	note "full-size UDP: $(tail -n 1 "$T/full")"
	all_up || fail "checks of the port that traffic goes to: $(shunt backends)"
	expect "$(all_drops)" -eq 0 "packets dropped"
}

# Both directions are counted: what passed the backend's own interface is what shunt says of it.
both_ways_are_counted() {
	local answers bytes
	translated_net client b1
	serve b1 8080
	translate 1 ip4 | balance
	on client "$FLOWS" connect $VIP4 80 --every 3ms --count 50 >"$T/tcp" || fail "TCP: $(tail -n 4 "$T/tcp")"
	on client "$FLOWS" connect $VIP4 53 --udp --every 3ms --count 40 >"$T/udp" || fail "UDP: $(tail -n 4 "$T/udp")"
	expect "$(json .answer_packets services dns)" -eq 40 "answers of the UDP service"
	wait_for 5 "services, backends and metrics say the same" answers_agree 40
	answers=$(json .answer_packets services web) bytes=$(json .answer_bytes services web)
	expect "$answers" -ge 100 "answers of the TCP service: a SYN-ACK and data of each connection, at least"
	expect "$bytes" -ge $((answers * 54)) "bytes of them"
	expect_contains "$(shunt stats)" "ANSWERS" "stats"
	note "50 connections and 40 datagrams: $(json .packets services web) packets there, $answers back"
}

answers_agree() { # N: of the UDP service; the last packets of connections may still be on their way
	local answers metrics
	answers=$(json .answer_packets services web)
	[ "$(backend b1 answer_packets)" -eq $((answers + $1)) ] || return 1
	metrics=$(http_metrics)
	grep -qx "shunt_service_answer_packets_total{service=\"web\"} $answers" <<<"$metrics" &&
		grep -qx "shunt_backend_answer_packets_total{backend=\"b1\"} $((answers + $1))" <<<"$metrics"
}

http_metrics() { curl -sSf --unix-socket "$RUN_DIR/shunt.sock" http://shunt/metrics; }

# One switch for all: a backend reaches clients by the balancer only, as its address is a network of its own.
one_network() {
	local host
	net_make client lb
	net_host b1
	net_leg b1 eth0 switch 10.77.0.11/32 fd77::11/128
	ip -n "$NET-b1" route add 10.77.0.2 dev eth0
	ip -n "$NET-b1" route add default via 10.77.0.2
	ip -n "$NET-b1" route add fd77::2 dev eth0
	ip -n "$NET-b1" route add default via fd77::2
	net_forwards lb
	serve b1 8080
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: nat, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, port: 80, group: app}
		  - {name: web6, address: "$VIP6", port: 80, group: app6}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1]}
		  - {name: app6, mode: active-active, backends: [b1-6]}
		backends:
		  - {name: b1, address: 10.77.0.11, port: 8080}
		  - {name: b1-6, address: "fd77::11", port: 8080}
	END
	for host in $VIP4 $VIP6; do
		on client "$FLOWS" connect "$host" 80 --every 3ms --count 50 >"$T/tcp" || fail "$host: $(tail -n 4 "$T/tcp")"
	done
}

web_pages() {
	translated_net client b1 b2
	serve_http b1 8080
	serve_http b2 8080
	translate 2 ip4 | balance
	seq 60 | xargs -I{} nsenter --net="/run/netns/$NET-client" -- curl -sSf -m 5 "http://$VIP4/" >"$T/pages" ||
		fail "curl"
	expect "$(sort -u "$T/pages" | grep -c '^b[12]')" -eq 2 "servers that answered"
	on client ab -q -n 2000 -c 8 "http://$VIP4/" >"$T/ab" 2>&1 || fail "ab: $(tail -n 3 "$T/ab")"
	expect "$(awk '/^Failed requests/ { print $3 }' "$T/ab")" -eq 0 "failed requests of ab"
	note "ab -c 8: $(awk '/^Requests per second/ { print $4 }' "$T/ab") requests a second"
}

# A connection lives as long as its backend does, whatever becomes of the rest.
long_lived() { # ip4|ip6 ADDRESS
	translated_net client b1 b2 b3
	serve b1 8080
	serve b2 8080
	serve b3 8080
	translate 3 "$1" | balance
	hold streams 30 "$2" 80 --every 20ms
	shunt drain b1
	wait_for 10 "the drain has moved its slots" no_slot_moves
	kill_shuntd
	start_shuntd
	wait_for 10 "every backend is up" all_up
	shunt ready b1
	stop_shuntd
	start_shuntd
	shunt reload
	stop_traffic streams
	expect_unbroken streams
	expect "$(drops no_backend)" -eq 0 "packets without a backend"
}

fails_over() {
	translated_net client b1 b2
	serve b1 8080
	serve b2 8080
	translate 2 ip4 "mode: active-passive, primary: b1" | balance
	connect_every 5 new $VIP4 80
	stop server-b1 KILL
	wait_for 5 "b2 serves" is b2 active app
	wait_for 5 "b2 answers" answered_by new b2 20
	stop_traffic new
}

# A backend that is removed while connections live on it still answers for its service, also after a restart.
removed_backends_answer() {
	translated_net client b1 b2
	serve b1 8080
	serve b2 8080
	translate 2 ip4 | balance
	hold streams 20 $VIP4 80 --every 20ms
	translate 1 ip4 | config
	shunt reload
	stop_shuntd
	start_shuntd
	wait_for 10 "the slots have moved" no_slot_moves
	expect "$(service_of_answers b2)" = web "the service that b2 answers for while flows live"
	stop_traffic streams
	expect_unbroken streams
	wait_for 10 "the removed backend is forgotten" is_forgotten b2
	expect "$(service_of_answers b1)" = web "the service that b1 answers for"
}

service_of_answers() { json .service explain tcp "$(behind4 "$1"):8080" 10.77.0.1:4000; } # BACKEND
is_forgotten() { # BACKEND: what is left of old answers goes with the next change
	shunt reload
	[ "$(service_of_answers "$1")" != web ]
}

# The port that answers come from names one service: it is not given to another one while flows of the first may live.
answers_keep_their_service() {
	translated_net client b1 b2
	serve b1 8080
	serve b2 8080
	translate 2 ip4 | balance
	hold streams 20 $VIP4 80 --every 20ms
	cat >"$CONFIG" <<-END
		interfaces: [eth0, eth1]
		flow_timeout: 2s
		defaults: {forward: nat, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP4, port: 80, group: app}
		  - {name: other, address: $OTHER_VIP4, port: 80, group: rest}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b2]}
		  - {name: rest, mode: active-active, backends: [b1]}
		backends:
		  - {name: b1, address: $(behind4 b1), port: 8080}
		  - {name: b2, address: $(behind4 b2), port: 8080}
	END
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" "service other: flows of the service at $VIP4:80 may still be on backend b1" "what is said"
	sed 's/port: 8080}/port: 8081}/' "$CONFIG" >"$T/moved" && mv "$T/moved" "$CONFIG"
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" "port 8080 -> 8081: would scatter living flows, or end them" "what is said of a port"
	stop_traffic streams
	expect_unbroken streams
}

# What is sent to a backend's port past the service is not: answers to it would come from the service.
checks_and_explain() {
	translated_net client b1
	serve b1 8080
	translate 1 ip4 | balance
	on client "$FLOWS" connect $VIP4 80 --every 3ms --count 3 >"$T/tcp" || fail "$(tail -n 4 "$T/tcp")"
	expect "$(json .delivered_to explain tcp 10.77.0.1:4000 $VIP4:80)" = "$(behind4 b1):8080" "where it is delivered"
	expect "$(json .service explain tcp "$(behind4 b1):8080" 10.77.0.1:4000)" = web "the service of an answer"
	expect_contains "$(json .reason explain tcp "$(behind4 b1):8080" 10.77.0.1:4000)" "an answer of backend b1" "the reason"
}

# SYN and SYN-ACK both pass here: neither side sends larger segments. ss tells them less the 12 bytes of timestamps.
segments_are_limited() { # ip4|ip6 ADDRESS
	translated_net client b1
	serve b1 8080
	translate 1 "$1" | sed 's/port: 80, group: app/&, mss: 1000/' | balance
	hold streams 1 "$2" 80 --every 20ms --block 3000
	wait_for 5 "the client sends segments of 1000 bytes at most" sends client dport 80
	wait_for 5 "the backend sends segments of 1000 bytes at most" sends b1 sport 8080
	wait_for 5 "blocks come back" answered 20000
	stop_traffic streams
	expect_unbroken streams
}

answered() { [ "$(json '[.[].answer_bytes] | add' services)" -ge "$1" ]; } # BYTES
sends() { on "$1" ss -Htin state established "$2 = :$3" | grep -q ' mss:988 '; } # HOST sport|dport PORT

# Where the kernel does not forward, answers are lost: doctor and status say so, with the remedy.
forwarding_is_off() {
	translated_net client b1
	serve b1 8080
	translate 1 ip4 | balance
	on lb sysctl -qw net.ipv4.ip_forward=0
	! on client "$FLOWS" connect $VIP4 80 --count 2 --timeout 400ms >"$T/tcp" 2>&1 || fail "answers come without forwarding"
	expect_contains "$(shunt status | tr -s ' \n' ' ')" "eth1 does not forward IPv4: answers of nat backends are lost" "status"
	expect_exit 1 on lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" doctor -c "$CONFIG"
	expect_contains "$(tr -s ' \n' ' ' <"$T/out")" "does not forward IPv4: answers of nat backends are lost" "doctor"
	on lb sysctl -qw net.ipv4.ip_forward=1
	on client "$FLOWS" connect $VIP4 80 --count 2 >"$T/tcp" || fail "once mended: $(tail -n 4 "$T/tcp")"
}

# forgets_neighbours ADDRESS: connections after lb has forgotten the client. The client knows the balancer, and so does not ask for it:
# the balancer has to ask.
forgets_neighbours() {
	local before
	before=$(drops no_neighbour)
	ip -n "$NET-lb" neighbour flush dev eth0
	on client "$FLOWS" connect "$1" 80 --every 3ms --count 20 --timeout 5s >"$T/tcp" || fail "after: $(tail -n 4 "$T/tcp")"
	expect "$(drops no_neighbour)" -gt "$before" "answers left to the kernel"
}

# nobody_tries_again ADDRESS: of several times one is enough, for on a busy machine a second may pass without reason.
nobody_tries_again() {
	local round=0 before
	while :; do
		before=$(all_timeouts)
		forgets_neighbours "$1"
		round=$((round + 1))
		[ "$(all_timeouts)" -ne "$before" ] || break
		expect "$round" -lt 5 "rounds in which somebody had to try again"
	done
	note "$(drops no_neighbour) answers left to the kernel, nobody had to try again in round $round"
}

# The next hop of an answer that nobody has resolved: the kernel, which finds it, is given the answer, and nobody has to try again.
next_hops_are_found() { # ip4|ip6 ADDRESS
	translated_net client b1
	serve b1 8080
	translate 1 "$1" | balance
	on client "$FLOWS" connect "$2" 80 --every 3ms --count 5 >"$T/tcp" || fail "before: $(tail -n 4 "$T/tcp")"
	nobody_tries_again "$2"
}

# With strict reverse path checks the kernel refuses that answer, as the service's address does not come from behind the backends'
# interface: somebody has to try again, while shuntd finds the next hop. Doctor says so, and its remedy is one.
strict_checks_cost_a_try() {
	local name before
	translated_net client b1
	serve b1 8080
	translate 1 ip4 | balance
	ip -n "$NET-lb" route add default via 10.77.0.1
	for name in all eth0 eth1; do on lb sysctl -qw "net.ipv4.conf.$name.rp_filter=1"; done
	on client "$FLOWS" connect $VIP4 80 --every 3ms --count 5 >"$T/tcp" || fail "before: $(tail -n 4 "$T/tcp")"
	before=$(all_timeouts)
	forgets_neighbours $VIP4
	expect "$(all_timeouts)" -gt "$before" "timeouts of TCP with strict checks"
	note "strict: $(drops no_neighbour) answers left to the kernel, $(($(all_timeouts) - before)) tries again"
	expect_exit 0 on lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" --json doctor -c "$CONFIG"
	expect_contains "$(cat "$T/out")" "nat's first answer to a next hop not yet resolved" "doctor"
	on lb sh -c "$(jq -r '.lines[] | select(.text | startswith("rp_filter is strict")) | .remedy' "$T/out")"
	nobody_tries_again $VIP4
}

all_timeouts() { echo $(($(net_timeouts client) + $(net_timeouts b1))); }

# ---- path MTU ----

# client – r1 – lb – r2 – b1, each link of its own MTU.
long_way() { # MTU MTU MTU MTU
	local host
	for host in client r1 lb r2 b1; do net_host "$host"; done
	net_cable client eth0 r1 in "$1" 1
	net_cable r1 out lb eth0 "$2" 2
	net_cable lb eth1 r2 in "$3" 3
	net_cable r2 out b1 eth0 "$4" 4
	for host in r1 lb r2; do net_forwards "$host"; done
	on r1 "$NET_XDP_PASS" out
	on r2 "$NET_XDP_PASS" in
	ip -n "$NET-client" route add default via 10.1.0.2
	ip -n "$NET-client" route add default via fd00:1::2
	ip -n "$NET-r1" route add default via 10.2.0.2
	ip -n "$NET-r1" route add default via fd00:2::2
	ip -n "$NET-lb" route add 10.1.0.0/24 via 10.2.0.1
	ip -n "$NET-lb" route add fd00:1::/64 via fd00:2::1
	ip -n "$NET-lb" route add 10.4.0.0/24 via 10.3.0.2
	ip -n "$NET-lb" route add fd00:4::/64 via fd00:3::2
	ip -n "$NET-r2" route add default via 10.3.0.1
	ip -n "$NET-r2" route add default via fd00:3::1
	ip -n "$NET-b1" route add default via 10.4.0.1
	ip -n "$NET-b1" route add default via fd00:4::1
}

sink_listens() { [ -n "$(on b1 ss -Hltn 'sport = :9090')" ]; }
all_arrived() { [ "$(stat -c %s "$T/up")" -eq $FILE_BYTES ]; }
in_url() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }

# A stall of path MTU discovery shows as a timeout of TCP, and lasts until the sender gives up, minutes.
path_mtu_is_discovered() { # SERVICE-ADDRESS BACKEND-ADDRESS MTU MTU MTU MTU
	local vip=$1 backend=$2 started uploaded downloaded
	shift 2
	long_way "$@"
	wait_for 5 "the client's router is there" on client ping -6 -c 1 -W 1 fd00:1::2 # new links lose the first solicitation now and then
	serve_http b1 8080
	dd if=/dev/urandom of="$T/nginx-b1/www/file" bs=$FILE_BYTES count=1 status=none
	spawn sink b1 socat -u TCP6-LISTEN:9090,ipv6only=0,reuseaddr "CREATE:$T/up"
	wait_for 5 "the sink listens" sink_listens
	balance <<-END
		interfaces: [eth0, eth1]
		defaults: {forward: nat, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: "$vip", port: 80, group: web}
		  - {name: upload, address: "$vip", port: 90, group: sink}
		failover_groups:
		  - {name: web, mode: active-active, backends: [b1]}
		  - {name: sink, mode: active-active, backends: [b1-sink], health_check: {type: tcp, port: 8080}}
		backends:
		  - {name: b1, address: "$backend", port: 8080}
		  - {name: b1-sink, address: "$backend", port: 9090}
	END
	started=$(now_ms)
	timeout 20 nsenter --net="/run/netns/$NET-client" -- socat -u "FILE:$T/nginx-b1/www/file" "TCP:$(in_url "$vip"):90" ||
		fail "the upload ended badly"
	wait_for 5 "the upload arrives whole" all_arrived
	uploaded=$(($(now_ms) - started))
	net_forget_paths client b1
	cmp "$T/up" "$T/nginx-b1/www/file" || fail "the upload arrived changed"
	started=$(now_ms)
	on client curl -sSf -m 20 -o "$T/down" "http://$(in_url "$vip")/file" || fail "the download"
	downloaded=$(($(now_ms) - started))
	cmp "$T/down" "$T/nginx-b1/www/file" || fail "the download arrived changed"
	expect "$(drops too_big)" -eq 0 "packets dropped without an answer"
	note "links of $*: 10 MB up in $uploaded ms, down in $downloaded ms; $(drops too_big_answered) answers of our own;" \
		"timeouts: client $(net_timeouts client), backend $(net_timeouts b1)"
	expect $(($(net_timeouts client) + $(net_timeouts b1))) -le 2 "timeouts of TCP" # one or two a busy machine makes by itself
}

suite nat
run_test 'nothing but a default route, IPv4' nothing_but_a_default_route ip4 $VIP4
run_test 'nothing but a default route, IPv6' nothing_but_a_default_route ip6 $VIP6
run_test 'both ways are counted, of services and of backends' both_ways_are_counted
run_test 'clients and backends on one network' one_network
run_test 'web pages by curl and ab' web_pages
run_test 'connections outlive drains, crashes, restarts and reloads' long_lived ip4 $VIP4
run_test 'connections outlive drains, crashes, restarts and reloads, IPv6' long_lived ip6 $VIP6
run_test 'a dead primary fails over' fails_over
run_test 'a removed backend answers for its service while flows live' removed_backends_answer
run_test 'answers keep their service while flows live' answers_keep_their_service
run_test 'explain knows both ways' checks_and_explain
run_test 'mss limits what both sides send, IPv4' segments_are_limited ip4 $VIP4
run_test 'mss limits what both sides send, IPv6' segments_are_limited ip6 $VIP6
run_test 'where the kernel does not forward doctor and status say so' forwarding_is_off
run_test 'next hops that answers miss are found, and no answer is lost' next_hops_are_found ip4 $VIP4
run_test 'next hops that answers miss are found, and no answer is lost, IPv6' next_hops_are_found ip6 $VIP6
run_test 'strict rp_filter costs a try where a next hop is missed, and the remedy of doctor is one' strict_checks_cost_a_try
for family in 4 6; do
	vip=$VIP4 backend=10.4.0.2
	[ $family = 4 ] || { vip=$VIP6 && backend=fd00:4::2; }
	run_test "path MTU, IPv$family: a narrow link at the client" path_mtu_is_discovered $vip $backend 1400 1500 1500 1500
	run_test "path MTU, IPv$family: a narrow link before the balancer" path_mtu_is_discovered $vip $backend 1500 1400 1500 1500
	run_test "path MTU, IPv$family: a narrow link behind the balancer" path_mtu_is_discovered $vip $backend 1500 1500 1400 1500
	run_test "path MTU, IPv$family: a narrow link at the backend" path_mtu_is_discovered $vip $backend 1500 1500 1500 1400
done
finish
