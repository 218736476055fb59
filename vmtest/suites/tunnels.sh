#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linux's own tunnel devices, on the backends in place of shunt-decap, accept what shunt sends.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

CHECK='{type: tcp, port: 80, interval: 1s, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 10}'
FULL_UDP4=1461 FULL_UDP6=1441 # with what `flows` adds in question and answer, the answer has 1500 bytes

# b1 has one device for each outer family, which takes either inner one; b2 and b3 have devices for one kind alone.
make_tunnels() {
	ip -n "$NET-b1" link add any4 type sit mode any local "$(ip4 b1)"
	ip -n "$NET-b1" link add any6 type ip6tnl mode any local "$(ip6 b1)"
	ip -n "$NET-b2" link add 4in4 type ipip local "$(ip4 b2)"
	ip -n "$NET-b2" link add 6in6 type ip6tnl mode ip6ip6 local "$(ip6 b2)"
	ip -n "$NET-b3" link add 6in4 type sit local "$(ip4 b3)"
	ip -n "$NET-b3" link add 4in6 type ip6tnl mode ipip6 local "$(ip6 b3)"
	local host device
	for host in b1 b2 b3; do
		for device in any4 any6 4in4 6in6 6in4 4in6; do
			[ ! -e "/run/netns/$NET-$host" ] || ip -n "$NET-$host" link set "$device" up 2>/dev/null || true
		done
	done
}

# What comes as GUE is given back to the kernel without its UDP and GUE headers, for the devices to take as if it had come so.
take_gue() {
	local host module
	for module in fou fou6; do # which nothing asks for by itself
		"$(sysctl -n kernel.modprobe)" -q "$module" || true
	done
	for host in b1 b2 b3; do
		ip -n "$NET-$host" fou add port 6080 gue || skip "this kernel has no fou"
		ip -n "$NET-$host" -6 fou add port 6080 gue || skip "this kernel has no fou6"
	done
}

received() { # HOST DEVICE: "packets errors" since it was made
	ip -n "$NET-$1" -j -s link show "$2" | jq -r '.[0].stats64.rx | "\(.packets) \(.errors + .dropped)"'
}

exchange() { # WHAT OPTION-OF-FLOWS…
	local what=$1
	shift
	on client "$FLOWS" "$@" >"$T/log" || fail "$what: $(tail -n 4 "$T/log")"
}

flows_told() { awk -v n="$1" '/^flows/ { print $n }' "$T/log"; } # WORD of the summary

# mix NAME ADDRESS UDP-BLOCK HOST DEVICE HOST DEVICE: TCP and UDP, small and full-size, through both hosts' devices.
mix() {
	local name=$1 address=$2 block=$3 packets errors told='' before=()
	shift 3
	before=("$(received "$1" "$2")" "$(received "$3" "$4")")
	exchange "$name, TCP" connect "$address" 80 --every 10ms --count 30
	expect "$(grep -c '^server b' "$T/log")" -eq 2 "$name: servers that answered TCP"
	exchange "$name, UDP" connect "$address" 53 --udp --every 10ms --count 30
	expect "$(grep -c '^server b' "$T/log")" -eq 2 "$name: servers that answered UDP"
	exchange "$name, TCP in full-size packets" hold 2 "$address" 80 --every 50ms --block 32768 --for 1s
	exchange "$name, full-size UDP" hold 4 "$address" 53 --udp --every 50ms --block "$block" --for 1s
	expect "$(flows_told 8)" -eq "$(flows_told 6)" "$name: datagrams answered"
	while [ $# -gt 0 ]; do
		read -r packets errors <<<"$(received "$1" "$2")"
		packets=$((packets - $(cut -d' ' -f1 <<<"${before[0]}")))
		before=("${before[@]:1}")
		expect "$packets" -gt 50 "$name: packets that $2 of $1 took"
		expect "$errors" -eq 0 "$name: packets that $2 of $1 refused"
		told="$told, $packets by $2 of $1"
		shift 2
	done
	note "$name: ${told#, }"
}

linux_decapsulates() { # FORWARD
	net_make client lb b1 b2 b3
	make_tunnels
	[ "$1" != gue ] || take_gue
	for host in b1 b2 b3; do
		serve "$host" 80 53
	done
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: $1, health_check: $CHECK}
		services:
		$(while read -r group address; do
			echo "  - {name: tcp-$group, address: \"$address\", protocol: tcp, port: 80, group: g-$group}"
			echo "  - {name: udp-$group, address: \"$address\", protocol: udp, port: 53, group: g-$group}"
		done <<<$'4in4 192.0.2.10\n6in4 2001:db8::10\n4in6 192.0.2.11\n6in6 2001:db8::11')
		failover_groups:
		  - {name: g-4in4, mode: active-active, backends: [b1, b2]}
		  - {name: g-6in4, mode: active-active, backends: [b1, b3]}
		  - {name: g-6in6, mode: active-active, backends: [c1, c2]}
		  - {name: g-4in6, mode: active-active, backends: [c1, c3]}
		$(some_backends 3)
		$(for i in 1 2 3; do echo "  - {name: c$i, address: \"$(ip6 "b$i")\"}"; done)
	END
	mix "IPv4 in IPv4 by $1" 192.0.2.10 $FULL_UDP4 b1 any4 b2 4in4
	mix "IPv6 in IPv4 by $1" 2001:db8::10 $FULL_UDP6 b1 any4 b3 6in4
	mix "IPv4 in IPv6 by $1" 192.0.2.11 $FULL_UDP4 b1 any6 b3 4in6
	mix "IPv6 in IPv6 by $1" 2001:db8::11 $FULL_UDP6 b1 any6 b2 6in6
	expect "$(all_drops)" -eq 0 "drops"
}

# The README's line for backends: "modprobe ipip && …".
the_readmes_line() {
	local host line
	line=$(sed -n 's/ *#.*//; /^modprobe ipip/p' "$SOURCE_DIR/README.md")
	expect_contains "$line" tunl0 "the line of the README"
	net_make client lb b1 b2
	for host in b1 b2; do
		# shellcheck disable=SC2016 # the shell there is to expand it
		on "$host" bash -ec 'modprobe() { "$(sysctl -n kernel.modprobe)" -q "$@"; }; '"$line"
		serve "$host" 80
	done
	balance <<-END
		interfaces: [eth0]
		defaults: {forward: ipip, health_check: $CHECK}
		services: [{name: web, address: 192.0.2.10, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]
		$(some_backends 2)
	END
	exchange "by tunl0" connect 192.0.2.10 80 --every 10ms --count 30
	expect "$(grep -c '^server b' "$T/log")" -eq 2 "servers that answered"
}

suite tunnels
run_test "the devices ipip, sit and ip6tnl decapsulate what ipip sends, in all four mixes" linux_decapsulates ipip
run_test "fou takes what gue sends off its UDP and GUE headers, and the same devices decapsulate it, in all four mixes" linux_decapsulates gue
run_test "a backend set up by the README's line takes ipip" the_readmes_line
finish
