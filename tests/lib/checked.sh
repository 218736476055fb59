# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# One group whose backends are checked, the faults that are done to them, and how long those take to show and to be over:
# sourced after suite.sh by the suites of checks and of faults, on the host and in guests. Uses $VIP.
# SHUNT_RUNS: how often a measurement is repeated (20 for the numbers of the documentation, fewer in CI).

RUNS=${SHUNT_RUNS:-3}

checked() { # "NAMES" CHECK [LINE]: group app of them, and a running shuntd
	config <<-END
		interfaces: [eth0]
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - {name: app, mode: active-active, backends: [$1], health_check: $2}
		$(some_backends "$(wc -w <<<"$1")")
		${3:-}
	END
	start_shuntd
	! is_in_full || chrt -a -f -p 20 "$(pid_of "$SHUNTD")"
}

# Whether the stated worst cases are to be judged, not only printed.
is_in_full() { [ "$RUNS" -ge 20 ]; }

# In full all of a suite runs with real-time priority, shuntd before the rest: what is measured then is shunt, and not how long it
# waits for a processor where others work as well. For the head of a suite.
be_first_if_in_full() {
	[ "$(chrt -p $$ | sed -n '1s/.*: //p')" = SCHED_FIFO ] || ! is_in_full || exec chrt -f 10 "$0" "$@"
}

# Those to port 80; lose_none ends it.
lose() { # HOST "NFT-EXPRESSION"
	on "$1" nft -f - <<-END
		table inet lossy {
			chain in {
				type filter hook input priority 0;
				tcp dport 80 numgen $2 drop
			}
		}
	END
}
lose_packets() { lose "$1" "random mod 100 < $2"; } # HOST PERCENT
lose_all_but_each_hundredth() { lose "$1" "inc mod 100 < 99"; } # HOST: by chance a whole check gets through now and then

lose_none() { on "$1" nft delete table inet lossy; } # HOST

is_health() { is "$2" backend "$1" health; } # BACKEND HEALTH
reason() { backend "$1" check.reason; }
last() { backend "$1" check.last; }

# ---- how long a fault takes to show ----

wall_us() { echo "${EPOCHREALTIME//[!0-9]/}"; }
last_event() { json '[.[].id] | max' events; }

# took HEALTH LABEL BACKEND US ID: waits, and notes the ms from then (wall clock) until the controller called it so, by its event
# after ID. Events are told in whole ms, rounded down: half of one is added.
took() {
	local time
	wait_for 10 "$3 is $1" is_health "$3" "$1"
	time=$(json "[.[] | select(.id > $5 and .kind == \"backend\" and (.text | startswith(\"$1\"))) | .time] | first" events)
	awk -v us="$4" -v ns="$(date -d "$time" +%s%N)" 'BEGIN { printf "%.1f\n", ns / 1e6 + 0.5 - us / 1e3 }' >>"$T/$2-$1"
}

# until_is HEALTH LABEL BACKEND COMMAND…: breaks or mends it; the time that the command takes counts, unless it sets $began.
until_is() {
	local health=$1 label=$2 name=$3 id began
	shift 3
	id=$(last_event)
	began=$(wall_us)
	"$@"
	took "$health" "$label" "$name" "$began" "$id"
}

stated() { group app detection_ms; }

# summary LABEL WHAT STATED-MS STATED-MS-OF-THE-RETURN: medians and worst cases; in full, where little else runs, the stated ones
# must hold.
summary() {
	local down=$T/$1-down up=$T/$1-up
	note "$2, $(wc -l <"$down") runs: detected after $(median <"$down") ms (median), $(largest <"$down") ms (worst; stated $3 ms);" \
		"recovered after $(median <"$up") ms, $(largest <"$up") ms (stated $4 ms)"
	! busy || return 0 # the network's own work still comes before any process
	expect "$(awk "\$1 >= 1000" "$down")" = "" "ms to detection, a second and more"
	is_in_full || return 0
	expect "$(awk "\$1 > $3" "$down")" = "" "ms to detection, beyond the stated $3"
	expect "$(awk "\$1 > $4" "$up")" = "" "ms to recovery, beyond the stated $4"
}
