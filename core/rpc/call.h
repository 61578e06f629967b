#pragma once

// ow_call: the one convention that protoc-c's services lack. In every generated stub and closure,
// `closure_data` is an ow_call: who calls, for which title, how long it may take, whether it was
// cancelled, and how it ended.
//
//     ow_call *sub = ow_call_child(call);
//     sub->user = state;
//     overworld__runner__v1__runner__invoke(runner, &request, on_invoked, sub);
//
//     static void on_invoked(const InvokeResponse *reply, void *closure_data) {
//         ow_call *sub = closure_data;
//         if (reply == NULL) { ... sub->err says why ... }
//         ow_call_free(sub);
//     }
//
// Lifetime rules:
//  1. An ow_call belongs to one loop from creation to reply; every closure runs there.
//  2. The closure of a unary call runs exactly once, also after cancellation. It may run before the
//     stub returns. `reply == NULL`: failed, see call->err. A stream's closure runs once for each
//     message and once with NULL at the end (call->err.code is OW_OK when it ended well).
//  3. The request must stay valid until the final closure; a reply only during the closure, unless
//     it lives in the call's arena (local channel) - copy what you keep.
//  4. The caller frees the call, in or after the final closure, never before.
//  5. Outside a running step only the loop touches a call and its arena.

#include "core/arena/arena.h"
#include "core/error/error.h"
#include "core/id/id.h"
#include "core/loop/loop.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stdint.h>

#define OW_CALL_MAX_HOPS 16
#define OW_CALL_MESSAGE_MAX                                                                        \
    (8u << 20)                   // bytes of one encoded message, on every channel that encodes
#define OW_NO_DEADLINE INT64_MAX // for streams that last
#define OW_TRACEPARENT_MAX 56
#define OW_ADDRESS_MAX 46 // an IPv6 address as text, with NUL

typedef enum ow_principal_kind {
    OW_NOBODY,
    OW_PLAYER,
    OW_SERVER,   // a server key: dedicated server or backend
    OW_OPERATOR, // portal or CLI user
    OW_PLATFORM, // a service of the platform itself, acting for nobody (timers, maintenance)
} ow_principal_kind;

typedef enum ow_role { OW_ROLE_NONE, OW_ROLE_VIEWER, OW_ROLE_DEVELOPER, OW_ROLE_ADMIN } ow_role;

typedef struct ow_principal {
    ow_principal_kind kind;
    ow_role role;      // of an operator, in this title
    bool every_title;  // an operator's role holds in every title
    bool with_api_key; // an operator's token is an API key
    char id[OW_ID_MAX];
    char title[OW_ID_MAX]; // "" when not bound to one
} ow_principal;

// W3C trace context, https://www.w3.org/TR/trace-context/
typedef struct ow_trace {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags;
} ow_trace;

typedef struct ow_call ow_call;

struct ow_call {
    ow_loop *loop;
    ow_arena *arena;               // own; freed with the call
    const ow_principal *principal; // never NULL; shared by the tree of calls
    const char *client_address; // of whoever asked from outside, "203.0.113.7"; "" when nobody did;
                                // never NULL; shared likewise
    char request_id[OW_ID_MAX]; // the same for all that one outside request causes
    ow_trace trace;             // of this call
    int64_t deadline_us;        // in ow_loop_now_us's time
    uint8_t hops;               // sub-calls above this one
    bool from_outside;          // made by a door for somebody outside; false: by a service
    bool cancelled;
    ow_err err; // how it ended; code OW_OK until then
    void *user; // the caller's own
    // Set by whoever is working on the call and wants to hear of its cancellation: a pending step
    // (forgotten when the step ends), a channel. Called once, on the loop, after the call's own
    // sub-calls were told, never from within the step or its ow_run_send; the work then ends the
    // call soon (whatever it says then, the caller sees the cancellation). A step that only waits
    // for sub-calls needs none.
    void (*on_cancel)(ow_call *call, void *self);
    void *on_cancel_self;

    // Private to core/rpc from here.
    ow_call *parent, *first_child, *prev_sibling, *next_sibling; // the tree, for cancellation
    ow_code cancel_code;
    const char *cancel_reason;
    ow_timer timer; // the deadline while it is waited for, or a cancellation put off
    uint32_t spans; // sub-calls made
    uint8_t held;   // > 0: on_cancel must wait
    bool told, put_off, cancelling, freed;
};

typedef struct ow_call_options {
    const ow_principal *principal; // copied; NULL: nobody
    const char *request_id;        // NULL: a new one is made
    const ow_trace *trace;         // NULL: a new trace begins
    const char *client_address;    // copied; NULL: nobody's
    int64_t timeout_us;            // > 0; OW_NO_DEADLINE
    size_t arena_max;              // 0: 16 MB
    bool from_outside;
} ow_call_options;

// A root call. NULL when out of memory. Loop thread.
ow_call *ow_call_new(ow_loop *loop, const ow_call_options *options);

// A sub-call made by a service: inherits title, principal, request id and trace (with a new span),
// takes the deadline of its parent (lower it by hand), is cancelled with it, counts one hop more
// and is not from outside. `parent` must not end before it; its own arena, status and error. NULL
// when out of memory.
ow_call *ow_call_child(ow_call *parent);

// Frees the call, its arena and its place in the tree. Accepts NULL; returns NULL.
ow_call *ow_call_free(ow_call *call);

// Cancels the call and its children: err becomes `code`: OW_CANCELLED "cancelled" or
// OW_DEADLINE_EXCEEDED "timeout". The final closure still comes, perhaps before this returns. Does
// nothing the second time. Loop thread.
void ow_call_cancel(ow_call *call, ow_code code);

// The same for another cause; `reason` is a static string.
void ow_call_cancel_for(ow_call *call, ow_code code, const char *reason);

// Microseconds until the deadline, at least 0; OW_NO_DEADLINE when there is none.
int64_t ow_call_left_us(const ow_call *call);

// traceparent header text of the call's span, and back. parse: false when it is malformed (then a
// new trace is to begin, as the recommendation says).
void ow_trace_format(char text[static OW_TRACEPARENT_MAX], const ow_trace *trace);
bool ow_trace_parse(const char *text, ow_trace *ret_trace);
void ow_trace_begin(ow_trace *trace);    // new trace id, new span, sampled
void ow_trace_new_span(ow_trace *trace); // same trace, new span

// What travels beside a call between processes, as one versioned binary record. The deadline goes
// its own way (relative, the channel's).
typedef struct ow_call_metadata {
    ow_principal principal;
    char request_id[OW_ID_MAX];
    char client_address[OW_ADDRESS_MAX];
    ow_trace trace;
    uint8_t hops;
    bool from_outside;
} ow_call_metadata;

#define OW_CALL_METADATA_MAX 200

// Writes the record of a call; returns its size. Any thread that may read the call.
size_t ow_call_metadata_encode(const ow_call *call, uint8_t bytes[static OW_CALL_METADATA_MAX]);

// Only what a trusted peer sent may be decoded; it is checked strictly all the same. Codes:
// invalid_argument "bad_metadata".
ow_code ow_call_metadata_decode(const uint8_t *bytes, size_t size, ow_call_metadata *ret_metadata,
                                ow_err *err);

// The root call that stands for a call of another process. NULL when out of memory. Loop thread.
ow_call *ow_call_from_metadata(ow_loop *loop, const ow_call_metadata *metadata, int64_t timeout_us);

// An allocator for protobuf-c that takes from the arena and frees nothing: in `storage`, which must
// live as long as it is used. Returns `storage`.
ProtobufCAllocator *ow_arena_protobuf(ow_arena *arena, ProtobufCAllocator *storage);
