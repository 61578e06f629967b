#include "services/runner/internal.h"

static void tell_pools(struct runner *runner, const route_change *change) {
    if (change->upsert != NULL) {
        pools_on_routes(&runner->pools, change->upsert->title_id, change->upsert->name);
    }
    if (change->removed_name[0] != '\0') {
        pools_on_routes(&runner->pools, change->removed_title_id, change->removed_name);
        secrets_forget(runner, change->removed_title_id, change->removed_name);
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

static ow_news on_change(void *self, const ProtobufCMessage *message) {
    struct runner *runner = self;
    const route_change *change = (const route_change *)message;
    runner_tick(runner);
    if (!routes_apply(&runner->routes, change, runner->scheduler.now_us)) {
        return OW_NEWS_LOST;
    }
    tell_pools(runner, change);
    if (runner->parked != NULL) {
        invoke_retry_parked(runner);
    }
    return change->complete ? OW_NEWS_WHOLE : OW_NEWS_PART;
}

void watch_routes(struct runner *runner) {
    overworld__registry__v1__watch_routes_request__init(&runner->watch_request);
    runner->watch = (ow_subscription){.loop = runner->loop,
                                      .name = "routes",
                                      .service = runner->registry,
                                      .method = "WatchRoutes",
                                      .request = &runner->watch_request.base,
                                      .on_message = on_change,
                                      .self = runner};
    ow_subscription_start(&runner->watch);
}
