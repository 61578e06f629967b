#include "sdk/c/test_world.h"

#include "core/testing/ow_test.h"
#include "sdk/c/internal.h"

#include <stdio.h>
#include <string.h>

static void on_event(void *user, ow_client_event event, const ow_client_error *error) {
    world *w = user;
    w->renewed += event == OW_CLIENT_RENEWED;
    w->queued += event == OW_CLIENT_QUEUED;
    if (event == OW_CLIENT_LOGGED_OUT) {
        w->logged_out++;
        snprintf(w->logged_out_reason, sizeof w->logged_out_reason, "%s", error->reason);
    }
}

void open_world(world *w, const ow_client_config *wanted) {
    ow_client_config config = wanted != NULL ? *wanted : (ow_client_config){0};
    memset(w, 0, sizeof *w);
    fake_init(&w->fake);
    config.url = "http://server/";
    config.title = "game";
    config.on_event = on_event;
    config.on_event_user = w;
    config.transport = &fake_transport_table;
    config.transport_user = &w->fake;
    w->client = sdk_client_new(&config, &w->fake.platform, NULL);
    assert_non_null(w->client);
}

void close_world(world *w) {
    ow_client_free(w->client);
    assert_true(w->fake.is_closed);
}

void log_in(world *w) {
    fake_answer(&w->fake, (fake_plan){.body = LOGIN("1")});
    assert_true(ow_client_login_device(w->client, "device-1", NULL, NULL));
}

void count_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    tally *t = user;
    t->good += reply != NULL;
    t->bad += reply == NULL;
    if (error != NULL) {
        snprintf(t->reason, sizeof t->reason, "%s", error->reason);
    }
}

void start_calls(world *w, int count, tally *t) {
    ow_client_function function = {.name = "vs/fn"};
    for (int i = 0; i < count; i++) {
        assert_true(ow_client_call_start(w->client, &function, count_reply, t, NULL));
    }
}
