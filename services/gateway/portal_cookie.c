#include "services/gateway/portal_cookie.h"

#include <stdio.h>
#include <string.h>

#define COOKIE "overworld_session"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// "http://127.0.0.1:7351" against the Host "127.0.0.1:7351".
static bool is_origin_of(const char *origin, const char *host) {
    const char *authority = strstr(origin, "://");
    return authority != NULL && host != NULL && strcmp(authority + 3, host) == 0;
}

bool portal_is_own_request(const ow_http_request *request) {
    const char *origin = ow_http_header(request, "Origin");
    const char *site = ow_http_header(request, "Sec-Fetch-Site");
    return ow_http_header(request, "Overworld-Portal") != NULL &&
           (origin == NULL || is_origin_of(origin, ow_http_header(request, "Host"))) &&
           (site == NULL || strcmp(site, "same-origin") == 0);
}

// The value of the cookie that begins here, up to ';'.
static bool take_value(const char *value, char ret_token[static PORTAL_TOKEN_MAX]) {
    size_t size = strspn(value, alphabet);
    bool ends = value[size] == '\0' || value[size] == ';' || value[size] == ' ';
    if (size == 0 || size >= PORTAL_TOKEN_MAX || !ends) {
        return false;
    }
    memcpy(ret_token, value, size);
    ret_token[size] = '\0';
    return true;
}

bool portal_cookie_token(const char *cookies, char ret_token[static PORTAL_TOKEN_MAX]) {
    const char *at = cookies;
    while (at != NULL && *at != '\0') {
        at += strspn(at, "; ");
        if (strncmp(at, COOKIE "=", sizeof COOKIE) == 0) {
            return take_value(at + sizeof COOKIE, ret_token);
        }
        at = strchr(at, ';');
    }
    return false;
}

void portal_cookie_remove(const char *cookies, char *ret_rest) {
    size_t used = 0;
    for (const char *at = cookies + strspn(cookies, "; "); *at != '\0'; at += strspn(at, "; ")) {
        size_t size = strcspn(at, ";");
        if (strncmp(at, COOKIE "=", sizeof COOKIE) != 0) {
            memcpy(ret_rest + used, "; ", 2);
            used += used > 0 ? 2 : 0;
            memcpy(ret_rest + used, at, size);
            used += size;
        }
        at += size;
    }
    ret_rest[used] = '\0';
}

void portal_cookie_write(const char *token, int64_t seconds, bool secure,
                         char ret_value[static PORTAL_COOKIE_MAX]) {
    snprintf(ret_value, PORTAL_COOKIE_MAX,
             COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s", token,
             (long long)seconds, secure ? "; Secure" : "");
}
