# What the sub-commands of ./dev share. Sourced by ./dev, which sets `root` and stands in it.
# shellcheck shell=bash

if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
    export HOME="${HOME:-/tmp}"
fi
cache_dir=$HOME/.cache/overworld

say() { printf '%s\n' "$*" >&2; }
step() { say "==> $*"; }
die() {
    say "dev: $*"
    exit 1
}

# Packages of a use (up, test, lint) that neither dpkg nor the command of column UNLESS knows.
missing_packages() {
    local package use unless rest
    while read -r package use unless rest; do
        case $package in '' | '#'*) continue ;; esac
        case " up $* " in *" $use "*) ;; *) continue ;; esac
        [ "$unless" != - ] && command -v "$unless" >/dev/null && continue
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
            printf '%s\n' "$package"
    done <tools/packages.txt
}

# One line that grows on a terminal, a line for each tenth elsewhere. Reads apt's status lines.
show_install_progress() {
    local line kind percent rest last=-1
    while read -r line; do
        # The name may have a colon of its own: pmstatus:libgcc-s1:amd64:37.5:Unpacking ...
        [[ $line =~ ^(dl|pm)status:.*:([0-9]+)\.[0-9]+:(.*)$ ]] || continue
        kind=${BASH_REMATCH[1]} percent=${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
        case $kind in dl) kind=fetching ;; pm) kind=installing ;; esac
        if [ -t 2 ]; then
            printf '\r\033[K    %s %3d %% %.50s' "$kind" "$percent" "$rest" >&2
        elif [ "$kind$((percent / 10))" != "$last" ]; then
            last=$kind$((percent / 10))
            say "    $kind $percent %"
        fi
    done
    [ -t 2 ] && printf '\r\033[K' >&2
    return 0
}

apt_install() {
    local log=$cache_dir/apt.log
    local -a as_root=(env DEBIAN_FRONTEND=noninteractive LC_ALL=C)
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo "${as_root[@]}")
        if ! command -v sudo >/dev/null || ! sudo -v; then
            die "as root, run: apt-get install --no-install-recommends $*"
        fi
    fi
    mkdir -p "$cache_dir"
    "${as_root[@]}" apt-get -q update >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "apt-get update failed"
    }
    # Status lines on a pipe of their own: a package's script that makes the shared one non-blocking
    # would break the next one's output. The inner shell makes it, since sudo closes all but three.
    # shellcheck disable=SC2016
    "${as_root[@]}" sh -c 'log=$1 && shift && exec apt-get -q -y -o APT::Status-Fd=3 \
        -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" 3>&1 >>"$log" 2>&1 </dev/null' \
        sh "$log" "$@" | show_install_progress || {
        tail -n 20 "$log" >&2
        die "apt-get install failed; the whole log is $log"
    }
}

need_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} = 0 ] && return 0
    step "installing from Debian: ${missing[*]}"
    apt_install "${missing[@]}"
}

# Bazel 4 never trims its disk cache: above the limit it is dropped, and the next build fills it.
bound_disk_cache() {
    local limit_mb=8192 size_mb
    [ -d "$cache_dir/bazel" ] || return 0
    size_mb=$(du -sm "$cache_dir/bazel" | cut -f1)
    [ "$size_mb" -le "$limit_mb" ] || rm -rf "$cache_dir/bazel"
}

# OVERWORLD_BAZEL_STARTUP: startup options, for instance an --output_base of one's own.
run_bazel() {
    local -a startup
    read -r -a startup <<<"${OVERWORLD_BAZEL_STARTUP:-}"
    bazel "${startup[@]}" "$@"
}

# Where a built file stands: bazel_bin [flags of the build].
bazel_bin() { run_bazel info "$@" bazel-bin 2>/dev/null; }
