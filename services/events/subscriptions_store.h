#pragma once

// All SQL about subscriptions. In write or read steps. Codes as ow_db_exec besides those named.

#include "services/events/event_messages.h"

#include "core/arena/arena.h"
#include "core/db/db.h"
#include "core/id/id.h"

typedef struct subscription_row {
    char subscription_id[OW_ID_MAX];
    const char *title_id, *virtual_server, *alias, *name;
    int64_t deployment; // 0: made by hand
    const subscription_msg *declared;
    const char *url_secret;
    bool disabled;
    const char *disabled_reason;
    int64_t created_us, updated_us, version;
} subscription_row;

// Codes: not_found "no_subscription".
ow_code subscription_read(ow_db_conn *db, const char *title_id, const char *subscription_id,
                          ow_arena *arena, subscription_row *ret_row, ow_err *err);

// By what is unique besides the id: title, virtual server, alias and name.
ow_code subscription_find(ow_db_conn *db, const subscription_row *like, ow_arena *arena,
                          subscription_row *ret_row, bool *ret_found, ow_err *err);

// Codes: resource_exhausted "too_many_subscriptions", "too_many_conditions".
ow_code subscription_insert(ow_db_conn *db, const subscription_row *row, ow_arena *arena,
                            ow_err *err);
// Everything but ids and created_us; the version is one more afterwards. Codes: resource_exhausted "too_many_conditions".
ow_code subscription_update(ow_db_conn *db, const subscription_row *row, ow_arena *arena,
                            ow_err *err);
// With what waits for it in batches.
ow_code subscription_delete(ow_db_conn *db, const char *subscription_id, ow_err *err);

typedef struct subscription_range {
    const char *title_id;
    const char *virtual_server; // "": all
    const char *after;          // id
    bool of_manifests;          // only those
    int limit;
} subscription_range;

ow_code subscriptions_list(ow_db_conn *db, const subscription_range *range, ow_arena *arena,
                           subscription_row **ret_rows, size_t *ret_count, ow_err *err);
