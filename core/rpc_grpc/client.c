#include "core/rpc_grpc/internal.h"

#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct remote_method {
    void *handle; // registered with the channel
    char *path;   // which the library keeps a pointer to
    bool stream;
} remote_method;

struct remote {
    ProtobufCService base; // first
    ow_grpc *grpc;
    grpc_channel *channel;
    remote *next;
    remote_method methods[];
};

enum {
    SCRATCH_MAX = 2 * OW_CALL_MESSAGE_MAX,
    // A peer that is being (re)started is waited for; one that is gone is told soon.
    PATIENCE_US = 1500 * 1000,
};

// One call on its way. In the call's arena.
struct client_call {
    ow_grpc *grpc;
    remote *to;
    ow_timer patience;
    ow_call *call;
    const ProtobufCMethodDescriptor *method;
    ProtobufCClosure closure;
    grpc_call *handle;
    bool stream;
    int pending; // tags that have not come back
    op begin, receive, end;
    grpc_metadata sent[2];
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *request;
    grpc_byte_buffer *received;
    grpc_status_code status;
    grpc_slice status_message;
    ow_arena *scratch; // of a stream's messages
    client_call *next, *prev;
};

// ---- The end ----

static void release(client_call *c) {
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        c->grpc->client_calls = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    for (size_t i = 0; i < 2; i++) {
        grpc_slice_unref(c->sent[i].value);
    }
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    grpc_byte_buffer_destroy(c->request);
    if (c->received != NULL) {
        grpc_byte_buffer_destroy(c->received);
    }
    grpc_slice_unref(c->status_message);
    grpc_call_unref(c->handle);
    ow_arena_free(c->scratch);
}

static ProtobufCMessage *read_reply(client_call *c) {
    ow_err *err = &c->call->err;
    if (c->received == NULL) {
        ow_fail(err, OW_INTERNAL, "peer_failed", "the peer sent no reply");
        return NULL;
    }
    ProtobufCMessage *reply = wire_unpack(c->method->output, c->received, c->call->arena);
    if (reply == NULL) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "call_too_large",
                "the reply needs more memory than the call may have");
    }
    return reply;
}

static void finish(client_call *c) {
    ow_call *call = c->call;
    ProtobufCClosure closure = c->closure;
    ProtobufCMessage *reply = NULL;
    call->on_cancel = NULL;
    ow_loop_timer_cancel(call->loop, &c->patience);
    if (call->cancelled) {
        ow_call_fail_cancelled(call);
    } else if (c->status != GRPC_STATUS_OK) {
        wire_read_error(c->status, c->status_message, &c->trailing, &call->err);
    } else if (!c->stream) {
        reply = read_reply(c);
    }
    release(c);
    closure(reply, call);
}

static void tag_done(op *o, bool ok) {
    client_call *c = o->self;
    (void)ok;
    if (--c->pending == 0) {
        finish(c);
    }
}

// ---- Streams ----

static void receive_next(client_call *c);

static void deliver(client_call *c) {
    if (c->call->cancelled) {
        return;
    }
    if (c->scratch == NULL) {
        c->scratch = ow_arena_new(SCRATCH_MAX);
    }
    ProtobufCMessage *message =
        c->scratch == NULL ? NULL : wire_unpack(c->method->output, c->received, c->scratch);
    if (message == NULL) {
        ow_call_cancel_for(c->call, OW_RESOURCE_EXHAUSTED, "call_too_large");
        return;
    }
    c->closure(message, c->call);
    ow_arena_reset(c->scratch);
}

static void message_done(op *o, bool ok) {
    client_call *c = o->self;
    bool more = ok && c->received != NULL;
    if (more) {
        deliver(c);
        grpc_byte_buffer_destroy(c->received);
        c->received = NULL;
        receive_next(c);
    }
    tag_done(o, ok);
}

// The next message is asked for only when the last one was consumed: a slow consumer is felt by the
// sender.
static void receive_next(client_call *c) {
    grpc_op ops[] = {{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->received}};
    // message_done calls this before it counts itself off, so the count cannot reach zero between.
    c->pending++;
    op_begin(&c->receive, c->grpc, message_done, c);
    op_start_batch(&c->receive, c->handle, ops, 1);
}

// ---- The beginning ----

static size_t sending_ops(client_call *c, grpc_op *ops) {
    ops[0] = (grpc_op){
        .op = GRPC_OP_SEND_INITIAL_METADATA,
        .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY,
        .data.send_initial_metadata = {.count = 2, .metadata = c->sent},
    };
    ops[1] = (grpc_op){
        .op = GRPC_OP_SEND_MESSAGE,
        .data.send_message.send_message = c->request,
    };
    ops[2] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    ops[3] = (grpc_op){
        .op = GRPC_OP_RECV_INITIAL_METADATA,
        .data.recv_initial_metadata.recv_initial_metadata = &c->initial,
    };
    return 4;
}

static grpc_op status_op(client_call *c) {
    return (grpc_op){
        .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
        .data.recv_status_on_client =
            {
                .trailing_metadata = &c->trailing,
                .status = &c->status,
                .status_details = &c->status_message,
            },
    };
}

static void start_unary(client_call *c) {
    grpc_op ops[6];
    size_t count = sending_ops(c, ops);
    ops[count++] = (grpc_op){
        .op = GRPC_OP_RECV_MESSAGE,
        .data.recv_message.recv_message = &c->received,
    };
    ops[count++] = status_op(c);
    c->pending = 1;
    op_begin(&c->begin, c->grpc, tag_done, c);
    op_start_batch(&c->begin, c->handle, ops, count);
}

static void start_stream(client_call *c) {
    grpc_op ops[4];
    size_t count = sending_ops(c, ops);
    grpc_op end = status_op(c);
    c->pending = 2;
    op_begin(&c->begin, c->grpc, tag_done, c);
    op_start_batch(&c->begin, c->handle, ops, count);
    op_begin(&c->end, c->grpc, tag_done, c);
    op_start_batch(&c->end, c->handle, &end, 1);
    receive_next(c);
}

static void on_cancel(ow_call *call, void *self) {
    client_call *c = self;
    (void)call;
    grpc_call_cancel(c->handle, NULL);
}

// A call that has been sent ends by itself when the connection breaks; one without a connection by
// now is still waiting for one.
static void on_patience_over(void *self) {
    client_call *c = self;
    if (grpc_channel_check_connectivity_state(c->to->channel, 0) != GRPC_CHANNEL_READY) {
        ow_call_cancel_for(c->call, OW_UNAVAILABLE, "unreachable");
    }
}

// Without this a call would fail on what an attempt to connect met a moment ago, or, waiting for the
// peer, last until its own deadline. Asking now whether there is a connection would not do: of a
// peer that has just died the channel may not know yet.
static void wait_patiently(client_call *c) {
    ow_loop *loop = c->call->loop;
    c->patience = (ow_timer){.on_due = on_patience_over, .self = c};
    (void)ow_loop_timer_set(loop, &c->patience, ow_loop_now_us(loop) + PATIENCE_US);
}

static gpr_timespec deadline_of(const ow_call *call) {
    int64_t left = ow_call_left_us(call);
    if (left == OW_NO_DEADLINE) {
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    }
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(left, GPR_TIMESPAN));
}

static void fill_metadata(client_call *c) {
    uint8_t record[OW_CALL_METADATA_MAX];
    size_t size = ow_call_metadata_encode(c->call, record);
    char trace[OW_TRACEPARENT_MAX];
    ow_trace_format(trace, &c->call->trace);
    c->sent[0] = (grpc_metadata){
        .key = grpc_slice_from_static_string(METADATA_KEY),
        .value = grpc_slice_from_copied_buffer((const char *)record, size),
    };
    c->sent[1] = (grpc_metadata){
        .key = grpc_slice_from_static_string("traceparent"),
        .value = grpc_slice_from_copied_string(trace),
    };
}

static void link_call(client_call *c) {
    c->next = c->grpc->client_calls;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    c->grpc->client_calls = c;
}

static client_call *client_call_in(remote *r, unsigned method, const ProtobufCMessage *request,
                                   ow_call *call) {
    if (!ow_call_is_live(call) || engine_start(r->grpc, &call->err) != OW_OK) {
        return NULL;
    }
    client_call *c = ow_arena_calloc(call->arena, 1, sizeof *c);
    if (c == NULL) {
        ow_fail(&call->err, OW_RESOURCE_EXHAUSTED, "call_too_large",
                "the call needs more memory than one call may have");
        return NULL;
    }
    c->request = wire_pack(request, &call->err);
    if (c->request == NULL) {
        return NULL;
    }
    c->grpc = r->grpc;
    c->to = r;
    c->call = call;
    c->method = &r->base.descriptor->methods[method];
    c->stream = r->methods[method].stream;
    c->status_message = grpc_empty_slice();
    c->status = GRPC_STATUS_UNKNOWN;
    c->handle = grpc_channel_create_registered_call(r->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                                    r->grpc->queue, r->methods[method].handle,
                                                    deadline_of(call), NULL);
    fill_metadata(c);
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
    link_call(c);
    return c;
}

static void remote_invoke(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                          ProtobufCClosure closure, void *closure_data) {
    remote *r = (remote *)base;
    ow_call *call = closure_data;
    client_call *c = client_call_in(r, method, request, call);
    if (c == NULL) {
        closure(NULL, call);
        return;
    }
    c->closure = closure;
    call->on_cancel = on_cancel;
    call->on_cancel_self = c;
    wait_patiently(c);
    if (c->stream) {
        start_stream(c);
    } else {
        start_unary(c);
    }
}

// ---- Channels ----

static bool register_methods(remote *r) {
    const ProtobufCServiceDescriptor *descriptor = r->base.descriptor;
    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        const char *name = descriptor->methods[i].name;
        const ow_api_method *rule = ow_api_find_named(r->grpc->api, descriptor->name, name);
        remote_method *method = &r->methods[i];
        if (asprintf(&method->path, "/%s/%s", descriptor->name, name) < 0) {
            method->path = NULL;
            return false;
        }
        method->stream = rule != NULL && rule->server_streaming;
        method->handle = grpc_channel_register_call(r->channel, method->path, NULL, NULL);
    }
    return true;
}

static grpc_channel *open_channel(const ow_grpc *g, const ProtobufCServiceDescriptor *descriptor,
                                  const char *copy, const char *path) {
    char peer[PEER_TEXT_MAX];
    char name[PEER_TEXT_MAX];
    snprintf(name, sizeof name, "%s%s%s", descriptor->short_name, copy != NULL ? "." : "",
             copy != NULL ? copy : "");
    char target[SOCKET_PATH_MAX + 8];
    if (mtls_find_peer(g, name, peer)) {
        return mtls_channel(g, peer);
    }
    snprintf(target, sizeof target, "unix:%s", path);
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(target, credentials, wire_channel_args());
    grpc_channel_credentials_release(credentials);
    return channel;
}

bool remote_is_connected(void *grpc, ProtobufCService *service) {
    (void)grpc;
    const remote *r = (const remote *)service;
    return r->channel != NULL &&
           grpc_channel_check_connectivity_state(r->channel, 1) == GRPC_CHANNEL_READY;
}

ProtobufCService *remote_connect(void *grpc, const ProtobufCServiceDescriptor *descriptor,
                                 const char *copy, ow_err *err) {
    ow_grpc *g = grpc;
    char path[SOCKET_PATH_MAX];
    if (!socket_path(g, descriptor, copy, path, err) || engine_start(g, err) != OW_OK) {
        return NULL;
    }
    remote *r = calloc(1, sizeof *r + descriptor->n_methods * sizeof r->methods[0]);
    if (r != NULL) {
        r->base = (ProtobufCService){.descriptor = descriptor, .invoke = remote_invoke};
        r->grpc = g;
        r->channel = open_channel(g, descriptor, copy, path);
        r->next = g->remotes;
        g->remotes = r;
    }
    if (r == NULL || !register_methods(r)) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a channel");
        return NULL;
    }
    return &r->base;
}

void clients_cancel(ow_grpc *g) {
    // Each cancellation only asks the library; calls end, and leave the list, on the loop.
    client_call *next;
    for (client_call *c = g->client_calls; c != NULL; c = next) {
        next = c->next;
        ow_call_cancel_for(c->call, OW_UNAVAILABLE, "stopping");
        grpc_call_cancel(c->handle, NULL);
    }
}

void remotes_close(ow_grpc *g) {
    for (remote *r = g->remotes; r != NULL; r = r->next) {
        grpc_channel_destroy(r->channel);
        r->channel = NULL;
    }
}

void remotes_free(ow_grpc *g) {
    while (g->remotes != NULL) {
        remote *r = g->remotes;
        g->remotes = r->next;
        for (unsigned i = 0; i < r->base.descriptor->n_methods; i++) {
            free(r->methods[i].path);
        }
        free(r);
    }
}
