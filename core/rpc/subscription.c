#include "core/rpc/subscription.h"

#include "core/log/log.h"

#define BACKOFF_FIRST_US 50000
#define BACKOFF_MAX_US 1000000 // a restarted service is found again within two seconds

static void begin(ow_subscription *s);

static void on_retry(void *self) {
    begin(self);
}

static void retry_later(ow_subscription *s) {
    ow_loop_timer_set(s->loop, &s->retry, ow_loop_now_us(s->loop) + s->backoff_us);
    s->backoff_us = s->backoff_us * 2 < BACKOFF_MAX_US ? s->backoff_us * 2 : BACKOFF_MAX_US;
}

static void take(ow_subscription *s, const ProtobufCMessage *message) {
    switch (s->on_message(s->self, message)) {
    case OW_NEWS_PART:
        break;
    case OW_NEWS_WHOLE:
        if (!s->is_fresh) {
            ow_log(OW_LOG_INFO, "subscription current", "what=%s", s->name);
        }
        s->is_fresh = true;
        s->backoff_us = BACKOFF_FIRST_US;
        break;
    case OW_NEWS_LOST:
        ow_call_cancel(s->call, OW_CANCELLED);
        break;
    }
}

static void on_stream(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    ow_subscription *s = call->user;
    if (message != NULL) {
        // What was on its way when the stream was given up belongs to no copy.
        if (!s->stopped && !call->cancelled) {
            take(s, message);
        }
        return;
    }
    if (s->is_fresh && !s->stopped) {
        ow_log(OW_LOG_WARN, "subscription lost", "what=%s reason=%s", s->name, call->err.reason);
    }
    s->is_fresh = false;
    s->call = ow_call_free(call);
    if (!s->stopped) {
        retry_later(s);
    }
}

static void begin(ow_subscription *s) {
    static const ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = &platform, .timeout_us = OW_NO_DEADLINE};
    s->call = ow_call_new(s->loop, &options);
    if (s->call == NULL) {
        retry_later(s);
        return;
    }
    s->call->user = s;
    const ProtobufCServiceDescriptor *descriptor = s->service->descriptor;
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(descriptor, s->method);
    s->service->invoke(s->service, (unsigned)(method - descriptor->methods), s->request, on_stream,
                       s->call);
}

void ow_subscription_start(ow_subscription *s) {
    s->retry = (ow_timer){.on_due = on_retry, .self = s};
    s->backoff_us = BACKOFF_FIRST_US;
    begin(s);
}

void ow_subscription_stop(ow_subscription *s) {
    s->stopped = true;
    if (s->loop != NULL) {
        ow_loop_timer_cancel(s->loop, &s->retry);
    }
    if (s->call != NULL) {
        ow_call_cancel(s->call, OW_CANCELLED);
    }
}
