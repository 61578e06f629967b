#include "services/registry/registry.h"

#include "services/registry/internal.h"
#include "services/registry/migrations/migrations.h"

#include "core/hosting/hosting.h"
#include "core/log/log.h"
#include "core/rpc/directory.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ARENA_MAX = 64 * 1024 };

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(registry_config, readers),
     .default_value = "2",
     .min = 1,
     .max = 8,
     .doc = "Threads that read the registry's store."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(registry_config, max_waiting_writes),
     .default_value = "1024",
     .min = 1,
     .max = 65536,
     .doc = "Changes that may wait to be written; more are answered with 503."},
    {0},
};

// ---- The first title ----

static ow_code make_first_title(ow_db_conn *conn, void *self, ow_err *err) {
    registry *r = self;
    ow_arena *arena = ow_arena_new(FIRST_ARENA_MAX);
    if (arena == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the first title");
    }
    const change *c = &r->first_change;
    tx t = {.db = conn,
            .arena = arena,
            .err = err,
            .now_us = c->now_us,
            .title = "",
            .principal = "",
            .request_id = "",
            .address = "",
            .fresh_id = c->fresh_id};
    ow_code code = store_title_default(&t);
    ow_arena_free(arena);
    return code;
}

static void first_title_made(void *self, ow_code code, const ow_err *err) {
    registry *r = self;
    if (code != OW_OK) {
        if (!r->stopping) {
            r->env->on_fatal(r->env->on_fatal_self, err);
        }
        return;
    }
    r->title_made = true;
    routes_kick(r->routes);
}

// ---- Module ----

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    registry *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the registry");
    }
    r->env = env;
    r->config = *(const registry_config *)config;
    r->deploys = ow_metrics_counter(env->metrics, "overworld_registry_deploys_total",
                                    "Deploys that reached the build", NULL);
    r->failed_builds = ow_metrics_counter(env->metrics, "overworld_registry_failed_builds_total",
                                          "Deploys whose code did not compile", NULL);
    r->reused_builds = ow_metrics_counter(env->metrics, "overworld_registry_reused_builds_total",
                                          "Deploys that used an earlier build", NULL);
    ow_directory_expect_here(env->directory, &overworld__registry__v1__registry__descriptor);
    *ret_self = r;
    return OW_OK;
}

static ow_code open_store(registry *r, ow_err *err) {
    ow_db_options options = {
        .name = "registry",
        .migrations = registry_migrations,
        .readers = (int)r->config.readers,
        .max_waiting_writes = (int)r->config.max_waiting_writes,
    };
    return ow_hosting_open_store(r->env, &options, &r->db, err);
}

// What is saved besides the store.
static const char *const saved[] = {"blobs", NULL};

static ow_code offer_service(registry *r, ow_err *err) {
    ow_backup_options backup = {.loop = r->env->loop,
                                .data_folder = r->env->data_folder,
                                .store = "registry",
                                .others = saved};
    r->backup = ow_backup_new(&backup);
    if (r->backup == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for backups");
    }
    ow_service_options options = {
        .descriptor = &overworld__registry__v1__registry__descriptor,
        .methods = registry_methods,
        .self = r,
        .db = r->db,
    };
    return ow_hosting_offer(r->env, &options, &r->service, err);
}

static ow_code start(void *self, ow_err *err) {
    registry *r = self;
    ow_code code = blobs_init(&r->blobs, r->env->data_folder, err);
    if (code == OW_OK) {
        code = open_store(r, err);
    }
    // After the store: its lock keeps a second process from making another key.
    if (code == OW_OK) {
        code = secrets_open(r, err);
    }
    if (code != OW_OK) {
        return code;
    }
    r->runner = ow_directory_get(r->env->directory, &overworld__runner__v1__runner__descriptor);
    r->uploads = uploads_new(r->env->loop, r->env->pool, r->env->clock, &r->blobs);
    r->routes = routes_new(r->env->loop, r->db);
    applier_options applying = {.loop = r->env->loop, .db = r->db, .directory = r->env->directory};
    r->applier = applier_new(&applying);
    r->sweep = sweep_new(r->env->loop, r->db, r->env->pool, r->env->clock, &r->blobs);
    if (r->sweep == NULL || r->uploads == NULL || r->routes == NULL || r->runner == NULL ||
        r->applier == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the registry");
    }
    code = offer_service(r, err);
    if (code == OW_OK) {
        change_begin(&r->first_change, r);
        r->first_job = (ow_db_job){.run = make_first_title, .done = first_title_made, .self = r};
        ow_db_write(r->db, &r->first_job);
    }
    return code;
}

static bool ready(void *self, const char **why_not) {
    const registry *r = self;
    if (!r->title_made || !routes_loaded(r->routes)) {
        *why_not = "the routing table is being read";
        return false;
    }
    return true;
}

static void drain(void *self) {
    registry *r = self;
    r->stopping = true;
    routes_stop(r->routes);
    applier_stop(r->applier);
    sweep_stop(r->sweep);
}

static bool drained(void *self) {
    const registry *r = self;
    return !routes_busy(r->routes) && !applier_busy(r->applier) && !uploads_busy(r->uploads) &&
           !sweep_busy(r->sweep) && ow_service_running(r->service) == 0;
}

static void stop(void *self) {
    registry *r = self;
    r->stopping = true;
    if (r->routes != NULL) {
        routes_stop(r->routes);
    }
    if (r->applier != NULL) {
        applier_stop(r->applier);
    }
    if (r->sweep != NULL) {
        sweep_stop(r->sweep);
    }
    if (r->service != NULL) {
        ow_directory_withdraw(r->env->directory, r->service);
    }
    r->db = ow_db_close(r->db);
}

static void free_self(void *self) {
    registry *r = self;
    if (r == NULL) {
        return;
    }
    ow_service_free(r->service);
    ow_backup_free(r->backup);
    routes_free(r->routes);
    applier_free(r->applier);
    uploads_free(r->uploads);
    sweep_free(r->sweep);
    blobs_deinit(&r->blobs);
    explicit_bzero(r->secrets_key, sizeof r->secrets_key);
    free(r);
}

const ow_module ow_registry_module = {
    .name = "registry",
    .doc = "titles, virtual servers, code, versions, the routing table",
    .config = config_keys,
    .config_size = sizeof(registry_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
