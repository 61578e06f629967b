// GET /v1/push: a WebSocket over which a player is told what functions and operators push. Who it is
// says the first message: browsers cannot send headers here, and addresses are written to logs.

#include "services/gateway/internal.h"
#include "services/gateway/pushes.h"

#include "core/ws/handshake.h"

#include <string.h>

static void on_head(exchange *x) {
    x->method_text = "GET /v1/push";
    if (strcmp(ow_http_method(x->http), "GET") != 0) {
        exchange_refuse_method(x, "GET");
    }
}

static void refuse(exchange *x, const ow_ws_refusal *why) {
    static const ow_http_header_line wanted[] = {{"Upgrade", "websocket"},
                                                 {"Sec-WebSocket-Version", "13"}};
    failure refused = {.code = OW_FAILED_PRECONDITION,
                       .reason = why->reason,
                       .message = why->message,
                       .status = why->status};
    exchange_fail_with(x, &refused, wanted, why->status == 426 ? 2 : 0);
}

static void on_body(exchange *x) {
    char accept[OW_WS_ACCEPT_MAX];
    ow_ws_hello hello = {.method = ow_http_method(x->http),
                         .upgrade = ow_http_header(x->http, "Upgrade"),
                         .connection = ow_http_header(x->http, "Connection"),
                         .version = ow_http_header(x->http, "Sec-WebSocket-Version"),
                         .key = ow_http_header(x->http, "Sec-WebSocket-Key")};
    const ow_ws_refusal *why = ow_ws_handshake(&hello, accept);
    if (why != NULL) {
        refuse(x, why);
        return;
    }
    if (x->gw->draining || pushes_are_full(x->gw->pushes)) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "too many connections, poll instead");
        return;
    }
    ow_http_header_line headers[] = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Accept", accept}};
    exchange_upgrade(x, &(ow_http_upgrade){headers, 2, pushes_take, x->gw->pushes});
}

const door push_door = {"push", false, true, false, on_head, on_body};
