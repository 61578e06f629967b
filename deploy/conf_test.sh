#!/usr/bin/env bash
# deploy/overworld.conf is the server's own --help-config.
set -uo pipefail

if services/overworld/overworld --help-config | diff -u deploy/overworld.conf -; then
    echo "1 passed, 0 failed"
else
    echo "The tables have changed. Renew the sample: bazel-bin/services/overworld/overworld" \
        "--help-config > deploy/overworld.conf"
    echo "0 passed, 1 failed"
    exit 1
fi
