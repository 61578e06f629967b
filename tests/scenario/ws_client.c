#include "tests/scenario/ws_client.h"

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (1 << 17)
#define HEAD_MAX 4096
#define ANSWER_MS 10000

enum { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

struct ws_client {
    int fd;
    uint8_t bytes[ROOM];
    size_t size, taken;
    char text[ROOM];
};

static int dial(const char *url) {
    unsigned port = 0;
    char host[64];
    assert_int_equal(sscanf(url, "http://%63[0-9.]:%u", host, &port), 2);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET, host, &to.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void send_all(const ws_client *ws, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(ws->fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return; // the server has closed; whoever listens hears of it
        }
        at += sent;
        size -= (size_t)sent;
    }
}

// False when nothing came within that time, or nothing comes any more.
static bool receive(ws_client *ws, int timeout_ms) {
    struct pollfd wait = {.fd = ws->fd, .events = POLLIN};
    if (ws->taken > 0) {
        memmove(ws->bytes, ws->bytes + ws->taken, ws->size - ws->taken);
        ws->size -= ws->taken;
        ws->taken = 0;
    }
    if (poll(&wait, 1, timeout_ms) != 1) {
        return false;
    }
    ssize_t size = recv(ws->fd, ws->bytes + ws->size, ROOM - ws->size, 0);
    ws->size += size > 0 ? (size_t)size : 0;
    return size > 0;
}

ws_client *ws_connect(const char *url, const char *path, int *ret_status) {
    char request[512];
    ws_client *ws = calloc(1, sizeof *ws);
    int status = 0;
    ws->fd = dial(url);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path);
    send_all(ws, request, strlen(request));
    const char *end = NULL;
    while (end == NULL && receive(ws, ANSWER_MS)) {
        end = memmem(ws->bytes, ws->size, "\r\n\r\n", 4);
    }
    assert_non_null(end);
    assert_int_equal(sscanf((const char *)ws->bytes, "HTTP/1.1 %d", &status), 1);
    if (ret_status != NULL) {
        *ret_status = status;
    }
    if (status != 101) {
        return ws_close(ws);
    }
    assert_non_null(memmem(ws->bytes, ws->size, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28));
    ws->taken = (size_t)(end + 4 - (const char *)ws->bytes);
    return ws;
}

ws_client *ws_close(ws_client *ws) {
    if (ws != NULL) {
        close(ws->fd);
        free(ws);
    }
    return NULL;
}

static void send_frame(const ws_client *ws, int opcode, const void *payload, size_t size) {
    uint8_t head[14] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | (size < 126 ? size : 126))};
    size_t n = 2;
    if (size >= 126) {
        head[n++] = (uint8_t)(size >> 8);
        head[n++] = (uint8_t)size;
    }
    n += 4; // a mask of zeros
    send_all(ws, head, n);
    send_all(ws, payload, size);
}

void ws_say(ws_client *ws, const char *text) {
    send_frame(ws, TEXT, text, strlen(text));
}

// The size of the frame that begins at `taken`; 0: it is not whole.
static size_t next_frame(const ws_client *ws, const uint8_t **payload, size_t *size) {
    const uint8_t *f = ws->bytes + ws->taken;
    size_t left = ws->size - ws->taken;
    size_t head = 2;
    if (left < head) {
        return 0;
    }
    *size = f[1] & 127;
    assert_int_equal(f[1] & 128, 0);
    assert_int_equal(f[0] & 0xf0, 0x80); // whole, no reserved bits
    assert_int_not_equal(*size, 127);
    if (*size == 126) {
        head = 4;
        *size = left >= head ? (size_t)f[2] << 8 | f[3] : 0;
    }
    *payload = f + head;
    return left >= head + *size ? head + *size : 0;
}

static int take_close(const ws_client *ws, const uint8_t *payload, size_t size) {
    send_frame(ws, CLOSE, payload, size >= 2 ? 2 : 0);
    return size >= 2 ? payload[0] << 8 | payload[1] : 0;
}

const char *ws_hear(ws_client *ws, int timeout_ms, int *ret_code) {
    int64_t until = now_ms() + timeout_ms;
    const uint8_t *payload;
    size_t size;
    int unused;
    ret_code = ret_code != NULL ? ret_code : &unused;
    *ret_code = 0;
    for (;;) {
        size_t frame = next_frame(ws, &payload, &size);
        int64_t left = until - now_ms();
        if (frame == 0) {
            if (left <= 0 || !receive(ws, (int)left)) {
                return NULL;
            }
            continue;
        }
        int opcode = ws->bytes[ws->taken] & 15;
        ws->taken += frame;
        if (opcode == TEXT) {
            memcpy(ws->text, payload, size);
            ws->text[size] = '\0';
            return ws->text;
        }
        if (opcode == CLOSE) {
            *ret_code = take_close(ws, payload, size);
            return NULL;
        }
        assert_int_equal(opcode, PING);
        send_frame(ws, PONG, payload, size);
    }
}
