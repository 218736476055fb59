#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An operator keeps clients out while everything runs, and that survives what shuntd does not.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10
MANY=100000

# configure [LINES-AT-THE-TOP [KEYS-OF-WEB]]: web, and other at another port, of one backend.
configure() {
	config <<-END
		interfaces: [eth0]
		${1:-}
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, port: 80, group: app${2:-}}
		  - {name: web6, address: "$VIP6", port: 80, group: app}
		  - {name: other, address: $VIP, port: 81, group: app}
		failover_groups: [{name: app, mode: active-active, backends: [b1], health_check: {type: tcp, port: 80}}]
		$(some_backends 1)
	END
}

start_system() {
	net_make client client2 lb b1
	serve b1 80 81
	configure "$@"
	start_shuntd
	wait_for 10 "every backend is up" all_up
}

again() { # start after a stop or a crash
	start_shuntd
	wait_for 10 "every backend is up" all_up
}

reaches() { on "$1" "$FLOWS" connect "$2" "${3:-80}" --every 2ms --count 3 --timeout 400ms >"$T/log" 2>&1; }
expect_served() { reaches "$@" || fail "$* is not served: $(tail -n 3 "$T/log")"; }
expect_kept_out() { ! reaches "$@" || fail "$* is served"; }

denied() { json "[.[] | select(.prefix == \"$1\")] | .[0].$2" deny list; } # PREFIX FIELD
n_denied() { json length deny list; }

attached_program() { ip -n "$NET-lb" -j link show eth0 | jq '.[0].xdp.prog.id'; }

without_a_reload() {
	local before started
	start_system
	before=$(attached_program)
	hold others 20 $VIP 80 --every 5ms --block 500
	connect_every 5 newcomers $VIP 81
	expect_served client2 $VIP
	started=$(now_ms)
	shunt deny add 10.77.0.3 >"$T/out"
	note "the first deny add took $(($(now_ms) - started)) ms: $(grep -o 'the program was replaced.*' "$T/shuntd.log")"
	expect_contains "$(cat "$T/out")" "10.77.0.3: denied until taken back" "what is said"
	expect "$(attached_program)" -ne "$before" "the program was replaced by one that can deny"
	before=$(attached_program)
	expect_kept_out client2 $VIP
	expect_served client2 $VIP6
	shunt deny add fd77::/127 >/dev/null # not client2
	shunt deny add fd77::3/128 --for 5m >/dev/null
	expect_kept_out client2 $VIP6
	expect "$(attached_program)" -eq "$before" "the program stays"
	expect "$(drops denied)" -ge 6 "drops"
	expect "$(denied 10.77.0.3/32 packets)" -ge 3 "packets dropped for the prefix"
	expect "$(denied 10.77.0.3/32 from)" = operator "where it is from"
	expect "$(denied 10.77.0.3/32 until)" = null "until"
	expect "$(json '.[].prefix' deny list 10.77.0.0/24)" = 10.77.0.3/32 "what overlaps a /24"
	expect "$(json '.[].prefix' deny list fd77::3)" = fd77::3/128 "what denies an address"
	shunt deny list >"$T/out"
	grep -Eq '^10.77.0.3/32 +all +operator +[1-9]' "$T/out" || fail "the list shows: $(cat "$T/out")"
	shunt deny del 10.77.0.3 >/dev/null
	shunt deny del fd77::3 >/dev/null
	expect_served client2 $VIP
	expect_served client2 $VIP6
	expect "$(json '[.[] | select(.kind == "deny" or .kind == "undeny") | .actor] | join(" ")' events)" = \
		"operator operator operator operator operator" "the audit trail"
	stop_traffic others
	expect_unbroken others
	stop_traffic newcomers
	expect_no_failure newcomers
}

by_one_service() {
	start_system
	shunt deny add 10.77.0.0/24 --service web >/dev/null
	expect_kept_out client2 $VIP
	expect_served client2 $VIP 81
	expect_served client2 $VIP6
	expect "$(denied 10.77.0.0/24 service)" = web "the service"
	shunt deny add 10.77.0.3 --service other >/dev/null
	expect_kept_out client2 $VIP 81
	expect_served client $VIP 81
	shunt deny del 10.77.0.0/24 --service web >/dev/null
	expect_served client2 $VIP
	expect_kept_out client2 $VIP 81
	config <<<"$(sed '/name: other/d' "$CONFIG")"
	shunt reload >/dev/null
	expect "$(denied 10.77.0.3/32 in_force)" = false "of a service that is gone: in force"
	configure
	shunt reload >/dev/null
	expect_kept_out client2 $VIP 81
	shunt deny del 10.77.0.3 --service other >/dev/null
	expect_served client2 $VIP 81
}

survives() {
	local id
	start_system "deny: [203.0.113.0/24]"
	shunt deny add 10.77.0.3 >/dev/null
	shunt deny add fd77::3 --for 1h >/dev/null
	shunt deny add 198.51.100.0/24 --service web >/dev/null
	shunt deny add 198.51.101.0/24 >/dev/null
	shunt deny del 198.51.101.0/24 >/dev/null
	shunt deny list --json | jq 'map(del(.packets))' >"$T/before"
	kill_shuntd
	expect_kept_out client2 $VIP
	again
	expect_kept_out client2 $VIP
	expect_kept_out client2 $VIP6
	shunt deny list --json | jq 'map(del(.packets))' >"$T/after"
	cmp "$T/before" "$T/after" || fail "the list changed: $(diff "$T/before" "$T/after")"
	stop_shuntd
	again
	configure
	shunt reload >/dev/null
	expect_kept_out client2 $VIP
	expect "$(n_denied)" -eq 3 "prefixes after a reload without those of the file"
	grep -q 198.51.101 "$STATE_DIR/denied.jsonl" && fail "what was taken back is still in the file"
	# What a crash left between file and maps: the file knows more, the maps know other things, a line is cut off.
	kill_shuntd
	printf '%s\n%s\n%s' '{"remove":["10.77.0.3/32"]}' '{"add":["10.77.0.1/32"],"since":1}' '{"add":["10.77.0.2/3' \
		>>"$STATE_DIR/denied.jsonl"
	id=$(bpftool -j map show pinned "$BPF_DIR/deny" | jq .id)
	bpftool map update id "$id" key 136 0 0 0 0 0 4 0 0 0 0 0 0 0 0 0 0 0 255 255 10 0 0 0 value 0 0 0 0 0 0 0 0
	again
	expect_served client2 $VIP
	expect_kept_out client $VIP
	expect "$(bpftool -j map dump pinned "$BPF_DIR/deny" | jq length)" -eq 3 "prefixes in the map"
	shunt deny del 10.77.0.1 >/dev/null
	expect_served client $VIP
}

ends_in_time() {
	local due
	start_system
	shunt deny add 10.77.0.3 --for 700ms >/dev/null
	shunt deny add fd77::3 --for 2s >/dev/null
	due=$(($(now_ms) + 2000))
	expect_kept_out client2 $VIP6
	wait_for 5 "the IPv4 address is served again" reaches client2 $VIP
	kill_shuntd
	while [ "$(now_ms)" -le "$due" ]; do sleep 0.05; done # its time passes while nobody is there to see it
	again
	expect_served client2 $VIP6
	expect "$(n_denied)" -eq 0 "prefixes that are left"
	shunt deny add 10.77.0.3 --for 1h >/dev/null
	shunt deny add 10.77.0.3 --for 300ms >"$T/out"
	wait_for 5 "the shorter time counts" reaches client2 $VIP
	shunt deny add 10.77.0.3 --for 1s >/dev/null
	shunt deny add 10.77.0.3 >/dev/null # for good
	stop_shuntd
	again
	expect_kept_out client2 $VIP
	expect "$(json '[.[] | select(.kind == "undeny" and .actor == "controller")] | length' events)" -ge 2 "ends in the audit trail"
}

many_prefixes() { # N: lines
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) if (i % 2) printf "100.%d.%d.%d # %d\n", 64 + int(i / 65536), int(i / 256) % 256, i % 256, i
		else printf "2001:db8:%x:%x::/64\n", int(i / 65536) + 1, i % 65536 }'
}

a_long_list() {
	local started seconds
	start_system
	hold others 20 $VIP 80 --every 20ms --block 500
	connect_every 10 newcomers $VIP 81
	many_prefixes $MANY >"$T/list"
	echo "10.77.0.3" >>"$T/list"
	started=$(now_ms)
	shunt deny add --file "$T/list" >"$T/out"
	note "$((MANY + 1)) prefixes by a file: $(($(now_ms) - started)) ms"
	expect_contains "$(cat "$T/out")" "$((MANY + 1)) prefixes: denied" "what is said"
	expect_kept_out client2 $VIP
	started=$(now_ms)
	shunt deny add fd77::3 >/dev/null
	note "one more: $(($(now_ms) - started)) ms"
	expect_kept_out client2 $VIP6
	started=$(now_ms)
	expect "$(n_denied)" -eq $((MANY + 2)) "prefixes in the list"
	note "the list of all as JSON: $(($(now_ms) - started)) ms"
	kill_shuntd
	started=$(now_ms)
	again
	note "a start that finds them: $(($(now_ms) - started)) ms"
	expect_kept_out client2 $VIP
	expect "$(n_denied)" -eq $((MANY + 2)) "prefixes after a crash"
	started=$(now_ms)
	many_prefixes $MANY | shunt deny del --file - >"$T/out"
	note "taken back by stdin: $(($(now_ms) - started)) ms"
	expect "$(n_denied)" -eq 2 "prefixes that are left"
	expect_kept_out client2 $VIP
	shunt deny del 10.77.0.3 >/dev/null
	expect_served client2 $VIP
	seconds=$(stat -c %s "$STATE_DIR/denied.jsonl")
	expect "$seconds" -lt 1000000 "bytes of the file once it is written anew"
	stop_traffic others
	expect_unbroken others
	stop_traffic newcomers
	expect_no_failure newcomers
}

http() { # STATUS METHOD PATH [OPTION…]
	local status
	status=$(curl -s -o "$T/answer" -w '%{http_code}' --unix-socket "$RUN_DIR/shunt.sock" -X "$2" "http://shunt$3" "${@:4}")
	expect "$status" = "$1" "status of $2 $3 ($(cat "$T/answer"))"
}

refusals() {
	local before
	start_system "deny: [203.0.113.0/24]"
	before=$(n_denied)
	expect_exit 2 shunt deny add
	expect_exit 2 shunt deny add 10.0.0.0/8 --file /dev/null
	expect_exit 2 shunt deny drop 10.0.0.0/8
	expect_exit 2 shunt deny add 10.0.0.0/8 --for 5
	expect_exit 2 shunt deny add 203.0.113.7/24
	expect_contains "$(cat "$T/err")" "write 203.0.113.0/24, or 203.0.113.7 for the one address" "the remedy"
	expect_exit 2 shunt deny add example.com
	expect_exit 1 shunt deny add 10.0.0.0/8 --service nosuch
	expect_contains "$(cat "$T/err")" "service nosuch does not exist" "why"
	expect_exit 1 shunt deny del 10.0.0.0/8
	expect_contains "$(cat "$T/err")" "not denied" "why"
	expect_exit 1 shunt deny del 203.0.113.0/24
	expect_contains "$(cat "$T/err")" "by the configuration: take it out of $CONFIG and reload" "why"
	printf '10.1.0.0/16\n10.2.0.1/16\n' >"$T/list"
	expect_exit 1 shunt deny add --file "$T/list"
	expect_contains "$(cat "$T/err")" "$T/list:2: 10.2.0.1/16 has bits set" "where"
	http 400 POST /api/v1/deny -d '{}'
	http 400 POST /api/v1/deny -d '{"prefixes": []}'
	http 400 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8", "10.0.0.1/8"]}'
	http 400 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8"], "for": 5}'
	http 400 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8"], "until": "5m"}'
	http 404 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8"], "service": "nosuch"}'
	http 404 DELETE '/api/v1/deny?prefix=10.0.0.0/8'
	http 409 DELETE '/api/v1/deny?prefix=203.0.113.0%2F24'
	http 400 DELETE /api/v1/deny
	http 400 DELETE '/api/v1/deny?prefix=10.0.0.0/8' -d '{"prefixes": ["10.0.0.0/8"]}'
	http 400 GET '/api/v1/deny?prefix=10.0.0.1/8'
	http 405 PUT /api/v1/deny
	expect "$(n_denied)" -eq "$before" "prefixes after all that"
	http 200 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8", "10.0.0.0/8", "203.0.113.0/24"], "for": "5m"}'
	expect "$(jq -c '[.added, .changed]' "$T/answer")" = '[2,0]' "the answer"
	http 200 POST /api/v1/deny -d '{"prefixes": ["10.0.0.0/8"]}'
	expect "$(jq -c '[.added, .changed, .until]' "$T/answer")" = '[0,1,null]' "the answer to a second one"
	expect_contains "$(jq -r '.warnings[]' "$T/answer")" "10.0.0.0/8: has backend b1" "what it warns of"
	http 200 DELETE '/api/v1/deny?prefix=10.0.0.0/8'
	http 200 DELETE /api/v1/deny -d '{"prefixes": ["203.0.113.0/24", "10.0.0.0/8"]}'
	expect "$(jq -c '[.removed, .missing]' "$T/answer")" = '[1,1]' "the answer"
	expect_contains "$(jq -r '.warnings[]' "$T/answer")" "stays denied, by the configuration" "what it warns of"
	expect_exit 0 shunt deny add 0.0.0.0/0
	expect_contains "$(cat "$T/err")" "every IPv4 client is denied" "the warning"
	expect_kept_out client $VIP
	expect_served client $VIP6
}

suite deny
run_test "An operator denies a client without a reload, and nobody else notices" without_a_reload
run_test "A client can be denied by one service alone" by_one_service
run_test "What operators denied survives restarts, crashes at any point and reloads" survives
run_test "A denied prefix ends in time, also while shuntd is away" ends_in_time
limit 120
run_test "A hundred thousand prefixes come from a file in seconds" a_long_list
run_test "What cannot be denied or taken back is refused with the remedy" refusals
finish
