// What executions there are, and the end of those that need not be kept.

#include "services/events/executions_moments.h"
#include "services/events/executions_store.h"
#include "services/events/store_rows.h"

#include <string.h>

static ow_code count(ow_db_conn *db, int64_t *ret_first, int64_t *ret_second, const char *sql,
                     ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(db, &rows, err, sql, "");
    code = rows_one(code, rows, &found, err);
    if (code == OW_OK && found) {
        *ret_first = ow_rows_int(rows, 0);
        *ret_second = ow_rows_int(rows, 1);
    }
    ow_rows_close(rows);
    return code;
}

// "ttl_01... subscription"
static void add_share(queue_census *c, const char *subscription, int64_t waiting) {
    char title_id[OW_ID_MAX] = "";
    size_t size = strcspn(subscription, " ");
    if (size < OW_ID_MAX) {
        memcpy(title_id, subscription, size);
    }
    shares_add(&c->shares, title_id, waiting);
}

static ow_code count_waiting(ow_db_conn *db, queue_census *c, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = true;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT title_id, COUNT(*), MIN(due_us) FROM executions"
                               " WHERE state = 1 GROUP BY title_id",
                               "");
    while (code == OW_OK && (code = ow_rows_next(rows, &found, err)) == OW_OK && found) {
        int64_t due_us = ow_rows_int(rows, 2);
        add_share(c, ow_rows_text(rows, 0), ow_rows_int(rows, 1));
        c->waiting += ow_rows_int(rows, 1);
        c->oldest_due_us =
            c->oldest_due_us == 0 || due_us < c->oldest_due_us ? due_us : c->oldest_due_us;
    }
    ow_rows_close(rows);
    return code;
}

static ow_code count_aside(ow_db_conn *db, queue_census *c, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = true;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT subscription, state, COUNT(*) FROM executions"
                               " WHERE state IN (2, 3) GROUP BY subscription, state",
                               "");
    while (code == OW_OK && (code = ow_rows_next(rows, &found, err)) == OW_OK && found) {
        int64_t count = ow_rows_int(rows, 2);
        add_share(c, ow_rows_text(rows, 0), count);
        *(ow_rows_int(rows, 1) == EXECUTION_HELD ? &c->held : &c->parked) += count;
    }
    ow_rows_close(rows);
    return code;
}

ow_code executions_census(ow_db_conn *db, queue_census *ret_census, ow_err *err) {
    int64_t rest;
    queue_census *c = ret_census;
    *c = (queue_census){0};
    ow_code code = count_waiting(db, c, err);
    code = code == OW_OK ? count_aside(db, c, err) : code;
    if (code == OW_OK) {
        code = count(db, &c->running, &rest, "SELECT COUNT(*), 0 FROM executions WHERE state = 4",
                     err);
    }
    if (code == OW_OK) {
        code =
            count(db, &c->dead, &rest, "SELECT COUNT(*), 0 FROM executions WHERE state = 6", err);
    }
    if (code == OW_OK) {
        code = count(db, &c->settled_bytes, &rest,
                     "SELECT COALESCE(SUM(size), 0), 0 FROM executions WHERE delete_us > 0", err);
    }
    return code;
}

typedef struct doomed {
    char ids[CLAIM_MAX][OW_ID_MAX], titles[CLAIM_MAX][OW_ID_MAX];
    int count;
} doomed;

static ow_code find_doomed(ow_db_conn *db, int64_t before_us, int64_t bytes, int limit,
                           doomed *ret_doomed, ow_err *err) {
    ow_rows *rows = NULL;
    bool more = true;
    int64_t freed = 0;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT execution_id, delete_us, size, title_id FROM executions"
                               " WHERE delete_us > 0 ORDER BY delete_us LIMIT $1",
                               "i", (int64_t)limit);
    while (code == OW_OK && ret_doomed->count < CLAIM_MAX &&
           (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        if (ow_rows_int(rows, 1) > before_us && freed >= bytes) {
            break;
        }
        freed += ow_rows_int(rows, 2);
        rows_copy_id(rows, 3, ret_doomed->titles[ret_doomed->count]);
        rows_copy_id(rows, 0, ret_doomed->ids[ret_doomed->count++]);
    }
    if (code == OW_OK && more) {
        ow_rows_close(rows);
    }
    return code;
}

static ow_code delete_one(ow_db_conn *db, const char *title_id, const char *execution_id,
                          ow_err *err) {
    static const char *const sql[] = {
        "DELETE FROM payloads WHERE execution_id = $1",
        "DELETE FROM attempts WHERE execution_id = $1",
        "DELETE FROM executions WHERE execution_id = $1",
    };
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < sizeof sql / sizeof sql[0]; i++) {
        code = ow_db_exec(db, NULL, err, sql[i], "t", execution_id);
    }
    return code == OW_OK ? moment_forget(db, title_id, execution_id, err) : code;
}

ow_code executions_delete(ow_db_conn *db, int64_t before_us, int64_t bytes, int limit,
                          int *ret_deleted, ow_err *err) {
    doomed doomed = {.count = 0};
    ow_code code = find_doomed(db, before_us, bytes, limit, &doomed, err);
    for (int i = 0; code == OW_OK && i < doomed.count; i++) {
        code = delete_one(db, doomed.titles[i], doomed.ids[i], err);
    }
    *ret_deleted = doomed.count;
    return code;
}
