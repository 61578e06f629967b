// The chain over a real store: what is written, what is found, and that nobody changes it unnoticed.

#include "core/audit/audit.h"

#include "core/json/check.h"
#include "core/testing/ow_test.h"
#include "core/testing/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ow_db_migration migrations[] = {{.number = 1, .sql = OW_AUDIT_TABLES},
                                             {.number = 0, .sql = NULL}};

typedef struct fixture {
    test_store store;
    // Of the jobs.
    int from, count;
    const char *sql;
    ow_audit_filter filter;
    char seen[400]; // numbers, with blanks between
    ow_audit_proof proof;
    int64_t verify_from;
    int64_t is_sequence;
    char is_hash[OW_SHA256_HEX_SIZE];
    bool is;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    test_store_open(&f->store, migrations);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    test_store_close(&f->store);
    free(f);
    return 0;
}

static void run(fixture *f, test_store_job job, bool is_write) {
    ow_code code =
        is_write ? test_store_write(&f->store, job, f) : test_store_read(&f->store, job, f);
    assert_ow_ok(code, &f->store.err);
}

// Entry n: of title A, B or none in turn, at second n.
static ow_code append(ow_db_conn *conn, void *self, ow_err *err) {
    static const char *const titles[] = {"ttl_a", "ttl_b", ""};
    fixture *f = self;
    ow_code code = OW_OK;
    for (int n = f->from; code == OW_OK && n < f->from + f->count; n++) {
        char request[16];
        snprintf(request, sizeof request, "req_%d", n);
        ow_audit_entry entry = {
            .at_us = n * INT64_C(1000000),
            .title = titles[n % 3],
            .principal = n % 2 == 0 ? "opr_1" : "opr_2",
            .address = "203.0.113.7",
            .request_id = request,
            .action = n < 3 ? "title.create" : "title.rename",
            .object = "ttl_1",
            .before = n < 3 ? NULL : "{\"name\":\"old\"}",
            .after = "{\"name\":\"new\"}",
        };
        code = ow_audit_append(conn, &entry, err);
    }
    return code;
}

static void append_some(fixture *f, int count) {
    f->from = 0;
    f->count = count;
    run(f, append, true);
}

static ow_code take_number(void *self, const ow_audit_entry *entry, ow_err *err) {
    (void)err;
    fixture *f = self;
    size_t length = strlen(f->seen);
    snprintf(f->seen + length, sizeof f->seen - length, "%lld ", (long long)entry->sequence);
    return OW_OK;
}

static ow_code list(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    f->seen[0] = '\0';
    return ow_audit_list(conn, &f->filter, take_number, f, err);
}

static ow_audit_filter all(void) {
    return (ow_audit_filter){.title = "",
                             .every_title = true,
                             .principal = "",
                             .action = "",
                             .object = "",
                             .request_id = "",
                             .since_us = INT64_MIN,
                             .until_us = INT64_MAX,
                             .below = INT64_MAX,
                             .limit = 100};
}

static void expect_list(fixture *f, ow_audit_filter filter, const char *numbers) {
    f->filter = filter;
    run(f, list, false);
    assert_string_equal(f->seen, numbers);
}

static void entries_are_found_by_every_field(void **state) {
    fixture *f = *state;
    append_some(f, 7);
    ow_audit_filter filter = all();
    expect_list(f, filter, "7 6 5 4 3 2 1 ");
    filter.limit = 2;
    filter.below = 5;
    expect_list(f, filter, "4 3 ");
    filter = all();
    filter.every_title = false;
    filter.title = "ttl_a";
    expect_list(f, filter, "7 4 1 ");
    filter.with_untitled = true;
    expect_list(f, filter, "7 6 4 3 1 ");
    filter = all();
    filter.principal = "opr_2";
    expect_list(f, filter, "6 4 2 ");
    filter.action = "title.rename";
    expect_list(f, filter, "6 4 ");
    filter.request_id = "req_3";
    expect_list(f, filter, "4 ");
    filter.object = "ttl_2";
    expect_list(f, filter, "");
    filter = all();
    filter.since_us = 2000000;
    filter.until_us = 4000000;
    expect_list(f, filter, "4 3 ");
    filter = all();
    filter.from = 5;
    expect_list(f, filter, "7 6 5 ");
}

static ow_code page_from(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    return ow_audit_page_from(conn, f->filter.below, &f->filter.from, err);
}

static ow_code tamper(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    return ow_db_exec(conn, NULL, err, f->sql, "");
}

// However long the chain is, and whatever is looked for.
static void a_page_looks_at_so_many(void **state) {
    fixture *f = *state;
    static const struct {
        int64_t below, from;
    } cases[] = {
        {INT64_MAX, 150001}, {150001, 50001}, {100002, 2}, {100001, 0}, {7, 0},
    };
    append_some(f, 3);
    f->filter.below = INT64_MAX;
    run(f, page_from, false);
    assert_int_equal(f->filter.from, 0);
    f->sql = "UPDATE audit_head SET sequence = 250000";
    run(f, tamper, true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->filter.below = cases[i].below;
        run(f, page_from, false);
        assert_int_equal(f->filter.from, cases[i].from);
    }
}

static ow_code verify(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    return ow_audit_verify(conn, f->verify_from, &f->proof, err);
}

static void expect_proof(fixture *f, int64_t checked, const char *broken, int64_t at) {
    f->verify_from = 0;
    run(f, verify, false);
    if (broken == NULL) {
        assert_null(f->proof.broken);
    } else {
        assert_non_null(f->proof.broken);
        assert_string_equal(f->proof.broken, broken);
    }
    assert_int_equal(f->proof.broken_sequence, at);
    assert_int_equal(f->proof.checked, checked);
    assert_int_equal(f->proof.next_sequence, 0);
}

static void an_untouched_chain_is_sound(void **state) {
    fixture *f = *state;
    expect_proof(f, 0, NULL, 0);
    assert_string_equal(f->proof.head_hash, "");
    append_some(f, 5);
    expect_proof(f, 5, NULL, 0);
    assert_int_equal(f->proof.head_sequence, 5);
    assert_int_equal(strlen(f->proof.head_hash), 64);
}

// A copy of entry 3 under another number, its hash as it was.
#define COPY_AS(number)                                                                            \
    "INSERT INTO audit_chain SELECT " number ", at_us, title_id, principal, address, request_id,"  \
    " action, object, state_before, state_after, hash FROM audit_chain WHERE sequence = 3"

static void whatever_is_done_to_it_shows(void **state) {
    (void)state;
    static const struct {
        const char *sql, *broken;
        int64_t at, checked;
    } cases[] = {
        {"UPDATE audit_chain SET at_us = at_us + 1 WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET title_id = 'ttl_c' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET principal = '' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET address = '' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET request_id = '' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET action = 'title.look' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET object = 'ttl_2' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET state_before = 'x' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET state_after = '' WHERE sequence = 3", "changed", 3, 2},
        // Characters that only move from one field to the next.
        {"UPDATE audit_chain SET action = 'title.createt', object = 'tl_1' WHERE sequence = 3",
         "changed", 3, 2},
        {"UPDATE audit_chain SET hash = '' WHERE sequence = 3", "changed", 3, 2},
        {"UPDATE audit_chain SET hash = upper(hash) WHERE sequence = 1", "changed", 1, 0},
        {"DELETE FROM audit_chain WHERE sequence = 1", "missing", 1, 0},
        {"DELETE FROM audit_chain WHERE sequence = 3", "missing", 3, 2},
        {"DELETE FROM audit_chain WHERE sequence = 5", "missing", 5, 4},
        {"DELETE FROM audit_chain", "missing", 1, 0},
        {COPY_AS("6"), "changed", 6, 5},
        {COPY_AS("0"), "inserted", 0, 0},
        {COPY_AS("-7"), "inserted", -7, 0},
        {COPY_AS("9"), "missing", 6, 5},
        {"UPDATE audit_head SET hash = ''", "head", 5, 5},
        {"UPDATE audit_head SET sequence = 4", "inserted", 5, 5},
        {"UPDATE audit_head SET sequence = 6", "missing", 6, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *own = NULL;
        set_up(&own);
        fixture *f = own;
        append_some(f, 5);
        f->sql = cases[i].sql;
        run(f, tamper, true);
        print_message("%s\n", cases[i].sql);
        expect_proof(f, cases[i].checked, cases[i].broken, cases[i].at);
        tear_down(&own);
    }
}

static void two_entries_that_change_places_show(void **state) {
    fixture *f = *state;
    static const char *const steps[] = {
        "UPDATE audit_chain SET sequence = 99 WHERE sequence = 2",
        "UPDATE audit_chain SET sequence = 2 WHERE sequence = 3",
        "UPDATE audit_chain SET sequence = 3 WHERE sequence = 99",
    };
    append_some(f, 5);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        f->sql = steps[i];
        run(f, tamper, true);
    }
    expect_proof(f, 1, "changed", 2);
}

static ow_code is(ow_db_conn *conn, void *self, ow_err *err) {
    fixture *f = self;
    return ow_audit_is(conn, f->is_sequence, f->is_hash, &f->is, err);
}

// Whoever can write the store can write a whole new chain: a head that was noted elsewhere tells.
static void a_noted_head_tells_of_a_chain_written_anew(void **state) {
    fixture *f = *state;
    append_some(f, 5);
    expect_proof(f, 5, NULL, 0);
    f->is_sequence = f->proof.head_sequence;
    memcpy(f->is_hash, f->proof.head_hash, sizeof f->is_hash);
    run(f, is, false);
    assert_true(f->is);
    f->sql = "DELETE FROM audit_chain";
    run(f, tamper, true);
    f->sql = "UPDATE audit_head SET sequence = 0, hash = ''";
    run(f, tamper, true);
    f->from = 1;
    run(f, append, true);
    expect_proof(f, 5, NULL, 0);
    run(f, is, false);
    assert_false(f->is);
}

static void a_long_chain_is_checked_in_pieces(void **state) {
    fixture *f = *state;
    enum { MORE = OW_AUDIT_VERIFY_MAX + 10, SLICE = 500 };
    for (f->from = 0; f->from < MORE; f->from += SLICE) {
        f->count = MORE - f->from < SLICE ? MORE - f->from : SLICE;
        run(f, append, true);
    }
    f->verify_from = 0;
    run(f, verify, false);
    assert_null(f->proof.broken);
    assert_int_equal(f->proof.checked, OW_AUDIT_VERIFY_MAX);
    assert_int_equal(f->proof.next_sequence, OW_AUDIT_VERIFY_MAX + 1);
    f->verify_from = f->proof.next_sequence;
    run(f, verify, false);
    assert_null(f->proof.broken);
    assert_int_equal(f->proof.checked, 10);
    assert_int_equal(f->proof.next_sequence, 0);
    f->verify_from = MORE + 2;
    run(f, verify, false);
    assert_string_equal(f->proof.broken, "missing");
}

static void states_are_json_without_secrets(void **state) {
    (void)state;
    char long_text[3 * OW_AUDIT_TEXT_MAX];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ow_arena *arena = ow_arena_new(1 << 20);
    const char *text = ow_audit_state_in(arena, "tibs", "name", "a \"b\"\n", "version",
                                         INT64_C(9007199254740993), "public", 1, "password");
    assert_string_equal(text, "{\"name\":\"a \\\"b\\\"\\n\",\"version\":\"9007199254740993\","
                              "\"public\":true,\"password\":\"***\"}");
    text = ow_audit_state_in(arena, "t", "text", long_text);
    assert_in_range(strlen(text), OW_AUDIT_TEXT_MAX, OW_AUDIT_TEXT_MAX + 20);
    assert_int_equal(ow_json_check(text, strlen(text), 4, NULL), OW_OK);
    assert_string_equal(ow_audit_state_in(arena, ""), "{}");
    ow_arena_free(arena);
    arena = ow_arena_new(16);
    assert_string_equal(ow_audit_state_in(arena, "t", "text", long_text), "{\"too_long\":true}");
    ow_arena_free(arena);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(entries_are_found_by_every_field),
        CASE(a_page_looks_at_so_many),
        CASE(an_untouched_chain_is_sound),
        cmocka_unit_test(whatever_is_done_to_it_shows),
        CASE(two_entries_that_change_places_show),
        CASE(a_noted_head_tells_of_a_chain_written_anew),
        CASE(a_long_chain_is_checked_in_pieces),
        cmocka_unit_test(states_are_json_without_secrets),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
