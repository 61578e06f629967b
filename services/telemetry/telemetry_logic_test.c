#include "services/telemetry/telemetry_logic.h"

#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/digest.h"

#include "core/testing/ow_test.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    ow_arena *arena;
    test_block block;
    const block_summary *summary; // of the last digest
    filter filter;
    ow_err err;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->arena = ow_arena_new(64 << 20);
    query_request any = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    int limit;
    assert_ow_ok(filter_of(&any, &f->filter, &limit, &f->err), &f->err);
    f->filter.title = "ttl_1";
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    test_block_free(&f->block);
    ow_arena_free(f->arena);
    free(f);
    return 0;
}

static const test_run chat = {
    .title = "ttl_1",
    .request_id = "req_1",
    .invocation_id = "inv_1",
    .server = "chat",
    .function = "moderate",
    .version = 3,
    .duration_us = 1230,
};

static slice all_of(const fixture *f) {
    return (slice){(const char *)f->block.bytes, f->block.size};
}

static ow_code digest(fixture *f, slice records, uint32_t count) {
    block_digest d;
    ow_arena_reset(f->arena);
    ow_code code = digest_block(records, count, f->arena, &d, &f->err);
    f->summary = code == OW_OK ? d.summary : NULL;
    return code;
}

// The entries as "KIND time text" lines.
static const char *show(fixture *f) {
    item_list list = {0};
    slice records = {(const char *)f->block.bytes, f->block.size};
    assert_int_equal(items_of_block(&f->filter, records, f->arena, &list, &f->err), OW_OK);
    char *all = ow_arena_strdup_in(f->arena, "");
    for (size_t i = 0; i < list.count; i++) {
        const log_entry *e = entry_of(&list.items[i], f->arena);
        assert_non_null(e);
        all = ow_arena_printf_in(f->arena, "%s%s %lld %s\n", all, e->kind,
                                 (long long)list.items[i].time_us, e->text);
    }
    return all;
}

static void orders_a_run_around_its_lines(void **state) {
    fixture *f = *state;
    test_run start = chat;
    start.invocation_id = "inv_0";
    start.init_us = 2000;
    test_run run = chat;
    run.init_us = 2000;
    run.reason = "crashed";
    test_block_init(&f->block, 998700, &start);
    test_block_line(&f->block, 999990, &run, "info", "hello");
    test_block_line(&f->block, 999990, &run, "warn", "careful");
    test_block_invocation(&f->block, 1000000, &run);
    run.duration_us = 4000;
    test_block_request(&f->block, 1000100, &run, 502);
    assert_string_equal(
        show(f),
        "REQUEST 996100 POST /v1/call chat/moderate status=502 total=4.00ms instance=0.00ms in=0B "
        "out=0B principal=player:plr_1\n"
        "INIT 996700 duration=2.00ms peak=29.7MB\n"
        "START 998770 source=client qualifier=$DEFAULT queued=0.00ms\n"
        "LINE 999990 hello\n"
        "LINE 999990 careful\n"
        "ERROR 1000000 crashed\n"
        "END 1000000 status=crashed\n"
        "REPORT 1000000 duration=1.23ms init=2.00ms memory=128MB peak=29.7MB cold "
        "status=crashed\n");
}

static void shows_a_refusal_as_an_answer(void **state) {
    fixture *f = *state;
    test_run run = chat;
    run.reason = "refused";
    test_block_invocation(&f->block, 1000000, &run);
    assert_null(strstr(show(f), "ERROR"));
    assert_non_null(strstr(show(f), "END 1000000 status=refused"));
}

static void keeps_lines_behind_the_start_of_a_very_short_run(void **state) {
    fixture *f = *state;
    test_run run = chat;
    run.duration_us = 3;
    test_block_line(&f->block, 999980, &run, "info", "hello");
    test_block_invocation(&f->block, 1000000, &run);
    assert_non_null(strstr(show(f), "START 999997 source=client qualifier=$DEFAULT "
                                    "queued=0.00ms\nLINE 999997 hello\nEND"));
}

static void nests_runs_by_time(void **state) {
    fixture *f = *state;
    test_run inner = chat;
    inner.invocation_id = "inv_2";
    inner.parent = "inv_1";
    inner.function = "lookup";
    inner.duration_us = 100;
    test_block_invocation(&f->block, 999500, &inner);
    test_block_invocation(&f->block, 1000000, &chat);
    const char *text = show(f);
    const char *outer_start = strstr(text, "START 998770");
    const char *inner_start = strstr(text, "START 999400");
    assert_true(outer_start != NULL && inner_start > outer_start);
    assert_non_null(strstr(inner_start, "parent=inv_1"));
    assert_true(strstr(text, "REPORT 1000000") > strstr(text, "REPORT 999500"));
}

static void filters(void **state) {
    fixture *f = *state;
    test_run other = chat;
    other.request_id = "req_2";
    other.function = "stats";
    other.version = 4;
    test_block_line(&f->block, 500, &chat, "debug", "first");
    test_block_line(&f->block, 600, &other, "error", "second");
    other.title = "ttl_2";
    test_block_line(&f->block, 700, &other, "error", "elsewhere");
    other.title = "";
    test_block_line(&f->block, 800, &other, "error", "nowhere");
    assert_string_equal(show(f), "LINE 500 first\nLINE 600 second\n");
    f->filter.without_title = true;
    assert_non_null(strstr(show(f), "nowhere"));
    f->filter.without_title = false;
    f->filter.min_level = LEVEL_WARN;
    assert_string_equal(show(f), "LINE 600 second\n");
    f->filter.min_level = LEVEL_DEBUG;
    f->filter.function = "moderate";
    assert_string_equal(show(f), "LINE 500 first\n");
    f->filter.function = "";
    f->filter.version = 4;
    assert_string_equal(show(f), "LINE 600 second\n");
    f->filter.version = 0;
    f->filter.request_id = "req_1";
    assert_string_equal(show(f), "LINE 500 first\n");
    f->filter.request_id = "";
    f->filter.since_us = 501;
    f->filter.until_us = 599;
    assert_string_equal(show(f), "");
}

static bool may_match(const fixture *f) {
    return filter_may_match(&f->filter, f->summary->top_level, f->summary->words,
                            f->summary->words_size);
}

static void summaries_let_blocks_be_skipped(void **state) {
    fixture *f = *state;
    char request[16];
    test_run run = chat;
    run.request_id = request;
    for (int i = 0; i < 2000; i++) {
        snprintf(request, sizeof request, "req_%d", i);
        test_block_line(&f->block, i, &run, "info", "text");
    }
    assert_int_equal(digest(f, all_of(f), 2000), OW_OK);
    assert_int_equal(f->summary->top_level, LEVEL_INFO);
    int wrong = 0;
    for (int i = 0; i < 4000; i++) {
        snprintf(request, sizeof request, "req_%d", i);
        f->filter.request_id = request;
        if (i < 2000) {
            assert_true(may_match(f));
        } else {
            wrong += may_match(f) ? 1 : 0;
        }
    }
    assert_in_range(wrong, 0, 60);
    f->filter.request_id = "";
    f->filter.virtual_server = "chat";
    f->filter.function = "moderate";
    assert_true(may_match(f));
    f->filter.function = "other";
    assert_false(may_match(f));
    f->filter.function = "";
    f->filter.virtual_server = "cha";
    assert_false(may_match(f));
    f->filter.virtual_server = "";
    f->filter.min_level = LEVEL_WARN;
    assert_false(may_match(f));
}

static void refuses_damaged_blocks(void **state) {
    fixture *f = *state;
    test_block_line(&f->block, 1, &chat, "info", "one");
    test_block_invocation(&f->block, 2, &chat);
    uint8_t *copy = malloc(f->block.size);
    for (size_t cut = 1; cut < f->block.size; cut++) {
        memcpy(copy, f->block.bytes, cut);
        assert_int_equal(digest(f, (slice){(const char *)copy, cut}, 2), OW_INVALID_ARGUMENT);
    }
    free(copy);
    assert_int_equal(digest(f, all_of(f), 3), OW_INVALID_ARGUMENT);
    assert_int_equal(digest(f, all_of(f), 2), OW_OK);
    assert_int_equal(digest(f, (slice){NULL, 0}, 0), OW_OK);
}

static void reads_its_own_page_tokens(void **state) {
    fixture *f = *state;
    char text[POSITION_MAX];
    position p = {INT64_MAX, 12};
    position_format(text, p);
    position back;
    assert_int_equal(position_parse(text, &back, &f->err), OW_OK);
    assert_true(back.block == p.block && back.entry == p.entry);
    static const char *const bad[] = {"x", "b", "b1", "b1.", "b.1", "b1.1x", "b-1.1", "1.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(position_parse(bad[i], &back, &f->err), OW_INVALID_ARGUMENT);
    }
}

typedef struct field_case {
    size_t field; // of filter
    const char *value;
    const char *wanted; // kinds, by first letter; a REPORT is a P
} field_case;

#define ASK(field, value, wanted)                                                                  \
    { offsetof(filter, field), value, wanted }

static const field_case field_cases[] = {
    ASK(kind, "REQUEST", "R"),
    ASK(kind, "LINE", "L"),
    ASK(kind, "REPORT", "P"),
    ASK(kind, "INIT", ""),
    ASK(invocation_id, "inv_1", "SLEEP"),
    ASK(invocation_id, "inv_2", ""),
    ASK(parent_invocation_id, "inv_0", "SEEP"),
    ASK(principal, "player:plr_1", "R"),
    ASK(principal, "player:plr_2", ""),
    ASK(method, "POST /v1/call", "R"),
    ASK(client_address, "203.0.113.9", ""),
    ASK(client_address, "127.0.0.1", "R"),
    ASK(reason, "user_error", "SEEP"),
    ASK(source, "client", "SEEP"),
    ASK(source, "timer", ""),
    ASK(qualifier, "$DEFAULT", "SEEP"),
    ASK(revision_id, "rev_1", "RSEEP"),
    ASK(revision_id, "rev_2", ""),
};

static const char *kinds_of(fixture *f) {
    static char text[64];
    item_list list = {0};
    slice records = {(const char *)f->block.bytes, f->block.size};
    assert_int_equal(items_of_block(&f->filter, records, f->arena, &list, &f->err), OW_OK);
    size_t used = 0;
    for (size_t i = 0; i < list.count && used + 1 < sizeof text; i++) {
        const char *kind = list.items[i].kind;
        text[used++] = strcmp(kind, "REPORT") == 0 ? 'P' : kind[0];
    }
    text[used] = 0;
    return text;
}

static void fill_for_fields(fixture *f) {
    test_run run = chat;
    run.parent = "inv_0";
    run.reason = "user_error";
    run.message = "it is broken";
    run.stack = "#0 main at matcher.c:7";
    test_block_request(&f->block, 4400, &run, 500);
    test_block_line(&f->block, 4000, &run, "info", "Player plr_7 sold item-42 for 300 gold");
    test_block_invocation(&f->block, 4500, &run);
}

static void filters_by_every_field(void **state) {
    fixture *f = *state;
    fill_for_fields(f);
    assert_string_equal(kinds_of(f), "RSLEEP");
    for (size_t i = 0; i < sizeof field_cases / sizeof *field_cases; i++) {
        const field_case *c = &field_cases[i];
        const char **field = (const char **)(void *)((char *)&f->filter + c->field);
        *field = c->value;
        if (strcmp(kinds_of(f), c->wanted) != 0) {
            fail_msg("case %zu: %s gives %s, wanted %s", i, c->value, kinds_of(f), c->wanted);
        }
        assert_false(filter_shows_drops(&f->filter));
        *field = "";
    }
    assert_true(filter_shows_drops(&f->filter));
    f->filter.status = 500;
    assert_string_equal(kinds_of(f), "R");
    f->filter.status = 200;
    assert_string_equal(kinds_of(f), "");
    f->filter.status = 0;
    f->filter.min_duration_us = 1230;
    assert_string_equal(kinds_of(f), "RSEEP");
    f->filter.min_duration_us = 1231;
    assert_string_equal(kinds_of(f), "");
}

typedef struct text_case {
    const char *text;
    const char *wanted; // as above; NULL: refused
} text_case;

static const text_case text_cases[] = {
    {"", "RSLEEP"},
    {"player", "L"},
    {"PLAYER gold", "L"},
    {"plr_7", "L"},
    {"plr", ""},
    {"plr*", "L"},
    {"item-42", "L"},
    {"42 item", "L"},
    {"item 43", ""},
    {"gol", ""},
    {"pl* go* 300", "L"},
    {"broken", "E"},
    {"broken player", ""},
    {"matcher.c", "E"},
    {"-", NULL},
    {" * ", NULL},
    {"a b c d e f g h i j k l m n o p q", NULL},
};

static void searches_text(void **state) {
    fixture *f = *state;
    fill_for_fields(f);
    for (size_t i = 0; i < sizeof text_cases / sizeof *text_cases; i++) {
        const text_case *c = &text_cases[i];
        ow_code code = search_parse(c->text, &f->filter.text, &f->err);
        if (c->wanted == NULL) {
            assert_ow_code(code, OW_INVALID_ARGUMENT, &f->err);
            assert_string_equal(f->err.reason, "bad_text");
        } else if (strcmp(kinds_of(f), c->wanted) != 0) {
            fail_msg("\"%s\" gives %s, wanted %s", c->text, kinds_of(f), c->wanted);
        }
    }
}

static void gathers_the_words_of_a_block(void **state) {
    fixture *f = *state;
    block_text text;
    test_block_line(&f->block, 1, &chat, "info", "Gold, gold; GOLD: 3\xc3\xa4 x");
    test_block_line(&f->block, 1, &chat, "info", "more gold x");
    assert_ow_ok(text_of_block(all_of(f), f->arena, &text, &f->err), &f->err);
    assert_string_equal(text.words, "gold 3\xc3\xa4 x more ");
    char line[200];
    memset(line, 'a', sizeof line);
    line[63] = '\xc3'; // a character across the place where words are cut
    line[64] = '\xa4';
    line[199] = 0;
    test_block_free(&f->block);
    test_block_line(&f->block, 1, &chat, "info", line);
    assert_ow_ok(text_of_block(all_of(f), f->arena, &text, &f->err), &f->err);
    assert_int_equal(text.size, 64); // 63 and the blank
    assert_ow_ok(search_parse(line, &f->filter.text, &f->err), &f->err);
    assert_string_equal(kinds_of(f), "L");
    test_block_free(&f->block);
    for (int i = 0; i <= TEXT_WORDS_MAX; i++) {
        snprintf(line, sizeof line, "w%d", i);
        test_block_line(&f->block, 1, &chat, "info", line);
    }
    assert_ow_ok(text_of_block(all_of(f), f->arena, &text, &f->err), &f->err);
    assert_true(text.too_many);
    assert_int_equal(text.size, 0);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(orders_a_run_around_its_lines),
        CASE(shows_a_refusal_as_an_answer),
        CASE(keeps_lines_behind_the_start_of_a_very_short_run),
        CASE(nests_runs_by_time),
        CASE(filters),
        CASE(filters_by_every_field),
        CASE(searches_text),
        CASE(gathers_the_words_of_a_block),
        CASE(summaries_let_blocks_be_skipped),
        CASE(refuses_damaged_blocks),
        CASE(reads_its_own_page_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
