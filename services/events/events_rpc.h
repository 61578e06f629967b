#pragma once

// The steps of the methods of Events, by file; events_methods.c has their table.

#include "services/events/event_messages.h"
#include "services/events/publication.h"
#include "services/events/subscriptions_store.h"
#include "services/events/webhooks_store.h"

#include "core/crypto/webhook.h"
#include "core/rpc/service.h"

extern const ow_method events_methods[];

// A change of types, subscriptions or webhooks: what must be the same when its write step runs again.
typedef struct rule_change {
    int64_t now_us;
    char version[OW_ID_MAX]; // of the rules, afterwards
    char id[OW_ID_MAX];      // of a new subscription
    char secret[OW_WEBHOOK_SECRET_MAX];
} rule_change;

void rule_change_begin(ow_run *run);
// The audit's entry, and the rules have another version. In the write step.
ow_code rule_change_end(ow_run *run, const char *action, const char *object, const char *before,
                        const char *after);

// ---- types_rpc.c ----

ow_code declare_type_check(ow_run *run);
ow_code declare_type_store(ow_run *run);
ow_code delete_type_check(ow_run *run);
ow_code delete_type_store(ow_run *run);
ow_code list_types(ow_run *run);

// ---- subscriptions_rpc.c ----

ow_code create_subscription_check(ow_run *run);
ow_code create_subscription_store(ow_run *run);
ow_code get_subscription(ow_run *run);
ow_code list_subscriptions(ow_run *run);
ow_code update_subscription_check(ow_run *run);
ow_code update_subscription_store(ow_run *run);
ow_code disable_subscription_check(ow_run *run);
ow_code disable_subscription_store(ow_run *run);
ow_code delete_subscription_check(ow_run *run);
ow_code delete_subscription_store(ow_run *run);

// ---- publish_rpc.c ----

typedef struct publish_state {
    publisher by;
    publication publication;
    ow_principal platform; // of what is relayed
    int64_t now_us;
    char base_id[OW_ID_MAX];
} publish_state;

ow_code publish_check(ow_run *run);
ow_code publish_warm(ow_run *run);
ow_code publish_validate(ow_run *run);
ow_code publish_reserve(ow_run *run);
ow_code publish_store(ow_run *run);
ow_code publish_kick(ow_run *run);
ow_code publish_reply(ow_run *run);

// ---- webhooks_rpc.c ----

ow_code create_webhook_check(ow_run *run);
ow_code create_webhook_store(ow_run *run);
ow_code get_webhook(ow_run *run);
ow_code list_webhooks(ow_run *run);
ow_code change_webhook_check(ow_run *run);
ow_code disable_webhook_store(ow_run *run);
ow_code delete_webhook_store(ow_run *run);

// ---- hooks_rpc.c ----

typedef struct hook_state {
    webhook_row row;
    get_secret_values_request secrets;
    new_event_msg event;
    ow_principal principal;
    publisher by;
    publication publication;
    int64_t now_us;
    char base_id[OW_ID_MAX];
} hook_state;

ow_code receive_webhook_find(ow_run *run);
ow_code receive_webhook_verify(ow_run *run);
ow_code receive_webhook_validate(ow_run *run);
ow_code receive_webhook_reserve(ow_run *run);
ow_code receive_webhook_store(ow_run *run);
ow_code receive_webhook_kick(ow_run *run);

// ---- relay_rpc.c: publishing's own steps do the rest ----

ow_code relay_check(ow_run *run);

// ---- deliver_rpc.c ----

typedef struct deliver_state {
    subscription_row row;
    get_secret_values_request secrets;
    struct ow_http_fetch *fetch;
    bool over, gone;
    char version[OW_ID_MAX];
} deliver_state;

ow_code deliver_find(ow_run *run);
ow_code deliver_send(ow_run *run);
ow_code deliver_settle(ow_run *run);

// ---- triggers_rpc.c ----

ow_code apply_triggers_check(ow_run *run);
ow_code apply_triggers_store(ow_run *run);

// ---- occurrences_rpc.c ----

ow_code list_occurrences(ow_run *run);
ow_code get_occurrence(ow_run *run);
ow_code try_subscription(ow_run *run);
