/*
 * A game's loop at 60 frames a second that talks to Overworld and never waits for it: everything is started,
 * and ow_client_poll(client, 0) once a frame runs the callbacks of what has ended.
 *
 *     game_loop [URL [FRAMES]]        600 frames unless told otherwise
 */
#define _POSIX_C_SOURCE 200809L

#include "sdk/c/overworld_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FRAME_NS = 1000000000 / 60, CALL_EVERY = 6, MAX_UNDER_WAY = 8 };

typedef struct game {
    ow_client *client;
    bool is_logged_in, has_asked; /* for a login */
    int started, answered, failed, under_way;
    int64_t longest_poll_ns;
} game;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- What comes back ---- */

static void on_login(void *user, const ow_client_login *login, const ow_client_error *error) {
    game *g = user;
    g->is_logged_in = login != NULL;
    g->has_asked = false;
    if (error != NULL) {
        fprintf(stderr, "login: %s (%s)\n", error->message, error->reason);
    }
}

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    game *g = user;
    g->under_way--;
    g->answered += reply != NULL;
    g->failed += reply == NULL;
    if (error != NULL) {
        fprintf(stderr, "chat/moderate: %s (%s)\n", error->message, error->reason);
    }
}

static void on_event(void *user, ow_client_event event, const ow_client_error *error) {
    game *g = user;
    (void)error;
    if (event == OW_CLIENT_LOGGED_OUT) {
        g->is_logged_in = false; /* the next frame logs in again; a real game asks the player */
    }
}

/* ---- A frame ---- */

static void talk(game *g, int frame) {
    ow_client_function chat = {0};
    chat.name = "chat/moderate";
    chat.payload = "{\"text\": \"good game everyone\"}";
    chat.size = 30;
    chat.may_repeat = true; /* it only looks at the text */
    if (!g->is_logged_in && !g->has_asked) {
        g->has_asked =
            ow_client_login_device_start(g->client, "game-loop-sample-device", on_login, g, NULL);
    } else if (g->is_logged_in && frame % CALL_EVERY == 0 && g->under_way < MAX_UNDER_WAY &&
               ow_client_call_start(g->client, &chat, on_reply, g, NULL)) {
        g->started++;
        g->under_way++;
    }
}

static void run_frame(game *g, int frame) {
    int64_t before = now_ns();
    talk(g, frame);
    ow_client_poll(g->client, 0);
    int64_t took = now_ns() - before;
    g->longest_poll_ns = took > g->longest_poll_ns ? took : g->longest_poll_ns;
    /* Here a game moves and draws its world. */
}

static void wait_until(int64_t when_ns) {
    int64_t left = when_ns - now_ns();
    if (left > 0) {
        struct timespec pause = {0, (long)left};
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv) {
    game g = {0};
    ow_client_config config = {0};
    config.url = argc > 1 ? argv[1] : "http://127.0.0.1:7350";
    config.on_event = on_event;
    config.on_event_user = &g;
    int frames = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 600;
    ow_client_error error;
    g.client = ow_client_new(&config, &error);
    if (g.client == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int64_t start = now_ns();
    for (int frame = 0; frame < frames; frame++) {
        run_frame(&g, frame);
        wait_until(start + (int64_t)(frame + 1) * FRAME_NS);
    }
    printf("%d frames in %.2f s, %d calls, %d answered, %d failed, longest poll %.2f ms\n", frames,
           (double)(now_ns() - start) / 1e9, g.started, g.answered, g.failed,
           (double)g.longest_poll_ns / 1e6);
    ow_client_free(g.client);
    return g.answered > 0 ? 0 : 1;
}
