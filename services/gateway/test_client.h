#pragma once

// An HTTP client for tests: raw sockets that take turns with the gateway on one thread.

#include "services/gateway/fake_platform.h"

#define RESPONSE_MAX (2 << 20)
#define JSON "Content-Type: application/json\r\n"
#define LOGIN "POST /overworld.identity.v1.Identity/DeviceLogin"
#define WHO "/overworld.identity.v1.Identity/WhoAmI"

int client_dial(platform *p, int port);
void client_send(int fd, const char *text, size_t size);

typedef struct response {
    int status;
    char *text; // head and body, NUL-terminated
    char *body;
    size_t body_size;
} response;

// Waits for one whole response; false when the server hung up before.
bool client_receive(platform *p, int fd, response *ret_response);
void response_deinit(response *r);
// The value of a header into `value`; false when there is none.
bool response_header(const response *r, const char *name, char *value, size_t room);

// One request on a connection of its own: "POST /path", header lines each ended by \r\n, a body.
void client_ask(platform *p, int port, const char *what, const char *headers, const char *body,
                response *ret_response);

// ---- tokens and header lines; the texts live as long as the block in which they are made ----

#define LINES_MAX_BYTES (OW_TOKEN_SIZE + 600)

const char *token_in(char token[static OW_TOKEN_SIZE], platform *p, ow_token_kind kind,
                     const char *subject);
const char *lines_in(char lines[static LINES_MAX_BYTES], const char *token, const char *more);

#define PLAYER(p) token_in((char[OW_TOKEN_SIZE]){0}, (p), OW_TOKEN_PLAYER, "plr_1")
#define SERVER_KEY(p) token_in((char[OW_TOKEN_SIZE]){0}, (p), OW_TOKEN_SERVER, "key_1")
#define WITH(token, more) lines_in((char[LINES_MAX_BYTES]){0}, (token), (more))
#define BEARER(token) WITH((token), "")

// ---- what is expected ----

typedef struct ask {
    int port;
    const char *what, *headers, *body;
} ask;

// Asks and expects a status, the code of the error's body (NULL: none), and what every reply has:
// request id, traceparent, Retry-After with 429 and 503 alone.
void expect_reply(platform *p, const ask *question, int status, const char *code);

#define EXPECT(p, port, what, headers, body, status, code)                                         \
    expect_reply((p), &(ask){(port), (what), (headers), (body)}, (status), (code))
