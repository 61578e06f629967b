// A pattern, a type, the data of an event, and conditions, a line each: a condition is its group's number, its
// operator, its pointer and its value, with tabs between. Whatever is taken can be asked of any data, the reason why
// it does not match is there when and only when it does not, and what exists does not exist not.

#include "core/testing/scarce.h"
#include "services/events/filter.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Cuts the text off at the first `end`; the rest, or NULL.
static char *cut(char *text, char end) {
    char *at = text != NULL ? strchr(text, end) : NULL;
    if (at != NULL) {
        *at++ = '\0';
    }
    return at;
}

// Whoever is out of memory may say so instead.
static void require(bool holds) {
    if (!holds && !ow_scarce_has_failed()) {
        abort();
    }
}

static void try_types(const char *pattern, const char *type) {
    if (!event_type_is_pattern(pattern) || !event_type_is_name(type)) {
        return;
    }
    bool matches = event_type_matches(pattern, type);
    require(event_type_matches("*", type) && event_type_matches(type, type));
    require(strchr(pattern, '*') != NULL || matches == (strcmp(pattern, type) == 0));
}

static void add(filter *all, char *line) {
    char *operator= cut(line, '\t');
    char *pointer = cut(operator, '\t');
    char *value = cut(pointer, '\t');
    ow_err err = {.code = OW_OK};
    if (value != NULL) {
        ow_code code =
            filter_add(all, (size_t)strtoul(line, NULL, 10), pointer, operator, value, &err);
        require(code == OW_OK || (code == OW_INVALID_ARGUMENT && err.reason[0] != '\0'));
    }
}

static void try_existence(const char *pointer, const ow_json *json) {
    static const char *const values[] = {"true", "false"};
    int holding = 0;
    for (int i = 0; i < 2; i++) {
        filter *one = filter_new();
        if (one == NULL || filter_add(one, 0, pointer, "exists", values[i], NULL) != OW_OK) {
            filter_free(one);
            return;
        }
        holding += filter_matches(one, json);
        filter_free(one);
    }
    require(holding == 1);
}

static void try_conditions(char *lines, const ow_json *json) {
    char why[200];
    filter *all = filter_new();
    require(all != NULL);
    if (all == NULL) {
        return;
    }
    for (char *line = lines, *next; line != NULL; line = next) {
        next = cut(line, '\n');
        add(all, line);
    }
    filter_explain(all, json, why, sizeof why);
    require(filter_matches(all, json) == (why[0] == '\0'));
    filter_free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *pattern = strndup((const char *)data, size);
    char *type = cut(pattern, '\n');
    char *text = cut(type, '\n');
    char *lines = cut(text, '\n');
    ow_json *json = NULL;
    if (lines != NULL) {
        try_types(pattern, type);
        bool is_json = ow_json_parse(text, strlen(text), 64, &json, NULL) == OW_OK;
        try_existence(is_json ? type : text, json);
        try_conditions(lines, json); // data that are not JSON are nowhere
        ow_json_free(json);
    }
    free(pattern);
    return 0;
}
