#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The sections of shunt(1) that `shunt --help` has not: each command with its options, as `shunt COMMAND --help` has them; an
# include file for help2man. The names of commands are asked of the program as a shell's completion does.
#   man-commands.sh SHUNT REFERENCE
set -euo pipefail
shunt=$1 reference=$2

roff() { sed -e 's/\\/\\e/g; s/-/\\-/g' -e "s/^[.']/\\\\\&&/"; }

echo '[COMMANDS]'
"$shunt" complete -- '' | cut -f1 | while read -r command; do
	help=$("$shunt" "$command" --help)
	# Without what all commands have: the usage line, the summary, the options of every command.
	arguments=$(sed -n "1s/^Usage: shunt //p" <<<"$help")
	printf '.TP\n.B shunt %s\n' "$(roff <<<"${arguments% }")"
	sed -n "2s/^shunt $command: //p" <<<"$help" | roff
	printf '.RS\n.nf\n'
	sed -e '1,3d' -e '/^      --json  /,/^  -V, --version/d' -e '/^Mandatory or optional/,/^$/d' <<<"$help" | sed 's/^      //' | cat -s | roff
	printf '.fi\n.RE\n'
done
printf '\n[EXIT STATUS]\n'
"$reference" exit-status.roff
cat <<'END'

[ENVIRONMENT]
.TP
.B NO_COLOR
if set and not empty: no colours. There are none either where the output is not a terminal.
.TP
.B COLUMNS
the width where the output is not a terminal; 80 if it is not set

[COMPLETION]
bash, zsh and fish complete commands, options and the names of services, groups and backends, which they ask of the controller
that \-\-socket or \-\-url names.

[SEE ALSO]
.BR shuntd (8),
.BR shunt.yaml (5),
.BR shunt\-decap (8)
END
