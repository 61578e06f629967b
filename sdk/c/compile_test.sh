#!/usr/bin/env bash
# The SDK under every compiler that games use: strict C99 without a warning, headers from C++17, nothing of
# POSIX outside platform.c, and a library and a program for Windows (they are linked, not run).
set -uo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# check NAME COMMAND...
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

warnings=(-pedantic -Wall -Wextra -Werror -I.)
core=(sdk/c/{account,answer,client,json,login,operation,platform,push,session,sha256,websocket}.c)

compile_all() {
    local compiler=$1 file
    shift
    for file in "$@"; do
        "$compiler" -std=c99 "${warnings[@]}" -Wstrict-prototypes -Wmissing-prototypes -c "$file" \
            -o "$work/$(basename "$file" .c).o" || return 1
    done
}

# header COMPILER STANDARD LANGUAGE FILE: it needs no other header before it.
header() {
    printf '#include "%s"\nint main(void) { return 0; }\n' "$4" >"$work/header.$3"
    "$1" "-std=$2" "${warnings[@]}" -c "$work/header.$3" -o "$work/header.o"
}

for compiler in gcc clang-14; do
    check "C99 with $compiler" compile_all "$compiler" "${core[@]}" sdk/c/transport_{curl,none}.c
done
for file in sdk/c/overworld_{client,push,transport}.h; do
    check "$file as C99 with gcc" header gcc c99 c "$file"
    check "$file as C99 with clang" header clang-14 c99 c "$file"
    check "$file as C++17 with g++" header g++ c++17 cc "$file"
    check "$file as C++17 with clang" header clang++-14 c++17 cc "$file"
    check "$file as C++17 for Windows" header x86_64-w64-mingw32-g++ c++17 cc "$file"
done

# What an object asks of others, beside the SDK's own: C99's library.
posix_free() {
    local file foreign
    local c99='calloc free malloc realloc memcmp memcpy memmove memset snprintf vsnprintf sscanf
        strchr strcmp strcspn strlen strncmp strpbrk strspn strstr strtol tolower'
    for file in "${core[@]}"; do
        [ "$file" != sdk/c/platform.c ] || continue
        gcc -std=c99 -O0 -U_FORTIFY_SOURCE -fno-stack-protector -D__NO_CTYPE -I. -c "$file" \
            -o "$work/plain.o" || return 1
        foreign=$(nm -u "$work/plain.o" | awk '{ print $2 }' |
            sed -E 's/^__isoc99_//' | grep -vE '^(sdk_|ow_client_|_GLOBAL_OFFSET_TABLE_$)' |
            grep -vxF "$(printf '%s\n' $c99)")
        [ -z "$foreign" ] || {
            printf '%s asks for: %s\n' "$file" "$foreign"
            return 1
        }
    done
}
check "no POSIX outside platform.c" posix_free

windows=x86_64-w64-mingw32
windows_library() {
    compile_all "$windows-gcc" "${core[@]}" sdk/c/transport_none.c &&
        "$windows-ar" rcs "$work/liboverworld.a" "$work"/{account,answer,client,json,login,operation,platform}.o \
            "$work"/{push,session,sha256,websocket,transport_none}.o
}
windows_dll() {
    "$windows-gcc" -std=c99 "${warnings[@]}" -DOW_CLIENT_SHARED -DOW_CLIENT_BUILD -shared "${core[@]}" \
        sdk/c/transport_none.c -o "$work/overworld.dll" -Wl,--out-implib,"$work/overworld.lib" -lbcrypt
}
exports_headers_only() {
    "$windows-objdump" -p "$work/overworld.dll" | sed -n '/Name Pointer/,/^$/p' |
        awk '/\[ *[0-9]+\]/ { print $NF }' | sort >"$work/exported"
    grep -hoE '\bow_client_[a-z_]+\(' sdk/c/overworld_{client,push,transport}.h | tr -d '(' | sort -u >"$work/all"
    # Every exported name stands in a header; types in the headers are no functions.
    [ "$(wc -l <"$work/exported")" -ge 15 ] && ! grep -vxFf "$work/all" "$work/exported"
}
windows_program() {
    "$windows-g++" -std=c++17 "${warnings[@]}" sdk/c/cpp_test.cc "$work/liboverworld.a" -o "$work/a.exe" \
        -lbcrypt &&
        "$windows-gcc" -std=c99 "${warnings[@]}" -Isdk/c -DOW_CLIENT_SHARED examples/hello/hello.c \
            "$work/overworld.lib" -o "$work/b.exe" &&
        "$windows-objdump" -f "$work/a.exe" "$work/b.exe" | grep -c 'pei-x86-64' | grep -qx 2
}
check "static library for Windows" windows_library
check "DLL for Windows" windows_dll
check "the DLL exports the headers' functions" exports_headers_only
check "programs for Windows" windows_program

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
