/* What the SDK's files share. */
#ifndef OVERWORLD_SDK_INTERNAL_H
#define OVERWORLD_SDK_INTERNAL_H

#include "sdk/c/overworld_client.h"

#include <curl/curl.h>

typedef struct operation operation;

struct operation {
    operation *next;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    size_t body_size;
    ow_client *client;
    ow_client_reply reply;
    size_t reply_room;
    bool reply_too_large;
    int retry_after_s;
    bool needs_token;
    bool is_login;
    ow_client_on_reply on_reply;
    void *user;
    char curl_error[CURL_ERROR_SIZE];
};

struct ow_client {
    char *url;
    char *title;
    char *server_key_id;
    char *server_key_secret;
    char *ca_file;
    char *device_id;
    char *token;
    int64_t token_expires_at; /* seconds; 0: unknown, used as it is */
    bool login_running;
    ow_client_on_login on_login; /* of the login that is running; NULL: nobody asked */
    void *on_login_user;
    long timeout_ms;
    size_t max_reply_bytes;
    int max_running;
    CURLM *multi;
    operation *waiting, **waiting_end; /* for a token, or for a place */
    int waiting_count;
    operation *running;
    int running_count;
    operation *idle; /* finished ones whose handle can be used again */
    char *last_details;
};

/* Fills *error (may be NULL); returns false. */
bool sdk_fail(ow_client_error *error, const char *reason, const char *format, ...);

/* A copy; NULL for NULL and when out of memory. */
char *sdk_strdup(const char *text);

/* Turns an error answer of the server, whatever its form, into *error. details: allocated JSON text
 * or NULL, the caller's. */
void sdk_read_error(const ow_client_reply *reply, int retry_after_s, ow_client_error *error,
                    char **ret_details);

/* Starts the login that the client's credentials allow. False when there are none. */
bool sdk_login_begin(ow_client *client, ow_client_on_login on_login, void *user,
                     ow_client_error *error);

/* Whether a token is there and will last for the next 30 seconds. */
bool sdk_token_is_good(const ow_client *client);

bool sdk_has_credentials(const ow_client *client);

/* Frees a list of operations. Accepts NULL. */
void sdk_operations_free(operation *first);

/* A login ended: start, or fail, what was waiting for it. */
void sdk_login_ended(ow_client *client, const ow_client_error *error);

#endif
