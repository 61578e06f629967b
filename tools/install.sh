# ./dev install [--prefix DIR]: builds the C SDK and puts it where compilers find it: shared and static
# library, headers, pkg-config and CMake files. The default is /usr/local.
# shellcheck shell=bash

dev_install() {
    local prefix=/usr/local version
    while [ $# != 0 ]; do
        case $1 in
            --prefix=*) prefix=${1#--prefix=} ;;
            --prefix)
                [ $# -gt 1 ] || die "install: --prefix wants a folder"
                prefix=$2
                shift
                ;;
            *) die "install: unknown argument $1; usage: ./dev install [--prefix DIR]" ;;
        esac
        shift
    done
    case $prefix in
        *[!A-Za-z0-9/._+~-]*) die "install: a prefix of letters, digits and / . _ + ~ - only" ;;
    esac
    mkdir -p "$prefix" && [ -w "$prefix" ] || die "install: cannot write to $prefix; name another: --prefix DIR"
    prefix=$(cd "$prefix" && pwd)
    need_packages up
    step "building the SDK"
    run_bazel build -- //sdk/c:package >&2 || die "the build failed (see above)"
    version=$(sed -nE 's/.*OVERWORLD_VERSION "([^"]*)".*/\1/p' core/version/version.h)
    bash sdk/c/package/install.sh "$prefix" "$version" "$PWD" "$(bazel_bin)/sdk/c" || die "installing failed"
    # The loader keeps a list of its own places.
    if [ "$prefix" = /usr/local ] && [ "$(id -u)" = 0 ]; then
        ldconfig
    fi
    step "installed into $prefix"
    case $prefix in
        /usr | /usr/local) say "    cc game.c \$(pkg-config --cflags --libs overworld)" ;;
        *) say "    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig CMAKE_PREFIX_PATH=$prefix"
            say "    cc game.c \$(pkg-config --cflags --libs overworld)" ;;
    esac
}
