// The fetch functions of overworld.h.

#include <string.h>
#include <strings.h>

#include "overworld/runner/v1/runner.pb-c.h"
#include "runtimes/c/internal.h"

typedef Overworld__Runner__V1__FetchRequest fetch_request;
typedef Overworld__Runner__V1__FetchResponse fetch_response;
typedef Overworld__Runner__V1__HttpHeader http_header;

static char *text_of(const char *text) {
    return (char *)(uintptr_t)(text ? text : "");
}

static bool put_headers(ow_ctx *ctx, const ow_request *from, fetch_request *to) {
    http_header *headers = platform_keep(ctx, (from->header_count + 1) * sizeof *headers);
    to->headers = platform_keep(ctx, (from->header_count + 1) * sizeof *to->headers);
    if (!headers || !to->headers) {
        return false;
    }
    for (size_t i = 0; i < from->header_count; i++) {
        overworld__runner__v1__http_header__init(&headers[i]);
        headers[i].name = text_of(from->headers[i].name);
        headers[i].value = text_of(from->headers[i].value);
        to->headers[i] = &headers[i];
    }
    to->n_headers = from->header_count;
    return true;
}

static bool take_response(ow_ctx *ctx, const fetch_response *from, ow_response *to) {
    ow_header *headers = platform_keep(ctx, (from->n_headers + 1) * sizeof *headers);
    for (size_t i = 0; headers && i < from->n_headers; i++) {
        headers[i] = (ow_header){from->headers[i]->name, from->headers[i]->value};
    }
    *to = (ow_response){
        .status = from->status,
        .headers = headers,
        .header_count = headers ? from->n_headers : 0,
        .body = from->body.len > 0 ? (const void *)from->body.data : "",
        .length = from->body.len,
    };
    return headers != NULL;
}

ow_status ow_fetch(ow_ctx *ctx, const ow_request *request, ow_response *response) {
    fetch_request message = OVERWORLD__RUNNER__V1__FETCH_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    *response = (ow_response){.body = ""};
    message.method = text_of(request->method ? request->method : "GET");
    message.url = text_of(request->url);
    message.body.data = (uint8_t *)(uintptr_t)request->body;
    message.body.len = request->length;
    message.timeout_ms = request->timeout_ms;
    message.max_redirects = request->max_redirects;
    if (!put_headers(ctx, request, &message)) {
        return platform_fail(ctx, OW_AWAY, "memory", "no memory for the request");
    }
    ow_status status = platform_call(ctx, "fetch", &message.base,
                                     &overworld__runner__v1__fetch_response__descriptor, &reply);
    if (status == OW_DONE && !take_response(ctx, (const fetch_response *)reply, response)) {
        return platform_fail(ctx, OW_AWAY, "memory", "no memory for the response");
    }
    return status;
}

const char *ow_response_header(const ow_response *response, const char *name) {
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}
