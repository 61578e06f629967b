#pragma once

// All SQL about payloads that are kept for runs by hand. Codes as ow_db_exec besides those named.

#include "services/events/hands_messages.h"

#include "core/arena/arena.h"
#include "core/db/db.h"

enum {
    TEST_EVENTS_MAX = 100,
    TEST_EVENTS_BYTES_MAX =
        3 << 20, // a list has those of one owner and the shared ones, and 8 MB at most
};

// Of which function, and whose: `owner` "" is everybody's.
typedef struct test_event_place {
    const char *title_id, *virtual_server, *function, *owner;
} test_event_place;

// Codes: resource_exhausted "too_many" (TEST_EVENTS_MAX, or TEST_EVENTS_BYTES_MAX, of that function and owner).
ow_code test_event_save(ow_db_conn *db, const test_event_place *place, const test_event_msg *event,
                        int64_t now_us, ow_err *err);

// Those of the owner and the shared ones, by name.
ow_code test_events_list(ow_db_conn *db, const test_event_place *place, ow_arena *arena,
                         test_event_msg ***ret_events, size_t *ret_count, ow_err *err);

// The owner's of that name, else the shared one. Codes: not_found "no_test_event".
ow_code test_event_find(ow_db_conn *db, const test_event_place *place, const char *name,
                        ow_arena *arena, test_event_msg **ret_event, ow_err *err);

// Codes: not_found "no_test_event".
ow_code test_event_delete(ow_db_conn *db, const test_event_place *place, const char *name,
                          ow_err *err);
