#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Dependencies point one way: base ← net · loop ← maintenance ← config · maglev · slots · health · failover ← datapath · probe · hooks · api ← state ← shuntd.
# Folders of one step do not know each other. The CLI, shunt-decap and what writes the reference stand apart. Prints each #include that breaks the rule.
set -euo pipefail
cd "$(dirname "$0")/.."

may_include() { # FOLDER: the folders whose headers it may include besides its own
	local pure="config maglev slots health failover maintenance" edges="datapath probe hooks api"
	case $1 in
	base) ;;
	net | loop) echo "base" ;;
	maglev | slots | health | failover | maintenance) echo "base net" ;;
	config) echo "base net maintenance" ;;
	probe | hooks) echo "base net loop $pure" ;;
	datapath | api) echo "base net $pure" ;;
	state) echo "base net loop $pure $edges" ;;
	shuntd) echo "base net loop $pure $edges state" ;;
	doctor) echo "base net config" ;;
	shunt) echo "base net config doctor state/backup.h api/client.h" ;;
	shunt-decap) echo "base net" ;;
	reference) echo "base config api/api.h api/call.h api/schemas.h shunt/exit_status.h state/event_kinds.h shunt/cli.h shuntd/options.h shunt-decap/options.h" ;;
	*) return 1 ;;
	esac
}

broken=0
for folder in user/*/; do
	name=$(basename "$folder")
	if ! allowed=$(may_include "$name"); then
		echo "$folder: scripts/check-dependencies.sh does not know where it stands"
		broken=1
		continue
	fi
	while IFS=: read -r file line included; do
		included=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$included")
		case $included in */*) ;; *) continue ;; esac # its own folder, or generated
		[[ " $name $allowed " != *" ${included%%/*} "* && " $allowed " != *" $included "* ]] || continue
		echo "$file:$line: $name may not include \"$included\""
		broken=1
	done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' "$folder" --include='*.[ch]' || true)
done

# Headers shared with the kernel side know nothing of user space, and the kernel side nothing of user/.
if grep -rnE '#[[:space:]]*include[[:space:]]+"(\.\./)*(user|base|net|config|slots)/' headers bpf; then
	broken=1
fi
exit "$broken"
