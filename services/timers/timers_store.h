#pragma once

// All the SQL of timers and their slots. Every function runs inside a job of a database thread; text lives in
// the arena that it was read into. Codes as in core/db/db.h besides those named; resource_exhausted "memory".

#include "services/timers/timers_logic.h"

#include "core/db/db.h"
#include "core/id/id.h"

enum {
    TIMERS_A_TITLE_MAX = 2000000,
    DECLARED_A_SERVER_MAX = 1000, // those that are gone included
    SPEC_BYTES_MAX = 16384,
    ANEW_AT_ONCE = 300,
};

typedef struct timer_row {
    const char *timer_id, *title_id, *virtual_server;
    timer_spec *spec;
    bool declared, gone, paused;
    const char *pause_reason, *paused_by;
    int64_t next_due_us, last_due_us;
    const char *last_execution_id;
    int64_t anchor_us, created_us, updated_us, etag;
} timer_row;

// Where rows are read to and failures told.
typedef struct reader {
    ow_db_conn *db;
    ow_arena *arena;
    ow_err *err;
} reader;

// ---- timers_store.c ----

// Codes: already_exists "timer_exists"; resource_exhausted "too_many_timers"; invalid_argument "bad_timer"
// (too long as a whole).
ow_code timer_insert(const reader *r, const timer_row *row);
// Everything but ids, names and creation.
ow_code timer_save(const reader *r, const timer_row *row);
// Not those that are gone. Codes: not_found "no_timer".
ow_code timer_find(const reader *r, const char *title_id, const char *timer_id, timer_row *ret_row);
// By its names, gone or not; *ret_found.
ow_code timer_find_named(const reader *r, const char *title_id, const char *server,
                         const timer_spec *spec, timer_row *ret_row, bool *ret_found);
// With its slots.
ow_code timer_delete(const reader *r, const char *timer_id);

typedef ow_code (*timer_take)(void *self, const timer_row *row, ow_err *err);

typedef struct timer_filter {
    const char *title_id, *virtual_server, *function, *name, *state; // "": any
    const char *name_like; // what LIKE takes, in lower case; "": any
    bool soonest;
    const char *after_server, *after_name, *after_alias; // behind these
    int64_t after_due_us;                                // likewise when `soonest`
    const char *after_id;
    int limit;
} timer_filter;

ow_code timers_list(const reader *r, const timer_filter *filter, timer_take take, void *self);

// The declared timers of a virtual server, or with `every` all of its timers, those gone included.
typedef struct server_timers {
    const char *title_id, *server;
    bool every;
    int limit;
} server_timers;
ow_code timers_of_server(const reader *r, const server_timers *which, timer_take take, void *self);

// Intervals that would come later than one interval from now, because the clock was set back, begin anew,
// ANEW_AT_ONCE at a time.
ow_code timers_begin_anew(const reader *r, int64_t now_us, bool *ret_more);

// The last deployment applied; 0: none.
ow_code deployment_find(const reader *r, const char *title_id, const char *server,
                        int64_t *ret_number);
ow_code deployment_keep(const reader *r, const char *title_id, const char *server, int64_t number);

// ---- slots_store.c ----

typedef struct slot_row {
    const char *timer_id, *title_id;
    int64_t due_us;
    const char *kind, *state, *execution_id, *reason;
    int64_t count, last_due_us, made_us, try_us;
} slot_row;

// Timers with a slot at or before `now_us`, the longest due first.
ow_code timers_due(const reader *r, int64_t now_us, int limit, timer_take take, void *self);

// Moves a timer on from the slot that it stood at; *ret_moved false: somebody else has.
ow_code timer_advance(const reader *r, const timer_row *row, int64_t next_us, int64_t last_us,
                      bool *ret_moved);

// *ret_added false: that slot is there already.
ow_code slot_add(const reader *r, const slot_row *slot, bool *ret_added);

// Slots claimed and not settled in time, with their timers; their next try is set to `try_us`.
typedef ow_code (*slot_take)(void *self, const slot_row *slot, const timer_row *timer, ow_err *err);
ow_code slots_take_up(const reader *r, int64_t now_us, int64_t try_us, int limit, slot_take take,
                      void *self);

// What became of a claimed slot; the timer remembers the last execution. *ret_settled false: it was settled
// before, and stays so.
ow_code slot_settle(const reader *r, const slot_row *slot, bool *ret_settled);
// Claims whose next try lies behind `latest_us`, because the clock was set back, are tried now.
ow_code slots_begin_anew(const reader *r, int64_t now_us, int64_t latest_us);
// Not yet: again at `try_us`.
ow_code slot_put_off(const reader *r, const char *timer_id, int64_t due_us, int64_t try_us);

typedef struct slot_filter {
    const char *timer_id, *state; // "": any
    int64_t before_us;
    int limit;
} slot_filter;

ow_code slots_list(const reader *r, const slot_filter *filter, slot_row ret_rows[], int *ret_count);

// The earlier of the next slot that is to come and the next claim that is to be taken up again; NEVER.
ow_code next_wake(const reader *r, int64_t *ret_us);

// How many slots each title has, settled or not, in no order. Heap: the caller's.
ow_code slots_counts(const reader *r, int64_t **ret_counts, size_t *ret_n);

// A title and how many slots it has.
typedef struct slots_title {
    char title_id[OW_ID_MAX];
    int64_t count;
} slots_title;

// The next title behind `each` that has more than `level` of them, or one made before `before_us`. *ret_found false:
// that was the last one, and `each` stays.
ow_code slots_next_title(const reader *r, int64_t level, int64_t before_us, slots_title *each,
                         bool *ret_found);

typedef struct slots_waste {
    const char *title_id;
    int64_t before_us, limit;
} slots_waste;

// Drops the oldest settled slots of a title, of those made before that, `limit` at most.
ow_code slots_drop(const reader *r, const slots_waste *waste, int64_t *ret_dropped);
