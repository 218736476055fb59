#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The API is as its own description says: every operation, every document, every status.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10

as_described() {
	net_make client lb b1 b2
	serve b1
	serve b2
	(umask 077 && echo write-word >"$T/token" && echo read-word >"$T/token-read")
	balance <<-END
		interfaces: [eth0]
		table_size: 256
		api: {listen: "127.0.0.1:8080", token_file: $T/token, read_token_file: $T/token-read}
		hooks: {exec: [/bin/true]}
		name_servers: [127.0.0.1]
		defaults: {forward: l2, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app, clients: [{prefix: 198.18.0.0/15, group: named}]}
		failover_groups:
		  - {name: app, mode: active-passive, primary: b1, backends: [b1, b2], failback: manual}
		  - {name: named, mode: active-active, backends: [b2]}
		dns_backends: [{domain: www.example.org, protocol: postgres, group_name: named}]
		$(some_backends 2)
	END
	connect_every 20 through $VIP 80
	on lb /usr/bin/python3 "$SOURCE_DIR/tests/lib/openapi.py" "$RUN_DIR/shunt.sock" 127.0.0.1:8080 write-word read-word $VIP >"$T/out" 2>"$T/err" ||
		fail "$(cat "$T/out" "$T/err")"
	note "$(cat "$T/out")"
	stop_traffic through
}

suite openapi
run_test 'every operation, document and status is as /api/v1/openapi.json says' as_described
finish
