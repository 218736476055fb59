# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Debian's kernels for the guests: sourced by run.sh, uses $CACHE and $HERE. Packages are unpacked in the cache, not
# installed; what is there is used without asking the network.

# What guests may need of the modules. All of them would be four times as much.
KERNEL_FILES=(./boot/vmlinuz-\* ./lib/modules/\*/modules.\*
	./lib/modules/\*/kernel/{arch,crypto,lib,net,fs/9p,fs/netfs,fs/fscache,drivers/virtio,drivers/net/\*.ko\*})

# The package of the newest kernel of a series: generic, because the cloud flavour has no 9p.
kernel_package() { # 6.1 | 6.12
	local pattern="^linux-image-${1//./\\.}\.[0-9.-]+(\+deb12)?-amd64$"
	apt-cache pkgnames "linux-image-$1." | grep -E "$pattern" | sort -V | tail -n 1
}

cached_kernel() { # SERIES: its folder in the cache
	local found
	found=$(find "$CACHE" -maxdepth 1 -type d -name "$1.[0-9]*" 2>/dev/null | sort -V | tail -n 1)
	[ -n "$found" ] && echo "$found"
}

fetch_kernel() { # SERIES: prints the folder with boot/ and lib/modules/ of it
	local package folder work
	! cached_kernel "$1" || return 0
	apt-get update -qq >&2 || return 1
	package=$(kernel_package "$1")
	[ -n "$package" ] || { echo "Debian's package lists have no kernel $1" >&2 && return 1; }
	folder=$CACHE/${package#linux-image-}
	work=$CACHE/fetching
	rm -rf "$work"
	mkdir -p "$work/files"
	(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package") >&2 || return 1
	dpkg-deb --fsys-tarfile "$work"/*.deb |
		tar -x -C "$work/files" --wildcards --no-wildcards-match-slash "${KERNEL_FILES[@]}" 2>"$work/log" ||
		true # not every kernel has every folder
	depmod -b "$work/files" "${folder##*/}" || return 1
	mv "$work/files" "$folder"
	rm -rf "$work"
	echo "$folder"
}

# make_initramfs KERNEL-FOLDER FILE: busybox, init, and the modules that it takes to reach the host's files.
make_initramfs() {
	local kernel=$1 file=$2 root module name
	root=$(mktemp -d "${TMPDIR:-/tmp}/shunt-initramfs.$$.XXXXXX")
	mkdir -p "$root/bin" "$root/modules"
	cp /bin/busybox "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	cp "$HERE/init" "$root/init"
	chmod 755 "$root/init"
	for name in virtio_pci 9pnet_virtio 9p; do
		modprobe -d "$kernel" -S "${kernel##*/}" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
		name=$(basename "$module" .xz)
		case $module in
		*.xz) xz -dc "$module" >"$root/modules/$name" ;;
		*) cp "$module" "$root/modules/$name" ;;
		esac
		echo "$name" >>"$root/modules/order"
	done
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$file"
	rm -rf "$root"
}
