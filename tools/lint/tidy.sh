#!/usr/bin/env bash
# tidy.sh BAZEL_BIN FILE...: clang-tidy, all processors, only what it complains about.
set -uo pipefail

bin=$1
shift
flags="-std=gnu11 -D_GNU_SOURCE -I. -Isdk/c -Isdk/function/c -isystem $bin -isystem $bin/third_party"
# What protoc-c generated in a package is included by the path of an import.
while read -r package; do
    flags+=" -isystem $bin/$(dirname "$package")"
done < <(git grep -l '^ow_proto_library\|^    ow_proto_library' -- '*/BUILD')
export flags
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "$@" | xargs -0 -r -n 4 -P "$(nproc)" bash -c '
    out=$(clang-tidy-14 --quiet "$@" -- $flags 2>/dev/null) || {
        printf "%s\n" "$out" | grep -E "^[^ ]+:[0-9]+:[0-9]+: (error|warning)" | sed "s|^$PWD/||"
    }' tidy | awk '
    # The one limit that pmccabe does not measure; limits.txt holds its exceptions too.
    BEGIN { while ((getline line < "tools/lint/limits.txt") > 0) { split(line, w, " "); allowed[w[1]] = 1 } }
    /readability-function-size/ {
        split($0, place, ":")
        match($0, /function .[a-zA-Z0-9_]+/)
        name = substr($0, RSTART + 10, RLENGTH - 10)
        if ((place[1] ":" name) in allowed) next
        $0 = place[1] ":" place[2] ": " name ": more than 6 parameters"
    }
    { print; bad = 1 }
    END { exit bad }'
