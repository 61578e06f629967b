#pragma once

// The opening handshake of RFC 6455, as the server sees it. Any thread; nothing is allocated.

#include <stddef.h>

#define OW_WS_ACCEPT_MAX 29 // with NUL

typedef struct ow_ws_hello {
    const char *method;  // "GET"
    const char *upgrade; // header values; NULL: not there
    const char *connection;
    const char *version;
    const char *key;
} ow_ws_hello;

typedef struct ow_ws_refusal {
    int status; // 400, 405, 426
    const char *reason, *message;
} ow_ws_refusal;

// NULL when the connection may be upgraded (ret_accept is then the value of Sec-WebSocket-Accept),
// else why not; a 426 goes out with "Upgrade: websocket" and "Sec-WebSocket-Version: 13".
const ow_ws_refusal *ow_ws_handshake(const ow_ws_hello *hello,
                                     char ret_accept[static OW_WS_ACCEPT_MAX]);
