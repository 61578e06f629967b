#include "sdk/c/websocket.h"

#include <stdio.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum {
    OPCODE_CONTINUATION = 0,
    OPCODE_TEXT = 1,
    OPCODE_BINARY = 2,
    OPCODE_CLOSE = 8,
    OPCODE_PING = 9,
    OPCODE_PONG = 10,
    SHA1_SIZE = 20,
    SHA1_BLOCK = 64,
    CONTROL_MAX = 125,
    NO_STATUS = 1005,
    HEAD_LEAST = 2,
};

/* ---- the handshake ---- */

static uint32_t rotate(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

/* FIPS 180-4, 6.1.2: one block. */
static void sha1_block(uint32_t state[5], const uint8_t block[SHA1_BLOCK]) {
    static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80];
    uint32_t s[5];
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 80; i++) {
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    for (int i = 0; i < 80; i++) {
        uint32_t mixed = i < 20   ? (s[1] & s[2]) | (~s[1] & s[3])
                         : i < 40 ? s[1] ^ s[2] ^ s[3]
                         : i < 60 ? (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])
                                  : s[1] ^ s[2] ^ s[3];
        uint32_t next = rotate(s[0], 5) + mixed + s[4] + constants[i / 20] + w[i];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (int i = 0; i < 5; i++) {
        state[i] += s[i];
    }
}

/* Of at most 64 + 55 bytes: what the handshake hashes. */
static void sha1_short(const char *text, uint8_t digest[SHA1_SIZE]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[2 * SHA1_BLOCK];
    size_t size = strlen(text);
    size_t count = size > SHA1_BLOCK - 9 ? 2 : 1;
    memset(blocks, 0, sizeof blocks);
    memcpy(blocks, text, size);
    blocks[size] = 0x80;
    blocks[count * SHA1_BLOCK - 2] = (uint8_t)(size * 8 >> 8);
    blocks[count * SHA1_BLOCK - 1] = (uint8_t)(size * 8);
    for (size_t i = 0; i < count; i++) {
        sha1_block(state, blocks + i * SHA1_BLOCK);
    }
    for (int i = 0; i < SHA1_SIZE; i++) {
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
    }
}

static void base64(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 |
                         (i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0);
        *text++ = digits[three >> 18];
        *text++ = digits[three >> 12 & 63];
        *text++ = (char)(i + 1 < size ? digits[three >> 6 & 63] : '=');
        *text++ = (char)(i + 2 < size ? digits[three & 63] : '=');
    }
    *text = '\0';
}

void sdk_ws_begin(sdk_ws *ws, const uint8_t random[20], const char *host, const char *path) {
    memset(ws, 0, sizeof *ws);
    base64(random, 16, ws->key);
    memcpy(ws->mask, random + 16, sizeof ws->mask);
    int size = snprintf((char *)ws->out, sizeof ws->out,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: %s\r\n\r\n",
                        path, host, ws->key);
    ws->out_size = size > 0 && (size_t)size < sizeof ws->out ? (size_t)size : 0;
}

static bool is_answer_to(const sdk_ws *ws, const char *head) {
    char text[SDK_WS_KEY_SIZE + sizeof GUID];
    char accept[32];
    uint8_t digest[SHA1_SIZE];
    snprintf(text, sizeof text, "%s%s", ws->key, GUID);
    sha1_short(text, digest);
    base64(digest, sizeof digest, accept);
    return strstr(head, accept) != NULL;
}

static sdk_ws_event read_head(sdk_ws *ws) {
    char head[SDK_WS_HEAD_MAX + 1];
    size_t size = ws->in_size < SDK_WS_HEAD_MAX ? ws->in_size : SDK_WS_HEAD_MAX;
    memcpy(head, ws->in, size);
    head[size] = '\0';
    const char *end = strstr(head, "\r\n\r\n");
    if (end == NULL) {
        ws->is_closed = size == SDK_WS_HEAD_MAX || strlen(head) < size;
        return ws->is_closed ? SDK_WS_REFUSED : SDK_WS_NOTHING;
    }
    head[end - head] = '\0';
    if (sscanf(head, "HTTP/1.1 %3d", &ws->status) != 1) {
        ws->status = 0;
    }
    if (ws->status != 101 || !is_answer_to(ws, head)) {
        ws->status = ws->status == 101 ? 0 : ws->status;
        ws->is_closed = true;
        return SDK_WS_REFUSED;
    }
    ws->in_taken = (size_t)(end - head) + 4;
    ws->is_upgraded = true;
    return SDK_WS_UPGRADED;
}

/* ---- frames ---- */

typedef struct frame {
    int opcode;
    bool is_last;
    const uint8_t *payload;
    size_t size;
} frame;

/* 1: a whole frame, 0: not yet, -1: not one that a server sends. */
static int read_frame(sdk_ws *ws, frame *ret_frame) {
    const uint8_t *at = ws->in + ws->in_taken;
    size_t left = ws->in_size - ws->in_taken;
    size_t head = HEAD_LEAST;
    if (left < head) {
        return 0;
    }
    size_t size = at[1];
    if (size == 126) {
        head += 2;
        if (left < head) {
            return 0;
        }
        size = (size_t)at[2] << 8 | at[3];
    }
    /* Masked, longer than 64 KB (127 has the mask's bit clear, too), or with reserved bits. */
    if (at[1] >= 127 || (at[0] & 0x70) != 0 || size > SDK_WS_MESSAGE_MAX) {
        return -1;
    }
    if (left < head + size) {
        return 0;
    }
    *ret_frame = (frame){at[0] & 15, (at[0] & 0x80) != 0, at + head, size};
    ws->in_taken += head + size;
    return 1;
}

static bool put_frame(sdk_ws *ws, int opcode, const void *payload, size_t size) {
    size_t head = size < 126 ? 6 : 8;
    uint8_t *at = ws->out + ws->out_size;
    if (size > 65535 || ws->out_size + head + size > sizeof ws->out) {
        return false;
    }
    *at++ = (uint8_t)(0x80 | opcode);
    *at++ = (uint8_t)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) {
        *at++ = (uint8_t)(size >> 8);
        *at++ = (uint8_t)size;
    }
    /* Masks need only be unforeseen by those who choose the payload, which here is the SDK. */
    for (int i = 0; i < 4; i++) {
        ws->mask[i] = (uint8_t)(ws->mask[i] * 5 + 37);
        *at++ = ws->mask[i];
    }
    for (size_t i = 0; i < size; i++) {
        *at++ = (uint8_t)(((const uint8_t *)payload)[i] ^ ws->mask[i % 4]);
    }
    ws->out_size += head + size;
    return true;
}

static sdk_ws_event take_close(sdk_ws *ws, const frame *f) {
    ws->code = f->size >= 2 ? f->payload[0] << 8 | f->payload[1] : NO_STATUS;
    put_frame(ws, OPCODE_CLOSE, f->payload, f->size >= 2 ? 2 : 0);
    ws->is_closed = true;
    return SDK_WS_CLOSED;
}

static sdk_ws_event broken(sdk_ws *ws) {
    ws->is_closed = true;
    return SDK_WS_BROKEN;
}

static sdk_ws_event take_data(sdk_ws *ws, const frame *f) {
    bool continues = f->opcode == OPCODE_CONTINUATION;
    if (continues != ws->is_fragmented || f->opcode == OPCODE_BINARY) {
        return broken(ws);
    }
    ws->message_size = continues ? ws->message_size : 0;
    if (ws->message_size + f->size > SDK_WS_MESSAGE_MAX) {
        return broken(ws);
    }
    memcpy(ws->message + ws->message_size, f->payload, f->size);
    ws->message_size += f->size;
    ws->message[ws->message_size] = '\0';
    ws->is_fragmented = !f->is_last;
    return f->is_last ? SDK_WS_MESSAGE : SDK_WS_NOTHING;
}

static sdk_ws_event take_frame(sdk_ws *ws, const frame *f) {
    if (f->opcode <= OPCODE_BINARY) {
        return take_data(ws, f);
    }
    if (f->size > CONTROL_MAX || !f->is_last) {
        return broken(ws);
    }
    switch (f->opcode) {
    case OPCODE_CLOSE:
        return take_close(ws, f);
    case OPCODE_PING:
        return put_frame(ws, OPCODE_PONG, f->payload, f->size) ? SDK_WS_NOTHING : broken(ws);
    case OPCODE_PONG:
        return SDK_WS_NOTHING;
    default:
        return broken(ws);
    }
}

sdk_ws_event sdk_ws_next(sdk_ws *ws) {
    sdk_ws_event event = SDK_WS_NOTHING;
    if (ws->is_closed) {
        return SDK_WS_NOTHING;
    }
    if (!ws->is_upgraded) {
        return read_head(ws);
    }
    frame f;
    int found = 1;
    while (event == SDK_WS_NOTHING && found == 1) {
        found = read_frame(ws, &f);
        event = found == 1 ? take_frame(ws, &f) : found == 0 ? SDK_WS_NOTHING : broken(ws);
    }
    return event;
}

/* ---- bytes ---- */

uint8_t *sdk_ws_room(sdk_ws *ws, size_t *ret_room) {
    if (ws->in_taken > 0) {
        memmove(ws->in, ws->in + ws->in_taken, ws->in_size - ws->in_taken);
        ws->in_size -= ws->in_taken;
        ws->in_taken = 0;
    }
    *ret_room = sizeof ws->in - ws->in_size;
    return ws->in + ws->in_size;
}

void sdk_ws_received(sdk_ws *ws, size_t size) {
    ws->in_size += size;
}

bool sdk_ws_say(sdk_ws *ws, const char *text, size_t size) {
    return put_frame(ws, OPCODE_TEXT, text, size);
}

void sdk_ws_sent(sdk_ws *ws, size_t size) {
    memmove(ws->out, ws->out + size, ws->out_size - size);
    ws->out_size -= size;
}
