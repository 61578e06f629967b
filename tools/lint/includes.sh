#!/usr/bin/env bash
# includes.sh FILE...: who may include what. The layers of ARCHITECTURE.md, third-party headers only in
# their adapters (includes.txt), a .c its own header first.
set -euo pipefail

system_headers() {
    dpkg -L libc6-dev linux-libc-dev | sed -nE 's,^/usr/include/(x86_64-linux-gnu/|aarch64-linux-gnu/)?(.*\.h)$,\2,p'
    find /usr/lib/gcc -name '*.h' -path '*/include/*' -printf '%f\n'
}

# file:line:header of every include, with its brackets.
all_includes() {
    grep -HnE '^[[:space:]]*#[[:space:]]*include' -- "$@" |
        sed -nE 's/^([^:]+):([0-9]+):[^<"]*([<"][^>"]+).*/\1:\2:\3/p'
}

all_includes "$@" | awk -F: -v rules=tools/lint/includes.txt -v system_list=<(system_headers) '
    function begins(text, prefix) { return substr(text, 1, length(prefix)) == prefix }
    function complain(why) { printf "%s:%s: %s\n", file, $2, why; bad = 1 }

    function third_party(header,    prefix, i, n, where) {
        for (prefix in allowed) {
            if (!begins(header, prefix)) continue
            n = split(allowed[prefix], where, " ")
            for (i = 1; i <= n; i++) if (begins(file, where[i])) return
            complain("<" header "> belongs to " allowed[prefix])
            return
        }
        if (!(header in known)) complain("<" header "> is not in tools/lint/includes.txt")
    }

    # The room that a path stands in: services/<name>, else its first folder.
    function room(path,    part) {
        split(path, part, "/")
        return part[1] == "services" ? part[1] "/" part[2] : part[1]
    }

    function own(header,    from, to) {
        # protoc-c names what it generates from proto/ by the path of an import.
        if (header ~ /\.pb-c\.h$/ && header ~ /^(google|grpc)\//) header = "proto/" header
        if (header ~ /\.pb-c\.h$/ && begins(header, "overworld/")) header = "proto/" header
        from = room(file)
        to = room(header)
        if (from == "tests" || header !~ /\// || from == to) return
        # A test of core may take the real interfaces as its material.
        if (from == "core" && to == "proto" && file ~ /_test\.c$/) return
        if (from == "core" && to == "proto" && begins(header, "proto/overworld/") &&
            !begins(header, "proto/overworld/api/")) complain("core does not know the product: " header)
        else if (from == "core" && to != "proto" && to != "tests") complain("core uses core alone: " header)
        else if (from == "sdk" && header == "core/testing/ow_test.h" && file ~ /_test\.[ch]$|test_world/) return
        else if (from == "sdk") complain("an SDK stands alone: " header)
        else if (begins(to, "services/") && from != "services/overworld")
            complain("of another service only the stubs from proto/ may be used: " header)
    }

    BEGIN {
        while ((getline line < rules) > 0) {
            if (line ~ /^#/ || line == "") continue
            split(line, word, " ")
            prefix = word[1]
            sub(/^[^ ]+ +/, "", line)
            allowed[prefix] = line
        }
        while ((getline line < system_list) > 0) known[line] = 1
    }

    {
        first = ($1 != file)
        file = $1
        if (file ~ /\/testdata\//) next
        header = substr($3, 2)
        if (substr($3, 1, 1) == "<") third_party(header)
        else own(header)

        mine = file
        if (first && sub(/\.c$/, ".h", mine) && (getline line < mine) >= 0) {
            close(mine)
            name = mine
            sub(/.*\//, "", name)
            if (header != mine && header != name) complain("includes its own header first")
        }
    }

    END { exit bad }
'
