// What a fetch asks for: its URL, held against the egress rules, and what is sent.

#include "core/http/text.h"
#include "core/http_curl/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS_MAX = 64, HEADER_VALUE_MAX = 8192 };

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a request");
}

// ---- The URL ----

// Freed with curl_free; NULL: not there.
static char *part_of(CURLU *url, CURLUPart part) {
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static ow_code bad_url(ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_url",
                   "the URL is malformed, too long, or carries a password");
}

static ow_code check_scheme(const ow_http_client *client, const char *scheme, ow_err *err) {
    if (strcmp(scheme, "https") == 0 ||
        (strcmp(scheme, "http") == 0 && client_allows_plain(client))) {
        return OW_OK;
    }
    return ow_fail(err, OW_PERMISSION_DENIED, "scheme_refused",
                   "requests go out by https%s only, not by %.20s",
                   client_allows_plain(client) ? " and http" : "", scheme);
}

// The library has brought the host into its plain form: "0x7f.1" is "127.0.0.1" here.
ow_code request_check_host(const ow_http_client *client, const char *host, ow_err *err) {
    char name[256];
    size_t size = strlen(host);
    bool bracketed = host[0] == '[' && size > 2;
    size -= bracketed ? 2 : 0;
    if (size >= sizeof name) {
        return bad_url(err);
    }
    memcpy(name, host + bracketed, size);
    name[size] = 0;
    if (!client_allows_host(client, name)) {
        return ow_fail(err, OW_PERMISSION_DENIED, "host_refused",
                       "requests to %s are not allowed%s", name,
                       client->parent == NULL ? ": see server.egress_hosts" : "");
    }
    return OW_OK;
}

// Whether its URL may be asked for. Codes as ow_http_fetch_start.
static ow_code check_url(const ow_http_fetch *fetch, ow_err *err) {
    char *scheme = part_of(fetch->url, CURLUPART_SCHEME);
    char *host = part_of(fetch->url, CURLUPART_HOST);
    char *user = part_of(fetch->url, CURLUPART_USER);
    char *password = part_of(fetch->url, CURLUPART_PASSWORD);
    ow_code code = scheme != NULL && user == NULL && password == NULL
                       ? check_scheme(fetch->client, scheme, err)
                       : bad_url(err);
    if (code == OW_OK) {
        code = host != NULL ? request_check_host(fetch->client, host, err) : bad_url(err);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(password);
    return code;
}

// ---- Headers ----

// Of the exchange itself: the library's own.
static const char *const reserved[] = {"connection", "content-length", "expect",
                                       "host",       "keep-alive",     "te",
                                       "trailer",    "upgrade",        "transfer-encoding"};

// What may be told to another host than the one that was asked first.
static const char *const harmless[] = {"accept", "content-type", "user-agent"};

static bool is_among(const char *const *names, size_t count, const char *name, size_t size) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_token(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size <= 100 &&
           strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == size;
}

static bool append(struct curl_slist **list, const char *line) {
    struct curl_slist *longer = curl_slist_append(*list, line);
    *list = longer != NULL ? longer : *list;
    return longer != NULL;
}

static ow_code take_header(ow_http_fetch *fetch, const ow_http_header_line *line, ow_err *err) {
    if (!is_token(line->name) || !ow_http_is_header_value(line->value, HEADER_VALUE_MAX) ||
        is_among(reserved, sizeof reserved / sizeof *reserved, line->name, strlen(line->name))) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_header", "the header %.60s cannot be sent",
                       line->name);
    }
    size_t room = strlen(line->name) + strlen(line->value) + 3;
    char *text = malloc(room);
    if (text == NULL) {
        return no_memory(err);
    }
    snprintf(text, room, "%s: %s", line->name, line->value);
    bool good = append(&fetch->headers, text);
    free(text);
    return good ? OW_OK : no_memory(err);
}

static ow_code take_headers(ow_http_fetch *fetch, const ow_http_fetch_options *options,
                            ow_err *err) {
    if (options->header_count > HEADERS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_header", "at most %d headers", HEADERS_MAX);
    }
    bool typed = false;
    for (size_t i = 0; i < options->header_count; i++) {
        ow_code code = take_header(fetch, &options->headers[i], err);
        if (code != OW_OK) {
            return code;
        }
        typed = typed || strcasecmp(options->headers[i].name, "Content-Type") == 0;
    }
    // Without these the library would wait for a 100 and name a form's type.
    bool good = append(&fetch->headers, "Expect:");
    if (good && !typed) {
        good = append(&fetch->headers, "Content-Type:");
    }
    return good ? OW_OK : no_memory(err);
}

static bool keep_harmless(ow_http_fetch *fetch) {
    struct curl_slist *kept = NULL;
    bool good = true;
    for (struct curl_slist *at = fetch->headers; at != NULL && good; at = at->next) {
        size_t size = strcspn(at->data, ":");
        if (at->data[size + 1] == 0 ||
            is_among(harmless, sizeof harmless / sizeof *harmless, at->data, size)) {
            good = append(&kept, at->data);
        }
    }
    curl_slist_free_all(fetch->headers);
    fetch->headers = kept;
    return good;
}

// ---- Taking and sending ----

typedef struct method {
    const char *name;
    bool has_body;
} method;

static const method methods[] = {
    {"GET", false}, {"HEAD", false}, {"DELETE", false},
    {"POST", true}, {"PUT", true},   {"PATCH", true},
};

static const method *find_method(const char *name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

static ow_code take_method(ow_http_fetch *fetch, const ow_http_fetch_options *options,
                           ow_err *err) {
    const method *m = find_method(options->method);
    if (m == NULL || (options->size > 0 && !m->has_body)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_method",
                       "%.20s is no method of ours, or one without a body", options->method);
    }
    fetch->method = m->name;
    fetch->size = options->size;
    fetch->body = malloc(options->size + 1);
    if (fetch->body == NULL) {
        return no_memory(err);
    }
    if (options->size > 0) {
        memcpy(fetch->body, options->body, options->size);
    }
    return OW_OK;
}

ow_code request_take(ow_http_fetch *fetch, const ow_http_fetch_options *options, ow_err *err) {
    if (options->timeout_us <= 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_timeout", "a request needs a timeout");
    }
    fetch->url = curl_url();
    if (fetch->url == NULL) {
        return no_memory(err);
    }
    if (strlen(options->url) > URL_MAX || curl_url_set(fetch->url, CURLUPART_URL, options->url,
                                                       CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
        return bad_url(err);
    }
    ow_code code = check_url(fetch, err);
    code = code == OW_OK ? take_method(fetch, options, err) : code;
    return code == OW_OK ? take_headers(fetch, options, err) : code;
}

ow_code request_apply(ow_http_fetch *fetch, ow_err *err) {
    CURL *easy = fetch->easy;
    const method *m = find_method(fetch->method);
    curl_easy_setopt(easy, CURLOPT_CURLU, fetch->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetch->headers);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (strcmp(m->name, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    if (m->has_body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->size);
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, m->name) == CURLE_OK ? OW_OK
                                                                              : no_memory(err);
}

// ---- Redirects ----

static bool same_origin(CURLU *a, CURLU *b) {
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    bool same = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && same; i++) {
        char *left = NULL;
        char *right = NULL;
        same = curl_url_get(a, parts[i], &left, CURLU_DEFAULT_PORT) == CURLUE_OK &&
               curl_url_get(b, parts[i], &right, CURLU_DEFAULT_PORT) == CURLUE_OK &&
               strcasecmp(left, right) == 0;
        curl_free(left);
        curl_free(right);
    }
    return same;
}

static bool is_downgrade(CURLU *from, CURLU *to) {
    char *before = part_of(from, CURLUPART_SCHEME);
    char *after = part_of(to, CURLUPART_SCHEME);
    bool downgrade = before == NULL || after == NULL ||
                     (strcmp(before, "https") == 0 && strcmp(after, "https") != 0);
    curl_free(before);
    curl_free(after);
    return downgrade;
}

static ow_code bad_redirect(ow_err *err) {
    return ow_fail(err, OW_FAILED_PRECONDITION, "bad_redirect",
                   "the redirect leads nowhere, or from https to http");
}

static ow_code move_to(ow_http_fetch *fetch, const char *location, ow_err *err) {
    CURLU *before = fetch->url;
    CURLU *after = curl_url_dup(before);
    if (after == NULL) {
        return no_memory(err);
    }
    if (strlen(location) > URL_MAX ||
        curl_url_set(after, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        is_downgrade(before, after)) {
        curl_url_cleanup(after);
        return bad_redirect(err);
    }
    bool tells_all = same_origin(before, after);
    fetch->url = after;
    // The library must not look at the old one any more when it goes.
    curl_easy_setopt(fetch->easy, CURLOPT_CURLU, after);
    curl_url_cleanup(before);
    return tells_all || keep_harmless(fetch) ? OW_OK : no_memory(err);
}

// As browsers do it; only 307 and 308 promise to keep the method.
static const char *method_after(const char *method, int status) {
    bool keeps = status == 307 || status == 308 || strcmp(method, "HEAD") == 0;
    bool changes = status == 303 || strcmp(method, "POST") == 0;
    return changes && !keeps ? "GET" : method;
}

ow_code request_redirect(ow_http_fetch *fetch, const char *location, ow_err *err) {
    ow_code code = move_to(fetch, location, err);
    code = code == OW_OK ? check_url(fetch, err) : code;
    fetch->method = method_after(fetch->method, fetch->response.status);
    return code == OW_INVALID_ARGUMENT ? bad_redirect(err) : code;
}
