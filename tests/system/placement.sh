#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Which group takes which clients, and that flows stay where they began when that changes.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10

# one_backend_each NAME…: groups of b1, b2, …
one_backend_each() {
	local name i=0 sep='['
	for name in "$@"; do
		i=$((i + 1))
		echo -n "$sep{name: $name, mode: active-active, backends: [b$i], health_check: {port: 80}}"
		sep=', '
	done
	echo ']'
}

# configure GROUP CLIENTS CLIENTS6 [GROUPS]: web on both families; groups a: b1, b: b2, c: b3, unless given.
configure() {
	config <<-END
		interfaces: [eth0]
		flow_timeout: ${FLOW_TIMEOUT:-2s}
		table_size: 1024
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, port: 80, group: $1, clients: [$2]}
		  - {name: web6, address: "$VIP6", port: 80, group: $1, clients: [$3]}
		failover_groups:
		  ${4:-$(one_backend_each a b c)}
		$(some_backends 3)
	END
}

placed() {
	local i
	net_make client client2 lb b1 b2 b3
	for i in 1 2 3; do serve "b$i" 80; done
	configure "$@"
	start_shuntd
	wait_for 10 "every backend is up" all_up
	wait_for 5 "every group serves" is true json 'all(.[]; .state != "down")' groups
}

die() { stop "server-$1" KILL; }

reload() {
	shunt reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
}

servers_of() { # HOST ADDRESS
	on "$1" "$FLOWS" connect "$2" 80 --every 2ms --count 50 >"$T/servers.log" || fail "$(tail -n 3 "$T/servers.log")"
	awk '/^server / { printf "%s%s", sep, $2; sep = " " }' "$T/servers.log"
}

expect_servers() { # CLIENT'S CLIENT2'S WHEN
	expect "$(servers_of client $VIP)" = "$1" "who serves client $3"
	expect "$(servers_of client2 $VIP)" = "$2" "who serves client2 $3"
	expect "$(servers_of client $VIP6)" = "$1" "who serves client over IPv6 $3"
	expect "$(servers_of client2 $VIP6)" = "$2" "who serves client2 over IPv6 $3"
}

# The clients' own prefixes to these groups.
of_client() { echo "{prefix: $(ip4 client)/32, group: $1}"; }
of_client6() { echo "{prefix: \"$(ip6 client)/128\", group: $1}"; }
everybody() { echo "{prefix: 0.0.0.0/0, group: $1}"; }
everybody6() { echo "{prefix: \"::/0\", group: $1}"; }

clients_have_groups() {
	placed a "$(of_client b)" "$(of_client6 b)"
	expect_servers b2 b1 "at first"
	expect_contains "$(shunt explain tcp "$(ip4 client):4000" $VIP:80)" "clients of $(ip4 client)/32 go to group b" explain
	expect "$(json .group explain tcp "$(ip4 client):4000" $VIP:80)" = b "the group explained"
	expect "$(json .group explain tcp "$(ip4 client2):4000" $VIP:80)" = a "the group explained to others"
	expect "$(json '.clients[0] | "\(.group) \(.prefixes)"' services web)" = "b 1" "what the API says of clients"
	expect_contains "$(shunt status b)" "clients of 1 prefix" status
	configure a "$(of_client b), $(everybody c)" "$(of_client6 b), $(everybody6 c)"
	reload
	expect_servers b2 b3 "with everybody in c"
	die b2
	wait_for 5 "group b is down" is down group b state
	expect "$(json '.reason' explain tcp "$(ip4 client):4000" $VIP:80 | grep -c 'no fit backend')" = 1 "what explain says"
}

# Clients with a group of their own meet what happens there: its fallback, and when that is down as well what their service's on_empty
# says, never the group of the others.
clients_meet_the_end_of_their_group() {
	local before groups
	groups=$(one_backend_each a b c)
	placed a "$(of_client b)" "$(of_client6 b)" "${groups/\[b2\]/[b2], fallback: c}"
	sed -i '/name: web,/s/port: 80,/port: 80, on_empty: reject,/; /name: web6,/s/port: 80,/port: 80, on_empty: fail-open,/' "$CONFIG"
	reload
	expect_servers b2 b1 "at first"
	die b2
	wait_for 5 "group b lives on its fallback" is "fallback c" group b last_resort
	expect_servers b3 b1 "on the fallback"
	die b3
	wait_for 5 "the fallback is down" is down group c state
	wait_for 5 "the client is rejected" is_rejected client
	expect "$(servers_of client2 $VIP)" = b1 "who serves client2"
	expect "$(json .backend explain tcp "$(ip4 client2):4000" $VIP:80)" = b1 "what explain says of others"
	before=$(backend b2 packets)
	! on client "$FLOWS" connect $VIP6 80 --count 3 --timeout 300ms >"$T/open" 2>&1 || fail "a dead server answers"
	expect "$(($(backend b2 packets) - before))" -ge 3 "packets of IPv6 to the group's own backend, as its service fails open"
	serve b2 80
	wait_for 5 "group b serves" is normal group b state
	expect_servers b2 b1 "at last"
}

# is_rejected HOST: the balancer itself refuses its connection.
is_rejected() {
	local before
	before=$(drops rejected)
	on "$1" "$FLOWS" connect $VIP 80 --count 1 --timeout 300ms >/dev/null 2>&1 || true
	[ "$(drops rejected)" -gt "$before" ]
}

connections_stay() {
	placed a "" ""
	hold main 60 $VIP 80 --every 10ms --block 400
	hold six 40 $VIP6 80 --every 10ms --block 400
	configure a "$(of_client b)" "$(of_client6 b)"
	reload
	expect_contains "$(cat "$T/reload")" "clients: 1 added" "what the reload says"
	expect_servers b2 b1 "after clients were added"
	configure a "$(of_client c)" "$(of_client6 c)"
	reload
	expect_servers b3 b1 "after they were sent elsewhere"
	hold late 20 $VIP 80 --every 10ms --block 400
	configure a "" ""
	reload
	expect_servers b1 b1 "after they were removed"
	configure b "$(of_client c)" "$(of_client6 c)"
	reload
	expect_servers b3 b2 "after the service went to another group"
	kill_shuntd
	start_shuntd
	expect_servers b3 b2 "after a crash"
	wait_for 10 "all flows are pinned" no_client_moves
	shunt reload >/dev/null
	stop_traffic late
	expect_unbroken late
	stop_traffic main
	expect_unbroken main
	stop_traffic six
	expect_unbroken six
	wait_for 15 "the clients are settled" clients_settled
	expect_servers b3 b2 "once all is settled"
}

client_states() { json '[.[].group_state] | unique | join(" ")' services; }
clients_settled() { is settled client_states; }
no_client_moves() { ! client_states | grep -q moving; }

a_group_is_renamed() {
	placed a "$(of_client b)" "$(of_client6 b)"
	hold main 40 $VIP 80 --every 10ms --block 400
	hold six 40 $VIP6 80 --every 10ms --block 400
	configure z "$(of_client x)" "$(of_client6 x)" "$(one_backend_each x y z)" # b1 and b2 go on with what they have
	reload
	expect_servers b1 b3 "after all groups were renamed"
	configure y "" "" "[{name: y, mode: active-active, backends: [b2, b3], health_check: {port: 80}}]"
	reload
	expect_servers "b2 b3" "b2 b3" "after all but one were removed"
	wait_for 15 "all flows are pinned" no_client_moves
	expect "$(bpftool -j map dump pinned "$BPF_DIR/groups" | jq '[.[].formatted.value | select(.used == 1)] | length')" = 1 "tables kept"
	expect_servers "b2 b3" "b2 b3" "with the old tables gone"
	stop_traffic main
	expect_unbroken main
	stop_traffic six
	expect_unbroken six
	wait_for 15 "the clients are settled" clients_settled
}

suite placement
run_test "Clients of a prefix go to its group, the longest prefix wins, and explain says so" clients_have_groups
limit 120
run_test "Clients meet their own group's fallback, and at last their service's on_empty" clients_meet_the_end_of_their_group
run_test "Connections stay where they began while clients and services go from group to group" connections_stay
run_test "All groups renamed and removed at once, no connection breaks" a_group_is_renamed
finish
