#include "services/telemetry/internal.h"

#include "core/log/log.h"

enum {
    BLOCKS_A_SLICE = 2,  // keeps a slice far below the writer's limit of CPU time
    ARENA_MAX = 8 << 20, // for the words of one block
    POINTS_A_SLICE = 1000,
    LOOK_EVERY_US = 60 * 1000 * 1000,
};

#define SERIES_AGE_US ((int64_t)7 * 24 * 3600 * 1000000)

static void begin(retainer *r);

static void on_timer(void *self) {
    begin(self);
}

static void set_timer(retainer *r) {
    if (!r->stopping) {
        ow_loop_timer_set(r->loop, &r->timer, ow_loop_now_us(r->loop) + LOOK_EVERY_US);
    }
}

static ow_code run_slice(ow_db_conn *conn, void *self, ow_err *err) {
    retainer *r = self;
    r->order.arena = ow_arena_new(ARENA_MAX);
    if (r->order.arena == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory to delete blocks");
    }
    ow_code code = store_retain(conn, &r->order, &r->result, err);
    r->order.arena = ow_arena_free(r->order.arena);
    if (code == OW_OK) {
        code =
            series_store_retain(conn, r->points_before_us, POINTS_A_SLICE, &r->points_deleted, err);
    }
    return code;
}

static void slice_done(void *self, ow_code code, const ow_err *err) {
    retainer *r = self;
    r->running = false;
    if (code != OW_OK) {
        if (!r->stopping) {
            ow_log(OW_LOG_WARN, "old log blocks not deleted", "reason=%s", err->reason);
        }
        set_timer(r);
        return;
    }
    ow_counter_add(r->deleted, (uint64_t)r->result.deleted);
    ow_gauge_set(r->bytes, r->result.bytes);
    if ((r->result.more || r->points_deleted >= POINTS_A_SLICE) && !r->stopping) {
        begin(r);
    } else {
        set_timer(r);
    }
}

static void begin(retainer *r) {
    if (r->running || r->stopping) {
        return;
    }
    r->running = true;
    r->points_before_us = ow_clock_wall_us(r->clock) - SERIES_AGE_US;
    r->order = (retention){
        .before_us = ow_clock_wall_us(r->clock) - r->max_age_us,
        .max_bytes = r->max_bytes,
        .slice = BLOCKS_A_SLICE,
    };
    r->job = (ow_db_job){.run = run_slice, .done = slice_done, .self = r};
    ow_db_write(r->db, &r->job);
}

void retainer_init(retainer *r) {
    r->timer = (ow_timer){.on_due = on_timer, .self = r};
    begin(r);
}

void retainer_note(retainer *r, int64_t bytes) {
    ow_gauge_set(r->bytes, bytes);
    if (bytes > r->max_bytes) {
        begin(r);
    }
}

void retainer_stop(retainer *r) {
    r->stopping = true;
    if (r->loop != NULL) {
        ow_loop_timer_cancel(r->loop, &r->timer);
    }
}
