// The ways in which players log in: ids, e-mail and password, several for one player.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"
#include "services/identity/logins_logic.h"
#include "services/identity/migrations/migrations.h"

#include "core/crypto/password.h"
#include "core/db_sqlite/db_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define GOOD "correct horse battery"
#define OTHER "staple of another horse"

typedef struct login {
    char player_id[OW_ID_MAX], session_id[OW_ID_MAX], refresh_token[128];
    bool is_new;
} login;

static login take(answer *a) {
    const login_response *reply = (const login_response *)a->message;
    login taken = {.is_new = reply->is_new_player};
    snprintf(taken.player_id, sizeof taken.player_id, "%s", reply->player_id);
    snprintf(taken.session_id, sizeof taken.session_id, "%s", reply->session_id);
    snprintf(taken.refresh_token, sizeof taken.refresh_token, "%s", reply->refresh_token);
    assert_true(reply->access_token[0] != '\0');
    answer_deinit(a);
    return taken;
}

static login by_device(fixture *f, const char *id) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)(uintptr_t)id;
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    return take(&a);
}

static custom_login_request custom(const char *id) {
    custom_login_request request = OVERWORLD__IDENTITY__V1__CUSTOM_LOGIN_REQUEST__INIT;
    request.custom_id = (char *)(uintptr_t)id;
    return request;
}

static login by_custom(fixture *f, const stage_caller *as, const char *id) {
    custom_login_request request = custom(id);
    answer a;
    ASK_OK(f, as, "CustomLogin", &request, &a);
    return take(&a);
}

static email_login_request email(const char *address, const char *password, bool create) {
    email_login_request request = OVERWORLD__IDENTITY__V1__EMAIL_LOGIN_REQUEST__INIT;
    request.email = (char *)(uintptr_t)address;
    request.password = (char *)(uintptr_t)password;
    request.create = create;
    return request;
}

static login by_email(fixture *f, const char *address, const char *password, bool create) {
    email_login_request request = email(address, password, create);
    answer a;
    ASK_OK(f, &nobody, "EmailLogin", &request, &a);
    return take(&a);
}

static void refuse_email(fixture *f, const char *address, const char *password, ow_code code,
                         const char *reason) {
    email_login_request request = email(address, password, false);
    ASK_REFUSED(f, &nobody, "EmailLogin", &request, code, reason);
}

static stage_caller player_of(const login *of) {
    return (stage_caller){.kind = OW_PLAYER, .id = of->player_id, .title = "ttl_a"};
}

// ---- Custom ids ----

static void a_custom_id_keeps_its_player(void **state) {
    fixture *f = *state;
    stage_caller elsewhere = nobody;
    elsewhere.title = "ttl_b";
    login first = by_custom(f, &nobody, "account-0001"),
          again = by_custom(f, &nobody, "account-0001");
    login other_title = by_custom(f, &elsewhere, "account-0001");
    login device = by_device(f, "account-0001");
    assert_true(first.is_new && !again.is_new && other_title.is_new && device.is_new);
    assert_string_equal(first.player_id, again.player_id);
    assert_string_not_equal(first.player_id, other_title.player_id);
    assert_string_not_equal(first.player_id, device.player_id);
    custom_login_request request = custom("short");
    ASK_REFUSED(f, &nobody, "CustomLogin", &request, OW_INVALID_ARGUMENT, "bad_custom_id");
    request = custom("account-unknown");
    request.existing_only = true;
    ASK_REFUSED(f, &nobody, "CustomLogin", &request, OW_NOT_FOUND, "no_player");
}

// ---- E-mail and password ----

static void an_address_and_its_password_log_in(void **state) {
    fixture *f = *state;
    login made = by_email(f, "Ann@Example.com", GOOD, true);
    login again = by_email(f, "ann@EXAMPLE.com", GOOD, false);
    login created_again = by_email(f, "ann@example.com", GOOD, true);
    assert_true(made.is_new && !again.is_new && !created_again.is_new);
    assert_string_equal(made.player_id, again.player_id);
    assert_string_equal(made.player_id, created_again.player_id);
}

static int64_t refusal_us(fixture *f, const char *address, ow_err *ret_err) {
    email_login_request request = email(address, OTHER, false);
    struct timespec begun, ended;
    answer a;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun); // whatever else runs on this machine
    ask(f, &nobody, "EmailLogin", &request.base, &a);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    assert_ow_code(a.code, OW_UNAUTHENTICATED, &a.err);
    *ret_err = a.err;
    answer_deinit(&a);
    return (ended.tv_sec - begun.tv_sec) * SECOND_US + (ended.tv_nsec - begun.tv_nsec) / 1000;
}

// The answer tells nothing, neither does its time (an argon2 hash apart, with much slack).
static void unknown_and_wrong_look_alike(void **state) {
    fixture *f = *state;
    by_email(f, "bob@example.com", GOOD, true);
    ow_err wrong, unknown;
    refusal_us(f, "warm@example.com", &unknown);
    int64_t wrong_us = refusal_us(f, "bob@example.com", &wrong);
    int64_t unknown_us = refusal_us(f, "nobody@example.com", &unknown);
    assert_string_equal(wrong.reason, "bad_credentials");
    assert_string_equal(unknown.reason, wrong.reason);
    assert_string_equal(unknown.message, wrong.message);
    assert_true(unknown_us > wrong_us / 5 && wrong_us > unknown_us / 5);
    assert_false(ow_password_is_outdated(unknown_password_hash));
}

static void tries_are_limited(void **state) {
    fixture *f = *state;
    by_email(f, "carl@example.com", GOOD, true);
    for (int i = 0; i < 5; i++) {
        refuse_email(f, "carl@example.com", OTHER, OW_UNAUTHENTICATED, "bad_credentials");
    }
    refuse_email(f, "CARL@example.com", GOOD, OW_RESOURCE_EXHAUSTED, "too_many_attempts");
    ow_clock_advance(f->stage.clock, 66 * SECOND_US);
    by_email(f, "carl@example.com", GOOD, false);
    for (int i = 0; i < 20; i++) {
        by_email(f, "carl@example.com", GOOD, false);
    }
}

// Ten names from one address in ten minutes, known or not; then also the right password must wait.
static void an_address_has_few_tries(void **state) {
    fixture *f = *state;
    by_email(f, "carla@example.com", GOOD, true);
    for (int i = 0; i < 10; i++) {
        char name[32];
        snprintf(name, sizeof name, "guess-%d@example.com", i);
        refuse_email(f, name, OTHER, OW_UNAUTHENTICATED, "bad_credentials");
    }
    refuse_email(f, "carla@example.com", GOOD, OW_RESOURCE_EXHAUSTED, "too_many_attempts");
    ow_clock_advance(f->stage.clock, 660 * SECOND_US);
    by_email(f, "carla@example.com", GOOD, false);
}

// Many at once make one player; with another password one of them is refused.
static void an_address_is_taken_once(void **state) {
    fixture *f = *state;
    email_login_request mine = email("dora@example.com", GOOD, true);
    email_login_request theirs = email("dora@example.com", OTHER, true);
    answer a, b;
    ask_begin(f, &nobody, "EmailLogin", &mine.base, &a);
    ask_begin(f, &nobody, "EmailLogin", &theirs.base, &b);
    answer_wait(f, &a, 1);
    answer_wait(f, &b, 1);
    assert_int_equal((a.code == OW_OK) + (b.code == OW_OK), 1);
    const answer *refused = a.code == OW_OK ? &b : &a;
    assert_string_equal(refused->err.reason, "bad_credentials");
    answer_deinit(&a);
    answer_deinit(&b);
}

static void addresses_have_a_form(void **state) {
    (void)state;
    static const char *const good[][2] = {
        {"a@b.cd", "a@b.cd"},
        {"First.Last+tag@Sub.Example.ORG", "first.last+tag@sub.example.org"},
        {"o'neil_{x}@xn--bcher-kva.example", "o'neil_{x}@xn--bcher-kva.example"},
    };
    static const char *const bad[] = {
        "",
        "a",
        "a@",
        "@b.cd",
        "a@b",
        "a@b.",
        "a@.b",
        "a@b..c",
        ".a@b.cd",
        "a.@b.cd",
        "a..b@c.de",
        "a b@c.de",
        "a@-b.cd",
        "a@b-.cd",
        "a@b_c.de",
        "a@@b.cd",
        "a@b@c.de",
        "\xc3\xa4@b.cd",
        "a@b\xc3.cd",
        "a\n@b.cd",
        "a@b.cd\n",
        "<a@b.cd>",
        "\"a\"@b.cd",
        "a@[127.0.0.1]",
        "a@b.cd ",
        " a@b.cd",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.cd",
    };
    char out[EMAIL_SIZE], longest[600];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(normalize_email(good[i][0], out, NULL), OW_OK);
        assert_string_equal(out, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (normalize_email(bad[i], out, NULL) == OW_OK) {
            fail_msg("taken as an address: %s", bad[i]);
        }
    }
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a@", 2);
    for (size_t i = 30; i < sizeof longest; i += 30) {
        longest[i] = '.';
    }
    longest[254] = '\0';
    assert_int_equal(normalize_email(longest, out, NULL), OW_OK);
    longest[254] = 'x';
    longest[255] = '\0';
    assert_int_equal(normalize_email(longest, out, NULL), OW_INVALID_ARGUMENT);
}

static void weak_passwords_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *password, *reason; // NULL: good
    } table[] = {
        {GOOD, NULL},
        {"\xe5\xaf\x86\xe7\xa0\x81\xe5\xaf\x86\xe7\xa0\x81\xe5\xaf\x86\xe7\xa0\x81\xe5\xbc\xba\xe5"
         "\xa4\xa7",
         NULL},
        {"", "bad_password"},
        {"\xff\xfe\xfd\xfc\xff\xfe\xfd\xfc", "bad_password"},
        {"short77", "weak_password"},
        {"\xe5\xaf\x86\xe7\xa0\x81\xe5\xaf\x86", "weak_password"},
        {"aaaaaaaaaaaa", "weak_password"},
        {"12345678", "weak_password"},
        {"PassWord1", "weak_password"},
        {"Eve.Example", "weak_password"},
        {"eve.example@example.com", "weak_password"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ow_err err = {0};
        ow_code code = check_new_password(table[i].password, "eve.example@example.com", 8, &err);
        assert_int_equal(code, table[i].reason == NULL ? OW_OK : OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, table[i].reason == NULL ? "" : table[i].reason);
    }
    char longest[OW_PASSWORD_MAX + 2];
    for (size_t i = 0; i < sizeof longest; i++) {
        longest[i] = (char)('a' + i % 26);
    }
    longest[OW_PASSWORD_MAX] = '\0';
    assert_int_equal(check_new_password(longest, "", 8, NULL), OW_OK);
    longest[OW_PASSWORD_MAX] = 'x';
    longest[OW_PASSWORD_MAX + 1] = '\0';
    assert_int_equal(check_new_password(longest, "", 8, NULL), OW_INVALID_ARGUMENT);
}

static void creating_wants_a_good_password(void **state) {
    fixture *f = *state;
    email_login_request request = email("eve@example.com", "12345678", true);
    ASK_REFUSED(f, &nobody, "EmailLogin", &request, OW_INVALID_ARGUMENT, "weak_password");
    request = email("no address", GOOD, true);
    ASK_REFUSED(f, &nobody, "EmailLogin", &request, OW_INVALID_ARGUMENT, "bad_email");
    refuse_email(f, "eve@example.com", GOOD, OW_UNAUTHENTICATED, "bad_credentials");
}

// ---- Linking ----

static link_login_request link_of(const char *device) {
    link_login_request request = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__INIT;
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_DEVICE_ID;
    request.device_id = (char *)(uintptr_t)device;
    return request;
}

static void link_ok(fixture *f, const login *to, const link_login_request *request,
                    char ret_id[static LOGIN_ID_SIZE]) {
    stage_caller player = player_of(to);
    answer a;
    ASK_OK(f, &player, "LinkLogin", request, &a);
    snprintf(ret_id, LOGIN_ID_SIZE, "%s",
             ((const link_login_response *)a.message)->login->login_id);
    answer_deinit(&a);
}

static size_t login_count(fixture *f, const login *of) {
    stage_caller player = player_of(of);
    Overworld__Identity__V1__ListLoginsRequest request =
        OVERWORLD__IDENTITY__V1__LIST_LOGINS_REQUEST__INIT;
    answer a;
    ASK_OK(f, &player, "ListLogins", &request, &a);
    size_t count = ((const list_logins_response *)a.message)->n_logins;
    answer_deinit(&a);
    return count;
}

static void several_logins_are_one_player(void **state) {
    fixture *f = *state;
    login me = by_device(f, "device-0001");
    char id[LOGIN_ID_SIZE], again[LOGIN_ID_SIZE];
    link_login_request request = link_of("device-0002");
    link_ok(f, &me, &request, id);
    link_ok(f, &me, &request, again);
    assert_string_equal(id, again);
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_CUSTOM_ID;
    request.custom_id = (char *)"account-0002";
    link_ok(f, &me, &request, id);
    email_password address = OVERWORLD__IDENTITY__V1__EMAIL_PASSWORD__INIT;
    address.email = (char *)"Flo@example.com";
    address.password = (char *)GOOD;
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_EMAIL;
    request.email = &address;
    link_ok(f, &me, &request, id);
    assert_string_equal(by_device(f, "device-0002").player_id, me.player_id);
    assert_string_equal(by_custom(f, &nobody, "account-0002").player_id, me.player_id);
    assert_string_equal(by_email(f, "flo@example.com", GOOD, false).player_id, me.player_id);
    assert_int_equal(login_count(f, &me), 4);

    stage_caller player = player_of(&me);
    address.email = (char *)"second@example.com";
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_FAILED_PRECONDITION, "has_email");
    address.password = (char *)"12345678";
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_INVALID_ARGUMENT, "weak_password");
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN__NOT_SET;
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_INVALID_ARGUMENT, "no_login");
}

static void anothers_login_cannot_be_linked(void **state) {
    fixture *f = *state;
    login me = by_device(f, "device-0003"), other = by_device(f, "device-0004");
    stage_caller player = player_of(&me);
    link_login_request request = link_of("device-0004");
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_ALREADY_EXISTS, "login_taken");
    assert_string_equal(by_device(f, "device-0004").player_id, other.player_id);
    stage_caller ghost = {
        .kind = OW_PLAYER, .id = "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6", .title = "ttl_a"};
    request = link_of("device-0005");
    ASK_REFUSED(f, &ghost, "LinkLogin", &request, OW_NOT_FOUND, "no_player");
}

static void a_player_has_so_many_logins(void **state) {
    fixture *f = *state;
    login me = by_device(f, "device-number-0");
    stage_caller player = player_of(&me);
    char device[32], id[LOGIN_ID_SIZE];
    for (int i = 1; i < 16; i++) {
        snprintf(device, sizeof device, "device-number-%d", i);
        link_login_request request = link_of(device);
        link_ok(f, &me, &request, id);
    }
    link_login_request request = link_of("device-number-16");
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_RESOURCE_EXHAUSTED, "too_many_logins");
    assert_int_equal(login_count(f, &me), 16);
}

static void a_login_can_be_taken_away(void **state) {
    fixture *f = *state;
    login me = by_device(f, "device-0006"), other = by_device(f, "device-0007");
    stage_caller player = player_of(&me), stranger = player_of(&other);
    char id[LOGIN_ID_SIZE];
    link_login_request request = link_of("device-0008");
    link_ok(f, &me, &request, id);
    unlink_login_request unlink_it = OVERWORLD__IDENTITY__V1__UNLINK_LOGIN_REQUEST__INIT;
    unlink_it.login_id = id;
    ASK_REFUSED(f, &stranger, "UnlinkLogin", &unlink_it, OW_NOT_FOUND, "no_login");
    answer a;
    ASK_OK(f, &player, "UnlinkLogin", &unlink_it, &a);
    answer_deinit(&a);
    ASK_REFUSED(f, &player, "UnlinkLogin", &unlink_it, OW_NOT_FOUND, "no_login");
    assert_true(by_device(f, "device-0008").is_new);
    assert_string_equal(by_device(f, "device-0006").player_id, me.player_id);
    uint8_t hash[OW_SHA256_SIZE];
    hash_login("ttl_a", LOGIN_DEVICE, "device-0006", hash);
    make_login_id(hash, id);
    ASK_REFUSED(f, &player, "UnlinkLogin", &unlink_it, OW_FAILED_PRECONDITION, "last_login");
}

// ---- Changing a password ----

static void a_password_changes_and_ends_sessions(void **state) {
    fixture *f = *state;
    login me = by_email(f, "gus@example.com", GOOD, true);
    stage_caller player = player_of(&me);
    change_password_request request = OVERWORLD__IDENTITY__V1__CHANGE_PASSWORD_REQUEST__INIT;
    request.current_password = (char *)OTHER;
    request.new_password = (char *)"a new and good one";
    ASK_REFUSED(f, &player, "ChangePassword", &request, OW_UNAUTHENTICATED, "bad_credentials");
    request.current_password = (char *)GOOD;
    request.new_password = (char *)"gus@example.com";
    ASK_REFUSED(f, &player, "ChangePassword", &request, OW_INVALID_ARGUMENT, "weak_password");
    request.new_password = (char *)"a new and good one";
    answer a;
    ASK_OK(f, &player, "ChangePassword", &request, &a);
    login now = take(&a);
    assert_string_equal(now.player_id, me.player_id);
    refresh_request old = OVERWORLD__IDENTITY__V1__REFRESH_SESSION_REQUEST__INIT;
    old.refresh_token = me.refresh_token;
    ASK_REFUSED(f, &nobody, "RefreshSession", &old, OW_UNAUTHENTICATED, "bad_refresh_token");
    old.refresh_token = now.refresh_token;
    ASK_OK(f, &nobody, "RefreshSession", &old, &a);
    answer_deinit(&a);
    refuse_email(f, "gus@example.com", GOOD, OW_UNAUTHENTICATED, "bad_credentials");
    by_email(f, "gus@example.com", "a new and good one", false);

    login device_only = by_device(f, "device-0009");
    player = player_of(&device_only);
    ASK_REFUSED(f, &player, "ChangePassword", &request, OW_FAILED_PRECONDITION, "no_email");
}

// ---- Stores of before ----

static ow_code insert_device(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    uint8_t hash[OW_SHA256_SIZE];
    hash_login("ttl_a", LOGIN_DEVICE, "device-of-before", hash);
    ow_code code = ow_db_exec(conn, NULL, err,
                              "INSERT INTO players (player_id, title_id, platform, created_us) "
                              "VALUES ('plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6', 'ttl_a', 'linux', 5)",
                              "");
    return code == OW_OK ? ow_db_exec(conn, NULL, err,
                                      "INSERT INTO devices (device_hash, player_id) "
                                      "VALUES ($1, 'plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6')",
                                      "b", hash, sizeof hash)
                         : code;
}

static void inserted(void *self, ow_code code, const ow_err *err) {
    (void)self;
    assert_ow_ok(code, err);
}

// A store with migrations up to 2 alone, in which a device is known.
static void devices_of_before_are_known(void **state) {
    fixture *f = *state;
    ow_db_migration before[3] = {identity_migrations[0], identity_migrations[1], {.number = 0}};
    char folder[STAGE_PATH_MAX + 40];
    stage_stop(&f->stage);
    snprintf(f->stage.data, sizeof f->stage.data, "%s/old", f->stage.folder);
    assert_int_equal(mkdir(f->stage.data, 0700), 0);
    snprintf(folder, sizeof folder, "%s/identity", f->stage.data);
    ow_db_options options = {.name = "identity",
                             .folder = folder,
                             .migrations = before,
                             .loop = f->stage.loop,
                             .readers = 1};
    ow_db *db = NULL;
    assert_ow_ok(ow_db_sqlite_open(&options, &db, NULL), NULL);
    ow_db_job job = {.run = insert_device, .done = inserted};
    ow_db_write(db, &job);
    ow_db_close(db);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    login me = by_device(f, "device-of-before");
    assert_false(me.is_new);
    assert_string_equal(me.player_id, "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(a_custom_id_keeps_its_player, mode), CASE(an_address_and_its_password_log_in, mode),      \
        CASE(unknown_and_wrong_look_alike, mode), CASE(tries_are_limited, mode),                   \
        CASE(an_address_has_few_tries, mode), CASE(an_address_is_taken_once, mode),                \
        CASE(creating_wants_a_good_password, mode), CASE(several_logins_are_one_player, mode),     \
        CASE(anothers_login_cannot_be_linked, mode), CASE(a_player_has_so_many_logins, mode),      \
        CASE(a_login_can_be_taken_away, mode), CASE(a_password_changes_and_ends_sessions, mode),   \
        CASE(devices_of_before_are_known, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {
        OW_TEST(addresses_have_a_form),
        OW_TEST(weak_passwords_are_refused),
        CASES(local),
        CASES(packed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
