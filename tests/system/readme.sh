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

# add FILE KEY ELEMENT: one more of a list of the configuration.
add() {
	if grep -q "^$2:" "$1"; then
		sed -i "/^$2:/a\  - $3" "$1"
	else
		printf '%s:\n  - %s\n' "$2" "$3" >>"$1"
	fi
}

# completed FILE: a part of a configuration becomes a whole one in place: within a group if it is indented, with an interface, and
# with the backends and groups that it names. Fails if that is still no configuration.
completed() {
	local name list n=0
	if grep -q '^ ' <(head -n 1 "$1"); then
		sed -i '1i failover_groups:\n  - name: some\n    mode: active-active\n    backends: [some]' "$1"
	fi
	grep -q '^interfaces:' "$1" || sed -i '1i interfaces: [eth0]' "$1"
	for _ in 1 2 3; do
		! "$SHUNT_BUILD/shunt" check "$1" >"$T/said" 2>&1 || return 0
		while read -r name list; do
			case $list in
			backends) add "$1" backends "{name: $name, address: 10.9.9.$((++n))}" ;;
			*) add "$1" failover_groups "{name: $name, mode: active-active, backends: [some]}" ;;
			esac
		done < <(sed -nE 's/.*"([^"]+)" is not in (backends|failover_groups):.*/\1 \2/p' "$T/said" | sort -u)
	done
	"$SHUNT_BUILD/shunt" check "$1" >"$T/said" 2>&1
}

# Every configuration in docs/, whole or in parts. Of another program: Prometheus'.
configurations_of_pages_are_valid() {
	local page file name whole=0 parts=0 others=0
	for page in "$SOURCE_DIR"/docs/*.md "$SOURCE_DIR"/docs/*/*.md; do
		name=${page#"$SOURCE_DIR/docs/"} name=${name//\//-}
		blocks yaml "$page" "$T/pages/$name"
		for file in "$T/pages/$name"/*; do
			[ -e "$file" ] || continue
			if grep -q '^scrape_configs:' "$file"; then
				others=$((others + 1))
			elif grep -q '^interfaces:' "$file" && grep -q '^backends:' "$file"; then
				expect_exit 0 "$SHUNT_BUILD/shunt" check "$file"
				whole=$((whole + 1))
			else
				completed "$file" || fail "$page, its block ${file##*/}: $(cat "$T/said"): $(cat "$file")"
				parts=$((parts + 1))
			fi
		done
		case $name in
		howto-* | migrate-*) grep -q '^interfaces:' "$T/pages/$name"/* || fail "no whole configuration in $page" ;;
		esac
	done
	expect "$others" -eq 1 "configurations of other programs"
	expect "$whole" -ge 10 "whole configurations"
	expect "$parts" -ge 15 "parts of configurations"
	note "$whole whole configurations of docs/ and $parts parts checked"
}

# What docs/why-slots.md tells of costs is what the bench's page has as measured, give or take a fifth: machines and days differ.
figures_of_slots() {
	local label text bench=$SOURCE_DIR/tests/bench/README.md page=$SOURCE_DIR/docs/why-slots.md told measured
	while IFS=: read -r label text; do
		measured=$(grep -m1 -F "$label" "$bench" | sed 's/.*4in4[^0-9]*//; s/[0-9.]*x//g')
		told=$(grep -F "| $text |" "$page" | sed 's/.*'"$text"' |//; s/|//g')
		awk '{ for (i = 1; i <= 4; i++) if ($i < $(i + 4) / 1.2 || $i > $(i + 4) * 1.2) exit 1; exit NF < 8 }' <<<"$told $measured" ||
			fail "$text: $page says $told, $bench $measured"
	done <<-END
		  ipip, 4in4  :settled slot: no look-up
		  ipip, 4in4, moving:moving slot: looked up in shunt's flow table
		  conventional (LRU hash), 4in4:every flow in the kernel's LRU hash, as is usual
	END
}

pictures_are_small() {
	local picture n=0
	for picture in $(grep -ohE '\(docs/images/[a-z-]+\.(png|svg)\)' "$README" | tr -d '()'); do
		[ -s "$SOURCE_DIR/$picture" ] || fail "$picture is not there: make screenshots"
		expect "$(stat -c %s "$SOURCE_DIR/$picture")" -lt 150000 "bytes of $picture"
		n=$((n + 1))
	done
	expect "$n" -eq "$(find "$SOURCE_DIR/docs/images" -type f | wc -l)" "pictures shown of those in docs/images"
}

# Each link of a page to a file of the tree, and to a heading in it, leads there. Anchors as GitHub makes them.
anchors() { sed -n 's/^#\+ //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9_ -]//g; s/ /-/g'; } # FILE

links_lead_somewhere() {
	local page link file anchor n=0
	for page in "$SOURCE_DIR"/*.md "$SOURCE_DIR"/docs/*.md "$SOURCE_DIR"/docs/*/*.md "$SOURCE_DIR"/tests/bench/README.md "$SOURCE_DIR"/vmtest/README.md; do
		while read -r link; do
			file=${link%%#*} anchor=${link#*#}
			[ "$anchor" != "$link" ] || anchor=
			file=${file:+$(dirname "$page")/$file} file=${file:-$page}
			[ -e "$file" ] || fail "$page: no such file: $link"
			[ -z "$anchor" ] || anchors "$file" | grep -qxF -- "$anchor" || fail "$page: no such heading: $link"
			n=$((n + 1))
		done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//' | grep -vE '^https?:')
	done
	expect "$n" -gt 100 "links"
	note "$n links lead somewhere"
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

# The host of the README: its configuration (on the test's addresses), its commands that start shuntd, then the operator's. Between
# the two it waits for $T/go. `trace` goes on until who looks has seen enough, and shuntd until it is stopped.
# shellcheck disable=SC2016 # the script is to expand it
edge_host_script() {
	echo "mkdir /etc/shunt && cp '$T/from-readme' /etc/shunt/shunt.yaml"
	block sh 'shunt doctor' | sed 's/^shuntd .*/& \& shuntd=$!/'
	cat <<-'END'
		until shunt --json backends | jq -e 'all(.[]; .health == "up")' >/dev/null; do
			kill -0 $shuntd
			sleep 0.1
		done 2>/dev/null
	END
	echo "touch '$T/up'; until [ -e '$T/go' ]; do sleep 0.1; done"
	block sh 'shunt drain' | sed -E 's/^shunt trace[^#]*/(timeout -s INT 2 & || [ $? -eq 124 ])/'
	echo 'kill $shuntd; wait $shuntd || true'
}

# A file system of its own at /etc, so that nothing of /etc/shunt stays.
with_its_own_etc() { # COMMAND…
	mkdir -p "$T/etc/upper" "$T/etc/work"
	mount -t overlay shunt-test -o "lowerdir=/etc,upperdir=$T/etc/upper,workdir=$T/etc/work" /etc
	"$@"
}

edge_host() {
	net_make client lb b1 b2 b3
	set_up_backends b1 b2 b3
	for host in b1 b2 b3; do
		serve_http "$host"
		mkdir -p "$T/nginx-$host/www"
		echo fine >"$T/nginx-$host/www/health"
		serve "$host" 5432
	done
	configuration interfaces: >"$T/from-readme"
	edge_host_script >"$T/script"
	export T
	export -f as_on_a_fresh_machine with_its_own_etc
	spawn edge lb unshare --mount bash -ec "with_its_own_etc as_on_a_fresh_machine env PATH='$SHUNT_BUILD:$PATH' bash -exuo pipefail '$T/script'"
	wait_for 20 "the README's commands have started shuntd, and its backends are up" up_or_over
	[ -e "$T/up" ] || fail "they have not: $(tail -n 5 "$T/edge.log")"
	expect "$(on client curl -s -o /dev/null -w '%{http_code}' -m 3 "http://192.0.2.10/")" = 200 "answer over IPv4"
	expect "$(on client curl -s -o /dev/null -w '%{http_code}' -m 3 "http://[2001:db8::10]/")" = 200 "answer over IPv6"
	touch "$T/go"
	wait_for 30 "the operator's commands are done" is_over edge
	grep -q '^+ kill ' "$T/edge.log" || fail "stopped at $(grep '^+ ' "$T/edge.log" | tail -n 1): $(tail -n 3 "$T/edge.log")"
	note "$(grep -cE '^\++ (timeout -s INT 2 )?(shunt|shuntd) ' "$T/edge.log") commands of the README done"
}

up_or_over() { [ -e "$T/up" ] || is_over edge; }

# Every block of commands, by what only it has, and who executes it; so that none is added which nobody does.
every_block_is_executed() {
	local n by text
	blocks sh "$README" "$T/readme"
	while IFS=: read -r text by; do
		n=$(grep -lF -- "$text" "$T/readme"/* | wc -l)
		expect "$n" -eq 1 "blocks with \"$text\", which $by executes"
		rm "$(grep -lF -- "$text" "$T/readme"/*)"
	done <<-END
		scripts/demo.sh:scripts/test.sh (its own parts, and the demo)
		shunt doctor:this suite
		shunt drain:this suite
		arp_ignore:this suite
		modprobe ipip:vmtest/suites/tunnels.sh (modprobe; shunt-decap: this suite)
	END
	expect "$(find "$T/readme" -type f | wc -l)" -eq 0 "blocks of the README that no test executes: $(cat "$T/readme"/* 2>/dev/null)"
	grep -q 'scripts/demo.sh --fast' "$SOURCE_DIR/scripts/test.sh" || fail "scripts/test.sh does not run the demo"
	grep -q 'modprobe ipip' "$SOURCE_DIR/vmtest/suites/tunnels.sh" || fail "vmtest/suites/tunnels.sh does not take the README's modprobe"
}

suite readme
run_test 'the configuration of the README is valid' configurations_are_valid
run_test 'every configuration in docs/ is valid' configurations_of_pages_are_valid
run_test 'what docs/why-slots.md says of costs is what was measured' figures_of_slots
run_test 'every link between pages leads somewhere' links_lead_somewhere
run_test 'the pictures of the README are there, and small' pictures_are_small
run_test "backends' set-up, configuration and operators' commands work as written" edge_host
run_test 'every block of commands of the README is executed by some test' every_block_is_executed
limit 120
run_test 'every command of the tutorial works, in its order, and says what the tutorial shows' the_tutorial
finish
