# ./dev fuzz [NAME] [SECONDS]: the libFuzzer targets (ow_cc_fuzz), two at a time. NAME is a target's
# label or its last part. What was found interesting is kept in the cache folder and goes on from there;
# an input that breaks something is written to ./.overworld/fuzz and its path printed.
# shellcheck shell=bash disable=SC2154

# Folders that hold the committed seeds of a target.
seed_folders() {
    run_bazel query "labels(data, $1_replay)" 2>/dev/null | sed 's|^//||; s|:|/|' |
        while read -r file; do dirname "$file"; done | sort -u
}

# Labels of every target, or of the one whose label or last part is NAME.
fuzz_labels() {
    run_bazel query 'attr(tags, "\bfuzz\b", //...)' 2>/dev/null | grep -E "(^|[/:])${1:-.*}\$"
}

# Runs a target that was built. With `fuzz_repeatable` set it starts from the committed seeds alone and
# draws the same inputs each time: a gate must not fail by chance. Searching goes on from what was found.
fuzz_one() {
    local label=$1 seconds=$2 bin=$3 name corpus status=0 log
    local -a seeds drawn=()
    name=$(printf '%s' "${label#//}" | tr '/:' '__')
    corpus=$cache_dir/fuzz/$name
    if [ -n "${fuzz_repeatable:-}" ]; then
        corpus=$(mktemp -d)
        drawn=(-seed=1)
    fi
    log=$(mktemp)
    mkdir -p "$corpus" .overworld/fuzz
    mapfile -t seeds < <(seed_folders "$label")
    step "$label for $seconds s, seeds from ${seeds[*]:-nowhere}"
    ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
        "$bin/$(printf '%s' "${label#//}" | tr ':' '/')" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$PWD/.overworld/fuzz/$name-" \
        "${drawn[@]}" "$corpus" "${seeds[@]}" >"$log" 2>&1 || {
        status=$?
        tail -n 100 "$log" >&2
    }
    tail -n 1 "$log" >&2
    rm -f "$log"
    [ -z "${fuzz_repeatable:-}" ] || rm -rf "$corpus"
    return $status
}

# fuzz_all SECONDS LABEL...: builds and runs them, two at a time. `fuzz_failed` lists those that broke.
fuzz_failed=()
fuzz_all() {
    local seconds=$1 bin label first second
    shift
    fuzz_failed=()
    run_bazel build --config=fuzz -- "$@" >&2 || {
        fuzz_failed=("$@")
        return
    }
    bin=$(bazel_bin --config=fuzz)
    while [ $# != 0 ]; do
        label=$1
        fuzz_one "$1" "$seconds" "$bin" &
        first=$! second=
        shift
        if [ $# != 0 ]; then
            fuzz_one "$1" "$seconds" "$bin" &
            second=$!
        fi
        wait "$first" || fuzz_failed+=("$label")
        [ -z "$second" ] || wait "$second" || fuzz_failed+=("$1")
        [ $# = 0 ] || shift
    done
}

dev_fuzz() {
    local name='' seconds=60 word
    local -a labels
    for word in "$@"; do
        case $word in *[!0-9]*) name=$word ;; *) seconds=$word ;; esac
    done
    need_packages test
    mapfile -t labels < <(fuzz_labels "$name")
    [ ${#labels[@]} != 0 ] || die "no fuzz target ${name:-at all}"
    fuzz_all "$seconds" "${labels[@]}"
    [ ${#fuzz_failed[@]} = 0 ] || die "${#fuzz_failed[@]} of ${#labels[@]} broke: ${fuzz_failed[*]}"
    say "${#labels[@]} fuzz targets ran ${seconds} s each, nothing broke"
}
