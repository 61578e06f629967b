#include "services/gateway/portal_cookie.h"

#include "core/testing/ow_test.h"

#include <string.h>

typedef struct row {
    const char *cookies, *token; // NULL: none is found
} row;

static const row rows[] = {
    {NULL, NULL},
    {"", NULL},
    {"overworld_session=ows_Ab-9_", "ows_Ab-9_"},
    {"theme=dark; overworld_session=ows_1; x=y", "ows_1"},
    {"theme=dark;overworld_session=ows_1;x=y", "ows_1"},
    {"xoverworld_session=ows_1", NULL},
    {"a=overworld_session=ows_1", NULL},
    {"overworld_session=", NULL},
    {"overworld_session", NULL},
    {"overworld_session=ows_1\t", NULL},
    {"overworld_session=\"ows_1\"", NULL},
    {"overworld_session=ows_1,ows_2", NULL},
    {";;; ;", NULL},
    {"overworld_session=0123456789012345678901234567890123456789012345678901234567890123"
     "0123456789012345678901234567890123456789012345678901234567890123",
     NULL},
};

static void finds_the_token(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char token[PORTAL_TOKEN_MAX] = "";
        bool found = portal_cookie_token(rows[i].cookies, token);
        assert_int_equal(found, rows[i].token != NULL);
        assert_string_equal(token, found ? rows[i].token : "");
    }
}

static void writes_what_it_finds(void **state) {
    (void)state;
    char value[PORTAL_COOKIE_MAX];
    char token[PORTAL_TOKEN_MAX];
    portal_cookie_write("ows_1", 60, true, value);
    assert_string_equal(value, "overworld_session=ows_1; Path=/; Max-Age=60; HttpOnly; "
                               "SameSite=Strict; Secure");
    assert_true(portal_cookie_token(value, token));
    assert_string_equal(token, "ows_1");
    portal_cookie_write("", 0, false, value);
    assert_string_equal(value, "overworld_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
}

static void removes_its_own_alone(void **state) {
    static const struct {
        const char *cookies, *rest;
    } cases[] = {
        {"", ""},
        {"overworld_session=ows_1", ""},
        {"overworld_session=\"odd one\"; overworld_session=ows_2", ""},
        {"a=1;overworld_session=ows_1;b=2", "a=1; b=2"},
        {"a=1; b=2", "a=1; b=2"},
        {"xoverworld_session=1; a=overworld_session=2",
         "xoverworld_session=1; a=overworld_session=2"},
        {"a;b;c;d", "a; b; c; d"},
    };
    char rest[200];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        portal_cookie_remove(cases[i].cookies, rest);
        assert_string_equal(rest, cases[i].rest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_token),
                                       cmocka_unit_test(removes_its_own_alone),
                                       cmocka_unit_test(writes_what_it_finds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
