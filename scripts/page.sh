#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# page.sh DIRECTORY OUT.html OUT.h: puts the status page together from user/api/page: one HTML file without anything from
# outside, and the header that shuntd has it and its Content-Security-Policy from. The modules become one script: `import` and
# `export` go, so names are unique over all of them; those that others are made of come first.
set -euo pipefail

MODULES="dom model plot words flow card groups timeline actions source main"
directory=$1 html=$2 header=$3

style() { grep -v '^/\* SPDX' "$directory/page.css"; }

script() {
	local module
	for module in $MODULES; do
		sed -E '/^import /d; /^\/\/ SPDX/d; s/^export //' "$directory/$module.js"
	done
}

twice=$(script | grep -oE '^(const|let|function|async function|class) +[A-Za-z_]+' | sed 's/.* //' | sort | uniq -d)
[ -z "$twice" ] || { echo "page.sh: two modules have this name: $twice" >&2 && exit 1; }

hash_of() { printf "'sha256-%s'" "$(sha256sum | cut -d' ' -f1 | tr a-f A-F | basenc -d --base16 | base64)"; }

# What stands between the tags, byte for byte, is what the hashes are of.
page() {
	local line
	while IFS= read -r line; do
		case $line in
		'<style>@CSS@</style>') echo '<style>' && style && echo '</style>' ;;
		'<script type="module">@JS@</script>') echo '<script type="module">' && script && echo '</script>' ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$directory/page.html"
}

policy() {
	printf "default-src 'none'; style-src %s; script-src %s; connect-src 'self'; img-src data:; " \
		"$({ echo && style; } | hash_of)" "$({ echo && script; } | hash_of)"
	printf "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
}

as_string() { sed 's/\\/\\\\/g; s/"/\\"/g; s/?/\\?/g; s/^/\t"/; s/$/\\n"/'; }

page >"$html.tmp"
{
	echo '/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */'
	echo '/* Made by scripts/page.sh of user/api/page. */'
	echo 'static const char page_html[] ='
	as_string <"$html.tmp"
	echo ';'
	echo "static const char page_policy[] = \"$(policy)\";"
} >"$header.tmp"
mv "$html.tmp" "$html"
mv "$header.tmp" "$header"
