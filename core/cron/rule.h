#pragma once

// The rule at the end of a zone's file, as POSIX writes TZ: "EST5EDT,M3.2.0,M11.1.0". Shared inside the
// package.

#include "core/cron/zone.h"

#include <stdbool.h>

typedef struct rule_date {
    enum { RULE_MONTH, RULE_JULIAN, RULE_DAY } kind;
    int month, week, day; // RULE_MONTH; the others use `day` alone
    int32_t time_s;       // local time of that day; may be negative or beyond 24 h
} rule_date;

typedef struct rule {
    int32_t standard_s, summer_s; // offsets
    bool has_summer;
    rule_date begins, ends; // of summer time
} rule;

// False when the text is no such rule.
bool rule_read(const char *text, rule *ret_rule);

// The stretch that has `at_s`, as if the rule had always been.
void rule_span_at(const rule *r, int64_t at_s, ow_zone_span *ret_span);
