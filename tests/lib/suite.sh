# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What a system suite is made of. A suite is a file that sources this, defines a function for each test, and says
#
#   suite forwarding
#   run_test 'a connection reaches a backend' a_connection_reaches_a_backend [ARGUMENT…]
#   finish
#
# Each test runs in a shell of its own with a time limit; afterwards its network, processes and pins are removed. Words on
# the suite's command line choose the tests whose sentence contains one of them. Output: a line a test, measurements
# (`note`), the evidence of what failed, and at last "NAME: N passed, N failed[, N skipped]".

set -euo pipefail

SOURCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SHUNT_BUILD=${SHUNT_BUILD:-$SOURCE_DIR/build}
SHUNT_TEST_LIMIT=${SHUNT_TEST_LIMIT:-60} # seconds a test may take, unless it says `limit N` before run_test
export SHUNT_BUILD
WORK=${TMPDIR:-/tmp}/shunt-test-$$
LOGS=${SHUNT_LOGS:-$SHUNT_BUILD/logs}
FLOWS=$SHUNT_BUILD/tests/tools/flows

# shellcheck source=tests/lib/netns.sh
. "$SOURCE_DIR/tests/lib/netns.sh"
# shellcheck source=tests/lib/shunt.sh
. "$SOURCE_DIR/tests/lib/shunt.sh"

if [ -t 1 ]; then green=$'\e[32m' red=$'\e[31m' yellow=$'\e[33m' plain=$'\e[0m'; else green='' red='' yellow='' plain=''; fi

# ---- within a test ----

# Ends the test as failed.
fail() {
	echo "failed: $*" >&2
	exit 1
}

# Ends the test as skipped: something it needs is not there.
skip() {
	echo "$*" >"$T/skipped"
	exit 77
}

# A measurement, or what else the reader of a green run should see.
note() {
	echo "        · $*" >&3
}

# expect ACTUAL OPERATOR EXPECTED WHAT…: operators of test(1).
expect() {
	local actual=$1 operator=$2 expected=$3
	shift 3
	test "$actual" "$operator" "$expected" || fail "$*: expected $operator $expected, got $actual"
}

expect_contains() { # TEXT PART WHAT…
	local text=$1 part=$2
	shift 2
	[[ $text == *"$part"* ]] || fail "$*: expected \"$part\" in \"$text\""
}

# expect_exit STATUS COMMAND…: output is left in $T/out and $T/err.
expect_exit() {
	local expected=$1 status=0
	shift
	"$@" >"$T/out" 2>"$T/err" || status=$?
	[ "$status" -eq "$expected" ] ||
		fail "exit status of $*: expected $expected, got $status; it said: $(head -c 500 "$T/out" "$T/err")"
}

# wait_for SECONDS WHAT COMMAND…: polls until the command succeeds. No sleeps elsewhere.
wait_for() {
	local seconds=$1 what=$2 deadline
	shift 2
	deadline=$(($(now_ms) + seconds * 1000))
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$deadline" ] || fail "not within $seconds s: $what"
		sleep 0.05
	done
}

now_ms() { echo $((${EPOCHREALTIME//[!0-9]/} / 1000)); } # wall clock, for deadlines

is() { # EXPECTED COMMAND…: whether that is its output
	local expected=$1
	shift
	[ "$("$@")" = "$expected" ]
}

# spawn LABEL HOST COMMAND…: runs it in the background on the host; its output is $T/LABEL.log.
spawn() {
	local label=$1 host=$2
	shift 2
	[ -e "/run/netns/$NET-$host" ] || fail "no such host: $host"
	nsenter --net="/run/netns/$NET-$host" -- "$@" >>"$T/$label.log" 2>&1 </dev/null &
	echo $! >"$T/$label.pid"
	disown
}

pid_of() { cat "$T/$1.pid"; } # LABEL

is_running() { # LABEL
	local state
	state=$(cut -d' ' -f3 "/proc/$(pid_of "$1")/stat" 2>/dev/null) && [ "$state" != Z ]
}

is_over() { ! is_running "$1"; }

# stop LABEL [SIGNAL [SECONDS]]: and waits for its end.
stop() {
	kill "-${2:-TERM}" "$(pid_of "$1")" 2>/dev/null || true
	wait_for "${3:-10}" "$1 ends after SIG${2:-TERM}" is_over "$1"
}

said() { grep -Eq "$2" "$T/$1.log"; } # LABEL PATTERN

# ---- servers ----

serve() { # HOST [PORT…]: an echo server that tells the host's name, TCP and UDP
	local host=$1
	shift
	spawn "server-$host" "$host" "$FLOWS" serve --name "$host" "${@:-80}"
	wait_for 5 "the server on $host listens" said "server-$host" serving
}

serve_http() { # HOST [PORT]: nginx that answers the host's name, and files from $T/nginx-HOST/www
	local host=$1 port=${2:-80} dir=$T/nginx-$1
	mkdir -p "$dir/www"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 4096; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
			uwsgi_temp_path $dir; scgi_temp_path $dir;
			server {
				listen $port backlog=4096 reuseport; listen [::]:$port backlog=4096 reuseport ipv6only=on;
				location = / { default_type text/plain; return 200 "$host\n"; }
				location / { root $dir/www; }
			}
		}
	END
	spawn "server-$host" "$host" nginx -p "$dir" -c "$dir/nginx.conf"
	wait_for 10 "nginx on $host answers" on "$host" curl -sf "http://127.0.0.1:$port/"
}

serve_https() { # HOST CERTIFICATE [NGINX-LINES [LISTEN-OPTION]]: $T/CERTIFICATE.crt and .key; says which protocol and name it was asked by
	local host=$1 dir=$T/tls-$1
	mkdir -p "$dir"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
			server {
				listen 443 ssl ${4:-};
				ssl_certificate $T/$2.crt; ssl_certificate_key $T/$2.key;
				${3:-}
				location / { default_type text/plain; return 200 "\$server_protocol \$ssl_server_name"; }
			}
		}
	END
	spawn "tls-$host" "$host" nginx -p "$dir" -c "$dir/nginx.conf"
	wait_for 10 "nginx on $host answers" on "$host" curl -sk -o /dev/null https://127.0.0.1/
}

serve_dns() { # HOST ADDRESS [OWN-ADDRESS]: dnsmasq that knows app.example by this address, asked at the host's address and its OWN-ADDRESS
	spawn "dns-$1" "$1" dnsmasq --keep-in-foreground --no-resolv --no-hosts --no-daemon --conf-file=/dev/null --port=53 \
		--user=root --pid-file="$T/dns-$1.dnsmasq" --bind-interfaces --listen-address="$(ip4 "$1")${3:+,$3}" --address="/app.example/$2"
}

# ---- traffic and numbers ----

connect_every() { # MS LABEL ADDRESS PORT [OPTION…]: in the background, until stop_traffic LABEL
	local every=$1 label=$2
	shift 2
	spawn "$label" client "$FLOWS" connect "$@" --every "${every}ms"
	wait_for 5 "the first connection" said "$label" ' ok '
}

hold() { # LABEL N ADDRESS PORT [OPTION…]: in the background, until stop_traffic LABEL
	local label=$1
	shift
	spawn "$label" client "$FLOWS" hold "$@"
	wait_for 10 "all flows are up" said "$label" '^ready '
}

stop_traffic() { # LABEL
	stop "$1"
	said "$1" '^(connections|flows|attempts) ' || fail "$1 told no summary: $(tail -n 2 "$T/$1.log")"
}

expect_unbroken() { # LABEL: of `hold`, after stop_traffic
	local n broken mismatched silent
	read -r n broken mismatched silent < <(awk '/^connections/ { last = $2 " " $4 " " $8 " " $10 } END { print last }' "$T/$1.log")
	[ "$broken" -eq 0 ] || fail "$broken of $n connections broke: $(grep -m 3 ' broken ' "$T/$1.log")"
	expect "$mismatched" -eq 0 "bytes that came back changed"
	expect "$silent" -eq 0 "connections without an answer to their last block"
}

expect_no_failure() { # LABEL: of `connect_every`, after stop_traffic
	expect "$(awk '/^attempts/ { print $6 }' "$T/$1.log")" -eq 0 "failed connections: $(grep -m 3 failed "$T/$1.log")"
}

answered_by() { # LABEL NAME [COUNT]: whether the last COUNT answers were its
	[ "$(grep ' ok ' "$T/$1.log" | tail -n "${3:-10}" | grep -c " ok $2\$")" -eq "${3:-10}" ]
}

# servers ADDRESS PORT [N]: the names that answer N new connections, sorted.
servers() {
	on client "$FLOWS" connect "$1" "$2" --every 2ms --count "${3:-100}" >"$T/servers.log" || fail "$(tail -n 3 "$T/servers.log")"
	awk '/^server / { printf "%s%s", sep, $2; sep = " " }' "$T/servers.log"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
largest() { sort -n | tail -n 1; }

# Whether the machine has other things to do, so that times and shares of a core measure those.
busy() { [ "$(cut -d. -f1 /proc/loadavg)" -ge 2 ]; }

# ---- the frame of a suite ----

suite() {
	SUITE=$1
	PASSED=0 FAILED=0 SKIPPED=0 NUMBER=0 LIMIT=$SHUNT_TEST_LIMIT
	[ "$(id -u)" -eq 0 ] || { echo "$SUITE: needs root" >&2 && exit 2; }
	mkdir -p "$WORK"
	trap end_suite EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	echo "$SUITE"
}

limit() { LIMIT=$1; } # seconds for the next test

chosen() { # SENTENCE
	local word
	[ "${#CHOICE[@]}" -gt 0 ] || return 0
	for word in "${CHOICE[@]}"; do
		[[ $1 != *"$word"* ]] || return 0
	done
	return 1
}

run_test() { # SENTENCE FUNCTION [ARGUMENT…]
	local sentence=$1 status=0 pid timer ended started seconds
	shift
	chosen "$sentence" || return 0
	NUMBER=$((NUMBER + 1))
	T=$WORK/$NUMBER
	mkdir -p "$T"
	use_instance shunt
	started=$(now_ms)
	set -m # a process group of its own, so that its end is the end of all of it
	(
		set -eE
		trap - EXIT INT TERM HUP
		trap 'echo "failed: $BASH_COMMAND (${BASH_SOURCE[0]##*/}:$LINENO)" >&2' ERR
		"$@"
	) 3>&1 >"$T/output" 2>&1 </dev/null &
	pid=$!
	sleep "$LIMIT" &
	timer=$!
	set +m
	CURRENT=$pid
	wait -n -p ended "$pid" "$timer" || status=$?
	if [ "$ended" = "$timer" ]; then
		status=124
		echo "failed: not over after $LIMIT s" >>"$T/output"
	else
		kill "$timer" 2>/dev/null || true
	fi
	seconds=$(printf '%d.%d' $((($(now_ms) - started) / 1000)) $((($(now_ms) - started) / 100 % 10)))
	report_test "$sentence" "$status" "$seconds"
	clear_test
	LIMIT=$SHUNT_TEST_LIMIT
}

report_test() { # SENTENCE STATUS SECONDS
	case $2 in
	0)
		PASSED=$((PASSED + 1))
		printf '  %sok%s    %s (%s s)\n' "$green" "$plain" "$1" "$3"
		;;
	77)
		SKIPPED=$((SKIPPED + 1))
		printf '  %sskip%s  %s: %s\n' "$yellow" "$plain" "$1" "$(cat "$T/skipped" 2>/dev/null)"
		;;
	*)
		FAILED=$((FAILED + 1))
		printf '  %sFAIL%s  %s (%s s)\n' "$red" "$plain" "$1" "$3"
		evidence | sed 's/^/        | /'
		;;
	esac
}

# What a reader needs to understand a failure; everything else is kept under build/logs.
evidence() {
	local file kept
	kept=$LOGS/$SUITE-$NUMBER
	tail -n 8 "$T/output"
	if [ -S "$RUN_DIR/shunt.sock" ]; then
		timeout 5 "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" status 2>&1 | head -40 || true
	fi
	for file in "$T"/shuntd*.log; do
		[ ! -e "$file" ] || { echo "-- ${file##*/}" && tail -n 15 "$file"; }
	done
	rm -rf "$kept"
	mkdir -p "$LOGS"
	cp -r "$T" "$kept" 2>/dev/null || true
	echo "-- the configuration and everything else: $kept"
}

# Ends and removes all that a test made.
clear_test() {
	local pin
	[ -z "${CURRENT:-}" ] || kill -KILL -- "-$CURRENT" 2>/dev/null || true
	wait 2>/dev/null || true
	CURRENT=
	net_remove
	for pin in "/sys/fs/bpf/shunt-test-$$"*; do
		[ ! -e "$pin" ] || rm -rf "$pin"
	done
	rm -rf "$T"
}

# shellcheck disable=SC2317 # called by trap
end_suite() {
	local status=$?
	trap - EXIT INT TERM HUP
	T=${T:-$WORK/none}
	clear_test 2>/dev/null
	rm -rf "$WORK"
	exit "$status"
}

finish() {
	local counts="$PASSED passed, $FAILED failed"
	[ "$SKIPPED" -eq 0 ] || counts="$counts, $SKIPPED skipped"
	echo "$SUITE: $counts"
	[ "$FAILED" -eq 0 ]
}

CHOICE=("$@")
