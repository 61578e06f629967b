#include "services/gateway/internal.h"

#include "core/http/text.h"
#include "services/gateway/portal_cookie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_MAX 1024
#define OWN_HEADERS_MAX 8
#define NUMBER_TEXT_MAX 24
#define CONTENT_TYPE_MAX 200
#define SECOND 1000000
#define STREAM_BEHIND_MAX (4 << 20) // bytes that wait for a client
#define AUTHORIZATION_ROOM (PORTAL_TOKEN_MAX + 8)

// ---- life ----

// Several lines of the header are one list.
static void take_client_address(exchange *x) {
    const proxies *trusted = x->gw->proxies;
    const char *line = "";
    memccpy(x->client_address, ow_http_peer(x->http), '\0', sizeof x->client_address - 1);
    for (size_t nth = 0; line != NULL && proxies_trust(trusted, x->client_address); nth++) {
        line = ow_http_header_from_last(x->http, "X-Forwarded-For", nth);
        if (line != NULL && proxies_follow(trusted, line, x->client_address)) {
            return;
        }
    }
}

static exchange *exchange_new(const listener *from, ow_http_request *http) {
    gateway *gw = from->gw;
    exchange *x = gw->spare;
    if (x != NULL) {
        gw->spare = x->next;
        gw->spare_count--;
    } else {
        x = malloc(sizeof *x);
        if (x == NULL) {
            return NULL;
        }
    }
    memset(x, 0, offsetof(exchange, state));
    x->gw = gw;
    x->from = from;
    x->http = http;
    x->door = &plain_door;
    x->method_text = "";
    x->version = -1;
    x->started_us = ow_loop_now_us(gw->loop);
    x->started_wall_us = ow_clock_wall_us(gw->env->clock);
    ow_id_make(x->request_id, "req_", x->started_wall_us);
    take_client_address(x);
    x->next = gw->live;
    if (gw->live != NULL) {
        gw->live->previous = x;
    }
    gw->live = x;
    gw->live_count++;
    gw->request_count++;
    ow_http_set_user(http, x);
    return x;
}

static void exchange_free(exchange *x) {
    gateway *gw = x->gw;
    if (x->door == &http_door) {
        http_door_end(x);
    }
    ow_call_free(x->call);
    if (x->previous != NULL) {
        x->previous->next = x->next;
    } else {
        gw->live = x->next;
    }
    if (x->next != NULL) {
        x->next->previous = x->previous;
    }
    gw->live_count--;
    if (gw->spare_count < SPARE_MAX) {
        x->next = gw->spare;
        gw->spare = x;
        gw->spare_count++;
    } else {
        free(x);
    }
}

void exchange_free_spares(gateway *gw) {
    while (gw->spare != NULL) {
        exchange *next = gw->spare->next;
        free(gw->spare);
        gw->spare = next;
    }
}

// Of those who wait for what another one fetches, the next would ask once that one is cancelled.
static void end_waiting(gateway *gw) {
    for (exchange *x = gw->live; x != NULL;) {
        exchange *next = x->next;
        if (x->door == &http_door && x->state.http.waiter.entry != NULL) {
            exchange_refuse(x, 503, OW_UNAVAILABLE, "stopping", "the server is stopping");
        }
        x = next;
    }
}

void exchange_cancel_all(gateway *gw) {
    end_waiting(gw);
    // Each cancellation may end its exchange, and none other.
    for (exchange *x = gw->live; x != NULL;) {
        exchange *next = x->next;
        if (x->in_flight) {
            ow_call_cancel_for(x->call, OW_UNAVAILABLE, "stopping");
        }
        x = next;
    }
}

// ---- replying ----

static size_t add_header(ow_http_header_line *headers, size_t count, const char *name,
                         const char *value) {
    headers[count] = (ow_http_header_line){name, value};
    return count + 1;
}

// On the path of every call, where printf would cost as much as the rest of the headers.
static const char *number_text(char text[static NUMBER_TEXT_MAX], int64_t number) {
    char *at = text + NUMBER_TEXT_MAX - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return at;
}

// The portal lives on the console's origin: whatever else is answered there must not be run as one of
// its pages.
static size_t add_console_headers(ow_http_header_line *headers, size_t count,
                                  const exchange_answer *answer) {
    count = add_header(headers, count, "X-Content-Type-Options", "nosniff");
    return answer->is_portal_page ? count
                                  : add_header(headers, count, "Content-Security-Policy",
                                               "sandbox; default-src 'none'");
}

const door *const gateway_doors[DOORS] = {
    &call_door,  &connect_door, &bundle_door,   &push_door,   &http_door,
    &plain_door, &sign_in_door, &sign_out_door, &events_door, &hooks_door};

static void count_reply(const exchange *x, int status) {
    for (int i = 0; i < DOORS; i++) {
        if (gateway_doors[i] == x->door) {
            const door_metrics *metrics = &x->gw->metrics[i];
            ow_counter_add(metrics->requests[status / 100 % STATUS_CLASSES], 1);
            ow_histogram_observe(metrics->durations, ow_loop_now_us(x->gw->loop) - x->started_us);
        }
    }
}

// The texts behind a reply's header lines.
typedef struct head_lines {
    ow_http_header_line lines[OWN_HEADERS_MAX + EXCHANGE_MORE_HEADERS];
    char traceparent[OW_TRACEPARENT_MAX];
    char version[NUMBER_TEXT_MAX];
    char retry_after[NUMBER_TEXT_MAX];
    size_t count;
} head_lines;

static void fill_head(const exchange *x, const exchange_answer *answer, head_lines *to) {
    ow_http_header_line *headers = to->lines;
    size_t count = 0;
    ow_trace_format(to->traceparent, &x->trace);
    if (ow_http_is_header_value(answer->content_type, CONTENT_TYPE_MAX)) {
        count = add_header(headers, count, "Content-Type", answer->content_type);
    }
    count = add_header(headers, count, "Overworld-Request-Id", x->request_id);
    count = add_header(headers, count, "traceparent", to->traceparent);
    if (x->version >= 0) {
        count = add_header(headers, count, "Overworld-Version",
                           x->version > 0 ? number_text(to->version, x->version) : "$LATEST");
    }
    if (answer->retry_after_s > 0) {
        snprintf(to->retry_after, sizeof to->retry_after, "%d", answer->retry_after_s);
        count = add_header(headers, count, "Retry-After", to->retry_after);
    }
    if (answer->allow != NULL) {
        count = add_header(headers, count, "Allow", answer->allow);
    }
    if (!x->from->is_public) {
        count = add_console_headers(headers, count, answer);
    }
    for (size_t i = 0; i < answer->more_header_count; i++) {
        headers[count++] = answer->more_headers[i];
    }
    to->count = count;
}

void exchange_reply(exchange *x, const exchange_answer *answer) {
    head_lines head;
    fill_head(x, answer, &head);
    count_reply(x, answer->status);
    records_add(x, answer);
    ow_http_request *http = x->http;
    ow_http_set_user(http, NULL);
    ow_http_reply(http, &(ow_http_answer){.status = answer->status,
                                          .headers = head.lines,
                                          .header_count = head.count,
                                          .body = answer->body,
                                          .size = answer->size});
    exchange_free(x);
}

void exchange_upgrade(exchange *x, const ow_http_upgrade *upgrade) {
    ow_http_request *http = x->http;
    ow_http_set_user(http, NULL);
    // A record is written from the request, which is gone once this succeeded.
    exchange_answer answer = {.status = 101, .content_type = "", .reason = ""};
    if (!ow_http_upgrade_reply(http, upgrade)) {
        ow_http_set_user(http, x);
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "try again");
        return;
    }
    count_reply(x, answer.status);
    x->http = NULL;
    records_add(x, &answer);
    exchange_free(x);
}

// ---- replying in pieces ----

bool exchange_stream_begin(exchange *x, const char *content_type) {
    head_lines head;
    exchange_answer answer = {.status = 200, .content_type = content_type, .reason = ""};
    fill_head(x, &answer, &head);
    x->streams = true;
    return ow_http_stream_begin(
        x->http,
        &(ow_http_answer){.status = 200, .headers = head.lines, .header_count = head.count});
}

bool exchange_stream_write(exchange *x, const void *bytes, size_t size) {
    x->streamed += (int64_t)size;
    return ow_http_stream_write(x->http, bytes, size, STREAM_BEHIND_MAX);
}

void exchange_stream_end(exchange *x, const char *reason, bool whole) {
    count_reply(x, 200);
    records_add(x,
                &(exchange_answer){.status = 200, .reason = reason, .size = (size_t)x->streamed});
    ow_http_request *http = x->http;
    ow_http_set_user(http, NULL);
    ow_http_stream_end(http, whole);
    exchange_free(x);
}

void exchange_end_streams(gateway *gw) {
    for (exchange *x = gw->live; x != NULL;) {
        exchange *next = x->next;
        // Who has nothing to tell yet has not begun to reply.
        if (x->in_flight && x->door == &connect_door && x->state.connect.streams) {
            ow_call_cancel_for(x->call, OW_UNAVAILABLE, "stopping");
        }
        x = next;
    }
}

static int retry_after(const failure *why) {
    if (why->status != 429 && why->status != 503) {
        return 0;
    }
    return why->retry_after_s > 0 ? why->retry_after_s : 1;
}

typedef struct failure_headers {
    const char *allow;
    const ow_http_header_line *more;
    size_t more_count;
} failure_headers;

static void fail_with(exchange *x, const failure *why, const failure_headers *with) {
    gateway *gw = x->gw;
    size_t size = 0;
    const char *body = x->door->speaks_connect
                           ? failure_connect_json(why, x->request_id, gw->scratch, &size)
                           : failure_json(why, x->request_id, gw->scratch, &size);
    exchange_reply(x, &(exchange_answer){.status = why->status,
                                         .content_type = "application/json",
                                         .body = body,
                                         .size = body != NULL ? size : 0,
                                         .reason = why->reason,
                                         .retry_after_s = retry_after(why),
                                         .allow = with->allow,
                                         .more_headers = with->more,
                                         .more_header_count = with->more_count});
    ow_arena_reset(gw->scratch);
}

void exchange_fail(exchange *x, const failure *why) {
    fail_with(x, why, &(failure_headers){NULL, NULL, 0});
}

void exchange_fail_with(exchange *x, const failure *why, const ow_http_header_line *more,
                        size_t more_count) {
    fail_with(x, why, &(failure_headers){NULL, more, more_count});
}

void exchange_fail_err(exchange *x, const ow_err *err) {
    // The error may lie in the call that ends here.
    ow_err copy = *err;
    failure why = failure_from(&copy);
    if (x->door->speaks_connect) {
        why.status = failure_connect_status(copy.code);
    }
    exchange_fail(x, &why);
}

void exchange_refuse(exchange *x, int status, ow_code code, const char *reason,
                     const char *message) {
    exchange_fail(x,
                  &(failure){.code = code, .reason = reason, .message = message, .status = status});
}

void exchange_throttle(exchange *x, int64_t wait_us) {
    failure why = {.code = OW_RESOURCE_EXHAUSTED,
                   .reason = "throttled",
                   .message = "too many requests, see Retry-After",
                   .status = 429,
                   .retry_after_s = (int)((wait_us + SECOND - 1) / SECOND)};
    exchange_fail(x, &why);
}

void exchange_refuse_method(exchange *x, const char *allow) {
    failure why = {.code = OW_UNIMPLEMENTED,
                   .reason = "method_not_allowed",
                   .message = "this HTTP method is not served here",
                   .status = 405};
    fail_with(x, &why, &(failure_headers){allow, NULL, 0});
}

// ---- what the doors have in common ----

bool exchange_begin_call(exchange *x, int64_t timeout_us, bool from_outside) {
    ow_call_options options = {.principal = &x->principal,
                               .request_id = x->request_id,
                               .trace = &x->trace,
                               .client_address = x->client_address,
                               .tracestate = x->tracestate,
                               .timeout_us = timeout_us,
                               .from_outside = from_outside};
    x->call = ow_call_new(x->gw->loop, &options);
    if (x->call == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return false;
    }
    x->call->user = x;
    return true;
}

static bool refuse_title(exchange *x) {
    exchange_refuse(x, 403, OW_PERMISSION_DENIED, "not_allowed",
                    "this principal or role has no access in this title");
    return false;
}

// A token that names its title is good for no other.
static bool check_own_title(exchange *x, const char *wanted) {
    const char *title;
    bool is_own = wanted == NULL || strcmp(wanted, x->principal.title) == 0 ||
                  (titles_resolve(x->gw->titles, wanted, &title, NULL) == OW_OK &&
                   strcmp(title, x->principal.title) == 0);
    return is_own || refuse_title(x);
}

// What an operator is not told: whether a title exists in which they have no role.
static bool resolve_for_operator(exchange *x, const char *wanted) {
    const verifier *v = x->gw->verifier;
    const char *only = wanted == NULL ? verifier_only_title(v, &x->principal) : NULL;
    const char *title;
    ow_err err;
    if (only != NULL) {
        snprintf(x->principal.title, sizeof x->principal.title, "%s", only);
    } else if (titles_resolve(x->gw->titles, wanted, &title, &err) == OW_OK) {
        snprintf(x->principal.title, sizeof x->principal.title, "%s", title);
    } else if (!verifier_knows_every_title(v, &x->principal)) {
        x->principal.role = OW_ROLE_NONE;
        return refuse_title(x);
    } else if (wanted != NULL) {
        exchange_fail_err(x, &err);
        return false;
    }
    return verifier_grant(v, &x->principal) || refuse_title(x);
}

bool exchange_resolve_title(exchange *x, bool needed) {
    const char *wanted = ow_http_header(x->http, "Overworld-Title");
    const char *title;
    ow_err err;
    if (x->principal.title[0] != '\0') {
        return check_own_title(x, wanted);
    }
    if (x->principal.kind == OW_OPERATOR) {
        if (!resolve_for_operator(x, wanted)) {
            return false;
        }
        if (x->principal.title[0] != '\0' || !needed) {
            return true;
        }
    }
    if (titles_resolve(x->gw->titles, wanted, &title, &err) == OW_OK) {
        snprintf(x->principal.title, sizeof x->principal.title, "%s", title);
        return true;
    }
    if (wanted == NULL && !needed) {
        return true;
    }
    exchange_fail_err(x, &err);
    return false;
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// A stage's path stands in front of the call's.
static bool is_call(exchange *x, const char *path) {
    x->stage = stages_find(&x->gw->stages, ow_http_header(x->http, "Host"), path);
    if (x->stage != NULL && x->stage->path != NULL) {
        path += x->stage->path_size;
    }
    return starts_with(path, "/v1/call/");
}

static const struct {
    const char *prefix;
    const door *door;
} places[] = {
    {"/v1/bundles/", &bundle_door}, {"/v1/events", &events_door}, {"/hooks/", &hooks_door}};

static const door *choose_door(exchange *x, const char *path) {
    if (is_call(x, path)) {
        return &call_door;
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (starts_with(path, places[i].prefix)) {
            return places[i].door;
        }
    }
    // Not where the portal lives: what functions answer must not be run as one of its pages.
    if (x->from->is_public && starts_with(path, "/http/")) {
        http_door_begin(x);
        return &http_door;
    }
    if (strcmp(path, "/v1/push") == 0) {
        return &push_door;
    }
    if (!x->from->is_public && starts_with(path, "/session")) {
        return path[sizeof "/session" - 1] == '/' ? &sign_in_door : &sign_out_door;
    }
    // Connect's paths are "/package.Service/Method".
    const char *slash = strchr(path + 1, '/');
    return slash != NULL && memchr(path, '.', (size_t)(slash - path)) != NULL ? &connect_door
                                                                              : &plain_door;
}

// Several headers are one list, in their order.
static void take_tracestate(exchange *x) {
    size_t count = 0;
    while (ow_http_header_from_last(x->http, "tracestate", count) != NULL) {
        count++;
    }
    while (count > 0) {
        ow_tracestate_add(x->tracestate, ow_http_header_from_last(x->http, "tracestate", --count));
    }
}

static void take_trace(exchange *x) {
    const char *text = ow_http_header(x->http, "traceparent");
    x->tracestate[0] = '\0';
    if (text != NULL && ow_trace_parse(text, &x->trace)) {
        memcpy(x->parent_span, x->trace.span_id, sizeof x->parent_span);
        ow_trace_new_span(&x->trace);
        take_tracestate(x);
    } else {
        ow_trace_begin(&x->trace);
    }
}

// The portal's cookie as an Authorization; false when there is none that counts here.
static bool take_cookie(exchange *x, char authorization[static AUTHORIZATION_ROOM]) {
    char token[PORTAL_TOKEN_MAX];
    if (x->from->is_public || !portal_cookie_token(ow_http_header(x->http, "Cookie"), token) ||
        !portal_is_own_request(x->http)) {
        return false;
    }
    snprintf(authorization, AUTHORIZATION_ROOM, "Bearer %s", token);
    x->by_portal = true;
    return true;
}

// No token at all is nobody.
static ow_code authenticate(exchange *x, ow_err *err) {
    char of_cookie[AUTHORIZATION_ROOM];
    const char *authorization = ow_http_header(x->http, "Authorization");
    if (authorization == NULL && take_cookie(x, of_cookie)) {
        authorization = of_cookie;
    }
    if (authorization == NULL) {
        return OW_OK;
    }
    return verifier_check(x->gw->verifier, authorization, x->started_wall_us, &x->principal, err);
}

// Who they are and whether they may ask again so soon. False: the exchange has ended.
static bool let_in(exchange *x) {
    gateway *gw = x->gw;
    ow_err err;
    ow_code code = x->door->authenticates ? authenticate(x, &err) : OW_OK;
    int64_t wait_us = 0;
    if (x->door->is_limited) {
        // A wrong token is nobody's: its address answers for it.
        limits_caller caller = {.who = &x->principal, .address = x->client_address};
        if (x->principal.kind == OW_SERVER) {
            caller.own_calls = verifier_limit_of(gw->verifier, x->principal.id);
        }
        wait_us = limits_admit(gw->limits, &caller, ow_clock_mono_us(gw->env->clock));
    }
    if (wait_us > 0) {
        exchange_throttle(x, wait_us);
        return false;
    }
    if (code != OW_OK) {
        exchange_fail_err(x, &err);
    }
    return code == OW_OK;
}

// ---- the server's callbacks ----

static void reply_without_memory(ow_http_request *request) {
    ow_http_reply(request, &(ow_http_answer){.status = 503, .close = true});
}

static void on_head(void *self, ow_http_request *request) {
    const listener *from = self;
    exchange *x = exchange_new(from, request);
    if (x == NULL) {
        reply_without_memory(request);
        return;
    }
    take_trace(x);
    x->door = choose_door(x, ow_http_path(request));
    x->state.connect.method = NULL; // the record asks for it even when the door never opens
    if (ow_http_is_reserve(request) && x->door != &plain_door) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "too many connections");
        return;
    }
    if (let_in(x)) {
        x->door->on_head(x);
    }
}

static void on_body(void *self, ow_http_request *request) {
    (void)self;
    exchange *x = ow_http_user(request);
    x->door->on_body(x);
}

static void on_reject(void *self, ow_http_request *request, const ow_http_rejection *why) {
    exchange *x = ow_http_user(request);
    if (x == NULL) {
        x = exchange_new(self, request);
        if (x == NULL) {
            reply_without_memory(request);
            return;
        }
        take_trace(x);
        x->method_text = "malformed";
    }
    ow_code code = why->status == 503   ? OW_UNAVAILABLE
                   : why->status == 413 ? OW_RESOURCE_EXHAUSTED
                                        : OW_INVALID_ARGUMENT;
    exchange_refuse(x, why->status, code, why->reason, why->message);
}

static void on_gone(void *self, ow_http_request *request) {
    (void)self;
    exchange *x = ow_http_user(request);
    if (x->in_flight) {
        ow_call_cancel(x->call, OW_CANCELLED);
    } else {
        exchange_refuse(x, 499, OW_CANCELLED, "cancelled", "the client has gone");
    }
}

const ow_http_handler exchange_handler = {on_head, on_body, on_reject, on_gone, NULL};
