#pragma once

// What one round of firing has in hand, and its two writes.

#include "services/timers/announcements.h"
#include "services/timers/execution.h"

#include "core/rpc/call.h"

enum {
    ROUND_SLOTS_MAX = 256,
    ROUND_TIMERS_MAX = 128,
    ROUND_MISSED_MAX = 4096,
};

#define LEASE_US (15 * SECOND_US) // longer than an Enqueue may take
#define PUT_OFF_US SECOND_US      // before a refusal of the queue is tried again
#define GIVE_UP_US (6 * HOUR_US)  // a slot that the queue did not take until then is missed

typedef struct held_slot {
    timer_row timer;
    slot_row slot;
    enum { HELD, HELD_FIRED, HELD_SKIPPED, HELD_FAILED, HELD_PUT_OFF } verdict;
    char execution_id[OW_ID_MAX];
    char reason[OW_REASON_MAX];
} held_slot;

typedef struct round {
    // What the claim goes by.
    int64_t now_us, missed_after_us;
    ow_zones *zones;
    const ow_bus *bus; // is told of missed slots; NULL: nobody is
    bool begin_anew;   // the clock was set back
    bool old_only;     // the queue was away: no new slots
    // What it has.
    ow_arena *arena;
    held_slot *slots; // ROUND_SLOTS_MAX
    int count;
    int64_t missed;  // slots that came to nothing
    bool anew_more;  // intervals are still to begin anew
    int64_t wake_us; // when there is something to do next
} round;

// In a write job; may be run again.
ow_code round_claim(ow_db_conn *db, round *r, ow_err *err);
ow_code round_settle(ow_db_conn *db, round *r, ow_err *err);
