#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every kind of check against real servers, and what checks cost. What faults do, and how soon they show: faults.sh.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/checked.sh
. "$SOURCE_DIR/tests/lib/checked.sh"
# shellcheck source=tests/lib/tls.sh
. "$SOURCE_DIR/tests/lib/tls.sh"

VIP=192.0.2.10

expect_health() { # BACKEND HEALTH REASON TEXT
	wait_for 5 "$1 is $2" is_health "$1" "$2"
	expect "$(reason "$1")" = "$3" "reason of $1"
	expect_contains "$(last "$1")" "$4" "text of $1"
}

checks_made() { [ "$(json .checks.started status)" -ge "$1" ]; }

a_lossy_way() {
	net_make client lb b1 b2
	serve b1
	serve b2
	checked 'b1, b2' '{type: tcp, interval: 50ms, timeout: 50ms, unhealthy_threshold: 6, healthy_threshold: 1}'
	wait_for 10 "all are up" all_up # a first check that is lost would rightly say down: there is nothing good to hold on to
	lose_packets b1 10
	wait_for 20 "two hundred checks were made" checks_made 400
	expect "$(json '[.[] | select(.text | startswith("down"))] | length' events)" = 0 "times that a way which loses a tenth took it down"
}

# ---- TLS ----

HTTPS="type: https, port: 443, host: shop.example, interval: 200ms, timeout: 200ms, healthy_threshold: 1, unhealthy_threshold: 1"

certificates() {
	local yesterday tomorrow
	yesterday=$(zulu yesterday)
	tomorrow=$(zulu tomorrow)
	net_make client lb b1 b2 b3
	authority ours
	authority theirs
	certify ours good "$yesterday" "$tomorrow"
	certify ours old "$(zulu '3 days ago')" "$yesterday"
	certify theirs foreign "$yesterday" "$tomorrow"
	serve_https b1 good
	serve_https b2 old
	serve_https b3 foreign
	checked 'b1, b2, b3' "{$HTTPS, ca_file: $T/ours/ca.pem, expect: shop.example}"
	expect_health b1 up ok "status 200"
	expect_health b2 down tls-failed "certificate has expired"
	expect_health b3 down tls-failed "unable to get local issuer certificate"
	stop_shuntd
	checked 'b1, b2, b3' "{$HTTPS, verify: off}"
	wait_for 5 "with verify off all are up" all_up
	stop_shuntd
	checked 'b1' "{$HTTPS, ca_file: $T/ours/ca.pem, sni: other.example}"
	expect_health b1 down tls-failed "target host name 'other.example'"
}

a_client_certificate_and_http2() {
	net_make client lb b1
	authority ours
	certify ours good "$(zulu yesterday)" "$(zulu tomorrow)"
	certify ours me "$(zulu yesterday)" "$(zulu tomorrow)"
	serve_https b1 good "ssl_client_certificate $T/ours/ca.pem; ssl_verify_client on;" http2
	checked b1 "{$HTTPS, ca_file: $T/ours/ca.pem}"
	expect_health b1 down wrong-status "status 400"
	stop_shuntd
	checked b1 "{$HTTPS, ca_file: $T/ours/ca.pem, certificate_file: $T/me.crt, key_file: $T/me.key, http_version: 2, expect: HTTP/2.0}"
	expect_health b1 up ok "status 200"
}

# ---- other kinds ----

other_kinds() {
	net_make client lb b1 b2
	serve b1 # TCP and UDP: an echo
	config <<-END
		interfaces: [eth0]
		services:
		  - {name: ping, address: $VIP, protocol: tcp, port: 1, group: ping}
		  - {name: ping6, address: "2001:db8::10", protocol: tcp, port: 1, group: ping6}
		  - {name: echo, address: $VIP, protocol: udp, port: 80, group: echo}
		  - {name: closed, address: $VIP, protocol: udp, port: 81, group: closed}
		  - {name: program, address: $VIP, protocol: tcp, port: 2, group: program}
		  - {name: both, address: $VIP, protocol: tcp, port: 80, group: both}
		failover_groups:
		  - {name: ping, mode: active-active, backends: [b1], health_check: {type: icmp}}
		  - {name: ping6, mode: active-active, backends: [b6], health_check: {type: icmp}}
		  - {name: echo, mode: active-active, backends: [u1], health_check: {type: udp, send: hello, expect: hello}}
		  - {name: closed, mode: active-active, backends: [u2], health_check: {type: udp}}
		  - {name: program, mode: active-active, backends: [p1], health_check: {command: [/bin/sh, -c, 'echo "\$SHUNT_BACKEND lag=1200"']}}
		  - {name: both, mode: active-active, backends: [c1], health_check: {all: [{type: icmp}, {type: tcp}]}}
		backends:
		  - {name: b1, address: $(ip4 b1)}
		  - {name: b6, address: "$(ip6 b1)"}
		  - {name: u1, address: $(ip4 b1)}
		  - {name: u2, address: $(ip4 b1)}
		  - {name: p1, address: $(ip4 b1)}
		  - {name: c1, address: $(ip4 b1)}
	END
	start_shuntd
	expect_health b1 up ok "echo reply"
	expect_health b6 up ok "echo reply"
	expect_health u1 up ok "answered as expected"
	expect_health u2 down refused "connection refused"
	expect_health p1 up ok "exit status 0: p1 lag=1200"
	expect "$(backend p1 check.lag_ms)" = 1200 "lag"
	expect_health c1 up ok "all 2 are good"
	stop server-b1
	expect_health u1 down refused "connection refused"
	expect_health c1 down refused "tcp: connection refused"
}

name_servers() {
	net_make client lb b1 b2
	serve_dns b1 192.0.2.80
	serve_dns b2 192.0.2.81
	checked 'b1, b2' '{query: app.example, answer: 192.0.2.80, port: 53, interval: 100ms, timeout: 100ms, healthy_threshold: 1, unhealthy_threshold: 3}'
	expect_health b1 up ok "rcode NOERROR"
	expect_health b2 down wrong-body "192.0.2.80 is not among the answers"
	stop_shuntd
	checked 'b1' '{query: unknown.example, rcode: REFUSED, port: 53, interval: 100ms, timeout: 100ms}'
	expect_health b1 up ok "rcode REFUSED"
}

one_probe_for_many_groups() {
	net_make client lb b1
	serve b1
	config <<-END
		interfaces: [eth0]
		services:
		$(for i in $(seq 50); do echo "  - {name: s$i, address: $VIP, protocol: tcp, port: $((1000 + i)), group: g$i}"; done)
		failover_groups:
		$(for i in $(seq 50); do echo "  - {name: g$i, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80, interval: 200ms, timeout: 200ms}}"; done)
		$(some_backends 1)
	END
	start_shuntd
	wait_for 10 "it is up" all_up
	wait_for 10 "twenty checks were made" checks_made 20
	expect "$(json '.checks.started' status)" -le 40 "checks made for fifty groups, not fifty times as many"
}

# Twenty backends that answer nobody: each check takes its whole time.
more_under_way() { [ "$(json .checks.in_flight status)" -gt "$1" ]; } # N
turns() {
	local i most=0 waited=0 under_way queued
	net_make client lb b1
	on b1 nft -f - <<-END
		table inet hole {
			chain input { type filter hook input priority 0; tcp dport 80 drop; }
		}
	END
	{
		cat <<-END
			interfaces: [eth0]
			max_checks_in_flight: 3
			services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
			failover_groups:
			  - {name: app, mode: active-active, backends: [$(names 20)], health_check: {type: tcp, interval: 500ms, timeout: 500ms}}
			backends:
		END
		seq 20 | sed "s/.*/  - {name: b&, address: $(ip4 b1)}/"
	} | config
	start_shuntd
	for i in $(seq 20); do
		read -r under_way queued < <(json '.checks | "\(.in_flight) \(.queued)"' status)
		[ "$under_way" -le "$most" ] || most=$under_way
		[ "$queued" -le "$waited" ] || waited=$queued
	done
	expect "$most" -eq 3 "checks under way, at most"
	expect "$waited" -ge 10 "checks that waited for their turn"
	sed -i '/max_checks_in_flight/d' "$CONFIG"
	expect_exit 0 shunt reload
	wait_for 5 "more are under way" more_under_way 3
}

# ---- agents ----

says() { echo "$*" >"$T/says"; }
is_admin() { is "$2 $3" json '"\(.admin) \(.admin_by)"' backends "$1"; } # BACKEND ADMIN BY

an_agent_decides() {
	net_make client lb b1 b2
	serve b1
	serve b2
	says up ready 100%
	spawn agent b1 socat TCP-LISTEN:9777,fork,reuseaddr "SYSTEM:cat $T/says"
	spawn agent2 b2 socat TCP-LISTEN:9777,fork,reuseaddr "SYSTEM:echo up"
	checked 'b1, b2' '{type: agent, port: 9777, interval: 400ms, timeout: 400ms}'
	wait_for 10 "all are up" all_up
	says up 50%
	wait_for 5 "half the weight" is 50 backend b1 effective_weight
	says up drain lag=40
	wait_for 5 "the agent drains it" is_admin b1 drain agent
	expect "$(active app)" = b2 "who takes new flows"
	expect "$(backend b1 check.lag_ms)" = 40 "lag"
	expect_exit 0 shunt maint b1
	is_admin b1 maint operator || fail "the operator's word does not hold"
	expect_exit 0 shunt ready b1
	wait_for 5 "the operator's ready does not take back the agent's drain" is_admin b1 drain agent
	says up
	wait_for 5 "what it does not mention stays" is 'agent says "up"' last b1
	is_admin b1 drain agent || fail "the drain went away unasked"
	expect "$(backend b1 effective_weight)" = 50 "weight, not mentioned"
	says ready 100%
	wait_for 5 "ready" is_admin b1 ready null
	says maint
	wait_for 5 "the agent takes it out" is_admin b1 maint agent
	expect "$(active app)" = b2 "who takes new flows"
	says ready # it is asked on, or it could not say so
	wait_for 5 "the agent brings it back" is_admin b1 ready null
	says 0%
	wait_for 5 "a weight of nothing" is 0 backend b1 effective_weight
	wait_for 5 "nothing for it" is b2 active app
	says 100%
	wait_for 5 "both again" is "b1 b2" active app
	says 'down # disk broken'
	expect_health b1 down told-down "disk broken"
	says up
	wait_for 5 "all are up" all_up
	says 'everything is fine!'
	expect_health b1 down response-failed "not the agent protocol"
	says up
	wait_for 5 "all are up" all_up
	stop agent
	expect_health b1 down refused "connection refused"
	expect "$(json '[.[] | select(.actor == "agent")] | length' events)" -ge 4 "events that the agent is the author of"
}

# ---- connections that stay ----

times_down() { json '[.[] | select(.text | startswith("down"))] | length' events; }

connections_stay() {
	local before pids
	net_make client lb b1
	serve_http b1
	checked b1 '{path: /, keepalive: on, interval: 2s, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 1}'
	wait_for 5 "b1 is up" is_health b1 up
	before=$(connections_begun lb)
	wait_for 10 "three more checks" checks_made $(($(json .checks.started status) + 3))
	expect "$(connections_begun lb)" = "$before" "connections begun after the first"
	stop server-b1 # between two checks
	serve_http b1
	wait_for 10 "two more checks" checks_made $(($(json .checks.started status) + 2))
	expect "$(connections_begun lb)" -gt "$before" "connections begun after the server's restart"
	expect "$(times_down)" = 0 "times that a restart between two checks took it down"
	stop server-b1
	expect_health b1 down refused "connection refused"
	serve_http b1
	expect_health b1 up ok "status 200"
	mapfile -t pids < <(ip netns pids "$NET-b1")
	kill -STOP "${pids[@]}"
	expect_health b1 down response-timeout "waiting for the response"
	kill -CONT "${pids[@]}"
}

suite checks
run_test 'a way that loses a packet now and then takes nobody down' a_lossy_way
run_test 'certificates are judged: expired, foreign, for another name' certificates
run_test 'a client certificate and HTTP/2' a_client_certificate_and_http2
run_test 'icmp, udp, exec and all of several' other_kinds
run_test 'a name server is judged by what it answers' name_servers
run_test 'fifty groups with the same check share one probe' one_probe_for_many_groups
run_test 'no more checks are under way than max_checks_in_flight, also after a reload' turns
run_test 'an agent sets weight and state, and never overrides an operator' an_agent_decides
run_test 'keepalive: a connection stays for the next check, its end is no failure' connections_stay
finish
