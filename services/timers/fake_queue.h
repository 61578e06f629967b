#pragma once

// A queue for tests of timers: keeps what it is given, knows a deduplication key again, fails when told.

#include "services/timers/execution.h"

#include "core/id/id.h"
#include "core/rpc/directory.h"

enum { FAKE_EXECUTIONS_MAX = 4096 };

typedef struct fake_execution {
    char id[OW_ID_MAX], key[96], function[64], qualifier[64], payload[200], source[16],
        ordering[48];
    char title[OW_ID_MAX], request_id[OW_ID_MAX];
    int64_t due_us;
    const char *state;
} fake_execution;

typedef struct fake_queue {
    ProtobufCService *service;
    ow_loop *loop;
    ow_code fails;      // Enqueue ends with this
    bool loses_answers; // Enqueue takes it, and fails all the same
    int calls, repeats; // of Enqueue; those that were known already
    const char *state;  // of new executions
    int count;
    fake_execution executions[FAKE_EXECUTIONS_MAX];
} fake_queue;

// Its service, to be freed with ow_service_free.
void fake_queue_make(fake_queue *f, const ow_api *api, ow_loop *loop);
// The same, offered.
void fake_queue_offer(fake_queue *f, ow_directory *directory, const ow_api *api, ow_loop *loop);
void fake_queue_withdraw(fake_queue *f, ow_directory *directory);
