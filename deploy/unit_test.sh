#!/usr/bin/env bash
# unit_test.sh UNIT OVERWORLD CONF: systemd itself reads the unit, and the server takes the unit's command line.
set -uo pipefail

unit=$1
overworld=$(realpath "$2")
conf=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$name"
        cat "$work/log"
    fi
}

# The program stands elsewhere here; everything else is as it is installed.
place() { sed -e "s|^ExecStart=/usr/lib/overworld/overworld|ExecStart=$overworld|" -e '/^Documentation=/d' "$1"; }

# It complains about unknown keys and values, yet ends with 0.
understood() {
    local said
    said=$(systemd-analyze verify --man=no "$1" 2>&1) || { printf '%s\n' "$said" && return 1; }
    said=$(printf '%s\n' "$said" | grep -F "$(basename "$1")")
    [ -z "$said" ] || { printf '%s\n' "$said" && return 1; }
}
not_understood() { ! understood "$1"; }

place "$unit" >"$work/overworld.service"
check "systemd understands the unit" understood "$work/overworld.service"
for fault in 's/^TimeoutStopSec=.*/TimeoutStopSec=soon/' 's/^PrivateTmp=/PrivateTemp=/' 's/^ExecStart=/ExecStart=\/nowhere/'; do
    sed "$fault" "$work/overworld.service" >"$work/faulty.service"
    check "it would notice $fault" not_understood "$work/faulty.service"
done

# Its flags, with files that are here.
takes_the_command_line() {
    local -a words
    read -r -a words <<<"$(sed -n 's|^ExecStart=[^ ]* ||p' "$unit" |
        sed -e "s|/etc/overworld/overworld.conf|$conf|" -e "s|/var/lib/overworld|$work/data|")"
    "$overworld" "${words[@]}" --check-config
}
check "the server takes the unit's command line" takes_the_command_line

# A drained server gets its time: 10 s for running calls, then what is left.
stops_in_time() { [ "$(sed -n 's/^TimeoutStopSec=//p' "$unit")" -ge 15 ] && grep -qx 'KillSignal=SIGTERM' "$unit"; }
check "it waits for the drain" stops_in_time

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
