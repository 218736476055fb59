#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The Debian package as an administrator meets it: installed, upgraded and removed in a container in which systemd runs, on a
# copy of this machine's files that is thrown away. Traffic runs through the upgrade.
# shellcheck source=tests/lib/suite.sh
. "$(dirname "$0")/../lib/suite.sh"

VIP=192.0.2.10
EXPOSURE_MAX=2.5
VERSION_NOW=$(dpkg-parsechangelog -l "$SOURCE_DIR/debian/changelog" -S Version)
VERSION_NEXT=$VERSION_NOW+1

package() { "$SOURCE_DIR/scripts/package.sh" "$@"; }

# ---- a container on the host "lb" of the test's network ----

boot() {
	BOX=$T/box
	mkdir -p "$BOX/layer" "$BOX/root" "$BOX/bpf"
	mount -t tmpfs shunt-test "$BOX/layer"
	mkdir "$BOX/layer/upper" "$BOX/layer/work"
	mount -t overlay shunt-test -o "lowerdir=/,upperdir=$BOX/layer/upper,workdir=$BOX/layer/work" "$BOX/root"
	mount -t bpf bpf "$BOX/bpf"
	mkdir -p "$BOX/root/etc/shunt"
	rm -f "$BOX/root/usr/sbin/policy-rc.d" # of a machine that is a container itself: here services may start
	systemd-nspawn --quiet --directory="$BOX/root" --register=no --keep-unit --capability=all --system-call-filter=bpf --link-journal=no \
		--machine="shunt-test-$$" --network-namespace-path="/run/netns/$NET-lb" --bind="$BOX/bpf:/sys/fs/bpf" \
		--bind="$T:/packages" --boot systemd.unit=basic.target >"$T/box.log" 2>&1 </dev/null &
	echo $! >"$T/box.pid"
	disown
	wait_for 30 "systemd has started" booted
}

init_of() { awk '{ print $NF }' "/proc/$(pid_of box)/task/$(pid_of box)/children" 2>/dev/null; }
inside() { nsenter --target "$(init_of)" --mount --uts --ipc --net --pid --root --wd=/ -- "$@"; }
booted() { inside systemctl is-active basic.target; }
is_active_unit() { inside systemctl is-active --quiet shuntd; }

halt() {
	[ -e "$T/box.pid" ] || return 0
	kill -RTMIN+4 "$(init_of)" 2>/dev/null || true # systemd: power off
	for _ in $(seq 100); do
		is_running box || break
		sleep 0.1
	done
	! is_running box || kill -KILL "$(pid_of box)" "$(init_of)"
	umount -l "$BOX/root" "$BOX/layer" "$BOX/bpf" 2>/dev/null || true
}

shunt_inside() { inside shunt "$@"; }

# ---- the tests ----

built() { # what the others install
	mkdir -p "$WORK/packages"
	cp "$(package)" "$(package "$VERSION_NEXT")" "$WORK/packages/"
	note "$(du -k "$WORK/packages/shunt_${VERSION_NOW}_"*.deb | cut -f1) KiB"
	lintian --tag-display-limit 0 --allow-root --fail-on error,warning "$SOURCE_DIR/build/deb/shunt_${VERSION_NOW}_"*.changes >"$T/lintian" 2>&1 ||
		fail "lintian: $(cat "$T/lintian")"
	[ ! -s "$T/lintian" ] || fail "lintian: $(cat "$T/lintian")"
	dpkg -c "$WORK/packages/shunt_${VERSION_NOW}_"*.deb >"$T/contents"
	for file in usr/share/man/man1/shunt.1.gz usr/share/man/man5/shunt.yaml.5.gz usr/share/man/man8/shuntd.8.gz usr/share/man/man8/shunt-decap.8.gz \
		usr/share/doc/shunt/docs/reference/configuration.md usr/share/doc/shunt/docs/tutorial.md usr/sbin/shuntd usr/bin/shunt usr/sbin/shunt-decap usr/lib/shunt/shunt.bpf.o lib/systemd/system/shuntd.service \
		usr/share/doc/shunt/examples/shunt.yaml usr/share/bash-completion/completions/shunt usr/share/zsh/vendor-completions/_shunt \
		usr/share/fish/vendor_completions.d/shunt.fish; do
		grep -q " \./$file" "$T/contents" || fail "not in the package: $file"
	done
}

hardened() {
	local figure
	figure=$(systemd-analyze security --offline=true --no-pager "$SOURCE_DIR/contrib/systemd/shuntd.service" | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
	note "exposure $figure by systemd-analyze security (limit $EXPOSURE_MAX)"
	awk -v a="$figure" -v b="$EXPOSURE_MAX" 'BEGIN { exit !(a != "" && a <= b) }' || fail "exposure $figure"
}

upgraded_under_traffic() {
	local before
	net_make client lb b1 b2
	serve b1
	serve b2
	cp "$WORK/packages/"*.deb "$T/"
	trap halt EXIT
	boot
	inside sh -c "dpkg -i /packages/shunt_${VERSION_NOW}_*.deb" >"$T/install.log" 2>&1 || fail "$(tail -n 5 "$T/install.log")"
	if is_active_unit; then fail "it runs without a configuration"; fi
	cat >"$BOX/root/etc/shunt/shunt.yaml" <<-END
		interfaces: [eth0]
		table_size: 4096
		flow_table_size: 65536
		defaults: {health_check: $FAST_CHECK}
		services: [{name: web, address: $VIP, protocol: tcp, port: 80, group: app}]
		failover_groups: [{name: app, mode: active-active, backends: [b1, b2]}]
		$(some_backends 2)
	END
	inside systemctl start shuntd || fail "$(inside journalctl -n 20 --no-pager -u shuntd)"
	wait_for 10 "both backends answer" is 'b1 b2' servers $VIP 80
	expect "$(inside systemctl show -p WatchdogUSec --value shuntd)" = 10s "its watchdog"
	before=$(inside systemctl show -p MainPID --value shuntd)

	hold hold 50 $VIP 80 --every 20ms
	connect_every 5 connect $VIP 80
	inside sh -c "dpkg -i /packages/shunt_${VERSION_NEXT//+/\\+}_*.deb" >"$T/upgrade.log" 2>&1 || fail "$(tail -n 5 "$T/upgrade.log")"
	wait_for 20 "the new version runs" new_version_runs "$before"
	wait_for 5 "both backends answer" is 'b1 b2' servers $VIP 80
	stop_traffic connect
	stop_traffic hold
	expect_unbroken hold
	expect_no_failure connect
	note "$(grep '^connections' "$T/hold.log") through the upgrade; $(grep '^attempts' "$T/connect.log")"

	inside dpkg -r shunt >"$T/remove.log" 2>&1 || fail "$(tail -n 5 "$T/remove.log")"
	expect "$(on lb ip -j link show eth0 | jq -r '.[0].xdp.prog.id // "none"')" = none "the program on the interface"
	[ ! -e "$BOX/bpf/shunt" ] || [ -z "$(ls "$BOX/bpf/shunt")" ] || fail "pins are left: $(ls "$BOX/bpf/shunt")"
}

new_version_runs() { # PID-BEFORE
	is_active_unit && [ "$(inside systemctl show -p MainPID --value shuntd)" != "$1" ] &&
		inside shunt --json status | grep -q "\"$VERSION_NEXT\"" && inside shunt status
}

suite package
limit 600 # two builds of the package, on a machine that does other things as well
run_test 'the package builds, has what it should, and lintian has nothing to say' built
run_test 'the unit is hardened' hardened
limit 180
run_test 'an upgrade under traffic breaks and fails nothing, and a removal leaves nothing behind' upgraded_under_traffic
finish
