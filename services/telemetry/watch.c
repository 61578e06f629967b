#include "services/telemetry/watch.h"

#include "services/telemetry/messages.h"

#include <stdio.h>
#include <string.h>

enum {
    COLLECT_US = 250 * 1000,
    ALIVE_US = 20 * 1000 * 1000,
    LAST_US = 1000 * 1000, // of the call: too short to go on
};

static void leave(watch *w) {
    watchers *all = w->owner;
    for (watch **at = &all->first; *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            all->count--;
            ow_gauge_add(all->gauge, -1);
            break;
        }
    }
    ow_loop_timer_cancel(all->loop, &w->timer);
}

static void finish(watch *w, ow_code code) {
    leave(w);
    ow_run_finish(w->run, code);
}

static void set_timer(watch *w, int64_t after_us) {
    ow_loop_timer_set(w->owner->loop, &w->timer, ow_loop_now_us(w->owner->loop) + after_us);
}

// ---- Telling ----

static void tell(watch *w) {
    watch_response message = OVERWORLD__TELEMETRY__V1__WATCH_CHANGES_RESPONSE__INIT;
    char *methods[CHANGES_MAX];
    char *servers[CHANGES_MAX];
    message.methods = methods;
    message.virtual_servers = servers;
    for (int i = 0; i < w->count; i++) {
        if (w->kinds[i] == CHANGE_METHOD) {
            methods[message.n_methods++] = w->names[i];
        } else {
            servers[message.n_virtual_servers++] = w->names[i];
        }
    }
    message.more = w->more;
    w->count = 0;
    w->more = w->soon = false;
    // Who is behind is cancelled by the channel.
    (void)ow_run_send(w->run, &message.base);
}

static void on_due(void *self) {
    watch *w = self;
    if (ow_call_left_us(w->run->call) < LAST_US) {
        finish(w, OW_OK);
        return;
    }
    tell(w);
    set_timer(w, ALIVE_US);
}

static void note(watch *w, const change *c) {
    for (int i = 0; i < w->count; i++) {
        if (w->kinds[i] == c->kind && slice_is(c->name, w->names[i])) {
            return;
        }
    }
    if (w->count == CHANGES_MAX) {
        w->more = true;
        return;
    }
    snprintf(w->names[w->count], CHANGE_NAME_MAX, "%.*s", (int)c->name.length, c->name.text);
    w->kinds[w->count++] = c->kind;
}

static void note_all(watch *w, const block_changes *changes) {
    const char *title = w->run->call->principal->title;
    for (int i = 0; i < changes->count; i++) {
        if (slice_is(changes->list[i].title, title)) {
            note(w, &changes->list[i]);
        }
    }
    w->more = w->more || changes->more;
    if (!w->soon && (w->count > 0 || w->more)) {
        w->soon = true;
        set_timer(w, COLLECT_US);
    }
}

void watchers_tell(watchers *all, const block_changes *changes) {
    for (watch *w = all->first; w != NULL; w = w->next) {
        note_all(w, changes);
    }
}

// ---- Beginning and ending ----

static void on_cancel(ow_call *call, void *self) {
    watch *w = self;
    *w->run->err = call->err;
    finish(w, call->err.code != OW_OK ? call->err.code : OW_CANCELLED);
}

static bool is_same_principal(const ow_principal *a, const ow_principal *b) {
    return a->kind == b->kind && strcmp(a->id, b->id) == 0;
}

static ow_code check_room(const watchers *all, const ow_run *run) {
    const ow_principal *who = run->call->principal;
    int of_title = 0, of_principal = 0;
    for (const watch *w = all->first; w != NULL; w = w->next) {
        const ow_principal *other = w->run->call->principal;
        of_title += strcmp(other->title, who->title) == 0 ? 1 : 0;
        of_principal += is_same_principal(other, who) ? 1 : 0;
    }
    const struct {
        int count, most;
        const char *where;
    } bounds[] = {
        {of_principal, WATCHERS_PRINCIPAL_MAX, "in your name"},
        {of_title, WATCHERS_TITLE_MAX, "in this title"},
        {all->count, WATCHERS_MAX, "here"},
    };
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        if (bounds[i].count >= bounds[i].most) {
            return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "too_many_watchers",
                           "%d watch for changes %s already", bounds[i].count, bounds[i].where);
        }
    }
    return OW_OK;
}

static ow_code check(const watchers *all, const ow_run *run) {
    if (all->stopping) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "the server stops");
    }
    if (run->call->principal->title[0] == '\0') {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "name a title in Overworld-Title");
    }
    return check_room(all, run);
}

ow_code watchers_begin(watchers *all, ow_run *run) {
    watch *w = run->state;
    ow_code code = check(all, run);
    if (code != OW_OK) {
        return code;
    }
    w->owner = all;
    w->run = run;
    w->timer = (ow_timer){.on_due = on_due, .self = w};
    w->next = all->first;
    all->first = w;
    all->count++;
    ow_gauge_add(all->gauge, 1);
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = w;
    set_timer(w, 0);
    return OW_PENDING;
}

void watchers_stop(watchers *all) {
    all->stopping = true;
    while (all->first != NULL) {
        watch *w = all->first;
        finish(w, ow_fail(w->run->err, OW_UNAVAILABLE, "stopping", "the server stops"));
    }
}
