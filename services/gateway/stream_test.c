// Server streams of the Connect protocol over the gateway.

#include "services/gateway/test_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAIL "/overworld.telemetry.v1.Telemetry/TailLogs"
#define STREAM "Content-Type: application/connect+json\r\n"

enum { BODY_MAX = 1 << 16, FRAMES_MAX = 16 };

static int setup(void **state) {
    *state = platform_start(OW_CHANNEL_PACKED, NULL);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

// Sends a request with a binary body on a connection of its own.
static int begin(platform *p, const char *headers, const char *json) {
    char head[1200];
    char envelope[5] = {0, 0, 0, 0, (char)strlen(json)};
    int fd = client_dial(p, p->console_port);
    int size = snprintf(head, sizeof head,
                        "POST " TAIL " HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n",
                        headers, strlen(json) + 5);
    client_send(fd, head, (size_t)size);
    client_send(fd, envelope, sizeof envelope);
    client_send(fd, json, strlen(json));
    return fd;
}

// Reads until the text is there, or the connection ends.
static size_t read_until(platform *p, int fd, const char *text, char body[static BODY_MAX]) {
    size_t size = 0;
    for (int turns = 0; turns < 5000; turns++) {
        ssize_t got = read(fd, body + size, BODY_MAX - 1 - size);
        size += got > 0 ? (size_t)got : 0;
        if (got == 0 || memmem(body, size, text, strlen(text)) != NULL) {
            break;
        }
        platform_turn(p);
    }
    body[size] = '\0';
    return size;
}

static const char *lines(const char *token) {
    static char text[700];
    snprintf(text, sizeof text, STREAM "Overworld-Title: Asteroids\r\nAuthorization: Bearer %s\r\n",
             token);
    return text;
}

static bool has(const char *body, size_t size, const char *part, size_t part_size) {
    return memmem(body, size, part, part_size) != NULL;
}
#define HAS(body, size, part) has(body, size, part, sizeof(part) - 1)

static void sends_each_message_and_the_end(void **state) {
    platform *p = *state;
    static char body[BODY_MAX];
    int fd = begin(p, lines(platform_viewer_token), "{\"text\":\"2\"}");
    size_t size = read_until(p, fd, "\r\n0\r\n\r\n", body);
    assert_true(HAS(body, size, "HTTP/1.1 200"));
    assert_true(HAS(body, size, "Content-Type: application/connect+json"));
    assert_true(HAS(body, size, "\0\0\0\0\x1d{\"entries\":[{\"version\":\"2\"}]}"));
    assert_true(HAS(body, size, "{\"entries\":[{\"version\":\"1\"}]}"));
    assert_true(HAS(body, size, "\2\0\0\0\2{}"));
    // The connection is as good as before.
    close(fd);
}

static void ends_with_an_error_in_the_stream(void **state) {
    platform *p = *state;
    static char body[BODY_MAX];
    int fd = begin(p, lines(platform_viewer_token), "{\"text\":\"1 fail\"}");
    size_t size = read_until(p, fd, "\r\n0\r\n\r\n", body);
    assert_true(HAS(body, size, "HTTP/1.1 200"));
    assert_true(HAS(body, size, "{\"error\":{\"code\":\"data_loss\""));
    assert_true(HAS(body, size, "\"reason\":\"torn\""));
    close(fd);
}

static void passes_pieces_on_while_the_stream_lasts(void **state) {
    platform *p = *state;
    static char body[BODY_MAX];
    int fd = begin(p, lines(platform_viewer_token), "{\"text\":\"1 hold\"}");
    size_t size = read_until(p, fd, "\"version\":\"1\"", body);
    assert_true(HAS(body, size, "\"version\":\"1\""));
    assert_non_null(p->tail);
    Overworld__Telemetry__V1__TailLogsResponse later =
        OVERWORLD__TELEMETRY__V1__TAIL_LOGS_RESPONSE__INIT;
    later.dropped = 77;
    assert_int_equal(ow_run_send(p->tail, &later.base), OW_OK);
    size = read_until(p, fd, "\"dropped\":\"77\"", body);
    assert_true(HAS(body, size, "\"dropped\":\"77\""));
    // Who hangs up cancels it.
    close(fd);
    WAIT_FOR(p, p->tails_cancelled == 1);
}

static void hangs_up_on_who_does_not_read(void **state) {
    platform *p = *state;
    static char body[BODY_MAX];
    int fd = begin(p, lines(platform_viewer_token), "{\"text\":\"1 hold\"}");
    read_until(p, fd, "\"version\":\"1\"", body);
    char *large = calloc(1, 100001);
    memset(large, 'x', 100000);
    Overworld__Telemetry__V1__LogEntry entry = OVERWORLD__TELEMETRY__V1__LOG_ENTRY__INIT;
    Overworld__Telemetry__V1__LogEntry *entries[] = {&entry};
    Overworld__Telemetry__V1__TailLogsResponse message =
        OVERWORLD__TELEMETRY__V1__TAIL_LOGS_RESPONSE__INIT;
    entry.text = large;
    message.entries = entries;
    message.n_entries = 1;
    for (int i = 0; i < 2000 && p->tail != NULL; i++) {
        ow_run_send(p->tail, &message.base);
        platform_turn(p);
    }
    free(large);
    WAIT_FOR(p, p->tails_cancelled == 1);
    close(fd);
}

static void ends_when_the_gateway_stops(void **state) {
    platform *p = *state;
    static char body[BODY_MAX];
    int fd = begin(p, lines(platform_viewer_token), "{\"text\":\"1 hold\"}");
    read_until(p, fd, "\"version\":\"1\"", body);
    ow_modules_drain(p->modules);
    size_t size = read_until(p, fd, "\r\n0\r\n\r\n", body);
    assert_true(HAS(body, size, "\"reason\":\"stopping\""));
    assert_int_equal(p->tails_cancelled, 1);
    close(fd);
}

static void refuses_what_is_no_stream(void **state) {
    platform *p = *state;
    EXPECT(p, p->console_port, "POST " TAIL, WITH(platform_viewer_token, JSON), "{}", 415,
           "unimplemented");
    EXPECT(p, p->console_port, "GET " TAIL "?encoding=json&message=%7B%7D",
           BEARER(platform_viewer_token), "", 405, "unimplemented");
    EXPECT(p, p->console_port, "POST " TAIL, STREAM, "{}", 401, "unauthenticated");
    EXPECT(p, p->public_port, "POST " TAIL, WITH(platform_viewer_token, STREAM), "{}", 404,
           "unimplemented");
    EXPECT(p, p->console_port, "POST " TAIL, WITH(platform_viewer_token, STREAM), "{}", 400,
           "invalid_argument"); // no envelope
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_each_message_and_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_with_an_error_in_the_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(passes_pieces_on_while_the_stream_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(hangs_up_on_who_does_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_when_the_gateway_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_stream, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
