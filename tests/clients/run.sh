#!/usr/bin/env bash
# Installs the clients (once for each lock file), generates their types from proto/ and runs the tests
# under node's own runner.
set -euo pipefail
here=$PWD/tests/clients
# shellcheck source=tools/node/node.sh
. tools/node/node.sh
use_node
npm_modules clients tests/clients

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/*.mjs "$here/package.json" "$work/"
ln -s "$modules/node_modules" "$work/node_modules"
mkdir "$work/gen"
protoc -Iproto -I/usr/include --plugin=protoc-gen-es="$modules/node_modules/.bin/protoc-gen-es" \
    --es_out="$work/gen" --es_opt=target=js,import_extension=js \
    proto/overworld/api/*.proto proto/overworld/*/v1/*.proto
ROOT=$PWD node --test "$work"/*.test.mjs
