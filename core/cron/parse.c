#include "core/cron/cron.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIELDS = 7,
    EACH_WEEK = 0x3f,
    LAST_WEEK = 1 << 5,
    NUMBER_MAX = 1000000,
};

typedef enum field_id { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR } field_id;

typedef struct name {
    const char *text;
    int value;
} name;

static const name month_names[] = {{"JAN", 1},  {"FEB", 2},  {"MAR", 3}, {"APR", 4}, {"MAY", 5},
                                   {"JUN", 6},  {"JUL", 7},  {"AUG", 8}, {"SEP", 9}, {"OCT", 10},
                                   {"NOV", 11}, {"DEC", 12}, {NULL, 0}};
static const name day_names[] = {{"SUN", 0}, {"MON", 1}, {"TUE", 2}, {"WED", 3},
                                 {"THU", 4}, {"FRI", 5}, {"SAT", 6}, {NULL, 0}};

typedef struct field {
    const char *title;
    int low, high;
    int step_max;
    const name *names;
} field;

static const field fields[FIELDS] = {
    [SECOND] = {"second", 0, 59, 60, NULL},
    [MINUTE] = {"minute", 0, 59, 60, NULL},
    [HOUR] = {"hour", 0, 23, 24, NULL},
    [DAY] = {"day of month", 1, 31, 31, NULL},
    [MONTH] = {"month", 1, 12, 12, month_names},
    [WEEKDAY] = {"day of week", 0, 7, 7, day_names},
    [YEAR] = {"year", OW_CRON_YEAR_MIN, OW_CRON_YEAR_MAX, OW_CRON_YEAR_MAX, NULL},
};

static const struct {
    const char *name, *text;
} nicknames[] = {
    {"@YEARLY", "0 0 1 1 *"}, {"@ANNUALLY", "0 0 1 1 *"}, {"@MONTHLY", "0 0 1 * *"},
    {"@WEEKLY", "0 0 * * 0"}, {"@DAILY", "0 0 * * *"},    {"@MIDNIGHT", "0 0 * * *"},
    {"@HOURLY", "0 * * * *"},
};

static ow_code bad(ow_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static ow_code bad(ow_err *err, const char *format, ...) {
    char text[OW_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_cron", "%s", text);
}

static ow_code bad_item(ow_err *err, field_id id, const char *item) {
    const field *f = &fields[id];
    return bad(err, "%s: \"%.40s\" is none of *, n, a-b, */n, a-b/n with numbers from %d to %d",
               f->title, item, f->low, f->high);
}

// ---- One item of a list: "MON-FRI/2#1" ----

typedef struct item {
    int from, to, step;
    int weeks;                  // WEEKDAY: which ones in the month
    bool star, ranged, stepped; // *, a-b, /n
    bool near;                  // DAY: nW
} item;

static bool read_value(const char **text, const field *f, int *ret_value) {
    int number = 0;
    for (const name *n = f->names; n != NULL && n->text != NULL; n++) {
        if (strncmp(*text, n->text, 3) == 0) {
            *text += 3;
            *ret_value = n->value;
            return true;
        }
    }
    if (!isdigit((unsigned char)**text)) {
        return false;
    }
    for (; isdigit((unsigned char)**text); (*text)++) {
        number = number * 10 + (**text - '0');
        if (number > NUMBER_MAX) {
            return false;
        }
    }
    *ret_value = number;
    return true;
}

static bool read_range(const char **text, field_id id, item *it) {
    const field *f = &fields[id];
    if (**text == '*') {
        (*text)++;
        it->star = true;
        it->from = f->low;
        it->to = id == WEEKDAY ? 6 : f->high;
        return true;
    }
    if (!read_value(text, f, &it->from)) {
        return false;
    }
    it->to = it->from;
    if (**text == '-') {
        (*text)++;
        it->ranged = true;
        if (!read_value(text, f, &it->to)) {
            return false;
        }
        // A week may end with Sunday under its name, too.
        it->to = id == WEEKDAY && it->to == 0 && (*text)[-1] == 'N' ? 7 : it->to;
    }
    return true;
}

static bool read_step(const char **text, const field *f, item *it) {
    it->step = 1;
    if (**text != '/') {
        return true;
    }
    (*text)++;
    it->stepped = true;
    field plain = {.names = NULL};
    return (it->star || it->ranged) && read_value(text, &plain, &it->step) && it->step >= 1 &&
           it->step <= f->step_max;
}

// Which ones in the month: 5#2, 5L.
static bool read_weeks(const char **text, item *it) {
    field plain = {.names = NULL};
    int week;
    if (**text == 'L' || strcmp(*text, "#L") == 0) {
        *text += **text == 'L' ? 1 : 2;
        it->weeks = LAST_WEEK;
        return true;
    }
    (*text)++;
    if (!read_value(text, &plain, &week) || week < 1 || week > 5) {
        return false;
    }
    it->weeks = 1 << (week - 1);
    return true;
}

// What only days have behind them.
static bool read_suffix(const char **text, field_id id, item *it) {
    it->weeks = EACH_WEEK;
    if (id == DAY && **text == 'W') {
        (*text)++;
        it->near = true;
        return !it->star && !it->ranged;
    }
    if (id == WEEKDAY && (**text == '#' || **text == 'L')) {
        return (!it->star || it->stepped) && read_weeks(text, it);
    }
    return true;
}

static void mark(ow_cron *c, field_id id, int value, const item *it) {
    uint64_t bit = (uint64_t)1 << (value & 63);
    switch (id) {
    case SECOND:
        c->seconds |= bit;
        break;
    case MINUTE:
        c->minutes |= bit;
        break;
    case HOUR:
        c->hours |= (uint32_t)bit;
        break;
    case DAY:
        *(it->near ? &c->near_days : &c->days) |= (uint32_t)bit;
        break;
    case MONTH:
        c->months |= (uint32_t)bit;
        break;
    case WEEKDAY:
        c->weekdays[value % 7] |= (uint8_t)it->weeks;
        break;
    case YEAR:
        value -= OW_CRON_YEAR_MIN;
        c->years[value / 64] |= (uint64_t)1 << (value % 64);
        break;
    }
}

static bool is_within(const item *it, const field *f) {
    return it->from >= f->low && it->to <= f->high && it->from <= it->to;
}

static ow_code read_item(const char *text, field_id id, ow_cron *c, ow_err *err) {
    const field *f = &fields[id];
    const char *rest = text;
    item it = {0};
    if (!read_range(&rest, id, &it) || !read_step(&rest, f, &it) || !read_suffix(&rest, id, &it) ||
        *rest != 0 || !is_within(&it, f)) {
        return bad_item(err, id, text);
    }
    // Every n-th year is one that n divides.
    int from = id == YEAR && it.star ? (it.from + it.step - 1) / it.step * it.step : it.from;
    for (int value = from; value <= it.to; value += it.step) {
        mark(c, id, value, &it);
    }
    return OW_OK;
}

// ---- A field ----

// Takes the next item of a list out of the text.
static char *next_item(char **rest) {
    char *begin = *rest;
    char *comma = strchr(begin, ',');
    *rest = comma != NULL ? comma + 1 : NULL;
    if (comma != NULL) {
        *comma = 0;
    }
    return begin;
}

static ow_code read_field(char *text, field_id id, ow_cron *c, ow_err *err) {
    if (id == DAY && strcmp(text, "LW") == 0) {
        c->last_weekday = true;
        return OW_OK;
    }
    for (char *rest = text; rest != NULL;) {
        const char *part = next_item(&rest);
        if (id == DAY && strcmp(part, "L") == 0) {
            c->last_day = true;
            continue;
        }
        ow_code code = read_item(part, id, c, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

static bool is_one(uint64_t bits) {
    return bits != 0 && (bits & (bits - 1)) == 0;
}

static bool is_plain(const char *text) {
    return strpbrk(text, "*/") == NULL;
}

// ---- The expression ----

// Splits into FIELDS words; the seconds and years that are left out are filled in.
static bool split(char *text, char *words[FIELDS]) {
    static const char zero[] = "0";
    static const char any[] = "*";
    char *found[FIELDS];
    int count = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, " \t\r\n\v\f", &save); w != NULL;
         w = strtok_r(NULL, " \t\r\n\v\f", &save)) {
        if (count == FIELDS) {
            return false;
        }
        found[count++] = w;
    }
    if (count < 5) {
        return false;
    }
    int first = count == 5 ? 1 : 0;
    words[SECOND] = (char *)(uintptr_t)zero;
    words[YEAR] = (char *)(uintptr_t)any;
    memcpy(&words[first], found, (size_t)count * sizeof *found);
    return true;
}

static void fold(char *to, size_t room, const char *text) {
    size_t i = 0;
    for (; text[i] != 0 && i + 1 < room; i++) {
        to[i] = text[i] == '?' ? '*' : (char)toupper((unsigned char)text[i]);
    }
    to[i] = 0;
}

static ow_code expand(const char *text, char copy[OW_CRON_TEXT_MAX + 1], ow_err *err) {
    if (strlen(text) > OW_CRON_TEXT_MAX) {
        return bad(err, "an expression has at most %d characters", OW_CRON_TEXT_MAX);
    }
    size_t blank = strspn(text, " \t\r\n\v\f");
    fold(copy, OW_CRON_TEXT_MAX + 1, text + blank);
    if (copy[0] != '@') {
        return OW_OK;
    }
    copy[strcspn(copy, " \t\r\n\v\f")] = 0;
    for (size_t i = 0; i < sizeof nicknames / sizeof *nicknames; i++) {
        if (strcmp(copy, nicknames[i].name) == 0) {
            fold(copy, OW_CRON_TEXT_MAX + 1, nicknames[i].text);
            return OW_OK;
        }
    }
    return bad(err, "\"%.40s\" is none of @yearly, @monthly, @weekly, @daily, @hourly", text);
}

// What depends on a field as a whole.
static void mark_whole_fields(ow_cron *c, char *words[FIELDS]) {
    c->both_days = words[WEEKDAY][0] == '+';
    words[WEEKDAY] += c->both_days ? 1 : 0;
    c->any_day = strcmp(words[DAY], "*") == 0;
    c->any_weekday = strcmp(words[WEEKDAY], "*") == 0;
    c->any_year = strcmp(words[YEAR], "*") == 0;
    c->fixed = is_plain(words[SECOND]) && is_plain(words[MINUTE]) && is_plain(words[HOUR]);
}

ow_code ow_cron_parse(const char *text, ow_cron *ret_cron, ow_err *err) {
    char copy[OW_CRON_TEXT_MAX + 1];
    char *words[FIELDS];
    ow_cron c = {0};
    ow_code code = expand(text, copy, err);
    if (code != OW_OK) {
        return code;
    }
    if (!split(copy, words)) {
        return bad(err, "5, 6 or 7 fields are needed: [second] minute hour day-of-month month "
                        "day-of-week [year]");
    }
    mark_whole_fields(&c, words);
    for (int id = 0; id < FIELDS && code == OW_OK; id++) {
        code = read_field(words[id], (field_id)id, &c, err);
    }
    if (code == OW_OK) {
        c.fixed = c.fixed && is_one(c.seconds) && is_one(c.minutes) && is_one(c.hours);
        *ret_cron = c;
    }
    return code;
}
