#include "core/cron/rule.h"

#include "core/cron/civil.h"

#include <string.h>

enum { HOUR_S = 3600, SUMMER_DEFAULT_S = 2 * HOUR_S };

// ---- Reading ----

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_number(const char **text, int max, int *ret_number) {
    int number = 0;
    if (!is_digit(**text)) {
        return false;
    }
    for (; is_digit(**text); (*text)++) {
        number = number * 10 + (**text - '0');
        if (number > max) {
            return false;
        }
    }
    *ret_number = number;
    return true;
}

static bool read_abbreviation(const char **text) {
    const char *begin = *text;
    if (**text == '<') {
        const char *end = strchr(*text, '>');
        *text = end != NULL ? end + 1 : *text;
        return end != NULL;
    }
    while (is_letter(**text)) {
        (*text)++;
    }
    return *text - begin >= 3;
}

// [+-]hh[:mm[:ss]]
static bool read_time(const char **text, int max_hours, int32_t *ret_s) {
    int parts[3] = {0};
    int sign = **text == '-' ? -1 : 1;
    if (**text == '-' || **text == '+') {
        (*text)++;
    }
    if (!read_number(text, max_hours, &parts[0])) {
        return false;
    }
    for (int i = 1; i < 3 && **text == ':'; i++) {
        (*text)++;
        if (!read_number(text, 59, &parts[i])) {
            return false;
        }
    }
    *ret_s = sign * (parts[0] * HOUR_S + parts[1] * 60 + parts[2]);
    return true;
}

static bool read_month_date(const char **text, rule_date *date) {
    (*text)++;
    if (!read_number(text, 12, &date->month) || date->month < 1 || *(*text)++ != '.') {
        return false;
    }
    if (!read_number(text, 5, &date->week) || date->week < 1 || *(*text)++ != '.') {
        return false;
    }
    return read_number(text, 6, &date->day);
}

static bool read_date(const char **text, rule_date *date) {
    *date = (rule_date){.time_s = SUMMER_DEFAULT_S};
    if (*(*text)++ != ',') {
        return false;
    }
    bool right;
    if (**text == 'M') {
        date->kind = RULE_MONTH;
        right = read_month_date(text, date);
    } else if (**text == 'J') {
        (*text)++;
        date->kind = RULE_JULIAN;
        right = read_number(text, 365, &date->day) && date->day >= 1;
    } else {
        date->kind = RULE_DAY;
        right = read_number(text, 365, &date->day);
    }
    if (right && **text == '/') {
        (*text)++;
        right = read_time(text, 167, &date->time_s);
    }
    return right;
}

static bool read_summer(const char **text, rule *r) {
    int32_t west;
    if (!read_abbreviation(text)) {
        return false;
    }
    r->has_summer = true;
    r->summer_s = r->standard_s + HOUR_S;
    if (**text != ',') {
        if (!read_time(text, 24, &west)) {
            return false;
        }
        r->summer_s = -west;
    }
    return read_date(text, &r->begins) && read_date(text, &r->ends);
}

bool rule_read(const char *text, rule *ret_rule) {
    rule r = {0};
    int32_t west;
    if (!read_abbreviation(&text) || !read_time(&text, 24, &west)) {
        return false;
    }
    r.standard_s = -west;
    if (*text != 0 && !read_summer(&text, &r)) {
        return false;
    }
    *ret_rule = r;
    return *text == 0;
}

// ---- Using ----

// The local day of a year's change, in days since the epoch.
static int64_t day_of(const rule_date *date, int year) {
    int64_t first = ow_civil_days(year, 1, 1);
    if (date->kind == RULE_DAY) {
        return first + date->day;
    }
    if (date->kind == RULE_JULIAN) { // counts no 29 February
        bool after_leap_day = ow_civil_month_days(year, 2) == 29 && date->day >= 60;
        return first + date->day - 1 + (after_leap_day ? 1 : 0);
    }
    int64_t month = ow_civil_days(year, date->month, 1);
    int day = (date->day - ow_civil_weekday(month) + 7) % 7 + (date->week - 1) * 7;
    while (day >= ow_civil_month_days(year, date->month)) {
        day -= 7;
    }
    return month + day;
}

typedef struct edge {
    int64_t at_s;
    int32_t offset_s; // from then on
} edge;

static void edges_of(const rule *r, int year, edge edges[2]) {
    edge begins = {day_of(&r->begins, year) * OW_DAY_S + r->begins.time_s - r->standard_s,
                   r->summer_s};
    edge ends = {day_of(&r->ends, year) * OW_DAY_S + r->ends.time_s - r->summer_s, r->standard_s};
    bool south = begins.at_s > ends.at_s;
    edges[0] = south ? ends : begins;
    edges[1] = south ? begins : ends;
}

void rule_span_at(const rule *r, int64_t at_s, ow_zone_span *ret_span) {
    if (!r->has_summer) {
        *ret_span = (ow_zone_span){INT64_MIN, INT64_MAX, r->standard_s};
        return;
    }
    ow_date date;
    ow_civil_date((at_s - (at_s < 0 ? OW_DAY_S - 1 : 0)) / OW_DAY_S, &date);
    enum { YEARS = 3, EDGES = 2 * YEARS };
    edge edges[EDGES];
    for (int year = 0; year < YEARS; year++) {
        edges_of(r, date.year - 1 + year, &edges[2 * year]);
    }
    int i = EDGES - 1;
    while (i > 0 && edges[i].at_s > at_s) {
        i--;
    }
    *ret_span = (ow_zone_span){.from = edges[i].at_s,
                               .until = i + 1 < EDGES ? edges[i + 1].at_s : INT64_MAX,
                               .offset_s = edges[i].offset_s};
}
