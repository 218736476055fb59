#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# demo.sh [--fast]: shunt at work, in under a minute. On a fresh Debian 12, as root: installs what is missing, builds, puts a
# client, the balancer and three servers into network namespaces, and lets things happen. Nothing outside of them is
# touched, and nothing stays. --fast leaves out the pauses for reading. Exit status 1 when a number is not what it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" -eq 0 ] || exec sudo "$0" "$@"

PAUSE=2.5
[ "${1:-}" != --fast ] || PAUSE=0
export SHUNT_BUILD=${SHUNT_BUILD:-$PWD/build}
FLOWS=$SHUNT_BUILD/tests/tools/flows
WEB=192.0.2.10 DATABASE=192.0.2.11
FAILBACK_DELAY=3
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' blue=$'\e[34m' plain=$'\e[0m'
else bold='' dim='' green='' red='' blue='' plain=''; fi

# ---- telling ----

STEP=0
title() {
	sleep "$PAUSE"
	STEP=$((STEP + 1))
	printf '\n%s%d. %s%s\n' "$bold$blue" "$STEP" "$*" "$plain"
}
say() { printf '   %s\n' "$*"; }
result() { printf '   %s→ %s%s\n' "$green" "$*" "$plain"; }
trouble() { printf '   %s→ %s%s\n' "$red" "$*" "$plain" && WELL=false; }
indent() { sed "s/^/   ${dim}│${plain} /"; }

# Runs a command of shunt and shows it as an operator would type it.
show() {
	printf '   %s$ shunt %s%s\n' "$bold" "$*" "$plain"
	shunt "$@" 2>&1 | indent
}

# ---- doing ----

shunt() { "$SHUNT_BUILD/shunt" --socket "$T/run/shunt.sock" "$@"; }
json() { shunt --json "${@:2}" | jq -r "$1"; }

wait_until() { # SECONDS COMMAND…
	local deadline=$((SECONDS + $1 + 1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			trouble "this did not happen in time: $*"
			tail -n 20 "$T/shuntd.log" | indent
			exit 1
		fi
		sleep 0.02
	done
}

start() { # LABEL HOST COMMAND…: in the background
	local label=$1 host=$2
	shift 2
	nsenter --net="/run/netns/$NET-$host" -- "$@" >>"$T/$label.log" 2>&1 </dev/null &
	echo $! >"$T/$label.pid"
	disown
}

pid_of() { cat "$T/$1.pid"; }
gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
finish() { # LABEL: asks it to end
	kill -TERM "$(pid_of "$1")"
	wait_until 5 gone "$(pid_of "$1")"
}
said() { grep -Eq "$2" "$T/$1.log"; }
is_active() { [ "$(json '.active | sort | join(" ")' groups "$1")" = "$2" ]; }
is_failing_back() { [ "$(json .state groups database)" = failing-back ]; }
answered_by() { [ "$(tail -n 50 "$T/connect.log" | grep -c " ok $1\$")" -eq 50 ]; } # each of the last 50 connections
all_up() { [ "$(json 'all(.[]; .health == "up")' backends)" = true ]; }

start_nginx() { # HOST
	local dir=$T/nginx-$1
	mkdir -p "$dir"
	cat >"$dir/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		pid $dir/pid;
		error_log stderr;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
			server { listen 80 backlog=4096; location / { default_type text/plain; return 200 "$1\n"; } }
		}
	END
	start "nginx-$1" "$1" nginx -p "$dir" -c "$dir/nginx.conf"
	wait_until 10 on "$1" curl -sf http://127.0.0.1/
}

start_echo() { # HOST: long-lived connections to port 7000, the database on port 5432
	start "echo-$1" "$1" "$FLOWS" serve --name "$1" 7000
	start "database-$1" "$1" "$FLOWS" serve --name "$1" 5432
	wait_until 5 said "echo-$1" serving
	wait_until 5 said "database-$1" serving
}

# Counts packets to the services where they leave and where they arrive, without the help of the balancer.
count_packets() { # HOST HOOK
	on "$1" nft -f - <<-END
		table inet count {
			counter seen {}
			chain watch { type filter hook $2 priority -300; ip daddr { $WEB, $DATABASE } counter name seen; }
		}
	END
}
counted() { on "$1" nft -j list counter inet count seen | jq '.nftables[] | .counter // empty | .packets'; }

clean_up() {
	local status=$?
	trap - EXIT INT TERM HUP
	{ net_remove && rm -rf "/sys/fs/bpf/$NET" "$T"; } 2>/dev/null
	exit "$status"
}

# ---- the demo ----

printf '%sshunt: a layer-4 load balancer in XDP, with checks and failover%s\n' "$bold" "$plain"
say "installing what is missing from Debian's packages, and building"
scripts/install.sh --demo | indent
make -s -j"$(nproc)" O="$SHUNT_BUILD" programs test-tools 2>&1 | indent

# shellcheck source=tests/lib/netns.sh
. tests/lib/netns.sh
T=$(mktemp -d "${TMPDIR:-/tmp}/shunt-demo-XXXXXX")
WELL=true
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

title "A client, the balancer and three servers"
say "client 10.77.0.1 ──► lb 10.77.0.2 (XDP) ──► b1 b2 b3, 10.77.0.11 – 13; answers go back directly"
net_make client lb b1 b2 b3
for host in b1 b2 b3; do
	start_nginx $host
	start_echo $host
	count_packets $host prerouting
done
count_packets client output
cat >"$T/shunt.yaml" <<END
interfaces: [eth0]
flow_timeout: 3s
defaults:
  forward: l2
  health_check: {type: tcp, interval: 100ms, timeout: 100ms, healthy_threshold: 3, unhealthy_threshold: 3}
services:
  - {name: web,      address: $WEB, protocol: tcp, port: 80,   group: web}
  - {name: chat,     address: $WEB, protocol: tcp, port: 7000, group: web}
  - {name: database, address: $DATABASE, protocol: tcp, port: 5432, group: database}
failover_groups:
  - {name: web, mode: active-active, backends: [b1, b2, b3]}
  - name: database
    mode: active-passive
    backends: [db1, db2]
    primary: db1
    failback: automatic
    failback_delay: ${FAILBACK_DELAY}s
backends:
  - {name: b1, address: 10.77.0.11}
  - {name: b2, address: 10.77.0.12}
  - {name: b3, address: 10.77.0.13}
  - {name: db1, address: 10.77.0.11, port: 5432}
  - {name: db2, address: 10.77.0.12, port: 5432}
END
indent <"$T/shunt.yaml"
start shuntd lb "$SHUNT_BUILD/shuntd" -c "$T/shunt.yaml" --run-dir "$T/run" --state-dir "$T/state" --bpf-dir "/sys/fs/bpf/$NET"
wait_until 10 shunt status
wait_until 10 all_up

title "Traffic spreads: 600 HTTP requests to $WEB, each on a connection of its own"
on client "$FLOWS" connect $WEB 80 --http --every 2ms --count 600 >"$T/web.log" || trouble "some failed"
awk '/^server/ { printf "%s answered %d\n", $2, $3 }' "$T/web.log" | indent
result "$(awk '/^attempts/ { print $4 " answered, " $6 " failed" }' "$T/web.log")"

title "What takes traffic, and why"
show status

title "The primary of the database dies (checks every 100 ms, three must fail; a new connection every 5 ms)"
start connect client "$FLOWS" connect $DATABASE 5432 --every 5ms --timeout 3s
wait_until 5 said connect ' ok b1$'
sleep 0.5
killed=$("$FLOWS" kill 9 "$(pid_of database-b1)")
say "kill -9 of db1, the server on b1"
wait_until 5 said connect ' ok b2$'
wait_until 5 is_active database db2
wait_until 5 answered_by b2
failover=$(awk -v killed="$killed" '$3 == "failed" && $1 > last { last = $1 } END { printf "%d", (last - killed) / 1000000 }' \
	"$T/connect.log")
failed=$(grep -c ' failed ' "$T/connect.log")
result "failed over to db2, on b2: the last connection failed ${bold}$failover ms${plain}${green} after the kill; $failed failed in all"
[ "$failover" -le 340 ] || trouble "that is more than the third of a second promised"

title "The primary returns, and takes over again after ${FAILBACK_DELAY} s of unbroken health"
start database-b1 b1 "$FLOWS" serve --name b1 5432
since=${EPOCHREALTIME//[!0-9]/}
wait_until 5 is_failing_back
show status database
wait_until $((FAILBACK_DELAY + 3)) is_active database db1
result "db1 is active again $(((${EPOCHREALTIME//[!0-9]/} - since) / 1000)) ms after its server was started"
wait_until 5 answered_by b1
finish connect
after=$(($(grep -c '^[0-9]* [0-9]* failed ' "$T/connect.log") - failed))
if [ "$after" -eq 0 ]; then result "no connection failed on the way back"; else trouble "$after connections failed on the way back"; fi

title "A server is drained while 100 long-lived connections carry data"
start hold client "$FLOWS" hold 100 $WEB 7000 --every 20ms --list
wait_until 10 said hold '^ready'
show drain b2
wait_until 5 is_active web 'b1 b3'
on client "$FLOWS" connect $WEB 80 --http --every 2ms --count 200 >"$T/drained.log" || trouble "some failed"
say "200 new connections meanwhile:"
awk '/^server/ { printf "%s answered %d\n", $2, $3 }' "$T/drained.log" | indent
show backends b2
[ "$(json .flows backends b2)" -gt 0 ] || trouble "no flow of b2 was kept"
kill -USR1 "$(pid_of hold)"
wait_until 5 said hold '^connections'

title "Where does this connection go, and why? Asked of the loaded program itself"
read -r _ source destination name _ < <(grep '^flow .* b2 ok' "$T/hold.log" | tail -n 1)
show explain tcp "$source" "$destination"
if [ "$(json .backend explain tcp "$source" "$destination")" = "$name" ]; then
	result "and its server says: I am $name"
else
	trouble "but its server says: I am $name"
fi
show ready b2
wait_until 5 is_active web 'b1 b2 b3'
sleep "$PAUSE"
finish hold

title "What happened"
show events

title "What was lost"
read -r connections broken bytes changed < <(awk '/^connections/ { print $2, $4, $6, $8 }' <(tail -n 1 "$T/hold.log"))
short=$(cat "$T"/{web,drained,connect}.log | awk '/^attempts/ { n += $2 } END { print n }')
lost=$(cat "$T"/{web,drained,connect}.log | awk '/^attempts/ { n += $6 } END { print n }')
sent=$(counted client)
arrived=$(($(counted b1) + $(counted b2) + $(counted b3)))
result "long-lived connections: $connections, broken: $broken; bytes carried and compared: $bytes, changed: $changed"
result "short connections: $short, failed: $lost, all in the $failover ms after the kill"
result "packets sent to the services: $sent, arrived at the servers: $arrived, lost: $((sent - arrived))"
[ "$broken" -eq 0 ] && [ "$changed" -eq 0 ] && [ "$lost" -eq "$failed" ] && [ "$sent" -eq "$arrived" ] || WELL=false
$WELL
