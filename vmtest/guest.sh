#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# guest.sh TREE: process 1 of a guest, on the host's files, which it can only read. Makes folders that programs
# write to, runs the suites listed in the results share, and switches the machine off.
set -uo pipefail

TREE=$1
RESULTS=/mnt
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 TERM=dumb

share() { mount -t 9p -o "$3,trans=virtio,version=9p2000.L,msize=262144" "$1" "$2"; }

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t bpf bpf /sys/fs/bpf
share results $RESULTS rw
if [ ! -e "$TREE/vmtest/guest.sh" ]; then # what was just mounted hides it
	mkdir -p "$TREE"
	share tree "$TREE" ro,cache=loose
fi
cd "$TREE" || exit
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 -opost

# The kernel asks for the modules it lacks: they are where the host unpacked them.
read -r modules <$RESULTS/modules
printf '#!/bin/sh\nexec /usr/sbin/modprobe -d %s "$@"\n' "$modules" >/run/modprobe
chmod 755 /run/modprobe
sysctl -qw kernel.modprobe=/run/modprobe
ip link set lo up

# shellcheck source=/dev/null # written by run.sh
. $RESULTS/environment
number=0
while read -r -a command; do
	number=$((number + 1))
	"${command[@]}" </dev/null 2>&1 | tee "$RESULTS/suite-$number.log"
	echo "${PIPESTATUS[0]}" >"$RESULTS/suite-$number.status"
done <$RESULTS/commands
cat /proc/sys/kernel/tainted >$RESULTS/tainted
dmesg >$RESULTS/dmesg.log
sync
echo o >/proc/sysrq-trigger
while :; do sleep 1; done 2>/dev/null # until it is off
