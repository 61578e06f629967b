#pragma once

// Shared by the files of this package.

#include "core/http/client.h"

#include <curl/curl.h>

#include <stdbool.h>

enum {
    URL_MAX = 8192,
    HEAD_MAX = 64 * 1024,
    CONNECT_TIMEOUT_MS = 10 * 1000,
};

// One socket of the library's, watched for it.
typedef struct watched {
    ow_http_client *client;
    ow_watch watch;
    struct watched *next, **at; // in the client's list
} watched;

struct ow_http_client {
    ow_loop *loop;
    CURLM *multi;
    const ow_http_client *parent; // whose rules hold as well; NULL
    ow_egress *egress;
    struct curl_slist *pins;
    char *user_agent, *ca_file;
    int max_fetches, running;
    ow_http_fetch *fetches; // linked by next
    watched *sockets;
    ow_timer timer;
};

struct ow_http_response {
    CURL *easy;
    int status;
    uint8_t *body;
    size_t size, room;
};

struct ow_http_fetch {
    ow_http_client *client;
    ow_http_fetch *next, **at; // in the client's list
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers;
    const char *method; // static
    uint8_t *body;
    size_t size;
    int64_t deadline_us;
    int redirects_left;
    bool follows;
    bool is_mail, loopback_only;
    size_t sent; // of a mail's body; its recipients are in `headers`
    size_t response_limit, head_size;
    ow_http_response response;
    ow_http_done on_done;
    void *self;
    // Why the library was told to stop, or could not connect.
    bool address_refused, too_large, no_memory;
    char detail[CURL_ERROR_SIZE];
};

// ---- fetch.c ----

// A fetch that asks for nothing yet; fetch_launch. Codes: resource_exhausted.
ow_code fetch_new(ow_http_client *client, ow_http_done on_done, void *self,
                  ow_http_fetch **ret_fetch, ow_err *err);
// Begins the first exchange, unless `code` says that there is nothing to begin. Frees it and passes the code
// on when it fails.
ow_code fetch_launch(ow_http_fetch *fetch, ow_code code, int64_t timeout_us,
                     ow_http_fetch **ret_fetch, ow_err *err);
// The library is done with one exchange of it: tells the caller, or follows a redirect.
void fetch_ended(ow_http_fetch *fetch, CURLcode result);

// ---- request.c ----

// The fetch's own copy of what is asked for. Codes as ow_http_fetch_start.
ow_code request_take(ow_http_fetch *fetch, const ow_http_fetch_options *options, ow_err *err);
// Whether a host, as the library writes it, may be asked for. Codes as ow_http_fetch_start.
ow_code request_check_host(const ow_http_client *client, const char *host, ow_err *err);
// Moves on to where the response points. Codes as ow_http_done.
ow_code request_redirect(ow_http_fetch *fetch, const char *location, ow_err *err);
// Tells the library what to send. Codes: resource_exhausted.
ow_code request_apply(ow_http_fetch *fetch, ow_err *err);

// ---- mail.c ----

// Tells the library what to send, when it is a mail. Codes: resource_exhausted.
ow_code mail_apply(ow_http_fetch *fetch, ow_err *err);

// ---- client.c ----

// Whether its rules, and those of all above it, allow that.
bool client_allows_host(const ow_http_client *client, const char *host);
bool client_allows_address(const ow_http_client *client, const struct sockaddr *address);
bool client_allows_plain(const ow_http_client *client);

ow_code client_add(ow_http_client *client, ow_http_fetch *fetch, ow_err *err);
void client_remove(ow_http_client *client, ow_http_fetch *fetch);
