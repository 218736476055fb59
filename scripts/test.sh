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
	log=$(log_of "$name")
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

log_of() { echo "$LOGS/${1//[^A-Za-z0-9]/-}.log"; } # NAME

# run_timed SECONDS LOG PROGRAM: leaves "STATUS SECONDS" beside the log when it is over.
run_timed() {
	local started status=0
	started=$(date +%s)
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 20 "$1" "$3" >"$2" 2>&1 </dev/null || status=$?
	[ "$status" -ne 124 ] || echo "not over after $1 s" >>"$2"
	echo "$status $(($(date +%s) - started))" >"$2.part" && mv "$2.part" "$2.end"
}
export -f run_timed

# begin SECONDS PROGRAM LOG [PROGRAM LOG]…: as many at a time as there are processors; ended() waits for each.
begin() {
	local limit=$1
	shift
	while [ $# -gt 0 ]; do
		printf '%s\0' "$limit" "$2" "$1"
		shift 2
	done | xargs -0 -n 3 -P "$JOBS" bash -c 'run_timed "$@"' run_timed &
	RUNNER=$!
}

ended() { # LOG: sets status and seconds of what was begun, once it is over or whoever runs it is gone
	until [ -e "$1.end" ] || ! kill -0 "$RUNNER" 2>/dev/null; do sleep 0.1; done
	read -r status seconds 2>/dev/null <"$1.end" || { status=1 seconds=0 && echo "it has no end" >>"$1"; }
}

# cmocka NAME LOG: every test of the program counts; a crash is a failure, too.
cmocka() {
	local name=$1 log=$2 status seconds ok bad skipped
	ended "$log"
	skipped=$(grep -cE '^(not )?ok .*# SKIP' "$log") # cmocka writes "not ok" of what was skipped
	ok=$(grep '^ok ' "$log" | grep -vc '# SKIP')
	bad=$(grep '^not ok ' "$log" | grep -vc '# SKIP')
	[ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	[ "$((ok + bad + skipped))" -gt 0 ] || { echo "it ran no test" >>"$log" && bad=1; }
	PASSED=$((PASSED + ok)) FAILED=$((FAILED + bad)) SKIPPED=$((SKIPPED + skipped))
	report "$bad" "$name: $ok passed${skipped:+$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")}" "$seconds" "$log"
}

# A suite is a program that shows its own results and ends with "NAME: N passed, N failed[, N skipped]".
is_not_the_end='/^[a-z_-]*: [0-9]* passed/d; /^make: /d'

counted() { # STATUS WHAT SECONDS LOG: its last line, added up
	local passed failed skipped counts
	counts=$(grep -E '^[a-z_-]+: [0-9]+ passed, [0-9]+ failed' "$4" | tail -n 1)
	if [ -z "$counts" ]; then
		FAILED=$((FAILED + 1))
		report 1 "$2 did not come to its end (status $1)" "$3" "$4"
		return
	fi
	read -r passed failed skipped < <(sed -E 's/.*: ([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/' <<<"$counts")
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + ${skipped:-0}))
}

# suite SECONDS COMMAND…: one that is shown while it runs.
suite() {
	local limit=$1 log status=0 pid
	shift
	log=$LOGS/$(basename "$1" .sh).log
	# Not by a pipe, which whatever the suite left behind would keep open.
	timeout -k 20 "$limit" "$@" >"$log" 2>&1 </dev/null &
	pid=$!
	tail -n +1 -s 0.2 -f --pid=$pid "$log" 2>/dev/null | sed -u "$is_not_the_end"
	wait "$pid" || status=$?
	counted "$status" "$1" "$limit" "$log"
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

run_cmocka() { # SECONDS KIND DIRECTORY: its test programs
	local limit=$1 kind=$2 program pairs=()
	for program in "$3"/test_*; do
		[ ! -x "$program" ] || pairs+=("$program" "$(log_of "$kind ${program##*/test_}")")
	done
	begin "$limit" "${pairs[@]}"
	set -- "${pairs[@]}"
	while [ $# -gt 0 ]; do
		cmocka "$kind ${1##*/test_}" "$2"
		shift 2
	done
	wait "$RUNNER"
}

# Those that hold the controller to milliseconds have the machine to themselves.
ALONE=(failover faults health many operator throughput)

run_systems() {
	local name status seconds log pairs=()
	for name in "${ALONE[@]}"; do suite 600 "tests/system/$name.sh"; done
	for name in tests/system/*.sh; do
		[[ " ${ALONE[*]} " == *" $(basename "$name" .sh) "* ]] || pairs+=("$name" "$LOGS/$(basename "$name" .sh).log")
	done
	begin 900 "${pairs[@]}"
	set -- "${pairs[@]}"
	while [ $# -gt 0 ]; do
		ended "$2"
		sed "$is_not_the_end" "$2"
		counted "$status" "$1" "$seconds" "$2"
		shift 2
	done
	wait "$RUNNER"
}

run_bench() {
	if step 300 bench build/tests/bench/bench; then
		grep -v '^$' "$LOGS/bench.log" | sed 's/^/        · /'
	fi
}

# 100,000 in all: half of them of one seed, half of another, at the same time.
fuzz_http_twice() {
	local status=0 seed pid pids=() fuzzer=build/asan/tests/fuzz/http_fuzzer
	make -j"$JOBS" O=build/asan SANITIZE=1 "$fuzzer" || return
	for seed in 1 2; do
		SHUNT_SEED=$seed SHUNT_REQUESTS=50000 timeout -k 10 900 "$fuzzer" >"$LOGS/fuzz-http-$seed.txt" 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
	cat "$LOGS"/fuzz-http-?.txt
	return "$status"
}

run_fuzz_http() {
	step 0 "malformed requests to the HTTP server" fuzz_http_twice
	grep -E '^([0-9]+ requests|framed|the others|good requests)' "$(log_of "malformed requests to the HTTP server")" | sed 's/^/        · /'
}

main() { # in a function, so that the shell has read all of it before something changes the file
	local started counts
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
		run_systems
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
