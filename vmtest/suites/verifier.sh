#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What each set of features costs to be accepted by this kernel, and how large the program is: tests/bpf/test_verifier
# prints it, and fails above 200,000 instructions.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../../tests/lib/suite.sh"

every_set_of_features() {
	local line
	cd "$SOURCE_DIR" || fail "no folder"
	"$SHUNT_BUILD/tests/bpf/test_verifier" >"$T/table" 2>&1 || fail "$(tail -n 8 "$T/table")"
	grep '^  ' "$T/table" | while IFS= read -r line; do note "${line#  }"; done
}

suite verifier
run_test 'every set of features loads within 200,000 instructions' every_set_of_features
finish
