#include "services/telemetry/alarm_targets.h"

#include "core/crypto/webhook.h"
#include "core/http/mail.h"
#include "core/json/tree.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    TIMEOUT_US = 10 * 1000 * 1000,
    CALL_TIMEOUT_US = 60 * 1000 * 1000, // a function may have to start first
    RESPONSE_MAX = 64 * 1024,
    DATE_ROOM = 64,
    MAIL_MAX = 16 * 1024,
    BODY_DEPTH_MAX = 8,
};

static char *text(const char *borrowed) {
    return (char *)(uintptr_t)borrowed;
}

static void tell(delivery *d, const char *why, bool for_good) {
    d->on_told(d->self, why, for_good);
}

// What a server or a function says may be cut short and is nobody's but theirs: kept to printable ASCII.
static void explain(char why[static ERROR_TEXT_MAX], const char *reason, const char *message) {
    snprintf(why, ERROR_TEXT_MAX, "%.40s: %.150s", reason, message);
    for (char *at = why; *at != 0; at++) {
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    }
}

// ---- Webhooks ----

static void on_fetched(void *self, ow_code code, const ow_http_response *response,
                       const ow_err *err) {
    delivery *d = self;
    char why[40] = "";
    d->fetch = NULL;
    if (code != OW_OK) {
        tell(d, err->reason, false);
        return;
    }
    int status = ow_http_response_status(response);
    if (status < 200 || status > 299) {
        snprintf(why, sizeof why, "status %d", status);
    }
    tell(d, why, status == 410); // gone, says the specification, is not to be asked again
}

static void tell_webhook(delivery *d, const notice_row *n) {
    char signature[OW_WEBHOOK_SIGNATURE_MAX];
    char timestamp[24];
    ow_webhook_message w = {n->notice_id, ow_clock_wall_us(d->targets->clock) / 1000000, n->body,
                            strlen(n->body)};
    if (!ow_webhook_sign(n->secret, &w, signature)) {
        tell(d, "bad_secret", false);
        return;
    }
    snprintf(timestamp, sizeof timestamp, "%" PRId64, w.timestamp_s);
    ow_http_header_line headers[] = {{"Content-Type", "application/json"},
                                     {"webhook-id", n->notice_id},
                                     {"webhook-timestamp", timestamp},
                                     {"webhook-signature", signature}};
    ow_http_fetch_options fetch = {
        .method = "POST",
        .url = n->rule->webhook_url,
        .headers = headers,
        .header_count = sizeof headers / sizeof *headers,
        .body = n->body,
        .size = strlen(n->body),
        .timeout_us = TIMEOUT_US,
        .response_limit = RESPONSE_MAX,
        .on_done = on_fetched,
        .self = d,
    };
    ow_err err;
    if (ow_http_fetch_start(d->targets->client, &fetch, &d->fetch, &err) != OW_OK) {
        tell(d, err.reason, false);
    }
}

// ---- Mails ----

// By the kind of a notice.
static const char *state_of(const char *type) {
    static const char *const states[][2] = {{"alarm.firing", "fires"},
                                            {"alarm.recovered", "is over"},
                                            {"alarm.test", "is only a test"}};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (type != NULL && strcmp(states[i][0], type) == 0) {
            return states[i][1];
        }
    }
    return "";
}

// Not by strftime, whose names of days and months are the locale's.
static void write_date(char date[static DATE_ROOM], int64_t now_us) {
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm utc = {0};
    time_t seconds = now_us / 1000000;
    gmtime_r(&seconds, &utc);
    snprintf(date, DATE_ROOM, "%s, %d %s %d %02d:%02d:%02d +0000", days[utc.tm_wday], utc.tm_mday,
             months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

static const char *recipients_in(const alarm_rule *rule, ow_arena *arena) {
    const char *list = "";
    for (size_t i = 0; i < rule->n_emails && list != NULL; i++) {
        list = ow_arena_printf_in(arena, "%s%s%s", list, i > 0 ? ",\r\n " : "", rule->emails[i]);
    }
    return list;
}

// A notice as a mail, in `arena`; NULL: no memory.
static const char *notice_as_mail(const notice_row *n, const mail_settings *settings,
                                  int64_t now_us, ow_arena *arena) {
    char date[DATE_ROOM];
    ow_json *body = NULL;
    const char *to = recipients_in(n->rule, arena);
    if (to == NULL ||
        ow_json_parse(n->body, strlen(n->body), BODY_DEPTH_MAX, &body, NULL) != OW_OK) {
        return NULL;
    }
    double value = 0;
    const char *state = state_of(ow_json_string(ow_json_get(body, "type")));
    ow_json_as_double(ow_json_get(ow_json_get(body, "data"), "value"), &value);
    write_date(date, now_us);
    const alarm_rule *r = n->rule;
    const char *mail = ow_arena_printf_in(
        arena,
        "Date: %s\r\nFrom: <%s>\r\nTo: %s\r\nMessage-ID: <%s@overworld.invalid>\r\n"
        "Subject: [overworld] %s %s\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        "Auto-Submitted: auto-generated\r\n\r\n"
        "The alarm %s %s: %s of %s%s%s is %g, and %s %g is told.\r\n\r\n%s\r\n",
        date, settings->from, to, n->notice_id, r->name, state, r->name, state, r->measure,
        r->virtual_server[0] != 0 ? r->virtual_server : "all", r->function[0] != 0 ? "/" : "",
        r->function, value, r->below ? "less than" : "from", r->threshold, n->body);
    ow_json_free(body);
    return mail;
}

static void on_mailed(void *self, ow_code code, const ow_http_response *response,
                      const ow_err *err) {
    (void)response;
    delivery *d = self;
    char why[ERROR_TEXT_MAX] = "";
    d->fetch = NULL;
    if (code != OW_OK) {
        explain(why, err->reason, err->message);
    }
    tell(d, why, false);
}

static void tell_by_mail(delivery *d, const notice_row *n) {
    const mail_settings *settings = &d->targets->mail;
    ow_err err = {.reason = "memory"};
    ow_arena *arena = ow_arena_new(MAIL_MAX);
    const char *message =
        arena != NULL ? notice_as_mail(n, settings, ow_clock_wall_us(d->targets->clock), arena)
                      : NULL;
    bool sent = false;
    if (message != NULL) {
        ow_mail mail = {
            .server = settings->server,
            .user = settings->user,
            .password = settings->password,
            .from = settings->from,
            .to = (const char *const *)n->rule->emails,
            .to_count = n->rule->n_emails,
            .message = message,
            .size = strlen(message),
            .timeout_us = TIMEOUT_US,
            .on_done = on_mailed,
            .self = d,
        };
        sent = ow_mail_send(d->targets->client, &mail, &d->fetch, &err) == OW_OK;
    }
    ow_arena_free(arena);
    if (!sent) {
        tell(d, err.reason, false);
    }
}

// ---- Functions ----

// In the arena of its own call, which outlives a delivery that is given up.
struct function_call {
    delivery *delivery; // NULL: given up
    ow_call *call;
    Overworld__Runner__V1__InvokeRequest request;
};

static void on_answered(const Overworld__Runner__V1__InvokeResponse *reply, void *closure_data) {
    ow_call *call = closure_data;
    const struct function_call *c = call->user;
    delivery *d = c->delivery;
    char why[ERROR_TEXT_MAX] = "";
    if (reply == NULL) {
        explain(why, call->err.reason, call->err.message);
    } else if (reply->reason[0] != 0) {
        explain(why, reply->reason, reply->message);
    }
    ow_call_free(call);
    if (d != NULL) {
        d->call = NULL;
        tell(d, why, false);
    }
}

static bool fill(struct function_call *c, const notice_row *n) {
    Overworld__Runner__V1__InvokeRequest *request = &c->request;
    ow_arena *arena = c->call->arena;
    const alarm_function *f = n->rule->call;
    overworld__runner__v1__invoke_request__init(request);
    request->virtual_server = ow_arena_strdup_in(arena, f->virtual_server);
    request->function = ow_arena_strdup_in(arena, f->function);
    request->qualifier =
        ow_arena_strdup_in(arena, f->qualifier[0] != 0 ? f->qualifier : "$DEFAULT");
    request->source = text("event");
    request->content_type = text("application/json");
    request->payload.len = strlen(n->body);
    request->payload.data = ow_arena_memdup_in(arena, n->body, request->payload.len);
    return request->virtual_server != NULL && request->function != NULL &&
           request->qualifier != NULL && request->payload.data != NULL;
}

static void tell_function(delivery *d, const notice_row *n) {
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", n->title_id);
    ow_call_options options = {.principal = &platform, .timeout_us = CALL_TIMEOUT_US};
    ow_call *call = ow_call_new(d->targets->loop, &options);
    struct function_call *c = call != NULL ? ow_arena_calloc(call->arena, 1, sizeof *c) : NULL;
    if (c == NULL) {
        ow_call_free(call);
        tell(d, "memory", false);
        return;
    }
    *c = (struct function_call){.delivery = d, .call = call};
    if (!fill(c, n)) {
        ow_call_free(call);
        tell(d, "memory", false);
        return;
    }
    call->user = c;
    d->call = c;
    overworld__runner__v1__runner__invoke(d->targets->runner, &c->request, on_answered, call);
}

// ---- All of them ----

void delivery_start(delivery *d, const notice_row *notice) {
    alarm_target target = alarm_target_of(notice->rule);
    if (target == ALARM_FUNCTION) {
        tell_function(d, notice);
    } else if (d->targets->client == NULL) {
        tell(d, "no_client", false);
    } else if (target == ALARM_EMAIL && d->targets->mail.server[0] == 0) {
        tell(d, "no_mail_server", false);
    } else if (target == ALARM_EMAIL) {
        tell_by_mail(d, notice);
    } else {
        tell_webhook(d, notice);
    }
}

void delivery_cancel(delivery *d) {
    d->fetch = ow_http_fetch_cancel(d->fetch);
    if (d->call != NULL) {
        struct function_call *c = d->call;
        d->call = NULL;
        c->delivery = NULL;
        ow_call_cancel(c->call, OW_CANCELLED);
    }
}
