#pragma once

// The SQL of alarms and their notices. Every function runs inside a job of a database thread.

#include "services/telemetry/alarm_logic.h"

#include "core/db/db.h"

enum { ALARMS_A_TITLE_MAX = 100, ALARMS_MAX = 1000, NOTICES_MAX = 1000, ERROR_TEXT_MAX = 200 };

// Text and the rule live in the arena that they were read into.
typedef struct alarm_row {
    const char *alarm_id, *title_id, *secret, *last_error;
    alarm_rule *rule;
    alarm_state state;
    double value;
    int64_t waiting; // notices; only where asked for
} alarm_row;

typedef struct alarm_list {
    alarm_row *rows;
    int count;
} alarm_list;

// Codes: already_exists "alarm_exists" (the name), resource_exhausted "too_many_alarms".
ow_code alarm_store_create(ow_db_conn *db, const alarm_row *row, ow_err *err);

// All of a title by name, or of all titles (NULL). In `arena`.
ow_code alarm_store_list(ow_db_conn *db, const char *title_id, ow_arena *arena,
                         alarm_list *ret_list, ow_err *err);

// Codes: not_found "no_alarm".
ow_code alarm_store_get(ow_db_conn *db, const char *title_id, const char *alarm_id, ow_arena *arena,
                        alarm_row *ret_row, ow_err *err);
ow_code alarm_store_delete(ow_db_conn *db, const char *title_id, const char *alarm_id, ow_err *err);

// The state after a look.
ow_code alarm_store_look(ow_db_conn *db, const alarm_row *row, ow_err *err);

typedef struct notice_row {
    const char *notice_id, *alarm_id, *body;
    int64_t created_us, due_us, attempts;
    const char *title_id, *secret; // of the alarm; only when read, as the next
    const alarm_rule *rule;
} notice_row;

// Adds a notice; the oldest one goes when there are too many. *ret_lost: how many went.
ow_code notice_store_add(ow_db_conn *db, const notice_row *notice, int64_t *ret_lost, ow_err *err);

// The one that is due longest; *ret_found false: none. In `arena`.
ow_code notice_store_next(ow_db_conn *db, int64_t now_us, ow_arena *arena, notice_row *ret_notice,
                          bool *ret_found, ow_err *err);

// What became of an attempt: gone, or to be tried again at `due_us`; and why it failed (NULL: it did
// not).
ow_code notice_store_settle(ow_db_conn *db, const notice_row *notice, bool gone, const char *why,
                            ow_err *err);
