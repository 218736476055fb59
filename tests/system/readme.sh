#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the README and docs/ show works as it stands there: configurations, the operator's commands, the backends' set-up, the tutorial.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

README=$SOURCE_DIR/README.md
TUTORIAL=$SOURCE_DIR/docs/tutorial.md

# block LANGUAGE TEXT: the fenced block of that language that contains the text.
block() {
	awk -v language="$1" -v text="$2" '
		$0 == "```" language { inside = 1; body = ""; next }
		$0 == "```" && inside { inside = 0; if (index(body, text)) printf "%s", body; next }
		inside { body = body $0 "\n" }' "$README"
}

configuration() { block yaml "$1" | sed 's/10\.0\.0\./10.77.0./'; } # on the addresses of the test's network

# blocks LANGUAGE FILE DIRECTORY: its fenced blocks of that language, each into a file of its own: 001, 002 …
blocks() {
	mkdir -p "$3"
	awk -v language="$1" -v directory="$3" '
		$0 == "```" language { inside = 1; file = sprintf("%s/%03d", directory, ++n); printf "" >file; next }
		$0 == "```" { inside = 0; next }
		inside { print >file }' "$2"
}

configurations_are_valid() {
	block yaml interfaces: >"$T/readme.yaml"
	expect "$(wc -l <"$T/readme.yaml")" -gt 10 "lines of configuration in the README"
	expect "$("$SHUNT_BUILD/shunt" check "$T/readme.yaml")" = "$T/readme.yaml: ok" "what shunt check says"
}

# Every page of how-tos and migration has at least one whole configuration (others show a part, and have no "interfaces:").
configurations_of_guides_are_valid() {
	local page file name n all=0
	for page in "$SOURCE_DIR"/docs/howto/*.md "$SOURCE_DIR"/docs/migrate/*.md; do
		[ -e "$page" ] || continue
		name=$(basename "$page" .md) n=0
		blocks yaml "$page" "$T/$name"
		for file in "$T/$name"/*; do
			grep -q '^interfaces:' "$file" || continue
			expect_exit 0 "$SHUNT_BUILD/shunt" check "$file"
			n=$((n + 1))
		done
		expect "$n" -ge 1 "whole configurations in $page"
		all=$((all + n))
	done
	note "$all configurations of how-tos and guides checked"
}

# What docs/why-slots.md tells of costs is what the bench's page has as measured.
figures_of_slots() {
	local label text bench=$SOURCE_DIR/tests/bench/README.md page=$SOURCE_DIR/docs/why-slots.md told measured
	while IFS=: read -r label text; do
		measured=$(grep -m1 -F "$label" "$bench" | sed 's/.*4in4[^0-9]*//; s/[0-9.]*x//g' | awk '{ for (i = 1; i <= 4; i++) printf "%.0f ", $i + 0.001 }')
		told=$(grep -F "| $text |" "$page" | sed 's/.*'"$text"' |//; s/|//g' | awk '{ $1 = $1; print }')
		expect "$told " = "$measured" "$text, as $bench has it"
	done <<-END
		  ipip, 4in4  :settled slot: no look-up
		  ipip, 4in4, moving:moving slot: looked up in shunt's flow table
		  conventional (LRU hash), 4in4:every flow in the kernel's LRU hash, as is usual
	END
}

# In namespaces of mounts and processes, so that what it names by fixed names meets nobody else's, and ends with this test.
as_on_a_fresh_machine() { # COMMAND…
	mkdir -p /var/lib/shunt
	unshare --mount --pid --fork --kill-child --mount-proc bash -ec '
		mount -t tmpfs tmpfs /run; mkdir /run/netns
		mount -t tmpfs tmpfs /var/lib/shunt
		mount -t bpf bpf /sys/fs/bpf
		exec "$@"' bash "$@"
}

# All its blocks of commands, in order, in one shell; and what it shows of their output comes, in that order.
the_tutorial() {
	local line found=0
	blocks sh "$TUTORIAL" "$T/commands"
	blocks text "$TUTORIAL" "$T/shown"
	expect "$(cat "$T/commands"/* | wc -l)" -gt 50 "lines of commands in the tutorial"
	cat "$T/commands"/* >"$T/tutorial.sh"
	(cd "$SOURCE_DIR" && as_on_a_fresh_machine bash -euo pipefail "$T/tutorial.sh") >"$T/out" 2>"$T/err" ||
		fail "the tutorial stopped: $(tail -n 5 "$T/err"), after $(tail -n 3 "$T/out")"
	while read -r line; do
		found=$(awk -v from="$found" -v text="$line" 'NR >= from && index($0, text) { print NR; exit }' "$T/out")
		[ -n "$found" ] || fail "\"$line\" is not among what the tutorial's commands say, where it shows it: $(cat "$T/out")"
	done < <(cat "$T/shown"/*)
	note "$(cat "$T/commands"/* | wc -l) lines of the tutorial done"
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
run_test 'configurations of how-tos and migration guides are valid' configurations_of_guides_are_valid
run_test 'what docs/why-slots.md says of costs is what was measured' figures_of_slots
run_test "backends' set-up, configuration and operators' commands work as written" operators_commands
limit 120
run_test 'every command of the tutorial works, in its order, and says what the tutorial shows' the_tutorial
finish
