// POST /v1/call/{virtual_server}/{function}: the payload goes to the function as it is, its result
// comes back as it is.

#include "services/gateway/door_async.h"
#include "services/gateway/internal.h"

#include "core/http/text.h"
#include "core/json/check.h"
#include "core/json/writer.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/v1/call/"
#define JSON "application/json"
#define MILLISECOND 1000
#define DETAILS_MAX 32768

// ---- what is called ----

static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

// Copies a name up to `end`; NULL when it is none, else what follows.
static const char *take_name(const char *at, char end, char name[static NAME_TEXT_MAX]) {
    size_t size = 0;
    while (is_name_character(at[size])) {
        size++;
    }
    if (size == 0 || size >= NAME_TEXT_MAX || at[size] != end) {
        return NULL;
    }
    memcpy(name, at, size);
    name[size] = '\0';
    return at + size + (end != '\0');
}

// What the caller names; "" when it names nothing. False when that is none.
static bool read_qualifier(exchange *x) {
    const char *header = ow_http_header(x->http, "Overworld-Qualifier");
    x->qualifier[0] = '\0';
    if (header == NULL) {
        long size = ow_http_query_find(ow_http_query(x->http), "qualifier", x->qualifier,
                                       sizeof x->qualifier);
        return size == -1 || size > 0;
    }
    size_t size = strlen(header);
    if (size == 0 || size >= sizeof x->qualifier) {
        return false;
    }
    memcpy(x->qualifier, header, size + 1);
    return true;
}

// A stage answers for its alias alone.
static bool take_qualifier(exchange *x) {
    if (!read_qualifier(x)) {
        return false;
    }
    const char *usual = x->stage != NULL ? x->stage->alias : "$DEFAULT";
    if (x->stage != NULL && x->qualifier[0] != '\0' && strcmp(x->qualifier, usual) != 0) {
        return false;
    }
    if (x->qualifier[0] == '\0') {
        memccpy(x->qualifier, usual, '\0', sizeof x->qualifier - 1);
    }
    return true;
}

// Which side of a split: visible ASCII, so that it can stand in logs and messages.
static bool take_routing_key(exchange *x) {
    const char *header = ow_http_header(x->http, "Overworld-Routing-Key");
    char *key = x->state.call.routing_key;
    key[0] = '\0';
    if (header == NULL) {
        return true;
    }
    size_t size = strlen(header);
    if (size == 0 || size >= ROUTING_KEY_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (header[i] < '!' || header[i] > '~') {
            return false;
        }
    }
    memcpy(key, header, size + 1);
    return true;
}

static bool take_target(exchange *x) {
    size_t stage_size = x->stage != NULL && x->stage->path != NULL ? x->stage->path_size : 0;
    const char *at = ow_http_path(x->http) + stage_size + strlen(PREFIX);
    at = take_name(at, '/', x->virtual_server);
    return at != NULL && take_name(at, '\0', x->function) != NULL && take_qualifier(x);
}

static ow_code find_function(exchange *x, ow_err *err) {
    gateway *gw = x->gw;
    route_query query = {.principal = &x->principal,
                         .virtual_server = x->virtual_server,
                         .function = x->function,
                         .qualifier = x->qualifier,
                         .routing_key = x->state.call.routing_key,
                         .request_id = x->request_id};
    const route_revision *revision;
    const route_function *function;
    if (!gateway_routes_are_complete(gw->routes)) {
        return ow_fail(err, OW_UNAVAILABLE, "overloaded", "the routing table is not here yet");
    }
    ow_code code = gateway_routes_find(gw->routes, &query, &revision, &function, err);
    if (code != OW_OK) {
        return code;
    }
    memcpy(x->revision_id, revision->revision_id,
           strnlen(revision->revision_id, REVISION_TEXT_MAX - 1));
    x->log_payload = function->log_payload;
    x->state.call.timeout_us = (int64_t)function->timeout_ms * MILLISECOND + gw->config->init_limit;
    return OW_OK;
}

// Connect-Timeout-Ms can only shorten.
static bool lower_timeout(exchange *x) {
    const char *text = ow_http_header(x->http, "Connect-Timeout-Ms");
    if (text == NULL) {
        return true;
    }
    long long ms = ow_http_parse_number(text);
    if (ms <= 0) {
        return false;
    }
    if (ms < x->state.call.timeout_us / MILLISECOND) {
        x->state.call.timeout_us = ms * MILLISECOND;
    }
    return true;
}

// False: this function was called too often, and the exchange has ended.
static bool admit(exchange *x) {
    const gateway *gw = x->gw;
    int64_t wait_us = limits_admit_call(gw->limits, &x->principal, x->virtual_server, x->function,
                                        ow_clock_mono_us(gw->env->clock));
    if (wait_us > 0) {
        exchange_throttle(x, wait_us);
    }
    return wait_us == 0;
}

static void on_head(exchange *x) {
    ow_err err;
    x->method_text = "POST /v1/call";
    if (strcmp(ow_http_method(x->http), "POST") != 0) {
        exchange_refuse_method(x, "POST");
        return;
    }
    if (x->principal.kind == OW_NOBODY) {
        exchange_refuse(x, 401, OW_UNAUTHENTICATED, "no_token", "calling a function needs a token");
        return;
    }
    if (!take_target(x)) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "function_not_found", "no function has such a name");
        return;
    }
    if (!take_routing_key(x)) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "invalid",
                        "Overworld-Routing-Key has 1 to 127 visible ASCII characters");
        return;
    }
    if (!async_take_mode(x)) {
        exchange_refuse(
            x, 400, OW_INVALID_ARGUMENT, "invalid",
            "mode is sync or async; Overworld-Deduplication-Key goes with async and has "
            "1 to 200 visible ASCII characters");
        return;
    }
    if (!exchange_resolve_title(x, true)) {
        return;
    }
    if (find_function(x, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    if (!admit(x)) {
        return;
    }
    if (!lower_timeout(x)) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "invalid",
                        "Connect-Timeout-Ms must be a positive number of milliseconds");
        return;
    }
    ow_http_set_body_limit(x->http, async_body_limit(x));
}

// ---- the reply ----

// A refusal's own code and details stand side by side in ours.
static const char *refusal_details(const invoke_response *reply, ow_arena *arena) {
    ow_json_writer writer;
    size_t size = strlen(reply->details_json);
    ow_json_writer_init(&writer, arena, DETAILS_MAX);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "code");
    ow_json_text(&writer, reply->refusal_code);
    if (size > 0 &&
        ow_json_check(reply->details_json, size, OW_JSON_MAX_DEPTH - 2, NULL) == OW_OK) {
        ow_json_name(&writer, "details");
        ow_json_raw(&writer, reply->details_json, size);
    }
    ow_json_object_close(&writer);
    return ow_json_writer_end(&writer, NULL);
}

// Where a function crashed is for those who run it, not for players.
static const char *crash_details(const exchange *x, const invoke_response *reply, ow_arena *arena) {
    ow_json_writer writer;
    if (x->principal.kind == OW_PLAYER || reply->stack[0] == '\0') {
        return NULL;
    }
    ow_json_writer_init(&writer, arena, DETAILS_MAX);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "stack");
    ow_json_text(&writer, reply->stack);
    ow_json_object_close(&writer);
    return ow_json_writer_end(&writer, NULL);
}

static void reply_failed(exchange *x, const invoke_response *reply) {
    bool refused = strcmp(reply->reason, "refused") == 0;
    ow_arena *arena = x->call->arena;
    failure why = {.code = OW_UNKNOWN,
                   .reason = reply->reason,
                   .message = reply->message,
                   .status = failure_status_of_reason(reply->reason),
                   .retry_after_s = reply->retry_after_s};
    why.details_json = refused ? refusal_details(reply, arena) : crash_details(x, reply, arena);
    exchange_fail(x, &why);
}

static void on_invoked(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    x->instance_us = reply->instance_us;
    x->version = reply->version;
    if (reply->reason[0] != '\0') {
        reply_failed(x, reply);
        return;
    }
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = reply->content_type[0] != '\0'
                                                             ? reply->content_type
                                                             : JSON,
                                         .body = reply->payload.data,
                                         .size = reply->payload.len,
                                         .reason = ""});
}

// ---- the call ----

static const char *source_of(const exchange *x) {
    switch (x->principal.kind) {
    case OW_PLAYER:
        return "client";
    case OW_SERVER:
        return "server";
    default:
        return "manual";
    }
}

static void on_body(exchange *x) {
    size_t size;
    const char *body = ow_http_body(x->http, &size);
    const char *content_type = ow_http_header(x->http, "Content-Type");
    ow_err err;
    if (size > 0 && ow_http_is_media_type(content_type, JSON) &&
        ow_json_check(body, size, OW_JSON_MAX_DEPTH, &err) != OW_OK) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "invalid", err.message);
        return;
    }
    const call_state *state = &x->state.call;
    int64_t timeout_us = state->is_async ? x->gw->config->method_timeout : state->timeout_us;
    if (!exchange_begin_call(x, timeout_us, false)) {
        return;
    }
    invoke_request *request = &x->state.call.request;
    overworld__runner__v1__invoke_request__init(request);
    request->virtual_server = x->virtual_server;
    request->function = x->function;
    request->qualifier = x->qualifier;
    request->revision_id = x->revision_id;
    request->source = (char *)(uintptr_t)source_of(x);
    request->routing_key = x->state.call.routing_key;
    request->content_type =
        content_type != NULL ? ow_arena_strdup_in(x->call->arena, content_type) : (char *)"";
    request->payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)body};
    x->in_flight = true;
    if (x->state.call.is_async) {
        async_enqueue(x);
        return;
    }
    overworld__runner__v1__runner__invoke(x->gw->runner, request, on_invoked, x->call);
}

const door call_door = {"call", true, true, false, on_head, on_body};
