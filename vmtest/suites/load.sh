#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The verifier of this kernel accepts the programs, and at what cost; the kernel attaches them.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

INSTRUCTIONS_MAX=200000

# verified_programs LABEL: "ID VERIFIED" for each program that this process holds: what the verifier walked to accept it.
verified_programs() {
	{ cat "/proc/$(pid_of "$1")/fdinfo/"* || true; } 2>/dev/null |
		awk '$1 == "prog_id:" { id = $2 } $1 == "verified_insns:" { print id, $2 }' | sort -u -k 1,1
}

# find_cost NAME: writes "VERIFIED XLATED JITED" of shuntd's program of this name to $T/cost. libxdp holds copies and closes some
# while we look: false when none could be read whole.
find_cost() {
	bpftool -j prog show name "$1" |
		jq -r 'if type == "array" then .[] else . end | select(.bytes_jited) | "\(.id) \(.bytes_xlated) \(.bytes_jited)"' |
		sort -k 1,1 >"$T/sizes"
	join <(verified_programs shuntd) "$T/sizes" | cut -d ' ' -f 2- | sed -n 1p >"$T/cost"
	[ -s "$T/cost" ]
}

tell_cost() { # NAME VERIFIED XLATED JITED
	note "$1: $2 instructions verified, $3 bytes xlated, $4 bytes jited"
	expect "$4" -gt 0 "bytes jited"
	expect "$2" -gt 0 "instructions verified"
	expect "$2" -lt $INSTRUCTIONS_MAX "instructions verified"
}

costs() { # NAME LABEL: of a program of shuntd
	wait_for 60 "the cost of $1" find_cost "$1"
	# shellcheck disable=SC2046 # three numbers
	tell_cost "$1, $2" $(cat "$T/cost")
}

# A service of either family for each kind of forwarding there is. PORT 0: every port; MORE: services that need features.
configure_all() { # PORT MODE [MORE [CHECK]]
	local forward rest number=20
	config <<-END
		interfaces: [{name: eth0, mode: $2}]
		services:
		$(for forward in l2 ipip; do
			number=$((number + 1)) rest="port: $1, group: app, forward: $forward"
			echo "  - {name: $forward, address: 192.0.2.$number, protocol: tcp, $rest}"
			echo "  - {name: $forward-u, address: 192.0.2.$number, protocol: udp, $rest}"
			echo "  - {name: $forward-6, address: '2001:db8::$number', protocol: tcp, $rest}"
		done)
		${3:-}
		failover_groups:
		  - {name: app, mode: active-active, backends: [b1, b2], health_check: {type: tcp, port: 80}}
		  - {name: other, mode: active-active, backends: [b3], health_check: {type: tcp, port: 80${4:-}}, passive: {interval: 1s}}
		backends: [{name: b1, address: 10.77.0.11}, {name: b2, address: "fd77::12"}, {name: b3, address: 10.77.0.12, port: 8080}]
	END
}

loads() { # NAME PORT MODE [MORE [CHECK]]
	net_make lb b1 b2
	configure_all "$2" "$3" "${4:-}" "${5:-}"
	start_shuntd --log-level debug # with the verifier's words, should it refuse
	expect "$(json '.interfaces[0].mode' status)" = "$3" "XDP mode"
	costs xdp_shunt "$1"
	[ -z "${5:-}" ] || probes_are_sent_as_traffic_is "$1"
	tracing_loads "$1"
	expect_exit 0 shunt reload # the program that is attached is known as ours again
	stop_shuntd
	shunt_is_attached || fail "the program stays without its controller"
}

# The programs of `via: service` load and attach, too.
probes_are_sent_as_traffic_is() { # LABEL
	local name
	for name in probe_egress probe_ingress; do
		on lb tc filter show dev eth0 "${name#probe_}" >"$T/filters"
		grep -q "$name:" "$T/filters" || fail "$name is not on eth0: $(cat "$T/filters")"
		costs "$name" "$1"
	done
}

# The program of `shunt trace`, in the place of the first one until its watcher has left; a dispatcher may stand before it.
tracing_loads() { # LABEL
	spawn trace lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" trace
	wait_for 150 "tracing is on" said shuntd 'trace: on'
	costs xdp_shunt_trace "$1"
	stop trace
	wait_for 150 "nobody watches, the first program is back" said shuntd 'trace: off'
}

# Services that together need every feature of the program (enum shunt_features).
features() {
	local feature number=0
	while read -r feature; do
		number=$((number + 1))
		echo "  - {name: feature$number, port: 80, $feature}"
	done <<-END
		group: app, protocol: tcp, address: 198.51.100.0/24
		group: app, protocol: tcp, address: 203.0.113.1, scheduler: round-robin
		group: app, protocol: tcp, address: 203.0.113.2, on_empty: reject
		group: app, protocol: udp, address: "2001:db8::203", on_empty: reject
		group: app, protocol: tcp, address: 203.0.113.3, on_empty: fail-open
		group: app, protocol: tcp, address: 203.0.113.4, forward: gue, mss: auto
		group: app, protocol: tcp, address: 203.0.113.5, deny: [198.18.0.1], allow: [198.18.0.0/15], limits: {new_flows: 5000, per_client: 20}
		group: app, protocol: tcp, address: 203.0.113.6, clients: [{prefix: 198.18.0.0/15, group: other}]
		group: app, protocol: udp, address: 203.0.113.7, quic: true
		group: other, protocol: tcp, address: 203.0.113.8, forward: nat
	END
}

shunt_is_attached() { ip -n "$NET-lb" -d link show eth0 | grep -q 'prog/xdp'; }

decapsulator_loads() {
	local id verified xlated jited
	net_make lb b1
	on b1 "$SHUNT_BUILD/shunt-decap" load eth0
	id=$(on b1 ip -j link show eth0 | jq '.[0].xdp.prog.id')
	bpftool -d prog load "$SHUNT_BUILD/decap.bpf.o" "/sys/fs/bpf/shunt-test-$$-decap" type xdp \
		>"$T/verifier" 2>&1 || fail "$(tail -n 3 "$T/verifier")"
	verified=$(awk '$1 == "processed" { print $2 }' "$T/verifier" | tail -n 1)
	read -r xlated jited < <(bpftool -j prog show id "$id" | jq -r '"\(.bytes_xlated) \(.bytes_jited)"')
	tell_cost shunt-decap "$verified" "$xlated" "$jited"
}

suite load
run_test 'the program loads and attaches in native mode, with services of one port' loads 'one port' 80 native
run_test 'the program loads and attaches with services of every port, in generic mode' loads 'every port' 0 generic
run_test 'the program loads and attaches with every feature' loads 'every feature' 0 native "$(features)" ', via: service'
run_test 'the decapsulator loads and attaches' decapsulator_loads
finish
