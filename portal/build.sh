#!/usr/bin/env bash
# build.sh NODE_DESCRIPTORS OUT.c OUT.sizes: installs what the lock file names (once for each lock file),
# makes types and calls from the descriptors, builds the pages and embeds them. Runs where the sources
# are, below the folder `portal`.
set -euo pipefail
descriptors=$PWD/$1
out=$PWD/$2
sizes=$PWD/$3
here=$PWD/portal
# The build has no home in its environment.
home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
lock=$(sha256sum "$here/package-lock.json" | cut -c1-16)
modules=${XDG_CACHE_HOME:-$home/.cache}/overworld/portal/$lock

# Two builds may come at the same time.
mkdir -p "$modules"
exec 9>"$modules/lock"
flock 9
if [ ! -e "$modules/installed" ]; then
    cp -L "$here/package.json" "$here/package-lock.json" "$modules/"
    (cd "$modules" && HOME=$home npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1) || {
        cat "$modules/npm.log" >&2
        exit 1
    }
    touch "$modules/installed"
fi
flock -u 9

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
