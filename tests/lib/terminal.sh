# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A terminal of a test's own, in tmux: keys go in, the screen comes out. Sourced by suites that look at one.

TERMINAL_COLUMNS=80 TERMINAL_ROWS=24

in_tmux() { tmux -S "$T/tmux" "$@"; }

# terminal COMMAND…: runs it on host lb in a terminal of 80 by 24. The server is the test's child and ends with it.
terminal() {
	command -v tmux >/dev/null || skip "tmux is not there"
	if [ ! -e "$T/tmux.pid" ]; then
		printf 'set -g %s\n' 'default-terminal screen-256color' 'remain-on-exit on' 'status off' 'exit-empty off' >"$T/tmux.conf"
		spawn tmux lb env -u TMUX LC_ALL=C.UTF-8 tmux -D -f "$T/tmux.conf" -S "$T/tmux"
		wait_for 10 "tmux is there" test -S "$T/tmux"
	fi
	in_tmux new-session -d -x $TERMINAL_COLUMNS -y $TERMINAL_ROWS "$@"
}

keys() { in_tmux send-keys "$@"; }          # as tmux names them
types() { in_tmux send-keys -l -- "$1"; }   # as they are
screen() { in_tmux capture-pane -p; }
colours() { in_tmux capture-pane -p -e; }   # with their escapes
resize() { in_tmux resize-window -x "$1" -y "$2"; }
screen_has() { screen | grep -qE -- "$1"; } # PATTERN

# shows PATTERN WHAT…: waits until the screen has it.
shows() {
	local pattern=$1 deadline
	shift
	deadline=$(($(now_ms) + 15000))
	until screen_has "$pattern"; do
		[ "$(now_ms)" -lt "$deadline" ] || fail "$*: no \"$pattern\" on the screen:"$'\n'"$(screen)"
		sleep 0.02
	done
}
