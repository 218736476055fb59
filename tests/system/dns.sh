#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# dns_backends against a real name server (dnsmasq): addresses come and go, the server fails, one name takes over from another.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

# records NAME=HOST…: what the name server answers from now on.
records() {
	local record
	for record in "$@"; do
		echo "$(ip4 "${record#*=}") ${record%=*}"
	done >"$T/hosts"
	[ ! -e "$T/dnsmasq.pid" ] || is_over dnsmasq || kill -HUP "$(pid_of dnsmasq)"
}

name_server() { # [OPTION…]
	spawn dnsmasq lb dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts="$T/hosts" --port=5353 \
		--listen-address=127.0.0.1 --bind-interfaces --user=root --pid-file= --log-facility=- --local-ttl=1 --local=/example.com/ "$@"
	wait_for 5 "the name server runs" said dnsmasq 'started'
}

the_config() { # GROUP-KEYS DNS-BACKENDS
	cat <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		name_servers: ["127.0.0.1:5353"]
		defaults: {health_check: $FAST_CHECK}
		services: [{name: db, address: $VIP, protocol: tcp, port: 80, group: cluster}]
		failover_groups: [{name: cluster, $1}]
		dns_backends:
		$2
	END
}

network() {
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3
}

answers() { # NAMES: who answers new connections
	is "$1" servers $VIP 80 40
}

addresses_come_and_go() {
	network
	records db.example.com=b1
	name_server
	the_config 'mode: active-active' '  - {domain: db.example.com, protocol: postgres, group_name: cluster, refresh: 1s}' | config
	start_shuntd
	wait_for 5 "b1 answers" answers b1
	records db.example.com=b1 db.example.com=b2
	wait_for 8 "b2 answers as well" answers 'b1 b2'
	hold hold 40 $VIP 80 --every 20ms
	expect_exit 0 shunt weight "db.example.com@$(ip4 b1)" 50
	records db.example.com=b2 db.example.com=b3
	wait_for 8 "new connections go to b2 and b3" answers 'b2 b3'
	expect "$(json '[.backends[] | select(.removed)] | length' status)" -le 1 "backends that are leaving"
	stop_traffic hold
	expect_unbroken hold
	note "$(grep '^connections' "$T/hold.log") while addresses came and went"
	expect_contains "$(shunt --json events)" "2 addresses, before 1" "the audit trail"
}

a_dead_name_server_changes_nothing() {
	network
	records db.example.com=b1 db.example.com=b2
	name_server
	the_config 'mode: active-active' '  - {domain: db.example.com, group_name: cluster, refresh: 1s}' | config
	start_shuntd
	wait_for 5 "both answer" answers 'b1 b2'
	stop dnsmasq KILL
	wait_for 15 "status says so" status_says 'does not resolve'
	answers 'b1 b2' || fail "the last addresses do not stay"
	kill_shuntd
	start_shuntd
	wait_for 5 "a start without a name server finds its backends" answers 'b1 b2'
	records db.example.com=b3
	: >"$T/dnsmasq.log"
	name_server
	wait_for 20 "b3 answers once the server is back" answers b3
	status_does_not_say 'does not resolve' || fail "$(shunt status)"
}

status_says() { shunt status | tr -s ' \n' ' ' | grep -q "$1"; }
status_does_not_say() { ! status_says "$1"; }

the_primary_is_a_name() {
	network
	records primary-db.example.com=b1 replica-db.example.com=b2 replica-db.example.com=b3
	name_server
	the_config 'mode: active-passive, failback: automatic, failback_delay: 500ms' "  - {domain: primary-db.example.com, protocol: postgres, port: 80, is_primary: true, group_name: cluster, refresh: 1s}
  - {domain: replica-db.example.com, protocol: postgres, port: 80, group_name: cluster, refresh: 1s}" | config
	start_shuntd
	wait_for 5 "the primary answers" answers b1
	stop server-b1
	wait_for 5 "the replicas answer" answers 'b2 b3'
	serve b1
	wait_for 8 "the primary answers again" answers b1
}

a_name_that_fails_gives_way() {
	network
	records near.example.com=b1 far.example.com=b2
	name_server
	the_config 'mode: active-passive, failback: manual' "  - {domain: near.example.com, is_primary: true, group_name: cluster, refresh: 1s, try_count: 2}
  - {domain: far.example.com, group_name: cluster, refresh: 1s}" | config
	start_shuntd
	wait_for 5 "the near cluster answers" answers b1
	records far.example.com=b2
	wait_for 15 "the far cluster answers" answers b2
	expect_contains "$(shunt --json events)" "given up after 2 failed lookups" "the audit trail"
	records near.example.com=b1 far.example.com=b2
	wait_for 15 "the near name answers again" status_does_not_say 'does not resolve'
	wait_for 5 "its backend is fit" is up backend "near.example.com@$(ip4 b1)" health
	answers b2 || fail "it went back by itself, with failback: manual"
	expect_exit 0 shunt failback cluster
	wait_for 5 "the near cluster answers after failback" answers b1
}

clusters() { # FAILBACK: three names, each a cluster, in the order in which they are to serve
	network
	records near.example.com=b1 mid.example.com=b2 far.example.com=b3
	name_server
	the_config "mode: active-passive, $1" "  - {domain: near.example.com, is_primary: true, group_name: cluster, refresh: 1s, try_count: 2}
  - {domain: mid.example.com, group_name: cluster, refresh: 1s, try_count: 2}
  - {domain: far.example.com, group_name: cluster, refresh: 1s, try_count: 2}" | config
	start_shuntd
	wait_for 5 "the first cluster answers" answers b1
	records mid.example.com=b2 far.example.com=b3
	wait_for 15 "the second one answers" answers b2
	records far.example.com=b3
	wait_for 15 "the third one answers" answers b3
	records near.example.com=b1 mid.example.com=b2 far.example.com=b3
	wait_for 15 "all names answer again" status_does_not_say 'does not resolve'
	wait_for 5 "the first one is fit" is up backend "near.example.com@$(ip4 b1)" health
	wait_for 5 "the second one is fit" is up backend "mid.example.com@$(ip4 b2)" health
}

# `reset` of a multi-cluster failover: from the third cluster to the first, not one by one, and not by itself.
reset_by_hand() {
	clusters 'failback: manual'
	answers b3 || fail "it went back by itself, with failback: manual"
	expect_exit 0 shunt failback cluster
	wait_for 5 "the first cluster answers after the reset" answers b1
	expect "$(group cluster state)" = normal "its state"
}

reset_by_itself() {
	clusters 'failback: automatic, failback_delay: 300ms'
	wait_for 10 "the first cluster answers again" answers b1
	expect "$(group cluster state)" = normal "its state"
}

services_by_srv() {
	network
	records one.example.com=b1 two.example.com=b2 three.example.com=b3
	name_server --srv-host=_db._tcp.example.com,one.example.com,80,10,1 --srv-host=_db._tcp.example.com,two.example.com,80,20,3 \
		--srv-host=_db._tcp.example.com,three.example.com,80,20,1
	the_config 'mode: active-passive, failback: automatic, failback_delay: 300ms' \
		'  - {domain: _db._tcp.example.com, type: srv, is_primary: true, group_name: cluster, refresh: 1s}' | config
	start_shuntd
	wait_for 5 "the preferred target answers" answers b1
	stop server-b1
	wait_for 5 "the next priority answers" answers 'b2 b3'
	expect "$(backend "_db._tcp.example.com@$(ip4 b2)" weight)" -eq 3 "weight as SRV says"
}

suite dns
run_test 'addresses of a name come, and drain when they go' addresses_come_and_go
run_test 'a dead name server changes nothing, not even at a start' a_dead_name_server_changes_nothing
run_test 'the primary is what a name stands for' the_primary_is_a_name
run_test 'a name that fails to resolve gives way to the next, and gets back as failback says' a_name_that_fails_gives_way
run_test 'reset of several clusters leads from the last name to the first, by hand' reset_by_hand
run_test 'reset of several clusters leads back to the first by itself with failback: automatic' reset_by_itself
run_test 'SRV records give ports, priorities and weights' services_by_srv
finish
