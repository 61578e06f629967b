#pragma once

// A call that an instance waits for while the platform works on it: begun for a run or, where the
// host API allows that, for ow_init. One at a time for each instance. Loop thread.

#include "core/rpc/call.h"
#include "runtimes/host/host.h"

struct instance;
struct invocation;
struct runner;

// Lives in the arena of its own call.
struct nested {
    struct runner *runner;
    struct invocation *parent; // NULL: made in ow_init
    struct instance *instance; // waits for the answer; NULL: it is gone
    uint32_t number;
    const char *target; // for the trace; in the arena
    int64_t run_began_us, began_us;
    uint8_t span_id[8];
    ow_call *call; // to make the sub-call with; its user is this
    void *user;    // whoever opened it
};

// Whether calls are possible outside of a run, too.
enum nested_where { NESTED_IN_RUN, NESTED_IN_INIT_TOO };

// Opens one for what `wanted` asks. Codes (answers for the function): invalid_argument "invalid" (no
// call runs, or one is open), resource_exhausted "too_deep", "overloaded".
ow_code nested_open(struct runner *runner, struct instance *instance, const ow_host_call *wanted,
                    enum nested_where where, struct nested **ret_nested, ow_err *err);

// Answers the instance, if it is still there. fail: `err` as the function sees it.
void nested_answer(struct nested *nested, ow_host_outcome outcome, const char *code,
                   const void *data, size_t length);
void nested_fail(struct nested *nested, const ow_err *err);

// The end, after it was answered: `reason` "" when it went well, for the trace. Frees it; the run that
// waited for this goes on.
void nested_close(struct nested *nested, const char *reason);

// Its instance is gone, or its caller was answered: nobody waits for it any more.
void nested_abandon_of(struct instance *instance);
void nested_cancel(struct nested *nested);

// Answers a call that was not opened.
void nested_refuse(struct instance *instance, uint32_t number, const ow_err *err);

// Calls of other functions: kind OW_HOST_CALL_FUNCTION.
void nested_begin(struct runner *runner, struct instance *instance, const ow_host_call *call);
