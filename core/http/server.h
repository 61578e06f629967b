#pragma once

// An HTTP/1.1 server inside our loop, as our doors need it. Implemented by core/http_mhd; nothing of
// the library behind it shows here.
//
// Lifetime rules:
//  1. A request is the server's. The handler has it from on_head or on_reject, whichever comes
//     first, until it calls ow_http_reply: exactly once for each request, now or later, also after
//     on_gone (the reply is then dropped).
//  2. Path, query, headers and body are valid until ow_http_reply; after on_gone only method, peer
//     and body are.
//  3. All calls and callbacks run on the loop's thread.
//  4. Callbacks of one request come in this order: on_head (or on_reject instead), the sink's
//     on_bytes, then on_body or on_reject; on_gone may come at any time, once.

#include "core/error/error.h"
#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_http_server ow_http_server;
typedef struct ow_http_request ow_http_request;
typedef struct ow_http_socket ow_http_socket;

// Why the server itself cannot let a request through.
typedef struct ow_http_rejection {
    int status;          // 400, 413, 417, 431, 501, 503, 505
    const char *reason;  // static, snake_case: "payload_too_large", "overloaded", "bad_request" ...
    const char *message; // static, for people
} ow_http_rejection;

typedef struct ow_http_handler {
    // After the headers. May reply at once (the body is then discarded), set the limit of the body,
    // ask for it as a stream; or do nothing and wait for on_body.
    void (*on_head)(void *self, ow_http_request *request);
    // With the complete body (of size 0 when there is none or it was streamed).
    void (*on_body)(void *self, ow_http_request *request);
    // Instead of either: the handler replies with that status in its own form.
    void (*on_reject)(void *self, ow_http_request *request, const ow_http_rejection *why);
    // The client has gone and waits for nothing any more: cancel, then reply as always.
    void (*on_gone)(void *self, ow_http_request *request);
    void *self;
} ow_http_handler;

// Bytes of bodies held at a time, shared by the servers of one process. The caller's; `used` starts
// at 0 and is theirs.
typedef struct ow_http_budget {
    int64_t max;
    int64_t used;
} ow_http_budget;

// Who the server is, as PEM texts: its certificate and those that signed it, in this order, and the
// private key.
typedef struct ow_http_tls {
    const char *certificates;
    const char *key;
} ow_http_tls;

typedef struct ow_http_options {
    ow_loop *loop;
    const char *address; // "127.0.0.1:8080", "[::1]:0" (port 0: any), "unix:/path/to.sock"
    ow_http_handler handler;
    ow_http_budget *budget;
    // Beyond these limits a few connections are taken all the same, see ow_http_is_reserve; when all
    // are taken, the one that was idle for longest is closed.
    int max_connections;
    int max_per_address;       // connections of one client address (IPv6: network); 0: no limit
    size_t body_limit;         // of requests whose handler sets none
    int64_t idle_timeout_us;   // a connection on which nothing happens is closed
    int64_t header_timeout_us; // headers must be complete this long after their first byte
    // Who sends a body or reads a reply slower than `min_rate` bytes a second, for longer than
    // `grace_us`, is hung up on. 0: 5 s, 4 KB a second.
    int64_t grace_us;
    int64_t min_rate;
    const ow_http_tls *tls; // NULL: plain HTTP. Used while the server is opened
} ow_http_options;

// Opens the listener and serves from the next turn on. A unix socket is made with mode 0600 and
// replaces a file that nobody listens on. Heap; ow_http_server_close. Codes: invalid_argument
// "bad_address", "bad_tls" (not PEM, or the key is another's), unavailable "address_in_use",
// unimplemented "no_tls", internal.
ow_code ow_http_server_open(const ow_http_options *options, ow_http_server **ret_server,
                            ow_err *err);

// From now on new connections see this certificate; those that are open stay as they are. Copies what
// it needs. Codes: invalid_argument "bad_tls" (the old one stays in use), failed_precondition "no_tls"
// (the server was opened without).
ow_code ow_http_server_set_tls(ow_http_server *server, const ow_http_tls *tls, ow_err *err);

// The address with the port that was chosen: "127.0.0.1:43210". Borrowed.
const char *ow_http_server_address(const ow_http_server *server);

// Stops listening, closes idle connections, and lets each other one end with its reply.
void ow_http_server_drain(ow_http_server *server);

// Requests that have begun and whose reply was not sent.
size_t ow_http_server_busy(const ow_http_server *server);

size_t ow_http_server_connections(const ow_http_server *server);

// Answers 503 to every request that waits (after their on_gone) and closes all. Replies that the
// handler still owes are taken and dropped; the server's memory goes with the last of them.
// Accepts NULL; returns NULL.
ow_http_server *ow_http_server_close(ow_http_server *server);

// ---- A request ----

const char *ow_http_method(const ow_http_request *request); // "GET"
// As it came, percent-encoded, without the query: "/v1/call/chat/moderate".
const char *ow_http_path(const ow_http_request *request);
// The raw query behind the '?'; "" when there is none. See core/http/text.h for lookups.
const char *ow_http_query(const ow_http_request *request);
// True when its connection is beyond the limits: only what must always be answered (health checks)
// should be; the rest is best refused with 503. The connection is closed behind the reply.
bool ow_http_is_reserve(const ow_http_request *request);
// The value of a header (the first of that name, case-insensitive); NULL when there is none.
const char *ow_http_header(const ow_http_request *request, const char *name);
// The nth value of a header that may come several times, counted from its last (0); NULL behind the
// first.
const char *ow_http_header_from_last(const ow_http_request *request, const char *name, size_t nth);
// The header at `index`, in the order in which they came; false behind the last.
bool ow_http_header_at(const ow_http_request *request, size_t index, const char **ret_name,
                       const char **ret_value);
// "203.0.113.7" or "unix"; the connection's, whatever headers say.
const char *ow_http_peer(const ow_http_request *request);
// Content-Length; -1 when the body comes in chunks.
int64_t ow_http_content_length(const ow_http_request *request);
const void *ow_http_body(const ow_http_request *request, size_t *ret_size);

// The handler's own pointer.
void ow_http_set_user(ow_http_request *request, void *user);
void *ow_http_user(const ow_http_request *request);

// Largest body to take; in on_head. A larger one is rejected with 413.
void ow_http_set_body_limit(ow_http_request *request, size_t bytes);

// A taker of a body in pieces.
typedef struct ow_http_sink {
    // Takes some of the bytes and returns how many. Fewer than `size`: the client is held back until
    // ow_http_sink_ready. Called with pieces of up to 8 KB.
    size_t (*on_bytes)(void *self, ow_http_request *request, const void *bytes, size_t size);
    void *self;
} ow_http_sink;

// Asks for the body as a stream; in on_head. It is then not counted in the budget.
void ow_http_stream_body(ow_http_request *request, const ow_http_sink *sink);
void ow_http_sink_ready(ow_http_request *request);

// ---- Its reply ----

typedef struct ow_http_header_line {
    const char *name;
    const char *value;
} ow_http_header_line;

typedef struct ow_http_answer {
    int status;
    const ow_http_header_line *headers; // besides Date, Content-Length and Connection; copied. One
    size_t header_count;                // that HTTP does not allow (empty, line breaks) is left out
    const void *body;
    size_t size;
    void (*free_body)(void *body); // NULL: `body` is copied; else it is taken and freed by this
    bool close;                    // close the connection behind it
} ow_http_answer;

// Ends the request for the handler.
void ow_http_reply(ow_http_request *request, const ow_http_answer *answer);

// ---- Another protocol instead of a reply ----

// Who takes the connection. `socket` NULL: it broke before. `early` is what the client sent behind the
// request already, valid during the call.
typedef struct ow_http_upgrade {
    const ow_http_header_line *headers; // "Upgrade" must be among them; copied
    size_t header_count;
    void (*on_socket)(void *self, ow_http_socket *socket, const void *early, size_t size);
    void *self;
} ow_http_upgrade;

// Answers 101 and ends the request for the handler, in on_body. on_socket follows once, later, unless
// this returns false: then nothing happened, and a reply is owed as before (out of memory, or too
// late). The socket counts as a connection of its address until it is closed.
bool ow_http_upgrade_reply(ow_http_request *request, const ow_http_upgrade *upgrade);

// Does not block; of TLS connections it is a pipe to the library, which encrypts.
int ow_http_socket_fd(const ow_http_socket *socket);
// Closes the descriptor. All sockets must be closed before their server is. Accepts NULL; returns
// NULL.
ow_http_socket *ow_http_socket_close(ow_http_socket *socket);
size_t ow_http_server_sockets(const ow_http_server *server);

// ---- A reply in pieces ----

// Begins a reply whose body comes in pieces, sent as they are given: `answer` without body. The request
// stays the handler's until ow_http_stream_end, exactly once; on_gone may come before, as always. False
// when that was impossible (out of memory): end it all the same.
bool ow_http_stream_begin(ow_http_request *request, const ow_http_answer *answer);

// Adds a piece, which is copied. False: more than `most_behind` bytes would wait for the client, nothing
// was added; the handler should end. After on_gone pieces are dropped.
bool ow_http_stream_write(ow_http_request *request, const void *bytes, size_t size,
                          size_t most_behind);

// No piece comes any more; what waits is still sent. `whole` false: the connection is closed instead, so
// that the client sees that something is missing.
void ow_http_stream_end(ow_http_request *request, bool whole);
