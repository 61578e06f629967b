#pragma once

// Shared by the files of core/rpc.

#include "core/rpc/channel.h"
#include "core/rpc/directory.h"

// The deadline of a call that now waits for somebody: cancels it when it comes. disarm also forgets
// a cancellation that was put off.
void call_arm(ow_call *call);
void call_disarm(ow_call *call);

// Between the two on_cancel is not called; if it was due, it comes from the loop afterwards.
void call_hold(ow_call *call);
void call_release(ow_call *call);

// Another span of the same trace, told from the others by its number.
void trace_derive_span(ow_trace *trace, uint32_t number);

// Calls of a service with several copies (spread.c). `here` is what serves the copy of this process.
typedef struct spread spread;
ow_code spread_new(const ow_spread *wanted, const ow_connector *connector, ProtobufCService *here,
                   spread **ret_spread, ow_err *err);
spread *spread_free(spread *s);
void spread_invoke(spread *s, unsigned method, const ProtobufCMessage *request,
                   ProtobufCClosure closure, ow_call *call);

// The packed channel of one directory (packed.c).
typedef struct packed_channel packed_channel;
packed_channel *packed_new(ow_loop *loop, const ow_api *api, uint64_t seed);
packed_channel *packed_free(packed_channel *channel);

// Begins a call. `*target` is there now; it is looked at again when the request arrives.
void packed_invoke(packed_channel *channel, ProtobufCService *const *target, unsigned method,
                   const ProtobufCMessage *request, ProtobufCClosure closure, ow_call *call);
