#!/usr/bin/env bash
# globals.sh BAZEL_BIN: mutable variables at file scope, statics in functions and thread-locals included, in
# what bazel compiled from our own .c files. Constant tables with pointers (.data.rel.ro) are not mutable.
set -euo pipefail

bin=$1
find "$bin" -name '*.pic.o' -path '*/_objs/*' ! -path '*/testdata/*' | sort | while read -r object; do
    path=${object#"$bin"/}
    source=${path%%/_objs/*}/$(basename "$object" .pic.o).c
    # Generated code and objects of files that are gone have no source here; tests may keep state.
    case $source in tests/* | examples/* | *_test.c | *bench.c) continue ;; esac
    [ -f "$source" ] || continue
    objdump -t "$object" | awk -F '\t' -v source="$source" '
        { n = split($1, left, " "); section = left[n]; split($2, right, " ") }
        section ~ /^\.(data|bss|tdata|tbss)(\.|$)/ && section !~ /^\.data\.rel\.ro/ && left[2] != "d" &&
            $1 !~ / d / && right[1] !~ /^0+$/ {
            sub(/\.[0-9]+$/, "", right[2])
            print source, right[2]
        }'
done | sort -u | awk -v reasons=tools/lint/globals.txt '
    BEGIN { while ((getline line < reasons) > 0) { split(line, w, " "); allowed[w[1], w[2]] = 1 } }
    !(($1, $2) in allowed) { printf "%s: mutable variable %s at file scope\n", $1, $2; bad = 1 }
    END { exit bad }
'
