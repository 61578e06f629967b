#pragma once

// How much a scope and its title hold: rows beside the entries. For the files of the store; inside a job,
// on its thread.

#include "services/data/kv_store.h"

typedef struct kv_ledger {
    bool has_row;     // of the scope
    int64_t sequence; // of the scope: the version given last, or a later one
    int64_t ended_us; // > 0: nothing is written any more
    kv_quota scope, title;
} kv_ledger;

// For what has no row: nothing in it, and a sequence behind all versions that it may have given. Codes: the
// store's.
ow_code kv_ledger_read(ow_db_conn *db, const kv_scope *scope, kv_ledger *ret_ledger, ow_err *err);

// Writes the scope's sequence, and adds `more` (less, when negative) to both. A scope without keys keeps no row.
ow_code kv_ledger_add(ow_db_conn *db, const kv_scope *scope, const kv_ledger *ledger,
                      const kv_quota *more, ow_err *err);
