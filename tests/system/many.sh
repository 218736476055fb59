#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A thousand backends that are checked every second, and a thousand groups that one backend fails: what it costs, and how soon.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

die() { stop "server-$1" KILL; }
event_of() { json "[.[] | select(.kind == \"$1\") | .text] | last // \"\"" events --since 10m; } # KIND: the last one's text

# ---- backends ----

ticks() { awk '{ print $14 + $15 }' "/proc/$(pid_of "$1")/stat"; } # PROCESS: processor time so far, in clock ticks
percent_of_a_core() { awk -v t="$1" -v hz="$(getconf CLK_TCK)" -v s="$2" 'BEGIN { printf "%.1f", t * 100 / hz / s }'; } # TICKS SECONDS

a_thousand_backends() { # [KEYS of the check]
	local seconds=10 ours bare memory checks skipped opened broken down limit
	net_make client lb b1
	serve_http b1
	ip -n "$NET-b1" -batch - < <(for i in $(seq 0 999); do echo "address add 10.99.$((i / 250)).$((i % 250 + 1))/32 dev lo"; done)
	ip -n "$NET-lb" route add 10.99.0.0/16 via "$(ip4 b1)"
	config <<-END
		interfaces: [eth0]
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app, forward: ipip}]
		failover_groups:
		  - {name: app, mode: active-active, backends: [$(seq -s, -f 'm%g' 0 999)], health_check: {path: /, interval: 1s, timeout: 1s${1:+, $1}}}
		backends:
		$(for i in $(seq 0 999); do echo "  - {name: m$i, address: 10.99.$((i / 250)).$((i % 250 + 1))}"; done)
	END
	start_shuntd
	wait_for 60 "all thousand are up" all_up
	wait_for 10 "the tables are settled" no_slot_moves
	metrics >"$T/before"
	opened=$(connections_begun lb)
	ours=$(ticks "$SHUNTD")
	sleep $seconds # a rate has no condition to wait for
	ours=$(($(ticks "$SHUNTD") - ours))
	metrics >"$T/after"
	opened=$(($(connections_begun lb) - opened))
	memory=$(($(awk '/^RssAnon/ { print $2 }' "/proc/$(pid_of "$SHUNTD")/status") / 1024))
	checks=$(($(counted "$T/after" shunt_check_lateness_seconds_count) - $(counted "$T/before" shunt_check_lateness_seconds_count)))
	skipped=$(($(counted "$T/after" shunt_checks_skipped_total) - $(counted "$T/before" shunt_checks_skipped_total)))
	note "1,000 backends by HTTP every second: $checks checks in $seconds s on $opened new connections, $(percent_of_a_core "$ours" $seconds) % of a core" \
		"(the network's part of both ends included), $memory MB, late at the 99th percentile by no more than $(lateness 0.99 "$T/before" "$T/after") ms, $skipped left out"
	expect "$checks" -ge $((seconds * 900)) "checks that were due"
	if [ -n "${1:-}" ]; then
		expect "$opened" -le 20 "new connections"
		limit=130
	else
		expect "$opened" -ge $((seconds * 900)) "new connections"
		limit=200
	fi
	# What a connection costs is the kernel's affair and the machine's, and changes from one second to the next: a bare client, which does
	# nothing else as often, runs beside, and ours is what comes on top of it.
	spawn bare lb "$FLOWS" connect "$(ip4 b1)" 80 --every 1ms --http
	bare=$(ticks bare) ours=$(ticks "$SHUNTD")
	sleep $seconds
	bare=$(($(ticks bare) - bare)) ours=$(($(ticks "$SHUNTD") - ours))
	stop bare
	note "in $seconds s beside a bare client that opens a connection for each of as many: $(percent_of_a_core "$ours" $seconds) % of a core, the client $(percent_of_a_core "$bare" $seconds) %"
	expect $((ours * 100 / bare)) -le $limit "percent of what the bare client takes"
	expect "$memory" -le 64 "MB"
	[ -z "${1:-}" ] || return 0
	broken=$((${EPOCHREALTIME//[!0-9]/} / 1000))
	ip -n "$NET-b1" link set eth0 down
	wait_for 60 "all thousand are down" is true json 'all(.[]; .health == "down")' backends
	down=$(json '[.[] | select(.kind == "backend" and (.text | startswith("down"))) | .time] | max' events)
	note "all thousand down after $(($(date -d "$down" +%s%N) / 1000000 - broken)) ms" \
		"(stated worst case $(json '.[0].detection_ms' groups) ms), $(json .checks.in_flight status) checks under way"
}

# ---- groups ----

# One backend shared by 1,000 groups, each of a table of $1 slots, dies. `same`: b1 is the primary of all, b2 their standby; `standbys`: each
# has a standby of its own; `differing`: all have b1 and b2, and a third one of their own with a weight, so that no two tables are alike.
# start_thousand same|standbys|differing TABLE-SIZE [CHECK-PORT]: a running shuntd with 1,000 groups that have b1.
start_thousand() {
	local host
	net_make client lb b1 b2
	for host in b1 b2; do serve "$host" 80 ${3:+"$3"}; done
	[ "$1" = same ] || thousand_addresses
	{
		echo "interfaces: [eth0]"
		echo "flow_timeout: 2s"
		echo "table_size: $2"
		echo "defaults: {forward: $([ "$1" = same ] && echo l2 || echo ipip)," \
			"health_check: {type: tcp, port: ${3:-80}, healthy_threshold: 1, interval: 3s, timeout: 2s, fast_interval: 100ms}}"
		echo "services:"
		seq 1000 | sed "s/.*/  - {name: s&, address: $VIP, protocol: tcp, port: &, group: g&}/"
		echo "failover_groups:"
		"$1_groups"
	} | config
	start_shuntd
	wait_for 60 "every backend is up" all_up
	wait_for 60 "every group serves" all_serve
	wait_for 60 "no slot is on its way" settled
}

nobody_has_b1() { is 0 json '[.[] | select(.active | index("b1"))] | length' groups; }

# `switched` of event_of: LAST PROCESSOR LONGEST LEFT, ms.
switched() {
	event_of switched | sed -nE 's/^1000 groups, the last one ([0-9.]+) ms after the decision \(([0-9.]+) ms of processor time, at most ([0-9.]+) ms at a time\); packets had left it after ([0-9.]+) ms.*/\1 \2 \3 \4/p'
}

# SYNs of random sources to every one of the 1,000 services, in turn.
flood_all() {
	on client nft -f - <<-END
		table inet spread {
			chain output {
				type filter hook output priority mangle;
				tcp dport 9 tcp dport set numgen inc mod 1000 map { $(seq -s, 0 999 | sed 's/[0-9]\+/& : &/g; s/: 0,/: 1000,/') }
			}
		}
	END
	spawn flood client nice -n 19 hping3 -i u200 --rand-source --syn --destport 9 --quiet $VIP
}

# How many services have seen packets of it.
flooded() { json '[.[] | select(.packets > 0)] | length' services; }

# All tables in use within the limit, where one is given; packets of all groups with living backends at once; nobody waits longer than
# a few slices. A table that follows later finds who lives by probing meanwhile.
thousand_groups() { # same|standbys|differing TABLE-SIZE [LIMIT of processor time for the tables, ms]
	local ms processor longest left found
	start_thousand "$1" "$2"
	flood_all
	wait_for 20 "every service is flooded" is 1000 flooded
	metrics >"$T/before"
	die b1
	wait_for 20 "the last group has switched" said shuntd 'b1: switched.* packets had left' # nobody asks for large documents meanwhile
	metrics >"$T/after"
	stop flood
	nobody_has_b1 || fail "b1 still has groups"
	read -r ms processor longest left < <(switched)
	[ -n "$left" ] || fail "no event says how long it took: $(event_of switched)"
	found=$(drops no_backend)
	note "1,000 groups of $2 slots, members $1: packets have left after $left ms, the last table is in use after $ms ms," \
		"$processor ms of processor time, at most $longest ms at a time; packets that found nobody: $found;" \
		"checks late (p99) at most $(lateness 0.99 "$T/before" "$T/after") ms (load $(cut -d' ' -f1 /proc/loadavg))"
	servers $VIP 80 20 >"$T/out"
	[[ " $(cat "$T/out") " != *" b1 "* ]] || fail "b1 answers: $(cat "$T/out")"
	expect "$found" -eq 0 "packets that found nobody"
	# On a machine that has other things to do, the wall clock measures those, and caches are theirs.
	busy && return
	expect "${left%.*}" -lt 50 "ms until packets of all groups have left"
	expect "${longest%.*}" -lt 20 "ms that the loop was held up by tables"
	[ "$(lateness 0.99 "$T/before" "$T/after")" != "infinitely many" ] || fail "checks were more than a second late"
	expect "$(lateness 0.99 "$T/before" "$T/after")" -le 50 "ms that 99 % of the checks were late at most"
	# What the tables take is the machine's affair (told above); several times as much would be another way of making them.
	[ -z "${3:-}" ] || expect "${processor%.*}" -lt "$3" "ms of processor time from the decision to the last table"
}

CHECKED=99
fail_checks() { # HOST
	on "$1" nft -f - <<-END
		table inet spoil {
			chain input { type filter hook input priority 0; tcp dport $CHECKED reject with tcp reset; }
		}
	END
}
pass_checks() { on "$1" nft delete table inet spoil; }
told() { grep -c "$1" "$T/shuntd.log" || true; } # PATTERN: how many lines of the log
tells_again() { [ "$(told "$1")" -gt "$2" ]; } # PATTERN COUNT
serves_nowhere() { is 0 json "[.[].backends[] | select(.name == \"$1\") | .share] | add" groups; } # BACKEND
everybody_serves() { is 0 json '[.[].backends[] | select(.share == 0)] | length' groups; }

# leaves_b1: b1's checks fail, and the controller has just said so: its groups are about to follow, one after the other.
leaves_b1() {
	local before
	before=$(told 'backend b1: down')
	fail_checks b1
	wait_for 20 "b1 is down" tells_again 'backend b1: down' "$before"
}

in_the_middle() {
	local before
	start_thousand differing 65536 $CHECKED
	leaves_b1
	expect_exit 0 shunt maint b2
	serves_nowhere b2 || fail "some group has b2, which is in maintenance"
	serves_nowhere b1 || fail "some group has b1, which is down"
	pass_checks b1
	expect_exit 0 shunt ready b2
	wait_for 30 "everybody serves again" everybody_serves
	wait_for 30 "no slot is on its way" settled
	before=$(told 'backend b1: up')
	leaves_b1
	pass_checks b1
	hold between 60 $VIP 80 --every 20ms # where packets found somebody by probing
	wait_for 20 "b1 is up" tells_again 'backend b1: up' "$before"
	note "b1 was back $([ "$(told 'backend b1: switched')" -gt 1 ] && echo after || echo before) all had followed that it was gone"
	wait_for 30 "everybody serves again" everybody_serves
	wait_for 30 "no slot is on its way" no_slot_moves
	stop_traffic between
	expect_unbroken between
	leaves_b1
	kill_shuntd
	SHUNT_START_LIMIT=60 start_shuntd
	wait_for 60 "all groups have left b1" serves_nowhere b1
	busy || expect "$(drops no_backend)" -eq 0 "packets that found nobody"
}

same_groups() {
	seq 1000 | sed 's/.*/  - {name: g&, primary: b1, backends: [b1, b2]}/'
	some_backends 2
}

thousand_addresses() { # of b2, for the members that are a group's own
	ip -n "$NET-b2" -batch - < <(for i in $(seq 0 999); do echo "address add 10.99.$((i / 250)).$((i % 250 + 1))/32 dev lo"; done)
	ip -n "$NET-lb" route add 10.99.0.0/16 via "$(ip4 b2)"
	for host in b1 b2; do on "$host" "$SHUNT_BUILD/shunt-decap" load eth0; done
}

standbys_groups() {
	seq 1000 -1 1 | sed 's/.*/  - {name: g&, primary: b1, backends: [b1, m&]}/'
	some_backends 1
	for i in $(seq 0 999); do echo "  - {name: m$((i + 1)), address: 10.99.$((i / 250)).$((i % 250 + 1))}"; done
}

differing_groups() {
	seq 1000 -1 1 | sed 's/.*/  - {name: g&, mode: active-active, backends: [b1, b2, m&]}/' # g80, of the tests' clients, among the last
	some_backends 2
	for i in $(seq 0 999); do echo "  - {name: m$((i + 1)), address: 10.99.$((i / 250)).$((i % 250 + 1)), weight: $((50 + i / 10))}"; done
}

SHUNT_TEST_LIMIT=120
suite many
run_test 'a thousand backends are checked every second' a_thousand_backends
run_test 'a thousand backends are checked every second, on connections that stay' a_thousand_backends 'keepalive: on'
run_test 'one backend of 1,000 groups dies: their packets have left it within 50 ms' thousand_groups same 4096 50
run_test 'one backend of 1,000 groups of the default table_size dies: their tables are made once' thousand_groups same 65536 150
run_test 'the primary of 1,000 groups with a standby each dies: their packets have left it within 50 ms' thousand_groups standbys 65536
run_test 'one backend of 1,000 groups that all differ dies: their packets have left it within 50 ms' thousand_groups differing 4096 200
run_test 'one backend of 1,000 groups of the default table_size that all differ dies' thousand_groups differing 65536
limit 180
run_test 'an operator, a return and a crash while 1,000 groups are about to follow: nobody is forgotten, nothing breaks' in_the_middle
finish
