#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# hooks: programs and a real web server that are told what happens; they fail, hang, are flooded, and nobody waits for them.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

# the_config HOOKS [MORE…]: one group of b1 and b2, active-passive.
the_config() {
	local hooks=$1 more
	shift
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 1024
		flow_table_size: 4096
		defaults: {health_check: {type: tcp, interval: 100ms, timeout: 100ms, fast_interval: 20ms}}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-passive, backends: [b1, b2], primary: b1, failback: automatic, failback_delay: 0s}]
		hooks: $hooks
	END
	for more in "$@"; do echo "$more"; done
	some_backends 2
}

network() {
	net_make client lb b1 b2
	serve b1
	serve b2
}

# receiver [LINE…]: nginx on the client's host takes documents under /hook, over TLS on 443 and plain on 8080, and logs each body
# as a line of $T/received. Lines go into the location.
receiver() {
	local dir=$T/receiver line
	mkdir -p "$dir"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hooks.example.com \
		-addext "subjectAltName=DNS:hooks.example.com,IP:$(ip4 client)" -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	{
		cat <<-END
			daemon off; worker_processes 1; pid $dir/pid; error_log stderr;
			events { worker_connections 256; }
			http {
				log_format body escape=none '\$request_body';
				access_log off;
				client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
				server { listen 127.0.0.1:9999; return 204; }
				server {
					listen 8080; listen 443 ssl; ssl_certificate $dir/cert.pem; ssl_certificate_key $dir/key.pem;
					location = /alive { return 200; }
					location /hook {
						access_log $T/received body;
		END
		for line in "$@"; do echo "$line"; done
		echo "proxy_pass http://127.0.0.1:9999; } } }"
	} >"$dir/nginx.conf"
	spawn receiver client nginx -p "$dir" -c "$dir/nginx.conf"
	wait_for 10 "the receiver answers" on client curl -sf http://127.0.0.1:8080/alive
}

received() { jq -se "$1" "$T/received"; } # FILTER of the array of documents: true
trail() { shunt --json events | jq -e "any(.[]; $1)"; } # FILTER of an event
metric() { on lb curl -sf --unix-socket "$RUN_DIR/shunt.sock" http://shunt/metrics | sed -n "s/^$1 //p"; } # NAME{LABELS}
is_at_least() { local n=$1; shift; [ "$("$@")" -ge "$n" ]; }
program() { # LINE…: the program of the hook
	{ echo '#!/bin/bash' && printf '%s\n' "$@"; } >"$T/hook.sh"
	chmod +x "$T/hook.sh"
}

a_failover_is_posted() {
	network
	# shellcheck disable=SC2016 # of nginx
	receiver 'if ($http_authorization != "Bearer t0ken-of-the-hook") { return 401; }'
	echo t0ken-of-the-hook >"$T/token"
	the_config "{webhook: \"https://$(ip4 client)/hook/s3cret-of-the-url\", token_file: $T/token, ca_file: $T/receiver/cert.pem}" | balance
	stop server-b1 KILL
	wait_for 10 "the failover arrives" received 'any(.[]; .event == "failover")'
	wait_for 5 "it is in the trail" trail '.kind == "hook" and (.text | test("failover of group app .*delivered after 1 attempt, [0-9]+ ms: status 204"))'
	received '.[] | select(.event == "failover") | .group == {name: "app", mode: "active-passive", state: "failed-over",
		cause: "the tier in use cannot serve any more", from: ["b1"], to: ["b2"]} and .version == 1 and .actor == "controller"' ||
		fail "the document: $(grep failover "$T/received")"
	received "any(.[]; .event == \"backend\" and .backend.name == \"b1\" and .backend.to == \"down\" and .backend.from == \"up\" and
		.backend.address == \"$(ip4 b1)\" and .backend.check.reason == \"refused\")" || fail "the backend: $(cat "$T/received")"
	stop server-b2 KILL
	wait_for 10 "the group's end arrives" received 'any(.[]; .event == "group-down" and .group.state == "down" and (.group.backends | length) == 2)'
	serve b1
	wait_for 10 "its return arrives" received 'any(.[]; .event == "group-up")'
	wait_for 10 "and the failback" received 'any(.[]; .event == "failback" and .group.to == ["b1"])'
	received '[.[].id] | . == sort' || fail "not in order: $(jq -c .id "$T/received")"
	expect "$(json '[.[] | select(.kind == "failover")][0].id' events)" = "$(jq -s '[.[] | select(.event == "failover")][0].id' "$T/received")" "its id"
	no_secrets
}

# Neither token nor URL in what is logged, kept or answered.
no_secrets() {
	the_config "{webhook: \"https://$(ip4 client)/hook/n3w-s3cret\", token_file: $T/token}" | config
	shunt --json reload >"$T/reloaded"
	grep -q 'hooks webhook' "$T/reloaded" || fail "the reload does not tell the change: $(cat "$T/reloaded")"
	wait_for 5 "it is in force" is_at_least 0 metric 'shunt_hook_waiting{hook="webhook"}'
	shunt --json status >"$T/told"
	shunt --json events >>"$T/told"
	on lb curl -sf --unix-socket "$RUN_DIR/shunt.sock" http://shunt/metrics >>"$T/told"
	if grep -rl 's3cret\|t0ken' "$T/told" "$T/reloaded" "$T/shuntd.log" "$STATE_DIR"; then fail "a secret was told"; fi
	expect "$(json '.hooks[0].to' status | sed 's/ .*//')" = "https://$(ip4 client)/…" "the receiver as shown"
}

a_program_is_run_until_it_works() {
	network
	# shellcheck disable=SC2016 # of the program
	program 'cat >"'"$T"'/body.$SHUNT_EVENT_ID.$SHUNT_ATTEMPT"' \
		'[ "$SHUNT_EVENT" = failover ] || exit 0' \
		'[ "$SHUNT_ATTEMPT" -ge 3 ] || { echo not yet; exit 7; }' \
		'env >"'"$T"'/env"'
	the_config "{exec: [$T/hook.sh, an argument], on: [failover], max_attempts: 4, backoff: 50ms}" | balance
	expect_exit 0 shunt failover app --to b2
	wait_for 10 "the program takes it" trail '.kind == "hook" and .object == "hook exec" and (.text | test("failover of group app .*delivered after 3 attempts"))'
	expect "$(find "$T" -name 'body.*' | wc -l)" -eq 3 "attempts"
	jq -e '.event == "failover" and .actor == "operator" and .group.from == ["b1"] and .group.to == ["b2"]' "$T"/body.*.3 >/dev/null || fail "the document: $(cat "$T"/body.*.3)"
	expect "$(cat "$T"/body.*.1)" = "$(cat "$T"/body.*.3)" "the document of the first attempt"
	expect_contains "$(cat "$T/shuntd.log")" "attempt 1 of 4: exit status 7: not yet: again in" "the log"
	expect "$(metric 'shunt_hook_documents_total{hook="exec",result="delivered"}')" -eq 1 "delivered documents"
	expect "$(metric 'shunt_hook_attempts_total{hook="exec"}')" -eq 3 "attempts counted"
	if grep -v '^\(SHUNT_\(EVENT\|EVENT_ID\|ATTEMPT\|RUN\)\|PATH\|PWD\|SHLVL\|_\)=' "$T/env"; then fail "more in its environment"; fi
}

no_sleepers() { ! pgrep -f -x "sleep 9$$"; }
sleepers() { pgrep -f -x "sleep 9$$"; }

what_hangs_is_killed() {
	network
	program "setsid sleep 9$$ &" "(setsid sleep 9$$ &)" "env -i setsid -f sleep 9$$" "sleep 9$$"
	the_config "{exec: [$T/hook.sh], on: [failover], max_attempts: 2, timeout: 700ms, backoff: 50ms}" | balance
	expect_exit 0 shunt failover app --to b2
	wait_for 5 "it hangs" sleepers
	wait_for 10 "it is given up" trail '.kind == "hook" and (.text | test("given up after 2 attempts, [0-9]+ ms: timeout after 0.7 s"))'
	wait_for 5 "none of its processes is left" no_sleepers
	expect "$(metric 'shunt_hook_documents_total{hook="exec",result="failed"}')" -eq 1 "documents given up"
	program "setsid -f sleep 9$$" 'exit 0'
	expect_exit 0 shunt failback app
	expect_exit 0 shunt failover app --to b2
	wait_for 10 "the next one is delivered" is_at_least 1 metric 'shunt_hook_documents_total{hook="exec",result="delivered"}'
	wait_for 5 "what it left is gone" no_sleepers
}

# Failovers by a killed server: milliseconds from the event that it is down to the event that the group has moved, a line each.
failover_times() { # N
	local n
	for n in $(seq "$1"); do
		stop server-b1 KILL
		wait_for 10 "failover $n" is b2 active app
		serve b1
		wait_for 10 "failback $n" is b1 active app
	done
	shunt --json events | jq -r 'def ms: (.time | sub("\\.[0-9]+Z"; "Z") | fromdate) * 1000 + (.time | capture("\\.(?<f>[0-9]+)Z").f | tonumber);
		reduce .[] as $e ({}; if $e.object == "backend b1" and ($e.text | startswith("down")) then .at = ($e | ms)
			elif $e.kind == "failover" and .at then .all += [($e | ms) - .at] | .at = null else . end) | .all[]'
}

nobody_waits_for_hooks() {
	local without with
	network
	the_config '{exec: [/bin/true], on: [group]}' | balance
	without=$(failover_times 6 | median)
	# A program that hangs, and a URL whose name no server resolves: the name server's address is nobody's.
	program "exec sleep 9$$"
	the_config "{exec: [$T/hook.sh], webhook: \"http://hooks.example.com/x\", timeout: 2s, max_attempts: 2}" \
		"name_servers: [\"10.77.0.99\"]" | config
	stop_shuntd
	rm -rf "$STATE_DIR"
	start_shuntd
	wait_for 10 "b1 serves" is b1 active app
	with=$(failover_times 6 | median)
	wait_for 10 "one is given up" trail '.kind == "hook" and .object == "hook webhook" and (.text | test("given up"))'
	note "from \"down\" to the group's move, median of 6: $without ms without hooks, $with ms with two that hang"
	expect "${with%.*}" -le "$((${without%.*} + 10))" "ms to the move with hooks that hang"
	expect "$(json .checks.late_p99_ms status)" -le 200 "how late checks begin (ms, 99 of 100)"
	stop_shuntd
	no_sleepers || fail "a program outlives shuntd"
	grep -q 'not delivered: shuntd ends' "$STATE_DIR/events.jsonl" || fail "the trail does not tell what was not delivered"
}

a_flood_fills_the_queue() {
	local i
	network
	receiver
	the_config "{webhook: \"http://$(ip4 client):8080/hook\", queue: 5, timeout: 10s, on: [failover, failback]}" | balance
	kill -STOP "$(pgrep -P "$(pid_of receiver)")"
	for i in $(seq 10); do
		expect_exit 0 shunt failover app --to b2
		expect_exit 0 shunt failback app
	done
	expect "$(metric 'shunt_hook_waiting{hook="webhook"}')" -eq 5 "documents that wait"
	expect "$(metric 'shunt_hook_documents_total{hook="webhook",result="dropped"}')" -eq 15 "documents dropped"
	trail '.kind == "hook" and (.text | test("queue of 5 is full"))' >/dev/null || fail "not told"
	expect "$(shunt --json events | jq '[.[] | select(.kind == "hook" and (.text | test("full")))] | length')" -eq 1 "times it is told"
	kill -CONT "$(pgrep -P "$(pid_of receiver)")"
	wait_for 10 "the end is told" trail '.kind == "hook" and (.text | test("empty again: 15 documents were dropped"))'
	wait_for 5 "all that waited arrives" received 'length == 5'
	expect "$(json '[.[] | select(.kind == "failback")] | last | .id' events)" = "$(jq -s 'last.id' "$T/received")" "the newest event is the last document"
	received '[.[].id] | . == sort' || fail "not in order: $(jq -c .id "$T/received")"
}

who_waits_goes_to_the_next_receiver() {
	network
	receiver
	the_config "{webhook: \"http://$(ip4 client):81/nobody\", on: [failover], backoff: 1h, max_backoff: 1h, max_attempts: 2}" | balance
	expect_exit 0 shunt failover app --to b2
	wait_for 5 "an attempt fails" is_at_least 1 metric 'shunt_hook_attempts_total{hook="webhook"}'
	the_config "{webhook: \"http://$(ip4 client):8080/hook\", on: [failover]}" | config
	expect_exit 0 shunt reload
	wait_for 10 "it arrives at the other" received 'length == 1 and .[0].event == "failover"'
	expect_exit 0 shunt failback app
	the_config "{exec: [/bin/true]}" | config
	expect_exit 0 shunt reload
	expect "$(json '.hooks | map(.hook) | join(" ")' status)" = exec "hooks that are configured"
}

suite hooks
run_test 'a failover is posted with its reasons, in order, and no secret is told' a_failover_is_posted
run_test 'a program is run again until it takes the document' a_program_is_run_until_it_works
run_test 'a program that hangs is killed with all that it began' what_hangs_is_killed
run_test 'nobody waits for hooks' nobody_waits_for_hooks
run_test 'a flood fills the queue: the oldest are dropped, and that is said' a_flood_fills_the_queue
run_test 'what waits goes to the next receiver' who_waits_goes_to_the_next_receiver
finish
