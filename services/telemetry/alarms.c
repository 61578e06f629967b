#include "services/telemetry/alarms.h"

#include "core/id/id.h"
#include "core/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_EVERY_US = 10 * 1000 * 1000,
    STEERED_US = 20 * 1000,          // how often a clock that a test moves is looked at
    TELL_EVERY_US = 5 * 1000 * 1000, // when notices wait for another attempt
    LOOK_ARENA_MAX = 64 << 20,
    TELL_ARENA_MAX = 1 << 20,
};

// One at a time: a read of all alarms and their values, then a write of what came of it.
typedef struct looking {
    ow_db_job job;
    ow_arena *arena; // NULL: none is under way
    alarm_list list;
    double *values;
    int64_t now_us;
    int events;
    int64_t lost;
} looking;

// One at a time: a read of the next notice, its fetch, a write of what became of it.
typedef struct telling {
    ow_db_job job;
    ow_arena *arena; // NULL: none is under way
    notice_row notice;
    bool found, gone, again; // again: somebody kicked meanwhile
    char why[ERROR_TEXT_MAX];
    delivery delivery;
} telling;

struct alarms {
    alarms_options options;
    ow_timer look_timer, tell_timer;
    int64_t next_look_us; // the clock's monotonic time
    looking look;
    telling tell;
    bool stopping;
    ow_counter *sent, *failed, *lost;
};

static int64_t wall_us(const alarms *a) {
    return ow_clock_wall_us(a->options.clock);
}

static void set_timer(alarms *a, ow_timer *timer, int64_t in_us) {
    if (!a->stopping) {
        bool steered = ow_clock_is_steered(a->options.clock);
        int64_t wait_us = steered && in_us > STEERED_US ? STEERED_US : in_us;
        ow_loop_timer_set(a->options.loop, timer, ow_loop_now_us(a->options.loop) + wait_us);
    }
}

// ---- Looking ----

static ow_code look_read(ow_db_conn *db, void *self, ow_err *err) {
    alarms *a = self;
    looking *l = &a->look;
    ow_code code = alarm_store_list(db, NULL, l->arena, &l->list, err);
    l->values = ow_arena_calloc(l->arena, ALARMS_MAX, sizeof *l->values);
    if (code == OW_OK && l->values == NULL) {
        code = ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for alarms");
    }
    for (int i = 0; i < l->list.count && code == OW_OK; i++) {
        code = alarm_measure(db, &l->list.rows[i], l->now_us, l->arena, &l->values[i], err);
    }
    return code;
}

static ow_code add_notice(alarms *a, ow_db_conn *db, const alarm_row *row, alarm_event event,
                          ow_err *err) {
    looking *l = &a->look;
    char id[OW_ID_MAX];
    int64_t lost = 0;
    ow_id_make(id, "ntc_", l->now_us);
    notice_row notice = {
        .notice_id = id,
        .alarm_id = row->alarm_id,
        .body = alarm_body(row, event, id, l->now_us, l->arena),
        .created_us = l->now_us,
        .due_us = l->now_us,
    };
    if (notice.body == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a notice");
    }
    ow_code code = notice_store_add(db, &notice, &lost, err);
    l->events++;
    l->lost += lost;
    return code;
}

static ow_code look_write(ow_db_conn *db, void *self, ow_err *err) {
    alarms *a = self;
    looking *l = &a->look;
    ow_code code = OW_OK;
    l->events = 0;
    l->lost = 0;
    for (int i = 0; i < l->list.count && code == OW_OK; i++) {
        alarm_row row = l->list.rows[i]; // the list stays as it was, should this run again
        row.value = l->values[i];
        alarm_event event = alarm_look(&row.state, alarm_breaks(row.rule, row.value),
                                       (int64_t)row.rule->silence_s * 1000000, l->now_us);
        bool same = row.value == l->list.rows[i].value &&
                    row.state.firing == l->list.rows[i].state.firing && event == ALARM_NOTHING;
        code = same ? OW_OK : alarm_store_look(db, &row, err);
        if (code == OW_OK && event != ALARM_NOTHING) {
            code = add_notice(a, db, &row, event, err);
        }
    }
    return code;
}

static void look_ended(alarms *a) {
    a->look.arena = ow_arena_free(a->look.arena);
    set_timer(a, &a->look_timer, LOOK_EVERY_US);
}

static void look_failed(alarms *a, const ow_err *err) {
    if (!a->stopping) {
        ow_log(OW_LOG_WARN, "alarms not looked at", "reason=%s why=%s", err->reason, err->message);
    }
    look_ended(a);
}

static void look_written(void *self, ow_code code, const ow_err *err) {
    alarms *a = self;
    if (code != OW_OK) {
        look_failed(a, err);
        return;
    }
    ow_counter_add(a->lost, (uint64_t)a->look.lost);
    bool events = a->look.events > 0;
    look_ended(a);
    if (events) {
        alarms_kick(a);
    }
}

static void look_was_read(void *self, ow_code code, const ow_err *err) {
    alarms *a = self;
    if (code != OW_OK || a->look.list.count == 0 || a->stopping) {
        if (code != OW_OK) {
            look_failed(a, err);
        } else {
            look_ended(a);
        }
        return;
    }
    a->look.job = (ow_db_job){.run = look_write, .done = look_written, .self = a};
    ow_db_write(a->options.db, &a->look.job);
}

static void on_look(void *self) {
    alarms *a = self;
    int64_t now_us = ow_clock_mono_us(a->options.clock);
    if (now_us < a->next_look_us) {
        set_timer(a, &a->look_timer, a->next_look_us - now_us);
        return;
    }
    a->next_look_us = now_us + LOOK_EVERY_US;
    a->look.arena = ow_arena_new(LOOK_ARENA_MAX);
    if (a->look.arena == NULL) {
        set_timer(a, &a->look_timer, LOOK_EVERY_US);
        return;
    }
    a->look.now_us = wall_us(a);
    a->look.list = (alarm_list){0};
    a->look.job = (ow_db_job){.run = look_read, .done = look_was_read, .self = a};
    ow_db_read(a->options.db, &a->look.job);
}

// ---- Telling ----

static ow_code tell_read(ow_db_conn *db, void *self, ow_err *err) {
    alarms *a = self;
    return notice_store_next(db, wall_us(a), a->tell.arena, &a->tell.notice, &a->tell.found, err);
}

static ow_code tell_write(ow_db_conn *db, void *self, ow_err *err) {
    const alarms *a = self;
    const telling *t = &a->tell;
    return notice_store_settle(db, &t->notice, t->gone, t->why[0] != 0 ? t->why : NULL, err);
}

static void tell_ended(alarms *a, int64_t next_in_us) {
    a->tell.arena = ow_arena_free(a->tell.arena);
    set_timer(a, &a->tell_timer, a->tell.again ? 0 : next_in_us);
    a->tell.again = false;
}

static void tell_written(void *self, ow_code code, const ow_err *err) {
    alarms *a = self;
    if (code != OW_OK && !a->stopping) {
        ow_log(OW_LOG_WARN, "a notice may be sent twice", "reason=%s", err->reason);
    }
    tell_ended(a, code == OW_OK ? 0 : TELL_EVERY_US);
}

// The attempt is over: "" when the target took it.
static void settle(void *self, const char *why, bool for_good) {
    alarms *a = self;
    telling *t = &a->tell;
    snprintf(t->why, sizeof t->why, "%s", why);
    t->notice.attempts++;
    t->notice.due_us = wall_us(a) + notice_delay_us(t->notice.attempts);
    t->gone = why[0] == 0 || for_good || t->notice.attempts >= NOTICE_ATTEMPTS_MAX;
    ow_counter_add(why[0] == 0 ? a->sent : a->failed, 1);
    if (t->gone && why[0] != 0) {
        ow_counter_add(a->lost, 1);
        ow_log(OW_LOG_WARN, "a notice of an alarm is given up", "notice=%s why=%s",
               t->notice.notice_id, why);
    }
    t->job = (ow_db_job){.run = tell_write, .done = tell_written, .self = a};
    ow_db_write(a->options.db, &t->job);
}

static void tell_was_read(void *self, ow_code code, const ow_err *err) {
    alarms *a = self;
    if (code != OW_OK && !a->stopping) {
        ow_log(OW_LOG_WARN, "notices not read", "reason=%s", err->reason);
    }
    if (code != OW_OK || !a->tell.found || a->stopping) {
        tell_ended(a, TELL_EVERY_US);
        return;
    }
    delivery_start(&a->tell.delivery, &a->tell.notice);
}

static void on_tell(void *self) {
    alarms *a = self;
    if (a->tell.arena != NULL) {
        a->tell.again = true;
        return;
    }
    a->tell.arena = ow_arena_new(TELL_ARENA_MAX);
    if (a->tell.arena == NULL) {
        set_timer(a, &a->tell_timer, TELL_EVERY_US);
        return;
    }
    a->tell.found = false;
    a->tell.job = (ow_db_job){.run = tell_read, .done = tell_was_read, .self = a};
    ow_db_read(a->options.db, &a->tell.job);
}

void alarms_kick(alarms *a) {
    if (a->tell.arena != NULL) {
        a->tell.again = true;
    } else {
        set_timer(a, &a->tell_timer, 0);
    }
}

// ---- Opening and closing ----

alarms *alarms_new(const alarms_options *options) {
    alarms *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    ow_metrics *m = options->metrics;
    a->options = *options;
    a->tell.delivery = (delivery){.targets = &a->options.targets, .on_told = settle, .self = a};
    a->look_timer = (ow_timer){.on_due = on_look, .self = a};
    a->tell_timer = (ow_timer){.on_due = on_tell, .self = a};
    a->sent = ow_metrics_counter(m, "overworld_telemetry_notices_sent_total",
                                 "Notices of alarms that their targets took", NULL);
    a->failed = ow_metrics_counter(m, "overworld_telemetry_notice_failures_total",
                                   "Attempts to tell a target that failed", NULL);
    a->lost = ow_metrics_counter(m, "overworld_telemetry_notices_lost_total",
                                 "Notices given up: tried too often, or too many waited", NULL);
    a->next_look_us = ow_clock_mono_us(options->clock) + LOOK_EVERY_US;
    set_timer(a, &a->look_timer, LOOK_EVERY_US);
    set_timer(a, &a->tell_timer, 0); // what waited when the last process ended
    return a;
}

void alarms_stop(alarms *a) {
    a->stopping = true;
    ow_loop_timer_cancel(a->options.loop, &a->look_timer);
    ow_loop_timer_cancel(a->options.loop, &a->tell_timer);
    if (a->tell.delivery.fetch != NULL || a->tell.delivery.call != NULL) {
        delivery_cancel(&a->tell.delivery);
        a->tell.arena = ow_arena_free(a->tell.arena);
    }
}

alarms *alarms_free(alarms *a) {
    if (a != NULL) {
        ow_arena_free(a->look.arena);
        ow_arena_free(a->tell.arena);
        free(a);
    }
    return NULL;
}
