// POST /hooks/{title}/{name}: a webhook of somebody else. Nobody is logged in: the service checks the
// signature. The title may be left out when there is one.

#include "services/gateway/internal.h"

#include "core/http/text.h"
#include "core/json/writer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PREFIX "/hooks/"
#define BODY_MAX (240 << 10)

enum { HEADERS_MAX = 64, PART_MAX = 128 };

// What stays between us and the client.
static bool is_private(const char *name) {
    static const char *const names[] = {"authorization", "cookie"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_part(const char *text, size_t size, char part[static PART_MAX]) {
    return ow_http_percent_decode(text, size, false, part, PART_MAX) > 0;
}

static bool take_path(exchange *x, char title[static PART_MAX]) {
    char name[PART_MAX];
    const char *at = ow_http_path(x->http) + strlen(PREFIX);
    const char *slash = strchr(at, '/');
    title[0] = '\0';
    if (slash != NULL && !take_part(at, (size_t)(slash - at), title)) {
        return false;
    }
    at = slash != NULL ? slash + 1 : at;
    if (strchr(at, '/') != NULL || !take_part(at, strlen(at), name)) {
        return false;
    }
    size_t size = strlen(name);
    bool fits = size < sizeof x->state.hook.name;
    if (fits) {
        memcpy(x->state.hook.name, name, size + 1);
    }
    return fits;
}

static void on_head(exchange *x) {
    char title[PART_MAX];
    const char *title_id;
    x->method_text = "POST /hooks";
    bool found =
        take_path(x, title) &&
        titles_resolve(x->gw->titles, title[0] != '\0' ? title : NULL, &title_id, NULL) == OW_OK;
    if (!found) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "no_webhook", "there is no such webhook");
        return;
    }
    if (strcmp(ow_http_method(x->http), "POST") != 0) {
        exchange_refuse_method(x, "POST");
        return;
    }
    snprintf(x->principal.title, sizeof x->principal.title, "%s", title_id);
    ow_http_set_body_limit(x->http, BODY_MAX);
}

static bool fill_headers(exchange *x, receive_webhook_request *request) {
    ow_arena *arena = x->call->arena;
    const char *name, *value;
    request->headers = ow_arena_calloc(arena, HEADERS_MAX, sizeof *request->headers);
    for (size_t i = 0; request->headers != NULL && i < HEADERS_MAX &&
                       ow_http_header_at(x->http, i, &name, &value);
         i++) {
        http_header *header = is_private(name) ? NULL : ow_arena_alloc(arena, sizeof *header);
        if (header == NULL && !is_private(name)) {
            return false;
        }
        if (header != NULL) {
            overworld__events__v1__http_header__init(header);
            header->name = (char *)(uintptr_t)name;
            header->value = (char *)(uintptr_t)value;
            request->headers[request->n_headers++] = header;
        }
    }
    return request->headers != NULL;
}

static void on_received(const receive_webhook_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    ow_json_writer w;
    size_t size = 0;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    ow_json_writer_init(&w, call->arena, 512);
    ow_json_object_open(&w);
    ow_json_name(&w, "trigger_id");
    ow_json_text(&w, reply->trigger_id);
    ow_json_name(&w, "duplicate");
    ow_json_bool(&w, reply->duplicate);
    ow_json_object_close(&w);
    const char *body = ow_json_writer_end(&w, &size);
    exchange_reply(x, &(exchange_answer){.status = 202,
                                         .content_type = "application/json",
                                         .body = body,
                                         .size = body != NULL ? size : 0,
                                         .reason = ""});
}

static void on_body(exchange *x) {
    size_t size;
    const void *body = ow_http_body(x->http, &size);
    if (!exchange_begin_call(x, x->gw->config->method_timeout, false)) {
        return;
    }
    receive_webhook_request *request = ow_arena_alloc(x->call->arena, sizeof *request);
    if (request != NULL) {
        overworld__events__v1__receive_webhook_request__init(request);
        request->name = x->state.hook.name;
        request->body = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)body};
    }
    if (request == NULL || !fill_headers(x, request)) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    x->in_flight = true;
    overworld__events__v1__events__receive_webhook(x->gw->events, request, on_received, x->call);
}

const door hooks_door = {"hooks", false, true, false, on_head, on_body};
