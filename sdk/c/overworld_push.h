/*
 * What is pushed to a player: messages of functions, dedicated servers and operators.
 *
 *     static void on_push(void *user, const ow_client_push *push) { ... }
 *     ow_client_listen(client, on_push, NULL, &error);
 *
 * Two events belong to it: OW_CLIENT_PUSHES_LOST, pushes may be missing: fetch anew whatever state the game
 * keeps by them; and OW_CLIENT_PUSHES_MOVED, the same player listens elsewhere now, and this client does no
 * more.
 */
#ifndef OVERWORLD_PUSH_H
#define OVERWORLD_PUSH_H

#include "overworld_client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of them. Borrowed for the callback. */
typedef struct ow_client_push {
    const char *id;
    const char *topic;
    const char *payload; /* JSON text, NUL-terminated */
    size_t size;
} ow_client_push;

typedef void (*ow_client_on_push)(void *user, const ow_client_push *push);

/*
 * Hears the player's pushes from now on: over a WebSocket that connects as soon as a player is logged in
 * and again whenever it breaks, by polls where that is refused or the transport has no streams. Nothing
 * is missed over breaks of less than a minute; what may be missing is told by OW_CLIENT_PUSHES_LOST. The
 * callback runs from ow_client_poll, which must be called at least every 20 s. Calling it again changes
 * the callback. Reasons: invalid_argument, out_of_memory.
 */
OW_CLIENT_API bool ow_client_listen(ow_client *client, ow_client_on_push on_push, void *user,
                                    ow_client_error *error);
OW_CLIENT_API void ow_client_listen_stop(ow_client *client);

/* Whether pushes come at this moment. */
OW_CLIENT_API bool ow_client_is_listening(const ow_client *client);

#ifdef __cplusplus
}
#endif

#endif
