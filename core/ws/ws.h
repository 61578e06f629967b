#pragma once

// One WebSocket (RFC 6455), the server's side of it, inside our loop. Implemented by core/ws_wslay;
// nothing of the library behind it shows here.
//
// Lifetime rules:
//  1. The descriptor stays the opener's: it is closed by them, after on_closed.
//  2. on_closed comes exactly once, last of all callbacks, and not from within ow_ws_free. Nothing
//     is sent or received any more; the opener then calls ow_ws_free, also from within it.
//  3. All calls and callbacks run on the loop's thread. Callbacks never run from within ow_ws_send
//     or ow_ws_close: those only queue, the turn they are called in does the rest.

#include "core/error/error.h"
#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_ws ow_ws;
typedef struct ow_ws_group ow_ws_group;

enum {
    OW_WS_NORMAL = 1000,
    OW_WS_GOING_AWAY = 1001,
    OW_WS_PROTOCOL = 1002,
    OW_WS_NO_STATUS = 1005, // the peer closed without a code; never sent
    OW_WS_ABNORMAL = 1006,  // the connection broke, or the peer was silent; never sent
    OW_WS_BAD_TEXT = 1007,
    OW_WS_POLICY = 1008,
    OW_WS_TOO_LARGE = 1009,
};

#define OW_WS_REASON_MAX 123 // bytes that a close frame has for its reason

typedef struct ow_ws_handler {
    // A whole message; text is UTF-8. The bytes are valid during the call. Not to free the socket in.
    void (*on_message)(void *self, ow_ws *ws, bool is_text, const void *bytes, size_t size);
    // What waited to be sent has gone to the kernel. May be NULL.
    void (*on_drained)(void *self, ow_ws *ws);
    // A ping was sent, the peer lives: time to look after what may have ended meanwhile. May be NULL.
    void (*on_ping)(void *self, ow_ws *ws);
    // `code` is the one that the peer sent, else the one that we did, else OW_WS_ABNORMAL.
    void (*on_closed)(void *self, ow_ws *ws, int code);
} ow_ws_handler;

// What the sockets of one door have in common. Everything is copied.
typedef struct ow_ws_options {
    ow_loop *loop;
    ow_ws_handler handler;
    size_t max_message;    // bytes of one received; a longer one closes with OW_WS_TOO_LARGE
    size_t max_queued;     // bytes that wait to be sent; see ow_ws_send
    int64_t ping_us;       // between pings; who is silent from one to the next is gone
    int64_t close_wait_us; // how long the peer may take to end a closed connection
} ow_ws_options;

// Heap; ow_ws_group_free after all of its sockets. _new: NULL when out of memory.
ow_ws_group *ow_ws_group_new(const ow_ws_options *options);
ow_ws_group *ow_ws_group_free(ow_ws_group *group);

// Speaks on a connection whose handshake is done; `fd` does not block. `early` is what came behind the
// handshake already (copied). Heap; ow_ws_free. Codes: resource_exhausted "out_of_memory", internal.
ow_code ow_ws_open(ow_ws_group *group, int fd, const void *early, size_t early_size, void *self,
                   ow_ws **ret_ws, ow_err *err);

// Ends it at once and without on_closed, unless that came already. Accepts NULL; returns NULL.
ow_ws *ow_ws_free(ow_ws *ws);

// Queues one text message (copied; UTF-8 is the caller's matter). Sent before the turn ends. Codes:
// resource_exhausted "slow_reader" when more than max_queued bytes would wait (nothing is queued),
// unavailable "closed" once it is closing.
ow_code ow_ws_send(ow_ws *ws, const void *text, size_t size, ow_err *err);

// Starts the closing handshake; on_closed follows, close_wait_us later at the latest. A second call
// changes nothing. `reason` of at most OW_WS_REASON_MAX bytes is for people.
void ow_ws_close(ow_ws *ws, int code, const char *reason);

// Bytes that wait to be sent.
size_t ow_ws_queued(const ow_ws *ws);
