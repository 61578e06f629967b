// Bodies: collected up to the request's limit and the process's budget, streamed to a sink, or
// discarded when the reply is known already.

#include "core/http_mhd/internal.h"

#include <stdlib.h>
#include <string.h>

static const ow_http_rejection payload_too_large = {413, "payload_too_large",
                                                    "the body is larger than accepted here"};
static const ow_http_rejection overloaded = {503, "overloaded",
                                             "too many bodies are in memory, try again"};

// Makes room for `size` bytes in all.
static bool reserve(ow_http_request *request, size_t size) {
    if (size <= request->body_room) {
        return true;
    }
    ow_http_budget *budget = request->server->options.budget;
    size_t room =
        request->content_length >= 0 ? (size_t)request->content_length : request->body_room * 2;
    room = room > size ? room : size;
    room = room < request->body_limit ? room : request->body_limit;
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
    if (request->sink.on_bytes == NULL && request->content_length > 0 &&
        !reserve(request, (size_t)request->content_length)) {
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
    request->too_large = true;
    request->close = true;
    if (!request->owned) {
        return;
    }
    body_free(request);
    handler->on_reject(handler->self, request, why);
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
