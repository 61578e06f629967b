#pragma once

// What the storage tests write: effects with a key of the caller's, each counted once in a total. An
// effect that is applied again with the same key does nothing.

#include "core/db/db.h"

enum { EFFECTS = 80 };

extern const ow_db_migration effects_migrations[];

// Job: `self` is an int, the effect's number.
ow_code effect_apply(ow_db_conn *conn, void *self, ow_err *err);

typedef struct effects_state {
    bool there[EFFECTS];
    int count;             // of rows
    int64_t total, amount; // as counted when they were applied
    int64_t wanted_amount; // of the rows
    bool sound;            // what SQLite says of its own file
} effects_state;

// Job: `self` is an effects_state.
ow_code effects_read(ow_db_conn *conn, void *self, ow_err *err);

// Options of the store in this folder, small enough that its log begins anew every few effects.
ow_db_options effects_options(const char *folder, ow_loop *loop);
