#pragma once

// The rules of timers: what a specification may say, when its slots are, and what is done with those that
// are due. No I/O but the zones' files, any thread. Times in microseconds since the epoch.

#include "services/timers/messages.h"

#include "core/arena/arena.h"
#include "core/cron/cron.h"
#include "core/error/error.h"

#define NEVER INT64_MAX
#define SECOND_US ((int64_t)1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

#define DEFAULT_ALIAS "$DEFAULT"

enum { NAME_MAX_BYTES = 60, PAYLOAD_MAX = 4096, REASON_MAX = 200, PREVIEW_MAX = 100 };

// When slots are.
typedef struct schedule {
    enum { SCHEDULE_CRON, SCHEDULE_EVERY, SCHEDULE_AT } kind;
    ow_cron cron;
    const ow_zone *zone;         // also of the others, for showing
    int64_t every_us, anchor_us; // anchor + k * every
    int64_t at_us;
    int64_t ends_us; // no slot after it
} schedule;

// Of a specification. Intervals count from `anchor_us`. Codes: invalid_argument "bad_timer", "bad_cron",
// "bad_zone".
ow_code schedule_of(ow_zones *zones, const timer_spec *spec, int64_t anchor_us,
                    schedule *ret_schedule, ow_err *err);

// Everything else that a specification says. Codes: invalid_argument "bad_timer", and those of schedule_of.
ow_code spec_check(ow_zones *zones, const timer_spec *spec, ow_err *err);

// "" is $DEFAULT.
const char *spec_alias(const timer_spec *spec);

// The first slot after that time; NEVER.
int64_t schedule_next(const schedule *s, int64_t after_us);

// What is done with slots that are due.
typedef struct plan_rule {
    int64_t now_us;
    int64_t missed_after_us; // a slot that is later than this was missed
    enum { CATCH_UP_SKIP, CATCH_UP_ONCE, CATCH_UP_ALL } catch_up;
    int64_t window_us; // CATCH_UP_ALL: none older than this
    int max_fires;     // 1..PLAN_FIRES_MAX
} plan_rule;

enum { PLAN_FIRES_MAX = 64 };

typedef struct planned_slot {
    int64_t due_us;
    bool catch_up;
} planned_slot;

typedef struct plan {
    planned_slot fires[PLAN_FIRES_MAX];
    int fire_count;
    int64_t missed_count, missed_first_us, missed_last_us; // those that come to nothing
    bool missed_more;                                      // and more, too many to count
    int64_t next_us; // the next slot to plan: still due when there were too many, else to come
} plan;

// Goes through the slots from `due_us` (a slot, at or before now) on.
void plan_make(const schedule *s, const plan_rule *rule, int64_t due_us, plan *ret_plan);

// The rule that a specification asks for.
plan_rule plan_rule_of(const timer_spec *spec, int64_t now_us, int64_t missed_after_us);

// How much each may keep so that together they keep no more than `max`: who has less keeps it all, the others the same.
// NEVER: everybody keeps all. Sorts the counts.
int64_t history_level(int64_t counts[], size_t n, int64_t max);

// When the slot's execution is to start: later by the timer's jitter, the same each time it is asked.
int64_t start_of(const timer_spec *spec, const char *timer_id, int64_t due_us);

// What the function gets: {"Type":"Timer","TriggerName":...,"Time":...,"Message":...}. NULL: arena full.
const char *timer_event(const timer_spec *spec, int64_t due_us, ow_arena *arena, size_t *ret_size);

// "2025-03-30T03:00:00+02:00". NULL: arena full.
const char *local_text(const ow_zone *zone, int64_t at_us, ow_arena *arena);

int64_t us_of_time(const Google__Protobuf__Timestamp *time);        // NULL: 0
int64_t us_of_duration(const Google__Protobuf__Duration *duration); // NULL: 0
