/*
 * Overworld's SDK for game clients and dedicated servers. C99, usable from C++.
 *
 *     ow_client_config config = {0};
 *     config.url = "http://127.0.0.1:7350";
 *     ow_client_error error;
 *     ow_client *client = ow_client_new(&config, &error);
 *     ow_client_login_device(client, device_id, NULL, &error);
 *     ow_client_reply *reply = NULL;
 *     if (ow_client_call_json(client, "chat/moderate", "{\"text\": \"hi\"}", &reply, &error)) {
 *         fwrite(reply->data, 1, reply->size, stdout);
 *     } else {
 *         fprintf(stderr, "%s: %s\n", error.reason, error.message);
 *     }
 *     ow_client_reply_free(reply);
 *     ow_client_free(client);
 *
 * Compiled with: cc game.c $(pkg-config --cflags --libs overworld)
 *
 * Every operation has two forms: one that waits, and one that starts it (..._start), returns at once
 * and calls back from ow_client_poll, which a game runs once a frame and which never blocks when
 * told not to.
 *
 * Rules:
 *  1. A client is used by one thread at a time. Several clients are independent; nothing is global.
 *  2. No threads of ours; libcurl, which carries the requests unless the game brings a transport of
 *     its own (overworld_transport.h), may use one to look up a host name.
 *  3. Strings and payloads given are copied before the function returns.
 *  4. Callbacks run inside ow_client_poll or inside a waiting form of the same client. They may
 *     start further operations; they may not free the client or wait (reason: busy).
 *  5. Functions return true when it worked, false with *error filled otherwise. `error` may be NULL.
 *  6. The client stays logged in by itself: it renews its token before that ends, and calls wait for
 *     it. When the server refuses the renewal, the event OW_CLIENT_LOGGED_OUT says so.
 *  7. What failed without having had an effect (no connection, throttled, overloaded) is tried again,
 *     later each time and not before the time the server asks for, within the operation's timeout.
 *     An answer that was lost is an error, unless the operation says may_repeat.
 */
#ifndef OVERWORLD_CLIENT_H
#define OVERWORLD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OW_CLIENT_SHARED: on Windows, when the library is a DLL. */
#if defined(_WIN32) && defined(OW_CLIENT_SHARED) && defined(OW_CLIENT_BUILD)
#define OW_CLIENT_API __declspec(dllexport)
#elif defined(_WIN32) && defined(OW_CLIENT_SHARED)
#define OW_CLIENT_API __declspec(dllimport)
#elif defined(__GNUC__)
#define OW_CLIENT_API __attribute__((visibility("default")))
#else
#define OW_CLIENT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The client ---- */

typedef struct ow_client ow_client;

typedef struct ow_client_error {
    int status;          /* HTTP status, 0 when there was no answer */
    int retry_after_s;   /* what the server asked for, 0 when it did not */
    char reason[48];     /* stable, to branch on: "throttled", "not_exposed", "no_connection" ... */
    char message[320];   /* for people: what happened and what to do */
    char request_id[48]; /* finds the request in the server's log; "" when there is none */
    char *details;       /* a function's refusal: its own JSON text, else NULL. Lives as long as the
                            callback, or until the next operation of the client */
} ow_client_error;

typedef enum ow_client_event {
    OW_CLIENT_LOGGED_OUT =
        1,                 /* the server refused to renew the login: the game must log in again */
    OW_CLIENT_RENEWED = 2, /* there is a new access token */
    OW_CLIENT_QUEUED = 3,  /* the login waits for a place, or has come forward: see
                              ow_client_queue_ahead */
    OW_CLIENT_PUSHES_LOST = 4,  /* see overworld_push.h */
    OW_CLIENT_PUSHES_MOVED = 5, /* likewise */
} ow_client_event;

/* `error` says why, NULL when all is well. Rule 4 holds here too. */
typedef void (*ow_client_on_event)(void *user, ow_client_event event, const ow_client_error *error);

struct ow_client_transport;

typedef struct ow_client_config {
    const char *url;               /* "http://host:port" or "https://..."; required */
    const char *title;             /* id or name; NULL: the only one of the installation */
    const char *server_key_id;     /* dedicated servers and backends: "key_..." and its secret; */
    const char *server_key_secret; /* the client then logs in by itself, and again when needed */
    const char *access_token;      /* a token from elsewhere (tools); used as it is */
    const char *ca_file;           /* PEM file of the authority to trust; NULL: the system's */
    long timeout_ms;               /* for each operation, waiting and retries included; 0: 15,000 */
    size_t max_reply_bytes;        /* 0: 8 MB */
    int max_running;               /* operations under way at once, more wait; 0: 64 */
    int max_retries;               /* more attempts where that is safe; 0: 3, negative: none */
    long queue_timeout_ms;         /* how long a login may wait in the server's queue; 0: an hour;
                                      negative: not at all, it fails as login_queued */
    ow_client_on_event on_event;   /* NULL: nobody listens */
    void *on_event_user;
    const struct ow_client_transport *transport; /* how requests travel; NULL: libcurl */
    void *transport_user;                        /* given to its open() */
} ow_client_config;

/* A client. Nothing is sent yet. Reasons: invalid_argument, out_of_memory. */
OW_CLIENT_API ow_client *ow_client_new(const ow_client_config *config, ow_client_error *error);

/* Ends what is under way without calling back, and frees. Accepts NULL. */
OW_CLIENT_API void ow_client_free(ow_client *client);

/* ---- Login ---- */

typedef struct ow_client_login {
    char player_id[48]; /* "" for a server key */
    char session_id[48];
    bool is_new_player;
    int64_t expires_at; /* seconds since the epoch */
} ow_client_login;

typedef void (*ow_client_on_login)(void *user, const ow_client_login *login,
                                   const ow_client_error *error);

/*
 * Logs a player in by a device id: 8 to 128 printable ASCII characters that the game makes once
 * (random) and keeps. Reasons: those of the server, no_connection, timeout, busy (a login is under way).
 */
OW_CLIENT_API bool ow_client_login_device(ow_client *client, const char *device_id,
                                          ow_client_login *ret_login, ow_client_error *error);
OW_CLIENT_API bool ow_client_login_device_start(ow_client *client, const char *device_id,
                                                ow_client_on_login on_login, void *user,
                                                ow_client_error *error);

/* Who a player is: one of device_id, custom_id, email with password, or provider with id_token. */
typedef struct ow_client_credentials {
    const char *device_id; /* as in ow_client_login_device */
    const char *custom_id; /* from the studio's own accounts, 8 to 128 printable ASCII characters */
    const char *email;
    const char
        *password; /* for an email: a new one has at least 8 characters, none everybody uses */
    const char *platform; /* free text for statistics, at most 32 characters; may be NULL */
    const char *provider; /* of OpenID Connect, by its name in the server's configuration */
    const char *id_token; /* that the provider gave the game for this player */
    const char *nonce;    /* when given, the id token must have been made for it; may be NULL */
    bool existing_only;   /* but for email: not_found instead of a new player */
    bool create;          /* of email: a new player when the address is unknown */
    const char *custom;   /* what the event player.login is to say, at most 1 KB; may be NULL */
} ow_client_credentials;

/* Logs a player in by any of them. Reasons: as above, bad_credentials, too_many_attempts, and those of id
 * tokens. */
OW_CLIENT_API bool ow_client_login_with(ow_client *client, const ow_client_credentials *credentials,
                                        ow_client_login *ret_login, ow_client_error *error);
OW_CLIENT_API bool ow_client_login_with_start(ow_client *client,
                                              const ow_client_credentials *credentials,
                                              ow_client_on_login on_login, void *user,
                                              ow_client_error *error);

/*
 * Logs in with the server key of the configuration. Not needed before a call, but tells early that
 * the key is wrong.
 */
OW_CLIENT_API bool ow_client_login_server(ow_client *client, ow_client_login *ret_login,
                                          ow_client_error *error);

/*
 * Goes on with an earlier login of the same player: by a refresh token that ow_client_refresh_token gave,
 * which is used up by it. Reasons: as for ow_client_login_device.
 */
OW_CLIENT_API bool ow_client_resume(ow_client *client, const char *refresh_token,
                                    ow_client_login *ret_login, ow_client_error *error);
OW_CLIENT_API bool ow_client_resume_start(ow_client *client, const char *refresh_token,
                                          ow_client_on_login on_login, void *user,
                                          ow_client_error *error);

/*
 * When as many players are in as the server takes, a login waits: the client asks for its place as often as
 * the server wants, tells each answer by OW_CLIENT_QUEUED, and the login ends when the player is let in,
 * gives up, has lost the place (no_ticket) or has waited for queue_timeout_ms (timeout). A renewal waits in
 * the same way, while the old token lasts.
 *
 * ow_client_queue_ahead: how many are in front, at most; -1: nothing waits.
 */
OW_CLIENT_API int64_t ow_client_queue_ahead(const ow_client *client);

/*
 * Gives up a login that is under way, and its place in the queue: it ends as cancelled, unless the
 * player was let in meanwhile. False: none is. May be called in a callback.
 */
OW_CLIENT_API bool ow_client_login_cancel(ow_client *client);

/* The access token in use, "" when there is none. Borrowed until the next operation. */
OW_CLIENT_API const char *ow_client_access_token(const ow_client *client);

/*
 * What renews the player's login, "" when there is nothing: changes with each login and with each
 * OW_CLIENT_RENEWED. A game that wants to resume later keeps the last one, as secret as a password.
 */
OW_CLIENT_API const char *ow_client_refresh_token(const ow_client *client);

/* ---- Calling functions ---- */

/* One call of a function; what is not set has its default. */
typedef struct ow_client_function {
    const char *name; /* "virtual_server/function" */
    const void *payload;
    size_t size;
    const char *qualifier;    /* alias or version; NULL: "$DEFAULT" */
    const char *content_type; /* of the payload; NULL: "application/json" */
    long timeout_ms;          /* 0: the client's */
    const char *routing_key;  /* stays on one side of a split: a match, a party; 1 to 127 visible
                                 ASCII characters; NULL: the player */
    bool may_repeat;          /* running twice does no harm: tried again when the answer was lost */
    const char *deduplication_key; /* of an asynchronous call, see overworld_execution.h */
} ow_client_function;

typedef struct ow_client_reply {
    void *data; /* followed by a NUL that is not counted, so JSON can be parsed in place */
    size_t size;
    int status;
    char content_type[96];
    char request_id[48];
} ow_client_reply;

/* `reply` is NULL when it failed. Both belong to the client and end with the callback; keep a
 * reply with ow_client_reply_take. */
typedef void (*ow_client_on_reply)(void *user, ow_client_reply *reply,
                                   const ow_client_error *error);

/*
 * Calls a function of a virtual server. The waiting form hands the reply to the caller, who frees it
 * (ret_reply may be NULL). Reasons: the function's and the server's ("refused", "user_error",
 * "crashed", "timeout", "throttled", "not_exposed", "function_not_found" ...), not_logged_in,
 * no_connection, no_answer (it was sent and may have run), timeout, too_many_waiting,
 * reply_too_large.
 */
OW_CLIENT_API bool ow_client_call(ow_client *client, const ow_client_function *function,
                                  ow_client_reply **ret_reply, ow_client_error *error);
OW_CLIENT_API bool ow_client_call_start(ow_client *client, const ow_client_function *function,
                                        ow_client_on_reply on_reply, void *user,
                                        ow_client_error *error);

/* The same for the most frequent case: a NUL-terminated JSON text, everything else as it is. */
OW_CLIENT_API bool ow_client_call_json(ow_client *client, const char *name, const char *json,
                                       ow_client_reply **ret_reply, ow_client_error *error);

/* Takes a reply out of a callback: the caller owns what is returned. NULL when out of memory. */
OW_CLIENT_API ow_client_reply *ow_client_reply_take(ow_client_reply *reply);

/* Accepts NULL. */
OW_CLIENT_API void ow_client_reply_free(ow_client_reply *reply);

/* ---- Logout ---- */

/*
 * Ends the player's session, here at once and on the server by the request; what waits for a token fails
 * as logged_out. Reasons: not_logged_in, busy, no_connection, timeout.
 */
OW_CLIENT_API bool ow_client_logout(ow_client *client, ow_client_error *error);
OW_CLIENT_API bool ow_client_logout_start(ow_client *client, ow_client_on_reply on_logout,
                                          void *user, ow_client_error *error);

/* ---- The platform's own API ---- */

typedef struct ow_client_request {
    const char *method;            /* "POST", "PUT", "GET" */
    const char *path;              /* "/overworld.registry.v1.Registry/ListTitles" */
    const char *content_type;      /* NULL: "application/json" */
    const char *qualifier;         /* header Overworld-Qualifier; NULL: not sent */
    const char *routing_key;       /* header Overworld-Routing-Key; NULL: not sent */
    const char *deduplication_key; /* header Overworld-Deduplication-Key; NULL: not sent */
    const void *body;
    size_t size;
    long timeout_ms;
    bool without_token; /* for logins */
    bool may_repeat;    /* as in ow_client_function */
} ow_client_request;

/* Sends a request to any path of the server, for tools: Connect methods with JSON, bundle uploads. */
OW_CLIENT_API bool ow_client_send(ow_client *client, const ow_client_request *request,
                                  ow_client_reply **ret_reply, ow_client_error *error);
OW_CLIENT_API bool ow_client_send_start(ow_client *client, const ow_client_request *request,
                                        ow_client_on_reply on_reply, void *user,
                                        ow_client_error *error);

/* ---- The game's own loop ---- */

/*
 * Does what can be done, runs the callbacks of what ended, and waits at most `wait_ms` for something
 * to happen: 0 never blocks. Returns how many operations are still under way.
 */
OW_CLIENT_API int ow_client_poll(ow_client *client, int wait_ms);

#ifdef __cplusplus
}
#endif

#endif
