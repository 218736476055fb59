#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The status page, in a browser, before a balancer with traffic. Pictures of it are left in build/screenshots.
# shellcheck disable=SC2016 # what is in single quotes is JavaScript
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"
# shellcheck source=tests/lib/tls.sh
. "$SOURCE_DIR/tests/lib/tls.sh"
# shellcheck source=tests/lib/browser.sh
. "$(dirname "$0")/../lib/browser.sh"
# shellcheck source=tests/lib/terminal.sh
. "$SOURCE_DIR/tests/lib/terminal.sh"

PAGE=http://127.0.0.1:8080/

the_config() { # LISTEN [MORE]
	cat <<-END
		interfaces: [eth0]
		api: {listen: "$1"${2:+, $2}}
		flow_timeout: 5s
		table_size: 4096
		flow_table_size: 65536
		defaults: {forward: l2, health_check: $FAST_CHECK}
		services:
		  - {name: web, address: 192.0.2.10, protocol: tcp, port: 80, group: web}
		  - {name: web6, address: "2001:db8::10", protocol: tcp, port: 80, group: web}
		  - {name: database, address: 192.0.2.11, protocol: tcp, port: 5432, group: database}
		failover_groups:
		  - {name: web, mode: active-active, backends: [b1, b2, b3]}
		  - {name: database, mode: active-passive, backends: [b4, b5], primary: b4}
		$(some_backends 5)
	END
}

start_system() { # LISTEN [MORE]
	local host
	net_make client lb b1 b2 b3 b4 b5
	for host in b1 b2 b3; do serve "$host"; done
	for host in b4 b5; do serve "$host" 5432; done
	the_config "$@" | balance
}

is_live() { has_text '#live' live; }
expect_no_complaint() { expect "$(complaints)" = "" "what the browser complains of"; }

open_page() { # [URL [HOST]]
	open_browser "${2:-lb}"
	use_window 1480 1000
	use_scheme light
	visit "${1:-$PAGE}"
	wait_for 20 "the page is live" is_live
}

row() { echo "[data-group=$1] [data-backend=$2]"; } # GROUP BACKEND

# ---- what it shows ----

measured() { of_page 'return [...document.querySelectorAll("[data-tile=packets] .value, .service b, .backend .rate")].every((e) => e.innerText !== "0")'; }

shows_all_there_is() {
	start_system 127.0.0.1:8080
	connect_every 5 web 192.0.2.10 80
	connect_every 12 web6 2001:db8::10 80
	connect_every 20 database 192.0.2.11 5432
	hold hold 40 192.0.2.10 80 --every 50ms
	open_page
	expect "$(text_of '#verdict')" = "All well" "the verdict"
	expect "$(of_page 'return [...document.querySelectorAll(".card")].map((e) => e.dataset.group).join(" ")')" = "web database" "groups"
	expect_contains "$(text_of '[data-group=web] .services')" "[2001:db8::10]:80 tcp" "services of web"
	expect "$(text_of "$(row database b4) .share")" = "100 %" "the primary's share"
	expect "$(text_of "$(row database b5) .share")" = standby "the standby's share"
	wait_for 20 "packets of services are counted" true of_page 'return [...document.querySelectorAll(".service b")].every((e) => e.innerText !== "0")'
	expect_no_complaint
	picture_a_change
	expect_no_complaint
	picture_terminal status ' b5 .*database|database .*failed over' status --watch=1s
	picture_terminal top 'web +192.0.2.10:80 +[1-9]' top
}

# What the page is drawn with, by the brightness of what is below and of the letters on it.
lightness() {
	of_page 'const style = getComputedStyle(document.documentElement), sum = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);
		const below = sum(style.backgroundColor), above = sum(style.color);
		return below > above ? "light: dark on light" : "dark: light on dark"'
}

# A drain under traffic, a dead primary, and what the page makes of it, in pictures.
picture_a_change() {
	local light
	shunt drain b2
	stop server-b4 KILL
	wait_for 20 "the page shows the failover" has_text '[data-group=database] .pill' 'failed over'
	wait_for 20 "the page shows the drain" has_text "$(row web b2) .state" draining
	wait_for 20 "the page shows slots that move" is_there '[data-group=web] .shift'
	expect_contains "$(text_of '.events .cause')" "connection refused" "the cause of the failover"
	expect_contains "$(text_of '#problems')" "database has failed over to b5" "problems"
	wait_for 20 "plots have grown" true of_page 'return document.querySelector("[data-tile=packets] .stroke").getAttribute("d").split("L").length > 12'
	screenshot light
	light=$(lightness)
	use_window 1440 620
	screenshot page
	use_window 1480 1000
	use_scheme dark
	screenshot dark
	expect "$light" = 'light: dark on light' "colours where light ones are preferred"
	expect "$(lightness)" = 'dark: light on dark' "colours where dark ones are preferred"
	use_window 400 860 2 true
	screenshot phone
	expect "$(of_page 'return document.documentElement.scrollWidth <= innerWidth')" = true "whether a phone has to scroll sideways"
	of_page 'document.querySelector(".views [data-view=timeline]").click()' >/dev/null
	wait_for 20 "a phone shows the timeline instead of the groups" is_gone '#groups'
	screenshot phone-timeline
}

# picture_terminal NAME PATTERN COMMAND…: what the command of the CLI shows in a terminal, with its colours, as build/screenshots/NAME.png.
picture_terminal() {
	local name=$1 pattern=$2
	shift 2
	TERMINAL_COLUMNS=96 TERMINAL_ROWS=28
	terminal "$SHUNT_BUILD/shunt" --socket "$RUN_DIR/shunt.sock" "$@"
	shows "$pattern" "$name in a terminal"
	{
		echo '<meta charset="utf-8"><style>body { margin: 0; background: #101418 } pre { margin: 12px 16px; color: #d7dce2; font: 13px/1.3 "DejaVu Sans Mono" }</style><pre>'
		colours | aha --no-header --black
		echo '</pre>'
	} >"$T/$name.html"
	in_tmux kill-session
	use_window 800 490
	visit "file://$T/$name.html"
	screenshot "$name"
}

# ---- how soon ----

# Remembers in the page when a group's pill first says so.
watch_for() { # GROUP WORD
	of_page 'const [group, word] = arguments, pill = document.querySelector(`[data-group=${group}] .pill`);
		window.seen = undefined;
		const look = () => { if (pill.innerText === word) window.seen ??= Date.now(); };
		new MutationObserver(look).observe(pill, {childList: true, characterData: true, subtree: true}); look();' "$1" "$2" >/dev/null
}

was_seen() { is true of_page 'return window.seen !== undefined'; }

event_ms() { # KIND: when the last one happened
	date -d "$(json "[.[] | select(.kind == \"$1\")] | last | .time" events)" +%s%3N
}

# shown_after EVENT WORD COMMAND…: prints how long after the event the page showed it.
shown_after() {
	local event=$1 word=$2
	shift 2
	watch_for database "$word"
	"$@" >/dev/null
	wait_for 20 "the page says $word" was_seen
	echo "$(($(of_page 'return window.seen') - $(event_ms "$event")))"
}

failovers_show_at_once() {
	local i times
	start_system 127.0.0.1:8080
	open_page
	for i in 1 2 3; do
		times="${times:-}$(shown_after failover 'failed over' shunt failover database --to b5) "
		times="$times$(shown_after failback normal shunt failback database) "
	done
	times="$times$(shown_after failover 'failed over' stop server-b4 KILL)"
	note "a failover or failback is on the page $(tr ' ' '\n' <<<"$times" | median) ms after it (median of 7; all: $times)"
	expect "$(tr ' ' '\n' <<<"$times" | median)" -lt 1000 "ms from a failover to the page"
	# By the stream: all that happened was asked for once, when the page was opened.
	expect "$(of_page 'return performance.getEntriesByType("resource").filter((e) => e.name.endsWith("/api/v1/status")).length')" -eq 1 "questions for the whole status"
	expect_no_complaint
}

goes_on_after_a_restart() {
	start_system 127.0.0.1:8080
	open_page
	kill_shuntd
	wait_for 20 "the page says that it lost the controller" has_text '#live' reconnecting
	start_shuntd
	wait_for 20 "the page is live again" is_live
	shunt maint b1
	wait_for 20 "the page follows" has_text "$(row web b1) .state" maintenance
}

# ---- what can be done ----

admin_is() { is "$2" backend "$1" admin; } # BACKEND STATE

confirm() { # WORDS: what the dialog must say
	wait_for 20 "the dialog says: $1" has_text '#dialog .foresee' "$1"
	press '#dialog [type=submit]'
	wait_for 20 "the dialog is gone" is_gone '#dialog'
}

buttons_do() {
	start_system 127.0.0.1:8080
	open_page
	press "$(row web b2) button:first-child"
	wait_for 20 "a dialog" has_text '#dialog h2' 'Drain b2?'
	expect_contains "$(text_of '#dialog')" "shunt drain b2" "the same by command"
	press '#dialog [type=button]'
	wait_for 20 "the dialog is gone" is_gone '#dialog'
	expect "$(backend b2 admin)" = ready "what a cancelled drain does"
	press "$(row web b2) button:first-child"
	screenshot_dialog
	confirm "33 % of its slots move, to b"
	wait_for 20 "b2 drains" admin_is b2 drain
	wait_for 20 "the page shows it" has_text "$(row web b2) .state" drain
	expect_contains "$(json '[.[] | select(.kind == "drain")] | last | .actor' events)" operator "who did it"
	press "$(row web b2) button"
	wait_for 20 "a dialog" has_text '#dialog h2' 'Take b2 back?'
	press '#dialog [type=submit]'
	wait_for 20 "b2 is back" admin_is b2 ready
	press '[data-group=database] .card-head [aria-label*=over]'
	confirm "100 % of its slots move, to b5"
	wait_for 20 "database is on b5" is b5 active database
	press '[data-group=database] .card-head [aria-label*=back]'
	wait_for 20 "a dialog" has_text '#dialog h2' 'Fail database back?'
	press '#dialog [type=submit]'
	wait_for 20 "database is on b4" is b4 active database
	expect_no_complaint
}

screenshot_dialog() {
	wait_for 20 "what would move" has_text '#dialog .foresee' 'slots move'
	screenshot dialog
}

# ---- who may ----

give_token() { # TOKEN
	wait_for 20 "the question for the token" is_there '#dialog input'
	type_in '#dialog input' "$1"
	press '#dialog [type=submit]'
}

asks_for_the_token() {
	echo 'right-token' >"$T/token"
	start_system 127.0.0.1:8080 "token_file: $T/token"
	open_browser lb
	visit http://127.0.0.1:8080/
	give_token wrong-token
	wait_for 20 "the refusal" has_text '#dialog' 'That token was refused'
	expect "$(of_page 'return document.querySelectorAll(".card").length')" -eq 0 "groups shown without the token"
	complaints | grep -v 'status of 401' >"$T/complaints" || true
	expect "$(cat "$T/complaints")" = "" "what the browser complains of, but for the answers 401"
	wait_for 20 "the field is empty" is "" of_page 'return document.querySelector("#dialog input").value'
	give_token right-token
	wait_for 20 "the page is live" is_live
	wait_for 20 "buttons" is_there "$(row web b1) button"
	visit http://127.0.0.1:8080/
	wait_for 20 "the token is kept within the tab" is_live
}

# A balancer whose page is for other hosts: over TLS, with a token to read beside the one for everything.
start_for_others() {
	PAGE=https://$(ip4 lb):8443/
	echo 'write-token' >"$T/token"
	echo 'read-token' >"$T/token-read"
	self_signed "$(ip4 lb)"
	start_system "$(ip4 lb):8443" "token_file: $T/token, read_token_file: $T/token-read, certificate_file: $T/certificate.pem, key_file: $T/key.pem"
}

# open_far TOKEN: the page on the client, whose browser trusts the key of that certificate and no other.
open_far() {
	local pin
	pin=$(openssl x509 -in "$T/certificate.pem" -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64)
	open_browser client "--ignore-certificate-errors-spki-list=$pin"
	use_window 1480 1000
	visit "$PAGE"
	give_token "$1"
	wait_for 20 "the page is live" is_live
	wait_for 20 "backends" is_there "$(row web b1)"
}

buttons_seen() { of_page 'return [...document.querySelectorAll(".card button")].filter((e) => e.checkVisibility() && /drain|maint|ready|over|back/i.test(e.innerText + e.ariaLabel)).length'; }

only_looks_with_the_token_to_read() {
	start_for_others
	open_far read-token
	expect "$(of_page 'return document.body.classList.contains("read")')" = true "whether the page knows that it may only read"
	expect "$(buttons_seen)" -eq 0 "buttons that are seen"
	shunt drain b2
	wait_for 20 "it follows what others do" has_text "$(row web b2) .state" drain
	expect "$(buttons_seen)" -eq 0 "buttons that are seen"
	expect "$(of_page 'return fetch("/api/v1/backends/b1/drain", {method: "POST", headers: {Authorization: "Bearer read-token"}}).then((answer) => answer.status)')" = 403 \
		"a command with that token all the same"
	expect "$(backend b1 admin)" = ready "what it does"
}

works_from_another_host() {
	start_for_others
	open_far write-token
	wait_for 20 "buttons" is_there "$(row web b2) button"
	expect "$(buttons_seen)" -gt 0 "buttons that are seen"
	press "$(row web b2) button:first-child"
	confirm "33 % of its slots move, to b"
	wait_for 20 "b2 drains" admin_is b2 drain
	wait_for 20 "the page shows it" has_text "$(row web b2) .state" drain
	expect "$(of_page 'return location.protocol + isSecureContext')" = https:true "how the page came"
	complaints | grep -v 'status of 401' >"$T/complaints" || true
	expect "$(cat "$T/complaints")" = "" "what the browser complains of, but for the answers 401"
}

policy_holds() {
	local headers
	start_system 127.0.0.1:8080
	headers=$(on lb curl -si "$PAGE" | sed -n '1,/^\r$/p')
	expect_contains "$headers" "Content-Security-Policy: default-src 'none';" "the policy"
	expect_contains "$headers" "Content-Type: text/html; charset=utf-8" "what it is"
	expect "$(grep -c unsafe <<<"$headers")" -eq 0 "exceptions in the policy"
	open_page
	expect_no_complaint
	expect "$(of_page 'return performance.getEntries().map((e) => e.name).filter((name) => name.includes("://") && !name.startsWith(location.origin)).join()')" = "" \
		"resources from elsewhere"
	# The browser holds the page to it, and complaints() would show it.
	of_page 'const image = new Image(); image.src = "http://10.77.0.1/x.png"; document.body.append(image);
		const script = document.createElement("script"); try { script.text = "window.broken = 1"; document.body.append(script); } catch {}' >/dev/null
	wait_for 20 "the image is refused" complains_of 'img-src data:'
	expect "$(of_page 'return window.broken ?? "no"')" = no "whether a strange script ran"
}

complains_of() { [[ $(complaints) == *"$1"* ]]; }

# ---- much of it ----

# What a search costs until it is laid out, in ms.
search_ms() { # WORDS
	of_page 'const start = performance.now(), field = document.getElementById("search");
		field.value = arguments[0]; field.dispatchEvent(new Event("input")); document.body.offsetHeight;
		return Math.round(performance.now() - start)' "$1"
}

# The median time between two frames while the whole list is scrolled through in 60 leaps, each to cards that are not built yet, in ms.
scroll() {
	of_page 'window.frames = []; let last = performance.now(), steps = 0;
		const step = (now) => { window.frames.push(now - last); last = now;
			if (steps++ < 60) { scrollBy(0, document.body.scrollHeight / 60); requestAnimationFrame(step); } else window.scrolled = true; };
		requestAnimationFrame(step)' >/dev/null
	wait_for 30 "the list is scrolled through" is true of_page 'return window.scrolled'
	of_page 'return Math.round(window.frames.sort((a, b) => a - b)[Math.floor(window.frames.length / 2)])'
}

stays_usable() {
	local started first live slowest_search frame elements
	net_make client lb b1
	on lb ip route add 10.200.0.0/16 via "$(ip4 b1)"
	many_of_everything 4096 2048 10000 | config
	SHUNT_START_LIMIT=60 start_shuntd
	open_browser lb
	use_window 1480 1000
	started=$(now_ms)
	visit "$PAGE"
	wait_for 30 "the first rows" is_there '.card .row'
	first=$(($(now_ms) - started))
	wait_for 20 "the page is live" is_live
	live=$(($(now_ms) - started))
	expect "$(text_of '#chips [aria-pressed=true] b')" = 2,048 "groups"
	slowest_search=$(for words in backend-77 backend-7777 198.18.3.3 ''; do search_ms "$words"; done | largest)
	search_ms 10.200.30.97 >/dev/null
	expect "$(of_page 'return [...document.querySelectorAll(".card")].map((e) => e.dataset.group).join()')" = group-1633 "who has 10.200.30.97"
	search_ms '' >/dev/null
	frame=$(scroll)
	elements=$(of_page 'return document.querySelectorAll("*").length')
	note "4,096 services, 2,048 groups, 10,000 backends: first rows after $first ms, live after $live, slowest search $slowest_search ms," \
		"a frame takes $frame ms while leaping through the list (median), $elements elements"
	expect "$first" -lt 15000 "ms to the first rows"
	expect "$slowest_search" -lt 1000 "ms of a search"
	expect "$frame" -lt 500 "ms of a frame while scrolling"
	expect "$elements" -lt 20000 "elements in the page"
	shunt maint backend-4321
	search_ms backend-4321 >/dev/null
	wait_for 20 "a change among thousands is shown" has_text '[data-backend=backend-4321] .state' maintenance
	expect_no_complaint
}

SHUNT_TEST_LIMIT=180 # on a busy machine a browser takes its time
suite page
run_test 'it shows services, groups, backends, a drain and a failover with its cause, without a complaint' shows_all_there_is
run_test 'a failover is on the page within a second' failovers_show_at_once
run_test 'it goes on after a restart of the controller' goes_on_after_a_restart
run_test 'drain, ready, failover and failback by button, foreseen and confirmed' buttons_do
run_test 'it asks for the token, and shows nothing without' asks_for_the_token
run_test 'with the token to read it shows all, and has no buttons' only_looks_with_the_token_to_read
run_test 'it works from another host, over TLS' works_from_another_host
run_test 'its policy lets in nothing from elsewhere' policy_holds
run_test 'with 4,096 services and 10,000 backends it stays usable' stays_usable
finish
