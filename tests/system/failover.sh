#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who takes over when a server dies, how fast, and when the primary gets it back.
# SHUNT_FAILOVER_RUNS: how often the measurement is repeated (20 for the numbers of the README, fewer in CI).
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10
RUNS=${SHUNT_FAILOVER_RUNS:-6}
DELAY_MS=1500

# group app of b1 (primary) and the others; $1: what is said of the group besides.
primary_and_standby() { # EXTRA [BACKENDS]
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - {name: app, mode: active-passive, primary: b1, backends: [${2:-b1, b2, b3}], $1}
		$(some_backends "${3:-3}")
	END
}

start_servers() { # N
	local i
	for i in $(seq "$1"); do serve "b$i"; done
}

is_active() { is "$1" active app; } # "NAMES"
is_health() { is "$2" backend "$1" health; } # BACKEND HEALTH
die() { stop "server-$1" KILL; }

# ---- the measurement ----

one_failover() { # N: prints "MS-TO-LAST-FAILED MS-FROM-DECISION"
	local killed decision last id
	id=$(json '[.[].id] | max' events)
	connect_every 5 "connect-$1" $VIP 80 --timeout 500ms
	wait_for 5 "the primary answers" answered_by "connect-$1" b1
	killed=$("$FLOWS" kill 9 "$(pid_of server-b1)")
	wait_for 5 "the standby answers" answered_by "connect-$1" b2 20
	stop_traffic "connect-$1"
	last=$(awk '$3 == "failed" && $1 > last { last = $1 } END { printf "%.0f", last }' "$T/connect-$1.log")
	[ "$last" -gt 0 ] || fail "the kill broke nothing"
	decision=$(decision_ns "$id")
	echo "$(((last - killed) / 1000000)) $(((last - decision) / 1000000))"
}

# When the controller decided, in ns of the monotonic clock: the event's wall clock, moved by the difference of the two.
decision_ns() { # EVENT-ID before it
	local time wall_ms
	time=$(json "[.[] | select(.id > $1 and .kind == \"failover\") | .time] | last" events)
	wall_ms=$(($(date -d "$time" +%s%N) / 1000000))
	echo "$(($("$FLOWS" now) - (${EPOCHREALTIME//[!0-9]/} / 1000 - wall_ms) * 1000000))"
}

killed_server() {
	local i line late=0
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby 'failback: manual' 'b1, b2' 2
	for i in $(seq "$RUNS"); do
		line=$(one_failover "$i")
		echo "run $i: $line"
		echo "${line% *}" >>"$T/times"
		[ "${line#* }" -le 5 ] || late=$((late + 1))
		serve b1
		wait_for 5 "b1 is up again" is_health b1 up
		expect_exit 0 shunt failback app
		wait_for 5 "b1 is active again" is_active b1
	done
	note "kill to last failed connection, $RUNS runs: median $(median <"$T/times") ms, worst $(largest <"$T/times") ms" \
		"(HAProxy 2.6: 274, 328)"
	note "runs with a failure more than 5 ms after the decision: $late"
	expect "$(largest <"$T/times")" -le 340 "worst time to the last failed connection, ms"
	[ "$RUNS" -lt 20 ] || expect "$(median <"$T/times" | cut -d. -f1)" -le 280 "median time, ms"
	expect "$late" -eq 0 "runs with a failure more than 5 ms after the decision"
}

# ---- failback ----

failback_waits_for_the_delay() {
	local up_ms back_ms
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby "failback: automatic, failback_delay: ${DELAY_MS}ms" 'b1, b2' 2
	die b1
	wait_for 3 "b2 takes over" is_active b2
	serve b1
	wait_for 3 "b1 is up" is_health b1 up
	up_ms=$(now_ms)
	expect "$(group app state)" = failing-back "state while the delay runs"
	wait_for 5 "b1 takes over again" is_active b1
	back_ms=$(($(now_ms) - up_ms))
	note "failback after $back_ms ms of health (failback_delay ${DELAY_MS}ms)"
	expect "$back_ms" -ge $((DELAY_MS - 100)) "ms of health before failback"
	expect "$back_ms" -le $((DELAY_MS + 500)) "ms of health before failback"
	expect "$(group app state)" = normal "state afterwards"
	expect "$(servers $VIP 80 20)" = b1 "who answers"
}

failback_delay_starts_again() {
	local up_ms
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby "failback: automatic, failback_delay: ${DELAY_MS}ms" 'b1, b2' 2
	die b1
	wait_for 3 "b2 takes over" is_active b2
	serve b1
	wait_for 3 "b1 is up" is_health b1 up
	die b1
	wait_for 3 "b1 is down again" is_health b1 down
	expect "$(active app)" = b2 "active while b1 flaps"
	serve b1
	wait_for 3 "b1 is up again" is_health b1 up
	up_ms=$(now_ms)
	wait_for 5 "b1 takes over again" is_active b1
	expect $(($(now_ms) - up_ms)) -ge $((DELAY_MS - 100)) "ms of health since it came back last"
}

manual_failback() {
	local up_ms
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby "failback: manual, failback_delay: 200ms" 'b1, b2' 2
	die b1
	wait_for 3 "b2 takes over" is_active b2
	expect_exit 1 shunt failback app
	serve b1
	wait_for 3 "b1 is up" is_health b1 up
	up_ms=$(now_ms)
	wait_for 5 "a second goes by" after_ms $((up_ms + 1000))
	expect "$(active app)" = b2 "active although the primary is healthy"
	expect "$(group app state)" = failed-over "state"
	expect_exit 0 shunt failback app
	wait_for 3 "b1 is active" is_active b1
	expect "$(group app failovers)" -ge 1 "failovers counted"
}

after_ms() { [ "$(now_ms)" -ge "$1" ]; }

manual_failover() {
	local down_ms
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby "failover: manual" 'b1, b2' 2
	die b1
	wait_for 3 "b1 is down" is_health b1 down
	down_ms=$(now_ms)
	wait_for 5 "half a second goes by" after_ms $((down_ms + 500))
	expect "$(active app | grep -c b2 || true)" -eq 0 "b2 active without having been asked"
	on client "$FLOWS" connect $VIP 80 --count 5 --timeout 100ms >"$T/log" && fail "somebody answered"
	expect_exit 0 shunt failover app
	wait_for 3 "b2 is active" is_active b2
	expect "$(servers $VIP 80 20)" = b2 "who answers"
}

# ---- tiers ----

min_healthy() {
	net_make client lb b1 b2 b3 b4
	start_servers 4
	primary_and_standby 'min_healthy: 2, failback: automatic, failback_delay: 500ms' \
		'{name: b1, priority: 0}, {name: b2, priority: 0}, {name: b3, priority: 1}, {name: b4, priority: 1}' 4
	expect "$(active app)" = "b1 b2" "active at first"
	expect "$(servers $VIP 80)" = "b1 b2" "who answers at first"
	die b2
	wait_for 3 "the second tier takes over" is_active "b3 b4"
	expect "$(servers $VIP 80)" = "b3 b4" "who answers after"
	serve b2
	wait_for 5 "the first tier takes over again" is_active "b1 b2"
}

no_tier_is_complete() {
	net_make client lb b1 b2
	start_servers 2
	primary_and_standby 'failback: automatic, failback_delay: 200ms' 'b1, b2' 2
	die b1
	die b2
	wait_for 5 "the group is down" is down group app state
	serve b2
	wait_for 5 "b2 takes over" is_active b2
	expect "$(servers $VIP 80 20)" = b2 "who answers"
}

# ---- by the operator ----

forced_failover() {
	net_make client lb b1 b2 b3
	start_servers 3
	primary_and_standby 'failback: automatic, failback_delay: 200ms'
	expect_exit 0 shunt failover app --to b3
	wait_for 3 "b3 is active" is_active b3
	expect "$(servers $VIP 80 20)" = b3 "who answers"
	expect_exit 0 shunt failback app
	wait_for 3 "b1 is active" is_active b1
	expect_exit 0 shunt failover app
	wait_for 3 "the next best is active" is_active b2
	expect_exit 0 shunt failback app
	expect_exit 1 shunt failover app --to nobody
	die b3
	wait_for 3 "b3 is down" is_health b3 down
	expect_exit 1 shunt failover app --to b3
	expect "$(active app)" = b1 "active after refusals"
}

forced_failover_for_a_time() {
	local since
	net_make client lb b1 b2 b3
	start_servers 3
	primary_and_standby 'failback: automatic, failback_delay: 200ms'
	expect_exit 0 shunt failover app --to b2 --for 1s
	since=$(now_ms)
	wait_for 3 "b2 is active" is_active b2
	wait_for 4 "b1 is active again" is_active b1
	expect $(($(now_ms) - since)) -ge 900 "ms that the force held"
}

# ---- active-active ----

one_of_three() {
	local killed
	net_make client lb b1 b2 b3
	start_servers 3
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2, b3]}]
		$(some_backends 3)
	END
	hold hold 60 $VIP 80 --every 50ms
	connect_every 5 connect $VIP 80 --timeout 500ms
	killed=$("$FLOWS" kill 9 "$(pid_of server-b2)")
	wait_for 3 "b2 is out" is_active "b1 b3"
	expect "$(servers $VIP 80)" = "b1 b3" "who answers"
	serve b2
	wait_for 5 "b2 is back" is_active "b1 b2 b3"
	expect "$(servers $VIP 80)" = "b1 b2 b3" "who answers at last"
	stop_traffic connect
	note "$(awk -v killed="$killed" '$3 == "failed" { n++; last = $1 } END {
		printf "one of three killed: %d connections failed, the last after %d ms", n, (last - killed) / 1000000 }' \
		"$T/connect.log")"
	expect "$(awk -v killed="$killed" '$3 == "failed" && $1 - killed > 340000000' "$T/connect.log" | wc -l)" -eq 0 \
		"connections that failed later than 340 ms"
	stop_traffic hold
	expect "$(grep '^[0-9]* broken ' "$T/hold.log" | grep -vc ' b2 ' || true)" -eq 0 "broken connections of the survivors"
}

http_check() {
	net_make client lb b1 b2
	serve_http b1
	serve_http b2
	echo ok >"$T/nginx-b1/www/check"
	echo ok >"$T/nginx-b2/www/check"
	primary_and_standby "failback: automatic, failback_delay: 200ms, health_check: {path: /check, port: 80}" 'b1, b2' 2
	expect "$(active app)" = b1 "active at first"
	expect "$(json .check.type backends b1)" = http "kind of check"
	rm "$T/nginx-b1/www/check"
	wait_for 3 "b2 takes over" is_active b2
	expect_contains "$(json .check.last backends b1)" 404 "the last result"
	echo ok >"$T/nginx-b1/www/check"
	wait_for 3 "b1 takes over again" is_active b1
}

# ---- the instant of a failover ----

# SYNs of random sources to each of the services, some thousands a second, so that some come in any instant.
flood() { # PORT…
	local port
	for port in "$@"; do
		spawn "flood-$port" client nice -n 19 hping3 -i u100 --rand-source --syn --destport "$port" --quiet $VIP
	done
}

each_is() { is true json "$1" groups; } # FILTER
left() { each_is "all(.[]; .active | index(\"$1\") | not)"; } # BACKEND
returned() { each_is '[.[] | select(.name != "spare") | .active | index("b1")] | all'; }

# Every way in which a table has hardly anybody besides the one that dies: a primary, the last of a group that then lives on its
# fallback, the primary of that, a group of some clients, one that panics; one backend, or two at once.
nobody_is_dropped() {
	local i round
	command -v hping3 >/dev/null || skip "hping3 is not installed"
	net_make client lb b1 b2 b3
	for i in 1 2 3; do serve "b$i" 80; done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: {type: tcp, port: 80, interval: 100ms, timeout: 100ms, healthy_threshold: 1, unhealthy_threshold: 3}}
		services:
		  - {name: web, address: $VIP, port: 80, group: app}
		  - {name: last, address: $VIP, port: 81, group: last}
		  - {name: placed, address: $VIP, port: 82, group: app, clients: [{prefix: 0.0.0.0/1, group: some}]}
		  - {name: crowd, address: $VIP, port: 83, group: crowd}
		failover_groups:
		  - {name: last, mode: active-active, backends: [b1], fallback: spare}
		  - {name: app, mode: active-passive, primary: b1, backends: [b1, b2, b3], failback: automatic, failback_delay: 100ms}
		  - {name: spare, mode: active-passive, primary: b2, backends: [b2, b3], failback: automatic, failback_delay: 100ms}
		  - {name: some, mode: active-passive, primary: b1, backends: [b1, b3], failback: automatic, failback_delay: 100ms}
		  - {name: crowd, mode: active-active, backends: [b1, b2], panic: 60%, health_check: {interval: 120ms}}
		$(some_backends 3)
	END
	flood 80 81 82 83
	for round in 1 2 3 4 5 6; do
		die b1
		[ $((round % 2)) -eq 1 ] || die b2
		wait_for 20 "the groups have left b1" each_is 'all(.[]; .name == "crowd" or (.active | index("b1") | not))'
		[ $((round % 2)) -eq 1 ] || wait_for 20 "spare has left b2" is b3 active spare
		serve b1 80
		[ $((round % 2)) -eq 1 ] || serve b2 80
		wait_for 20 "the groups are back on b1" returned
		expect_exit 0 shunt maint b1
		wait_for 20 "the groups have left b1" left b1
		expect_exit 0 shunt ready b1
		wait_for 20 "the groups are back on b1" returned
	done
	expect "$(drops no_backend)" -eq 0 "packets that found nobody, of $(json '[.[].new_flows] | add' services) new flows"
}

suite failover
limit $((30 + RUNS * 4))
run_test 'a killed server: time to the last failed connection' killed_server
run_test 'no packet finds nobody in the instant of a failover' nobody_is_dropped
run_test 'failback comes after failback_delay of health' failback_waits_for_the_delay
run_test 'failback_delay starts again when health breaks' failback_delay_starts_again
run_test 'manual failback waits for the operator' manual_failback
run_test 'manual failover waits for the operator' manual_failover
run_test 'fewer than min_healthy in a tier: the next one takes over' min_healthy
run_test 'a group that was down takes whoever returns' no_tier_is_complete
run_test 'a forced failover is held until failback' forced_failover
run_test 'a forced failover ends after its time' forced_failover_for_a_time
run_test 'one of three active ones dies and returns' one_of_three
run_test 'an HTTP check sees what TCP does not' http_check
finish
