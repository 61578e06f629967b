// The client over real sockets against servers of the test's own, all on one loop.

#include "core/http/client.h"

#include "core/http/text.h"
#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 20, TEXT_MAX = 2000, LONG_US = 15 * 1000 * 1000 };

enum { RAW_PEERS_MAX = 8 };

// Sends the same bytes to every request, and counts connections.
typedef struct raw_server {
    ow_loop *loop;
    ow_watch listener;
    ow_watch peers[RAW_PEERS_MAX];
    int peer_count;
    int port;
    const char *answer;
    bool closes;
} raw_server;

typedef struct fixture {
    ow_loop *loop;
    ow_http_client *client;
    // A server that shows what it was asked, redirects to ?to=..., holds /hold.
    ow_http_server *server;
    ow_http_budget budget;
    int port;
    int requests;
    ow_http_request *held;
    raw_server raw;
    // How the last fetch ended.
    bool done;
    int done_count;
    ow_code code;
    ow_err err;
    int status;
    char body[TEXT_MAX];
    char header[TEXT_MAX];
} fixture;

// ---- Servers ----

static void answer(ow_http_request *request, int status, const char *location, const char *text) {
    ow_http_header_line headers[] = {
        {"X-One", "first"}, {"X-One", "last"}, {"Location", location != NULL ? location : ""}};
    ow_http_reply(request, &(ow_http_answer){.status = status,
                                             .headers = headers,
                                             .header_count = 3,
                                             .body = text,
                                             .size = strlen(text)});
}

static void on_body(void *self, ow_http_request *request) {
    fixture *f = self;
    f->requests++;
    char to[TEXT_MAX];
    const char *path = ow_http_path(request);
    if (strcmp(path, "/hold") == 0) {
        f->held = request;
        return;
    }
    if (path[1] == '3' && ow_http_query_find(ow_http_query(request), "to", to, sizeof to) > 0) {
        answer(request, (int)strtol(path + 1, NULL, 10), to, "moved");
        return;
    }
    if (strcmp(path, "/loop") == 0) {
        answer(request, 302, "/loop", "");
        return;
    }
    size_t size;
    const char *body = ow_http_body(request, &size);
    const char *authorization = ow_http_header(request, "Authorization");
    const char *type = ow_http_header(request, "Content-Type");
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "%s %s [%.*s] %s %s", ow_http_method(request), path, (int)size,
             body, authorization != NULL ? authorization : "-", type != NULL ? type : "-");
    answer(request, strcmp(path, "/teapot") == 0 ? 418 : 200, NULL, text);
}

static void on_head(void *self, ow_http_request *request) {
    (void)self;
    (void)request;
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    (void)self;
    answer(request, why->status, NULL, why->reason);
}

static void on_gone(void *self, ow_http_request *request) {
    fixture *f = self;
    f->held = f->held == request ? NULL : f->held;
    answer(request, 499, NULL, "");
}

static void raw_end(raw_server *raw, ow_watch *watch) {
    int fd = watch->fd;
    ow_loop_unwatch(raw->loop, watch);
    close(fd);
}

static void raw_serve(raw_server *raw, ow_watch *peer) {
    char bytes[4096];
    ssize_t size = read(peer->fd, bytes, sizeof bytes);
    bool ends = size <= 0;
    if (size > 0) {
        size_t left = strlen(raw->answer);
        const char *at = raw->answer;
        while (left > 0) {
            ssize_t sent = send(peer->fd, at, left, MSG_NOSIGNAL);
            if (sent <= 0) {
                break;
            }
            at += sent;
            left -= (size_t)sent;
        }
        ends = raw->closes;
    }
    if (ends) {
        raw_end(raw, peer);
    }
}

static void on_raw_ready(void *self, uint32_t events) {
    (void)events;
    raw_server *raw = self;
    for (int i = 0; i < raw->peer_count; i++) {
        struct pollfd ready = {.fd = raw->peers[i].fd, .events = POLLIN};
        if (raw->peers[i].watched && poll(&ready, 1, 0) == 1) {
            raw_serve(raw, &raw->peers[i]);
        }
    }
}

static void on_raw_listener(void *self, uint32_t events) {
    (void)events;
    raw_server *raw = self;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int fd = accept4(raw->listener.fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
    assert_true(fd >= 0 && raw->peer_count < RAW_PEERS_MAX);
    ow_watch *peer = &raw->peers[raw->peer_count++];
    *peer = (ow_watch){.on_ready = on_raw_ready, .self = raw};
    assert_int_equal(ow_loop_watch(raw->loop, peer, fd, EPOLLIN, NULL), OW_OK);
}

static void raw_open(raw_server *raw, ow_loop *loop) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    raw->loop = loop;
    raw->port = ntohs(name.sin_port);
    raw->listener = (ow_watch){.on_ready = on_raw_listener, .self = raw};
    assert_int_equal(ow_loop_watch(loop, &raw->listener, fd, EPOLLIN, NULL), OW_OK);
}

static void raw_close(raw_server *raw) {
    for (int i = 0; i < raw->peer_count; i++) {
        if (raw->peers[i].watched) {
            raw_end(raw, &raw->peers[i]);
        }
    }
    raw_end(raw, &raw->listener);
}

// ---- The fixture ----

static void open_client(fixture *f, ow_http_client_options options) {
    ow_err err;
    f->client = ow_http_client_close(f->client);
    options.loop = f->loop;
    options.user_agent = "test/1";
    options.max_fetches = 4;
    options.max_connections = 4;
    options.max_per_host = 2;
    assert_ow_ok(ow_http_client_open(&options, &f->client, &err), &err);
}

static const ow_http_client_options loopback = {
    .egress = {.networks = "127.0.0.1", .plain = true},
};

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    ow_err err;
    assert_ow_ok(ow_loop_new(&f->loop, &err), &err);
    f->budget.max = 1 << 20;
    ow_http_options options = {
        .loop = f->loop,
        .address = "127.0.0.1:0",
        .handler = {on_head, on_body, on_reject, on_gone, f},
        .budget = &f->budget,
        .max_connections = 16,
        .body_limit = 100000,
        .idle_timeout_us = 60000000,
        .header_timeout_us = 1000000,
    };
    assert_ow_ok(ow_http_server_open(&options, &f->server, &err), &err);
    f->port = (int)strtol(strrchr(ow_http_server_address(f->server), ':') + 1, NULL, 10);
    raw_open(&f->raw, f->loop);
    open_client(f, loopback);
    return 0;
}

static void turn(fixture *f) {
    ow_err err;
    assert_ow_ok(ow_loop_turn(f->loop, 1000, &err), &err);
}

static int tear_down(void **state) {
    fixture *f = *state;
    f->client = ow_http_client_close(f->client);
    if (f->held != NULL) {
        answer(f->held, 200, NULL, "");
    }
    f->server = ow_http_server_close(f->server);
    raw_close(&f->raw);
    for (int i = 0; i < 10; i++) {
        turn(f);
    }
    f->loop = ow_loop_free(f->loop);
    free(f);
    return 0;
}

static void on_done(void *self, ow_code code, const ow_http_response *response, const ow_err *err) {
    fixture *f = self;
    f->done = true;
    f->done_count++;
    f->code = code;
    f->status = 0;
    f->body[0] = 0;
    assert_true((code == OW_OK) == (response != NULL));
    assert_true((code == OW_OK) == (err == NULL));
    if (err != NULL) {
        f->err = *err;
        return;
    }
    f->err = (ow_err){0};
    size_t size;
    const char *bytes = ow_http_response_body(response, &size);
    f->status = ow_http_response_status(response);
    snprintf(f->body, sizeof f->body, "%.*s", (int)size, bytes);
    const char *header = ow_http_response_header(response, "x-one");
    snprintf(f->header, sizeof f->header, "%s", header != NULL ? header : "(none)");
}

static ow_http_fetch_options get(fixture *f, const char *url) {
    return (ow_http_fetch_options){
        .method = "GET",
        .url = url,
        .timeout_us = LONG_US,
        .response_limit = 1000,
        .on_done = on_done,
        .self = f,
    };
}

static void until_done(fixture *f) {
    time_t end = time(NULL) + PATIENCE_S;
    while (!f->done) {
        turn(f);
        assert_true(time(NULL) < end);
    }
}

// Runs a fetch to its end; a refused start ends it too.
static void run(fixture *f, const ow_http_fetch_options *options) {
    f->done = false;
    f->code = ow_http_fetch_start(f->client, options, NULL, &f->err);
    if (f->code == OW_OK) {
        assert_false(f->done);
        until_done(f);
    }
}

// "{}" in the text stands for the server's port.
static const char *with_port(char url[static TEXT_MAX], const char *text, int port) {
    const char *at = strstr(text, "{}");
    if (at == NULL) {
        snprintf(url, TEXT_MAX, "%s", text);
    } else {
        snprintf(url, TEXT_MAX, "%.*s%d%s", (int)(at - text), text, port, at + 2);
    }
    return url;
}

static void run_get(fixture *f, const char *text) {
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, text, f->port));
    run(f, &options);
}

static void must(const fixture *f, ow_code code, const char *reason) {
    assert_ow_code(f->code, code, &f->err);
    assert_string_equal(f->err.reason, reason);
}

// ---- Cases ----

typedef struct exchange_case {
    const char *method, *path, *body, *wanted;
    int status;
} exchange_case;

static const exchange_case exchanges[] = {
    {"GET", "/a?b=c", NULL, "GET /a [] - -", 200},
    {"POST", "/a", "hello", "POST /a [hello] - -", 200},
    {"POST", "/a", "", "POST /a [] - -", 200},
    {"PUT", "/a", "x", "PUT /a [x] - -", 200},
    {"PATCH", "/a", "x", "PATCH /a [x] - -", 200},
    {"DELETE", "/a", NULL, "DELETE /a [] - -", 200},
    {"HEAD", "/a", NULL, "", 200},
    {"GET", "/teapot", NULL, "GET /teapot [] - -", 418},
};

static void exchanges_requests_and_responses(void **state) {
    fixture *f = *state;
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        const exchange_case *e = &exchanges[i];
        char url[TEXT_MAX];
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", f->port, e->path);
        ow_http_fetch_options options = get(f, url);
        options.method = e->method;
        options.body = e->body;
        options.size = e->body != NULL ? strlen(e->body) : 0;
        run(f, &options);
        assert_ow_ok(f->code, &f->err);
        assert_int_equal(f->status, e->status);
        assert_string_equal(f->body, e->wanted);
        assert_string_equal(f->header, "last");
    }
}

static void sends_headers(void **state) {
    fixture *f = *state;
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, "http://127.0.0.1:{}/", f->port));
    ow_http_header_line headers[] = {{"Authorization", "Bearer x"},
                                     {"Content-Type", "application/json"}};
    options.headers = headers;
    options.header_count = 2;
    run(f, &options);
    assert_string_equal(f->body, "GET / [] Bearer x application/json");
}

// Names of the loopback interface, of the inside, of metadata services; each in many spellings.
static const char *const inside[] = {
    "http://127.0.0.1:{}/",
    "http://127.1:{}/",
    "http://0x7f.1:{}/",
    "http://0x7f000001:{}/",
    "http://2130706433:{}/",
    "http://0177.0.0.1:{}/",
    "http://017700000001:{}/",
    "http://127.0.0.1.:{}/",
    "http://127.8.7.6:{}/",
    "http://localhost:{}/",
    "http://LOCALHOST.:{}/",
    "http://0:{}/",
    "http://0.0.0.0:{}/",
    "http://[::1]:{}/",
    "http://[::]:{}/",
    "http://[0:0:0:0:0:0:0:1]:{}/",
    "http://[::ffff:127.0.0.1]:{}/",
    "http://[::ffff:7f00:1]:{}/",
    "http://[::127.0.0.1]:{}/",
    "http://[64:ff9b::7f00:1]:{}/",
    "http://[2002:7f00:1::]:{}/",
    "http://[fe80::1]:{}/",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "http://0xa9fea9fe/latest/meta-data",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://100.100.100.200/",
    "http://loop.test:{}/",
    "http://metadata.test/",
    "http://several.test/",
    "http://six.test:{}/",
};

static const char *const pins[] = {
    "loop.test:80:127.0.0.1",
    "metadata.test:80:169.254.169.254",
    "several.test:80:10.0.0.1,169.254.169.254,127.0.0.1",
    NULL,
};

// Pins name a port: the server's is known at run time only.
typedef struct port_pins {
    char text[3][64];
    const char *list[8];
} port_pins;

static const char *const *pins_of(fixture *f, port_pins *p) {
    snprintf(p->text[0], sizeof p->text[0], "loop.test:%d:127.0.0.1", f->port);
    snprintf(p->text[1], sizeof p->text[1], "six.test:%d:[::ffff:127.0.0.1]", f->port);
    snprintf(p->text[2], sizeof p->text[2], "mixed.test:%d:169.254.169.254,127.0.0.1", f->port);
    int count = 0;
    for (int i = 0; i < 3; i++) {
        p->list[count++] = p->text[i];
    }
    for (int i = 0; pins[i] != NULL; i++) {
        p->list[count++] = pins[i];
    }
    p->list[count] = NULL;
    return p->list;
}

static void refuses_addresses_of_the_inside(void **state) {
    fixture *f = *state;
    port_pins p;
    open_client(f, (ow_http_client_options){.egress = {.plain = true}, .pins = pins_of(f, &p)});
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        run_get(f, inside[i]);
        // Whether a number with a dot behind it is a name, resolvers disagree.
        bool unknown = strstr(inside[i], ".:") != NULL && strcmp(f->err.reason, "unresolved") == 0;
        if (!unknown && strcmp(f->err.reason, "address_refused") != 0) {
            fail_msg("%s: %d %s %s", inside[i], f->code, f->err.reason, f->err.message);
        }
    }
    assert_int_equal(f->requests, 0);
}

static void connects_only_to_the_allowed_ones_of_several_addresses(void **state) {
    fixture *f = *state;
    port_pins p;
    ow_http_client_options options = loopback;
    options.pins = pins_of(f, &p);
    open_client(f, options);
    run_get(f, "http://mixed.test:{}/x");
    assert_ow_ok(f->code, &f->err);
    assert_string_equal(f->body, "GET /x [] - -");
}

static void asks_allowed_hosts_only(void **state) {
    fixture *f = *state;
    port_pins p;
    ow_http_client_options options = loopback;
    options.pins = pins_of(f, &p);
    options.egress.hosts = "loop.test";
    open_client(f, options);
    run_get(f, "http://LOOP.test:{}/x");
    assert_ow_ok(f->code, &f->err);
    run_get(f, "http://127.0.0.1:{}/x");
    must(f, OW_PERMISSION_DENIED, "host_refused");
    run_get(f, "http://mixed.test:{}/x");
    must(f, OW_PERMISSION_DENIED, "host_refused");
    run_get(f, "http://127.0.0.1:{}/302?to=http://loop.test/");
    must(f, OW_PERMISSION_DENIED, "host_refused");
    assert_int_equal(f->requests, 1);
}

typedef struct refusal {
    const char *url;
    ow_code code;
    const char *reason;
} refusal;

static const refusal refusals[] = {
    {"https://user@example.com/", OW_INVALID_ARGUMENT, "bad_url"},
    {"https://user:password@example.com/", OW_INVALID_ARGUMENT, "bad_url"},
    {"https://example.com:99999/", OW_INVALID_ARGUMENT, "bad_url"},
    {"https://exam ple.com/", OW_INVALID_ARGUMENT, "bad_url"},
    {"https://example.com/\r\nX: y", OW_INVALID_ARGUMENT, "bad_url"},
    {"https://", OW_INVALID_ARGUMENT, "bad_url"},
    {"example.com", OW_INVALID_ARGUMENT, "bad_url"},
    {"/x", OW_INVALID_ARGUMENT, "bad_url"},
    {"", OW_INVALID_ARGUMENT, "bad_url"},
    {"http://example.com/", OW_PERMISSION_DENIED, "scheme_refused"},
    {"file:///etc/passwd", OW_PERMISSION_DENIED, "scheme_refused"},
    {"ftp://example.com/", OW_PERMISSION_DENIED, "scheme_refused"},
    {"gopher://example.com/_x", OW_PERMISSION_DENIED, "scheme_refused"},
    {"dict://example.com/", OW_PERMISSION_DENIED, "scheme_refused"},
};

static void refuses_bad_urls(void **state) {
    fixture *f = *state;
    open_client(f, (ow_http_client_options){.egress = {.plain = false}});
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        run_get(f, refusals[i].url);
        if (f->code != refusals[i].code || strcmp(f->err.reason, refusals[i].reason) != 0) {
            fail_msg("%s: %d %s", refusals[i].url, f->code, f->err.reason);
        }
    }
    char *url = malloc(10000);
    memset(url, 'a', 10000);
    memcpy(url, "https://example.com/", 20);
    url[9999] = 0;
    ow_http_fetch_options options = get(f, url);
    run(f, &options);
    must(f, OW_INVALID_ARGUMENT, "bad_url");
    free(url);
}

static void refuses_bad_requests(void **state) {
    fixture *f = *state;
    char url[TEXT_MAX];
    const ow_http_fetch_options sound = get(f, with_port(url, "http://127.0.0.1:{}/", f->port));
    static const ow_http_header_line bad[] = {
        {"Host", "x"},
        {"content-length", "3"},
        {"Transfer-Encoding", "chunked"},
        {"X-A\r\nX-B", "x"},
        {"X-A", "x\r\nX-B: y"},
        {"", "x"},
        {"X-A", ""},
        {"X:A", "x"},
        {"Connection", "close"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_http_fetch_options options = sound;
        options.headers = &bad[i];
        options.header_count = 1;
        run(f, &options);
        must(f, OW_INVALID_ARGUMENT, "bad_header");
    }
    ow_http_fetch_options options = sound;
    options.method = "CONNECT";
    run(f, &options);
    must(f, OW_INVALID_ARGUMENT, "bad_method");
    options.method = "GET";
    options.body = "x";
    options.size = 1;
    run(f, &options);
    must(f, OW_INVALID_ARGUMENT, "bad_method");
    options = sound;
    options.timeout_us = 0;
    run(f, &options);
    must(f, OW_INVALID_ARGUMENT, "bad_timeout");
    assert_int_equal(f->requests, 0);
}

static void follows_redirects_only_when_asked(void **state) {
    fixture *f = *state;
    run_get(f, "http://127.0.0.1:{}/302?to=/x");
    assert_ow_ok(f->code, &f->err);
    assert_int_equal(f->status, 302);
    assert_string_equal(f->body, "moved");
    assert_int_equal(f->requests, 1);
}

typedef struct redirect_case {
    const char *method, *path, *wanted; // of a body "b"
} redirect_case;

static const redirect_case redirects[] = {
    {"GET", "/301?to=/x", "GET /x [] - -"},    {"GET", "/302?to=x", "GET /x [] - -"},
    {"POST", "/301?to=/x", "GET /x [] - -"},   {"POST", "/302?to=/x", "GET /x [] - -"},
    {"POST", "/303?to=/x", "GET /x [] - -"},   {"PUT", "/303?to=/x", "GET /x [] - -"},
    {"PUT", "/302?to=/x", "PUT /x [b] - -"},   {"POST", "/307?to=/x", "POST /x [b] - -"},
    {"POST", "/308?to=/x", "POST /x [b] - -"}, {"POST", "/304?to=/x", ""},
};

static void follows_redirects(void **state) {
    fixture *f = *state;
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++) {
        char url[TEXT_MAX];
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", f->port, redirects[i].path);
        ow_http_fetch_options options = get(f, url);
        options.method = redirects[i].method;
        options.redirects = 1;
        options.body = "b";
        options.size = strcmp(redirects[i].method, "GET") == 0 ? 0 : 1;
        run(f, &options);
        assert_ow_ok(f->code, &f->err);
        assert_string_equal(f->body, redirects[i].wanted);
    }
}

static const refusal redirect_refusals[] = {
    {"http://127.0.0.1:{}/302?to=http://169.254.169.254/", OW_PERMISSION_DENIED, "address_refused"},
    {"http://127.0.0.1:{}/302?to=http://metadata.test/", OW_PERMISSION_DENIED, "address_refused"},
    {"http://127.0.0.1:{}/302?to=//0x7f.2/", OW_PERMISSION_DENIED, "address_refused"},
    {"http://127.0.0.1:{}/302?to=file:///etc/passwd", OW_PERMISSION_DENIED, "scheme_refused"},
    {"http://127.0.0.1:{}/302?to=ftp://example.com/", OW_PERMISSION_DENIED, "scheme_refused"},
    {"http://127.0.0.1:{}/302?to=http://a:b@127.0.0.1/", OW_FAILED_PRECONDITION, "bad_redirect"},
    {"http://127.0.0.1:{}/302?to=http://127.0.0.1:99999/", OW_FAILED_PRECONDITION, "bad_redirect"},
    {"http://127.0.0.1:{}/loop", OW_FAILED_PRECONDITION, "too_many_redirects"},
};

static void checks_every_hop(void **state) {
    fixture *f = *state;
    port_pins p;
    ow_http_client_options client = loopback;
    client.pins = pins_of(f, &p);
    open_client(f, client);
    for (size_t i = 0; i < sizeof redirect_refusals / sizeof *redirect_refusals; i++) {
        const refusal *r = &redirect_refusals[i];
        char url[TEXT_MAX];
        ow_http_fetch_options options = get(f, with_port(url, r->url, f->port));
        options.redirects = 3;
        f->requests = 0;
        run(f, &options);
        must(f, r->code, r->reason);
        assert_int_equal(f->requests, strcmp(r->reason, "too_many_redirects") == 0 ? 4 : 1);
    }
}

static void tells_secrets_to_the_first_host_only(void **state) {
    fixture *f = *state;
    port_pins p;
    ow_http_client_options client = loopback;
    client.pins = pins_of(f, &p);
    open_client(f, client);
    ow_http_header_line headers[] = {{"Authorization", "Bearer x"}, {"Content-Type", "text/x"}};
    char url[TEXT_MAX];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/307?to=/x", f->port);
    ow_http_fetch_options options = get(f, url);
    options.headers = headers;
    options.header_count = 2;
    options.redirects = 1;
    run(f, &options);
    assert_string_equal(f->body, "GET /x [] Bearer x text/x");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/307?to=http://loop.test:%d/x", f->port, f->port);
    run(f, &options);
    assert_string_equal(f->body, "GET /x [] - text/x");
}

static void run_raw(fixture *f, const char *bytes, size_t limit, bool closes) {
    f->raw.answer = bytes;
    f->raw.closes = closes;
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, "http://127.0.0.1:{}/", f->raw.port));
    options.response_limit = limit;
    run(f, &options);
}

static void bounds_responses(void **state) {
    fixture *f = *state;
    run_raw(f, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", 5, true);
    assert_ow_ok(f->code, &f->err);
    assert_string_equal(f->body, "12345");
    run_raw(f, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123456", 5, true);
    must(f, OW_RESOURCE_EXHAUSTED, "response_too_large");
    run_raw(f, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n0\r\n\r\n", 5,
            true);
    must(f, OW_RESOURCE_EXHAUSTED, "response_too_large");
    run_raw(f, "HTTP/1.1 200 OK\r\n\r\n123456", 5, true);
    must(f, OW_RESOURCE_EXHAUSTED, "response_too_large");
    char *head = malloc(80000);
    size_t size = (size_t)snprintf(head, 100, "HTTP/1.1 200 OK\r\n");
    while (size < 70000) {
        size += (size_t)snprintf(head + size, 100, "X-A: %060d\r\n", 0);
    }
    snprintf(head + size, 100, "\r\n");
    run_raw(f, head, 5, true);
    must(f, OW_RESOURCE_EXHAUSTED, "response_too_large");
    free(head);
}

static void explains_broken_exchanges(void **state) {
    fixture *f = *state;
    run_raw(f, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n123", 100, true);
    must(f, OW_UNAVAILABLE, "broken_exchange");
    run_raw(f, "nonsense\r\n\r\n", 100, true);
    must(f, OW_UNAVAILABLE, "broken_exchange");
    run_raw(f, "", 100, true);
    must(f, OW_UNAVAILABLE, "broken_exchange");
    raw_close(&f->raw);
    run_raw(f, "", 100, true);
    must(f, OW_UNAVAILABLE, "unreachable");
    f->raw.peer_count = 0;
    raw_open(&f->raw, f->loop);
    run_get(f, "http://nowhere.invalid:{}/");
    must(f, OW_UNAVAILABLE, "unresolved");
}

static void ends_in_time(void **state) {
    fixture *f = *state;
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, "http://127.0.0.1:{}/hold", f->port));
    options.timeout_us = 60000;
    run(f, &options);
    must(f, OW_DEADLINE_EXCEEDED, "timeout");
    // Nor does a response that begins.
    f->raw.answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n1";
    options.url = with_port(url, "http://127.0.0.1:{}/", f->raw.port);
    run(f, &options);
    must(f, OW_DEADLINE_EXCEEDED, "timeout");
}

static void keeps_connections(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        run_raw(f, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 100, false);
        assert_ow_ok(f->code, &f->err);
    }
    assert_int_equal(f->raw.peer_count, 1);
}

static void bounds_what_runs(void **state) {
    fixture *f = *state;
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, "http://127.0.0.1:{}/x", f->port));
    for (int i = 0; i < 4; i++) {
        assert_ow_ok(ow_http_fetch_start(f->client, &options, NULL, &f->err), &f->err);
    }
    assert_int_equal(ow_http_fetch_start(f->client, &options, NULL, &f->err),
                     OW_RESOURCE_EXHAUSTED);
    assert_string_equal(f->err.reason, "too_many_fetches");
    for (int i = 1; i <= 4; i++) {
        while (f->done_count < i) {
            f->done = false;
            until_done(f);
        }
        assert_ow_ok(f->code, &f->err);
    }
    run(f, &options);
    assert_ow_ok(f->code, &f->err);
}

static bool is_held(fixture *f) {
    time_t end = time(NULL) + PATIENCE_S;
    while (f->held == NULL && time(NULL) < end) {
        turn(f);
    }
    return f->held != NULL;
}

static void cancels(void **state) {
    fixture *f = *state;
    char url[TEXT_MAX];
    ow_http_fetch_options options = get(f, with_port(url, "http://127.0.0.1:{}/hold", f->port));
    ow_http_fetch *fetch;
    // At once, while it waits, and with the client.
    for (int i = 0; i < 3; i++) {
        assert_ow_ok(ow_http_fetch_start(f->client, &options, &fetch, &f->err), &f->err);
        if (i > 0) {
            assert_true(is_held(f));
        }
        if (i < 2) {
            ow_http_fetch_cancel(fetch);
        } else {
            f->client = ow_http_client_close(f->client);
        }
        while (f->held != NULL) {
            turn(f);
        }
    }
    assert_int_equal(f->done_count, 0);
    assert_null(ow_http_fetch_cancel(NULL));
    assert_null(ow_http_client_close(NULL));
}

// Starts another one from within on_done, and cancels a third.
typedef struct chain {
    fixture *f;
    ow_http_fetch *other;
    char url[TEXT_MAX];
} chain;

static void on_first_done(void *self, ow_code code, const ow_http_response *response,
                          const ow_err *err) {
    (void)response;
    chain *c = self;
    assert_ow_ok(code, err);
    ow_http_fetch_options options = get(c->f, c->url);
    assert_int_equal(ow_http_fetch_start(c->f->client, &options, NULL, NULL), OW_OK);
    c->other = ow_http_fetch_cancel(c->other);
}

static void starts_and_cancels_from_within_the_end(void **state) {
    fixture *f = *state;
    chain c = {.f = f};
    char hold[TEXT_MAX];
    with_port(c.url, "http://127.0.0.1:{}/x", f->port);
    ow_http_fetch_options waiting = get(f, with_port(hold, "http://127.0.0.1:{}/hold", f->port));
    assert_ow_ok(ow_http_fetch_start(f->client, &waiting, &c.other, &f->err), &f->err);
    ow_http_fetch_options first = get(f, c.url);
    first.on_done = on_first_done;
    first.self = &c;
    assert_ow_ok(ow_http_fetch_start(f->client, &first, NULL, &f->err), &f->err);
    until_done(f);
    assert_ow_ok(f->code, &f->err);
    assert_null(c.other);
    assert_int_equal(f->done_count, 1);
}

// ---- TLS ----

#define DATA "core/http_curl/testdata/"

typedef struct tls_server {
    FILE *out;
    int in;
    pid_t pid;
    int port;
} tls_server;

static void tls_open(tls_server *t) {
    int in[2];
    int out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execlp("python3", "python3", DATA "tls_server.py", DATA "server.pem", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    t->in = in[1];
    t->out = fdopen(out[0], "r");
    char line[20] = "";
    assert_non_null(fgets(line, sizeof line, t->out));
    t->port = (int)strtol(line, NULL, 10);
}

static void tls_close(tls_server *t) {
    close(t->in);
    assert_int_equal(waitpid(t->pid, NULL, 0), t->pid);
    fclose(t->out);
}

static void run_tls(fixture *f, const tls_server *t, const char *host, const char *ca_file) {
    char pin[64];
    char url[TEXT_MAX];
    snprintf(pin, sizeof pin, "other.test:%d:127.0.0.1", t->port);
    snprintf(url, sizeof url, "https://%s:%d/", host, t->port);
    const char *list[] = {pin, NULL};
    open_client(f, (ow_http_client_options){
                       .egress = {.networks = "127.0.0.1"}, .ca_file = ca_file, .pins = list});
    ow_http_fetch_options options = get(f, url);
    run(f, &options);
}

static void verifies_certificates(void **state) {
    fixture *f = *state;
    tls_server t;
    tls_open(&t);
    run_tls(f, &t, "localhost", DATA "ca.pem");
    assert_ow_ok(f->code, &f->err);
    assert_string_equal(f->body, "secret");
    run_tls(f, &t, "127.0.0.1", DATA "ca.pem");
    assert_ow_ok(f->code, &f->err);
    run_tls(f, &t, "other.test", DATA "ca.pem");
    must(f, OW_UNAVAILABLE, "tls_failed");
    run_tls(f, &t, "localhost", NULL);
    must(f, OW_UNAVAILABLE, "tls_failed");
    tls_close(&t);
}

static void refuses_bad_options(void **state) {
    fixture *f = *state;
    static const char *const bad_pins[] = {"loop.test", NULL};
    ow_http_client_options options = {.loop = f->loop, .pins = bad_pins};
    ow_http_client *client = NULL;
    assert_ow_code(ow_http_client_open(&options, &client, &f->err), OW_INVALID_ARGUMENT, &f->err);
    assert_string_equal(f->err.reason, "bad_pin");
    options = (ow_http_client_options){.loop = f->loop, .egress = {.networks = "here"}};
    assert_ow_code(ow_http_client_open(&options, &client, &f->err), OW_INVALID_ARGUMENT, &f->err);
    assert_string_equal(f->err.reason, "bad_egress");
    assert_null(client);
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(exchanges_requests_and_responses),
        CASE(sends_headers),
        CASE(refuses_addresses_of_the_inside),
        CASE(connects_only_to_the_allowed_ones_of_several_addresses),
        CASE(asks_allowed_hosts_only),
        CASE(refuses_bad_urls),
        CASE(refuses_bad_requests),
        CASE(follows_redirects_only_when_asked),
        CASE(follows_redirects),
        CASE(checks_every_hop),
        CASE(tells_secrets_to_the_first_host_only),
        CASE(bounds_responses),
        CASE(explains_broken_exchanges),
        CASE(ends_in_time),
        CASE(keeps_connections),
        CASE(bounds_what_runs),
        CASE(cancels),
        CASE(starts_and_cancels_from_within_the_end),
        CASE(verifies_certificates),
        CASE(refuses_bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
