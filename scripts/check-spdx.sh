#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every file of the tree says its licence in one of its first three lines. Prints those that do not.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=0
while read -r file; do
	[ -f "$file" ] || continue
	case $file in
	LICENSE | VERSION | .gitignore | *.md) continue ;; # the licence itself, and prose
	*.json | *.hex | *.pcap | *.bin | *.png) continue ;;       # formats without comments
	debian/rules | debian/*.prerm) ;;
	debian/*) continue ;;                              # debian/copyright speaks for them
	tests/fuzz/corpus/* | tests/packets/* | tests/golden/*) continue ;;
	esac
	if ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause'; then
		echo "$file: no line \"SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\" at its head"
		missing=1
	fi
done < <(git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build/*')
exit "$missing"
