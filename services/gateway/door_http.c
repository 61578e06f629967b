// /http/{title}/{virtual_server}/...: routes that virtual servers declare. The request becomes an event,
// the function's reply becomes the answer; copies are kept where the route says so, and stand in for a
// function that fails.

#include "services/gateway/http_cache.h"
#include "services/gateway/http_event.h"
#include "services/gateway/http_fallback.h"
#include "services/gateway/internal.h"

#include "core/http/text.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/http/"
#define BODY_MAX (2 << 20)
#define COPY_MAX (1 << 20)
#define KEY_MAX 1024
#define MILLISECOND 1000
#define SECOND 1000000
#define PREFLIGHT_AGE "600"

// ---- which route ----

typedef struct place {
    const http_routes *routes;
    const char *path; // of the route, with its '/'
} place;

static bool take_segment(const char **at, char name[static NAME_TEXT_MAX]) {
    size_t size = strcspn(*at, "/");
    if (size == 0 || size >= NAME_TEXT_MAX) {
        return false;
    }
    memcpy(name, *at, size);
    name[size] = '\0';
    *at += size;
    return true;
}

// "/http/{title}/{virtual_server}/..."; the title may be left out where there is one.
static bool find_place(exchange *x, place *ret_place) {
    gateway *gw = x->gw;
    const char *at = ow_http_path(x->http) + strlen(PREFIX);
    char title[NAME_TEXT_MAX];
    const char *id;
    if (!take_segment(&at, title)) {
        return false;
    }
    const char *behind = at;
    if (titles_resolve(gw->titles, title, &id, NULL) == OW_OK && *at == '/') {
        at++;
        if (take_segment(&at, x->virtual_server)) {
            ret_place->routes = gateway_routes_http(gw->routes, id, x->virtual_server);
        }
    }
    if (ret_place->routes == NULL && titles_resolve(gw->titles, NULL, &id, NULL) == OW_OK) {
        memcpy(x->virtual_server, title, sizeof title);
        ret_place->routes = gateway_routes_http(gw->routes, id, x->virtual_server);
        at = behind;
    }
    if (ret_place->routes == NULL) {
        return false;
    }
    snprintf(x->principal.title, sizeof x->principal.title, "%s", id);
    ret_place->path = *at == '/' ? at : "/";
    return true;
}

// ---- CORS ----

static void note_origin(exchange *x, const http_route *route) {
    http_state *s = &x->state.http;
    const char *allowed = http_route_origin(route, ow_http_header(x->http, "Origin"));
    s->speaks_cors = route->origin_count > 0;
    s->origin[0] = '\0';
    if (allowed != NULL && strlen(allowed) < sizeof s->origin) {
        snprintf(s->origin, sizeof s->origin, "%s", allowed);
    }
}

static size_t add_cors(const http_state *s, ow_http_header_line *headers, size_t count) {
    if (s->origin[0] != '\0') {
        headers[count++] = (ow_http_header_line){"Access-Control-Allow-Origin", s->origin};
        headers[count++] = (ow_http_header_line){"Access-Control-Expose-Headers", "*"};
    }
    if (s->speaks_cors && strcmp(s->origin, "*") != 0) {
        headers[count++] = (ow_http_header_line){"Vary", "Origin"};
    }
    return count;
}

// False: it is not a preflight that anything here answers.
static bool answer_preflight(exchange *x, const place *at) {
    const char *method = ow_http_header(x->http, "Access-Control-Request-Method");
    const char *wanted = ow_http_header(x->http, "Access-Control-Request-Headers");
    const http_route *route =
        method != NULL ? http_routes_preflight(at->routes, method, at->path) : NULL;
    if (route == NULL) {
        return false;
    }
    ow_http_header_line headers[8];
    note_origin(x, route);
    size_t count = add_cors(&x->state.http, headers, 0);
    if (x->state.http.origin[0] != '\0') {
        headers[count++] = (ow_http_header_line){"Access-Control-Allow-Methods", method};
        headers[count++] = (ow_http_header_line){"Access-Control-Max-Age", PREFLIGHT_AGE};
        if (wanted != NULL) {
            headers[count++] = (ow_http_header_line){"Access-Control-Allow-Headers", wanted};
        }
    }
    exchange_reply(x, &(exchange_answer){.status = 204,
                                         .content_type = "",
                                         .reason = "",
                                         .more_headers = headers,
                                         .more_header_count = count});
    return true;
}

// ---- may they ----

static bool is_let_in(const exchange *x, http_access access) {
    switch (access) {
    case ACCESS_PUBLIC:
        return true;
    case ACCESS_PLAYER:
        return x->principal.kind == OW_PLAYER;
    default:
        return x->principal.kind == OW_SERVER;
    }
}

// Of a public route the Authorization header is the function's own matter. False: it ended.
static bool check_access(exchange *x, http_access access) {
    char title[OW_ID_MAX];
    ow_err err;
    const char *authorization = ow_http_header(x->http, "Authorization");
    if (access == ACCESS_PUBLIC) {
        return true;
    }
    if (authorization == NULL) {
        exchange_refuse(x, 401, OW_UNAUTHENTICATED, "no_token", "this route needs a token");
        return false;
    }
    memcpy(title, x->principal.title, sizeof title);
    if (verifier_check(x->gw->verifier, authorization, x->started_wall_us, &x->principal, &err) !=
        OW_OK) {
        exchange_fail_err(x, &err);
        return false;
    }
    if (!is_let_in(x, access) || strcmp(title, x->principal.title) != 0) {
        exchange_refuse(x, 403, OW_PERMISSION_DENIED, "not_allowed",
                        access == ACCESS_PLAYER ? "this route is for players of its title"
                                                : "this route is for server keys of its title");
        return false;
    }
    return true;
}

static bool admit(exchange *x, const http_route *route) {
    int64_t wait_us = x->principal.kind == OW_NOBODY
                          ? 0
                          : limits_admit_call(x->gw->limits, &x->principal, x->virtual_server,
                                              route->function, ow_clock_mono_us(x->gw->env->clock));
    if (wait_us > 0) {
        exchange_throttle(x, wait_us);
    }
    return wait_us == 0;
}

static void refuse_path(exchange *x, const place *at, const http_match *match) {
    char allow[200];
    if (match->other_method) {
        http_routes_allow(at->routes, at->path, allow, sizeof allow);
        exchange_refuse_method(x, allow);
    } else {
        exchange_refuse(x, 404, OW_NOT_FOUND, "route_not_found", "no route has this path");
    }
}

static void on_head(exchange *x) {
    place at = {NULL, NULL};
    http_match match;
    x->method_text = "/http";
    if (!find_place(x, &at)) {
        x->virtual_server[0] = '\0';
        exchange_refuse(x, 404, OW_NOT_FOUND, "route_not_found", "no virtual server has this path");
        return;
    }
    http_routes_find(at.routes, ow_http_method(x->http), at.path, &match);
    if (match.route == NULL && strcmp(ow_http_method(x->http), "OPTIONS") == 0 &&
        answer_preflight(x, &at)) {
        return;
    }
    if (match.route == NULL) {
        refuse_path(x, &at, &match);
        return;
    }
    if (!http_event_fits_query(ow_http_query(x->http))) {
        exchange_refuse(x, 400, OW_INVALID_ARGUMENT, "too_many_parameters",
                        "a query has at most 100 parameters");
        return;
    }
    note_origin(x, match.route);
    snprintf(x->function, sizeof x->function, "%s", match.route->function);
    snprintf(x->qualifier, sizeof x->qualifier, "%s", match.route->alias);
    if (check_access(x, match.route->access) && admit(x, match.route)) {
        int64_t max = x->gw->config->max_payload;
        ow_http_set_body_limit(x->http, (size_t)(max < BODY_MAX ? max : BODY_MAX));
    }
}

// ---- answering ----

typedef struct answer_marks {
    const char *degraded;    // why a copy stands in; NULL: it does not
    int64_t left_us, age_us; // of a copy; -1: it is none
} answer_marks;

static void answer(exchange *x, const http_reply *reply, const answer_marks *marks) {
    ow_http_header_line headers[EXCHANGE_MORE_HEADERS];
    char age[32];
    char control[64];
    size_t count = add_cors(&x->state.http, headers, 0);
    memcpy(headers + count, reply->headers, reply->header_count * sizeof *headers);
    count += reply->header_count;
    if (marks->age_us >= 0) {
        snprintf(age, sizeof age, "%lld", (long long)(marks->age_us / SECOND));
        headers[count++] = (ow_http_header_line){"Age", age};
    }
    if (marks->left_us > 0 && marks->degraded == NULL) {
        // A browser's own cache does not look at Authorization, nor who is logged in by now.
        bool personal = x->state.http.is_personal;
        snprintf(control, sizeof control, "%smax-age=%lld", personal ? "private, " : "",
                 (long long)(marks->left_us / SECOND));
        headers[count++] = (ow_http_header_line){"Cache-Control", control};
        if (personal) {
            headers[count++] = (ow_http_header_line){"Vary", "Authorization"};
        }
    }
    if (marks->degraded != NULL) {
        headers[count++] = (ow_http_header_line){"X-Overworld-Degraded", marks->degraded};
    }
    exchange_reply(x, &(exchange_answer){.status = reply->status,
                                         .content_type = reply->content_type,
                                         .body = reply->body,
                                         .size = reply->size,
                                         .reason = marks->degraded != NULL ? marks->degraded : "",
                                         .more_headers = headers,
                                         .more_header_count = count});
}

static void answer_copy(exchange *x, const http_copy *copy, const char *degraded) {
    http_reply reply = {.status = copy->status, .body = copy->body, .size = copy->size};
    int64_t now = ow_clock_mono_us(x->gw->env->clock);
    if (!http_head_read(copy->head, copy->head_size, x->call->arena, &reply)) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    answer_marks marks = {degraded, copy->expires_us - now, now - copy->stored_us};
    answer(x, &reply, &marks);
}

// A fill that ends lets the next one who waits go on; that may answer others, never this one.
static void end_fill(exchange *x) {
    http_state *s = &x->state.http;
    if (s->fills) {
        s->fills = false;
        http_cache_give_up(x->gw->http_cache, s->key);
    }
}

static void answer_failure(exchange *x, const failure *why) {
    ow_http_header_line headers[4];
    exchange_fail_with(x, why, headers, add_cors(&x->state.http, headers, 0));
}

static void on_file(exchange *x, const http_reply *file) {
    const failure *why = &x->state.http.why;
    if (file == NULL) {
        answer_failure(x, why);
        return;
    }
    answer_marks marks = {why->reason, 0, -1};
    answer(x, file, &marks);
}

// The failure's texts are its call's, or an error's on the stack: the file comes later than they last.
static bool ask_for_file(exchange *x, const failure *why) {
    http_state *s = &x->state.http;
    s->why = *why;
    s->why.details_json = NULL; // only refusals have any
    s->why.reason = ow_arena_strdup_in(x->call->arena, why->reason);
    s->why.message = ow_arena_strdup_in(x->call->arena, why->message);
    return s->why.reason != NULL && s->why.message != NULL && http_fallback_ask(x, on_file);
}

static void fail(exchange *x, const failure *why) {
    const http_state *s = &x->state.http;
    bool away = why->status >= 500 || why->status == 429;
    end_fill(x);
    const http_copy *copy = s->stale && away ? http_cache_stale(x->gw->http_cache, s->key) : NULL;
    if (copy != NULL) {
        answer_copy(x, copy, why->reason);
    } else if (!away || !ask_for_file(x, why)) {
        answer_failure(x, why);
    }
}

static void keep(exchange *x, const http_reply *reply) {
    http_state *s = &x->state.http;
    int64_t now = ow_clock_mono_us(x->gw->env->clock);
    http_copy copy = {.status = reply->status,
                      .body = reply->body,
                      .size = reply->size,
                      .stored_us = now,
                      .expires_us = now + s->cache_us};
    copy.head = http_head_write(reply, x->call->arena, &copy.head_size);
    if (s->key != NULL && reply->storable && reply->size <= COPY_MAX && copy.head != NULL) {
        s->fills = false;
        http_cache_fill(x->gw->http_cache, s->key, &copy);
    } else {
        end_fill(x);
    }
}

static void on_invoked(const invoke_response *from, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    http_reply reply;
    ow_err err;
    x->in_flight = false;
    if (from == NULL) {
        ow_err copy = call->err;
        failure why = failure_from(&copy);
        fail(x, &why);
        return;
    }
    x->instance_us = from->instance_us;
    x->version = from->version;
    if (from->reason[0] != '\0') {
        fail(x, &(failure){.code = OW_UNKNOWN,
                           .reason = from->reason,
                           .message = from->message,
                           .status = failure_status_of_reason(from->reason),
                           .retry_after_s = from->retry_after_s});
        return;
    }
    if (http_reply_read(from, call->arena, &reply, &err) != OW_OK) {
        fail(x,
             &(failure){
                 .code = OW_UNKNOWN, .reason = "bad_reply", .message = err.message, .status = 502});
        return;
    }
    keep(x, &reply);
    // What is not shared here must not be by a proxy in front either.
    bool shared = reply.storable && x->state.http.key != NULL;
    answer_marks marks = {NULL, shared ? x->state.http.cache_us : 0, -1};
    answer(x, &reply, &marks);
}

// ---- asking ----

static void invoke(exchange *x) {
    x->in_flight = true;
    overworld__runner__v1__runner__invoke(x->gw->runner, &x->state.http.request, on_invoked,
                                          x->call);
}

static void on_filled(void *self, const http_copy *copy, bool fills) {
    exchange *x = self;
    x->state.http.fills = fills;
    if (copy != NULL) {
        answer_copy(x, copy, NULL);
    } else {
        invoke(x);
    }
}

static bool find_revision(exchange *x, const http_route *route, int64_t *ret_timeout_us) {
    ow_principal platform = {.kind = OW_PLATFORM};
    const route_revision *revision;
    const route_function *function;
    ow_err err;
    memcpy(platform.title, x->principal.title, sizeof platform.title);
    route_query query = {.principal = &platform,
                         .virtual_server = x->virtual_server,
                         .function = route->function,
                         .qualifier = route->alias,
                         .routing_key = x->principal.kind == OW_PLAYER ? x->principal.id : "",
                         .request_id = x->request_id};
    if (gateway_routes_find(x->gw->routes, &query, &revision, &function, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return false;
    }
    snprintf(x->revision_id, sizeof x->revision_id, "%s", revision->revision_id);
    x->log_payload = function->log_payload;
    http_fallback_note(&x->state.http, route, revision);
    *ret_timeout_us = (int64_t)function->timeout_ms * MILLISECOND + x->gw->config->init_limit;
    if (route->timeout_us > 0 && route->timeout_us < *ret_timeout_us) {
        *ret_timeout_us = route->timeout_us;
    }
    return true;
}

// A request with credentials that the gateway does not know, or with a body, is nobody else's.
static bool may_share(const exchange *x, const http_route *route) {
    const char *method = ow_http_method(x->http);
    size_t size;
    ow_http_body(x->http, &size);
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    bool own_secret =
        route->access == ACCESS_PUBLIC && (ow_http_header(x->http, "Authorization") != NULL ||
                                           ow_http_header(x->http, "Cookie") != NULL);
    return reads && size == 0 && !own_secret;
}

// Whose copy it is: of everybody for public routes, of one principal else. What a function answers to
// HEAD, often nothing, is no answer to GET.
static char *key_of(exchange *x, const http_route *route, const char *path) {
    char key[KEY_MAX];
    bool wanted = route->cache_us > 0 || route->stale_on_failure;
    if (!wanted || !may_share(x, route)) {
        return NULL;
    }
    int size = snprintf(key, sizeof key, "%s/%s%s\n%s\n%s\n%s\n%s\n%s", x->principal.title,
                        x->virtual_server, path, ow_http_query(x->http), ow_http_method(x->http),
                        x->revision_id, route->function,
                        route->access != ACCESS_PUBLIC ? x->principal.id : "");
    return size > 0 && (size_t)size < sizeof key ? ow_arena_strdup_in(x->call->arena, key) : NULL;
}

static bool fill_request(exchange *x, const http_match *match, const char *path) {
    invoke_request *request = &x->state.http.request;
    size_t size;
    const char *event = http_event_write(x, match, path, &size);
    if (event == NULL) {
        return false;
    }
    overworld__runner__v1__invoke_request__init(request);
    request->virtual_server = x->virtual_server;
    request->function = x->function;
    request->qualifier = x->qualifier;
    request->revision_id = x->revision_id;
    request->source = (char *)(uintptr_t) "http";
    request->content_type = (char *)(uintptr_t) "application/json";
    request->payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)event};
    return true;
}

static void ask_cache(exchange *x) {
    http_state *s = &x->state.http;
    const http_copy *copy = NULL;
    if (s->key == NULL || s->cache_us == 0) {
        invoke(x);
        return;
    }
    s->waiter = (http_waiter){.on_filled = on_filled, .self = x};
    switch (http_cache_find(x->gw->http_cache, s->key, ow_clock_mono_us(x->gw->env->clock),
                            &s->waiter, &copy)) {
    case CACHE_FRESH:
        answer_copy(x, copy, NULL);
        break;
    case CACHE_FILL:
        s->fills = true;
        invoke(x);
        break;
    case CACHE_WAIT:
        break;
    case CACHE_FULL:
        invoke(x);
        break;
    }
}

// The table may have changed since the headers came, when it was checked who asks.
static bool find_again(exchange *x, place *ret_place, http_match *ret_match) {
    char title[OW_ID_MAX];
    memcpy(title, x->principal.title, sizeof title);
    if (!find_place(x, ret_place)) {
        return false;
    }
    http_routes_find(ret_place->routes, ow_http_method(x->http), ret_place->path, ret_match);
    const http_route *route = ret_match->route;
    return route != NULL && strcmp(route->function, x->function) == 0 &&
           strcmp(title, x->principal.title) == 0 && is_let_in(x, route->access);
}

static void on_body(exchange *x) {
    place at = {NULL, NULL};
    http_match match = {.route = NULL};
    int64_t timeout_us;
    if (!find_again(x, &at, &match)) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "route_not_found", "no route has this path");
        return;
    }
    if (!find_revision(x, match.route, &timeout_us) || !exchange_begin_call(x, timeout_us, false)) {
        return;
    }
    http_state *s = &x->state.http;
    s->cache_us = match.route->cache_us;
    s->stale = match.route->stale_on_failure;
    s->is_personal = match.route->access != ACCESS_PUBLIC;
    s->key = key_of(x, match.route, at.path);
    s->stale = s->stale && s->key != NULL;
    if (!fill_request(x, &match, at.path)) {
        exchange_refuse(x, 413, OW_RESOURCE_EXHAUSTED, "payload_too_large",
                        "the event is larger than accepted here");
        return;
    }
    ask_cache(x);
}

void http_door_begin(exchange *x) {
    memset(&x->state.http, 0, sizeof x->state.http);
}

void http_door_end(exchange *x) {
    http_fallback_end(x);
    http_cache_leave(&x->state.http.waiter);
    end_fill(x);
}

const door http_door = {"http", false, true, false, on_head, on_body};
