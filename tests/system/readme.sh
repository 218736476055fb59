#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the README shows works as it stands there: its configuration, the operator's commands, the backends' set-up.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

README=$(dirname "$0")/../../README.md

# block LANGUAGE TEXT: the fenced block of that language that contains the text.
block() {
	awk -v language="$1" -v text="$2" '
		$0 == "```" language { inside = 1; body = ""; next }
		$0 == "```" && inside { inside = 0; if (index(body, text)) printf "%s", body; next }
		inside { body = body $0 "\n" }' "$README"
}

configuration() { block yaml "$1" | sed 's/10\.0\.0\./10.77.0./'; } # on the addresses of the test's network

configurations_are_valid() {
	block yaml interfaces: >"$T/readme.yaml"
	expect "$(wc -l <"$T/readme.yaml")" -gt 10 "lines of configuration in the README"
	expect "$("$SHUNT_BUILD/shunt" check "$T/readme.yaml")" = "$T/readme.yaml: ok" "what shunt check says"
}

# The set-up of a backend and of shunt-decap, in a host that has nothing of it.
set_up_backends() {
	local host
	for host in "$@"; do
		ip -n "$NET-$host" address flush dev lo scope global
		block sh 'arp_ignore' >"$T/set-up"
		expect "$(wc -l <"$T/set-up")" -ge 3 "commands of the README for backends"
		on "$host" bash -e "$T/set-up"
		on "$host" ip address add 192.0.2.11/32 dev lo
		on "$host" env PATH="$SHUNT_BUILD:$PATH" bash -ec "$(block sh shunt-decap | grep '^shunt-decap')"
	done
}

operators_commands() {
	local line n=0
	net_make client lb b1 b2 b3
	set_up_backends b1 b2 b3
	for host in b1 b2 b3; do
		serve_http "$host"
		mkdir -p "$T/nginx-$host/www"
		echo fine >"$T/nginx-$host/www/health"
		serve "$host" 5432
	done
	configuration interfaces: >"$T/from-readme"
	balance <"$T/from-readme"
	expect "$(on client curl -s -o /dev/null -w '%{http_code}' -m 3 "http://192.0.2.10/")" = 200 "answer over IPv4"
	expect "$(on client curl -s -o /dev/null -w '%{http_code}' -m 3 "http://[2001:db8::10]/")" = 200 "answer over IPv6"
	block sh 'shunt drain' >"$T/commands"
	while read -r line; do
		line=${line%%#*}
		case $line in # goes on until the operator has seen enough
		'shunt trace'*) line="timeout -s INT 2 '$SHUNT_BUILD/shunt' --socket '$RUN_DIR/shunt.sock' ${line#shunt} || [ \$? -eq 124 ]" ;;
		esac
		eval "$line" >"$T/answer" 2>&1 </dev/null || fail "\`$line\` failed: $(cat "$T/answer")"
		n=$((n + 1))
	done <"$T/commands"
	expect "$n" -ge 10 "commands of the README for operators"
	note "$n commands of the README done"
}

suite readme
run_test 'the configuration of the README is valid' configurations_are_valid
run_test "backends' set-up, configuration and operators' commands work as written" operators_commands
finish
