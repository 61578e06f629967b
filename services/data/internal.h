#pragma once

// Shared by the files of data: the service as a whole.

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"
#include "services/data/known_players.h"
#include "services/data/kv_store.h"
#include "services/data/sweeper.h"

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
    ProtobufCService *service, *identity;
    known_players *known;
    sweeper sweeper;
} data;

extern const ow_method data_methods[];

// ---- data_rpc.c: what the methods' files share ----

// resource_exhausted "out_of_memory". Any step.
ow_code kv_no_memory(ow_run *run);

int64_t kv_now_us(const ow_run *run);

// The scope that is wanted, in the caller's title. Codes as kv_scope_of.
ow_code kv_scope_wanted(ow_run *run, const scope_msg *wanted, kv_scope *ret_scope);

// The message of an entry that is in the arena already. NULL when out of memory.
entry_msg *kv_entry_message(ow_arena *arena, const kv_entry *entry);

// ---- kv_read_rpc.c: KvGet, KvList, KvUsage ----

typedef struct getting {
    kv_scope scope;
    int64_t now_us;
} getting;

ow_code kv_get_check(ow_run *run);
ow_code kv_get_read(ow_run *run);

typedef struct listing {
    kv_scope scope;
    kv_span span;
    kv_range range;
} listing;

ow_code kv_list_check(ow_run *run);
ow_code kv_list_read(ow_run *run);
ow_code kv_usage_check(ow_run *run);
ow_code kv_usage_read(ow_run *run);

// ---- kv_change_rpc.c: everything that writes ----

typedef struct changing {
    kv_change change; // first: kv_players_ask looks at it in every state
    kv_scope scope;
    kv_operation operation;
} changing;

ow_code kv_change_store(ow_run *run);
ow_code kv_set_check(ow_run *run);
ow_code kv_set_reply(ow_run *run);
ow_code kv_delete_check(ow_run *run);
ow_code kv_delete_reply(ow_run *run);
ow_code kv_increment_check(ow_run *run);
ow_code kv_increment_reply(ow_run *run);

typedef struct batching {
    kv_change change;
    kv_scope *scopes; // one for each operation
} batching;

ow_code kv_batch_check(ow_run *run);
ow_code kv_batch_store(ow_run *run);
ow_code kv_batch_reply(ow_run *run);

// ---- kv_players_rpc.c ----

// Between the check of a change and its store: refuses keys for players who are not there (not_found "no_player"; codes
// of identity). The state begins with a kv_change.
ow_code kv_players_ask(ow_run *run);

// ---- kv_change_rpc.c: many keys ----

typedef struct erasing {
    kv_scope scope;
    kv_span span;
    kv_range range;
    kv_deleted deleted;
} erasing;

ow_code kv_delete_prefix_check(ow_run *run);
ow_code kv_delete_prefix_store(ow_run *run);
ow_code kv_erase_player_check(ow_run *run);
ow_code kv_erase_player_store(ow_run *run);
ow_code kv_apply_check(ow_run *run);
ow_code kv_apply_store(ow_run *run);
