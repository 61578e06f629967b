#include "services/registry/applier.h"

#include "services/registry/registry_store.h"

#include "core/log/log.h"

#include "overworld/data/v1/data.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "overworld/timers/v1/timers.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    AT_ONCE = 16, // virtual servers of a pass
    PASS_ARENA_MAX = 64 << 20,
    CALL_TIMEOUT_US = 3 * 1000 * 1000,
    RETRY_FIRST_US = 500 * 1000,
    RETRY_MOST_US = 30 * 1000 * 1000,
};

typedef void (*apply_stub)(ProtobufCService *service, const apply_triggers_request *request,
                           void (*closure)(const apply_triggers_response *, void *),
                           void *closure_data);

// Who keeps copies, or what is a virtual server's own.
static const struct {
    const char *name;
    const ProtobufCServiceDescriptor *descriptor;
    apply_stub apply;
} acceptors[] = {
    {"timers", &overworld__timers__v1__timers__descriptor,
     overworld__timers__v1__timers__apply_triggers},
    {"events", &overworld__events__v1__events__descriptor,
     overworld__events__v1__events__apply_triggers},
    {"data", &overworld__data__v1__data__descriptor, overworld__data__v1__data__apply_triggers},
};

enum { ACCEPTORS = sizeof acceptors / sizeof acceptors[0] };

// One call: a virtual server's triggers to one service.
typedef struct telling {
    applier *owner;
    pending_apply *about;
    int to; // acceptors[]
    ow_call *call;
    bool told;
} telling;

struct applier {
    applier_options options;
    ProtobufCService *services[ACCEPTORS];
    ow_timer timer;
    ow_db_job job;
    ow_arena *arena; // of the pass; NULL: none
    pending_apply pending[2 * AT_ONCE];
    telling tellings[2 * AT_ONCE * ACCEPTORS];
    int count, open;
    bool again;      // somebody kicked while a pass was under way
    bool unfinished; // of this pass: who was told has more to do
    bool failing, stopping;
    int64_t retry_us;
    applier_waiter *waiting_now;  // for the pass that is under way
    applier_waiter *waiting_next; // for one that begins later
};

static tx tx_in(const applier *a, ow_db_conn *db, ow_err *err) {
    return (tx){.db = db,
                .arena = a->arena,
                .err = err,
                .title = "",
                .principal = "",
                .request_id = "",
                .address = "",
                .fresh_id = ""};
}

// ---- The end of a pass ----

// The list is taken first: who is resumed may wait again.
static void resume_all(applier *a) {
    applier_waiter *w = a->waiting_now;
    a->waiting_now = NULL;
    while (w != NULL) {
        applier_waiter *next = w->next;
        ow_run_resume(w->run, OW_OK);
        w = next;
    }
}

static void try_later(applier *a) {
    ow_loop_timer_set(a->options.loop, &a->timer, ow_loop_now_us(a->options.loop) + a->retry_us);
    a->retry_us = a->retry_us * 2 < RETRY_MOST_US ? a->retry_us * 2 : RETRY_MOST_US;
}

static bool is_in_pass(const applier *a, const applier_waiter *w) {
    for (int i = 0; i < a->count; i++) {
        if (strcmp(a->pending[i].title, w->title) == 0 &&
            strcmp(a->pending[i].server, w->server) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_noted(const applier_waiter *w, int to) {
    bool noted = false;
    for (size_t i = 0; i < w->reply->n_pending; i++) {
        noted = noted || strcmp(w->reply->pending[i], acceptors[to].name) == 0;
    }
    return noted;
}

// Once, however many passes somebody waits for.
static void add_pending(applier_waiter *w, int to) {
    if (is_noted(w, to)) {
        return;
    }
    char **list = ow_arena_calloc(w->run->call->arena, w->reply->n_pending + 1, sizeof *list);
    if (list == NULL) {
        return;
    }
    if (w->reply->n_pending > 0) {
        memcpy(list, w->reply->pending, w->reply->n_pending * sizeof *list);
    }
    list[w->reply->n_pending++] = (char *)(uintptr_t)acceptors[to].name;
    w->reply->pending = list;
}

// Nobody was told about those that a pass did not come to: an answer without a word of it would say that
// all were.
static void note_unreached(const applier *a) {
    for (applier_waiter *w = a->waiting_now; w != NULL; w = w->next) {
        for (int i = 0; w->reply != NULL && !is_in_pass(a, w) && i < ACCEPTORS; i++) {
            add_pending(w, i);
        }
    }
}

static void begin_pass(applier *a);

static void go_on(applier *a, bool at_once, bool good) {
    if (a->stopping) {
        return;
    }
    // Slice after slice at once, but not past the back-off: who is down would be asked with each of them.
    if (at_once || a->again || (a->unfinished && good)) {
        a->again = false;
        begin_pass(a);
    } else if (!good) {
        try_later(a);
    }
}

static void pass_ended(applier *a, bool well) {
    bool good = well && !a->failing;
    bool more = good && a->count >= AT_ONCE && !a->stopping; // nobody else would resume who waits
    if (good) {
        a->retry_us = RETRY_FIRST_US;
    } else {
        note_unreached(a);
    }
    a->arena = ow_arena_free(a->arena);
    if (!more) {
        resume_all(a);
    }
    go_on(a, more, good);
}

static void log_failure(const applier *a, const ow_err *err) {
    if (!a->stopping) {
        ow_log(OW_LOG_WARN, "triggers are not applied yet", "reason=%s why=%s", err->reason,
               err->message);
    }
}

static bool is_told(const applier *a, int i) {
    bool told = true;
    for (int k = 0; k < ACCEPTORS; k++) {
        told = told && a->tellings[i * ACCEPTORS + k].told;
    }
    return told;
}

static ow_code run_done(ow_db_conn *db, void *self, ow_err *err) {
    const applier *a = self;
    tx t = tx_in(a, db, err);
    ow_code code = OW_OK;
    for (int i = 0; code == OW_OK && i < a->count; i++) {
        code = is_told(a, i) ? store_apply_done(&t, &a->pending[i]) : OW_OK;
    }
    return code;
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    applier *a = self;
    if (code != OW_OK) {
        log_failure(a, err);
    }
    pass_ended(a, code == OW_OK);
}

static void one_less_open(applier *a) {
    if (--a->open > 0) {
        return;
    }
    if (a->stopping) {
        pass_ended(a, false);
        return;
    }
    a->job = (ow_db_job){.run = run_done, .done = on_done, .self = a};
    ow_db_write(a->options.db, &a->job);
}

// ---- Telling ----

static applier_waiter *waiter_of(const applier *a, const pending_apply *p) {
    applier_waiter *w = a->waiting_now;
    while (w != NULL && (w->reply == NULL || strcmp(w->title, p->title) != 0 ||
                         strcmp(w->server, p->server) != 0)) {
        w = w->next;
    }
    return w;
}

static void note_pending(const applier *a, const telling *s) {
    applier_waiter *w = waiter_of(a, s->about);
    if (w != NULL) {
        add_pending(w, s->to);
    }
}

static Overworld__Api__TriggerProblem *copy_problem(ow_arena *arena,
                                                    const Overworld__Api__TriggerProblem *from) {
    size_t size = 0;
    uint8_t *bytes = message_pack_in(arena, from, &size);
    return bytes != NULL ? message_unpack_in(arena, from->base.descriptor, bytes, size) : NULL;
}

static void note_problems(const applier *a, const telling *s,
                          const apply_triggers_response *reply) {
    applier_waiter *w = waiter_of(a, s->about);
    if (w == NULL || reply->n_problems == 0) {
        return;
    }
    ow_arena *arena = w->run->call->arena;
    size_t count = w->reply->n_problems;
    Overworld__Api__TriggerProblem **list =
        ow_arena_calloc(arena, count + reply->n_problems, sizeof *list);
    if (list == NULL) {
        return;
    }
    if (count > 0) {
        memcpy(list, w->reply->problems, count * sizeof *list);
    }
    for (size_t i = 0; i < reply->n_problems; i++) {
        list[count] = copy_problem(arena, reply->problems[i]);
        count += list[count] != NULL ? 1 : 0;
    }
    w->reply->problems = list;
    w->reply->n_problems = count;
}

static void on_told(const apply_triggers_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    telling *s = call->user;
    applier *a = s->owner;
    s->told = reply != NULL && !reply->more;
    if (reply != NULL) {
        note_problems(a, s, reply);
        if (reply->more) {
            a->unfinished = true;
            note_pending(a, s);
        }
    } else {
        if (!a->failing) {
            log_failure(a, &call->err);
        }
        a->failing = true;
        note_pending(a, s);
    }
    s->call = ow_call_free(call);
    one_less_open(a);
}

static void tell(telling *s) {
    applier *a = s->owner;
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", s->about->title);
    ow_call_options options = {.principal = &platform, .timeout_us = CALL_TIMEOUT_US};
    s->call = ow_call_new(a->options.loop, &options);
    if (s->call == NULL) {
        a->failing = true;
        note_pending(a, s);
        one_less_open(a);
        return;
    }
    s->call->user = s;
    acceptors[s->to].apply(a->services[s->to], s->about->request, on_told, s->call);
}

// ---- What is to be told ----

static ow_code run_read(ow_db_conn *db, void *self, ow_err *err) {
    applier *a = self;
    tx t = tx_in(a, db, err);
    return store_applies_pending(&t, AT_ONCE, a->pending, &a->count);
}

static void on_read(void *self, ow_code code, const ow_err *err) {
    applier *a = self;
    if (code != OW_OK) {
        log_failure(a, err);
        a->count = 0;
    }
    if (code != OW_OK || a->count == 0 || a->stopping) {
        pass_ended(a, code == OW_OK);
        return;
    }
    a->open = a->count * ACCEPTORS + 1;
    for (int i = 0; i < a->count * ACCEPTORS; i++) {
        a->tellings[i] =
            (telling){.owner = a, .about = &a->pending[i / ACCEPTORS], .to = i % ACCEPTORS};
    }
    for (int i = 0; i < a->count * ACCEPTORS; i++) {
        tell(&a->tellings[i]);
    }
    one_less_open(a);
}

// Tells what is new.
static void begin_pass(applier *a) {
    if (a->stopping) {
        return;
    }
    if (a->arena != NULL) {
        a->again = true;
        return;
    }
    a->arena = ow_arena_new(PASS_ARENA_MAX);
    if (a->arena == NULL) {
        ow_loop_timer_set(a->options.loop, &a->timer,
                          ow_loop_now_us(a->options.loop) + RETRY_FIRST_US);
        return;
    }
    while (a->waiting_next != NULL) {
        applier_waiter *w = a->waiting_next;
        a->waiting_next = w->next;
        w->next = a->waiting_now;
        a->waiting_now = w;
    }
    a->count = 0;
    a->failing = false;
    a->unfinished = false;
    a->job = (ow_db_job){.run = run_read, .done = on_read, .self = a};
    ow_db_read(a->options.db, &a->job);
}

ow_code applier_wait(applier *a, applier_waiter *waiter) {
    if (a->stopping) {
        return OW_OK;
    }
    waiter->next = a->waiting_next;
    a->waiting_next = waiter;
    begin_pass(a);
    return OW_PENDING;
}

// ---- Life ----

static void on_timer(void *self) {
    begin_pass(self);
}

applier *applier_new(const applier_options *options) {
    applier *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->options = *options;
    a->timer = (ow_timer){.on_due = on_timer, .self = a};
    a->retry_us = RETRY_FIRST_US;
    for (int i = 0; i < ACCEPTORS; i++) {
        a->services[i] = ow_directory_get(options->directory, acceptors[i].descriptor);
        if (a->services[i] == NULL) {
            return applier_free(a);
        }
    }
    // What was not applied when the last process ended; others have to start first.
    ow_loop_timer_set(options->loop, &a->timer, ow_loop_now_us(options->loop) + RETRY_FIRST_US);
    return a;
}

void applier_stop(applier *a) {
    if (a->stopping) {
        return;
    }
    a->stopping = true;
    ow_loop_timer_cancel(a->options.loop, &a->timer);
    for (int i = 0; a->open > 0 && i < a->count * ACCEPTORS; i++) {
        if (a->tellings[i].call != NULL) {
            ow_call_cancel(a->tellings[i].call, OW_CANCELLED);
        }
    }
    while (a->waiting_next != NULL) {
        applier_waiter *w = a->waiting_next;
        a->waiting_next = w->next;
        ow_run_resume(w->run, OW_OK);
    }
}

bool applier_busy(const applier *a) {
    return a->arena != NULL;
}

applier *applier_free(applier *a) {
    if (a != NULL) {
        ow_loop_timer_cancel(a->options.loop, &a->timer);
        ow_arena_free(a->arena);
        free(a);
    }
    return NULL;
}
