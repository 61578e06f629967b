#!/usr/bin/env bash
# install.sh PREFIX VERSION SOURCE_ROOT BUILT: the SDK as a game developer uses it, below PREFIX. BUILT is the
# folder with the built libraries. Safe to run again: every file is replaced whole.
set -euo pipefail

prefix=$1 version=$2 source=$3 built=$4

# A private prefix is not where the loader looks: programs remember it.
rpath="-Wl,-rpath,\${libdir} "
case $prefix in /usr | /usr/local) rpath= ;; esac

fill() {
    sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" -e "s|@RPATH@|$rpath|" "$1"
}

install -d "$prefix"/{include,lib/pkgconfig,lib/cmake/Overworld}
install -m 644 "$source"/sdk/c/overworld_{client,execution,push,transport}.h "$prefix/include/"
install -m 755 "$built/liboverworld.so" "$prefix/lib/liboverworld.so.0"
install -m 644 "$built/liboverworld.a" "$prefix/lib/"
ln -sf liboverworld.so.0 "$prefix/lib/liboverworld.so"
install -m 644 "$source/sdk/c/package/OverworldConfig.cmake" "$prefix/lib/cmake/Overworld/"
fill "$source/sdk/c/package/OverworldConfigVersion.cmake.in" |
    install -m 644 /dev/stdin "$prefix/lib/cmake/Overworld/OverworldConfigVersion.cmake"
fill "$source/sdk/c/package/overworld.pc.in" |
    install -m 644 /dev/stdin "$prefix/lib/pkgconfig/overworld.pc"
