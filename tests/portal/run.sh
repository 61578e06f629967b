#!/usr/bin/env bash
# Runs the portal's unit tests, then its pages in a browser against a server of its own. Pictures of every
# page are kept with the test's outputs.
set -euo pipefail
here=$PWD/tests/portal
# shellcheck source=tools/node/node.sh
. tools/node/node.sh
use_node
npm_modules portal portal
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat portal/sizes.txt

mkdir "$work/pages" "$work/unit"
cp "$here"/*.mjs "$work/pages/"
cp -RL portal/package.json portal/tsconfig.json portal/generate.mjs portal/src "$work/unit/"
rm -rf "$work/unit/src/gen"
ln -s "$modules/node_modules" "$work/node_modules"
node "$work/unit/generate.mjs" proto/descriptors.pb "$work/unit/src/gen"
(cd "$work/unit" && ../node_modules/.bin/vitest run --reporter=dot)
export ROOT=$PWD PICTURES=${TEST_UNDECLARED_OUTPUTS_DIR:-$work/pictures}
mkdir -p "$PICTURES"
# With an argument: those files alone.
# shellcheck disable=SC2086 # a pattern
exec node --test --test-concurrency=2 "$work"/pages/${1:-*.test.mjs}
