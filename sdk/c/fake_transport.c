#include "sdk/c/fake_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t wall_s(void *self) {
    return ((fake_transport *)self)->wall_s;
}

static int64_t monotonic_ms(void *self) {
    return ((fake_transport *)self)->now_ms;
}

static bool fixed_random(void *self, void *ret_bytes, size_t size) {
    (void)self;
    memset(ret_bytes, 0x5a, size);
    return true;
}

void fake_init(fake_transport *fake) {
    memset(fake, 0, sizeof *fake);
    fake->now_ms = 1000;
    fake->wall_s = 1700000000;
    fake->platform = (sdk_platform){wall_s, monotonic_ms, fixed_random, fake};
}

static void *open_fake(void *user, int max_exchanges) {
    (void)max_exchanges;
    return user;
}

static void close_fake(void *state) {
    ((fake_transport *)state)->is_closed = true;
}

static const char *header_of(const ow_client_http *request, const char *name) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return "";
}

static bool start(void *state, const ow_client_http *request, ow_client_exchange *exchange) {
    fake_transport *fake = state;
    if (fake->sent_count == FAKE_SENT) {
        return false;
    }
    fake_sent *sent = &fake->sent[fake->sent_count++];
    const char *path = strchr(request->url + strlen("http://"), '/');
    snprintf(sent->method, sizeof sent->method, "%s", request->method);
    snprintf(sent->path, sizeof sent->path, "%s", path != NULL ? path : "");
    snprintf(sent->body, sizeof sent->body, "%.*s", (int)request->size,
             (const char *)request->body);
    snprintf(sent->authorization, sizeof sent->authorization, "%s",
             header_of(request, "Authorization"));
    snprintf(sent->title, sizeof sent->title, "%s", header_of(request, "Overworld-Title"));
    sent->at_ms = fake->now_ms;
    sent->timeout_ms = request->timeout_ms;
    sent->exchange = exchange;
    if (fake->plan_next < fake->plan_count) {
        sent->plan = fake->plans[fake->plan_next++];
    }
    return true;
}

static void report(fake_sent *sent) {
    const fake_plan *plan = &sent->plan;
    const char *body = plan->body != NULL ? plan->body : "{}";
    char number[16];
    sent->is_over = true;
    if (plan->outcome != OW_CLIENT_ANSWERED) {
        ow_client_exchange_end(sent->exchange, plan->outcome, 0, "as planned");
        return;
    }
    ow_client_exchange_header(sent->exchange, "OVERWORLD-Request-Id", "req_1");
    ow_client_exchange_header(sent->exchange, "content-type", "application/json");
    if (plan->date != NULL) {
        ow_client_exchange_header(sent->exchange, "Date", plan->date);
    }
    if (plan->retry_after_s != 0) {
        snprintf(number, sizeof number, "%d", plan->retry_after_s);
        ow_client_exchange_header(sent->exchange, "Retry-After", number);
    }
    bool goes_on = ow_client_exchange_body(sent->exchange, body, strlen(body));
    for (size_t i = 0; i < plan->extra && goes_on; i++) {
        goes_on = ow_client_exchange_body(sent->exchange, " ", 1);
    }
    ow_client_exchange_end(sent->exchange, goes_on ? OW_CLIENT_ANSWERED : OW_CLIENT_NO_ANSWER,
                           plan->status != 0 ? plan->status : 200, NULL);
}

static void poll_fake(void *state, int wait_ms) {
    fake_transport *fake = state;
    bool any = false;
    for (int i = 0; i < fake->sent_count; i++) {
        if (!fake->sent[i].is_over && !fake->sent[i].plan.is_held) {
            report(&fake->sent[i]);
            any = true;
        }
    }
    if (!any) {
        fake->now_ms += wait_ms;
    }
}

const ow_client_transport fake_transport_table = {
    .open = open_fake, .close = close_fake, .start = start, .poll = poll_fake};

void fake_answer(fake_transport *fake, fake_plan plan) {
    if (fake->plan_count == FAKE_PLANS) {
        abort();
    }
    fake->plans[fake->plan_count++] = plan;
}

void fake_release(fake_transport *fake, int index, fake_plan plan) {
    fake->sent[index].plan = plan;
}

int fake_count(const fake_transport *fake, const char *ending) {
    int count = 0;
    for (int i = 0; i < fake->sent_count; i++) {
        size_t length = strlen(fake->sent[i].path);
        size_t wanted = strlen(ending);
        count += length >= wanted && strcmp(fake->sent[i].path + length - wanted, ending) == 0;
    }
    return count;
}
