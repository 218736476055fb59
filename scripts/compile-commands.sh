#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# compile-commands.sh COMMAND FILE…: prints compile_commands.json for clangd and clang-tidy.
command=$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')
shift
printf '[\n'
separator=
for file in "$@"; do
	printf '%s{"directory": "%s", "file": "%s", "command": "%s -c %s"}' "$separator" "$PWD" "$file" "$command" "$file"
	separator=",
"
done
printf '\n]\n'
