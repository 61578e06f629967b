#pragma once

// The players' WebSockets: who is connected, what they are told, what they confirm.
//
// A client's first message is its ticket, {"ticket":"<access token>","cursor":"..."}; the hub (the service
// Push) is then told that this gateway holds the player, and answers on its stream. Every ping looks
// whether the token is still good. Loop thread.

#include "core/error/error.h"
#include "core/http/server.h"

#include <stdbool.h>
#include <stddef.h>

struct gateway;
typedef struct pushes pushes;

// Codes that clients see; docs/guide/push.md has their meaning.
enum {
    PUSH_BAD_MESSAGE = 4000,
    PUSH_UNAUTHENTICATED = 4001,
    PUSH_NOT_A_PLAYER = 4003,
    PUSH_SLOW_READER = 4008,
    PUSH_REPLACED = 4009,
    PUSH_TOO_MANY = 4029,
};

// Heap. NULL when out of memory.
pushes *pushes_new(struct gateway *gw);
pushes *pushes_free(pushes *all);

void pushes_start(pushes *all);
// The stream from the hub. Borrowed.
const struct ow_subscription *pushes_stream(const pushes *all);

bool pushes_are_full(const pushes *all);
// An ow_http_upgrade's on_socket.
void pushes_take(void *all, ow_http_socket *socket, const void *early, size_t size);

size_t pushes_count(const pushes *all);
// Tells every client to go; they end within seconds.
void pushes_drain(pushes *all);
// Ends every connection now, and the stream.
void pushes_stop(pushes *all);
