# docs/config.md from what `overworld --help-config` prints for each key: "# meaning", "# Allowed: what",
# "#module.key = default".
BEGIN {
    print "# Configuration"
    print ""
    print "Generated from the configuration tables (`overworld --help-config`); a test keeps it equal. A key is set by a"
    print "flag (`--gateway.public_port=8080`), the environment (`OVERWORLD_GATEWAY_PUBLIC_PORT`) or a line of the file"
    print "(`gateway.public_port = 8080`), in this order. Unknown keys are refused."
}

/^# Allowed: / {
    allowed = substr($0, length("# Allowed: ") + 1)
    next
}

/^# / {
    doc = substr($0, 3)
    next
}

/^#[a-z_]+\./ {
    at = index($0, ".")
    equals = index($0, " = ")
    module = substr($0, 2, at - 2)
    value = substr($0, equals + 3)
    if (module != last) {
        printf "\n## %s\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n", module
        last = module
    }
    printf "| `%s` | %s | %s | %s |\n", substr($0, 2, equals - 2),
        value == "" ? "" : "`" value "`", allowed, doc
}
