// Bodies: collected up to the request's limit and the process's budget, streamed to a sink, or
// discarded when the reply is known already.

#include "core/http_mhd/internal.h"

#include <stdlib.h>
#include <string.h>

static const ow_http_rejection payload_too_large = {413, "payload_too_large",
                                                    "the body is larger than accepted here"};
static const ow_http_rejection overloaded = {503, "overloaded",
                                             "too many bodies are in memory, try again"};

static const ow_http_rejection bad_chunks = {400, "bad_request",
                                             "the lines of a chunked body must end with CR LF"};
static const ow_http_rejection bad_trailer = {400, "bad_request", "trailers are not accepted"};

// Twice what there is, as far as the body may go, and at least `size`.
static size_t next_room(const ow_http_request *request, size_t size) {
    size_t most = request->content_length >= 0 ? (size_t)request->content_length : SIZE_MAX;
    size_t room = request->body_room * 2 < most ? request->body_room * 2 : most;
    room = room > size ? room : size;
    return room < request->body_limit ? room : request->body_limit;
}

// Makes room for `size` bytes in all.
static bool reserve(ow_http_request *request, size_t size) {
    if (size <= request->body_room) {
        return true;
    }
    ow_http_budget *budget = request->server->options.budget;
    size_t room = next_room(request, size);
    int64_t more = (int64_t)room - request->charged;
    if (room < size || budget->used + more > budget->max) {
        return false;
    }
    bool inside = request->body == request->body_inline;
    uint8_t *body = realloc(inside ? NULL : request->body, room);
    if (body == NULL) {
        return false;
    }
    if (inside) {
        memcpy(body, request->body_inline, request->body_size);
    }
    budget->used += more;
    request->charged += more;
    request->body = body;
    request->body_room = room;
    return true;
}

const ow_http_rejection *body_begin(ow_http_request *request) {
    if (request->content_length > (int64_t)request->body_limit) {
        return &payload_too_large;
    }
    size_t believed =
        request->content_length < BODY_BELIEVED ? (size_t)request->content_length : BODY_BELIEVED;
    if (request->sink.on_bytes == NULL && request->content_length > 0 &&
        !reserve(request, believed)) {
        return &overloaded;
    }
    return NULL;
}

void body_free(ow_http_request *request) {
    if (request->body != request->body_inline) {
        free(request->body);
    }
    request->server->options.budget->used -= request->charged;
    request->charged = 0;
    request->body = request->body_inline;
    request->body_room = sizeof request->body_inline;
    request->body_size = 0;
}

void body_refuse(ow_http_request *request, const ow_http_rejection *why) {
    const ow_http_handler *handler = &request->server->options.handler;
    if (request->held != NULL && !request->close) {
        MHD_add_response_header(request->held, "Connection", "close"); // it was made before
    }
    request->too_large = true;
    request->close = true;
    if (!request->owned) {
        return;
    }
    body_free(request);
    handler->on_reject(handler->self, request, why);
}

void body_check_lines(ow_http_request *request) {
    static const ow_http_rejection *const whys[] = {
        [OW_HTTP_WIRE_CHUNKS] = &bad_chunks,
        [OW_HTTP_WIRE_TRAILERS] = &bad_trailer,
    };
    ow_http_wire_fault fault = ow_http_wire_body_fault(&request->connection->wire);
    if (fault != OW_HTTP_WIRE_GOOD) {
        body_refuse(request, whys[fault]);
    }
}

static void collect(ow_http_request *request, const char *data, size_t size) {
    if (request->body_size + size > request->body_limit) {
        body_refuse(request, &payload_too_large);
        return;
    }
    if (!reserve(request, request->body_size + size)) {
        body_refuse(request, &overloaded);
        return;
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size += size;
}

static void stream(ow_http_request *request, const char *data, size_t *size) {
    size_t taken = request->sink.on_bytes(request->sink.self, request, data, *size);
    request->body_size += taken;
    *size -= taken < *size ? taken : *size;
}

bool body_take(ow_http_request *request, const char *data, size_t *size) {
    bool streamed = request->sink.on_bytes != NULL;
    if (!request->owned || request->too_large) {
        // Nobody wants it any more; what comes without a stated length has an end all the same.
        request->body_size += *size;
        bool endless =
            request->content_length < 0 && request->body_size > request->body_limit + DISCARD_MAX;
        *size = 0;
        return !endless;
    }
    if (!streamed) {
        collect(request, data, *size);
        *size = 0;
        return true;
    }
    if (request->body_size + *size > request->body_limit) {
        body_refuse(request, &payload_too_large);
        *size = 0;
        return true;
    }
    stream(request, data, size);
    return true;
}

void ow_http_set_body_limit(ow_http_request *request, size_t bytes) {
    request->body_limit = bytes;
}

void ow_http_stream_body(ow_http_request *request, const ow_http_sink *sink) {
    request->sink = *sink;
}

void ow_http_sink_ready(ow_http_request *request) {
    if (request->connection != NULL && request->suspended && request->state == REQUEST_BODY) {
        connection_set_deadline(request->server, request->connection,
                                request->server->options.grace_us);
        request_resume(request);
    }
}
