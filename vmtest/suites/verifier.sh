#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What each set of features costs to be accepted by this kernel, and how large the program is: tests/bpf/test_verifier
# prints it, and fails above 200,000 instructions. And how much of the stack the programs take, by this kernel's own count.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

table_of() { # TEST
	local line
	cd "$SOURCE_DIR" || fail "no folder"
	"$SHUNT_BUILD/tests/bpf/$1" >"$T/table" 2>&1 || fail "$(tail -n 8 "$T/table")"
	grep '^  ' "$T/table" | while IFS= read -r line; do note "${line#  }"; done
}

suite verifier
run_test 'every set of features loads within 200,000 instructions' table_of test_verifier
run_test 'every program fits the stack' table_of test_stack
finish
