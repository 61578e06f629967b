// Telemetry as its callers see it: real store, steered clock. Run with "packed" the calls are
// encoded and deferred.

#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/telemetry.h"
#include "tests/stage/stage.h"

#include "core/metrics/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE (&overworld__telemetry__v1__telemetry__descriptor)

typedef struct fixture {
    stage stage;
    test_block block;
    // A query that waits.
    ow_call *call;
    size_t tail_entries; // told by TailLogs
    int64_t tail_dropped;
    ow_code tail_code;
    char tail_token[64];
    ow_gauge *waiting; // the service's
    bool answered;
    size_t answered_entries;
    // By WatchChanges.
    int told;
    bool told_more;
    char changes[4096];
} fixture;

static const stage_caller platform = {.kind = OW_PLATFORM};
static const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .title = "ttl_1"};

static ow_channel_kind channel;
static const char *const *flags;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    stage_open(&f->stage, &ow_telemetry_module, channel, flags);
    stage_start(&f->stage);
    f->waiting =
        ow_metrics_gauge(f->stage.metrics, "overworld_telemetry_waiting_queries", "", NULL);
    *state = f;
    return 0;
}

static int set_up_small(void **state) {
    static const char *const small[] = {"--telemetry.max_size=1MB",
                                        "--telemetry.max_waiting_queries=1", NULL};
    flags = small;
    int failed = set_up(state);
    flags = NULL;
    return failed;
}

static bool has_answer(void *self) {
    return ((fixture *)self)->answered;
}

static int tear_down(void **state) {
    fixture *f = *state;
    if (f->call != NULL) {
        ow_call_cancel(f->call, OW_CANCELLED);
        stage_until(&f->stage, has_answer, f);
        ow_call_free(f->call);
    }
    stage_close(&f->stage);
    test_block_free(&f->block);
    free(f);
    return 0;
}

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static const test_run chat = {
    .title = "ttl_1",
    .request_id = "req_1",
    .invocation_id = "inv_1",
    .server = "chat",
    .function = "moderate",
    .version = 3,
    .duration_us = 1230,
};

static int64_t now_us(const fixture *f) {
    return ow_clock_wall_us(f->stage.clock);
}

// Sends the block that was put together and begins a new one.
static void *append(fixture *f, int64_t dropped) {
    append_request request = OVERWORLD__TELEMETRY__V1__APPEND_REQUEST__INIT;
    request.process = TEXT("runner-1");
    request.records = (ProtobufCBinaryData){f->block.size, f->block.bytes};
    request.count = f->block.count;
    request.first_us = f->block.count > 0 ? f->block.first_us : now_us(f);
    request.last_us = f->block.count > 0 ? f->block.last_us : now_us(f);
    request.dropped = dropped;
    void *reply = stage_call(&f->stage, SERVICE, "Append", &request, &platform);
    test_block_free(&f->block);
    return reply;
}

static query_request any(void) {
    query_request request = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    return request;
}

static query_response *ask(fixture *f, const query_request *request) {
    query_response *reply = stage_call(&f->stage, SERVICE, "QueryLogs", request, &viewer);
    if (reply == NULL) {
        fail_msg("QueryLogs: %s: %s", f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

// Kinds of a page's entries, a letter each.
static const char *kinds(const query_response *page) {
    static char text[256];
    size_t i = 0;
    for (; i < page->n_entries && i < sizeof text - 1; i++) {
        text[i] = strcmp(page->entries[i]->kind, "REPORT") == 0 ? 'P' : page->entries[i]->kind[0];
    }
    text[i] = 0;
    return text;
}

static void add_lines(fixture *f, int from, int count) {
    for (int i = from; i < from + count; i++) {
        char text[16];
        snprintf(text, sizeof text, "line %d", i);
        test_block_line(&f->block, now_us(f) + i, &chat, "info", text);
    }
}

static void finds_the_tree_of_a_request(void **state) {
    fixture *f = *state;
    test_run outer = chat;
    test_run inner = chat;
    char request_id[OW_ID_MAX];
    ow_id_make(request_id, "req_", now_us(f));
    outer.request_id = inner.request_id = request_id;
    inner.invocation_id = "inv_2";
    inner.parent = "inv_1";
    inner.duration_us = 100;
    int64_t end_us = now_us(f) + 5000;
    test_block_invocation(&f->block, end_us - 500, &inner);
    test_block_line(&f->block, end_us, &outer, "info", "hello");
    test_block_invocation(&f->block, end_us, &outer);
    assert_non_null(append(f, 0));
    add_lines(f, 0, 50);
    assert_non_null(append(f, 0));
    outer.duration_us = 2000;
    test_block_request(&f->block, end_us + 10, &outer, 200);
    assert_non_null(append(f, 0));

    query_request request = any();
    request.request_id = request_id;
    query_response *page = ask(f, &request);
    assert_string_equal(kinds(page), "RSSEPLEP");
    assert_non_null(page->entries[0]->request);
    assert_non_null(page->entries[7]->invocation);
    assert_string_equal(page->entries[5]->text, "hello");
    assert_int_equal(page->entries[7]->version, 3);

    stage_restart(&f->stage);
    assert_string_equal(kinds(ask(f, &request)), "RSSEPLEP");
}

static void pages_through_everything_once(void **state) {
    fixture *f = *state;
    for (int block = 0; block < 5; block++) {
        add_lines(f, block * 30, 30);
        assert_non_null(append(f, block == 2 ? 7 : 0));
    }
    query_request request = any();
    request.page_size = 40;
    int lines = 0;
    int drops = 0;
    int64_t dropped = 0;
    for (int i = 0; i < 10; i++) {
        query_response *page = ask(f, &request);
        for (size_t k = 0; k < page->n_entries; k++) {
            if (page->entries[k]->kind[0] == 'D') {
                drops++;
                continue;
            }
            char expected[16];
            snprintf(expected, sizeof expected, "line %d", lines++);
            assert_string_equal(page->entries[k]->text, expected);
        }
        dropped += page->dropped;
        request.page_token = page->next_page_token;
    }
    assert_int_equal(lines, 150);
    assert_int_equal(drops, 1);
    assert_int_equal(dropped, 7);
}

static void shows_the_newest_and_goes_on_from_there(void **state) {
    fixture *f = *state;
    for (int block = 0; block < 4; block++) {
        add_lines(f, block * 30, 30);
        assert_non_null(append(f, 0));
    }
    query_request request = any();
    request.page_size = 50;
    request.newest = true;
    query_response *page = ask(f, &request);
    assert_int_equal(page->n_entries, 50);
    assert_string_equal(page->entries[0]->text, "line 70");
    assert_string_equal(page->entries[49]->text, "line 119");
    request.page_token = page->next_page_token;
    page = ask(f, &request);
    assert_int_equal(page->n_entries, 0);
    add_lines(f, 120, 2);
    append(f, 0);
    request.page_token = page->next_page_token;
    page = ask(f, &request);
    assert_int_equal(page->n_entries, 2);
    assert_string_equal(page->entries[0]->text, "line 120");
}

static void shows_the_newest_of_blocks_that_overlap(void **state) {
    fixture *f = *state;
    int64_t begin_us = now_us(f) - 1000000;
    // Two processes send what happened in turns.
    for (int process = 0; process < 2; process++) {
        for (int i = 0; i < 100; i++) {
            char text[20];
            snprintf(text, sizeof text, "line %d", 2 * i + process);
            test_block_line(&f->block, begin_us + 2 * i + process, &chat, "info", text);
        }
        append(f, 0);
    }
    query_request request = any();
    request.page_size = 10;
    request.newest = true;
    query_response *page = ask(f, &request);
    assert_int_equal(page->n_entries, 10);
    for (int i = 0; i < 10; i++) {
        char text[20];
        snprintf(text, sizeof text, "line %d", 190 + i);
        assert_string_equal(page->entries[i]->text, text);
    }
}

static Google__Protobuf__Timestamp at(int64_t us) {
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    time.seconds = us / 1000000;
    time.nanos = (int32_t)(us % 1000000) * 1000;
    return time;
}

static void narrows_by_time(void **state) {
    fixture *f = *state;
    int64_t begin_us = now_us(f);
    for (int hour = 0; hour < 5; hour++) {
        test_block_line(&f->block, now_us(f), &chat, "info", "line");
        append(f, 0);
        ow_clock_advance(f->stage.clock, (int64_t)3600 * 1000000);
    }
    Google__Protobuf__Timestamp since = at(begin_us + (int64_t)3000 * 1000000);
    Google__Protobuf__Timestamp until = at(begin_us + (int64_t)3 * 3600 * 1000000);
    query_request request = any();
    request.since = &since;
    assert_int_equal(ask(f, &request)->n_entries, 4);
    request.until = &until;
    assert_int_equal(ask(f, &request)->n_entries, 2);
    request.newest = true;
    assert_int_equal(ask(f, &request)->n_entries, 2);
}

static void on_answer(const query_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    fixture *f = call->user;
    f->answered = true;
    f->answered_entries = reply != NULL ? reply->n_entries : 99;
}

static bool is_waiting(void *self) {
    const fixture *f = self;
    return f->answered || ow_gauge_value(f->waiting) == 1;
}

static void begin_waiting(fixture *f, const query_request *request) {
    f->answered = false;
    f->call = stage_call_new(&f->stage, &viewer);
    f->call->user = f;
    overworld__telemetry__v1__telemetry__query_logs(ow_directory_get(f->stage.directory, SERVICE),
                                                    request, on_answer, f->call);
    stage_until(&f->stage, is_waiting, f);
}

static void waits_for_what_is_new(void **state) {
    fixture *f = *state;
    query_request request = any();
    request.wait_ms = 10000;
    request.virtual_server = TEXT("chat");
    begin_waiting(f, &request);
    test_run other = chat;
    other.server = "other";
    test_block_line(&f->block, now_us(f), &other, "info", "not this");
    append(f, 0);
    assert_false(f->answered);
    add_lines(f, 0, 3);
    append(f, 0);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->answered_entries, 3);
}

// Every answer to one who follows is recorded, too.
static void is_not_woken_by_those_who_read(void **state) {
    fixture *f = *state;
    query_request request = any();
    test_run reader = chat;
    reader.server = reader.function = "";
    reader.method = "/overworld.telemetry.v1.Telemetry/QueryLogs";
    request.wait_ms = 10000;
    begin_waiting(f, &request);
    test_block_request(&f->block, now_us(f), &reader, 200);
    append(f, 0);
    reader.method = "/overworld.telemetry.v1.Telemetry/TailLogs";
    test_block_request(&f->block, now_us(f), &reader, 200);
    append(f, 0);
    add_lines(f, 0, 1);
    append(f, 0);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->answered_entries, 1);
    // Those who ask for them, and those who do not wait, see them.
    request.method = TEXT("/overworld.telemetry.v1.Telemetry/TailLogs");
    assert_int_equal(ask(f, &request)->n_entries, 1);
    request = any();
    assert_int_equal(ask(f, &request)->n_entries, 3);
}

// ---- The tail ----

typedef Overworld__Telemetry__V1__TailLogsResponse tail_response;

static void on_tail(const tail_response *message, void *closure_data) {
    ow_call *call = closure_data;
    fixture *f = call->user;
    if (message == NULL) {
        f->answered = true;
        f->tail_code = call->err.code;
        return;
    }
    f->tail_entries += message->n_entries;
    f->tail_dropped += message->dropped;
    snprintf(f->tail_token, sizeof f->tail_token, "%s", message->next_page_token);
}

static void begin_tail(fixture *f, query_request *request, const char *token) {
    f->answered = false;
    f->tail_entries = 0;
    f->tail_dropped = 0;
    f->call = stage_call_new(&f->stage, &viewer);
    f->call->user = f;
    request->page_token = TEXT(token);
    overworld__telemetry__v1__telemetry__tail_logs(ow_directory_get(f->stage.directory, SERVICE),
                                                   request, on_tail, f->call);
}

static bool has_three_entries(void *self) {
    const fixture *f = self;
    return f->tail_entries >= 3 && ow_gauge_value(f->waiting) == 1;
}

static void tells_what_comes_until_cancelled(void **state) {
    fixture *f = *state;
    query_request request = any();
    add_lines(f, 0, 2); // before: not told
    append(f, 0);
    ow_clock_advance(f->stage.clock, 1000000);
    begin_tail(f, &request, "");
    stage_until(&f->stage, is_waiting, f);
    add_lines(f, 10, 1);
    append(f, 5);
    add_lines(f, 20, 2);
    append(f, 0);
    stage_until(&f->stage, has_three_entries, f);
    assert_int_equal(f->tail_dropped, 5);
    ow_call_cancel(f->call, OW_CANCELLED);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->tail_code, OW_CANCELLED);
    f->call = ow_call_free(f->call);
    // From the last token on: nothing twice, nothing left out.
    add_lines(f, 30, 3);
    append(f, 0);
    char token[64];
    snprintf(token, sizeof token, "%s", f->tail_token);
    begin_tail(f, &request, token);
    stage_until(&f->stage, has_three_entries, f);
    assert_int_equal(f->tail_entries, 3);
    stage_restart(&f->stage);
    stage_until(&f->stage, has_answer, f);
    f->call = ow_call_free(f->call);
    begin_tail(f, &request, "nonsense");
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->tail_code, OW_INVALID_ARGUMENT);
}

// ---- What changes ----

static void on_change(const watch_response *message, void *closure_data) {
    ow_call *call = closure_data;
    fixture *f = call->user;
    if (message == NULL) {
        f->answered = true;
        f->tail_code = call->err.code;
        return;
    }
    f->told++;
    f->told_more = f->told_more || message->more;
    for (size_t i = 0; i < message->n_methods + message->n_virtual_servers; i++) {
        size_t size = strlen(f->changes);
        snprintf(f->changes + size, sizeof f->changes - size, "%s ",
                 i < message->n_methods ? message->methods[i]
                                        : message->virtual_servers[i - message->n_methods]);
    }
}

static void begin_watch(fixture *f, const stage_caller *who) {
    Overworld__Telemetry__V1__WatchChangesRequest request =
        OVERWORLD__TELEMETRY__V1__WATCH_CHANGES_REQUEST__INIT;
    f->answered = false;
    f->told = 0;
    f->call = stage_call_new(&f->stage, who);
    f->call->user = f;
    overworld__telemetry__v1__telemetry__watch_changes(
        ow_directory_get(f->stage.directory, SERVICE), &request, on_change, f->call);
}

static bool has_been_told(void *self) {
    return ((fixture *)self)->told > 0;
}

static bool has_been_told_of_changes(void *self) {
    const fixture *f = self;
    return f->changes[0] != 0 || f->told_more;
}

static void add_change(fixture *f, const char *method, bool changes, int32_t status,
                       const char *title) {
    test_run run = {.title = title, .request_id = "req_2", .method = method, .changes = changes};
    test_block_request(&f->block, now_us(f), &run, status);
}

static void tells_what_changes_in_its_title(void **state) {
    fixture *f = *state;
    begin_watch(f, &viewer);
    stage_until(&f->stage, has_been_told, f); // that the stream lives
    assert_string_equal(f->changes, "");
    add_change(f, "/Timers/Pause", true, 200, "ttl_1");
    add_change(f, "/Timers/Pause", true, 200, "ttl_1");
    add_change(f, "/Timers/List", false, 200, "ttl_1");
    add_change(f, "/Timers/Delete", true, 404, "ttl_1");
    add_change(f, "/Timers/Create", true, 200, "ttl_2");
    test_block_init(&f->block, now_us(f), &chat);
    append(f, 0);
    add_change(f, "/Timers/Resume", true, 200, "ttl_1");
    test_block_invocation(&f->block, now_us(f), &chat);
    append(f, 0);
    stage_until(&f->stage, has_been_told_of_changes, f);
    assert_string_equal(f->changes, "/Timers/Pause /Timers/Resume chat ");
    assert_int_equal(f->told, 2);
    assert_false(f->told_more);
    ow_call_cancel(f->call, OW_CANCELLED);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->tail_code, OW_CANCELLED);
    f->call = ow_call_free(f->call);
}

static void says_that_there_was_more(void **state) {
    fixture *f = *state;
    begin_watch(f, &viewer);
    stage_until(&f->stage, has_been_told, f);
    char path[32];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/Kv/Set%d", i);
        add_change(f, path, true, 200, "ttl_1");
    }
    append(f, 0);
    stage_until(&f->stage, has_been_told_of_changes, f);
    assert_true(f->told_more);
    stage_restart(&f->stage); // ends the stream
    stage_until(&f->stage, has_answer, f);
    f->call = ow_call_free(f->call);
    stage_caller nowhere = viewer;
    nowhere.title = "";
    begin_watch(f, &nowhere);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->tail_code, OW_FAILED_PRECONDITION);
}

// As ADR 49 has it.
enum { OF_TITLE_MAX = 64, OF_PERSON_MAX = 16 };

typedef struct crowd {
    ow_call *calls[OF_TITLE_MAX + 2];
    int watching, refused, ended;
} crowd;

static void on_crowd(const Overworld__Telemetry__V1__WatchChangesResponse *message, void *self) {
    ow_call *call = self;
    crowd *c = call->user;
    if (message != NULL) {
        c->watching++; // the first; the next would come after 20 s
    } else {
        c->refused += call->err.code == OW_RESOURCE_EXHAUSTED ? 1 : 0;
        c->ended++;
    }
}

static void one_more_watches(fixture *f, crowd *c, int i, int person) {
    Overworld__Telemetry__V1__WatchChangesRequest request =
        OVERWORLD__TELEMETRY__V1__WATCH_CHANGES_REQUEST__INIT;
    char id[16];
    snprintf(id, sizeof id, "opr_%d", person);
    stage_caller who = viewer;
    who.id = id;
    c->calls[i] = stage_call_new(&f->stage, &who);
    c->calls[i]->user = c;
    overworld__telemetry__v1__telemetry__watch_changes(
        ow_directory_get(f->stage.directory, SERVICE), &request, on_crowd, c->calls[i]);
}

static bool all_answered(void *self) {
    const crowd *c = self;
    int begun = 0;
    while (begun < OF_TITLE_MAX + 2 && c->calls[begun] != NULL) {
        begun++;
    }
    return c->watching + c->refused == begun;
}

static bool all_ended(void *self) {
    return ((const crowd *)self)->ended == OF_TITLE_MAX + 2;
}

static void bounds_who_watches_by_person_and_title(void **state) {
    fixture *f = *state;
    crowd c = {0};
    for (int i = 0; i <= OF_PERSON_MAX; i++) {
        one_more_watches(f, &c, i, 0);
    }
    stage_until(&f->stage, all_answered, &c);
    assert_int_equal(c.watching, OF_PERSON_MAX);
    for (int i = OF_PERSON_MAX + 1; i < OF_TITLE_MAX + 2; i++) {
        one_more_watches(f, &c, i, i);
    }
    stage_until(&f->stage, all_answered, &c);
    assert_int_equal(c.watching, OF_TITLE_MAX);
    assert_int_equal(c.refused, 2);
    for (int i = 0; i < OF_TITLE_MAX + 2; i++) {
        ow_call_cancel(c.calls[i], OW_CANCELLED);
    }
    stage_until(&f->stage, all_ended, &c);
    for (int i = 0; i < OF_TITLE_MAX + 2; i++) {
        ow_call_free(c.calls[i]);
    }
}

static void stops_waiting_when_the_time_is_over_or_the_caller_gone(void **state) {
    fixture *f = *state;
    query_request request = any();
    request.wait_ms = 50;
    begin_waiting(f, &request);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->answered_entries, 0);
    f->call = ow_call_free(f->call);
    request.wait_ms = 30000;
    begin_waiting(f, &request);
    ow_call_cancel(f->call, OW_CANCELLED);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->answered_entries, 99);
    f->call = ow_call_free(f->call);
    // Those who wait are answered when the service stops.
    begin_waiting(f, &request);
    stage_restart(&f->stage);
    stage_until(&f->stage, has_answer, f);
    assert_int_equal(f->answered_entries, 0);
}

static void bounds_those_who_wait(void **state) {
    fixture *f = *state;
    query_request request = any();
    request.wait_ms = 10000;
    begin_waiting(f, &request);
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "too_many_followers");
    add_lines(f, 0, 1);
    append(f, 0);
    stage_until(&f->stage, has_answer, f);
}

typedef struct small_enough {
    fixture *f;
    int64_t oldest; // line number
} small_enough;

static bool is_small_enough(void *self) {
    small_enough *s = self;
    query_request request = any();
    request.page_size = 1;
    query_response *page = ask(s->f, &request);
    s->oldest = page->n_entries == 1 ? strtoll(page->entries[0]->text + 5, NULL, 10) : -1;
    return s->oldest > 0;
}

static void deletes_the_oldest_when_there_is_too_much(void **state) {
    fixture *f = *state;
    char text[2000];
    memset(text, 'x', sizeof text);
    for (int block = 0; block < 40; block++) {
        snprintf(text, sizeof text, "line %d %*s", block, 1500, "");
        for (int i = 0; i < 40; i++) {
            test_block_line(&f->block, now_us(f), &chat, "info", text);
        }
        assert_non_null(append(f, 0));
    }
    small_enough s = {.f = f};
    stage_until(&f->stage, is_small_enough, &s);
    // 40 blocks of 64 KB went in, 16 or so may stay.
    while (s.oldest < 20) {
        stage_until(&f->stage, is_small_enough, &s);
    }
    query_request request = any();
    request.page_size = 1;
    request.newest = true;
    assert_memory_equal(ask(f, &request)->entries[0]->text, "line 39", 7);
}

// Of each of the blocks' hundred lines one has a word of its own.
static void finds_text_without_reading_everything(void **state) {
    fixture *f = *state;
    for (int block = 0; block < 30; block++) {
        char text[60];
        for (int i = 0; i < 100; i++) {
            snprintf(text, sizeof text, "Sold item %s%d", i == 50 ? "rare" : "usual_", block);
            test_block_line(&f->block, now_us(f), &chat, "info", text);
        }
        assert_non_null(append(f, 0));
    }
    // One with too many words for the index.
    for (int i = 0; i < 30000; i++) {
        char text[20];
        snprintf(text, sizeof text, "w%d", i);
        test_block_line(&f->block, now_us(f), &chat, "info", text);
    }
    assert_non_null(append(f, 0));
    query_request request = any();
    request.text = TEXT("RARE17 item");
    assert_int_equal(ask(f, &request)->n_entries, 1);
    request.newest = true;
    assert_int_equal(ask(f, &request)->n_entries, 1);
    request.text = TEXT("rare*");
    assert_int_equal(ask(f, &request)->n_entries, 30);
    request.page_size = 7;
    assert_int_equal(ask(f, &request)->n_entries, 7);
    request = any();
    request.text = TEXT("rare99");
    assert_int_equal(ask(f, &request)->n_entries, 0);
    request.text = TEXT("w29999");
    assert_int_equal(ask(f, &request)->n_entries, 1);
    request.text = TEXT("sold");
    request.page_size = 200;
    int found = 0;
    for (int i = 0; i < 16; i++) {
        query_response *page = ask(f, &request);
        found += (int)page->n_entries;
        request.page_token = page->next_page_token;
    }
    assert_int_equal(found, 3000);
    request.text = TEXT("\"; DROP");
    assert_int_equal(ask(f, &request)->n_entries, 0);
    request.text = TEXT("...");
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "bad_text");
    request = any();
    request.kind = TEXT("WHAT");
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "bad_kind");
}

static void shows_the_trace_of_a_request(void **state) {
    static const uint8_t trace_id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    fixture *f = *state;
    char request_id[OW_ID_MAX];
    ow_id_make(request_id, "req_", now_us(f));
    test_run outer = chat;
    outer.request_id = request_id;
    outer.trace_id = trace_id;
    outer.span_id = 2;
    outer.parent_span_id = 1;
    outer.queued_us = 100;
    outer.duration_us = 4000;
    outer.calls = "chat/rank";
    outer.call_span_id = 3;
    test_run inner = outer;
    inner.function = "rank";
    inner.span_id = 4;
    inner.parent_span_id = 3;
    inner.duration_us = 1000;
    inner.queued_us = 0;
    inner.calls = NULL;
    int64_t end_us = now_us(f) + 10000;
    test_block_invocation(&f->block, end_us - 1500, &inner);
    test_block_line(&f->block, end_us - 100, &outer, "info", "hello");
    test_block_invocation(&f->block, end_us, &outer);
    append(f, 0);
    add_lines(f, 0, 10);
    append(f, 0);
    outer.span_id = 1;
    outer.parent_span_id = 0;
    outer.duration_us = 5000;
    test_block_request(&f->block, end_us + 200, &outer, 200);
    append(f, 0);
    trace_request request = OVERWORLD__TELEMETRY__V1__GET_TRACE_REQUEST__INIT;
    request.request_id = request_id;
    const trace_response *reply = stage_call(&f->stage, SERVICE, "GetTrace", &request, &viewer);
    assert_non_null(reply);
    static const char *const names[] = {"POST /v1/call chat/moderate", "queue", "chat/moderate",
                                        "call chat/rank", "chat/rank"};
    assert_int_equal(reply->n_spans, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(reply->spans[i]->name, names[i]);
    }
    assert_string_equal(reply->trace_id, "0102030405060708090a0b0c0d0e0f10");
    assert_string_equal(reply->spans[0]->parent_span_id, "");
    assert_string_equal(reply->spans[2]->parent_span_id, reply->spans[0]->span_id);
    assert_string_equal(reply->spans[3]->parent_span_id, reply->spans[2]->span_id);
    assert_string_equal(reply->spans[4]->parent_span_id, reply->spans[3]->span_id);
    assert_int_equal(reply->spans[3]->duration_us, 2000);

    stage_caller elsewhere = viewer;
    elsewhere.title = "ttl_2";
    assert_null(stage_call(&f->stage, SERVICE, "GetTrace", &request, &elsewhere));
    assert_string_equal(f->stage.err.reason, "no_trace");
    request.request_id = TEXT("");
    assert_null(stage_call(&f->stage, SERVICE, "GetTrace", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "request_id_needed");
}

static const series_response *ask_series(fixture *f, const series_request *request) {
    const series_response *reply = stage_call(&f->stage, SERVICE, "QuerySeries", request, &viewer);
    if (reply == NULL) {
        fail_msg("QuerySeries: %s: %s", f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static series_point sum_of(const series_msg *series) {
    series_point sum = OVERWORLD__TELEMETRY__V1__SERIES_POINT__INIT;
    for (size_t i = 0; i < series->n_points; i++) {
        const series_point *p = series->points[i];
        sum.calls += p->calls;
        sum.errors += p->errors;
        sum.throttled += p->throttled;
        sum.cold_starts += p->cold_starts;
        sum.duration_us += p->duration_us;
        assert_true(i == 0 || p->time_us > series->points[i - 1]->time_us);
    }
    return sum;
}

static const series_msg *version_of(const series_response *reply, int64_t version) {
    for (size_t i = 0; i < reply->n_series; i++) {
        if (reply->series[i]->version == version) {
            return reply->series[i];
        }
    }
    fail_msg("no series of version %d", (int)version);
    return NULL;
}

// Two versions over two minutes: one well, one that fails each fourth time.
static void record_two_versions(fixture *f) {
    const int64_t minute_us = 60000000;
    ow_clock_advance(f->stage.clock, minute_us - now_us(f) % minute_us); // real time goes on
    for (int second = 0; second < 120; second += 5) {
        test_run good = chat;
        test_run bad = chat;
        bad.version = 4;
        bad.duration_us = 30000;
        bad.reason = second % 20 == 0 ? "crashed" : second % 20 == 5 ? "refused" : NULL;
        test_block_invocation(&f->block, now_us(f), &good);
        test_block_invocation(&f->block, now_us(f), &bad);
        if (second == 0) {
            bad.init_us = 2000;
            test_block_init(&f->block, now_us(f), &bad);
            test_block_request(&f->block, now_us(f), &good, 429);
        }
        assert_non_null(append(f, 0));
        ow_clock_advance(f->stage.clock, 5000000);
    }
}

static void counts_by_function_version_and_alias(void **state) {
    fixture *f = *state;
    record_two_versions(f);
    series_request request = OVERWORLD__TELEMETRY__V1__QUERY_SERIES_REQUEST__INIT;
    for (request.step_s = 10; request.step_s <= 60; request.step_s += 50) {
        const series_response *reply = ask_series(f, &request);
        assert_int_equal(reply->n_series, 3); // that of the refused request has no version
        series_point good = sum_of(version_of(reply, 3));
        series_point bad = sum_of(version_of(reply, 4));
        assert_int_equal(good.calls, 24);
        assert_int_equal(good.errors, 0);
        assert_int_equal(good.duration_us, 24 * 1230);
        assert_int_equal(bad.calls, 24);
        assert_int_equal(bad.errors, 6);
        assert_int_equal(sum_of(version_of(reply, 0)).throttled, 1);
        const series_point *p = version_of(reply, 4)->points[0];
        assert_int_equal(p->n_reasons, 2);
        assert_int_equal(p->cold_starts, 1);
        assert_int_equal(p->durations[9], p->calls); // 25.6 ms to 51.2 ms
    }
    request.step_s = 0;
    request.version = 4;
    request.qualifier = TEXT("$DEFAULT");
    assert_int_equal(ask_series(f, &request)->n_series, 1);
    request.qualifier = TEXT("live");
    assert_int_equal(ask_series(f, &request)->n_series, 0);
    request.step_s = 11;
    assert_null(stage_call(&f->stage, SERVICE, "QuerySeries", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "bad_step");
}

static void keeps_levels_of_instances_and_queues(void **state) {
    fixture *f = *state;
    const int64_t minute_us = 60000000;
    ow_clock_advance(f->stage.clock, minute_us - now_us(f) % minute_us);
    int64_t begin_us = now_us(f);
    test_block_invocation(&f->block, begin_us, &chat);
    test_block_levels(&f->block, begin_us + 9999999, &chat, 2, 5, 7);
    append(f, 0);
    test_block_levels(&f->block, begin_us + 19999999, &chat, 1, 2, 0);
    append(f, 0);
    ow_clock_advance(f->stage.clock, minute_us);
    series_request request = OVERWORLD__TELEMETRY__V1__QUERY_SERIES_REQUEST__INIT;
    request.function = TEXT("moderate");
    request.step_s = 10;
    const series_response *reply = ask_series(f, &request);
    assert_int_equal(reply->n_series, 2);
    const series_msg *levels = reply->series[reply->series[0]->qualifier[0] == 0 ? 0 : 1];
    assert_string_equal(levels->qualifier, "");
    assert_int_equal(levels->version, 3);
    assert_int_equal(levels->n_points, 2);
    assert_int_equal(levels->points[0]->instances, 2);
    assert_int_equal(levels->points[0]->instances_peak, 5);
    assert_int_equal(levels->points[0]->waiting, 7);
    assert_int_equal(levels->points[0]->waiting_peak, 14);
    assert_int_equal(levels->points[1]->instances_peak, 2);
    request.step_s = 60;
    reply = ask_series(f, &request);
    levels = reply->series[reply->series[0]->qualifier[0] == 0 ? 0 : 1];
    assert_int_equal(levels->n_points, 1);
    assert_int_equal(levels->points[0]->instances, 1);
    assert_int_equal(levels->points[0]->instances_peak, 5);
    query_request query = any(); // they are no entries of the log
    const query_response *log = ask(f, &query);
    for (size_t i = 0; i < log->n_entries; i++) {
        assert_string_not_equal(log->entries[i]->request_id, "");
    }
}

static void keeps_series_for_seven_days(void **state) {
    fixture *f = *state;
    test_block_invocation(&f->block, now_us(f), &chat);
    append(f, 0);
    int64_t begin_us = now_us(f);
    Google__Protobuf__Timestamp since = at(begin_us - 60000000);
    Google__Protobuf__Timestamp until = at(begin_us + 60000000);
    series_request request = OVERWORLD__TELEMETRY__V1__QUERY_SERIES_REQUEST__INIT;
    request.since = &since;
    request.until = &until;
    ow_clock_advance(f->stage.clock, (int64_t)7 * 24 * 3600 * 1000000 - 120000000);
    stage_restart(&f->stage);
    assert_int_equal(ask_series(f, &request)->n_series, 1);
    ow_clock_advance(f->stage.clock, 240000000);
    stage_restart(&f->stage);
    add_lines(f, 0, 1);
    append(f, 0); // behind the deletion that began with the restart
    assert_int_equal(ask_series(f, &request)->n_series, 0);
}

static void deletes_what_is_too_old(void **state) {
    fixture *f = *state;
    add_lines(f, 0, 3);
    append(f, 0);
    ow_clock_advance(f->stage.clock, (int64_t)8 * 24 * 3600 * 1000000);
    stage_restart(&f->stage);
    add_lines(f, 3, 1);
    append(f, 0);
    query_request request = any();
    query_response *page = ask(f, &request);
    assert_int_equal(page->n_entries, 1);
    assert_string_equal(page->entries[0]->text, "line 3");
}

static void refuses_bad_questions_and_blocks(void **state) {
    fixture *f = *state;
    query_request request = any();
    request.min_level = TEXT("loud");
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "bad_level");
    request = any();
    request.page_token = TEXT("17");
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &viewer));
    assert_string_equal(f->stage.err.reason, "bad_page_token");
    request = any();
    stage_caller nowhere = viewer;
    nowhere.title = "";
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &nowhere));
    assert_string_equal(f->stage.err.reason, "title_needed");
    stage_caller player = {.kind = OW_PLAYER, .title = "ttl_1"};
    assert_null(stage_call(&f->stage, SERVICE, "QueryLogs", &request, &player));
    assert_int_equal(f->stage.err.code, OW_PERMISSION_DENIED);
    add_lines(f, 0, 2);
    f->block.size--;
    assert_null(append(f, 0));
    assert_string_equal(f->stage.err.reason, "malformed_block");
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SMALL_CASE(name) cmocka_unit_test_setup_teardown(name, set_up_small, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(finds_the_tree_of_a_request),
        CASE(pages_through_everything_once),
        CASE(shows_the_newest_and_goes_on_from_there),
        CASE(shows_the_newest_of_blocks_that_overlap),
        CASE(narrows_by_time),
        CASE(waits_for_what_is_new),
        CASE(is_not_woken_by_those_who_read),
        CASE(tells_what_comes_until_cancelled),
        CASE(tells_what_changes_in_its_title),
        CASE(says_that_there_was_more),
        CASE(bounds_who_watches_by_person_and_title),
        CASE(stops_waiting_when_the_time_is_over_or_the_caller_gone),
        SMALL_CASE(bounds_those_who_wait),
        SMALL_CASE(deletes_the_oldest_when_there_is_too_much),
        CASE(finds_text_without_reading_everything),
        CASE(shows_the_trace_of_a_request),
        CASE(counts_by_function_version_and_alias),
        CASE(keeps_levels_of_instances_and_queues),
        CASE(keeps_series_for_seven_days),
        CASE(deletes_what_is_too_old),
        CASE(refuses_bad_questions_and_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
