#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Installs what building, testing and the demo need and this machine lacks, from Debian 12's packages alone, and mounts
# bpffs if need be. With everything there it asks only dpkg: no network, a fraction of a second. Needs root to change anything.
#   install.sh          for everything: build, tests, demo
#   install.sh --demo   without what only the tests need
#   install.sh --vmtest for everything, and for the guests of vmtest/
set -euo pipefail

BUILD="gcc make clang llvm bpftool pkg-config libc6-dev linux-libc-dev libbpf-dev libxdp-dev libelf-dev zlib1g-dev
	libsystemd-dev libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libyaml-dev libjansson-dev libmnl-dev libc-ares-dev
	libncurses-dev uthash-dev"
DEMO="iproute2 iputils-ping ethtool procps util-linux curl jq nginx-light nftables"
TESTS="libcmocka-dev libpcap-dev libclang-rt-14-dev apache2-utils dnsmasq-base prometheus haproxy hping3 iperf3 openssl socat tcpdump shellcheck
	clang-tidy clang-format cppcheck git python3-scapy python3-jsonschema tshark ngtcp2-client ngtcp2-server
	tmux zsh fish aha dpkg-dev debhelper man-db scdoc lintian systemd systemd-container chromium chromium-driver fonts-inter"
VMTEST="qemu-system-x86 busybox-static kmod xz-utils xdp-tools libxdp1"

POLICY=/usr/sbin/policy-rc.d

missing_packages() { # PACKAGE…
	comm -23 <(printf '%s\n' "$@" | sort -u) \
		<(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

# Some of the packages are servers. Here they are tools: none may start on the machine of whoever runs this.
forbid_services() {
	if [ -e "$POLICY" ] && [ ! -e "$POLICY.shunt-saved" ]; then
		mv "$POLICY" "$POLICY.shunt-saved"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$POLICY"
	chmod 755 "$POLICY"
}

allow_services() {
	rm -f "$POLICY"
	[ ! -e "$POLICY.shunt-saved" ] || mv "$POLICY.shunt-saved" "$POLICY"
}

# A package enables its service when it is installed, to be started at the next boot. That is not wanted either.
disable_new_services() { # PACKAGE…
	local package
	command -v systemctl >/dev/null || return 0
	for package in "$@"; do
		case $package in
		nginx-light) systemctl disable -q nginx.service 2>/dev/null || true ;;
		haproxy) systemctl disable -q haproxy.service 2>/dev/null || true ;;
		prometheus) systemctl disable -q prometheus.service 2>/dev/null || true ;;
		nftables) ;; # disabled by default
		esac
	done
}

install_packages() { # PACKAGE…
	if [ "$(id -u)" -ne 0 ]; then
		echo "install.sh: not there, and only root may install it: $*" >&2
		exit 1
	fi
	echo "installing from Debian's packages: $*"
	trap allow_services EXIT
	forbid_services
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
	disable_new_services "$@"
	allow_services
	trap - EXIT
}

mount_bpffs() {
	[ "$(stat -f -c %T /sys/fs/bpf 2>/dev/null)" != bpf_fs ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "install.sh: /sys/fs/bpf is not mounted, and only root may mount it" >&2
		exit 1
	fi
	mkdir -p /sys/fs/bpf
	mount -t bpf bpf /sys/fs/bpf
	echo "mounted bpffs on /sys/fs/bpf"
}

# Another flavour of nginx does as well, and this one would replace it.
[ ! -x /usr/sbin/nginx ] || DEMO=${DEMO/nginx-light/}
wanted="$BUILD $DEMO"
[ "${1:-}" = --demo ] || wanted="$wanted $TESTS"
[ "${1:-}" != --vmtest ] || wanted="$wanted $VMTEST"
# shellcheck disable=SC2086 # lists of words
missing=$(missing_packages $wanted)
# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages $missing
mount_bpffs
