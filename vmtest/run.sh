#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--short | KERNEL [SUITE…]]: runs suites on other kernels, in QEMU without KVM, with the tree's own build.
#   run.sh                  every suite on every kernel
#   run.sh --short          on the oldest kernel: load, tunnels; part of scripts/test.sh
#   run.sh 6.12 vmtest/suites/load.sh 'tests/system/forwarding.sh l2 echo'
# KERNEL is 6.1 or 6.12 (Debian's, fetched and cached in build/vmtest); a SUITE may have words that choose tests. A
# warning of a guest's kernel is a failure. Last line: "vmtest: N passed, N failed[, N skipped]". Needs root, a build.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TREE=$(dirname "$HERE")
SHUNT_BUILD=${SHUNT_BUILD:-$TREE/build}
CACHE=${VMTEST_CACHE:-$TREE/build/vmtest}
LOGS=${SHUNT_LOGS:-$SHUNT_BUILD/logs}/vmtest
LIMIT=${VMTEST_LIMIT:-1800} # seconds for one guest
KERNELS="6.1 6.12"
OWN_SUITES=("$HERE"/suites/*.sh)
ALL_SUITES=("${OWN_SUITES[@]}" "$TREE/tests/system/forwarding.sh")
COUNTS='^[a-z-]+: ([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?' # the end of a suite
PASSED=0 FAILED=0 SKIPPED=0
GUEST=

# What a kernel says when something is wrong with it.
TROUBLE='WARNING: |BUG: |Oops|Call Trace|Kernel panic|general protection fault|UBSAN: |INFO: task .* blocked'

# No watchdogs: emulated processors wait for real ones. No mitigations: they take time and protect nobody.
KERNEL_OPTIONS="loglevel=5 panic=-1 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 mitigations=off init_on_alloc=0"

# shellcheck source=vmtest/kernel.sh
. "$HERE/kernel.sh"

finish() {
	local counts="$PASSED passed, $FAILED failed"
	[ "$SKIPPED" -eq 0 ] || counts="$counts, $SKIPPED skipped"
	echo "vmtest: $counts"
	[ "$FAILED" -eq 0 ]
	exit
}

passed() { PASSED=$((PASSED + 1)) && echo "  ok    $*"; }
failed() { FAILED=$((FAILED + 1)) && echo "  FAIL  $*"; }

# Without QEMU or a kernel there is nothing to judge.
skip_all() {
	SKIPPED=$((SKIPPED + 1))
	echo "  skip  other kernels: $*"
	finish
}

# shellcheck disable=SC2317 # called by trap
end_guest() {
	if [ -n "$GUEST" ] && kill "$GUEST" 2>/dev/null; then # it is timeout, which ends QEMU
		wait "$GUEST" || true
	fi
	rm -rf "${TMPDIR:-/tmp}/shunt-vmtest.$$" "${TMPDIR:-/tmp}/shunt-initramfs.$$".*
}

# boot KERNEL-FOLDER RESULTS: returns when the guest is off. What the suites say comes out as they say it.
boot() {
	local kernel=$1 results=$2 work=${TMPDIR:-/tmp}/shunt-vmtest.$$ status=0
	mkdir -p "$work"
	make_initramfs "$kernel" "$work/initramfs"
	timeout -k 5 "$LIMIT" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 2048 \
		-nodefaults -no-reboot -display none -serial "file:$results/console.log" -serial stdio \
		-kernel "$kernel/boot/vmlinuz-${kernel##*/}" -initrd "$work/initramfs" \
		-append "console=ttyS0 $KERNEL_OPTIONS vmtest_tree=$TREE vmtest_guest=$HERE/guest.sh" \
		-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
		-virtfs "local,path=$TREE,mount_tag=tree,security_model=none,readonly=on,multidevs=remap" \
		-virtfs "local,path=$results,mount_tag=results,security_model=none" \
		</dev/null > >(grep --line-buffered -Ev "$COUNTS") 2>"$results/qemu.log" &
	GUEST=$!
	wait "$GUEST" || status=$?
	GUEST=
	return "$status"
}

# The last words of each suite, and whether there were any.
count_suites() { # RESULTS
	local number=0 command counts
	while read -r command; do
		number=$((number + 1))
		counts=$(grep -Es "$COUNTS" "$1/suite-$number.log" | tail -n 1) || true
		if [ -z "$counts" ]; then
			failed "$(basename "${command%% *}") came to its end ($(tail -n 1 "$1/console.log"))"
			continue
		fi
		read -r passed failed skipped <<<"$(sed -E "s/$COUNTS.*/\1 \2 \4/" <<<"$counts")"
		PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + ${skipped:-0}))
	done <"$1/commands"
}

# The kernel's own log, and its taint flags: a warning (bit 9) or an oops (bit 7) leaves a mark there.
judge_kernel() { # SERIES RESULTS
	local tainted
	tainted=$(cat "$2/tainted" 2>/dev/null || echo 128)
	if grep -Eqs "$TROUBLE" "$2/console.log" "$2/dmesg.log" || [ $((tainted & (1 << 7 | 1 << 9))) -ne 0 ]; then
		failed "the kernel has nothing to complain about"
		grep -Ehs -A 12 "$TROUBLE" "$2/console.log" | head -n 40 | sed 's/^/        | /'
	else
		passed "the kernel has nothing to complain about"
	fi
}

run_kernel() { # SERIES SUITE…
	local series=$1 kernel results started status=0
	shift
	kernel=$(fetch_kernel "$series") || skip_all "kernel $series cannot be fetched"
	results=$LOGS/$series
	rm -rf "$results"
	mkdir -p "$results"
	printf '%s\n' "$@" >"$results/commands"
	echo "$kernel" >"$results/modules"
	cat >"$results/environment" <<-END
		export SHUNT_BUILD=$SHUNT_BUILD SHUNT_LOGS=\$RESULTS SHUNT_TEST_LIMIT=300 SHUNT_START_LIMIT=90 SHUNT_RUNS=${SHUNT_RUNS:-2}
	END
	printf 'Linux %s\n' "${kernel##*/}"
	started=$(date +%s)
	boot "$kernel" "$results" || status=$?
	[ "$status" -eq 0 ] || failed "the guest switches itself off (status $status; $results/console.log)"
	count_suites "$results"
	judge_kernel "$series" "$results"
	printf '        · %s: %s s\n' "${kernel##*/}" "$(($(date +%s) - started))"
}

[ "$(id -u)" -eq 0 ] || { echo "run.sh: needs root" >&2 && exit 2; }
trap end_guest EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$CACHE" "$LOGS"
"$TREE/scripts/install.sh" --vmtest >"$LOGS/install.log" 2>&1 ||
	skip_all "QEMU cannot be installed: $(tail -n 1 "$LOGS/install.log")"
case ${1:-} in
--short) run_kernel 6.1 "$HERE"/suites/{load,tunnels}.sh ;;
'') for series in $KERNELS; do run_kernel "$series" "${ALL_SUITES[@]}"; done ;;
*)
	series=$1
	shift
	[ "$#" -gt 0 ] || set -- "${ALL_SUITES[@]}"
	run_kernel "$series" "$@"
	;;
esac
finish
