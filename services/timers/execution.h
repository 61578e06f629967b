#pragma once

// A slot as the queue gets it.

#include "services/timers/timers_store.h"

#include "core/arena/arena.h"

#include "overworld/events/v1/queue.pb-c.h"

typedef Overworld__Events__V1__EnqueueRequest enqueue_request;
typedef Overworld__Events__V1__EnqueueResponse enqueue_response;
typedef Overworld__Events__V1__Execution execution_msg;
typedef Overworld__Events__V1__GetExecutionRequest get_execution_request;
typedef Overworld__Events__V1__NewExecution new_execution;

#define KIND_SCHEDULE "schedule"
#define KIND_CATCH_UP "catch_up"
#define KIND_MANUAL "manual"

#define STATE_CLAIMED "claimed"
#define STATE_FIRED "fired"
#define STATE_MISSED "missed"
#define STATE_SKIPPED "skipped"
#define STATE_FAILED "failed"

// In the arena, with all that it points to; the slot's own deduplication key makes it one however often it is
// sent. NULL: arena full.
enqueue_request *execution_of(const timer_row *timer, const slot_row *slot, ow_arena *arena);

// Is a refusal of the queue for now only?
bool is_for_now(ow_code code);

// Has an execution ended, by its state?
bool has_ended(const char *state);
