#include "services/data/sweeper.h"

#include "services/data/kv_store.h"

#include "core/log/log.h"

enum { LOOK_EVERY_US = 5 * 1000 * 1000, SLICE_ARENA_MAX = 1 << 20 };

static void begin(sweeper *s);

static void on_timer(void *self) {
    begin(self);
}

static ow_code run_slice(ow_db_conn *conn, void *self, ow_err *err) {
    sweeper *s = self;
    ow_arena_reset(s->arena); // it may be run again
    return kv_store_sweep(conn, s->now_us, KV_SLICE, s->arena, &s->count, err);
}

static void slice_done(void *self, ow_code code, const ow_err *err) {
    sweeper *s = self;
    s->running = false;
    if (s->stopping) {
        return;
    }
    if (code != OW_OK) {
        ow_log(OW_LOG_WARN, "expired keys not deleted", "reason=%s", err->reason);
    } else {
        ow_counter_add(s->swept, (uint64_t)s->count);
    }
    if (code == OW_OK && s->count == KV_SLICE) {
        begin(s);
    } else {
        ow_loop_timer_set(s->loop, &s->timer, ow_loop_now_us(s->loop) + LOOK_EVERY_US);
    }
}

static void begin(sweeper *s) {
    if (s->running || s->stopping) {
        return;
    }
    s->running = true;
    s->now_us = ow_clock_wall_us(s->clock);
    s->job = (ow_db_job){.run = run_slice, .done = slice_done, .self = s};
    ow_db_write(s->db, &s->job);
}

bool kv_sweeper_start(sweeper *s) {
    s->timer = (ow_timer){.on_due = on_timer, .self = s};
    s->arena = ow_arena_new(SLICE_ARENA_MAX);
    if (s->arena == NULL) {
        return false;
    }
    begin(s);
    return true;
}

void kv_sweeper_stop(sweeper *s) {
    s->stopping = true;
    if (s->loop != NULL) {
        ow_loop_timer_cancel(s->loop, &s->timer);
    }
}

void kv_sweeper_free(sweeper *s) {
    s->arena = ow_arena_free(s->arena);
}
