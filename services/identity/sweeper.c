#include "services/identity/sweeper.h"

#include "services/identity/sessions_store.h"

#include "core/log/log.h"

enum { SLICE = 256, LOOK_EVERY_US = 60 * 1000 * 1000 };

static void begin(sweeper *s);

static void on_timer(void *self) {
    begin(self);
}

static ow_code run_slice(ow_db_conn *conn, void *self, ow_err *err) {
    sweeper *s = self;
    return store_sessions_sweep(conn, s->now_us, SLICE, &s->more, err);
}

static void slice_done(void *self, ow_code code, const ow_err *err) {
    sweeper *s = self;
    s->running = false;
    if (s->stopping) {
        return;
    }
    if (code != OW_OK) {
        ow_log(OW_LOG_WARN, "expired sessions not deleted", "reason=%s", err->reason);
    }
    if (code == OW_OK && s->more) {
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

void sweeper_start(sweeper *s) {
    s->timer = (ow_timer){.on_due = on_timer, .self = s};
    begin(s);
}

void sweeper_stop(sweeper *s) {
    s->stopping = true;
    if (s->loop != NULL) {
        ow_loop_timer_cancel(s->loop, &s->timer);
    }
}
