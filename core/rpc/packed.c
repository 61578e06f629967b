// The packed channel: within the process, but everything that a channel between processes does:
// the request is encoded, a new call is made from the metadata record, replies and errors are
// encoded and decoded, nothing arrives before the stub has returned, and what is on its way arrives
// in random order (that of one call's messages is kept). Repeatable by its seed.

#include "core/rpc/internal.h"
#include "core/rpc/status.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_MAX = 2 * OW_CALL_MESSAGE_MAX };

typedef struct parcel {
    struct parcel *next;
    enum { REQUEST, MESSAGE, REPLY, FAILURE, END } kind; // the last three end the call
    size_t size;
    uint8_t bytes[];
} parcel;

typedef struct packed_call {
    packed_channel *channel;
    ProtobufCService *const *target;
    const ProtobufCMethodDescriptor *method;
    unsigned index;
    bool stream;
    ProtobufCClosure closure;
    ow_call *outer;    // the caller's
    ow_call *inner;    // the callee's; NULL before and after
    ow_arena *scratch; // of a stream's messages on the caller's side
    parcel *first, **end;
    size_t waiting, waiting_bytes;
} packed_call;

struct packed_channel {
    ow_loop *loop;
    const ow_api *api;
    uint64_t random;
    ow_turn_hook hook;
    packed_call **ready; // those with a parcel on its way
    size_t count, capacity;
};

static uint64_t next_random(packed_channel *channel) {
    uint64_t x = channel->random += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// ---- Sending ----

static parcel *parcel_new(int kind, size_t size) {
    parcel *p = malloc(sizeof *p + size);
    if (p != NULL) {
        p->next = NULL;
        p->kind = kind;
        p->size = size;
    }
    return p;
}

static bool make_room(packed_channel *channel) {
    if (channel->count < channel->capacity) {
        return true;
    }
    size_t capacity = channel->capacity == 0 ? 64 : 2 * channel->capacity;
    packed_call **ready = realloc(channel->ready, capacity * sizeof *ready);
    if (ready != NULL) {
        channel->ready = ready;
        channel->capacity = capacity;
    }
    return ready != NULL;
}

// False when out of memory.
static bool post(packed_call *c, parcel *p) {
    packed_channel *channel = c->channel;
    if (p == NULL || (c->first == NULL && !make_room(channel))) {
        free(p);
        return false;
    }
    if (c->first == NULL) {
        channel->ready[channel->count++] = c;
        if (channel->count == 1) {
            ow_loop_wake(channel->loop);
        }
    }
    *c->end = p;
    c->end = &p->next;
    c->waiting++;
    c->waiting_bytes += p->size;
    return true;
}

// NULL with `err` filled when the message is too large or memory is out.
static parcel *pack(int kind, const ProtobufCMessage *message, ow_err *err) {
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > OW_CALL_MESSAGE_MAX) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "message_too_large",
                "a message of %zu bytes; at most %u may travel", size, OW_CALL_MESSAGE_MAX);
        return NULL;
    }
    parcel *p = parcel_new(kind, size);
    if (p == NULL) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a message");
        return NULL;
    }
    protobuf_c_message_pack(message, p->bytes);
    return p;
}

static packed_call *packed_call_free(packed_call *c) {
    if (c == NULL) {
        return NULL;
    }
    while (c->first != NULL) {
        parcel *next = c->first->next;
        free(c->first);
        c->first = next;
    }
    ow_arena_free(c->scratch);
    free(c);
    return NULL;
}

static void send_failure(packed_call *c, const ow_err *why) {
    uint8_t bytes[OW_STATUS_BYTES_MAX];
    size_t size = ow_status_encode(why, bytes);
    parcel *p = parcel_new(FAILURE, size);
    if (p != NULL) {
        memcpy(p->bytes, bytes, size);
    }
    if (!post(c, p)) {
        abort(); // a test channel: without memory there is nothing to test
    }
}

static void send_message(packed_call *c, const ProtobufCMessage *message, ow_call *inner) {
    ow_err err = {0};
    parcel *p = pack(MESSAGE, message, &err);
    if (p == NULL) {
        ow_call_cancel_for(inner, OW_RESOURCE_EXHAUSTED, "message_too_large");
        return;
    }
    if (c->waiting >= OW_STREAM_QUEUE_MESSAGES_MAX ||
        c->waiting_bytes + p->size > OW_STREAM_QUEUE_MAX) {
        free(p);
        ow_call_cancel_for(inner, OW_RESOURCE_EXHAUSTED, "slow_consumer");
        return;
    }
    post(c, p);
}

// The closure of the inner call.
static void on_inner(const ProtobufCMessage *message, void *closure_data) {
    ow_call *inner = closure_data;
    packed_call *c = inner->user;
    if (c->stream && message != NULL) {
        send_message(c, message, inner);
        return;
    }
    c->inner = NULL;
    ow_err err = inner->err;
    parcel *p = NULL;
    if (message != NULL) {
        p = pack(REPLY, message, &err);
    } else if (err.code == OW_OK) {
        p = parcel_new(END, 0);
    }
    ow_call_free(inner);
    if (p == NULL || !post(c, p)) {
        send_failure(c, &err);
    }
}

static void on_outer_cancelled(ow_call *outer, void *self) {
    packed_call *c = self;
    if (c->inner != NULL) {
        ow_call_cancel_for(c->inner, outer->cancel_code, outer->cancel_reason);
    }
}

void packed_invoke(packed_channel *channel, ProtobufCService *const *target, unsigned method,
                   const ProtobufCMessage *request, ProtobufCClosure closure, ow_call *call) {
    const ProtobufCServiceDescriptor *descriptor = (*target)->descriptor;
    const ow_api_method *rule =
        ow_api_find_named(channel->api, descriptor->name, descriptor->methods[method].name);
    packed_call *c = calloc(1, sizeof *c);
    parcel *p = ow_call_is_live(call) && c != NULL ? pack(REQUEST, request, &call->err) : NULL;
    if (p == NULL) {
        free(c);
        closure(NULL, call);
        return;
    }
    *c = (packed_call){
        .channel = channel,
        .target = target,
        .method = &descriptor->methods[method],
        .index = method,
        .stream = rule != NULL && rule->server_streaming,
        .closure = closure,
        .outer = call,
        .end = &c->first,
    };
    call->on_cancel = on_outer_cancelled;
    call->on_cancel_self = c;
    if (!post(c, p)) {
        call->on_cancel = NULL;
        ow_fail(&call->err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a call");
        packed_call_free(c);
        closure(NULL, call);
    }
}

// ---- Arriving ----

static void *unpack(const ProtobufCMessageDescriptor *type, ow_arena *arena, const parcel *p) {
    ProtobufCAllocator allocator;
    return protobuf_c_message_unpack(type, ow_arena_protobuf(arena, &allocator), p->size, p->bytes);
}

static ow_code too_large(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "call_too_large",
                   "the message needs more memory than one call may have");
}

static ow_code make_inner(packed_call *c, ow_err *err) {
    uint8_t record[OW_CALL_METADATA_MAX];
    size_t size = ow_call_metadata_encode(c->outer, record);
    ow_call_metadata metadata;
    ow_code code = ow_call_metadata_decode(record, size, &metadata, err);
    if (code != OW_OK) {
        return code;
    }
    c->inner = ow_call_from_metadata(c->channel->loop, &metadata, ow_call_left_us(c->outer));
    if (c->inner == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a call");
    }
    c->inner->user = c;
    return OW_OK;
}

static ow_code begin(packed_call *c, const parcel *request, ow_err *err) {
    if (!ow_call_is_live(c->outer)) {
        *err = c->outer->err;
        return err->code;
    }
    ProtobufCService *target = *c->target;
    if (target == NULL) {
        return ow_fail(err, OW_UNAVAILABLE, "not_running", "the service has stopped");
    }
    ow_code code = make_inner(c, err);
    if (code != OW_OK) {
        return code;
    }
    ProtobufCMessage *message = unpack(c->method->input, c->inner->arena, request);
    if (message == NULL) {
        c->inner = ow_call_free(c->inner);
        return too_large(err);
    }
    target->invoke(target, c->index, message, on_inner, c->inner);
    return OW_OK;
}

static void arrive_message(packed_call *c, const parcel *p) {
    if (c->outer->cancelled) {
        return;
    }
    if (c->scratch == NULL) {
        c->scratch = ow_arena_new(SCRATCH_MAX);
    }
    ProtobufCMessage *message =
        c->scratch == NULL ? NULL : unpack(c->method->output, c->scratch, p);
    if (message == NULL) {
        ow_call_cancel_for(c->outer, OW_RESOURCE_EXHAUSTED, "call_too_large");
        return;
    }
    c->closure(message, c->outer);
    ow_arena_reset(c->scratch);
}

static void arrive_end(packed_call *c, const parcel *p) {
    ow_call *outer = c->outer;
    ProtobufCClosure closure = c->closure;
    ProtobufCMessage *message = NULL;
    outer->on_cancel = NULL;
    if (outer->cancelled) {
        ow_call_fail_cancelled(outer);
    } else if (p->kind == REPLY) {
        message = unpack(c->method->output, outer->arena, p);
        if (message == NULL) {
            too_large(&outer->err);
        }
    } else if (p->kind == FAILURE) {
        ow_err err = {0};
        if (ow_status_decode(p->bytes, p->size, &outer->err, &err) != OW_OK) {
            outer->err = err;
        }
    }
    packed_call_free(c);
    closure(message, outer);
}

static void arrive(packed_call *c, parcel *p) {
    ow_err err = {0};
    switch (p->kind) {
    case REQUEST:
        if (begin(c, p, &err) != OW_OK) {
            send_failure(c, &err);
        }
        break;
    case MESSAGE:
        arrive_message(c, p);
        break;
    case REPLY:
    case FAILURE:
    case END:
        arrive_end(c, p);
        break;
    }
    free(p);
}

static void deliver_one(packed_channel *channel) {
    size_t index = next_random(channel) % channel->count;
    packed_call *c = channel->ready[index];
    parcel *p = c->first;
    c->first = p->next;
    c->waiting--;
    c->waiting_bytes -= p->size;
    if (c->first == NULL) {
        c->end = &c->first;
        channel->ready[index] = channel->ready[--channel->count];
    }
    arrive(c, p);
}

static int64_t on_turn(void *self) {
    packed_channel *channel = self;
    size_t now = 0;
    for (size_t i = 0; i < channel->count; i++) {
        now += channel->ready[i]->waiting;
    }
    for (; now > 0 && channel->count > 0; now--) {
        deliver_one(channel);
    }
    return channel->count > 0 ? 0 : -1;
}

packed_channel *packed_new(ow_loop *loop, const ow_api *api, uint64_t seed) {
    packed_channel *channel = calloc(1, sizeof *channel);
    if (channel != NULL) {
        *channel = (packed_channel){
            .loop = loop,
            .api = api,
            .random = seed,
            .hook = {.on_turn = on_turn, .self = channel},
        };
        ow_loop_hook_add(loop, OW_TURN_COMPLETE, &channel->hook);
    }
    return channel;
}

packed_channel *packed_free(packed_channel *channel) {
    if (channel == NULL) {
        return NULL;
    }
    while (channel->count > 0) {
        deliver_one(channel);
    }
    ow_loop_hook_remove(channel->loop, OW_TURN_COMPLETE, &channel->hook);
    free(channel->ready);
    free(channel);
    return NULL;
}
