#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: nat on this kernel: its checksums, its routes (bpf_fib_lookup) and its neighbours, with packets of full size.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

CHECK='{type: tcp, port: 8080, interval: 1s, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 10}'

exchange() { # WHAT OPTION-OF-FLOWS…
	local what=$1
	shift
	on client "$FLOWS" "$@" >"$T/log" || fail "$what: $(tail -n 4 "$T/log")"
}

flows_told() { awk -v n="$1" '/^flows/ { print $n }' "$T/log"; } # WORD of the summary

# UDP-BLOCK: with what `flows` adds in question and answer, the answer has 1500 bytes.
carries() { # ADDRESS BACKENDS-PREFIX UDP-BLOCK
	local address=$1 host
	net_two_sides lb client b1 b2
	for host in b1 b2; do serve "$host" 8080; done
	balance <<-END
		interfaces: [eth0, eth1]
		defaults: {forward: nat, health_check: $CHECK}
		services:
		  - {name: web, address: "$address", protocol: tcp, port: 80, group: app}
		  - {name: dns, address: "$address", protocol: udp, port: 53, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]
		backends:
		$(for host in b1 b2; do echo "  - {name: $host, address: \"$2$(host_number "$host")\", port: 8080}"; done)
	END
	exchange TCP connect "$address" 80 --every 10ms --count 30
	expect "$(grep -c '^server b' "$T/log")" -eq 2 "servers that answered TCP"
	exchange UDP connect "$address" 53 --udp --every 10ms --count 30
	expect "$(grep -c '^server b' "$T/log")" -eq 2 "servers that answered UDP"
	exchange "TCP in full-size packets" hold 2 "$address" 80 --every 50ms --block 32768 --for 1s
	exchange "full-size UDP" hold 4 "$address" 53 --udp --every 50ms --block "$3" --for 1s
	expect "$(flows_told 8)" -eq "$(flows_told 6)" "datagrams answered"
	expect "$(json .answer_packets services web)" -gt 100 "answers of the TCP service"
	expect $(($(all_drops) - $(drops no_neighbour))) -eq 0 "packets dropped"
	note "TCP: $(json .packets services web) packets there, $(json .answer_packets services web) back;" \
		"UDP: $(json .packets services dns) there, $(json .answer_packets services dns) back"
}

suite nat
run_test 'TCP and UDP are translated both ways, IPv4' carries 192.0.2.10 10.78.0. 1461
run_test 'TCP and UDP are translated both ways, IPv6' carries 2001:db8::10 fd78:: 1441
finish
