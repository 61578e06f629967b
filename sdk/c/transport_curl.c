/* The default transport: libcurl's multi interface. */
#include "sdk/c/internal.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_CONNECT_MS = 5000,
    MAX_IDLE_S = 45, /* the server closes after 60: a connection about to be closed is not used */
    MAX_LINE = 256,  /* of a header that matters */
    ASK_BEFORE_BYTES = 1024 * 1024, /* libcurl's own bound for "Expect: 100-continue" */
};

typedef struct transfer transfer;

struct transfer {
    transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    ow_client_exchange *exchange;
    int sent; /* how often libcurl began to send it */
    char error[CURL_ERROR_SIZE];
};

/* A connection without a transfer. */
typedef struct stream {
    struct state *owner;
    CURL *easy;
    bool is_connected, has_failed;
} stream;

typedef struct state {
    CURLM *multi;
    stream *stream; /* NULL: none */
    transfer *running;
    transfer *idle; /* their handles can be used again */
} state;

/* ---- What comes back ---- */

static size_t on_body(char *bytes, size_t unit, size_t count, void *user) {
    transfer *t = user;
    return ow_client_exchange_body(t->exchange, bytes, unit * count) ? unit * count : 0;
}

static size_t on_header(char *line, size_t unit, size_t count, void *user) {
    transfer *t = user;
    size_t size = unit * count;
    char copy[MAX_LINE];
    if (size >= sizeof copy) {
        return size;
    }
    memcpy(copy, line, size);
    while (size > 0 && strchr(" \t\r\n", copy[size - 1]) != NULL) {
        size--;
    }
    copy[size] = '\0';
    char *colon = strchr(copy, ':');
    if (colon != NULL) {
        *colon = '\0';
        ow_client_exchange_header(t->exchange, copy, colon + 1 + strspn(colon + 1, " \t"));
    }
    return unit * count;
}

/* libcurl sends again by itself when a kept connection turns out to be closed; whether the server had
 * begun with the request then is unknown, and that decision is the client's. */
static int before_sending(void *user, char *own, char *peer, int own_port, int peer_port) {
    (void)own;
    (void)peer;
    (void)own_port;
    (void)peer_port;
    transfer *t = user;
    return t->sent++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* ---- Starting ---- */

static transfer *transfer_free(transfer *t) {
    if (t != NULL) {
        curl_slist_free_all(t->headers);
        curl_easy_cleanup(t->easy);
        free(t);
    }
    return NULL;
}

static transfer *transfer_take(state *s) {
    transfer *t = s->idle;
    if (t != NULL) {
        s->idle = t->next;
        return t;
    }
    t = calloc(1, sizeof *t);
    if (t != NULL && (t->easy = curl_easy_init()) == NULL) {
        t = transfer_free(t);
    }
    return t;
}

static void transfer_give_back(state *s, transfer *t) {
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    t->next = s->idle;
    s->idle = t;
}

static bool add_header(transfer *t, const char *name, const char *value) {
    size_t room = strlen(name) + strlen(value) + 3;
    char *line = malloc(room);
    if (line == NULL) {
        return false;
    }
    /* libcurl leaves a header without a value out unless a semicolon stands for the colon. */
    snprintf(line, room, "%s%s%s", name, value[0] == '\0' ? ";" : ": ", value);
    struct curl_slist *list = curl_slist_append(t->headers, line);
    free(line);
    t->headers = list != NULL ? list : t->headers;
    return list != NULL;
}

static bool add_headers(transfer *t, const ow_client_http *request) {
    bool ok = true;
    /* Before a large body libcurl asks whether it is wanted: the refusal of one that is too large could
     * get lost while it is still being sent. */
    if (request->size < ASK_BEFORE_BYTES) {
        t->headers = curl_slist_append(NULL, "Expect:");
        ok = t->headers != NULL;
    }
    for (size_t i = 0; ok && i < request->header_count; i++) {
        ok = add_header(t, request->headers[i].name, request->headers[i].value);
    }
    return ok;
}

static void set_options(transfer *t, const ow_client_http *request) {
    long timeout = request->timeout_ms;
    curl_easy_reset(t->easy);
    curl_easy_setopt(t->easy, CURLOPT_URL, request->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
    }
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout < MAX_CONNECT_MS ? timeout : (long)MAX_CONNECT_MS);
    curl_easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, (long)MAX_IDLE_S);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    if (request->ca_file != NULL) {
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, request->ca_file);
    }
}

static bool curl_start(void *self, const ow_client_http *request, ow_client_exchange *exchange) {
    state *s = self;
    transfer *t = transfer_take(s);
    if (t == NULL) {
        return false;
    }
    t->exchange = exchange;
    t->sent = 0;
    t->error[0] = '\0';
    if (!add_headers(t, request)) {
        transfer_give_back(s, t);
        return false;
    }
    set_options(t, request);
    if (curl_multi_add_handle(s->multi, t->easy) != CURLM_OK) {
        transfer_give_back(s, t);
        return false;
    }
    t->next = s->running;
    s->running = t;
    return true;
}

/* ---- Ending ---- */

static ow_client_outcome outcome_of(const transfer *t, CURLcode result) {
    if (result == CURLE_OK) {
        return OW_CLIENT_ANSWERED;
    }
    if (t->sent == 0) {
        return OW_CLIENT_NOT_SENT;
    }
    return result == CURLE_OPERATION_TIMEDOUT ? OW_CLIENT_TIMED_OUT : OW_CLIENT_NO_ANSWER;
}

static const char *detail_of(const transfer *t, CURLcode result) {
    if (result == CURLE_ABORTED_BY_CALLBACK) {
        return "the server closed the connection";
    }
    return t->error[0] != '\0' ? t->error : curl_easy_strerror(result);
}

static void conclude(state *s, CURL *easy, CURLcode result) {
    char *private = NULL;
    long status = 0;
    if (s->stream != NULL && s->stream->easy == easy) {
        /* It stays in the multi handle, which owns the connection. */
        s->stream->is_connected = result == CURLE_OK;
        s->stream->has_failed = result != CURLE_OK;
        return;
    }
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    transfer *t = (transfer *)(void *)private;
    curl_multi_remove_handle(s->multi, easy);
    transfer **place = &s->running;
    while (*place != t) {
        place = &(*place)->next;
    }
    *place = t->next;
    ow_client_exchange_end(t->exchange, outcome_of(t, result), (int)status, detail_of(t, result));
    transfer_give_back(s, t);
}

/* Whether there was something. */
static bool conclude_all(state *s) {
    CURLMsg *message;
    int left;
    bool any = false;
    while ((message = curl_multi_info_read(s->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            conclude(s, message->easy_handle, message->data.result);
            any = true;
        }
    }
    return any;
}

static void curl_poll(void *self, int wait_ms) {
    state *s = self;
    int running;
    curl_multi_perform(s->multi, &running);
    if (conclude_all(s) || wait_ms <= 0) {
        return;
    }
    struct curl_waitfd readable = {CURL_SOCKET_BAD, CURL_WAIT_POLLIN, 0};
    if (s->stream != NULL && s->stream->is_connected) {
        curl_easy_getinfo(s->stream->easy, CURLINFO_ACTIVESOCKET, &readable.fd);
    }
    curl_multi_poll(s->multi, &readable, readable.fd != CURL_SOCKET_BAD ? 1 : 0, wait_ms, NULL);
    curl_multi_perform(s->multi, &running);
    conclude_all(s);
}

/* ---- Streams ---- */

static void curl_disconnect(void *self) {
    stream *made = self;
    state *s = made->owner;
    s->stream = NULL;
    curl_multi_remove_handle(s->multi, made->easy);
    curl_easy_cleanup(made->easy);
    free(made);
}

static void *curl_connect(void *self, const char *url, const char *ca_file) {
    state *s = self;
    stream *made = calloc(1, sizeof *made);
    if (made == NULL || (made->easy = curl_easy_init()) == NULL) {
        free(made);
        return NULL;
    }
    made->owner = s;
    curl_easy_setopt(made->easy, CURLOPT_URL, url);
    curl_easy_setopt(made->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(made->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(made->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(made->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MAX_CONNECT_MS);
    curl_easy_setopt(made->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(made->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    if (ca_file != NULL) {
        curl_easy_setopt(made->easy, CURLOPT_CAINFO, ca_file);
    }
    s->stream = made;
    if (curl_multi_add_handle(s->multi, made->easy) != CURLM_OK) {
        curl_disconnect(made);
        return NULL;
    }
    return made;
}

static long stream_result(const stream *at, CURLcode result, size_t count) {
    if (at->has_failed) {
        return -1;
    }
    return result == CURLE_OK ? (long)count : result == CURLE_AGAIN ? 0 : -1;
}

static long curl_stream_send(void *self, const void *bytes, size_t size) {
    stream *to = self;
    size_t sent = 0;
    CURLcode result =
        to->is_connected && size > 0 ? curl_easy_send(to->easy, bytes, size, &sent) : CURLE_AGAIN;
    return stream_result(to, result, sent);
}

static long curl_stream_receive(void *self, void *bytes, size_t room) {
    stream *from = self;
    size_t received = 0;
    CURLcode result =
        from->is_connected ? curl_easy_recv(from->easy, bytes, room, &received) : CURLE_AGAIN;
    /* The peer's end is no bytes and no error. */
    return result == CURLE_OK && received == 0 ? -1 : stream_result(from, result, received);
}

/* ---- Life ---- */

static void free_list(state *s, transfer *t, bool is_running) {
    while (t != NULL) {
        transfer *next = t->next;
        if (is_running) {
            curl_multi_remove_handle(s->multi, t->easy);
        }
        transfer_free(t);
        t = next;
    }
}

static void curl_close(void *self) {
    state *s = self;
    free_list(s, s->running, true);
    free_list(s, s->idle, false);
    curl_multi_cleanup(s->multi);
    free(s);
}

static void *curl_open(void *user, int max_exchanges) {
    (void)user;
    state *s = calloc(1, sizeof *s);
    if (s == NULL || (s->multi = curl_multi_init()) == NULL) {
        free(s);
        return NULL;
    }
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)max_exchanges);
    return s;
}

static const ow_client_transport curl_transport = {
    .open = curl_open,
    .close = curl_close,
    .start = curl_start,
    .poll = curl_poll,
    .connect = curl_connect,
    .send = curl_stream_send,
    .receive = curl_stream_receive,
    .disconnect = curl_disconnect,
};

const ow_client_transport *sdk_default_transport(void) {
    return &curl_transport;
}
