#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# format.sh [FILE…]: formats C files in place; without names those changed since the last commit.
# Not part of the tests: tables and packets laid out by hand are plainer than what a formatter makes of them, so it is a
# tool for whoever writes, and reviews look at its result.
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
if [ "${#files[@]}" -eq 0 ]; then
	mapfile -t files < <({ git diff --name-only HEAD && git ls-files --others --exclude-standard; } | grep -E '\.[ch]$' | sort -u)
fi
[ "${#files[@]}" -gt 0 ] || { echo "nothing has changed" && exit 0; }
clang-format -i "${files[@]}"
