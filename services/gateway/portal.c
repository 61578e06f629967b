// The portal's files, embedded in the server and served by the console listener: pages of the one
// document with a nonce of their own, everything else as it was built, compressed, to be kept.

#include "services/gateway/internal.h"

#include "core/crypto/hash.h"
#include "portal/assets.h"

#include <string.h>

enum { NONCE_BYTES = 16, NONCE_SIZE = OW_BASE64URL_SIZE(NONCE_BYTES), POLICY_MAX = 512 };

// Stands wherever the nonce belongs, as long as it.
#define PLACE "OW_NONCE_OW_NONCE_OW_N"
_Static_assert(sizeof PLACE == NONCE_SIZE, "a nonce fits into its place");

// Scripts and connections of this origin alone. Styles: those of the files, and what the editor adds.
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self' 'nonce-" PLACE "'; style-src 'self' 'nonce-" PLACE      \
    "'; connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; "              \
    "form-action 'none'; frame-ancestors 'none'"

static void put_nonce(char *text, size_t size, const char *nonce) {
    char *end = text + size;
    for (char *at = text; (at = memmem(at, (size_t)(end - at), PLACE, NONCE_SIZE - 1)) != NULL;) {
        memcpy(at, nonce, NONCE_SIZE - 1);
        at += NONCE_SIZE - 1;
    }
}

static void serve_page(exchange *x, const ow_portal_asset *page) {
    uint8_t bytes[NONCE_BYTES];
    char nonce[NONCE_SIZE];
    char policy[] = POLICY;
    char *text = ow_arena_alloc(x->gw->scratch, page->size);
    if (text == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    ow_random_bytes(bytes, sizeof bytes);
    ow_base64url_encode(bytes, sizeof bytes, nonce);
    memcpy(text, page->bytes, page->size);
    put_nonce(text, page->size, nonce);
    put_nonce(policy, sizeof policy - 1, nonce);
    const ow_http_header_line headers[] = {{"Content-Security-Policy", policy},
                                           {"Cache-Control", "no-store"},
                                           {"X-Frame-Options", "DENY"},
                                           {"Referrer-Policy", "no-referrer"},
                                           {"Cross-Origin-Opener-Policy", "same-origin"}};
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = page->type,
                                         .body = text,
                                         .size = page->size,
                                         .reason = "",
                                         .more_headers = headers,
                                         .more_header_count = sizeof headers / sizeof headers[0],
                                         .is_portal_page = true});
    ow_arena_reset(x->gw->scratch);
}

static void serve_asset(exchange *x, const ow_portal_asset *asset) {
    static const ow_http_header_line headers[] = {
        {"Content-Encoding", "gzip"},
        {"Cache-Control", "public, max-age=31536000, immutable"},
        {"Cross-Origin-Resource-Policy", "same-origin"}};
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = asset->type,
                                         .body = asset->bytes,
                                         .size = asset->size,
                                         .reason = "",
                                         .more_headers = headers,
                                         .more_header_count = sizeof headers / sizeof headers[0]});
}

// Every address without a dot is one of the document's.
static const ow_portal_asset *find(const char *path) {
    return ow_portal_asset_find(strchr(path, '.') != NULL ? path : "/index.html");
}

bool portal_has(const exchange *x) {
    return !x->from->is_public && find(ow_http_path(x->http)) != NULL;
}

void portal_serve(exchange *x) {
    const ow_portal_asset *found = find(ow_http_path(x->http));
    if (found->is_page) {
        serve_page(x, found);
    } else {
        serve_asset(x, found);
    }
}
