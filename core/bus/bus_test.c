// Events of a service over a real store; a taker that is away, refuses, or takes what it is given.

#include "core/bus/bus.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/rpc/call.h"
#include "core/testing/ow_test.h"
#include "overworld/api/bus.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAKEN_MAX = 400 };

static const ow_db_migration migrations[] = {{.number = 1, .sql = OW_BUS_TABLES},
                                             {.number = 0, .sql = NULL}};

typedef struct taken {
    char title[OW_ID_MAX], id[OW_ID_MAX], type[40], data[200];
} taken;

typedef struct fixture {
    ProtobufCService service; // first: the taker
    char folder[300];
    ow_loop *loop;
    ow_metrics *metrics;
    ow_db *db;
    ow_bus *bus;
    bool away;
    const char *refuses; // data that it will not have
    taken taken[TAKEN_MAX];
    int count, calls;
    // Of the job.
    ow_db_job job;
    bool done;
    ow_code code;
    ow_err err;
    const char *title;
    int from, to;
    ow_bus_event events[TAKEN_MAX];
} fixture;

// ---- The taker ----

static void take(ProtobufCService *service, unsigned method, const ProtobufCMessage *input,
                 ProtobufCClosure closure, void *closure_data) {
    static const Overworld__Api__RelayResponse reply = OVERWORLD__API__RELAY_RESPONSE__INIT;
    fixture *f = (fixture *)service;
    const Overworld__Api__RelayRequest *request = (const Overworld__Api__RelayRequest *)input;
    ow_call *call = closure_data;
    assert_int_equal(method, 0);
    f->calls++;
    bool refused = false;
    for (size_t i = 0; f->refuses != NULL && i < request->n_events; i++) {
        refused |= strcmp(request->events[i]->data_json, f->refuses) == 0;
    }
    if (f->away || refused) {
        ow_fail(&call->err, refused ? OW_INVALID_ARGUMENT : OW_UNAVAILABLE, "not_running", "no");
        closure(NULL, closure_data);
        return;
    }
    for (size_t i = 0; i < request->n_events; i++) {
        taken *at = &f->taken[f->count++];
        assert_true(f->count <= TAKEN_MAX);
        snprintf(at->title, sizeof at->title, "%s", call->principal->title);
        snprintf(at->id, sizeof at->id, "%s", request->events[i]->event_id);
        snprintf(at->type, sizeof at->type, "%s", request->events[i]->type);
        snprintf(at->data, sizeof at->data, "%s", request->events[i]->data_json);
    }
    closure(&reply.base, closure_data);
}

static const ProtobufCMethodDescriptor methods[] = {{"Relay",
                                                     &overworld__api__relay_request__descriptor,
                                                     &overworld__api__relay_response__descriptor}};
static const ProtobufCServiceDescriptor descriptor = {
    PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC, "test.Taker", "Taker", "Test", "test", 1, methods, NULL};

// ---- The service ----

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fail_msg("%s", why->message);
}

static void open_bus(fixture *f) {
    ow_db_options options = {.name = "bus",
                             .folder = f->folder,
                             .migrations = migrations,
                             .loop = f->loop,
                             .readers = 1,
                             .rerun_writes = true,
                             .on_fatal = on_fatal};
    assert_ow_ok(ow_db_sqlite_open(&options, &f->db, &f->err), &f->err);
    ow_bus_options bus = {
        .name = "test", .loop = f->loop, .db = f->db, .metrics = f->metrics, .taker = &f->service};
    f->bus = ow_bus_new(&bus);
    assert_non_null(f->bus);
}

static void close_bus(fixture *f) {
    ow_bus_stop(f->bus);
    f->db = ow_db_close(f->db);
    f->bus = ow_bus_free(f->bus);
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TEST_TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/bus_test_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    f->service = (ProtobufCService){.descriptor = &descriptor, .invoke = take};
    assert_int_equal(ow_loop_new(&f->loop, &f->err), OW_OK);
    f->metrics = ow_metrics_new();
    open_bus(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    close_bus(f);
    ow_loop_free(f->loop);
    ow_metrics_free(f->metrics);
    free(f);
    return 0;
}

static void on_done(void *self, ow_code code, const ow_err *err) {
    fixture *f = self;
    (void)err;
    f->done = true;
    f->code = code;
}

static ow_code publish_job(ow_db_conn *db, void *self, ow_err *err) {
    fixture *f = self;
    ow_code code = OW_OK;
    for (int i = f->from; code == OW_OK && i < f->to; i++) {
        char data[40];
        snprintf(data, sizeof data, "%d", i);
        ow_bus_event *event = &f->events[i];
        event->title_id = f->title;
        event->type = "thing.happened";
        event->request_id = "req_1";
        event->data_json = data;
        code = ow_bus_publish(f->bus, db, event, err);
    }
    return code;
}

static void write_now(fixture *f, ow_code (*run)(ow_db_conn *db, void *self, ow_err *err)) {
    f->done = false;
    f->job = (ow_db_job){.run = run, .done = on_done, .self = f};
    ow_db_write(f->db, &f->job);
    while (!f->done) {
        assert_int_equal(ow_loop_turn(f->loop, 10000, &f->err), OW_OK);
    }
    ow_bus_kick(f->bus);
}

static void publish(fixture *f, const char *title, int from, int to) {
    f->title = title;
    f->from = from;
    f->to = to;
    for (int i = from; i < to; i++) {
        f->events[i].at_us = INT64_C(1800000000000000) + i;
        snprintf(f->events[i].event_id, sizeof f->events[i].event_id, "evt_%d", i);
    }
    write_now(f, publish_job);
    assert_int_equal(f->code, OW_OK);
}

static void turn_until(fixture *f, const int *number, int least) {
    int64_t until_us = ow_loop_now_us(f->loop) + 15 * 1000000;
    while (*number < least && ow_loop_now_us(f->loop) < until_us) {
        assert_int_equal(ow_loop_turn(f->loop, 10000, &f->err), OW_OK);
    }
    assert_true(*number >= least);
}

// ---- Cases ----

static void passes_on_in_order_by_title(void **state) {
    fixture *f = *state;
    f->away = true; // so that they wait together
    publish(f, "ttl_1", 0, 150);
    publish(f, "ttl_2", 150, 160);
    turn_until(f, &f->calls, 1);
    f->away = false;
    turn_until(f, &f->count, 160);
    for (int i = 0; i < 160; i++) {
        assert_int_equal(strtol(f->taken[i].data, NULL, 10), i);
        assert_string_equal(f->taken[i].title, i < 150 ? "ttl_1" : "ttl_2");
        assert_string_equal(f->taken[i].type, "thing.happened");
        assert_string_equal(f->taken[i].id, f->events[i].event_id);
    }
}

static void keeps_what_was_not_taken(void **state) {
    fixture *f = *state;
    f->away = true;
    publish(f, "ttl_1", 0, 3);
    turn_until(f, &f->calls, 2);
    close_bus(f);
    f->away = false;
    open_bus(f);
    turn_until(f, &f->count, 3);
    // What was taken is gone.
    close_bus(f);
    open_bus(f);
    publish(f, "ttl_1", 3, 4);
    turn_until(f, &f->count, 4);
    assert_int_equal(f->count, 4);
    assert_int_equal(strtol(f->taken[3].data, NULL, 10), 3);
}

static void one_that_is_refused_holds_nothing_up(void **state) {
    fixture *f = *state;
    f->refuses = "5";
    publish(f, "ttl_1", 0, 10);
    turn_until(f, &f->count, 9);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(strtol(f->taken[i].data, NULL, 10), i < 5 ? i : i + 1);
    }
}

static ow_code tell_job(ow_db_conn *db, void *self, ow_err *err) {
    fixture *f = self;
    static const ow_bus_field fields[] = {
        {"who", OW_BUS_TEXT, .text = "a \"b\""},
        {"none", OW_BUS_TEXT, .text = NULL},
        {"count", OW_BUS_INT, .number = -3},
        {"first", OW_BUS_BOOL, .number = 1},
        {"at", OW_BUS_MOMENT, .number = 1800000000000000},
        {"never", OW_BUS_MOMENT, .number = INT64_MAX},
        {0},
    };
    ow_bus_event event = {
        .title_id = "ttl_1", .type = "thing.told", .at_us = 1, .request_id = "req_1"};
    ow_arena *arena = ow_arena_new(1 << 16);
    ow_bus_event_about(&event, "tld_", "ses_01HX");
    ow_code code = ow_bus_tell(f->bus, db, arena, &event, fields, err);
    // Nobody to be told, and the same once more: a write step runs again.
    code = code == OW_OK ? ow_bus_tell(NULL, db, arena, &event, fields, err) : code;
    code = code == OW_OK ? ow_bus_tell(f->bus, db, arena, &event, fields, err) : code;
    ow_arena_free(arena);
    return code;
}

static void fields_are_an_object(void **state) {
    fixture *f = *state;
    write_now(f, tell_job);
    assert_int_equal(f->code, OW_OK);
    turn_until(f, &f->count, 1);
    assert_string_equal(f->taken[0].id, "tld_01HX");
    assert_string_equal(f->taken[0].data, "{\"who\":\"a \\\"b\\\"\",\"count\":-3,\"first\":true,"
                                          "\"at\":\"2027-01-15T08:00:00Z\"}");
    publish(f, "ttl_1", 0, 1);
    turn_until(f, &f->count, 2);
    assert_int_equal(f->count, 2);
}

static ow_code tell_too_much_job(ow_db_conn *db, void *self, ow_err *err) {
    fixture *f = self;
    static char text[9000];
    memset(text, 'a', sizeof text - 1);
    ow_bus_field fields[] = {{"text", OW_BUS_TEXT, .text = text}, {0}};
    ow_bus_event event = {.event_id = "evt_1", .title_id = "ttl_1", .type = "t", .request_id = ""};
    ow_arena *arena = ow_arena_new(1 << 16);
    ow_code code = ow_bus_tell(f->bus, db, arena, &event, fields, err);
    ow_arena_free(arena);
    return code;
}

static void too_much_is_refused(void **state) {
    fixture *f = *state;
    write_now(f, tell_too_much_job);
    assert_int_equal(f->code, OW_RESOURCE_EXHAUSTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(passes_on_in_order_by_title, set_up, tear_down),
        OW_TEST_WITH(keeps_what_was_not_taken, set_up, tear_down),
        OW_TEST_WITH(one_that_is_refused_holds_nothing_up, set_up, tear_down),
        OW_TEST_WITH(fields_are_an_object, set_up, tear_down),
        OW_TEST_WITH(too_much_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
