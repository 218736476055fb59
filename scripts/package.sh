#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# package.sh [VERSION]: the Debian package of this tree into build/deb/, as VERSION (default: that of debian/changelog).
# Built from what git knows of, in a copy: the working tree stays as it is. What make built there for the package before is taken as far as
# it is up to date; `rm -r build/deb` begins anew. Prints the path of the package.
set -euo pipefail
cd "$(dirname "$0")/.."

own=$(dpkg-parsechangelog -S Version)
version=${1:-$own}
to=$PWD/build/deb tree=$PWD/build/deb/tree
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z | tar --null -cf - -T - | tar -xf - -C "$tree"
cd "$tree"
if [ "$version" != "$own" ]; then
	sed -i "1s/($own)/($version)/" debian/changelog
	echo "$version" >VERSION
else
	touch VERSION # the one before may have been another
fi
DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:-nocheck parallel=$(nproc)}" dpkg-buildpackage -nc -b -us -uc >"$to/$version.log" 2>&1 || {
	tail -n 20 "$to/$version.log" >&2
	exit 1
}
echo "$to/shunt_${version}_$(dpkg --print-architecture).deb"
