#include "tests/faults/disk/effects.h"

#include <stdio.h>
#include <string.h>

const ow_db_migration effects_migrations[] = {
    {1, "CREATE TABLE effect ("
        " request_key TEXT NOT NULL PRIMARY KEY,"
        " number BIGINT NOT NULL,"
        " amount BIGINT NOT NULL,"
        " filler OW_BLOB NOT NULL);"
        "CREATE TABLE total (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL,"
        " amount BIGINT NOT NULL);"
        "INSERT INTO total (id, n, amount) VALUES (1, 0, 0)"},
    {2, "CREATE INDEX effect_by_amount ON effect (amount, number)"},
    {0, NULL},
};

static int64_t amount_of(int number) {
    return (int64_t)number * 7919 % 1000 - 300;
}

ow_code effect_apply(ow_db_conn *conn, void *self, ow_err *err) {
    int number = *(const int *)self;
    char key[24];
    unsigned char filler[6000];
    size_t size = 50 + (size_t)number * 977 % (sizeof filler - 50);
    memset(filler, 'a' + number % 26, size);
    snprintf(key, sizeof key, "effect-%d", number);
    int64_t made = 0;
    ow_code code = ow_db_exec(conn, &made, err,
                              "INSERT INTO effect (request_key, number, amount, filler)"
                              " VALUES ($1, $2, $3, $4) ON CONFLICT (request_key) DO NOTHING",
                              "tiib", key, (int64_t)number, amount_of(number), filler, size);
    if (code != OW_OK || made == 0) {
        return code;
    }
    return ow_db_exec(conn, NULL, err,
                      "UPDATE total SET n = n + 1, amount = amount + $1 WHERE id = 1", "i",
                      amount_of(number));
}

static ow_code read_effects(ow_db_conn *conn, effects_state *s, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT number, filler FROM effect", "");
    bool row = false;
    while (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        int64_t number = ow_rows_int(rows, 0);
        size_t size = 0;
        const unsigned char *filler = ow_rows_blob(rows, 1, &size);
        if (number < 0 || number >= EFFECTS || size == 0 || filler[size - 1] != 'a' + number % 26) {
            return ow_fail(err, OW_DATA_LOSS, "wrong_row", "effect %lld", (long long)number);
        }
        s->there[number] = true;
        s->count++;
        s->wanted_amount += amount_of((int)number);
    }
    return code;
}

static ow_code read_total(ow_db_conn *conn, effects_state *s, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT n, amount FROM total", "");
    bool row = false;
    if (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        s->total = ow_rows_int(rows, 0);
        s->amount = ow_rows_int(rows, 1);
    }
    return code;
}

static ow_code read_soundness(ow_db_conn *conn, effects_state *s, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(conn, &rows, err, "PRAGMA integrity_check", "");
    bool row = false;
    if (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        s->sound = strcmp(ow_rows_text(rows, 0), "ok") == 0;
    }
    return code;
}

ow_code effects_read(ow_db_conn *conn, void *self, ow_err *err) {
    effects_state *s = self;
    memset(s, 0, sizeof *s);
    ow_code code = read_effects(conn, s, err);
    if (code == OW_OK) {
        code = read_total(conn, s, err);
    }
    return code == OW_OK ? read_soundness(conn, s, err) : code;
}

ow_db_options effects_options(const char *folder, ow_loop *loop) {
    return (ow_db_options){.name = "effects",
                           .folder = folder,
                           .migrations = effects_migrations,
                           .loop = loop,
                           .readers = 1,
                           .max_wal_bytes = 128 * 1024};
}
