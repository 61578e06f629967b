# ./dev bench [NAME...] [--json]: the rows of docs/benchmarks.md, measured here. Everything is passed to
# tests/bench, which knows the names.
# shellcheck shell=bash

dev_bench() {
    need_packages test
    run_bazel build -- //tests/bench >&2 || die "the build failed (see above)"
    # A relative --write FILE means one below this folder.
    export OVERWORLD_BENCH_FOLDER=$PWD
    # Started where bazel would start it: the programs it measures stand in its runfiles.
    cd "$(bazel_bin)/tests/bench/bench.runfiles/overworld" || die "no runfiles"
    exec tests/bench/bench "$@"
}
