// Keys and values as callers of the service see them, over every channel, write steps run twice.

#include "services/data/test_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PLAYER "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6"
#define OTHER_PLAYER "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J7"

static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

static scope_msg title_scope(void) {
    scope_msg scope = OVERWORLD__DATA__V1__SCOPE__INIT;
    scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__TITLE;
    return scope;
}

static scope_msg server_scope(const char *name) {
    scope_msg scope = OVERWORLD__DATA__V1__SCOPE__INIT;
    scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER;
    scope.virtual_server = text_of(name);
    return scope;
}

static scope_msg player_scope(const char *id) {
    scope_msg scope = OVERWORLD__DATA__V1__SCOPE__INIT;
    scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
    scope.player_id = text_of(id);
    return scope;
}

static kv_set_request set_of(scope_msg *scope, const char *key, const char *value) {
    kv_set_request request = OVERWORLD__DATA__V1__KV_SET_REQUEST__INIT;
    request.scope = scope;
    request.key = text_of(key);
    request.value.data = (uint8_t *)text_of(value);
    request.value.len = strlen(value);
    return request;
}

static int64_t set(fixture *f, const stage_caller *as, scope_msg scope, const char *key,
                   const char *value) {
    kv_set_request request = set_of(&scope, key, value);
    answer a;
    ASK_OK(f, as, "KvSet", &request, &a);
    int64_t version = ((kv_set_response *)a.message)->version;
    answer_deinit(&a);
    return version;
}

// The value of a key as text, "(none)" when it is not there; in a buffer of the test's own.
static const char *get(fixture *f, const stage_caller *as, scope_msg scope, const char *key) {
    static char value[64];
    kv_get_request request = OVERWORLD__DATA__V1__KV_GET_REQUEST__INIT;
    char *keys[] = {text_of(key)};
    answer a;
    request.scope = &scope;
    request.n_keys = 1;
    request.keys = keys;
    ASK_OK(f, as, "KvGet", &request, &a);
    const kv_get_response *reply = (kv_get_response *)a.message;
    snprintf(value, sizeof value, "(none)");
    if (reply->n_entries > 0) {
        snprintf(value, sizeof value, "%.*s", (int)reply->entries[0]->value.len,
                 (const char *)reply->entries[0]->value.data);
    }
    answer_deinit(&a);
    return value;
}

static kv_usage_response usage(fixture *f, scope_msg scope) {
    kv_usage_request request = OVERWORLD__DATA__V1__KV_USAGE_REQUEST__INIT;
    answer a;
    request.scope = &scope;
    ASK_OK(f, &server, "KvUsage", &request, &a);
    kv_usage_response reply = *(kv_usage_response *)a.message;
    answer_deinit(&a);
    return reply;
}

// ---- Keys, values, scopes ----

static void titles_servers_and_players_do_not_meet(void **state) {
    fixture *f = *state;
    set(f, &server, title_scope(), "k", "title");
    set(f, &server, server_scope("chat"), "k", "chat");
    set(f, &server, server_scope("arena"), "k", "arena");
    set(f, &server, player_scope(PLAYER), "k", "player");
    assert_string_equal(get(f, &viewer, title_scope(), "k"), "title");
    assert_string_equal(get(f, &viewer, server_scope("chat"), "k"), "chat");
    assert_string_equal(get(f, &viewer, server_scope("arena"), "k"), "arena");
    assert_string_equal(get(f, &viewer, player_scope(PLAYER), "k"), "player");
    assert_string_equal(get(f, &stranger, title_scope(), "k"), "(none)");
    assert_string_equal(get(f, &stranger, server_scope("chat"), "k"), "(none)");
    assert_string_equal(get(f, &stranger, player_scope(PLAYER), "k"), "(none)");
}

static void what_cannot_be_is_refused(void **state) {
    fixture *f = *state;
    static const char *const bad_keys[] = {"", "a\nb", "\xff", "\xF4\x8F\xBF\xBF"};
    scope_msg scope = title_scope();
    kv_set_request request = set_of(&scope, "k", "v");
    char long_key[300];
    memset(long_key, 'x', sizeof long_key);
    long_key[257] = '\0';
    for (size_t i = 0; i < sizeof bad_keys / sizeof *bad_keys; i++) {
        request.key = text_of(bad_keys[i]);
        ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_key");
    }
    request.key = long_key;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_key");
    long_key[256] = '\0';
    assert_true(set(f, &server, scope, long_key, "v") > 0);
    request.key = text_of("k");
    request.ttl_ms = -1;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_ttl");
    request.ttl_ms = INT64_MAX;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_ttl");
    request.ttl_ms = 0;
    scope.player_id = text_of(PLAYER);
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_scope");
    scope = player_scope("plr_nobody");
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_scope");
    scope = server_scope("a:b");
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_scope");
    request.scope = NULL;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_scope");
    ASK_REFUSED(f, &viewer, "KvSet", &request, OW_PERMISSION_DENIED, "not_allowed");
}

static void a_value_has_up_to_256_kb(void **state) {
    fixture *f = *state;
    scope_msg scope = title_scope();
    kv_set_request request = set_of(&scope, "big", "");
    kv_get_request wanted = OVERWORLD__DATA__V1__KV_GET_REQUEST__INIT;
    char *keys[] = {text_of("big")};
    answer a;
    request.value.len = 256 * 1024;
    request.value.data = malloc(request.value.len + 1);
    for (size_t i = 0; i <= request.value.len; i++) {
        request.value.data[i] = (uint8_t)(i * 7);
    }
    ASK_OK(f, &server, "KvSet", &request, &a);
    answer_deinit(&a);
    wanted.scope = &scope;
    wanted.n_keys = 1;
    wanted.keys = keys;
    ASK_OK(f, &server, "KvGet", &wanted, &a);
    const kv_get_response *reply = (kv_get_response *)a.message;
    assert_int_equal(reply->n_entries, 1);
    assert_int_equal(reply->entries[0]->value.len, request.value.len);
    assert_memory_equal(reply->entries[0]->value.data, request.value.data, request.value.len);
    answer_deinit(&a);
    request.value.len++;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "value_too_large");
    free(request.value.data);
}

// ---- Versions ----

static void a_version_is_never_given_twice(void **state) {
    fixture *f = *state;
    scope_msg scope = title_scope();
    kv_delete_request deletion = OVERWORLD__DATA__V1__KV_DELETE_REQUEST__INIT;
    condition_msg condition = OVERWORLD__DATA__V1__CONDITION__INIT;
    answer a;
    int64_t first = set(f, &server, scope, "k", "1");
    deletion.scope = &scope;
    deletion.key = text_of("k");
    ASK_OK(f, &server, "KvDelete", &deletion, &a);
    assert_true(((kv_delete_response *)a.message)->deleted);
    answer_deinit(&a);
    int64_t second = set(f, &server, scope, "k", "1");
    assert_true(second > first);
    condition.kind = OVERWORLD__DATA__V1__CONDITION__KIND__VERSION;
    condition.version = first;
    kv_set_request request = set_of(&scope, "k", "2");
    request.condition = &condition;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_ABORTED, "stale_version");
    deletion.condition = &condition;
    ASK_REFUSED(f, &server, "KvDelete", &deletion, OW_ABORTED, "stale_version");
    condition.kind = OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_condition");
    condition.version = 0;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_ABORTED, "stale_version");
    condition.kind = 7;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_INVALID_ARGUMENT, "bad_condition");
    assert_string_equal(get(f, &server, scope, "k"), "1");
}

enum { WRITERS = 64, ROUNDS = 8 };

typedef struct writer {
    answer answer;
    scope_msg scope;
    condition_msg condition;
    kv_get_request get;
    kv_set_request set;
    char *keys[1];
    char value[16];
    int done;
    bool reading;
} writer;

static void writer_read(fixture *f, writer *w) {
    w->reading = true;
    w->keys[0] = text_of("counter");
    overworld__data__v1__kv_get_request__init(&w->get);
    w->get.scope = &w->scope;
    w->get.n_keys = 1;
    w->get.keys = w->keys;
    ask_begin(f, &server, "KvGet", &w->get.base, &w->answer);
}

// What it read, and one more, if nobody else was faster.
static void writer_write(fixture *f, writer *w) {
    const kv_get_response *reply = (kv_get_response *)w->answer.message;
    const entry_msg *entry = reply->n_entries > 0 ? reply->entries[0] : NULL;
    char now[16] = "0";
    overworld__data__v1__condition__init(&w->condition);
    if (entry != NULL) {
        snprintf(now, sizeof now, "%.*s", (int)entry->value.len, (const char *)entry->value.data);
        w->condition.version = entry->version;
    }
    w->condition.kind = entry != NULL ? OVERWORLD__DATA__V1__CONDITION__KIND__VERSION
                                      : OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT;
    snprintf(w->value, sizeof w->value, "%d", (int)strtol(now, NULL, 10) + 1);
    w->set = set_of(&w->scope, "counter", w->value);
    w->set.condition = &w->condition;
    answer_deinit(&w->answer);
    w->reading = false;
    ask_begin(f, &server, "KvSet", &w->set.base, &w->answer);
}

static int writer_go_on(fixture *f, writer *w) {
    int lost = 0;
    if (!w->answer.ended || w->done == ROUNDS) {
        return 0;
    }
    if (w->reading) {
        assert_ow_ok(w->answer.code, &w->answer.err);
        writer_write(f, w);
        return 0;
    }
    if (w->answer.code == OW_OK) {
        w->done++;
    } else {
        assert_ow_code(w->answer.code, OW_ABORTED, &w->answer.err);
        assert_string_equal(w->answer.err.reason, "stale_version");
        lost = 1;
    }
    answer_deinit(&w->answer);
    if (w->done < ROUNDS) {
        writer_read(f, w);
    }
    return lost;
}

static void of_64_writers_none_loses_an_update(void **state) {
    fixture *f = *state;
    static writer writers[WRITERS];
    int running = WRITERS, conflicts = 0;
    memset(writers, 0, sizeof writers);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].scope = title_scope();
        writer_read(f, &writers[i]);
    }
    for (int turn = 0; running > 0; turn++) {
        assert_true(turn < 1000000);
        assert_int_equal(ow_loop_turn(f->stage.loop, 100000, NULL), OW_OK);
        running = 0;
        for (int i = 0; i < WRITERS; i++) {
            conflicts += writer_go_on(f, &writers[i]);
            running += writers[i].done < ROUNDS;
        }
    }
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%d", WRITERS * ROUNDS);
    assert_string_equal(get(f, &server, title_scope(), "counter"), wanted);
    assert_true(conflicts > 0);
}

// ---- Numbers ----

static ow_code increment(fixture *f, const char *key, int64_t delta, int64_t *ret_value,
                         char reason[OW_REASON_MAX]) {
    scope_msg scope = title_scope();
    kv_increment_request request = OVERWORLD__DATA__V1__KV_INCREMENT_REQUEST__INIT;
    answer a;
    request.scope = &scope;
    request.key = text_of(key);
    request.delta = delta;
    ask(f, &server, "KvIncrement", &request.base, &a);
    snprintf(reason, OW_REASON_MAX, "%s", a.err.reason);
    if (a.code == OW_OK) {
        *ret_value = ((kv_increment_response *)a.message)->value;
    }
    answer_deinit(&a);
    return a.code;
}

static void numbers_are_added_to_within_64_bits(void **state) {
    fixture *f = *state;
    char reason[OW_REASON_MAX];
    int64_t value = 0;
    assert_int_equal(increment(f, "n", 5, &value, reason), OW_OK);
    assert_int_equal(value, 5);
    assert_int_equal(increment(f, "n", -7, &value, reason), OW_OK);
    assert_int_equal(value, -2);
    assert_string_equal(get(f, &server, title_scope(), "n"), "-2");
    set(f, &server, title_scope(), "n", "9223372036854775807");
    assert_int_equal(increment(f, "n", 1, &value, reason), OW_OUT_OF_RANGE);
    assert_string_equal(reason, "overflow");
    assert_string_equal(get(f, &server, title_scope(), "n"), "9223372036854775807");
    assert_int_equal(increment(f, "n", INT64_MIN, &value, reason), OW_OK);
    assert_int_equal(value, -1);
    static const char *const no_numbers[] = {"", "x", "1 ", " 1", "1.5", "9223372036854775808",
                                             "-"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++) {
        set(f, &server, title_scope(), "n", no_numbers[i]);
        assert_int_equal(increment(f, "n", 1, &value, reason), OW_FAILED_PRECONDITION);
        assert_string_equal(reason, "not_a_number");
    }
}

// ---- Time ----

static void what_has_expired_is_gone_at_once_and_swept_later(void **state) {
    fixture *f = *state;
    scope_msg scope = player_scope(PLAYER);
    kv_set_request request = set_of(&scope, "short", "v");
    answer a;
    request.ttl_ms = 1000;
    ASK_OK(f, &server, "KvSet", &request, &a);
    answer_deinit(&a);
    assert_string_equal(get(f, &server, scope, "short"), "v");
    assert_int_equal(usage(f, scope).keys, 1);
    assert_int_equal(usage(f, scope).bytes, 6);
    ow_clock_advance(f->stage.clock, 1000000);
    assert_string_equal(get(f, &server, scope, "short"), "(none)");
    assert_int_equal(usage(f, scope).keys, 1);
    condition_msg absent = OVERWORLD__DATA__V1__CONDITION__INIT;
    absent.kind = OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT;
    kv_set_request again = set_of(&scope, "other", "v");
    again.ttl_ms = 10;
    again.condition = &absent;
    ASK_OK(f, &server, "KvSet", &again, &a);
    answer_deinit(&a);
    ow_clock_advance(f->stage.clock, 1000000);
    // The sweeper looks when the service starts.
    ow_err err;
    stage_stop(&f->stage);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    time_t until = time(NULL) + 20;
    while (usage(f, scope).keys > 0 && time(NULL) < until) {
        assert_int_equal(ow_loop_turn(f->stage.loop, 1000, NULL), OW_OK);
    }
    assert_int_equal(usage(f, scope).keys, 0);
    assert_int_equal(usage(f, scope).bytes, 0);
    assert_int_equal(usage(f, scope).title_keys, 0);
    assert_int_equal(usage(f, scope).title_bytes, 0);
}

// ---- Lists ----

static void lists_have_every_key_once_in_both_directions(void **state) {
    fixture *f = *state;
    scope_msg scope = server_scope("chat");
    char key[32];
    for (int i = 0; i < 120; i++) {
        snprintf(key, sizeof key, "room/%03d", i);
        set(f, &server, scope, key, "v");
    }
    set(f, &server, scope, "roo", "before");
    set(f, &server, scope, "room0", "behind");
    set(f, &server, server_scope("arena"), "room/5", "other scope");
    for (int descending = 0; descending < 2; descending++) {
        kv_list_request request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
        char token[512] = "";
        int seen = 0;
        request.scope = &scope;
        request.prefix = text_of("room/");
        request.page_size = 7;
        request.descending = descending;
        do {
            answer a;
            request.page_token = token;
            ASK_OK(f, &viewer, "KvList", &request, &a);
            const kv_list_response *reply = (kv_list_response *)a.message;
            assert_true(reply->n_entries > 0 && reply->n_entries <= 7);
            for (size_t i = 0; i < reply->n_entries; i++, seen++) {
                snprintf(key, sizeof key, "room/%03d", descending ? 119 - seen : seen);
                assert_string_equal(reply->entries[i]->key, key);
                assert_int_equal(reply->entries[i]->value.len, 1);
            }
            snprintf(token, sizeof token, "%s", reply->next_page_token);
            answer_deinit(&a);
        } while (token[0] != '\0');
        assert_int_equal(seen, 120);
    }
    kv_list_request request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
    request.scope = &scope;
    request.page_size = 201;
    ASK_REFUSED(f, &viewer, "KvList", &request, OW_INVALID_ARGUMENT, "bad_page_size");
    request.page_size = 0;
    request.page_token = text_of("x!");
    ASK_REFUSED(f, &viewer, "KvList", &request, OW_INVALID_ARGUMENT, "bad_page_token");
}

static void a_page_of_large_values_is_short(void **state) {
    fixture *f = *state;
    scope_msg scope = title_scope();
    kv_list_request request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
    kv_set_request big = set_of(&scope, "", "");
    answer a;
    big.value.len = 200 * 1024;
    big.value.data = calloc(1, big.value.len);
    for (int i = 0; i < 12; i++) {
        char key[8];
        snprintf(key, sizeof key, "%02d", i);
        big.key = key;
        ASK_OK(f, &server, "KvSet", &big, &a);
        answer_deinit(&a);
    }
    free(big.value.data);
    request.scope = &scope;
    ASK_OK(f, &server, "KvList", &request, &a);
    assert_int_equal(((kv_list_response *)a.message)->n_entries, 5);
    assert_string_not_equal(((kv_list_response *)a.message)->next_page_token, "");
    answer_deinit(&a);
    request.keys_only = true;
    ASK_OK(f, &server, "KvList", &request, &a);
    assert_int_equal(((kv_list_response *)a.message)->n_entries, 12);
    assert_int_equal(((kv_list_response *)a.message)->entries[0]->value.len, 0);
    answer_deinit(&a);
}

// ---- Batches ----

typedef struct batch {
    kv_batch_request request;
    kv_operation_msg operations[64], *pointers[64];
    condition_msg conditions[64];
} batch;

static kv_operation_msg *batch_add(batch *b, int kind, const char *key, const char *value) {
    size_t at = b->request.n_operations++;
    kv_operation_msg *op = b->pointers[at] = &b->operations[at];
    overworld__data__v1__kv_operation__init(op);
    op->kind = (Overworld__Data__V1__KvOperation__Kind)kind;
    op->key = text_of(key);
    op->value.data = (uint8_t *)text_of(value);
    op->value.len = strlen(value);
    return op;
}

static void batch_init(batch *b, scope_msg *scope) {
    memset(b, 0, sizeof *b);
    overworld__data__v1__kv_batch_request__init(&b->request);
    b->request.scope = scope;
    b->request.operations = b->pointers;
}

enum { GET = 1, SET, DELETE, INCREMENT };

static void a_batch_is_done_whole_or_not_at_all(void **state) {
    fixture *f = *state;
    static batch b;
    scope_msg scope = title_scope(), players = player_scope(PLAYER);
    answer a;
    set(f, &server, scope, "gold", "10");
    batch_init(&b, &scope);
    batch_add(&b, INCREMENT, "gold", "")->delta = -3;
    kv_operation_msg *into = batch_add(&b, INCREMENT, "gold", "");
    into->scope = &players;
    into->delta = 3;
    batch_add(&b, SET, "log", "moved");
    batch_add(&b, GET, "log", "");
    batch_add(&b, DELETE, "nothing", "");
    ASK_OK(f, &server, "KvBatch", &b.request, &a);
    const kv_batch_response *reply = (kv_batch_response *)a.message;
    assert_int_equal(reply->n_results, 5);
    assert_int_equal(reply->results[0]->value, 7);
    assert_int_equal(reply->results[1]->value, 3);
    assert_int_equal(reply->results[3]->entry->value.len, 5);
    assert_false(reply->results[4]->found);
    answer_deinit(&a);
    assert_string_equal(get(f, &server, scope, "gold"), "7");
    assert_string_equal(get(f, &server, players, "gold"), "3");
    // The last one fails, and with it all.
    batch_init(&b, &scope);
    batch_add(&b, SET, "gold", "1000");
    batch_add(&b, INCREMENT, "log", "")->delta = 1;
    ASK_REFUSED(f, &server, "KvBatch", &b.request, OW_FAILED_PRECONDITION, "not_a_number");
    assert_string_equal(get(f, &server, scope, "gold"), "7");
    // A check of what is not changed.
    batch_init(&b, &scope);
    kv_operation_msg *check = batch_add(&b, GET, "gold", "");
    overworld__data__v1__condition__init(&b.conditions[0]);
    b.conditions[0].kind = OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT;
    check->condition = &b.conditions[0];
    batch_add(&b, SET, "log", "never");
    ASK_REFUSED(f, &server, "KvBatch", &b.request, OW_ABORTED, "stale_version");
    assert_string_equal(get(f, &server, scope, "log"), "moved");
    batch_init(&b, &scope);
    ASK_REFUSED(f, &server, "KvBatch", &b.request, OW_INVALID_ARGUMENT, "bad_operation");
    batch_add(&b, 9, "k", "");
    ASK_REFUSED(f, &server, "KvBatch", &b.request, OW_INVALID_ARGUMENT, "bad_operation");
}

// ---- Quotas ----

static void quotas_hold_for_a_scope_and_for_the_title(void **state) {
    fixture *f = *state;
    scope_msg scope = player_scope(PLAYER), shared = title_scope();
    kv_set_request request = set_of(&scope, "c", "v");
    char big[80];
    set(f, &server, scope, "a", "v");
    set(f, &server, scope, "b", "v");
    ASK_REFUSED(f, &server, "KvSet", &request, OW_RESOURCE_EXHAUSTED, "kv_full"); // keys
    memset(big, 'x', sizeof big);
    big[79] = '\0';
    request = set_of(&scope, "a", big);
    ASK_REFUSED(f, &server, "KvSet", &request, OW_RESOURCE_EXHAUSTED, "kv_full"); // bytes
    assert_string_equal(get(f, &server, scope, "a"), "v");
    big[30] = '\0';
    set(f, &server, shared, "a", big);
    set(f, &server, shared, "b", big);
    request = set_of(&shared, "c", big);
    ASK_REFUSED(f, &server, "KvSet", &request, OW_RESOURCE_EXHAUSTED, "kv_full"); // of the title
    kv_usage_response now = usage(f, shared);
    assert_int_equal(now.title_keys, 4);
    assert_int_equal(now.title_bytes, 66);
    assert_int_equal(now.max_title_bytes, 90);
    set(f, &server, shared, "a", "less"); // what makes it smaller is always possible
    set(f, &server, shared, "c", big);
    set(f, &stranger, shared, "a", big); // another title has its own
}

// ---- Ends ----

static void a_deleted_player_has_nothing_and_gets_nothing(void **state) {
    fixture *f = *state;
    scope_msg scope = player_scope(PLAYER);
    erase_player_request request = OVERWORLD__DATA__V1__ERASE_PLAYER_REQUEST__INIT;
    kv_set_request late = set_of(&scope, "k", "late");
    char key[16];
    bool more = true;
    int rounds = 0;
    for (int i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "%d", i);
        set(f, &server, scope, key, "v");
    }
    request.player_id = text_of(PLAYER);
    ASK_REFUSED(f, &admin, "ErasePlayer", &request, OW_PERMISSION_DENIED, "not_allowed");
    for (; more; rounds++) {
        answer a;
        ASK_OK(f, &platform, "ErasePlayer", &request, &a);
        more = ((erase_player_response *)a.message)->more;
        answer_deinit(&a);
        ASK_REFUSED(f, &server, "KvSet", &late, OW_NOT_FOUND, "player_deleted");
    }
    assert_int_equal(rounds, 3);
    assert_int_equal(usage(f, scope).keys, 0);
    assert_int_equal(usage(f, scope).title_keys, 0);
}

// A key of theirs would count for the title for good.
static void made_up_players_have_no_keys(void **state) {
    fixture *f = *state;
    data_fakes *fakes = f->own;
    static batch b;
    scope_msg nobody = player_scope(MADE_UP_PLAYER), somebody = player_scope(PLAYER);
    kv_set_request request = set_of(&nobody, "k", "v");
    kv_increment_request more = OVERWORLD__DATA__V1__KV_INCREMENT_REQUEST__INIT;
    more.scope = &nobody;
    more.key = text_of("n");
    more.delta = 1;
    ASK_REFUSED(f, &server, "KvSet", &request, OW_NOT_FOUND, "no_player");
    ASK_REFUSED(f, &server, "KvIncrement", &more, OW_NOT_FOUND, "no_player");
    batch_init(&b, &somebody);
    batch_add(&b, SET, "k", "v");
    batch_add(&b, SET, "k", "v")->scope = &nobody;
    ASK_REFUSED(f, &server, "KvBatch", &b.request, OW_NOT_FOUND, "no_player");
    assert_string_equal(get(f, &server, somebody, "k"), "(none)");
    assert_string_equal(get(f, &server, nobody, "k"), "(none)");
    assert_int_equal(usage(f, nobody).title_keys, 0);
    // Who is there is asked for once, and again when somebody of that id was deleted.
    int asked = fakes->asked;
    set(f, &server, somebody, "k", "v");
    set(f, &admin, somebody, "k", "w");
    assert_int_equal(fakes->asked, asked); // by the batch
    set(f, &stranger, somebody, "k", "v"); // of another title it is another one
    assert_int_equal(fakes->asked, asked + 1);
    fakes->identity_away = true;
    set(f, &server, somebody, "k", "x");
    ASK_REFUSED(f, &server, "KvSet", &request, OW_UNAVAILABLE, "away");
}

static apply_triggers_response deploy(fixture *f, const char *name, int64_t number, bool removed) {
    apply_triggers_request request = OVERWORLD__API__APPLY_TRIGGERS_REQUEST__INIT;
    answer a;
    request.virtual_server = text_of(name);
    request.deployment = number;
    request.removed = removed;
    ASK_REFUSED(f, &admin, "ApplyTriggers", &request, OW_PERMISSION_DENIED, "not_allowed");
    ASK_OK(f, &platform, "ApplyTriggers", &request, &a);
    apply_triggers_response reply = *(apply_triggers_response *)a.message;
    answer_deinit(&a);
    return reply;
}

static void a_deleted_virtual_server_leaves_nothing_to_the_next(void **state) {
    fixture *f = *state;
    scope_msg scope = server_scope("chat");
    kv_set_request late = set_of(&scope, "k", "late");
    char key[16];
    int rounds = 0;
    bool more = true;
    deploy(f, "chat", 5, false);
    for (int i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "%d", i);
        set(f, &server, scope, key, "v");
    }
    set(f, &server, server_scope("chat2"), "k", "other");
    int64_t last = set(f, &server, scope, "k", "v");
    for (; more; rounds++) {
        more = deploy(f, "chat", 7, true).more;
        ASK_REFUSED(f, &server, "KvSet", &late, OW_NOT_FOUND, "virtual_server_deleted");
    }
    assert_int_equal(rounds, 3);
    assert_int_equal(usage(f, scope).keys, 0);
    assert_int_equal(usage(f, scope).title_keys, 1);
    assert_string_equal(get(f, &server, server_scope("chat2"), "k"), "other");
    // The next one of that name; what is told late of the first changes nothing.
    deploy(f, "chat", 9, false);
    assert_true(set(f, &server, scope, "k", "new") > last);
    deploy(f, "chat", 7, true);
    deploy(f, "chat", 8, false);
    assert_string_equal(get(f, &server, scope, "k"), "new");
}

// Of somebody who is made up no row stays when the keys are gone, and still no version is given twice.
static void an_empty_scope_is_forgotten_but_for_its_versions(void **state) {
    fixture *f = *state;
    scope_msg scope = player_scope(PLAYER);
    kv_delete_request deletion = OVERWORLD__DATA__V1__KV_DELETE_REQUEST__INIT;
    answer a;
    set(f, &server, scope, "k", "1");
    int64_t last = set(f, &server, scope, "k", "2");
    deletion.scope = &scope;
    deletion.key = text_of("k");
    ASK_OK(f, &server, "KvDelete", &deletion, &a);
    answer_deinit(&a);
    // What is new in the title begins behind all that was forgotten.
    assert_int_equal(set(f, &server, player_scope(OTHER_PLAYER), "k", "1"), last + 1);
    assert_int_equal(set(f, &server, scope, "k", "3"), last + 1);
    assert_int_equal(set(f, &stranger, scope, "k", "1"), 1); // not in another title
}

static void a_prefix_is_deleted_in_slices(void **state) {
    fixture *f = *state;
    scope_msg scope = server_scope("chat");
    kv_delete_prefix_request request = OVERWORLD__DATA__V1__KV_DELETE_PREFIX_REQUEST__INIT;
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "old/%d", i);
        set(f, &server, scope, key, "v");
    }
    set(f, &server, scope, "new", "v");
    request.scope = &scope;
    request.prefix = text_of("old/");
    int64_t deleted = 0;
    bool more = true;
    while (more) {
        answer a;
        ASK_OK(f, &server, "KvDeletePrefix", &request, &a);
        deleted += ((kv_delete_prefix_response *)a.message)->deleted;
        more = ((kv_delete_prefix_response *)a.message)->more;
        answer_deinit(&a);
    }
    assert_int_equal(deleted, 300);
    assert_int_equal(usage(f, scope).keys, 1);
    assert_string_equal(get(f, &server, scope, "new"), "v");
}

// Freeing their pages takes time: it must fit the writer's bound.
static void large_values_go_in_smaller_slices(void **state) {
    fixture *f = *state;
    scope_msg scope = server_scope("chat");
    kv_delete_prefix_request request = OVERWORLD__DATA__V1__KV_DELETE_PREFIX_REQUEST__INIT;
    kv_set_request big = set_of(&scope, "", "");
    char key[16];
    answer a;
    int rounds = 0;
    big.value.len = 256 * 1024;
    big.value.data = calloc(1, big.value.len);
    for (int i = 0; i < 80; i++) {
        snprintf(key, sizeof key, "big/%d", i);
        big.key = key;
        ASK_OK(f, &server, "KvSet", &big, &a);
        answer_deinit(&a);
    }
    free(big.value.data);
    request.scope = &scope;
    request.prefix = text_of("big/");
    for (bool more = true; more; rounds++) {
        ASK_OK(f, &server, "KvDeletePrefix", &request, &a);
        more = ((kv_delete_prefix_response *)a.message)->more;
        answer_deinit(&a);
    }
    assert_int_equal(rounds, 3);
    assert_int_equal(usage(f, scope).bytes, 0);
}

#define CASE(function, mode)                                                                       \
    { #function, function, data_setup, fixture_teardown, (void *)(uintptr_t)(mode) }
#define CASES(function) CASE(function, &local), CASE(function, &packed)

static const mode local = {.channel = OW_CHANNEL_LOCAL};
static const mode packed = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
static const mode small = {
    .channel = OW_CHANNEL_LOCAL,
    .rerun_writes = true,
    .flags = {"--data.player_keys=2", "--data.player_bytes=70B", "--data.title_bytes=90B"}};

int main(void) {
    const struct CMUnitTest tests[] = {
        CASES(titles_servers_and_players_do_not_meet),
        CASES(what_cannot_be_is_refused),
        CASES(a_value_has_up_to_256_kb),
        CASES(a_version_is_never_given_twice),
        CASES(of_64_writers_none_loses_an_update),
        CASES(numbers_are_added_to_within_64_bits),
        CASES(what_has_expired_is_gone_at_once_and_swept_later),
        CASES(lists_have_every_key_once_in_both_directions),
        CASES(a_page_of_large_values_is_short),
        CASES(a_batch_is_done_whole_or_not_at_all),
        CASE(quotas_hold_for_a_scope_and_for_the_title, &small),
        CASES(made_up_players_have_no_keys),
        CASES(a_deleted_player_has_nothing_and_gets_nothing),
        CASES(a_deleted_virtual_server_leaves_nothing_to_the_next),
        CASES(an_empty_scope_is_forgotten_but_for_its_versions),
        CASES(a_prefix_is_deleted_in_slices),
        CASES(large_values_go_in_smaller_slices),
    };
    return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
