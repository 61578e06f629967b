#pragma once

// A file of the bundle that stands in for a function. Files are got from the registry when they are needed
// first, and kept among the copies of replies. Loop thread.

#include "services/gateway/http_event.h"
#include "services/gateway/http_routes.h"
#include "services/gateway/routes.h"

// Notes which file that is, for this route in this revision.
void http_fallback_note(http_state *state, const http_route *route, const route_revision *revision);

// `file` NULL: it cannot be had. Otherwise borrowed for the call.
typedef void (*http_fallback_done)(exchange *x, const http_reply *file);

// Gets the file of x; `done` comes now or later, unless the exchange ends before. False: there is none, or it could not be had within
// the last second.
bool http_fallback_ask(exchange *x, http_fallback_done done);

// The exchange ends.
void http_fallback_end(exchange *x);
