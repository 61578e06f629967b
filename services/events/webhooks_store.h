#pragma once

// All SQL about webhooks that come in. In write or read steps. Codes as ow_db_exec besides those named.

#include "services/events/event_messages.h"

#include "core/arena/arena.h"
#include "core/db/db.h"

enum { WEBHOOKS_MAX = 200 };

typedef struct webhook_row {
    const char *title_id, *name, *virtual_server;
    int64_t deployment; // 0: made by hand
    const webhook_msg *declared;
    const char *secret; // "": the virtual server's own, by the name that is declared
    bool disabled;
    int64_t created_us, updated_us;
} webhook_row;

// Codes: not_found "no_webhook".
ow_code webhook_read(ow_db_conn *db, const char *title_id, const char *name, ow_arena *arena,
                     webhook_row *ret_row, ow_err *err);

// Codes: already_exists "webhook_exists"; resource_exhausted "too_many_webhooks".
ow_code webhook_insert(ow_db_conn *db, const webhook_row *row, ow_arena *arena, ow_err *err);
// Everything but title_id, name, virtual_server and created_us.
ow_code webhook_update(ow_db_conn *db, const webhook_row *row, ow_arena *arena, ow_err *err);
ow_code webhook_delete(ow_db_conn *db, const char *title_id, const char *name, ow_err *err);

// By name, behind `after`; of one virtual server, or of all ("").
typedef struct webhook_range {
    const char *title_id, *virtual_server, *after;
    bool of_manifests; // only those
    int limit;
} webhook_range;
ow_code webhooks_list(ow_db_conn *db, const webhook_range *range, ow_arena *arena,
                      webhook_row **ret_rows, size_t *ret_count, ow_err *err);
