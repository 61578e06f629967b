#include "runtimes/build/diagnostics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNDEFINED "undefined reference to `"
#define SDK_PREFIX "ow_"
#define LINE_KEPT 1024

static const struct {
    const char *text;
    ow_build_severity severity;
} severities[] = {
    {"fatal error: ", OW_BUILD_ERROR}, {"internal compiler error: ", OW_BUILD_ERROR},
    {"error: ", OW_BUILD_ERROR},       {"Error: ", OW_BUILD_ERROR},
    {"warning: ", OW_BUILD_WARNING},   {"Warning: ", OW_BUILD_WARNING},
    {"note: ", OW_BUILD_NOTE},
};

static void copy(char *to, size_t size, const char *from) {
    snprintf(to, size, "%.*s", (int)size - 1, from);
    for (char *at = to; *at; at++) {
        if ((unsigned char)*at < ' ') {
            *at = ' ';
        }
    }
}

// "file:12:3: rest" or "file:12: rest" → place and rest; NULL when the line is not of that form.
static const char *take_place(const char *line, ow_build_diagnostic *to) {
    while (strncmp(line, "./", 2) == 0) {
        line += 2;
    }
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || colon[1] < '0' || colon[1] > '9') {
        return NULL;
    }
    snprintf(to->file, sizeof to->file, "%.*s", (int)(colon - line), line);
    char *end = NULL;
    to->line = (int)strtol(colon + 1, &end, 10);
    if (end[0] == ':' && end[1] >= '0' && end[1] <= '9') {
        to->column = (int)strtol(end + 1, &end, 10);
    }
    return end[0] == ':' && end[1] == ' ' ? end + 2 : NULL;
}

static bool take_severity(const char *rest, ow_build_diagnostic *to) {
    for (size_t i = 0; i < sizeof severities / sizeof *severities; i++) {
        size_t length = strlen(severities[i].text);
        if (strncmp(rest, severities[i].text, length) == 0) {
            to->severity = severities[i].severity;
            copy(to->message, sizeof to->message, rest + length);
            return true;
        }
    }
    return false;
}

static bool take_linker(const char *line, ow_build_diagnostic *to) {
    const char *rest = strstr(line, "/ld: ");
    rest = rest ? rest + 5 : line;
    const char *undefined = strstr(rest, UNDEFINED);
    if (undefined) {
        if (strncmp(undefined + strlen(UNDEFINED), SDK_PREFIX, strlen(SDK_PREFIX)) == 0) {
            return false;
        }
        if (!take_place(rest, to)) {
            to->file[0] = '\0';
            to->line = 0;
        }
        to->severity = OW_BUILD_ERROR;
        copy(to->message, sizeof to->message, undefined);
        return true;
    }
    if (strstr(rest, "required symbol `") || strstr(rest, "multiple definition of `")) {
        if (!take_place(rest, to)) {
            to->file[0] = '\0';
            to->line = 0;
        }
        to->severity = OW_BUILD_ERROR;
        copy(to->message, sizeof to->message, rest);
        return true;
    }
    return false;
}

static bool parse_line(const char *line, ow_build_diagnostic *to) {
    *to = (ow_build_diagnostic){0};
    if (take_linker(line, to)) {
        return true;
    }
    if (strstr(line, UNDEFINED)) {
        return false;
    }
    const char *rest = take_place(line, to);
    if (rest && take_severity(rest, to)) {
        return true;
    }
    *to = (ow_build_diagnostic){0};
    // What gcc says of itself: "gcc: fatal error: ..." and "cc1: error: ...".
    static const char *const tools[] = {"gcc: ", "cc1: ", "as: ", "collect2: fatal "};
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (strncmp(line, tools[i], strlen(tools[i])) == 0) {
            return take_severity(line + strlen(tools[i]), to);
        }
    }
    return false;
}

size_t diagnostics_parse(const char *text, size_t length, ow_build_diagnostic *to, size_t max,
                         bool *ret_truncated) {
    size_t count = 0;
    *ret_truncated = false;
    for (const char *at = text; at < text + length;) {
        const char *end = memchr(at, '\n', (size_t)(text + length - at));
        size_t line_length = end ? (size_t)(end - at) : (size_t)(text + length - at);
        char line[LINE_KEPT];
        snprintf(line, sizeof line, "%.*s",
                 (int)(line_length < LINE_KEPT ? line_length : LINE_KEPT), at);
        ow_build_diagnostic parsed;
        if (parse_line(line, &parsed)) {
            if (count == max) {
                *ret_truncated = true;
                break;
            }
            to[count++] = parsed;
        }
        at += line_length + 1;
    }
    return count;
}
