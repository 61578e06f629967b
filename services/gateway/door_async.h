#pragma once

// The asynchronous half of the door of calls. For door_call.c.

#include "services/gateway/internal.h"

// Reads ?mode= and what goes with it. False when it is neither "sync" nor "async", or a deduplication key
// is malformed or of no use.
bool async_take_mode(exchange *x);

// How large a payload may be.
size_t async_body_limit(const exchange *x);

// Puts the call, filled in as for the runner, into the queue; ends the exchange with 202 or an error.
void async_enqueue(exchange *x);
