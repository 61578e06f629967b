#pragma once

// Events on their way into the store: complete, checked, numbered. For publishing by whoever may, for
// webhooks and for the platform's own.

#include "services/events/declarations.h"
#include "services/events/occurrences_store.h"
#include "services/events/spread.h"

#include "core/rpc/call.h"

enum { PUBLISH_EVENTS_MAX = 100, PUBLISH_BYTES_MAX = 4 << 20, EXTENSIONS_MAX = 16 };

// Whoever publishes, and how.
typedef struct publisher {
    const char *title_id;
    const ow_principal *principal;
    const char *request_id, *client_address;
    const ow_trace *trace;
    int64_t now_us;  // when
    const char *via; // source of the executions
    int32_t depth;
    bool any_type; // also undeclared ones, and the platform's own
    bool outside;  // a player speaks itself, not a function that runs for it
} publisher;

typedef struct publication {
    occurrence_row *rows;
    published_msg **told; // in order; `trigger_id` is set once numbered
    size_t count;
    char checked[OW_ID_MAX]; // version of the rules that they were checked with; "": were not
    spread spread;           // of the first slice
} publication;

// Fills in what was left out; everything lives in the arena. Codes: invalid_argument "bad_event",
// "too_many_events", "event_too_large", "chain_too_deep"; permission_denied "platform_event".
ow_code publication_prepare(publication *p, const publisher *by, new_event_msg *const *events,
                            size_t count, ow_arena *arena, ow_err *err);

// Data that say they are JSON are, and nested 62 deep at most. invalid_argument "invalid_json". Pool.
ow_code publication_check_json(const publication *p, ow_err *err);

// What the title says of their types. Codes: not_found "no_event_type"; permission_denied
// "not_for_clients"; invalid_argument "schema_violation". Any thread.
ow_code publication_check_types(const publication *p, const publisher *by, const rules *rules,
                                ow_err *err);

// Gives them ids, before the write step is queued: in which order they happened.
void publication_number(publication *p, const char *base_id);

// Stores them and spreads as much as one slice may. In a write step.
typedef struct publication_store {
    ow_db_conn *db;
    rules_cache *cache;
    ow_arena *arena;
    execution_limits limits;
    int64_t now_us;
    const char *base_id;
} publication_store;
ow_code publication_write(publication *p, const publisher *by, const publication_store *to,
                          ow_err *err);
