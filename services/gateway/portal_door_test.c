// The console's pages and for whose requests their session counts.

#include "services/gateway/test_client.h"

#include <stdio.h>
#include <string.h>

#define OWN "Overworld-Portal: 1\r\n"
#define TITLE "Overworld-Title: Asteroids\r\n"

static int setup(void **state) {
    *state = platform_start(OW_CHANNEL_PACKED, NULL);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

static void expect_header(const response *r, const char *name, const char *part) {
    char value[600] = "";
    assert_true(response_header(r, name, value, sizeof value));
    if (strstr(value, part) == NULL) {
        fail_msg("%s is %s, without %s", name, value, part);
    }
}

// The nonce of a page, which must be the policy's.
static void take_nonce(const response *r, char nonce[static 23]) {
    char policy[600];
    assert_true(response_header(r, "Content-Security-Policy", policy, sizeof policy));
    const char *at = strstr(policy, "'nonce-");
    assert_non_null(at);
    snprintf(nonce, 23, "%s", at + 7);
    assert_null(strstr(policy, "unsafe"));
    assert_null(strstr(r->body, "OW_NONCE"));
}

static void serves_pages_on_the_console_alone(void **state) {
    platform *p = *state;
    response r;
    char first[23];
    char second[23];
    client_ask(p, p->console_port, "GET /vs/chat/code?file=chat.c", "", "", &r);
    assert_int_equal(r.status, 200);
    expect_header(&r, "Content-Type", "text/html");
    expect_header(&r, "Content-Security-Policy", "frame-ancestors 'none'");
    expect_header(&r, "X-Content-Type-Options", "nosniff");
    expect_header(&r, "X-Frame-Options", "DENY");
    expect_header(&r, "Cache-Control", "no-store");
    take_nonce(&r, first);
    response_deinit(&r);
    client_ask(p, p->console_port, "GET /", "", "", &r);
    take_nonce(&r, second);
    response_deinit(&r);
    assert_string_not_equal(first, second);
    EXPECT(p, p->console_port, "GET /assets/none.js", "", "", 404, "not_found");
    EXPECT(p, p->console_port, "POST /", "", "", 405, "method_not_allowed");
    EXPECT(p, p->public_port, "GET /", "", "", 404, "not_found");
}

// What functions answer must not run as a page of the console.
static void keeps_other_replies_from_being_pages(void **state) {
    platform *p = *state;
    response r;
    client_ask(p, p->console_port, "GET /healthz", "", "", &r);
    expect_header(&r, "Content-Security-Policy", "sandbox");
    response_deinit(&r);
    // Also one with headers of its door's own.
    client_ask(p, p->console_port, "DELETE /session",
               WITH(platform_operator_token, OWN "Overworld-Title: Asteroids\r\n"), "", &r);
    assert_int_equal(r.status, 200);
    expect_header(&r, "Set-Cookie", "Max-Age=0");
    expect_header(&r, "Content-Security-Policy", "sandbox");
    response_deinit(&r);
}

typedef struct visit {
    bool on_public;
    const char *more;
    int status;
} visit;

static const visit visits[] = {
    {false, OWN, 200},
    {false, OWN "Sec-Fetch-Site: same-origin\r\n", 200},
    {false, "", 401},
    {false, OWN "Sec-Fetch-Site: cross-site\r\n", 401},
    {false, OWN "Sec-Fetch-Site: same-site\r\n", 401},
    {false, OWN "Origin: http://evil.example\r\n", 401},
    {false, OWN "Origin: null\r\n", 401},
    {true, OWN, 401},
};

static void takes_the_cookie_of_its_own_pages(void **state) {
    platform *p = *state;
    char lines[600];
    for (size_t i = 0; i < sizeof visits / sizeof visits[0]; i++) {
        const visit *v = &visits[i];
        snprintf(lines, sizeof lines, JSON TITLE "Cookie: a=b; overworld_session=%s\r\n%s",
                 platform_operator_token, v->more);
        EXPECT(p, v->on_public ? p->public_port : p->console_port, "POST " WHO, lines, "{}",
               v->status, v->status == 200 ? NULL : "unauthenticated");
    }
    EXPECT(p, p->console_port, "POST " WHO,
           JSON TITLE OWN "Cookie: overworld_session=ows_nobody\r\n", "{}", 401, "unauthenticated");
}

// The title that a page was about may be gone, or closed to whoever leaves.
static void signs_out_whatever_the_title(void **state) {
    platform *p = *state;
    char lines[300];
    response r;
    snprintf(lines, sizeof lines,
             OWN "Overworld-Title: Nowhere\r\nCookie: overworld_session=%s\r\n",
             platform_viewer_token);
    client_ask(p, p->console_port, "DELETE /session", lines, "", &r);
    assert_int_equal(r.status, 200);
    expect_header(&r, "Set-Cookie", "Max-Age=0");
    response_deinit(&r);
    assert_string_equal(p->principal_id, "opr_2");
    assert_string_equal(p->title, "");
}

static void signs_in_its_own_pages(void **state) {
    platform *p = *state;
    const char *link = "POST /session/link";
    EXPECT(p, p->console_port, link, JSON, "{}", 403, "not_allowed");
    EXPECT(p, p->console_port, link, JSON OWN "Origin: http://evil.example\r\n", "{}", 403,
           "not_allowed");
    EXPECT(p, p->console_port, link, JSON OWN, "{", 400, "invalid_json");
    EXPECT(p, p->console_port, "GET /session/link", OWN, "", 405, "method_not_allowed");
    EXPECT(p, p->console_port, "POST /session/other", JSON OWN, "{}", 404, "not_found");
    EXPECT(p, p->public_port, link, JSON OWN, "{}", 404, "not_found");
    EXPECT(p, p->console_port, "DELETE /session", "", "", 403, "not_allowed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(serves_pages_on_the_console_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_other_replies_from_being_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_the_cookie_of_its_own_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(signs_in_its_own_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(signs_out_whatever_the_title, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
