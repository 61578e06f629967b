#pragma once

// Events that tell of the end of an execution, stored in the write job that settles it.

#include "services/events/runs.h"

typedef struct announcement {
    char trigger_id[OW_ID_MAX];
    const char *type, *id;    // of the event; an end has one of each id
    ProtobufCBinaryData data; // JSON
} announcement;

// *ret_announced: there is something to be spread. Codes as occurrence_insert.
ow_code announce(ow_db_conn *db, const run *ended, const announcement *a, bool *ret_announced,
                 ow_err *err);
