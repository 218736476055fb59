#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lint.sh [PART…]: what a machine can say about the sources; parts: spaces spdx dependencies shellcheck cppcheck clang-tidy.
# Prints a line a part, the findings of those that failed, and "lint: N passed, N failed". Needs a build (O=DIR) for clang-tidy,
# which reads the generated skeletons. What is switched off and why: .clang-tidy, .cppcheck-suppressions, .shellcheckrc.
set -euo pipefail
cd "$(dirname "$0")/.."

O=${O:-build}
SHOWN=20
# How many states of a function clang's analyzer looks at. At its own default, 225,000, it takes four times as long.
LINT_STEPS=${LINT_STEPS:-30000}
TIDIED=$O/tidy-$LINT_STEPS
passed=0 failed=0
mkdir -p "$O/logs"

part() { # NAME COMMAND…
	local name=$1 log=$O/logs/lint-$1.log
	shift
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		echo "  ok    $name"
	else
		failed=$((failed + 1))
		echo "  FAIL  $name"
		head -n $SHOWN "$log" | sed 's/^/        | /'
		[ "$(wc -l <"$log")" -le $SHOWN ] || echo "        | … $log"
	fi
}

sources() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }

spaces() { # no blanks at the ends of lines, a newline at the ends of files
	local file bad=0
	while read -r file; do
		! grep -nH '[[:blank:]]$' "$file" || bad=1
		[ -z "$(tail -c 1 "$file")" ] || { echo "$file: no newline at its end" && bad=1; }
	done < <(sources '*.[ch]' '*.sh' '*.md' '*.mk' '*.yaml' Makefile .ci/run)
	return $bad
}

run_shellcheck() {
	sources '*.sh' .ci/run | xargs -n 8 -P "$(nproc)" shellcheck
}

run_cppcheck() {
	cppcheck -j2 --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppressions-list=.cppcheck-suppressions --include=scripts/cppcheck-macros.h -Iuser -Iheaders -D_GNU_SOURCE \
		-DSHUNT_VERSION='"0"' --template='{file}:{line}: {severity}: {message} [{id}]' user bpf tests
}

# Whether the file, or one that it includes, has changed since clang-tidy had nothing to say about it.
is_untidied() { # FILE
	local stamp=$TIDIED/$1 dependencies=$O/obj/${1%.c}.d
	[ -e "$stamp" ] && [ -e "$dependencies" ] || return 0
	# shellcheck disable=SC2046 # names without blanks
	[ -n "$(find .clang-tidy $(sed 's/^[^:]*://; s/[\\]$//' "$dependencies") -newer "$stamp" -print -quit 2>&1)" ]
}

tidy() { # FILE
	if clang-tidy -quiet -p . --extra-arg={-Xclang,-analyzer-config,-Xclang,"max-nodes=$LINT_STEPS"} "$1" 2>/dev/null | sed "s|^$PWD/||" |
		awk '/(error|warning): / && !seen[$0]++ { print; n++ } END { exit n > 0 }'; then
		mkdir -p "$TIDIED/${1%/*}"
		touch -d "$started" "$TIDIED/$1"
	else
		return 1
	fi
}

run_clang_tidy() {
	local started
	started=$(date --iso-8601=ns) # what changes meanwhile is newer
	export started TIDIED LINT_STEPS
	export -f tidy
	jq -r '.[].file' compile_commands.json | sed "s|^$PWD/||" | while read -r file; do ! is_untidied "$file" || echo "$file"; done |
		xargs -r -P "$(nproc)" -I{} bash -o pipefail -c 'tidy {}'
}

chosen() { [ "${#parts[@]}" -eq 0 ] || [[ " ${parts[*]} " == *" $1 "* ]]; }

parts=("$@")
! chosen spaces || part spaces spaces
! chosen spdx || part spdx scripts/check-spdx.sh
! chosen dependencies || part dependencies scripts/check-dependencies.sh
! chosen shellcheck || part shellcheck run_shellcheck
! chosen cppcheck || part cppcheck run_cppcheck
! chosen clang-tidy || part clang-tidy run_clang_tidy
echo "lint: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
