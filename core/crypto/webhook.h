#pragma once

// Signatures of webhooks, ours and those of others: Standard Webhooks 1.0 with symmetric secrets
// (https://www.standardwebhooks.com), and the plain HMAC-SHA256 over the body that many senders use.
// Any thread.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_WEBHOOK_SECRET_MAX 96    // "whsec_" and base64 of at most 64 bytes, with NUL
#define OW_WEBHOOK_SIGNATURE_MAX 80 // of one signature, with NUL
#define OW_WEBHOOK_TOLERANCE_S 300  // how far a sender's clock may be from ours
#define OW_WEBHOOK_ID_MAX 128       // characters of webhook-id

// A new secret of 192 random bits: "whsec_...".
void ow_webhook_make_secret(char secret[static OW_WEBHOOK_SECRET_MAX]);

// "whsec_" and base64 of 24 to 64 bytes.
bool ow_webhook_is_secret(const char *secret);

typedef struct ow_webhook_message {
    const char *id;
    int64_t timestamp_s;
    const void *body;
    size_t size;
} ow_webhook_message;

// Writes the value of the header webhook-signature. False: the secret is malformed, or there is no
// memory.
bool ow_webhook_sign(const char *secret, const ow_webhook_message *message,
                     char signature[static OW_WEBHOOK_SIGNATURE_MAX]);

// The headers as they came; NULL: was not sent.
typedef struct ow_webhook_headers {
    const char *id, *timestamp, *signature;
} ow_webhook_headers;

// Whether one of the signatures (there are several while a sender changes its secret) is that of the
// body under `secret`, and sent within the tolerance of `now_s`. Codes: invalid_argument
// "bad_webhook" (a header is missing or malformed), unauthenticated "bad_signature",
// "stale_webhook"; resource_exhausted "memory".
ow_code ow_webhook_verify(const char *secret, const ow_webhook_headers *headers, const void *body,
                          size_t size, int64_t now_s, ow_err *err);

// Whether `header` is HMAC-SHA256 of the body under the bytes of `secret`, in hex or base64, alone or
// behind "sha256=". Codes: unauthenticated "bad_signature" (also when the header is NULL).
ow_code ow_webhook_verify_hmac(const char *secret, const char *header, const void *body,
                               size_t size, ow_err *err);
