#pragma once

// The first answer to a request, for whoever asks again with the same request_key because the answer was
// lost. Kept for 24 hours in the service's own store, written in the write step of the change itself:
//
//     bool is_repeat = false;
//     ow_code code = ow_request_key_find(db, &key, reply, &is_repeat, err);
//     if (code != OW_OK || is_repeat) {
//         return code;
//     }
//     ... make the change, fill the reply ...
//     return ow_request_key_keep(db, &key, reply, err);
//
// What must not be stored in the reply, a secret that is shown once, is filled in by a later step.

#include "core/arena/arena.h"
#include "core/db/db.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

// The table, for one of the service's migrations.
#define OW_REQUEST_KEY_TABLES                                                                      \
    "CREATE TABLE request_keys ("                                                                  \
    "  title_id TEXT NOT NULL,"                                                                    \
    "  principal_id TEXT NOT NULL,"                                                                \
    "  method TEXT NOT NULL,"                                                                      \
    "  request_key TEXT NOT NULL,"                                                                 \
    "  request_sha256 TEXT NOT NULL,"                                                              \
    "  reply OW_BLOB NOT NULL,"                                                                    \
    "  created_us BIGINT NOT NULL,"                                                                \
    "  PRIMARY KEY (title_id, principal_id, method, request_key));"                                \
    "CREATE INDEX request_keys_by_age ON request_keys (created_us);"

// Whose key it is and for what; borrows everything.
typedef struct ow_request_key {
    const char *title, *principal, *method;
    const char *key; // "": none; never found and never kept
    // What was asked, by which a key that is used for something else is noticed. Its hash is stored:
    // nothing in it may be guessed that must not be known.
    const ProtobufCMessage *request;
    ow_arena *arena; // of the call
    int64_t now_us;  // wall clock
} ow_request_key;

// At most 80 bytes on one line. Codes: invalid_argument "bad_request_key".
ow_code ow_request_key_check(const char *key, ow_err *err);

// In a write step. *ret_found: `reply` is filled with the first answer, in the arena. Codes as in
// core/db/db.h, invalid_argument "request_key_reused" (for another request), resource_exhausted
// "out_of_memory".
ow_code ow_request_key_find(ow_db_conn *db, const ow_request_key *key, ProtobufCMessage *reply,
                            bool *ret_found, ow_err *err);

// In the same step, when the change is made. Drops some that are older than a day. Codes likewise.
ow_code ow_request_key_keep(ow_db_conn *db, const ow_request_key *key,
                            const ProtobufCMessage *reply, ow_err *err);
