#include "services/timers/history.h"

#include "services/timers/timers_store.h"

#include "core/log/log.h"

#include <stdlib.h>

enum { DROP_LIMIT = 500 };

#define DROP_EVERY_US (10 * MINUTE_US)
#define KEPT_US (60 * MINUTE_US) // whatever others have: nobody's slots push out what just was

struct history {
    history_options options;
    ow_db_job job;
    int64_t next_us;  // monotonic time of the next dropping
    int64_t level;    // more than this nobody keeps
    slots_title each; // whose slots are being dropped
    int64_t dropped;  // by the last slice
    int64_t excess;   // how many more go for their number
    bool found, busy, by_age, stopping;
};

static int64_t wall_us(const history *h) {
    return ow_clock_wall_us(h->options.clock);
}

// Ends it when something went wrong, until the next time.
static bool goes_wrong(history *h, ow_code code, const ow_err *err) {
    if (code != OW_OK && !h->stopping) {
        ow_log(OW_LOG_WARN, "old slots are not dropped", "reason=%s why=%s", err->reason,
               err->message);
    }
    if (code == OW_OK && !h->stopping) {
        return false;
    }
    h->busy = false;
    return true;
}

// ---- One title ----

static void next_title(history *h);
static void drop_slice(history *h);

static int64_t too_many(const history *h) {
    return h->excess < DROP_LIMIT ? h->excess : DROP_LIMIT;
}

static ow_code run_drop(ow_db_conn *db, void *self, ow_err *err) {
    history *h = self;
    const reader r = {db, NULL, err};
    slots_waste waste = {
        .title_id = h->each.title_id,
        .before_us = wall_us(h) - (h->by_age ? h->options.keep_us : KEPT_US),
        .limit = h->by_age ? DROP_LIMIT : too_many(h),
    };
    return slots_drop(&r, &waste, &h->dropped);
}

// Whether more is left. Those that are too old have every second slice, however many there are.
static bool goes_on(history *h) {
    bool full = h->dropped == (h->by_age ? DROP_LIMIT : too_many(h));
    h->excess = h->by_age || full ? h->excess - h->dropped : 0; // the others are too young
    full = full || !h->by_age;
    h->by_age = !h->by_age || h->excess <= 0;
    return full || !h->by_age;
}

static void on_dropped(void *self, ow_code code, const ow_err *err) {
    history *h = self;
    if (goes_wrong(h, code, err)) {
        return;
    }
    if (goes_on(h)) {
        drop_slice(h);
    } else {
        next_title(h);
    }
}

static void drop_slice(history *h) {
    h->dropped = 0;
    h->job = (ow_db_job){.run = run_drop, .done = on_dropped, .self = h};
    ow_db_write(h->options.db, &h->job);
}

// ---- Title by title ----

static ow_code run_find(ow_db_conn *db, void *self, ow_err *err) {
    history *h = self;
    const reader r = {db, NULL, err};
    return slots_next_title(&r, h->level, wall_us(h) - h->options.keep_us, &h->each, &h->found);
}

static void on_found(void *self, ow_code code, const ow_err *err) {
    history *h = self;
    if (goes_wrong(h, code, err)) {
        return;
    }
    if (!h->found) {
        h->busy = false;
        return;
    }
    h->excess = h->each.count - h->level;
    h->by_age = h->excess <= 0;
    drop_slice(h);
}

static void next_title(history *h) {
    h->job = (ow_db_job){.run = run_find, .done = on_found, .self = h};
    ow_db_read(h->options.db, &h->job);
}

static ow_code run_count(ow_db_conn *db, void *self, ow_err *err) {
    history *h = self;
    const reader r = {db, NULL, err};
    int64_t *counts = NULL;
    size_t n = 0;
    ow_code code = slots_counts(&r, &counts, &n);
    h->level = code == OW_OK ? history_level(counts, n, h->options.max) : NEVER;
    free(counts);
    return code;
}

static void on_counted(void *self, ow_code code, const ow_err *err) {
    history *h = self;
    if (code != OW_OK && !h->stopping) {
        ow_log(OW_LOG_WARN, "slots are not counted", "reason=%s why=%s", err->reason, err->message);
    }
    // By their age they go all the same.
    if (!goes_wrong(h, OW_OK, err)) {
        h->each = (slots_title){.title_id = ""};
        next_title(h);
    }
}

void history_look(history *h) {
    int64_t mono_us = ow_clock_mono_us(h->options.clock);
    if (h->busy || h->stopping || mono_us < h->next_us) {
        return;
    }
    h->busy = true;
    h->level = NEVER; // should it not come to counting
    h->next_us = mono_us + DROP_EVERY_US;
    h->job = (ow_db_job){.run = run_count, .done = on_counted, .self = h};
    ow_db_read(h->options.db, &h->job);
}

history *history_new(const history_options *options) {
    history *h = calloc(1, sizeof *h);
    if (h != NULL) {
        h->options = *options;
        h->next_us = ow_clock_mono_us(options->clock) + MINUTE_US;
    }
    return h;
}

void history_stop(history *h) {
    h->stopping = true;
}

history *history_free(history *h) {
    free(h);
    return NULL;
}
