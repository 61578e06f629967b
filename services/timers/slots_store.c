#include "services/timers/store_rows.h"
#include "services/timers/timers_store.h"

#include <stdio.h>
#include <stdlib.h>

ow_code timers_due(const reader *r, int64_t now_us, int limit, timer_take take, void *self) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT " TIMER_COLUMNS " FROM timers WHERE timers.next_due_us <= $1"
                               " ORDER BY timers.next_due_us LIMIT $2",
                               "ii", now_us, (int64_t)limit);
    return take_timers(r, code, rows, take, self);
}

ow_code timer_advance(const reader *r, const timer_row *row, int64_t next_us, int64_t last_us,
                      bool *ret_moved) {
    int64_t changes = 0;
    ow_code code = ow_db_exec(r->db, &changes, r->err,
                              "UPDATE timers SET next_due_us = $1, last_due_us = $2"
                              " WHERE timer_id = $3 AND next_due_us = $4",
                              "iiti", next_us, last_us, row->timer_id, row->next_due_us);
    *ret_moved = changes == 1;
    return code;
}

ow_code slot_add(const reader *r, const slot_row *s, bool *ret_added) {
    int64_t changes = 0;
    ow_code code = ow_db_exec(r->db, &changes, r->err,
                              "INSERT INTO slots (timer_id, due_us, kind, state, execution_id,"
                              " reason, count, last_due_us, made_us, try_us, title_id)"
                              " VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, $9, $10)"
                              " ON CONFLICT (timer_id, due_us) DO NOTHING",
                              "titttiiiit", s->timer_id, s->due_us, s->kind, s->state, s->reason,
                              s->count, s->last_due_us, s->made_us, s->try_us, s->title_id);
    *ret_added = changes == 1;
    return code;
}

// ---- Claims that nobody settled ----

typedef struct taken_up {
    slot_row *slots;
    timer_row *timers;
    int count;
} taken_up;

static ow_code read_taken_up(const reader *r, ow_code code, ow_rows *rows, taken_up *t) {
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, r->err)) == OW_OK && more) {
        slot_row *slot = &t->slots[t->count];
        code = read_timer(r, rows, &t->timers[t->count]);
        *slot = (slot_row){
            .timer_id = t->timers[t->count].timer_id,
            .due_us = ow_rows_int(rows, TIMER_COLUMN_COUNT),
            .kind = ow_arena_strdup_in(r->arena, ow_rows_text(rows, TIMER_COLUMN_COUNT + 1)),
            .try_us = ow_rows_int(rows, TIMER_COLUMN_COUNT + 2),
        };
        if (code == OW_OK && slot->kind == NULL) {
            code = out_of_memory(r->err);
        }
        t->count++;
    }
    ow_rows_close(rows);
    return code;
}

ow_code slot_put_off(const reader *r, const char *timer_id, int64_t due_us, int64_t try_us) {
    return ow_db_exec(r->db, NULL, r->err,
                      "UPDATE slots SET try_us = $1 WHERE timer_id = $2 AND due_us = $3"
                      " AND state = 'claimed'",
                      "iti", try_us, timer_id, due_us);
}

ow_code slots_begin_anew(const reader *r, int64_t now_us, int64_t latest_us) {
    return ow_db_exec(r->db, NULL, r->err,
                      "UPDATE slots SET try_us = $1 WHERE try_us > $2"
                      " AND try_us < 9223372036854775807",
                      "ii", now_us, latest_us);
}

ow_code slots_take_up(const reader *r, int64_t now_us, int64_t try_us, int limit, slot_take take,
                      void *self) {
    ow_rows *rows = NULL;
    taken_up t = {
        .slots = ow_arena_calloc(r->arena, (size_t)limit, sizeof *t.slots),
        .timers = ow_arena_calloc(r->arena, (size_t)limit, sizeof *t.timers),
    };
    if (t.slots == NULL || t.timers == NULL) {
        return out_of_memory(r->err);
    }
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT " TIMER_COLUMNS ", slots.due_us, slots.kind, slots.try_us"
                               " FROM slots JOIN timers ON timers.timer_id = slots.timer_id"
                               " WHERE slots.try_us <= $1 ORDER BY slots.try_us LIMIT $2",
                               "ii", now_us, (int64_t)limit);
    code = read_taken_up(r, code, rows, &t);
    for (int i = 0; code == OW_OK && i < t.count; i++) {
        code = slot_put_off(r, t.slots[i].timer_id, t.slots[i].due_us, try_us);
        code = code == OW_OK ? take(self, &t.slots[i], &t.timers[i], r->err) : code;
    }
    return code;
}

ow_code slot_settle(const reader *r, const slot_row *s, bool *ret_settled) {
    int64_t changes = 0;
    ow_code code =
        ow_db_exec(r->db, &changes, r->err,
                   "UPDATE slots SET state = $1, execution_id = $2, reason = $3,"
                   " try_us = 9223372036854775807"
                   " WHERE timer_id = $4 AND due_us = $5 AND state = 'claimed'",
                   "tttti", s->state, s->execution_id, s->reason, s->timer_id, s->due_us);
    *ret_settled = code == OW_OK && changes == 1;
    if (!*ret_settled || s->execution_id[0] == 0) {
        return code;
    }
    return ow_db_exec(r->db, NULL, r->err,
                      "UPDATE timers SET last_execution_id = $1 WHERE timer_id = $2", "tt",
                      s->execution_id, s->timer_id);
}

// ---- Looking ----

static ow_code read_slot(const reader *r, ow_rows *rows, slot_row *s) {
    *s = (slot_row){
        .due_us = ow_rows_int(rows, 0),
        .kind = ow_arena_strdup_in(r->arena, ow_rows_text(rows, 1)),
        .state = ow_arena_strdup_in(r->arena, ow_rows_text(rows, 2)),
        .execution_id = ow_arena_strdup_in(r->arena, ow_rows_text(rows, 3)),
        .reason = ow_arena_strdup_in(r->arena, ow_rows_text(rows, 4)),
        .count = ow_rows_int(rows, 5),
        .last_due_us = ow_rows_int(rows, 6),
        .made_us = ow_rows_int(rows, 7),
    };
    bool whole =
        s->kind != NULL && s->state != NULL && s->execution_id != NULL && s->reason != NULL;
    return whole ? OW_OK : out_of_memory(r->err);
}

ow_code slots_list(const reader *r, const slot_filter *f, slot_row ret_rows[], int *ret_count) {
    ow_rows *rows = NULL;
    bool more = true;
    *ret_count = 0;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT due_us, kind, state, execution_id, reason, count,"
                               " last_due_us, made_us FROM slots WHERE timer_id = $1"
                               " AND due_us < $2 AND ($3 = '' OR state = $3)"
                               " ORDER BY due_us DESC LIMIT $4",
                               "titi", f->timer_id, f->before_us, f->state, (int64_t)f->limit);
    while (code == OW_OK && *ret_count < f->limit &&
           (code = ow_rows_next(rows, &more, r->err)) == OW_OK && more) {
        code = read_slot(r, rows, &ret_rows[(*ret_count)++]);
    }
    ow_rows_close(rows);
    return code;
}

ow_code next_wake(const reader *r, int64_t *ret_us) {
    ow_rows *rows = NULL;
    int64_t due_us = NEVER;
    int64_t try_us = NEVER;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT next_due_us FROM timers ORDER BY next_due_us LIMIT 1", "");
    code = first_int(r, code, rows, &due_us);
    if (code == OW_OK) {
        rows = NULL;
        code = ow_db_query(r->db, &rows, r->err, "SELECT try_us FROM slots ORDER BY try_us LIMIT 1",
                           "");
        code = first_int(r, code, rows, &try_us);
    }
    *ret_us = due_us < try_us ? due_us : try_us;
    return code;
}

ow_code slots_counts(const reader *r, int64_t **ret_counts, size_t *ret_n) {
    ow_rows *rows = NULL;
    int64_t *counts = NULL;
    size_t n = 0;
    size_t room = 0;
    bool more = true;
    ow_code code =
        ow_db_query(r->db, &rows, r->err, "SELECT COUNT(*) FROM slots GROUP BY title_id", "");
    while (code == OW_OK && (code = ow_rows_next(rows, &more, r->err)) == OW_OK && more) {
        if (n == room) {
            room = room == 0 ? 64 : room * 2;
            int64_t *bigger = realloc(counts, room * sizeof *counts);
            if (bigger == NULL) {
                code = out_of_memory(r->err);
                break;
            }
            counts = bigger;
        }
        counts[n++] = ow_rows_int(rows, 0);
    }
    ow_rows_close(rows);
    if (code != OW_OK) {
        free(counts);
        return code;
    }
    *ret_counts = counts;
    *ret_n = n;
    return OW_OK;
}

ow_code slots_next_title(const reader *r, int64_t level, int64_t before_us, slots_title *each,
                         bool *ret_found) {
    ow_rows *rows = NULL;
    *ret_found = false;
    ow_code code = ow_db_query(r->db, &rows, r->err,
                               "SELECT title_id, COUNT(*) FROM slots WHERE title_id > $1"
                               " GROUP BY title_id HAVING COUNT(*) > $2 OR MIN(made_us) < $3"
                               " ORDER BY title_id LIMIT 1",
                               "tii", each->title_id, level, before_us);
    code = code == OW_OK ? ow_rows_next(rows, ret_found, r->err) : code;
    if (code == OW_OK && *ret_found) {
        snprintf(each->title_id, sizeof each->title_id, "%s", ow_rows_text(rows, 0));
        each->count = ow_rows_int(rows, 1);
    }
    ow_rows_close(rows);
    return code;
}

ow_code slots_drop(const reader *r, const slots_waste *waste, int64_t *ret_dropped) {
    return ow_db_exec(r->db, ret_dropped, r->err,
                      "DELETE FROM slots WHERE (timer_id, due_us) IN (SELECT timer_id, due_us"
                      " FROM slots WHERE title_id = $1 AND made_us < $2"
                      " AND try_us = 9223372036854775807 ORDER BY made_us LIMIT $3)",
                      "tii", waste->title_id, waste->before_us, waste->limit);
}
