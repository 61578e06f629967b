#pragma once

/* What is asked, however it came: as a call, or by one of the manifest's routes. */

#include <overworld.h>

/* The request's JSON: a call's payload, a route's body, or its query ({"room": "lobby"} of ?room=lobby). NULL
 * when it is none. Freed by Overworld. */
cJSON *request_read(ow_ctx *ctx);

/* Ends the call with what the platform said last. */
int request_fail(ow_ctx *ctx, const char *what);
