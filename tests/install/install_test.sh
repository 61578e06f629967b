#!/usr/bin/env bash
# Installs the SDK into a folder and uses it from there: pkg-config, CMake, both libraries, C and C++, against a
# running server; and the game loop sample keeps its frames.
set -uo pipefail

work=$(mktemp -d)
root=$PWD
server=
passed=0
failed=0

stop() {
    [ -z "$server" ] || { kill -TERM "$server" && wait "$server"; }
    rm -rf "$work"
}
trap stop EXIT

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

# ---- A server that has the chat example ----

# The server finds its runtimes beside itself.
mkdir "$work/bin" "$work/data"
for program in services/overworld/overworld cli/ow runtimes/build/ow-build-c runtimes/c/ow-rt-c; do
    cp "$program" "$work/bin/"
done
"$work/bin/overworld" up --data="$work/data" --gateway.public_port=0 --gateway.console_port=0 \
    --runner.sandbox=best_effort 2>"$work/server.log" &
server=$!
ow() { "$work/bin/ow" --data "$work/data" "$@"; }
deadline=$((SECONDS + 30))
until ow status >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { cat "$work/server.log"; exit 1; }
    sleep 0.05
done
ow vs deploy examples/chat --publish >/dev/null || exit 1
url=$(sed -nE 's/.*"public"[[:space:]]*:[[:space:]]*"([^"]*)".*/\1/p' "$work/data/run/gateway.json")

# ---- Installing ----

prefix=$work/usr
install_sdk() { bash sdk/c/package/install.sh "$prefix" 1.2.3 "$root" "$root/sdk/c"; }
check "installing" install_sdk
check "installing again" install_sdk
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
check "the version" test "$(pkg-config --modversion overworld)" = 1.2.3

exports_headers_only() {
    # The linker adds three marks of its own.
    nm -D --defined-only "$prefix/lib/liboverworld.so" | awk '{ print $3 }' |
        grep -vxE '__bss_start|_edata|_end' | sort >"$work/exported"
    grep -hoE '\bow_client_[a-z_]+\(' "$prefix"/include/*.h | tr -d '(' | sort -u >"$work/all"
    [ "$(wc -l <"$work/exported")" -ge 15 ] && ! grep -vxFf "$work/all" "$work/exported"
}
check "the shared library shows the headers' functions alone" exports_headers_only
needs_curl_alone() {
    ! readelf -d "$prefix/lib/liboverworld.so" | grep NEEDED | grep -vE 'libcurl|libc\.so'
}
check "the shared library needs libcurl alone" needs_curl_alone

# ---- Using it ----

greets() { "$1" "$url" chat/moderate '{"text": "good game"}' | grep -F '"good game"'; }

# built NAME COMMAND...: compiles examples/hello and runs it.
built() {
    local name=$1
    shift
    check "compiling: $name" "$@" -o "$work/hello"
    check "running: $name" greets "$work/hello"
    rm -f "$work/hello"
}
hello=examples/hello/hello.c
# The very line of the guide.
# shellcheck disable=SC2046
built "cc with pkg-config" cc $hello $(pkg-config --cflags --libs overworld)
for compiler in "gcc -std=c99" "clang-14 -std=c99" "g++ -x c++ -std=c++17" "clang++-14 -x c++ -std=c++17"; do
    # shellcheck disable=SC2046,SC2086
    built "$compiler" $compiler -pedantic -Wall -Wextra -Werror -Wno-missing-field-initializers $hello -x none \
        $(pkg-config --cflags --libs overworld)
done
# shellcheck disable=SC2046
built "the static library" cc $hello -I"$prefix/include" "$prefix/lib/liboverworld.a" \
    $(pkg-config --libs libcurl)

cmake_build() {
    cmake -S tests/install -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DSOURCE="$root/$hello" \
        -DWANTED="$1" && cmake --build "$work/cmake"
}
check "CMake" cmake_build 1.2.3
check "CMake, shared" greets "$work/cmake/hello_shared"
check "CMake, static" greets "$work/cmake/hello_static"
rm -rf "$work/cmake"
another_version() { ! cmake_build 2.0.0; }
check "CMake refuses another version" another_version

# ---- The game loop ----

keeps_frames() {
    local line
    line=$(examples/game_loop/game_loop "$url" 120) || return 1
    printf '%s\n' "$line"
    printf '%s\n' "$line" | grep -E '^120 frames in .*, (1[0-9]|20) calls, .* 0 failed'
}
check "the game loop sample" keeps_frames
cat "$work/log"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
