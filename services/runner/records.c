#include "services/runner/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json/check.h"
#include "core/rpc/call.h"

#define BLOCK_BYTES ((size_t)256 << 10)
#define BLOCK_AGE_US 200000
#define BLOCKS_IN_FLIGHT 16
#define APPEND_TIMEOUT_US 10000000
#define LINE_MAX_BYTES 4000

struct records {
    struct records_options options;
    ow_batch *batch;
    struct sending *sending; // calls that are out
    bool closing;            // to be freed when the last of them is back
};

// One block on its way.
struct sending {
    struct sending *next;
    struct records *records;
    ow_call *call;
    const ow_batch_block *block;
    append_request request;
};

static void unlink_sending(struct sending *sending) {
    struct sending **at = &sending->records->sending;
    while (*at != sending) {
        at = &(*at)->next;
    }
    *at = sending->next;
}

static void free_now(struct records *records) {
    records->batch = ow_batch_free(records->batch);
    free(records);
}

static void on_appended(const append_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct sending *sending = call->user;
    struct records *records = sending->records;
    unlink_sending(sending);
    ow_batch_block_done(records->batch, sending->block, reply != NULL);
    ow_call_free(call);
    free(sending);
    if (records->closing && records->sending == NULL) {
        free_now(records);
    }
}

static ow_call *append_call(struct records *records) {
    ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = &platform, .timeout_us = APPEND_TIMEOUT_US};
    return ow_call_new(records->options.loop, &options);
}

static void on_block(void *self, const ow_batch_block *block) {
    struct records *records = self;
    struct sending *sending = calloc(1, sizeof *sending);
    ow_call *call = sending != NULL ? append_call(records) : NULL;
    if (call == NULL) {
        free(sending);
        ow_batch_block_done(records->batch, block, false);
        return;
    }
    sending->records = records;
    sending->block = block;
    sending->call = call;
    sending->next = records->sending;
    records->sending = sending;
    call->user = sending;
    append_request *request = &sending->request;
    overworld__telemetry__v1__append_request__init(request);
    request->process = (char *)(uintptr_t)records->options.process;
    request->records.data = (uint8_t *)(uintptr_t)block->bytes;
    request->records.len = block->size;
    request->count = (int32_t)block->count;
    request->first_us = block->first_us;
    request->last_us = block->last_us;
    request->dropped = (int64_t)block->dropped;
    overworld__telemetry__v1__telemetry__append(records->options.telemetry, request, on_appended,
                                                call);
}

ow_code records_new(const struct records_options *options, struct records **ret_records,
                    ow_err *err) {
    struct records *records = calloc(1, sizeof *records);
    if (records == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for records");
    }
    records->options = *options;
    ow_batch_options batch = {.loop = options->loop,
                              .block_bytes = BLOCK_BYTES,
                              .max_age_us = BLOCK_AGE_US,
                              .max_blocks_in_flight = BLOCKS_IN_FLIGHT,
                              .on_block = on_block,
                              .self = records};
    ow_code code = ow_batch_new(&batch, &records->batch, err);
    if (code != OW_OK) {
        free(records);
        return code;
    }
    *ret_records = records;
    return OW_OK;
}

struct records *records_free(struct records *records) {
    if (records == NULL) {
        return NULL;
    }
    // The callee may still be reading what is on its way.
    records->closing = true;
    if (records->sending == NULL) {
        free_now(records);
        return NULL;
    }
    struct sending *next = NULL;
    for (struct sending *at = records->sending; at != NULL; at = next) {
        next = at->next;
        ow_call_cancel(at->call, OW_CANCELLED);
    }
    return NULL;
}

static size_t sequence_length(unsigned char lead) {
    return lead < 0x80 ? 1 : (lead & 0xE0) == 0xC0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 4;
}

char *clean_text(char *to, size_t size, const char *from, size_t length) {
    size_t used = 0;
    bool clean = ow_utf8_check(from, length);
    if (clean && length < size) {
        memcpy(to, from, length);
        to[length] = '\0';
        return to;
    }
    for (size_t i = 0; i < length && used + 5 < size;) {
        size_t step = sequence_length((unsigned char)from[i]);
        bool whole = step <= length - i && (clean || ow_utf8_check(from + i, step));
        if (whole) {
            memcpy(to + used, from + i, step);
            used += step;
            i += step;
        } else {
            to[used++] = '?';
            i++;
        }
    }
    to[used] = '\0';
    return to;
}

char *stack_text(char *to, size_t size, const ow_host_exit *exit) {
    size_t used = 0;
    to[0] = '\0';
    for (unsigned i = 0; i < exit->frame_count && used < size; i++) {
        const ow_host_frame *frame = &exit->frames[i];
        char place[128] = "";
        if (frame->file[0] != '\0') {
            snprintf(place, sizeof place, " at %s:%d", frame->file, frame->line);
        }
        int wrote = snprintf(to + used, size - used, "%s#%u %s (0x%llx)%s", i > 0 ? "\n" : "", i,
                             frame->function[0] != '\0' ? frame->function : "?",
                             (unsigned long long)frame->address, place);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return to;
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static telemetry_record record_of(const struct record_owner *owner, int64_t wall_us) {
    telemetry_record record = OVERWORLD__TELEMETRY__V1__RECORD__INIT;
    record.time_us = wall_us;
    record.request_id = borrow(owner->request_id);
    record.title_id = borrow(owner->title_id);
    return record;
}

void records_add_lines(struct records *records, const struct record_owner *owner,
                       const ow_host_log *log) {
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    if (log->length == 0 || records->options.unwanted) {
        return;
    }
    int64_t wall_us = ow_clock_wall_us(records->options.clock);
    telemetry_record record = record_of(owner, wall_us);
    line_record line = OVERWORLD__TELEMETRY__V1__LINE_RECORD__INIT;
    char text[LINE_MAX_BYTES + 8];
    line.invocation_id = borrow(owner->invocation_id);
    line.virtual_server = borrow(owner->virtual_server);
    line.function = borrow(owner->function);
    line.version = owner->version;
    line.text = text;
    record.line = &line;
    size_t cursor = 0;
    ow_host_log_record item;
    while (ow_host_log_next(log, &cursor, &item)) {
        line.level = borrow(levels[item.level & 3]);
        line.printed = item.printed;
        clean_text(text, sizeof text, item.text, item.length);
        ow_batch_add(records->batch, wall_us, &record.base);
    }
}

void records_add_run(struct records *records, const struct record_owner *owner,
                     invocation_record *run) {
    if (records->options.unwanted) {
        return;
    }
    int64_t wall_us = ow_clock_wall_us(records->options.clock);
    telemetry_record record = record_of(owner, wall_us);
    run->invocation_id = borrow(owner->invocation_id);
    run->virtual_server = borrow(owner->virtual_server);
    run->function = borrow(owner->function);
    run->version = owner->version;
    record.invocation = run;
    if (owner->trace != NULL) {
        record.trace_id = (ProtobufCBinaryData){sizeof owner->trace->trace_id,
                                                (uint8_t *)(uintptr_t)owner->trace->trace_id};
        memcpy(&record.span_id, owner->trace->span_id, sizeof record.span_id);
        memcpy(&record.parent_span_id, owner->parent_span, sizeof record.parent_span_id);
        record.sampled = (owner->trace->flags & 1) != 0;
    }
    ow_batch_add(records->batch, wall_us, &record.base);
}

void records_add_levels(struct records *records, const struct record_owner *owner, int64_t wall_us,
                        levels_record *levels) {
    if (records->options.unwanted) {
        return;
    }
    telemetry_record record = record_of(owner, wall_us);
    levels->virtual_server = borrow(owner->virtual_server);
    levels->function = borrow(owner->function);
    levels->version = owner->version;
    record.levels = levels;
    ow_batch_add(records->batch, wall_us, &record.base);
}

void records_flush(struct records *records) {
    ow_batch_flush(records->batch);
}

int records_busy(const struct records *records) {
    return ow_batch_in_flight(records->batch);
}
