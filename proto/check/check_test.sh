#!/usr/bin/env bash
# Each rule of check.c, broken once; and a file that keeps them all. Takes the check's own path.
set -euo pipefail

check=$PWD/$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# expect WHAT MESSAGE: the proto on stdin is refused with MESSAGE ("" = accepted).
expect() {
    { printf 'syntax = "proto3"; package t; import "overworld/api/access.proto";\n'; cat; } >"$work/t.proto"
    protoc -I"$work" -Iproto -I/usr/include --include_imports --descriptor_set_out="$work/t.pb" \
        t.proto 2>"$work/protoc"
    local code=0
    "$check" "$work/t.pb" 2>"$work/said" || code=$?
    if [[ -z $2 && $code -ne 0 ]] || [[ -n $2 && ( $code -eq 0 || $(<"$work/said") != *"$2"* ) ]]; then
        printf 'FAILED %s: code %s, said: %s\n' "$1" "$code" "$(<"$work/said")"
        failed=1
    fi
}

rule='option (overworld.api.access) = { allow: SERVICE };'
expect "a good one" "" <<<"message A { B b = 1; } message B { string s = 1; }
    service S { rpc M(A) returns (stream B) { $rule } }"
expect "no rule" "t.proto: S.M: has no access rule" <<<'message A {} service S { rpc M(A) returns (A); }'
expect "an empty rule" "has no access rule" <<<'message A {}
    service S { rpc M(A) returns (A) { option (overworld.api.access) = {}; } }'
expect "a message in itself" ".t.A.a: makes a message contain itself" <<<'message A { repeated A a = 1; }'
expect "a longer circle" "contain itself" <<<'message A { B b = 1; }
    message B { message C { A a = 1; } C c = 1; }'
expect "a foreign circle" "contain itself" <<<'import "google/protobuf/struct.proto";
    message A { google.protobuf.Value v = 1; }'
expect "optional" ".t.A.s: is \`optional\`" <<<'message A { optional string s = 1; }'
expect "a map" "is a map" <<<'message A { map<string, string> m = 1; }'
expect "a client stream" "streams from the client" <<<"message A {}
    service S { rpc M(stream A) returns (A) { $rule } }"
exit $failed
