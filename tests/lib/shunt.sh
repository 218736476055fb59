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
all_serve() { is true json 'all(.[]; .state == "down" or (.active | length > 0))' groups; }

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

names() { # N: "b1, b2, … bN"
	local i text=b1
	for i in $(seq 2 "$1"); do text="$text, b$i"; done
	echo "$text"
}

# shellcheck disable=SC2034 # of the suites
FAST_CHECK='{type: tcp, interval: 100ms, timeout: 100ms, healthy_threshold: 2, unhealthy_threshold: 3}'
