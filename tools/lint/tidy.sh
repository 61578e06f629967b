#!/usr/bin/env bash
# tidy.sh BAZEL_BIN FILE...: clang-tidy, all processors, only what it complains about. What was clean and reads
# the same files as then is not looked at again: ~/.cache/overworld/tidy has an empty file for each such sum.
set -uo pipefail

bin=$1
shift
flags="-std=gnu11 -D_GNU_SOURCE -I. -Isdk/c -Isdk/function/c -isystem $bin -isystem $bin/third_party"
# What protoc-c generated in a package is included by the path of an import.
while read -r package; do
    flags+=" -isystem $bin/$(dirname "$package")"
done < <(git grep -l '^ow_proto_library\|^    ow_proto_library' -- '*/BUILD')
clean=${HOME:-/tmp}/.cache/overworld/tidy
mkdir -p "$clean"
find "$clean" -type f -mtime +30 -delete
rules=$(clang-tidy-14 --version | cat - .clang-tidy | sha256sum)

# The sum of the rules, the flags and every file that the compiler would read.
sum_of() {
    local read
    # shellcheck disable=SC2086
    read=$(clang-14 $flags -M -MT x "$1" 2>/dev/null) || return
    { printf '%s %s\n' "$rules" "$flags" && tr -d '\\' <<<"${read#x:}" | xargs sha256sum; } |
        sha256sum | cut -d' ' -f1
}

tidy_one() {
    local sum out
    sum=$(sum_of "$1")
    [ -z "$sum" ] || [ ! -e "$clean/$sum" ] || return 0
    # shellcheck disable=SC2086
    if out=$(clang-tidy-14 --quiet "$1" -- $flags 2>/dev/null); then
        [ -z "$sum" ] || : >"$clean/$sum"
    else
        printf '%s\n' "$out" | grep -E '^[^ ]+:[0-9]+:[0-9]+: (error|warning)' | sed "s|^$PWD/||"
    fi
}
export flags clean rules
export -f sum_of tidy_one

# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "$@" | xargs -0 -r -n 1 -P "$(nproc)" bash -c 'tidy_one "$1"' tidy | awk '
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
