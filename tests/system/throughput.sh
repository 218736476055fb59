#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Connections a second through the balancer against direct ones, everything on this machine. Timings are noisy: the
# contenders take turns within one run, and the median of the ratios counts.
# SHUNT_AB_ROUNDS: rounds (9 for the numbers of the README). HAProxy in the same place is measured when it is installed.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10
ROUNDS=${SHUNT_AB_ROUNDS:-5}
REQUESTS=${SHUNT_AB_REQUESTS:-4000}

requests_a_second() { # URL
	on client ab -q -n "$REQUESTS" -c 32 "$1" >"$T/ab" 2>&1 || fail "ab $1: $(tail -n 3 "$T/ab")"
	expect "$(awk '/^Failed requests/ { print $3 }' "$T/ab")" -eq 0 "failed requests of $1"
	awk '/^Requests per second/ { print int($4) }' "$T/ab"
}

start_haproxy() {
	cat >"$T/haproxy.cfg" <<-END
		defaults
			mode tcp
			timeout connect 5s
			timeout client 30s
			timeout server 30s
		listen web
			bind 10.77.0.2:8081
			server b1 10.77.0.11:80
	END
	spawn haproxy lb haproxy -db -f "$T/haproxy.cfg"
	wait_for 5 "HAProxy answers" on client curl -sf http://10.77.0.2:8081/
}

connections_a_second() {
	local round direct through proxied
	net_make client lb b1
	serve_http b1
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: $1, health_check: {type: tcp, interval: 1s, timeout: 500ms, healthy_threshold: 1}}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1]}]
		$(some_backends 1)
	END
	[ "$1" != ipip ] || on b1 "$SHUNT_BUILD/shunt-decap" load eth0
	! command -v haproxy >/dev/null || start_haproxy
	requests_a_second "http://10.77.0.11/" >/dev/null # warm
	for round in $(seq "$ROUNDS"); do
		direct=$(requests_a_second http://10.77.0.11/)
		through=$(requests_a_second http://$VIP/)
		proxied=0
		[ ! -e "$T/haproxy.pid" ] || proxied=$(requests_a_second http://10.77.0.2:8081/)
		echo "round $round: direct $direct, through $through, haproxy $proxied"
		awk "BEGIN { print $through / $direct }" >>"$T/ratios"
		awk "BEGIN { print $proxied / $direct }" >>"$T/proxied"
	done
	note "$1, ab -c 32: $(median <"$T/ratios") of direct, median of $ROUNDS rounds (last: $through of $direct a second)"
	[ ! -e "$T/haproxy.pid" ] || note "HAProxy in the same place: $(median <"$T/proxied") of direct"
	busy || awk "BEGIN { exit !($(median <"$T/ratios") >= 0.8) }" || fail "less than 0.8 of direct: $(median <"$T/ratios")"
}

suite throughput
limit $((60 + ROUNDS * 10))
run_test 'connections a second over l2: at least 0.8 of direct' connections_a_second l2
finish
