#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Who decides that a group moves, how much of it, and what keeps it from moving too often: docs/failover.md, with real servers.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

start_all() { # N
	local i
	for i in $(seq "$1"); do serve "b$i"; done
}

is_active() { is "$1" active app; }
is_health() { is "$2" backend "$1" health; } # BACKEND HEALTH
die() { stop "server-$1" KILL; }
proposes() { is "$1" json '.proposal.backends // [] | join(" ")' groups app; }
event_of() { json "[.[] | select(.kind == \"$1\") | .text] | last // \"\"" events --since 10m; } # KIND: the last one's text
happened() { [ -n "$(event_of "$1")" ]; }
after_ms() { [ "$(now_ms)" -ge "$1" ]; }
share_of() { json ".backends[] | select(.name == \"$1\") | .share * 100 | round" groups app; } # BACKEND: percent

failed_over_ms() { date -d "$(group app last_failover)" +%s%3N; }

# ---- who decides ----

manual() {
	net_make client lb b1 b2
	start_all 2
	group_of 2 'primary: b1, backends: [b1, b2], failover: manual'
	die b1
	wait_for 3 "b2 is proposed" proposes b2
	expect "$(group app state)" = down "state"
	expect_contains "$(event_of proposal)" "to confirm: shunt failover app" "the event"
	expect_contains "$(shunt status app)" "shunt failover app" "the status"
	expect_exit 0 shunt failover app
	wait_for 3 "b2 is active" is_active b2
	expect "$(servers $VIP 80 20)" = b2 "who answers"
	expect "$(group app forced)" = null "an override after a confirmation"
	expect "$(group app proposal)" = null "a proposal afterwards"
}

semi_automatic() {
	local since
	net_make client lb b1 b2
	start_all 2
	group_of 2 'primary: b1, backends: [b1, b2], failover: semi-automatic'
	die b1
	wait_for 3 "b2 takes over by itself" is_active b2
	serve b1
	wait_for 3 "b1 is up" is_health b1 up
	die b2
	wait_for 3 "the way back is proposed" proposes b1
	since=$(now_ms)
	wait_for 3 "half a second goes by" after_ms $((since + 500))
	expect "$(group app state)" = down "state: nothing moves back by itself"
	expect_exit 0 shunt failover app
	wait_for 3 "b1 is active" is_active b1
	expect "$(servers $VIP 80 20)" = b1 "who answers"
}

hold_down() {
	local first second
	net_make client lb b1 b2 b3
	start_all 3
	group_of 3 'primary: b1, backends: [b1, b2, b3], hold_down: 2s'
	die b1
	wait_for 3 "b2 takes over" is_active b2
	first=$(failed_over_ms)
	die b2
	wait_for 2 "b3 is proposed" proposes b3
	expect_contains "$(event_of proposal)" hold_down "the event"
	wait_for 5 "b3 takes over" is_active b3
	second=$(failed_over_ms)
	note "second failover $((second - first)) ms after the first (hold_down 2s)"
	expect $((second - first)) -ge 1900 "ms between the failovers"
}

# A server that listens, but not when the delay ends: nginx whose page is gone for one check.
recheck() {
	net_make client lb b1 b2
	serve_http b1
	serve_http b2
	mkdir -p "$T/nginx-b1/www" "$T/nginx-b2/www"
	echo ok >"$T/nginx-b2/www/check"
	balance_down <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - name: app
		    primary: b1
		    backends: [b1, b2]
		    failback: automatic
		    failback_delay: 2s
		    health_check: {path: /check, port: 80, interval: 200ms, timeout: 200ms, healthy_threshold: 1, unhealthy_threshold: 100}
		$(some_backends 2)
	END
	wait_for 5 "b2 serves" is_active b2
	echo ok >"$T/nginx-b1/www/check"
	wait_for 5 "b1 is up" is_health b1 up
	expect "$(group app state)" = failing-back "state"
	rm "$T/nginx-b1/www/check" # 100 bad checks would make it down: it stays up, but the re-check is bad
	wait_for 10 "the re-check is bad" said_again
	expect "$(backend b1 health)" != down "b1's health"
	expect "$(active app)" = b2 "active after the bad re-check"
	echo ok >"$T/nginx-b1/www/check"
	wait_for 10 "b1 takes over" is_active b1
}

said_again() { [[ $(event_of failback) == *"the delay starts again"* ]]; }

# A configuration and a running shuntd, whatever the backends do.
balance_down() { config && start_shuntd; }

# A program tells each backend's lag, from a file of its name.
max_lag() {
	net_make client lb b1 b2 b3 b4
	start_all 4
	# shellcheck disable=SC2016 # of the program's own shell
	printf '#!/bin/sh\n[ -e "%s/up-$SHUNT_BACKEND" ] && cat "%s/lag-$SHUNT_BACKEND"\n' "$T" "$T" >"$T/check"
	chmod +x "$T/check"
	touch "$T"/up-b{1,2,3,4}
	echo primary >"$T/lag-b1"
	echo lag=9000 >"$T/lag-b2"
	echo lag=300 >"$T/lag-b3"
	echo lag=20 >"$T/lag-b4"
	group_of 4 "primary: b1, max_lag: 500ms, health_check: {type: exec, command: [$T/check], interval: 500ms, timeout: 500ms,
	  healthy_threshold: 1, unhealthy_threshold: 2},
	  backends: [b1, {name: b2, priority: 1}, {name: b3, priority: 2}, {name: b4, priority: 2}]"
	expect "$(active app)" = b1 "active at first"
	rm "$T/up-b1"
	wait_for 5 "b4 takes over: b2 lags too much, b3 more than b4" is_active b4
	expect "$(servers $VIP 80 20)" = b4 "who answers"
	expect "$(json '.backends[1].lag_ms' groups app)" = 9000 "b2's lag"
	echo replication has ended >"$T/lag-b3" # and no word of the 300 of before
	wait_for 5 "how far b3 lags is not known" is null json '.backends[2].lag_ms' groups app
	rm "$T/up-b4"
	wait_for 5 "nobody may take over" is down group app state
	echo lag=100 >"$T/lag-b2"
	wait_for 5 "b2 takes over, as it lags no more" is_active b2
	rm "$T/up-b2"
	wait_for 5 "nobody is left" is down group app state
	echo lag=9000 >"$T/lag-b4" # 20 was its last word before it went down
	touch "$T/up-b4"
	wait_for 5 "b4 is up again" is_health b4 up
	expect "$(json '.backends[3].lag_ms' groups app)" = 9000 "b4's lag"
	expect "$(active app)" = "" "active: b4 does not take over by a lag of before"
	expect "$(json '[.[] | select(.kind == "failover")] | length' events)" -eq 1 "failovers: that to b4, at first"
}

# ---- how much ----

panic() {
	net_make client lb b1 b2 b3 b4
	start_all 4
	group_of 4 'mode: active-active, backends: [b1, b2, b3, b4], panic: 30%'
	die b2
	die b3
	die b4
	wait_for 3 "the group panics" is true group app panic
	expect "$(active app)" = "b1 b2 b3 b4" "active in panic"
	expect_contains "$(shunt status)" PANIC "the status"
	expect_contains "$(event_of panic)" "fewer than 30 %" "the event"
	expect "$(on lb curl -s --unix-socket "$RUN_DIR/shunt.sock" http://x/metrics | grep -c 'shunt_group_panic{group="app"} 1')" -eq 1 "the metric"
	note "with one of four fit and panic: 30%, $(share_of b1) % of the slots are the fit one's"
	expect "$(share_of b1)" -le 35 "percent of the slots that the fit one has"
	serve b2 # although its checks were bad, it gets its flows as soon as it answers
	wait_for 5 "the panic is over" is false group app panic
	wait_for 3 "two are active" is_active "b1 b2"
	expect "$(servers $VIP 80)" = "b1 b2" "who answers"
}

keep_or_move() { # keep|move
	net_make client lb b1 b2
	start_all 2
	spawn check-b1 b1 "$FLOWS" serve --name b1 99
	spawn check-b2 b2 "$FLOWS" serve --name b2 99
	group_of 2 "primary: b1, backends: [b1, b2], on_down: $1, health_check: {type: tcp, port: 99, interval: 100ms, timeout: 100ms}"
	hold hold 20 $VIP 80 --every 50ms
	stop check-b1 KILL # what is checked dies, what serves lives
	wait_for 3 "b2 takes over" is_active b2
	expect "$(servers $VIP 80 20)" = b2 "who answers new connections"
}

on_down_keep() {
	keep_or_move keep
	wait_for 5 "the slots have moved" no_slot_moves
	expect "$(servers $VIP 80 20)" = b2 "who answers new connections later"
	stop_traffic hold
	expect_unbroken hold
}

on_down_move() {
	keep_or_move move
	wait_for 5 "established connections have moved, and so are broken" said hold ' broken '
}

spill_over() {
	net_make client lb b1 b2 b3 b4
	start_all 4
	group_of 4 'primary: b1, overprovision: 140%,
	  backends: [{name: b1, priority: 0}, {name: b2, priority: 0}, {name: b3, priority: 1}, {name: b4, priority: 1}]'
	expect "$(active app)" = "b1 b2" "active while all are fit"
	die b1
	wait_for 3 "the second tier takes part" is_active "b2 b3 b4"
	note "one of two fit, overprovision 140%: tier 0 $(share_of b2) %, tier 1 $(($(share_of b3) + $(share_of b4))) %"
	expect "$(share_of b2)" -ge 69 "percent of tier 0 (70 by Envoy's formula)"
	expect "$(share_of b2)" -le 71 "percent of tier 0"
	serve b1
	wait_for 5 "the first tier has all again" is_active "b1 b2"
}

rolling() {
	local began ended
	net_make client lb b1 b2
	start_all 2
	group_of 2 'mode: rolling, backends: [b1, b2], step: 25%, interval: 500ms'
	hold hold 40 $VIP 80 --every 50ms
	connect_every 10 connect $VIP 80
	expect_exit 0 shunt failover app
	began=$(now_ms)
	wait_for 2 "a first step" is "b1 b2" active app
	expect "$(share_of b2)" -eq 25 "percent of the target after the first step"
	wait_for 4 "the shift is over" is_active b2
	ended=$(now_ms)
	note "rolled over in $((ended - began)) ms: 4 steps of 25 %, 500 ms between them"
	expect $((ended - began)) -ge 1400 "ms of the shift"
	stop_traffic connect
	expect_no_failure connect
	stop_traffic hold
	expect_unbroken hold
}

rolling_back() {
	net_make client lb b1 b2 b3
	start_all 3
	group_of 3 'mode: rolling, step: 10%, interval: 1s,
	  backends: [{name: b1, priority: 1}, {name: b2, priority: 2}, {name: b3, priority: 2}]'
	expect_exit 0 shunt failover app
	wait_for 2 "a first step" is "b1 b2 b3" active app
	die b2
	wait_for 3 "all went back" is_active b1
	expect_contains "$(event_of rolled-back)" "health of the target fell" "the event"
	expect "$(share_of b1)" -eq 100 "percent of b1"
	expect "$(servers $VIP 80 20)" = b1 "who answers"
}

hysteresis() {
	net_make client lb b1 b2 b3
	start_all 3
	group_of 3 'primary: b1, min_healthy: 50%, return_healthy: 100%, failback: automatic, failback_delay: 200ms,
	  backends: [{name: b1, priority: 0}, {name: b2, priority: 0}, {name: b3, priority: 1}]'
	die b1
	wait_for 3 "b1 is out" is_active b2
	die b2
	wait_for 3 "the next tier takes over" is_active b3
	serve b1
	wait_for 3 "b1 is up" is_health b1 up
	local up
	up=$(now_ms)
	wait_for 3 "a second goes by" after_ms $((up + 1000))
	expect "$(active app)" = b3 "active with half of the first tier"
	serve b2
	wait_for 5 "the first tier takes over again, now that it is whole" is_active "b1 b2"
}

# ---- too often ----

damping() {
	local i
	net_make client lb b1 b2
	start_all 2
	group_of 2 'mode: active-active, backends: [b1, b2], damping: {half_life: 2s, suppress: 1500, reuse: 1000, max_suppress: 10s}'
	for i in 1 2; do
		die b1
		wait_for 3 "b1 is down" is_health b1 down
		serve b1
		wait_for 3 "b1 is up" is_health b1 up
	done
	expect "$(active app)" = b2 "active although b1 is up: it flaps"
	expect_contains "$(event_of suppressed)" "flaps in group app" "the event"
	expect_contains "$(shunt status)" "reused in" "the status"
	expect "$(json '.backends[0].suppressed_until' groups app)" != null "when it will be reused"
	wait_for 8 "b1 is used again" is_active "b1 b2"
	expect_contains "$(event_of reused)" "quiet in group app" "the event"
}

# Its backends are as well as can be: maintenance is no failure of theirs.
damping_of_the_group() {
	local i
	net_make client lb b1 b2
	start_all 2
	group_of 2 'primary: b1, backends: [b1, b2], failback: automatic, failback_delay: 0s,
	  damping: {half_life: 3s, suppress: 1500, reuse: 1000, max_suppress: 10s}'
	for i in 1 2; do
		expect_exit 0 shunt maint b1
		wait_for 3 "b2 takes over" is_active b2
		expect_exit 0 shunt ready b1
		wait_for 3 "b1 is up" is_health b1 up
		[ "$i" -eq 2 ] || wait_for 3 "b1 takes over again" is_active b1
	done
	expect "$(active app)" = b2 "active: the group flaps"
	expect_contains "$(event_of suppressed)" "does not fail back by itself" "the event"
	wait_for 10 "it is back, having been quiet" is_active b1
	expect_contains "$(event_of reused)" "quiet in group app" "the event"
}

# ---- asked before it is done ----

foreseen() { json '.groups[0].slots' "$@"; }             # COMMAND…: slots that would move
unsettled() { json '.slots | .moving + .resolving' groups app; }
as_before() { # EVENT-ID SHARES: nothing has changed since
	expect "$(json '[.[].id] | max' events)" = "$1" "the last event"
	expect "$(json '[.backends[].share] | tostring' groups app)" = "$2" "the shares"
	expect "$(unsettled)" = 0 "slots that moved"
}

dry_run_backends() {
	local slots id shares
	net_make client lb b1 b2 b3
	start_all 3
	group_of 3 'mode: active-active, backends: [b1, b2, b3]'
	wait_for 10 "the slots are settled" settled
	id=$(json '[.[].id] | max' events) shares=$(json '[.backends[].share] | tostring' groups app)
	slots=$(foreseen drain b1 --dry-run)
	expect_contains "$(shunt drain b1 --dry-run)" "app: $slots of 4096 slots (33.3 %) would move: to b2" "what is said"
	expect "$(on lb curl -s --unix-socket "$RUN_DIR/shunt.sock" -X POST 'http://x/api/v1/backends/b1/maint?dry_run=1' |
		jq .groups[0].slots)" = "$slots" "slots foreseen for maint"
	as_before "$id" "$shares"
	expect_exit 0 shunt drain b1
	expect "$(unsettled)" = "$slots" "slots that have moved, as foreseen"
	note "drain of one of three: $slots of 4096 slots foreseen, and moved"
}

dry_run_failover() {
	local id shares
	net_make client lb b1 b2 b3
	start_all 2
	group_of 3 'primary: b1, backends: [b1, b2, b3]' 2>/dev/null &
	wait_for 10 "b2 is up" is_health b2 up
	wait_for 10 "b3 is down" is_health b3 down
	wait_for 10 "the slots are settled" settled
	id=$(json '[.[].id] | max' events) shares=$(json '[.backends[].share] | tostring' groups app)
	expect_contains "$(shunt failover app --dry-run)" "4096 of 4096 slots (100 %) would move: to b2" "what is said"
	expect_exit 1 shunt failover app --to b3 --dry-run
	as_before "$id" "$shares"
}

dry_run_reload() {
	local slots id shares
	net_make client lb b1 b2 b3 b4
	start_all 4
	group_of 3 'mode: active-active, backends: [b1, b2, b3]'
	wait_for 10 "the slots are settled" settled
	id=$(json '[.[].id] | max' events) shares=$(json '[.backends[].share] | tostring' groups app)
	sed -i 's/backends: \[b1, b2, b3\]/backends: [b1, b2, b3, b4]/' "$CONFIG"
	echo "  - {name: b4, address: $(ip4 b4)}" >>"$CONFIG"
	slots=$(foreseen reload --dry-run)
	expect_contains "$(shunt reload --dry-run)" "group app: backend b4 added" "what is said"
	expect "$slots" -ge 1000 "slots foreseen"
	as_before "$id" "$shares"
	expect_exit 0 shunt reload
	wait_for 5 "b4 has its flows" is_active "b1 b2 b3 b4"
	expect "$(unsettled)" = "$slots" "slots that have moved, as foreseen"
	note "a fourth backend: $slots of 4096 slots foreseen, and moved"
	sed -i 's/table_size: 4096/table_size: 8192/' "$CONFIG"
	expect_exit 1 shunt reload --dry-run
	sed -i 's/interfaces:/interfacez:/' "$CONFIG"
	expect_exit 1 shunt reload --dry-run
}

# ---- for a time ----

for_a_time() {
	net_make client lb b1 b2 b3
	start_all 3
	group_of 3 'mode: active-active, backends: [b1, b2, b3]'
	expect_exit 2 shunt maint b1 --for long
	expect_exit 0 shunt maint b1 --for 2s
	expect_exit 0 shunt drain b2 --for 1s
	expect_exit 0 shunt weight b3 7 --for 1s
	expect_contains "$(shunt status)" "back by itself in" "the status"
	expect "$(backend b1 admin_until)" != null "when the maintenance ends"
	kill_shuntd
	start_shuntd # the end survives
	expect "$(backend b1 admin)" = maint "b1 after a restart"
	wait_for 5 "b2 is ready" is ready backend b2 admin
	wait_for 5 "b3 has its weight" is 100 backend b3 weight
	wait_for 5 "b1 is ready" is ready backend b1 admin
	wait_for 5 "all serve" is_active "b1 b2 b3"
	expect_contains "$(event_of ready)" "the time that an operator gave is over" "the event"
}

suite modes
run_test 'manual proposes, and failover confirms' manual
run_test 'semi-automatic fails over by itself, never back' semi_automatic
run_test 'hold_down keeps a second failover waiting' hold_down
run_test 'a bad check at the end of failback_delay starts it again' recheck
run_test 'max_lag: the least lagging of the acceptable takes over, and nobody else' max_lag
run_test 'panic: too few are fit, all are used, and it is said loudly' panic
run_test 'on_down: keep leaves established connections where they are' on_down_keep
run_test 'on_down: move takes them away' on_down_move
run_test 'spill-over in proportion when a tier is partly healthy' spill_over
run_test 'rolling shifts in steps, and breaks nothing' rolling
run_test 'rolling goes back when the target dies on the way' rolling_back
run_test 'a tier is returned to when it is whole, not when it could just serve' hysteresis
run_test 'who flaps is suppressed, and used again when it is quiet' damping
run_test 'a group that flaps does not fail back before it is quiet' damping_of_the_group
run_test 'drain and maint --dry-run foretell what then moves' dry_run_backends
run_test 'failover --dry-run says where to, and refuses as failover would' dry_run_failover
run_test 'reload --dry-run foretells what then moves' dry_run_reload
run_test 'drain, maint and weight --for a time end by themselves, also over a restart' for_a_time
finish
