#!/usr/bin/env bash
# tidy.sh BAZEL_BIN FILE...: clang-tidy, all processors, only what it complains about.
set -uo pipefail

bin=$1
shift
export flags="-std=gnu11 -D_GNU_SOURCE -I. -Isdk/function/c -isystem $bin -isystem $bin/proto -isystem $bin/third_party"
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "$@" | xargs -0 -r -n 4 -P "$(nproc)" bash -c '
    out=$(clang-tidy-14 --quiet "$@" -- $flags 2>/dev/null) || {
        printf "%s\n" "$out" | grep -E "^[^ ]+:[0-9]+:[0-9]+: (error|warning)" | sed "s|^$PWD/||"
        exit 1
    }' tidy
