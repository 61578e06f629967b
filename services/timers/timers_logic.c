#include "services/timers/timers_logic.h"

#include "core/cron/civil.h"
#include "core/crypto/hash.h"
#include "core/json/writer.h"
#include "core/timestamp/timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAN_STEPS_MAX = 1000, EVENT_ROOM = 32 * 1024 };

#define EVERY_MIN_US SECOND_US
#define EVERY_MAX_US (366 * DAY_US)
#define JITTER_MAX_US HOUR_US
#define WINDOW_MAX_US (7 * DAY_US)
#define TIME_MAX_S INT64_C(32503680000) // the year 3000

// ---- Reading ----

int64_t us_of_time(const Google__Protobuf__Timestamp *time) {
    if (time == NULL || time->seconds < 0 || time->seconds > TIME_MAX_S) {
        return 0;
    }
    return ow_timestamp_us(time);
}

int64_t us_of_duration(const Google__Protobuf__Duration *duration) {
    if (duration == NULL || duration->seconds > TIME_MAX_S || duration->seconds < -TIME_MAX_S) {
        return 0;
    }
    return duration->seconds * SECOND_US + duration->nanos / 1000;
}

const char *spec_alias(const timer_spec *spec) {
    return spec->alias[0] != 0 ? spec->alias : DEFAULT_ALIAS;
}

static ow_code bad(ow_err *err, const char *what) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_timer", "%s", what);
}

static int64_t ends_of(const timer_spec *spec) {
    return spec->ends_at != NULL ? us_of_time(spec->ends_at) : NEVER;
}

ow_code schedule_of(ow_zones *zones, const timer_spec *spec, int64_t anchor_us,
                    schedule *ret_schedule, ow_err *err) {
    int given = (spec->cron[0] != 0) + (spec->every != NULL) + (spec->at != NULL);
    if (given != 1) {
        return bad(err, "a timer has one of \"cron\", \"every\" and \"at\"");
    }
    schedule s = {.anchor_us = anchor_us, .ends_us = ends_of(spec)};
    ow_code code = ow_zones_find(zones, spec->time_zone, &s.zone, err);
    if (code == OW_OK && spec->cron[0] != 0) {
        s.kind = SCHEDULE_CRON;
        code = ow_cron_parse(spec->cron, &s.cron, err);
    } else if (code == OW_OK && spec->every != NULL) {
        s.kind = SCHEDULE_EVERY;
        s.every_us = us_of_duration(spec->every);
        if (s.every_us < EVERY_MIN_US || s.every_us > EVERY_MAX_US) {
            return bad(err, "\"every\" is from 1 second to 366 days");
        }
    } else if (code == OW_OK) {
        s.kind = SCHEDULE_AT;
        s.at_us = us_of_time(spec->at);
    }
    if (code == OW_OK) {
        *ret_schedule = s;
    }
    return code;
}

// ---- Checking ----

static bool is_name(const char *text, const char *more) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t length = strlen(text);
    size_t fits = 0;
    while (fits < length &&
           (strchr(letters, text[fits]) != NULL || (text[fits] >= '0' && text[fits] <= '9') ||
            strchr(more, text[fits]) != NULL)) {
        fits++;
    }
    return length > 0 && length <= NAME_MAX_BYTES && fits == length;
}

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return text[0] == 0;
}

static bool is_within(const Google__Protobuf__Duration *duration, int64_t max_us) {
    int64_t us = us_of_duration(duration);
    return us >= 0 && us <= max_us;
}

ow_code spec_check(ow_zones *zones, const timer_spec *spec, ow_err *err) {
    static const char *const catch_ups[] = {"skip", "once", "all", NULL};
    static const char *const overlaps[] = {"allow", "skip", "queue", NULL};
    schedule s;
    const struct {
        bool right;
        const char *what;
    } rules[] = {
        {is_name(spec->name, "_-"), "\"name\" is 1 to 60 letters, digits, '_' and '-'"},
        {is_name(spec->function, "_-"), "\"function\" names a function of the virtual server"},
        {spec->alias[0] == 0 || is_name(spec->alias, "_-$"),
         "\"alias\" names an alias or a version"},
        {strlen(spec->payload) <= PAYLOAD_MAX, "\"payload\" has at most 4096 bytes"},
        {is_one_of(spec->catch_up, catch_ups), "\"catch_up\" is \"skip\", \"once\" or \"all\""},
        {is_one_of(spec->overlap, overlaps), "\"overlap\" is \"allow\", \"skip\" or \"queue\""},
        {is_within(spec->catch_up_window, WINDOW_MAX_US), "\"catch_up_window\" is at most 7 days"},
        {is_within(spec->jitter, JITTER_MAX_US), "\"jitter\" is at most an hour"},
        {spec->at == NULL || us_of_time(spec->at) > 0, "\"at\" is a time after 1970"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].right) {
            return bad(err, rules[i].what);
        }
    }
    return schedule_of(zones, spec, 0, &s, err);
}

// ---- Slots ----

static int64_t next_cron(const schedule *s, int64_t after_us) {
    int64_t next_s;
    int64_t after_s = after_us >= 0 ? after_us / SECOND_US : 0;
    return ow_cron_next(&s->cron, s->zone, after_s, &next_s) ? next_s * SECOND_US : NEVER;
}

int64_t schedule_next(const schedule *s, int64_t after_us) {
    int64_t next_us = NEVER;
    switch (s->kind) {
    case SCHEDULE_CRON:
        next_us = next_cron(s, after_us);
        break;
    case SCHEDULE_EVERY:
        next_us = after_us < s->anchor_us
                      ? s->anchor_us + s->every_us
                      : after_us + s->every_us - (after_us - s->anchor_us) % s->every_us;
        break;
    case SCHEDULE_AT:
        next_us = s->at_us > after_us ? s->at_us : NEVER;
        break;
    }
    return next_us <= s->ends_us ? next_us : NEVER;
}

plan_rule plan_rule_of(const timer_spec *spec, int64_t now_us, int64_t missed_after_us) {
    int64_t window_us = us_of_duration(spec->catch_up_window);
    return (plan_rule){
        .now_us = now_us,
        .missed_after_us = missed_after_us,
        .catch_up = strcmp(spec->catch_up, "all") == 0    ? CATCH_UP_ALL
                    : strcmp(spec->catch_up, "once") == 0 ? CATCH_UP_ONCE
                                                          : CATCH_UP_SKIP,
        .window_us = window_us > 0 ? window_us : HOUR_US,
        .max_fires = PLAN_FIRES_MAX,
    };
}

static void miss(plan *p, int64_t due_us) {
    if (p->missed_count++ == 0) {
        p->missed_first_us = due_us;
    }
    p->missed_last_us = due_us;
}

// The last one missed is fired after all.
static void fire_last_missed(plan *p, int64_t before_last_us) {
    p->fires[p->fire_count++] = (planned_slot){p->missed_last_us, true};
    p->missed_count--;
    p->missed_last_us = before_last_us;
}

// Slots before this one are not fired.
static int64_t kept_from(const plan_rule *rule) {
    bool all = rule->catch_up == CATCH_UP_ALL && rule->window_us > rule->missed_after_us;
    return rule->now_us - (all ? rule->window_us : rule->missed_after_us);
}

void plan_make(const schedule *s, const plan_rule *rule, int64_t due_us, plan *ret_plan) {
    plan p = {0};
    int64_t keep_us = kept_from(rule);
    // "once" needs a place of its own: that for the last one missed.
    bool once = rule->catch_up == CATCH_UP_ONCE;
    int room = rule->max_fires - (once && rule->max_fires > 1 ? 1 : 0);
    int64_t before_last_us = 0;
    int64_t at_us = due_us;
    while (at_us <= rule->now_us && p.fire_count < room) {
        if (at_us < keep_us) {
            before_last_us = p.missed_last_us;
            miss(&p, at_us);
        } else {
            bool late = at_us < rule->now_us - rule->missed_after_us;
            p.fires[p.fire_count++] = (planned_slot){at_us, late};
        }
        at_us = schedule_next(s, at_us);
        if (p.missed_count == PLAN_STEPS_MAX && at_us < keep_us) {
            p.missed_more = true;
            at_us = schedule_next(s, keep_us - 1);
        }
    }
    if (once && p.missed_count > 0) {
        fire_last_missed(&p, before_last_us);
    }
    p.next_us = at_us;
    *ret_plan = p;
}

int64_t start_of(const timer_spec *spec, const char *timer_id, int64_t due_us) {
    uint8_t digest[OW_SHA256_SIZE];
    uint64_t number;
    char text[128];
    int64_t jitter_us = us_of_duration(spec->jitter);
    if (jitter_us <= 0) {
        return due_us;
    }
    int length = snprintf(text, sizeof text, "%.60s:%" PRId64, timer_id, due_us);
    ow_sha256(text, (size_t)length, digest);
    memcpy(&number, digest, sizeof number);
    return due_us + (int64_t)(number % (uint64_t)jitter_us);
}

// ---- Texts ----

static const char *utc_text(int64_t at_us, ow_arena *arena) {
    int64_t at_s = at_us / SECOND_US;
    int in_day = (int)(at_s % OW_DAY_S);
    ow_date date;
    ow_civil_date(at_s / OW_DAY_S, &date);
    return ow_arena_printf_in(arena, "%04d-%02d-%02dT%02d:%02d:%02dZ", date.year, date.month,
                              date.day, in_day / 3600, in_day / 60 % 60, in_day % 60);
}

const char *local_text(const ow_zone *zone, int64_t at_us, ow_arena *arena) {
    ow_zone_span span;
    int64_t at_s = at_us / SECOND_US;
    ow_zone_span_at(zone, at_s, &span);
    at_s += span.offset_s;
    int in_day = (int)(at_s % OW_DAY_S);
    int offset = span.offset_s < 0 ? -span.offset_s : span.offset_s;
    ow_date date;
    ow_civil_date(at_s / OW_DAY_S, &date);
    return ow_arena_printf_in(arena, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", date.year,
                              date.month, date.day, in_day / 3600, in_day / 60 % 60, in_day % 60,
                              span.offset_s < 0 ? '-' : '+', offset / 3600, offset / 60 % 60);
}

const char *timer_event(const timer_spec *spec, int64_t due_us, ow_arena *arena, size_t *ret_size) {
    ow_json_writer w;
    const char *time = utc_text(due_us, arena);
    if (time == NULL) {
        return NULL;
    }
    ow_json_writer_init(&w, arena, EVENT_ROOM);
    ow_json_object_open(&w);
    ow_json_name(&w, "Type");
    ow_json_text(&w, "Timer");
    ow_json_name(&w, "TriggerName");
    ow_json_text(&w, spec->name);
    ow_json_name(&w, "Time");
    ow_json_text(&w, time);
    ow_json_name(&w, "Message");
    ow_json_text(&w, spec->payload);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

static int by_count(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

int64_t history_level(int64_t counts[], size_t n, int64_t max) {
    if (n > 0) {
        qsort(counts, n, sizeof *counts, by_count);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t share = max / (int64_t)(n - i);
        if (counts[i] > share) {
            return share;
        }
        max -= counts[i];
    }
    return NEVER;
}
