#pragma once

// A server stream that is held open for as long as its owner lives: begun again with back-off
// whenever it ends, stale in between. For copies of another service's state. Loop thread only.

#include "core/rpc/call.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>

// What a message was to the copy that it belongs to.
typedef enum ow_news {
    OW_NEWS_PART,  // taken; more is needed for the copy to be whole
    OW_NEWS_WHOLE, // taken; the copy is whole now
    OW_NEWS_LOST,  // could not be taken: the stream begins again, from a whole state
} ow_news;

typedef struct ow_subscription {
    // Set by the owner before ow_subscription_start.
    ow_loop *loop;
    const char *name; // for the log: "routes"
    ProtobufCService *service;
    const char *method;              // "WatchRoutes"; must exist
    const ProtobufCMessage *request; // must live as long as the subscription
    ow_news (*on_message)(void *self, const ProtobufCMessage *message);
    void *self;
    // For the owner to read.
    bool is_fresh; // the stream is up and the copy is whole
    ow_call *call; // NULL: no stream
    // The subscription's own.
    bool stopped;
    ow_timer retry;
    int64_t backoff_us;
} ow_subscription;

// Begins. The struct is embedded in its owner and must live until ow_subscription_stop has returned
// and `call` is NULL, or the loop has ended.
void ow_subscription_start(ow_subscription *s);

// Ends the stream; no message comes any more, the end of the call still does. Accepts one that was
// never started.
void ow_subscription_stop(ow_subscription *s);
