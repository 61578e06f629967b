#pragma once

// One call of a function, from the request to the reply, and the calls that functions make.

#include "core/rpc/service.h"
#include "services/runner/nested.h"
#include "services/runner/pools.h"

struct runner;

#define PRINCIPAL_TEXT_MAX (OW_ID_MAX + 64)

enum { HOST_CALLS_MAX = 32 };

// What a run asked for, in the arena of its call.
struct host_call {
    struct host_call *next;
    uint8_t span_id[8];
    const char *target, *reason;
    int64_t after_us, duration_us;
};

struct invocation {
    struct request request; // first
    struct runner *runner;
    ow_run *run;
    struct pool_entry *entry; // NULL while it waits for the routing table
    struct nested *nested;    // the call that the function waits for; NULL
    bool settled;             // answered; goes when nested is back and nobody is cancelling
    ow_code code;
    struct invocation *next; // parked, or to be resumed
    bool parked;
    int64_t parked_us;
    ow_trace trace;               // of the run
    uint8_t parent_span[8];       // the caller's
    struct host_call *host_calls; // that ended, latest first
    int host_call_count;
    int64_t fetches; // begun
    char traceparent[OW_TRACEPARENT_MAX];
    char principal[PRINCIPAL_TEXT_MAX];
};

ow_code invoke_step(ow_run *run);
extern const struct scheduler_events invoke_events; // self is the runner

// Those waiting for the routing table: it changed, or time passed.
void invoke_retry_parked(struct runner *runner);
void invoke_expire_parked(struct runner *runner);

// Ends those that were answered while they could not be resumed.
void invoke_resume_settled(struct runner *runner);

// Everybody out: the rest get unavailable.
void invoke_abandon_all(struct runner *runner);

static inline struct invocation *invocation_of(struct request *request) {
    return (struct invocation *)request;
}

// For nested.c: the invocation's last word is said; resume it.
void invocation_finish(struct invocation *invocation);
