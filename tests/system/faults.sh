#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real faults, and how long each takes to show and to be over, against the worst case that shunt states. `make faults` takes
# 20 runs of each and holds them to it. Packets that come late need netem: vmtest/suites/faults.sh.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/checked.sh
. "$SOURCE_DIR/tests/lib/checked.sh"
# shellcheck source=tests/lib/tls.sh
. "$SOURCE_DIR/tests/lib/tls.sh"

be_first_if_in_full "$@"
VIP=192.0.2.10
EVERY_100MS='interval: 100ms, timeout: 100ms, unhealthy_threshold: 3, healthy_threshold: 1' # 100 + 2 × 100 + 100, and 5
BACK_MS=205                                                                                 # interval + timeout, and 5

two_echo_servers() {
	net_make client lb b1 b2
	serve b1
	serve b2
}

# again LABEL REASON BREAK… -- MEND…: b1 breaks for this reason and is mended, in every run.
again() {
	local label=$1 reason=$2 break=() i
	shift 2
	while [ "$1" != -- ]; do
		break+=("$1")
		shift
	done
	shift
	for i in $(seq "$RUNS"); do
		wait_for 10 "all are up" all_up
		until_is down "$label" b1 "${break[@]}"
		expect_contains "$reason" "$(reason b1)" "reason in run $i"
		until_is up "$label" b1 "$@"
	done
}

a_killed_server() {
	two_echo_servers
	checked 'b1, b2' '{type: tcp, interval: 100ms, timeout: 100ms, fast_interval: 20ms, unhealthy_threshold: 3, healthy_threshold: 1}'
	again killed 'refused connect-timeout' kill_at_any_moment -- serve b1
	expect "$(stated)" = 405 "worst case that the API states, timeouts included"
	summary killed "a killed server, checks every 100 ms, fast_interval 20 ms" 145 $BACK_MS
	! is_in_full || expect "$(median <"$T/killed-down" | cut -d. -f1)" -le 130 "median, ms"
}

kill_at_any_moment() { # between two checks: what waits does not count
	sleep "0.$((RANDOM % 90 + 10))"
	began=$(wall_us)
	stop server-b1 KILL
}

a_stopped_process() {
	local pids
	net_make client lb b1 b2
	serve_http b1
	mapfile -t pids < <(ip netns pids "$NET-b1")
	serve_http b2
	checked 'b1, b2' "{path: /, $EVERY_100MS}"
	again stopped 'response-timeout connect-timeout' kill -STOP "${pids[@]}" -- kill -CONT "${pids[@]}"
	summary stopped "a stopped process, http checks every 100 ms" "$(stated)" $BACK_MS
}

link_down() { # ip waits for all who change any link on this machine: that does not count
	ip -n "$NET-b1" link set eth0 down
	began=$(wall_us)
}

a_lost_machine() {
	two_echo_servers
	checked 'b1, b2' "{type: tcp, $EVERY_100MS}"
	again lost 'connect-timeout unreachable' link_down -- ip -n "$NET-b1" link set eth0 up
	summary lost "a machine gone, tcp checks every 100 ms" "$(stated)" $BACK_MS
}

lost_packets() {
	net_make client lb b1 b2
	serve_http b1
	serve_http b2
	checked 'b1, b2' "{path: /, $EVERY_100MS}"
	again packets 'connect-timeout response-timeout' lose_all_but_each_hundredth b1 -- lose_none b1
	summary packets "99 of 100 packets lost, http checks every 100 ms" "$(stated)" $BACK_MS
}

set_delay() { echo "$1" >"$T/delay"; }

a_slow_disk() {
	net_make client lb b1 b2
	serve_http b2
	cat >"$T/slow.sh" <<-END
		#!/bin/sh
		while read -r line && [ \${#line} -gt 1 ]; do :; done
		sleep "\$(cat "$T/delay")"
		printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
	END
	chmod +x "$T/slow.sh"
	set_delay 0
	spawn slow b1 socat TCP-LISTEN:80,fork,reuseaddr "EXEC:$T/slow.sh"
	checked 'b1, b2' '{path: /, interval: 200ms, timeout: 200ms, unhealthy_threshold: 3, healthy_threshold: 1}'
	again slow 'response-timeout connect-timeout' set_delay 0.7 -- set_delay 0
	summary slow "answers of 0.7 s, http checks every 200 ms" "$(stated)" 405
}

said_of_disk() { # TEXT: by status and, of the state directory, by /health
	[[ "$(json .problem status)" = "state: "*"$1"* && "$(curl -s --unix-socket "$RUN_DIR/shunt.sock" http://shunt/health | jq -r .components.state)" = degraded ]]
}

# What is saved goes onto the disk beside the checks; who asks for something is answered when it is there.
our_own_disk() {
	local began ms
	two_echo_servers
	LD_PRELOAD=$SHUNT_BUILD/tests/tools/slow_disk.so SLOW_DISK_FILE=$T/disk checked 'b1, b2' "{type: tcp, $EVERY_100MS}"
	wait_for 10 "all are up" all_up
	echo 1000 >"$T/disk"
	again disk 'refused connect-timeout' stop server-b1 KILL -- serve b1
	summary disk "a killed server while the disk of the balancer takes 1 s for everything" "$(stated)" $BACK_MS
	echo 500 >"$T/disk"
	began=$(now_ms)
	expect_exit 0 shunt maint b2
	ms=$(($(now_ms) - began))
	expect "$(jq -r .backends.b2.admin "$STATE_DIR/state.json")" = maint "what is kept when the operator is told"
	note "with 0.5 s for everything an operator's command is acknowledged after $ms ms"
	expect "$ms" -ge 500 "ms until it is acknowledged"
	echo 60000 >"$T/disk"
	expect_exit 1 shunt ready b2
	expect_contains "$(cat "$T/err")" "done, but not saved yet: the disk has not taken it for 5 s" "what is said of a disk that hangs"
	expect "$(backend b2 admin)" = ready "what is done all the same"
	wait_for 10 "status says so" said_of_disk 'takes nothing any more'
	kill_shuntd
	rm "$T/disk"
	LD_PRELOAD=$SHUNT_BUILD/tests/tools/slow_disk.so SLOW_DISK_FILE=$T/disk start_shuntd
	expect "$(backend b2 admin)" = maint "after a crash, as was told"
	echo fail >"$T/disk"
	expect_exit 1 shunt ready b2
	expect_contains "$(cat "$T/err")" "done, but not saved: after a crash it is forgotten: $STATE_DIR/" "what is said of a disk that fails"
	expect "$(backend b2 admin)" = ready "what is done all the same"
	said_of_disk 'cannot be saved: Input/output error: after a crash what is new in it is forgotten' || fail "status: $(shunt status | tail -n 20)"
	rm "$T/disk"
	wait_for 10 "it is tried again" is null json .problem status
	expect "$(jq -r '.backends.b2.admin // "ready"' "$STATE_DIR/state.json")" = ready "what is kept, without being asked for again"
	kill_shuntd
	start_shuntd
	expect "$(backend b2 admin)" = ready "after a crash"
}

# renew SECONDS: b1's certificate ends then; nginx takes it at once. What openssl takes does not count.
renew() {
	END_S=$(($(date +%s) + $1))
	sign ours short "$(zulu yesterday)" "$(zulu "@$END_S")"
	began=$(wall_us)
	kill -HUP "$(pid_of tls-b1)"
}

a_certificate_that_expires() {
	local i id began
	net_make client lb b1 b2
	authority ours
	certify ours good "$(zulu yesterday)" "$(zulu tomorrow)"
	certify ours short "$(zulu yesterday)" "$(zulu tomorrow)"
	serve_https b2 good
	serve_https b1 short
	checked 'b1, b2' "{type: https, port: 443, host: shop.example, ca_file: $T/ours/ca.pem, $EVERY_100MS}"
	wait_for 10 "all are up" all_up
	for i in $(seq "$RUNS"); do
		id=$(last_event)
		renew 2
		took down expired b1 "${END_S}000000" "$id"
		expect_contains "$(last b1)" "certificate has expired" "text in run $i"
		until_is up expired b1 renew 3600
	done
	summary expired "a certificate that expires, https checks every 100 ms" "$(stated)" $BACK_MS
}

a_name_server_gone() {
	net_make client lb b1 b2
	serve_dns b1 192.0.2.80
	serve_dns b2 192.0.2.80
	checked 'b1, b2' "{query: app.example, answer: 192.0.2.80, port: 53, $EVERY_100MS}"
	again name-server 'refused response-timeout' stop dns-b1 KILL -- serve_dns b1 192.0.2.80
	summary name-server "a name server gone, dns checks every 100 ms" "$(stated)" $BACK_MS
}

# The agent says "up" whatever becomes of its server: a check of the server itself beside it finds out.
an_agent_lies() {
	two_echo_servers
	spawn agent1 b1 socat TCP-LISTEN:9777,fork,reuseaddr "SYSTEM:echo up 100%"
	spawn agent2 b2 socat TCP-LISTEN:9777,fork,reuseaddr "SYSTEM:echo up 100%"
	checked 'b1, b2' "{all: [{type: tcp}, {type: agent, port: 9777}], $EVERY_100MS}"
	again lies 'refused connect-timeout' stop server-b1 KILL -- serve b1
	summary lies "an agent that says up for a dead server, checks every 100 ms" "$(stated)" $BACK_MS
}

suite faults
limit $((30 + RUNS * 4))
run_test 'a killed server is left in a hurry with fast_interval' a_killed_server
run_test 'a stopped process shows by http' a_stopped_process
run_test 'a lost machine shows' a_lost_machine
run_test 'packets that are lost show' lost_packets
run_test 'answers that come late show' a_slow_disk
run_test 'a disk that takes seconds delays no check, and nobody is told of what is not on it' our_own_disk
limit $((30 + RUNS * 8))
run_test 'a certificate that expires shows' a_certificate_that_expires
run_test 'a name server that is gone shows' a_name_server_gone
run_test 'an agent that lies shows by a check of the server itself' an_agent_lies
finish
