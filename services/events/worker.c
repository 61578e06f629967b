#include "services/events/worker.h"

#include "services/events/announcements.h"
#include "services/events/destinations.h"
#include "services/events/failures.h"
#include "services/events/runs.h"

#include "core/log/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEERED_US = 5000, // a clock that a test moves is looked at so often
    AGAIN_US = 500 * 1000,
    LAPSE_EVERY_US = 15 * 1000 * 1000,
    SETTLE_MAX = 128,
    SETTLE_BYTES_MAX = 4 << 20, // a job has 50 ms
};

#define LEASE_MARGIN_US (30 * SECOND_US)

typedef struct claim_job {
    ow_db_job job;
    claim_order order;
    claim_result result;
    bool running;
} claim_job;

typedef struct lapse_job {
    ow_db_job job;
    int64_t until_us;
    claimed *first;
    bool running;
} lapse_job;

typedef struct settle_job {
    ow_db_job job;
    run *first;
    int limit;
    bool running;
    bool announced; // ends, which are to be spread
} settle_job;

struct worker {
    worker_options options;
    ow_turn_hook hook;
    ow_timer due_timer, lapse_timer;
    claim_job claim;
    lapse_job lapse;
    settle_job settle;
    run *running;        // at the runner
    run *ended, **end;   // to be settled
    int count;           // of all runs
    int64_t next_due_us; // 0: nothing waits, as far as is known
    bool wanted;         // something may be due
    bool draining, stopping, failing;
    run_metrics metrics;
};

static int64_t wall_us(const worker *w) {
    return ow_clock_wall_us(w->options.clock);
}

static void set_timer(worker *w, ow_timer *timer, int64_t in_us) {
    bool steered = ow_clock_is_steered(w->options.clock);
    int64_t wait_us = in_us < 0 ? 0 : in_us;
    wait_us = steered && wait_us > STEERED_US ? STEERED_US : wait_us;
    ow_loop_timer_set(w->options.loop, timer, ow_loop_now_us(w->options.loop) + wait_us);
}

// Something is to be done in this turn's hook or in the next one.
static void want(worker *w) {
    w->wanted = true;
    ow_loop_wake(w->options.loop);
}

static void wait_for_due(worker *w) {
    if (w->next_due_us > 0 && !w->draining) {
        set_timer(w, &w->due_timer, w->next_due_us - wall_us(w));
    }
}

static void on_due(void *self) {
    worker *w = self;
    if (w->next_due_us > 0 && w->next_due_us <= wall_us(w)) {
        want(w);
    } else {
        wait_for_due(w);
    }
}

static void store_failed(worker *w, const char *what, const ow_err *err) {
    if (!w->failing && !w->stopping) {
        ow_log(OW_LOG_WARN, "the queue's store does not work", "doing=%s reason=%s why=%s", what,
               err->reason, err->message);
    }
    w->failing = true;
}

// ---- Settle ----

static ow_code settle_each(ow_db_conn *db, void *self, ow_err *err) {
    settle_job *s = self;
    ow_code code = OW_OK;
    s->announced = false;
    for (run *each = s->first; code == OW_OK && each != NULL; each = each->next) {
        bool failed = false;
        bool told = false;
        code = execution_settle(db, &each->settlement, &each->stale, err);
        code = code == OW_OK ? failure_announce(db, each, &failed, err) : code;
        code = code == OW_OK ? destination_announce(db, each, &told, err) : code;
        s->announced = s->announced || failed || told;
    }
    return code;
}

static void settled(worker *w, run *first) {
    while (first != NULL) {
        run *next = first->next;
        run_count(&w->metrics, first);
        if (!first->stale && first->settlement.next.state == EXECUTION_WAITING) {
            worker_kick(w, first->settlement.next.due_us);
        }
        run_free(first);
        w->count--;
        first = next;
    }
    // What was put aside for one of them may run now.
    want(w);
}

static void take_ended(worker *w, run *ended) {
    ended->next = NULL;
    *w->end = ended;
    w->end = &ended->next;
    ow_loop_wake(w->options.loop);
}

// In front, so that order holds; one that failed by itself goes to the end, else it would be tried again and again
// before all others.
static void put_back(worker *w, run *first) {
    if (first->next == NULL) {
        first->suspect = true;
        take_ended(w, first);
        return;
    }
    run **last = &first;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = w->ended;
    w->end = w->ended == NULL ? last : w->end;
    w->ended = first;
}

static void settle_done(void *self, ow_code code, const ow_err *err) {
    settle_job *s = self;
    worker *w = (worker *)(void *)((char *)s - offsetof(worker, settle));
    run *first = s->first;
    s->running = false;
    s->first = NULL;
    if (code == OW_OK) {
        w->failing = false;
        s->limit = SETTLE_MAX;
        settled(w, first);
        if (s->announced && w->options.on_announced != NULL) {
            w->options.on_announced(w->options.self);
        }
        return;
    }
    store_failed(w, "settle", err);
    s->limit = 1; // one of them may be to blame, and must not hold up the others
    put_back(w, first);
    set_timer(w, &w->due_timer, AGAIN_US);
    w->next_due_us = w->next_due_us == 0 ? 1 : w->next_due_us;
}

static int64_t bytes_of(const run *each) {
    const settlement *s = &each->settlement;
    return (int64_t)s->outcome.len + (s->successor != NULL ? s->successor->size : 0) +
           (each->told_as != NULL ? (int64_t)each->told_as->data.len : 0);
}

static void begin_settle(worker *w) {
    settle_job *s = &w->settle;
    run **last = &w->ended;
    int64_t bytes = 0;
    for (int i = 0; i < s->limit && *last != NULL && bytes < SETTLE_BYTES_MAX; i++) {
        if ((*last)->suspect && i > 0) {
            break; // by itself, that it takes no others with it
        }
        bytes += (*last)->suspect ? SETTLE_BYTES_MAX : bytes_of(*last);
        last = &(*last)->next;
    }
    s->first = w->ended;
    w->ended = *last;
    if (w->ended == NULL) {
        w->end = &w->ended;
    }
    *last = NULL;
    s->running = true;
    s->job = (ow_db_job){.run = settle_each, .done = settle_done, .self = s};
    ow_db_write(w->options.db, &s->job);
}

// ---- Run ----

static void unlink_run(worker *w, const run *gone) {
    run **at = &w->running;
    while (*at != gone) {
        at = &(*at)->next;
    }
    *at = gone->next;
}

static void on_ended(void *self, run *ended) {
    worker *w = self;
    unlink_run(w, ended);
    run_settle(ended, wall_us(w), w->stopping);
    take_ended(w, ended);
}

static run_place place_of(worker *w) {
    return (run_place){
        .loop = w->options.loop,
        .clock = w->options.clock,
        .runner = w->options.runner,
        .events = w->options.events,
        .run_us = w->options.run_us,
        .keep_us = w->options.keep_us,
        .keep_dead_us = w->options.keep_dead_us,
        .limits = w->options.limits,
        .make_id = w->options.make_id,
        .make_id_self = w->options.make_id_self,
        .has_room = w->options.has_room,
        .has_room_self = w->options.self,
        .on_ended = on_ended,
        .self = w,
    };
}

// From a claim: runs it. What is too old is settled at once.
static void take_claimed(worker *w, claimed *one) {
    run_place place = place_of(w);
    run *made = run_new(&place, one);
    if (made == NULL) {
        claimed_free(one); // its lease will be over some day
        return;
    }
    w->count++;
    if (one->row.item.state != EXECUTION_RUNNING) {
        run_expire(made, wall_us(w));
        take_ended(w, made);
        return;
    }
    made->next = w->running;
    w->running = made;
    run_begin(made);
}

// ---- Claim ----

static ow_code claim_some(ow_db_conn *db, void *self, ow_err *err) {
    claim_job *c = self;
    return executions_claim(db, &c->order, &c->result, err);
}

static void claim_done(void *self, ow_code code, const ow_err *err) {
    claim_job *c = self;
    worker *w = (worker *)(void *)((char *)c - offsetof(worker, claim));
    claim_result result = c->result;
    c->result.first = NULL;
    c->running = false;
    if (code != OW_OK) {
        store_failed(w, "claim", err);
        w->next_due_us = 1;
        set_timer(w, &w->due_timer, AGAIN_US);
        return;
    }
    w->failing = false;
    w->wanted = w->wanted || result.more;
    w->next_due_us = result.next_due_us;
    for (claimed *one = result.first; one != NULL;) {
        claimed *next = one->next;
        take_claimed(w, one);
        one = next;
    }
    wait_for_due(w);
    ow_loop_wake(w->options.loop);
}

static void begin_claim(worker *w, int room) {
    claim_job *c = &w->claim;
    w->wanted = false;
    c->running = true;
    c->order = (claim_order){
        .now_us = wall_us(w),
        .lease_us = w->options.run_us + LEASE_MARGIN_US,
        .limit = room < CLAIM_MAX ? room : CLAIM_MAX,
    };
    c->job = (ow_db_job){.run = claim_some, .done = claim_done, .self = c};
    ow_db_write(w->options.db, &c->job);
}

// ---- Leases that are over ----

static bool is_among(const run *first, const execution_row *row) {
    for (const run *each = first; each != NULL; each = each->next) {
        if (strcmp(each->claimed->row.execution_id, row->execution_id) == 0) {
            return true;
        }
    }
    return false;
}

// Those that have ended and wait to be written count too: were they taken up with every look, a store
// that does not write would fill the memory.
static bool is_ours(const worker *w, const execution_row *row) {
    return is_among(w->running, row) || is_among(w->ended, row) || is_among(w->settle.first, row);
}

static ow_code find_leased(ow_db_conn *db, void *self, ow_err *err) {
    lapse_job *l = self;
    return executions_leased(db, l->until_us, CLAIM_MAX, &l->first, err);
}

static void leased_found(void *self, ow_code code, const ow_err *err) {
    lapse_job *l = self;
    worker *w = (worker *)(void *)((char *)l - offsetof(worker, lapse));
    claimed *first = l->first;
    int found = 0;
    l->first = NULL;
    l->running = false;
    if (code != OW_OK) {
        store_failed(w, "look for leases", err);
    }
    run_place place = place_of(w);
    while (first != NULL) {
        claimed *next = first->next;
        run *made = is_ours(w, &first->row) ? NULL : run_new(&place, first);
        found++;
        if (made == NULL) {
            claimed_free(first);
        } else {
            w->count++;
            run_lapse(made, wall_us(w));
            take_ended(w, made);
        }
        first = next;
    }
    bool all = l->until_us == INT64_MAX && found < CLAIM_MAX && code == OW_OK;
    l->until_us = all ? 0 : l->until_us;
    int64_t again_us = w->failing ? AGAIN_US : 0;
    set_timer(w, &w->lapse_timer, found == CLAIM_MAX ? again_us : LAPSE_EVERY_US);
}

static void on_lapse(void *self) {
    worker *w = self;
    lapse_job *l = &w->lapse;
    if (l->running || w->draining) {
        return;
    }
    // The dead of before are looked for until all are found; nothing is claimed meanwhile.
    l->until_us = l->until_us == INT64_MAX ? INT64_MAX : wall_us(w);
    l->running = true;
    l->job = (ow_db_job){.run = find_leased, .done = leased_found, .self = l};
    ow_db_read(w->options.db, &l->job);
}

// ---- A turn ----

static int64_t on_turn(void *self) {
    worker *w = self;
    if (w->ended != NULL && !w->settle.running && !w->failing) {
        begin_settle(w);
    }
    int room = w->options.max_running - w->count;
    if (w->wanted && room > 0 && !w->claim.running && !w->draining && !w->failing &&
        w->lapse.until_us != INT64_MAX) {
        begin_claim(w, room);
    }
    return -1;
}

static void on_due_or_again(void *self) {
    worker *w = self;
    w->failing = false;
    ow_loop_wake(w->options.loop);
    on_due(self);
}

worker *worker_new(const worker_options *options) {
    worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->options = *options;
    w->end = &w->ended;
    w->settle.limit = SETTLE_MAX;
    w->wanted = true;
    w->lapse.until_us = options->alone ? INT64_MAX : 0;
    run_metrics_init(&w->metrics, options->metrics);
    w->due_timer = (ow_timer){.on_due = on_due_or_again, .self = w};
    w->lapse_timer = (ow_timer){.on_due = on_lapse, .self = w};
    w->hook = (ow_turn_hook){.on_turn = on_turn, .self = w};
    ow_loop_hook_add(options->loop, OW_TURN_COMPLETE, &w->hook);
    on_lapse(w);
    return w;
}

void worker_kick(worker *w, int64_t due_us) {
    if (due_us <= wall_us(w)) {
        want(w);
    } else if (w->next_due_us == 0 || due_us < w->next_due_us) {
        w->next_due_us = due_us;
        wait_for_due(w);
    }
}

void worker_cancel(worker *w, const char *execution_id) {
    for (run *each = w->running; each != NULL; each = each->next) {
        if (strcmp(each->claimed->row.execution_id, execution_id) == 0) {
            run_cancel(each);
            return;
        }
    }
}

bool worker_drain(worker *w) {
    w->draining = true;
    return w->count == 0 && !w->claim.running && !w->settle.running && !w->lapse.running;
}

void worker_stop(worker *w) {
    w->draining = true;
    w->stopping = true;
    // One that ends later: its lease is found to be over at the next start.
    for (run *each = w->running, *next; each != NULL; each = next) {
        next = each->next;
        run_cancel(each);
    }
    ow_loop_timer_cancel(w->options.loop, &w->due_timer);
    ow_loop_timer_cancel(w->options.loop, &w->lapse_timer);
    if (w->ended != NULL && !w->settle.running) {
        w->settle.limit = w->options.max_running;
        begin_settle(w);
    }
}

static void free_runs(run *first) {
    while (first != NULL) {
        run *next = first->next;
        run_free(first);
        first = next;
    }
}

worker *worker_free(worker *w) {
    if (w != NULL) {
        ow_loop_hook_remove(w->options.loop, OW_TURN_COMPLETE, &w->hook);
        free_runs(w->running);
        free_runs(w->ended);
        free_runs(w->settle.first);
        free(w);
    }
    return NULL;
}
