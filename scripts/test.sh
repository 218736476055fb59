#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test.sh [PART…]: installs what is missing, builds with gcc and clang, and runs every test. Parts: build lint unit asan bpf
# fuzz system vmtest demo bench; without names all of them. Runs on when something fails; what failed is shown, everything is in build/logs.
# The last line is "N passed, N failed[, N skipped]", and the exit status 1 when something failed. Needs root.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

[ "$(id -u)" -eq 0 ] || exec sudo --preserve-env=SHUNT_FAILOVER_RUNS,SHUNT_RUNS,SHUNT_AB_ROUNDS,SHUNT_SEED,SHUNT_MUTATIONS "$0" "$@"

BUILD=$PWD/build
LOGS=$BUILD/logs
JOBS=$(nproc)
PASSED=0 FAILED=0 SKIPPED=0
if [ -t 1 ]; then green=$'\e[32m' red=$'\e[31m' bold=$'\e[1m' plain=$'\e[0m'; else green='' red='' bold='' plain=''; fi
export SHUNT_TEST_RUN=$$ # marks every process that comes of this run
export SHUNT_BUILD=$BUILD SHUNT_LOGS=$LOGS
export SHUNT_BENCH_SHORT=1
PARTS=("$@")

chosen() { [ "${#PARTS[@]}" -eq 0 ] || [[ " ${PARTS[*]} " == *" $1 "* ]]; }
heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
now() { date +%s; }

# report RESULT(0: well) NAME SECONDS LOG: a line, and the end of the log when it failed.
report() {
	if [ "$1" -eq 0 ]; then
		printf '  %sok%s    %s (%s s)\n' "$green" "$plain" "$2" "$3"
		return
	fi
	printf '  %sFAIL%s  %s (%s s)\n' "$red" "$plain" "$2" "$3"
	tail -n 20 "$4" | sed 's/^/        | /'
	echo "        | … $4"
}

# step SECONDS NAME COMMAND…: one thing that is well or not. (A function has no time limit.)
step() {
	local limit=$1 name=$2 log status=0 started
	shift 2
	log=$LOGS/${name//[^A-Za-z0-9]/-}.log
	started=$(now)
	if [ "$(type -t "$1")" = function ]; then
		"$@" >"$log" 2>&1 </dev/null || status=$?
	else
		timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
	fi
	[ "$status" -ne 124 ] || echo "not over after $limit s" >>"$log"
	if [ "$status" -eq 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
	report "$status" "$name" "$(($(now) - started))" "$log"
	return "$status"
}

# cmocka SECONDS NAME PROGRAM: every test of the program counts; a crash is a failure, too.
cmocka() {
	local limit=$1 name=$2 program=$3 log status=0 ok bad skipped started
	log=$LOGS/${name//[^A-Za-z0-9]/-}.log
	started=$(now)
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 "$limit" "$program" >"$log" 2>&1 </dev/null || status=$?
	[ "$status" -ne 124 ] || echo "not over after $limit s" >>"$log"
	skipped=$(grep -cE '^(not )?ok .*# SKIP' "$log") # cmocka writes "not ok" of what was skipped
	ok=$(grep '^ok ' "$log" | grep -vc '# SKIP')
	bad=$(grep '^not ok ' "$log" | grep -vc '# SKIP')
	[ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$((ok + bad + skipped))" -gt 0 ] || { echo "it ran no test" >>"$log" && bad=1; }
	PASSED=$((PASSED + ok)) FAILED=$((FAILED + bad)) SKIPPED=$((SKIPPED + skipped))
	report "$bad" "$name: $ok passed${skipped:+$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")}" \
		"$(($(now) - started))" "$log"
}

# suite SECONDS COMMAND…: a program that shows its own results and ends with "NAME: N passed, N failed[, N skipped]".
suite() {
	local limit=$1 log status=0 counts pid
	shift
	log=$LOGS/$(basename "$1" .sh).log
	# Not by a pipe, which whatever the suite left behind would keep open.
	timeout -k 20 "$limit" "$@" >"$log" 2>&1 </dev/null &
	pid=$!
	tail -n +1 -s 0.2 -f --pid=$pid "$log" 2>/dev/null | sed -u '/^[a-z_-]*: [0-9]* passed/d; /^make: /d'
	wait "$pid" || status=$?
	counts=$(grep -E '^[a-z_-]+: [0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [ -z "$counts" ]; then
		FAILED=$((FAILED + 1))
		report 1 "$1 did not come to its end (status $status)" "$limit" "$log"
		return
	fi
	read -r passed failed skipped < <(sed -E 's/.*: ([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/' <<<"$counts")
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + ${skipped:-0}))
}

# ---- what a run must not leave behind ----

# Names made by another run on the same machine carry the number of a process that lives.
of_the_living() { # NAME
	local number
	while read -r number; do
		[ ! -d "/proc/$number" ] || return 0
	done < <(grep -oE '[0-9]{2,}' <<<"$1")
	return 1
}

IPROUTE2="ip|tc|xdp" # the empty folders that `ip` and `tc` make wherever they load a program, for good

things() {
	ip netns list | awk '{ print "namespace " $1 }'
	find /sys/fs/bpf -mindepth 1 -maxdepth 2 2>/dev/null | grep -vxE "/sys/fs/bpf/($IPROUTE2)(/globals)?" | sed 's/^/pin /'
	awk '$2 !~ "^/run/netns" { print "mount " $2 }' /proc/self/mounts
	find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'shunt-*' | sed 's/^/file /'
}

descends_from_here() { # PID
	local pid=$1
	while [ "${pid:-0}" -gt 1 ]; do
		[ "$pid" != $$ ] || return 0
		pid=$(awk '/^PPid/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
	done
	return 1
}

orphans() { # processes of this run whose parents are gone
	local environ pid
	for environ in /proc/[0-9]*/environ; do
		grep -qz "^SHUNT_TEST_RUN=$SHUNT_TEST_RUN\$" "$environ" 2>/dev/null || continue
		pid=${environ//[!0-9]/}
		descends_from_here "$pid" || echo "process $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
	done
}

nothing_left() {
	local thing left=0
	while read -r thing; do
		! of_the_living "$thing" || continue
		echo "left behind: $thing"
		left=1
	done < <(comm -13 "$LOGS/before" <(things | sort))
	while read -r thing; do
		echo "left behind: $thing"
		left=1
	done < <(orphans)
	return "$left"
}

# The lines of the logs that say what failed, so that the end of a long output is enough to know it.
failures() { (cd "$LOGS" && grep -aHE '^ *(FAIL|not ok )|^failed: | error: ' -- *.log | grep -v '# SKIP' | head -n 40 | sed 's/^/  /'); }

# ---- the run ----

run_cmocka() { # SECONDS KIND DIRECTORY
	local program
	for program in "$3"/test_*; do
		if [ -x "$program" ]; then cmocka "$1" "$2 ${program##*/test_}" "$program"; fi
	done
}

run_bench() {
	if step 300 bench build/tests/bench/bench; then
		grep -v '^$' "$LOGS/bench.log" | sed 's/^/        · /'
	fi
}

run_fuzz_http() {
	local name="malformed requests to the HTTP server"
	step 900 "$name" make -j"$JOBS" O=build/asan SANITIZE=1 HTTP_REQUESTS=100000 fuzz-http
	grep -E '^([0-9]+ requests|framed|the others|good requests)' "$LOGS/${name// /-}.log" | sed 's/^/        · /'
}

main() { # in a function, so that the shell has read all of it before something changes the file
	local started program counts
	mkdir -p "$BUILD"
	exec 9>"$BUILD/.lock"
	flock -n 9 || { echo "another run is under way in $BUILD" >&2 && exit 2; }
	rm -rf "$LOGS"
	mkdir -p "$LOGS"
	started=$(now)
	heading "installing what is missing"
	step 1200 "packages and bpffs" scripts/install.sh || exit 1
	things | sort >"$LOGS/before"

	heading "building"
	step 600 "gcc -Wall -Wextra -Werror" make -j"$JOBS" all test-programs
	! chosen build || step 600 "clang -Wall -Wextra -Werror" make -j"$JOBS" O=build/clang CC=clang programs test-programs

	if chosen lint; then
		heading "lint"
		suite 600 make -s lint
	fi
	if chosen unit; then
		heading "unit tests"
		run_cmocka 120 unit build/tests/unit
	fi
	if chosen asan; then
		heading "unit tests under ASan and UBSan"
		step 600 "build with sanitizers" make -j"$JOBS" O=build/asan SANITIZE=1 programs unit-programs
		run_cmocka 300 asan build/asan/tests/unit
	fi
	if chosen bpf; then
		heading "packet tables against the loaded program"
		run_cmocka 120 bpf build/tests/bpf
	fi
	if chosen fuzz; then
		heading "fuzzers, for seconds (for long: make fuzz fuzz-packets fuzz-http)"
		step 300 "parsers of packets and configurations" make -j"$JOBS" fuzz-short
		run_fuzz_http
	fi
	if chosen system; then
		heading "whole systems in network namespaces"
		for program in tests/system/*.sh; do
			suite 600 "$program"
		done
	fi
	if chosen vmtest; then
		heading "another kernel, in QEMU (all suites on all kernels: make vmtest)"
		suite 900 vmtest/run.sh --short
	fi
	if chosen demo; then
		heading "the demo"
		step 120 "the demo, without its pauses" scripts/demo.sh --fast
	fi
	if chosen bench; then
		heading "measurements, in short form (all of them: make bench)"
		run_bench
	fi

	heading "afterwards"
	step 60 "no namespace, pin, mount, file or process is left behind" nothing_left
	printf '\n%d min %d s, logs in build/logs\n' $((($(now) - started) / 60)) $((($(now) - started) % 60))
	[ "$FAILED" -eq 0 ] || printf '%swhat failed%s\n%s\n' "$bold" "$plain" "$(failures)"
	counts="$PASSED passed, $FAILED failed"
	[ "$SKIPPED" -eq 0 ] || counts="$counts, $SKIPPED skipped"
	echo "$counts"
	[ "$FAILED" -eq 0 ] || exit 1
	exit 0
}

main
