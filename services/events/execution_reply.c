// An execution as its readers see it.

#include "services/events/internal.h"

#include "core/timestamp/timestamp.h"

#include <inttypes.h>

typedef Google__Protobuf__Timestamp timestamp;

static timestamp *timestamp_in(ow_arena *arena, int64_t at_us) {
    return at_us > 0 ? ow_timestamp_in(arena, at_us) : NULL;
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static void fill_wanted(const new_execution_msg *wanted, execution_msg *reply) {
    reply->virtual_server = wanted->virtual_server;
    reply->function = wanted->function;
    reply->qualifier = wanted->qualifier;
    reply->source = wanted->source;
    reply->principal = wanted->principal;
    reply->retry = wanted->retry;
    reply->ordering_key = wanted->ordering_key;
    reply->subscription_key = wanted->subscription_key;
    reply->depth = wanted->depth;
    reply->trigger_id = wanted->trigger_id;
    reply->content_type = wanted->content_type;
    reply->on_success = wanted->on_success;
    reply->on_failure = wanted->on_failure;
}

static void fill_outcome(const execution_outcome *outcome, execution_msg *reply) {
    reply->result_content_type = outcome->content_type;
    reply->result = outcome->result;
    reply->result_dropped = outcome->result_dropped;
    reply->refusal_code = outcome->refusal_code;
    reply->details_json = outcome->details_json;
    reply->invocation_id = outcome->invocation_id;
    reply->version = outcome->version;
    reply->destination_execution_id = outcome->destination_execution_id;
    reply->destination_reason = outcome->destination_reason;
    reply->destination_trigger_id = outcome->destination_trigger_id;
}

bool execution_fill(const execution_row *row, ow_arena *arena, execution_msg *reply) {
    const queue_item *item = &row->item;
    fill_wanted(row->facts->wanted, reply);
    if (row->outcome != NULL) {
        fill_outcome(row->outcome, reply);
    }
    reply->execution_id = ow_arena_strdup_in(arena, row->execution_id);
    reply->state = borrow(execution_state_name(item->state));
    reply->created = timestamp_in(arena, row->created_us);
    reply->due = timestamp_in(arena, item->due_us);
    reply->started = timestamp_in(arena, item->started_us);
    reply->ended = timestamp_in(arena, item->ended_us);
    reply->attempt = (int32_t)item->attempt;
    reply->deduplication_key = borrow(row->deduplication_key);
    reply->concurrency = (int32_t)row->concurrency;
    reply->request_id = row->facts->request_id;
    reply->reason = borrow(row->reason);
    reply->message = borrow(row->message);
    reply->etag = ow_arena_printf_in(arena, "%" PRId64 "-%d-%" PRId64, item->epoch,
                                     (int)item->state, item->ended_us);
    return reply->execution_id != NULL && reply->etag != NULL && reply->created != NULL;
}
