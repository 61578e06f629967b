#include "core/http_mhd/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SPARE_MAX 1024
#define MICROSECONDS 1000000

static const ow_http_rejection bad_lines = {
    400, "bad_request", "lines must end with CR LF, and neither be folded nor contain NUL"};

// ---- lists ----

void list_init(list_link *head) {
    head->next = head->previous = head;
}

bool list_is_empty(const list_link *head) {
    return head->next == head;
}

void list_append(list_link *head, list_link *link) {
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

void list_remove(list_link *link) {
    if (link->next != NULL) {
        link->previous->next = link->next;
        link->next->previous = link->previous;
        link->next = link->previous = NULL;
    }
}

static void move_to(ow_http_request *request, list_link *list) {
    list_remove(&request->link);
    list_append(list, &request->link);
}

// ---- making and freeing ----

static bool keep_uri(ow_http_request *request, const char *uri) {
    request->uri_size = strlen(uri);
    request->uri = request->uri_inline;
    if (request->uri_size >= sizeof request->uri_inline) {
        request->uri = malloc(request->uri_size + 1);
        if (request->uri == NULL) {
            return false;
        }
    }
    memcpy(request->uri, uri, request->uri_size + 1);
    request->uri_at = uri;
    return true;
}

ow_http_request *request_new(ow_http_server *server, connection *from, const char *uri) {
    ow_http_request *request = server->spare;
    if (request != NULL) {
        server->spare = request->user;
        server->spare_count--;
    } else {
        request = malloc(sizeof *request);
        if (request == NULL) {
            return NULL;
        }
    }
    // The large arrays at the end and the fields are filled before they are read.
    memset(request, 0, offsetof(ow_http_request, fields));
    memset((char *)request + offsetof(ow_http_request, content_length), 0,
           offsetof(ow_http_request, peer) - offsetof(ow_http_request, content_length));
    request->server = server;
    request->connection = from;
    request->body = request->body_inline;
    request->body_room = sizeof request->body_inline;
    request->body_limit = server->options.body_limit;
    request->hang_up.fd = -1;
    memcpy(request->peer, from->peer, sizeof request->peer);
    if (!keep_uri(request, uri)) {
        free(request);
        return NULL;
    }
    from->request = request;
    server->request_count++;
    list_append(&server->others, &request->link);
    return request;
}

void request_free(ow_http_request *request) {
    ow_http_server *server = request->server;
    list_remove(&request->link);
    body_free(request);
    stream_free(request);
    if (request->uri != request->uri_inline) {
        free(request->uri);
    }
    if (request->held != NULL) {
        MHD_destroy_response(request->held);
    }
    server->request_count--;
    if (server->spare_count < SPARE_MAX && !server->closing) {
        request->user = server->spare;
        server->spare = request;
        server->spare_count++;
    } else {
        free(request);
    }
    server_release(server);
}

void request_tell_gone(ow_http_request *request) {
    const ow_http_handler *handler = &request->server->options.handler;
    if (request->owned && !request->gone_told) {
        request->gone_told = true;
        handler->on_gone(handler->self, request);
    }
}

// ---- waiting ----

// libmicrohttpd reads no further after a read that filled less than its buffer, although the end of
// the stream may be what comes next; being resumed it reads once more.
static void read_again(ow_http_request *request) {
    MHD_suspend_connection(request->connection->mhd);
    MHD_resume_connection(request->connection->mhd);
    request->server->ready = true;
}

static void on_hang_up(void *self, uint32_t events) {
    (void)events;
    ow_http_request *request = self;
    if (request->state == REQUEST_BODY && !request->suspended) {
        // What the client sent before may still be unread; the watch reports again until it is not.
        read_again(request);
        return;
    }
    ow_loop_unwatch(request->server->loop, &request->hang_up);
    request_tell_gone(request);
}

// Without the watch a client that hangs up is noticed later, not wrongly.
static void watch_hang_up(ow_http_request *request) {
    if (request->hang_up.fd < 0) {
        request->hang_up.on_ready = on_hang_up;
        request->hang_up.self = request;
        ow_loop_watch(request->server->loop, &request->hang_up, request->connection->fd, EPOLLRDHUP,
                      NULL);
    }
}

// Takes the connection out of libmicrohttpd's turns until something is there to do.
void request_suspend(ow_http_request *request) {
    ow_http_server *server = request->server;
    MHD_suspend_connection(request->connection->mhd);
    request->suspended = true;
    move_to(request, &server->suspended);
    watch_hang_up(request);
}

void request_resume(ow_http_request *request) {
    if (request->state != REQUEST_BODY) {
        ow_loop_unwatch(request->server->loop, &request->hang_up);
    }
    request->suspended = false;
    move_to(request, &request->server->others);
    MHD_resume_connection(request->connection->mhd);
    request->server->ready = true;
}

// ---- replying ----

void request_queue(ow_http_request *request, unsigned status, struct MHD_Response *response) {
    ow_http_server *server = request->server;
    bool taken = MHD_queue_response(request->connection->mhd, status, response) == MHD_YES;
    MHD_destroy_response(response);
    request->state = REQUEST_QUEUED;
    request->connection->lingers = request->close;
    connection_expect_reader(request->connection);
    // Queue first, resume then: the other way round costs one more call of the handler.
    if (request->suspended) {
        request_resume(request);
    } else {
        move_to(request, &server->others);
    }
    if (!taken) {
        request_hang_up(request); // an upgrade that HTTP/1.0 asks for
    }
    if (request->in_callback) {
        server->again = true;
    } else {
        server->ready = true;
    }
}

void request_add_headers(struct MHD_Response *response, const ow_http_answer *answer, bool close) {
    for (size_t i = 0; i < answer->header_count; i++) {
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    }
    if (close) {
        MHD_add_response_header(response, "Connection", "close");
    }
}

bool request_closes(const ow_http_request *request, const ow_http_answer *answer) {
    return answer->close || request->close || request->server->draining ||
           request->connection->is_reserve;
}

static struct MHD_Response *make_response(const ow_http_answer *answer, bool close) {
    struct MHD_Response *response;
    void *body = (void *)(uintptr_t)answer->body;
    if (answer->free_body != NULL) {
        response = MHD_create_response_from_buffer_with_free_callback_cls(answer->size, body,
                                                                          answer->free_body, body);
        if (response == NULL) {
            answer->free_body(body);
        }
    } else {
        response = MHD_create_response_from_buffer(answer->size, body, MHD_RESPMEM_MUST_COPY);
    }
    if (response != NULL) {
        request_add_headers(response, answer, close);
    }
    return response;
}

static void drop_answer(const ow_http_answer *answer) {
    if (answer->free_body != NULL) {
        answer->free_body((void *)(uintptr_t)answer->body);
    }
}

// Out of memory for a reply: all that is left is to hang up.
void request_hang_up(ow_http_request *request) {
    shutdown(request->connection->fd, SHUT_RDWR);
    if (request->suspended) {
        request_resume(request);
    }
}

void ow_http_reply(ow_http_request *request, const ow_http_answer *answer) {
    request->owned = false;
    if (request->connection == NULL) {
        drop_answer(answer);
        request_free(request);
        return;
    }
    if (request->state == REQUEST_RAW) {
        refusal_send(request, answer);
    }
    if (request->state == REQUEST_QUEUED) {
        drop_answer(answer);
        return;
    }
    bool close = request_closes(request, answer);
    request->reply_size = answer->size;
    struct MHD_Response *response = make_response(answer, close);
    if (response == NULL) {
        request_hang_up(request);
        return;
    }
    if (request->state == REQUEST_WAITING) {
        request_queue(request, (unsigned)answer->status, response);
        return;
    }
    request->held = response;
    request->held_status = (unsigned)answer->status;
    if (request->suspended) {
        request_resume(request);
    }
}

static void queue_held(ow_http_request *request) {
    struct MHD_Response *response = request->held;
    request->held = NULL;
    request_queue(request, request->held_status, response);
}

void request_abandon(ow_http_request *request) {
    static const ow_http_answer stopping = {.status = 503, .close = true};
    request_tell_gone(request);
    if (request->state == REQUEST_WAITING) {
        struct MHD_Response *response = make_response(&stopping, true);
        if (response != NULL) {
            request_queue(request, 503, response);
        }
    }
    if (request->suspended) {
        request_resume(request);
    }
}

// ---- libmicrohttpd's callbacks ----

void *on_uri(void *self, const char *uri, struct MHD_Connection *mhd) {
    ow_http_server *server = self;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    connection *from = info != NULL ? info->socket_context : NULL;
    if (from == NULL) {
        return NULL;
    }
    // Not anew for a connection whose first request this is: its time began with it.
    connection_lower_deadline(server, from, server->options.header_timeout_us);
    from->sends = false;
    return request_new(server, from, uri);
}

static enum MHD_Result add_field(void *self, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size) {
    (void)kind;
    ow_http_request *request = self;
    if (request->field_count == OW_HTTP_HEADERS_MAX) {
        request->field_count++;
        return MHD_NO;
    }
    request->fields[request->field_count++] = (ow_http_field){
        name, value != NULL ? value : "", (uint32_t)name_size, (uint32_t)value_size};
    return MHD_YES;
}

static const ow_http_rejection *check_head(ow_http_request *request, const char *method,
                                           const char *version) {
    ow_http_framing framing = {0};
    MHD_get_connection_values_n(request->connection->mhd, MHD_HEADER_KIND, add_field, request);
    // The library cuts the head into texts where it lies in its buffer, with what came behind it.
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    ow_http_head head = {.method = method,
                         .uri = request->uri,
                         .uri_at = request->uri_at,
                         .version = version,
                         .size = info->header_size,
                         .fields = request->fields,
                         .field_count = request->field_count};
    const ow_http_rejection *why = ow_http_strict_check(&head, &framing);
    if (why == NULL && !ow_http_wire_begin_body(&request->connection->wire, method + head.size,
                                                framing.content_length)) {
        why = &bad_lines;
    }
    request->content_length = framing.content_length;
    char *mark = strchr(request->uri, '?');
    request->query = mark != NULL ? mark + 1 : request->uri + request->uri_size;
    if (mark != NULL) {
        *mark = '\0';
    }
    return why;
}

// Each piece buys the time in which the slowest client that is borne sends as much; never more than
// the grace it began with.
static void extend_body_deadline(ow_http_request *request, size_t size) {
    const ow_http_options *options = &request->server->options;
    connection *from = request->connection;
    from->deadline_us += (int64_t)size * MICROSECONDS / options->min_rate;
    connection_lower_deadline(request->server, from, options->grace_us);
}

// This body may go on in the next turn.
static void note_partial(ow_http_request *request) {
    ow_http_server *server = request->server;
    if (request->upload_turn != server->turn) {
        request->upload_turn = server->turn;
        server->partial_bodies++;
    }
}

// The headers are there. A refusal of a request with a short body waits until that was read, because
// libmicrohttpd closes a connection that is answered before.
static void take_head(ow_http_request *request, const char *method, const char *version) {
    const ow_http_handler *handler = &request->server->options.handler;
    const ow_http_rejection *why = check_head(request, method, version);
    memccpy(request->method, method, '\0', sizeof request->method - 1); // zeroed before
    request->state = REQUEST_BODY;
    request->owned = true;
    if (why != NULL) {
        request->close = true;
    } else {
        handler->on_head(handler->self, request);
        why = request->owned ? body_begin(request) : NULL;
    }
    if (why != NULL) {
        handler->on_reject(handler->self, request, why);
    }
    bool short_body = request->content_length >= 0 && request->content_length <= DISCARD_MAX;
    bool chunked = request->content_length < 0; // body_take sees to its end
    if (request->held != NULL && (request->close || !(short_body || chunked))) {
        connection_set_deadline(request->server, request->connection, 0);
        queue_held(request);
        request->connection->lingers = true;
        return;
    }
    connection_set_deadline(request->server, request->connection,
                            request->server->options.grace_us);
    note_partial(request);
    if (!short_body) {
        watch_hang_up(request);
    }
}

static enum MHD_Result take_body(ow_http_request *request, const char *data, size_t *size) {
    note_partial(request);
    body_check_lines(request);
    extend_body_deadline(request, *size);
    if (!body_take(request, data, size)) {
        return MHD_NO;
    }
    if (*size > 0 && !request->owned) {
        *size = 0;
    } else if (*size > 0) {
        // Now it is we who are slow.
        connection_set_deadline(request->server, request->connection, 0);
        request_suspend(request);
    }
    return MHD_YES;
}

static void take_end(ow_http_request *request) {
    ow_http_server *server = request->server;
    const ow_http_handler *handler = &server->options.handler;
    connection_set_deadline(server, request->connection, 0);
    ow_loop_unwatch(server->loop, &request->hang_up);
    if (request->upload_turn == server->turn) {
        server->partial_bodies--;
    }
    body_check_lines(request);
    request->state = REQUEST_WAITING;
    if (request->held != NULL) {
        queue_held(request);
        return;
    }
    if (!request->owned) {
        return;
    }
    request->waiting_since_us = ow_loop_now_us(server->loop);
    move_to(request, &server->waiting);
    handler->on_body(handler->self, request);
}

static void keep_waiting(ow_http_request *request) {
    int64_t waited = ow_loop_now_us(request->server->loop) - request->waiting_since_us;
    request->waited_turns++;
    request->server->asked++;
    if (request->owned &&
        (request->waited_turns > SUSPEND_AFTER_TURNS || waited > SUSPEND_AFTER_US)) {
        request_suspend(request);
    }
}

enum MHD_Result on_access(void *self, struct MHD_Connection *mhd, const char *url,
                          const char *method, const char *version, const char *data,
                          size_t *data_size, void **request_at) {
    (void)self;
    (void)mhd;
    (void)url;
    ow_http_request *request = *request_at;
    enum MHD_Result result = MHD_YES;
    if (request == NULL) {
        return MHD_NO;
    }
    request->in_callback = true;
    if (request->state == REQUEST_NEW) {
        take_head(request, method, version);
    } else if (request->state == REQUEST_BODY && *data_size > 0) {
        result = take_body(request, data, data_size);
    } else if (request->state == REQUEST_BODY) {
        take_end(request);
    } else if (request->state == REQUEST_WAITING) {
        keep_waiting(request);
    }
    request->in_callback = false;
    return result;
}

void on_completed(void *self, struct MHD_Connection *mhd, void **request_at,
                  enum MHD_RequestTerminationCode why) {
    (void)mhd;
    (void)why;
    ow_http_server *server = self;
    ow_http_request *request = *request_at;
    if (request == NULL) {
        return;
    }
    *request_at = NULL;
    connection *from = request->connection;
    from->request = NULL;
    from->since_us = ow_loop_now_us(server->loop);
    from->sends = from->sends && request->reply_size > SMALL_REPLY;
    connection_set_deadline(server, from,
                            server->options.idle_timeout_us + server->options.header_timeout_us);
    ow_loop_unwatch(server->loop, &request->hang_up);
    request->connection = NULL;
    server->carried_count -= from->is_upgraded;
    upgrade_abandon(request);
    if (!request->owned) {
        request_free(request);
        return;
    }
    request->suspended = false;
    move_to(request, &server->others);
    request_tell_gone(request);
}

// ---- what handlers ask ----

const char *ow_http_method(const ow_http_request *request) {
    return request->method;
}

const char *ow_http_path(const ow_http_request *request) {
    return request->uri;
}

const char *ow_http_query(const ow_http_request *request) {
    return request->query;
}

static size_t field_count(const ow_http_request *request) {
    return request->field_count <= OW_HTTP_HEADERS_MAX ? request->field_count : OW_HTTP_HEADERS_MAX;
}

static bool is_named(const ow_http_field *field, const char *name, size_t size) {
    return field->name_size == size && strncasecmp(field->name, name, size) == 0;
}

const char *ow_http_header(const ow_http_request *request, const char *name) {
    size_t size = strlen(name);
    size_t count = field_count(request);
    for (size_t i = 0; i < count; i++) {
        if (is_named(&request->fields[i], name, size)) {
            return request->fields[i].value;
        }
    }
    return NULL;
}

const char *ow_http_header_from_last(const ow_http_request *request, const char *name, size_t nth) {
    size_t size = strlen(name);
    for (size_t i = field_count(request); i-- > 0;) {
        if (is_named(&request->fields[i], name, size) && nth-- == 0) {
            return request->fields[i].value;
        }
    }
    return NULL;
}

bool ow_http_header_at(const ow_http_request *request, size_t index, const char **ret_name,
                       const char **ret_value) {
    if (index >= field_count(request)) {
        return false;
    }
    *ret_name = request->fields[index].name;
    *ret_value = request->fields[index].value;
    return true;
}

const char *ow_http_peer(const ow_http_request *request) {
    return request->peer;
}

bool ow_http_upgrade_reply(ow_http_request *request, const ow_http_upgrade *upgrade) {
    if (request->connection == NULL || request->state != REQUEST_WAITING ||
        request->server->draining) {
        return false;
    }
    struct MHD_Response *response = upgrade_response(request, upgrade);
    if (response == NULL) {
        return false;
    }
    request->owned = false;
    request->reply_size = 0;
    request_queue(request, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    return true;
}

bool ow_http_is_reserve(const ow_http_request *request) {
    return request->connection != NULL && request->connection->is_reserve;
}

int64_t ow_http_content_length(const ow_http_request *request) {
    return request->content_length;
}

const void *ow_http_body(const ow_http_request *request, size_t *ret_size) {
    *ret_size = request->sink.on_bytes == NULL ? request->body_size : 0;
    return request->body;
}

void ow_http_set_user(ow_http_request *request, void *user) {
    request->user = user;
}

void *ow_http_user(const ow_http_request *request) {
    return request->user;
}
