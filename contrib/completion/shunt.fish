# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion of shunt(1) for fish. What may stand where the cursor is, shunt itself knows.

function __shunt_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l candidates ($words[1] complete -- $words[2..] "$current" 2>/dev/null)
    if test "$candidates[1]" = :files
        __fish_complete_path (string replace -r '.*=' '' -- $current)
    else
        printf '%s\n' $candidates
    end
end

complete -c shunt -f -a '(__shunt_complete)'
