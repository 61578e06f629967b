#include "services/registry/routes.h"

#include "services/registry/messages.h"
#include "services/registry/registry_store.h"

#include "core/log/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOK_AGAIN_US = 5 * 1000 * 1000,
    RETRY_US = 500 * 1000,
    PUMP_ARENA_MAX = 64 << 20,
};

struct routes {
    ow_loop *loop;
    ow_db *db;

    // What a new watcher is told: titles and virtual servers, each as its last change, in the order
    // of their sequence. Allocated by protobuf-c.
    route_change **table;
    uint64_t *keys; // of each: what it is about
    size_t count, room;
    int64_t last;
    bool loaded;

    watcher *watchers;
    watcher *next_to_visit; // while a change is passed on: survives what callbacks remove

    // The reader's job; its results live in the arena.
    ow_db_job job;
    ow_arena *arena;
    stored_changes found;
    int64_t asked_after;
    bool reading, again, stopping;
    routes_waiter *waiting_now;  // for the read that is running
    routes_waiter *waiting_next; // for one that begins later

    ow_timer timer;
};

// ---- Watchers ----

static void unlink_watcher(routes *r, watcher *w) {
    for (watcher **at = &r->watchers; w->in_list && *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            w->in_list = false;
            break;
        }
    }
    if (r->next_to_visit == w) {
        r->next_to_visit = w->next;
    }
}

static void end_watcher(routes *r, watcher *w, ow_code code) {
    unlink_watcher(r, w);
    w->run->call->on_cancel = NULL;
    ow_run_finish(w->run, code);
}

static void on_cancel(ow_call *call, void *self) {
    watcher *w = self;
    if (w->sending) {
        w->cancelled = true;
        return;
    }
    end_watcher(w->owner, w, call->err.code != OW_OK ? call->err.code : OW_CANCELLED);
}

// False when the watcher was ended.
static bool send(routes *r, watcher *w, const route_change *change) {
    w->sending = true;
    ow_code code = ow_run_send(w->run, &change->base);
    w->sending = false;
    if (code == OW_OK && !w->cancelled) {
        return true;
    }
    if (w->run->err->code == OW_OK) {
        ow_fail(w->run->err, OW_RESOURCE_EXHAUSTED, "slow_consumer",
                "changes of routes were not read fast enough: subscribe again");
    }
    end_watcher(r, w, w->run->err->code);
    return false;
}

static void send_table(routes *r, watcher *w) {
    route_change reset = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    reset.reset = true;
    bool alive = send(r, w, &reset);
    for (size_t i = 0; alive && i < r->count; i++) {
        alive = send(r, w, r->table[i]);
    }
    route_change complete = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    complete.complete = true;
    complete.sequence = r->last;
    if (alive) {
        send(r, w, &complete);
    }
}

static void send_to_all(routes *r, const route_change *change) {
    for (watcher *w = r->watchers; w != NULL; w = r->next_to_visit) {
        r->next_to_visit = w->next;
        send(r, w, change);
    }
}

ow_code routes_watch(routes *r, ow_run *run) {
    watcher *w = run->state;
    if (r->stopping) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "the registry is stopping");
    }
    *w = (watcher){.run = run, .owner = r, .next = r->watchers, .in_list = true};
    r->watchers = w;
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = w;
    if (r->loaded) {
        send_table(r, w);
    }
    return OW_PENDING;
}

// ---- The table ----

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

// The same for changes of the same thing.
static uint64_t key_of(const route_change *change) {
    uint64_t start = UINT64_C(0xcbf29ce484222325);
    if (change->upsert != NULL) {
        return hash_text(hash_text(start, change->upsert->title_id), change->upsert->name);
    }
    return change->removed_name[0] != 0
               ? hash_text(hash_text(start, change->removed_title_id), change->removed_name)
               : hash_text(start, change->title_id);
}

static bool same_thing(const route_change *a, const route_change *b) {
    if (a->upsert != NULL && b->upsert != NULL) {
        return strcmp(a->upsert->name, b->upsert->name) == 0 &&
               strcmp(a->upsert->title_id, b->upsert->title_id) == 0;
    }
    if (a->upsert != NULL && b->removed_name[0] != 0) {
        return strcmp(a->upsert->name, b->removed_name) == 0 &&
               strcmp(a->upsert->title_id, b->removed_title_id) == 0;
    }
    return a->upsert == NULL && b->upsert == NULL && b->removed_name[0] == 0 &&
           strcmp(a->title_id, b->title_id) == 0;
}

// Keys first: there may be thousands, and when all are loaded each looks for itself.
static void forget(routes *r, const route_change *change, uint64_t key) {
    for (size_t i = 0; i < r->count; i++) {
        if (r->keys[i] == key && same_thing(r->table[i], change)) {
            protobuf_c_message_free_unpacked(&r->table[i]->base, NULL);
            r->count--;
            memmove(r->table + i, r->table + i + 1, (r->count - i) * sizeof *r->table);
            memmove(r->keys + i, r->keys + i + 1, (r->count - i) * sizeof *r->keys);
            return;
        }
    }
}

static bool make_room(routes *r) {
    if (r->count < r->room) {
        return true;
    }
    size_t room = r->room == 0 ? 64 : r->room * 2;
    route_change **table = realloc(r->table, room * sizeof *table);
    r->table = table != NULL ? table : r->table;
    uint64_t *keys = realloc(r->keys, room * sizeof *keys);
    r->keys = keys != NULL ? keys : r->keys;
    if (table == NULL || keys == NULL) {
        return false;
    }
    r->room = room;
    return true;
}

static bool apply(routes *r, const stored_change *stored) {
    route_change *change =
        overworld__registry__v1__route_change__unpack(NULL, stored->size, stored->bytes);
    if (change == NULL || !make_room(r)) {
        protobuf_c_message_free_unpacked((ProtobufCMessage *)change, NULL);
        return false;
    }
    uint64_t key = key_of(change);
    forget(r, change, key);
    bool kept = change->removed_name[0] == 0;
    if (kept) {
        r->keys[r->count] = key;
        r->table[r->count++] = change;
    }
    r->last = change->sequence;
    if (r->loaded) {
        send_to_all(r, change);
    }
    if (!kept) {
        protobuf_c_message_free_unpacked(&change->base, NULL);
    }
    return true;
}

// ---- Reading what is new ----

static ow_code run_read(ow_db_conn *conn, void *self, ow_err *err) {
    routes *r = self;
    tx t = {.db = conn,
            .arena = r->arena,
            .err = err,
            .title = "",
            .principal = "",
            .request_id = "",
            .fresh_id = ""};
    return store_changes_since(&t, r->asked_after, &r->found);
}

static bool apply_all(routes *r) {
    for (size_t i = 0; i < r->found.count; i++) {
        if (!apply(r, &r->found.changes[i])) {
            return false;
        }
    }
    if (r->found.last > r->last) {
        r->last = r->found.last;
    }
    return true;
}

static void finish_loading(routes *r) {
    r->loaded = true;
    for (watcher *w = r->watchers; w != NULL; w = r->next_to_visit) {
        r->next_to_visit = w->next;
        send_table(r, w);
    }
}

// The list is taken first: who is resumed may announce again.
static void resume_all(routes_waiter **list) {
    routes_waiter *w = *list;
    *list = NULL;
    while (w != NULL) {
        routes_waiter *next = w->next;
        ow_run_resume(w->run, OW_OK);
        w = next;
    }
}

static void try_again(routes *r, const char *reason) {
    ow_log(OW_LOG_WARN, "routes not read", "reason=%s", reason);
    ow_loop_timer_set(r->loop, &r->timer, ow_loop_now_us(r->loop) + RETRY_US);
}

static void on_read(void *self, ow_code code, const ow_err *err) {
    routes *r = self;
    r->reading = false;
    bool applied = code == OW_OK && !r->stopping && apply_all(r);
    bool more = applied && r->found.more;
    r->arena = ow_arena_free(r->arena);
    if (r->stopping) {
        return;
    }
    // What was announced is committed; when it cannot be read now, the retry sends it.
    if (!more) {
        resume_all(&r->waiting_now);
    }
    if (!applied) {
        try_again(r, code == OW_OK ? "memory" : err->reason);
        return;
    }
    if (!more && !r->loaded) {
        finish_loading(r);
    }
    if (more || r->again) {
        routes_kick(r);
    }
}

static void join_waiters(routes *r) {
    while (r->waiting_next != NULL) {
        routes_waiter *w = r->waiting_next;
        r->waiting_next = w->next;
        w->next = r->waiting_now;
        r->waiting_now = w;
    }
}

void routes_kick(routes *r) {
    if (r->stopping) {
        return;
    }
    r->again = r->reading;
    if (r->reading) {
        return;
    }
    r->arena = ow_arena_new(PUMP_ARENA_MAX);
    if (r->arena == NULL) {
        ow_loop_timer_set(r->loop, &r->timer, ow_loop_now_us(r->loop) + RETRY_US);
        return;
    }
    r->found = (stored_changes){0};
    r->asked_after = r->last;
    r->reading = true;
    join_waiters(r);
    r->job = (ow_db_job){.run = run_read, .done = on_read, .self = r};
    ow_db_read(r->db, &r->job);
}

static void on_timer(void *self) {
    routes_kick(self);
}

ow_code routes_announce(routes *r, ow_run *run) {
    if (r->stopping) {
        return OW_OK;
    }
    routes_waiter *w = run->state;
    *w = (routes_waiter){.run = run, .next = r->waiting_next};
    r->waiting_next = w;
    routes_kick(r);
    return OW_PENDING;
}

void routes_expect(routes *r) {
    if (r->timer.index == 0 && !r->stopping) {
        ow_loop_timer_set(r->loop, &r->timer, ow_loop_now_us(r->loop) + LOOK_AGAIN_US);
    }
}

bool routes_loaded(const routes *r) {
    return r->loaded;
}

// ---- Life ----

routes *routes_new(ow_loop *loop, ow_db *db) {
    routes *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->loop = loop;
        r->db = db;
        r->timer = (ow_timer){.on_due = on_timer, .self = r};
    }
    return r;
}

void routes_stop(routes *r) {
    r->stopping = true;
    ow_loop_timer_cancel(r->loop, &r->timer);
    join_waiters(r);
    resume_all(&r->waiting_now);
    while (r->watchers != NULL) {
        watcher *w = r->watchers;
        end_watcher(r, w,
                    ow_fail(w->run->err, OW_UNAVAILABLE, "stopping", "the registry is stopping"));
    }
}

bool routes_busy(const routes *r) {
    return r->reading || r->watchers != NULL;
}

routes *routes_free(routes *r) {
    if (r == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < r->count; i++) {
        protobuf_c_message_free_unpacked(&r->table[i]->base, NULL);
    }
    free(r->table);
    free(r->keys);
    free(r);
    return NULL;
}
