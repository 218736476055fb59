#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh parse|config SECONDS: a fuzzer, from the packets or configurations that the tests have, and what it found earlier.
# What it finds wrong is kept as build/tests/fuzz/NAME-crash-…: run build/tests/fuzz/NAME_fuzzer on it to see it again.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=$1 seconds=$2
folder=${O:-build}/tests/fuzz
corpus=$folder/$name-corpus
mkdir -p "$corpus"

case $name in
parse)
	CORPUS=$corpus perl -ne 'BEGIN { $n = 0 } if (/^in ([0-9a-f]+)$/ && length($1) < 400) {
		open(my $f, ">", sprintf("%s/golden-%03d", $ENV{CORPUS}, $n++)) or die; print $f pack("H*", $1); }' \
		tests/packets/cases.txt
	options=(-max_len=512)
	;;
config)
	cp tests/unit/config/*.yaml "$corpus"
	options=(-max_len=8192 -timeout=10 "-dict=$folder/config.dict")
	grep -ohE '"[a-z_]+"' user/config/schema*.c user/config/words.c | sort -u >"$folder/config.dict"
	;;
esac
log=$folder/$name.log
status=0
"$folder/${name}_fuzzer" -max_total_time="$seconds" -artifact_prefix="$folder/$name-" -print_final_stats=1 \
	-verbosity=0 "${options[@]}" "$corpus" >"$log" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
	grep -vE '^"|NEW_FUNC' "$log" | tail -n 40
	exit "$status"
fi
awk -v name="$name" '/number_of_executed_units/ { n = $2 } /average_exec_per_sec/ { rate = $2 }
	END { printf "%s: %d inputs, %d a second, nothing found\n", name, n, rate; exit n == 0 }' "$log"
