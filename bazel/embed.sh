#!/usr/bin/env bash
# embed.sh OUT.c OUT.h SYMBOL=FILE...: writes the files as constant byte arrays (see ow_embed).
set -euo pipefail

source=$1
header=$2
shift 2

{
    printf '#pragma once\n\n#include <stddef.h>\n#include <stdint.h>\n'
    for entry in "$@"; do
        printf '\nextern const uint8_t ow_%s[];\nextern const size_t ow_%s_size;\n' \
            "${entry%%=*}" "${entry%%=*}"
    done
} >"$header"

{
    printf '#include <stddef.h>\n#include <stdint.h>\n'
    for entry in "$@"; do
        symbol=ow_${entry%%=*}
        file=${entry#*=}
        printf '\nconst uint8_t %s[] = {\n' "$symbol"
        od -An -v -tu1 -w24 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
        printf '0};\nconst size_t %s_size = %s;\n' "$symbol" "$(stat -Lc %s "$file")"
    done
} >"$source"
