#include "services/data/data.h"

#include "services/data/internal.h"
#include "services/data/migrations/migrations.h"

#include "core/hosting/hosting.h"
#include "core/rpc/directory.h"
#include "overworld/identity/v1/identity.pb-c.h"

#include <stddef.h>
#include <stdlib.h>

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(data_config, readers),
     .default_value = "2",
     .min = 1,
     .max = OW_DB_READERS_MAX,
     .doc = "Threads that read the store of keys and values."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(data_config, max_waiting_writes),
     .default_value = "4096",
     .min = 1,
     .max = 65536,
     .doc = "Changes that may wait to be written; more are answered with 503."},
    {.name = "title_keys",
     .type = OW_CONFIG_INT,
     .offset = offsetof(data_config, title_keys),
     .default_value = "10000000",
     .min = 1,
     .max = INT64_C(1000000000000),
     .doc = "Keys that a title may have, in all its scopes."},
    {.name = "title_bytes",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(data_config, title_bytes),
     .default_value = "10GB",
     .min = 1,
     .max = (int64_t)1 << 50,
     .doc = "Bytes of keys and values that a title may have."},
    {.name = "shared_keys",
     .type = OW_CONFIG_INT,
     .offset = offsetof(data_config, shared_keys),
     .default_value = "1000000",
     .min = 1,
     .max = INT64_C(1000000000000),
     .doc = "Keys in the scope of a virtual server, and in that of a title."},
    {.name = "shared_bytes",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(data_config, shared_bytes),
     .default_value = "1GB",
     .min = 1,
     .max = (int64_t)1 << 50,
     .doc = "Bytes of keys and values in each of them."},
    {.name = "player_keys",
     .type = OW_CONFIG_INT,
     .offset = offsetof(data_config, player_keys),
     .default_value = "1000",
     .min = 1,
     .max = INT64_C(1000000000),
     .doc = "Keys in the scope of a player."},
    {.name = "player_bytes",
     .type = OW_CONFIG_SIZE,
     .offset = offsetof(data_config, player_bytes),
     .default_value = "4MB",
     .min = 1,
     .max = (int64_t)1 << 40,
     .doc = "Bytes of keys and values in the scope of a player."},
    {0},
};

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    data *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for data");
    }
    d->env = env;
    d->config = *(const data_config *)config;
    d->quotas = (kv_quotas){
        .title = {d->config.title_keys, d->config.title_bytes},
        .shared = {d->config.shared_keys, d->config.shared_bytes},
        .player = {d->config.player_keys, d->config.player_bytes},
    };
    d->known = known_players_new();
    if (d->known == NULL) {
        free(d);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for data");
    }
    ow_directory_expect_here(env->directory, &overworld__data__v1__data__descriptor);
    *ret_self = d;
    return OW_OK;
}

static ow_code open_store(data *d, ow_err *err) {
    ow_db_options options = {
        .name = "data",
        .migrations = data_migrations,
        .readers = (int)d->config.readers,
        .max_waiting_writes = (int)d->config.max_waiting_writes,
    };
    return ow_hosting_open_store(d->env, &options, &d->db, err);
}

static ow_code offer_service(data *d, ow_err *err) {
    ow_backup_options backup = {
        .loop = d->env->loop, .data_folder = d->env->data_folder, .store = "data"};
    d->backup = ow_backup_new(&backup);
    if (d->backup == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for backups");
    }
    ow_service_options options = {
        .descriptor = &overworld__data__v1__data__descriptor,
        .methods = data_methods,
        .self = d,
        .db = d->db,
    };
    return ow_hosting_offer(d->env, &options, &d->service, err);
}

static ow_code start(void *self, ow_err *err) {
    data *d = self;
    d->identity =
        ow_directory_get(d->env->directory, &overworld__identity__v1__identity__descriptor);
    ow_code code = d->identity != NULL
                       ? open_store(d, err)
                       : ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for data");
    code = code == OW_OK ? offer_service(d, err) : code;
    if (code != OW_OK) {
        return code;
    }
    d->sweeper =
        (sweeper){.loop = d->env->loop,
                  .clock = d->env->clock,
                  .db = d->db,
                  .swept = ow_metrics_counter(d->env->metrics, "overworld_data_swept_keys_total",
                                              "Keys deleted after they expired", NULL)};
    return kv_sweeper_start(&d->sweeper)
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for data");
}

static bool drained(void *self) {
    const data *d = self;
    return ow_service_running(d->service) == 0;
}

static void stop(void *self) {
    data *d = self;
    kv_sweeper_stop(&d->sweeper);
    if (d->service != NULL) {
        ow_directory_withdraw(d->env->directory, d->service);
    }
    d->db = ow_db_close(d->db);
}

static void free_self(void *self) {
    data *d = self;
    if (d == NULL) {
        return;
    }
    kv_sweeper_free(&d->sweeper);
    ow_service_free(d->service);
    ow_backup_free(d->backup);
    known_players_free(d->known);
    free(d);
}

const ow_module ow_data_module = {
    .name = "data",
    .doc = "keys and values of functions",
    .config = config_keys,
    .config_size = sizeof(data_config),
    .init = init,
    .start = start,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
