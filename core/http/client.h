#pragma once

// An HTTP/1.1 client inside our loop, for everything that the server itself asks of others: keys of
// identity providers, webhooks, exporters, what functions fetch. Implemented by core/http_curl;
// nothing of the library behind it shows here.
//
// What it never does: reach an address that the egress rules do not allow (checked on the address
// that is connected to, on every redirect again), follow a redirect unasked, skip the verification of
// a certificate, use a proxy of the environment, keep cookies, decompress.
//
// Lifetime rules:
//  1. A fetch is the client's from ow_http_fetch_start until its `on_done` returns, or until
//     ow_http_fetch_cancel; afterwards its pointer must not be used.
//  2. `on_done` runs exactly once, never before ow_http_fetch_start returned; not at all after a
//     failed start or a cancellation.
//  3. Options, headers and body are copied; a response is valid during `on_done`.
//  4. All calls and callbacks run on the loop's thread. `on_done` may start and cancel fetches, but
//     not close the client.

#include "core/error/error.h"
#include "core/http/egress.h"
#include "core/http/server.h"
#include "core/loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_http_client ow_http_client;
typedef struct ow_http_fetch ow_http_fetch;
typedef struct ow_http_response ow_http_response;

typedef struct ow_http_client_options {
    ow_loop *loop;
    // Whose rules hold besides `egress`, and whose certificates, user agent and pins are used where none
    // are given; outlives this one. For somebody who may less. Connections are not shared: one that was
    // made under other rules is not used. NULL: none.
    const ow_http_client *parent;
    ow_egress_options egress;
    const char *user_agent; // NULL: none
    const char *ca_file;    // certificates trusted instead of the system's; NULL or "": those
    // Answers used instead of DNS, "host:port:address[,address]", NULL-ended; NULL: none. The egress
    // rules hold for them too.
    const char *const *pins;
    int max_fetches;     // running at a time; more fail
    int max_connections; // in all and kept for later; fetches wait for one
    int max_per_host;
} ow_http_client_options;

// Heap; ow_http_client_close, which drops what still runs. Codes: invalid_argument "bad_egress",
// "bad_pin", resource_exhausted, internal.
ow_code ow_http_client_open(const ow_http_client_options *options, ow_http_client **ret_client,
                            ow_err *err);
ow_http_client *ow_http_client_close(ow_http_client *client);

// How a fetch ended. `code` OW_OK: there is a response, whatever its status. Else `response` is NULL
// and `err` says why:
//   permission_denied   "host_refused", "scheme_refused", "address_refused"
//   deadline_exceeded   "timeout"
//   resource_exhausted  "response_too_large", "memory"
//   failed_precondition "too_many_redirects", "bad_redirect"
//   unavailable         "unresolved", "unreachable", "tls_failed", "broken_exchange"
typedef void (*ow_http_done)(void *self, ow_code code, const ow_http_response *response,
                             const ow_err *err);

typedef struct ow_http_fetch_options {
    const char *method; // GET, HEAD, POST, PUT, PATCH or DELETE
    const char *url;    // https://..., at most 8 KB, without user and password
    const ow_http_header_line *headers;
    size_t header_count;
    const void *body; // of POST, PUT and PATCH
    size_t size;
    int64_t timeout_us;    // for everything, redirects included; > 0
    size_t response_limit; // bytes of its body; its head has a bound of its own (64 KB)
    int redirects;         // followed at most; 0: a redirect is a response like others
    ow_http_done on_done;
    void *self;
} ow_http_fetch_options;

// Codes, at once: invalid_argument "bad_url", "bad_method", "bad_header", "bad_timeout";
// permission_denied "host_refused", "scheme_refused"; resource_exhausted "too_many_fetches",
// "memory".
ow_code ow_http_fetch_start(ow_http_client *client, const ow_http_fetch_options *options,
                            ow_http_fetch **ret_fetch, ow_err *err);
// Ends it without a word. Accepts NULL; returns NULL.
ow_http_fetch *ow_http_fetch_cancel(ow_http_fetch *fetch);

int ow_http_response_status(const ow_http_response *response);
// The value of a header, its name in any case; NULL: none. The last one when there are several.
const char *ow_http_response_header(const ow_http_response *response, const char *name);
// The header behind `*cursor`, which starts as NULL; false at the end. In the order in which they came.
bool ow_http_response_next_header(const ow_http_response *response, void **cursor,
                                  ow_http_header_line *ret_header);
const void *ow_http_response_body(const ow_http_response *response, size_t *ret_size);
