#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an operator does and relies on: commands, reloads, restarts, the API, the maps.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10 VIP6=2001:db8::10 OTHER_VIP=192.0.2.11

the_config() { # BACKENDS [TOP-LEVEL-LINE]
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		${2:-on_exit: keep}
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: web6, address: "$VIP6", protocol: tcp, port: 80, group: app}
		  - {name: pair, address: $OTHER_VIP, protocol: tcp, port: 80, group: pair}
		failover_groups:
		  - {name: app, mode: active-active, backends: [$1]}
		  - {name: pair, mode: active-passive, primary: b1, backends: [b1, b2]}
		$(some_backends 3)
	END
}

start_system() { # [TOP-LEVEL-LINE]
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3
	the_config 'b1, b2, b3' "${1:-}" | balance
}

is_active() { is "$2" active "$1"; } # GROUP "NAMES"

# ---- commands on backends ----

drain_and_ready() {
	start_system
	expect_exit 0 shunt drain b1
	expect "$(backend b1 admin)" = drain "admin state"
	wait_for 3 "b1 takes no new flows" is_active app 'b2 b3'
	expect "$(servers $VIP 80)" = 'b2 b3' "who answers"
	expect "$(backend b1 health)" = up "health of a drained backend"
	expect_exit 0 shunt ready b1
	wait_for 3 "b1 is back" is_active app 'b1 b2 b3'
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers"
}

drain_waits() {
	start_system
	hold hold 30 $VIP 80 --every 50ms
	spawn drain lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" drain b1 --wait --timeout 40s
	wait_for 5 "flows of b1 are counted" has_flows b1
	wait_for 8 "every living flow of a slot that moved is pinned" no_slot_moves
	is_running drain || fail "drain --wait returned while b1 had flows: $(cat "$T/drain.log")"
	stop_traffic hold
	expect_unbroken hold
	wait_for 15 "drain --wait returns" is_over drain
	expect "$(backend b1 flows)" -eq 0 "flows left"
}

has_flows() { [ "$(backend "$1" flows)" -gt 0 ]; }

drain_gives_up_waiting() {
	local since
	start_system
	hold hold 30 $VIP 80 --every 50ms
	since=$(now_ms)
	shunt drain b1 --wait --timeout 1500ms >"$T/out" 2>&1 || true
	expect $(($(now_ms) - since)) -ge 1400 "ms that drain --wait waited"
	expect $(($(now_ms) - since)) -le 3000 "ms that drain --wait waited"
	stop_traffic hold
}

maintenance() {
	start_system
	expect_exit 0 shunt maint b2
	expect "$(backend b2 admin)" = maint "admin state"
	expect "$(servers $VIP 80)" = 'b1 b3' "who answers"
	hold hold 20 $VIP 80 --every 50ms
	expect "$(awk '/ b2 / { n++ } END { print n + 0 }' "$T/hold.log")" -eq 0 "flows on b2"
	expect_exit 0 shunt ready b2
	wait_for 3 "b2 is back" is_active app 'b1 b2 b3'
	stop_traffic hold
	expect_unbroken hold
}

weights() {
	local share
	start_system
	expect_exit 0 shunt weight b1 300
	wait_for 10 "the slots settle" settled
	expect "$(backend b1 weight)" -eq 300 "weight in force"
	servers $VIP 80 1000 >/dev/null
	share=$(awk '/^server b1 / { print $3 }' "$T/servers.log") # 600 of 1000 expected
	expect "$share" -ge 540 "connections of 1000 to the backend with 3/5 of the weight"
	expect "$share" -le 660 "connections of 1000 to the backend with 3/5 of the weight"
	expect_exit 0 shunt weight b1 0
	wait_for 3 "b1 takes no new flows" is_active app 'b2 b3'
	expect "$(servers $VIP 80)" = 'b2 b3' "who answers"
	expect_exit 0 shunt reload
	expect "$(backend b1 weight)" -eq 100 "weight after a reload"
}

exit_codes() {
	start_system
	expect_exit 0 shunt status
	expect_exit 0 shunt services
	expect_exit 0 shunt groups app
	expect_exit 0 shunt backends b1
	expect_exit 0 shunt stats
	expect_exit 0 shunt events
	expect_exit 0 "$SHUNT_BUILD/shunt" check "$CONFIG"
	expect_contains "$(cat "$T/out")" ': ok' "shunt check"
	expect_exit 1 shunt drain nobody
	expect_contains "$(cat "$T/err")" nobody "the reason on stderr"
	expect_exit 1 shunt groups nobody
	expect_exit 1 shunt failover nobody
	expect_exit 1 "$SHUNT_BUILD/shunt" check "$T/no-such-file"
	expect_exit 2 shunt
	expect_exit 2 shunt nonsense
	expect_exit 2 shunt drain
	expect_exit 2 shunt weight b1 many
	expect_exit 2 shunt drain b1 --timeout 5
	expect_exit 3 "$SHUNT_BUILD/shunt" --socket "$T/nothing.sock" status
}

# ---- reload ----

# What must not change when a reload is refused: decisions, and every word of the tables in use.
fingerprint() {
	json '[.[] | {name, active, state, slots}]' groups
	json '[.[] | {name, weight, admin, health}]' backends
	bpftool -j map dump pinned "$BPF_DIR/services" | sha256sum
	tables
}

tables() { # GROUP-INDEX CHECKSUM, for each group: of the slots that it uses now
	local index table lines
	lines=$((4096 / 16))
	bpftool -j map dump pinned "$BPF_DIR/slots" | jq -c '.[].formatted.value' >"$T/slots"
	while read -r index table; do
		echo "table of group $index: $(tail -n +$((table * lines + 1)) "$T/slots" | head -n $lines | sha256sum)"
	done < <(bpftool -j map dump pinned "$BPF_DIR/groups" |
		jq -r '.[].formatted | select(.value.used == 1) | "\(.key) \(.value.table)"')
}

bad_reloads() {
	local before bad
	start_system
	shunt drain b3
	wait_for 15 "the slots settle" settled
	connect_every 5 connect $VIP 80
	before=$(fingerprint)
	for bad in 's/10.77.0.12/10.77.0.999/' 's/flow_timeout: 2s/flow_timeout: 2/' \
		's/group: pair/group: nobody/' 's/active-active/active-whatever/' 's/table_size: 4096/table_size: 4095/' \
		's/primary: b1/primary: b3/' 's/name: b2/name: b1/' 's/^services:/servises:/' 's/port: 80/port: 80x/' \
		's/interfaces: .*/interfaces: [nowhere0]/' 's/^defaults:.*/defaults: {/'; do
		the_config 'b1, b2, b3' | sed "$bad" | config
		expect_exit 1 shunt reload
		expect "$(fingerprint)" = "$before" "running state after the refused $bad"
		[[ $bad == *nowhere0* ]] || grep -Eq ':[0-9]+:[0-9]+: ' "$T/err" || fail "$bad: no line and column: $(cat "$T/err")"
	done
	the_config 'b1, b2, b3' | config
	expect_exit 0 shunt reload
	expect "$(fingerprint)" = "$before" "running state after a reload that changes nothing"
	stop_traffic connect
	expect_no_failure connect
}

scattering_reload() {
	start_system
	the_config 'b1, b2, b3' 'hash_seed: 7' | config
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" hash_seed "the reason"
	the_config 'b1, b2, b3' | sed 's/table_size: 4096/table_size: 8192/' | config
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" table_size "the reason"
	the_config 'b1, b2, b3' | sed 's/flow_table_size: 65536/flow_table_size: 131072/' | config
	expect_exit 1 shunt reload
	expect_contains "$(cat "$T/err")" flow_table_size "the reason"
}

forced_reload() {
	start_system
	connect_every 5 connect $VIP 80
	expect_exit 0 shunt drain b2
	the_config 'b1, b2, b3' 'hash_seed: 7' | sed 's/table_size: 4096/table_size: 8192/' | config
	expect_exit 0 shunt reload --force
	expect "$(group app slots.total)" -eq 8192 "slots of the table now"
	expect "$(servers $VIP 80)" = 'b1 b3' "who answers"
	expect_exit 0 shunt ready b2
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers with b2 back"
	stop_traffic connect
	note "$(grep '^attempts' "$T/connect.log") while the tables were laid out anew"
	expect "$(awk '$3 == "failed"' "$T/connect.log" | wc -l)" -le 2 "connections caught between two tables"
	stop_shuntd
	start_shuntd
	expect "$(group app slots.total)" -eq 8192 "slots after a restart"
}

another_layout_at_start() {
	start_system
	stop_shuntd
	the_config 'b1, b2, b3' | sed 's/table_size: 4096/table_size: 8192/' | config
	expect_exit 1 on lb "$SHUNT_BUILD/shuntd" -c "$CONFIG" --run-dir "$RUN_DIR" --state-dir "$STATE_DIR" --bpf-dir "$BPF_DIR"
	expect_contains "$(cat "$T/err")" "--fresh" "the remedy"
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers while no controller runs"
	connect_every 5 connect $VIP 80
	start_shuntd --fresh
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers"
	stop_traffic connect
	note "$(grep '^attempts' "$T/connect.log") while another data path took over"
	expect "$(awk '$3 == "failed"' "$T/connect.log" | wc -l)" -le 2 "connections caught between two tables"
	expect "$(group app slots.total)" -eq 8192 "slots of the table now"
}

reload_by_signal() {
	start_system
	the_config 'b1, b2' | config
	kill -HUP "$(pid_of shuntd)"
	wait_for 5 "b3 is out of the group" is_active app 'b1 b2'
	expect "$(servers $VIP 80)" = 'b1 b2' "who answers"
}

services_come_and_go() {
	start_system
	the_config 'b1, b2, b3' | sed '/name: web,/d' | config
	expect_exit 0 shunt reload
	on client "$FLOWS" connect $VIP 80 --count 3 --timeout 200ms >"$T/log" && fail "a removed service answers"
	expect "$(servers $VIP6 80)" = 'b1 b2 b3' "who answers the other service"
	the_config 'b1, b2, b3' | config
	expect_exit 0 shunt reload
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers the service that came back"
}

# ---- restarts ----

decisions_survive() { # stop_shuntd|kill_shuntd
	local before
	start_system
	shunt drain b3
	shunt weight b2 50
	shunt failover pair --to b2
	wait_for 3 "b2 is forced" is_active pair b2
	wait_for 15 "the slots settle" settled
	before=$(fingerprint)
	connect_every 5 connect $VIP 80
	"$1"
	expect "$(servers $OTHER_VIP 80 20)" = b2 "who answers the pair meanwhile"
	start_shuntd
	wait_for 5 "every backend is up" all_up
	expect "$(fingerprint)" = "$before" "decisions and tables after the restart"
	expect "$(json .forced groups pair)" = b2 "the forced member"
	stop_traffic connect
	expect_no_failure connect
	expect "$(servers $OTHER_VIP 80 20)" = b2 "who answers the pair"
}

failover_survives() {
	start_system
	stop server-b1 KILL
	wait_for 3 "b2 takes over" is_active pair b2
	kill_shuntd
	serve b1
	start_shuntd
	wait_for 5 "every backend is up" all_up
	expect "$(active pair)" = b2 "active after the restart (failback is manual)"
	expect "$(group pair failovers)" -ge 1 "failovers counted"
}

death_while_away() {
	start_system
	stop_shuntd
	stop server-b2 KILL
	start_shuntd
	wait_for 5 "b2 is down" is down backend b2 health
	wait_for 3 "b2 is out" is_active app 'b1 b3'
	expect "$(servers $VIP 80)" = 'b1 b3' "who answers"
}

damaged_state() {
	local file n=0
	start_system
	shunt drain b3
	stop_shuntd
	while read -r file; do
		printf 'XXXX damaged XXXX' | dd of="$file" conv=notrunc status=none
		n=$((n + 1))
	done < <(find "$STATE_DIR" -type f)
	expect "$n" -ge 1 "state files"
	start_shuntd
	wait_for 5 "every backend is up" all_up
	grep -rq 'XXXX damaged XXXX' "$STATE_DIR" || fail "the damaged file was not kept"
	grep -Eqi '^(error|warn).*(state|damaged|aside)' "$T/shuntd.log" || fail "the log says nothing of the damaged state"
	expect "$(servers $VIP 80 | grep -c b1)" -eq 1 "traffic goes on"
	stop_shuntd
	start_shuntd
	wait_for 5 "every backend is up" all_up
	expect_exit 0 shunt drain b1
}

# ---- leaving ----

has_xdp() { ip -n "$NET-lb" -j link show eth0 | jq -e '.[0].xdp' >/dev/null; }
has_no_xdp() { ! has_xdp; }

stop_keeps() {
	start_system
	stop_shuntd
	has_xdp || fail "the program left with the controller"
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers without a controller"
}

stop_detaches() {
	start_system 'on_exit: detach'
	has_xdp || fail "no program on eth0"
	stop_shuntd
	has_no_xdp || fail "the program is still there"
	no_pins || fail "pins are left: $(ls "$BPF_DIR")"
}

detach() {
	start_system
	expect_exit 0 shunt detach
	wait_for 5 "the program leaves" has_no_xdp
	wait_for 5 "the pins leave" no_pins
	stop server-b1 # the controller may stay or go: it must not come back with the program
	has_no_xdp || fail "the program came back"
}

no_pins() { [ -z "$(ls -A "$BPF_DIR" 2>/dev/null)" ]; }

two_instances() {
	net_make client lb lb2 b1 b2
	serve b1
	serve b2
	ip -n "$NET-client" route add $OTHER_VIP via "$(ip4 lb2)"
	instance_of lb $VIP b1
	instance_of lb2 $OTHER_VIP b2
	expect "$(servers $VIP 80 20)" = b1 "who answers behind the first"
	expect "$(servers $OTHER_VIP 80 20)" = b2 "who answers behind the second"
	use_instance of-lb2 lb2
	expect_exit 0 shunt detach
	use_instance of-lb lb
	expect "$(active app)" = b1 "the first, after the second has left"
	expect "$(servers $VIP 80 20)" = b1 "who answers behind the first"
}

instance_of() { # HOST ADDRESS BACKEND
	use_instance "of-$1" "$1"
	balance <<-END
		interfaces: [eth0]
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $2, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [$3]}]
		backends: [{name: $3, address: $(ip4 "$3")}]
	END
}

second_of_the_same() {
	start_system
	expect_exit 1 on lb "$SHUNT_BUILD/shuntd" -c "$CONFIG" --run-dir "$RUN_DIR" --state-dir "$STATE_DIR" --bpf-dir "$BPF_DIR"
	expect "$(servers $VIP 80)" = 'b1 b2 b3' "who answers"
	is_running shuntd || fail "the first one ended"
}

# ---- insight ----

# explain_agrees ADDRESS: for each living flow, explain names the server that really answers it.
explain_agrees() {
	local source destination name said n=0
	while read -r _ source destination name _; do
		said=$(json .backend explain tcp "$source" "$destination")
		expect "$said" = "$name" "backend of $source → $destination by explain, against the server that answers"
		n=$((n + 1))
	done < <(grep '^flow ' "$T/$1.log" | tail -n "$2")
	expect "$n" -eq "$2" "flows compared"
}

list_flows() { # LABEL N
	local lines
	lines=$(grep -c '^connections ' "$T/$1.log" || true)
	kill -USR1 "$(pid_of "$1")"
	wait_for 3 "the flows are listed" has_more_lines "$1" "$lines"
}

has_more_lines() { [ "$(grep -c '^connections ' "$T/$1.log")" -gt "$2" ]; }

# b1 drains and every living flow is pinned: those of b1 stay, and would go elsewhere if they began now.
explain_tells_the_pinned_from_the_new() { # LABEL
	local source destination new
	read -r source destination < <(awk '$1 == "flow" && $4 == "b1" { flow = $2 " " $3 } END { print flow }' "$T/$1.log")
	expect "$(json .pinned_backend explain tcp "$source" "$destination")" = b1 "who has the flow"
	new=$(json .new_flow_backend explain tcp "$source" "$destination")
	expect_contains "b2 b3" "$new" "who would have it if it began now"
	expect_contains "$(json .reason explain tcp "$source" "$destination")" \
		"is pinned to b1 (draining); a new flow would go to $new" "the reason"
	expect "$(json .pinned_backend explain tcp 10.77.0.1:999 $VIP:80)" = null "who has a flow that is not known"
	expect "$(json 'has("if_failed"), has("if_drained")' explain tcp "$source" "$destination" | xargs)" = "true false" "what is foretold of a backend that is drained already"
}

explain() {
	local before
	start_system
	hold hold 60 $VIP 80 --every 20ms --list
	hold hold6 30 $VIP6 80 --every 20ms --list
	list_flows hold
	list_flows hold6
	explain_agrees hold 20
	explain_agrees hold6 10
	shunt drain b1
	wait_for 3 "b1 takes no new flows" is_active app 'b2 b3'
	explain_agrees hold 20
	explain_agrees hold6 10
	wait_for 8 "every living flow is pinned" no_slot_moves
	explain_agrees hold 20
	explain_agrees hold6 10
	explain_tells_the_pinned_from_the_new hold
	expect "$(json .service explain tcp 10.77.0.1:999 $VIP:80)" = web "service"
	expect "$(json .group explain tcp 10.77.0.1:999 $VIP:80)" = app "group"
	before=$(service pair packets)
	shunt explain tcp 10.77.0.1:999 $OTHER_VIP:80 >"$T/out"
	expect_contains "$(cat "$T/out")" b2 "explain for people (b1, the primary, drains)"
	expect "$(service pair packets)" -eq "$before" "packets counted by explain"
	stop_traffic hold
	stop_traffic hold6
	expect_unbroken hold
}

# foretold ADDRESS LABEL: what explain says of some flows whose backend is b1, a document a line, with the port, in $T/LABEL.
foretold() {
	local port
	for port in $(seq 4000 4014); do
		shunt --json explain tcp "10.77.0.1:$port" "$1:80" | jq -c ". + {port: $port} | select(.backend == \"b1\")"
	done >"$T/$2"
	expect "$(wc -l <"$T/$2")" -ge 1 "flows whose backend is b1"
}

as_foretold() { # ADDRESS LABEL FIELD: new flows go where it was said
	local port next
	while read -r port next; do
		expect "$(json .new_flow_backend explain tcp "10.77.0.1:$port" "$1:80")" = "$next" \
			"where port $port goes, against what explain foretold"
	done < <(jq -r "\"\(.port) \($3)\"" "$T/$2")
}

explain_foretells() {
	start_system
	wait_for 10 "the slots settle" settled
	foretold $VIP app
	foretold $OTHER_VIP pair
	expect "$(jq -r '.if_drained.backend' "$T/pair" | sort -u)" = b1 "an established flow of a drained backend stays"
	expect "$(jq -r '.if_failed.group_state' "$T/pair" | sort -u)" = failed-over "the group's state after a failure of the primary"
	shunt explain tcp 10.77.0.1:4000 $OTHER_VIP:80 >"$T/out"
	expect_contains "$(cat "$T/out")" "if b1 were drained  this flow stays on b1, new ones go to b2" "for people"
	shunt drain b1
	wait_for 3 "b1 takes no new flows" is_active app 'b2 b3'
	as_foretold $VIP app .if_drained.new_flow_backend
	shunt ready b1
	wait_for 3 "b1 is back" is_active app 'b1 b2 b3'
	stop server-b1 KILL
	wait_for 5 "b1 is down" is_active app 'b2 b3'
	wait_for 5 "the pair has failed over" is_active pair b2
	as_foretold $VIP app .if_failed.backend
	as_foretold $OTHER_VIP pair .if_failed.backend
}

maps() {
	local path type command n=0 dump
	start_system
	servers $VIP 80 20 >/dev/null
	while read -r path type; do
		[ -e "$path" ] || fail "shunt maps lists $path, which is not there"
		dump=$(first_of_dump "$path")
		[[ $type == *array* || $dump != '[]'* ]] || continue # not an array, and nothing is in it yet
		[[ $dump == *'"value"'* && $dump != *'key: '* && $dump == *'": '* ]] ||
			fail "bpftool prints no field names for $path: ${dump:0:200}"
		n=$((n + 1))
	done < <(json '.[] | "\(.path) \(.type)"' maps)
	expect "$n" -ge 8 "maps listed"
	expect_dump services address
	expect_dump groups table
	expect_dump slots now
	expect_dump backends next_hop
	expect_dump flows fingerprint
	expect_dump service_stats new_flows
	expect_dump backend_stats packets
	expect_dump drop_stats packets
	while read -r command; do # as printed for people
		dump=$($command 2>&1 | head -c 1000) || true
		[[ $dump == *'"value"'* || $dump == '[]'* ]] || fail "$command prints no fields"
		n=$((n + 1))
	done < <(shunt maps | grep -o 'bpftool map dump pinned [^ ]*' || shunt maps | grep -o "$BPF_DIR/[^ ]*" |
		sed 's/^/bpftool map dump pinned /')
	expect "$n" -ge 16 "maps listed twice over"
}

first_of_dump() { bpftool map dump pinned "$1" 2>&1 | head -c 4000 || true; } # PATH; the rest of a large map is not waited for

expect_dump() { # MAP FIELD
	first_of_dump "$BPF_DIR/$1" | grep -q "\"$2\"" || fail "map $1 shows no \"$2\""
}

has_event() { jq -se --arg kind "$2" --arg object "$3" 'any(.[]; .kind == $kind and .object == $object)' "$T/$1.log" >/dev/null; } # LABEL KIND OBJECT

events() {
	local ids
	start_system
	spawn follow lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" --json events --since 1s --follow
	shunt drain b1
	wait_for 5 "who follows is told of the drain" has_event follow drain 'backend b1'
	stop follow
	shunt ready b1
	shunt failover pair --to b2
	wait_for 3 "b2 is active" is_active pair b2
	kill_shuntd
	start_shuntd
	shunt maint b3
	stop server-b2 KILL
	wait_for 5 "b2 is down" is down backend b2 health
	ids=$(json '[.[].id] | . == [range(.[0]; .[0] + length)]' events)
	expect "$ids" = true "ids grow by one, also across restarts"
	for word in drain ready failover maint; do
		[ "$(json "[.[] | select(.kind == \"$word\" or (.text | test(\"$word\")))] | length" events)" -ge 1 ] ||
			fail "no event tells of $word"
	done
	expect "$(json '[.[] | select(.actor == "operator")] | length' events)" -ge 4 "events of the operator"
	expect "$(json '[.[] | select(.kind == "failover" and .actor != "operator")] | length' events)" -le 1 \
		"failovers that nobody asked for"
}

# Killed at any moment, also while it writes: what an operator was told is done stands in the trail, each time, and no id is missing.
events_through_kills() {
	local told ids
	start_system
	: >"$T/told"
	for _ in 1 2 3 4; do
		{ while shunt drain b1 && shunt ready b1; do echo both >>"$T/told"; done >/dev/null 2>&1; } &
		sleep "0.$((RANDOM % 60 + 30))" # any moment
		kill_shuntd
		wait $!
		start_shuntd
	done
	told=$(wc -l <"$T/told")
	ids=$(json '[.[].id] | . == [range(.[0]; .[0] + length)]' events)
	expect "$ids" = true "ids grow by one through four kills"
	expect "$(json '[.[] | select(.kind == "ready")] | length' events)" -ge "$told" "events of $told returns that were confirmed"
	note "$told drains and returns, shuntd killed four times on the way: $(json length events) events, no id is missing"
}

# ---- API ----

http() { # EXPECTED-STATUS METHOD PATH [CURL-OPTION…]: the document is left in $T/body
	local expected=$1 method=$2 path=$3 status
	shift 3
	status=$(curl -s -m 5 --unix-socket "$RUN_DIR/shunt.sock" -o "$T/body" -w '%{http_code}' -X "$method" "$@" \
		"http://localhost$path")
	expect "$status" = "$expected" "status of $method $path ($(head -c 200 "$T/body"))"
}

body() { jq -r "$1" <"$T/body"; }

api() {
	start_system
	http 200 GET /health
	expect "$(body .status)" = healthy "health"
	http 200 GET /api/v1/status
	expect "$(body '.services | length')" -eq 3 "services in the status"
	http 200 GET /api/v1/groups
	expect "$(body '.[0].name')" = app "first group"
	http 200 GET /api/v1/groups/pair
	expect "$(body '.active[0]')" = b1 "active member"
	http 200 GET /api/v1/backends/b1
	expect "$(body '.health + " " + .admin')" = 'up ready' "backend"
	http 200 POST /api/v1/backends/b1/drain -d '{"timeout": "5m"}'
	http 200 POST /api/v1/backends/b1/ready
	http 200 POST /api/v1/backends/b1/weight -d '{"weight": 50}'
	expect "$(backend b1 weight)" -eq 50 "weight"
	http 200 POST /api/v1/groups/pair/primary -d '{"backend_id": "b2"}'
	wait_for 3 "b2 is active" is_active pair b2
	http 200 POST /api/v1/groups/pair/failback
	wait_for 3 "b1 is active" is_active pair b1
	http 200 POST /api/v1/reload
	http 200 GET "/api/v1/explain?proto=tcp&src=10.77.0.1:4000&dst=$VIP:80"
	expect "$(body .service)" = web "service by explain"
	http 200 GET '/api/v1/events?since=0'
	http 404 GET /api/v1/groups/nobody
	http 404 GET /nowhere
	http 405 DELETE /api/v1/status
	http 400 POST /api/v1/backends/b1/weight -d '{"weight": '
	http 400 POST /api/v1/backends/b1/weight -d '{"weight": "heavy"}'
	head -c 4000000 /dev/zero >"$T/big"
	http 413 POST /api/v1/backends/b1/drain --data-binary "@$T/big"
	[ "$(jq -r 'has("error")' <"$T/body")" = true ] || fail "an error without a reason"
	stop server-b1 KILL
	stop server-b2 KILL
	stop server-b3 KILL
	wait_for 5 "everything is down" unhealthy
}

unhealthy() { # conditions of wait_for must not `fail`, which ends the test
	[ "$(curl -s --unix-socket "$RUN_DIR/shunt.sock" -o /dev/null -w '%{http_code}' http://localhost/health)" = 503 ]
}

metrics() {
	local name
	start_system
	servers $VIP 80 20 >/dev/null
	http 200 GET /metrics
	for name in shunt_service_packets_total shunt_backend_packets_total shunt_backend_up shunt_group_failovers_total \
		shunt_group_active shunt_drops_total shunt_flow_table_entries shunt_slots_moving shunt_build_info; do
		grep -q "^$name" "$T/body" || fail "no $name in the metrics"
	done
	expect "$(grep -c '^shunt_backend_up{backend="b[123]"} 1$' "$T/body")" -eq 3 "backends up in the metrics"
	! command -v promtool >/dev/null || promtool check metrics <"$T/body"
}

api_over_tcp() {
	echo secret-word >"$T/token"
	chmod 600 "$T/token"
	start_system "api: {listen: \"127.0.0.1:8080\", token_file: $T/token}"
	expect "$(on lb curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/api/v1/status)" = 401 "without a token"
	expect "$(on lb curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer wrong' \
		http://127.0.0.1:8080/api/v1/status)" = 401 "with a wrong token"
	expect "$(on lb curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer secret-word' \
		http://127.0.0.1:8080/api/v1/status)" = 200 "with the token"
}

suite operations
run_test 'drain takes no new flows, ready takes it back' drain_and_ready
run_test 'drain --wait returns when no flow is left' drain_waits
run_test 'drain --wait returns when its timeout passes' drain_gives_up_waiting
run_test 'maint takes a backend out at once' maintenance
run_test 'weights shift new flows and last until the next reload' weights
run_test 'exit codes are 0, 1, 2, 3 as promised' exit_codes
run_test 'a bad file is refused and changes nothing' bad_reloads
run_test 'a reload that would scatter living flows is refused' scattering_reload
run_test 'reload --force lays the tables out anew while traffic goes on' forced_reload
run_test 'another table_size at the start is refused, --fresh replaces' another_layout_at_start
run_test 'SIGHUP reloads' reload_by_signal
run_test 'services come and go by reload' services_come_and_go
run_test 'a restart goes on with drains, weights, forced failovers and tables' decisions_survive stop_shuntd
run_test 'so does a start after kill -9' decisions_survive kill_shuntd
run_test 'a failover survives kill -9, also when the primary returns meanwhile' failover_survives
run_test 'a backend that died while the controller was away is found' death_while_away
run_test 'a damaged state file is set aside, not trusted, not deleted' damaged_state
run_test 'stopping leaves the data path forwarding' stop_keeps
run_test 'on_exit: detach takes program and pins along' stop_detaches
run_test 'shunt detach takes the data path off' detach
run_test 'two instances run side by side' two_instances
run_test 'a second shuntd in the same directories is refused' second_of_the_same
run_test 'explain agrees with where flows really go, also while slots move' explain
run_test 'explain foretells where flows go when their backend fails or is drained' explain_foretells
run_test 'bpftool prints the maps with field names' maps
run_test 'events have ids without gaps and tell who did what' events
run_test 'kill -9 at any moment loses no event that was told of, and no id' events_through_kills
run_test 'the API on the Unix socket' api
run_test 'the API over TCP wants its token' api_over_tcp
run_test 'the metrics' metrics
finish
