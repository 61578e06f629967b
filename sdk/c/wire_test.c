/* libcurl's transport against a server that behaves badly, and polls that never block. */
#include "sdk/c/overworld_client.h"

#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER(body_size, body)                                                                    \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nOverworld-Request-Id: req_7\r\n"               \
    "Content-Length: " body_size "\r\n\r\n" body

enum { MAX_REQUESTS = 8 };

/* What a server does with each request it has read, in order: text to send; NULL: nothing. It closes when
 * the text ends with CLOSE, or is NULL. */
#define CLOSE "\x01"

typedef struct bad_server {
    int listener, port;
    const char *const *script;
    atomic_int requests;
    pthread_t thread;
} bad_server;

/* A request with a body of Content-Length 2 at most; false: the peer closed. */
static bool read_request(int fd) {
    char text[4096];
    size_t used = 0;
    while (used < sizeof text - 1) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && text + used - (end + 4) >= 2) {
            return true;
        }
    }
    return false;
}

static void *serve(void *self) {
    bad_server *s = self;
    const char *const *next = s->script;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        bool is_open = true;
        while (is_open && read_request(fd)) {
            const char *text = *next;
            atomic_fetch_add(&s->requests, 1);
            size_t size = text != NULL ? strlen(text) : 0;
            is_open = size > 0 && text[size - 1] != CLOSE[0];
            size -= size > 0 && !is_open;
            if (size > 0 && send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) {
                is_open = false;
            }
            next += next[1] != NULL || text == NULL;
        }
        close(fd);
    }
    return NULL;
}

static int listen_on_loopback(int *ret_port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static void server_start(bad_server *s, const char *const *script) {
    *s = (bad_server){.script = script};
    s->listener = listen_on_loopback(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(bad_server *s) {
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static ow_client *client_of(int port, const ow_client_config *wanted) {
    char url[40];
    ow_client_config config = wanted != NULL ? *wanted : (ow_client_config){0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    config.url = url;
    config.access_token = "token";
    ow_client *client = ow_client_new(&config, NULL);
    assert_non_null(client);
    return client;
}

static bool call(ow_client *client, bool may_repeat, ow_client_reply **ret_reply,
                 ow_client_error *error) {
    ow_client_function function = {
        .name = "vs/fn", .payload = "{}", .size = 2, .may_repeat = may_repeat};
    return ow_client_call(client, &function, ret_reply, error);
}

/* ---- What the server may have begun is not sent again, not by libcurl either ---- */

static void a_lost_answer_is_not_asked_for_twice(void **state) {
    (void)state;
    /* The second request comes on the kept connection, which is closed after it was read. */
    static const char *const script[] = {ANSWER("2", "ok"), CLOSE, ANSWER("2", "ok"), NULL};
    static const struct {
        bool may_repeat;
        int requests;
    } cases[] = {{false, 2}, {true, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bad_server server;
        ow_client_error error;
        ow_client_reply *reply = NULL;
        server_start(&server, script);
        ow_client *client = client_of(server.port, NULL);
        assert_true(call(client, false, &reply, &error));
        assert_string_equal(reply->data, "ok");
        assert_string_equal(reply->content_type, "text/plain");
        assert_string_equal(reply->request_id, "req_7");
        ow_client_reply_free(reply);
        bool ok = call(client, cases[i].may_repeat, NULL, &error);
        assert_int_equal(ok, cases[i].may_repeat);
        if (!ok) {
            assert_string_equal(error.reason, "no_answer");
        }
        ow_client_free(client);
        server_stop(&server);
        assert_int_equal(server.requests, cases[i].requests);
    }
}

static void endings_have_their_reasons(void **state) {
    (void)state;
    static const struct {
        const char *script[3];
        ow_client_config config;
        const char *reason;
    } cases[] = {
        {{CLOSE, CLOSE, NULL}, {0}, "no_answer"},
        {{ANSWER("9", "cut") CLOSE, CLOSE, NULL}, {0}, "no_answer"},
        {{"nonsense\r\n\r\n" CLOSE, CLOSE, NULL}, {0}, "no_answer"},
        {{ANSWER("99", ""), CLOSE, NULL}, {.timeout_ms = 200}, "timeout"},
        {{ANSWER("8", "12345678"), CLOSE, NULL}, {.max_reply_bytes = 7}, "reply_too_large"},
        {{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", CLOSE,
          NULL},
         {0},
         "http"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bad_server server;
        ow_client_error error;
        server_start(&server, cases[i].script);
        ow_client *client = client_of(server.port, &cases[i].config);
        assert_false(call(client, false, NULL, &error));
        assert_string_equal(error.reason, cases[i].reason);
        ow_client_free(client);
        server_stop(&server);
        assert_int_equal(server.requests, 1);
    }
}

static void nobody_listening_is_no_connection(void **state) {
    (void)state;
    int port;
    close(listen_on_loopback(&port));
    ow_client_error error;
    ow_client *client = client_of(port, &(ow_client_config){.max_retries = 1});
    assert_false(call(client, false, NULL, &error));
    assert_string_equal(error.reason, "no_connection");
    ow_client_free(client);
}

/* ---- A frame is never held up ---- */

static void count(void *user, ow_client_reply *reply, const ow_client_error *error) {
    (void)reply;
    (void)error;
    ++*(int *)user;
}

static long times_waited(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/* A thread that waits gives its processor away; the kernel counts that, on a busy machine too. */
static void polls_do_not_block(void **state) {
    (void)state;
    static const char *const script[] = {ANSWER("2", "ok"), NULL};
    int silent_port, closed_port, ended = 0, started = 0;
    bad_server server;
    /* Connections are taken by the kernel, and nothing ever answers. */
    int silent = listen_on_loopback(&silent_port);
    close(listen_on_loopback(&closed_port));
    server_start(&server, script);
    ow_client *clients[] = {client_of(silent_port, &(ow_client_config){.timeout_ms = 300}),
                            client_of(closed_port, NULL), client_of(server.port, NULL)};
    ow_client_function function = {.name = "vs/fn", .payload = "{}", .size = 2};
    struct timespec frame = {0, 2000000};
    long waited = 0;
    for (int i = 0; i < 300; i++) {
        long before = times_waited();
        for (int c = 0; c < 3; c++) {
            started +=
                i % 10 == 0 && ow_client_call_start(clients[c], &function, count, &ended, NULL);
            ow_client_poll(clients[c], 0);
        }
        waited += times_waited() - before;
        nanosleep(&frame, NULL);
    }
    print_message("%d polls, %d operations, waited %ld times\n", 900, started, waited);
    assert_int_equal(started, 90);
    assert_true(ended > 30);
    assert_int_equal(waited, 0);
    for (int c = 0; c < 3; c++) {
        ow_client_free(clients[c]);
    }
    server_stop(&server);
    close(silent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(a_lost_answer_is_not_asked_for_twice),
        OW_TEST(endings_have_their_reasons),
        OW_TEST(nobody_listening_is_no_connection),
        OW_TEST(polls_do_not_block),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
