// What RFC 6455 leaves to the server: bounded queues, pings, and connections that do not end.

#include "core/ws/ws.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_QUEUED 100000
#define TURNS 2000
#define PING_US 30000
#define WAIT_US 30000

static const uint8_t hello_frame[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
static const uint8_t pong_frame[] = {0x8a, 0x80, 0, 0, 0, 0};

typedef struct world {
    ow_loop *loop;
    ow_ws_group *group;
    ow_ws *ws;
    int client, server;
    int closed_with, messages, drained, pings;
    bool free_when_closed;
    uint8_t heard[1 << 20];
    size_t heard_size;
    bool hung_up;
} world;

static void on_message(void *self, ow_ws *ws, bool is_text, const void *bytes, size_t size) {
    world *w = self;
    (void)ws;
    assert_true(is_text && size == 2 && memcmp(bytes, "hi", 2) == 0);
    w->messages++;
}

static void on_drained(void *self, ow_ws *ws) {
    world *w = self;
    assert_int_equal(ow_ws_queued(ws), 0);
    w->drained++;
}

static void on_ping(void *self, ow_ws *ws) {
    (void)ws;
    ((world *)self)->pings++;
}

static void on_closed(void *self, ow_ws *ws, int code) {
    world *w = self;
    assert_int_equal(w->closed_with, 0);
    w->closed_with = code;
    if (w->free_when_closed) {
        w->ws = ow_ws_free(ws);
    }
}

static void open_with(world *w, const void *early, size_t size) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    w->client = pair[0];
    w->server = pair[1];
    assert_int_equal(ow_ws_open(w->group, w->server, early, size, w, &w->ws, NULL), OW_OK);
}

static int setup(void **state) {
    world *w = calloc(1, sizeof *w);
    *state = w;
    assert_int_equal(ow_loop_new(&w->loop, NULL), OW_OK);
    ow_ws_options options = {.loop = w->loop,
                             .handler = {on_message, on_drained, on_ping, on_closed},
                             .max_message = 1000,
                             .max_queued = MAX_QUEUED,
                             .ping_us = PING_US,
                             .close_wait_us = WAIT_US};
    w->group = ow_ws_group_new(&options);
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    ow_ws_free(w->ws);
    close(w->client);
    close(w->server);
    ow_ws_group_free(w->group);
    ow_loop_free(w->loop);
    free(w);
    return 0;
}

static void hear(world *w) {
    ssize_t size =
        recv(w->client, w->heard + w->heard_size, sizeof w->heard - w->heard_size, MSG_DONTWAIT);
    w->heard_size += size > 0 ? (size_t)size : 0;
    w->hung_up = w->hung_up || size == 0;
}

static void turn(world *w) {
    assert_int_equal(ow_loop_turn(w->loop, 1000, NULL), OW_OK);
}

static void say(const world *w, const void *bytes, size_t size) {
    assert_int_equal(send(w->client, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void early_bytes_are_read(void **state) {
    world *w = *state;
    open_with(w, hello_frame, sizeof hello_frame);
    turn(w);
    assert_int_equal(w->messages, 1);
    say(w, hello_frame, sizeof hello_frame);
    for (int i = 0; i < TURNS && w->messages < 2; i++) {
        turn(w);
    }
    assert_int_equal(w->messages, 2);
}

// Fills the kernel's buffer and our queue, is told, reads all, and gets every message that was taken.
static void a_slow_reader_is_bounded(void **state) {
    static char text[5000];
    world *w = *state;
    ow_err err;
    ow_code code = OW_OK;
    size_t taken = 0;
    open_with(w, NULL, 0);
    memset(text, 'x', sizeof text);
    for (int i = 0; i < TURNS && code == OW_OK; i++) {
        code = ow_ws_send(w->ws, text, sizeof text, &err);
        taken += code == OW_OK;
        assert_int_equal(ow_loop_turn(w->loop, 0, NULL), OW_OK);
        assert_true(ow_ws_queued(w->ws) <= MAX_QUEUED + 16384);
    }
    assert_int_equal(code, OW_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "slow_reader");
    assert_int_equal(w->drained, 0);
    size_t expected = taken * (sizeof text + 4);
    for (int i = 0; i < TURNS && w->heard_size < expected; i++) {
        hear(w);
        turn(w);
    }
    assert_true(w->heard_size >= expected);
    assert_int_equal(w->drained, 1);
    assert_int_equal(ow_ws_send(w->ws, text, sizeof text, &err), OW_OK);
}

static void a_flood_of_pings_is_not_answered_without_end(void **state) {
    static uint8_t flood[6000 * 6];
    world *w = *state;
    open_with(w, NULL, 0);
    for (size_t i = 0; i < sizeof flood; i += 6) {
        memcpy(flood + i, (const uint8_t[]){0x89, 0x80, 0, 0, 0, 0}, 6);
    }
    size_t sent = 0;
    for (int i = 0; i < TURNS; i++) {
        ssize_t size = send(w->client, flood, sizeof flood, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += size > 0 ? (size_t)size : 0;
        assert_int_equal(ow_loop_turn(w->loop, 0, NULL), OW_OK);
        if (w->closed_with != 0) {
            break;
        }
        assert_true(ow_ws_queued(w->ws) <= MAX_QUEUED);
    }
    assert_true(sent < sizeof flood * TURNS);
}

static void who_answers_pings_stays(void **state) {
    world *w = *state;
    open_with(w, NULL, 0);
    for (int i = 0; i < TURNS && w->pings < 4; i++) {
        turn(w);
        hear(w);
        if (w->heard_size > 0) {
            w->heard_size = 0;
            say(w, pong_frame, sizeof pong_frame);
        }
    }
    assert_int_equal(w->pings, 4);
    assert_int_equal(w->closed_with, 0);
}

static void who_is_silent_is_gone(void **state) {
    world *w = *state;
    open_with(w, NULL, 0);
    for (int i = 0; i < TURNS && w->closed_with == 0; i++) {
        turn(w);
    }
    assert_int_equal(w->pings, 1);
    assert_int_equal(w->closed_with, OW_WS_ABNORMAL);
}

static void a_close_comes_behind_what_was_sent(void **state) {
    static const uint8_t expected[] = {0x81, 2, 'o', 'k', 0x88, 5, 0x0f, 0xa8, 'b', 'y', 'e'};
    world *w = *state;
    w->free_when_closed = true;
    open_with(w, NULL, 0);
    assert_int_equal(ow_ws_send(w->ws, "ok", 2, NULL), OW_OK);
    ow_ws_close(w->ws, 4008, "bye");
    ow_ws_close(w->ws, 4009, "again");
    assert_int_equal(ow_ws_send(w->ws, "no", 2, NULL), OW_UNAVAILABLE);
    for (int i = 0; i < TURNS && w->heard_size < sizeof expected; i++) {
        turn(w);
        hear(w);
    }
    assert_int_equal(w->heard_size, sizeof expected);
    assert_memory_equal(w->heard, expected, sizeof expected);
    // The peer never answers.
    for (int i = 0; i < TURNS && w->closed_with == 0; i++) {
        turn(w);
    }
    assert_int_equal(w->closed_with, 4008);
    assert_null(w->ws);
}

static void a_peer_that_vanishes_is_noticed(void **state) {
    world *w = *state;
    open_with(w, NULL, 0);
    turn(w);
    shutdown(w->client, SHUT_RDWR);
    for (int i = 0; i < TURNS && w->closed_with == 0; i++) {
        turn(w);
    }
    assert_int_equal(w->closed_with, OW_WS_ABNORMAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(early_bytes_are_read, setup, teardown),
        OW_TEST_WITH(a_slow_reader_is_bounded, setup, teardown),
        OW_TEST_WITH(a_flood_of_pings_is_not_answered_without_end, setup, teardown),
        OW_TEST_WITH(who_answers_pings_stays, setup, teardown),
        OW_TEST_WITH(who_is_silent_is_gone, setup, teardown),
        OW_TEST_WITH(a_close_comes_behind_what_was_sent, setup, teardown),
        OW_TEST_WITH(a_peer_that_vanishes_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
