# ./dev lint [--fix] [FILE...]: every rule of CONTRIBUTING.md that a machine can check. Each check
# prints file:line: what is wrong; all run, and the last line says how many failed.
# shellcheck shell=bash

lint_failed=()

# check NAME COMMAND...: runs it, remembers the name when it fails.
check() {
    local name=$1
    shift
    step "$name"
    "$@" || lint_failed+=("$name")
}

check_format() {
    local file status=0
    for file in "${sources[@]}"; do
        clang-format-14 "$file" | cmp -s - "$file" || {
            printf '%s: ./dev lint --fix %s\n' "$file" "$file"
            status=1
        }
    done
    return $status
}

check_cppcheck() {
    # It knows neither the cleanup attribute nor mmap nor statement expressions (the sanitizers do), nor
    # that accept4 takes NULL.
    cppcheck -q -j "$(nproc)" --std=c11 --enable=warning --inline-suppr --library=posix,gnu \
        -D_GNU_SOURCE -I. --suppress=memleak --suppress=resourceLeak --suppress=uninitvar \
        --suppress=autoVariables --suppress=invalidFunctionArg --suppress=missingIncludeSystem \
        --suppress=nullPointer:core/rpc_grpc/listen.c \
        --template='{file}:{line}: {message} [{id}]' --error-exitcode=1 "${units[@]}"
}

dev_lint() {
    local fix=0
    local -a sources units
    [ "${1:-}" != --fix ] || { fix=1 && shift; }
    need_packages test lint
    # testdata/ and the bundles of the fault tests hold faults on purpose.
    if [ $# != 0 ]; then
        sources=("$@")
    else
        mapfile -t sources < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
    fi
    mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep '\.c$' | grep -vE '/testdata/|^tests/.*/bundle/')
    if [ $fix = 1 ]; then
        clang-format-14 -i -- "${sources[@]}"
        return
    fi

    # Generated headers for clang-tidy, object files for the search for globals.
    step "building"
    run_bazel build --keep_going -- //... >&2 || lint_failed+=(build)

    check format check_format
    check "includes" bash tools/lint/includes.sh "${sources[@]}"
    check "banned calls" bash tools/lint/banned.sh "${sources[@]}"
    check "lengths and complexity" bash tools/lint/limits.sh "${sources[@]}"
    check "mutable globals" bash tools/lint/globals.sh "$(bazel_bin)"
    check "names defined twice" bash tools/lint/symbols.sh "$(bazel_bin)"
    check "machine paths" bash tools/lint/paths.sh
    check "bugs (cppcheck)" check_cppcheck
    check "bugs (clang-tidy)" bash tools/lint/tidy.sh "$(bazel_bin)" "${units[@]}"

    if [ ${#lint_failed[@]} != 0 ]; then
        say "lint: ${#lint_failed[@]} failed: $(IFS=';' && printf '%s' "${lint_failed[*]}")"
        return 1
    fi
    say "lint: all clean"
}
