// Mails over real sockets, to a server in a process of its own.

#include "core/http/mail.h"

#include "core/http_curl/smtp_for_test.h"
#include "core/loop/loop.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DATA "core/http_curl/testdata/"

enum { PATIENCE_S = 20, LINE_MAX_BYTES = 4000 };

typedef struct fixture {
    ow_loop *loop;
    ow_http_client *client;
    smtp_server server;
    char url[100], line[LINE_MAX_BYTES];
    bool done;
    int status;
    ow_err err;
} fixture;

static const char *const to[] = {"ops@example.com", "night@example.com"};

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    ow_err err;
    assert_non_null(f);
    *state = f;
    assert_ow_ok(ow_loop_new(&f->loop, &err), &err);
    return 0;
}

static void close_all(fixture *f) {
    f->client = ow_http_client_close(f->client);
    if (f->server.pid != 0) {
        smtp_close(&f->server);
    }
    f->server.pid = 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    close_all(f);
    ow_loop_free(f->loop);
    free(f);
    return 0;
}

static void open_all(fixture *f, const char *mode, const char *scheme, const char *host,
                     const char *ca_file) {
    ow_err err;
    char pin[64];
    char secure_pin[64];
    close_all(f);
    smtp_open(&f->server, mode);
    snprintf(pin, sizeof pin, "mail.test:%d:127.0.0.1", f->server.port);
    snprintf(secure_pin, sizeof secure_pin, "secure.test:%d:127.0.0.1", f->server.port);
    const char *pins[] = {pin, secure_pin, NULL};
    ow_http_client_options options = {
        .loop = f->loop,
        .egress = {.hosts = "localhost 127.0.0.1 mail.test secure.test", .networks = "127.0.0.1"},
        .ca_file = ca_file,
        .pins = pins,
        .max_fetches = 1,
        .max_connections = 2,
        .max_per_host = 2,
    };
    assert_ow_ok(ow_http_client_open(&options, &f->client, &err), &err);
    snprintf(f->url, sizeof f->url, "%s://%s:%d", scheme, host, f->server.port);
}

static void on_done(void *self, ow_code code, const ow_http_response *response, const ow_err *err) {
    fixture *f = self;
    f->done = true;
    f->status = code == OW_OK ? ow_http_response_status(response) : 0;
    f->err = code == OW_OK ? (ow_err){.code = OW_OK, .reason = ""} : *err;
}

static ow_mail mail_of(fixture *f) {
    return (ow_mail){
        .server = f->url,
        .from = "overworld@example.com",
        .to = to,
        .to_count = 2,
        .message = "Subject: alarm\r\n\r\nfire\r\n.\r\n.dot\r\n",
        .size = strlen("Subject: alarm\r\n\r\nfire\r\n.\r\n.dot\r\n"),
        .timeout_us = 10 * 1000000,
        .on_done = on_done,
        .self = f,
    };
}

static void send_it(fixture *f, const ow_mail *mail) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    time_t until = now.tv_sec + PATIENCE_S;
    f->done = false;
    f->status = 0;
    ow_code code = ow_mail_send(f->client, mail, NULL, &f->err);
    while (code == OW_OK && !f->done && now.tv_sec < until) {
        ow_loop_turn(f->loop, 10000, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    assert_true(f->done || code != OW_OK);
}

static bool took(fixture *f) {
    return smtp_next(&f->server, f->line, sizeof f->line);
}

static void has(const fixture *f, const char *text) {
    if (strstr(f->line, text) == NULL) {
        fail_msg("%s: not in %s", text, f->line);
    }
}

static void must_fail(fixture *f, const char *reason) {
    assert_string_equal(f->err.reason, reason);
    assert_false(took(f));
}

static void goes_out_whole(void **state) {
    fixture *f = *state;
    open_all(f, "plain", "smtp", "127.0.0.1", NULL);
    ow_mail mail = mail_of(f);
    for (int i = 0; i < 2; i++) { // a second one on its own connection
        send_it(f, &mail);
        assert_int_equal(f->status, 250);
        assert_true(took(f));
    }
    has(f, "\"from\": \"FROM:<overworld@example.com>");
    has(f, "\"to\": [\"TO:<ops@example.com>\", \"TO:<night@example.com>\"]");
    has(f, "\"text\": \"Subject: alarm\\r\\n\\r\\nfire\\r\\n.\\r\\n.dot\\r\\n\"");
    has(f, "\"login\": false");
}

static void logs_in(void **state) {
    fixture *f = *state;
    open_all(f, "plain", "smtp", "127.0.0.1", NULL);
    ow_mail mail = mail_of(f);
    mail.user = "alice";
    mail.password = "open sesame";
    send_it(f, &mail);
    assert_true(took(f));
    has(f, "\"login\": true");
    mail.password = "close sesame";
    send_it(f, &mail);
    must_fail(f, "login_refused");
}

static void needs_tls_but_on_loopback(void **state) {
    fixture *f = *state;
    static const struct {
        const char *mode, *scheme, *host, *ca_file, *reason;
    } cases[] = {
        {"plain", "smtp", "localhost", NULL, ""},
        {"plain", "smtp", "mail.test", NULL, "tls_failed"}, // its name may mean any address
        {"starttls", "smtp", "mail.test", DATA "ca.pem", "tls_failed"}, // not its certificate
        {"starttls", "smtp", "secure.test", DATA "ca.pem", ""},
        {"starttls", "smtp", "secure.test", NULL, "tls_failed"},
        {"tls", "smtps", "localhost", DATA "ca.pem", ""},
        {"tls", "smtps", "localhost", NULL, "tls_failed"},
        {"tls", "smtps", "mail.test", DATA "ca.pem", "tls_failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_all(f, cases[i].mode, cases[i].scheme, cases[i].host, cases[i].ca_file);
        ow_mail mail = mail_of(f);
        send_it(f, &mail);
        if (strcmp(f->err.reason, cases[i].reason) != 0) {
            fail_msg("case %zu: %s %s", i, f->err.reason, f->err.message);
        }
        assert_int_equal(took(f), cases[i].reason[0] == 0);
    }
}

// Nothing of it goes out before: neither the password nor whom it is for.
static void says_nothing_before_starttls(void **state) {
    fixture *f = *state;
    open_all(f, "starttls", "smtp", "secure.test", DATA "ca.pem");
    ow_mail mail = mail_of(f);
    mail.user = "alice";
    mail.password = "open sesame";
    send_it(f, &mail);
    assert_int_equal(f->status, 250);
    assert_true(took(f));
    has(f, "\"tls\": true");
    has(f, "\"login\": true");
    has(f, "fire");
}

static void tells_what_the_server_refused(void **state) {
    fixture *f = *state;
    static const char *const nobody[] = {"nobody@refused.test"};
    open_all(f, "plain", "smtp", "127.0.0.1", NULL);
    ow_mail mail = mail_of(f);
    mail.to = nobody;
    mail.to_count = 1;
    send_it(f, &mail);
    must_fail(f, "mail_refused");
    assert_non_null(strstr(f->err.message, "550"));
}

static void refuses_what_cannot_be_sent(void **state) {
    fixture *f = *state;
    static const char *const bad[] = {"http://mail.test",
                                      "smtp://",
                                      "mail.test",
                                      "smtp://alice@mail.test",
                                      "smtp://mail.test/somebody",
                                      "smtp://a:b@mail.test",
                                      "smtp://mail.test?x"};
    static const char *const injected[] = {"a@b.test>\r\nDATA"};
    ow_err err;
    open_all(f, "plain", "smtp", "127.0.0.1", NULL);
    ow_mail mail = mail_of(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mail.server = bad[i];
        send_it(f, &mail);
        assert_string_equal(f->err.reason, "bad_mail_server");
        assert_int_equal(ow_mail_check_server(bad[i], &err), OW_INVALID_ARGUMENT);
    }
    mail = mail_of(f);
    mail.to = injected;
    mail.to_count = 1;
    send_it(f, &mail);
    must_fail(f, "bad_mail");
    mail = mail_of(f);
    mail.size = 0;
    send_it(f, &mail);
    must_fail(f, "bad_mail");
    mail = mail_of(f);
    mail.server = "smtps://elsewhere.test";
    send_it(f, &mail);
    must_fail(f, "host_refused");
    assert_int_equal(ow_mail_check_server("smtps://mail.example.com:465", &err), OW_OK);
    assert_int_equal(ow_mail_check_server("smtp://[::1]:25/", &err), OW_OK);
}

static void cancels(void **state) {
    fixture *f = *state;
    open_all(f, "plain", "smtp", "127.0.0.1", NULL);
    ow_mail mail = mail_of(f);
    ow_http_fetch *fetch = NULL;
    assert_ow_ok(ow_mail_send(f->client, &mail, &fetch, &f->err), &f->err);
    assert_int_equal(ow_mail_send(f->client, &mail, NULL, &f->err), OW_RESOURCE_EXHAUSTED);
    ow_loop_turn(f->loop, 1000, NULL);
    ow_http_fetch_cancel(fetch);
    for (int i = 0; i < 20; i++) {
        ow_loop_turn(f->loop, 1000, NULL);
    }
    assert_false(f->done);
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(goes_out_whole),
        CASE(logs_in),
        CASE(needs_tls_but_on_loopback),
        CASE(says_nothing_before_starttls),
        CASE(tells_what_the_server_refused),
        CASE(refuses_what_cannot_be_sent),
        CASE(cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
