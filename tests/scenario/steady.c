#include "tests/scenario/steady.h"

#include "core/testing/ow_test.h"
#include "tests/scenario/deployment.h"

enum { LOOK_MS = 5, PATIENCE_MS = 60000 };

static void start_one(steady *s);

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    steady *s = user;
    s->running--;
    if (reply != NULL) {
        s->good++;
    } else {
        s->bad++;
        s->last = *error;
    }
    start_one(s);
}

static void start_one(steady *s) {
    if (!s->stop) {
        assert_true(start_call(s->client, s->function, s->payload, on_reply, s));
        s->running++;
    }
}

void steady_play(steady *s, int ms) {
    int64_t end = now_ms() + ms;
    while (s->running < s->in_flight && !s->stop) {
        start_one(s);
    }
    do {
        ow_client_poll(s->client, ms < LOOK_MS ? ms : LOOK_MS);
    } while (now_ms() < end);
}

void steady_end(steady *s, int at_least) {
    s->stop = true;
    for (int64_t end = now_ms() + PATIENCE_MS; s->running > 0;) {
        ow_client_poll(s->client, LOOK_MS);
        assert_true(now_ms() < end);
    }
    if (s->bad > 0) {
        fail_msg("%d of %d calls failed, the last with %d %s: %s", s->bad, s->good + s->bad,
                 s->last.status, s->last.reason, s->last.message);
    }
    assert_true(s->good >= at_least);
}
