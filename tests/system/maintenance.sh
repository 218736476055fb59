#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Maintenance windows: begun, ended and refused by the clock, through restarts and operators' words.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 OTHER_VIP=192.0.2.11

in_seconds() { date --utc -d "@$(($(date +%s) + $1))" +%FT%TZ; } # N: the time then, RFC 3339

the_config() { # WINDOW: a flow mapping
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: pair, address: $OTHER_VIP, protocol: tcp, port: 80, group: pair}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2]}
		  - {name: pair, mode: active-passive, primary: b2, backends: [b2, b3]}
		$(some_backends 3)
		maintenance:
		  - $1
	END
}

# start_system WINDOW SECONDS: the word START in WINDOW becomes the time so many seconds after all else has been set up.
start_system() {
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3
	the_config "{backend: b1, start: $(in_seconds 3600), duration: 1h}" | balance
	the_config "${1/START/$(in_seconds "$2")}" | config
	expect_exit 0 shunt reload
}

admin_is() { is "$2" backend "$1" admin; } # BACKEND STATE

drained_out_and_back() {
	start_system "{backend: b1, start: START, duration: 3s, drain: 2s}" 4
	connect_every 5 connect $VIP 80
	wait_for 6 "b1 drains" admin_is b1 drain
	expect "$(backend b1 admin_by)" = window "whose word that is"
	expect "$(servers $VIP 80)" = b2 "who answers new connections"
	wait_for 6 "b1 is in maintenance" admin_is b1 maint
	expect_contains "$(shunt status)" "maintenance window" "what status says"
	wait_for 8 "b1 is back" admin_is b1 ready
	wait_for 5 "b1 takes traffic" is 'b1 b2' servers $VIP 80
	stop_traffic connect
	expect_no_failure connect
	note "$(grep '^attempts' "$T/connect.log") through a window of b1"
	shunt --json events >"$T/events"
	for word in 'drains: no new flows' 'out until' 'over: takes traffic'; do
		expect_contains "$(cat "$T/events")" "$word" "the audit trail"
	done
}

never_the_last_one() {
	start_system "{backend: b1, start: START, duration: 1h}" 3600
	stop server-b2
	wait_for 5 "b2 is down" is down backend b2 health
	the_config "{backend: b1, start: $(in_seconds -1), duration: 1h}" | config
	expect_exit 0 shunt reload
	expect "$(backend b1 admin)" = ready "b1, the last fit one"
	expect_contains "$(shunt --json events)" "not begun: group app would be without a fit backend" "the reason"
	expect "$(servers $VIP 80 20)" = b1 "who answers"
	serve b2
	wait_for 10 "b1 is in maintenance, now that b2 is fit" admin_is b1 maint
	wait_for 5 "b2 answers alone" is b2 servers $VIP 80
}

a_group_goes_to_its_target() {
	start_system "{group: pair, start: START, duration: 3s, target: b3}" 5
	expect "$(active pair)" = b2 "who serves before"
	wait_for 8 "b3 serves in the window" is b3 active pair
	expect "$(servers $OTHER_VIP 80 20)" = b3 "who answers"
	expect "$(json '[.[] | select(.kind == "failover") | .actor + ": " + .text] | last' events)" = \
		"maintenance: b2 -> b3: by a maintenance window" "who has moved it, as the audit trail tells"
	wait_for 8 "b2 serves after it" is b2 active pair
	[[ $(shunt --json events) != *"over before its time"* ]] || fail "its end is told as an early one"
}

through_restarts() { # HOW
	start_system "{backend: b1, start: START, duration: 12s}" -1
	wait_for 3 "b1 is in maintenance" admin_is b1 maint
	expect_exit 0 shunt drain b1
	expect "$(backend b1 admin)" = maint "the stricter word"
	"$1"
	start_shuntd
	wait_for 5 "b1 is still out" admin_is b1 maint
	wait_for 5 "b2 answers alone" is b2 servers $VIP 80
	wait_for 20 "the window is over, the operator's drain holds" admin_is b1 drain
	expect "$(backend b1 admin_by)" = operator "whose word that is"
	expect_exit 0 shunt ready b1
	wait_for 5 "b1 is back" is 'b1 b2' servers $VIP 80
}

a_window_taken_out_of_the_file_ends() {
	start_system "{backend: b1, start: START, duration: 1h}" -1
	wait_for 3 "b1 is in maintenance" admin_is b1 maint
	the_config "{backend: b1, start: $(in_seconds 3600), duration: 1h}" | config
	expect_exit 0 shunt reload
	expect_contains "$(cat "$T/out")" "window of backend b1" "what changed"
	expect "$(backend b1 admin)" = ready "b1 without the window"
	the_config "{group: pair, start: $(in_seconds -1), duration: 1h, target: b3}" | config
	expect_exit 0 shunt reload
	wait_for 5 "b3 serves in a window of the group" is b3 active pair
	kill_shuntd
	start_shuntd
	wait_for 5 "the window's failover is known as that after a restart" is window group pair forced_by
	expect_contains "$(shunt status)" "pair is held on b3 by a maintenance window" "what status says"
	the_config "{backend: b1, start: $(in_seconds 3600), duration: 1h}" | config
	expect_exit 0 shunt reload
	wait_for 5 "b2 serves without the window" is b2 active pair
	expect "$(group pair forced)" = null "an override without the window"
}

suite maintenance
run_test 'a backend is drained, out and back by its window, and no connection fails' drained_out_and_back
run_test 'a window waits that would leave a group without a fit backend' never_the_last_one
run_test 'a group fails over for its window and comes back' a_group_goes_to_its_target
run_test 'a restart in a window goes on with it, and an operator'"'"'s drain outlasts it' through_restarts stop_shuntd
run_test 'so does a start after kill -9' through_restarts kill_shuntd
run_test 'a window taken out of the file ends with the reload' a_window_taken_out_of_the_file_ends
finish
