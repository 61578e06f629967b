#pragma once

// What a function gets of an occurrence, and in which order. No I/O.

#include "services/events/event_messages.h"

#include "core/arena/arena.h"
#include "core/json/tree.h"

enum {
    EVENT_DATA_MAX = 240 << 10, // JSON; with what stands around it an execution's payload
    OTHER_DATA_MAX = 176 << 10, // anything else, which travels in base64
    EVENT_TEXT_MAX = 256,       // id, source, subject
    EVENT_ARGS_MAX = 4096,
    BATCH_MAX = 100,
    ORDERING_KEY_MAX = 100,
};

bool event_is_json(const new_event_msg *event);

// {"trigger_id", "execution_id", "event_name", "event_time" (ms), "event_data", "args"}, in the arena; NULL:
// no memory. Data that are not JSON are {"content_type", "base64"}. `args`: JSON text, "" is null.
const char *envelope_in(ow_arena *arena, const occurrence_facts *facts, const char *execution_id,
                        const char *args, size_t *ret_size);

// One event of a batch: the envelope without execution_id and args.
const char *envelope_item_in(ow_arena *arena, const occurrence_facts *facts, size_t *ret_size);

// {"execution_id", "events": [items], "args"}. `items`: JSON texts.
typedef struct envelope_items {
    const char **texts;
    size_t *sizes;
    size_t count;
} envelope_items;
const char *envelope_batch_in(ow_arena *arena, const envelope_items *items,
                              const char *execution_id, const char *args, size_t *ret_size);

// The event itself as CloudEvents' JSON, and a batch of such items.
const char *envelope_cloudevent_in(ow_arena *arena, const occurrence_facts *facts,
                                   size_t *ret_size);
const char *envelope_list_in(ow_arena *arena, const envelope_items *items, size_t *ret_size);

// The value that a pointer names, as a key of at most ORDERING_KEY_MAX printable characters: a text, number,
// true or false; a long one by its hash. "" when there is none.
void ordering_key_of(const ow_json *data, const char *pointer,
                     char key[static ORDERING_KEY_MAX + 1]);
