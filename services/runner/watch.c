#include <string.h>

#include "core/log/log.h"
#include "services/runner/internal.h"

#define FIRST_DELAY_US 100000
#define DELAY_DOUBLINGS 4 // up to 1.6 s: a restarted registry is found within 2

static void begin(struct route_watch *watch);

static void on_again(void *self) {
    begin(self);
}

static void begin_later(struct route_watch *watch) {
    unsigned doublings = watch->failures < DELAY_DOUBLINGS ? watch->failures : DELAY_DOUBLINGS;
    watch->failures++;
    ow_loop *loop = watch->runner->loop;
    (void)ow_loop_timer_set(loop, &watch->again,
                            ow_loop_now_us(loop) + ((int64_t)FIRST_DELAY_US << doublings));
}

static void on_end(struct route_watch *watch, const ow_err *err) {
    if (watch->stopping) {
        return;
    }
    if (!watch->stale) {
        ow_log(OW_LOG_WARN, "routes stale", "why=\"%s\"", err->message);
    }
    watch->stale = true;
    begin_later(watch);
}

static void tell_pools(struct runner *runner, const route_change *change) {
    if (change->upsert != NULL) {
        pools_on_routes(&runner->pools, change->upsert->title_id, change->upsert->name);
    }
    if (change->removed_name[0] != '\0') {
        pools_on_routes(&runner->pools, change->removed_title_id, change->removed_name);
    }
    if (change->complete) {
        // What is missing from the new table was removed while nobody told us.
        for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
            struct pool_entry *entry = entry_of(at);
            if (!at->retired &&
                routes_server(&runner->routes, entry->title_id, entry->virtual_server) == NULL) {
                pools_on_routes(&runner->pools, entry->title_id, entry->virtual_server);
            }
        }
    }
}

static void on_change(const route_change *change, void *closure_data) {
    ow_call *call = closure_data;
    struct route_watch *watch = call->user;
    struct runner *runner = watch->runner;
    if (change == NULL) {
        ow_err err = call->err;
        watch->call = NULL;
        ow_call_free(call);
        on_end(watch, &err);
        return;
    }
    runner_tick(runner);
    if (!routes_apply(&runner->routes, change, runner->scheduler.now_us)) {
        ow_call_cancel(call, OW_CANCELLED); // out of memory: begin again with a whole table
        return;
    }
    if (change->complete) {
        if (watch->stale) {
            ow_log(OW_LOG_INFO, "routes current", "sequence=%lld", (long long)change->sequence);
        }
        watch->stale = false;
        watch->failures = 0;
    }
    tell_pools(runner, change);
    if (runner->parked != NULL) {
        invoke_retry_parked(runner);
    }
}

static void begin(struct route_watch *watch) {
    ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = &platform, .timeout_us = OW_NO_DEADLINE};
    ow_call *call = ow_call_new(watch->runner->loop, &options);
    if (call == NULL) {
        begin_later(watch);
        return;
    }
    call->user = watch;
    watch->call = call;
    overworld__registry__v1__watch_routes_request__init(&watch->request);
    overworld__registry__v1__registry__watch_routes(watch->runner->registry, &watch->request,
                                                    on_change, call);
}

void route_watch_start(struct route_watch *watch, struct runner *runner) {
    *watch = (struct route_watch){.runner = runner, .stale = true};
    watch->again = (ow_timer){.on_due = on_again, .self = watch};
    begin(watch);
}

void route_watch_stop(struct route_watch *watch) {
    watch->stopping = true;
    if (watch->runner != NULL) {
        ow_loop_timer_cancel(watch->runner->loop, &watch->again);
    }
    if (watch->call != NULL) {
        ow_call_cancel(watch->call, OW_CANCELLED);
    }
}
