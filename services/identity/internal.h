#pragma once

// Shared by the files of identity: the service as a whole.

#include "services/identity/admissions.h"
#include "services/identity/attempts.h"
#include "services/identity/identity_logic.h"
#include "services/identity/identity_store.h"
#include "services/identity/keys.h"
#include "services/identity/providers.h"
#include "services/identity/sweeper.h"
#include "services/identity/verification.h"

#include "core/backup/backup.h"
#include "core/bus/bus.h"
#include "core/clock/clock.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"

typedef struct identity_config {
    int64_t readers;
    int64_t max_waiting_writes;
    int64_t refresh_life, refresh_grace; // us
    int64_t max_sessions;
    char *providers; // a path
    int64_t max_players, max_waiting_players;
    int64_t password_min; // characters
    int64_t attempts_per_account, attempts_per_address;
    int64_t operator_session; // us
} identity_config;

typedef struct identity {
    ow_module_env *env;
    identity_config config;
    keys keys;
    ow_db *db;
    verification *verification;
    sweeper sweeper;
    attempts *attempts;
    ow_backup *backup;
    ow_bus *bus;
    admissions *admissions;
    providers *providers;
    ProtobufCService *service, *data; // data: what functions remember of players
    bool stopping;
    ow_db_job load_job;
    char first_operator_id[OW_ID_MAX]; // when there is none yet
    ow_arena *load_arena;              // of the next
    operator_rows operators;           // as loaded
    key_limit_rows limits;             // likewise
    int64_t load_us;
    ow_counter *logins, *new_players, *server_logins, *refreshes, *reused_tokens;
    ow_gauge *players_in, *players_waiting;
    ow_metrics_collector collector;
} identity;

extern const ow_method identity_methods[];
