#pragma once

// Shared by the files of this package.

#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/service.h"
#include "services/push/hub.h"
#include "services/push/messages.h"

#define ID_PREFIX "psh_"
#define PLAYER_PREFIX "plr_"
#define TOPIC_MAX 64
#define PAYLOAD_MAX 16384
#define POLL_MESSAGES_MAX 100
#define POLL_WAIT_MAX_MS 20000
#define ACKNOWLEDGEMENTS_MAX 1000

typedef struct push_config {
    int64_t keep_us, report_us;
    int64_t line_messages, line_bytes;
    int64_t memory, max_players, max_polls;
} push_config;

// A gateway's stream.
typedef struct attachment {
    struct push *owner;
    struct attachment *next;
    hub_gateway *gateway; // NULL: detached
    ow_run *run;
    bool sending, cancelled;
    target_msg targets[HUB_PLAYERS_MAX];
    target_msg *target_pointers[HUB_PLAYERS_MAX];
} attachment;

typedef struct push {
    ow_module_env *env;
    push_config config;
    hub *hub;
    ProtobufCService *service;
    attachment *attachments;
    size_t polls;
    struct poll_state *waiting_polls;
    ow_timer expiry;
    ow_metrics_collector collector;
    ow_counter *messages, *delivered, *sent, *undelivered;
    hub_counts counted; // what the counters show
    ow_gauge *held, *bytes;
    bool stopping;
} push;

extern const ow_method push_methods[];

// Sets the timer to the next thing that ends.
void push_expect(push *p);
// Ends streams and polls; their calls end soon.
void push_end_all(push *p);
