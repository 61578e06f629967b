# What a run of bazel test came to, from its build event file (one JSON object a line) and the test
# logs it names. Prints "PASSED FAILED SKIPPED"; what failed is named on standard error.
#
# A cmocka program counts by its cases, node's runner by its totals, a program whose last line is "N
# passed, N failed" by that line, any other as one. A target that did not build, was stopped, or ran no case is a failure:
# nothing is never a pass.

function text_after(line, key, end,    rest) {
    if (index(line, key) == 0) {
        return ""
    }
    rest = substr(line, index(line, key) + length(key))
    return substr(rest, 1, index(rest, end) - 1)
}

function number_in(line) {
    match(line, /[0-9]+/)
    return substr(line, RSTART, RLENGTH) + 0
}

function blame(label, why) {
    printf "%s: %s\n", label, why > "/dev/stderr"
}

# Adds a log to ok, bad, skip and cases (how many say anything at all).
function read_log(path,    line, last, counts, groups, running, node) {
    node = 0
    groups = 0
    running = 0
    while ((getline line < path) > 0) {
        if (line ~ /^\[==========\] .*Running [0-9]+ test/) {
            running++
        } else if (line ~ /^\[  PASSED  \] [0-9]+ test/) {
            groups++
            ok += number_in(line)
        } else if (line ~ /^\[  FAILED  \] [0-9]+ test/) {
            bad += number_in(line)
        } else if (line ~ /^\[  SKIPPED \] [0-9]+ test/) {
            skip += number_in(line)
        } else if (line ~ /^(#|ℹ) (pass|fail|skipped) [0-9]+$/) {
            node = 1
            if (line ~ / pass /) ok += number_in(line)
            if (line ~ / fail /) bad += number_in(line)
            if (line ~ / skipped /) skip += number_in(line)
        }
        if (line != "") {
            last = line
        }
    }
    close(path)
    cases += running + node
    if (running > groups) {
        bad += running - groups
    }
    if (running + node == 0 && last ~ /^[0-9]+ passed, [0-9]+ failed$/) {
        split(last, counts, " ")
        ok += counts[1]
        bad += counts[3]
        cases++
    }
}

function count(label, status, logs,    path) {
    ok = bad = skip = cases = 0
    while (match(logs, /file:\/\/[^"]*/)) {
        path = substr(logs, RSTART + 7, RLENGTH - 7)
        logs = substr(logs, RSTART + RLENGTH)
        read_log(path)
    }
    if (status != "PASSED" && status != "FLAKY" && bad == 0) {
        bad = 1
    }
    if (bad == 0 && cases == 0) {
        ok = 1
    }
    if (bad == 0 && ok == 0 && skip == 0) {
        bad = 1
        blame(label, "ran no test")
    } else if (bad > 0) {
        blame(label, bad " failed (" status ")")
    }
    passed += ok
    failed += bad
    skipped += skip
}

# The words of the filter in force (the last one counts) that leave out what is tagged with them.
/^{"id":{"optionsParsed"/ {
    rest = $0
    while (match(rest, /"--test_tag_filters(=|\\u003d)[^"]*"/)) {
        filter = substr(rest, RSTART, RLENGTH - 1)
        rest = substr(rest, RSTART + RLENGTH)
    }
    sub(/^.*filters(=|\\u003d)/, "", filter)
    words = split(filter, left_out, ",")
}

/"targetConfigured":/ && /"testSize":/ {
    label = text_after($0, "\"targetConfigured\":{\"label\":\"", "\"")
    tags = text_after($0, "\"tag\":[", "]")
    tests[label] = 1
    for (i = 1; i <= words; i++) {
        if (left_out[i] ~ /^-/ && index(tags, "\"" substr(left_out[i], 2) "\"")) {
            delete tests[label]
        }
    }
}

/^{"id":{"testSummary":/ {
    label = text_after($0, "\"testSummary\":{\"label\":\"", "\"")
    done[label] = 1
    count(label, text_after($0, "\"overallStatus\":\"", "\""), $0)
}

END {
    for (label in tests) {
        if (!(label in done)) {
            failed++
            blame(label, "did not build or did not run")
        }
    }
    print passed + 0, failed + 0, skipped + 0
}
