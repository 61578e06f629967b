#pragma once

// Shared by the files of the registry: the service as a whole.

#include "services/registry/applier.h"
#include "services/registry/blobs.h"
#include "services/registry/registry_store.h"
#include "services/registry/routes.h"
#include "services/registry/sweep.h"
#include "services/registry/uploads.h"

#include "core/backup/backup.h"
#include "core/clock/clock.h"
#include "core/id/id.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/request_key/request_key.h"
#include "core/rpc/service.h"

typedef struct registry_config {
    int64_t readers;
    int64_t max_waiting_writes;
} registry_config;

// What every method that changes something keeps between its steps.
typedef struct change {
    routes_waiter waiter; // first: see routes_announce
    applier_waiter apply;
    int64_t now_us;
    char fresh_id[OW_ID_MAX];
    bool answered; // by an earlier request with the same request_key
} change;

typedef struct registry {
    ow_module_env *env;
    registry_config config;
    ow_db *db;
    blobs blobs;
    uploads *uploads;
    sweep *sweep;
    routes *routes;
    applier *applier;
    ow_bus *bus;
    ow_backup *backup;
    ProtobufCService *service;
    ProtobufCService *runner; // the directory's
    uint8_t secrets_key[OW_SHA256_SIZE];
    bool title_made; // the first title is there
    bool stopping;
    change first_change; // ... made by this
    ow_db_job first_job;
    ow_counter *deploys, *failed_builds, *reused_builds;
} registry;

// Time and id for a change. Any step but read and write ones.
void change_begin(change *c, const registry *r);

// The step's view of the store.
tx tx_of(ow_run *run, const change *c);

// Last step: `announce` when routes changed.
ow_code step_announce(ow_run *run);

// ---- registry_rpc.c ----
extern const ow_method registry_methods[];

// Common part of the first step of what changes something; the state begins with a change.
ow_code begin_change(ow_run *run);

// ---- alias_rpc.c ----

// The state of a method about an alias.
typedef struct alias_change {
    change change; // first
    alias_aim aim;
} alias_change;

ow_code create_alias_check(ow_run *run); // loop
ow_code create_alias_store(ow_run *run); // write
ow_code update_alias_check(ow_run *run);
ow_code update_alias_store(ow_run *run);
ow_code rollback_alias_store(ow_run *run);
ow_code delete_alias_check(ow_run *run);
ow_code delete_alias_store(ow_run *run);

// ---- secret_rpc.c ----

// The state of SetSecret, and of the methods that change no value.
typedef struct secret_change {
    change change; // first
    const char *title;
    sealed_value value;
    set_secret_request told_by; // the request, with a hash for the value
    uint8_t told_value[OW_SHA256_SIZE];
} secret_change;

typedef struct secret_reading {
    change change; // first; nothing is changed
    const char *title;
    sealed_value values[SECRETS_MAX];
    size_t count;
} secret_reading;

// Loads the key that values are sealed with, or makes it.
ow_code secrets_open(registry *r, ow_err *err);

ow_code set_secret_check(ow_run *run);    // loop
ow_code set_secret_title(ow_run *run);    // read
ow_code set_secret_seal(ow_run *run);     // loop
ow_code set_secret_store(ow_run *run);    // write
ow_code use_secret_store(ow_run *run);    // write
ow_code delete_secret_store(ow_run *run); // write
ow_code list_secrets(ow_run *run);        // read
ow_code secret_values_read(ow_run *run);  // read
ow_code secret_values_open(ow_run *run);  // loop

// ---- route_rpc.c ----

ow_code list_routes(ow_run *run);              // read
ow_code set_route_disabled_store(ow_run *run); // write

// ---- revision_rpc.c ----

ow_code revision_read(ow_run *run);  // read
ow_code revision_files(ow_run *run); // pool

typedef struct file_reading {
    revision_msg *revision;
} file_reading;

ow_code file_find(ow_run *run);
ow_code file_read(ow_run *run);

// ---- deploy.c ----
enum { KNOWN_BUILDS_MAX = 4 };

typedef struct deploy_state {
    change change; // first
    int64_t started_us;
    const char *runtime;
    const char *entries;
    const char *title; // resolved
    route_revision_msg *revision;
    const uint8_t *triggers; // packed; NULL: none
    size_t triggers_size;
    char source_key[OW_SHA256_HEX_SIZE];
    known_build known[KNOWN_BUILDS_MAX];
    int known_count;
    // The build.
    const char *toolchain; // "" when the runner does not say
    bool reused, built, heard;
    uint8_t *code;
    size_t code_size, code_filled;
    char code_sha256[OW_SHA256_HEX_SIZE];
} deploy_state;

ow_code deploy_check(ow_run *run);  // pool
ow_code deploy_prior(ow_run *run);  // read
ow_code deploy_recall(ow_run *run); // pool
ow_code deploy_build(ow_run *run);  // loop
ow_code deploy_keep(ow_run *run);   // pool
ow_code deploy_commit(ow_run *run); // write
ow_code deploy_tell(ow_run *run);   // loop
ow_code deploy_apply(ow_run *run);  // loop
