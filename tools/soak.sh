# ./dev soak [SECONDS] [one|packed|split]: the mixed load of tests/faults/soak_test.c for as long as wanted, an
# hour unless told otherwise. Fails when memory or descriptors grow, or a call goes wrong.
# shellcheck shell=bash

dev_soak() {
    local seconds=${1:-3600} shape=${2:-one}
    case $seconds in *[!0-9]* | '') die "soak: how many seconds?" ;; esac
    need_packages test
    run_bazel build -- //tests/faults:soak_test >&2 || die "soak: it does not build"
    (cd "$(bazel_bin)/tests/faults/soak_test.runfiles/overworld" &&
        exec tests/faults/soak_test "$seconds" "$shape")
}
