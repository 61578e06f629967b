// The library's multi interface inside our loop: it says which sockets to watch and when it wants to
// be woken, we tell it what became ready.

#include "core/http_curl/internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a request");
}

// ---- Sockets and the timer ----

static void reap(ow_http_client *client) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            ow_http_fetch *fetch = NULL;
            CURLcode result = message->data.result; // the message goes with the handle
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&fetch);
            fetch_ended(fetch, result);
        }
    }
}

static void act(ow_http_client *client, curl_socket_t fd, int what) {
    int running;
    curl_multi_socket_action(client->multi, fd, what, &running);
    reap(client);
}

static void on_ready(void *self, uint32_t events) {
    watched *socket = self;
    int what = 0;
    what |= (events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0;
    what |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    what |= (events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0;
    act(socket->client, socket->watch.fd, what); // may free `socket`
}

static void on_due(void *self) {
    act(self, CURL_SOCKET_TIMEOUT, 0);
}

static void forget(watched *socket) {
    ow_loop_unwatch(socket->client->loop, &socket->watch);
    *socket->at = socket->next;
    if (socket->next != NULL) {
        socket->next->at = socket->at;
    }
    free(socket);
}

static uint32_t events_of(int what) {
    return (what != CURL_POLL_OUT ? EPOLLIN : 0U) | (what != CURL_POLL_IN ? EPOLLOUT : 0U);
}

static int watch(ow_http_client *client, curl_socket_t fd, int what) {
    watched *socket = calloc(1, sizeof *socket);
    if (socket == NULL) {
        return -1;
    }
    *socket = (watched){.client = client,
                        .watch = {.on_ready = on_ready, .self = socket},
                        .next = client->sockets,
                        .at = &client->sockets};
    if (ow_loop_watch(client->loop, &socket->watch, fd, events_of(what), NULL) != OW_OK) {
        free(socket);
        return -1;
    }
    if (client->sockets != NULL) {
        client->sockets->at = &socket->next;
    }
    client->sockets = socket;
    return curl_multi_assign(client->multi, fd, socket) == CURLM_OK ? 0 : -1;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *self, void *assigned) {
    (void)easy;
    ow_http_client *client = self;
    watched *socket = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (socket != NULL) {
            curl_multi_assign(client->multi, fd, NULL);
            forget(socket);
        }
        return 0;
    }
    if (socket == NULL) {
        return watch(client, fd, what);
    }
    return ow_loop_rewatch(client->loop, &socket->watch, events_of(what), NULL) == OW_OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *self) {
    (void)multi;
    ow_http_client *client = self;
    if (timeout_ms < 0) {
        ow_loop_timer_cancel(client->loop, &client->timer);
        return 0;
    }
    int64_t due_us = ow_loop_now_us(client->loop) + (int64_t)timeout_ms * 1000;
    return ow_loop_timer_set(client->loop, &client->timer, due_us) == OW_OK ? 0 : -1;
}

// ---- Rules ----

bool client_allows_host(const ow_http_client *client, const char *host) {
    while (client != NULL && ow_egress_allows_host(client->egress, host)) {
        client = client->parent;
    }
    return client == NULL;
}

bool client_allows_address(const ow_http_client *client, const struct sockaddr *address) {
    while (client != NULL && ow_egress_allows_address(client->egress, address)) {
        client = client->parent;
    }
    return client == NULL;
}

bool client_allows_plain(const ow_http_client *client) {
    while (client != NULL && ow_egress_allows_plain(client->egress)) {
        client = client->parent;
    }
    return client == NULL;
}

// ---- Fetches ----

ow_code client_add(ow_http_client *client, ow_http_fetch *fetch, ow_err *err) {
    if (curl_multi_add_handle(client->multi, fetch->easy) != CURLM_OK) {
        return no_memory(err);
    }
    return OW_OK;
}

void client_remove(ow_http_client *client, ow_http_fetch *fetch) {
    curl_multi_remove_handle(client->multi, fetch->easy);
}

// ---- Opening and closing ----

static char *copy_or_null(const char *text) {
    return text != NULL && text[0] != 0 ? strdup(text) : NULL;
}

static bool is_set(const char *text) {
    return text != NULL && text[0] != 0;
}

static ow_code take_pins(ow_http_client *client, const char *const *pins, ow_err *err) {
    for (int i = 0; pins != NULL && pins[i] != NULL; i++) {
        const char *port = strchr(pins[i], ':');
        if (port == NULL || port == pins[i] || strchr(port + 1, ':') == NULL) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_pin", "\"%s\" is no host:port:address",
                           pins[i]);
        }
        struct curl_slist *longer = curl_slist_append(client->pins, pins[i]);
        if (longer == NULL) {
            return no_memory(err);
        }
        client->pins = longer;
    }
    return OW_OK;
}

// Its own, or its parent's.
static bool take_texts(ow_http_client *client, const ow_http_client_options *options) {
    const ow_http_client *parent = options->parent;
    const char *user_agent = options->user_agent;
    const char *ca_file = options->ca_file;
    if (!is_set(user_agent) && parent != NULL) {
        user_agent = parent->user_agent;
    }
    if (!is_set(ca_file) && parent != NULL) {
        ca_file = parent->ca_file;
    }
    client->user_agent = copy_or_null(user_agent);
    client->ca_file = copy_or_null(ca_file);
    return (!is_set(user_agent) || client->user_agent != NULL) &&
           (!is_set(ca_file) || client->ca_file != NULL);
}

static ow_code set_up(ow_http_client *client, const ow_http_client_options *options, ow_err *err) {
    client->parent = options->parent;
    client->multi = curl_multi_init();
    if (client->multi == NULL || !take_texts(client, options)) {
        return no_memory(err);
    }
    CURLM *multi = client->multi;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)options->max_connections);
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)options->max_per_host);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)options->max_connections);
    ow_code code = ow_egress_new(&options->egress, &client->egress, err);
    return code == OW_OK ? take_pins(client, options->pins, err) : code;
}

ow_code ow_http_client_open(const ow_http_client_options *options, ow_http_client **ret_client,
                            ow_err *err) {
    ow_http_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return no_memory(err);
    }
    client->loop = options->loop;
    client->max_fetches = options->max_fetches;
    client->timer = (ow_timer){.on_due = on_due, .self = client};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return ow_fail(err, OW_INTERNAL, "curl", "the HTTP library cannot start");
    }
    ow_code code = set_up(client, options, err);
    if (code != OW_OK) {
        ow_http_client_close(client);
        return code;
    }
    *ret_client = client;
    return OW_OK;
}

ow_http_client *ow_http_client_close(ow_http_client *client) {
    if (client == NULL) {
        return NULL;
    }
    while (client->fetches != NULL) {
        ow_http_fetch_cancel(client->fetches);
    }
    curl_multi_cleanup(client->multi);
    ow_loop_timer_cancel(client->loop, &client->timer);
    while (client->sockets != NULL) {
        forget(client->sockets);
    }
    curl_slist_free_all(client->pins);
    ow_egress_free(client->egress);
    free(client->user_agent);
    free(client->ca_file);
    free(client);
    curl_global_cleanup();
    return NULL;
}
