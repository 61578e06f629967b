#include "core/rpc_grpc/internal.h"

#include "core/rpc/status.h"

#include <grpc/byte_buffer_reader.h>
#include <stdio.h>
#include <string.h>

// Our own retries know what may be repeated; the library's cost a third of a call. A peer that was
// restarted must be found within 2 s.
const grpc_channel_args *wire_channel_args(void) {
    static const grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = OW_CALL_MESSAGE_MAX},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
         .value.integer = OW_CALL_MESSAGE_MAX},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ENABLE_RETRIES, .value.integer = 0},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
         .value.integer = 100},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
         .value.integer = 100},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
         .value.integer = 1000},
    };
    static const grpc_channel_args all = {.num_args = sizeof args / sizeof args[0],
                                          .args = (grpc_arg *)args};
    return &all;
}

grpc_byte_buffer *wire_pack(const ProtobufCMessage *message, ow_err *err) {
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > OW_CALL_MESSAGE_MAX) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "message_too_large",
                "a message of %zu bytes; at most %u may travel", size, OW_CALL_MESSAGE_MAX);
        return NULL;
    }
    grpc_slice slice = grpc_slice_malloc(size);
    protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

size_t wire_size(const grpc_byte_buffer *buffer) {
    return grpc_byte_buffer_length((grpc_byte_buffer *)buffer);
}

ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer,
                              ow_arena *arena) {
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, buffer)) {
        return NULL;
    }
    grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    ProtobufCAllocator allocator;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, ow_arena_protobuf(arena, &allocator),
                                  GRPC_SLICE_LENGTH(bytes), GRPC_SLICE_START_PTR(bytes));
    grpc_slice_unref(bytes);
    grpc_byte_buffer_reader_destroy(&reader);
    return message;
}

grpc_slice wire_status_details(const ow_err *why) {
    uint8_t bytes[OW_STATUS_BYTES_MAX];
    size_t size = ow_status_encode(why, bytes);
    return grpc_slice_from_copied_buffer((const char *)bytes, size);
}

const grpc_slice *wire_find(const grpc_metadata_array *metadata, const char *key) {
    for (size_t i = 0; i < metadata->count; i++) {
        if (grpc_slice_str_cmp(metadata->metadata[i].key, key) == 0) {
            return &metadata->metadata[i].value;
        }
    }
    return NULL;
}

// Errors that the library makes itself have no details.
static const char *reason_of(grpc_status_code status) {
    switch (status) {
    case GRPC_STATUS_CANCELLED:
        return "cancelled";
    case GRPC_STATUS_DEADLINE_EXCEEDED:
        return "timeout";
    case GRPC_STATUS_UNAVAILABLE:
        return "unreachable";
    case GRPC_STATUS_UNIMPLEMENTED:
        return "unknown_method";
    case GRPC_STATUS_RESOURCE_EXHAUSTED:
        return "message_too_large";
    default:
        return "peer_failed";
    }
}

void wire_read_error(grpc_status_code status, grpc_slice message,
                     const grpc_metadata_array *trailing, ow_err *ret_err) {
    const grpc_slice *details = wire_find(trailing, DETAILS_KEY);
    if (details != NULL && ow_status_decode(GRPC_SLICE_START_PTR(*details),
                                            GRPC_SLICE_LENGTH(*details), ret_err, NULL) == OW_OK) {
        return;
    }
    ow_code code =
        status > GRPC_STATUS_OK && (int)status < OW_CODE_COUNT ? (ow_code)status : OW_UNKNOWN;
    ow_fail(ret_err, code, reason_of(status), "%.*s", (int)GRPC_SLICE_LENGTH(message),
            (const char *)GRPC_SLICE_START_PTR(message));
}

bool socket_path(const ow_grpc *g, const ProtobufCServiceDescriptor *descriptor, const char *copy,
                 char path[static SOCKET_PATH_MAX], ow_err *err) {
    int length =
        snprintf(path, SOCKET_PATH_MAX, "%s/%s%s%s.sock", g->folder, descriptor->short_name,
                 copy != NULL ? "." : "", copy != NULL ? copy : "");
    if (length >= SOCKET_PATH_MAX) {
        ow_fail(err, OW_INVALID_ARGUMENT, "path_too_long",
                "the path of a socket in %s is longer than %d bytes; use a shorter data folder",
                g->folder, SOCKET_PATH_MAX - 1);
        return false;
    }
    const char *end = path + strlen(g->folder) + 1 + strlen(descriptor->short_name);
    for (char *c = path + strlen(g->folder); c < end; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            *c = (char)(*c - 'A' + 'a');
        }
    }
    return true;
}
