#!/usr/bin/env bash
# equal_test.sh FILE MADE: a page that is generated and kept in the repository is what would be generated now.
set -uo pipefail

if diff -u "$1" "$2"; then
    echo "1 passed, 0 failed"
else
    echo "What it is made from has changed. Renew the page: cp bazel-bin/$2 $1"
    echo "0 passed, 1 failed"
    exit 1
fi
