#include "sdk/c/websocket.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

#define HEAD(accept)                                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " accept      \
    "\r\n\r\n"
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static sdk_ws ws;

// "the sample nonce", RFC 6455 1.3
static void begin(void) {
    uint8_t random[20] = "the sample nonce";
    sdk_ws_begin(&ws, random, "example.com:80", "/v1/push");
    assert_string_equal(ws.key, "dGhlIHNhbXBsZSBub25jZQ==");
    ws.out[ws.out_size] = '\0';
    assert_non_null(strstr((char *)ws.out, "GET /v1/push HTTP/1.1\r\nHost: example.com:80\r\n"));
    assert_non_null(strstr((char *)ws.out, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    sdk_ws_sent(&ws, ws.out_size);
}

static sdk_ws_event feed(const void *bytes, size_t size) {
    size_t room;
    uint8_t *to = sdk_ws_room(&ws, &room);
    assert_true(size <= room);
    memcpy(to, bytes, size);
    sdk_ws_received(&ws, size);
    return sdk_ws_next(&ws);
}

#define FEED(text) feed((text), sizeof(text) - 1)

static void upgrade(void) {
    begin();
    assert_int_equal(FEED(HEAD(ACCEPT)), SDK_WS_UPGRADED);
    assert_int_equal(sdk_ws_next(&ws), SDK_WS_NOTHING);
}

static void the_answer_must_be_to_our_key(void **state) {
    (void)state;
    upgrade();
    begin();
    assert_int_equal(FEED(HEAD("AAAALMBiTxaQ9kYGzzhZRbK+xOo=")), SDK_WS_REFUSED);
    assert_int_equal(ws.status, 0);
    begin();
    assert_int_equal(FEED("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n{}"),
                     SDK_WS_REFUSED);
    assert_int_equal(ws.status, 503);
    assert_int_equal(sdk_ws_next(&ws), SDK_WS_NOTHING);
    begin();
    assert_int_equal(FEED("SSH-2.0\r\n\r\n"), SDK_WS_REFUSED);
    assert_int_equal(ws.status, 0);
}

static void a_head_comes_in_pieces_with_a_message_behind(void **state) {
    static const char text[] = HEAD(ACCEPT) "\x81\x02hi";
    (void)state;
    begin();
    sdk_ws_event event = SDK_WS_NOTHING;
    size_t upgraded_at = 0;
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        event = feed(text + i, 1);
        upgraded_at = event == SDK_WS_UPGRADED ? i : upgraded_at;
    }
    assert_int_equal(upgraded_at, sizeof HEAD(ACCEPT) - 2);
    assert_int_equal(event, SDK_WS_MESSAGE);
    assert_string_equal((char *)ws.message, "hi");
}

static void an_endless_head_is_refused(void **state) {
    static char head[SDK_WS_HEAD_MAX];
    (void)state;
    begin();
    memset(head, 'x', sizeof head);
    assert_int_equal(feed(head, sizeof head), SDK_WS_REFUSED);
}

static void messages_of_every_length(void **state) {
    static uint8_t frame[SDK_WS_MESSAGE_MAX + 4];
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4000, SDK_WS_MESSAGE_MAX};
    (void)state;
    upgrade();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t head = sizes[i] < 126 ? 2 : 4;
        frame[0] = 0x81;
        frame[1] = (uint8_t)(sizes[i] < 126 ? sizes[i] : 126);
        frame[2] = (uint8_t)(sizes[i] >> 8);
        frame[3] = (uint8_t)sizes[i];
        memset(frame + head, 'y', sizes[i]);
        assert_int_equal(feed(frame, head + sizes[i]), SDK_WS_MESSAGE);
        assert_int_equal(ws.message_size, sizes[i]);
        assert_int_equal(strlen((char *)ws.message), sizes[i]);
    }
}

static void fragments_pings_and_closes(void **state) {
    (void)state;
    upgrade();
    assert_int_equal(FEED("\x01\x02he\x89\x02?!\x80\x03llo"), SDK_WS_MESSAGE);
    assert_string_equal((char *)ws.message, "hello");
    assert_int_equal(ws.out_size, 2 + 4 + 2);
    assert_int_equal(ws.out[0], 0x8a);
    assert_int_equal(ws.out[1], 0x82);
    assert_int_equal(ws.out[6] ^ ws.out[2], '?');
    sdk_ws_sent(&ws, ws.out_size);
    assert_int_equal(FEED("\x88\x05\x0f\xa8"
                          "bye"),
                     SDK_WS_CLOSED);
    assert_int_equal(ws.code, 4008);
    assert_int_equal(ws.out[0], 0x88);
    assert_int_equal(sdk_ws_next(&ws), SDK_WS_NOTHING);
}

static void what_no_server_sends_breaks_it(void **state) {
    static const struct {
        const char *bytes;
        size_t size;
    } frames[] = {
        {"\x81\x82\0\0\0\0hi", 8}, // masked
        {"\xc1\x02hi", 4},         // a reserved bit
        {"\x82\x02hi", 4},         // binary
        {"\x80\x02hi", 4},         // a continuation of nothing
        {"\x01\x01"
         "a\x81\x01"
         "b",
         6},             // a message within a message
        {"\x83\x00", 2}, // no such opcode
        {"\x8b\x00", 2},
        {"\x09\x00", 2},                   // a ping in fragments
        {"\x81\x7f\0\0\0\0\0\0\0\1x", 11}, // 64 bits of length
        {"\x81\x7e\xff\xff", 4},           // longer than anything that is pushed
    };
    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        upgrade();
        sdk_ws_event event = feed(frames[i].bytes, frames[i].size);
        if (event != SDK_WS_BROKEN) {
            fail_msg("frame %zu: %d", i, event);
        }
        assert_int_equal(sdk_ws_next(&ws), SDK_WS_NOTHING);
    }
}

static void what_is_said_is_masked_and_bounded(void **state) {
    static char text[SDK_WS_OUT_MAX];
    (void)state;
    upgrade();
    memset(text, 'z', sizeof text);
    assert_true(sdk_ws_say(&ws, text, 300));
    assert_int_equal(ws.out_size, 308);
    assert_int_equal(ws.out[1], 0x80 | 126);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(ws.out[8 + i] ^ ws.out[4 + i % 4], 'z');
    }
    assert_false(sdk_ws_say(&ws, text, sizeof text));
    assert_int_equal(ws.out_size, 308);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(the_answer_must_be_to_our_key),
        OW_TEST(a_head_comes_in_pieces_with_a_message_behind),
        OW_TEST(an_endless_head_is_refused),
        OW_TEST(messages_of_every_length),
        OW_TEST(fragments_pings_and_closes),
        OW_TEST(what_no_server_sends_breaks_it),
        OW_TEST(what_is_said_is_masked_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
