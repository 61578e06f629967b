#include "services/gateway/failure.h"

#include "core/json/writer.h"
#include "services/gateway/messages.h"

#include <string.h>

#define BODY_MAX (64 * 1024)
#define BASE64_MAX(size) (((size) + 2) / 3 * 4)

// The statuses of /v1/call. A reason that is not here is 500.
static const struct {
    const char *reason;
    int status;
} statuses[] = {
    {"invalid", 400},
    {"not_exposed", 403},
    {"function_not_found", 404},
    {"payload_too_large", 413},
    {"refused", 422},
    {"throttled", 429},
    {"user_error", 500},
    {"crashed", 502},
    {"memory", 502},
    {"init_failed", 502},
    {"reply_too_large", 502},
    {"protocol", 502},
    {"overloaded", 503},
    {"disk_full", 503},
    {"timeout", 504},
    {"invalid_json", 400},
    {"unsupported_format", 415},
    {"too_many_events", 413},
    {"event_too_large", 413},
};

int failure_status_of_reason(const char *reason) {
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (strcmp(statuses[i].reason, reason) == 0) {
            return statuses[i].status;
        }
    }
    return 500;
}

int failure_connect_status(ow_code code) {
    static const int by_code[OW_CODE_COUNT] = {
        [OW_OK] = 200,
        [OW_CANCELLED] = 499,
        [OW_UNKNOWN] = 500,
        [OW_INVALID_ARGUMENT] = 400,
        [OW_DEADLINE_EXCEEDED] = 504,
        [OW_NOT_FOUND] = 404,
        [OW_ALREADY_EXISTS] = 409,
        [OW_PERMISSION_DENIED] = 403,
        [OW_RESOURCE_EXHAUSTED] = 429,
        [OW_FAILED_PRECONDITION] = 400,
        [OW_ABORTED] = 409,
        [OW_OUT_OF_RANGE] = 400,
        [OW_UNIMPLEMENTED] = 501,
        [OW_INTERNAL] = 500,
        [OW_UNAVAILABLE] = 503,
        [OW_DATA_LOSS] = 500,
        [OW_UNAUTHENTICATED] = 401,
    };
    return code >= 0 && code < OW_CODE_COUNT ? by_code[code] : 500;
}

failure failure_from(const ow_err *err) {
    failure why = {.code = err->code, .reason = err->reason, .message = err->message};
    int named = failure_status_of_reason(err->reason);
    why.status = named != 500 ? named : failure_connect_status(err->code);
    return why;
}

const char *failure_json(const failure *why, const char *request_id, ow_arena *arena,
                         size_t *ret_size) {
    ow_json_writer writer;
    ow_json_writer_init(&writer, arena, BODY_MAX);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "code");
    ow_json_text(&writer, why->reason);
    ow_json_name(&writer, "message");
    ow_json_text(&writer, why->message);
    ow_json_name(&writer, "request_id");
    ow_json_text(&writer, request_id);
    if (why->details_json != NULL && why->details_json[0] != '\0') {
        ow_json_name(&writer, "details");
        ow_json_raw(&writer, why->details_json, strlen(why->details_json));
    }
    ow_json_object_close(&writer);
    return ow_json_writer_end(&writer, ret_size);
}

// Connect's base64 has no padding.
static void write_unpadded(ow_json_writer *writer, ow_arena *arena, const void *bytes,
                           size_t size) {
    ow_json_writer plain;
    size_t length = 0;
    ow_json_writer_init(&plain, arena, BASE64_MAX(size) + 2);
    ow_json_bytes(&plain, bytes, size);
    const char *text = ow_json_writer_end(&plain, &length);
    if (text == NULL) {
        writer->failed = true;
        return;
    }
    size_t end = length - 1;
    while (end > 1 && text[end - 1] == '=') {
        end--;
    }
    ow_json_text_n(writer, text + 1, end - 1);
}

static void write_error_info(ow_json_writer *writer, const failure *why, const char *request_id,
                             ow_arena *arena) {
    Google__Rpc__ErrorInfo__MetadataEntry entry = GOOGLE__RPC__ERROR_INFO__METADATA_ENTRY__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry *entries[] = {&entry};
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    entry.key = (char *)"request_id";
    entry.value = (char *)request_id;
    info.reason = (char *)why->reason;
    info.domain = (char *)"overworld";
    info.metadata = entries;
    info.n_metadata = 1;
    size_t size = google__rpc__error_info__get_packed_size(&info);
    uint8_t *packed = ow_arena_alloc(arena, size);
    if (packed == NULL) {
        writer->failed = true;
        return;
    }
    google__rpc__error_info__pack(&info, packed);
    ow_json_object_open(writer);
    ow_json_name(writer, "type");
    ow_json_text(writer, "google.rpc.ErrorInfo");
    ow_json_name(writer, "value");
    write_unpadded(writer, arena, packed, size);
    ow_json_name(writer, "debug");
    ow_json_object_open(writer);
    ow_json_name(writer, "reason");
    ow_json_text(writer, why->reason);
    ow_json_name(writer, "domain");
    ow_json_text(writer, info.domain);
    ow_json_name(writer, "metadata");
    ow_json_object_open(writer);
    ow_json_name(writer, "request_id");
    ow_json_text(writer, request_id);
    ow_json_object_close(writer);
    ow_json_object_close(writer);
    ow_json_object_close(writer);
}

const char *failure_connect_json(const failure *why, const char *request_id, ow_arena *arena,
                                 size_t *ret_size) {
    ow_json_writer writer;
    ow_json_writer_init(&writer, arena, BODY_MAX);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "code");
    ow_json_text(&writer, ow_code_name(why->code));
    ow_json_name(&writer, "message");
    ow_json_text(&writer, why->message);
    ow_json_name(&writer, "details");
    ow_json_array_open(&writer);
    write_error_info(&writer, why, request_id, arena);
    ow_json_array_close(&writer);
    ow_json_object_close(&writer);
    return ow_json_writer_end(&writer, ret_size);
}
