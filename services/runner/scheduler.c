#include "services/runner/scheduler.h"

#include <string.h>

#include "services/runner/instance.h"
#include "services/runner/pool.h"

void scheduler_init(struct scheduler *scheduler, const struct scheduler_limits *limits) {
    memset(scheduler, 0, sizeof *scheduler);
    scheduler->limits = *limits;
}

void scheduler_begin_round(struct scheduler *scheduler) {
    unsigned wanted = scheduler->looks_wanted;
    scheduler->round++;
    scheduler->pause = wanted > 0 ? (wanted - 1) / SCHEDULER_LOOKS_MAX : 0;
    scheduler->looks_wanted = 0;
    scheduler->looks_left = SCHEDULER_LOOKS_MAX;
}

bool scheduler_make_room(struct scheduler *scheduler, const struct title_account *account,
                         const struct pool *for_pool) {
    struct instance *oldest = NULL;
    for (struct pool *pool = scheduler->pools; pool != NULL; pool = pool->next) {
        if (pool == for_pool || (account != NULL && pool->account != account)) {
            continue;
        }
        for (struct instance *at = pool->instances; at != NULL; at = at->next) {
            bool older = oldest == NULL || at->idle_since_us < oldest->idle_since_us;
            if (instance_idle(at) && older) {
                oldest = at;
            }
        }
    }
    if (oldest == NULL) {
        return false;
    }
    instance_end(oldest, "room");
    return true;
}

unsigned scheduler_run(struct scheduler *scheduler, void (*checked)(struct pool *pool)) {
    unsigned count = 0;
    scheduler->turn = scheduler->active;
    scheduler->active = NULL;
    while (scheduler->turn != NULL) {
        struct pool *pool = scheduler->turn;
        scheduler->turn = pool->next_active;
        pool->next_active = NULL;
        pool->active = false;
        scheduler->current = pool;
        pool_run(pool);
        checked(pool);
        scheduler->current = NULL;
        count++;
    }
    return count;
}
