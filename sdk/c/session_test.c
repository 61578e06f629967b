/* Staying logged in, over planned answers and a clock of its own. */
#include "sdk/c/internal.h"

#include "core/testing/ow_test.h"
#include "sdk/c/test_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

static const fake_sent *last_sent(const world *w) {
    return &w->fake.sent[w->fake.sent_count - 1];
}

static void a_token_is_renewed_before_it_ends(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 41 * MINUTE_MS;
    ow_client_poll(w.client, 0);
    assert_int_equal(w.fake.sent_count, 1);
    w.fake.now_ms += 8 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    ow_client_poll(w.client, 0);
    assert_string_equal(last_sent(&w)->path, "/overworld.identity.v1.Identity/RefreshSession");
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-1\"}");
    assert_string_equal(last_sent(&w)->authorization, "");
    /* The old token lasts: calls do not wait, and there is no second renewal. */
    start_calls(&w, 2, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 2);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-1");
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    fake_release(&w.fake, 1, (fake_plan){.body = LOGIN("2")});
    ow_client_poll(w.client, 0);
    assert_int_equal(w.renewed, 1);
    assert_string_equal(ow_client_access_token(w.client), "access-2");
    start_calls(&w, 1, &t);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-2");
    w.fake.now_ms += 49 * MINUTE_MS;
    ow_client_poll(w.client, 0);
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-2\"}");
    close_world(&w);
}

static void calls_wait_for_one_renewal_when_the_token_has_ended(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 60 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    start_calls(&w, 10, &t);
    ow_client_poll(w.client, 0);
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    assert_int_equal(fake_count(&w.fake, "/fn"), 0);
    fake_release(&w.fake, 1, (fake_plan){.body = LOGIN("2")});
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 10);
    assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
    assert_string_equal(last_sent(&w)->authorization, "Bearer access-2");
    close_world(&w);
}

static void a_refused_renewal_is_told_once(void **state) {
    (void)state;
    world w;
    tally t = {0};
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    w.fake.now_ms += 60 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("session_ended")});
    start_calls(&w, 3, &t);
    for (int i = 0; i < 5; i++) {
        ow_client_poll(w.client, 0);
    }
    assert_int_equal(w.logged_out, 1);
    assert_string_equal(w.logged_out_reason, "session_ended");
    assert_int_equal(t.bad, 3);
    assert_string_equal(t.reason, "logged_out");
    assert_int_equal(w.fake.sent_count, 2);
    assert_string_equal(ow_client_access_token(w.client), "");
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "not_logged_in");
    log_in(&w);
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    close_world(&w);
}

static void an_absent_server_does_not_log_out(void **state) {
    (void)state;
    world w;
    tally t = {0};
    open_world(&w, &(ow_client_config){.max_retries = -1});
    log_in(&w);
    w.fake.now_ms += 49 * MINUTE_MS;
    static const fake_plan failures[] = {
        {.outcome = OW_CLIENT_NOT_SENT}, {.status = 503, .body = ""}, {.status = 429}};
    int64_t asked[4];
    for (int i = 0; i < 3; i++) {
        fake_answer(&w.fake, failures[i]);
        while (fake_count(&w.fake, "/RefreshSession") == i) {
            ow_client_poll(w.client, 0);
            w.fake.now_ms += 100;
        }
        asked[i] = last_sent(&w)->at_ms;
        ow_client_poll(w.client, 0);
    }
    assert_in_range(asked[1] - asked[0], 1000, 1800); /* the server forgives for 10 s */
    assert_in_range(asked[2] - asked[1], 2000, 3300);
    start_calls(&w, 1, &t); /* the old token still lasts */
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 1);
    assert_int_equal(w.logged_out, 0);
    /* It has ended and the server is still away: calls fail as what it is. */
    w.fake.now_ms += 15 * MINUTE_MS;
    fake_answer(&w.fake, failures[0]);
    start_calls(&w, 1, &t);
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.bad, 1);
    assert_string_equal(t.reason, "no_connection");
    assert_int_equal(w.logged_out, 0);
    close_world(&w);
}

static void a_refused_token_is_renewed_once_for_a_call(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("2")});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_string_equal(w.fake.sent[1].authorization, "Bearer access-1");
    assert_string_equal(w.fake.sent[2].body, "{\"refreshToken\":\"refresh-1\"}");
    assert_string_equal(w.fake.sent[3].authorization, "Bearer access-2");
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("3")});
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("token_expired")});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "token_expired");
    assert_int_equal(w.fake.sent_count, 7);
    close_world(&w);
}

static void a_players_clock_may_be_wrong(void **state) {
    (void)state;
    static const int64_t errors_s[] = {-86400 * 365, -3600, 3600, 86400 * 365};
    for (size_t i = 0; i < sizeof errors_s / sizeof errors_s[0]; i++) {
        world w;
        open_world(&w, NULL);
        w.fake.wall_s += errors_s[i];
        fake_answer(&w.fake,
                    (fake_plan){.body = LOGIN("1"), .date = "Tue, 14 Nov 2023 22:13:20 GMT"});
        assert_true(ow_client_login_device(w.client, "device-1", NULL, NULL));
        w.fake.now_ms += 41 * MINUTE_MS;
        assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
        assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 0);
        w.fake.now_ms += 8 * MINUTE_MS;
        ow_client_poll(w.client, 0);
        assert_int_equal(fake_count(&w.fake, "/RefreshSession"), 1);
        close_world(&w);
    }
}

static void a_server_key_logs_in_by_itself(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, &(ow_client_config){.server_key_id = "key_1", .server_key_secret = "c2VjcmV0"});
    fake_answer(&w.fake, (fake_plan){.body = "{\"accessToken\":\"s1\",\"expiresAt\":"
                                             "\"2023-11-14T22:23:20Z\"}"});
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    assert_string_equal(w.fake.sent[0].path, "/overworld.identity.v1.Identity/ServerLogin");
    assert_non_null(strstr(w.fake.sent[0].body, "\"timestamp\":\"1700000000\""));
    assert_string_equal(w.fake.sent[1].authorization, "Bearer s1");
    w.fake.now_ms += 11 * MINUTE_MS;
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("revoked")});
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_int_equal(w.logged_out, 1);
    assert_int_equal(fake_count(&w.fake, "/ServerLogin"), 2);
    close_world(&w);
}

static void a_failed_login_keeps_the_old_session(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.status = 400, .body = CODE("bad_device")});
    assert_false(ow_client_login_device(w.client, "x", NULL, &error));
    assert_string_equal(error.reason, "bad_device");
    assert_int_equal(w.logged_out, 0);
    assert_true(ow_client_call_json(w.client, "vs/fn", "{}", NULL, NULL));
    fake_answer(&w.fake, (fake_plan){.body = "{}"});
    assert_false(ow_client_login_device(w.client, "x", NULL, &error));
    assert_string_equal(error.reason, "bad_answer");
    close_world(&w);
}

static void a_second_login_at_a_time_is_refused(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    tally t = {0};
    open_world(&w, NULL);
    fake_answer(&w.fake, (fake_plan){.is_held = true});
    assert_true(ow_client_login_device_start(w.client, "device-1", NULL, NULL, NULL));
    assert_false(ow_client_login_device_start(w.client, "device-2", NULL, NULL, &error));
    assert_string_equal(error.reason, "busy");
    start_calls(&w, 1, &t); /* it waits for the login */
    fake_release(&w.fake, 0, (fake_plan){.body = LOGIN("1")});
    ow_client_poll(w.client, 0);
    ow_client_poll(w.client, 0);
    assert_int_equal(t.good, 1);
    close_world(&w);
}

/* ---- Resuming and logging out ---- */

static void a_session_is_resumed_by_its_refresh_token(void **state) {
    (void)state;
    world w;
    ow_client_login login;
    ow_client_error error;
    open_world(&w, NULL);
    assert_string_equal(ow_client_refresh_token(w.client), "");
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("8")});
    assert_true(ow_client_resume(w.client, "refresh-7", &login, NULL));
    assert_string_equal(login.player_id, "plr_1");
    assert_string_equal(w.fake.sent[0].body, "{\"refreshToken\":\"refresh-7\"}");
    assert_string_equal(ow_client_refresh_token(w.client), "refresh-8");
    assert_int_equal(w.renewed, 0);
    /* Refused: the caller hears it, and nobody was logged out. */
    fake_answer(&w.fake, (fake_plan){.status = 401, .body = CODE("session_ended")});
    assert_false(ow_client_resume(w.client, "refresh-6", NULL, &error));
    assert_string_equal(error.reason, "session_ended");
    assert_int_equal(w.logged_out, 0);
    assert_false(ow_client_resume(w.client, "", NULL, &error));
    assert_string_equal(error.reason, "invalid_argument");
    close_world(&w);
}

static void each_way_of_logging_in_has_its_request(void **state) {
    (void)state;
    static const struct {
        ow_client_credentials credentials;
        const char *path, *body; /* NULL: refused at once */
    } cases[] = {
        {{.device_id = "d", .existing_only = true},
         "/DeviceLogin",
         "{\"deviceId\":\"d\",\"existingOnly\":true}"},
        {{.custom_id = "c", .platform = "linux", .create = true},
         "/CustomLogin",
         "{\"customId\":\"c\",\"platform\":\"linux\"}"},
        {{.email = "a@b", .password = "p\"w", .create = true},
         "/EmailLogin",
         "{\"email\":\"a@b\",\"password\":\"p\\\"w\",\"create\":true}"},
        {{.provider = "google", .id_token = "e.f.g", .nonce = "n", .platform = "linux"},
         "/OidcLogin",
         "{\"token\":{\"provider\":\"google\",\"idToken\":\"e.f.g\",\"nonce\":\"n\"},"
         "\"platform\":\"linux\"}"},
        {{.provider = "google", .id_token = "e.f.g", .existing_only = true},
         "/OidcLogin",
         "{\"token\":{\"provider\":\"google\",\"idToken\":\"e.f.g\"},\"existingOnly\":true}"},
        {{.id_token = "e.f.g"}, NULL, NULL},
        {{.provider = "google"}, NULL, NULL},
        {{.provider = "google", .id_token = "e.f.g", .device_id = "d"}, NULL, NULL},
        {{.email = "a@b"}, NULL, NULL},
        {{.password = "p"}, NULL, NULL},
        {{.device_id = "d", .custom_id = "c"}, NULL, NULL},
        {{.platform = "linux"}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world w;
        ow_client_error error;
        open_world(&w, NULL);
        fake_answer(&w.fake, (fake_plan){.body = LOGIN("1")});
        bool ok = ow_client_login_with(w.client, &cases[i].credentials, NULL, &error);
        assert_int_equal(ok, cases[i].path != NULL);
        if (ok) {
            assert_int_equal(fake_count(&w.fake, cases[i].path), 1);
            assert_string_equal(w.fake.sent[0].body, cases[i].body);
        } else {
            assert_string_equal(error.reason, "invalid_argument");
            assert_int_equal(w.fake.sent_count, 0);
        }
        close_world(&w);
    }
}

static void a_logout_forgets_at_once(void **state) {
    (void)state;
    world w;
    ow_client_error error;
    open_world(&w, NULL);
    assert_false(ow_client_logout(w.client, &error));
    assert_string_equal(error.reason, "not_logged_in");
    log_in(&w);
    fake_answer(&w.fake, (fake_plan){.outcome = OW_CLIENT_NO_ANSWER}); /* asked again */
    assert_true(ow_client_logout(w.client, &error));
    assert_int_equal(fake_count(&w.fake, "/Logout"), 2);
    assert_string_equal(last_sent(&w)->body, "{\"refreshToken\":\"refresh-1\"}");
    assert_string_equal(ow_client_access_token(w.client), "");
    assert_string_equal(ow_client_refresh_token(w.client), "");
    assert_false(ow_client_call_json(w.client, "vs/fn", "{}", NULL, &error));
    assert_string_equal(error.reason, "not_logged_in");
    assert_int_equal(w.logged_out, 0);
    close_world(&w);
}

static void log_in_again(void *user, const ow_client_login *login, const ow_client_error *error) {
    world *w = user;
    (void)login;
    assert_non_null(error);
    assert_true(ow_client_login_device_start(w->client, "device-2", NULL, NULL, NULL));
}

static void a_callback_may_log_in_again(void **state) {
    (void)state;
    world w;
    open_world(&w, NULL);
    fake_answer(&w.fake, (fake_plan){.status = 400, .body = CODE("bad_device")});
    fake_answer(&w.fake, (fake_plan){.body = LOGIN("2")});
    assert_true(ow_client_login_device_start(w.client, "device-1", log_in_again, &w, NULL));
    while (ow_client_poll(w.client, 0) > 0) {
    }
    assert_string_equal(ow_client_access_token(w.client), "access-2");
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(a_token_is_renewed_before_it_ends),
        OW_TEST(calls_wait_for_one_renewal_when_the_token_has_ended),
        OW_TEST(a_refused_renewal_is_told_once),
        OW_TEST(an_absent_server_does_not_log_out),
        OW_TEST(a_refused_token_is_renewed_once_for_a_call),
        OW_TEST(a_players_clock_may_be_wrong),
        OW_TEST(a_server_key_logs_in_by_itself),
        OW_TEST(a_failed_login_keeps_the_old_session),
        OW_TEST(a_second_login_at_a_time_is_refused),
        OW_TEST(a_session_is_resumed_by_its_refresh_token),
        OW_TEST(each_way_of_logging_in_has_its_request),
        OW_TEST(a_logout_forgets_at_once),
        OW_TEST(a_callback_may_log_in_again),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
