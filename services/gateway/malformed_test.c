// Requests as no client should send them, byte for byte: each is refused with its status, the
// connection is closed, and what stands behind it is not served. Whole, and in pieces.

#include "services/gateway/test_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 20000
#define TEXT_MAX 65536
#define PIECE 7

static const ow_channel_kind local = OW_CHANNEL_LOCAL;

static int setup(void **state) {
    static const char *const flags[] = {"--gateway.address_requests=0", "--gateway.player_calls=0",
                                        "--gateway.player_function_calls=0", NULL};
    *state = platform_start(local, flags);
    return 0;
}

static int teardown(void **state) {
    platform_stop(*state);
    return 0;
}

typedef struct vector {
    const char *bytes;
    size_t size;
    int status; // 0: closed without an answer
    bool ours;  // answered in our form; else by the library, before it could be asked
} vector;

#define OURS(status, text)                                                                         \
    { text, sizeof text - 1, status, true }
#define THEIRS(status, text)                                                                       \
    { text, sizeof text - 1, status, false }
#define GET "GET /healthz HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST /v1/call/lab/echo HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n"

static const vector heads[] = {
    // NUL and %00
    OURS(400, "GET /heal\0thz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /healthz\0 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /healthz%00 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /%00/healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /healthz?a=%00 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, GET HOST "X: a\0b\r\n\r\n"),
    OURS(400, GET HOST "X: \0\r\n\r\n"),
    OURS(400, GET "Host: a\0b\r\n\r\n"),
    THEIRS(400, "GET /healthz HTTP/1.1\0\n" HOST "\r\n"),
    OURS(400, GET "Host: a\0\n\r\n"),
    OURS(400, GET HOST "X: a\0\n\r\n"),
    OURS(400, GET HOST "X: a\r\n\0\n"),
    OURS(400, GET HOST "Content-Length: 0\0 5\r\n\r\n"),
    THEIRS(400, GET HOST "X\0Y: a\r\n\r\n"),
    OURS(501, "GE\0T /healthz HTTP/1.1\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz HTTP/1.1\0\r\n" HOST "\r\n"),
    // Dot segments and percent-codes
    OURS(400, "GET /../../etc/passwd HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /v1/../healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /./healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /healthz/.. HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /%2e%2e/healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /.%2E/healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /..?x HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /%zz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /% HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /?a=%4 HTTP/1.1\r\n" HOST "\r\n"),
    // Addresses
    OURS(400, "GET /a b HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET  /healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /healthz  HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /\x80 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /a\\..\\b HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET /\"<> HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET http://a/healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "GET healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(400, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
    THEIRS(0, "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n"), // a TLS client
    THEIRS(0, "HELLO\r\n\r\n"),
    THEIRS(0, "GET\t/healthz\tHTTP/1.1\r\n" HOST "\r\n"),
    // Methods and versions
    OURS(501, "G@T /healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(501, "get /healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(501, "TRACE /healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(501, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"),
    OURS(501, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" HOST "\r\n"),
    THEIRS(0, " GET /healthz HTTP/1.1\r\n" HOST "\r\n"),
    OURS(505, "GET /healthz HTTP/1.9\r\n" HOST "\r\n"),
    THEIRS(505, "GET /healthz HTTP/2.0\r\n" HOST "\r\n"),
    THEIRS(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    THEIRS(505, "GET /healthz HTTP/0.9\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz http/1.1\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz HTTP/1.10\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz HTTP/11\r\n" HOST "\r\n"),
    THEIRS(400, "GET /healthz HTTP/1.1x\r\n" HOST "\r\n"),
    // Lengths and codings
    OURS(400, POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    OURS(400, POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    OURS(400, POST "Content-Length: 1\r\ncontent-LENGTH: 1\r\n\r\na"),
    OURS(400, POST "Content-Length: 1, 1\r\n\r\na"),
    OURS(400, POST "Content-Length: -1\r\n\r\n"),
    OURS(400, POST "Content-Length: +1\r\n\r\na"),
    OURS(400, POST "Content-Length: 0x1\r\n\r\na"),
    OURS(400, POST "Content-Length: 1 1\r\n\r\na"),
    OURS(400, POST "Content-Length: 1a\r\n\r\na"),
    OURS(400, POST "Content-Length:\r\n\r\n"),
    OURS(413, POST "Content-Length: 99999999999999999999999\r\n\r\n"),
    OURS(400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    OURS(400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: gzip\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n"),
    OURS(400, POST "Transfer-Encoding: \x0b"
                   "chunked\r\n\r\n0\r\n\r\n"),
    OURS(501, POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    OURS(501, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    OURS(400, POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    OURS(417, POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na"),
    // Line ends and folds
    OURS(400, "GET /healthz HTTP/1.1\n" HOST "\r\n"),
    OURS(400, GET "Host: a\n\r\n"),
    OURS(400, GET HOST "X: a\nY: b\r\n\r\n"),
    OURS(400, GET HOST "\n"),
    OURS(400, "GET /healthz HTTP/1.1\nHost: a\n\n"),
    OURS(400, GET HOST "X: a\rY: b\r\n\r\n"),
    OURS(400, GET HOST "X: a\r\r\n\r\n"),
    OURS(400, GET HOST "X: a\r\n b\r\n\r\n"),
    OURS(400, GET HOST "X: a\r\n\tb\r\nY: c\r\n\r\n"),
    OURS(400, GET HOST "X:\r\n a\r\n\r\n"),
    OURS(400, GET HOST "X: a\r\n \r\n\r\n"),
    OURS(400, GET " " HOST "\r\n"),
    OURS(400, CHUNKED " , gzip\r\n\r\n0\r\n\r\n"),
    // Names, values, Host
    OURS(400, GET "\r\n"),
    OURS(400, GET HOST "Host: b\r\n\r\n"),
    OURS(400, GET HOST HOST "\r\n"),
    OURS(400, GET "Host:\r\n\r\n"),
    OURS(400, GET "Host: a b\r\n\r\n"),
    OURS(400, GET "Host: a/b\r\n\r\n"),
    OURS(400, GET "Host: u@a\r\n\r\n"),
    OURS(400, GET "Host: a, b\r\n\r\n"),
    OURS(400, GET "Host : a\r\n\r\n"),
    OURS(400, GET HOST "X y: b\r\n\r\n"),
    OURS(400, GET HOST ": b\r\n\r\n"),
    OURS(400, GET HOST "X\x80: b\r\n\r\n"),
    OURS(400, GET HOST "X: \x01\r\n\r\n"),
    OURS(400, GET HOST "X: \x7f\r\n\r\n"),
    THEIRS(400, GET HOST "no colon\r\n\r\n"),
    OURS(400, GET HOST "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"),
    OURS(400, POST "Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 1\r\n\r\na"),
};

// Malformed behind a good head; they need a token to come that far.
static const vector bodies[] = {
    THEIRS(400, "x\r\na\r\n0\r\n\r\n"),
    THEIRS(400, "\r\na\r\n0\r\n\r\n"),
    THEIRS(400, "-1\r\na\r\n0\r\n\r\n"),
    THEIRS(400, "1 \r\na\r\n0\r\n\r\n"),
    THEIRS(400, "0x1\r\na\r\n0\r\n\r\n"),
    THEIRS(400, "1\r\nab\r\n0\r\n\r\n"),
    THEIRS(400, ";\r\na\r\n0\r\n\r\n"),
    THEIRS(413, "ffffffffffffffffff\r\na\r\n0\r\n\r\n"),
    OURS(400, "1\na\r\n0\r\n\r\n"),
    OURS(400, "1\r\na\n0\r\n\r\n"),
    OURS(400, "1\r\na\r\n0\n\r\n"),
    OURS(400, "1\r\na\r\n0\r\n\n"),
    OURS(400, "1\r\na\n1\r\nb\r\n0\r\n\r\n"),
    OURS(400, "1;x\na\r\n0\r\n\r\n"),
    OURS(400, "1\r\na\r\n0\r\nX: y\r\n\r\n"),
    OURS(400, "1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n"),
    THEIRS(400, "1\r\na\r\n0\r\nno colon\r\n\r\n"),
};

// Sends in pieces, reads until the server hangs up.
static void exchange_bytes(platform *p, const char *bytes, size_t size, size_t piece,
                           char text[static TEXT_MAX]) {
    int fd = client_dial(p, p->public_port);
    size_t sent = 0;
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < TURNS_MAX; i++) {
        size_t more = size - sent < piece ? size - sent : piece;
        ssize_t n = more > 0 ? send(fd, bytes + sent, more, MSG_NOSIGNAL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        platform_turn(p);
        n = recv(fd, text + used, TEXT_MAX - used - 1, 0);
        used += n > 0 ? (size_t)n : 0;
        text[used] = '\0';
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close(fd);
            return;
        }
    }
    fail_msg("the connection stays open after: %s", text);
}

static void expect_refused(platform *p, const vector *each, const char *what, size_t index,
                           const char *text) {
    char wanted[16];
    snprintf(wanted, sizeof wanted, "HTTP/1.1 %d ", each->status);
    bool right = each->status == 0 ? text[0] == '\0' : strncmp(text, wanted, 13) == 0;
    const char *again = text[0] != '\0' ? strstr(text + 1, "HTTP/1.1 ") : NULL;
    bool in_form = strstr(text, "\r\nOverworld-Request-Id: req_") != NULL;
    if (!right || again != NULL || p->invocations != 0 || (each->ours && !in_form)) {
        fail_msg("%s %zu (%s): expected %d%s, got: %s", what, index, each->bytes, each->status,
                 each->ours ? " in our form" : "", text);
    }
}

// Behind each stands a good request.
static size_t add_good_one(platform *p, char *bytes, size_t size) {
    return size + (size_t)snprintf(bytes + size, TEXT_MAX - size,
                                   "POST /v1/call/lab/echo HTTP/1.1\r\nHost: a\r\n%s"
                                   "Content-Length: 1\r\n\r\n1",
                                   BEARER(PLAYER(p)));
}

static void refuses_malformed_heads(void **state) {
    platform *p = *state;
    char *bytes = malloc(TEXT_MAX);
    char *text = malloc(TEXT_MAX);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        memcpy(bytes, heads[i].bytes, heads[i].size);
        size_t size = add_good_one(p, bytes, heads[i].size);
        exchange_bytes(p, bytes, size, size, text);
        expect_refused(p, &heads[i], "whole head", i, text);
        exchange_bytes(p, bytes, size, PIECE, text);
        expect_refused(p, &heads[i], "head in pieces", i, text);
    }
    free(bytes);
    free(text);
}

static void refuses_malformed_bodies(void **state) {
    platform *p = *state;
    char *bytes = malloc(TEXT_MAX);
    char *text = malloc(TEXT_MAX);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        size_t size = (size_t)snprintf(bytes, TEXT_MAX, CHUNKED "%s\r\n", BEARER(PLAYER(p)));
        memcpy(bytes + size, bodies[i].bytes, bodies[i].size);
        size = add_good_one(p, bytes, size + bodies[i].size);
        for (size_t piece = size; piece > 0; piece /= PIECE) {
            exchange_bytes(p, bytes, size, piece, text);
            expect_refused(p, &bodies[i], "body in pieces", i, text);
        }
    }
    free(bytes);
    free(text);
}

// One that is refused for another reason while its body is still to come: that answer is the last.
static void refuses_malformed_bodies_behind_a_refusal(void **state) {
    platform *p = *state;
    char *bytes = malloc(TEXT_MAX);
    char *text = malloc(TEXT_MAX);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        size_t size = (size_t)snprintf(bytes, TEXT_MAX, CHUNKED "\r\n");
        memcpy(bytes + size, bodies[i].bytes, bodies[i].size);
        size = add_good_one(p, bytes, size + bodies[i].size);
        vector without_token = {bodies[i].bytes, bodies[i].size, 401, true};
        for (size_t piece = size; bodies[i].ours && piece > 0; piece /= PIECE) {
            exchange_bytes(p, bytes, size, piece, text);
            expect_refused(p, &without_token, "body behind a refusal", i, text);
        }
    }
    free(bytes);
    free(text);
}

// The same forms without the fault are served, whole and in pieces of any size.
static void serves_unusual_but_good_ones(void **state) {
    platform *p = *state;
    static const char chunked[] =
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "000;name=\"value\"\r\n\r\n";
    static const char *const good[] = {
        "GET /healthz HTTP/1.1\r\nhOST:a\r\nX:\r\nY: \t \r\nZ: a b \r\nConnection: close\r\n\r\n",
        "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        "GET /healthz?a=%41&b=[]{}|&c&=d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /healthz HTTP/1.0\r\n\r\n",
        "HEAD /healthz HTTP/1.1\r\nHost: a\r\nCookie: a=b; c=d\r\nConnection: close\r\n\r\n",
        chunked,
    };
    char *text = malloc(TEXT_MAX);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t piece = 1; piece <= strlen(good[i]);
             piece = piece < 20 ? piece + 1 : piece * 3) {
            exchange_bytes(p, good[i], strlen(good[i]), piece, text);
            if (strncmp(text, "HTTP/1.1 200 ", 13) != 0) {
                fail_msg("%s in pieces of %zu gave %s", good[i], piece, text);
            }
        }
    }
    free(text);
}

// Heads that libmicrohttpd changes while it reads, cut anywhere.
static void many_pipelined_ones_are_served(void **state) {
    platform *p = *state;
    static const char one[] = "GET /healthz?x=1&y=2 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    static const char last[] = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    enum { TIMES = 200 };
    char *bytes = malloc(TEXT_MAX);
    char *text = malloc(TEXT_MAX);
    size_t size = 0;
    for (int i = 0; i < TIMES; i++) {
        memcpy(bytes + size, one, sizeof one - 1);
        size += sizeof one - 1;
    }
    memcpy(bytes + size, last, sizeof last - 1);
    size += sizeof last - 1;
    for (size_t piece = 37; piece < size; piece = piece * 4 + 1) {
        exchange_bytes(p, bytes, size, piece, text);
        int answers = 0;
        for (const char *at = text; (at = strstr(at, "HTTP/1.1 200 ")) != NULL; at++) {
            answers++;
        }
        assert_int_equal(answers, TIMES + 1);
    }
    free(bytes);
    free(text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(refuses_malformed_heads),
        CASE(refuses_malformed_bodies),
        CASE(refuses_malformed_bodies_behind_a_refusal),
        CASE(serves_unusual_but_good_ones),
        CASE(many_pipelined_ones_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
