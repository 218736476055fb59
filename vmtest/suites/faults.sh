#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Packets that come late (netem, which not every kernel has): how soon that shows, and when it is over.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"
# shellcheck source=tests/lib/checked.sh
. "$SOURCE_DIR/tests/lib/checked.sh"

VIP=192.0.2.10
# Emulated processors are slow: half a second for what takes a tenth elsewhere. 500 + 2 × 500 + 500, and 5.
CHECK='interval: 500ms, timeout: 500ms, unhealthy_threshold: 3, healthy_threshold: 1'

busy() { true; } # what is late here is the emulator: medians and worst cases are printed, not judged

# What tc takes, on such a processor, does not count.
delay() {
	on b1 tc qdisc replace dev eth0 root netem delay "$@"
	began=$(wall_us)
}

late_packets() { # CHECK REASON
	local i began
	net_make client lb b1 b2
	delay 0ms || skip "no netem"
	serve_http b1
	serve_http b2
	checked 'b1, b2' "{$1, $CHECK}"
	for i in $(seq "$RUNS"); do
		wait_for 60 "all are up" all_up
		until_is down late b1 delay 900ms 100ms
		expect "$(reason b1)" = "$2" "reason in run $i"
		until_is up late b1 delay 0ms
	done
	summary late "packets 0.8 to 1 s late, $1, checks every 500 ms" "$(stated)" 1005
}

# A way that is slower than usual, but fast enough, is no fault.
slow_but_in_time() {
	net_make client lb b1 b2
	delay 0ms || skip "no netem"
	serve_http b1
	serve_http b2
	checked 'b1, b2' "{path: /, interval: 2s, timeout: 2s, unhealthy_threshold: 2, healthy_threshold: 1}"
	wait_for 60 "all are up" all_up
	delay 150ms 50ms
	wait_for 60 "a check that took longer" is true json '.check.latency_ms > 200' backends b1
	wait_for 60 "ten checks more" checks_more 20
	expect "$(json '[.[] | select(.kind == "backend" and (.text | startswith("down")))] | length' events)" = 0 "times it was down"
}

checks_more() { # N, from the first call on
	STARTED=${STARTED:-$(json .checks.started status)}
	[ "$(json .checks.started status)" -ge $((STARTED + $1)) ]
}

suite faults
limit $((200 + RUNS * 40))
run_test 'packets that come late show by tcp' late_packets 'type: tcp' connect-timeout
limit $((200 + RUNS * 40))
run_test 'packets that come late show by http' late_packets 'path: /' connect-timeout
run_test 'packets that come late, but in time, take nobody down' slow_but_in_time
finish
