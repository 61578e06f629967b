#pragma once

// Shared by the files of data: the service as a whole.

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"
#include "services/data/kv_store.h"

typedef struct data_config {
    int64_t readers;
    int64_t max_waiting_writes;
    int64_t title_keys, title_bytes;
    int64_t shared_keys, shared_bytes;
    int64_t player_keys, player_bytes;
} data_config;

typedef struct data {
    ow_module_env *env;
    data_config config;
    kv_quotas quotas;
    ow_db *db;
    ow_backup *backup;
    ProtobufCService *service;
    bool stopping;
} data;

extern const ow_method data_methods[];
