#pragma once

// What functions did, on its way to telemetry: one record for each run and each line, collected in
// blocks. Never slows a call; what cannot be kept is counted.

#include "core/batch/batch.h"
#include "core/clock/clock.h"
#include "core/rpc/call.h"
#include "runtimes/host/host.h"
#include "services/runner/messages.h"

struct records;

// Whose lines they are.
struct record_owner {
    const char *request_id, *title_id, *invocation_id;
    const char *virtual_server, *function;
    int64_t version;
    const ow_trace *trace;      // of a run; NULL: none
    const uint8_t *parent_span; // the same
};

struct records_options {
    ow_loop *loop;
    const ow_clock *clock;
    ProtobufCService *telemetry;
    const char *process;
    bool unwanted; // nothing is recorded
};

// Heap. Codes: internal.
ow_code records_new(const struct records_options *options, struct records **ret_records,
                    ow_err *err);
// What is still on its way is given up.
struct records *records_free(struct records *records);

// The lines of a log, each a record.
void records_add_lines(struct records *records, const struct record_owner *owner,
                       const ow_host_log *log);

// A run. The ids and names of `run` are filled in from `owner`.
void records_add_run(struct records *records, const struct record_owner *owner,
                     invocation_record *run);

// The levels of a pool at a time. Names are filled in from `owner`.
void records_add_levels(struct records *records, const struct record_owner *owner, int64_t wall_us,
                        levels_record *levels);

// Passes on what is there. records_busy: blocks on their way.
void records_flush(struct records *records);
int records_busy(const struct records *records);

// Copies text of a function's so that it is UTF-8 without NUL: other bytes become '?'. Returns `to`.
char *clean_text(char *to, size_t size, const char *from, size_t length);

// The frames of a crash, one a line. Returns `to`.
char *stack_text(char *to, size_t size, const ow_host_exit *exit);
