# ./dev test: every test as it ships (gcc, -O2), then all but the slow ones under clang with ASan and
# UBSan, which also checks the layering, the packages with threads under ThreadSanitizer, and the fuzz
# targets, a while each. --deep: soaks too, and ThreadSanitizer for everything.
# shellcheck shell=bash

passed=0
failed=0

# test_pass TITLE FLAGS... -- TARGETS...: runs them and adds to `passed` and `failed`.
test_pass() {
    local title=$1 status=0 ok bad skipped
    local -a flags=() counts
    shift
    while [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    shift
    step "$title"
    local events
    events=$(mktemp)
    # A short path, for unix sockets in it.
    run_bazel test --keep_going --test_tmpdir="/tmp/owt-$(id -u)" \
        --build_event_json_file="$events" "${flags[@]}" -- "$@" >&2 || status=$?
    read -r -a counts < <(awk -f tools/count_tests.awk "$events")
    rm -f "$events"
    ok=${counts[0]:-0} bad=${counts[1]:-0} skipped=${counts[2]:-0}
    # Whatever else went wrong (a library that does not build, nothing to test) is one failure.
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        say "bazel ended with status $status"
        bad=1
    fi
    say "$title: $ok of $((ok + bad)) hold, $skipped left out"
    passed=$((passed + ok))
    failed=$((failed + bad))
}

# A while for each fuzz target; their seeds alone are among the tests.
fuzz_pass() {
    local -a labels
    # shellcheck source=/dev/null
    . tools/fuzz.sh
    # shellcheck disable=SC2034
    local fuzz_repeatable=1
    mapfile -t labels < <(fuzz_labels '')
    step "${#labels[@]} fuzz targets, $1 s each"
    fuzz_all "$1" "${labels[@]}"
    say "fuzz: ${#labels[@]} ran, ${#fuzz_failed[@]} broke: ${fuzz_failed[*]:-none}"
    passed=$((passed + ${#labels[@]} - ${#fuzz_failed[@]}))
    failed=$((failed + ${#fuzz_failed[@]}))
}

# What has threads of its own, or hands work to them.
THREADED=(//core/backup/... //core/batch/... //core/db/... //core/db_sqlite/... //core/log/...
    //core/loop/... //core/metrics/... //core/rpc/... //core/rpc_grpc/... //tests/conformance/...)

dev_test() {
    local deep=0 whole=0
    local -a targets=() filter=()
    while [ $# != 0 ]; do
        case $1 in
            --deep) deep=1 ;;
            -*) die "test: unknown option $1" ;;
            *) targets+=("$1") ;;
        esac
        shift
    done
    [ ${#targets[@]} != 0 ] || whole=1 targets=(//...)
    [ $deep = 0 ] || filter=(--test_tag_filters=)
    need_packages test
    bound_disk_cache

    test_pass "gcc" "${filter[@]}" -- "${targets[@]}"
    test_pass "clang with ASan and UBSan" --config=asan -- "${targets[@]}"
    if [ $deep = 1 ]; then
        test_pass "clang with TSan" --config=tsan -- "${targets[@]}"
    elif [ $whole = 1 ]; then
        test_pass "clang with TSan, what has threads" --config=tsan -- "${THREADED[@]}"
    fi
    [ $whole = 0 ] || fuzz_pass 20

    [ $((passed + failed)) != 0 ] || failed=1
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ]
}
