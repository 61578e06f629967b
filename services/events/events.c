#include "services/events/events.h"

#include "services/events/events_rpc.h"
#include "services/events/hands_messages.h"
#include "services/events/internal.h"
#include "services/events/migrations/migrations.h"

#include "core/hosting/hosting.h"
#include "core/rpc/directory.h"
#include "overworld/identity/v1/identity.pb-c.h"

#include <stddef.h>
#include <stdlib.h>

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(events_config, readers),
     .default_value = "2",
     .min = 1,
     .max = 8,
     .doc = "Threads that read the store of executions."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(events_config, max_waiting_writes),
     .default_value = "4096",
     .min = 1,
     .max = 65536,
     .doc = "Writes that may wait; more are refused."},
    {.name = "max_running",
     .type = OW_CONFIG_INT,
     .offset = offsetof(events_config, max_running),
     .default_value = "256",
     .min = 1,
     .max = 4096,
     .doc = "Executions that this process has running at a time."},
    {.name = "max_waiting",
     .type = OW_CONFIG_INT,
     .offset = offsetof(events_config, max_waiting),
     .default_value = "1000000",
     .min = 1,
     .max = 100000000,
     .doc =
         "Executions that may wait; more are refused. While several titles wait each has at most "
         "half of them, so that none fills the queue for all; what a title had beyond that stays, so that up to "
         "one and a half times as many may wait. They are counted every 5 s, more rarely when that takes long."},
    {.name = "concurrency",
     .type = OW_CONFIG_INT,
     .offset = offsetof(events_config, concurrency),
     .default_value = "192",
     .min = 1,
     .max = 4096,
     .doc =
         "How many of one function or subscription run at a time, unless it says so itself: less "
         "than max_running, so that a slow one leaves room for the others."},
    {.name = "max_run",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(events_config, max_run_us),
     .default_value = "930s",
     .min = 1000000,
     .max = (int64_t)3600 * 1000000,
     .doc = "How long an execution may take, waiting for an instance and its start included: more "
            "than the longest timeout of a function."},
    {.name = "keep",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(events_config, keep_us),
     .default_value = "24h",
     .min = 60 * 1000000,
     .max = (int64_t)3650 * 24 * 3600 * 1000000,
     .doc = "How long executions that went well or were discarded are kept."},
    {.name = "keep_dead",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(events_config, keep_dead_us),
     .default_value = "14d",
     .min = 60 * 1000000,
     .max = (int64_t)3650 * 24 * 3600 * 1000000,
     .doc = "How long those are kept that were given up."},
    {.name = "max_size",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(events_config, max_bytes),
     .default_value = "1GB",
     .min = 1 << 20,
     .max = (int64_t)1 << 44,
     .doc = "How much of ended executions is kept; those that may go first are deleted."},
    {.name = "keep_events",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(events_config, keep_events_us),
     .default_value = "7d",
     .min = (int64_t)3600 * 1000000,
     .max = (int64_t)3650 * 24 * 3600 * 1000000,
     .doc = "How long events are kept: as long one that comes again is known."},
    {.name = "max_events_size",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(events_config, max_event_bytes),
     .default_value = "512MB",
     .min = 1 << 20,
     .max = (int64_t)1 << 44,
     .doc = "How much of events is kept; the oldest are deleted first."},
    {0},
};

static void register_metrics(events *e) {
    ow_metrics *m = e->env->metrics;
    e->accepted = ow_metrics_counter(m, "overworld_events_accepted_total",
                                     "Executions accepted into the queue", NULL);
    e->duplicates = ow_metrics_counter(m, "overworld_events_duplicates_total",
                                       "Executions that were there already", NULL);
}

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    events *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
    }
    e->env = env;
    e->config = *(const events_config *)config;
    register_metrics(e);
    ow_directory_expect_here(env->directory, &overworld__events__v1__queue__descriptor);
    ow_directory_expect_here(env->directory, &overworld__events__v1__hands__descriptor);
    ow_directory_expect_here(env->directory, &overworld__events__v1__events__descriptor);
    *ret_self = e;
    return OW_OK;
}

static ow_code open_store(events *e, ow_err *err) {
    ow_db_options options = {
        .name = "events",
        .migrations = events_migrations,
        .readers = (int)e->config.readers,
        .max_waiting_writes = (int)e->config.max_waiting_writes,
    };
    return ow_hosting_open_store(e->env, &options, &e->db, err);
}

static void make_id(void *self, int64_t now_us, char id[static OW_ID_MAX]) {
    events_make_id(self, now_us, id);
}

static void on_announced(void *self) {
    events *e = self;
    spreader_kick(e->spreader, &(spread){.more = true});
}

static bool has_room(void *self, const char *title_id) {
    const events *e = self;
    return e->upkeep == NULL || shares_admit(upkeep_shares(e->upkeep), title_id, 1,
                                             e->config.max_waiting) == SHARE_ADMITS;
}

static ow_code start_worker(events *e, ow_err *err) {
    worker_options options = {
        .loop = e->env->loop,
        .db = e->db,
        .clock = e->env->clock,
        .metrics = e->env->metrics,
        .runner = ow_directory_get(e->env->directory, &overworld__runner__v1__runner__descriptor),
        .events = ow_directory_get(e->env->directory, &overworld__events__v1__events__descriptor),
        .max_running = (int)e->config.max_running,
        .run_us = e->config.max_run_us,
        .keep_us = e->config.keep_us,
        .keep_dead_us = e->config.keep_dead_us,
        .limits = {.concurrency = e->config.concurrency},
        .make_id = make_id,
        .make_id_self = e,
        .on_announced = on_announced,
        .has_room = has_room,
        .self = e,
        .alone = true, // the store is locked for this process
    };
    upkeep_options upkeep = {
        .loop = e->env->loop,
        .db = e->db,
        .clock = e->env->clock,
        .metrics = e->env->metrics,
        .max_bytes = e->config.max_bytes,
    };
    e->worker = options.runner != NULL ? worker_new(&options) : NULL;
    e->upkeep = upkeep_new(&upkeep);
    return e->worker != NULL && e->upkeep != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
}

static void reserve_ids(void *self, int64_t now_us, char base_id[static OW_ID_MAX]) {
    events_reserve_ids(self, now_us, base_id);
}

static void on_executions(void *self, const queue_shares *made) {
    events *e = self;
    for (int i = 0; i < made->count; i++) {
        upkeep_accepted(e->upkeep, made->titles[i].title_id, made->titles[i].waiting);
    }
    worker_kick(e->worker, ow_clock_wall_us(e->env->clock));
}

void events_note_spread(events *e, const char *title_id, const spread *done, int64_t now_us) {
    if (done->executions > 0) {
        upkeep_accepted(e->upkeep, title_id, done->executions);
        worker_kick(e->worker, now_us);
    }
    spreader_kick(e->spreader, done);
}

static ow_code start_spreader(events *e, ow_err *err) {
    e->rules = rules_cache_new();
    spreader_options options = {
        .loop = e->env->loop,
        .db = e->db,
        .clock = e->env->clock,
        .metrics = e->env->metrics,
        .cache = e->rules,
        .limits = {.concurrency = e->config.concurrency},
        .keep_us = e->config.keep_events_us,
        .max_bytes = e->config.max_event_bytes,
        .reserve_ids = reserve_ids,
        .on_executions = on_executions,
        .self = e,
    };
    e->spreader = e->rules != NULL ? spreader_new(&options) : NULL;
    return e->spreader != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for events");
}

static ow_code offer_events(events *e, ow_err *err) {
    ow_service_options options = {
        .descriptor = &overworld__events__v1__events__descriptor,
        .methods = events_methods,
        .self = e,
        .db = e->db,
    };
    return ow_hosting_offer(e->env, &options, &e->service, err);
}

static ow_code offer_hands(events *e, ow_err *err) {
    e->runner = ow_directory_get(e->env->directory, &overworld__runner__v1__runner__descriptor);
    e->identity =
        ow_directory_get(e->env->directory, &overworld__identity__v1__identity__descriptor);
    ow_service_options options = {
        .descriptor = &overworld__events__v1__hands__descriptor,
        .methods = hands_methods,
        .self = e,
        .db = e->db,
    };
    return ow_hosting_offer(e->env, &options, &e->hands, err);
}

static ow_code offer_queue(events *e, ow_err *err) {
    ow_backup_options backup = {
        .loop = e->env->loop, .data_folder = e->env->data_folder, .store = "events"};
    e->backup = ow_backup_new(&backup);
    if (e->backup == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for backups");
    }
    ow_service_options options = {
        .descriptor = &overworld__events__v1__queue__descriptor,
        .methods = queue_methods,
        .self = e,
        .db = e->db,
    };
    return ow_hosting_offer(e->env, &options, &e->queue, err);
}

static ow_code start(void *self, ow_err *err) {
    events *e = self;
    e->registry =
        ow_directory_get(e->env->directory, &overworld__registry__v1__registry__descriptor);
    ow_code code = open_store(e, err);
    code = code == OW_OK ? start_worker(e, err) : code;
    code = code == OW_OK ? start_spreader(e, err) : code;
    code = code == OW_OK ? offer_queue(e, err) : code;
    code = code == OW_OK ? offer_hands(e, err) : code;
    return code == OW_OK ? offer_events(e, err) : code;
}

static bool ready(void *self, const char **why_not) {
    (void)self;
    (void)why_not;
    return true;
}

static void drain(void *self) {
    events *e = self;
    worker_drain(e->worker);
}

static bool drained(void *self) {
    const events *e = self;
    return worker_drain(e->worker) && ow_service_running(e->queue) == 0 &&
           ow_service_running(e->service) == 0 && ow_service_running(e->hands) == 0;
}

static void stop(void *self) {
    events *e = self;
    if (e->queue != NULL) {
        ow_directory_withdraw(e->env->directory, e->queue);
    }
    if (e->service != NULL) {
        ow_directory_withdraw(e->env->directory, e->service);
    }
    if (e->hands != NULL) {
        ow_directory_withdraw(e->env->directory, e->hands);
    }
    if (e->spreader != NULL) {
        spreader_stop(e->spreader);
    }
    if (e->worker != NULL) {
        worker_stop(e->worker);
    }
    if (e->upkeep != NULL) {
        upkeep_stop(e->upkeep);
    }
    e->db = ow_db_close(e->db);
    e->worker = worker_free(e->worker);
    e->upkeep = upkeep_free(e->upkeep);
    e->spreader = spreader_free(e->spreader);
    e->rules = rules_cache_free(e->rules);
}

static void free_self(void *self) {
    events *e = self;
    if (e == NULL) {
        return;
    }
    ow_service_free(e->queue);
    ow_service_free(e->service);
    ow_service_free(e->hands);
    ow_backup_free(e->backup);
    free(e);
}

// Runs end before the runner does.
static const char *const needs[] = {"runner", NULL};

const ow_module ow_events_module = {
    .name = "events",
    .doc = "the durable queue of executions",
    .needs_to_start = needs,
    .config = config_keys,
    .config_size = sizeof(events_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
