#include "services/timers/timers.h"

#include "services/timers/internal.h"
#include "services/timers/migrations/migrations.h"

#include "core/hosting/hosting.h"
#include "core/rpc/directory.h"
#include "overworld/events/v1/events.pb-c.h"

#include <stddef.h>
#include <stdlib.h>

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(timers_config, readers),
     .default_value = "2",
     .min = 1,
     .max = 8,
     .doc = "Threads that answer questions from the store."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(timers_config, max_waiting_writes),
     .default_value = "4096",
     .min = 1,
     .max = 65536,
     .doc = "Changes that may wait to be written; more are refused."},
    {.name = "missed_after",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(timers_config, missed_after_us),
     .default_value = "1m",
     .min = 1000000,
     .max = (int64_t)24 * 3600 * 1000000,
     .doc = "A slot that could not be fired for so long was missed: its timer's catch_up decides."},
    {.name = "history",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(timers_config, history_us),
     .default_value = "3d",
     .min = (int64_t)60 * 1000000,
     .max = (int64_t)3650 * 24 * 3600 * 1000000,
     .doc = "How long it is kept what became of a slot."},
    {.name = "max_history",
     .type = OW_CONFIG_INT,
     .offset = offsetof(timers_config, history_max),
     .default_value = "1000000",
     .min = 100,
     .max = 1000000000,
     .doc =
         "Of how many slots it is kept; beyond that the titles that have most forget their oldest, those of the last hour never."},
    {0},
};

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for timers");
}

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    timers *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return no_memory(err);
    }
    t->env = env;
    t->config = *(const timers_config *)config;
    t->zones = ow_zones_new(OW_ZONE_FOLDER);
    if (t->zones == NULL) {
        free(t);
        return no_memory(err);
    }
    ow_directory_expect_here(env->directory, &overworld__timers__v1__timers__descriptor);
    *ret_self = t;
    return OW_OK;
}

static ow_code open_store(timers *t, ow_err *err) {
    ow_db_options options = {
        .name = "timers",
        .migrations = timers_migrations,
        .readers = (int)t->config.readers,
        .max_waiting_writes = (int)t->config.max_waiting_writes,
    };
    return ow_hosting_open_store(t->env, &options, &t->db, err);
}

static ow_code open_bus(timers *t, ow_err *err) {
    ow_bus_options options = {
        .name = "timers",
        .loop = t->env->loop,
        .db = t->db,
        .metrics = t->env->metrics,
        .taker = ow_directory_get(t->env->directory, &overworld__events__v1__events__descriptor),
    };
    t->bus = ow_bus_new(&options);
    return t->bus != NULL ? OW_OK : no_memory(err);
}

static ow_code offer_service(timers *t, ow_err *err) {
    ow_backup_options backup = {
        .loop = t->env->loop, .data_folder = t->env->data_folder, .store = "timers"};
    t->backup = ow_backup_new(&backup);
    if (t->backup == NULL) {
        return no_memory(err);
    }
    ow_service_options options = {
        .descriptor = &overworld__timers__v1__timers__descriptor,
        .methods = timers_methods,
        .self = t,
        .db = t->db,
    };
    return ow_hosting_offer(t->env, &options, &t->service, err);
}

static ow_code start_firing(timers *t, ow_err *err) {
    firing_options firing = {
        .loop = t->env->loop,
        .db = t->db,
        .clock = t->env->clock,
        .queue = t->queue,
        .zones = t->zones,
        .bus = t->bus,
        .metrics = t->env->metrics,
        .missed_after_us = t->config.missed_after_us,
        .history_us = t->config.history_us,
        .history_max = t->config.history_max,
    };
    t->firing = firing_new(&firing);
    return t->firing != NULL ? OW_OK : no_memory(err);
}

static ow_code start(void *self, ow_err *err) {
    timers *t = self;
    t->queue = ow_directory_get(t->env->directory, &overworld__events__v1__queue__descriptor);
    t->registry =
        ow_directory_get(t->env->directory, &overworld__registry__v1__registry__descriptor);
    if (t->queue == NULL || t->registry == NULL) {
        return no_memory(err);
    }
    ow_code code = open_store(t, err);
    code = code == OW_OK ? open_bus(t, err) : code;
    code = code == OW_OK ? start_firing(t, err) : code;
    return code == OW_OK ? offer_service(t, err) : code;
}

static bool ready(void *self, const char **why_not) {
    (void)self;
    (void)why_not;
    return true;
}

static void drain(void *self) {
    timers *t = self;
    t->stopping = true;
    firing_drain(t->firing);
}

static bool drained(void *self) {
    const timers *t = self;
    return firing_drained(t->firing) && ow_service_running(t->service) == 0;
}

static void stop(void *self) {
    timers *t = self;
    t->stopping = true;
    if (t->firing != NULL) {
        firing_stop(t->firing);
    }
    if (t->bus != NULL) {
        ow_bus_stop(t->bus);
    }
    if (t->service != NULL) {
        ow_directory_withdraw(t->env->directory, t->service);
    }
    t->db = ow_db_close(t->db);
    t->bus = ow_bus_free(t->bus);
}

static void free_self(void *self) {
    timers *t = self;
    if (t == NULL) {
        return;
    }
    firing_free(t->firing);
    ow_service_free(t->service);
    ow_backup_free(t->backup);
    ow_zones_free(t->zones);
    free(t);
}

const ow_module ow_timers_module = {
    .name = "timers",
    .doc = "schedules of functions",
    .config = config_keys,
    .config_size = sizeof(timers_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
