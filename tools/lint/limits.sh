#!/usr/bin/env bash
# limits.sh FILE...: lengths of functions and files, complexity. Above the aim a reason in limits.txt is
# needed, above the hard limit nothing helps. The number of parameters is clang-tidy's.
set -euo pipefail

measure() {
    local file
    for file in "$@"; do
        case $file in */testdata/*) continue ;; esac
        printf 'file %s %s\n' "$file" "$(wc -l <"$file")"
        case $file in
            # modified complexity, traditional, statements, first line, lines, file(line): name
            *.c) pmccabe "$file" | sed -E 's/^([0-9]+)\t[0-9]+\t[0-9]+\t([0-9]+)\t([0-9]+)\t[^:]*: (.*)$/function \1 \2 \3 \4/' |
                sed "s|\$| $file|" ;;
        esac
    done
}

measure "$@" | awk -v reasons=tools/lint/limits.txt '
    function hold(place, key, what, value, aim, hard) {
        if (value > hard) printf "%s: %s %d, at most %d\n", place, what, value, hard
        else if (value > aim && !(key in allowed)) printf "%s: %s %d, aim %d\n", place, what, value, aim
        else return
        bad = 1
    }
    BEGIN { while ((getline line < reasons) > 0) if (line !~ /^(#|$)/) { split(line, w, " "); allowed[w[1]] = 1 } }
    $1 == "file" && $2 ~ /\.h$/ { hold($2, $2, "lines", $3, 150, 300) }
    $1 == "file" && $2 ~ /\.c$/ { hold($2, $2, "lines", $3, 600, 1000) }
    $1 == "function" {
        key = $6 ":" $5
        hold($6 ":" $3 ": " $5, key, "complexity", $2, 10, 20)
        hold($6 ":" $3 ": " $5, key, "lines", $4, 60, 100)
    }
    END { exit bad }
'
