#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#include <stdio.h>
#include <string.h>

static const ow_db_migration with_words[] = {{1, "OW_WORD_INDEX;"}, {0, NULL}};

typedef struct text {
    int64_t number;
    const char *words;
} text;

static const text texts[] = {
    {1, "player logged in"},
    {2, "player logged out after_an hour"},
    {7, "spieler gel\xc3\xb6scht 4711"},
    {9007199254740993, "player 4711"},
};

static ow_code put_texts(ow_db_conn *conn, void *self, ow_err *err) {
    (void)self;
    ow_code code = OW_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && code == OW_OK; i++) {
        code = ow_db_words_put(conn, texts[i].number, texts[i].words, err);
    }
    return code;
}

static ow_code remove_text(ow_db_conn *conn, void *self, ow_err *err) {
    const text *t = self;
    return ow_db_words_remove(conn, t->number, t->words, err);
}

typedef struct search {
    const char *words;
    int64_t first, last;
    const char *wanted; // the numbers
    char found[200];
} search;

static ow_code find(ow_db_conn *conn, void *self, ow_err *err) {
    search *s = self;
    ow_rows *rows = NULL;
    bool row = true;
    size_t size = 0;
    s->found[0] = 0;
    ow_code code = ow_db_words_find(conn, s->words, s->first, s->last, &rows, err);
    while (code == OW_OK && (code = ow_rows_next(rows, &row, err)) == OW_OK && row) {
        size += (size_t)snprintf(s->found + size, sizeof s->found - size, "%lld ",
                                 (long long)ow_rows_int(rows, 0));
    }
    return code;
}

static void must_find(store *st, search s) {
    ow_err err;
    assert_ow_ok(read_now(st, find, &s, &err), &err);
    assert_string_equal(s.found, s.wanted);
}

void case_words_are_found(void **state) {
    store s;
    store_start(&s, *state, with_words);
    ow_err err;
    assert_ow_ok(write_now(&s, put_texts, NULL, &err), &err);
    must_find(&s, (search){"player", 0, INT64_MAX, "1 2 9007199254740993 ", ""});
    must_find(&s, (search){"player", 2, 8, "2 ", ""});
    must_find(&s, (search){"logged player", 0, INT64_MAX, "1 2 ", ""});
    must_find(&s, (search){"in", 0, INT64_MAX, "1 ", ""});
    must_find(&s, (search){"after", 0, INT64_MAX, "", ""});
    must_find(&s, (search){"after*", 0, INT64_MAX, "2 ", ""});
    must_find(&s, (search){"after_an", 0, INT64_MAX, "2 ", ""});
    must_find(&s, (search){"gel\xc3\xb6scht", 0, INT64_MAX, "7 ", ""});
    must_find(&s, (search){"gel*  47*", 0, INT64_MAX, "7 ", ""});
    must_find(&s, (search){"or", 0, INT64_MAX, "", ""});
    store_stop(&s);
}

void case_words_are_forgotten(void **state) {
    store s;
    store_start(&s, *state, with_words);
    ow_err err;
    assert_ow_ok(write_now(&s, put_texts, NULL, &err), &err);
    text first = texts[1];
    assert_ow_ok(write_now(&s, remove_text, &first, &err), &err);
    must_find(&s, (search){"player", 0, INT64_MAX, "1 9007199254740993 ", ""});
    must_find(&s, (search){"hour", 0, INT64_MAX, "", ""});
    store_stop(&s);
}

void case_bad_words_are_refused(void **state) {
    static const char *const bad[] = {"",
                                      " ",
                                      "*",
                                      "a-b",
                                      "Player",
                                      "\"a",
                                      "a'",
                                      "a:b*",
                                      "a** b",
                                      "(a)",
                                      "a b c d e f g h i j k l m n o p q"};
    store s;
    store_start(&s, *state, with_words);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        search it = {.words = bad[i], .last = INT64_MAX};
        ow_err err;
        assert_ow_code(read_now(&s, find, &it, &err), OW_INVALID_ARGUMENT, &err);
        assert_string_equal(err.reason, "bad_words");
    }
    store_stop(&s);
}
