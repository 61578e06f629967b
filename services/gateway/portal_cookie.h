#pragma once

// The portal's session as a browser keeps it: a cookie that pages cannot read, which counts only for
// requests that the portal's own pages make. Reading of strangers' bytes, no I/O; any thread.

#include "core/http/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORTAL_TOKEN_MAX = 128, PORTAL_COOKIE_MAX = 256 }; // with NUL

// True when the request cannot have been made by a page of another origin: it carries the header
// Overworld-Portal, which a browser sends elsewhere only when asked and allowed to, and neither Origin
// nor Sec-Fetch-Site says otherwise.
bool portal_is_own_request(const ow_http_request *request);

// The token of the cookie in a Cookie header (NULL: absent); false when there is none, or it is not
// the form of one.
bool portal_cookie_token(const char *cookies, char ret_token[static PORTAL_TOKEN_MAX]);

// The cookies of a Cookie header but the portal's; `ret_rest` has room for twice its length and NUL.
void portal_cookie_remove(const char *cookies, char *ret_rest);

// The value of Set-Cookie that stores a token for so long, or (token "") removes it. `secure`: over TLS
// alone.
void portal_cookie_write(const char *token, int64_t seconds, bool secure,
                         char ret_value[static PORTAL_COOKIE_MAX]);
