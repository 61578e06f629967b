#include "services/events/spreader.h"

#include "core/log/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    ARENA_MAX = 32 << 20,
    RETRY_US = 1000 * 1000, // after a failure
    STEERED_US = 20 * 1000, // how often a clock that a test moves is looked at
    CLEAN_EVERY_US = 60 * 1000 * 1000,
    MORE_AT_ONCE_US = 10 * 1000,
};

#define YOUNG_US ((int64_t)10 * 60 * 1000 * 1000)

struct spreader {
    spreader_options options;
    ow_timer timer, clean_timer;
    ow_db_job job, clean_job;
    ow_arena *arena; // NULL: no slice is under way
    char base_id[OW_ID_MAX];
    spread slice;
    queue_shares made; // by the slice
    int size;          // of the next slice, in executions
    bool again, stopping, cleaning;
    bool cold;             // a slice may have to read rules, which takes longer than it may
    int64_t next_batch_us; // wall clock; 0: none
    int deleted;
    int64_t stored_bytes;
    ow_counter *spread, *executions, *items, *skipped;
    ow_gauge *bytes;
};

static int64_t wall_us(const spreader *s) {
    return ow_clock_wall_us(s->options.clock);
}

static void set_timer(spreader *s, ow_timer *timer, int64_t in_us) {
    if (!s->stopping) {
        bool steered = ow_clock_is_steered(s->options.clock);
        in_us = steered && in_us > STEERED_US ? STEERED_US : in_us;
        ow_loop_timer_set(s->options.loop, timer, ow_loop_now_us(s->options.loop) + in_us);
    }
}

// ---- Slices ----

static void count(spreader *s, const spread *done) {
    ow_counter_add(s->spread, (uint64_t)done->spread);
    ow_counter_add(s->executions, (uint64_t)done->executions);
    ow_counter_add(s->items, (uint64_t)done->items);
    ow_counter_add(s->skipped, (uint64_t)done->skipped);
}

static ow_code slice_run(ow_db_conn *db, void *self, ow_err *err) {
    spreader *s = self;
    s->made = (queue_shares){0};
    spread_begin(&s->slice, s->size);
    ow_code code = spread_occurrences(db, &s->slice, "", err);
    return code == OW_OK && !s->slice.more ? spread_batches(db, &s->slice, err) : code;
}

static void plan(spreader *s) {
    if (s->again || s->slice.more) {
        s->again = false;
        set_timer(s, &s->timer, 0);
    } else if (s->next_batch_us > 0) {
        int64_t wait_us = s->next_batch_us - wall_us(s);
        set_timer(s, &s->timer, wait_us > 0 ? wait_us : 0);
    }
}

static void slice_done(void *self, ow_code code, const ow_err *err) {
    spreader *s = self;
    s->arena = ow_arena_free(s->arena);
    if (code != OW_OK) {
        if (!s->stopping) {
            ow_log(OW_LOG_WARN, "events not spread", "reason=%s why=%s", err->reason, err->message);
        }
        // The same again would take as long again, and nobody's events went on.
        s->cold = true;
        s->size = spread_next_size(s->size, false);
        set_timer(s, &s->timer, RETRY_US);
        return;
    }
    s->size = spread_next_size(s->size, true);
    count(s, &s->slice);
    s->next_batch_us = s->slice.next_batch_us;
    if (s->slice.executions > 0) {
        s->options.on_executions(s->options.self, &s->made);
    }
    plan(s);
}

static void begin_slice(spreader *s) {
    s->job = (ow_db_job){.run = slice_run, .done = slice_done, .self = s};
    ow_db_write(s->options.db, &s->job);
}

// The rules of those whose turn it is.
static ow_code warm_run(ow_db_conn *db, void *self, ow_err *err) {
    const spreader *s = self;
    occurrence_row row;
    batch_item item;
    bool found = false;
    ow_code code = occurrence_next_spreading(db, "", s->arena, &row, &found, err);
    if (code == OW_OK && found) {
        code = rules_warm(s->options.cache, db, row.title_id, err);
    }
    code = code == OW_OK ? batch_next_due(db, s->arena, &item, &found, err) : code;
    return code == OW_OK && found ? rules_warm(s->options.cache, db, item.title_id, err) : code;
}

static void warmed(void *self, ow_code code, const ow_err *err) {
    spreader *s = self;
    if (code != OW_OK || s->stopping) {
        slice_done(s, code, err);
        return;
    }
    s->cold = false;
    begin_slice(s);
}

static void on_due(void *self) {
    spreader *s = self;
    if (s->arena != NULL || s->stopping) {
        s->again = true;
        return;
    }
    s->arena = ow_arena_new(ARENA_MAX);
    if (s->arena == NULL) {
        set_timer(s, &s->timer, RETRY_US);
        return;
    }
    s->slice = (spread){
        .cache = s->options.cache,
        .arena = s->arena,
        .limits = s->options.limits,
        .now_us = wall_us(s),
        .base_id = s->base_id,
        .made = &s->made,
    };
    s->options.reserve_ids(s->options.self, s->slice.now_us, s->base_id);
    if (s->cold) {
        s->job = (ow_db_job){.run = warm_run, .done = warmed, .self = s};
        ow_db_read(s->options.db, &s->job);
    } else {
        begin_slice(s);
    }
}

void spreader_kick(spreader *s, const spread *done) {
    count(s, done);
    if (done->more) {
        s->again = s->arena != NULL;
        set_timer(s, &s->timer, 0);
    } else if (done->items > 0) {
        set_timer(s, &s->timer, MORE_AT_ONCE_US); // finds out when their batch is due
    }
}

// ---- Cleaning ----

// Adding up goes over all of them, which is more than a write job may take.
static ow_code measure_run(ow_db_conn *db, void *self, ow_err *err) {
    spreader *s = self;
    return occurrences_size(db, &s->stored_bytes, err);
}

static ow_code clean_run(ow_db_conn *db, void *self, ow_err *err) {
    spreader *s = self;
    int64_t now_us = wall_us(s);
    occurrence_waste waste = {
        .before_us = now_us - s->options.keep_us,
        .young_us = now_us - YOUNG_US,
        .bytes = s->stored_bytes - s->options.max_bytes,
    };
    return occurrences_delete(db, &waste, &s->deleted, err);
}

static void clean_done(void *self, ow_code code, const ow_err *err) {
    spreader *s = self;
    (void)err;
    s->cleaning = false;
    if (code == OW_OK) {
        ow_gauge_set(s->bytes, s->stored_bytes);
    }
    set_timer(s, &s->clean_timer, code == OW_OK && s->deleted > 0 ? 0 : CLEAN_EVERY_US);
}

static void measured(void *self, ow_code code, const ow_err *err) {
    spreader *s = self;
    if (code != OW_OK || s->stopping) {
        clean_done(s, code, err);
        return;
    }
    s->clean_job = (ow_db_job){.run = clean_run, .done = clean_done, .self = s};
    ow_db_write(s->options.db, &s->clean_job);
}

static void on_clean(void *self) {
    spreader *s = self;
    if (s->cleaning || s->stopping) {
        return;
    }
    s->cleaning = true;
    s->clean_job = (ow_db_job){.run = measure_run, .done = measured, .self = s};
    ow_db_read(s->options.db, &s->clean_job);
}

// ---- Opening and closing ----

spreader *spreader_new(const spreader_options *options) {
    spreader *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    ow_metrics *m = options->metrics;
    s->options = *options;
    s->size = SPREAD_EXECUTIONS_MAX;
    s->cold = true;
    s->timer = (ow_timer){.on_due = on_due, .self = s};
    s->clean_timer = (ow_timer){.on_due = on_clean, .self = s};
    s->spread = ow_metrics_counter(m, "overworld_events_spread_total",
                                   "Events held against every subscription", NULL);
    s->executions = ow_metrics_counter(m, "overworld_events_matched_total",
                                       "Executions that followed from events", NULL);
    s->items = ow_metrics_counter(m, "overworld_events_batched_total",
                                  "Events put into a subscription's batch", NULL);
    s->skipped = ow_metrics_counter(m, "overworld_events_skipped_total",
                                    "Deliveries that nothing could be made of", NULL);
    s->bytes =
        ow_metrics_gauge(m, "overworld_events_occurrence_bytes", "Size of the events kept", NULL);
    set_timer(s, &s->timer, 0);
    set_timer(s, &s->clean_timer, CLEAN_EVERY_US);
    return s;
}

void spreader_stop(spreader *s) {
    s->stopping = true;
    ow_loop_timer_cancel(s->options.loop, &s->timer);
    ow_loop_timer_cancel(s->options.loop, &s->clean_timer);
}

spreader *spreader_free(spreader *s) {
    if (s != NULL) {
        ow_arena_free(s->arena);
    }
    free(s);
    return NULL;
}
