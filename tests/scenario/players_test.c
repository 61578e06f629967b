// Players from login to logout, as a game sees it: over HTTP, against every shape of deployment.

#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

#define IDENTITY "/overworld.identity.v1.Identity/"

enum { EFFECTIVE_MS = 1000, SLACK = 5, PATIENCE_MS = 60000 };

static deployment_shape shape;
static deployment *d;

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    deployment_stop(d);
    return 0;
}

// ---- Requests ----

typedef struct answer {
    int status; // 200: all is well
    char reason[48];
    ow_json *json; // NULL unless all is well
} answer;

// Asks a method of identity on the public listener; `token` may be NULL.
static answer ask(const char *method, const char *token, const char *body) {
    char path[128];
    snprintf(path, sizeof path, IDENTITY "%s", method);
    ow_client_config config = {.url = deployment_public(d), .access_token = token};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "POST",
                                 .path = path,
                                 .body = body,
                                 .size = strlen(body),
                                 .without_token = token == NULL};
    ow_client_reply *reply = NULL;
    ow_client_error error = {0};
    answer a = {.status = 200};
    if (ow_client_send(client, &request, &reply, &error)) {
        assert_int_equal(ow_json_parse(reply->data, reply->size, 64, &a.json, NULL), OW_OK);
    } else {
        a.status = error.status;
        snprintf(a.reason, sizeof a.reason, "%s", error.reason);
    }
    ow_client_reply_free(reply);
    ow_client_free(client);
    return a;
}

static void expect_refused(const char *method, const char *token, const char *body, int status,
                           const char *reason) {
    answer a = ask(method, token, body);
    if (a.status != status || strcmp(a.reason, reason) != 0) {
        fail_msg("%s %s: %d %s instead of %d %s", method, body, a.status, a.reason, status, reason);
    }
}

typedef struct session {
    char access[600], refresh[128], player_id[48];
} session;

static void copy_text(char *to, size_t size, const ow_json *json, const char *name) {
    const char *text = ow_json_string(ow_json_get(json, name));
    assert_non_null(text);
    assert_true(strlen(text) < size);
    snprintf(to, size, "%s", text);
}

// Logs in (or refreshes); fails the test when that is refused.
static session begin(const char *method, const char *body) {
    answer a = ask(method, NULL, body);
    session s;
    if (a.status != 200) {
        fail_msg("%s: %d %s", method, a.status, a.reason);
    }
    copy_text(s.access, sizeof s.access, a.json, "accessToken");
    copy_text(s.refresh, sizeof s.refresh, a.json, "refreshToken");
    copy_text(s.player_id, sizeof s.player_id, a.json, "playerId");
    ow_json_free(a.json);
    return s;
}

static const char *refresh_body(const session *s) {
    static char body[200];
    snprintf(body, sizeof body, "{\"refreshToken\":\"%s\"}", s->refresh);
    return body;
}

static bool is_let_in(const session *s) {
    answer a = ask("WhoAmI", s->access, "{}");
    ow_json_free(a.json);
    assert_true(a.status == 200 || a.status == 401);
    return a.status == 200;
}

static void expect_out_soon(const session *s) {
    int64_t started = now_ms();
    while (is_let_in(s)) {
        assert_true(now_ms() - started < SLACK * EFFECTIVE_MS);
    }
    expect_refused("WhoAmI", s->access, "{}", 401, "session_ended");
}

// ---- Sessions ----

static void a_session_is_refreshed_and_ended(void **state) {
    (void)state;
    session first = begin("DeviceLogin", "{\"deviceId\":\"players-device-1\"}");
    session second = begin("RefreshSession", refresh_body(&first));
    assert_string_equal(first.player_id, second.player_id);
    assert_true(is_let_in(&first));
    assert_true(is_let_in(&second));
    answer a = ask("Logout", NULL, refresh_body(&second));
    assert_int_equal(a.status, 200);
    ow_json_free(a.json);
    expect_out_soon(&second);
    expect_out_soon(&first);
    expect_refused("RefreshSession", NULL, refresh_body(&second), 401, "bad_refresh_token");
}

static void a_stolen_refresh_token_ends_the_family(void **state) {
    (void)state;
    session first = begin("DeviceLogin", "{\"deviceId\":\"players-device-2\"}");
    session second = begin("RefreshSession", refresh_body(&first));
    session third = begin("RefreshSession", refresh_body(&second));
    expect_refused("RefreshSession", NULL, refresh_body(&first), 401, "refresh_token_reused");
    expect_out_soon(&third);
    expect_refused("RefreshSession", NULL, refresh_body(&third), 401, "bad_refresh_token");
}

static void logout_everywhere_reaches_all_devices(void **state) {
    (void)state;
    session one = begin("DeviceLogin", "{\"deviceId\":\"players-device-3\"}");
    session two = begin("DeviceLogin", "{\"deviceId\":\"players-device-3\"}");
    session other = begin("DeviceLogin", "{\"deviceId\":\"players-device-4\"}");
    answer a = ask("LogoutEverywhere", one.access, "{}");
    assert_int_equal(a.status, 200);
    ow_json_free(a.json);
    expect_out_soon(&one);
    expect_out_soon(&two);
    assert_true(is_let_in(&other));
}

static void sessions_outlive_a_restart(void **state) {
    (void)state;
    session ended = begin("DeviceLogin", "{\"deviceId\":\"players-device-5\"}");
    session going = begin("DeviceLogin", "{\"deviceId\":\"players-device-5\"}");
    answer a = ask("Logout", NULL, refresh_body(&ended));
    ow_json_free(a.json);
    expect_out_soon(&ended);
    deployment_kill(d, "identity");
    deployment_restart(d, "identity");
    assert_true(deployment_wait_ready(d, 20000));
    expect_out_soon(&ended);
    assert_true(is_let_in(&going));
    begin("RefreshSession", refresh_body(&going));
}

// ---- Logins ----

static void several_logins_lead_to_one_player(void **state) {
    (void)state;
    session me = begin("CustomLogin", "{\"customId\":\"players-account-1\"}");
    answer a = ask("LinkLogin", me.access,
                   "{\"email\":{\"email\":\"Ann@example.com\",\"password\":\"correct horse\"}}");
    assert_int_equal(a.status, 200);
    char login_id[32];
    copy_text(login_id, sizeof login_id, ow_json_get(a.json, "login"), "loginId");
    ow_json_free(a.json);
    session by_email =
        begin("EmailLogin", "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}");
    assert_string_equal(by_email.player_id, me.player_id);
    expect_refused("EmailLogin", NULL,
                   "{\"email\":\"ann@example.com\",\"password\":\"wrong horse\"}", 401,
                   "bad_credentials");
    expect_refused("EmailLogin", NULL,
                   "{\"email\":\"nobody@example.com\",\"password\":\"wrong horse\"}", 401,
                   "bad_credentials");
    begin("DeviceLogin", "{\"deviceId\":\"players-device-6\"}");
    expect_refused("LinkLogin", me.access, "{\"deviceId\":\"players-device-6\"}", 409,
                   "login_taken");
    char body[96];
    snprintf(body, sizeof body, "{\"loginId\":\"%s\"}", login_id);
    a = ask("UnlinkLogin", me.access, body);
    assert_int_equal(a.status, 200);
    ow_json_free(a.json);
    expect_refused("EmailLogin", NULL,
                   "{\"email\":\"ann@example.com\",\"password\":\"correct horse\"}", 401,
                   "bad_credentials");
    a = ask("ListLogins", me.access, "{}");
    assert_int_equal(a.status, 200);
    assert_int_equal(ow_json_count(ow_json_get(a.json, "logins")), 1);
    ow_json_free(a.json);
}

// ---- Operators ----

static void a_banned_player_is_out_at_once(void **state) {
    (void)state;
    static char out[1 << 14];
    session me = begin("DeviceLogin", "{\"deviceId\":\"players-device-7\"}");
    assert_int_equal(OW(d, out, "player", "find", "--device", "players-device-7"), 0);
    assert_non_null(strstr(out, me.player_id));
    assert_int_equal(OW(d, out, "player", "ban", me.player_id, "--for", "1h", "--reason", "aimbot"),
                     0);
    expect_out_soon(&me);
    expect_refused("DeviceLogin", NULL, "{\"deviceId\":\"players-device-7\"}", 403, "banned");
    expect_refused("RefreshSession", NULL, refresh_body(&me), 401, "bad_refresh_token");
    assert_int_equal(OW(d, out, "player", "show", me.player_id), 0);
    assert_non_null(strstr(out, "aimbot"));
    assert_int_equal(OW(d, out, "player", "unban", me.player_id), 0);
    session again = begin("DeviceLogin", "{\"deviceId\":\"players-device-7\"}");
    assert_string_equal(again.player_id, me.player_id);
    assert_int_equal(OW(d, out, "player", "logout", me.player_id), 0);
    expect_out_soon(&again);
}

static void a_player_takes_leave(void **state) {
    (void)state;
    static char out[1 << 14];
    session me = begin("DeviceLogin", "{\"deviceId\":\"players-device-8\"}");
    answer a = ask("ExportPlayer", me.access, "{}");
    assert_int_equal(a.status, 200);
    ow_json_free(a.json);
    assert_int_equal(OW(d, out, "player", "export", me.player_id), 0);
    assert_non_null(strstr(out, "exportedAt"));
    a = ask("DeletePlayer", me.access, "{}");
    assert_int_equal(a.status, 200);
    ow_json_free(a.json);
    expect_out_soon(&me);
    assert_int_equal(OW(d, out, "player", "show", me.player_id), 4);
    session fresh = begin("DeviceLogin", "{\"deviceId\":\"players-device-8\"}");
    assert_string_not_equal(fresh.player_id, me.player_id);
}

// ---- The queue ----

typedef struct arrival {
    int in, refused;
    char player_id[48];
} arrival;

static void on_login(void *user, const ow_client_login *login, const ow_client_error *error) {
    arrival *a = user;
    (void)error;
    a->in += login != NULL;
    a->refused += login == NULL;
    snprintf(a->player_id, sizeof a->player_id, "%s", login != NULL ? login->player_id : "");
}

static void poll_while(ow_client *client, bool (*is_so)(const ow_client *, const arrival *),
                       const arrival *a) {
    int64_t end = now_ms() + PATIENCE_MS;
    while (is_so(client, a)) {
        assert_true(now_ms() < end);
        ow_client_poll(client, 100);
    }
}

static bool has_no_place(const ow_client *client, const arrival *a) {
    assert_int_equal(a->in + a->refused, 0);
    return ow_client_queue_ahead(client) < 0;
}

static bool waits(const ow_client *client, const arrival *a) {
    (void)client;
    return a->in + a->refused == 0;
}

// A server for one player, as the SDK sees it.
static void a_full_server_lets_in_one_after_the_other(void **state) {
    (void)state;
    static const char *const flags[] = {"--identity.max_players=1", NULL};
    deployment *small = deployment_start(shape, flags);
    ow_client *first = deployment_player(small, "players-device-q1");
    ow_client_config config = {.url = deployment_public(small)};
    ow_client *second = ow_client_new(&config, NULL);
    arrival a = {0};
    assert_true(ow_client_login_device_start(second, "players-device-q2", on_login, &a, NULL));
    poll_while(second, has_no_place, &a);
    assert_true(ow_client_queue_ahead(second) == 0);
    assert_string_equal(ow_client_access_token(second), "");
    assert_true(ow_client_logout(first, NULL));
    poll_while(second, waits, &a);
    assert_int_equal(a.in, 1);
    // And now it is the first who waits, and gives up.
    arrival b = {0};
    assert_true(ow_client_login_device_start(first, "players-device-q1", on_login, &b, NULL));
    poll_while(first, has_no_place, &b);
    assert_true(ow_client_login_cancel(first));
    poll_while(first, waits, &b);
    assert_int_equal(b.refused, 1);
    ow_client_free(first);
    ow_client_free(second);
    deployment_stop(small);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_refreshed_and_ended),
        cmocka_unit_test(a_stolen_refresh_token_ends_the_family),
        cmocka_unit_test(logout_everywhere_reaches_all_devices),
        cmocka_unit_test(sessions_outlive_a_restart),
        cmocka_unit_test(several_logins_lead_to_one_player),
        cmocka_unit_test(a_banned_player_is_out_at_once),
        cmocka_unit_test(a_player_takes_leave),
        cmocka_unit_test(a_full_server_lets_in_one_after_the_other),
    };
    return cmocka_run_group_tests_name("players", tests, set_up, tear_down);
}
