#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Backup and restore: of a host that lost everything, of one that runs, and of what is no backup.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 OTHER_VIP=192.0.2.11

start_system() {
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3
	the_config 1 | balance
}

the_config() { # MIN-HEALTHY
	cat <<-END
		# A comment is part of the backup, too.
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: pair, address: $OTHER_VIP, protocol: tcp, port: 80, group: pair}
		failover_groups:
		  - {name: app, mode: active-active, min_healthy: $1, backends: [b1, b2, b3]}
		  - {name: pair, mode: active-passive, primary: b1, backends: [b1, b2, b3]}
		$(some_backends 3)
	END
}

# Something of each kind.
decide() {
	shunt drain b2
	shunt maint b3 --for 2h
	shunt weight b1 50
	shunt failover pair --to b1 --for 1h
	shunt deny add 203.0.113.0/24 --for 2h
	shunt deny add 198.51.100.0/25 --service pair
	post '{"name": "spare", "mode": "active-active", "backends": ["b1"]}'
} >/dev/null

post() { # GROUP
	curl -sf --unix-socket "$RUN_DIR/shunt.sock" -H 'Content-Type: application/json' -d "$1" http://shunt/api/v1/groups
}

# All that does not change by itself.
the_status() {
	json '{services: [.services[] | {name, address, port, group, forward}],
		groups: [.groups[] | {name, mode, primary, active, state, failovers, forced, forced_until, backends: [.backends[] | {name, role, share}]}],
		backends: [.backends[] | {name, address, weight, configured_weight, health, admin, admin_until, weight_until}]}' status
	json '[.[] | {prefix, service, from, since, until, in_force}]' deny list
}

all_checked() { is true json 'all(.[]; .health == "up" or .admin == "maint")' backends; }

everything_lost() {
	local before
	start_system
	decide
	wait_for 5 "b1 alone serves" is b1 active app
	before=$(the_status)
	expect_exit 0 shunt backup "$T/backup"
	note "$(head -n 1 "$T/out")"
	expect_contains "$(cat "$T/out")" 'not in it: files that the configuration names (tokens, keys' "what it says of secrets"
	expect "$(stat -c %a "$T/backup")" = 600 "mode of the backup"
	shunt detach >/dev/null
	wait_for 10 "shuntd ends" is_over "$SHUNTD"
	rm -rf "$CONFIG" "$STATE_DIR" "$BPF_DIR" "$RUN_DIR"
	expect_exit 0 shunt restore "$T/backup" --config "$CONFIG" --state-dir "$STATE_DIR" --dry-run
	expect_contains "$(cat "$T/out")" 'backend b2: ready -> drain' "what a dry run says"
	if [ -e "$CONFIG" ] || [ -e "$STATE_DIR" ]; then fail "a dry run wrote something"; fi
	expect_exit 0 shunt restore "$T/backup" --config "$CONFIG" --state-dir "$STATE_DIR"
	expect_contains "$(cat "$T/out")" 'no controller answers' "what it says"
	expect "$(head -n 1 "$CONFIG")" = '# A comment is part of the backup, too.' "the first line of the configuration"
	start_shuntd
	wait_for 10 "backends are checked" all_checked
	wait_for 10 "groups have decided" all_serve
	wait_for 5 "the same status as before; it is: $(the_status | diff - <(echo "$before") | head -n 20)" is "$before" the_status
	expect "$(servers $VIP 80)" = b1 "who answers"
	expect "$(servers $OTHER_VIP 80)" = b1 "who answers"
}

slots() { bpftool map dump pinned "$BPF_DIR/slots" | sha256sum; }

# What is restored is what is: not one slot is another, and no connection notices.
same_state() {
	local before table
	start_system
	decide
	wait_for 5 "b1 alone serves" is b1 active app
	hold hold 30 $VIP 80 --every 20ms
	wait_for 10 "no slot is on its way" settled
	before=$(the_status) table=$(slots)
	expect_exit 0 shunt backup "$T/backup"
	expect_exit 0 shunt restore "$T/backup" --dry-run
	expect_contains "$(cat "$T/out")" ': 0 changes' "what a dry run says"
	expect_exit 0 shunt restore "$T/backup"
	expect "$(the_status)" = "$before" "status"
	expect "$(slots)" = "$table" "the table of slots"
	stop_traffic hold
	expect_unbroken hold
	expect_contains "$(shunt events)" 'restore' "the audit trail"
}

# Of what was decided since nothing is left, and connections of backends that live stay where they are.
taken_back() {
	local before
	start_system
	before=$(the_status)
	hold hold 30 $VIP 80 --every 20ms
	expect_exit 0 shunt --json backup "$T/backup"
	expect "$(jq -r .controller "$T/out")" = true "whether a controller ran"
	shunt drain b2 >/dev/null
	shunt weight b1 50 >/dev/null
	shunt failover pair --to b2 >/dev/null 2>&1 || shunt failover pair --to b3 >/dev/null
	shunt deny add 203.0.113.0/24 >/dev/null
	post '{"name": "spare", "mode": "active-active", "backends": ["b1"]}' >/dev/null
	the_config 2 >"$CONFIG"
	shunt reload >/dev/null
	expect_exit 0 shunt --json restore "$T/backup" --dry-run
	jq -r '.changed[]' "$T/out" >"$T/changes"
	expect "$(grep -cE 'backend b2: drain -> ready|posted group spare: removed|denied prefixes: 0 added.*1 taken|min_healthy' "$T/changes")" -eq 4 \
		"changes of these that a dry run tells: $(cat "$T/changes")"
	expect "$(backend b2 admin)" = drain "admin state after a dry run"
	expect_exit 0 shunt restore "$T/backup"
	wait_for 5 "all serve again" is 'b1 b2 b3' active app
	before=$(jq -c 'walk(if type == "object" then del(.failovers, .share) else . end)' <<<"$before")
	wait_for 10 "the same status as before" is "$before" the_status_but_failovers
	the_config 1 | cmp -s - "$CONFIG" || fail "the configuration is not the one of the backup"
	expect "$(jq '.groups | length' "$STATE_DIR/state.json")" -eq 2 "groups that are kept"
	stop_traffic hold
	expect_unbroken hold
}

the_status_but_failovers() { the_status | jq -c 'walk(if type == "object" then del(.failovers, .share) else . end)'; }

refused() { # FILE PART-OF-REASON
	expect_exit 1 shunt restore "$1"
	expect_contains "$(cat "$T/err")" "$2" "why $1 is refused"
	expect "$(the_status)" = "$BEFORE" "status after a restore that was refused"
	sha256sum "$CONFIG" "$STATE_DIR"/*.json* | diff - "$T/files" >&2 || fail "a restore that was refused changed a file"
}

no_backups() {
	start_system
	shunt drain b2 >/dev/null
	wait_for 5 "b2 is out" is 'b1 b3' active app
	expect_exit 0 shunt backup "$T/whole"
	BEFORE=$(the_status)
	wait_for 5 "its state is kept" grep -q drain "$STATE_DIR/state.json"
	sha256sum "$CONFIG" "$STATE_DIR"/*.json* >"$T/files"
	head -c $(($(stat -c %s "$T/whole") - 20)) "$T/whole" >"$T/truncated"
	echo '{"version": 1}' >"$T/foreign"
	jq '.shunt_backup = 7' "$T/whole" >"$T/newer"
	jq 'del(.state)' "$T/whole" >"$T/part"
	jq '.state.backends.b2.admin = "asleep"' "$T/whole" >"$T/odd"
	jq '.configuration |= sub("b1, b2, b3"; "b1, b2, b9")' "$T/whole" >"$T/wrong"
	jq '.configuration |= sub("interfaces: .eth0."; "interfaces: [eth7]")' "$T/whole" >"$T/elsewhere"
	jq '.configuration |= sub("table_size: 4096"; "table_size: 8192")' "$T/whole" >"$T/scatters"
	refused "$T/nothing" 'No such file'
	refused "$T/truncated" 'a part of one'
	refused "$T/foreign" 'no backup of shunt'
	refused "$T/newer" 'a backup of version 7'
	refused "$T/part" 'not whole'
	refused "$T/odd" '"state" is not what shunt wrote'
	refused "$T/wrong" 'b9'
	refused "$T/elsewhere" 'eth7'
	refused "$T/scatters" 'scatter'
	expect "$(servers $VIP 80)" = 'b1 b3' "who answers"
}

suite backup
run_test 'a backup restored on a host that lost everything gives the same status, and traffic flows' everything_lost
run_test 'restoring what is so already moves no slot and breaks no connection' same_state
run_test 'a restore takes back what was decided since, and living connections stay' taken_back
run_test 'what is no whole backup of this version, or cannot be applied, is refused by name and changes nothing' no_backups
finish
