#include "services/timers/firing.h"

#include "services/timers/claim.h"
#include "services/timers/history.h"

#include "core/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TICK_US = 1000 * 1000, // how often the clocks are compared
    STEERED_US = 5 * 1000, // how often a clock that a test moves is looked at
    CALL_TIMEOUT_US = 10 * 1000 * 1000,
    ROUND_ARENA_MAX = 64 << 20,
};

#define LOOK_AGAIN_US (30 * SECOND_US) // another process may have made timers
#define SET_BACK_US (5 * SECOND_US)    // wall time that fell back so far begins intervals anew

struct firing {
    firing_options options;
    ow_timer timer;
    ow_db_job job;
    round round;           // its arena is NULL between rounds
    struct sending *sends; // one for each slot of the round
    int open;              // calls under way, and one while they are begun
    int64_t wake_us;       // wall time of the next round
    int64_t looked_us;     // monotonic time of the last one
    int64_t drift_us;      // wall - monotonic time, when last looked at
    history *history;
    bool again, set_back, away, draining, stopping;
    ow_counter *fired, *missed, *skipped, *failed, *put_off;
    ow_histogram *lateness;
};

// One slot on its way into the queue.
typedef struct sending {
    firing *f;
    held_slot *held;
    ow_call *call;
    enqueue_request *request;
    get_execution_request ask;
} sending;

static int64_t wall_us(const firing *f) {
    return ow_clock_wall_us(f->options.clock);
}

static void on_tick(void *self);

static void set_timer(firing *f) {
    if (f->draining || f->stopping || f->round.arena != NULL) {
        return;
    }
    int64_t in_us = f->wake_us - wall_us(f);
    in_us = in_us < 0 ? 0 : in_us > TICK_US ? TICK_US : in_us;
    if (ow_clock_is_steered(f->options.clock) && in_us > STEERED_US) {
        in_us = STEERED_US;
    }
    ow_loop_timer_set(f->options.loop, &f->timer, ow_loop_now_us(f->options.loop) + in_us);
}

// ---- The end of a round ----

static void round_ended(firing *f, bool well) {
    int64_t now_us = wall_us(f);
    f->round.arena = ow_arena_free(f->round.arena);
    f->sends = NULL;
    f->wake_us = f->round.wake_us;
    if (!well || (f->away && f->wake_us < now_us + PUT_OFF_US)) {
        f->wake_us = now_us + PUT_OFF_US;
    }
    if (f->again && well && !f->away) {
        f->wake_us = now_us;
    }
    f->again = false;
    set_timer(f);
}

static void log_failure(const firing *f, const char *what, const ow_err *err) {
    if (!f->stopping) {
        ow_log(OW_LOG_WARN, what, "reason=%s why=%s", err->reason, err->message);
    }
}

static void note_missed(firing *f) {
    ow_counter_add(f->missed, (uint64_t)f->round.missed);
    if (f->round.missed > 0 && f->options.bus != NULL && !f->stopping) {
        ow_bus_kick(f->options.bus);
    }
}

static void count_verdicts(firing *f) {
    int put_off = 0;
    int64_t now_us = wall_us(f);
    for (int i = 0; i < f->round.count; i++) {
        const held_slot *h = &f->round.slots[i];
        ow_counter *const counters[] = {[HELD] = f->put_off,
                                        [HELD_FIRED] = f->fired,
                                        [HELD_SKIPPED] = f->skipped,
                                        [HELD_FAILED] = f->failed,
                                        [HELD_PUT_OFF] = f->put_off};
        ow_counter_add(counters[h->verdict], 1);
        put_off += h->verdict == HELD_PUT_OFF || h->verdict == HELD ? 1 : 0;
        if (h->verdict == HELD_FIRED) {
            ow_histogram_observe(f->lateness, now_us - h->slot.due_us);
        }
    }
    if (put_off > 0 && !f->away && !f->stopping) {
        ow_log(OW_LOG_WARN, "the queue does not take timers' slots", "slots=%d", put_off);
    }
    f->away = put_off > 0;
}

static void on_settled(void *self, ow_code code, const ow_err *err) {
    firing *f = self;
    if (code != OW_OK) {
        log_failure(f, "slots are not settled yet", err);
    } else {
        note_missed(f);
    }
    round_ended(f, code == OW_OK);
}

static ow_code run_settle(ow_db_conn *db, void *self, ow_err *err) {
    firing *f = self;
    return round_settle(db, &f->round, err);
}

static void one_less_open(firing *f) {
    if (--f->open > 0 || f->stopping) {
        return; // what is not settled now is taken up again by its lease
    }
    count_verdicts(f);
    f->round.now_us = wall_us(f);
    f->job = (ow_db_job){.run = run_settle, .done = on_settled, .self = f};
    ow_db_write(f->options.db, &f->job);
}

// ---- Into the queue ----

static void refused(sending *s, const ow_err *err) {
    held_slot *h = s->held;
    h->verdict = is_for_now(err->code) ? HELD_PUT_OFF : HELD_FAILED;
    snprintf(h->reason, sizeof h->reason, "%s", err->reason);
}

static void ended(sending *s) {
    firing *f = s->f;
    s->call = ow_call_free(s->call);
    one_less_open(f);
}

static ow_call *new_call(sending *s) {
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", s->held->timer.title_id);
    ow_call_options options = {.principal = &platform, .timeout_us = CALL_TIMEOUT_US};
    s->call = ow_call_new(s->f->options.loop, &options);
    if (s->call != NULL) {
        s->call->user = s;
    }
    return s->call;
}

static void no_memory(sending *s) {
    ow_err err;
    ow_fail(&err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a slot");
    refused(s, &err);
    ended(s);
}

static void on_enqueued(const enqueue_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    sending *s = call->user;
    held_slot *h = s->held;
    if (reply != NULL && reply->n_executions == 1) {
        h->verdict = HELD_FIRED;
        snprintf(h->execution_id, sizeof h->execution_id, "%s", reply->executions[0]->execution_id);
    } else {
        refused(s, &call->err);
    }
    ended(s);
}

static void enqueue(sending *s) {
    if (s->f->stopping) {
        ended(s);
        return;
    }
    s->request = execution_of(&s->held->timer, &s->held->slot, s->f->round.arena);
    if (s->request == NULL || new_call(s) == NULL) {
        no_memory(s);
        return;
    }
    overworld__events__v1__queue__enqueue(s->f->options.queue, s->request, on_enqueued, s->call);
}

// The last execution, where a timer must not overlap: one that the queue has forgotten has ended.
static void on_last(const execution_msg *last, void *closure_data) {
    ow_call *call = closure_data;
    sending *s = call->user;
    if (last == NULL && call->err.code != OW_NOT_FOUND) {
        refused(s, &call->err);
        ended(s);
        return;
    }
    if (last != NULL && !has_ended(last->state)) {
        s->held->verdict = HELD_SKIPPED;
        snprintf(s->held->reason, sizeof s->held->reason, "overlap");
        ended(s);
        return;
    }
    s->call = ow_call_free(call);
    enqueue(s);
}

static void ask_for_last(sending *s) {
    if (new_call(s) == NULL) {
        no_memory(s);
        return;
    }
    overworld__events__v1__get_execution_request__init(&s->ask);
    s->ask.execution_id = (char *)(uintptr_t)s->held->timer.last_execution_id;
    overworld__events__v1__queue__get_execution(s->f->options.queue, &s->ask, on_last, s->call);
}

static void send_all(firing *f) {
    int count = f->round.count;
    f->sends = ow_arena_calloc(f->round.arena, (size_t)count + 1, sizeof *f->sends);
    if (f->sends == NULL) {
        round_ended(f, false); // the claims' lease brings them back
        return;
    }
    f->open = 1;
    for (int i = 0; i < count; i++) {
        sending *s = &f->sends[i];
        held_slot *h = &f->round.slots[i];
        bool asks = strcmp(h->timer.spec->overlap, "skip") == 0 &&
                    strcmp(h->slot.kind, KIND_MANUAL) != 0 && h->timer.last_execution_id[0] != 0;
        *s = (sending){.f = f, .held = h};
        f->open++;
        if (asks) {
            ask_for_last(s);
        } else {
            enqueue(s);
        }
    }
    one_less_open(f);
}

// ---- The claim ----

static void on_claimed(void *self, ow_code code, const ow_err *err) {
    firing *f = self;
    if (code != OW_OK) {
        log_failure(f, "due timers are not looked at", err);
        round_ended(f, false);
        return;
    }
    f->set_back = f->round.anew_more;
    note_missed(f);
    if (f->round.count == 0 || f->stopping) {
        f->away = false;
        round_ended(f, true);
        return;
    }
    send_all(f);
}

static ow_code run_claim(ow_db_conn *db, void *self, ow_err *err) {
    firing *f = self;
    return round_claim(db, &f->round, err);
}

static void claim(firing *f) {
    ow_arena *arena = ow_arena_new(ROUND_ARENA_MAX);
    if (arena == NULL) {
        f->wake_us = wall_us(f) + PUT_OFF_US;
        set_timer(f);
        return;
    }
    f->looked_us = ow_clock_mono_us(f->options.clock);
    f->round = (round){.now_us = wall_us(f),
                       .missed_after_us = f->options.missed_after_us,
                       .zones = f->options.zones,
                       .bus = f->options.bus,
                       .begin_anew = f->set_back,
                       .old_only = f->away,
                       .arena = arena,
                       .wake_us = NEVER};
    f->job = (ow_db_job){.run = run_claim, .done = on_claimed, .self = f};
    ow_db_write(f->options.db, &f->job);
}

// ---- Time ----

static void on_tick(void *self) {
    firing *f = self;
    int64_t now_us = wall_us(f);
    int64_t mono_us = ow_clock_mono_us(f->options.clock);
    int64_t drift_us = now_us - mono_us;
    f->set_back = f->set_back || drift_us < f->drift_us - SET_BACK_US;
    f->drift_us = drift_us;
    history_look(f->history);
    if (now_us >= f->wake_us || f->set_back || mono_us - f->looked_us >= LOOK_AGAIN_US) {
        claim(f);
    } else {
        set_timer(f);
    }
}

void firing_kick(firing *f) {
    if (f->round.arena != NULL) {
        f->again = true;
        return;
    }
    f->wake_us = f->away ? f->wake_us : wall_us(f);
    set_timer(f);
}

firing *firing_new(const firing_options *options) {
    firing *f = calloc(1, sizeof *f);
    history_options old = {options->db, options->clock, options->history_us, options->history_max};
    if (f == NULL || (f->history = history_new(&old)) == NULL) {
        free(f);
        return NULL;
    }
    ow_metrics *m = options->metrics;
    f->options = *options;
    f->timer = (ow_timer){.on_due = on_tick, .self = f};
    f->set_back = true; // it may have been while nobody looked
    f->drift_us = wall_us(f) - ow_clock_mono_us(options->clock);
    f->wake_us = wall_us(f);
    f->fired =
        ow_metrics_counter(m, "overworld_timers_fired_total", "Slots that became executions", NULL);
    f->missed = ow_metrics_counter(m, "overworld_timers_missed_total",
                                   "Slots that were too late to fire", NULL);
    f->skipped = ow_metrics_counter(m, "overworld_timers_skipped_total",
                                    "Slots left out because the last one was still running", NULL);
    f->failed = ow_metrics_counter(m, "overworld_timers_failed_total",
                                   "Slots that the queue refused", NULL);
    f->put_off = ow_metrics_counter(m, "overworld_timers_put_off_total",
                                    "Times that the queue was not there for a slot", NULL);
    f->lateness = ow_metrics_histogram(m, "overworld_timers_lateness_seconds",
                                       "From when a slot was due until the queue had it", NULL,
                                       &ow_histogram_of_durations);
    set_timer(f);
    return f;
}

void firing_drain(firing *f) {
    f->draining = true;
    history_stop(f->history);
    ow_loop_timer_cancel(f->options.loop, &f->timer);
}

bool firing_drained(const firing *f) {
    return f->round.arena == NULL;
}

void firing_stop(firing *f) {
    f->stopping = true;
    history_stop(f->history);
    ow_loop_timer_cancel(f->options.loop, &f->timer);
    for (int i = 0; f->sends != NULL && i < f->round.count; i++) {
        if (f->sends[i].call != NULL) {
            ow_call_cancel(f->sends[i].call, OW_CANCELLED);
        }
    }
}

firing *firing_free(firing *f) {
    if (f != NULL) {
        ow_arena_free(f->round.arena);
        history_free(f->history);
        free(f);
    }
    return NULL;
}
