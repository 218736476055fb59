#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real QUIC: ngtcp2's client and server (Debian's ngtcp2-client and ngtcp2-server), downloads compared byte for byte.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10
SHIM=$SHUNT_BUILD/tests/tools/server-id.so
FILE_BYTES=30000000

# quic_servers HOST…: each puts 0a01, 0a02 … into its connection ids; TCP port 80 answers checks.
quic_servers() {
	local host n=0 address
	[ -x /usr/sbin/gtlsserver ] || skip "gtlsserver is not installed"
	mkdir -p "$T/htdocs" "$T/down"
	head -c $FILE_BYTES /dev/urandom >"$T/htdocs/file"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" \
		-days 2 -subj /CN=shunt 2>/dev/null
	for host in "$@"; do
		n=$((n + 1))
		serve "$host" 80
		for address in $VIP $VIP6; do
			spawn "quic-$host-$address" "$host" env SERVER_ID="0a0$n" LD_PRELOAD="$SHIM" \
				gtlsserver -q -d "$T/htdocs" "$address" 443 "$T/key.pem" "$T/cert.pem"
		done
	done
}

configure() { # QUIC-VALUE BACKENDS
	local i
	config <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 1024
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: h3, address: $VIP, protocol: udp, port: 443, group: app, quic: $1}
		  - {name: h3-6, address: "$VIP6", protocol: udp, port: 443, group: app, quic: $1}
		failover_groups: [{name: app, mode: active-active, backends: [$2], health_check: {port: 80}}]
		backends:
		$(for i in 1 2 3; do echo "  - {name: b$i, address: $(ip4 "b$i"), server_id: 0x0a0$i}"; done)
	END
}

balance_quic() { # QUIC-VALUE BACKENDS
	net_make client lb b1 b2 b3
	quic_servers b1 b2 b3
	configure "$1" "$2"
	start_shuntd
	wait_for 10 "every backend is up" is true json '[.[] | select(.check.type != "none")] | length > 1 and all(.[]; .health == "up")' backends
	wait_for 5 "the group serves" is normal group app state
}

# download LABEL ADDRESS [OPTION…]: one file; a line "whole" or "broken" in LABEL.result.
download() {
	local label=$1 address=$2 result=broken
	shift 2
	mkdir -p "$T/down/$label"
	if on client timeout 30 gtlsclient -q --download="$T/down/$label" --exit-on-all-streams-close "$@" "$address" 443 \
		"https://shunt/file" >"$T/$label.log" 2>&1 && cmp -s "$T/htdocs/file" "$T/down/$label/file"; then
		result=whole
	fi
	rm -rf "$T/down/$label"
	echo $result >>"$T/$label.result"
}

# downloads N ADDRESS [OPTION…]: N at once, each again and again until $T/enough is there; in the background.
downloads() {
	local n=$1 i
	shift
	for i in $(seq "$n"); do
		(until [ -e "$T/enough" ]; do download "get$i-$1" "$@"; done) &
	done
}

results() { cat "$T"/*.result 2>/dev/null | grep -c "^$1" || true; } # whole | broken
so_many_whole() { [ "$(results whole)" -ge "$1" ]; }

end_downloads() {
	touch "$T/enough"
	wait
	note "$(results whole) downloads of $((FILE_BYTES / 1000000)) MB, $(results broken) broken"
}

# Drains, failures of nobody, a backend that comes and one that leaves, while downloads run.
upheaval() { # QUIC-VALUE
	wait_for 20 "downloads run" so_many_whole 4
	shunt drain b1
	wait_for 20 "downloads go on over the drain" so_many_whole "$(($(results whole) + 6))"
	configure "$1" "b1, b2, b3"
	shunt reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
	wait_for 5 "b3 is up" is up backend b3 health
	shunt ready b1
	wait_for 20 "downloads go on over the reload" so_many_whole "$(($(results whole) + 6))"
	configure "$1" "b1, b3"
	shunt reload >"$T/reload" || fail "reload: $(cat "$T/reload")"
	wait_for 20 "downloads go on without b2" so_many_whole "$(($(results whole) + 6))"
}

connections_stay() {
	balance_quic true "b1, b2"
	downloads 3 $VIP
	downloads 2 $VIP6
	upheaval true
	end_downloads
	expect "$(results broken)" -eq 0 "broken downloads"
	expect "$(service h3 new_flows)" -ge 10 "Initial packets counted as new flows"
}

connections_follow_the_server_id() {
	local ids='{server_id: {offset: 1, length: 2}}'
	balance_quic "$ids" "b1, b2"
	downloads 3 $VIP --change-local-addr=100ms
	downloads 2 $VIP6 --change-local-addr=60ms
	upheaval "$ids"
	end_downloads
	expect "$(results broken)" -eq 0 "broken downloads"
	wait_for 20 "b2 is forgotten once its connections are over" said "$SHUNTD" 'backend b2: removed, no flow is left'
}

# Without the id the same downloads break: or the test above would prove nothing.
without_ids_they_break() {
	local i
	balance_quic true "b1, b2, b3"
	for i in 1 2 3 4; do
		on client timeout 4 gtlsclient -q --exit-on-all-streams-close --no-http-dump --no-quic-dump --download="$T/down" \
			--change-local-addr=30ms $VIP 443 "https://shunt/file" >"$T/get$i.log" 2>&1 || echo broken >>"$T/get$i.result"
	done
	note "$(results broken) of 4 connections did not outlive the change of their address"
	expect "$(results broken)" -ge 1 "broken downloads"
}

suite quic
run_test "QUIC connections stay where they began over a drain and reloads" connections_stay
run_test "With server ids they follow clients that change their address meanwhile" connections_follow_the_server_id
run_test "Without server ids such connections break, as they would anywhere" without_ids_they_break
finish
