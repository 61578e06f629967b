#include "services/push/push.h"

#include "services/push/internal.h"

#include "core/hosting/hosting.h"
#include "core/log/log.h"
#include "core/rpc/directory.h"

#include <stddef.h>
#include <stdlib.h>

#define KEY(name_, type_, member_, default_, min_, max_, doc_)                                     \
    {                                                                                              \
        .name = name_, .type = OW_CONFIG_##type_, .offset = offsetof(push_config, member_),        \
        .default_value = default_, .min = min_, .max = max_, .doc = doc_                           \
    }

static const ow_config_key config_keys[] = {
    KEY("keep", DURATION, keep_us, "60s", 1000000, INT64_C(3600000000),
        "How long a message is kept for a player who does not confirm it, or whom nobody holds."),
    KEY("report", DURATION, report_us, "5m", 0, INT64_C(86400000000),
        "How long it is known what became of a message; of more than 10,000 the oldest go first."),
    KEY("max_waiting", INT, line_messages, "256", 1, 65536,
        "Messages that are kept for one player; of more the oldest goes."),
    KEY("max_waiting_size", SIZE, line_bytes, "256KB", 1 << 14, 1 << 30,
        "Their size, for one player."),
    KEY("memory", SIZE, memory, "64MB", 1 << 20, INT64_C(1) << 40,
        "Memory for all messages; more are refused."),
    KEY("max_players", INT, max_players, "200000", 1, 100000000,
        "Players who are connected or have messages waiting; more are refused."),
    KEY("max_polls", INT, max_polls, "10000", 0, 1000000,
        "Polls that may wait at a time; more are answered at once."),
    {0},
};

static void on_expiry(void *self) {
    push_expect(self);
}

// The hub counts; the registry shows.
static void collect(void *self) {
    push *p = self;
    const hub_counts *now = hub_count(p->hub);
    ow_counter_add(p->messages, now->messages - p->counted.messages);
    ow_counter_add(p->delivered, now->delivered - p->counted.delivered);
    ow_counter_add(p->sent, now->sent - p->counted.sent);
    ow_counter_add(p->undelivered, now->undelivered - p->counted.undelivered);
    p->counted = *now;
    ow_gauge_set(p->held, (int64_t)now->held);
    ow_gauge_set(p->bytes, (int64_t)now->bytes);
}

static ow_counter *outcome(ow_metrics *metrics, const char *value) {
    ow_metric_labels labels = {{"outcome"}, {value}};
    return ow_metrics_counter(metrics, "overworld_push_ended_total",
                              "Messages to a player that have ended", &labels);
}

static void register_metrics(push *p) {
    ow_metrics *m = p->env->metrics;
    p->messages =
        ow_metrics_counter(m, "overworld_push_messages_total", "Messages to a player", NULL);
    p->delivered = outcome(m, "delivered");
    p->sent = outcome(m, "sent");
    p->undelivered = outcome(m, "undelivered");
    p->held = ow_metrics_gauge(m, "overworld_push_players", "Players who are connected", NULL);
    p->bytes =
        ow_metrics_gauge(m, "overworld_push_kept_bytes", "Memory of the messages kept", NULL);
    p->collector = (ow_metrics_collector){.collect = collect, .self = p};
    ow_metrics_collector_add(m, &p->collector);
}

static ow_code init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    push *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for push");
    }
    *ret_self = p;
    p->env = env;
    p->config = *(const push_config *)config;
    p->expiry = (ow_timer){.on_due = on_expiry, .self = p};
    hub_limits limits = {.keep_us = p->config.keep_us,
                         .report_us = p->config.report_us,
                         .line_messages = (size_t)p->config.line_messages,
                         .line_bytes = (size_t)p->config.line_bytes,
                         .bytes = (size_t)p->config.memory,
                         .max_lines = (size_t)p->config.max_players};
    uint64_t epoch;
    ow_random_bytes(&epoch, sizeof epoch);
    p->hub = hub_new(&limits, epoch);
    if (p->hub == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for push");
    }
    ow_directory_expect_here(env->directory, &overworld__push__v1__push__descriptor);
    return OW_OK;
}

static ow_code start(void *self, ow_err *err) {
    push *p = self;
    ow_service_options options = {
        .descriptor = &overworld__push__v1__push__descriptor, .methods = push_methods, .self = p};
    ow_code code = ow_hosting_offer(p->env, &options, &p->service, err);
    if (code == OW_OK) {
        register_metrics(p);
    }
    return code;
}

static bool ready(void *self, const char **why_not) {
    (void)self;
    (void)why_not;
    return true;
}

static void drain(void *self) {
    push_end_all(self);
}

static bool drained(void *self) {
    const push *p = self;
    return ow_service_running(p->service) == 0;
}

static void stop(void *self) {
    push *p = self;
    push_end_all(p);
    ow_loop_timer_cancel(p->env->loop, &p->expiry);
    if (p->collector.collect != NULL) {
        ow_metrics_collector_remove(p->env->metrics, &p->collector);
    }
    if (p->service != NULL) {
        ow_directory_withdraw(p->env->directory, p->service);
    }
}

static void free_self(void *self) {
    push *p = self;
    if (p != NULL) {
        ow_service_free(p->service);
        hub_free(p->hub);
        free(p);
    }
}

const ow_module ow_push_module = {
    .name = "push",
    .doc = "messages to connected players",
    .config = config_keys,
    .config_size = sizeof(push_config),
    .init = init,
    .start = start,
    .ready = ready,
    .drain = drain,
    .drained = drained,
    .stop = stop,
    .free = free_self,
};
