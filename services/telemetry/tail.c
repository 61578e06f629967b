// TailLogs: QueryLogs again and again, each from the place behind the last page, told as it comes.

#include "services/telemetry/internal.h"
#include "services/telemetry/query.h"

#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <string.h>

enum { PAGE = 200, WAIT_MS = 20000 };

static const int64_t BEHIND_US = INT64_C(5) * 1000000; // more is left out
static const int64_t LAST_US = INT64_C(1) * 1000000;   // of the call: too short to ask again

static void ask(tail *t);

static void finish(tail *t, ow_code code) {
    if (!t->finished) {
        t->finished = true;
        ow_run_finish(t->run, code);
    }
}

// Of a full page: does its end lie so far back that what follows would be told too late?
static bool is_behind(const tail *t, const query_response *page) {
    const telemetry *self = t->run->self;
    if (page->n_entries < PAGE) {
        return false;
    }
    const Google__Protobuf__Timestamp *last = page->entries[page->n_entries - 1]->time;
    int64_t last_us = ow_timestamp_us(last);
    return ow_clock_wall_us(self->env->clock) - last_us > BEHIND_US;
}

static ow_code tell(tail *t, const query_response *page) {
    Overworld__Telemetry__V1__TailLogsResponse message =
        OVERWORLD__TELEMETRY__V1__TAIL_LOGS_RESPONSE__INIT;
    message.entries = page->entries;
    message.n_entries = page->n_entries;
    message.dropped = page->dropped;
    message.skipped = t->skipping;
    message.next_page_token = page->next_page_token;
    t->skipping = false;
    return ow_run_send(t->run, &message.base);
}

static void on_page(const query_response *page, void *closure_data) {
    ow_call *asked = closure_data;
    tail *t = asked->user;
    t->asked = NULL;
    if (page == NULL) {
        ow_code code = asked->err.code;
        *t->run->err = asked->err;
        ow_call_free(asked);
        finish(t, code);
        return;
    }
    ow_code code = tell(t, page);
    snprintf(t->token, sizeof t->token, "%s", page->next_page_token);
    if (is_behind(t, page)) {
        t->skipping = true;
        t->token[0] = '\0';
    }
    ow_call_free(asked);
    if (code == OW_OK) {
        ask(t);
    }
}

static void ask(tail *t) {
    telemetry *self = t->run->self;
    if (queries_are_stopping(self->queries)) {
        finish(t, ow_fail(t->run->err, OW_UNAVAILABLE, "stopping", "the server stops"));
        return;
    }
    if (ow_call_left_us(t->run->call) < LAST_US) {
        finish(t, OW_OK);
        return;
    }
    t->asked = ow_call_child(t->run->call);
    if (t->asked == NULL) {
        finish(t, ow_fail(t->run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a page"));
        return;
    }
    t->asked->user = t;
    t->request.page_token = t->token;
    t->request.newest = t->skipping;
    overworld__telemetry__v1__telemetry__query_logs(self->service, &t->request, on_page, t->asked);
}

// A page that is on its way is cancelled with the stream, and ends it.
static void on_cancel(ow_call *call, void *self) {
    tail *t = self;
    if (t->asked == NULL) {
        *t->run->err = call->err;
        finish(t, call->err.code != OW_OK ? call->err.code : OW_CANCELLED);
    }
}

ow_code tail_logs(ow_run *run) {
    const telemetry *self = run->self;
    const query_request *request = run->request;
    tail *t = run->state;
    if (strlen(request->page_token) >= sizeof t->token) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_token", "that is no page token");
    }
    t->run = run;
    t->request = *request;
    t->request.page_size = PAGE;
    t->request.wait_ms = WAIT_MS;
    snprintf(t->token, sizeof t->token, "%s", request->page_token);
    if (request->since == NULL && t->token[0] == '\0') {
        ow_timestamp_init(&t->since, ow_clock_wall_us(self->env->clock));
        t->request.since = &t->since;
    }
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = t;
    ask(t);
    return OW_PENDING;
}
