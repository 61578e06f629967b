#include "services/events/filter.h"

#include "core/json/pointer.h"
#include "core/json/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 256, VALUE_DEPTH_MAX = 16, WHOLE_DIGITS_MAX = 19 };

// ---- Types ----

#define TYPE_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

bool event_type_is_name(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size <= EVENT_TYPE_MAX && strspn(name, TYPE_LETTERS) == size;
}

bool event_type_is_pattern(const char *pattern) {
    size_t size = strlen(pattern);
    int stars = 0;
    for (size_t i = 0; i < size; i++) {
        stars += pattern[i] == '*';
    }
    return size > 0 && size <= EVENT_TYPE_MAX && stars <= PATTERN_STARS_MAX &&
           strspn(pattern, TYPE_LETTERS "*") == size;
}

bool event_type_matches(const char *pattern, const char *type) {
    const char *star = NULL; // the last one passed, and where what it stands for ends
    const char *resume = NULL;
    while (*type != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = type;
        } else if (*pattern == *type) {
            pattern++;
            type++;
        } else if (star != NULL) {
            pattern = star + 1;
            type = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

// ---- Operators ----

// A text that is a whole number, as 64-bit numbers are written.
static bool whole_number(const char *text, double *ret_number) {
    size_t sign = text[0] == '-';
    size_t digits = strspn(text + sign, "0123456789");
    if (digits == 0 || digits > WHOLE_DIGITS_MAX || text[sign + digits] != '\0') {
        return false;
    }
    errno = 0;
    *ret_number = (double)strtoll(text, NULL, 10);
    return errno == 0;
}

static bool as_number(const ow_json *json, double *ret_number) {
    const char *text = ow_json_string(json);
    return text != NULL ? whole_number(text, ret_number) : ow_json_as_double(json, ret_number);
}

static int sign_of(double difference) {
    return (difference > 0) - (difference < 0);
}

// How `have` stands to `want`: -1, 0, 1; false when they cannot be compared.
static bool compare(const ow_json *have, const ow_json *want, int *ret_order) {
    double a, b;
    if (ow_json_as_double(want, &b)) {
        if (!as_number(have, &a)) {
            return false;
        }
        *ret_order = sign_of(a - b);
        return true;
    }
    const char *x = ow_json_string(have);
    const char *y = ow_json_string(want);
    if (x == NULL || y == NULL) {
        return false;
    }
    int order = strcmp(x, y);
    *ret_order = (order > 0) - (order < 0);
    return true;
}

static bool equal(const ow_json *have, const ow_json *want) {
    double a, b;
    if (ow_json_as_double(want, &b) && ow_json_string(have) != NULL) {
        return as_number(have, &a) && a == b;
    }
    return ow_json_equal(have, want);
}

static bool is_eq(const ow_json *have, const ow_json *want) {
    return equal(have, want);
}

static bool is_ne(const ow_json *have, const ow_json *want) {
    return !equal(have, want);
}

static bool is_lt(const ow_json *have, const ow_json *want) {
    int order;
    return compare(have, want, &order) && order < 0;
}

static bool is_le(const ow_json *have, const ow_json *want) {
    int order;
    return compare(have, want, &order) && order <= 0;
}

static bool is_gt(const ow_json *have, const ow_json *want) {
    int order;
    return compare(have, want, &order) && order > 0;
}

static bool is_ge(const ow_json *have, const ow_json *want) {
    int order;
    return compare(have, want, &order) && order >= 0;
}

static bool is_in(const ow_json *have, const ow_json *want) {
    for (const ow_json *one = ow_json_first(want); one != NULL; one = ow_json_next(one)) {
        if (equal(have, one)) {
            return true;
        }
    }
    return false;
}

static bool has_prefix(const ow_json *have, const ow_json *want) {
    const char *text = ow_json_string(have);
    const char *prefix = ow_json_string(want);
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_suffix(const ow_json *have, const ow_json *want) {
    const char *text = ow_json_string(have);
    const char *suffix = ow_json_string(want);
    size_t size = text != NULL ? strlen(text) : 0;
    size_t tail = strlen(suffix);
    return text != NULL && size >= tail && strcmp(text + size - tail, suffix) == 0;
}

static bool exists(const ow_json *have, const ow_json *want) {
    bool wanted = true;
    ow_json_as_bool(want, &wanted);
    return (have != NULL) == wanted;
}

enum { TAKES_ANY, TAKES_ORDERED, TAKES_LIST, TAKES_TEXT, TAKES_BOOL };

typedef struct operation {
    const char *name;
    bool (*holds)(const ow_json *have, const ow_json *want);
    int takes;
} operation;

static const operation operations[] = {
    {"eq", is_eq, TAKES_ANY},           {"ne", is_ne, TAKES_ANY},
    {"lt", is_lt, TAKES_ORDERED},       {"le", is_le, TAKES_ORDERED},
    {"gt", is_gt, TAKES_ORDERED},       {"ge", is_ge, TAKES_ORDERED},
    {"in", is_in, TAKES_LIST},          {"prefix", has_prefix, TAKES_TEXT},
    {"suffix", has_suffix, TAKES_TEXT}, {"exists", exists, TAKES_BOOL},
};

static const operation *find_operation(const char *name) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if (strcmp(operations[i].name, name) == 0) {
            return &operations[i];
        }
    }
    return NULL;
}

static bool takes(const operation *operation, const ow_json *value) {
    ow_json_kind kind = ow_json_kind_of(value);
    switch (operation->takes) {
    case TAKES_ORDERED:
        return kind == OW_JSON_NUMBER || kind == OW_JSON_STRING;
    case TAKES_LIST:
        return kind == OW_JSON_ARRAY && ow_json_count(value) > 0 &&
               ow_json_count(value) <= VALUES_MAX;
    case TAKES_TEXT:
        return kind == OW_JSON_STRING;
    case TAKES_BOOL:
        return kind == OW_JSON_BOOL;
    default:
        return true;
    }
}

// ---- Filters ----

typedef struct condition {
    size_t group;
    char *pointer;
    const operation *operation;
    ow_json *value;
} condition;

struct filter {
    condition conditions[FILTER_CONDITIONS_MAX]; // by group
    size_t count;
};

filter *filter_new(void) {
    return calloc(1, sizeof(filter));
}

filter *filter_free(filter *filter) {
    for (size_t i = 0; filter != NULL && i < filter->count; i++) {
        free(filter->conditions[i].pointer);
        ow_json_free(filter->conditions[i].value);
    }
    free(filter);
    return NULL;
}

size_t filter_size(const filter *filter) {
    return filter->count;
}

static ow_code bad_condition(ow_err *err, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_condition", "%s", why);
}

static ow_code parse_value(const operation *operation, const char *text, ow_json **ret_value,
                           ow_err *err) {
    size_t size = strlen(text);
    if (size == 0 && operation->takes == TAKES_BOOL) {
        return ow_json_parse("true", 4, 1, ret_value, err);
    }
    if (size > CONDITION_VALUE_MAX) {
        return bad_condition(err, "the value of a condition has at most 4 KB");
    }
    ow_code code = ow_json_parse(text, size, VALUE_DEPTH_MAX, ret_value, err);
    if (code == OW_OK && !takes(operation, *ret_value)) {
        *ret_value = ow_json_free(*ret_value);
        return bad_condition(err, "lt, le, gt and ge take a number or a text, in a list of 1 to "
                                  "256, prefix and suffix a text, exists true or false");
    }
    return code;
}

ow_code filter_add(filter *filter, size_t group, const char *pointer, const char *operator,
                   const char * value, ow_err *err) {
    const operation *operation = find_operation(operator);
    if (filter->count == FILTER_CONDITIONS_MAX || group >= FILTER_GROUPS_MAX) {
        return bad_condition(err, "at most 16 groups and 64 conditions");
    }
    if (operation == NULL) {
        return bad_condition(err, "an operator is eq, ne, lt, le, gt, ge, in, prefix, suffix or "
                                  "exists");
    }
    ow_json *parsed = NULL;
    ow_code code = ow_json_pointer_check(pointer, err);
    code = code == OW_OK ? parse_value(operation, value, &parsed, err) : code;
    char *copy = code == OW_OK ? strdup(pointer) : NULL;
    if (code == OW_OK && copy == NULL) {
        ow_json_free(parsed);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a condition");
    }
    if (code == OW_OK) {
        filter->conditions[filter->count++] = (condition){group, copy, operation, parsed};
    }
    return code;
}

static bool holds(const condition *c, const ow_json *data) {
    const ow_json *have = ow_json_pointer_get(data, c->pointer);
    return (have != NULL || c->operation->takes == TAKES_BOOL) &&
           c->operation->holds(have, c->value);
}

// The end of the group that begins at `at`; `ret_broken` is its first condition that does not hold.
static size_t walk_group(const filter *f, size_t at, const ow_json *data,
                         const condition **ret_broken) {
    size_t group = f->conditions[at].group;
    *ret_broken = NULL;
    for (; at < f->count && f->conditions[at].group == group; at++) {
        if (*ret_broken == NULL && !holds(&f->conditions[at], data)) {
            *ret_broken = &f->conditions[at];
        }
    }
    return at;
}

bool filter_matches(const filter *filter, const ow_json *data) {
    const condition *broken = NULL;
    for (size_t at = 0; at < filter->count;) {
        at = walk_group(filter, at, data, &broken);
        if (broken == NULL) {
            return true;
        }
    }
    return broken == NULL; // without conditions
}

void filter_explain(const filter *filter, const ow_json *data, char *text, size_t room) {
    const condition *broken;
    size_t size = 0;
    text[0] = '\0';
    if (filter_matches(filter, data)) {
        return;
    }
    for (size_t at = 0; at < filter->count && size < room;) {
        at = walk_group(filter, at, data, &broken);
        int wrote =
            snprintf(text + size, room - size, "%s\"%s\" %s", size > 0 ? ", and not " : "not ",
                     broken->pointer, broken->operation->name);
        size += wrote > 0 ? (size_t)wrote : 0;
    }
}
