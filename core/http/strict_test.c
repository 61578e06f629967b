#include "core/http/strict.h"

#include "core/testing/ow_test.h"

#include <string.h>

// Up to three headers, "Name: value".
typedef struct sample {
    const char *method, *uri, *version;
    const char *headers[3];
    int status; // 0: passes
    int64_t length;
} sample;

static const sample samples[] = {
    {"GET", "/", "HTTP/1.1", {"Host:a"}, 0, 0},
    {"GET", "/", "HTTP/1.0", {NULL}, 0, 0},
    {"POST", "/a%20b?x", "HTTP/1.1", {"host:a", "content-length:12"}, 0, 12},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Transfer-Encoding:Chunked"}, 0, -1},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Expect:100-continue"}, 0, 0},
    {"GET", "/", "HTTP/1.1", {NULL}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", "HOST:a"}, 400, 0},
    {"GET", "/", "HTTP/2.0", {"Host:a"}, 505, 0},
    {"GET", "/", "", {"Host:a"}, 505, 0},
    {"get", "/", "HTTP/1.1", {"Host:a"}, 501, 0},
    {"CONNECT", "/", "HTTP/1.1", {"Host:a"}, 501, 0},
    {"GET", "", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "*", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/a\tb", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/\x7f", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:1", "Content-Length:1"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:1,1"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:+1"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:99999999999999999999"}, 400, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Content-Length:0", "Transfer-Encoding:chunked"}, 400, 0},
    {"POST",
     "/",
     "HTTP/1.1",
     {"Host:a", "Transfer-Encoding:chunked", "Transfer-Encoding:chunked"},
     501,
     0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Transfer-Encoding:chunked, gzip"}, 501, 0},
    {"POST", "/", "HTTP/1.0", {"Transfer-Encoding:chunked"}, 501, 0},
    {"POST", "/", "HTTP/1.1", {"Host:a", "Expect:magic"}, 417, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", "X\x01:b"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", "X:b\rc"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", ":b"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host :a"}, 400, 0},
    {"GET", "/a/./b", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/a/..", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/..?a", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/%2e%2E/a", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/.%2e", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/.../..a/.b/a.", "HTTP/1.1", {"Host:a"}, 0, 0},
    {"GET", "/?a=/../b", "HTTP/1.1", {"Host:a"}, 0, 0},
    {"GET", "/a%00", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/?a%00", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/%", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/%4", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/%4g", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/a#b", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/a\\b", "HTTP/1.1", {"Host:a"}, 400, 0},
    {"GET", "/?a=[{^|}]", "HTTP/1.1", {"Host:a"}, 0, 0},
    {"GET", "/", "HTTP/1.1", {"Host:"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a,b"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:u@a"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:[::1]:80"}, 0, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", "Authorization:b", "authorization:c"}, 400, 0},
    {"GET", "/", "HTTP/1.1", {"Host:a", "Content-Type:b", "Content-Type:b"}, 400, 0},
};

static void checks_heads(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const sample *s = &samples[i];
        char names[3][40];
        ow_http_field fields[3];
        ow_http_head head = {
            .method = s->method, .uri = s->uri, .version = s->version, .fields = fields};
        for (; head.field_count < 3 && s->headers[head.field_count] != NULL; head.field_count++) {
            const char *line = s->headers[head.field_count];
            const char *colon = strchr(line, ':');
            size_t name_size = (size_t)(colon - line);
            memcpy(names[head.field_count], line, name_size);
            names[head.field_count][name_size] = '\0';
            fields[head.field_count] =
                (ow_http_field){names[head.field_count], colon + 1, (uint32_t)name_size,
                                (uint32_t)strlen(colon + 1)};
        }
        ow_http_framing framing = {-7};
        const ow_http_rejection *why = ow_http_strict_check(&head, &framing);
        if ((why != NULL ? why->status : 0) != s->status ||
            (why == NULL && framing.content_length != s->length)) {
            fail_msg("sample %zu gave %d, length %lld", i, why != NULL ? why->status : 0,
                     (long long)framing.content_length);
        }
    }
}

static void refuses_too_many_headers(void **state) {
    (void)state;
    ow_http_field fields[OW_HTTP_HEADERS_MAX] = {{"Host", "a", 4, 1}};
    ow_http_framing framing;
    ow_http_head head = {.method = "GET",
                         .uri = "/",
                         .version = "HTTP/1.1",
                         .fields = fields,
                         .field_count = OW_HTTP_HEADERS_MAX + 1};
    const ow_http_rejection *why = ow_http_strict_check(&head, &framing);
    assert_non_null(why);
    assert_int_equal(why->status, 431);
}

// Every byte at every place of values of every length around a machine word or two.
static void knows_what_a_value_may_hold(void **state) {
    (void)state;
    enum { LONGEST = 19 };
    char value[LONGEST];
    for (uint32_t size = 1; size <= LONGEST; size++) {
        for (uint32_t place = 0; place < size; place++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(value, place % 2 == 0 ? 'a' : 0xff, sizeof value);
                value[place] = (char)byte;
                ow_http_field fields[] = {{"Host", "a", 4, 1}, {"X", value, 1, size}};
                ow_http_framing framing;
                ow_http_head head = {.method = "GET",
                                     .uri = "/",
                                     .version = "HTTP/1.1",
                                     .fields = fields,
                                     .field_count = 2};
                bool allowed = byte == '\t' || (byte >= ' ' && byte != 0x7f);
                assert_int_equal(ow_http_strict_check(&head, &framing) == NULL, allowed);
            }
        }
    }
}

// What libmicrohttpd makes of a head in its buffer: every separator a NUL.
static void tells_separators_from_distances(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        int status;
    } layouts[] = {
#define LAYOUT(text, status) {text, sizeof text - 1, status}
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0 a\0\0X\0\t\tb\0\0\0\0", 0),
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0a\0\0X\0\0\0\0\0", 0),
        LAYOUT("GET\0 /\0HTTP/1.1\0\0Host\0a\0\0X\0b\0\0\0\0", 400),
        LAYOUT("GET\0/\0HTTP/1.1\0Host\0a\0\0X\0b\0\0\0\0", 400),
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0a\0X\0b\0\0\0\0", 400),
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0a\0\0X\0b\0\0\0", 400),
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0a\0\0X\0b\0\0c\0\0\0\0", 400),
        LAYOUT("GET\0/\0HTTP/1.1\0\0Host\0a\0\0X\0\0b\0\0\0\0", 400),
    };
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        const char *text = layouts[i].text;
        const char *uri = strchr(text + 4, '/');
        const char *version = uri + 2;
        const char *host = memchr(version, 'o', 20);
        const char *x = memchr(host, 'X', 20);
        const char *a = memchr(host + 4, 'a', 4);
        const char *b = x + 2 + strspn(x + 2, "\t ");
        ow_http_field fields[] = {{host - 1, a, 4, 1}, {x, b, 1, (uint32_t)strlen(b)}};
        ow_http_head head = {.method = text,
                             .uri = uri,
                             .uri_at = uri,
                             .version = version,
                             .size = layouts[i].size,
                             .fields = fields,
                             .field_count = 2};
        ow_http_framing framing;
        const ow_http_rejection *why = ow_http_strict_check(&head, &framing);
        if ((why != NULL ? why->status : 0) != layouts[i].status) {
            fail_msg("layout %zu gave %d", i, why != NULL ? why->status : 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_heads),
        cmocka_unit_test(refuses_too_many_headers),
        cmocka_unit_test(knows_what_a_value_may_hold),
        cmocka_unit_test(tells_separators_from_distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
