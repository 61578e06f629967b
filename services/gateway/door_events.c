// /v1/events: CloudEvents 1.0 over HTTP. POST publishes (binary, structured or batch mode); GET gives
// what was published, as a batch or one by its trigger_id; OPTIONS is the handshake of its webhooks: may somebody
// deliver here, and how often.

#include "services/gateway/internal.h"

#include "core/cloudevents/cloudevents.h"
#include "core/http/text.h"
#include "core/json/moment.h"
#include "core/json/writer.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/v1/events"
#define JSON "application/json"
#define BODY_MAX (5 << 20)
#define REPLY_MAX (8 << 20)
#define SECOND 1000000

enum { ORIGIN_MAX = 256, RATE_ROOM = 24 };
enum { EVENTS_MAX = 100, HEADERS_MAX = 64, LIMIT_DEFAULT = 50, LIMIT_MAX = 200 };

// ---- The head ----

static bool take_query(exchange *x) {
    const char *query = ow_http_query(x->http);
    events_state *s = &x->state.events;
    char limit[8];
    long type = ow_http_query_find(query, "type", s->type, sizeof s->type);
    long size = ow_http_query_find(query, "limit", limit, sizeof limit);
    long long number = size > 0 ? ow_http_parse_number(limit) : LIMIT_DEFAULT;
    if (type == -1) {
        s->type[0] = '\0';
    }
    s->limit = (int32_t)number;
    return type != -2 && size != -2 && number >= 1 && number <= LIMIT_MAX;
}

static bool take_path(exchange *x) {
    const char *rest = ow_http_path(x->http) + strlen(PREFIX);
    events_state *s = &x->state.events;
    s->trigger_id[0] = '\0';
    if (rest[0] == '\0') {
        return true;
    }
    bool one = s->is_get && rest[0] == '/' && ow_id_is(rest + 1, "trg_");
    if (one) {
        snprintf(s->trigger_id, sizeof s->trigger_id, "%s", rest + 1);
    }
    return one;
}

// What was published is for operators, and they are at the console.
static bool is_here(exchange *x) {
    return take_path(x) && !(x->state.events.is_get && x->from->is_public);
}

// ---- The handshake. Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md ----

static bool is_origin(const char *text) {
    size_t size = strlen(text);
    return size > 0 && size < ORIGIN_MAX &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/*") ==
               size;
}

// Requests a minute that this caller may send, as text; "*": as many as they like.
static void write_rate(const exchange *x, char text[static RATE_ROOM]) {
    const limits_config *limits = &x->gw->config->limits;
    limit_rule rule = {0};
    if (x->principal.kind == OW_PLAYER) {
        rule = limits->player;
    } else if (x->principal.kind == OW_SERVER) {
        int32_t own = verifier_limit_of(x->gw->verifier, x->principal.id);
        rule = limits->server_key;
        rule.count = own > 0 ? own : rule.count;
    }
    snprintf(text, RATE_ROOM, "*");
    if (rule.count > 0 && rule.window_us > 0) {
        snprintf(text, RATE_ROOM, "%lld",
                 (long long)((double)rule.count * 60 * SECOND / (double)rule.window_us));
    }
}

// Whoever may publish may deliver; the rate is what the limits give anyway.
static void answer_handshake(exchange *x) {
    const char *origin = ow_http_header(x->http, "WebHook-Request-Origin");
    char rate[RATE_ROOM];
    if (!is_origin(origin)) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "invalid",
                        "WebHook-Request-Origin is the name of a host");
    } else if (x->principal.kind == OW_NOBODY) {
        exchange_refuse(x, 401, OW_UNAUTHENTICATED, "no_token",
                        "who delivers here needs a token, for the handshake too");
    } else {
        write_rate(x, rate);
        ow_http_header_line headers[] = {
            {"WebHook-Allowed-Origin", origin}, {"WebHook-Allowed-Rate", rate}, {"Allow", "POST"}};
        exchange_reply(x, &(exchange_answer){.status = 200,
                                             .content_type = "",
                                             .reason = "",
                                             .more_headers = headers,
                                             .more_header_count = 3});
    }
}

static bool is_handshake(const exchange *x) {
    return strcmp(ow_http_method(x->http), "OPTIONS") == 0 &&
           ow_http_header(x->http, "WebHook-Request-Origin") != NULL;
}

// Nobody's events are not even read.
static void take_head(exchange *x) {
    const events_state *s = &x->state.events;
    if (x->principal.kind == OW_NOBODY) {
        exchange_refuse(x, 401, OW_UNAUTHENTICATED, "no_token", "events need a token");
    } else if (s->is_get && !take_query(x)) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "invalid", "limit is 1 to 200, type a name");
    } else if (exchange_resolve_title(x, true)) {
        ow_http_set_body_limit(x->http, BODY_MAX);
    }
}

static void on_head(exchange *x) {
    const char *http_method = ow_http_method(x->http);
    events_state *s = &x->state.events;
    s->is_get = strcmp(http_method, "GET") == 0;
    x->method_text = s->is_get ? "GET /v1/events" : "POST /v1/events";
    if (!is_here(x)) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "not_found", "there is nothing here");
    } else if (is_handshake(x)) {
        answer_handshake(x);
    } else if (!s->is_get && strcmp(http_method, "POST") != 0) {
        exchange_refuse_method(x, x->from->is_public ? "POST, OPTIONS" : "GET, POST, OPTIONS");
    } else {
        take_head(x);
    }
}

// ---- In ----

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for events");
}

static ow_code read_binary(exchange *x, const char *body, size_t size, ow_cloudevent *event,
                           ow_err *err) {
    ow_cloudevent_pair headers[HEADERS_MAX];
    size_t count = 0;
    while (count < HEADERS_MAX &&
           ow_http_header_at(x->http, count, &headers[count].name, &headers[count].value)) {
        count++;
    }
    return ow_cloudevent_from_headers(headers, count, body, size, x->call->arena, event, err);
}

static ow_code read_events(exchange *x, ow_cloudevent **ret_events, size_t *ret_count,
                           ow_err *err) {
    ow_arena *arena = x->call->arena;
    size_t size;
    const char *body = ow_http_body(x->http, &size);
    ow_cloudevent_mode mode = ow_cloudevent_mode_of(ow_http_header(x->http, "Content-Type"));
    if (mode == OW_CLOUDEVENT_BATCH) {
        return ow_cloudevents_from_json(body, size, EVENTS_MAX, arena, ret_events, ret_count, err);
    }
    *ret_count = 1;
    *ret_events = ow_arena_alloc(arena, sizeof **ret_events);
    if (*ret_events == NULL) {
        return no_memory(err);
    }
    switch (mode) {
    case OW_CLOUDEVENT_STRUCTURED:
        return ow_cloudevent_from_json(body, size, arena, *ret_events, err);
    case OW_CLOUDEVENT_BINARY:
        return read_binary(x, body, size, *ret_events, err);
    default:
        return ow_fail(err, OW_INVALID_ARGUMENT, "unsupported_format",
                       "of the formats of CloudEvents only JSON is spoken here");
    }
}

static bool take_time(ow_arena *arena, const char *text, Google__Protobuf__Timestamp **ret_time) {
    int64_t us;
    if (text[0] == '\0' || !ow_moment_parse(text, &us)) {
        return true;
    }
    *ret_time = ow_timestamp_in(arena, us);
    return *ret_time != NULL;
}

static bool add_extension(ow_arena *arena, new_event *to, const char *name, const char *value) {
    extension *x = ow_arena_alloc(arena, sizeof *x);
    if (x == NULL) {
        return false;
    }
    overworld__events__v1__extension__init(x);
    x->name = borrow(name);
    x->value = borrow(value);
    to->extensions[to->n_extensions++] = x;
    return true;
}

static bool fill_event(ow_arena *arena, const ow_cloudevent *from, new_event *to) {
    overworld__events__v1__new_event__init(to);
    to->type = borrow(from->type);
    to->id = borrow(from->id);
    to->source = borrow(from->source);
    to->subject = borrow(from->subject);
    to->content_type = borrow(from->datacontenttype);
    to->data = (ProtobufCBinaryData){from->size, (uint8_t *)(uintptr_t)from->data};
    to->extensions = ow_arena_calloc(arena, from->extension_count + 2, sizeof(extension *));
    bool whole = to->extensions != NULL && take_time(arena, from->time, &to->time);
    if (whole && from->dataschema[0] != '\0') {
        whole = add_extension(arena, to, "dataschema", from->dataschema);
    }
    for (size_t i = 0; whole && i < from->extension_count; i++) {
        whole = add_extension(arena, to, from->extensions[i].name, from->extensions[i].value);
    }
    return whole;
}

static void reply_published(exchange *x, const publish_response *reply) {
    ow_json_writer w;
    size_t size = 0;
    ow_json_writer_init(&w, x->call->arena, BODY_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "events");
    ow_json_array_open(&w);
    for (size_t i = 0; i < reply->n_events; i++) {
        ow_json_object_open(&w);
        ow_json_name(&w, "trigger_id");
        ow_json_text(&w, reply->events[i]->trigger_id);
        ow_json_name(&w, "duplicate");
        ow_json_bool(&w, reply->events[i]->duplicate);
        ow_json_object_close(&w);
    }
    ow_json_array_close(&w);
    ow_json_object_close(&w);
    const char *body = ow_json_writer_end(&w, &size);
    exchange_reply(x, &(exchange_answer){.status = 202,
                                         .content_type = JSON,
                                         .body = body,
                                         .size = body != NULL ? size : 0,
                                         .reason = ""});
}

static void on_published(const publish_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    reply_published(x, reply);
}

static ow_code fill_request(exchange *x, publish_request *request, ow_err *err) {
    ow_arena *arena = x->call->arena;
    ow_cloudevent *events = NULL;
    size_t count = 0;
    ow_code code = read_events(x, &events, &count, err);
    if (code != OW_OK) {
        return code;
    }
    new_event *made = ow_arena_calloc(arena, count + 1, sizeof *made);
    request->events = ow_arena_calloc(arena, count + 1, sizeof *request->events);
    if (made == NULL || request->events == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        if (!fill_event(arena, &events[i], &made[i])) {
            return no_memory(err);
        }
        request->events[i] = &made[i];
    }
    request->n_events = count;
    return OW_OK;
}

static void publish(exchange *x) {
    ow_err err;
    publish_request *request = ow_arena_alloc(x->call->arena, sizeof *request);
    if (request == NULL) {
        no_memory(&err);
        exchange_fail_err(x, &err);
        return;
    }
    overworld__events__v1__publish_request__init(request);
    if (fill_request(x, request, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    x->in_flight = true;
    overworld__events__v1__events__publish(x->gw->events, request, on_published, x->call);
}

// ---- Out ----

static bool to_cloudevent(ow_arena *arena, const occurrence *from, ow_cloudevent *to) {
    char time[OW_MOMENT_MAX] = "";
    if (from->time != NULL) {
        ow_moment_print(from->time->seconds * SECOND + from->time->nanos / 1000, time);
    }
    *to = (ow_cloudevent){.id = from->id,
                          .source = from->source,
                          .type = from->type,
                          .subject = from->subject,
                          .time = ow_arena_strdup_in(arena, time),
                          .dataschema = "",
                          .datacontenttype = from->content_type,
                          .has_data = from->data.len > 0,
                          .data = from->data.data,
                          .size = from->data.len};
    for (size_t i = 0; i < from->n_extensions && i < OW_CLOUDEVENT_EXTENSIONS_MAX; i++) {
        const extension *e = from->extensions[i];
        if (strcmp(e->name, "dataschema") == 0) {
            to->dataschema = e->value;
        } else {
            to->extensions[to->extension_count++] = (ow_cloudevent_pair){e->name, e->value};
        }
    }
    return to->time != NULL;
}

static void reply_json(exchange *x, const char *type, const char *body, size_t size) {
    if (body == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "too much at once: lower limit");
        return;
    }
    exchange_reply(
        x, &(exchange_answer){
               .status = 200, .content_type = type, .body = body, .size = size, .reason = ""});
}

static void on_one(const occurrence *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    ow_cloudevent event;
    size_t size = 0;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    const char *body = to_cloudevent(call->arena, reply, &event)
                           ? ow_cloudevent_json_in(call->arena, &event, REPLY_MAX, &size)
                           : NULL;
    reply_json(x, OW_CLOUDEVENT_JSON, body, size);
}

static void on_list(const list_occurrences_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    ow_json_writer w;
    size_t size = 0;
    bool whole = true;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    ow_json_writer_init(&w, call->arena, REPLY_MAX);
    ow_json_array_open(&w);
    for (size_t i = 0; whole && i < reply->n_occurrences; i++) {
        ow_cloudevent event;
        size_t event_size = 0;
        const char *text = to_cloudevent(call->arena, reply->occurrences[i], &event)
                               ? ow_cloudevent_json_in(call->arena, &event, REPLY_MAX, &event_size)
                               : NULL;
        whole = text != NULL;
        if (whole) {
            ow_json_raw(&w, text, event_size);
        }
    }
    ow_json_array_close(&w);
    const char *body = whole ? ow_json_writer_end(&w, &size) : NULL;
    reply_json(x, OW_CLOUDEVENTS_JSON, body, size);
}

static void give(exchange *x) {
    const events_state *s = &x->state.events;
    ow_arena *arena = x->call->arena;
    get_occurrence_request *one = ow_arena_alloc(arena, sizeof *one);
    list_occurrences_request *list = ow_arena_alloc(arena, sizeof *list);
    if (one == NULL || list == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    overworld__events__v1__get_occurrence_request__init(one);
    overworld__events__v1__list_occurrences_request__init(list);
    x->in_flight = true;
    if (s->trigger_id[0] != '\0') {
        one->trigger_id = borrow(s->trigger_id);
        overworld__events__v1__events__get_occurrence(x->gw->events, one, on_one, x->call);
        return;
    }
    list->type = borrow(s->type);
    list->page_size = s->limit;
    list->data = true;
    overworld__events__v1__events__list_occurrences(x->gw->events, list, on_list, x->call);
}

static void on_body(exchange *x) {
    if (!exchange_begin_call(x, x->gw->config->method_timeout, true)) {
        return;
    }
    if (x->state.events.is_get) {
        give(x);
    } else {
        publish(x);
    }
}

const door events_door = {"events", true, true, false, on_head, on_body};
