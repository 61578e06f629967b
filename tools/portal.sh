# ./dev portal: the portal's sources with hot reload, beside a running ./dev up.
# shellcheck shell=bash

dev_portal() {
    local console
    export OVERWORLD_DATA=${OVERWORLD_DATA:-$root/.overworld}
    need_packages up
    [ -e "$OVERWORLD_DATA/run/gateway.json" ] ||
        die "no server uses $OVERWORLD_DATA: start ./dev up first, or name its folder: OVERWORLD_DATA=..."
    console=$(sed -nE 's/.*"console"[[:space:]]*:[[:space:]]*"([^"]*)".*/\1/p' "$OVERWORLD_DATA/run/gateway.json")
    run_bazel build -- //proto:descriptors.pb >&2 || die "the build failed (see above)"
    # shellcheck source=tools/node/node.sh
    . tools/node/node.sh
    use_node || die "npm ci failed"
    cd "$root/portal" || die "no portal"
    [ -e node_modules ] || npm ci --ignore-scripts --no-audit --no-fund >&2 || die "npm ci failed"
    node generate.mjs "$(bazel_bin)/proto/descriptors.pb" src/gen
    say "==> sign in with the path of the link that \`ow portal\` prints, at the address below"
    OVERWORLD_CONSOLE=$console exec node_modules/.bin/vite
}
