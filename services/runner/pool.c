#include "services/runner/pool.h"

#include <stdio.h>
#include <string.h>

#include "services/runner/instance.h"

#define VERY_FAST_MEAN_US 100
#define FEED_US 15
#define MEAN_WEIGHT 0.0625 // of the newest call in the mean
#define OUTLIER_FACTOR 8   // what a call may add to the mean is bounded by this
#define OUTLIER_US 100
#define ROOM_RETRY_US 10000
#define SPAWN_RETRY_US 50000
#define FIRST_BACKOFF_US 1000000
#define BACKOFF_DOUBLINGS 5      // 1, 2, 4, 8, 16, 32 s
#define RESIDENT_BASE (8u << 20) // the runtime itself, measured 4 MB

void pool_init(struct pool *pool, struct scheduler *scheduler, struct title_account *account,
               const struct pool_settings *settings) {
    memset(pool, 0, sizeof *pool);
    pool->scheduler = scheduler;
    pool->account = account;
    pool->settings = *settings;
    pool->mean_us = -1;
    pool->limits_us = NEVER_US;
    pool->check_us = NEVER_US;
    pool->used_us = scheduler->clock_us;
    pool->next = scheduler->pools;
    if (pool->next != NULL) {
        pool->next->previous = pool;
    }
    scheduler->pools = pool;
}

static void leave_list(struct pool **at, struct pool *pool) {
    while (*at != NULL && *at != pool) {
        at = &(*at)->next_active;
    }
    if (*at == pool) {
        *at = pool->next_active;
    }
}

void pool_deinit(struct pool *pool) {
    if (pool->previous != NULL) {
        pool->previous->next = pool->next;
    } else {
        pool->scheduler->pools = pool->next;
    }
    if (pool->next != NULL) {
        pool->next->previous = pool->previous;
    }
    leave_list(&pool->scheduler->active, pool);
    leave_list(&pool->scheduler->turn, pool);
}

bool pool_is_unused(const struct pool *pool) {
    return pool->count == 0 && pool->waiting == 0 && !pool->active &&
           pool->scheduler->current != pool;
}

void pool_touch(struct pool *pool) {
    if (!pool->active) {
        pool->active = true;
        pool->next_active = pool->scheduler->active;
        pool->scheduler->active = pool;
    }
}

// ---- the queue

static void put_after(struct pool *pool, struct request *request, struct request *place) {
    request->previous = place;
    request->next = place == NULL ? pool->first : place->next;
    *(request->next == NULL ? &pool->last : &request->next->previous) = request;
    *(place == NULL ? &pool->first : &place->next) = request;
    pool->waiting++;
    pool->peaks.waiting = pool->waiting > pool->peaks.waiting ? pool->waiting : pool->peaks.waiting;
    pool->waiting_bytes += request->bytes;
}

static void take_out(struct pool *pool, struct request *request) {
    *(request->previous == NULL ? &pool->first : &request->previous->next) = request->next;
    *(request->next == NULL ? &pool->last : &request->next->previous) = request->previous;
    request->next = NULL;
    request->previous = NULL;
    pool->waiting--;
    pool->waiting_bytes -= request->bytes;
}

bool pool_enqueue(struct pool *pool, struct request *request) {
    const struct scheduler_limits *limits = &pool->scheduler->limits;
    if (pool->waiting >= limits->queue_requests ||
        pool->waiting_bytes + request->bytes > limits->queue_bytes) {
        return false;
    }
    request->id = ++pool->scheduler->last_request_id;
    request->pool = pool;
    request->instance = NULL;
    request->submitted_us = 0;
    request->enqueued_us = pool->scheduler->now_us;
    put_after(pool, request, pool->last);
    if (request->deadline_us < pool->limits_us) {
        pool->limits_us = request->deadline_us;
    }
    pool->used_us = pool->scheduler->clock_us;
    pool->counts.calls++;
    pool_touch(pool);
    return true;
}

void pool_requeue(struct pool *pool, struct request *request) {
    struct request *place = NULL;
    struct request *next = pool->first;
    while (next != NULL && next->id < request->id) {
        place = next;
        next = next->next;
    }
    put_after(pool, request, place);
    pool_touch(pool);
}

void pool_answer(struct pool *pool, struct request *request, const struct verdict *verdict) {
    struct scheduler *scheduler = pool->scheduler;
    if (verdict->reason[0] != '\0' && strcmp(verdict->reason, "refused") != 0) {
        pool->counts.errors++;
    }
    request->pool = NULL;
    request->instance = NULL;
    scheduler->events->answered(scheduler->events_self, request, verdict);
}

static void answer_queued(struct pool *pool, struct request *request, struct verdict *verdict) {
    int64_t waited_us = pool->scheduler->now_us - request->enqueued_us;
    verdict->queued_us = waited_us > 0 ? waited_us : 0;
    take_out(pool, request);
    pool_answer(pool, request, verdict);
}

void pool_fail_waiting(struct pool *pool, const char *reason, const char *message,
                       int retry_after_s) {
    // An answer can bring a new request at once, those are for the next turn; and it must not find
    // this pool unused.
    pool_touch(pool);
    uint64_t newest = pool->scheduler->last_request_id;
    while (pool->first != NULL && pool->first->id <= newest) {
        struct verdict verdict = {
            .reason = reason, .message = message, .retry_after_s = retry_after_s};
        answer_queued(pool, pool->first, &verdict);
    }
}

// Fails a request that is in an instance; the instance ends if it had started.
static void answer_held(struct request *request, struct verdict *verdict) {
    struct pool *pool = request->pool;
    struct instance *instance = request->instance;
    if (instance_end_running(instance, request, verdict)) {
        return;
    }
    if (request->instance == NULL) {
        answer_queued(pool, request, verdict);
    } else {
        // It ends at this very moment; what comes back finds nobody.
        instance_forget(instance, request);
        pool_touch(pool);
        pool_answer(pool, request, verdict);
    }
}

void pool_cancel(struct pool *pool, struct request *request, const char *reason) {
    struct verdict verdict = {.reason = reason, .message = "the caller waits no longer"};
    if (request->instance == NULL) {
        answer_queued(pool, request, &verdict);
    } else {
        answer_held(request, &verdict);
    }
}

void pool_abandon(struct pool *pool, const char *reason, const char *message) {
    pool_fail_waiting(pool, reason, message, 1);
    for (struct instance *at = pool->instances; at != NULL; at = at->next) {
        instance_end(at, reason);
        while (at->count > 0) {
            struct request *request = at->held[at->count - 1];
            struct verdict verdict = {.reason = reason, .message = message, .retry_after_s = 1};
            instance_forget(at, request);
            pool_answer(pool, request, &verdict);
        }
    }
    pool_fail_waiting(pool, reason, message, 1);
}

// ---- time limits

static struct verdict late(const struct request *request, char *message, size_t size) {
    int64_t given_us = request->deadline_us - request->enqueued_us;
    snprintf(message, size, "the caller's deadline passed after %lld ms",
             (long long)(given_us / 1000));
    return (struct verdict){.reason = "timeout", .message = message};
}

static void expire_queued(struct pool *pool) {
    char message[128];
    struct request *at = pool->first;
    while (at != NULL) {
        if (at->deadline_us <= pool->scheduler->now_us) {
            struct verdict verdict = late(at, message, sizeof message);
            answer_queued(pool, at, &verdict);
            at = pool->first; // anything may have changed
            continue;
        }
        if (at->deadline_us < pool->limits_us) {
            pool->limits_us = at->deadline_us;
        }
        at = at->next;
    }
}

// The first request of an instance whose own deadline has passed.
static struct request *late_held(const struct instance *instance, int64_t now_us) {
    for (unsigned i = 0; i < instance->count; i++) {
        if (instance->held[i]->deadline_us <= now_us) {
            return instance->held[i];
        }
    }
    return NULL;
}

// True when it has been in none of what it holds for too long, as far as these looks can tell.
static bool stands_still(struct instance *instance, bool running, int64_t *ret_limit_us) {
    int64_t now_us = instance->pool->scheduler->now_us;
    if (running || instance->count == 0) {
        instance->still_since_us = 0;
        return false;
    }
    if (instance->still_since_us == 0) {
        instance->still_since_us = now_us;
    }
    *ret_limit_us = instance->still_since_us + STILL_US;
    return *ret_limit_us <= now_us;
}

static void expire_held(struct pool *pool, struct instance *instance) {
    int64_t now_us = pool->scheduler->now_us;
    char message[128];
    struct request *request = late_held(instance, now_us);
    while (request != NULL) {
        struct verdict verdict = late(request, message, sizeof message);
        answer_held(request, &verdict);
        request = late_held(instance, now_us);
    }
    if (instance->state == INSTANCE_DYING) {
        return;
    }
    int64_t since_us = now_us;
    request = instance_running(instance, &since_us);
    int64_t limit_us = since_us + pool->settings.timeout_us;
    if (stands_still(instance, request != NULL, &limit_us)) {
        instance_end(instance, "stands_still");
        return;
    }
    if (request != NULL && limit_us <= now_us) {
        snprintf(message, sizeof message, "the function ran longer than its timeout of %lld ms",
                 (long long)(pool->settings.timeout_us / 1000));
        struct verdict verdict = {.reason = "timeout", .message = message};
        instance_end_running(instance, request, &verdict);
        limit_us = now_us + STUCK_US;
    }
    if (instance->count > 0 && limit_us < pool->limits_us) {
        pool->limits_us = limit_us;
    }
    for (unsigned i = 0; i < instance->count; i++) {
        if (instance->held[i]->deadline_us < pool->limits_us) {
            pool->limits_us = instance->held[i]->deadline_us;
        }
    }
}

static void expire(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    pool->limits_us = NEVER_US;
    expire_queued(pool);
    for (struct instance *at = pool->instances; at != NULL; at = at->next) {
        if (at->state == INSTANCE_STARTING) {
            int64_t limit_us = at->spawned_us + scheduler->limits.init_us;
            if (limit_us <= scheduler->now_us) {
                instance_end(at, "init_failed");
            } else if (limit_us < pool->limits_us) {
                pool->limits_us = limit_us;
            }
        } else if (at->state != INSTANCE_DYING) {
            expire_held(pool, at);
        }
    }
}

// ---- handing out

static bool is_fast(const struct pool *pool) {
    return pool->mean_us >= 0 && pool->mean_us < FAST_MEAN_US;
}

// How many requests an instance may hold now.
static unsigned depth_now(const struct pool *pool) {
    if (!is_fast(pool)) {
        return 1;
    }
    return pool->mean_us < VERY_FAST_MEAN_US ? OW_HOST_DEPTH_MAX : OW_HOST_DEPTH_MAX / 2;
}

// How many requests are worth a wake-up of another instance.
static unsigned handful(const struct pool *pool) {
    if (!is_fast(pool)) {
        return 1;
    }
    double worth = VERY_FAST_MEAN_US / (pool->mean_us + 1);
    return worth >= 4 ? 4 : worth < 1 ? 1 : (unsigned)worth;
}

void pool_on_call_time(struct pool *pool, int64_t took_us) {
    double took = (double)took_us;
    if (pool->mean_us < 0) {
        pool->mean_us = took;
        return;
    }
    // A call that lost its core for some milliseconds says nothing about the function; one that has
    // become slow still gets its mean up within a few calls.
    double most = OUTLIER_US + OUTLIER_FACTOR * pool->mean_us;
    pool->mean_us += ((took < most ? took : most) - pool->mean_us) * MEAN_WEIGHT;
}

static void look_earlier(struct pool *pool, int64_t at_us) {
    if (at_us < pool->check_us) {
        pool->check_us = at_us;
    }
}

enum which { AWAKE, IDLE, ANY };

static bool is_which(const struct instance *instance, enum which which) {
    return instance->state == INSTANCE_READY && !instance->stuck &&
           (which == ANY || (instance->count > 0) == (which == AWAKE));
}

// How many instances of a fast function this loop can keep busy: it needs FEED_US for each call, and more
// than the cores only take turns.
static unsigned can_be_fed(const struct pool *pool) {
    unsigned cores = pool->scheduler->limits.cores;
    unsigned fed = 1 + (unsigned)(pool->mean_us / FEED_US);
    return fed < cores ? fed : cores;
}

// How many more instances are worth waking. Those that are stuck in a call need none.
static unsigned worth_waking(const struct pool *pool) {
    unsigned awake = 0;
    if (!is_fast(pool)) {
        return pool->ready;
    }
    for (const struct instance *at = pool->instances; at != NULL; at = at->next) {
        awake += is_which(at, AWAKE);
    }
    unsigned fed = can_be_fed(pool);
    return awake < fed ? fed - awake : 0;
}

static void fill(struct pool *pool, enum which which, unsigned up_to) {
    struct instance *next = NULL;
    unsigned wakes = worth_waking(pool);
    for (struct instance *at = pool->instances; at != NULL && pool->first != NULL; at = next) {
        next = at->next;
        bool idle = at->count == 0;
        if (!is_which(at, which) || (idle && wakes == 0)) {
            continue;
        }
        wakes -= idle;
        while (at->count < up_to && pool->first != NULL) {
            struct request *request = pool->first;
            take_out(pool, request);
            enum given given = instance_give(at, request);
            if (given == GIVEN_NOT) {
                put_after(pool, request, NULL);
                look_earlier(pool, pool->scheduler->now_us + STUCK_US);
                break;
            }
        }
    }
}

static void dispatch(struct pool *pool) {
    if (pool->first == NULL || pool->ready == 0) {
        return;
    }
    fill(pool, AWAKE, handful(pool));
    fill(pool, IDLE, handful(pool));
    if (pool->first != NULL) {
        fill(pool, ANY, depth_now(pool));
    }
}

// ---- taking back

static bool hand_back(struct pool *pool) {
    if (pool->held <= pool->busy) {
        return false; // nobody has more than the one it is in
    }
    bool any = false;
    int64_t patience_us = pool->ready > pool->busy ? STUCK_US : STUCK_ALONE_US;
    for (struct instance *at = pool->instances; at != NULL; at = at->next) {
        int64_t since_us = pool->scheduler->now_us;
        if (at->count < 2 || at->state == INSTANCE_DYING) {
            continue;
        }
        instance_running(at, &since_us);
        if (since_us + patience_us <= pool->scheduler->now_us) {
            at->stuck = true;
            any = instance_take_back(at) > 0 || any;
        } else {
            look_earlier(pool, since_us + patience_us);
        }
    }
    return any;
}

// ---- growth

static unsigned quota_left(const struct pool *pool) {
    unsigned elder = pool->elder_instances != NULL ? *pool->elder_instances : 0;
    unsigned quota = pool->settings.quota;
    unsigned allowed = elder < quota ? quota - elder : 1;
    return pool->count < allowed ? allowed - pool->count : 0;
}

// True when one more instance of this pool fits the title and the process.
static bool has_room(struct pool *pool) {
    struct scheduler *scheduler = pool->scheduler;
    const struct scheduler_limits *limits = &scheduler->limits;
    const struct title_account *scarce = NULL;
    if (pool->account->reserved + pool->settings.memory_bytes > limits->title_memory) {
        scarce = pool->account;
    } else if (scheduler->instances < limits->instances) {
        return true;
    }
    scheduler_make_room(scheduler, scarce, pool);
    look_earlier(pool, scheduler->now_us + ROOM_RETRY_US);
    return false;
}

static bool start_one(struct pool *pool) {
    ow_err err = {0};
    int64_t now_us = pool->scheduler->now_us;
    ow_code code = instance_start(pool, &err);
    if (code == OW_OK) {
        int64_t limit_us = now_us + pool->scheduler->limits.init_us;
        pool->limits_us = limit_us < pool->limits_us ? limit_us : pool->limits_us;
        return true;
    }
    if (code == OW_UNAVAILABLE) {
        look_earlier(pool, now_us + SPAWN_RETRY_US);
    } else {
        pool_fail_waiting(pool, "init_failed", err.message, 0);
    }
    return false;
}

// When the queue deserves one more instance.
static int64_t growth_due_us(const struct pool *pool) {
    if (pool->ready == 0) {
        return pool->scheduler->now_us;
    }
    bool enough = is_fast(pool) && pool->ready >= pool->scheduler->limits.cores;
    return pool->first->enqueued_us + (enough ? FAST_WAIT_US : SLOW_WAIT_US);
}

static void start_some(struct pool *pool, unsigned at_once) {
    unsigned want = at_once < pool->waiting ? at_once : pool->waiting;
    unsigned left = quota_left(pool);
    while (pool->starting < want && left > 0 && has_room(pool) && start_one(pool)) {
        left--;
    }
    bool elders = pool->elder_instances != NULL && *pool->elder_instances > 0;
    if (left == 0 && elders) {
        look_earlier(pool, pool->scheduler->now_us + ROOM_RETRY_US);
    }
}

static void grow(struct pool *pool) {
    unsigned at_once = pool->ready > 0 && !is_fast(pool) ? pool->ready : 1;
    if (pool->first == NULL || !pool->startable || pool->starting >= at_once) {
        return;
    }
    if (pool->ready > pool->busy) {
        return; // the idle one gets it
    }
    int64_t due_us = growth_due_us(pool);
    due_us = pool->backoff.until_us > due_us ? pool->backoff.until_us : due_us;
    if (due_us > pool->scheduler->now_us) {
        look_earlier(pool, due_us);
    } else {
        start_some(pool, at_once);
    }
}

// ---- deaths

static int backoff_left_s(const struct pool *pool) {
    int64_t left_us = pool->backoff.until_us - pool->scheduler->now_us;
    return left_us > 0 ? (int)((left_us + 999999) / 1000000) : 0;
}

static void fail_waited(struct pool *pool, const struct instance *instance,
                        const ow_host_exit *exit, const char *message) {
    while (pool->first != NULL && pool->first->id <= instance->last_arrival) {
        struct verdict verdict = {.reason = "init_failed",
                                  .message = message,
                                  .exit = exit,
                                  .peak_bytes = exit->peak_bytes};
        answer_queued(pool, pool->first, &verdict);
    }
}

static void note_death(struct pool *pool, const char *reason, const char *message, bool at_init) {
    struct pool_backoff *backoff = &pool->backoff;
    backoff->deaths++;
    backoff->at_init = at_init;
    snprintf(backoff->reason, sizeof backoff->reason, "%s", reason);
    snprintf(backoff->message, sizeof backoff->message, "%s", message);
    if (backoff->deaths >= QUICK_DEATHS) {
        int doublings = backoff->deaths - QUICK_DEATHS;
        doublings = doublings > BACKOFF_DOUBLINGS ? BACKOFF_DOUBLINGS : doublings;
        backoff->until_us = pool->scheduler->now_us + ((int64_t)FIRST_BACKOFF_US << doublings);
    }
}

static void death_message(const struct pool *pool, const struct instance *instance,
                          const ow_host_exit *exit, char *message, size_t size) {
    if (instance->killed_for == NULL) {
        snprintf(message, size, "%s", exit->message);
    } else if (strcmp(instance->killed_for, "init_memory") == 0) {
        snprintf(message, size, "loading and ow_init took more memory than its limit of %llu MB",
                 (unsigned long long)(pool->settings.memory_bytes >> 20));
    } else {
        snprintf(message, size, "loading and ow_init took longer than %lld ms",
                 (long long)(pool->scheduler->limits.init_us / 1000));
    }
}

void pool_on_death(struct pool *pool, const struct instance *instance, const ow_host_exit *exit) {
    if (!instance_died(instance, exit)) {
        return;
    }
    bool at_init = !instance->loaded;
    char message[256];
    death_message(pool, instance, exit, message, sizeof message);
    if (instance->completed == 0) {
        note_death(pool, at_init ? "init_failed" : exit->reason, message, at_init);
    }
    if (at_init && pool->ready == 0) {
        fail_waited(pool, instance, exit, message);
    }
}

static void fail_in_backoff(struct pool *pool) {
    struct pool_backoff *backoff = &pool->backoff;
    if (pool->first == NULL || !backoff->at_init || pool->ready > 0 || pool->starting > 0) {
        return;
    }
    int left_s = backoff_left_s(pool);
    if (left_s > 0) {
        char message[320];
        snprintf(message, sizeof message, "%s (%d starts failed in a row; next try in %d s)",
                 backoff->message, backoff->deaths, left_s);
        pool_fail_waiting(pool, "init_failed", message, left_s);
    }
}

// ---- the turn

void pool_run(struct pool *pool) {
    int64_t now_us = pool->scheduler->now_us;
    pool->check_us = NEVER_US;
    if (now_us >= pool->limits_us) {
        expire(pool);
    }
    fail_in_backoff(pool);
    dispatch(pool);
    if (hand_back(pool)) {
        dispatch(pool);
    }
    grow(pool);
    look_earlier(pool, pool->limits_us);
}

static uint64_t look_at_memory(const struct pool *pool, struct instance *instance) {
    instance->resident_bytes = pool->scheduler->port->resident(instance->handle);
    instance->looked_us = pool->scheduler->clock_us;
    instance->looked_round = pool->scheduler->round;
    pool->scheduler->looks_left--;
    return instance->resident_bytes;
}

// An idle one once: what does nothing takes no more.
static bool wants_look(const struct instance *instance) {
    return instance->state != INSTANCE_DYING &&
           (!instance_idle(instance) || instance->looked_us <= instance->idle_since_us);
}

// Of many that want one each has its turn.
static bool is_its_turn(const struct scheduler *scheduler, const struct instance *instance) {
    return scheduler->looks_left > 0 &&
           scheduler->round - instance->looked_round > scheduler->pause;
}

static void check_memory(struct pool *pool, struct instance *instance) {
    uint64_t limit = pool->settings.memory_bytes + pool->settings.shared_bytes + RESIDENT_BASE;
    uint64_t resident = look_at_memory(pool, instance);
    if (resident <= limit) {
        return;
    }
    struct request *request = instance_running(instance, NULL);
    if (request == NULL) {
        instance_end(instance, instance->loaded ? "memory" : "init_memory");
        return;
    }
    char message[128];
    snprintf(message, sizeof message, "the instance held %llu MB, its limit is %llu MB",
             (unsigned long long)(resident >> 20),
             (unsigned long long)(pool->settings.memory_bytes >> 20));
    struct verdict verdict = {.reason = "memory", .message = message, .peak_bytes = resident};
    instance_end_running(instance, request, &verdict);
}

static void watch_memory(struct pool *pool, struct instance *instance) {
    if (!wants_look(instance)) {
        return;
    }
    pool->scheduler->looks_wanted++;
    if (!is_its_turn(pool->scheduler, instance)) {
        return;
    }
    if (instance_idle(instance)) {
        (void)look_at_memory(pool, instance);
    } else {
        check_memory(pool, instance);
    }
}

void pool_maintain(struct pool *pool) {
    const struct scheduler_limits *limits = &pool->scheduler->limits;
    unsigned keep = pool->retired ? 0 : limits->min_instances;
    for (struct instance *at = pool->instances; at != NULL; at = at->next) {
        bool idle = instance_idle(at);
        if (idle && pool->ready > keep &&
            (pool->retired || pool->scheduler->clock_us - at->idle_since_us >= limits->idle_us)) {
            instance_end(at, "idle");
        } else {
            watch_memory(pool, at);
        }
    }
}

void pool_retire(struct pool *pool) {
    pool->retired = true;
    if (pool->first != NULL) {
        return; // pool_maintain ends them as they get idle
    }
    for (struct instance *at = pool->instances; at != NULL; at = at->next) {
        instance_retire(at);
    }
}

void pool_set_startable(struct pool *pool, bool startable) {
    pool->startable = startable;
    if (startable) {
        pool_touch(pool);
    }
}
