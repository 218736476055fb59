#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Groups as a LEBA-style setup has them: its snippets of configuration and its curl calls as they are written, and groups that are
# posted and deleted while it runs.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10
VIP2=192.0.2.11
URL=http://localhost:8080/api/v1

network() {
	local host
	net_make client lb b1 b2 b3
	for host in b1 b2 b3; do
		serve_http "$host" 80
		echo ok >"$T/nginx-$host/www/custom-health"
	done
}

call() { on lb curl -s "$@"; }
status_of() { on lb curl -s -o /dev/null -w '%{http_code}' "$@"; }
answered() { is "$1" on client curl -s "http://${2:-$VIP}/"; }

name_server() {
	printf '%s primary-db.example.com\n%s replica-db.example.com\n' "$(ip4 b1)" "$(ip4 b2)" >"$T/hosts"
	spawn dnsmasq lb dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts="$T/hosts" --port=5353 \
		--listen-address=127.0.0.1 --bind-interfaces --user=root --pid-file= --log-facility=- --local=/example.com/
	wait_for 5 "the name server runs" said dnsmasq started
}

as_written() {
	network
	name_server
	config <<-END
		interfaces: [eth0]
		table_size: 4096
		api: {listen: "127.0.0.1:8080"}
		name_servers: ["127.0.0.1:5353"]
		defaults: {health_check: {interval: 200ms, timeout: 100ms}}
		services:
		  - {name: app, address: $VIP, port: 80, group: app-servers}
		  - {name: db, address: $VIP, port: 81, group: db-servers}
		  - {name: custom, address: $VIP2, port: 80, group: custom-check-group}
		  - {name: postgres, address: $VIP, port: 83, group: postgres-cluster}
		failover_groups:
		  - name: "app-servers"
		    mode: "active-passive"
		    backends: ["backend1", "backend2", "backend3"]
		    primary: "backend1"

		  - name: "db-servers"
		    mode: "normal"
		    backends: ["db1", "db2"]
		    primary: "db1"

		  - name: "custom-check-group"
		    mode: "active-passive"
		    backends: ["backend1", "backend2"]
		    primary: "backend1"
		    health_check:
		      path: "/custom-health"
		      interval: "5s"
		      timeout: "2s"
		      healthy_threshold: 3
		      unhealthy_threshold: 2

		  - {name: postgres-cluster, mode: active-passive, health_check: {port: 80}}

		dns_backends:
		  - domain: "primary-db.example.com"
		    protocol: "postgres"
		    port: 5432
		    is_primary: true
		    group_name: "postgres-cluster"

		  - domain: "replica-db.example.com"
		    protocol: "postgres"
		    port: 5432
		    is_primary: false
		    group_name: "postgres-cluster"

		backends:
		  - {name: backend1, address: $(ip4 b1), port: 80}
		  - {name: backend2, address: $(ip4 b2), port: 80}
		  - {name: backend3, address: $(ip4 b3), port: 80}
		  - {name: db1, address: $(ip4 b1), port: 80}
		  - {name: db2, address: $(ip4 b2), port: 80}
	END
	start_shuntd
	wait_for 10 "every backend is up" all_up
	wait_for 10 "every group serves" all_serve
	expect "$(call $URL/groups | jq -r 'map(.name) | join(" ")')" = "app-servers db-servers custom-check-group postgres-cluster" "the groups"
	expect "$(call $URL/groups/app-servers | jq -r '.active[0]')" = backend1 "who serves at first"
	expect "$(call $URL/groups/db-servers | jq -r '.active | sort | join(" ")')" = "db1 db2" "who serves in mode normal"
	expect "$(call $URL/groups/postgres-cluster | jq -r '.active[0]')" = "primary-db.example.com@$(ip4 b1)" "who serves of those by name"
	# The diagnostic commands.
	expect "$(on lb curl -s http://localhost:8080/api/v1/groups/app-servers | jq -r .state)" = normal "its state"
	expect "$(on lb curl -s -X POST -H "Content-Type: application/json" \
		-d '{"backend_id": "backend2"}' \
		http://localhost:8080/api/v1/groups/app-servers/primary)" = '{"status":"ok"}' "the answer to a forced failover"
	expect "$(call $URL/groups/app-servers | jq -r '.active[0], .state, .failovers' | tr '\n' ' ')" = "backend2 failed-over 1 " "after it"
	wait_for 5 "the right one answers" answered b2
	expect "$(status_of -X POST -d '{"backend_id": "nobody"}' $URL/groups/app-servers/primary)" = 400 "a backend that is none"
	expect "$(status_of -X POST -d '{}' $URL/groups/app-servers/primary)" = 400 "no backend"
	expect "$(status_of -X POST -d '{"backend_id": "backend2"}' $URL/groups/no-group/primary)" = 404 "a group that is none"
	expect "$(call -X POST $URL/groups/app-servers/failback)" = '{"status":"ok"}' "the answer to a failback"
	wait_for 5 "the right one answers" answered b1
	# A recovered primary stays standby, as the default has it; every 5 s a check, 2 bad ones: 12 s at most.
	rm "$T/nginx-b1/www/custom-health"
	wait_for 15 "backend2 takes over" is backend2 active custom-check-group
	echo ok >"$T/nginx-b1/www/custom-health"
	wait_for 5 "the right one answers" answered b2 $VIP2
	expect "$(call $URL/groups/custom-check-group | jq -r '.failovers, .healthy, .failed' | tr '\n' ' ')" = "1 1 1 " "its counters"
}

# the_file [LINE…]: a service and its group; lines are more services.
the_file() {
	cat <<-END
		interfaces: [eth0]
		table_size: 4096
		api: {listen: "127.0.0.1:8080"}
		defaults: {health_check: {interval: 100ms, timeout: 100ms}}
		backends:
		  - {name: b1, address: $(ip4 b1)}
		  - {name: b2, address: $(ip4 b2)}
		  - {name: b3, address: $(ip4 b3)}
		failover_groups: [{name: app, mode: active-active, backends: [b1]}${GROUPS_MORE:-}]
		services:
		  - {name: web, address: $VIP, port: 80, group: app}
	END
	for line in "$@"; do echo "  - $line"; done
}

post() { # JSON: the answer is in $T/answer, the status is printed
	on lb curl -s -o "$T/answer" -w '%{http_code}' -X POST -H 'Content-Type: application/json' -d "$1" $URL/groups
}
delete() { on lb curl -s -o "$T/answer" -w '%{http_code}' -X DELETE "$URL/groups/$1"; }
said_because() { expect_contains "$(jq -r .error "$T/answer")" "$1" "the reason"; }

CACHE='{"name": "cache", "mode": "active-passive", "backends": ["b2", "b3"], "primary": "b2", "failback": "manual", "health_check": {"path": "/custom-health", "port": 80}}'

posted_and_deleted() {
	network
	the_file | config
	start_shuntd
	wait_for 10 "the one of the file serves" is b1 active app
	expect "$(post "$CACHE")" = 201 "posting a group"
	expect "$(jq -r '.name, .mode, .primary, (.backends | map(.name) | join("+"))' "$T/answer" | tr '\n' ' ')" = "cache active-passive b2 b2+b3 " "the answer"
	wait_for 5 "it is checked and decided" is b2 active cache
	expect "$(post "$CACHE")" = 409 "posting it again" && said_because 'posted before: DELETE it first'
	expect "$(post '{"name": "app", "backends": ["b1"]}')" = 409 "posting one of the file" && said_because 'in the configuration file'
	expect "$(post '{"name": "x", "mode": "active-passive", "backends": ["b1", "nobody"], "primary": "b1"}')" = 400 "an unknown backend" && said_because 'nobody'
	expect "$(post '{"name": "x", "backends": ["b1"]}')" = 400 "active-passive without primary" && said_because 'primary'
	expect "$(post '{"name": "x", "mod": "active-passive"}')" = 400 "an unknown key" && said_because 'did you mean mode?'
	# Used by a service of the file from now on; established connections do not notice any of it.
	the_file "{name: cache, address: $VIP2, port: 80, group: cache}" | config
	expect_exit 0 shunt reload
	wait_for 5 "b2 answers" answered b2 $VIP2
	expect "$(delete cache)" = 409 "deleting what a service uses" && said_because 'group cache is used by service cache'
	expect "$(call -X POST -d '{"backend_id": "b3"}' $URL/groups/cache/primary)" = '{"status":"ok"}' "a forced failover"
	# After a crash it is there again, with what an operator said of it.
	kill_shuntd
	start_shuntd
	wait_for 10 "it is there again" is b3 active cache
	wait_for 5 "the right one answers" answered b3 $VIP2
	# One of the file goes before one of the same name that was posted.
	GROUPS_MORE=', {name: cache, mode: active-active, backends: [b1]}' the_file "{name: cache, address: $VIP2, port: 80, group: cache}" | config
	expect_exit 0 shunt reload
	wait_for 5 "b1 serves" is b1 active cache
	expect "$(delete cache)" = 409 "deleting one of the file" && said_because "$CONFIG: take it out there"
	# A reload that takes away what a posted group needs is refused.
	the_file | sed '/name: b3/d' | config
	expect_exit 1 shunt reload
	expect_contains "$(tr -s ' \n' ' ' <"$T/err")" 'group "cache": backend "b3" is not in backends' "why the reload is refused"
	the_file | config
	expect_exit 0 shunt reload
	expect "$(delete cache)" = 200 "deleting it when nobody uses it"
	expect "$(status_of $URL/groups/cache)" = 404 "it is gone"
	expect "$(delete cache)" = 404 "deleting it again"
	expect "$(json '[.[] | select(.object == "group cache") | .kind] | map(select(. == "posted" or . == "deleted")) | join(" ")' events)" = "posted deleted" "the audit trail"
	kill_shuntd
	start_shuntd
	expect "$(status_of $URL/groups/cache)" = 404 "it is gone after a crash, too"
}

# A group that no service uses has no port to be checked at; it goes along with groups that check its backends alike.
at_ports_of_services() {
	net_make client lb b1 b2
	serve b1 80 25
	serve b2 80
	balance <<-END
		interfaces: [eth0]
		table_size: 4096
		api: {listen: "127.0.0.1:8080"}
		defaults: {health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: web}
		failover_groups:
		  - {name: web, mode: active-active, backends: [b1, b2]}
		$(some_backends 2)
	END
	expect "$(call -d '{"name": "spare", "mode": "active-active", "backends": ["b1", "b2"]}' $URL/groups | jq -r .name)" = spare "group that is posted"
	wait_for 5 "it has decided" is 'b1 b2' active spare
	sed -i "s/^services:/&\n  - {name: mail, address: $VIP, protocol: tcp, port: 25, group: spare}/" "$CONFIG"
	expect_exit 0 shunt reload
	wait_for 5 "b2, which has no mail, takes none" is b1 active spare
	expect "$(active web)" = 'b1 b2' "who takes new flows of the web"
	expect "$(json '[.[] | select(.kind == "backend" and .object == "backend b1" and (.text | startswith("down")))] | length' events)" -eq 0 "times that b1 was down"
	wait_for 5 "the web has both still" is 'b1 b2' servers $VIP 80
}

# ---- two operators ----

tag() { call -D - -o "$T/document" "$URL/$1" | tr -d '\r' | sed -n 's/^ETag: //p'; } # PATH: the ETag; the document is in $T/document

# as_seen TAG METHOD PATH [JSON]: the status; the answer is in $T/answer.
as_seen() { on lb curl -s -o "$T/answer" -w '%{http_code}' -H "If-Match: $1" -X "$2" ${4+-d "$4"} "$URL/$3"; }

# Both have looked, both ask at once for another weight: one is told to look again.
race() { # WEIGHT
	local seen
	seen=$(tag backends/b3)
	on lb curl -s --no-progress-meter -Z --parallel-immediate -o /dev/null -H "If-Match: $seen" -d "{\"weight\": $1}" "$URL/backends/b3/weight" \
		-w '%{http_code}\n' --next -o /dev/null -H "If-Match: $seen" -d "{\"weight\": $(($1 + 100))}" "$URL/backends/b3/weight" -w '%{http_code}\n'
}

two_operators() {
	local seen i
	net_make client lb b1 b2 b3
	the_file | sed 's/^defaults:.*/defaults: {health_check: {type: none}}/' | config # so that nothing but an operator changes anything
	start_shuntd
	expect "$(post '{"name": "cache", "mode": "active-passive", "backends": ["b2", "b3"], "primary": "b2", "failback": "manual"}')" = 201 "posting a group"
	wait_for 5 "it is decided" is b2 active cache
	# A group: what the first has done, the second did not know of.
	seen=$(tag groups/cache)
	expect "$(as_seen "$seen" POST groups/cache/primary '{"backend_id": "b3"}')" = 200 "the first one's failover"
	expect "$(as_seen "$seen" POST groups/cache/failback)" = 412 "the second one's failback" && said_because 'look again'
	expect "$(as_seen "$seen" DELETE groups/cache)" = 412 "the second one's removal" && said_because 'look again'
	expect "$(call $URL/groups/cache | jq -r '.active[0], .failovers' | tr '\n' ' ')" = "b3 1 " "what holds"
	expect "$(as_seen "$(tag groups/cache)" POST groups/cache/failback)" = 200 "the second one's failback, having looked"
	expect "$(as_seen "$seen" POST groups/cache/primary '{"backend_id": "b3"}')" = 412 "the same state again is not what was seen"
	# As it was seen, and yet in conflict with how things are.
	expect "$(as_seen "$(tag groups/app)" DELETE groups/app)" = 409 "removing what the file has, as it was seen" && said_because 'take it out there'
	# A backend; who says nothing of what they saw is done as things are.
	seen=$(tag backends/b3)
	expect "$(as_seen "$seen" POST backends/b3/weight '{"weight": 50}')" = 200 "the first one's weight"
	expect "$(as_seen "$seen" POST backends/b3/drain '{}')" = 412 "the second one's drain" && said_because 'look again'
	expect "$(call $URL/backends/b3 | jq -r '.weight, .admin' | tr '\n' ' ')" = "50 ready " "what holds"
	expect "$(as_seen "$(tag backends/b3)" POST backends/b3/drain '{}')" = 200 "the second one's drain, having looked"
	expect "$(status_of -X POST $URL/backends/b3/ready)" = 200 "a command without If-Match"
	for i in $(seq 20); do
		expect "$(race "$i" | sort | tr '\n' ' ')" = "200 412 " "what two at once are told, in round $i"
	done
	expect "$(as_seen "$(tag groups/cache)" DELETE groups/cache)" = 200 "removing it, having looked"
	expect "$(as_seen '*' DELETE groups/cache)" = 412 "any state of what is not there"
}

suite groups
limit 90
run_test 'the configuration and the calls of a LEBA-style setup work as written' as_written
run_test 'a backend is checked at the ports of its services, and a group that none uses yet changes nothing' at_ports_of_services
run_test 'a group is posted, used, kept over a crash, and deleted when nobody uses it' posted_and_deleted
run_test 'two operators do not overwrite each other: groups, backends, one after the other and at once' two_operators
finish
