#pragma once

// core/rpc_grpc in files: engine.c (library, completion queue and its thread, start and stop),
// client.c (calls to others), listen.c (sockets), mtls.c (other hosts), server.c (calls of others), health.c, reflection.c, wire.c
// (messages, metadata, errors as grpc has them).
//
// Everything runs on the loop but engine.c's thread, which only posts completions.

#include "core/rpc/channel.h"
#include "core/rpc_grpc/rpc_grpc.h"

#include <grpc/grpc.h>
#include <pthread.h>

enum {
    SOCKET_PATH_MAX = 108, // sun_path
    SERVER_SLOTS = 32,     // calls that may arrive in one turn without waiting
    SERVER_CALLS_MAX = 16384,
    PEER_TEXT_MAX = 128,
};

#define METADATA_KEY "overworld-call-bin"
#define DETAILS_KEY "grpc-status-details-bin"

typedef struct client_call client_call;
typedef struct server_call server_call;
typedef struct remote remote;
typedef struct offer offer;
typedef struct health health;
typedef struct mtls mtls;

struct ow_grpc {
    ow_loop *loop;
    const ow_api *api;
    char folder[SOCKET_PATH_MAX];
    ow_connector connector;
    int serving; // calls of others now

    bool started; // library, queue and thread are there
    bool draining, stopped;
    grpc_completion_queue *queue;
    pthread_t thread;
    int outstanding; // tags that have not come back

    remote *remotes;
    client_call *client_calls;

    mtls *mtls; // NULL: this host alone
    grpc_server *server;
    offer *offers;
    server_call *server_calls; // accepted ones
    health *health;
};

// One tag. Embedded; must live until `done` has begun.
typedef struct op {
    ow_message message;
    ow_grpc *grpc;
    void (*done)(struct op *o, bool ok);
    void *self;
    bool ok;
} op;

ow_code engine_start(ow_grpc *g, ow_err *err);
// Before a tag is given to grpc, and when grpc did not take it.
void op_begin(op *o, ow_grpc *g, void (*done)(op *o, bool ok), void *self);
void op_abandon(op *o);
// op_begin and grpc_call_start_batch. A batch that is refused is a mistake of ours; it is reported
// as done without success.
void op_start_batch(op *o, grpc_call *call, const grpc_op *ops, size_t count);

// ---- wire.c ----

grpc_byte_buffer *wire_pack(const ProtobufCMessage *message, ow_err *err); // NULL with err filled
size_t wire_size(const grpc_byte_buffer *buffer);
// NULL when malformed or the arena is full.
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *buffer,
                              ow_arena *arena);
grpc_slice wire_status_details(const ow_err *why);
// The error that a status and its trailing metadata say; never OW_OK.
void wire_read_error(grpc_status_code status, grpc_slice message,
                     const grpc_metadata_array *trailing, ow_err *ret_err);
const grpc_slice *wire_find(const grpc_metadata_array *metadata, const char *key);

// ---- client.c ----

ProtobufCService *remote_connect(void *grpc, const ProtobufCServiceDescriptor *descriptor,
                                 const char *copy, ow_err *err);
bool remote_is_connected(void *grpc, ProtobufCService *service);
void clients_cancel(ow_grpc *g);
void remotes_close(ow_grpc *g);
void remotes_free(ow_grpc *g);

// ---- server.c ----

ow_code server_offer(ow_grpc *g, ProtobufCService *service, const char *copy, ow_err *err);
void server_end_calls(ow_grpc *g, bool endless_only);
void server_shutdown(ow_grpc *g);
void server_free(ow_grpc *g);

struct offer {
    ow_grpc *grpc;
    ProtobufCService *service;
    char path[SOCKET_PATH_MAX];
    ow_watch watch;
    bool serving;
    offer *next;
};

// ---- listen.c ----

ow_code listener_open(offer *o, ow_err *err);
void server_close_listeners(ow_grpc *g);

// ---- mtls.c ----

ow_code mtls_open(ow_grpc *g, const ow_grpc_options *options, ow_err *err);
void mtls_close(ow_grpc *g);
// Before the server starts.
ow_code mtls_listen(ow_grpc *g, ow_err *err);
// Where a service (the last part of its name) is; false: on this host.
bool mtls_find_peer(const ow_grpc *g, const char *service, char target[static PEER_TEXT_MAX]);
grpc_channel *mtls_channel(const ow_grpc *g, const char *target);
// False when the caller comes from another host with another installation's certificate.
bool mtls_is_ours(const ow_grpc *g, grpc_call *call);

const grpc_channel_args *wire_channel_args(void);
bool socket_path(const ow_grpc *g, const ProtobufCServiceDescriptor *descriptor, const char *copy,
                 char path[static SOCKET_PATH_MAX], ow_err *err);

// ---- health.c, reflection.c ----

// A service as any other, but reachable without our metadata.
health *health_new(ow_grpc *g);
health *health_free(health *h);
ProtobufCService *health_service(health *h);
void health_changed(health *h); // tells the watchers

bool reflection_is(const char *path); // a method that server.c gives to reflection_answer
// NULL with err filled.
grpc_byte_buffer *reflection_answer(const ow_grpc *g, grpc_byte_buffer *request, ow_err *err);
