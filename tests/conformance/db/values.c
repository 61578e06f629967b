#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct item {
    const char *k;
    int64_t n;
    double d;
    const char *t;
    const void *b;
    size_t b_size;
} item;

static ow_code put_item(ow_db_conn *conn, void *self, ow_err *err) {
    const item *it = self;
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO item (k, n, d, t, b) VALUES ($1, $2, $3, $4, $5)", "tidtb",
                      it->k, it->n, it->d, it->t, it->b, it->b_size);
}

static bool same_item(ow_rows *rows, const item *it) {
    size_t size = 99;
    const void *b = ow_rows_blob(rows, 3, &size);
    if (b == NULL || ow_rows_is_null(rows, 3) || size != it->b_size ||
        memcmp(b, it->b, size) != 0) {
        return false;
    }
    return ow_rows_int(rows, 0) == it->n && ow_rows_double(rows, 1) == it->d &&
           strcmp(ow_rows_text(rows, 2), it->t) == 0;
}

static ow_code check_item(ow_db_conn *conn, void *self, ow_err *err) {
    const item *it = self;
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code =
        ow_db_query(conn, &rows, err, "SELECT n, d, t, b FROM item WHERE k = $1", "t", it->k);
    if (code != OW_OK || ow_rows_next(rows, &row, err) != OW_OK || !row) {
        return OW_NOT_FOUND;
    }
    return same_item(rows, it) ? OW_OK : OW_DATA_LOSS;
}

void case_values_come_back(void **state) {
    store s;
    store_start(&s, *state, NULL);
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 7);
    }
    item items[] = {
        {"small", 1, 0.5, "text", bytes, sizeof bytes},
        {"largest", INT64_MAX, 1.7976931348623157e308, "\xc3\xa4\xe6\xb8\xb8\xf0\x9f\x8e\xae", "",
         0},
        {"least", INT64_MIN, -4.9406564584124654e-324, "", "\0\0", 2},
        {"2^53 + 1", 9007199254740993, 0.1, "'; DROP TABLE item; --", bytes, 1},
    };
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        assert_int_equal(write_now(&s, put_item, &items[i], NULL), OW_OK);
        assert_int_equal(read_now(&s, check_item, &items[i], NULL), OW_OK);
    }
    store_stop(&s);
}

enum { SLICES = 100, SLICE = 1000 };

// All magnitudes, from the row's number alone.
static int64_t integer_of(int64_t row) {
    uint64_t z = (uint64_t)(row + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (int64_t)(z ^ (z >> 31)) >> (z % 64);
}

static ow_code put_slice(ow_db_conn *conn, void *self, ow_err *err) {
    int64_t first = *(const int64_t *)self;
    ow_code code = OW_OK;
    for (int64_t row = first; row < first + SLICE && code == OW_OK; row++) {
        char key[24];
        snprintf(key, sizeof key, "%07lld", (long long)row);
        code = ow_db_exec(conn, NULL, err, "INSERT INTO counter (k, n) VALUES ($1, $2)", "ti", key,
                          integer_of(row));
    }
    return code;
}

static ow_code check_integers(ow_db_conn *conn, void *self, ow_err *err) {
    int64_t *wrong = self;
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT n FROM counter ORDER BY k", "");
    int64_t number = 0;
    for (; code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row; number++) {
        *wrong += ow_rows_int(rows, 0) != integer_of(number);
    }
    *wrong += number != SLICES * SLICE;
    return code;
}

void case_random_integers_come_back(void **state) {
    store s;
    store_start(&s, *state, NULL);
    for (int64_t first = 0; first < SLICES * SLICE; first += SLICE) {
        assert_int_equal(write_now(&s, put_slice, &first, NULL), OW_OK);
    }
    int64_t wrong = 0;
    assert_int_equal(read_now(&s, check_integers, &wrong, NULL), OW_OK);
    assert_int_equal(wrong, 0);
    store_stop(&s);
}

static ow_code put_nulls(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO item (k, n, d, t, b) VALUES ($1, $2, $3, $4, $5)", "tnntb",
                      "nulls", (const char *)NULL, (const void *)NULL, (size_t)5);
}

static bool all_null(ow_rows *rows) {
    for (int column = 0; column < 4; column++) {
        if (!ow_rows_is_null(rows, column)) {
            return false;
        }
    }
    size_t size = 99;
    return ow_rows_int(rows, 0) == 0 && fabs(ow_rows_double(rows, 1)) == 0 &&
           ow_rows_text(rows, 2) == NULL && ow_rows_blob(rows, 3, &size) == NULL && size == 0;
}

static ow_code check_nulls(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code =
        ow_db_query(conn, &rows, err, "SELECT n, d, t, b FROM item WHERE k = $1", "t", "nulls");
    if (code != OW_OK || ow_rows_next(rows, &row, err) != OW_OK || !row) {
        return OW_NOT_FOUND;
    }
    return all_null(rows) ? OW_OK : OW_DATA_LOSS; // the rows are left open on purpose
}

void case_nulls_come_back(void **state) {
    store s;
    store_start(&s, *state, NULL);
    assert_int_equal(write_now(&s, put_nulls, NULL, NULL), OW_OK);
    assert_int_equal(read_now(&s, check_nulls, NULL, NULL), OW_OK);
    assert_int_equal(read_now(&s, check_nulls, NULL, NULL), OW_OK);
    store_stop(&s);
}

static ow_code count_changes(ow_db_conn *conn, void *self, ow_err *err) {
    int64_t *changes = self;
    ow_code code = ow_db_exec(conn, &changes[0], err,
                              "INSERT INTO counter (k, n) VALUES ('a', 1), ('b', 2), ('c', 3)", "");
    if (code == OW_OK) {
        code = ow_db_exec(conn, &changes[1], err, "UPDATE counter SET n = n + $1 WHERE n > $2",
                          "ii", (int64_t)10, (int64_t)1);
    }
    if (code == OW_OK) {
        code =
            ow_db_exec(conn, &changes[2], err, "DELETE FROM counter WHERE k = $1", "t", "nosuch");
    }
    if (code == OW_OK) {
        code = ow_db_exec(conn, &changes[3], err,
                          "INSERT INTO counter (k, n) VALUES ($1, $2) ON CONFLICT DO NOTHING", "ti",
                          "a", (int64_t)5);
    }
    return code;
}

void case_changes_are_counted(void **state) {
    store s;
    store_start(&s, *state, NULL);
    int64_t changes[4] = {-1, -1, -1, -1};
    assert_int_equal(write_now(&s, count_changes, changes, NULL), OW_OK);
    assert_int_equal(changes[0], 3);
    assert_int_equal(changes[1], 2);
    assert_int_equal(changes[2], 0);
    assert_int_equal(changes[3], 0);
    store_stop(&s);
}

static ow_code upsert_returning(ow_db_conn *conn, void *self, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code = ow_db_query(conn, &rows, err,
                               "INSERT INTO counter (k, n) VALUES ($1, $2) "
                               "ON CONFLICT (k) DO UPDATE SET n = counter.n + excluded.n "
                               "RETURNING n",
                               "ti", "up", (int64_t)7);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &row, err);
    }
    if (code == OW_OK && row) {
        *(int64_t *)self = ow_rows_int(rows, 0);
    }
    return code;
}

static ow_code insert_returning_unread(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_rows *rows = NULL;
    return ow_db_query(conn, &rows, err,
                       "INSERT INTO counter (k, n) VALUES ('u1', 1), ('u2', 2) RETURNING n", "");
}

void case_returning_takes_effect(void **state) {
    store s;
    store_start(&s, *state, NULL);
    int64_t n = 0;
    assert_int_equal(write_now(&s, upsert_returning, &n, NULL), OW_OK);
    assert_int_equal(n, 7);
    assert_int_equal(write_now(&s, upsert_returning, &n, NULL), OW_OK);
    assert_int_equal(n, 14);
    assert_int_equal(write_now(&s, insert_returning_unread, NULL, NULL), OW_OK);
    assert_int_equal(read_int(&s, "SELECT count(*) FROM counter"), 3);
    store_stop(&s);
}

// The same statement open several times at once, and texts given up while rows are still read.
static ow_code nested_queries(ow_db_conn *conn, void *self, ow_err *err) {
    char limit[8] = "c";
    ow_rows *rows[3] = {NULL};
    ow_code code = OW_OK;
    for (int i = 0; i < 3 && code == OW_OK; i++) {
        code = ow_db_query(conn, &rows[i], err, "SELECT n FROM counter WHERE k <= $1 ORDER BY k",
                           "t", limit);
    }
    memset(limit, 'x', sizeof limit);
    int64_t sum = 0;
    bool row = true;
    while (code == OW_OK && row) {
        for (int i = 0; i < 3 && code == OW_OK; i++) {
            code = ow_rows_next(rows[i], &row, err);
            sum += ow_rows_int(rows[i], 0);
        }
    }
    *(int64_t *)self = sum;
    return code == OW_OK ? ow_rows_next(rows[0], &row, err) : code;
}

static ow_code too_many_queries(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_code code = OW_OK;
    for (int i = 0; i <= OW_DB_ROWS_MAX && code == OW_OK; i++) {
        ow_rows *rows = NULL;
        code = ow_db_query(conn, &rows, err, "SELECT n FROM counter", "");
    }
    return code;
}

void case_queries_may_nest(void **state) {
    store s;
    store_start(&s, *state, NULL);
    assert_int_equal(
        write_sql(&s, "INSERT INTO counter (k, n) VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 9)",
                  NULL),
        OW_OK);
    int64_t sum = 0;
    assert_int_equal(read_now(&s, nested_queries, &sum, NULL), OW_OK);
    assert_int_equal(sum, 18);
    ow_err err;
    assert_int_equal(read_now(&s, too_many_queries, NULL, &err), OW_INTERNAL);
    assert_string_equal(err.reason, "sql");
    store_stop(&s);
}

static ow_code many_statements(ow_db_conn *conn, void *self, ow_err *err) {
    const char *texts = self;
    int64_t sum = 0;
    for (int i = 0; i < 700; i++) {
        ow_rows *rows = NULL;
        bool row = false;
        ow_code code = ow_db_query(conn, &rows, err, texts + i * 32, "i", (int64_t)i);
        if (code != OW_OK || ow_rows_next(rows, &row, err) != OW_OK || !row) {
            return OW_INTERNAL;
        }
        sum += ow_rows_int(rows, 0);
        ow_rows_close(rows);
    }
    return sum == 2 * (699 * 700 / 2) ? OW_OK : OW_DATA_LOSS;
}

// More texts than a connection keeps, and other texts at the same addresses.
void case_statements_are_cached_within_bounds(void **state) {
    store s;
    store_start(&s, *state, NULL);
    static char texts[700 * 32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 700; i++) {
            snprintf(texts + i * 32, 32, "SELECT $1 + %d", round == 0 ? i : 699 - i);
        }
        assert_int_equal(write_now(&s, many_statements, texts, NULL), OW_OK);
    }
    store_stop(&s);
}
