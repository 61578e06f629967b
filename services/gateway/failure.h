#pragma once

// Errors as our doors show them: status, reason, the JSON of each form.

#include "core/arena/arena.h"
#include "core/error/error.h"

#include <stddef.h>

typedef struct failure {
    ow_code code;
    const char *reason;
    const char *message;
    const char *details_json; // NULL or "": none
    int status;
    int retry_after_s; // with 429 and 503; 0: one second
} failure;

// From an error of a call or of the gateway's own; `err` must outlive the result. `status` by the
// code, and by the reason where the contract names one.
failure failure_from(const ow_err *err);

// HTTP status of a reason of /v1/call ("throttled" → 429); 500 for one that is not listed.
int failure_status_of_reason(const char *reason);

// Connect's status for a code. Source: https://connectrpc.com/docs/protocol#error-codes
int failure_connect_status(ow_code code);

// The body of our own form: {"code", "message", "request_id", "details"}; NULL when the arena is
// full.
const char *failure_json(const failure *why, const char *request_id, ow_arena *arena,
                         size_t *ret_size);

// The body of Connect's form; reason and request id in a google.rpc.ErrorInfo.
const char *failure_connect_json(const failure *why, const char *request_id, ow_arena *arena,
                                 size_t *ret_size);
