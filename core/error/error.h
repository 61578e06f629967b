#pragma once

// How failures travel through Overworld.
//
// Two classes. An *answer* is an outcome the caller can expect and must handle on the spot: not
// found, invalid, conflict, throttled. A *fault* is something nobody in the call chain can mend:
// OW_INTERNAL, OW_DATA_LOSS, OW_UNKNOWN. Faults pass up unchanged and are logged once, at the
// boundary (the gateway, the RPC server, main).
//
// An ow_err lives on the caller's stack (or inside an ow_call). Functions that can fail return an
// ow_code and take an `ow_err *` last; NULL means the caller does not care for the details.

#include <stdbool.h>
#include <stddef.h>

// The canonical status codes of gRPC, same numbers:
// https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
typedef enum ow_code {
    OW_OK = 0,
    OW_CANCELLED = 1,
    OW_UNKNOWN = 2,
    OW_INVALID_ARGUMENT = 3,
    OW_DEADLINE_EXCEEDED = 4,
    OW_NOT_FOUND = 5,
    OW_ALREADY_EXISTS = 6,
    OW_PERMISSION_DENIED = 7,
    OW_RESOURCE_EXHAUSTED = 8,
    OW_FAILED_PRECONDITION = 9,
    OW_ABORTED = 10,
    OW_OUT_OF_RANGE = 11,
    OW_UNIMPLEMENTED = 12,
    OW_INTERNAL = 13,
    OW_UNAVAILABLE = 14,
    OW_DATA_LOSS = 15,
    OW_UNAUTHENTICATED = 16,
} ow_code;

#define OW_CODE_COUNT 17
#define OW_REASON_MAX 40
#define OW_MESSAGE_MAX 320

typedef struct ow_err {
    ow_code code;
    int line;
    const char *file;             // static string: where it was first raised; "" when from afar
    char reason[OW_REASON_MAX];   // stable, snake_case, what programs branch on
    char message[OW_MESSAGE_MAX]; // for people: what happened and what to do; UTF-8, cut if longer
} ow_err;

// Fills `err` (may be NULL) with the given code, reason and formatted message, and returns `code`,
// so that a failing function ends with `return ow_fail(err, OW_NOT_FOUND, "no_player", ...)`.
// Overwrites what was in `err`. Any thread.
#define ow_fail(err, code, reason, ...)                                                            \
    ow_fail_at((err), __FILE__, __LINE__, (code), (reason), __VA_ARGS__)

ow_code ow_fail_at(ow_err *err, const char *file, int line, ow_code code, const char *reason,
                   const char *format, ...) __attribute__((format(printf, 6, 7)));

// As ow_fail with OW_INTERNAL, and appends the text of the system error `errnum`.
#define ow_fail_errno(err, errnum, ...)                                                            \
    ow_fail_errno_at((err), __FILE__, __LINE__, (errnum), __VA_ARGS__)

ow_code ow_fail_errno_at(ow_err *err, const char *file, int line, int errnum, const char *format,
                         ...) __attribute__((format(printf, 5, 6)));

// Puts "`context`: " in front of the message of `err` (may be NULL); returns its code. For
// boundaries that know the file or the key that a lower layer was working on.
ow_code ow_err_context(ow_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The name of a code as Connect writes it: "not_found"; "unknown" for a number that is none.
// Static string. Source: https://connectrpc.com/docs/protocol#error-codes
const char *ow_code_name(ow_code code);

// The code of a Connect name; OW_UNKNOWN when there is none such.
ow_code ow_code_from_name(const char *name);

// True for the codes that are faults (see above).
bool ow_code_is_fault(ow_code code);
