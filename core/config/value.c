#include "core/config/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

// From large to small, so that formatting takes the first that divides.
static const unit size_units[] = {
    {"GB", INT64_C(1) << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}, {NULL, 0}};
static const unit duration_units[] = {{"d", INT64_C(86400000000)},
                                      {"h", INT64_C(3600000000)},
                                      {"m", 60000000},
                                      {"s", 1000000},
                                      {"ms", 1000},
                                      {"us", 1},
                                      {NULL, 0}};
static const unit no_units[] = {{"", 1}, {NULL, 0}};

static const unit *units_of(ow_config_type type) {
    switch (type) {
    case OW_CONFIG_SIZE:
        return size_units;
    case OW_CONFIG_DURATION:
        return duration_units;
    default:
        return no_units;
    }
}

// strtoll would also take blanks and a plus.
static bool begins_like_number(ow_config_type type, const char *text) {
    return (*text >= '0' && *text <= '9') || (*text == '-' && type == OW_CONFIG_INT);
}

static bool parse_number(ow_config_type type, const char *text, int64_t *ret_value) {
    if (!begins_like_number(type, text)) {
        return false;
    }
    char *end;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    if (errno != 0 || end == text) {
        return false;
    }
    if (number == 0 && *end == '\0') {
        *ret_value = 0; // zero needs no unit
        return true;
    }
    for (const unit *unit = units_of(type); unit->name != NULL; unit++) {
        if (strcmp(end, unit->name) == 0) {
            return !__builtin_mul_overflow(number, unit->factor, ret_value);
        }
    }
    return false;
}

static void format_number(ow_config_type type, int64_t value, char text[static CONFIG_TEXT_MAX]) {
    const unit *unit = units_of(type);
    while (value != 0 && value % unit->factor != 0) {
        unit++;
    }
    snprintf(text, CONFIG_TEXT_MAX, "%" PRId64 "%s", value == 0 ? 0 : value / unit->factor,
             value == 0 ? "" : unit->name);
}

static bool has_bounds(const ow_config_key *key) {
    return key->min != 0 || key->max != 0;
}

static bool store_number(const ow_config_key *key, const char *text, void *target) {
    int64_t value;
    if (!parse_number(key->type, text, &value) ||
        (has_bounds(key) && (value < key->min || value > key->max))) {
        return false;
    }
    memcpy(target, &value, sizeof value);
    return true;
}

static bool store_bool(const char *text, void *target) {
    bool value = strcmp(text, "true") == 0;
    if (!value && strcmp(text, "false") != 0) {
        return false;
    }
    memcpy(target, &value, sizeof value);
    return true;
}

static bool store_choice(const ow_config_key *key, const char *text, void *target) {
    for (int64_t i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            memcpy(target, &i, sizeof i);
            return true;
        }
    }
    return false;
}

static bool store_string(const char *text, void *target) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return false;
    }
    char *old;
    memcpy(&old, target, sizeof old);
    free(old);
    memcpy(target, &copy, sizeof copy);
    return true;
}

static bool store(const ow_config_key *key, const char *text, void *target) {
    switch (key->type) {
    case OW_CONFIG_BOOL:
        return store_bool(text, target);
    case OW_CONFIG_STRING:
        return store_string(text, target);
    case OW_CONFIG_CHOICE:
        return store_choice(key, text, target);
    case OW_CONFIG_INT:
    case OW_CONFIG_SIZE:
    case OW_CONFIG_DURATION:
    default:
        return store_number(key, text, target);
    }
}

bool value_parse(const ow_config_key *key, const char *text, void *target,
                 char why[static CONFIG_TEXT_MAX]) {
    if (store(key, text, target)) {
        return true;
    }
    value_describe(key, why);
    return false;
}

void value_format(const ow_config_key *key, const void *source, char text[static CONFIG_TEXT_MAX]) {
    int64_t number = 0;
    if (key->type == OW_CONFIG_BOOL) {
        bool value;
        memcpy(&value, source, sizeof value);
        snprintf(text, CONFIG_TEXT_MAX, "%s", value ? "true" : "false");
    } else if (key->type == OW_CONFIG_STRING) {
        const char *value;
        memcpy(&value, source, sizeof value);
        snprintf(text, CONFIG_TEXT_MAX, "%s", value);
    } else if (key->type == OW_CONFIG_CHOICE) {
        memcpy(&number, source, sizeof number);
        snprintf(text, CONFIG_TEXT_MAX, "%s", key->choices[number]);
    } else {
        memcpy(&number, source, sizeof number);
        format_number(key->type, number, text);
    }
}

static void describe_choices(const ow_config_key *key, char text[static CONFIG_TEXT_MAX]) {
    size_t used = (size_t)snprintf(text, CONFIG_TEXT_MAX, "one of:");
    for (size_t i = 0; key->choices[i] != NULL && used < CONFIG_TEXT_MAX; i++) {
        used += (size_t)snprintf(text + used, CONFIG_TEXT_MAX - used, "%s %s", i == 0 ? "" : ",",
                                 key->choices[i]);
    }
}

void value_describe(const ow_config_key *key, char text[static CONFIG_TEXT_MAX]) {
    static const char *const types[] = {
        [OW_CONFIG_INT] = "integer",
        [OW_CONFIG_BOOL] = "true or false",
        [OW_CONFIG_STRING] = "text",
        [OW_CONFIG_SIZE] = "size (B, KB, MB, GB)",
        [OW_CONFIG_DURATION] = "duration (us, ms, s, m, h, d)",
    };
    if (key->type == OW_CONFIG_CHOICE) {
        describe_choices(key, text);
        return;
    }
    if (!has_bounds(key)) {
        snprintf(text, CONFIG_TEXT_MAX, "%s", types[key->type]);
        return;
    }
    char min[CONFIG_TEXT_MAX];
    char max[CONFIG_TEXT_MAX];
    format_number(key->type, key->min, min);
    format_number(key->type, key->max, max);
    snprintf(text, CONFIG_TEXT_MAX, "%s, %.40s to %.40s", types[key->type], min, max);
}

int edit_distance(const char *a, const char *b) {
    enum { LONGEST = 63 };
    int row[LONGEST + 1];
    int b_length = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= b_length; j++) {
        row[j] = j;
    }
    for (int i = 0; i < LONGEST && a[i] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i + 1;
        for (int j = 1; j <= b_length; j++) {
            int changed = diagonal + (a[i] != b[j - 1]);
            int shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = changed < shorter ? changed : shorter;
        }
    }
    return row[b_length];
}
