// Sessions of players: refreshing, reuse, logout, limits, what gateways are told, restarts.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"
#include "services/identity/migrations/migrations.h"
#include "services/identity/refresh_token.h"
#include "services/identity/sessions_store.h"

#include "core/db_sqlite/db_sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US (INT64_C(24) * 3600 * SECOND_US)

typedef struct login {
    char player_id[OW_ID_MAX], session_id[OW_ID_MAX];
    char token[128];
} login;

static login take(answer *a) {
    const login_response *reply = (const login_response *)a->message;
    login taken = {0};
    snprintf(taken.player_id, sizeof taken.player_id, "%s", reply->player_id);
    snprintf(taken.session_id, sizeof taken.session_id, "%s", reply->session_id);
    snprintf(taken.token, sizeof taken.token, "%s", reply->refresh_token);
    assert_true(reply->access_token[0] != '\0');
    assert_int_equal(strlen(reply->refresh_token), REFRESH_TOKEN_SIZE - 1);
    answer_deinit(a);
    return taken;
}

static login log_in(fixture *f, const char *device) {
    device_login_request request = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    request.device_id = (char *)(uintptr_t)device;
    answer a;
    ASK_OK(f, &nobody, "DeviceLogin", &request, &a);
    return take(&a);
}

static refresh_request refresh_with(const char *token) {
    refresh_request request = OVERWORLD__IDENTITY__V1__REFRESH_SESSION_REQUEST__INIT;
    request.refresh_token = (char *)(uintptr_t)token;
    return request;
}

static login refresh(fixture *f, const char *token) {
    refresh_request request = refresh_with(token);
    answer a;
    ASK_OK(f, &nobody, "RefreshSession", &request, &a);
    return take(&a);
}

static void refuse(fixture *f, const char *token, const char *reason) {
    refresh_request request = refresh_with(token);
    ASK_REFUSED(f, &nobody, "RefreshSession", &request, OW_UNAUTHENTICATED, reason);
}

static void log_out(fixture *f, const char *token) {
    logout_request request = OVERWORLD__IDENTITY__V1__LOGOUT_REQUEST__INIT;
    request.refresh_token = (char *)(uintptr_t)token;
    answer a;
    ASK_OK(f, &nobody, "Logout", &request, &a);
    answer_deinit(&a);
}

// ---- What gateways see ----

static void watch(fixture *f, answer *a) {
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    ask_begin(f, &platform, "WatchVerification", &request.base, a);
    answer_wait(f, a, 1);
}

static void watch_end(fixture *f, answer *a) {
    ow_call_cancel(a->call, OW_CANCELLED);
    answer_wait(f, a, INT32_MAX);
    assert_true(a->ended);
    answer_deinit(a);
}

static bool names(const answer *a, const char *session_id) {
    const verification_state *state = (const verification_state *)a->message;
    for (size_t i = 0; i < state->n_revoked_sessions; i++) {
        if (strcmp(state->revoked_sessions[i]->session_id, session_id) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_refused_at_gateways(fixture *f, const char *session_id) {
    answer a;
    watch(f, &a);
    assert_false(((const verification_state *)a.message)->is_addition);
    bool found = names(&a, session_id);
    watch_end(f, &a);
    return found;
}

// ---- Refreshing ----

static void a_session_goes_on(void **state) {
    fixture *f = *state;
    login first = log_in(f, "device-0001");
    login second = refresh(f, first.token);
    login third = refresh(f, second.token);
    assert_string_equal(first.player_id, third.player_id);
    assert_string_equal(first.session_id, third.session_id);
    assert_string_not_equal(first.token, second.token);
    assert_string_not_equal(second.token, third.token);
    assert_false(is_refused_at_gateways(f, first.session_id));
}

static void who_did_not_hear_may_ask_again(void **state) {
    fixture *f = *state;
    login first = log_in(f, "device-0002");
    login second = refresh(f, first.token);
    ow_clock_advance(f->stage.clock, 9 * SECOND_US);
    login again = refresh(f, first.token);
    assert_string_equal(second.token, again.token);
    refresh(f, again.token);
}

static void many_at_once_get_the_same(void **state) {
    enum { ASKERS = 20 };
    fixture *f = *state;
    login first = log_in(f, "device-0003");
    refresh_request request = refresh_with(first.token);
    answer all[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        ask_begin(f, &nobody, "RefreshSession", &request.base, &all[i]);
    }
    char token[128] = "";
    for (int i = 0; i < ASKERS; i++) {
        answer_wait(f, &all[i], 1);
        assert_ow_ok(all[i].code, &all[i].err);
        login got = take(&all[i]);
        if (i > 0) {
            assert_string_equal(got.token, token);
        }
        memcpy(token, got.token, sizeof token);
    }
    refresh(f, token);
}

static void a_token_used_twice_ends_the_session(void **state) {
    fixture *f = *state;
    login first = log_in(f, "device-0004");
    login second = refresh(f, first.token);
    answer watching;
    watch(f, &watching);
    ow_clock_advance(f->stage.clock, 11 * SECOND_US);
    refuse(f, first.token, "refresh_token_reused");
    answer_wait(f, &watching, 2);
    assert_true(((const verification_state *)watching.message)->is_addition);
    assert_true(names(&watching, first.session_id));
    watch_end(f, &watching);
    refuse(f, second.token, "bad_refresh_token");
    refuse(f, first.token, "bad_refresh_token");
    assert_true(is_refused_at_gateways(f, first.session_id));
}

static void an_older_token_ends_it_at_once(void **state) {
    fixture *f = *state;
    login first = log_in(f, "device-0005");
    login second = refresh(f, first.token);
    login third = refresh(f, second.token);
    refuse(f, first.token, "refresh_token_reused");
    refuse(f, third.token, "bad_refresh_token");
}

static void what_we_did_not_make_does_nothing(void **state) {
    fixture *f = *state;
    login mine = log_in(f, "device-0006"), other = log_in(f, "device-0007");
    char forged[128];
    enum { SECRET_AT = 30 + 1 + 22 + 1 };
    for (size_t i = 0; i < SECRET_AT; i++) {
        memcpy(forged, mine.token, sizeof forged);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        refuse(f, forged, "bad_refresh_token");
    }
    memcpy(forged, mine.token, sizeof forged);
    memcpy(forged, other.token, 30);
    refuse(f, forged, "bad_refresh_token");
    memcpy(forged, mine.token, sizeof forged);
    forged[strlen(forged) - 1] = '\0';
    refuse(f, forged, "bad_refresh_token");
    refuse(f, "", "bad_refresh_token");
    refuse(f, mine.session_id, "bad_refresh_token");
    refresh(f, mine.token);
    refresh(f, other.token);
}

static void another_title_knows_no_such_session(void **state) {
    fixture *f = *state;
    login mine = log_in(f, "device-0008");
    stage_caller elsewhere = nobody, anywhere = nobody;
    elsewhere.title = "ttl_b";
    anywhere.title = "";
    refresh_request request = refresh_with(mine.token);
    ASK_REFUSED(f, &elsewhere, "RefreshSession", &request, OW_UNAUTHENTICATED, "bad_refresh_token");
    answer a;
    ASK_OK(f, &anywhere, "RefreshSession", &request, &a);
    assert_string_equal(take(&a).player_id, mine.player_id);
}

static void a_session_ends_when_it_is_not_refreshed(void **state) {
    fixture *f = *state;
    login mine = log_in(f, "device-0009");
    ow_clock_advance(f->stage.clock, 29 * DAY_US);
    mine = refresh(f, mine.token);
    ow_clock_advance(f->stage.clock, 29 * DAY_US);
    mine = refresh(f, mine.token);
    ow_clock_advance(f->stage.clock, 30 * DAY_US);
    refuse(f, mine.token, "bad_refresh_token");
}

static void a_player_has_so_many_sessions(void **state) {
    fixture *f = *state;
    login all[4];
    for (int i = 0; i < 4; i++) {
        ow_clock_advance(f->stage.clock, SECOND_US); // ids are in the order of their milliseconds
        all[i] = log_in(f, "device-0010");
    }
    refuse(f, all[0].token, "bad_refresh_token");
    for (int i = 1; i < 4; i++) {
        refresh(f, all[i].token);
    }
    assert_false(is_refused_at_gateways(f, all[0].session_id));
}

// ---- Logout ----

static void logout_ends_one_session(void **state) {
    fixture *f = *state;
    login here = log_in(f, "device-0011"), there = log_in(f, "device-0011");
    answer watching;
    watch(f, &watching);
    log_out(f, here.token);
    answer_wait(f, &watching, 2);
    assert_true(names(&watching, here.session_id));
    assert_false(names(&watching, there.session_id));
    watch_end(f, &watching);
    refuse(f, here.token, "bad_refresh_token");
    log_out(f, here.token);
    refresh(f, there.token);
    logout_request forged = OVERWORLD__IDENTITY__V1__LOGOUT_REQUEST__INIT;
    forged.refresh_token = there.session_id;
    ASK_REFUSED(f, &nobody, "Logout", &forged, OW_UNAUTHENTICATED, "bad_refresh_token");
}

static void logout_everywhere_ends_all(void **state) {
    fixture *f = *state;
    login one = log_in(f, "device-0012"), two = log_in(f, "device-0012");
    login somebody = log_in(f, "device-0013");
    stage_caller player = {.kind = OW_PLAYER, .id = one.player_id, .title = "ttl_a"};
    Overworld__Identity__V1__LogoutEverywhereRequest request =
        OVERWORLD__IDENTITY__V1__LOGOUT_EVERYWHERE_REQUEST__INIT;
    answer a;
    ASK_OK(f, &player, "LogoutEverywhere", &request, &a);
    assert_int_equal(((const logout_everywhere_response *)a.message)->ended_sessions, 2);
    answer_deinit(&a);
    refuse(f, one.token, "bad_refresh_token");
    refuse(f, two.token, "bad_refresh_token");
    refresh(f, somebody.token);
    assert_true(is_refused_at_gateways(f, one.session_id));
    assert_true(is_refused_at_gateways(f, two.session_id));
    assert_false(is_refused_at_gateways(f, somebody.session_id));
    ASK_REFUSED(f, &nobody, "LogoutEverywhere", &request, OW_UNAUTHENTICATED, "no_token");
}

// ---- Restarts and bounds ----

static void restart(fixture *f) {
    ow_err err = {0};
    stage_stop(&f->stage);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
}

static void a_restart_changes_nothing(void **state) {
    fixture *f = *state;
    login here = log_in(f, "device-0014"), there = log_in(f, "device-0015");
    log_out(f, here.token);
    restart(f);
    assert_true(is_refused_at_gateways(f, here.session_id));
    refuse(f, here.token, "bad_refresh_token");
    refresh(f, there.token);
}

static void an_end_is_forgotten_with_the_last_token(void **state) {
    fixture *f = *state;
    login mine = log_in(f, "device-0016");
    log_out(f, mine.token);
    ow_clock_advance(f->stage.clock, 3600 * SECOND_US);
    assert_true(is_refused_at_gateways(f, mine.session_id));
    login other = log_in(f, "device-0017");
    ow_clock_advance(f->stage.clock, 61 * SECOND_US);
    log_out(f, other.token);
    assert_false(is_refused_at_gateways(f, mine.session_id));
    assert_true(is_refused_at_gateways(f, other.session_id));
}

typedef ow_code (*on_store)(ow_db_conn *conn, void *self, ow_err *err);

static void done(void *self, ow_code code, const ow_err *err) {
    (void)self;
    assert_ow_ok(code, err);
}

// Runs a job on the store while identity is down.
static void with_store(fixture *f, bool write, on_store run, void *self) {
    char folder[STAGE_PATH_MAX + 40];
    snprintf(folder, sizeof folder, "%s/identity", f->stage.data);
    ow_db_options options = {.name = "identity",
                             .folder = folder,
                             .migrations = identity_migrations,
                             .loop = f->stage.loop,
                             .readers = 1};
    ow_db *db = NULL;
    assert_ow_ok(ow_db_sqlite_open(&options, &db, NULL), NULL);
    ow_db_job job = {.run = run, .done = done, .self = self};
    if (write) {
        ow_db_write(db, &job);
    } else {
        ow_db_read(db, &job);
    }
    ow_db_close(db);
}

static ow_code count_rows(ow_db_conn *conn, void *self, ow_err *err) {
    int64_t *counts = self;
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(conn, &rows, err,
                               "SELECT (SELECT count(*) FROM sessions), "
                               "(SELECT count(*) FROM ended_sessions)",
                               "");
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    if (code == OW_OK) {
        counts[0] = ow_rows_int(rows, 0);
        counts[1] = ow_rows_int(rows, 1);
    }
    return code;
}

// At a start and then once a minute.
static void what_has_expired_is_swept(void **state) {
    fixture *f = *state;
    int64_t counts[2] = {-1, -1};
    for (int i = 0; i < 3; i++) {
        char device[32];
        snprintf(device, sizeof device, "device-of-old-%d", i);
        login mine = log_in(f, device);
        if (i == 0) {
            log_out(f, mine.token);
        }
    }
    stage_stop(&f->stage);
    with_store(f, false, count_rows, counts);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 1);
    ow_clock_advance(f->stage.clock, 31 * DAY_US);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    log_in(f, "device-of-new"); // written after the sweep
    restart(f);
    stage_stop(&f->stage);
    with_store(f, false, count_rows, counts);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 0);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
}

enum { ENDS_A_JOB = 512, ENDS_KEPT = 65536 };

typedef struct fill {
    int64_t from_us;
    int at;
} fill;

static ow_code insert_ends(ow_db_conn *conn, void *self, ow_err *err) {
    fill *all = self;
    ow_code code = OW_OK;
    for (int i = all->at; code == OW_OK && i < all->at + ENDS_A_JOB; i++) {
        char id[OW_ID_MAX];
        int64_t at_us = all->from_us + (int64_t)i * 1000;
        snprintf(id, sizeof id, "ses_%026d", i);
        code = ow_db_exec(conn, NULL, err,
                          "INSERT INTO ended_sessions (session_id, ended_us) VALUES ($1, $2)", "ti",
                          id, at_us);
    }
    return code;
}

// Beyond the number that is kept: the newest are named, and tokens as old as the others are refused.
static void the_number_of_ends_is_bounded(void **state) {
    fixture *f = *state;
    login mine = log_in(f, "device-0018");
    fill all = {.from_us = ow_clock_wall_us(f->stage.clock) - 300 * SECOND_US};
    stage_stop(&f->stage);
    for (; all.at < ENDS_KEPT + ENDS_A_JOB; all.at += ENDS_A_JOB) {
        with_store(f, true, insert_ends, &all);
    }
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    answer a;
    watch(f, &a);
    const verification_state *seen = (const verification_state *)a.message;
    assert_int_equal(seen->n_revoked_sessions, ENDS_KEPT);
    int64_t last_forgotten_us = all.from_us + (ENDS_A_JOB - 1) * 1000;
    assert_int_equal(seen->valid_from, last_forgotten_us / SECOND_US + 1);
    assert_false(names(&a, "ses_00000000000000000000000511"));
    assert_true(names(&a, "ses_00000000000000000000000512"));
    watch_end(f, &a);

    log_out(f, mine.token);
    watch(f, &a);
    seen = (const verification_state *)a.message;
    assert_int_equal(seen->n_revoked_sessions, ENDS_KEPT);
    assert_true(names(&a, mine.session_id));
    assert_false(names(&a, "ses_00000000000000000000000512"));
    assert_true(seen->valid_from >= (all.from_us + 512 * 1000) / SECOND_US + 1);
    watch_end(f, &a);
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(a_session_goes_on, mode), CASE(who_did_not_hear_may_ask_again, mode),                     \
        CASE(many_at_once_get_the_same, mode), CASE(a_token_used_twice_ends_the_session, mode),    \
        CASE(an_older_token_ends_it_at_once, mode), CASE(what_we_did_not_make_does_nothing, mode), \
        CASE(another_title_knows_no_such_session, mode),                                           \
        CASE(a_session_ends_when_it_is_not_refreshed, mode),                                       \
        CASE(a_player_has_so_many_sessions, mode), CASE(logout_ends_one_session, mode),            \
        CASE(logout_everywhere_ends_all, mode), CASE(a_restart_changes_nothing, mode),             \
        CASE(an_end_is_forgotten_with_the_last_token, mode), CASE(what_has_expired_is_swept, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {
        CASES(local),
        CASES(packed_twice),
        CASE(the_number_of_ends_is_bounded, local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
