#pragma once

// A server stream that is held open for as long as the process lives: begun again with back-off
// whenever it ends, marked stale in between.

#include "core/rpc/call.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>

typedef struct subscription {
    // Set by the owner before subscription_start.
    ow_loop *loop;
    const char *name; // for the log: "routes"
    ProtobufCService *service;
    unsigned method;                 // index in the service's descriptor
    const ProtobufCMessage *request; // must live as long as the subscription
    // Takes a message; true when the state that it belongs to is now whole.
    bool (*on_message)(void *self, const ProtobufCMessage *message);
    void *self;
    // The subscription's own.
    bool is_fresh; // the stream is up and its state is whole
    bool stopped;
    ow_call *call;
    ow_timer retry;
    int64_t backoff_us;
} subscription;

// Begins. The struct is embedded in its owner and must live until subscription_stop has returned
// and the loop has delivered what was pending.
void subscription_start(subscription *s);

// Ends the stream; no message comes any more.
void subscription_stop(subscription *s);
