#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an operator types into: completion in real shells, --watch, top; each in a terminal of its own.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/terminal.sh
. "$SOURCE_DIR/tests/lib/terminal.sh"

VIP=192.0.2.10

start_system() {
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3 25
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		defaults: {forward: l2, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: $VIP, protocol: tcp, port: 80, group: app}
		  - {name: mail, address: $VIP, protocol: tcp, port: 25, group: spare}
		failover_groups:
		  - {name: app, mode: active-passive, primary: b1, backends: [b1, b2]}
		  - {name: spare, mode: active-active, backends: [b3]}
		$(some_backends 3)
	END
}

# ---- completion ----

shell() { # bash | zsh | fish: with completion as it is installed and a prompt to wait for
	local completions=$SOURCE_DIR/contrib/completion
	command -v "$1" >/dev/null || skip "$1 is not there"
	mkdir -p "$T/home"
	case $1 in
	bash) printf 'PS1="ready> "\n. %s/shunt.bash\n' "$completions" >"$T/rc" ;;
	zsh) printf 'PS1="ready> "\nunsetopt PROMPT_SP\nfpath=(%s $fpath)\nautoload -U compinit\ncompinit -u -D\n' "$completions" >"$T/home/.zshrc" ;;
	fish) printf 'function fish_prompt; echo -n "ready> "; end\nset fish_greeting\nsource %s/shunt.fish\n' "$completions" >"$T/rc" ;;
	esac
	case $1 in
	bash) set -- bash --noprofile --rcfile "$T/rc" -i ;;
	zsh) set -- zsh -i ;;
	fish) set -- fish -i -C "source $T/rc" ;;
	esac
	terminal env HOME="$T/home" ZDOTDIR="$T/home" PATH="$SHUNT_BUILD:$PATH" "$@"
	shows '^ready>' "a prompt of $1"
}

# completes TYPED RESULT: with one Tab; then the line is empty again.
completes() {
	types "$1"
	keys Tab
	[ -z "${3:-}" ] || keys Tab # bash lists what there is to choose from at the second one
	shows "$2" "\"$1\" and Tab"
	keys C-u # no C-c: the terminal throws away what was typed behind it
	keys C-l
	wait_for 10 "an empty line" is_empty
}

is_empty() { [ "$(screen | tr -d '[:space:]')" = 'ready>' ]; }

completion_in() { # SHELL
	local to
	start_system
	shell "$1"
	to="shunt --socket $RUN_DIR/shunt.sock"
	ln -s "$RUN_DIR/shunt.sock" "$T/s"
	to="shunt --socket $T/s"
	completes "shunt expl" 'shunt explain$'
	completes "shunt drain --tim" 'shunt drain --timeout='
	completes "$to services w" 'services web'
	completes "$to drain b" 'b1.*(up|b2)' twice
	completes "$to status sp" 'status spare'
	completes "$to failover app --to=b" 'b1.*(active|b2)' twice
	completes "$to trace --service m" '--service mail'
	completes "shunt deny ad" 'deny add'
	completes "shunt check /etc/host" '/etc/host'
}

# ---- --watch ----

watch() { terminal env NO_COLOR= "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" "$@"; }

watch_follows() {
	start_system
	watch status --watch=200ms
	shows 'app active-passive .* normal' "status on the screen"
	colours | grep -q $'\e\[' || fail "no colours on a terminal"
	shunt drain b1
	shows '~ b1 +10.77.0.11 .* drain' "the same picture, as it is now"
	expect "$(screen | grep -c '^shunt ')" -eq 1 "one picture, not one below the other"
	kill_shuntd
	shows 'cannot reach the controller' "the controller is gone"
	start_shuntd
	shows 'app active-passive' "it is back"
	expect "$(screen | awk 'length > 80' | wc -l)" -eq 0 "wider than the terminal"
	resize 60 24
	shows 'app active-passive' "after a resize"
	keys C-c
	wait_for 5 "it ends" pane_is_dead
	expect "$(in_tmux display-message -p '#{pane_dead_status}')" = 0 "exit status when interrupted"
}

pane_is_dead() { is 1 in_tmux display-message -p '#{pane_dead}'; }

watch_elsewhere() {
	start_system
	spawn watch lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" --json groups --watch=100ms
	wait_for 10 "five documents" has_lines watch 5
	stop watch
	expect "$(head -5 "$T/watch.log" | jq -s 'map(length) | unique | .[]')" = 2 "a document a line"
	if grep -q $'\e' "$T/watch.log"; then fail "escapes where there is no terminal"; fi
}

has_lines() { [ "$(wc -l <"$T/$1.log")" -ge "$2" ]; } # LABEL N

suite terminal
run_test 'bash completes commands, options, names and files' completion_in bash
run_test 'zsh completes commands, options, names and files' completion_in zsh
run_test 'fish completes commands, options, names and files' completion_in fish
run_test 'status --watch follows on a terminal, also through a restart of the controller' watch_follows
run_test '--watch --json is a document a line, without escapes' watch_elsewhere
finish
