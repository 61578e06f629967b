#include "core/http/wire.h"

#include "core/testing/ow_test.h"

#include <string.h>

#define PIECES 3

// What a connection says: requests whose bodies are all of the same length. `requests` heads are whole and
// good, then comes `fault` or nothing.
typedef struct sample {
    const char *bytes;
    size_t size;
    int64_t length;
    int requests;
    ow_http_wire_fault fault;
} sample;

#define SAMPLE(length, requests, fault, text)                                                      \
    { text, sizeof text - 1, length, requests, OW_HTTP_WIRE_##fault }
#define HEAD "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static const sample samples[] = {
    SAMPLE(0, 1, GOOD, HEAD),
    SAMPLE(0, 3, GOOD, HEAD HEAD HEAD),
    SAMPLE(0, 2, GOOD, "\r\n\r\n" HEAD "\r\n" HEAD),
    SAMPLE(0, 0, GOOD, "GET / HTTP/1.1\r\nHost: a\r\n"),
    SAMPLE(0, 1, LINES, HEAD "\n" HEAD),
    SAMPLE(0, 1, LINES, HEAD "GET / HTTP/1.1\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\0\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\n\0\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\n\r\0"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n"),
    SAMPLE(0, 0, LINES, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    // A body holds anything.
    SAMPLE(5, 2, GOOD, HEAD "\0\n\r\na" HEAD "\n\n\n\n\n"),
    SAMPLE(5, 2, LINES, HEAD "\0\n\r\na" HEAD "\n\n\n\n\n\n"),
    SAMPLE(-1, 2, GOOD, HEAD "3\r\na\0\n\r\n0\r\n\r\n" HEAD "0\r\n\r\n"),
    SAMPLE(-1, 1, GOOD, HEAD "00a;x=\"y\"\r\n0123456789\r\nA\r\n0123456789\r\n0;\r\n\r\n"),
    SAMPLE(-1, 2, LINES, HEAD "0\r\n\r\n" HEAD "0\r\n\r\nGET / HTTP/1.1\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\r\na\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\r\na\r0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\r\nab\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\r\na\r\n0\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1\r\na\r\n0\r\n\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1;x\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1;\0\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD ";\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "1 \r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "0x1\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "g\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, CHUNKS, HEAD "ffffffffffffffffff\r\na\r\n0\r\n\r\n"),
    SAMPLE(-1, 1, TRAILERS, HEAD "1\r\na\r\n0\r\nX: y\r\n\r\n"),
};

// The bytes in pieces, and after each what a parser does: it takes every head that is whole.
static int hear(ow_http_wire *wire, const sample *s, const size_t ends[PIECES]) {
    int requests = 0;
    size_t at = 0;
    for (int i = 0; i < PIECES; i++) {
        ow_http_wire_hear(wire, s->bytes + at, ends[i] - at);
        at = ends[i];
        while (ow_http_wire_begin_body(wire, s->bytes + at - wire->held, s->length)) {
            requests++;
        }
    }
    return requests;
}

static void expect(const sample *s, size_t index, const size_t ends[PIECES]) {
    ow_http_wire wire = {0};
    int requests = hear(&wire, s, ends);
    ow_http_wire_fault of_body = s->fault == OW_HTTP_WIRE_LINES ? OW_HTTP_WIRE_GOOD : s->fault;
    if (requests != s->requests || wire.fault != s->fault ||
        (wire.state == OW_HTTP_WIRE_LOST) != (s->fault != OW_HTTP_WIRE_GOOD) ||
        ow_http_wire_body_fault(&wire) != of_body) {
        fail_msg("sample %zu cut at %zu, %zu: %d requests, fault %d", index, ends[0], ends[1],
                 requests, (int)wire.fault);
    }
}

static void follows_each_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const sample *s = &samples[i];
        for (size_t first = 0; first <= s->size; first++) {
            for (size_t second = first; second <= s->size; second++) {
                expect(s, i, (size_t[PIECES]){first, second, s->size});
            }
        }
    }
}

// More in the buffer behind a head than one body: nothing is lost between two of them.
static void holds_what_stands_behind_a_head(void **state) {
    (void)state;
    static const char text[] = HEAD "ab" HEAD "cd";
    ow_http_wire wire = {0};
    ow_http_wire_hear(&wire, text, sizeof text - 1);
    assert_int_equal(wire.state, OW_HTTP_WIRE_HELD);
    assert_int_equal(wire.held, sizeof text - sizeof HEAD);
    assert_true(ow_http_wire_begin_body(&wire, text + sizeof HEAD - 1, 2));
    assert_int_equal(wire.state, OW_HTTP_WIRE_HELD);
    assert_int_equal(wire.held, 2);
    assert_true(ow_http_wire_begin_body(&wire, "cd", 2));
    assert_int_equal(wire.state, OW_HTTP_WIRE_HEAD);
    assert_false(ow_http_wire_begin_body(&wire, "", 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_each_byte),
        cmocka_unit_test(holds_what_stands_behind_a_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
