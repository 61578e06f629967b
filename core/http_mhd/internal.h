#pragma once

// Shared by the files of this package. See README.md for how a turn runs.

#include "core/http/server.h"
#include "core/http/strict.h"
#include "core/http/wire.h"
#include "core/loop/loop.h"

#include <gnutls/abstract.h>
#include <microhttpd.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#define PEER_TEXT_MAX 64
#define METHOD_TEXT_MAX 8
#define URI_INLINE 256
#define BODY_INLINE 1024
// A body is believed to be as long as it says up to this; what is longer is counted as it comes, so that
// saying so and sending slowly takes nothing from others.
#define BODY_BELIEVED (16 * 1024)

// A client that waits is asked about in each of libmicrohttpd's turns, which costs about a tenth of
// a microsecond; suspending it and waking it again costs about five. So it is suspended once the
// asking has cost as much, or when it waits so long that somebody should watch it.
#define SUSPEND_AFTER_TURNS 50
#define SUSPEND_AFTER_US 200000

// A refused request whose body is at most this long is read to its end, so that the connection can
// be kept; one with a longer body is answered at once and the connection is closed.
#define DISCARD_MAX (64 * 1024)

// Connections that are accepted beyond the limits, see connection.c: of the server, of one address.
#define RESERVE 64
#define RESERVE_PER_ADDRESS 16

// A reply of at most this size is gone when libmicrohttpd has written it.
#define SMALL_REPLY (16 * 1024)

typedef struct list_link {
    struct list_link *next, *previous;
} list_link;

void list_init(list_link *head);
bool list_is_empty(const list_link *head);
void list_append(list_link *head, list_link *link);
void list_remove(list_link *link); // also of one that is in no list (zeroed)

typedef struct peer peer;                 // one client address
typedef struct tls_identity tls_identity; // a certificate and its key

typedef struct connection {
    list_link link; // first
    ow_http_server *server;
    struct MHD_Connection *mhd;
    ow_http_request *request; // NULL between requests
    peer *from;               // NULL: not counted
    int fd;
    bool is_reserve; // beyond the limits: only what must always be answered is
    bool hung_up;
    bool is_upgraded;     // it speaks something else; the library carries its TLS
    bool lingers;         // it was refused while it may still send: see linger.c
    bool sends;           // a reply is on its way, at least in the kernel
    int64_t since_us;     // when it came, or its last reply was done
    int64_t deadline_us;  // the sweep closes it then; 0: none
    int64_t looked_at_us; // while it sends: when the sweep looked, 0: not yet
    uint64_t taken;       // and what the client had confirmed by then
    ow_http_wire wire;    // what it sends, byte for byte
    char peer[PEER_TEXT_MAX];
} connection;

typedef enum request_state {
    REQUEST_NEW,     // the request line was read
    REQUEST_BODY,    // the headers were accepted, the body arrives
    REQUEST_WAITING, // complete, the handler works on it
    REQUEST_QUEUED,  // libmicrohttpd has the reply
    REQUEST_RAW,     // refused by the library: the reply goes past it
} request_state;

struct ow_http_request {
    list_link link; // waiting, suspended or other, see ow_http_server
    ow_http_server *server;
    connection *connection; // NULL: the client has gone
    request_state state;
    bool owned;       // the handler has it and owes a reply
    bool gone_told;   // on_gone was called
    bool in_callback; // libmicrohttpd's access handler is running for it
    bool suspended;
    bool too_large;            // the body went over its limit and is being discarded
    bool close;                // close the connection behind the reply
    struct MHD_Response *held; // a reply given before the body was complete
    unsigned held_status;
    int64_t waiting_since_us;
    unsigned waited_turns;
    ow_watch hang_up; // while suspended

    char *uri;   // uri_inline or malloc'ed; cut at the '?'
    char *query; // in uri; "" when there is none
    size_t uri_size;
    const char *uri_at; // where it lies in libmicrohttpd's buffer, to compare
    size_t field_count;
    ow_http_field fields[OW_HTTP_HEADERS_MAX];
    int64_t content_length;

    size_t body_limit;
    uint8_t *body; // body_inline or malloc'ed
    size_t body_size, body_room;
    size_t reply_size;
    int64_t charged; // of the budget
    ow_http_sink sink;
    ow_http_socket *upgrade; // 101 was queued
    uint64_t upload_turn;    // the turn in which a piece of the body arrived last

    // Of a reply in pieces: what waits to be sent.
    uint8_t *stream;
    size_t stream_at, stream_size, stream_room;
    bool streams, stream_ended;

    void *user;
    char method[METHOD_TEXT_MAX]; // cut: the longest known one is OPTIONS
    char peer[PEER_TEXT_MAX];
    char uri_inline[URI_INLINE];
    uint8_t body_inline[BODY_INLINE];
};

struct ow_http_server {
    ow_http_options options;
    ow_loop *loop;
    struct MHD_Daemon *daemon;
    char *address;
    char *unix_path; // to unlink; NULL for TCP
    int listen_fd;
    bool draining, closing;
    bool ready; // libmicrohttpd's descriptor reported something
    bool again; // another turn is needed at once
    bool deaf;  // that descriptor is not watched, until earliest_us
    uint64_t turn;
    size_t asked;            // clients that were asked in the last turn and went on waiting
    int64_t earliest_us;     // no turn before
    size_t partial_bodies;   // that came in this turn and may have more behind them
    int64_t next_timeout_us; // when libmicrohttpd wants to run; INT64_MAX: not
    ow_watch watch;
    ow_turn_hook serve, after;
    ow_timer sweep;
    list_link connections; // connection.link
    connection **by_fd;    // the same by their descriptors; NULL where none is
    size_t by_fd_room;
    list_link lingering; // what clients that were refused still send
    size_t lingering_count;
    list_link *hand;   // in it, where the next search for an idle one begins; NULL: at the front
    tls_identity *tls; // the current one and those before it; NULL: plain HTTP
    void *peers;       // a tree of the addresses that have connections
    list_link waiting; // complete, not suspended; oldest first
    list_link suspended;
    list_link others; // all other requests
    size_t connection_count, request_count, socket_count;
    size_t carried_count; // of the requests, those whose connection speaks another protocol by now
    size_t leaving_count; // of the connections, those that were hung up on
    ow_http_request *spare; // to use again, linked by `user`
    size_t spare_count;
};

// ---- address.c ----

// Opens a listening socket; the outputs are malloc'ed. Codes as ow_http_server_open.
ow_code address_listen(const char *address, int *ret_fd, char **ret_text, char **ret_unix_path,
                       ow_err *err);
void address_of_peer(const struct sockaddr *address, char text[static PEER_TEXT_MAX]);

// ---- connection.c ----

// One more of this client's; NULL is not counted.
peer *peer_hold(peer *held);
void peer_leave(ow_http_server *server, peer *from);

// ---- upgrade.c ----

struct MHD_Response *upgrade_response(ow_http_request *request, const ow_http_upgrade *upgrade);
// The request is over: without a connection nobody took one.
void upgrade_abandon(ow_http_request *request);

// ---- request.c ----

ow_http_request *request_new(ow_http_server *server, connection *from, const char *uri);
// Gives it back; it must be neither owned nor queued.
void request_free(ow_http_request *request);
// The client has gone, or must be treated so.
void request_tell_gone(ow_http_request *request);
// Answers 503 without the handler, which then owes a reply that is dropped.
void request_abandon(ow_http_request *request);

// Gives a response to the library.
void request_queue(ow_http_request *request, unsigned status, struct MHD_Response *response);

// libmicrohttpd's callbacks.
enum MHD_Result on_access(void *self, struct MHD_Connection *mhd, const char *url,
                          const char *method, const char *version, const char *data,
                          size_t *data_size, void **request_at);
void on_completed(void *self, struct MHD_Connection *mhd, void **request_at,
                  enum MHD_RequestTerminationCode why);
void *on_uri(void *self, const char *uri, struct MHD_Connection *mhd);

// Queues a reply for a request that waits.
void request_queue(ow_http_request *request, unsigned status, struct MHD_Response *response);
void request_add_headers(struct MHD_Response *response, const ow_http_answer *answer, bool close);
bool request_closes(const ow_http_request *request, const ow_http_answer *answer);
// Out of libmicrohttpd's turns, and in again.
void request_suspend(ow_http_request *request);
void request_resume(ow_http_request *request);
// Closes the connection at once.
void request_hang_up(ow_http_request *request);

// ---- stream.c ----

void stream_free(ow_http_request *request);

// ---- body.c ----

// Prepares for the body; NULL, or why it is refused.
const ow_http_rejection *body_begin(ow_http_request *request);
// Takes a piece; *size becomes what is left. False: hang up.
bool body_take(ow_http_request *request, const char *data, size_t *size);
// Refuses the rest of a body unless a reply is known already.
void body_refuse(ow_http_request *request, const ow_http_rejection *why);
// Refuses a chunked body with other line ends than CR LF, or with trailers.
void body_check_lines(ow_http_request *request);
void body_free(ow_http_request *request);

// ---- connection.c ----

// The sweep closes the connection this long from now; 0: never.
void connection_set_deadline(ow_http_server *server, connection *connection, int64_t after_us);
// The same, unless it does so earlier already.
void connection_lower_deadline(ow_http_server *server, connection *connection, int64_t after_us);
// A reply was queued: the sweep closes the connection when the client does not read it.
void connection_expect_reader(connection *connection);
// Once a second: closes what is too slow; while draining also what is idle. The library notices the
// closed socket in its next turn.
void connections_sweep(void *self);
void on_connection(void *self, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode what);

// ---- hearing.c ----

// One turn of the library, whose reads of the server's connections are heard.
void hearing_run(ow_http_server *server);
// A connection is there, or gone. False: out of memory.
bool hearing_begin(ow_http_server *server, connection *made);
void hearing_end(ow_http_server *server, const connection *gone);

// ---- refusal.c ----

// The library's logger, by which it tells what it refuses.
void refusal_on_log(void *self, const char *format, va_list arguments);
// The reply to a request in REQUEST_RAW; the answer stays the caller's.
void refusal_send(ow_http_request *request, const ow_http_answer *answer);

// ---- linger.c ----

// The library is about to close this connection: what its client goes on sending is thrown away for some
// seconds and megabytes before the socket goes.
void linger_begin(ow_http_server *server, const connection *left);
// Ends those whose time is over; with INT64_MAX all.
void linger_sweep(ow_http_server *server, int64_t now_us);

// ---- tls.c ----

ow_code tls_open(ow_http_server *server, ow_err *err);
void tls_close(ow_http_server *server);
// GnuTLS's gnutls_certificate_retrieve_function2.
int tls_give_identity(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
                      const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                      gnutls_pcert_st **ret_chain, unsigned *ret_size, gnutls_privkey_t *ret_key);

// ---- server.c ----

// Frees the server once it was closed and the last request is gone.
void server_release(ow_http_server *server);
