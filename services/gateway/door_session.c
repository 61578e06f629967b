// POST /session/password, /session/link: the portal signs in, and the session goes into a cookie that
// its pages cannot read. DELETE /session ends it, with ?everywhere=1 all of the operator's. All of it on
// the console listener, for the portal's own pages alone.

#include "services/gateway/connect_input.h"
#include "services/gateway/internal.h"

#include "core/http/text.h"
#include "services/gateway/portal_cookie.h"

#include <string.h>

#define IDENTITY "/overworld.identity.v1.Identity/"
#define BODY_MAX 4096
#define SECOND 1000000

typedef Overworld__Identity__V1__OperatorLoginResponse login_response;
typedef Overworld__Identity__V1__OperatorLogoutRequest logout_request;

typedef struct way_in {
    const char *path, *method;
} way_in;

static const way_in ways_in[] = {
    {"/session/password", IDENTITY "OperatorLogin"},
    {"/session/link", IDENTITY "RedeemSignInLink"},
};

static bool is_secure(const exchange *x) {
    return x->from->files != NULL || x->gw->config->plain_http == PLAIN_BEHIND_PROXY;
}

static void reply_with_cookie(exchange *x, const char *token, int64_t seconds) {
    char value[PORTAL_COOKIE_MAX];
    ow_http_header_line cookie = {"Set-Cookie", value};
    portal_cookie_write(token, seconds, is_secure(x), value);
    exchange_reply(x, &(exchange_answer){.status = 200,
                                         .content_type = "application/json",
                                         .body = "{}",
                                         .size = 2,
                                         .reason = "",
                                         .more_headers = &cookie,
                                         .more_header_count = 1});
}

// False: it ended.
static bool take_head(exchange *x, const char *http_method) {
    if (strcmp(ow_http_method(x->http), http_method) != 0) {
        exchange_refuse_method(x, http_method);
        return false;
    }
    if (!portal_is_own_request(x->http)) {
        exchange_refuse(x, 403, OW_PERMISSION_DENIED, "not_allowed",
                        "only the portal's own pages sign in here; others use OperatorLogin");
        return false;
    }
    ow_http_set_body_limit(x->http, BODY_MAX);
    return true;
}

// ---- Signing in ----

static const method *method_of(const exchange *x) {
    const char *path = ow_http_path(x->http);
    for (size_t i = 0; i < sizeof ways_in / sizeof ways_in[0]; i++) {
        if (strcmp(ways_in[i].path, path) == 0) {
            return methods_find(x->gw->methods, ways_in[i].method);
        }
    }
    return NULL;
}

static void sign_in_head(exchange *x) {
    x->method_text = "POST /session";
    if (method_of(x) == NULL) {
        exchange_refuse(x, 404, OW_NOT_FOUND, "not_found", "there is nothing here");
        return;
    }
    take_head(x, "POST");
}

static void on_session(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    const login_response *session = (const login_response *)reply;
    if (session == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    reply_with_cookie(x, session->token,
                      session->expires_at->seconds - ow_clock_wall_us(x->gw->env->clock) / SECOND);
}

static void sign_in_body(exchange *x) {
    const method *to = method_of(x);
    connect_input input = {.type = to->input, .is_json = true};
    ProtobufCMessage *message = NULL;
    ow_err err;
    input.bytes = ow_http_body(x->http, &input.size);
    if (!exchange_begin_call(x, x->gw->config->method_timeout, true)) {
        return;
    }
    if (connect_decode(&input, x->call->arena, &message, &err) != OW_OK) {
        exchange_fail_err(x, &err);
        return;
    }
    x->in_flight = true;
    to->service->invoke(to->service, to->index, message, on_session, x->call);
}

const door sign_in_door = {"sign_in", false, true, false, sign_in_head, sign_in_body};

// ---- Signing out ----

static void sign_out_head(exchange *x) {
    x->method_text = "DELETE /session";
    take_head(x, "DELETE");
}

// Whoever has a session may end it, with whatever role, or none any more, in whatever title.
static void lift_role(exchange *x) {
    x->principal.title[0] = '\0';
    if (x->principal.kind == OW_OPERATOR && x->principal.role < OW_ROLE_VIEWER) {
        x->principal.role = OW_ROLE_VIEWER;
    }
}

static void on_ended(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    if (reply == NULL) {
        exchange_fail_err(x, &call->err);
        return;
    }
    reply_with_cookie(x, "", 0);
}

static void sign_out_body(exchange *x) {
    const method *to = methods_find(x->gw->methods, IDENTITY "OperatorLogout");
    char token[PORTAL_TOKEN_MAX] = "";
    char everywhere[2];
    if (!portal_cookie_token(ow_http_header(x->http, "Cookie"), token)) {
        reply_with_cookie(x, "", 0);
        return;
    }
    lift_role(x);
    if (!exchange_begin_call(x, x->gw->config->method_timeout, true)) {
        return;
    }
    logout_request *request = ow_arena_alloc(x->call->arena, sizeof *request);
    char *copy = ow_arena_strdup_in(x->call->arena, token);
    if (request == NULL || copy == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    overworld__identity__v1__operator_logout_request__init(request);
    request->token = copy;
    request->everywhere = ow_http_query_find(ow_http_query(x->http), "everywhere", everywhere,
                                             sizeof everywhere) == 1;
    x->in_flight = true;
    to->service->invoke(to->service, to->index, &request->base, on_ended, x->call);
}

const door sign_out_door = {"sign_out", true, true, false, sign_out_head, sign_out_body};
