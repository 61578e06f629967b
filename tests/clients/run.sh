#!/usr/bin/env bash
# Installs the clients (once for each lock file), generates their types from proto/ and runs the tests
# under node's own runner.
set -euo pipefail
here=$PWD/tests/clients
lock=$(sha256sum "$here/package-lock.json" | cut -c1-16)
modules=${XDG_CACHE_HOME:-$HOME/.cache}/overworld/clients/$lock

if [ ! -e "$modules/installed" ]; then
    mkdir -p "$modules"
    cp "$here/package.json" "$here/package-lock.json" "$modules/"
    (cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
        cat "$modules/npm.log" >&2
        exit 1
    }
    touch "$modules/installed"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/*.mjs "$here/package.json" "$work/"
ln -s "$modules/node_modules" "$work/node_modules"
mkdir "$work/gen"
protoc -Iproto -I/usr/include --plugin=protoc-gen-es="$modules/node_modules/.bin/protoc-gen-es" \
    --es_out="$work/gen" --es_opt=target=js,import_extension=js \
    proto/overworld/api/*.proto proto/overworld/*/v1/*.proto
ROOT=$PWD node --test "$work"/*.test.mjs
