// PUT /v1/bundles/{sha256}: a bundle on its way to the registry, in chunks of 1 MB. The client is
// held back while a chunk is on its way, so that one chunk a connection is all that is in memory.

#include "services/gateway/internal.h"

#include "core/json/writer.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/bundles/"
#define CHUNK (1 << 20)
#define SHA256_HEX 64
#define UPLOAD_TIMEOUT_US (INT64_C(15) * 60 * 1000000)

static bool take_hash(exchange *x) {
    const char *hash = ow_http_path(x->http) + strlen(PREFIX);
    bundle_state *state = &x->state.bundle;
    if (strspn(hash, "0123456789abcdef") != SHA256_HEX || hash[SHA256_HEX] != '\0') {
        return false;
    }
    memcpy(state->sha256, hash, SHA256_HEX + 1);
    return true;
}

static void reply_stored(exchange *x) {
    ow_json_writer writer;
    size_t size = 0;
    ow_json_writer_init(&writer, x->call->arena, 256);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "sha256");
    ow_json_text(&writer, x->state.bundle.sha256);
    ow_json_name(&writer, "complete");
    ow_json_bool(&writer, true);
    ow_json_object_close(&writer);
    const char *body = ow_json_writer_end(&writer, &size);
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = "application/json",
                                         .body = body,
                                         .size = body != NULL ? size : 0,
                                         .reason = ""});
}

static bool is_last(const bundle_state *state) {
    return state->offset + (int64_t)state->filled == state->total;
}

static void on_chunk(const put_chunk_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    bundle_state *state = &x->state.bundle;
    if (reply == NULL) {
        ow_err err = call->err;
        ow_call_free(call);
        exchange_fail_err(x, &err);
        return;
    }
    bool complete = reply->complete;
    bool last = is_last(state);
    ow_call_free(call);
    x->in_flight = false;
    state->offset += (int64_t)state->filled;
    state->filled = 0;
    // The registry may have had it all along; what still comes is then not passed on.
    if (complete) {
        reply_stored(x);
    } else if (last) {
        exchange_refuse(x, 500, OW_INTERNAL, "internal",
                        "the registry did not complete the bundle");
    } else {
        ow_http_sink_ready(x->http);
    }
}

static void send_chunk(exchange *x) {
    bundle_state *state = &x->state.bundle;
    ow_call *call = ow_call_child(x->call);
    if (call == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    call->user = x;
    put_chunk_request *request = &state->request;
    overworld__registry__v1__put_bundle_chunk_request__init(request);
    request->sha256 = state->sha256;
    request->offset = state->offset;
    request->total_size = state->total;
    request->data = (ProtobufCBinaryData){state->filled, state->buffer};
    request->last = is_last(state);
    x->in_flight = true;
    overworld__registry__v1__registry__put_bundle_chunk(x->gw->registry, request, on_chunk, call);
}

static size_t on_bytes(void *self, ow_http_request *http, const void *bytes, size_t size) {
    exchange *x = self;
    size_t taken = 0;
    // Sending may end the exchange; the request then has another user.
    while (taken < size && ow_http_user(http) == x) {
        bundle_state *state = &x->state.bundle;
        if (x->in_flight) {
            return taken;
        }
        size_t part = size - taken < CHUNK - state->filled ? size - taken : CHUNK - state->filled;
        memcpy(state->buffer + state->filled, (const char *)bytes + taken, part);
        state->filled += part;
        taken += part;
        if (state->filled == CHUNK || is_last(state)) {
            send_chunk(x);
        }
    }
    return size;
}

static void on_head(exchange *x) {
    bundle_state *state = &x->state.bundle;
    x->method_text = "PUT /v1/bundles";
    memset(state, 0, sizeof *state);
    if (x->from->is_public || !take_hash(x)) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "not_found", "there is nothing here");
        return;
    }
    if (strcmp(ow_http_method(x->http), "PUT") != 0) {
        exchange_refuse_method(x, "PUT");
        return;
    }
    if (x->principal.kind == OW_NOBODY) {
        exchange_refuse(x, 401, OW_UNAUTHENTICATED, "no_token", "this needs an operator's token");
        return;
    }
    if (!exchange_resolve_title(x, false)) {
        return;
    }
    if (x->principal.kind != OW_OPERATOR || x->principal.role < OW_ROLE_DEVELOPER) {
        exchange_refuse(x, 403, OW_PERMISSION_DENIED, "not_allowed",
                        "only operators with the role developer may upload bundles");
        return;
    }
    state->total = ow_http_content_length(x->http);
    if (state->total <= 0) {
        exchange_refuse(x, 411, OW_INVALID_ARGUMENT, "invalid", "Content-Length is needed");
        return;
    }
    if (!exchange_begin_call(x, UPLOAD_TIMEOUT_US, false)) {
        return;
    }
    state->buffer = ow_arena_alloc(x->call->arena, CHUNK);
    if (state->buffer == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    ow_http_set_body_limit(x->http, (size_t)x->gw->config->max_bundle);
    ow_http_stream_body(x->http, &(ow_http_sink){on_bytes, x});
}

// The reply comes with the registry's answer to the last chunk.
static void on_body(exchange *x) {
    (void)x;
}

const door bundle_door = {"bundle", true, true, false, on_head, on_body};
