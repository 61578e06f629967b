// POST /package.Service/Method (and GET for methods without side effects): the Connect protocol. Source: https://connectrpc.com/docs/protocol

#include "services/gateway/connect_input.h"
#include "services/gateway/connect_stream.h"
#include "services/gateway/internal.h"

#include "core/http/text.h"
#include "core/json/transcode.h"

#include <string.h>

#define JSON "application/json"
#define PROTO "application/proto"
#define JSON_STREAM "application/connect+json"
#define PROTO_STREAM "application/connect+proto"
#define REPLY_MAX (8 << 20)

// ---- reading the head ----

static bool take_content_type(exchange *x) {
    connect_state *state = &x->state.connect;
    char encoding[8];
    if (state->is_get) {
        long size =
            ow_http_query_find(ow_http_query(x->http), "encoding", encoding, sizeof encoding);
        state->is_json = size > 0 && strcmp(encoding, "json") == 0;
        return state->is_json || (size > 0 && strcmp(encoding, "proto") == 0);
    }
    const char *content_type = ow_http_header(x->http, "Content-Type");
    state->is_json = ow_http_is_media_type(content_type, state->streams ? JSON_STREAM : JSON);
    return state->is_json ||
           ow_http_is_media_type(content_type, state->streams ? PROTO_STREAM : PROTO);
}

static ow_code check_protocol(exchange *x, ow_err *err) {
    const char *version = ow_http_header(x->http, "Connect-Protocol-Version");
    if (version != NULL && strcmp(version, "1") != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_protocol",
                       "Connect-Protocol-Version must be \"1\"");
    }
    const char *encoding = ow_http_header(x->http, "Content-Encoding");
    if (encoding != NULL && strcmp(encoding, "identity") != 0) {
        return ow_fail(err, OW_UNIMPLEMENTED, "bad_encoding",
                       "compressed requests are not supported: identity is");
    }
    return OW_OK;
}

// The dispatcher checks the rule again; here it spares reading the body.
static ow_code check_access(const exchange *x, ow_err *err) {
    ow_call probe = {.principal = &x->principal, .from_outside = true};
    return ow_api_check(x->state.connect.method->rule, &probe, err);
}

static void on_head(exchange *x) {
    connect_state *state = &x->state.connect;
    const char *http_method = ow_http_method(x->http);
    ow_err err;
    state->method = methods_find(x->gw->methods, ow_http_path(x->http));
    if (state->method == NULL || (x->from->is_public && !state->method->is_public)) {
        x->method_text = "unknown method";
        exchange_refuse(x, 404, OW_UNIMPLEMENTED, "unknown_method", "there is no such method here");
        return;
    }
    const ow_api_method *rule = state->method->rule;
    x->method_text = rule->path;
    bool takes_get = rule->no_side_effects && !rule->server_streaming;
    state->is_get = strcmp(http_method, "GET") == 0;
    state->streams = rule->server_streaming;
    if (strcmp(http_method, "POST") != 0 && !(state->is_get && takes_get)) {
        exchange_refuse_method(x, takes_get ? "GET, POST" : "POST");
        return;
    }
    if (!exchange_resolve_title(x, false)) {
        return;
    }
    if (check_access(x, &err) != OW_OK || check_protocol(x, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    if (!take_content_type(x)) {
        exchange_refuse(x, 415, OW_UNIMPLEMENTED, "bad_content_type",
                        rule->server_streaming
                            ? "application/connect+json or application/connect+proto is expected"
                            : "application/json or application/proto is expected");
        return;
    }
    ow_http_set_body_limit(x->http, (size_t)x->gw->config->max_message);
}

// ---- the reply ----

ow_code connect_encode(exchange *x, const ProtobufCMessage *reply, ow_arena *arena,
                       const char **ret_bytes, size_t *ret_size, ow_err *err) {
    if (x->state.connect.is_json) {
        return ow_json_from_message(reply, arena, REPLY_MAX, ret_bytes, ret_size, err);
    }
    *ret_size = protobuf_c_message_get_packed_size(reply);
    uint8_t *packed = *ret_size <= REPLY_MAX ? ow_arena_alloc(arena, *ret_size) : NULL;
    if (packed == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_large", "the reply is too large");
    }
    protobuf_c_message_pack(reply, packed);
    *ret_bytes = (const char *)packed;
    return OW_OK;
}

static void on_reply(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    const char *bytes;
    size_t size;
    ow_err err;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    if (connect_encode(x, reply, call->arena, &bytes, &size, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = x->state.connect.is_json ? JSON : PROTO,
                                         .body = bytes,
                                         .size = size,
                                         .reason = ""});
}

static void on_body(exchange *x) {
    const connect_state *state = &x->state.connect;
    int64_t timeout_us =
        connect_timeout_us(ow_http_header(x->http, "Connect-Timeout-Ms"),
                           state->streams ? CONNECT_STREAM_US : x->gw->config->method_timeout);
    ProtobufCMessage *message = NULL;
    connect_input input = {.type = state->method->input, .is_json = state->is_json};
    input.bytes = ow_http_body(x->http, &input.size);
    ow_err err;
    ow_code code = OW_OK;
    if (timeout_us == 0) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "bad_timeout",
                        "Connect-Timeout-Ms must be 1 to 10 digits");
        return;
    }
    if (!exchange_begin_call(x, timeout_us, true)) {
        return;
    }
    ow_arena *arena = x->call->arena;
    if (state->is_get) {
        code = connect_take_query(ow_http_query(x->http), arena, &input, &err);
    }
    if (state->streams) {
        code = connect_open_envelope(&input, &err);
    }
    code = code == OW_OK ? connect_decode(&input, arena, &message, &err) : code;
    if (code != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    ProtobufCService *service = state->method->service;
    x->in_flight = true;
    service->invoke(service, state->method->index, message,
                    state->streams ? connect_on_piece : on_reply, x->call);
}

const door connect_door = {"connect", true, true, true, on_head, on_body};
