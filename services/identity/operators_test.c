// Operators: members and their roles, sessions, passwords, API keys, and what gateways are told.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"

#include <stdio.h>
#include <string.h>

typedef Overworld__Identity__V1__OperatorToken token_msg;

static const stage_caller first = {.kind = OW_OPERATOR,
                                   .role = OW_ROLE_ADMIN,
                                   .id = "opr_1",
                                   .title = "ttl_a",
                                   .every_title = true};

// ---- What gateways are told ----

typedef struct told {
    answer watch;
    const verification_state *state;
} told;

static void look(fixture *f, told *t) {
    static const Overworld__Identity__V1__WatchVerificationRequest request =
        OVERWORLD__IDENTITY__V1__WATCH_VERIFICATION_REQUEST__INIT;
    ask_begin(f, &platform, "WatchVerification", &request.base, &t->watch);
    answer_wait(f, &t->watch, 1);
    t->state = (const verification_state *)t->watch.message;
}

static void look_away(fixture *f, told *t) {
    ow_call_cancel(t->watch.call, OW_CANCELLED);
    answer_wait(f, &t->watch, 1000);
    answer_deinit(&t->watch);
}

// The entry of a token; its numbers are copied into *ret_token, its role into `role`. False: it is not
// good.
static bool is_good_for(fixture *f, const char *token, token_msg *ret_token, char role[16]) {
    uint8_t hash[OW_SHA256_SIZE];
    bool found = false;
    told t;
    ow_sha256(token, strlen(token), hash);
    look(f, &t);
    for (size_t i = 0; i < t.state->n_operator_tokens; i++) {
        const token_msg *each = t.state->operator_tokens[i];
        if (each->sha256.len == sizeof hash && memcmp(each->sha256.data, hash, sizeof hash) == 0) {
            *ret_token = *each;
            snprintf(role, 16, "%s", each->role);
            found = true;
        }
    }
    look_away(f, &t);
    return found;
}

static bool is_good(fixture *f, const char *token, token_msg *ret_token) {
    char role[16];
    return is_good_for(f, token, ret_token, role);
}

static void expect_role(fixture *f, const char *operator_id, const char *title, const char *role) {
    const char *found = "";
    char copy[16];
    told t;
    look(f, &t);
    for (size_t i = 0; i < t.state->n_operator_roles; i++) {
        const operator_role_msg *each = t.state->operator_roles[i];
        if (strcmp(each->operator_id, operator_id) == 0 && strcmp(each->title_id, title) == 0) {
            found = each->role;
        }
    }
    snprintf(copy, sizeof copy, "%s", found);
    look_away(f, &t);
    assert_string_equal(copy, role);
}

// ---- Asking ----

typedef struct person {
    char id[OW_ID_MAX];
    char password[64];
    char token[64];
    stage_caller as;
} person;

static void add(fixture *f, const stage_caller *by, const char *email, const char *role,
                person *p) {
    add_member_request request = OVERWORLD__IDENTITY__V1__ADD_MEMBER_REQUEST__INIT;
    answer a;
    request.email = (char *)(uintptr_t)email;
    request.role = (char *)(uintptr_t)role;
    ASK_OK(f, by, "AddMember", &request, &a);
    const add_member_response *reply = (const add_member_response *)a.message;
    *p = (person){.as = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .title = by->title}};
    snprintf(p->id, sizeof p->id, "%s", reply->member->operator_id);
    snprintf(p->password, sizeof p->password, "%s", reply->password);
    p->as.id = p->id;
    answer_deinit(&a);
}

static operator_login_request login_of(const char *email, const char *password) {
    operator_login_request request = OVERWORLD__IDENTITY__V1__OPERATOR_LOGIN_REQUEST__INIT;
    request.email = (char *)(uintptr_t)email;
    request.password = (char *)(uintptr_t)password;
    return request;
}

static void log_in(fixture *f, const char *email, person *p) {
    operator_login_request request = login_of(email, p->password);
    answer a;
    ASK_OK(f, &nobody, "OperatorLogin", &request, &a);
    const operator_login_response *reply = (const operator_login_response *)a.message;
    snprintf(p->token, sizeof p->token, "%s", reply->token);
    assert_string_equal(reply->operator_id, p->id);
    assert_in_range(reply->expires_at->seconds - ow_clock_wall_us(f->stage.clock) / SECOND_US,
                    12 * 3600 - 60, 12 * 3600);
    answer_deinit(&a);
}

static void refuse_login(fixture *f, const char *email, const char *password, ow_code code,
                         const char *reason) {
    operator_login_request request = login_of(email, password);
    ASK_REFUSED(f, &nobody, "OperatorLogin", &request, code, reason);
}

// ---- Members ----

static void a_new_member_logs_in(void **state) {
    fixture *f = *state;
    person ann;
    token_msg token;
    add(f, &first, "Ann@Example.com", "developer", &ann);
    assert_in_range(strlen(ann.password), 20, 40);
    log_in(f, "ann@EXAMPLE.com", &ann);
    assert_true(is_good(f, ann.token, &token));
    assert_in_range(token.expires_at - ow_clock_wall_us(f->stage.clock) / SECOND_US, 12 * 3600 - 60,
                    12 * 3600);
    expect_role(f, ann.id, "ttl_a", "developer");
    expect_role(f, ann.id, "", "");
    refuse_login(f, "ann@example.com", "not the password", OW_UNAUTHENTICATED, "bad_credentials");
    refuse_login(f, "eve@example.com", "not the password", OW_UNAUTHENTICATED, "bad_credentials");
    refuse_login(f, "first", "not the password", OW_INVALID_ARGUMENT, "bad_email");
    // All of it outlives the process.
    stage_stop(&f->stage);
    ow_err err = {0};
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    assert_true(is_good(f, ann.token, &token));
    expect_role(f, ann.id, "ttl_a", "developer");
    log_in(f, "ann@example.com", &ann);
}

static void roles_are_of_a_title(void **state) {
    fixture *f = *state;
    stage_caller other = first;
    other.title = "ttl_b";
    person ann, again;
    add(f, &first, "ann@example.com", "viewer", &ann);
    add(f, &other, "ann@example.com", "admin", &again);
    assert_string_equal(again.id, ann.id);
    assert_string_equal(again.password, ""); // she has one
    expect_role(f, ann.id, "ttl_a", "viewer");
    expect_role(f, ann.id, "ttl_b", "admin");
    add_member_request add_again = OVERWORLD__IDENTITY__V1__ADD_MEMBER_REQUEST__INIT;
    add_again.email = (char *)"ann@example.com";
    add_again.role = (char *)"admin";
    ASK_REFUSED(f, &first, "AddMember", &add_again, OW_ALREADY_EXISTS, "member_exists");
    add_again.role = (char *)"owner";
    ASK_REFUSED(f, &first, "AddMember", &add_again, OW_INVALID_ARGUMENT, "bad_role");
    add_again.role = (char *)"admin";
    add_again.every_title = true;
    ASK_REFUSED(f, &admin, "AddMember", &add_again, OW_PERMISSION_DENIED, "not_every_title");

    set_member_role_request set = OVERWORLD__IDENTITY__V1__SET_MEMBER_ROLE_REQUEST__INIT;
    answer a;
    set.email = (char *)"ann@example.com";
    set.role = (char *)"developer";
    ASK_OK(f, &first, "SetMemberRole", &set, &a);
    answer_deinit(&a);
    expect_role(f, ann.id, "ttl_a", "developer");
    expect_role(f, ann.id, "ttl_b", "admin");
    stage_caller third = first;
    third.title = "ttl_c";
    ASK_REFUSED(f, &third, "SetMemberRole", &set, OW_NOT_FOUND, "no_member");
}

static void whoever_has_no_role_left_is_gone(void **state) {
    fixture *f = *state;
    stage_caller other = first;
    other.title = "ttl_b";
    person ann, again;
    token_msg token;
    answer a;
    add(f, &first, "ann@example.com", "viewer", &ann);
    add(f, &other, "ann@example.com", "viewer", &again);
    log_in(f, "ann@example.com", &ann);
    remove_member_request request = OVERWORLD__IDENTITY__V1__REMOVE_MEMBER_REQUEST__INIT;
    request.email = (char *)"ann@example.com";
    ASK_OK(f, &first, "RemoveMember", &request, &a);
    answer_deinit(&a);
    assert_true(is_good(f, ann.token, &token));
    expect_role(f, ann.id, "ttl_a", "");
    ASK_REFUSED(f, &first, "RemoveMember", &request, OW_NOT_FOUND, "no_member");
    ASK_OK(f, &other, "RemoveMember", &request, &a);
    answer_deinit(&a);
    assert_false(is_good(f, ann.token, &token));
    refuse_login(f, "ann@example.com", ann.password, OW_UNAUTHENTICATED, "bad_credentials");
}

static void members_are_listed_in_pages(void **state) {
    fixture *f = *state;
    person p;
    for (int i = 0; i < 5; i++) {
        char email[32];
        snprintf(email, sizeof email, "m%d@example.com", i);
        add(f, &first, email, "viewer", &p);
    }
    stage_caller other = first;
    other.title = "ttl_b";
    add(f, &other, "other@example.com", "viewer", &p);
    list_members_request request = OVERWORLD__IDENTITY__V1__LIST_MEMBERS_REQUEST__INIT;
    char seen[256] = "";
    char page_token[400] = "";
    int pages = 0;
    request.page_size = 2;
    do {
        answer a;
        request.page_token = page_token;
        ASK_OK(f, &viewer, "ListMembers", &request, &a);
        const list_members_response *page = (const list_members_response *)a.message;
        for (size_t i = 0; i < page->n_members; i++) {
            strncat(seen, page->members[i]->email, 2 + (page->members[i]->every_title ? 3 : 0));
            strncat(seen, " ", 2);
        }
        snprintf(page_token, sizeof page_token, "%s", page->next_page_token);
        answer_deinit(&a);
        pages++;
    } while (page_token[0] != '\0');
    assert_string_equal(seen, "first m0 m1 m2 m3 m4 ");
    assert_int_equal(pages, 3);
    request.page_token = (char *)"!";
    ASK_REFUSED(f, &viewer, "ListMembers", &request, OW_INVALID_ARGUMENT, "bad_page_token");
}

// ---- Sessions ----

static void sessions_end_one_by_one_or_all(void **state) {
    fixture *f = *state;
    person ann, again, third;
    token_msg token;
    answer a;
    add(f, &first, "ann@example.com", "viewer", &ann);
    again = third = ann;
    again.as.id = again.id;
    log_in(f, "ann@example.com", &ann);
    log_in(f, "ann@example.com", &again);
    log_in(f, "ann@example.com", &third);
    operator_logout_request request = OVERWORLD__IDENTITY__V1__OPERATOR_LOGOUT_REQUEST__INIT;
    ASK_REFUSED(f, &ann.as, "OperatorLogout", &request, OW_INVALID_ARGUMENT, "bad_token");
    request.token = ann.token;
    // Somebody else's token is nothing to end.
    ASK_OK(f, &first, "OperatorLogout", &request, &a);
    assert_int_equal(((const operator_logout_response *)a.message)->ended, 0);
    answer_deinit(&a);
    assert_true(is_good(f, ann.token, &token));
    ASK_OK(f, &ann.as, "OperatorLogout", &request, &a);
    assert_int_equal(((const operator_logout_response *)a.message)->ended, 1);
    answer_deinit(&a);
    assert_false(is_good(f, ann.token, &token));
    assert_true(is_good(f, again.token, &token));
    request.everywhere = true;
    ASK_OK(f, &ann.as, "OperatorLogout", &request, &a);
    assert_int_equal(((const operator_logout_response *)a.message)->ended, 2);
    answer_deinit(&a);
    assert_false(is_good(f, again.token, &token));
    assert_false(is_good(f, third.token, &token));
}

static void a_new_password_ends_sessions(void **state) {
    fixture *f = *state;
    person ann;
    token_msg token;
    answer a;
    add(f, &first, "ann@example.com", "viewer", &ann);
    log_in(f, "ann@example.com", &ann);
    change_operator_password_request request =
        OVERWORLD__IDENTITY__V1__CHANGE_OPERATOR_PASSWORD_REQUEST__INIT;
    request.old_password = (char *)"not the password";
    request.new_password = (char *)"four blue whales sing";
    ASK_REFUSED(f, &ann.as, "ChangeOperatorPassword", &request, OW_PERMISSION_DENIED,
                "bad_credentials");
    request.old_password = ann.password;
    request.new_password = (char *)"short";
    ASK_REFUSED(f, &ann.as, "ChangeOperatorPassword", &request, OW_INVALID_ARGUMENT,
                "weak_password");
    request.new_password = (char *)"four blue whales sing";
    ASK_OK(f, &ann.as, "ChangeOperatorPassword", &request, &a);
    answer_deinit(&a);
    assert_false(is_good(f, ann.token, &token));
    refuse_login(f, "ann@example.com", ann.password, OW_UNAUTHENTICATED, "bad_credentials");
    snprintf(ann.password, sizeof ann.password, "four blue whales sing");
    log_in(f, "ann@example.com", &ann);

    reset_member_password_request reset =
        OVERWORLD__IDENTITY__V1__RESET_MEMBER_PASSWORD_REQUEST__INIT;
    reset.email = (char *)"ann@example.com";
    ASK_REFUSED(f, &admin, "ResetMemberPassword", &reset, OW_PERMISSION_DENIED, "not_allowed");
    ASK_OK(f, &first, "ResetMemberPassword", &reset, &a);
    const reset_member_password_response *reply = (const reset_member_password_response *)a.message;
    snprintf(ann.password, sizeof ann.password, "%s", reply->password);
    answer_deinit(&a);
    assert_false(is_good(f, ann.token, &token));
    log_in(f, "ann@example.com", &ann);
}

// ---- Attempts ----

static void guesses_are_few(void **state) {
    fixture *f = *state;
    person ann;
    add(f, &first, "ann@example.com", "viewer", &ann);
    for (int i = 0; i < 5; i++) {
        refuse_login(f, "ann@example.com", "not the password", OW_UNAUTHENTICATED,
                     "bad_credentials");
    }
    // Not even the right one, until the minute is over.
    refuse_login(f, "ann@example.com", ann.password, OW_RESOURCE_EXHAUSTED, "too_many_attempts");
    // Other accounts of the same address have five more between them.
    for (int i = 0; i < 5; i++) {
        char email[32];
        snprintf(email, sizeof email, "m%d@example.com", i);
        refuse_login(f, email, "not the password", OW_UNAUTHENTICATED, "bad_credentials");
    }
    refuse_login(f, "m9@example.com", "not the password", OW_RESOURCE_EXHAUSTED,
                 "too_many_attempts");
}

static void many_guesses_at_once_are_no_more(void **state) {
    enum { GUESSES = 40 };
    fixture *f = *state;
    person ann;
    answer all[GUESSES];
    int heard = 0;
    add(f, &first, "ann@example.com", "viewer", &ann);
    operator_login_request request = login_of("ann@example.com", "not the password");
    for (int i = 0; i < GUESSES; i++) {
        ask_begin(f, &nobody, "OperatorLogin", &request.base, &all[i]);
    }
    for (int i = 0; i < GUESSES; i++) {
        answer_wait(f, &all[i], 1);
        heard += all[i].code == OW_UNAUTHENTICATED;
        answer_deinit(&all[i]);
    }
    assert_int_equal(heard, 5);
}

// ---- API keys ----

// ---- Links ----

static void make_link(fixture *f, const stage_caller *by, char code[static 64]) {
    Overworld__Identity__V1__CreateSignInLinkRequest request =
        OVERWORLD__IDENTITY__V1__CREATE_SIGN_IN_LINK_REQUEST__INIT;
    answer a;
    ASK_OK(f, by, "CreateSignInLink", &request, &a);
    const create_sign_in_link_response *reply = (const create_sign_in_link_response *)a.message;
    assert_int_equal(reply->expires_at->seconds - ow_clock_wall_us(f->stage.clock) / SECOND_US,
                     600);
    snprintf(code, 64, "%s", reply->code);
    answer_deinit(&a);
}

static redeem_sign_in_link_request redeem_of(const char *code) {
    redeem_sign_in_link_request request =
        OVERWORLD__IDENTITY__V1__REDEEM_SIGN_IN_LINK_REQUEST__INIT;
    request.code = (char *)(uintptr_t)code;
    return request;
}

static void refuse_link(fixture *f, const char *code) {
    redeem_sign_in_link_request request = redeem_of(code);
    ASK_REFUSED(f, &nobody, "RedeemSignInLink", &request, OW_UNAUTHENTICATED, "bad_link");
}

static void a_link_signs_in_once(void **state) {
    fixture *f = *state;
    person ann;
    char code[64];
    char role[16];
    token_msg token;
    add(f, &first, "ann@example.com", "developer", &ann);
    make_link(f, &ann.as, code);
    assert_false(is_good(f, code, &token)); // a link is no bearer token
    refuse_link(f, "owl_of_nobody");
    // Whose it is can be asked before, and asking uses nothing up.
    find_sign_in_link_request find = OVERWORLD__IDENTITY__V1__FIND_SIGN_IN_LINK_REQUEST__INIT;
    answer a;
    find.code = (char *)(uintptr_t) "owl_of_nobody";
    ASK_REFUSED(f, &nobody, "FindSignInLink", &find, OW_UNAUTHENTICATED, "bad_link");
    find.code = code;
    for (int i = 0; i < 20; i++) { // more than an address may fail
        ASK_OK(f, &nobody, "FindSignInLink", &find, &a);
        assert_string_equal(((const find_sign_in_link_response *)a.message)->operator_id, ann.id);
        assert_string_equal(((const find_sign_in_link_response *)a.message)->email,
                            "ann@example.com");
        answer_deinit(&a);
    }
    redeem_sign_in_link_request request = redeem_of(code);
    ASK_OK(f, &nobody, "RedeemSignInLink", &request, &a);
    const operator_login_response *reply = (const operator_login_response *)a.message;
    assert_string_equal(reply->operator_id, ann.id);
    assert_true(is_good_for(f, reply->token, &token, role));
    assert_string_equal(role, "viewer"); // no more than she asked with
    answer_deinit(&a);
    refuse_link(f, code);
}

static void a_link_is_replaced_ended_and_expires(void **state) {
    fixture *f = *state;
    person ann;
    char code[64];
    char newer[64];
    add(f, &first, "ann@example.com", "developer", &ann);
    make_link(f, &ann.as, code);
    make_link(f, &ann.as, newer);
    refuse_link(f, code);
    Overworld__Identity__V1__OperatorLogoutRequest everywhere =
        OVERWORLD__IDENTITY__V1__OPERATOR_LOGOUT_REQUEST__INIT;
    everywhere.everywhere = true;
    answer a;
    ASK_OK(f, &ann.as, "OperatorLogout", &everywhere, &a);
    answer_deinit(&a);
    refuse_link(f, newer);
    make_link(f, &ann.as, code);
    ow_clock_advance(f->stage.clock, INT64_C(600) * SECOND_US);
    refuse_link(f, code);
    redeem_sign_in_link_request request = redeem_of("");
    ASK_REFUSED(f, &nobody, "RedeemSignInLink", &request, OW_INVALID_ARGUMENT, "bad_code");
}

static void api_keys_come_and_go(void **state) {
    fixture *f = *state;
    token_msg token;
    answer a;
    char secret[64];
    char key_id[OW_ID_MAX];
    create_api_key_request request = OVERWORLD__IDENTITY__V1__CREATE_API_KEY_REQUEST__INIT;
    request.name = (char *)"ci";
    request.role = (char *)"developer";
    request.days = 2;
    ASK_REFUSED(f, &viewer, "CreateApiKey", &request, OW_PERMISSION_DENIED, "not_allowed");
    ASK_OK(f, &first, "CreateApiKey", &request, &a);
    const create_api_key_response *reply = (const create_api_key_response *)a.message;
    snprintf(secret, sizeof secret, "%s", reply->secret);
    snprintf(key_id, sizeof key_id, "%s", reply->key->key_id);
    answer_deinit(&a);
    assert_int_equal(strncmp(secret, "owk_", 4), 0);
    assert_true(is_good(f, secret, &token));
    assert_true(token.is_api_key);
    // What it makes would outlive it.
    stage_caller with_key = first;
    with_key.with_api_key = true;
    ASK_REFUSED(f, &with_key, "CreateApiKey", &request, OW_PERMISSION_DENIED, "not_by_api_key");
    Overworld__Identity__V1__CreateSignInLinkRequest link =
        OVERWORLD__IDENTITY__V1__CREATE_SIGN_IN_LINK_REQUEST__INIT;
    ASK_REFUSED(f, &with_key, "CreateSignInLink", &link, OW_PERMISSION_DENIED, "not_by_api_key");
    assert_in_range(token.expires_at - ow_clock_wall_us(f->stage.clock) / SECOND_US,
                    2 * 24 * 3600 - 60, 2 * 24 * 3600);
    Overworld__Identity__V1__ListApiKeysRequest list =
        OVERWORLD__IDENTITY__V1__LIST_API_KEYS_REQUEST__INIT;
    ASK_OK(f, &first, "ListApiKeys", &list, &a);
    const list_api_keys_response *page = (const list_api_keys_response *)a.message;
    assert_int_equal(page->n_keys, 1);
    assert_string_equal(page->keys[0]->name, "ci");
    assert_string_equal(page->keys[0]->role, "developer");
    answer_deinit(&a);
    revoke_api_key_request revoke = OVERWORLD__IDENTITY__V1__REVOKE_API_KEY_REQUEST__INIT;
    revoke.key_id = key_id;
    ASK_REFUSED(f, &viewer, "RevokeApiKey", &revoke, OW_NOT_FOUND, "no_key");
    ASK_OK(f, &first, "RevokeApiKey", &revoke, &a);
    answer_deinit(&a);
    assert_false(is_good(f, secret, &token));
}

static void a_repeated_request_shows_the_same_secret(void **state) {
    fixture *f = *state;
    token_msg token;
    answer first_answer, second_answer;
    create_api_key_request request = OVERWORLD__IDENTITY__V1__CREATE_API_KEY_REQUEST__INIT;
    request.name = (char *)"ci";
    request.request_key = (char *)"try-1";
    ASK_OK(f, &first, "CreateApiKey", &request, &first_answer);
    ASK_OK(f, &first, "CreateApiKey", &request, &second_answer);
    const create_api_key_response *one = (const create_api_key_response *)first_answer.message;
    const create_api_key_response *two = (const create_api_key_response *)second_answer.message;
    assert_string_equal(one->key->key_id, two->key->key_id);
    assert_string_equal(one->secret, two->secret);
    assert_true(is_good(f, two->secret, &token));
    answer_deinit(&second_answer);
    request.days = 1;
    ASK_REFUSED(f, &first, "CreateApiKey", &request, OW_INVALID_ARGUMENT, "request_key_reused");
    request.request_key = (char *)"try-2";
    ASK_OK(f, &first, "CreateApiKey", &request, &second_answer);
    two = (const create_api_key_response *)second_answer.message;
    assert_string_not_equal(one->secret, two->secret);
    answer_deinit(&first_answer);
    answer_deinit(&second_answer);
}

static void a_repeated_member_is_added_once(void **state) {
    fixture *f = *state;
    add_member_request request = OVERWORLD__IDENTITY__V1__ADD_MEMBER_REQUEST__INIT;
    answer a;
    person ann = {0};
    request.email = (char *)"ann@example.com";
    request.role = (char *)"viewer";
    request.request_key = (char *)"try-1";
    for (int i = 0; i < 2; i++) {
        ASK_OK(f, &first, "AddMember", &request, &a);
        const add_member_response *reply = (const add_member_response *)a.message;
        assert_true(i == 0 || strcmp(ann.id, reply->member->operator_id) == 0);
        assert_true(i == 0 || strcmp(ann.password, reply->password) == 0);
        snprintf(ann.id, sizeof ann.id, "%s", reply->member->operator_id);
        snprintf(ann.password, sizeof ann.password, "%s", reply->password);
        answer_deinit(&a);
    }
    log_in(f, "ann@example.com", &ann);
    // Who has a password already is shown none, however often it is asked.
    stage_caller elsewhere = first;
    elsewhere.title = "ttl_b";
    for (int i = 0; i < 2; i++) {
        ASK_OK(f, &elsewhere, "AddMember", &request, &a);
        assert_string_equal(((const add_member_response *)a.message)->password, "");
        answer_deinit(&a);
    }
    request.request_key = (char *)"two\nlines";
    ASK_REFUSED(f, &first, "AddMember", &request, OW_INVALID_ARGUMENT, "bad_request_key");
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, identity_setup, fixture_teardown, &(mode) }

#define CASES(mode)                                                                                \
    CASE(a_new_member_logs_in, mode), CASE(roles_are_of_a_title, mode),                            \
        CASE(whoever_has_no_role_left_is_gone, mode), CASE(members_are_listed_in_pages, mode),     \
        CASE(sessions_end_one_by_one_or_all, mode), CASE(a_new_password_ends_sessions, mode),      \
        CASE(guesses_are_few, mode), CASE(many_guesses_at_once_are_no_more, mode),                 \
        CASE(a_link_signs_in_once, mode), CASE(a_link_is_replaced_ended_and_expires, mode),        \
        CASE(api_keys_come_and_go, mode), CASE(a_repeated_request_shows_the_same_secret, mode),    \
        CASE(a_repeated_member_is_added_once, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {CASES(local), CASES(packed)};
    return cmocka_run_group_tests_name("operators", tests, NULL, NULL);
}
