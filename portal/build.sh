#!/usr/bin/env bash
# build.sh NODE_DESCRIPTORS OUT.c OUT.sizes: installs what the lock file names (once for each lock file),
# makes types and calls from the descriptors, builds the pages and embeds them. Runs where the sources
# are, below the folder `portal`.
set -euo pipefail
descriptors=$PWD/$1
out=$PWD/$2
sizes=$PWD/$3
here=$PWD/portal
# shellcheck source=tools/node/node.sh
. tools/node/node.sh
use_node
npm_modules portal portal

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -RL "$here"/*.html "$here"/*.json "$here"/*.mjs "$here/vite.config.ts" "$here/src" "$work/"
rm -rf "$work/src/gen"
ln -s "$modules/node_modules" "$work/node_modules"
cd "$work"
node generate.mjs "$descriptors" src/gen
node_modules/.bin/tsc --noEmit
node_modules/.bin/vite build --logLevel warn
node sizes.mjs dist >"$sizes"
node embed.mjs dist "$out"
