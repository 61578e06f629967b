// A mail as an exchange of the library's: the same sockets, deadlines and rules as a fetch.

#include "core/http/mail.h"

#include "core/http_curl/internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a mail");
}

static bool is_set(const char *text) {
    return text != NULL && text[0] != 0;
}

// ---- What may be sent ----

static ow_code bad_server(ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_mail_server",
                   "a mail server is smtps://host:port or smtp://host:port, without user and path");
}

typedef struct part {
    CURLUPart which;
    bool wanted;
} part;

static const part parts[] = {
    {CURLUPART_SCHEME, true},   {CURLUPART_HOST, true},      {CURLUPART_USER, false},
    {CURLUPART_QUERY, false},   {CURLUPART_FRAGMENT, false}, {CURLUPART_PASSWORD, false},
    {CURLUPART_OPTIONS, false},
};

static bool has_right_parts(CURLU *url) {
    bool good = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *text = NULL;
        bool found = curl_url_get(url, parts[i].which, &text, 0) == CURLUE_OK && is_set(text);
        curl_free(text);
        good = good && found == parts[i].wanted;
    }
    char *path = NULL;
    good = good && curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
           (path[0] == 0 || strcmp(path, "/") == 0);
    curl_free(path);
    return good;
}

// *ret_url is to be freed whatever the answer.
static ow_code parse_server(const char *server, CURLU **ret_url, ow_err *err) {
    *ret_url = curl_url();
    if (*ret_url == NULL) {
        return no_memory(err);
    }
    bool good = (strncmp(server, "smtp://", 7) == 0 || strncmp(server, "smtps://", 8) == 0) &&
                strlen(server) < URL_MAX &&
                curl_url_set(*ret_url, CURLUPART_URL, server, 0) == CURLUE_OK &&
                has_right_parts(*ret_url);
    return good ? OW_OK : bad_server(err);
}

ow_code ow_mail_check_server(const char *server, ow_err *err) {
    CURLU *url;
    ow_code code = parse_server(server, &url, err);
    curl_url_cleanup(url);
    return code;
}

// Lines of a header or of text that would end the message before its end are the library's to mind; a
// NUL is nobody's.
static ow_code check_mail(const ow_mail *mail, ow_err *err) {
    bool good = ow_mail_is_address(mail->from) && mail->to_count > 0 &&
                mail->to_count <= OW_MAIL_RECIPIENTS_MAX && mail->size > 0 &&
                mail->size <= OW_MAIL_BYTES_MAX && memchr(mail->message, 0, mail->size) == NULL &&
                mail->timeout_us > 0;
    for (size_t i = 0; good && i < mail->to_count; i++) {
        good = ow_mail_is_address(mail->to[i]);
    }
    return good ? OW_OK
                : ow_fail(err, OW_INVALID_ARGUMENT, "bad_mail",
                          "a mail has 1 to %d recipients, sound addresses, at most %d bytes and a "
                          "timeout",
                          OW_MAIL_RECIPIENTS_MAX, OW_MAIL_BYTES_MAX);
}

// ---- Taking and sending ----

static bool is_loopback(const char *host) {
    struct in_addr address;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127);
}

// Whether the way must be TLS: the name says so, and the address that is connected to is held to it.
static ow_code set_security(ow_http_fetch *fetch, ow_err *err) {
    char *scheme = NULL;
    char *host = NULL;
    bool parsed = curl_url_get(fetch->url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                  curl_url_get(fetch->url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    ow_code code = parsed ? request_check_host(fetch->client, host, err) : no_memory(err);
    if (code == OW_OK) {
        fetch->loopback_only = strcmp(scheme, "smtp") == 0 && is_loopback(host);
    }
    curl_free(scheme);
    curl_free(host);
    return code;
}

static ow_code take_addresses(ow_http_fetch *fetch, const ow_mail *mail, ow_err *err) {
    bool good = curl_easy_setopt(fetch->easy, CURLOPT_MAIL_FROM, mail->from) == CURLE_OK;
    for (size_t i = 0; good && i < mail->to_count; i++) {
        struct curl_slist *longer = curl_slist_append(fetch->headers, mail->to[i]);
        good = longer != NULL;
        fetch->headers = good ? longer : fetch->headers;
    }
    return good ? OW_OK : no_memory(err);
}

static ow_code take_login(ow_http_fetch *fetch, const ow_mail *mail, ow_err *err) {
    if (!is_set(mail->user)) {
        return OW_OK;
    }
    bool good = curl_easy_setopt(fetch->easy, CURLOPT_USERNAME, mail->user) == CURLE_OK &&
                curl_easy_setopt(fetch->easy, CURLOPT_PASSWORD,
                                 mail->password != NULL ? mail->password : "") == CURLE_OK;
    return good ? OW_OK : no_memory(err);
}

static ow_code take(ow_http_fetch *fetch, const ow_mail *mail, ow_err *err) {
    ow_code code = parse_server(mail->server, &fetch->url, err);
    code = code == OW_OK ? check_mail(mail, err) : code;
    code = code == OW_OK ? set_security(fetch, err) : code;
    code = code == OW_OK ? take_addresses(fetch, mail, err) : code;
    code = code == OW_OK ? take_login(fetch, mail, err) : code;
    if (code != OW_OK) {
        return code;
    }
    fetch->body = malloc(mail->size);
    if (fetch->body == NULL) {
        return no_memory(err);
    }
    memcpy(fetch->body, mail->message, mail->size);
    fetch->size = mail->size;
    return OW_OK;
}

static size_t on_read(char *room, size_t size, size_t count, void *self) {
    ow_http_fetch *fetch = self;
    size_t left = fetch->size - fetch->sent;
    size_t more = size * count < left ? size * count : left;
    memcpy(room, fetch->body + fetch->sent, more);
    fetch->sent += more;
    return more;
}

ow_code mail_apply(ow_http_fetch *fetch, ow_err *err) {
    CURL *easy = fetch->easy;
    long security = fetch->loopback_only ? CURLUSESSL_NONE : CURLUSESSL_ALL;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_CURLU, fetch->url);
    curl_easy_setopt(easy, CURLOPT_USE_SSL, security);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, fetch->headers);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, fetch);
    // A connection kept for the next mail would be one that the server has given up by then.
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)fetch->size);
    return curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK ? OW_OK : no_memory(err);
}

ow_code ow_mail_send(ow_http_client *client, const ow_mail *mail, ow_http_fetch **ret_fetch,
                     ow_err *err) {
    ow_http_fetch *fetch = NULL;
    ow_code code = fetch_new(client, mail->on_done, mail->self, &fetch, err);
    if (code != OW_OK) {
        return code;
    }
    fetch->is_mail = true;
    code = take(fetch, mail, err);
    return fetch_launch(fetch, code, mail->timeout_us, ret_fetch, err);
}
