# docs/reference/sdk.md from the headers of the C SDK. A block of a header (up to the next empty line outside
# braces) is a comment and the declarations it is about; "/* ---- Title ---- */" begins a section.
function flush_block(    i, name, names) {
    if (declaration == "") {
        comment = ""
        return
    }
    if (named == 0) { # a name that a later block defines
        declaration = ""
        return
    }
    names = ""
    for (i = 1; i <= named; i++) {
        names = names (i > 1 ? ", " : "") "`" name_of[i] "`"
    }
    printf "### %s\n\n%s```c\n%s```\n\n", names, comment == "" ? "" : comment "\n", declaration
    comment = ""
    declaration = ""
    named = 0
}

# The name that a declaration's line gives, if any.
function take_name(line) {
    if (match(line, /[a-z_]+\(/) && line !~ /^ / && line !~ /^typedef/) {
        name_of[++named] = substr(line, RSTART, RLENGTH - 1)
    } else if (line ~ /^typedef .*\(\*[a-z_]+\)/) {
        match(line, /\(\*[a-z_]+\)/)
        name_of[++named] = substr(line, RSTART + 2, RLENGTH - 3)
    } else if (line ~ /^} [a-z_]+;/) {
        name_of[++named] = substr(line, 3, length(line) - 3)
    } else if (line ~ /^typedef (struct|enum) [a-z_]+ [a-z_]+;/) {
        name_of[++named] = substr($4, 1, length($4) - 1)
    }
}

function comment_line(line) {
    sub(/ ?\*\/$/, "", line)
    sub(/^\/\* ?/, "", line)
    sub(/^ \* ?/, "", line)
    return line
}

BEGIN {
    print "# The C SDK"
    print ""
    print "Generated from the comments of the headers in sdk/c; a test keeps it equal. How to install and use it stands"
    print "in [the guide](../guide/sdk.md)."
    print ""
}

FNR == 1 {
    flush_block()
    if (NR > 1) {
        print ""
    }
    n = split(FILENAME, part, "/")
    printf "## %s\n\n", part[n]
    is_first = 1
}

# The first comment of a file is about the whole file.
is_first {
    line = comment_line($0)
    if ($0 ~ /^ \*\/$/) {
        is_first = 0
        print ""
    } else if ($0 !~ /^\/\*$/) {
        print line
    }
    next
}

/^#/ || /^extern "C"/ || (/^}$/ && depth == 0) {
    next
}

/^\/\* ---- .* ---- \*\/$/ {
    flush_block()
    sub(/^\/\* ---- /, "")
    sub(/ ---- \*\/$/, "")
    printf "## %s\n\n", $0
    next
}

/^\/\*/ && depth == 0 {
    in_comment = 1
}

in_comment {
    if (comment_line($0) != "" || $0 ~ /^ \*$/) {
        comment = comment comment_line($0) "\n"
    }
    if (/\*\/$/) {
        in_comment = 0
    }
    next
}

/^$/ && depth == 0 {
    flush_block()
    next
}

{
    if (sub(/^OW_CLIENT_API /, "")) {
        is_function = 1
    } else if (is_function && /^ /) {
        $0 = substr($0, length("OW_CLIENT_API ") + 1)
    } else {
        is_function = 0
    }
    take_name($0)
    declaration = declaration $0 "\n"
    depth += gsub(/\{/, "{") - gsub(/\}/, "}")
}

END {
    flush_block()
}
