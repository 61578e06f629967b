# ./dev fuzz [NAME] [SECONDS]: the libFuzzer targets (ow_cc_fuzz), one after the other. NAME is a target's
# label or its last part. What was found interesting is kept in the cache folder and goes on from there;
# an input that breaks something is written to ./.overworld/fuzz and its path printed.
# shellcheck shell=bash disable=SC2154

# Folders that hold the committed seeds of a target.
seed_folders() {
    run_bazel query "labels(data, $1_replay)" 2>/dev/null | sed 's|^//||; s|:|/|' |
        while read -r file; do dirname "$file"; done | sort -u
}

fuzz_one() {
    local label=$1 seconds=$2 bin name corpus
    local -a seeds
    name=$(printf '%s' "${label#//}" | tr '/:' '__')
    corpus=$cache_dir/fuzz/$name
    mkdir -p "$corpus" .overworld/fuzz
    run_bazel build --config=fuzz -- "$label" >&2 || return 1
    bin=$(bazel_bin --config=fuzz)
    mapfile -t seeds < <(seed_folders "$label")
    step "$label for $seconds s, seeds from ${seeds[*]:-nowhere}"
    ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
        "$bin/$(printf '%s' "${label#//}" | tr ':' '/')" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$PWD/.overworld/fuzz/$name-" \
        "$corpus" "${seeds[@]}" >&2
}

dev_fuzz() {
    local name='' seconds=60 label word
    local -a labels failed=()
    for word in "$@"; do
        case $word in *[!0-9]*) name=$word ;; *) seconds=$word ;; esac
    done
    need_packages test
    mapfile -t labels < <(run_bazel query 'attr(tags, "\bfuzz\b", //...)' 2>/dev/null |
        grep -E "(^|[/:])${name:-.*}\$")
    [ ${#labels[@]} != 0 ] || die "no fuzz target ${name:-at all}"
    for label in "${labels[@]}"; do
        fuzz_one "$label" "$seconds" || failed+=("$label")
    done
    [ ${#failed[@]} = 0 ] || die "${#failed[@]} of ${#labels[@]} broke: ${failed[*]}"
    say "${#labels[@]} fuzz targets ran ${seconds} s each, nothing broke"
}
