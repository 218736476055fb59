#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The packet tables of tests/bpf against the program as this kernel loads it.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

packet_table() { # PROGRAM
	[ -x "$1" ] || skip "it is not built"
	cd "$SOURCE_DIR" || fail "no folder"
	"$1" >"$T/table.log" 2>&1 || {
		grep -E '^\[  (FAILED|ERROR)|ERROR: ' "$T/table.log" | head -n 10 >&2 || true
		fail "exit status of ${1##*/}"
	}
	note "$(grep -E '^\[==========\].* run' "$T/table.log" | tail -n 1 | sed 's/^\[=*\] *//')"
}

suite packets
for program in "$SHUNT_BUILD"/tests/bpf/test_*; do
	case ${program##*/} in *.*) continue ;; esac
	run_test "the table ${program##*/test_}" packet_table "$program"
done
finish
