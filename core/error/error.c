#include "core/error/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[OW_CODE_COUNT] = {
    [OW_OK] = "ok",
    [OW_CANCELLED] = "canceled",
    [OW_UNKNOWN] = "unknown",
    [OW_INVALID_ARGUMENT] = "invalid_argument",
    [OW_DEADLINE_EXCEEDED] = "deadline_exceeded",
    [OW_NOT_FOUND] = "not_found",
    [OW_ALREADY_EXISTS] = "already_exists",
    [OW_PERMISSION_DENIED] = "permission_denied",
    [OW_RESOURCE_EXHAUSTED] = "resource_exhausted",
    [OW_FAILED_PRECONDITION] = "failed_precondition",
    [OW_ABORTED] = "aborted",
    [OW_OUT_OF_RANGE] = "out_of_range",
    [OW_UNIMPLEMENTED] = "unimplemented",
    [OW_INTERNAL] = "internal",
    [OW_UNAVAILABLE] = "unavailable",
    [OW_DATA_LOSS] = "data_loss",
    [OW_UNAUTHENTICATED] = "unauthenticated",
};

static void begin(ow_err *err, const char *file, int line, ow_code code, const char *reason) {
    err->code = code;
    err->file = file;
    err->line = line;
    snprintf(err->reason, sizeof err->reason, "%s", reason);
}

ow_code ow_fail_at(ow_err *err, const char *file, int line, ow_code code, const char *reason,
                   const char *format, ...) {
    if (err == NULL) {
        return code;
    }
    // The arguments may point into the old message of the same error.
    char message[OW_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    begin(err, file, line, code, reason);
    memcpy(err->message, message, sizeof message);
    return code;
}

ow_code ow_fail_errno_at(ow_err *err, const char *file, int line, int errnum, const char *format,
                         ...) {
    if (err == NULL) {
        return OW_INTERNAL;
    }
    char message[OW_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    begin(err, file, line, OW_INTERNAL, "system");
    char text[128];
    snprintf(err->message, sizeof err->message, "%.180s: %s", message,
             strerror_r(errnum, text, sizeof text));
    return OW_INTERNAL;
}

ow_code ow_err_context(ow_err *err, const char *format, ...) {
    if (err == NULL) {
        return OW_UNKNOWN;
    }
    char context[OW_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    char message[OW_MESSAGE_MAX];
    memcpy(message, err->message, sizeof message);
    snprintf(err->message, sizeof err->message, "%.120s: %.190s", context, message);
    return err->code;
}

const char *ow_code_name(ow_code code) {
    return (unsigned)code < OW_CODE_COUNT ? code_names[code] : code_names[OW_UNKNOWN];
}

ow_code ow_code_from_name(const char *name) {
    for (int code = 0; code < OW_CODE_COUNT; code++) {
        if (strcmp(code_names[code], name) == 0) {
            return (ow_code)code;
        }
    }
    return OW_UNKNOWN;
}

bool ow_code_is_fault(ow_code code) {
    return code == OW_INTERNAL || code == OW_DATA_LOSS || code == OW_UNKNOWN;
}
