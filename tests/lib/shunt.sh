# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# shuntd and its command line in a test: sourced by suite.sh, uses $T (the test's directory) and the network of netns.sh.

# use_instance NAME [HOST]: which shuntd the functions below talk to. Directories are the instance's own.
use_instance() {
	INSTANCE=$1
	INSTANCE_HOST=${2:-lb}
	CONFIG=$T/$INSTANCE.yaml
	RUN_DIR=$T/$INSTANCE.run
	STATE_DIR=$T/$INSTANCE.state
	BPF_DIR=/sys/fs/bpf/shunt-test-$$-$INSTANCE
	SHUNTD=shuntd
	[ "$INSTANCE" = shunt ] || SHUNTD=shuntd-$INSTANCE
}

shunt() { "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" "$@"; }

# json FILTER COMMAND…: of what `shunt --json COMMAND…` prints.
json() {
	local filter=$1
	shift
	shunt --json "$@" | jq -r "$filter"
}

backend() { json ".$2" backends "$1"; } # NAME FIELD
group() { json ".$2" groups "$1"; }
service() { json ".$2" services "$1"; }
active() { json '.active | sort | join(" ")' groups "$1"; } # GROUP: the names that take new flows
drops() { json ".drops.$1" status; }             # REASON: packets dropped for it
all_drops() { json '[.drops[]] | add' status; }

config() { cat >"$CONFIG"; } # from stdin

# start_shuntd [OPTION…]: with the configuration of `config`, until it answers.
start_shuntd() {
	[ -x "$SHUNT_BUILD/shuntd" ] || skip "shuntd is not built"
	spawn "$SHUNTD" "$INSTANCE_HOST" "$SHUNT_BUILD/shuntd" -c "$CONFIG" --run-dir "$RUN_DIR" --state-dir "$STATE_DIR" \
		--bpf-dir "$BPF_DIR" "$@"
	wait_for "${SHUNT_START_LIMIT:-20}" "shuntd answers" answers_or_died
	is_running "$SHUNTD" || fail "shuntd ended: $(tail -n 3 "$T/$SHUNTD.log")"
}

answers_or_died() { shunt status || is_over "$SHUNTD"; }
stop_shuntd() { stop "$SHUNTD"; }
kill_shuntd() { stop "$SHUNTD" KILL; }

# A configuration and a running shuntd whose backends are all up.
balance() { # config from stdin
	config
	start_shuntd
	wait_for 10 "every backend is up" all_up
	wait_for 10 "every group has decided who serves" all_serve
}

# group_of N KEYS: a running shuntd with group app of b1 … bN, of these keys, and a service at $VIP.
group_of() {
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, $2}]
		$(some_backends "$1")
	END
}

# Health is known a moment before groups have followed it.
all_serve() { is true json 'all(.[]; .healthy == 0 or (.active | length > 0))' groups; }

all_up() { is true json 'length > 0 and all(.[]; .health == "up")' backends; }

# no_slot_moves: flow_timeout has passed since the last change, so every living flow of the slots it moved is pinned.
no_slot_moves() { is 0 json '[.[].slots.moving] | add' groups; }
# settled: besides, no flow is pinned to another backend than its slot's.
settled() { is 0 json '[.[].slots | .moving + .resolving] | add' groups; }

# some_backends N [IPv4|IPv6-FUNCTION]: the YAML lines of backends b1 … bN.
some_backends() {
	local i address=${2:-ip4}
	echo "backends:"
	for i in $(seq "$1"); do
		echo "  - {name: b$i, address: \"$($address "b$i")\"}"
	done
}

# many_of_everything SERVICES GROUPS BACKENDS [CHECKED]: a configuration, its backends in 10.200.0.0/16; those of the first CHECKED groups are
# checked five times a second.
many_of_everything() {
	jq -nr --argjson services "$1" --argjson groups "$2" --argjson backends "$3" --argjson checked "${4:-0}" '
		"interfaces: [eth0]", "table_size: 1024", "flow_table_size: 65536", "api: {listen: \"127.0.0.1:8080\"}",
		"defaults: {forward: ipip, health_check: {type: none}}", "services:",
		(range($services) | "  - {name: service-\(.), address: 198.18.\(. / 256 | floor).\(. % 256), protocol: tcp, port: 443, group: group-\(. % $groups)}"),
		"failover_groups:",
		(range($groups) | . as $g | "  - {name: group-\(.), mode: active-active, backends: [\([range($g; $backends; $groups) | "backend-\(.)"] | join(", "))]\(
			if $g < $checked then ", health_check: {type: tcp, port: 80, interval: 200ms, timeout: 200ms}" else "" end)}"),
		"backends:",
		(range($backends) | "  - {name: backend-\(.), address: 10.200.\(. / 256 | floor).\(. % 256)}")'
}

metrics() { curl -s --unix-socket "$RUN_DIR/shunt.sock" http://shunt/metrics; }

# lateness SHARE BEFORE AFTER: upper bound in ms of the class that so many of the checks between two `metrics` are in or below.
lateness() {
	awk -v share="$1" -F'[" ]' '/^shunt_check_lateness_seconds_bucket/ {
		n[$2] = $NF - n[$2]
		if (NR == FNR) next
		bound[++k] = $2
	} END {
		for (i = 1; i <= k; i++)
			if (n[bound[i]] >= share * n["+Inf"]) {
				print bound[i] == "+Inf" ? "infinitely many" : bound[i] * 1000
				exit
			}
	}' "$2" "$3"
}

counted() { awk -v name="$2" '$1 == name { print $2 }' "$1"; } # FILE METRIC

names() { # N: "b1, b2, … bN"
	local i text=b1
	for i in $(seq 2 "$1"); do text="$text, b$i"; done
	echo "$text"
}

# shellcheck disable=SC2034 # of the suites
FAST_CHECK='{type: tcp, interval: 100ms, timeout: 100ms, healthy_threshold: 2, unhealthy_threshold: 3}'
