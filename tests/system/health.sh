#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What follows from the results of checks besides up and down: score, weight, slow start, back-off.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10
CHECK_PORT=99

# checked_apart N CHECK-KEYS [GROUP-KEY]: b1 … bN serve port 80, and port 99 for the checks; one group has them all.
checked_apart() {
	local host
	for host in $(seq -f 'b%g' "$1"); do serve "$host" 80 $CHECK_PORT; done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - name: app
		    mode: active-active
		    backends: [$(names "$1")]
		    health_check: {type: tcp, port: $CHECK_PORT, $2}
		    ${3:-}
		$(some_backends "$1")
	END
}

three_backends() { # MORE-CHECK-KEYS
	net_make client lb b1 b2 b3
	checked_apart 3 "interval: 50ms, timeout: 40ms, $1"
}

# spoil HOST RULE: what its firewall does with checks from now on.
spoil() {
	on "$1" nft -f - <<-END
		table inet spoil {
			chain input { type filter hook input priority 0; tcp dport $CHECK_PORT tcp flags & (syn | ack) == syn $2; }
		}
	END
}

heal() { on "$1" nft delete table inet spoil; }

is_health() { is "$2" backend "$1" health; }
is_below() { [ "$(backend "$1" effective_weight)" -lt "$2" ]; } # BACKEND WEIGHT
share() { json '.backends[] | select(.name == "'"$1"'") | .share * 100 | round' groups app; } # percent of new flows
event() { json 'map(select(.kind == "'"$1"'" and .object == "backend '"$2"'")) | .[-1].text' events; } # KIND BACKEND
count_events() { json 'map(select(.kind == "'"$1"'" and .object == "backend '"$2"'")) | length' events; }
has_bad() { [ "$(backend "$1" score.bad)" -gt "$2" ]; } # BACKEND N
whole() { [ "$(backend "$1" effective_weight)" -eq 100 ]; }

degraded() {
	local since
	three_backends 'unhealthy_threshold: 30, degraded_weight: 20%, score: {results: 40}'
	hold established 60 $VIP 80 --every 50ms
	spoil b1 'numgen random mod 100 < 45 drop'
	since=$(now_ms)
	wait_for 20 "b1 is degraded" is_health b1 degraded
	note "45 % of the checks are lost, every 50 ms: degraded after $(($(now_ms) - since)) ms"
	wait_for 20 "its weight falls" is_below b1 60
	expect "$(backend b1 effective_weight)" -ge 20 "the least weight"
	note "$(event backend b1)"
	expect "$(share b1)" -lt 28 "percent of the slots of one that had a third"
	expect_contains "$(shunt status)" "degraded" "status"
	expect_contains "$(shunt status)" "of weight 100" "status"
	wait_for 5 "the score counts more than 5 bad ones, the loss going on" has_bad b1 5
	heal b1
	wait_for 20 "b1 is up" is_health b1 up
	wait_for 5 "with its whole weight" whole b1
	expect "$(share b1)" -ge 32 "percent of the slots"
	stop_traffic established
	expect_unbroken established
}

slow_answers() {
	local i
	net_make client lb b1 b2 b3
	for i in 1 2 3; do
		serve "b$i" 80
		spawn "late-b$i" "b$i" python3 -c '
import http.server, sys, time
class Late(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self): # "0.2": seconds; "+0.02": so much more with each answer
        try:
            delay = open(sys.argv[1]).read()
            Late.asked += delay[0] == "+"
            time.sleep(float(delay) * (Late.asked if delay[0] == "+" else 1))
        except OSError: pass
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 99), Late).serve_forever()' "$T/delay-b$i"
	done
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - name: app
		    mode: active-active
		    backends: [b1, b2, b3]
		    health_check: {path: /, port: $CHECK_PORT, interval: 400ms, timeout: 400ms, slow_threshold: 150ms, degraded_weight: 10%,
		      score: {results: 12}, predict: 30s}
		$(some_backends 3)
	END
	echo 0.2 >"$T/delay-b2"
	wait_for 15 "b2 is degraded" is_health b2 degraded
	wait_for 15 "its weight falls" is_below b2 80
	note "$(event backend b2)"
	expect "$(backend b2 score.slow)" -gt 3 "slow answers"
	expect "$(backend b1 health)" = up "the health of b1"
	echo +0.02 >"$T/delay-b3"
	wait_for 15 "what becomes of b3 is foreseen" foreseen b3
	note "$(event warning b3)"
	expect "$(backend b3 health)" != down "the health of b3 when it is told"
}

foreseen() { [[ $(event warning "$1") == "its checks take "*" ms more every minute: in "*" they will exceed the timeout of 400ms" ]]; } # BACKEND

# b3 comes by a reload and does not serve.
nothing_before_a_good_check() {
	net_make client lb b1 b2 b3
	checked_apart 2 'interval: 300ms, timeout: 300ms, unhealthy_threshold: 10'
	connect_every 5 connect $VIP 80
	sed -i 's/backends: \[b1, *b2\]/backends: [b1, b2, b3]/' "$CONFIG"
	echo "  - {name: b3, address: $(ip4 b3)}" >>"$CONFIG"
	expect_exit 0 shunt reload
	wait_for 5 "the first check of b3" is_health b3 down
	expect "$(active app)" = "b1 b2" "who takes new flows"
	serve b3 80 $CHECK_PORT
	wait_for 5 "b3 is up" is_health b3 up
	wait_for 5 "b3 serves" is "b1 b2 b3" servers $VIP 80
	stop_traffic connect
	expect_no_failure connect
}

weight_stays_unless_asked() {
	three_backends 'unhealthy_threshold: 30, score: {results: 20}'
	spoil b1 'numgen random mod 100 < 45 drop'
	wait_for 20 "b1 is degraded" is_health b1 degraded
	expect "$(backend b1 effective_weight)" -eq 100 "the weight in tables"
	expect "$(group app slots.moving)" -eq 0 "slots that move"
}

slow_start() {
	local before since step seen=
	three_backends 'healthy_threshold: 2, unhealthy_threshold: 2, slow_start: 4s'
	expect "$(backend b1 effective_weight)" -eq 100 "the weight at the first start"
	expect "$(count_events weight b1)" -eq 0 "steps at the first start"
	stop server-b1 KILL
	wait_for 5 "b1 is down" is_health b1 down
	hold established 60 $VIP 80 --every 50ms
	serve b1 80 $CHECK_PORT
	wait_for 5 "b1 is up" is_health b1 up
	since=$(now_ms)
	expect "$(share b1)" -le 20 "percent of the slots at first"
	expect_contains "$(shunt status)" "slow start" "status"
	before=0
	until whole b1; do
		step=$(backend b1 effective_weight)
		[ "$step" -ge "$before" ] || fail "the weight fell from $before to $step"
		[ "$step" -eq "$before" ] || seen="$seen $step"
		before=$step
		[ $(($(now_ms) - since)) -lt 15000 ] || fail "b1 has no whole weight after 15 s"
	done
	note "slow_start: 4s: weights seen:$seen, whole after $(($(now_ms) - since)) ms; $(count_events weight b1) steps"
	expect "$(count_events weight b1)" -eq 9 "steps told"
	wait_for 10 "the flows of the slots that moved are pinned" no_slot_moves
	expect "$(share b1)" -ge 32 "percent of the slots"
	shunt maint b1
	shunt ready b1
	wait_for 5 "b1 is back from maintenance" is_health b1 up
	is_below b1 100 || fail "no slow start after maintenance"
	stop_traffic established
	expect_unbroken established
}

syns_at() { on "$1" nft -j list table inet spoil | jq '[.. | .counter? // empty | .packets] | add'; }
more_syns() { [ "$(syns_at "$1")" -gt "$2" ]; }

backs_off() {
	local before since
	three_backends 'healthy_threshold: 3, unhealthy_threshold: 3, max_interval: 1s'
	spoil b1 'counter drop'
	wait_for 5 "b1 is down" is_health b1 down
	expect "$(backend b1 breaker)" = open "the breaker"
	before=$(syns_at b1)
	wait_for 30 "20 more probes" more_syns b1 $((before + 5)) # the first few are still quick
	before=$(syns_at b1)
	since=$(now_ms)
	wait_for 30 "8 more probes" more_syns b1 $((before + 7))
	since=$(($(now_ms) - since))
	note "interval 50ms, max_interval 1s: 8 probes of who is down took $since ms (400 ms without)"
	expect "$since" -ge 1200 "ms for 8 probes"
	heal b1
	since=$(now_ms)
	wait_for 10 "b1 is up" is_health b1 up
	note "up again $(($(now_ms) - since)) ms after it could be (worst: max_interval + 2 × interval)"
	expect "$(backend b1 breaker)" = closed "the breaker"
}

is_breaker() { is "$2" backend "$1" breaker; } # BACKEND STATE

# Times of the next N SYNs of checks of b1, ms. They are sent alone: who is down is refused at once, so that no SYN is repeated.
syn_times() { # N
	timeout 60 nsenter --net="/run/netns/$NET-b1" tcpdump -i eth0 -n -tt -l -Q in -c "$1" \
		"tcp dst port $CHECK_PORT and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn" 2>/dev/null |
		awk 'NR == 1 { first = $1 } { printf "%d\n", ($1 - first) * 1000 }'
}
gaps() { awk 'NR > 1 { print $1 - last } { last = $1 }'; }

# Open, half-open, open again by one bad probe, half-open, closed.
half_opens() {
	local opened
	command -v tcpdump >/dev/null || skip "tcpdump is not installed"
	net_make client lb b1 b2
	checked_apart 2 'interval: 100ms, timeout: 90ms, healthy_threshold: 20, unhealthy_threshold: 3, max_interval: 800ms'
	spoil b1 'reject with tcp reset'
	wait_for 5 "b1 is down" is_health b1 down
	is_breaker b1 open || fail "the breaker of who is down: $(backend b1 breaker)"
	syn_times 5 >/dev/null # after five failures the ceiling is max_interval
	syn_times 16 | gaps >"$T/open"
	note "open, interval 100ms, max_interval 800ms: probes come after $(paste -sd' ' "$T/open") ms"
	heal b1
	wait_for 5 "the first good probe half-opens it" is_breaker b1 half-open
	is_health b1 down || fail "half-open, and $(backend b1 health) after a few of 20"
	syn_times 6 | gaps >"$T/half-open"
	note "half-open: after $(paste -sd' ' "$T/half-open") ms"
	spoil b1 'reject with tcp reset'
	wait_for 5 "one bad probe opens it again" is_breaker b1 open
	heal b1
	wait_for 5 "it is half-open again" is_breaker b1 half-open
	opened=$(now_ms)
	wait_for 10 "20 good ones in a row" is_health b1 up
	is_breaker b1 closed || fail "the breaker of who is up: $(backend b1 breaker)"
	note "closed $(($(now_ms) - opened)) ms after it was half-open: 20 good ones in a row are asked for"
	expect "$(($(now_ms) - opened))" -ge 1500 "ms from half-open to closed"
	busy && return
	expect "$(largest <"$T/open")" -le 850 "longest time between two probes while open, ms"
	expect "$(largest <"$T/open")" -ge 400 "longest time between two probes while open, ms"
	expect $(($(largest <"$T/open") - $(sort -n "$T/open" | head -n 1))) -ge 150 "ms between the longest and the shortest: jitter"
	expect "$(median <"$T/half-open" | cut -d. -f1)" -le 130 "ms between probes while half-open"
}

# Four backends, checked at a port that stays well; passive detection as $1 says. Clients connect all the time.
four_judged() {
	local i
	net_make client client2 lb b1 b2 b3 b4
	checked_apart 4 'interval: 100ms, timeout: 100ms' "passive: {$1}"
	for i in 1 2 3 4; do
		spawn "load$i" client "$FLOWS" connect $VIP 80 --every 8ms --timeout 300ms
		wait_for 5 "the first connection" said "load$i" ' ok '
	done
}

is_ejected() { [ "$(backend "$1" ejected_until)" != null ]; }
is_back() { [ "$(backend "$1" ejected_until)" = null ]; }
ejections() { json 'map(select(.kind == "ejection")) | length' events; }

black_hole() {
	local since
	four_judged 'base_time: 4s, max_time: 1m'
	on b2 nft -f - <<-END
		table inet hole {
			chain input { type filter hook input priority 0; ip saddr $(ip4 client) tcp dport 80 drop; }
		}
	END
	since=$(now_ms)
	wait_for 20 "b2 is ejected" is_ejected b2
	note "a backend that answers checks and no client: ejected after $(($(now_ms) - since)) ms"
	note "$(event ejection b2)"
	expect "$(backend b2 health)" = up "what its checks say"
	expect_contains "$(shunt status)" "SYNs, others" "status"
	expect "$(active app)" = 'b1 b3 b4' "who takes new flows"
	expect "$(servers $VIP 80)" = 'b1 b3 b4' "who answers"
	wait_for 10 "it may try again" is_back b2
	since=$(now_ms)
	wait_for 20 "it is ejected again" is_ejected b2
	note "after its return ejected again within $(($(now_ms) - since)) ms: $(event ejection b2)"
	expect_contains "$(event ejection b2)" "for 8s" "the second time"
	on b2 nft delete table inet hole
	shunt ready b2
	is_back b2 || fail "an operator's ready does not lift the ejection"
	wait_for 5 "it takes new flows" is 'b1 b2 b3 b4' active app
}

nobody_is_ejected() {
	local deadline
	four_judged 'min_packets: 10, interval: 500ms'
	deadline=$(($(now_ms) + 8000))
	until [ "$(now_ms)" -gt "$deadline" ]; do
		expect "$(ejections)" -eq 0 "ejections under even load"
	done
	shunt drain b3 # what is left of its traffic is no reason
	shunt weight b4 10
	deadline=$(($(now_ms) + 5000))
	until [ "$(now_ms)" -gt "$deadline" ]; do
		expect "$(ejections)" -eq 0 "ejections with uneven weights"
	done
	note "$(backend b1 packets) packets to b1 in 13 s, ejections: 0"
}

# shuntd's wall clock is what $T/clock says; the monotonic one goes on as it does.
wall_clock() { echo "$1" >"$T/clock" && shunt weight b2 "$2"; } # OFFSET WEIGHT
decisions() { json 'map(select(.kind != "weight")) | length' events; }
year_of_last_event() { json '.[-1].time[0:4]' events; }

clock_jumps() {
	local before jump offset
	"${CC:-cc}" -shared -fPIC -D_GNU_SOURCE -o "$T/wall_clock.so" "$SOURCE_DIR/tests/tools/preload/wall_clock.c"
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3
	echo 0 >"$T/clock"
	config <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups:
		  - {name: app, mode: active-passive, primary: b1, backends: [b1, b2, b3], failback: automatic, failback_delay: 10m}
		$(some_backends 3)
	END
	LD_PRELOAD=$T/wall_clock.so WALL_CLOCK_FILE=$T/clock start_shuntd
	wait_for 10 "every backend is up" all_up
	shunt drain b3 --timeout 30m --for 1h
	stop server-b1 KILL
	wait_for 5 "the standby serves" is b2 active app
	serve b1
	wait_for 5 "b1 is up" is_health b1 up
	before=$(decisions)
	for jump in 1 2 3 4; do
		offset=$((jump % 2 * 800 * 86400))
		[ "$jump" -ne 4 ] || offset=$((-800 * 86400))
		wall_clock "$offset" $((100 + jump))
		is_running "$SHUNTD" || fail "shuntd ended"
		note "wall clock $((offset / 86400)) days off: the last event is of $(year_of_last_event), group $(group app state)"
		wait_for 5 "probes go on" more_probes
		expect "$(active app)" = b2 "who serves"
		expect "$(group app state)" = failing-back "state"
		expect "$(backend b3 admin)" = drain "what an operator said for an hour"
		expect "$(decisions)" -eq "$before" "decisions since the clock jumped"
	done
	expect "$(year_of_last_event)" -lt "$(date +%Y)" "the year that the last event was told in"
	stop server-b2 KILL
	wait_for 5 "a failure is seen under a wrong clock" is_health b2 down
	wait_for 5 "and acted on" is b1 active app
}

# One more check of b2 has come to its end.
connections() { on b2 nstat -asz TcpPassiveOpens | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2; }
more_than() { [ "$(connections)" -gt "$1" ]; }
more_probes() {
	local seen
	seen=$(connections)
	wait_for 3 "a connection" more_than "$seen"
}

suite health
limit 90
run_test 'who fails some of its checks is degraded and gets less, down to degraded_weight, and no flow breaks' degraded
run_test 'who answers slowly is degraded' slow_answers
run_test 'a backend that is new takes nothing before its first good check' nothing_before_a_good_check
run_test 'without degraded_weight a degraded backend keeps its weight' weight_stays_unless_asked
run_test 'a returning backend gets its weight in steps, not so at the first start' slow_start
run_test 'probes of a backend that is down back off, and it is back soon all the same' backs_off
run_test 'the breaker half-opens by the first good probe, opens again by a bad one, and closes after a few in a row' half_opens
run_test 'who serves checks and no client is ejected within seconds, and comes back by itself or by an operator' black_hole
run_test 'under even load, and with uneven weights, nobody is ejected' nobody_is_ejected
run_test 'a wall clock that jumps by years disturbs nothing' clock_jumps
finish
