#include "services/registry/messages.h"

#include "core/rpc/call.h"

void *message_in(ow_arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    void *message = ow_arena_alloc(arena, descriptor->sizeof_message);
    if (message != NULL) {
        protobuf_c_message_init(descriptor, message);
    }
    return message;
}

uint8_t *message_pack_in(ow_arena *arena, const void *message, size_t *ret_size) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = ow_arena_alloc(arena, size);
    if (bytes != NULL) {
        *ret_size = protobuf_c_message_pack(message, bytes);
    }
    return bytes;
}

void *message_unpack_in(ow_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        const void *bytes, size_t size) {
    ProtobufCAllocator *allocator = ow_arena_alloc(arena, sizeof *allocator);
    if (allocator == NULL) {
        return NULL;
    }
    ow_arena_protobuf(arena, allocator);
    return protobuf_c_message_unpack(descriptor, allocator, size, bytes);
}

Google__Protobuf__Timestamp *timestamp_in(ow_arena *arena, int64_t time_us) {
    Google__Protobuf__Timestamp *time = message_in(arena, &google__protobuf__timestamp__descriptor);
    if (time != NULL) {
        time->seconds = time_us / 1000000;
        time->nanos = (int32_t)(time_us % 1000000) * 1000;
    }
    return time;
}
