// DeliverWebhook: an execution whose target is a URL. Signed as Standard Webhooks says, under the rules of
// server.egress_*; what comes of it is told as of a run.

#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"

#include "core/cloudevents/cloudevents.h"
#include "core/http/client.h"
#include "core/http/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TIMEOUT_US = 20 * 1000 * 1000,
    RESPONSE_LIMIT = 256 << 10,
    HEADERS_MAX = OW_CLOUDEVENT_HEADERS_MAX + 4,
    RETRY_AFTER_MAX_S = 3600,
};

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static void say(ow_run *run, const char *reason, const char *message) {
    invoke_response *reply = run->reply;
    char *copy = ow_arena_strdup_in(run->call->arena, message);
    reply->reason = borrow(reason);
    reply->message = copy != NULL ? copy : borrow("");
}

// ---- Whose it is ----

ow_code deliver_find(ow_run *run) {
    const deliver_webhook_request *request = run->request;
    deliver_state *s = run->state;
    ow_err why;
    ow_code code = events_check_title(run);
    if (code != OW_OK) {
        return code;
    }
    code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                             run->call->arena, &s->row, &why);
    if (code == OW_NOT_FOUND || (code == OW_OK && s->row.disabled)) {
        say(run, "refused", "the subscription is gone or switched off");
        s->over = true;
        return OW_OK;
    }
    if (code != OW_OK) {
        *run->err = why;
    }
    return code;
}

// ---- Sending ----

static bool is_busy(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

// A redirect is none of ours to follow.
static bool may_go_better(int status) {
    return status == 408 || status >= 500 || status < 400;
}

static int32_t retry_after_s(const ow_http_response *response) {
    const char *after = ow_http_response_header(response, "Retry-After");
    long long seconds = after != NULL ? ow_http_parse_number(after) : 0;
    seconds = seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds;
    return seconds > 0 ? (int32_t)seconds : 0;
}

static void note_status(ow_run *run, const ow_http_response *response) {
    deliver_state *s = run->state;
    invoke_response *reply = run->reply;
    char text[40];
    int status = ow_http_response_status(response);
    snprintf(text, sizeof text, "status %d", status);
    if (is_busy(status)) {
        reply->retry_after_s = retry_after_s(response);
        say(run, "throttled", text);
        return;
    }
    s->gone = status == 410; // says the specification: not to be asked again
    say(run, may_go_better(status) ? "webhook_failed" : "refused", text);
}

static void note_response(ow_run *run, const ow_http_response *response) {
    invoke_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    int status = ow_http_response_status(response);
    if (status < 200 || status > 299) {
        note_status(run, response);
        return;
    }
    const char *type = ow_http_response_header(response, "Content-Type");
    const void *body = ow_http_response_body(response, &reply->payload.len);
    reply->payload.data = ow_arena_memdup_in(arena, body, reply->payload.len);
    reply->payload.len = reply->payload.data != NULL ? reply->payload.len : 0;
    char *copy = ow_arena_strdup_in(arena, type != NULL ? type : "");
    reply->content_type = copy != NULL ? copy : borrow("");
}

static void on_done(void *self, ow_code code, const ow_http_response *response, const ow_err *err) {
    ow_run *run = self;
    deliver_state *s = run->state;
    s->fetch = NULL;
    run->call->on_cancel = NULL;
    if (code == OW_OK) {
        note_response(run, response);
    } else {
        say(run, code == OW_PERMISSION_DENIED ? "refused" : "webhook_failed", err->message);
    }
    ow_run_resume(run, OW_OK);
}

static void on_cancel(ow_call *call, void *self) {
    ow_run *run = self;
    deliver_state *s = run->state;
    (void)call;
    s->fetch = ow_http_fetch_cancel(s->fetch);
    ow_run_resume(run, ow_fail(run->err, OW_CANCELLED, "cancelled", "the delivery was cancelled"));
}

// In binary mode the attributes are headers and the body is the data; the signature is the body's.
static bool take_apart(ow_run *run, ow_http_header_line *headers, size_t *count,
                       ProtobufCBinaryData *body) {
    ow_cloudevent_pair pairs[OW_CLOUDEVENT_HEADERS_MAX];
    ow_cloudevent event;
    ow_arena *arena = run->call->arena;
    size_t pair_count = 0;
    if (ow_cloudevent_from_json((const char *)body->data, body->len, arena, &event, NULL) !=
            OW_OK ||
        ow_cloudevent_headers_in(arena, &event, pairs, &pair_count, NULL) != OW_OK) {
        return false;
    }
    for (size_t i = 0; i < pair_count; i++) {
        headers[(*count)++] = (ow_http_header_line){pairs[i].name, pairs[i].value};
    }
    *body = (ProtobufCBinaryData){event.size, (uint8_t *)(uintptr_t)event.data};
    return true;
}

static ow_code send_signed(ow_run *run, const char *secret) {
    const events *e = run->self;
    const deliver_webhook_request *request = run->request;
    deliver_state *s = run->state;
    char signature[OW_WEBHOOK_SIGNATURE_MAX];
    char timestamp[24];
    ow_http_header_line headers[HEADERS_MAX];
    ProtobufCBinaryData body = request->payload;
    size_t count = 0;
    bool binary = strcmp(s->row.declared->format, "cloudevents-binary") == 0;
    if (binary && !take_apart(run, headers, &count, &body)) {
        say(run, "refused", "the event cannot be written in binary mode");
        return OW_OK;
    }
    if (!binary) {
        headers[count++] = (ow_http_header_line){"Content-Type", request->content_type};
    }
    ow_webhook_message message = {request->execution_id,
                                  ow_clock_wall_us(e->env->clock) / SECOND_US, body.data, body.len};
    if (!ow_webhook_sign(secret, &message, signature)) {
        say(run, "refused", "the secret is not whsec_ and base64");
        return OW_OK;
    }
    snprintf(timestamp, sizeof timestamp, "%" PRId64, message.timestamp_s);
    headers[count++] = (ow_http_header_line){"webhook-id", request->execution_id};
    headers[count++] = (ow_http_header_line){"webhook-timestamp", timestamp};
    headers[count++] = (ow_http_header_line){"webhook-signature", signature};
    ow_http_fetch_options fetch = {.method = "POST",
                                   .url = s->row.declared->url,
                                   .headers = headers,
                                   .header_count = count,
                                   .body = body.data,
                                   .size = body.len,
                                   .timeout_us = TIMEOUT_US,
                                   .response_limit = RESPONSE_LIMIT,
                                   .on_done = on_done,
                                   .self = run};
    ow_err err;
    if (ow_http_fetch_start(e->env->outgoing, &fetch, &s->fetch, &err) != OW_OK) {
        bool full = strcmp(err.reason, "too_many_fetches") == 0;
        say(run, full ? "overloaded" : "refused", err.message);
        return OW_OK;
    }
    run->call->on_cancel_self = run;
    run->call->on_cancel = on_cancel;
    return OW_PENDING;
}

static void on_secrets(const get_secret_values_response *reply, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    const deliver_state *s = run->state;
    const char *secret = NULL;
    ow_code code = OW_OK;
    if (reply == NULL) {
        *run->err = sub->err;
        code = sub->err.code;
    }
    for (size_t i = 0; reply != NULL && i < reply->n_values; i++) {
        if (strcmp(reply->values[i]->name, s->row.declared->secret) == 0) {
            const ProtobufCBinaryData *value = &reply->values[i]->value;
            secret = ow_arena_memdup_in(run->call->arena, value->data, value->len);
        }
    }
    ow_call_free(sub);
    if (code == OW_OK && secret == NULL) {
        say(run, "refused", "the virtual server has no such secret to sign with");
    } else if (code == OW_OK) {
        code = send_signed(run, secret);
    }
    if (code != OW_PENDING) {
        ow_run_resume(run, code);
    }
}

ow_code deliver_send(ow_run *run) {
    const events *e = run->self;
    deliver_state *s = run->state;
    if (s->over) {
        return OW_OK;
    }
    if (e->env->outgoing == NULL) {
        say(run, "overloaded", "nothing can be sent from here");
        return OW_OK;
    }
    if (s->row.url_secret[0] != '\0') {
        return send_signed(run, s->row.url_secret);
    }
    ow_call *sub = ow_call_child(run->call);
    if (sub == NULL) {
        return events_no_memory(run->err);
    }
    overworld__registry__v1__get_secret_values_request__init(&s->secrets);
    s->secrets.virtual_server = borrow(s->row.virtual_server);
    sub->user = run;
    overworld__registry__v1__registry__get_secret_values(e->registry, &s->secrets, on_secrets, sub);
    return OW_PENDING;
}

// ---- 410 ----

ow_code deliver_settle(ow_run *run) {
    const events *e = run->self;
    deliver_state *s = run->state;
    if (!s->gone) {
        return OW_OK;
    }
    subscription_row row;
    ow_err why;
    // As it is now: what somebody changed while the request was under way stays, another URL is not gone.
    ow_code code = subscription_read(run->db, s->row.title_id, s->row.subscription_id,
                                     run->call->arena, &row, &why);
    if (code == OW_NOT_FOUND || (code == OW_OK && row.version != s->row.version)) {
        return OW_OK;
    }
    if (code != OW_OK) {
        *run->err = why;
        return code;
    }
    row.disabled = true;
    row.disabled_reason = "the URL is gone (410)";
    row.updated_us = ow_clock_wall_us(e->env->clock);
    ow_id_make(s->version, "rul_", row.updated_us);
    code = subscription_update(run->db, &row, run->call->arena, run->err);
    return code == OW_OK ? rules_changed(run->db, row.title_id, s->version, run->err) : code;
}
