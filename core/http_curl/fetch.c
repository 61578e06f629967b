// The life of a fetch: one exchange, or several when it follows redirects.

#include "core/http_curl/internal.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// ---- Callbacks of the library ----

static bool is_loopback(const struct sockaddr *address) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    return address->sa_family == AF_INET
               ? (ntohl(v4->sin_addr.s_addr) >> 24) == 127
               : address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

// The one place where sockets are made: what is refused here is reached by no name.
static curl_socket_t on_open(void *self, curlsocktype purpose, struct curl_sockaddr *address) {
    ow_http_fetch *fetch = self;
    if (purpose != CURLSOCKTYPE_IPCXN || !client_allows_address(fetch->client, &address->addr) ||
        (fetch->loopback_only && !is_loopback(&address->addr))) {
        fetch->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_head(char *bytes, size_t size, size_t count, void *self) {
    (void)bytes;
    ow_http_fetch *fetch = self;
    fetch->head_size += size * count;
    if (fetch->head_size > HEAD_MAX) {
        fetch->too_large = true;
        return 0;
    }
    return size * count;
}

static bool make_room(ow_http_response *r, size_t needed, size_t limit) {
    if (needed <= r->room) {
        return true;
    }
    size_t room = r->room < 1024 ? 1024 : r->room * 2;
    room = room < needed ? needed : room;
    room = room > limit ? limit : room;
    uint8_t *bigger = realloc(r->body, room);
    if (bigger == NULL) {
        return false;
    }
    r->body = bigger;
    r->room = room;
    return true;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self) {
    ow_http_fetch *fetch = self;
    ow_http_response *r = &fetch->response;
    size_t more = size * count;
    if (more > fetch->response_limit - r->size) {
        fetch->too_large = true;
        return 0;
    }
    if (!make_room(r, r->size + more, fetch->response_limit)) {
        fetch->no_memory = true;
        return 0;
    }
    if (more > 0) {
        memcpy(r->body + r->size, bytes, more);
    }
    r->size += more;
    return more;
}

// ---- The start ----

// Its own, or those of the first above it that has some.
static struct curl_slist *pins_of(const ow_http_client *client) {
    while (client->pins == NULL && client->parent != NULL) {
        client = client->parent;
    }
    return client->pins;
}

static void set_fixed_options(ow_http_fetch *fetch) {
    CURL *easy = fetch->easy;
    const ow_http_client *client = fetch->client;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, fetch);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->detail);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // never wait for a resolver's thread
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, pins_of(client));
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    if (client->user_agent != NULL) {
        curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    }
    if (client->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static ow_code begin_exchange(ow_http_fetch *fetch, ow_err *err) {
    int64_t left_us = fetch->deadline_us - ow_loop_now_us(fetch->client->loop);
    if (left_us <= 0) {
        return ow_fail(err, OW_DEADLINE_EXCEEDED, "timeout", "no answer in time");
    }
    int64_t left_ms = (left_us + 999) / 1000;
    curl_easy_setopt(fetch->easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl_easy_setopt(fetch->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     left_ms < CONNECT_TIMEOUT_MS ? (long)left_ms : (long)CONNECT_TIMEOUT_MS);
    fetch->head_size = 0;
    fetch->response.size = 0;
    fetch->address_refused = false;
    fetch->detail[0] = 0;
    ow_code code = fetch->is_mail ? mail_apply(fetch, err) : request_apply(fetch, err);
    return code == OW_OK ? client_add(fetch->client, fetch, err) : code;
}

static void link_up(ow_http_client *client, ow_http_fetch *fetch) {
    fetch->next = client->fetches;
    fetch->at = &client->fetches;
    if (fetch->next != NULL) {
        fetch->next->at = &fetch->next;
    }
    client->fetches = fetch;
    client->running++;
}

static void unlink_it(ow_http_fetch *fetch) {
    *fetch->at = fetch->next;
    if (fetch->next != NULL) {
        fetch->next->at = fetch->at;
    }
    fetch->client->running--;
}

// Frees a fetch that the library does not work on.
static void fetch_free(ow_http_fetch *fetch) {
    curl_easy_cleanup(fetch->easy);
    curl_url_cleanup(fetch->url);
    curl_slist_free_all(fetch->headers);
    free(fetch->body);
    free(fetch->response.body);
    free(fetch);
}

ow_code fetch_new(ow_http_client *client, ow_http_done on_done, void *self,
                  ow_http_fetch **ret_fetch, ow_err *err) {
    if (client->running >= client->max_fetches) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_fetches",
                       "%d requests are on their way already", client->running);
    }
    ow_http_fetch *fetch = calloc(1, sizeof *fetch);
    CURL *easy = fetch != NULL ? curl_easy_init() : NULL;
    if (easy == NULL) {
        free(fetch);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a request");
    }
    fetch->client = client;
    fetch->easy = easy;
    fetch->response.easy = easy;
    fetch->on_done = on_done;
    fetch->self = self;
    set_fixed_options(fetch);
    *ret_fetch = fetch;
    return OW_OK;
}

ow_code fetch_launch(ow_http_fetch *fetch, ow_code code, int64_t timeout_us,
                     ow_http_fetch **ret_fetch, ow_err *err) {
    if (code == OW_OK) {
        fetch->deadline_us = ow_loop_now_us(fetch->client->loop) + timeout_us;
        code = begin_exchange(fetch, err);
    }
    if (code != OW_OK) {
        fetch_free(fetch);
        return code;
    }
    link_up(fetch->client, fetch);
    if (ret_fetch != NULL) {
        *ret_fetch = fetch;
    }
    return OW_OK;
}

ow_code ow_http_fetch_start(ow_http_client *client, const ow_http_fetch_options *options,
                            ow_http_fetch **ret_fetch, ow_err *err) {
    ow_http_fetch *fetch = NULL;
    ow_code code = fetch_new(client, options->on_done, options->self, &fetch, err);
    if (code != OW_OK) {
        return code;
    }
    fetch->redirects_left = options->redirects;
    fetch->follows = options->redirects > 0;
    fetch->response_limit = options->response_limit;
    code = request_take(fetch, options, err);
    return fetch_launch(fetch, code, options->timeout_us, ret_fetch, err);
}

ow_http_fetch *ow_http_fetch_cancel(ow_http_fetch *fetch) {
    if (fetch != NULL) {
        client_remove(fetch->client, fetch);
        unlink_it(fetch);
        fetch_free(fetch);
    }
    return NULL;
}

// ---- The end ----

typedef struct failure {
    CURLcode result;
    ow_code code;
    const char *reason;
} failure;

static const failure failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, OW_UNAVAILABLE, "unresolved"},
    {CURLE_COULDNT_CONNECT, OW_UNAVAILABLE, "unreachable"},
    {CURLE_OPERATION_TIMEDOUT, OW_DEADLINE_EXCEEDED, "timeout"},
    {CURLE_SSL_CONNECT_ERROR, OW_UNAVAILABLE, "tls_failed"},
    {CURLE_PEER_FAILED_VERIFICATION, OW_UNAVAILABLE, "tls_failed"},
    {CURLE_SSL_CACERT_BADFILE, OW_UNAVAILABLE, "tls_failed"},
    {CURLE_SSL_CIPHER, OW_UNAVAILABLE, "tls_failed"},
    {CURLE_USE_SSL_FAILED, OW_UNAVAILABLE, "tls_failed"},
    {CURLE_OUT_OF_MEMORY, OW_RESOURCE_EXHAUSTED, "memory"},
    {CURLE_LOGIN_DENIED, OW_UNAUTHENTICATED, "login_refused"}, // of mails, as the next two
    {CURLE_SEND_ERROR, OW_UNAVAILABLE, "mail_refused"},
    {CURLE_WEIRD_SERVER_REPLY, OW_UNAVAILABLE, "mail_refused"},
};

static ow_code explain(const ow_http_fetch *fetch, CURLcode result, ow_err *err) {
    if (fetch->too_large) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "response_too_large",
                       "the response is larger than %zu bytes", fetch->response_limit);
    }
    if (fetch->no_memory) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a response");
    }
    if (fetch->address_refused && result == CURLE_COULDNT_CONNECT) {
        return ow_fail(err, OW_PERMISSION_DENIED, "address_refused",
                       "the host's address is not public: see server.egress_networks");
    }
    const char *detail = fetch->detail[0] != 0 ? fetch->detail : curl_easy_strerror(result);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        bool of_mail = strcmp(failures[i].reason, "mail_refused") == 0;
        if (failures[i].result == result && (fetch->is_mail || !of_mail)) {
            return ow_fail(err, failures[i].code, failures[i].reason, "%s", detail);
        }
    }
    return ow_fail(err, OW_UNAVAILABLE, "broken_exchange", "%s", detail);
}

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// *ret_again: another exchange has begun.
static ow_code go_on(ow_http_fetch *fetch, bool *ret_again, ow_err *err) {
    const char *location = ow_http_response_header(&fetch->response, "Location");
    if (!fetch->follows || !is_redirect(fetch->response.status) || location == NULL) {
        return OW_OK;
    }
    if (fetch->redirects_left == 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "too_many_redirects",
                       "too many redirects in a row");
    }
    fetch->redirects_left--;
    ow_code code = request_redirect(fetch, location, err);
    code = code == OW_OK ? begin_exchange(fetch, err) : code;
    *ret_again = code == OW_OK;
    return code;
}

void fetch_ended(ow_http_fetch *fetch, CURLcode result) {
    ow_err err = {0};
    bool again = false;
    long status = 0;
    client_remove(fetch->client, fetch);
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    fetch->response.status = (int)status;
    ow_code code = result == CURLE_OK ? go_on(fetch, &again, &err) : explain(fetch, result, &err);
    if (again) {
        return;
    }
    unlink_it(fetch);
    fetch->on_done(fetch->self, code, code == OW_OK ? &fetch->response : NULL,
                   code == OW_OK ? NULL : &err);
    fetch_free(fetch);
}

int ow_http_response_status(const ow_http_response *response) {
    return response->status;
}

const char *ow_http_response_header(const ow_http_response *response, const char *name) {
    struct curl_header *header = NULL;
    CURLHcode code = curl_easy_header(response->easy, name, 0, CURLH_HEADER, -1, &header);
    if (code != CURLHE_OK) {
        return NULL;
    }
    size_t last = header->amount - 1;
    if (last > 0 &&
        curl_easy_header(response->easy, name, last, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return NULL;
    }
    return header->value;
}

bool ow_http_response_next_header(const ow_http_response *response, void **cursor,
                                  ow_http_header_line *ret_header) {
    struct curl_header *header = curl_easy_nextheader(response->easy, CURLH_HEADER, -1, *cursor);
    if (header == NULL) {
        return false;
    }
    *cursor = header;
    *ret_header = (ow_http_header_line){header->name, header->value};
    return true;
}

const void *ow_http_response_body(const ow_http_response *response, size_t *ret_size) {
    *ret_size = response->size;
    return response->size > 0 ? (const void *)response->body : "";
}
