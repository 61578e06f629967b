// A WebSocket client that sends anything: whatever comes, the socket ends in good order, takes no
// message that is too long or not UTF-8, and tells its end once.

#include "core/testing/scarce.h"
#include "core/ws/ws.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE 512
#define TURNS_MAX 4000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct world {
    ow_loop *loop;
    ow_ws_group *group;
    ow_ws *ws;
    int client;
    int closed;
    uint8_t drain[65536];
} world;

// Whoever is out of memory may say so instead.
static void must(bool holds) {
    if (!holds && !ow_scarce_has_failed()) {
        abort();
    }
}

static void on_message(void *self, ow_ws *ws, bool is_text, const void *bytes, size_t size) {
    const world *w = self;
    (void)is_text;
    must(w->closed == 0 && size <= MAX_MESSAGE);
    ow_ws_send(ws, bytes, size, NULL);
}

static void on_closed(void *self, ow_ws *ws, int code) {
    world *w = self;
    (void)ws;
    must(w->closed == 0 && code >= 1000);
    w->closed = code;
}

static void turn(world *w) {
    must(ow_loop_turn(w->loop, 0, NULL) == OW_OK);
    while (recv(w->client, w->drain, sizeof w->drain, MSG_DONTWAIT) > 0) {
    }
}

static void feed(world *w, const uint8_t *data, size_t size, size_t piece) {
    for (size_t at = 0; at < size && w->closed == 0;) {
        size_t wanted = size - at < piece ? size - at : piece;
        ssize_t sent = send(w->client, data + at, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += sent > 0 ? (size_t)sent : 0;
        turn(w);
        if (sent < 0) {
            break;
        }
    }
}

static bool open_all(world *w, int fd, const uint8_t *early, size_t early_size) {
    ow_ws_options options = {.loop = w->loop,
                             .handler = {.on_message = on_message, .on_closed = on_closed},
                             .max_message = MAX_MESSAGE,
                             .max_queued = 65536,
                             .ping_us = 60000000,
                             .close_wait_us = 60000000};
    w->group = ow_ws_group_new(&options);
    return w->group != NULL &&
           ow_ws_open(w->group, fd, early, early_size, w, &w->ws, NULL) == OW_OK;
}

static void speak(world *w, const uint8_t *data, size_t size, size_t piece) {
    feed(w, data, size, piece);
    shutdown(w->client, SHUT_WR);
    for (int i = 0; i < TURNS_MAX && w->closed == 0; i++) {
        turn(w);
    }
    must(w->closed != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const size_t pieces[] = {1, 2, 7, 100, 65536};
    int pair[2];
    world *w = calloc(1, sizeof *w);
    if (w == NULL || size == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        free(w);
        return 0;
    }
    w->client = pair[0];
    // Some of it came with the handshake.
    size_t early = data[0] % 16 < size ? data[0] % 16 : 0;
    if (ow_loop_new(&w->loop, NULL) == OW_OK && open_all(w, pair[1], data, early)) {
        speak(w, data + early, size - early, pieces[data[0] % (sizeof pieces / sizeof pieces[0])]);
    } else {
        must(ow_scarce_has_failed());
    }
    ow_ws_free(w->ws);
    close(pair[0]);
    close(pair[1]);
    ow_ws_group_free(w->group);
    ow_loop_free(w->loop);
    free(w);
    return 0;
}
