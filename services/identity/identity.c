#include "services/identity/identity.h"

#include "services/identity/internal.h"
#include "services/identity/migrations/migrations.h"
#include "services/identity/sessions_store.h"

#include "overworld/data/v1/data.pb-c.h"

#include "core/hosting/hosting.h"
#include "core/rpc/directory.h"
#include "overworld/events/v1/events.pb-c.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOAD_ARENA_MAX = 4 << 20 };

static const ow_config_key config_keys[] = {
    {.name = "readers",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, readers),
     .default_value = "2",
     .min = 1,
     .max = OW_DB_READERS_MAX,
     .doc = "Threads that read identity's store."},
    {.name = "max_waiting_writes",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, max_waiting_writes),
     .default_value = "4096",
     .min = 1,
     .max = 65536,
     .doc = "Logins and changes that may wait to be written; more are answered with 503."},
    {.name = "refresh_life",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(identity_config, refresh_life),
     .default_value = "30d",
     .min = INT64_C(3600) * SECOND_US,
     .max = INT64_C(366) * 24 * 3600 * SECOND_US,
     .doc = "How long a player's session lasts when it is not refreshed."},
    {.name = "refresh_grace",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(identity_config, refresh_grace),
     .default_value = "10s",
     .min = 0,
     .max = 60 * SECOND_US,
     .doc = "How long a refresh token that was just used may be shown again, by a client that did "
            "not hear the answer. Later it ends the session."},
    {.name = "max_sessions",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, max_sessions),
     .default_value = "16",
     .min = 1,
     .max = SESSIONS_OF_PLAYER_MAX,
     .doc = "Sessions of one player at a time; a login beyond that drops the oldest."},
    {.name = "providers",
     .type = OW_CONFIG_STRING,
     .offset = offsetof(identity_config, providers),
     .default_value = "",
     .doc = "JSON file with the OpenID Connect providers whose id tokens players may log in with."},
    {.name = "max_players",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, max_players),
     .default_value = "0",
     .min = 0,
     .max = 10000000,
     .doc =
         "Sessions that have an access token at a time; more players wait in a queue. 0: no limit."},
    {.name = "max_waiting_players",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, max_waiting_players),
     .default_value = "10000",
     .min = 1,
     .max = 1000000,
     .doc = "Players that may wait in that queue; more are answered with 429."},
    {.name = "password_min",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, password_min),
     .default_value = "8",
     .min = 8,
     .max = 64,
     .doc = "Characters that a new password of a player has at least."},
    {.name = "operator_session",
     .type = OW_CONFIG_DURATION,
     .offset = offsetof(identity_config, operator_session),
     .default_value = "12h",
     .min = 60 * SECOND_US,
     .max = INT64_C(90) * 24 * 3600 * SECOND_US,
     .doc = "How long an operator stays logged in."},
    {.name = "attempts_per_account",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, attempts_per_account),
     .default_value = "5",
     .min = 0,
     .max = 1000000,
     .doc = "Wrong passwords for one account in a minute; more are answered with 429. Addresses "
            "from which the right one came have as many of their own. 0: no limit."},
    {.name = "attempts_per_address",
     .type = OW_CONFIG_INT,
     .offset = offsetof(identity_config, attempts_per_address),
     .default_value = "10",
     .min = 0,
     .max = 1000000,
     .doc = "Wrong passwords from one address in ten minutes, for whatever accounts. 0: no limit."},
    {0},
};

// ---- The first state ----

// Nobody is let in before the load has ended.
static void restore(void *self, const char *session_id, int64_t issued_us) {
    identity *i = self;
    admissions_restore(i->admissions, session_id, issued_us);
}

static ow_code load(ow_db_conn *conn, void *self, ow_err *err) {
    identity *i = self;
    ow_code code =
        store_first_operator(conn, i->first_operator_id, i->keys.operator_sha256, i->load_us, err);
    if (code != OW_OK) {
        return code;
    }
    int64_t since_us = i->load_us - 2 * SERVER_TOKEN_S * SECOND_US;
    code = store_verification_load(conn, since_us, verification_rows_of(i->verification), err);
    if (code == OW_OK) {
        code = verification_load_ended(i->verification, conn, i->load_us, err);
    }
    if (code == OW_OK && i->config.max_players > 0) {
        code =
            store_sessions_of_late(conn, i->load_us - PLAYER_TOKEN_S * SECOND_US, restore, i, err);
    }
    if (code == OW_OK) {
        code = store_key_limits_load(conn, i->load_arena, &i->limits, err);
    }
    return code == OW_OK ? store_operators_load(conn, i->load_arena, i->load_us, &i->operators, err)
                         : code;
}

static void begin_work(identity *i) {
    operators_state *operators = operators_state_new(&i->operators);
    key_limits *limits = key_limits_new(&i->limits);
    i->load_arena = ow_arena_free(i->load_arena);
    if (operators == NULL || limits == NULL) {
        ow_err err;
        operators_state_free(operators);
        key_limits_free(limits);
        ow_fail(&err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for operators");
        i->env->on_fatal(i->env->on_fatal_self, &err);
        return;
    }
    verification_set_operators(i->verification, operators, i->load_us);
    verification_set_key_limits(i->verification, limits, i->load_us);
    verification_loaded(i->verification, ow_clock_wall_us(i->env->clock));
    i->sweeper = (sweeper){.loop = i->env->loop, .clock = i->env->clock, .db = i->db};
    sweeper_start(&i->sweeper);
}

static void loaded(void *self, ow_code code, const ow_err *err) {
    identity *i = self;
    if (code == OW_OK) {
        begin_work(i);
    } else if (!i->stopping) {
        i->env->on_fatal(i->env->on_fatal_self, err);
    }
}

static ow_code begin_loading(identity *i, ow_err *err) {
    i->load_us = ow_clock_wall_us(i->env->clock);
    i->load_arena = ow_arena_new(LOAD_ARENA_MAX);
    if (i->load_arena == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for identity");
    }
    ow_id_make(i->first_operator_id, "opr_", i->load_us);
    i->load_job = (ow_db_job){.run = load, .done = loaded, .self = i};
    ow_db_write(i->db, &i->load_job);
    return OW_OK;
}

// ---- Module ----

static void collect(void *self) {
    identity *i = self;
    ow_gauge_set(i->players_in, (int64_t)admissions_in(i->admissions));
    ow_gauge_set(i->players_waiting, (int64_t)admissions_waiting(i->admissions));
}

static void register_queue(identity *i) {
    i->players_in = ow_metrics_gauge(i->env->metrics, "overworld_identity_players_in",
                                     "Sessions that are in, when their number is limited", NULL);
    i->players_waiting = ow_metrics_gauge(i->env->metrics, "overworld_identity_players_waiting",
                                          "Players that wait to come in", NULL);
    i->collector = (ow_metrics_collector){.collect = collect, .self = i};
    ow_metrics_collector_add(i->env->metrics, &i->collector);
}

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    identity *i = calloc(1, sizeof *i);
    if (i == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for identity");
    }
    i->env = env;
    i->config = *(const identity_config *)config;
    *ret_self = i;
    i->attempts =
        attempts_new(&(attempts_options){.per_account = (uint32_t)i->config.attempts_per_account,
                                         .per_address = (uint32_t)i->config.attempts_per_address});
    i->admissions =
        admissions_new(&(admissions_options){.max_in = (size_t)i->config.max_players,
                                             .max_waiting = (size_t)i->config.max_waiting_players});
    if (i->attempts == NULL || i->admissions == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for identity");
    }
    i->logins = ow_metrics_counter(env->metrics, "overworld_identity_logins_total",
                                   "Logins of players", NULL);
    i->new_players = ow_metrics_counter(env->metrics, "overworld_identity_new_players_total",
                                        "Players made", NULL);
    i->server_logins = ow_metrics_counter(env->metrics, "overworld_identity_server_logins_total",
                                          "Logins with server keys", NULL);
    i->refreshes = ow_metrics_counter(env->metrics, "overworld_identity_refreshes_total",
                                      "Sessions that went on with a refresh token", NULL);
    i->reused_tokens =
        ow_metrics_counter(env->metrics, "overworld_identity_reused_refresh_tokens_total",
                           "Sessions ended because a refresh token was used twice", NULL);
    register_queue(i);
    ow_directory_expect_here(env->directory, &overworld__identity__v1__identity__descriptor);
    return OW_OK;
}

static ow_code open_store(identity *i, ow_err *err) {
    ow_db_options options = {
        .name = "identity",
        .migrations = identity_migrations,
        .readers = (int)i->config.readers,
        .max_waiting_writes = (int)i->config.max_waiting_writes,
    };
    return ow_hosting_open_store(i->env, &options, &i->db, err);
}

// What is saved besides the store.
static const char *const saved[] = {"keys", "operator.token", NULL};

static ow_code offer_service(identity *i, ow_err *err) {
    ow_backup_options backup = {.loop = i->env->loop,
                                .data_folder = i->env->data_folder,
                                .store = "identity",
                                .others = saved};
    i->backup = ow_backup_new(&backup);
    if (i->backup == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for backups");
    }
    ow_service_options options = {
        .descriptor = &overworld__identity__v1__identity__descriptor,
        .methods = identity_methods,
        .self = i,
        .db = i->db,
    };
    return ow_hosting_offer(i->env, &options, &i->service, err);
}

static ow_code open_bus(identity *i, ow_err *err) {
    ow_bus_options options = {
        .name = "identity",
        .loop = i->env->loop,
        .db = i->db,
        .metrics = i->env->metrics,
        .taker = ow_directory_get(i->env->directory, &overworld__events__v1__events__descriptor),
    };
    i->bus = ow_bus_new(&options);
    return i->bus != NULL
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for identity");
}

static ow_code start(void *self, ow_err *err) {
    identity *i = self;
    // The store first: its lock keeps a second process from making keys.
    ow_code code = open_store(i, err);
    if (code == OW_OK) {
        code = keys_open(&i->keys, i->env->data_folder, ow_clock_wall_us(i->env->clock), err);
    }
    if (code != OW_OK) {
        return code;
    }
    providers_options options = {
        .path = i->config.providers, .clock = i->env->clock, .client = i->env->outgoing};
    code = providers_open(&options, &i->providers, err);
    if (code != OW_OK) {
        return code;
    }
    i->data = ow_directory_get(i->env->directory, &overworld__data__v1__data__descriptor);
    i->verification = verification_new(&i->keys);
    if (i->verification == NULL || i->data == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for identity");
    }
    code = open_bus(i, err);
    code = code == OW_OK ? offer_service(i, err) : code;
    return code == OW_OK ? begin_loading(i, err) : code;
}

static bool ready(void *self, const char **why_not) {
    const identity *i = self;
    if (!verification_is_loaded(i->verification)) {
        *why_not = "keys and operators are being read";
        return false;
    }
    return true;
}

static void drain(void *self) {
    identity *i = self;
    i->stopping = true;
    verification_stop(i->verification);
}

static bool drained(void *self) {
    const identity *i = self;
    return ow_service_running(i->service) == 0;
}

static void stop(void *self) {
    identity *i = self;
    i->stopping = true;
    if (i->verification != NULL) {
        verification_stop(i->verification);
    }
    sweeper_stop(&i->sweeper);
    if (i->service != NULL) {
        ow_directory_withdraw(i->env->directory, i->service);
    }
    if (i->bus != NULL) {
        ow_bus_stop(i->bus);
    }
    i->db = ow_db_close(i->db);
    i->bus = ow_bus_free(i->bus);
}

static void free_self(void *self) {
    identity *i = self;
    if (i == NULL) {
        return;
    }
    ow_service_free(i->service);
    ow_backup_free(i->backup);
    verification_free(i->verification);
    if (i->players_in != NULL) {
        ow_metrics_collector_remove(i->env->metrics, &i->collector);
    }
    attempts_free(i->attempts);
    admissions_free(i->admissions);
    providers_close(i->providers);
    ow_arena_free(i->load_arena);
    keys_close(&i->keys);
    free(i);
}

const ow_module ow_identity_module = {
    .name = "identity",
    .doc = "players, logins, tokens, server keys, operators",
    .config = config_keys,
    .config_size = sizeof(identity_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
