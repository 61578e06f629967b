// Random histories of two pools of one title against what must always hold:
//  * every request is answered exactly once, none is lost;
//  * a reply comes only from a completion, "crashed" and "memory" only to what had started;
//  * queue, quota, instances of the process and the memory of the title stay within their bounds;
//  * when arrivals end, everything is settled in bounded time.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/testing/ow_test.h"
#include "services/runner/fake_instances.h"

#define POOLS 2
#define JOBS 400
#define STEPS 4000
#define SEEDS 500
#define MEMORY ((uint64_t)128 << 20)

enum job_state { FREE, OPEN };

struct job {
    struct request request; // first
    enum job_state state;
    int answers;
    bool started, completed; // as the fake saw it
};

struct world {
    uint64_t random;
    struct scheduler scheduler;
    struct fake_host host;
    struct title_account account;
    struct pool pools[POOLS];
    struct job jobs[JOBS];
    unsigned open;
    uint64_t answered, accepted, replies;
    bool in_loop;
};

static uint64_t rnd(struct world *w, uint64_t below) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random >> 11) % below;
}

#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("%s, random state %" PRIu64, #condition, w->random);                          \
        }                                                                                          \
    } while (0)

static void arrive(struct world *w);

static void on_answered(void *self, struct request *request, const struct verdict *verdict) {
    struct world *w = self;
    struct job *job = (struct job *)request;
    HOLDS(job->state == OPEN);
    HOLDS(++job->answers == 1);
    if (verdict->reason[0] == '\0') {
        HOLDS(job->completed);
        w->replies++;
    } else {
        HOLDS(!job->completed || strcmp(verdict->reason, "cancelled") == 0);
    }
    if (strcmp(verdict->reason, "crashed") == 0 || strcmp(verdict->reason, "memory") == 0) {
        HOLDS(job->started);
    }
    HOLDS(request->next == NULL && request->previous == NULL && request->instance == NULL);
    memset(request, 0xA5, sizeof *request); // it may be gone from here on
    job->state = FREE;
    w->open--;
    w->answered++;
    if (w->in_loop && rnd(w, 4) == 0) {
        arrive(w); // an answer brings the next request, as it does in the gateway
    }
}

static void on_describe(void *self, const struct request *request, ow_host_request *description) {
    (void)self;
    (void)request;
    description->source = "client";
}

static void on_started(void *self, struct instance *instance, const ow_host_ready *ready,
                       const ow_host_exit *exit) {
    struct world *w = self;
    HOLDS((ready == NULL) != (exit == NULL));
    HOLDS(instance->pool != NULL);
}

static void on_gone(void *self, struct instance *instance, const ow_host_exit *exit) {
    struct world *w = self;
    HOLDS(instance->count == 0 && exit != NULL);
}

static const struct scheduler_events events = {
    .answered = on_answered,
    .describe = on_describe,
    .started = on_started,
    .gone = on_gone,
};

static const struct scheduler_limits limits = {
    .quota = 6,
    .instances = 9,
    .queue_requests = 50,
    .queue_bytes = 4000,
    .title_memory = 8 * MEMORY,
    .idle_us = 300000,
    .init_us = 50000,
    .cores = 2,
};

static void checked(struct pool *pool) {
    (void)pool;
}

static void arrive(struct world *w) {
    struct job *job = &w->jobs[rnd(w, JOBS)];
    if (job->state != FREE) {
        return;
    }
    memset(job, 0, sizeof *job);
    job->request.deadline_us = w->scheduler.now_us + 1 + (int64_t)rnd(w, 200000);
    job->request.bytes = rnd(w, 200);
    job->request.request_id = "req";
    job->state = OPEN;
    if (pool_enqueue(&w->pools[rnd(w, POOLS)], &job->request)) {
        w->open++;
        w->accepted++;
    } else {
        job->state = FREE;
    }
}

static struct job *job_of(struct world *w, uint64_t id) {
    for (unsigned i = 0; i < JOBS; i++) {
        if (w->jobs[i].state == OPEN && w->jobs[i].request.id == id) {
            return &w->jobs[i];
        }
    }
    return NULL;
}

static void mark_started(struct world *w, struct fake_instance *fake) {
    if (fake_start_next(fake)) {
        struct job *job = job_of(w, fake->slots[0].id);
        HOLDS(job == NULL || !job->started); // never twice
        if (job != NULL) {
            job->started = true;
        }
    }
}

static void mark_completed(struct world *w, struct fake_instance *fake) {
    if (fake->count > 0 && fake->slots[0].state == FAKE_STARTED && !fake->killed) {
        struct job *job = job_of(w, fake->slots[0].id);
        if (job != NULL) {
            job->completed = true;
        }
        fake_complete(fake);
    }
}

static void live(struct world *w, struct fake_instance *fake, bool calm) {
    if (fake->killed) {
        fake_exit(fake, OW_HOST_END_KILLED);
    } else if (!fake->loaded) {
        if (!calm && rnd(w, 20) == 0) {
            fake_fail_init(fake);
        } else {
            fake_load(fake);
        }
    } else if (!calm && rnd(w, 60) == 0) {
        fake_exit(fake, rnd(w, 2) == 0 ? OW_HOST_END_CRASHED : OW_HOST_END_MEMORY);
    } else if (rnd(w, 2) == 0) {
        mark_started(w, fake);
    } else {
        mark_completed(w, fake);
    }
}

static void live_one(struct world *w, bool calm) {
    unsigned start = (unsigned)rnd(w, FAKE_INSTANCES_MAX);
    for (unsigned i = 0; i < FAKE_INSTANCES_MAX; i++) {
        struct fake_instance *fake = &w->host.instances[(start + i) % FAKE_INSTANCES_MAX];
        if (fake->instance != NULL) {
            live(w, fake, calm);
            return;
        }
    }
}

static void cancel_one(struct world *w) {
    struct job *job = &w->jobs[rnd(w, JOBS)];
    if (job->state == OPEN) {
        uint64_t before = w->answered;
        pool_cancel(job->request.pool, &job->request, "cancelled");
        HOLDS(w->answered > before);
    }
}

static void pass_time(struct world *w) {
    int64_t by_us = (int64_t)(rnd(w, 20) == 0 ? rnd(w, 60000) : rnd(w, 500));
    w->scheduler.now_us += by_us;
    w->scheduler.clock_us += by_us;
    for (unsigned i = 0; i < POOLS; i++) {
        if (w->scheduler.now_us >= w->pools[i].check_us) {
            pool_touch(&w->pools[i]);
        }
    }
}

static void maintain(struct world *w) {
    w->host.resident = rnd(w, 30) == 0 ? 2 * MEMORY : MEMORY / 2;
    scheduler_begin_round(&w->scheduler);
    for (unsigned i = 0; i < POOLS; i++) {
        pool_maintain(&w->pools[i]);
    }
}

static void check(struct world *w) {
    unsigned instances = 0;
    unsigned requests = 0;
    for (unsigned i = 0; i < POOLS; i++) {
        const struct pool *pool = &w->pools[i];
        unsigned held = 0;
        unsigned waiting = 0;
        size_t bytes = 0;
        for (const struct instance *at = pool->instances; at != NULL; at = at->next) {
            HOLDS(at->count <= OW_HOST_DEPTH_MAX);
            held += at->count;
            instances++;
        }
        for (const struct request *at = pool->first; at != NULL; at = at->next) {
            HOLDS(at->next == NULL || at->id < at->next->id);
            waiting++;
            bytes += at->bytes;
        }
        HOLDS(waiting == pool->waiting && bytes == pool->waiting_bytes && held == pool->held);
        HOLDS(pool->count <= pool->settings.quota);
        HOLDS(waiting <= limits.queue_requests + limits.quota * OW_HOST_DEPTH_MAX);
        requests += held + waiting;
    }
    HOLDS(instances == w->scheduler.instances && instances <= limits.instances);
    HOLDS(w->account.reserved == instances * MEMORY && w->account.reserved <= limits.title_memory);
    HOLDS(requests == w->open);
}

static void step(struct world *w) {
    switch (rnd(w, 12)) {
    case 0:
    case 1:
    case 2:
        arrive(w);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        live_one(w, false);
        break;
    case 8:
        if (rnd(w, 8) == 0) {
            cancel_one(w);
        }
        break;
    case 9:
        pass_time(w);
        break;
    case 10:
        if (rnd(w, 10) == 0) {
            maintain(w);
        }
        break;
    default:
        scheduler_run(&w->scheduler, checked);
        break;
    }
    check(w);
}

static void settle(struct world *w) {
    w->in_loop = false;
    for (int i = 0; i < 20000 && w->open > 0; i++) {
        live_one(w, true);
        w->scheduler.now_us += 100;
        w->scheduler.clock_us += 100;
        pass_time(w);
        scheduler_run(&w->scheduler, checked);
        check(w);
    }
    HOLDS(w->open == 0);
    HOLDS(w->answered == w->accepted);
    // ... and with nothing to do, everything ends
    for (int i = 0; i < 20000 && w->scheduler.instances > 0; i++) {
        w->scheduler.clock_us += limits.idle_us;
        w->host.resident = 0;
        scheduler_begin_round(&w->scheduler);
        for (unsigned k = 0; k < POOLS; k++) {
            pool_maintain(&w->pools[k]);
        }
        live_one(w, true);
    }
    HOLDS(w->scheduler.instances == 0 && w->account.reserved == 0);
}

static uint64_t history(uint64_t seed) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    w->in_loop = true;
    scheduler_init(&w->scheduler, &limits);
    w->scheduler.now_us = 1;
    w->scheduler.events = &events;
    w->scheduler.events_self = w;
    fake_host_init(&w->host, &w->scheduler);
    struct pool_settings settings = {.timeout_us = 20000, .memory_bytes = MEMORY, .quota = 6};
    for (unsigned i = 0; i < POOLS; i++) {
        pool_init(&w->pools[i], &w->scheduler, &w->account, &settings);
        pool_set_startable(&w->pools[i], true);
    }
    for (int i = 0; i < STEPS; i++) {
        step(w);
    }
    settle(w);
    for (unsigned i = 0; i < POOLS; i++) {
        pool_deinit(&w->pools[i]);
    }
    uint64_t replies = w->replies;
    free(w);
    return replies;
}

static void random_histories_hold(void **state) {
    (void)state;
    uint64_t replies = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        replies += history(seed);
    }
    assert_true(replies > SEEDS * 100); // the histories are not all failures
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_histories_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
