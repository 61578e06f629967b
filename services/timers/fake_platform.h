#pragma once

// What timers need besides a queue: a registry with one virtual server, "chat", and a taker of events.

#include "core/rpc/directory.h"

enum { FAKE_EVENTS_MAX = 64 };

typedef struct fake_event {
    char id[40], type[40], title[40], data[400];
} fake_event;

typedef struct fake_platform {
    ProtobufCService *registry, *events;
    ow_code registry_fails; // GetVirtualServer ends with this
    int count;
    fake_event taken[FAKE_EVENTS_MAX]; // each once: known by its id
} fake_platform;

void fake_platform_offer(fake_platform *f, ow_directory *directory, const ow_api *api,
                         ow_loop *loop);
void fake_platform_withdraw(fake_platform *f, ow_directory *directory);
