# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A headless Chromium in a test, by WebDriver (W3C), which is HTTP and JSON: sourced by suites after suite.sh.

SCREENSHOTS=$SHUNT_BUILD/screenshots

# open_browser HOST [ARGUMENT…]: one session of a browser on that host.
open_browser() {
	local host=$1 arguments
	shift
	BROWSER_HOST=$host
	mkdir -p "$SCREENSHOTS" "$T/browser"
	spawn chromedriver "$host" env HOME="$T/browser" TMPDIR="$T/browser" chromedriver --port=9515 --log-level=WARNING
	wait_for 20 "chromedriver answers" webdriver GET /status
	arguments=$(jq -nc '$ARGS.positional' --args -- --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
		--disable-background-networking --disable-component-update --no-first-run --user-data-dir="$T/browser/profile" "$@")
	SESSION=$(webdriver POST /session "$(jq -nc --argjson a "$arguments" '{capabilities: {alwaysMatch: {browserName: "chrome",
		"goog:loggingPrefs": {browser: "ALL"}, "goog:chromeOptions": {args: $a}}}}')" | jq -r .value.sessionId)
	[ "$SESSION" != null ] || fail "no session: $(tail -n 3 "$T/chromedriver.log")"
}

webdriver() { # METHOD PATH [BODY]: the answer
	on "$BROWSER_HOST" curl -sS -m 30 -X "$1" ${3+--json "$3"} "http://127.0.0.1:9515$2"
}

in_session() { # METHOD PATH [BODY]: the value of the answer as JSON; fails when it is an error
	webdriver "$1" "/session/$SESSION$2" "${@:3}" | jq -ce 'if (.value | type) == "object" and .value.error
		then error(.value.error + ": " + .value.message) else .value end' || [ $? -eq 1 ]
}

close_browser() {
	in_session DELETE "" >/dev/null
	stop chromedriver
}

visit() { in_session POST /url "$(jq -nc --arg url "$1" '{url: $url}')" >/dev/null; } # URL

# of_page BODY [ARGUMENT…]: what the function with that body returns in the page, text as it is.
of_page() {
	local body=$1
	shift
	in_session POST /execute/sync "$(jq -nc --arg script "$body" '{script: $script, args: $ARGS.positional}' --args -- "$@")" |
		jq -r 'if type == "object" or type == "array" then tojson else . end'
}

text_of() { of_page 'return document.querySelector(arguments[0])?.innerText ?? ""' "$1"; } # SELECTOR

has_text() { [[ $(text_of "$1") == *"$2"* ]]; } # SELECTOR TEXT

is_there() { is true of_page 'const e = document.querySelector(arguments[0]); return Boolean(e && e.checkVisibility())' "$1"; }
is_gone() { is false of_page 'const e = document.querySelector(arguments[0]); return Boolean(e && e.checkVisibility())' "$1"; }

element() { in_session POST /element "$(jq -nc --arg css "$1" '{using: "css selector", value: $css}')" | jq -r '.[]'; } # SELECTOR: its id
click() { in_session POST "/element/$(element "$1")/click" '{}' >/dev/null; }                    # SELECTOR: as a person would
press() { wait_for 20 "$1 can be clicked" click "$1"; } # SELECTOR: once it is there, is seen, and nothing is before it
type_in() { in_session POST "/element/$(element "$1")/value" "$(jq -nc --arg text "$2" '{text: $text}')" >/dev/null; } # SELECTOR TEXT

# devtools COMMAND PARAMETERS: of the Chrome DevTools Protocol.
devtools() { in_session POST /goog/cdp/execute "$(jq -nc --arg cmd "$1" --argjson params "$2" '{cmd: $cmd, params: $params}')"; }

use_scheme() { # light|dark
	devtools Emulation.setEmulatedMedia "$(jq -nc --arg scheme "$1" '{features: [{name: "prefers-color-scheme", value: $scheme},
		{name: "prefers-reduced-motion", value: "reduce"}]}')" >/dev/null
}

use_window() { # WIDTH HEIGHT [SCALE [MOBILE]]
	devtools Emulation.setDeviceMetricsOverride "$(jq -nc --argjson w "$1" --argjson h "$2" --argjson s "${3:-1}" --argjson m "${4:-false}" \
		'{width: $w, height: $h, deviceScaleFactor: $s, mobile: $m}')" >/dev/null
}

screenshot() { # NAME: build/screenshots/NAME.png
	in_session GET /screenshot | jq -r . | base64 -d >"$SCREENSHOTS/$1.png"
}

# What the browser complained of: errors, refused resources, violations of the policy. Each is told once.
complaints() { in_session POST /se/log '{"type": "browser"}' | jq -r '.[] | select(.level != "INFO" and .level != "DEBUG") | .message'; }
