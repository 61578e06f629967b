// What the library refuses before it asks us, answered in the handler's form where it can be told on which
// connection: a Content-Length that is no number. It tells its logger first, then writes an answer of its
// own. Ours goes out in between, and the connection is shut behind it, so that the other is not sent.

#include "core/http_mhd/internal.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define REPLY_ROOM 8192
#define LOGGED "HTTP response code is %u"

// The head is whole for the library, and the access handler has not seen it yet: between two calls of ours
// that is so for one connection at most.
static connection *find(const ow_http_server *server) {
    for (list_link *at = server->connections.next; at != &server->connections; at = at->next) {
        connection *each = (connection *)(void *)at; // `link` is its first member
        if (each->request != NULL && each->request->state == REQUEST_NEW &&
            MHD_get_connection_info(each->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) != NULL) {
            return each;
        }
    }
    return NULL;
}

void refusal_on_log(void *self, const char *format, va_list arguments) {
    const ow_http_server *server = self;
    static const ow_http_rejection bad_length = {400, "bad_request",
                                                 "Content-Length must be one decimal number"};
    static const ow_http_rejection too_large = {413, "payload_too_large",
                                                "the body is larger than accepted here"};
    connection *of = strstr(format, LOGGED) != NULL ? find(server) : NULL;
    if (of == NULL) {
        return;
    }
    const ow_http_handler *handler = &server->options.handler;
    ow_http_request *request = of->request;
    request->query = request->uri + request->uri_size;
    request->state = REQUEST_RAW;
    request->owned = true;
    request->close = true;
    handler->on_reject(handler->self, request,
                       va_arg(arguments, unsigned) == 413 ? &too_large : &bad_length);
}

static size_t write_head(const ow_http_answer *answer, char *text) {
    int size = snprintf(text, REPLY_ROOM, "HTTP/1.1 %d %s\r\nConnection: close\r\n", answer->status,
                        MHD_get_reason_phrase_for((unsigned)answer->status));
    for (size_t i = 0; i < answer->header_count && size < REPLY_ROOM; i++) {
        size += snprintf(text + size, REPLY_ROOM - (size_t)size, "%s: %s\r\n",
                         answer->headers[i].name, answer->headers[i].value);
    }
    if (size < REPLY_ROOM) {
        size += snprintf(text + size, REPLY_ROOM - (size_t)size, "Content-Length: %zu\r\n\r\n",
                         answer->size);
    }
    return (size_t)size;
}

static void send_once(const connection *to, const char *text, size_t size) {
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(to->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (to->server->tls != NULL && tls != NULL) {
        gnutls_record_send(tls->tls_session, text, size);
    } else {
        send(to->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

// What does not fit, or finds no room in the socket's empty buffer, is not sent: the client is hung up on.
void refusal_send(ow_http_request *request, const ow_http_answer *answer) {
    char text[REPLY_ROOM];
    connection *to = request->connection;
    size_t size = write_head(answer, text);
    if (size + answer->size <= sizeof text) {
        memcpy(text + size, answer->body, answer->size);
        send_once(to, text, size + answer->size);
    }
    request->state = REQUEST_QUEUED;
    to->lingers = true;
    shutdown(to->fd, SHUT_WR);
}
