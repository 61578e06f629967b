#!/usr/bin/env bash
# paths.sh: nothing in the repository may name the machine that it was written on: this checkout, the
# folder above it, somebody's home; nor may a lock file name a download address.
set -euo pipefail

here=$(pwd)
above=$(dirname "$here")
patterns=(-e '/home/[a-z]' -e '/Users/[A-Za-z]' -e '"resolved": "http')
# Folders that every system has say nothing about a machine.
for folder in "$here" "$above"; do
    case $folder in
        / | /home | /root | /tmp | /srv | /opt | /src | /usr/src) ;;
        *) patterns+=(-e "(^|[^A-Za-z0-9_.-])${folder}([^A-Za-z0-9_.-]|\$)") ;;
    esac
done
! git grep -nIE "${patterns[@]}" -- . ':!tools/lint/paths.sh'
