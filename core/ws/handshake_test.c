#include "core/ws/handshake.h"

#include "core/testing/ow_test.h"

#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

typedef struct sample {
    const char *name;
    ow_ws_hello hello;
    int status; // 0: accepted
} sample;

static const sample samples[] = {
    {"the RFC's own", {"GET", "websocket", "Upgrade", "13", KEY}, 0},
    {"other case", {"GET", "WebSocket", "keep-alive, UPGRADE", "13", KEY}, 0},
    {"several protocols", {"GET", "h2c, websocket", "Upgrade", "13", KEY}, 0},
    {"POST", {"POST", "websocket", "Upgrade", "13", KEY}, 405},
    {"no Upgrade", {"GET", NULL, "Upgrade", "13", KEY}, 426},
    {"another protocol", {"GET", "websockets", "Upgrade", "13", KEY}, 426},
    {"no Connection", {"GET", "websocket", NULL, "13", KEY}, 426},
    {"Connection: close", {"GET", "websocket", "close", "13", KEY}, 426},
    {"no version", {"GET", "websocket", "Upgrade", NULL, KEY}, 426},
    {"version 8", {"GET", "websocket", "Upgrade", "8", KEY}, 426},
    {"no key", {"GET", "websocket", "Upgrade", "13", NULL}, 400},
    {"short key", {"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZQ=="}, 400},
    {"long key", {"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZTEyMw=="}, 400},
    {"not base64", {"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25j!Q=="}, 400},
    {"base64url", {"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBs_SBub25jZQ=="}, 400},
    {"unused bits set", {"GET", "websocket", "Upgrade", "13", "dGhlIHNhbXBsZSBub25jZR=="}, 400},
};

static void handshakes_are_judged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char accept[OW_WS_ACCEPT_MAX];
        const ow_ws_refusal *why = ow_ws_handshake(&samples[i].hello, accept);
        int status = why != NULL ? why->status : 0;
        if (status != samples[i].status) {
            fail_msg("%s: %d instead of %d", samples[i].name, status, samples[i].status);
        }
    }
}

static void the_accept_value_is_the_rfcs(void **state) {
    (void)state;
    char accept[OW_WS_ACCEPT_MAX];
    assert_null(ow_ws_handshake(&samples[0].hello, accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_are_judged),
        cmocka_unit_test(the_accept_value_is_the_rfcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
