/* The client's side of a WebSocket (RFC 6455), without any I/O: bytes in, events out, bytes to send. */
#ifndef OVERWORLD_SDK_WEBSOCKET_H
#define OVERWORLD_SDK_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SDK_WS_KEY_SIZE = 25,           /* with NUL */
    SDK_WS_MESSAGE_MAX = 32 * 1024, /* larger than any push */
    SDK_WS_HEAD_MAX = 8 * 1024,     /* of the server's answer */
    SDK_WS_ROOM = SDK_WS_MESSAGE_MAX + SDK_WS_HEAD_MAX,
    SDK_WS_OUT_MAX = 8 * 1024,
};

typedef enum sdk_ws_event {
    SDK_WS_NOTHING, /* more bytes are needed */
    SDK_WS_UPGRADED,
    SDK_WS_REFUSED, /* `status` says how; 0: not an HTTP answer, or not to our key */
    SDK_WS_MESSAGE, /* `message`, `message_size`, until the next event is asked for */
    SDK_WS_CLOSED,  /* `code`; 1005: without one */
    SDK_WS_BROKEN,  /* the server does not keep to the protocol */
} sdk_ws_event;

typedef struct sdk_ws {
    bool is_upgraded, is_closed;
    int status, code;
    char key[SDK_WS_KEY_SIZE];
    uint8_t mask[4];
    uint8_t in[SDK_WS_ROOM];
    size_t in_size, in_taken;
    uint8_t message[SDK_WS_MESSAGE_MAX + 1]; /* NUL-terminated */
    size_t message_size;
    bool is_fragmented;
    uint8_t out[SDK_WS_OUT_MAX]; /* to be sent */
    size_t out_size;
} sdk_ws;

/* `random`: 20 bytes. `host` as in the Host header. */
void sdk_ws_begin(sdk_ws *ws, const uint8_t random[20], const char *host, const char *path);

/* Where received bytes go: at most *ret_room of them; then tell how many came. */
uint8_t *sdk_ws_room(sdk_ws *ws, size_t *ret_room);
void sdk_ws_received(sdk_ws *ws, size_t size);

/* Call until it says SDK_WS_NOTHING; nothing comes after CLOSED, REFUSED and BROKEN. Pings are answered. */
sdk_ws_event sdk_ws_next(sdk_ws *ws);

/* Queues a text; false: no room. */
bool sdk_ws_say(sdk_ws *ws, const char *text, size_t size);

/* The first `size` bytes of `out` were sent. */
void sdk_ws_sent(sdk_ws *ws, size_t size);

#endif
