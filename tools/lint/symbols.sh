#!/usr/bin/env bash
# symbols.sh BAZEL_BIN: one external name, one definition. All packages may meet in one program, where the
# linker would take either of two without a word. symbols.txt lists names that two programs use each in
# its own way.
set -euo pipefail

bin=$1
find "$bin" -name '*.pic.o' -path '*/_objs/*' ! -path '*/testdata/*' | sort | while read -r object; do
    path=${object#"$bin"/}
    source=${path%%/_objs/*}/$(basename "$object" .pic.o).c
    # Generated code and objects of files that are gone have no source here; a test is a program of its own.
    case $source in tests/* | examples/* | *_test.c) continue ;; esac
    [ -f "$source" ] || continue
    nm -g --defined-only "$object" | awk -v source="$source" 'NF == 3 && $2 !~ /[VWvw]/ { print $3, source }'
done | sort -u | awk -v reasons=tools/lint/symbols.txt '
    BEGIN { while ((getline line < reasons) > 0) { split(line, w, " "); allowed[w[1]] = 1 } }
    $1 == last && !($1 in allowed) { printf "%s: %s is also defined in %s\n", $2, $1, where; bad = 1 }
    { last = $1; where = $2 }
    END { exit bad }
'
