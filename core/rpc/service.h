#pragma once

// A service as the callee sees it: a table of methods, each a step or a short table of steps, each
// step saying where it runs. ow_service_new makes of it a ProtobufCService that any channel can
// call: local (the pointer itself), packed, grpc.
//
//     static ow_code login_check(ow_run *run) { ... return OW_OK; }          // loop
//     static ow_code login_store(ow_run *run) { ... ow_db_exec(run->db, ...) } // write
//
//     static const ow_method methods[] = {
//         {"DeviceLogin", sizeof(struct login), {{OW_LOOP, login_check}, {OW_WRITE, login_store}}},
//         {0},
//     };
//
// The dispatcher checks, on every channel and before the first step: the access rule of the method
// (from its .proto), the hop limit (resource_exhausted "too_deep"), the deadline.

#include "core/db/db.h"
#include "core/rpc/api.h"
#include "core/rpc/call.h"

#include <protobuf-c/protobuf-c.h>

#define OW_METHOD_STEPS_MAX 8
#define OW_STREAM_QUEUE_MAX (16u << 20)     // bytes a stream may be behind
#define OW_STREAM_QUEUE_MESSAGES_MAX 16384u // messages, the same

// Returned by a loop step that will end later by ow_run_resume (unary) or ow_run_finish (stream).
#define OW_PENDING ((ow_code)-1)

typedef enum ow_where {
    OW_LOOP,  // the call's loop; must not block; the only one that may call other services
    OW_READ,  // a reader thread: SQL and nothing else, through run->db
    OW_WRITE, // inside the writer's batch: SQL and nothing else; may be run again from its start,
              // with *reply and *state as they were then (what they point to is not put back)
    OW_POOL,  // the CPU pool: argon2, compression
} ow_where;

typedef struct ow_run {
    ow_call *call;
    void *self;          // the service's own
    const void *request; // ProtobufCMessage of the method's input type
    void *reply;         // of its output type, initialised empty, in the call's arena; NULL: stream
    void *state;         // shared by the steps, zeroed, in the call's arena
    ow_err *err;         // return ow_fail(run->err, ...); in other threads not &call->err
    ow_db_conn *db;      // in read and write steps, else NULL
} ow_run;

typedef struct ow_step {
    ow_where where;
    ow_code (*fn)(ow_run *run);
} ow_step;

typedef struct ow_method {
    const char *name; // as in the .proto
    size_t state_size;
    ow_step steps[OW_METHOD_STEPS_MAX]; // ends with fn == NULL
} ow_method;

typedef struct ow_pool ow_pool; // core/rpc/pool.h

typedef struct ow_service_options {
    const ProtobufCServiceDescriptor *descriptor;
    const ow_method *methods; // ends with name == NULL; every method of the descriptor once
    const ow_api *api;        // rules and streaming flags
    void *self;
    ow_loop *loop;
    ow_db *db;        // NULL: the methods have no read and write steps
    ow_pool *pool;    // NULL: no pool steps
    bool is_stand_in; // for tests: a method that the table lacks answers unimplemented "not_here"
} ow_service_options;

// Makes the service. Heap; freed by ow_service_free when no call is running (a caller that stops
// first drains: ow_service_running). Codes: internal (a method is missing, unknown or has a step
// that cannot run): a mistake in the table, found at start.
ow_code ow_service_new(const ow_service_options *options, ProtobufCService **ret_service,
                       ow_err *err);
ProtobufCService *ow_service_free(ProtobufCService *service);

// Calls that have begun and not ended.
size_t ow_service_running(const ProtobufCService *service);

typedef struct ow_method_stats {
    const char *name;
    uint64_t calls, failed; // failed: ended with a code, refused ones included
} ow_method_stats;

// Counters of the index-th method of the descriptor. Loop thread.
void ow_service_stats(const ProtobufCService *service, size_t index, ow_method_stats *ret_stats);

// Ends the pending loop step of a unary call: with OW_OK the next step runs (or the reply is
// sent), otherwise the call fails with run->err (which must be filled). May be called before the
// step has returned OW_PENDING; otherwise the run may be gone when this returns. Loop thread.
void ow_run_resume(ow_run *run, ow_code code);

// For server streams, from their last step or while it is pending: passes a message on, which is
// only read during this call (the call's arena lives as long as the stream: build messages
// elsewhere). A channel between processes queues at most OW_STREAM_QUEUE_MAX bytes (and
// OW_STREAM_QUEUE_MESSAGES_MAX messages) for a consumer that is behind. Any code but OW_OK means that the stream is being
// cancelled (resource_exhausted "slow_consumer": that queue is full): stop sending; on_cancel comes
// later, never from in here. Loop thread.
ow_code ow_run_send(ow_run *run, const ProtobufCMessage *message);

// Ends a stream. With a code other than OW_OK run->err must be filled.
void ow_run_finish(ow_run *run, ow_code code);
