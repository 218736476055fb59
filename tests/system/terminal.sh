#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What an operator types into: completion in real shells, --watch, top; each in a terminal of its own.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/tls.sh
. "$SOURCE_DIR/tests/lib/tls.sh"
# shellcheck source=tests/lib/terminal.sh
. "$SOURCE_DIR/tests/lib/terminal.sh"

VIP=192.0.2.10

start_system() { # [TOP-LEVEL-LINE]
	net_make client lb b1 b2 b3
	serve b1
	serve b2
	serve b3 25
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 2s
		table_size: 4096
		flow_table_size: 65536
		${1:-on_exit: keep}
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

widest() { screen | LC_ALL=C.UTF-8 wc -L; }

# ---- completion ----

shell() { # bash | zsh | fish: with completion as it is installed and a prompt to wait for
	local completions=$SOURCE_DIR/contrib/completion
	command -v "$1" >/dev/null || skip "$1 is not there"
	mkdir -p "$T/home"
	# shellcheck disable=SC2016 # zsh expands its $fpath
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
	self_signed 127.0.0.1 "$T/ca.pem"
	echo s3cret >"$T/token"
	start_system "api: {listen: \"127.0.0.1:8443\", token_file: $T/token, certificate_file: $T/ca.pem, key_file: $T/key.pem}"
	shell "$1"
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
	# Over TLS, with a token; and nothing, in the line or below it, where that is wrong.
	to="shunt --url https://127.0.0.1:8443 --token-file $T/token --ca-file $T/ca.pem"
	completes "$to status sp" 'status spare'
	completes "$to failover app --to=b" 'b1.*(active|b2)' twice
	to="shunt --url https://127.0.0.1:8443 --token-file $T/token"
	types "$to status sp"
	keys Tab
	types 'x'
	shows 'status spx' "what was typed, and nothing else"
	keys C-u
	keys C-l
	wait_for 10 "an empty line" is_empty
	completes "shunt check /etc/host" '/etc/host'
}

# ---- --watch ----

# Its exit status goes into a file: tmux 3.3 does not always learn of the end of what runs in it.
watch() {
	# shellcheck disable=SC2016 # the shell in the terminal is to expand it
	terminal sh -c 'trap : INT; "$@"; echo $? >"$0"' "$T/status" \
		env NO_COLOR="${NO_COLOR:-}" "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" "$@"
}

COLOUR=$'\e\\[([0-9]+;)*[39][0-7](;[0-9]+)*m'

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
	expect "$(widest)" -le 80 "columns of the widest line"
	resize 60 24
	shows 'app active-passive' "after a resize"
	keys C-c
	wait_for 5 "it ends" test -s "$T/status"
	expect "$(cat "$T/status")" = 0 "exit status when interrupted"
}

# What is set and not empty: no colours, of what is printed and of what takes the screen. Bold and reversed are none.
no_colours() {
	start_system
	NO_COLOR=1 watch status --watch=200ms
	shows 'app active-passive .* normal' "status on the screen"
	expect "$(colours | grep -cE "$COLOUR")" -eq 0 "lines of status with a colour"
	in_tmux kill-session
	terminal env NO_COLOR=1 "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" top
	shows 'b1 +. up' "top"
	expect "$(colours | grep -cE "$COLOUR")" -eq 0 "lines of top with a colour"
	in_tmux kill-session
	terminal env NO_COLOR= "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" top
	shows 'b1 +. up' "top"
	expect "$(colours | grep -cE "$COLOUR")" -ge 1 "lines of top with a colour, where it is empty"
}

watch_elsewhere() {
	start_system
	spawn watch lb "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" --json groups --watch=100ms
	wait_for 10 "five documents" has_lines watch 5
	stop watch
	expect "$(head -5 "$T/watch.log" | jq -s 'map(length) | unique | .[]')" = 2 "a document a line"
	if grep -q $'\e' "$T/watch.log"; then fail "escapes where there is no terminal"; fi
}

has_lines() { [ "$(wc -l <"$T/$1.log")" -ge "$2" ]; } # LABEL N

# ---- top ----

# A shell that says whether the terminal is as it was, with top in it.
top() {
	# shellcheck disable=SC2016 # for the inner shell
	printf '#!/bin/bash\nstty -g >%s/before\necho begin\n"$@"; status=$?\nstty -g >%s/after; echo "ended $status"\nexec cat\n' "$T" "$T" >"$T/within"
	chmod +x "$T/within"
	terminal "$T/within" "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" top "$@"
	shows '^shunt .* on .* eth0' "top's head"
}

is_restored() {
	shows '^ended 0' "the end"
	expect "$(cat "$T/before")" = "$(cat "$T/after")" "the terminal's settings"
	expect "$(in_tmux display-message -p '#{alternate_on}#{cursor_flag}')" = 01 "no alternate screen, a cursor"
	screen_has '^begin$' || fail "what was on the screen before is gone: $(screen)"
}

fits() { # COLUMNS ROWS
	expect "$(widest)" -le "$1" "columns of the widest line"
	screen_has 'q quit' || fail "no keys at the foot: $(screen)"
	[ -z "${SHUNT_SHOW:-}" ] || screen >&3
}

choose() { # NAME: goes down from the first line until it is the chosen one, a key at a time
	local name
	keys Home
	for name in web mail app spare b1 b2 b3; do
		wait_for 5 "$name is the chosen line" is_chosen "$name"
		[ "$name" != "$1" ] || return 0
		keys Down
	done
}

is_chosen() { colours | grep -qE $'\e\\[([0-9]+;)*7m(\e\\[[0-9;]*m)*'"$1"; } # shown in reverse

top_shows() {
	local paused
	start_system
	connect_every 20 traffic $VIP 80
	top --interval 300ms
	shows 'web +192.0.2.10:80 +[1-9][0-9.]* ' "packets a second of the service"
	shows 'app +normal, 2 up +[1-9]' "the group"
	shows 'b1 +. up [0-9]+s +[1-9][0-9.]* ' "the backend that takes them"
	shows 'LAST EVENTS' "events"
	shows 'group app: b1: first decision' "an event"
	fits 80 24
	keys s
	shows 'by name$' "the order"
	keys r
	shows 'by name, reversed$' "the other way round"
	wait_for 5 "mail is below web no more" before 'web ' 'mail '
	keys r
	types '/b2'
	keys Enter
	shows '/b2 [0-9]' "the filter"
	wait_for 5 "b3 is not shown" hides '^b3 '
	keys Escape
	shows '^b3 ' "all again"
	keys p
	shows 'PAUSED' "paused"
	paused=$(screen)
	shunt drain b3
	sleep 1 # three looks, were it not paused
	expect "$(screen)" = "$paused" "what is on the screen while paused"
	keys p
	wait_for 5 "it goes on" hides PAUSED
	shows '^b3 +~ drain' "what happened meanwhile"
	shunt ready b3
	keys 5
	shows 'no_backend .*no fit backend' "reasons of drops"
	keys 6
	shows 'shuntd: version' "events, all of them"
	keys 1
	keys '?'
	shows 'takes back drain and maint' "the help"
	keys '?'
	resize 120 40
	wait_for 5 "it fills the larger terminal" at_line 40 'q quit'
	fits 120 40
	resize 60 12
	wait_for 5 "it fits the smaller one" at_line 12 'q quit'
	expect "$(widest)" -le 60 "columns of the widest line"
	keys q
	is_restored
	stop_traffic traffic
}

at_line() { screen | sed -n "${1}p" | grep -q "$2"; }
hides() { ! screen_has "$1"; }
before() { # A B: A stands above B
	[ "$(screen | grep -n "^$1" | cut -d: -f1)" -lt "$(screen | grep -n "^$2" | cut -d: -f1)" ]
}

top_commands() {
	start_system
	top
	choose 'b1'
	keys d
	shows 'drain b1: .* y does it' "it asks first"
	keys n
	shows 'nothing was done' "and does nothing without a yes"
	expect "$(backend b1 admin)" = ready "b1"
	keys d
	shows 'drain b1: .* y does it' "it asks first"
	keys y
	shows 'drain b1: done' "what came of it"
	expect "$(backend b1 admin)" = drain "b1"
	shows '^b1 +~ drain' "b1 drains"
	keys y
	shows 'ready b1: .* y does it' "ready asks, too"
	keys y
	shows '^b1 +. up' "b1 is back"
	expect "$(active app)" = b2 "who is active, with failback by hand"
	choose 'app'
	keys b
	shows 'failback app: .*y does it' "failback asks"
	keys y
	shows 'failback app: done' "what came of it"
	expect "$(active app)" = b1 "who is active"
	keys f
	shows 'failover app: .*y does it' "failover asks"
	keys y
	shows 'failover app: done' "what came of it"
	expect "$(active app)" = b2 "who is active"
	shows '^app +failed-over, 2 up' "the group has failed over"
	choose 'web'
	keys d
	shows 'drain is for a backend: choose one' "what a key is for"
	kill_shuntd
	shows 'not reached' "the controller is gone"
	start_shuntd
	wait_for 10 "it is back" hides 'not reached'
	kill -TERM "$(pgrep -P "$(in_tmux display-message -p '#{pane_pid}')" -x shunt)"
	is_restored
}

# ---- long names, in narrow terminals and wide ones ----

LONG_SERVICE=storefront-checkout-production-eu-central-1
LONG_GROUP=storefront-checkout-application-servers
LONG_BACKEND=storefront-checkout-app-eu-central-1a-000

long_names() {
	net_make client lb b1 b2
	serve b1
	serve b2
	balance <<-END
		interfaces: [eth0]
		flow_timeout: 10s
		table_size: 4096
		flow_table_size: 65536
		defaults: {forward: l2, health_check: $FAST_CHECK}
		services:
		  - {name: $LONG_SERVICE, address: $VIP, protocol: tcp, port: 80, group: $LONG_GROUP, tracking: always}
		failover_groups:
		  - {name: $LONG_GROUP, mode: active-passive, primary: ${LONG_BACKEND}1, backends: [${LONG_BACKEND}1, ${LONG_BACKEND}2]}
		backends:
		  - {name: ${LONG_BACKEND}1, address: $(ip4 b1)}
		  - {name: ${LONG_BACKEND}2, address: $(ip4 b2)}
	END
	connect_every 20 traffic $VIP 80
	hold hold 5 $VIP 80 --every 50ms
}

# Lines as the program wrote them, those that the terminal had to break put together again.
lines() { in_tmux capture-pane -p -J -S - | sed 's/ *$//'; }

# prints COLUMNS PATTERNS… -- COMMAND…: on a terminal of so many columns, with colours, no line is wider, and all of this is there.
prints() {
	local columns=$1 patterns=() pattern
	shift
	while [ "$1" != -- ]; do patterns+=("$1") && shift; done
	shift
	[ -z "$(in_tmux list-windows 2>/dev/null)" ] || in_tmux kill-session
	rm -f "$T/status"
	# shellcheck disable=SC2016 # the shell in the terminal is to expand it
	TERMINAL_COLUMNS=$columns TERMINAL_ROWS=40 terminal sh -c '"$@"; echo $? >"$0"; exec cat' "$T/status" \
		env NO_COLOR= "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" "$@"
	wait_for 10 "$1 ends" test -s "$T/status"
	[ -z "${SHUNT_SHOW:-}" ] || { echo "--- $columns: $*" && colours; } >&3
	expect "$(cat "$T/status")" = 0 "exit status of $1"
	expect "$(lines | LC_ALL=C.UTF-8 wc -L)" -le "$columns" "columns of the widest line of $*:"$'\n'"$(lines)"$'\n'
	for pattern in "${patterns[@]}"; do
		lines | tr -s ' \n' '  ' | grep -qE -- "$pattern" || fail "$1 at $columns columns has no \"$pattern\":"$'\n'"$(lines)"
	done
	in_tmux capture-pane -p -e -S - | grep -q $'\e\[' || fail "$1 has no colours on a terminal"
}

lines_fit() { # COLUMNS
	long_names
	prints "$1" "$LONG_SERVICE" "$LONG_GROUP" "${LONG_BACKEND}1" "${LONG_BACKEND}2" -- status
	prints "$1" "$LONG_SERVICE" "$LONG_GROUP" "$VIP:80" -- services
	prints "$1" "$LONG_GROUP" "${LONG_BACKEND}1" -- groups
	prints "$1" "${LONG_BACKEND}1" "${LONG_BACKEND}2" -- backends
	prints "$1" "$LONG_SERVICE" "${LONG_BACKEND}2" -- stats
	prints "$1" "${LONG_BACKEND}1" "SILENT FOR" "RESOLVING" -- flows
	prints "$1" "$LONG_GROUP" "first decision" -- events
	prints "$1" "${LONG_BACKEND}1" "$LONG_SERVICE" "slot" -- explain tcp 10.77.0.1:4000 $VIP:80
	prints "$1" "> $VIP:80 sent" "slot.[0-9]+.settled ${LONG_BACKEND}1 l2" -- trace --service "$LONG_SERVICE" -c 5
	stop_traffic traffic
	stop_traffic hold
}

top_fits() { # COLUMNS
	long_names
	TERMINAL_COLUMNS=$1 top --interval 300ms
	shows "$VIP:80 +[1-9]" "packets a second of the service"
	fits "$1" 24
	# A name that is cut says so, and its end, where names differ, is there.
	shows '000?1 +. up' "the first backend's own end"
	shows '000?2 +. up' "the second one's"
	keys q
	is_restored
	stop_traffic traffic
	stop_traffic hold
}

suite terminal
run_test 'bash completes commands, options, names and files' completion_in bash
run_test 'zsh completes commands, options, names and files' completion_in zsh
run_test 'fish completes commands, options, names and files' completion_in fish
run_test 'status --watch follows on a terminal, also through a restart of the controller' watch_follows
run_test 'with NO_COLOR neither status nor top has a colour' no_colours
run_test '--watch --json is a document a line, without escapes' watch_elsewhere
run_test 'top shows rates, states, events, sorts, filters, pauses, resizes and leaves the terminal as it was' top_shows
limit 120 # on a busy machine
for columns in 80 120; do
	run_test "with long names no line is wider than $columns columns, and nothing is left out" lines_fit $columns
	run_test "top fits $columns columns, and a long name is cut where that can be seen" top_fits $columns
done
run_test 'top drains and fails over when it was told yes, and only then' top_commands
finish
