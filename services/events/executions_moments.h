#pragma once

// When a title's executions were accepted, so that lists pass over what is of others (migrations/0005_moments.c). As
// executions_store.h.

#include "core/db/db.h"
#include "core/id/id.h"

// "exe_" and nine of the ten characters of its time: 32 ms.
enum { MOMENT_SIZE = 13 };

// Of the id of an execution; both are of the same moment or not.
bool moment_is_same(const char *execution_id, const char *other_id);

// There is an execution of that id. Notes it once, however many there are at that moment.
ow_code moment_note(ow_db_conn *db, const char *title_id, const char *execution_id, ow_err *err);

// The execution of that id is gone: its moment goes with the last one.
ow_code moment_forget(ow_db_conn *db, const char *title_id, const char *execution_id, ow_err *err);
