# ./dev up [FLAGS of overworld up...]: from a bare Debian to a running server that has answered a game
# client. Stays in the foreground; Ctrl-C drains and stops, a second one stops at once.
# shellcheck shell=bash

server_pid=

stop_server() {
    [ -z "$server_pid" ] || kill -TERM "$server_pid" 2>/dev/null || true
}

# The server ends when it is told to or on its own; either way its status is ours.
await_server() {
    local status=0
    while :; do
        status=0
        wait "$server_pid" || status=$?
        # A trapped signal ends the wait early; the server may still be draining.
        kill -0 "$server_pid" 2>/dev/null || return "$status"
    done
}

await_ready() {
    local deadline=$((SECONDS + 30))
    until "$ow" status >/dev/null 2>&1; do
        kill -0 "$server_pid" 2>/dev/null || die "the server ended before it was ready (see above)"
        [ "$SECONDS" -lt "$deadline" ] || die "the server is not ready after 30 s (see above)"
        sleep 0.05
    done
}

# An address of the running server: address public | address console.
address() {
    sed -nE 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"([^"]*)".*/\1/p' "$OVERWORLD_DATA/run/gateway.json"
}

in_use() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

dev_up() {
    export OVERWORLD_DATA=${OVERWORLD_DATA:-$root/.overworld}
    local started=$SECONDS bin ow url portal
    local -a flags=("$@")

    need_packages up
    step "building (the first time takes minutes, later seconds)"
    run_bazel build -- //deploy:bin //examples/client >&2 || die "the build failed (see above)"
    bin=$(bazel_bin)
    ow=$bin/deploy/bin/ow

    if "$ow" status >/dev/null 2>&1; then
        die "a server already uses $OVERWORLD_DATA; stop it, or name another folder: OVERWORLD_DATA=..."
    fi
    # Another program on the usual ports is no reason not to start: take free ones.
    ! in_use 7350 || flags+=(--gateway.public_port=0)
    ! in_use 7351 || flags+=(--gateway.console_port=0)

    step "starting overworld up --data=$OVERWORLD_DATA ${flags[*]}"
    # A process group of its own: Ctrl-C reaches this script alone, which passes it on once.
    set -m
    "$bin/deploy/bin/overworld" up --data="$OVERWORLD_DATA" "${flags[@]}" &
    server_pid=$!
    set +m
    trap stop_server INT TERM HUP EXIT
    await_ready
    url=$(address public)

    step "deploying examples/chat"
    "$ow" vs deploy examples/chat --publish || die "examples/chat was not deployed (see above)"
    step "the sample game client (examples/client) calls it"
    "$bin/examples/client/client" "$url" || die "the sample client failed (see above)"

    portal=$("$ow" portal 2>/dev/null) || die "no link for the web console was made"
    cat >&2 <<END

Overworld runs, ready $((SECONDS - started)) s after ./dev up.

  public address   $url   (game clients, dedicated servers)
  web console      $portal
                   (asks first, then signs you in, once within ten minutes; \`ow portal\` prints a new link)
  console address  $(address console)   (everything; loopback only)
  data folder      $OVERWORLD_DATA

Try next, in another terminal:

  export OVERWORLD_DATA=$OVERWORLD_DATA
  alias ow=$ow
  ow status
  ow vs show chat
  ow fn invoke chat moderate '{"text": "you are such an IDIOT"}'
  ow logs --vs chat
  ow dev examples/chat          # deploys at every save

Ctrl-C drains and stops.
END
    await_server
}
