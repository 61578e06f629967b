// What operators do with players: finding, bans, sessions, export, deletion.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct login {
    char player_id[OW_ID_MAX], session_id[OW_ID_MAX], refresh_token[128];
    bool is_new;
} login;

static device_login_request device(const char *id) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)(uintptr_t)id;
    request.platform = (char *)"linux";
    return request;
}

static login log_in(fixture *f, const char *id) {
    device_login_request request = device(id);
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    const login_response *reply = (const login_response *)a.message;
    login taken = {.is_new = reply->is_new_player};
    snprintf(taken.player_id, sizeof taken.player_id, "%s", reply->player_id);
    snprintf(taken.session_id, sizeof taken.session_id, "%s", reply->session_id);
    snprintf(taken.refresh_token, sizeof taken.refresh_token, "%s", reply->refresh_token);
    answer_deinit(&a);
    return taken;
}

static stage_caller player_of(const login *of) {
    return (stage_caller){.kind = OW_PLAYER, .id = of->player_id, .title = "ttl_a"};
}

static void expect_ended(fixture *f, const login *of) {
    refresh_request request = OVERWORLD__IDENTITY__V1__REFRESH_SESSION_REQUEST__INIT;
    request.refresh_token = (char *)(uintptr_t)of->refresh_token;
    ASK_REFUSED(f, &nobody, "RefreshSession", &request, OW_UNAUTHENTICATED, "bad_refresh_token");
    static const Overworld__Identity__V1__WatchVerificationRequest watch =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    answer a;
    ask_begin(f, &platform, "WatchVerification", &watch.base, &a);
    answer_wait(f, &a, 1);
    const verification_state *state = (const verification_state *)a.message;
    bool found = false;
    for (size_t i = 0; i < state->n_revoked_sessions; i++) {
        found = found || strcmp(state->revoked_sessions[i]->session_id, of->session_id) == 0;
    }
    assert_true(found);
    ow_call_cancel(a.call, OW_CANCELLED);
    answer_wait(f, &a, INT32_MAX);
    answer_deinit(&a);
}

static find_player_request find(const char *player_id) {
    find_player_request request = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__INIT;
    request.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_PLAYER_ID;
    request.player_id = (char *)(uintptr_t)player_id;
    return request;
}

static void link_email(fixture *f, const login *to, const char *address) {
    email_password email = OVERWORLD__IDENTITY__V1__EMAIL_PASSWORD__INIT;
    link_login_request request = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__INIT;
    email.email = (char *)(uintptr_t)address;
    email.password = (char *)"correct horse battery";
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_EMAIL;
    request.email = &email;
    stage_caller player = player_of(to);
    answer a;
    ASK_OK(f, &player, "LinkLogin", &request, &a);
    answer_deinit(&a);
}

// ---- Finding ----

static void a_player_is_found_by_every_login(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0001");
    log_in(f, "device-0001");
    link_email(f, &me, "ann@example.com");
    find_player_request request = find(me.player_id);
    answer a;
    ASK_OK(f, &admin, "FindPlayer", &request, &a);
    const player_msg *found = (const player_msg *)a.message;
    assert_string_equal(found->platform, "linux");
    assert_null(found->banned_until);
    assert_int_equal(found->n_logins, 2);
    assert_int_equal(found->n_sessions, 2);
    assert_string_equal(found->logins[0]->kind, "device");
    assert_string_equal(found->logins[0]->shown, "");
    assert_string_equal(found->logins[1]->kind, "email");
    assert_string_equal(found->logins[1]->shown, "ann@example.com");
    answer_deinit(&a);

    request.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_EMAIL;
    request.email = (char *)"Ann@EXAMPLE.com";
    ASK_OK(f, &admin, "FindPlayer", &request, &a);
    assert_string_equal(((const player_msg *)a.message)->player_id, me.player_id);
    answer_deinit(&a);
    request.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_DEVICE_ID;
    request.device_id = (char *)"device-0001";
    ASK_OK(f, &admin, "FindPlayer", &request, &a);
    assert_string_equal(((const player_msg *)a.message)->player_id, me.player_id);
    answer_deinit(&a);
}

// What a page has, a letter each: the last one of the id of who is shown.
static void list(fixture *f, list_players_request *request, const char *wanted) {
    char seen[64] = "";
    do {
        answer a;
        ASK_OK(f, &admin, "ListPlayers", request, &a);
        const list_players_response *page = (const list_players_response *)a.message;
        for (size_t i = 0; i < page->n_players; i++) {
            strncat(seen, page->players[i]->shown, 1);
            assert_string_equal(page->players[i]->platform, "linux");
        }
        static char token[1024];
        snprintf(token, sizeof token, "%s", page->next_page_token);
        request->page_token = token;
        answer_deinit(&a);
    } while (request->page_token[0] != '\0');
    assert_string_equal(seen, wanted);
}

static void players_are_listed_and_found_by_a_beginning(void **state) {
    fixture *f = *state;
    static const char *const addresses[] = {"carol@example.com", "ann@example.com",
                                            "bob@example.com", "anna@example.com"};
    for (int i = 0; i < 4; i++) {
        char device[32];
        snprintf(device, sizeof device, "device-000%d", i);
        login one = log_in(f, device);
        link_email(f, &one, addresses[i]);
    }
    list_players_request request = OVERWORLD__IDENTITY__V1__LIST_PLAYERS_REQUEST__INIT;
    request.page_size = 3;
    list(f, &request, "abac"); // the newest first
    request.shown_prefix = (char *)"AN";
    request.page_size = 1;
    list(f, &request, "aa");
    request.shown_prefix = (char *)"ann@";
    list(f, &request, "a");
    request.shown_prefix = (char *)"zoe";
    list(f, &request, "");
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    request.shown_prefix = (char *)"";
    answer a;
    ASK_OK(f, &elsewhere, "ListPlayers", &request, &a);
    assert_int_equal(((const list_players_response *)a.message)->n_players, 0);
    answer_deinit(&a);
    request.page_token = (char *)"nonsense";
    ASK_REFUSED(f, &admin, "ListPlayers", &request, OW_INVALID_ARGUMENT, "bad_page_token");
    request.page_size = 201;
    ASK_REFUSED(f, &admin, "ListPlayers", &request, OW_INVALID_ARGUMENT, "bad_page_size");
}

static void who_is_not_there_is_not_found(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0002");
    find_player_request request = find("plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    ASK_REFUSED(f, &admin, "FindPlayer", &request, OW_NOT_FOUND, "no_player");
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    request = find(me.player_id);
    ASK_REFUSED(f, &elsewhere, "FindPlayer", &request, OW_NOT_FOUND, "no_player");
    request = find("nonsense");
    ASK_REFUSED(f, &admin, "FindPlayer", &request, OW_INVALID_ARGUMENT, "bad_player_id");
    request.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_CUSTOM_ID;
    request.custom_id = (char *)"account-0001";
    ASK_REFUSED(f, &admin, "FindPlayer", &request, OW_NOT_FOUND, "no_player");
    request.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY__NOT_SET;
    ASK_REFUSED(f, &admin, "FindPlayer", &request, OW_INVALID_ARGUMENT, "no_player_named");
    request = find(me.player_id);
    ASK_REFUSED(f, &viewer, "FindPlayer", &request, OW_PERMISSION_DENIED, "not_allowed");
}

// ---- Bans ----

static ban_player_request ban_of(const login *of, const char *reason) {
    ban_player_request request = OVERWORLD__IDENTITY__V1__BAN_PLAYER_REQUEST__INIT;
    request.player_id = (char *)(uintptr_t)of->player_id;
    request.reason = (char *)(uintptr_t)reason;
    return request;
}

static void a_ban_ends_sessions_and_refuses_logins(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0003");
    Google__Protobuf__Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    until.seconds = ow_clock_wall_us(f->stage.clock) / SECOND_US + 100;
    ban_player_request request = ban_of(&me, "aimbot");
    request.until = &until;
    answer a;
    ASK_OK(f, &admin, "BanPlayer", &request, &a);
    const player_msg *banned = (const player_msg *)a.message;
    assert_string_equal(banned->ban_reason, "aimbot");
    assert_int_equal(banned->banned_until->seconds, until.seconds);
    assert_int_equal(banned->n_sessions, 0);
    answer_deinit(&a);
    expect_ended(f, &me);
    device_login_request login_again = device("device-0003");
    ask(f, &nobody, "DeviceLogin", &login_again.base, &a);
    assert_ow_code(a.code, OW_PERMISSION_DENIED, &a.err);
    assert_string_equal(a.err.reason, "banned");
    assert_non_null(strstr(a.err.message, "aimbot"));
    answer_deinit(&a);
    ow_clock_advance(f->stage.clock, 101 * SECOND_US);
    assert_string_equal(log_in(f, "device-0003").player_id, me.player_id);
}

static void a_ban_for_good_can_be_lifted(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0004");
    ban_player_request request = ban_of(&me, "");
    answer a;
    ASK_OK(f, &admin, "BanPlayer", &request, &a);
    assert_int_equal(((const player_msg *)a.message)->banned_until->seconds,
                     BANNED_FOR_GOOD_US / SECOND_US);
    answer_deinit(&a);
    ow_clock_advance(f->stage.clock, INT64_C(366) * 24 * 3600 * SECOND_US);
    device_login_request login_again = device("device-0004");
    ASK_REFUSED(f, &nobody, "DeviceLogin", &login_again, OW_PERMISSION_DENIED, "banned");
    unban_player_request lift = OVERWORLD__IDENTITY__V1__UNBAN_PLAYER_REQUEST__INIT;
    lift.player_id = me.player_id;
    ASK_OK(f, &admin, "UnbanPlayer", &lift, &a);
    assert_null(((const player_msg *)a.message)->banned_until);
    answer_deinit(&a);
    assert_string_equal(log_in(f, "device-0004").player_id, me.player_id);
}

static void senseless_bans_are_refused(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0005"),
          nobody_at_all = {.player_id = "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6"};
    char long_reason[202];
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[sizeof long_reason - 1] = '\0';
    static const char *const bad[] = {"line\nfeed", "\xff", "bell\a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ban_player_request request = ban_of(&me, bad[i]);
        ASK_REFUSED(f, &admin, "BanPlayer", &request, OW_INVALID_ARGUMENT, "bad_reason");
    }
    ban_player_request request = ban_of(&me, long_reason);
    ASK_REFUSED(f, &admin, "BanPlayer", &request, OW_INVALID_ARGUMENT, "bad_reason");
    Google__Protobuf__Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    static const int64_t ends[] = {0, 1, -1, INT64_C(253402300800), INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        request = ban_of(&me, "");
        until.seconds = ends[i];
        request.until = &until;
        ASK_REFUSED(f, &admin, "BanPlayer", &request, OW_INVALID_ARGUMENT, "bad_until");
    }
    request = ban_of(&nobody_at_all, "");
    ASK_REFUSED(f, &admin, "BanPlayer", &request, OW_NOT_FOUND, "no_player");
    stage_caller elsewhere = admin;
    elsewhere.title = "ttl_b";
    request = ban_of(&me, "");
    ASK_REFUSED(f, &elsewhere, "BanPlayer", &request, OW_NOT_FOUND, "no_player");
    assert_string_equal(log_in(f, "device-0005").player_id, me.player_id);
}

static void an_operator_ends_sessions(void **state) {
    fixture *f = *state;
    login one = log_in(f, "device-0006"), two = log_in(f, "device-0006");
    logout_player_request request = OVERWORLD__IDENTITY__V1__LOGOUT_PLAYER_REQUEST__INIT;
    request.player_id = one.player_id;
    answer a;
    ASK_OK(f, &admin, "LogoutPlayer", &request, &a);
    assert_int_equal(((const logout_player_response *)a.message)->ended_sessions, 2);
    answer_deinit(&a);
    expect_ended(f, &one);
    expect_ended(f, &two);
}

// ---- Export and deletion ----

static void an_account_is_handed_out(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0007"), other = log_in(f, "device-0008");
    stage_caller player = player_of(&me);
    export_player_request request = OVERWORLD__IDENTITY__V1__EXPORT_PLAYER_REQUEST__INIT;
    answer a;
    ASK_OK(f, &player, "ExportPlayer", &request, &a);
    const export_player_response *mine = (const export_player_response *)a.message;
    assert_string_equal(mine->player->player_id, me.player_id);
    assert_int_equal(mine->player->n_logins, 1);
    assert_int_equal(mine->player->n_sessions, 1);
    assert_int_equal(mine->exported_at->seconds, ow_clock_wall_us(f->stage.clock) / SECOND_US);
    assert_int_equal(mine->n_entries, 1);
    assert_string_equal(mine->entries[0]->key, "gold");
    assert_int_equal(mine->entries[0]->value.len, 2);
    char *more = strdup(mine->next_page_token);
    answer_deinit(&a);
    request.page_token = more;
    ASK_OK(f, &player, "ExportPlayer", &request, &a);
    mine = (const export_player_response *)a.message;
    assert_string_equal(mine->entries[0]->key, "silver");
    assert_string_equal(mine->next_page_token, "");
    answer_deinit(&a);
    free(more);
    request.page_token = (char *)"";
    request.player_id = other.player_id;
    ASK_REFUSED(f, &player, "ExportPlayer", &request, OW_PERMISSION_DENIED, "not_yours");
    ASK_OK(f, &admin, "ExportPlayer", &request, &a);
    assert_string_equal(((const export_player_response *)a.message)->player->player_id,
                        other.player_id);
    answer_deinit(&a);
    ASK_REFUSED(f, &viewer, "ExportPlayer", &request, OW_PERMISSION_DENIED, "not_allowed");
    request.player_id = (char *)"";
    ASK_REFUSED(f, &admin, "ExportPlayer", &request, OW_INVALID_ARGUMENT, "bad_player_id");
}

static void a_deleted_player_is_gone(void **state) {
    fixture *f = *state;
    identity_fakes *fakes = f->own;
    login me = log_in(f, "device-0009"), other = log_in(f, "device-0010");
    link_email(f, &me, "bob@example.com");
    stage_caller player = player_of(&me);
    delete_player_request request = OVERWORLD__IDENTITY__V1__DELETE_PLAYER_REQUEST__INIT;
    request.player_id = other.player_id;
    ASK_REFUSED(f, &player, "DeletePlayer", &request, OW_PERMISSION_DENIED, "not_yours");
    answer a;
    request.player_id = me.player_id;
    // What functions remember goes first: nothing is half deleted without being asked for again.
    fakes->data_away = true;
    ASK_REFUSED(f, &player, "DeletePlayer", &request, OW_UNAVAILABLE, "away");
    fakes->data_away = false;
    assert_false(log_in(f, "device-0009").is_new);
    ASK_OK(f, &player, "DeletePlayer", &request, &a);
    answer_deinit(&a);
    assert_int_equal(fakes->erasures, 3);
    expect_ended(f, &me);
    ASK_REFUSED(f, &admin, "DeletePlayer", &request, OW_NOT_FOUND, "no_player");
    assert_int_equal(fakes->erasures, 3);
    find_player_request by_email = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__INIT;
    by_email.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_EMAIL;
    by_email.email = (char *)"bob@example.com";
    ASK_REFUSED(f, &admin, "FindPlayer", &by_email, OW_NOT_FOUND, "no_player");
    login again = log_in(f, "device-0009");
    assert_true(again.is_new);
    assert_string_not_equal(again.player_id, me.player_id);
    assert_false(log_in(f, "device-0010").is_new);
    request.player_id = other.player_id;
    ASK_OK(f, &admin, "DeletePlayer", &request, &a);
    answer_deinit(&a);
    assert_true(log_in(f, "device-0010").is_new);
}

static void changes_leave_audit_rows(void **state) {
    fixture *f = *state;
    login me = log_in(f, "device-0011");
    answer a;
    ban_player_request ban = ban_of(&me, "spam");
    ASK_OK(f, &admin, "BanPlayer", &ban, &a);
    answer_deinit(&a);
    unban_player_request lift = OVERWORLD__IDENTITY__V1__UNBAN_PLAYER_REQUEST__INIT;
    lift.player_id = me.player_id;
    ASK_OK(f, &admin, "UnbanPlayer", &lift, &a);
    answer_deinit(&a);
    delete_player_request gone = OVERWORLD__IDENTITY__V1__DELETE_PLAYER_REQUEST__INIT;
    gone.player_id = me.player_id;
    ASK_OK(f, &admin, "DeletePlayer", &gone, &a);
    answer_deinit(&a);
    Overworld__Api__ListAuditRequest list = OVERWORLD__API__LIST_AUDIT_REQUEST__INIT;
    ASK_OK(f, &admin, "ListAudit", &list, &a);
    const Overworld__Api__ListAuditResponse *page =
        (const Overworld__Api__ListAuditResponse *)a.message;
    static const char *const actions[] = {"player.delete", "player.unban", "player.ban"};
    assert_int_equal(page->n_entries, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(page->entries[i]->action, actions[i]);
        assert_string_equal(page->entries[i]->object, me.player_id);
        assert_string_equal(page->entries[i]->principal, "opr_1");
    }
    assert_non_null(strstr(page->entries[2]->after, "spam"));
    assert_string_equal(page->entries[2]->before, "{\"banned\":false}");
    answer_deinit(&a);
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(a_player_is_found_by_every_login, mode),                                                  \
        CASE(players_are_listed_and_found_by_a_beginning, mode),                                   \
        CASE(who_is_not_there_is_not_found, mode),                                                 \
        CASE(a_ban_ends_sessions_and_refuses_logins, mode),                                        \
        CASE(a_ban_for_good_can_be_lifted, mode), CASE(senseless_bans_are_refused, mode),          \
        CASE(an_operator_ends_sessions, mode), CASE(an_account_is_handed_out, mode),               \
        CASE(a_deleted_player_is_gone, mode), CASE(changes_leave_audit_rows, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {CASES(local), CASES(packed_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
