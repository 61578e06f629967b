#include "services/events/upkeep.h"

#include "core/log/log.h"

#include <stdlib.h>

enum {
    LOOK_EVERY_US = 5 * 1000 * 1000,
    STEERED_US = 20 * 1000,
    SLICE = 100,
    COUNT_RATIO = 20,
    REST_MAX_US = 60 * 1000 * 1000,
};

typedef struct depth_gauges {
    ow_gauge *waiting, *held, *parked, *running, *dead, *oldest, *bytes;
} depth_gauges;

struct upkeep {
    upkeep_options options;
    ow_timer timer;
    ow_db_job count_job, delete_job;
    queue_census counted; // by the count under way
    queue_census census;  // by the last one that went well
    queue_shares shares;  // as of the latter, and what came since
    queue_shares since;   // what came while it is counted again
    int64_t now_us, next_look_us, began_us;
    int deleted; // by the last slice
    depth_gauges gauges;
    ow_counter *deletions;
    bool busy, stopping, has_counted;
};

static void set_timer(upkeep *u) {
    bool steered = ow_clock_is_steered(u->options.clock);
    if (!u->stopping) {
        ow_loop_timer_set(u->options.loop, &u->timer,
                          ow_loop_now_us(u->options.loop) + (steered ? STEERED_US : LOOK_EVERY_US));
    }
}

static void show(upkeep *u) {
    const queue_census *c = &u->census;
    const depth_gauges *g = &u->gauges;
    int64_t age_us = c->oldest_due_us > 0 ? u->now_us - c->oldest_due_us : 0;
    ow_gauge_set(g->waiting, c->waiting);
    ow_gauge_set(g->held, c->held);
    ow_gauge_set(g->parked, c->parked);
    ow_gauge_set(g->running, c->running);
    ow_gauge_set(g->dead, c->dead);
    ow_gauge_set(g->oldest, age_us > 0 ? age_us / SECOND_US : 0);
    ow_gauge_set(g->bytes, c->settled_bytes);
}

static void rest(upkeep *u) {
    u->busy = false;
    set_timer(u);
}

// ---- Deleting ----

static void begin_delete(upkeep *u);

static ow_code run_delete(ow_db_conn *db, void *self, ow_err *err) {
    upkeep *u = self;
    int64_t too_many = u->census.settled_bytes - u->options.max_bytes;
    return executions_delete(db, u->now_us, too_many, SLICE, &u->deleted, err);
}

static void delete_done(void *self, ow_code code, const ow_err *err) {
    upkeep *u = self;
    if (code != OW_OK) {
        if (!u->stopping) {
            ow_log(OW_LOG_WARN, "old executions not deleted", "reason=%s", err->reason);
        }
        rest(u);
        return;
    }
    ow_counter_add(u->deletions, (uint64_t)u->deleted);
    // By their size only up to what was counted: that is counted again before there is more.
    if (u->deleted == SLICE && !u->stopping && u->census.settled_bytes <= u->options.max_bytes) {
        begin_delete(u);
    } else {
        rest(u);
    }
}

static void begin_delete(upkeep *u) {
    u->delete_job = (ow_db_job){.run = run_delete, .done = delete_done, .self = u};
    ow_db_write(u->options.db, &u->delete_job);
}

// ---- Counting ----

static ow_code run_count(ow_db_conn *db, void *self, ow_err *err) {
    upkeep *u = self;
    return executions_census(db, &u->counted, err);
}

// A million rows take a while: no more than a twentieth of a reader's time, whatever came of it.
static void back_off(upkeep *u) {
    int64_t took_us = ow_loop_now_us(u->options.loop) - u->began_us;
    int64_t rest_us = took_us * COUNT_RATIO < REST_MAX_US ? took_us * COUNT_RATIO : REST_MAX_US;
    if (rest_us > LOOK_EVERY_US) {
        u->next_look_us = ow_clock_mono_us(u->options.clock) + rest_us;
    }
}

// What came while it was counted may be counted twice, until the next time. After a count that failed it is the last
// good one and what came during this one: what only grew would refuse everybody in the end.
static void take_shares(upkeep *u) {
    u->shares = u->census.shares;
    for (int i = 0; i < u->since.count; i++) {
        shares_add(&u->shares, u->since.titles[i].title_id, u->since.titles[i].waiting);
    }
    u->shares.rest += u->since.rest;
}

static void count_done(void *self, ow_code code, const ow_err *err) {
    upkeep *u = self;
    back_off(u);
    if (code != OW_OK) {
        if (!u->stopping) {
            ow_log(OW_LOG_WARN, "executions not counted", "reason=%s", err->reason);
        }
        take_shares(u);
        rest(u);
        return;
    }
    u->census = u->counted;
    u->has_counted = true;
    show(u);
    take_shares(u);
    if (u->stopping) {
        u->busy = false;
    } else {
        begin_delete(u);
    }
}

static void look(upkeep *u) {
    u->next_look_us = ow_clock_mono_us(u->options.clock) + LOOK_EVERY_US;
    u->began_us = ow_loop_now_us(u->options.loop);
    u->busy = true;
    u->since = (queue_shares){0};
    u->now_us = ow_clock_wall_us(u->options.clock);
    u->count_job = (ow_db_job){.run = run_count, .done = count_done, .self = u};
    ow_db_read(u->options.db, &u->count_job);
}

static void on_timer(void *self) {
    upkeep *u = self;
    if (u->busy || u->stopping) {
        return;
    }
    if (ow_clock_mono_us(u->options.clock) >= u->next_look_us) {
        look(u);
    } else {
        set_timer(u);
    }
}

static ow_gauge *depth(ow_metrics *metrics, const char *state) {
    ow_metric_labels labels = {{"state"}, {state}};
    return ow_metrics_gauge(metrics, "overworld_events_executions",
                            "Executions on their way, and dead ones", &labels);
}

upkeep *upkeep_new(const upkeep_options *options) {
    upkeep *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    ow_metrics *m = options->metrics;
    u->options = *options;
    u->timer = (ow_timer){.on_due = on_timer, .self = u};
    u->gauges = (depth_gauges){
        .waiting = depth(m, "waiting"),
        .held = depth(m, "held"),
        .parked = depth(m, "parked"),
        .running = depth(m, "running"),
        .dead = depth(m, "dead"),
        .oldest = ow_metrics_gauge(m, "overworld_events_oldest_due_seconds",
                                   "How long the first of those that wait is due", NULL),
        .bytes = ow_metrics_gauge(m, "overworld_events_settled_bytes",
                                  "Size of ended executions that are kept", NULL),
    };
    u->deletions = ow_metrics_counter(m, "overworld_events_deleted_total",
                                      "Ended executions deleted for age or size", NULL);
    look(u);
    return u;
}

void upkeep_stop(upkeep *u) {
    u->stopping = true;
    ow_loop_timer_cancel(u->options.loop, &u->timer);
}

upkeep *upkeep_free(upkeep *u) {
    free(u);
    return NULL;
}

const queue_shares *upkeep_shares(const upkeep *u) {
    return &u->shares;
}

bool upkeep_has_counted(const upkeep *u) {
    return u->has_counted;
}

void upkeep_accepted(upkeep *u, const char *title_id, int64_t count) {
    shares_add(&u->shares, title_id, count);
    shares_add(&u->since, title_id, count);
}
