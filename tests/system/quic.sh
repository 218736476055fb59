#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Real QUIC: ngtcp2's client and server (Debian's ngtcp2-client and ngtcp2-server), downloads compared byte for byte.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10
SHIM=$SHUNT_BUILD/tests/tools/server-id.so
FILE_BYTES=30000000
SERVER_IDS='{server_id: {offset: 1, length: 2}}'

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
	if on client timeout "${DOWNLOAD_SECONDS:-30}" gtlsclient -q --download="$T/down/$label" --exit-on-all-streams-close "$@" "$address" 443 \
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
	balance_quic "$SERVER_IDS" "b1, b2"
	downloads 3 $VIP --change-local-addr=100ms
	downloads 2 $VIP6 --change-local-addr=60ms
	upheaval "$SERVER_IDS"
	end_downloads
	expect "$(results broken)" -eq 0 "broken downloads"
	wait_for 20 "b2 is forgotten once its connections are over" said "$SHUNTD" 'backend b2: removed, no flow is left'
}

# ---- one connection at a time, from its first packet to its last ----

# Every address and port that QUIC leaves the client from, a second address of each family to change to, and a link so slow that a
# download takes more than a second: time to change on its way.
watch_client() {
	tc -n "$NET-switch" qdisc add dev p-client root tbf rate 200mbit burst 64k latency 50ms
	ip -n "$NET-client" address add 10.77.0.201/24 dev eth0
	ip -n "$NET-client" address add fd77::201/64 dev eth0 nodad
	on client nft -f - <<-END
		table inet seen {
			set places4 { type ipv4_addr . inet_service; flags dynamic; size 1024; }
			set places6 { type ipv6_addr . inet_service; flags dynamic; size 1024; }
			chain leaves {
				type filter hook postrouting priority 0;
				udp dport 443 add @places4 { ip saddr . udp sport }
				udp dport 443 add @places6 { ip6 saddr . udp sport }
			}
			# That a client is gone when the last answers come is said by ICMP, and followed to a backend: it is no packet of QUIC.
			chain ended {
				type filter hook output priority 0;
				icmp type destination-unreachable drop
				icmpv6 type destination-unreachable drop
			}
		}
	END
}

places() { on client nft -j list set inet seen "places$1" | jq -r '.nftables[].set? | .elem // [] | .[].concat | join(" ")'; } # 4|6
client_port() { on client ss -Huna | awk '{ sub(".*:", "", $4); print $4 }'; }
has_socket() { [ -n "$(client_port)" ]; }
has_begun() { [ "$(stat -c %s "$T/down/$1/file")" -gt 2000000 ]; } # LABEL
packets_of_backends() { json '.[] | "\(.name) \(.packets)"' backends; }

# leave_from LAST-NUMBER: the address that new sockets of the client get.
leave_from() {
	ip -n "$NET-client" route replace 192.0.2.0/24 via 10.77.0.2 src "10.77.0.$1"
	ip -n "$NET-client" route replace 2001:db8::/64 via fd77::2 src "fd77::$1"
}

# rebind 4|6 PORT: what a NAT does that has forgotten a flow. The client's packets get another address and port on their way and
# the answers the client's own again: it knows nothing of it. Stateless, so that it begins in the middle of a connection.
rebind() {
	local ip=ip net=10.77.0.
	[ "$1" = 4 ] || { ip=ip6 && net=fd77::; }
	on client nft -f - <<-END
		table inet nat {
			chain out {
				type filter hook output priority 0;
				udp sport $2 udp dport 443 $ip saddr set ${net}201 udp sport set 40404
			}
			chain in {
				type filter hook prerouting priority raw;
				udp sport 443 udp dport 40404 $ip daddr set ${net}1 udp dport set $2
			}
		}
	END
}

# change_place LABEL 4|6 migration|rebinding SECONDS: a download on whose way the client's address and port change. Either the client
# changes them, and takes another connection id for it (RFC 9000 section 9.5), or a NAT before it does, and the id stays (section
# 9.3). Leaves in $T/served a line for each backend that served it, and in $T/places where packets came from.
change_place() {
	local label=$1 family=$2 way=$3 seconds=$4 address=$VIP client option=--change-local-addr=600ms
	[ "$family" = 4 ] || address=$VIP6
	[ "$way" = migration ] || option=
	on client nft flush set inet seen "places$family"
	leave_from 1
	packets_of_backends >"$T/before"
	DOWNLOAD_SECONDS=$seconds download "$label" "$address" ${option:+"$option"} &
	client=$!
	wait_for 5 "the client has its first socket" has_socket
	if [ "$way" = migration ]; then
		leave_from 201
	else
		wait_for 5 "bytes come" has_begun "$label"
		rebind "$family" "$(client_port)"
	fi
	wait "$client"
	[ "$way" = migration ] || on client nft delete table inet nat
	packets_of_backends | join "$T/before" - | awk '$3 > $2 { print $1, $3 - $2 }' >"$T/served"
	places "$family" >"$T/places"
	expect "$(cut -d' ' -f1 "$T/places" | sort -u | wc -l)" -eq 2 "addresses of the client ($label): $(cat "$T/places")"
	expect "$(cut -d' ' -f2 "$T/places" | sort -u | wc -l)" -eq 2 "ports of the client ($label): $(cat "$T/places")"
}

one_backend_serves_a_connection() {
	local family way n=0 backends=''
	balance_quic "$SERVER_IDS" "b1, b2, b3"
	watch_client
	for family in 4 6 4 6 4 6; do
		for way in migration rebinding; do
			n=$((n + 1))
			change_place "$way$n" "$family" "$way" 20
			expect "$(results broken)" -eq 0 "broken downloads at $way, IPv$family: $(tail -n 3 "$T/$way$n.log")"
			expect "$(wc -l <"$T/served")" -eq 1 "backends that served $way, IPv$family: $(tr '\n' ' ' <"$T/served")"
			backends+=" $(cut -d' ' -f1 "$T/served")"
		done
	done
	note "$n connections changed address and port, all went on, each at one backend:$backends"
	expect "$(tr ' ' '\n' <<<"$backends" | sort -u | grep -c b)" -ge 2 "backends that had some"
}

# Without the id the same connections break, or the test above would prove nothing: of three backends the new address and port are
# those of the right one in one of three cases.
without_ids_they_break() {
	local way=$1 n=0
	balance_quic true "b1, b2, b3"
	watch_client
	until [ "$(results broken)" -ge 1 ]; do
		n=$((n + 1))
		expect "$n" -le 12 "connections before one breaks at $way"
		change_place "$way$n" 4 "$way" 5
	done
	note "connection $n came to $(wc -l <"$T/served") backends and did not outlive the $way"
	expect "$(wc -l <"$T/served")" -ge 2 "backends that the broken connection came to"
}

suite quic
run_test "QUIC connections stay where they began over a drain and reloads" connections_stay
run_test "With server ids they follow clients that change their address meanwhile" connections_follow_the_server_id
limit 120
run_test "With server ids one backend serves a connection before and after its client's address changes" one_backend_serves_a_connection
run_test "Without server ids a connection breaks that migrates, as it would anywhere" without_ids_they_break migration
run_test "Without server ids a connection breaks whose NAT rebinds" without_ids_they_break rebinding
finish
