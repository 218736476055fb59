#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What a group was on its way to goes on after shuntd was killed: holds, rolling moves, penalties, ejections, and who was chosen by lag.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

network() { # N
	local i
	# shellcheck disable=SC2046 # names
	net_make client lb $(seq -f 'b%g' "$1")
	for i in $(seq "$1"); do serve "b$i"; done
}

is_active() { is "$1" active app; }
die() { stop "server-$1" KILL; }
again() { kill_shuntd && start_shuntd "$@"; }
ms_until() { # FIELD: of the group, milliseconds from now; negative when it has passed
	json "if .$1 == null then -1 else ((.$1 | sub(\"\\\\.[0-9]+Z\"; \"Z\") | fromdate) - now) * 1000 | floor end" groups app
}
kept() { jq -e "$1" "$STATE_DIR/state.json" >/dev/null; } # FILTER

hold_down_goes_on() {
	local left
	network 3
	"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -o "$T/wall_clock.so" "$SOURCE_DIR/tests/tools/preload/wall_clock.c"
	group_of 3 'primary: b1, backends: [b1, b2, b3], hold_down: 1m'
	die b1
	wait_for 5 "b2 takes over" is_active b2
	wait_for 5 "the hold is kept" kept '.groups.app.moves.held_until'
	again
	die b2
	wait_for 10 "b3 is proposed, not taken" is b3 json '.proposal.backends // [] | join(" ")' groups app
	expect "$(group app state)" = down "state while it is held"
	left=$(ms_until held_until)
	note "hold_down 1m: $left ms of it are left after a restart"
	expect "$left" -le 60000 "ms that are left" && expect "$left" -gt 20000 "ms that are left"
	# A wall clock that was set back by a year meanwhile holds nobody for a year.
	echo $((-365 * 86400)) >"$T/clock"
	kill_shuntd
	LD_PRELOAD=$T/wall_clock.so WALL_CLOCK_FILE=$T/clock start_shuntd
	wait_for 10 "it is held still" is b3 json '.proposal.backends // [] | join(" ")' groups app
	left=$(($(ms_until held_until) + 365 * 86400000))
	expect "$left" -le 61000 "ms that are left by the clock that was set back"
	# One that was set ahead ends the hold.
	echo $((365 * 86400)) >"$T/clock"
	kill_shuntd
	LD_PRELOAD=$T/wall_clock.so WALL_CLOCK_FILE=$T/clock start_shuntd
	wait_for 10 "b3 takes over" is_active b3
}

rolling_goes_on() {
	local before
	network 2
	group_of 2 'mode: rolling, backends: [b1, b2], step: 20%, interval: 3s'
	expect_exit 0 shunt failover app
	wait_for 10 "two steps" kept '.groups.app.moves.shift.percent == 40'
	again
	before=$(group app shifted_percent)
	note "a rolling move at 40 % goes on at $before % after a restart"
	expect "$before" -ge 40 "percent shifted" && expect "$before" -lt 100 "percent shifted: it was not completed at once"
	wait_for 5 "the table says so" is "$before" json '.backends[] | select(.name == "b2") | .share * 100 | round' groups app
	wait_for 20 "it is completed" is 100 group app shifted_percent
	wait_for 5 "b2 serves" is_active b2
}

penalties_go_on() {
	local i before after
	network 2
	group_of 2 'mode: active-active, backends: [b1, b2], damping: {half_life: 1m, suppress: 1500, reuse: 500, max_suppress: 10m}'
	for i in 1 2; do
		die b1
		wait_for 5 "b1 is down" is down backend b1 health
		serve b1
		wait_for 5 "b1 is up" is up backend b1 health
	done
	wait_for 5 "b1 is suppressed" is_active b2
	before=$(json '.backends[0].penalty | round' groups app)
	again
	wait_for 10 "b1 is up" is up backend b1 health
	after=$(json '.backends[0].penalty | round' groups app)
	note "a penalty of $before is $after after a restart"
	expect "$after" -gt 1000 "the penalty: a half-life of a minute has not passed" && expect "$after" -le "$before" "the penalty"
	expect "$(active app)" = b2 "active: b1 is suppressed still"
	expect "$(json '.backends[0].suppressed_until' groups app)" != null "when it will be reused"
}

choice_goes_on() {
	network 3
	# shellcheck disable=SC2016 # of the program's own shell
	printf '#!/bin/sh\n[ -e "%s/up-$SHUNT_BACKEND" ] && cat "%s/lag-$SHUNT_BACKEND"\n' "$T" "$T" >"$T/check"
	chmod +x "$T/check"
	touch "$T"/up-b{1,2,3}
	echo primary >"$T/lag-b1"
	echo lag=300 >"$T/lag-b2"
	echo lag=20 >"$T/lag-b3"
	group_of 3 "primary: b1, max_lag: 500ms, health_check: {type: exec, command: [$T/check], interval: 200ms, timeout: 200ms,
	  healthy_threshold: 1, unhealthy_threshold: 2}, backends: [b1, {name: b2, priority: 1}, {name: b3, priority: 1}]"
	rm "$T/up-b1"
	wait_for 10 "b3 takes over: it lags least" is_active b3
	# Whose data were nearest when it was chosen may lag now, and serves: another one would be behind it.
	echo lag=1 >"$T/lag-b2"
	echo lag=9999 >"$T/lag-b3"
	wait_for 5 "the choice is kept" kept '.groups.app.moves.chosen == "b3"'
	again
	wait_for 10 "b2 has told its lag" is 1 json '.backends[] | select(.name == "b2") | .lag_ms' groups app
	expect "$(active app)" = b3 "who serves"
	expect "$(servers $VIP 80 20)" = b3 "who answers"
	expect "$(json '[.[] | select(.kind == "failover")] | length' events)" -eq 1 "failovers"
}

ejections_go_on() {
	local i before after
	network 4
	group_of 4 "mode: active-active, backends: [b1, b2, b3, b4], passive: {base_time: 10m, max_time: 1h}, health_check: {type: icmp}"
	for i in 1 2 3 4; do
		spawn "load$i" client "$FLOWS" connect $VIP 80 --every 8ms --timeout 300ms
		wait_for 5 "the first connection" said "load$i" ' ok '
	done
	on b2 nft -f - <<-END
		table inet hole {
			chain input { type filter hook input priority 0; ip saddr $(ip4 client) tcp dport 80 drop; }
		}
	END
	wait_for 40 "b2 is ejected" is true json '.ejected_until != null' backends b2
	wait_for 5 "it is kept" kept '.backends.b2.ejection.times == 1'
	before=$(json '.ejected_until | sub("\\.[0-9]+Z"; "Z") | fromdate' backends b2)
	again
	after=$(json '(.ejected_until // "1970-01-01T00:00:00Z") | sub("\\.[0-9]+Z"; "Z") | fromdate' backends b2)
	expect "$((after - before))" -ge -2 "seconds by which its end has moved" && expect "$((after - before))" -le 2 "seconds by which its end has moved"
	expect_contains "$(backend b2 ejected_why)" 'SYNs, others' "why it is ejected"
	expect "$(active app)" = 'b1 b3 b4' "who takes new flows"
	expect_exit 0 shunt ready b2
	wait_for 5 "an operator has lifted it" is null backend b2 ejected_until
	wait_for 5 "that is kept, too" kept '.backends.b2 == null'
	again
	expect "$(backend b2 ejected_until)" = null "the ejection after another restart"
}

suite kept
run_test 'hold_down goes on, whatever the wall clock was set to' hold_down_goes_on
run_test 'a rolling move goes on from where it was' rolling_goes_on
run_test 'penalties of who flaps go on' penalties_go_on
run_test 'who was chosen by lag goes on serving' choice_goes_on
limit 90
run_test 'ejections go on, until an operator lifts them' ejections_go_on
finish
