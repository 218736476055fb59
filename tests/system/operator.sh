#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an operator asks: doctor, trace, flows, explain, status.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

the_config() { # FORWARD
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		defaults: {forward: $1, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2]}
		$(some_backends 2)
	END
}

# ---- doctor ----

doctor() { nsenter --net="/run/netns/$NET-lb" -- "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" doctor -c "$CONFIG" "$@"; }

lines_of() { # LEVEL: subject and text, of the last doctor --json in $T/out
	jq -r ".lines[] | select(.level == \"$1\") | .subject + \": \" + .text" "$T/out"
}

remedy_of() { jq -r ".lines[] | select(.subject == \"$1\" and .remedy) | .remedy" "$T/out"; } # SUBJECT

doctor_before_a_start() {
	net_make client lb b1 b2
	the_config ipip | config
	doctor --json >"$T/out" || fail "a fail where nothing is wrong: $(lines_of fail)"
	expect_contains "$(lines_of ok)" "controller: shuntd does not run" "without a controller"
	expect_contains "$(lines_of ok)" "eth0: driver veth has native XDP" "the driver's own word"
	expect_contains "$(lines_of warn)" "MTU ipip: clients may send 1600 bytes, and 1580 fit" "the budget of ipip"
	expect_contains "$(lines_of warn)" "backend b1: neighbour 10.77.0.11 on eth0 is not resolved" "next hops"
}

doctor_names_what_mends_it() {
	net_make client lb b1 b2
	the_config ipip | config
	on lb ip link set dev eth0 mtu 1500
	on lb ping -c 1 -W 2 "$(ip4 b1)" >/dev/null
	on lb ping -c 1 -W 2 "$(ip4 b2)" >/dev/null
	doctor --json >"$T/out"
	expect_contains "$(lines_of warn)" "MTU ipip: clients may send 1500 bytes, and 1480 fit on the way to b1" "the budget of ipip"
	on lb ip route replace "$(ip4 b2)" dev eth0 mtu 1400
	on lb ip route add unreachable 10.77.0.11
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "backend b1: no next hop for 10.77.0.11: its route drops" "an unreachable route"
	expect "$(remedy_of 'backend b1')" = "ip route get 10.77.0.11" "what to look at"
	expect_contains "$(lines_of warn)" "and 1380 fit on the way to b2 (1400 less 20 in front)" "the route's own MTU"
	on lb ip route del unreachable 10.77.0.11
	on lb sysctl -qw net.ipv4.conf.all.rp_filter=1
	doctor --json >"$T/out"
	expect_contains "$(lines_of warn)" "eth0: rp_filter is strict" "rp_filter"
	on lb sh -c "$(remedy_of eth0 | grep sysctl)" >/dev/null
	doctor --json >"$T/out"
	expect_contains "$(lines_of ok)" "eth0: rp_filter is loose" "the remedy as it was named mends it"
}

doctor_beside_a_controller() {
	net_make client lb b1 b2
	serve b1
	serve b2
	the_config l2 | balance
	expect_exit 0 doctor --json --bpf-dir "$BPF_DIR"
	expect_contains "$(lines_of ok)" "controller: shuntd " "the controller answers"
	expect_contains "$(lines_of ok)" "eth0: native XDP in driver veth" "the mode"
	expect_contains "$(lines_of ok)" "MTU l2: packets of 1600 bytes fit, with 0 more in front" "the budget of l2"
	expect_contains "$(lines_of ok)" "next hops: known for all 2 backends" "next hops"
	expect_contains "$(lines_of ok)" "a data path of shunt is pinned" "bpffs"
	kill_shuntd
	expect_exit 0 doctor --bpf-dir "$BPF_DIR"
	expect_contains "$(cat "$T/out")" "shuntd does not answer: packets go on" "without a controller"
	expect "$(awk 'length > 80' "$T/out" | wc -l)" -eq 0 "lines over 80 columns"
}

doctor_sees_another_program() {
	net_make client lb b1 b2
	the_config l2 | config
	on lb "$NET_XDP_PASS" eth0
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "eth0: another XDP program is in the way: " "somebody else's program"
	on lb sh -c "$(jq -r '.lines[] | select(.level == "fail") | .remedy' "$T/out")"
	expect_exit 0 doctor
	sed -i 's/eth0/eth9/' "$CONFIG"
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "eth9: there is no such interface" "an interface that is not there"
	echo 'surprise: true' >>"$CONFIG"
	expect_exit 1 doctor --json
	expect_contains "$(lines_of fail)" "configuration: $CONFIG has 1 error" "a configuration with an error"
}

# ---- trace ----

start_system() { # FORWARD
	net_make client lb b1 b2
	serve b1
	serve b2
	the_config "$1" | balance
	wait_for 10 "the slots settle" settled
}

traces() { "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" trace "$@"; }
program_on() { nsenter --net="/run/netns/$NET-lb" -- ip -j -d link show eth0 | jq -r '.[0].xdp.prog.name // .[0].xdp.attached[0].prog.name'; }
is_traced() { [ "$(program_on)" = xdp_shunt_trace ]; }
is_not_traced() { [ "$(program_on)" = xdp_shunt ]; }
has_lines() { [ "$(grep -c '' "$T/$1.log")" -ge "$2" ]; } # LABEL N
watch_packets() { # LABEL OPTION…: shunt trace in the background, until the program is in place
	local label=$1
	shift
	spawn "$label" lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" trace "$@"
	wait_for 10 "tracing is on" has_watched "$label"
}
has_watched() { is_traced || is_over "$1"; } # LABEL: a few packets are there before anybody has looked

trace_shows_packets() {
	start_system ipip
	for host in b1 b2; do on "$host" "$SHUNT_BUILD/shunt-decap" load eth0; done
	is_not_traced || fail "$(program_on) runs while nobody watches"
	hold hold 20 $VIP 80 --every 20ms
	watch_packets trace --json -c 50
	wait_for 10 "50 packets are shown" is_over trace
	wait_for 5 "nobody watches, the first program is back" is_not_traced
	expect "$(grep -c '' "$T/trace.log")" -eq 50 "packets shown"
	expect "$(jq -s '[.[] | select(.verdict == "sent" and .reason == "settled" and .service == "web" and
		.mode == "ipip" and .slot_state == "settled" and .protocol == "tcp" and .destination == "192.0.2.10:80" and
		(.source | startswith("10.77.0.1:")) and .length_sent == .length + 20)] | length' "$T/trace.log")" -eq 50 \
		"packets that are told right"
	expect "$(jq -rs '[.[].backend] | unique | join(" ")' "$T/trace.log")" = "b1 b2" "backends"
	traces -c 5 >"$T/lines"
	expect "$(grep -cE '^[0-9:.]{15} tcp 10.77.0.1:[0-9]+ > 192.0.2.10:80 sent settled slot [0-9]+ settled' "$T/lines")" -eq 5 \
		"a line a packet: $(head -2 "$T/lines")"
	# The filters: what is told of a backend is what explain says of the flow.
	traces --json --backend b2 --client 10.77.0.1/32 --service web --reason settled -c 20 >"$T/b2"
	expect "$(jq -rs '[.[].backend] | unique | join(" ")' "$T/b2")" = b2 "backends with --backend"
	expect "$(json .backend explain tcp "$(jq -rs '.[0].source' "$T/b2")" $VIP:80)" = b2 "explain of a traced flow"
	stop_traffic hold
	expect_unbroken hold
	note "$(grep -o 'trace: on, after .*' "$T/shuntd.log" | tail -1)"
}

# Both backends are taken out, and connections begun that find nobody.
five_find_nobody() {
	expect_exit 0 shunt maint b1
	expect_exit 0 shunt maint b2
	on client "$FLOWS" connect $VIP 80 --every 20ms --count 5 --timeout 100ms >/dev/null 2>&1 || true
}

trace_of_drops() {
	start_system l2
	watch_packets trace --json --reason no_backend
	watch_packets other --json --reason settled
	five_find_nobody
	wait_for 5 "drops are shown" has_lines trace 5
	expect "$(jq -rs '[.[].verdict] | unique | join(" ")' "$T/trace.log")" = dropped "verdict"
	expect "$(jq -rs '[.[] | .backend, .length_sent] | unique | map(tostring) | join(" ")' "$T/trace.log")" = "null 0" "a drop leaves nowhere"
	expect "$(jq -rs '[.[] | select(.reason != "settled")] | length' "$T/other.log")" -eq 0 "packets that the other did not ask for"
	# A watcher that dies is missed, not the one that stays; when all are dead the first program is back.
	stop trace KILL
	wait_for 8 "the dead one has left" said shuntd 'trace: on'
	is_traced || fail "the other still watches"
	stop other KILL
	wait_for 8 "nobody watches any more" is_not_traced
	expect_exit 1 traces --backend b3
	expect_contains "$(cat "$T/err")" 'no backend is named "b3"' "an unknown backend"
	expect_contains "$(cat "$T/err")" 'did you mean "b1"' "what may be meant"
	expect_exit 1 traces --reason because
	expect_exit 1 traces --client 10.77.0.1/33
	expect_exit 2 traces -c 0
	is_not_traced || fail "a refused watcher switched tracing on"
}

trace_survives() {
	start_system l2
	hold hold 20 $VIP 80 --every 20ms
	watch_packets trace --json
	wait_for 5 "packets are shown" has_lines trace 10
	# A reload that needs another program: the watcher goes on with that one.
	sed -i 's/port: 80, group: app}/port: 80, group: app, on_empty: reject}/' "$CONFIG"
	expect_exit 0 shunt reload
	is_traced || fail "after a reload $(program_on) runs"
	wait_for 5 "packets are shown after a reload" has_lines trace $(($(grep -c '' "$T/trace.log") + 50))
	# kill -9: the tracing program goes on and hands over nothing; the next start has the first one back.
	kill_shuntd
	is_traced || fail "$(program_on) runs after kill -9"
	wait_for 5 "the watcher tells that the controller is gone" is_over trace
	start_shuntd
	is_not_traced || fail "$(program_on) runs after a restart"
	stop_traffic hold
	expect_unbroken hold
	# on_empty: reject is a reason of drops and of choices by one word.
	watch_packets rejected --json --reason rejected
	five_find_nobody
	wait_for 5 "rejected packets are shown" has_lines rejected 3
	expect "$(jq -rs '[.[].reason] | unique | join(" ")' "$T/rejected.log")" = rejected "reasons"
}

trace_into_a_file() {
	command -v tshark >/dev/null || skip "tshark is not installed"
	start_system ipip
	for host in b1 b2; do on "$host" "$SHUNT_BUILD/shunt-decap" load eth0; done
	hold hold 5 $VIP 80 --every 20ms
	traces -c 20 -w "$T/packets.pcapng" 2>"$T/err"
	expect_contains "$(cat "$T/err")" "20 packets, as they came and as they left" "what is told"
	stop_traffic hold
	tshark -n -r "$T/packets.pcapng" -T fields -e frame.interface_name -e ip.dst -e frame.comment -e ip.proto >"$T/read" 2>"$T/err" ||
		fail "tshark: $(cat "$T/err")"
	expect "$(grep -c '' "$T/read")" -eq 40 "packets in the file"
	expect "$(awk -F'\t' '$1 == "came" && $2 == "192.0.2.10" && $4 == "6"' "$T/read" | wc -l)" -eq 20 "packets as they came"
	expect "$(awk -F'\t' '$1 == "left" && $2 ~ /^10.77.0.1[12],192.0.2.10$/ && $4 == "4,6"' "$T/read" | wc -l)" -eq 20 "packets as they left"
	expect "$(grep -cE 'sent: settled, service web, slot [0-9]+ settled, backend b[12] by ipip' "$T/read")" -eq 40 "comments"
	expect "$(tshark -n -r "$T/packets.pcapng" -Y _ws.malformed 2>/dev/null | wc -l)" -eq 0 "malformed packets"
}

# ---- flows ----

some_moving() { [ "$(json '[.backends[].slots.moving] | add' flows)" -ge 5 ]; }
none_left() { is 0 json .flows flows; }

flows_are_counted() {
	start_system l2
	hold hold 40 $VIP 80 --every 20ms
	expect "$(json .flows flows)" -eq 0 "pinned flows while every slot is settled"
	expect_exit 0 shunt drain b1
	wait_for 5 "flows of moving slots are pinned" some_moving
	expect "$(json '[.backends[] | .flows == ([.idle[].flows] | add) and .flows == ([.slots[]] | add)] | all' flows)" = true "sums"
	# Those who went silent grow old, and are forgotten after flow_timeout.
	expect "$(json '.backends[0].flows' flows --backend b1)" -gt 0 "pinned flows of the drained backend"
	expect "$(json '.backends | length' flows --backend b1)" -eq 1 "backends in the answer"
	expect_exit 0 shunt flows
	expect_contains "$(cat "$T/out")" "SILENT FOR" "the histogram"
	stop_traffic hold
	expect_unbroken hold
	wait_for 8 "silent flows are forgotten" none_left
	expect_exit 1 shunt flows --backend b3
	expect_contains "$(cat "$T/err")" 'did you mean "b1"' "what may be meant"
}

# ---- status of much ----

status_by_api() { curl -sf -o "$T/out" --unix-socket "$RUN_DIR/shunt.sock" http://shunt/api/v1/status; }
status_by_command() { shunt status --json >"$T/out"; }

ten_times() { # COMMAND…: the ms that each took, a line each
	local since
	for _ in $(seq 10); do
		since=$(now_ms)
		"$@"
		echo $(($(now_ms) - since))
	done
}

all_checked_are_up() { is 0 json '[.[] | select(.check.type == "tcp" and .health != "up")] | length' backends; }

# The most processor time in ms, rounded up, that a turn of the loop took since it was set to 0.
longest_turn() { echo $((($(cat "$T/turns") + 999) / 1000)); }

much_of_everything() {
	net_make client lb b1
	serve b1
	on b1 ip route add local 10.200.0.0/16 dev lo
	on lb ip route add 10.200.0.0/16 via "$(ip4 b1)"
	many_of_everything 4095 2047 9999 20 >"$T/much"
	sed -e "s/^services:/&\n  - {name: echo, address: $VIP, protocol: udp, port: 80, group: real, forward: l2}/" \
		-e "s/^failover_groups:/&\n  - {name: real, mode: active-active, backends: [b1]}/" \
		-e "s/^backends:/&\n  - {name: b1, address: $(ip4 b1)}/" "$T/much" | config
	LD_PRELOAD=$SHUNT_BUILD/tests/tools/turns.so TURNS_FILE=$T/turns SHUNT_START_LIMIT=60 start_shuntd
	wait_for 60 "every backend that is checked is up" all_checked_are_up
}

status_of_much() {
	local way skipped checks
	much_of_everything
	metrics >"$T/before"
	echo 0 >"$T/turns"
	for way in api command; do
		ten_times "status_by_$way" >"$T/$way"
		expect "$(jq '[.services, .groups, .backends | length] | join(" ")' -r "$T/out")" = "4096 2048 10000" "what the $way answers"
	done
	metrics >"$T/after"
	skipped=$(($(counted "$T/after" shunt_checks_skipped_total) - $(counted "$T/before" shunt_checks_skipped_total)))
	note "status of 4,096 services and 10,000 backends, $(wc -c <"$T/out") bytes: $(median <"$T/api") ms by API (worst of ten $(largest <"$T/api"))," \
		"$(median <"$T/command") ms by shunt status --json ($(largest <"$T/command")); of checks meanwhile 99 % were late by no more than" \
		"$(lateness 0.99 "$T/before" "$T/after") ms, all by no more than $(lateness 1 "$T/before" "$T/after") ms, $skipped left out;" \
		"no turn of the loop took more than $(longest_turn) ms of processor time"
	expect "$(longest_turn)" -le 20 "ms of processor time of the longest turn: it was 100 in one piece"
	checks=$(($(counted "$T/after" shunt_check_lateness_seconds_count) - $(counted "$T/before" shunt_check_lateness_seconds_count)))
	expect "$checks" -gt 0 "checks"
	busy && return
	expect "$(median <"$T/api" | cut -d. -f1)" -le 200 "ms by api"
}

# What became of a packet each 2 ms. Both its ends come before other processes: what is measured is its way, not whose turn it is.
STEADILY=(chrt --fifo 10 "$SOURCE_DIR/tests/lib/steady.py" "$VIP" 80 6)
figure() { sed "s/.*$2 \([0-9]*\).*/\1/" "$T/$1"; }                    # FILE NAME

packets_beside_a_status() {
	local asked=0
	much_of_everything
	chrt --fifo --pid 10 "$(pid_of server-b1)"
	on client "${STEADILY[@]}" >"$T/alone"
	spawn steady client "${STEADILY[@]}"
	while is_running steady; do
		status_by_api
		asked=$((asked + 1))
	done
	cp "$T/steady.log" "$T/beside"
	note "a packet each 2 ms through a service, microseconds there and back: alone $(cat "$T/alone");" \
		"while status of 10,000 backends is asked for $asked times: $(cat "$T/beside")"
	expect "$asked" -ge 5 "answers meanwhile"
	expect "$(figure alone lost) $(figure beside lost)" = "0 0" "packets lost, alone and beside"
	busy && return
	expect "$(figure beside p99)" -le $(($(figure alone p99) + 2000)) "microseconds of 99 % of the packets"
}

suite operator
run_test 'doctor looks at a host before the first start' doctor_before_a_start
run_test 'doctor names the command that mends it, and it does' doctor_names_what_mends_it
run_test 'doctor knows the controller, and what goes on without it' doctor_beside_a_controller
run_test 'doctor sees another XDP program, a missing interface and a wrong configuration' doctor_sees_another_program
run_test 'trace shows each packet with what was decided of it, and is gone when nobody watches' trace_shows_packets
run_test 'trace of drops; watchers that die are missed; wrong filters are refused' trace_of_drops
run_test 'trace goes on through a reload, and ends with its controller' trace_survives
run_test 'trace writes a file that Wireshark reads, with packets as they came and as they left' trace_into_a_file
run_test 'flows counts what is pinned, by silence and slot' flows_are_counted
limit 180 # on a busy machine
run_test 'status of 10,000 backends comes at once, and the loop goes round meanwhile' status_of_much
run_test 'packets are forwarded as before while status of 10,000 backends is asked for' packets_beside_a_status
finish
