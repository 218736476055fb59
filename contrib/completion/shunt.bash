# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Completion of shunt(1) for bash. What may stand where the cursor is, shunt itself knows.

# The words up to the cursor, put together again where bash has cut them at = and : (COMP_WORDBREAKS).
_shunt_words() {
	local i line=${COMP_LINE:0:COMP_POINT} word
	_shunt_typed=()
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((i > 1)) && [[ $line != [[:space:]]* ]]; then
			_shunt_typed[-1]+=$word
		else
			_shunt_typed+=("$word")
		fi
		line=${line#"${line%%[![:space:]]*}"}
		line=${line#"$word"}
	done
}

_shunt() {
	local -a _shunt_typed
	local line word current cut
	_shunt_words
	COMPREPLY=()
	current=${_shunt_typed[-1]}
	cut=${current%"${current##*[=:]}"} # readline has this already
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		if [[ $word == :files ]]; then
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "${current#"$cut"}")
			return
		fi
		[[ $word != *= ]] || compopt -o nospace
		COMPREPLY+=("${word#"$cut"}")
	done < <("${_shunt_typed[0]}" complete -- "${_shunt_typed[@]:1}" 2>/dev/null)
}

complete -F _shunt shunt
