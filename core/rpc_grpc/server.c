#include "core/rpc_grpc/internal.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 256 };

typedef struct outgoing {
    struct outgoing *next;
    grpc_byte_buffer *message;
    size_t size;
} outgoing;

// One call of somebody else, from the slot in which it arrives to the last tag. Heap.
struct server_call {
    ow_grpc *grpc;
    op accepted, closed, receive, send;
    bool closed_pending, receive_pending, send_pending;
    grpc_call *handle;
    grpc_call_details details;
    grpc_metadata_array metadata;
    int was_cancelled;
    grpc_byte_buffer *request;

    ProtobufCService *service; // NULL: reflection
    unsigned method;
    bool stream;
    bool trusted;  // needs our metadata
    ow_call *call; // while the service works on it

    outgoing *first, **end; // of a stream
    outgoing *in_flight;
    size_t waiting, waiting_bytes;
    bool initial_sent, ended, status_sent;
    grpc_byte_buffer *reply; // of a unary call that went well
    ow_err err;              // how it ended
    grpc_metadata trailing;
    grpc_slice status_message;
    server_call *next, *prev;
};

static void arm(ow_grpc *g);
static void pump(server_call *s);

// ---- The end ----

static void drop_queue(server_call *s) {
    while (s->first != NULL) {
        outgoing *next = s->first->next;
        grpc_byte_buffer_destroy(s->first->message);
        free(s->first);
        s->first = next;
    }
    s->end = &s->first;
    s->waiting = s->waiting_bytes = 0;
}

static void server_call_free(server_call *s) {
    drop_queue(s);
    grpc_call_details_destroy(&s->details);
    grpc_metadata_array_destroy(&s->metadata);
    if (s->request != NULL) {
        grpc_byte_buffer_destroy(s->request);
    }
    if (s->reply != NULL) {
        grpc_byte_buffer_destroy(s->reply);
    }
    grpc_slice_unref(s->trailing.value);
    grpc_slice_unref(s->status_message);
    if (s->handle != NULL) {
        grpc_call_unref(s->handle);
    }
    free(s);
}

static void leave(server_call *s) {
    if (!s->status_sent || s->closed_pending || s->receive_pending || s->send_pending ||
        s->call != NULL) {
        return;
    }
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        s->grpc->server_calls = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    s->grpc->serving--;
    server_call_free(s);
}

// The call is over for the peer, whatever the service still does.
static void end_with(server_call *s, const ow_err *why) {
    if (s->ended) {
        return;
    }
    s->ended = true;
    if (why != NULL) {
        s->err = *why;
    }
    pump(s);
}

static void refuse(server_call *s, ow_code code, const char *reason, const char *message) {
    ow_err err = {0};
    ow_fail(&err, code, reason, "%s", message);
    end_with(s, &err);
}

// ---- Sending: one batch at a time ----

static void send_done(op *o, bool ok) {
    server_call *s = o->self;
    s->send_pending = false;
    if (s->in_flight != NULL) {
        grpc_byte_buffer_destroy(s->in_flight->message);
        free(s->in_flight);
        s->in_flight = NULL;
    }
    if (!ok) {
        drop_queue(s); // the peer has gone
    }
    pump(s);
    leave(s);
}

static size_t initial_op(server_call *s, grpc_op *ops) {
    if (s->initial_sent) {
        return 0;
    }
    s->initial_sent = true;
    ops[0] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    return 1;
}

static grpc_op message_op(grpc_byte_buffer *message) {
    return (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message};
}

static grpc_op status_op(server_call *s) {
    bool failed = s->err.code != OW_OK;
    s->status_message = grpc_slice_from_copied_string(failed ? s->err.message : "");
    if (failed) {
        s->trailing.key = grpc_slice_from_static_string(DETAILS_KEY);
        s->trailing.value = wire_status_details(&s->err);
    }
    return (grpc_op){
        .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
        .data.send_status_from_server =
            {
                .trailing_metadata_count = failed ? 1 : 0,
                .trailing_metadata = &s->trailing,
                .status = (grpc_status_code)s->err.code,
                .status_details = &s->status_message,
            },
    };
}

static void receive(server_call *s);

static void pump(server_call *s) {
    grpc_op ops[3];
    size_t count = 0;
    if (s->send_pending || s->status_sent) {
        return;
    }
    if (s->first != NULL) {
        s->in_flight = s->first;
        s->first = s->first->next;
        if (s->first == NULL) {
            s->end = &s->first;
        }
        s->waiting--;
        s->waiting_bytes -= s->in_flight->size;
        count = initial_op(s, ops);
        ops[count++] = message_op(s->in_flight->message);
    } else if (s->ended) {
        s->status_sent = true;
        count = initial_op(s, ops);
        if (s->reply != NULL) {
            ops[count++] = message_op(s->reply);
        }
        ops[count++] = status_op(s);
    } else if (s->service == NULL && s->initial_sent && !s->receive_pending) {
        receive(s); // reflection: answered, so the next question
        return;
    } else {
        return;
    }
    s->send_pending = true;
    op_begin(&s->send, s->grpc, send_done, s);
    op_start_batch(&s->send, s->handle, ops, count);
}

static bool enqueue(server_call *s, grpc_byte_buffer *message) {
    outgoing *out = malloc(sizeof *out);
    if (out == NULL) {
        grpc_byte_buffer_destroy(message);
        return false;
    }
    *out = (outgoing){.message = message, .size = wire_size(message)};
    *s->end = out;
    s->end = &out->next;
    s->waiting++;
    s->waiting_bytes += out->size;
    pump(s);
    return true;
}

// ---- The service's answers ----

static void stream_message(server_call *s, const ProtobufCMessage *message, ow_call *call) {
    if (s->ended) {
        return;
    }
    if (s->waiting >= OW_STREAM_QUEUE_MESSAGES_MAX || s->waiting_bytes > OW_STREAM_QUEUE_MAX) {
        drop_queue(s);
        ow_call_cancel_for(call, OW_RESOURCE_EXHAUSTED, "slow_consumer");
        return;
    }
    ow_err err = {0};
    grpc_byte_buffer *packed = wire_pack(message, &err);
    if (packed == NULL || !enqueue(s, packed)) {
        ow_call_cancel_for(call, OW_RESOURCE_EXHAUSTED, "message_too_large");
    }
}

static void on_answer(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    server_call *s = call->user;
    if (s->stream && message != NULL) {
        stream_message(s, message, call);
        return;
    }
    s->call = NULL;
    ow_err err = call->err;
    if (message != NULL && !s->ended) {
        s->reply = wire_pack(message, &err);
    }
    ow_call_free(call);
    end_with(s, &err);
    leave(s);
}

// ---- The request ----

static ow_call *make_call(server_call *s, ow_err *err) {
    gpr_timespec left = gpr_time_sub(s->details.deadline, gpr_now(s->details.deadline.clock_type));
    bool endless =
        gpr_time_cmp(s->details.deadline, gpr_inf_future(s->details.deadline.clock_type)) == 0;
    int64_t timeout = endless ? OW_NO_DEADLINE : left.tv_sec * 1000000 + left.tv_nsec / 1000;
    ow_call *call = NULL;
    if (s->trusted) {
        const grpc_slice *record = wire_find(&s->metadata, METADATA_KEY);
        ow_call_metadata metadata;
        if (ow_call_metadata_decode(GRPC_SLICE_START_PTR(*record), GRPC_SLICE_LENGTH(*record),
                                    &metadata, err) != OW_OK) {
            return NULL;
        }
        call = ow_call_from_metadata(s->grpc->loop, &metadata, timeout > 0 ? timeout : 1);
    } else {
        ow_call_options options = {.timeout_us = timeout > 0 ? timeout : 1, .from_outside = true};
        call = ow_call_new(s->grpc->loop, &options);
    }
    if (call == NULL) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a call");
        return NULL;
    }
    call->user = s;
    return call;
}

static void begin(server_call *s) {
    ow_err err = {0};
    ow_call *call = make_call(s, &err);
    if (call == NULL) {
        end_with(s, &err);
        return;
    }
    const ProtobufCMessageDescriptor *type = s->service->descriptor->methods[s->method].input;
    ProtobufCMessage *request = wire_unpack(type, s->request, call->arena);
    grpc_byte_buffer_destroy(s->request);
    s->request = NULL;
    if (request == NULL) {
        ow_call_free(call);
        refuse(s, OW_INVALID_ARGUMENT, "bad_message",
               "the request is malformed or needs too much memory");
        return;
    }
    s->call = call;
    s->service->invoke(s->service, s->method, request, on_answer, call);
}

static void reflect(server_call *s) {
    ow_err err = {0};
    grpc_byte_buffer *answer = reflection_answer(s->grpc, s->request, &err);
    grpc_byte_buffer_destroy(s->request);
    s->request = NULL;
    if (answer == NULL || !enqueue(s, answer)) {
        end_with(s, &err);
    }
}

static void receive_done(op *o, bool ok) {
    server_call *s = o->self;
    s->receive_pending = false;
    if (s->ended || !ok || s->request == NULL) {
        bool good_end = s->service == NULL && ok;
        ow_err err = {0};
        ow_fail(&err, OW_INVALID_ARGUMENT, "no_request", "the call carries no request");
        end_with(s, good_end ? NULL : &err);
    } else if (s->service == NULL) {
        reflect(s);
    } else {
        begin(s);
    }
    leave(s);
}

static void receive(server_call *s) {
    grpc_op ops[] = {{.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &s->request}};
    s->receive_pending = true;
    op_begin(&s->receive, s->grpc, receive_done, s);
    op_start_batch(&s->receive, s->handle, ops, 1);
}

static void closed_done(op *o, bool ok) {
    server_call *s = o->self;
    if ((!ok || s->was_cancelled) && s->call != NULL) {
        bool late = ow_call_left_us(s->call) == 0;
        ow_call_cancel(s->call, late ? OW_DEADLINE_EXCEEDED : OW_CANCELLED);
    }
    s->closed_pending = false; // not before: the answer to the cancellation must not free the call
    leave(s);
}

static void watch_close(server_call *s) {
    grpc_op ops[] = {{
        .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
        .data.recv_close_on_server.cancelled = &s->was_cancelled,
    }};
    s->closed_pending = true;
    op_begin(&s->closed, s->grpc, closed_done, s);
    op_start_batch(&s->closed, s->handle, ops, 1);
}

// ---- Which method ----

static bool choose(server_call *s, ProtobufCService *service, const char *name,
                   const char *method) {
    if (strcmp(service->descriptor->name, name) != 0) {
        return false;
    }
    const ProtobufCMethodDescriptor *found =
        protobuf_c_service_descriptor_get_method_by_name(service->descriptor, method);
    if (found != NULL) {
        s->service = service;
        s->method = (unsigned)(found - service->descriptor->methods);
    }
    return found != NULL;
}

static bool find_method(server_call *s) {
    char path[PATH_BYTES_MAX];
    size_t length = GRPC_SLICE_LENGTH(s->details.method);
    if (length >= sizeof path) {
        return false;
    }
    memcpy(path, GRPC_SLICE_START_PTR(s->details.method), length);
    path[length] = '\0';
    if (reflection_is(path)) {
        return true;
    }
    const ow_api_method *rule = ow_api_find(s->grpc->api, path);
    char *slash = path[0] == '/' ? strchr(path + 1, '/') : NULL;
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    for (offer *o = s->grpc->offers; o != NULL; o = o->next) {
        if (choose(s, o->service, path + 1, slash + 1)) {
            s->trusted = true;
            s->stream = rule != NULL && rule->server_streaming;
            return true;
        }
    }
    s->stream = strcmp(slash + 1, "Watch") == 0;
    return choose(s, health_service(s->grpc->health), path + 1, slash + 1);
}

static void admit(server_call *s) {
    ow_grpc *g = s->grpc;
    if (!mtls_is_ours(g, s->handle)) {
        refuse(s, OW_UNAUTHENTICATED, "wrong_peer", "this certificate is of another installation");
    } else if (!find_method(s)) {
        refuse(s, OW_UNIMPLEMENTED, "unknown_method", "there is no such method here");
    } else if (g->stopped || (g->draining && s->trusted)) {
        refuse(s, OW_UNAVAILABLE, "stopping", "this process is stopping");
    } else if (g->serving > SERVER_CALLS_MAX) {
        refuse(s, OW_RESOURCE_EXHAUSTED, "overloaded", "too many calls at once");
    } else if (s->trusted && wire_find(&s->metadata, METADATA_KEY) == NULL) {
        refuse(s, OW_UNAUTHENTICATED, "no_metadata",
               "services of the platform are reached through its gateway");
    } else {
        receive(s);
    }
}

static void accepted_done(op *o, bool ok) {
    server_call *s = o->self;
    ow_grpc *g = s->grpc;
    if (!ok) {
        server_call_free(s); // the server is shutting down
        return;
    }
    if (!g->stopped) {
        arm(g);
    }
    s->next = g->server_calls;
    if (s->next != NULL) {
        s->next->prev = s;
    }
    g->server_calls = s;
    g->serving++;
    watch_close(s);
    admit(s);
}

static void arm(ow_grpc *g) {
    server_call *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return; // one slot fewer
    }
    s->grpc = g;
    s->end = &s->first;
    s->status_message = grpc_empty_slice();
    s->trailing.value = grpc_empty_slice();
    grpc_call_details_init(&s->details);
    grpc_metadata_array_init(&s->metadata);
    op_begin(&s->accepted, g, accepted_done, s);
    if (grpc_server_request_call(g->server, &s->handle, &s->details, &s->metadata, g->queue,
                                 g->queue, &s->accepted) != GRPC_CALL_OK) {
        op_abandon(&s->accepted);
        server_call_free(s);
    }
}

// ---- Start ----

static ow_code start_server(ow_grpc *g, ow_err *err) {
    if (g->server != NULL) {
        return OW_OK;
    }
    g->health = health_new(g);
    if (g->health == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a server");
    }
    g->server = grpc_server_create(wire_channel_args(), NULL);
    grpc_server_register_completion_queue(g->server, g->queue, NULL);
    ow_code code = mtls_listen(g, err);
    if (code != OW_OK) {
        grpc_server_destroy(g->server);
        g->server = NULL;
        g->health = health_free(g->health);
        return code;
    }
    grpc_server_start(g->server);
    for (int i = 0; i < SERVER_SLOTS; i++) {
        arm(g);
    }
    return OW_OK;
}

ow_code server_offer(ow_grpc *g, ProtobufCService *service, const char *copy, ow_err *err) {
    ow_code code = start_server(g, err);
    if (code != OW_OK) {
        return code;
    }
    offer *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a service");
    }
    o->grpc = g;
    o->service = service;
    o->serving = true;
    if (!socket_path(g, service->descriptor, copy, o->path, err)) {
        free(o);
        return OW_INVALID_ARGUMENT;
    }
    code = listener_open(o, err);
    if (code != OW_OK) {
        free(o);
        return code;
    }
    o->next = g->offers;
    g->offers = o;
    health_changed(g->health);
    return OW_OK;
}

// ---- Stop ----

// Ended by nobody but us: streams without a deadline, and whatever strangers hold on to.
static bool is_endless(const server_call *s) {
    gpr_timespec never = gpr_inf_future(s->details.deadline.clock_type);
    return !s->trusted || (s->stream && gpr_time_cmp(s->details.deadline, never) == 0);
}

void server_end_calls(ow_grpc *g, bool endless_only) {
    ow_err stopping = {0};
    ow_fail(&stopping, OW_UNAVAILABLE, "stopping", "this process is stopping");
    // First the answers, which free nothing by themselves; then the services, whose answers may
    // free the call at hand and come too late for the peer.
    for (server_call *s = g->server_calls; s != NULL; s = s->next) {
        if (endless_only && !is_endless(s)) {
            continue;
        }
        if (!endless_only) {
            drop_queue(s);
        }
        end_with(s, &stopping);
        if (s->receive_pending) {
            grpc_call_cancel(s->handle, NULL);
        }
    }
    server_call *next;
    for (server_call *s = g->server_calls; s != NULL; s = next) {
        next = s->next;
        if (s->ended && s->call != NULL) {
            ow_call_cancel_for(s->call, OW_UNAVAILABLE, "stopping");
        }
    }
}

static void shutdown_done(op *o, bool ok) {
    (void)ok;
    free(o->self);
}

void server_shutdown(ow_grpc *g) {
    if (g->server == NULL) {
        return;
    }
    op *tag = calloc(1, sizeof *tag);
    if (tag == NULL) {
        abort(); // without it the library can never be left in order
    }
    op_begin(tag, g, shutdown_done, tag);
    grpc_server_shutdown_and_notify(g->server, g->queue, tag);
}

void server_free(ow_grpc *g) {
    if (g->server != NULL) {
        grpc_server_destroy(g->server);
        g->server = NULL;
    }
    while (g->offers != NULL) {
        offer *next = g->offers->next;
        free(g->offers);
        g->offers = next;
    }
    g->health = health_free(g->health);
}
