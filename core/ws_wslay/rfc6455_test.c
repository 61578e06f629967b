// RFC 6455, case by case: what a client sends and what it must hear. An echo stands behind the
// socket; each case is sent in one piece and byte by byte.

#include "core/ws/ws.h"

#include "core/testing/ow_test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MESSAGE 1024
#define FRAMES_MAX 8
#define WIRE_MAX 131072
#define TURNS 20000
#define OPEN 0 // the connection stands
#define BARE 1 // a close frame without a code; its owner is told 1002

enum { CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FIN = 1, MORE = 0 };
enum { UNMASKED = 1, LENGTH16 = 2, LENGTH64 = 4, RSV1 = 8, RSV2 = 16, RSV3 = 32, CUT = 64 };

typedef struct frame {
    int fin, opcode;
    const char *payload; // NULL: `size` times 'x'
    int size;            // -1: of the text
    int flags;
} frame;

typedef struct rfc_case {
    const char *name;
    frame sent[FRAMES_MAX];
    int count;
    const char *heard; // a letter and payload for each frame: "t:hello p:x "; NULL: not compared
    int code;          // of the close frame that must come; OPEN; BARE
} rfc_case;

#define F(...)                                                                                     \
    { __VA_ARGS__ }
#define CASE(name_, heard_, code_, ...)                                                            \
    {                                                                                              \
        .name = name_, .heard = heard_, .code = code_, .sent = {__VA_ARGS__},                      \
        .count = (int)(sizeof((frame[]){__VA_ARGS__}) / sizeof(frame))                             \
    }

// wslay takes a wrong reason for a right one when it comes in pieces. It is shown to nobody.
#define UNCHECKED_IN_PIECES "close whose reason is no UTF-8"

static const rfc_case cases[] = {
    // 5.6 data frames, 5.2 lengths
    CASE("empty text", "t: ", OPEN, F(FIN, TEXT, "", -1, 0)),
    CASE("text", "t:hello ", OPEN, F(FIN, TEXT, "hello", -1, 0)),
    CASE("empty binary", "b: ", OPEN, F(FIN, BINARY, "", -1, 0)),
    CASE("binary of any bytes", "b:\xff\xfe\x80 ", OPEN, F(FIN, BINARY, "\xff\xfe\x80", -1, 0)),
    CASE("125 bytes", NULL, OPEN, F(FIN, TEXT, NULL, 125, 0)),
    CASE("126 bytes, 16-bit length", NULL, OPEN, F(FIN, TEXT, NULL, 126, 0)),
    CASE("127 bytes", NULL, OPEN, F(FIN, TEXT, NULL, 127, 0)),
    CASE("the largest message", NULL, OPEN, F(FIN, TEXT, NULL, MAX_MESSAGE, 0)),
    CASE("two messages", "t:a t:b ", OPEN, F(FIN, TEXT, "a", -1, 0), F(FIN, TEXT, "b", -1, 0)),
    CASE("one byte more than the largest", "", 1009, F(FIN, TEXT, NULL, MAX_MESSAGE + 1, 0)),
    CASE("oversize in 64 bits", "", 1009, F(FIN, BINARY, NULL, 70000, 0)),
    CASE("oversize announced, one byte sent", "", 1009,
         F(FIN, BINARY, NULL, 1 << 30, LENGTH64 | CUT)),
    CASE("oversize by fragments", "", 1009, F(MORE, TEXT, NULL, 600, 0),
         F(FIN, CONT, NULL, 600, 0)),
    CASE("short length in 16 bits", "", BARE, F(FIN, TEXT, "hello", -1, LENGTH16)),
    CASE("short length in 64 bits", "", BARE, F(FIN, TEXT, "hello", -1, LENGTH64)),
    CASE("medium length in 64 bits", "", BARE, F(FIN, TEXT, NULL, 300, LENGTH64)),
    // 5.1 masks, 5.2 reserved bits and opcodes
    CASE("unmasked text", "", 1002, F(FIN, TEXT, "hello", -1, UNMASKED)),
    CASE("unmasked ping", "", 1002, F(FIN, PING, "x", -1, UNMASKED)),
    CASE("unmasked close", "", 1002, F(FIN, CLOSE, "\x03\xe8", 2, UNMASKED)),
    CASE("RSV1", "", 1002, F(FIN, TEXT, "hello", -1, RSV1)),
    CASE("RSV2", "", 1002, F(FIN, TEXT, "hello", -1, RSV2)),
    CASE("RSV3", "", 1002, F(FIN, TEXT, "hello", -1, RSV3)),
    CASE("RSV1 in a ping", "", 1002, F(FIN, PING, "", -1, RSV1)),
    CASE("all reserved bits", "", 1002, F(FIN, BINARY, "", -1, RSV1 | RSV2 | RSV3)),
    CASE("opcode 3", "", 1002, F(FIN, 3, "", -1, 0)),
    CASE("opcode 4", "", 1002, F(FIN, 4, "x", -1, 0)),
    CASE("opcode 5", "", 1002, F(FIN, 5, "x", -1, 0)),
    CASE("opcode 6", "", 1002, F(FIN, 6, "x", -1, 0)),
    CASE("opcode 7", "", 1002, F(FIN, 7, "x", -1, 0)),
    CASE("opcode 11", "", 1002, F(FIN, 11, "", -1, 0)),
    CASE("opcode 12", "", 1002, F(FIN, 12, "x", -1, 0)),
    CASE("opcode 15", "", 1002, F(FIN, 15, "x", -1, 0)),
    CASE("opcode 3 behind a message", "t:a ", 1002, F(FIN, TEXT, "a", -1, 0), F(FIN, 3, "", -1, 0)),
    // 5.4 fragments
    CASE("two fragments", "t:hello ", OPEN, F(MORE, TEXT, "hel", -1, 0), F(FIN, CONT, "lo", -1, 0)),
    CASE("three fragments", "t:abc ", OPEN, F(MORE, TEXT, "a", -1, 0), F(MORE, CONT, "b", -1, 0),
         F(FIN, CONT, "c", -1, 0)),
    CASE("binary fragments", "b:ab ", OPEN, F(MORE, BINARY, "a", -1, 0), F(FIN, CONT, "b", -1, 0)),
    CASE("empty fragments", "t: ", OPEN, F(MORE, TEXT, "", -1, 0), F(MORE, CONT, "", -1, 0),
         F(FIN, CONT, "", -1, 0)),
    CASE("only the middle one has bytes", "t:m ", OPEN, F(MORE, TEXT, "", -1, 0),
         F(MORE, CONT, "m", -1, 0), F(FIN, CONT, "", -1, 0)),
    CASE("a ping between fragments", "p:x t:ab ", OPEN, F(MORE, TEXT, "a", -1, 0),
         F(FIN, PING, "x", -1, 0), F(FIN, CONT, "b", -1, 0)),
    CASE("a close between fragments", "", 1000, F(MORE, TEXT, "a", -1, 0),
         F(FIN, CLOSE, "\x03\xe8", 2, 0)),
    CASE("an unfinished message is not delivered", "", OPEN, F(MORE, TEXT, "a", -1, 0)),
    CASE("two fragmented messages", "t:ab t:cd ", OPEN, F(MORE, TEXT, "a", -1, 0),
         F(FIN, CONT, "b", -1, 0), F(MORE, TEXT, "c", -1, 0), F(FIN, CONT, "d", -1, 0)),
    CASE("continuation of nothing", "", 1002, F(FIN, CONT, "x", -1, 0)),
    CASE("unfinished continuation of nothing", "", 1002, F(MORE, CONT, "x", -1, 0)),
    CASE("continuation behind a whole message", "t:a ", 1002, F(FIN, TEXT, "a", -1, 0),
         F(FIN, CONT, "b", -1, 0)),
    CASE("text within a fragmented text", "", 1002, F(MORE, TEXT, "a", -1, 0),
         F(FIN, TEXT, "b", -1, 0)),
    CASE("binary within a fragmented text", "", 1002, F(MORE, TEXT, "a", -1, 0),
         F(FIN, BINARY, "b", -1, 0)),
    // 5.5 control frames
    CASE("ping", "p:hello ", OPEN, F(FIN, PING, "hello", -1, 0)),
    CASE("empty ping", "p: ", OPEN, F(FIN, PING, "", -1, 0)),
    CASE("ping of 125 bytes", NULL, OPEN, F(FIN, PING, NULL, 125, 0)),
    CASE("ping of any bytes", "p:\xff\xfe ", OPEN, F(FIN, PING, "\xff\xfe", -1, 0)),
    CASE("several pings", "p:1 p:2 p:3 ", OPEN, F(FIN, PING, "1", -1, 0), F(FIN, PING, "2", -1, 0),
         F(FIN, PING, "3", -1, 0)),
    CASE("ping of 126 bytes", "", BARE, F(FIN, PING, NULL, 126, 0)),
    CASE("pong of 126 bytes", "", BARE, F(FIN, PONG, NULL, 126, 0)),
    CASE("fragmented ping", "", BARE, F(MORE, PING, "a", -1, 0), F(FIN, CONT, "b", -1, 0)),
    CASE("fragmented pong", "", BARE, F(MORE, PONG, "a", -1, 0)),
    CASE("pong that nobody asked for", "", OPEN, F(FIN, PONG, "x", -1, 0)),
    CASE("pong, then a message", "t:a ", OPEN, F(FIN, PONG, "", -1, 0), F(FIN, TEXT, "a", -1, 0)),
    // 5.5.1 and 7.4 close
    CASE("close without a code", "", 1005, F(FIN, CLOSE, "", -1, 0)),
    CASE("close of one byte", "", BARE, F(FIN, CLOSE, "\x03", 1, 0)),
    CASE("close of 126 bytes", "", BARE, F(FIN, CLOSE, NULL, 126, 0)),
    CASE("fragmented close", "", BARE, F(MORE, CLOSE, "\x03\xe8", 2, 0)),
    CASE("close 1000", "", 1000, F(FIN, CLOSE, "\x03\xe8", 2, 0)),
    CASE("close with a reason", "", 1000,
         F(FIN, CLOSE,
           "\x03\xe8"
           "bye",
           5, 0)),
    CASE("close 1001", "", 1001, F(FIN, CLOSE, "\x03\xe9", 2, 0)),
    CASE("close 1003", "", 1003, F(FIN, CLOSE, "\x03\xeb", 2, 0)),
    CASE("close 1007", "", 1007, F(FIN, CLOSE, "\x03\xef", 2, 0)),
    CASE("close 1011", "", 1011, F(FIN, CLOSE, "\x03\xf3", 2, 0)),
    CASE("close 3000", "", 3000, F(FIN, CLOSE, "\x0b\xb8", 2, 0)),
    CASE("close 4999", "", 4999, F(FIN, CLOSE, "\x13\x87", 2, 0)),
    CASE("close 0", "", 1002, F(FIN, CLOSE, "\0\0", 2, 0)),
    CASE("close 999", "", 1002, F(FIN, CLOSE, "\x03\xe7", 2, 0)),
    CASE("close 1004", "", 1002, F(FIN, CLOSE, "\x03\xec", 2, 0)),
    CASE("close 1005", "", 1002, F(FIN, CLOSE, "\x03\xed", 2, 0)),
    CASE("close 1006", "", 1002, F(FIN, CLOSE, "\x03\xee", 2, 0)),
    CASE("close 1015", "", 1002, F(FIN, CLOSE, "\x03\xf7", 2, 0)),
    CASE("close 2000", "", 1002, F(FIN, CLOSE, "\x07\xd0", 2, 0)),
    CASE("close 5000", "", 1002, F(FIN, CLOSE, "\x13\x88", 2, 0)),
    CASE(UNCHECKED_IN_PIECES, "", 1007, F(FIN, CLOSE, "\x03\xe8\xff", 3, 0)),
    CASE("nothing is answered behind a close", "", 1000, F(FIN, CLOSE, "\x03\xe8", 2, 0),
         F(FIN, TEXT, "late", -1, 0)),
    CASE("a message before the close", "t:a ", 1000, F(FIN, TEXT, "a", -1, 0),
         F(FIN, CLOSE, "\x03\xe8", 2, 0)),
    // 8.1 UTF-8
    CASE("two, three and four bytes", "t:\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80 ", OPEN,
         F(FIN, TEXT, "\xc2\xa2\xe2\x82\xac\xf0\x9f\x98\x80", -1, 0)),
    CASE("a character in two fragments", "t:\xe2\x82\xac ", OPEN, F(MORE, TEXT, "\xe2\x82", -1, 0),
         F(FIN, CONT, "\xac", -1, 0)),
    CASE("a character around a ping", "p: t:\xe2\x82\xac ", OPEN, F(MORE, TEXT, "\xe2", -1, 0),
         F(FIN, PING, "", -1, 0), F(FIN, CONT, "\x82\xac", -1, 0)),
    CASE("U+10FFFF", "t:\xf4\x8f\xbf\xbf ", OPEN, F(FIN, TEXT, "\xf4\x8f\xbf\xbf", -1, 0)),
    CASE("U+D7FF", "t:\xed\x9f\xbf ", OPEN, F(FIN, TEXT, "\xed\x9f\xbf", -1, 0)),
    CASE("a lone continuation byte", "", 1007, F(FIN, TEXT, "\x80", -1, 0)),
    CASE("0xff", "", 1007, F(FIN, TEXT, "a\xff", -1, 0)),
    CASE("overlong slash", "", 1007, F(FIN, TEXT, "\xc0\xaf", -1, 0)),
    CASE("overlong in three bytes", "", 1007, F(FIN, TEXT, "\xe0\x80\xaf", -1, 0)),
    CASE("overlong in four bytes", "", 1007, F(FIN, TEXT, "\xf0\x80\x80\xaf", -1, 0)),
    CASE("surrogate", "", 1007, F(FIN, TEXT, "\xed\xa0\x80", -1, 0)),
    CASE("above U+10FFFF", "", 1007, F(FIN, TEXT, "\xf4\x90\x80\x80", -1, 0)),
    CASE("five bytes", "", 1007, F(FIN, TEXT, "\xf8\x88\x80\x80\x80", -1, 0)),
    CASE("a character that is cut off", "", 1007, F(FIN, TEXT, "\xe2\x82", -1, 0)),
    CASE("cut off over fragments", "", 1007, F(MORE, TEXT, "a", -1, 0),
         F(FIN, CONT, "\xe2\x82", -1, 0)),
    CASE("wrong in the first fragment", "", 1007, F(MORE, TEXT, "\xff", -1, 0)),
};

#define CASES ((int)(sizeof cases / sizeof cases[0]))

typedef struct world {
    ow_loop *loop;
    ow_ws_group *group;
    ow_ws *ws;
    int client, server;
    int closed_with; // 0: it stands
    uint8_t heard[WIRE_MAX];
    size_t heard_size;
    bool hung_up;
} world;

static void on_message(void *self, ow_ws *ws, bool is_text, const void *bytes, size_t size) {
    char text[MAX_MESSAGE + 2];
    (void)self;
    text[0] = is_text ? 't' : 'b';
    if (size > 0) {
        memcpy(text + 1, bytes, size);
    }
    assert_int_equal(ow_ws_send(ws, text, size + 1, NULL), OW_OK);
}

static void on_closed(void *self, ow_ws *ws, int code) {
    world *w = self;
    (void)ws;
    assert_int_equal(w->closed_with, 0);
    w->closed_with = code;
}

static void open_world(world *w) {
    int pair[2];
    memset(w, 0, sizeof *w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(ow_loop_new(&w->loop, NULL), OW_OK);
    ow_ws_options options = {.loop = w->loop,
                             .handler = {.on_message = on_message, .on_closed = on_closed},
                             .max_message = MAX_MESSAGE,
                             .max_queued = 65536,
                             .ping_us = 60000000,
                             .close_wait_us = 5000000};
    w->group = ow_ws_group_new(&options);
    w->client = pair[0];
    w->server = pair[1];
    assert_int_equal(ow_ws_open(w->group, pair[1], NULL, 0, w, &w->ws, NULL), OW_OK);
}

static void close_world(world *w) {
    ow_ws_free(w->ws);
    close(w->server);
    close(w->client);
    ow_ws_group_free(w->group);
    ow_loop_free(w->loop);
}

static size_t put_big_endian(uint8_t *at, size_t number, int bytes) {
    for (int i = 0; i < bytes; i++) {
        at[i] = (uint8_t)((uint64_t)number >> (8 * (bytes - 1 - i)));
    }
    return (size_t)bytes;
}

static size_t put_length(uint8_t *at, size_t size, int flags) {
    uint8_t mask = (flags & UNMASKED) == 0 ? 0x80 : 0;
    int bytes = (flags & LENGTH64) != 0 || size > 65535 ? 8
                : (flags & LENGTH16) != 0 || size > 125 ? 2
                                                        : 0;
    at[0] = mask | (uint8_t)(bytes == 8 ? 127 : bytes == 2 ? 126 : size);
    return 1 + put_big_endian(at + 1, size, bytes);
}

static size_t put_frame(uint8_t *at, const frame *f) {
    static const uint8_t mask[4] = {0x12, 0x34, 0xab, 0xcd};
    size_t size = f->size >= 0 ? (size_t)f->size : strlen(f->payload);
    size_t n = 0;
    bool masked = (f->flags & UNMASKED) == 0;
    int bits = (f->flags & RSV1) / RSV1 * 0x40 | (f->flags & RSV2) / RSV2 * 0x20 |
               (f->flags & RSV3) / RSV3 * 0x10;
    at[n++] = (uint8_t)(f->fin * 0x80 | bits | f->opcode);
    n += put_length(at + n, size, f->flags);
    if (masked) {
        memcpy(at + n, mask, sizeof mask);
        n += sizeof mask;
    }
    for (size_t i = 0; i < ((f->flags & CUT) != 0 ? 1 : size); i++) {
        uint8_t byte = (uint8_t)(f->payload != NULL ? f->payload[i] : 'x');
        at[n++] = masked ? byte ^ mask[i % 4] : byte;
    }
    return n;
}

static void listen_once(world *w) {
    ssize_t size = recv(w->client, w->heard + w->heard_size, WIRE_MAX - w->heard_size, 0);
    if (size > 0) {
        w->heard_size += (size_t)size;
    }
    w->hung_up = w->hung_up || size == 0;
}

static void turn(world *w) {
    assert_int_equal(ow_loop_turn(w->loop, 0, NULL), OW_OK);
    listen_once(w);
}

static void send_bytes(world *w, const uint8_t *bytes, size_t size, size_t piece) {
    for (size_t at = 0; at < size;) {
        size_t wanted = size - at < piece ? size - at : piece;
        ssize_t sent = send(w->client, bytes + at, wanted, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (w->hung_up || w->closed_with != 0) {
            return;
        }
        turn(w);
    }
}

// The next frame that was heard; its size, 0 when it is not whole.
static size_t next_frame(const world *w, size_t at, int *opcode, const uint8_t **payload,
                         size_t *size) {
    const uint8_t *f = w->heard + at;
    size_t left = w->heard_size - at;
    size_t head = 2;
    if (left < 2) {
        return 0;
    }
    assert_int_equal(f[1] & 0x80, 0); // the server never masks
    assert_int_equal(f[0] & 0x70, 0);
    *opcode = f[0] & 15;
    *size = f[1];
    if (f[1] == 126 && left >= 4) {
        *size = (size_t)f[2] << 8 | f[3];
        head = 4;
    }
    assert_int_not_equal(f[1], 127);
    *payload = f + head;
    return left >= head + *size ? head + *size : 0;
}

// "t:hello p:x " and the code of the close frame (OPEN: none).
static int describe(const world *w, char *text, size_t room) {
    size_t length = 0;
    int code = OPEN;
    size_t at = 0;
    int opcode;
    const uint8_t *payload;
    size_t size;
    text[0] = '\0';
    for (size_t n; (n = next_frame(w, at, &opcode, &payload, &size)) > 0; at += n) {
        assert_int_equal(code, OPEN); // nothing behind a close frame
        if (opcode == CLOSE) {
            code = size >= 2 ? payload[0] << 8 | payload[1] : 1005;
            continue;
        }
        const char *name = opcode == PONG ? "p" : payload[0] == 't' ? "t" : "b";
        size_t skip = opcode == PONG ? 0 : 1;
        length += (size_t)snprintf(text + length, room - length, "%s:%.*s ", name,
                                   (int)(size - skip), (const char *)payload + skip);
    }
    assert_int_equal(at, w->heard_size);
    return code;
}

static size_t expected_bytes(const rfc_case *c) {
    size_t size = 0;
    for (int i = 0; i < c->count; i++) {
        const frame *f = &c->sent[i];
        size += f->size >= 0 ? (size_t)f->size : strlen(f->payload);
    }
    return size;
}

static bool is_over(const world *w, const rfc_case *c) {
    char text[WIRE_MAX];
    int code = describe(w, text, sizeof text);
    if (c->code != OPEN) {
        return code != OPEN && w->hung_up;
    }
    return c->heard != NULL ? strlen(text) >= strlen(c->heard)
                            : strlen(text) >= expected_bytes(c) + 3;
}

static void check(world *w, const rfc_case *c) {
    static char text[WIRE_MAX];
    int code = describe(w, text, sizeof text);
    if (code != (c->code == BARE ? 1005 : c->code) ||
        (c->heard != NULL && strcmp(text, c->heard) != 0) ||
        (c->heard == NULL && strlen(text) != expected_bytes(c) + 3)) {
        fail_msg("%s: heard \"%s\", code %d instead of \"%s\", code %d", c->name, text, code,
                 c->heard != NULL ? c->heard : "the same", c->code);
    }
}

// What stands can be closed in good order; and what was closed says so to its owner.
static void part(world *w, const rfc_case *c) {
    if (c->code == OPEN) {
        uint8_t bytes[16];
        send_bytes(w, bytes, put_frame(bytes, &(frame){FIN, CLOSE, "\x03\xe8", 2, 0}), 16);
        for (int i = 0; i < TURNS && !w->hung_up; i++) {
            turn(w);
        }
        assert_true(w->hung_up);
    }
    shutdown(w->client, SHUT_WR);
    for (int i = 0; i < TURNS && w->closed_with == 0; i++) {
        turn(w);
    }
    if (c->code == OPEN) {
        assert_int_equal(w->closed_with, 1000);
    } else if (w->closed_with != (c->code == BARE ? 1002 : c->code)) {
        fail_msg("%s: closed with %d instead of %d", c->name, w->closed_with, c->code);
    }
}

static void run_case(const rfc_case *c, size_t piece) {
    static uint8_t wire[WIRE_MAX];
    static world w;
    size_t size = 0;
    open_world(&w);
    for (int i = 0; i < c->count; i++) {
        size += put_frame(wire + size, &c->sent[i]);
    }
    send_bytes(&w, wire, size, piece);
    for (int i = 0; i < TURNS && !is_over(&w, c); i++) {
        turn(&w);
    }
    check(&w, c);
    part(&w, c);
    close_world(&w);
}

static void every_case_in_one_piece(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        run_case(&cases[i], WIRE_MAX);
    }
    print_message("%d cases\n", CASES);
    assert_true(CASES >= 60);
}

static void every_case_byte_by_byte(void **state) {
    (void)state;
    for (int i = 0; i < CASES; i++) {
        if (strcmp(cases[i].name, UNCHECKED_IN_PIECES) != 0) {
            run_case(&cases[i], expected_bytes(&cases[i]) > 4096 ? 1000 : 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(every_case_in_one_piece),
        OW_TEST(every_case_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
