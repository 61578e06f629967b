#pragma once

// E-mail by SMTP, through the client of core/http/client.h and under its egress rules. Implemented by
// core/http_curl.
//
// TLS is never left out but on the way to a loopback address: "smtps://" has it from the start,
// "smtp://" must be offered STARTTLS. Certificates are verified as those of HTTPS are.

#include "core/http/client.h"

enum { OW_MAIL_ADDRESS_MAX = 254, OW_MAIL_RECIPIENTS_MAX = 20, OW_MAIL_BYTES_MAX = 256 << 10 };

// All of it is copied.
typedef struct ow_mail {
    const char *server;          // "smtps://mail.example.com:465", "smtp://mail.example.com:587"
    const char *user, *password; // NULL or "": no login
    const char *from;            // "overworld@example.com"
    const char *const *to;
    size_t to_count;
    const char *message; // headers, an empty line, text
    size_t size;
    int64_t timeout_us; // for all of it; > 0
    ow_http_done on_done;
    void *self;
} ow_mail;

// True when a text can be an address of an envelope: one "@", printable ASCII without blanks, quotes and
// angle brackets, at most OW_MAIL_ADDRESS_MAX bytes. Any thread.
bool ow_mail_is_address(const char *text);

// Codes: invalid_argument "bad_mail_server" (the message says what is wrong). Any thread.
ow_code ow_mail_check_server(const char *server, ow_err *err);

// Sends one message. It is a fetch, for its lifetime and for ow_http_fetch_cancel; the response that
// `on_done` gets has the server's last code and no body: the server took the message. Besides the codes of
// ow_http_done: unauthenticated "login_refused"; unavailable "mail_refused" (the sender, a recipient or the
// message; the text has the server's code). Codes, at once: invalid_argument "bad_mail_server", "bad_mail";
// permission_denied "host_refused"; resource_exhausted "too_many_fetches", "memory".
ow_code ow_mail_send(ow_http_client *client, const ow_mail *mail, ow_http_fetch **ret_fetch,
                     ow_err *err);
