/* What the SDK's files share. */
#ifndef OVERWORLD_SDK_INTERNAL_H
#define OVERWORLD_SDK_INTERNAL_H

#include "sdk/c/json.h"
#include "sdk/c/overworld_client.h"
#include "sdk/c/overworld_push.h"
#include "sdk/c/overworld_transport.h"
#include "sdk/c/platform.h"

#define IDENTITY "/overworld.identity.v1.Identity/"

enum { SDK_MAX_HEADERS = 9 };

/* A point in time that never comes, in monotonic ms. */
#define SDK_NEVER INT64_MAX

/* One operation: from its start until its callback returned, over all its attempts. */
typedef struct operation operation;

struct operation {
    operation *next;
    ow_client *client;
    ow_client_http http; /* what is sent, in memory of the operation */
    ow_client_header headers[SDK_MAX_HEADERS];
    char method[8];
    char *url, *body, *content_type, *qualifier, *routing_key, *deduplication_key, *authorization;
    int64_t deadline_ms; /* for everything */
    int64_t due_ms;      /* of the next attempt, in `retrying` */
    int attempts;
    bool needs_token, is_login, may_repeat;
    bool is_final;             /* it failed without being sent: not tried again */
    bool has_renewed;          /* the token was refused once and has been renewed for it */
    unsigned token_generation; /* of the token that was sent */
    ow_client_reply reply;
    size_t reply_room;
    bool reply_too_large;
    int retry_after_s;
    int64_t date_s; /* the server's clock, 0 when it did not say */
    ow_client_outcome outcome;
    ow_client_error error; /* `reason` set: why it failed before there was an answer */
    ow_client_on_reply on_reply;
    void *user;
};

typedef struct operation_list {
    operation *first, *last;
    int count;
} operation_list;

/* Who is logged in, and how that is renewed. */
typedef struct session {
    char *token;
    char *refresh_token;
    int64_t usable_until_ms; /* SDK_NEVER: as long as the server takes it */
    int64_t renew_at_ms;
    int64_t renew_pause_ms; /* after a renewal that failed, doubled each time */
    unsigned generation;    /* counts tokens */
    bool is_running;        /* a login or renewal is under way: never two */
    bool is_renewal;
    ow_client_on_login on_login; /* of the login under way; NULL: nobody asked */
    void *on_login_user;
    char *ticket; /* the place in the queue of the login under way; NULL: it has none */
    bool is_asking;
    bool is_refresh;   /* it began with a refresh token */
    bool is_cancelled; /* nobody wants it any more */
    int64_t ahead;     /* players */
    int64_t ask_at_ms, queue_end_ms;
} session;

typedef struct sdk_push sdk_push;

struct ow_client {
    char *url;
    char *title;
    char *server_key_id;
    char *server_key_secret;
    char *ca_file;
    long timeout_ms;
    size_t max_reply_bytes;
    int max_running;
    int max_retries;
    int64_t queue_timeout_ms; /* 0: not at all */
    ow_client_on_event on_event;
    void *on_event_user;
    const ow_client_transport *transport;
    void *transport_state;
    const sdk_platform *platform;
    session session;
    sdk_push *push;          /* NULL: the game never listened */
    operation_list waiting;  /* for a token, or for a place */
    operation_list retrying; /* for their time */
    operation_list running;
    operation_list abandoned; /* told to be over, while the transport still has them */
    operation_list ended;     /* their callbacks are next */
    int64_t answer_date_s;    /* the server's clock with the answer that is being told */
    bool is_calling_back;
    char *last_details;
};

/* ow_client_new with another clock. */
ow_client *sdk_client_new(const ow_client_config *config, const sdk_platform *platform,
                          ow_client_error *error);

/* NULL when the library was built without libcurl. */
const ow_client_transport *sdk_default_transport(void);

/* Fills *error (may be NULL); returns false. */
bool sdk_fail(ow_client_error *error, const char *reason, const char *format, ...);

/* A copy; NULL for NULL and when out of memory. */
char *sdk_strdup(const char *text);

void sdk_wipe_and_free(char *secret);

int64_t sdk_now_ms(const ow_client *client);

/* Random, from `least` to `most`. */
int64_t sdk_between(const ow_client *client, int64_t least, int64_t most);

/* False, with an error, inside a callback. */
bool sdk_may_wait(const ow_client *client, ow_client_error *error);

/* The request of a call of a function; `path` has room for SDK_FUNCTION_PATH_MAX and is borrowed by it. */
#define SDK_FUNCTION_PATH_MAX 160
bool sdk_function_request(const ow_client *client, const ow_client_function *function, char *path,
                          ow_client_request *ret_request, ow_client_error *error);

/* ---- operation.c ---- */

/* As ow_client_send_start; a login goes past what waits. */
bool sdk_operation_start(ow_client *client, const ow_client_request *request, bool is_login,
                         ow_client_on_reply on_reply, void *user, ow_client_error *error);

/* Starts what may start now. */
void sdk_operations_advance(ow_client *client);

/* Runs the callbacks of what ended. */
void sdk_operations_conclude(ow_client *client);

/* How many have not had their callback. */
int sdk_operations_count(const ow_client *client);

/* How long the client may wait from now, at most `wait_ms`: until the next thing that it does itself. */
int sdk_operations_patience(const ow_client *client, int wait_ms);

/* Fails everything that waits for a token with *error, from the next conclusion on. */
void sdk_operations_fail_waiting(ow_client *client, const ow_client_error *error);

void sdk_operations_free(ow_client *client);

/* ---- session.c ---- */

bool sdk_token_is_good(const ow_client *client);

/* Whether the client can get a token by itself. */
bool sdk_can_renew(const ow_client *client);

/* An operation waits for a token: begins a login unless one is under way. */
void sdk_session_need(ow_client *client);

/* Renews, or asks for the place in the queue, when it is time. */
void sdk_session_tick(ow_client *client);

/* Ends a login that waits and was given up, or has waited for too long. */
void sdk_session_conclude(ow_client *client);

/* When it next asks for a place in the queue; SDK_NEVER: it does not. */
int64_t sdk_session_asks_at(const ow_client *client);

/* The server refused the token of this generation. */
void sdk_session_token_refused(ow_client *client, unsigned generation);

typedef struct sdk_login_request {
    const char *path;
    const sdk_json_field *fields;
    size_t count;
} sdk_login_request;

/* A login that the game asked for; `request` NULL: with the server key. A login that fails leaves who is
 * logged in. */
bool sdk_login_start(ow_client *client, const sdk_login_request *request,
                     ow_client_on_login on_login, void *user, ow_client_error *error);

/* Forgets who was logged in; what waits for a token fails as logged_out. */
void sdk_session_end(ow_client *client);

void sdk_session_free(ow_client *client);

/* ---- push.c ---- */

/* Does what pushes need now: connects, reads, confirms, polls. */
void sdk_push_tick(ow_client *client);

/* As sdk_operations_patience, for pushes. */
int sdk_push_patience(const ow_client *client, int wait_ms);

bool sdk_push_is_on(const ow_client *client);

/* While the transport is still there. */
void sdk_push_free(ow_client *client);

/* ---- login.c: what is sent and what comes back ---- */

/* The body of ServerLogin, signed; allocated. */
char *sdk_server_login_body(const ow_client *client, ow_client_error *error);

typedef struct sdk_tokens {
    char *access, *refresh; /* allocated; refresh NULL when there is none */
    ow_client_login login;
} sdk_tokens;

typedef struct sdk_place {
    char *ticket;  /* allocated; NULL: the answer has no place in a queue */
    char *refresh; /* allocated; may be NULL */
    int64_t ahead, poll_after_ms;
} sdk_place;

/* Reads a place in the queue from the answer to a login. */
void sdk_read_place(const ow_client_reply *reply, sdk_place *ret_place);

/* Reads the answer to a login or a renewal. */
bool sdk_read_login(const ow_client_reply *reply, sdk_tokens *ret_tokens, ow_client_error *error);

/* An HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT") in seconds since the epoch; 0 when it is not one. */
int64_t sdk_read_date(const char *text);

/* ---- answer.c ---- */

/* Turns an error answer of the server, whatever its form, into *error. details: allocated JSON text
 * or NULL, the caller's. */
void sdk_read_error(const ow_client_reply *reply, int retry_after_s, ow_client_error *error,
                    char **ret_details);

#endif
