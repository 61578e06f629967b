#include "services/identity/test_harness.h"

#include "services/identity/identity.h"

#include "core/metrics/metrics.h"
#include "overworld/data/v1/data.pb-c.h"
#include "proto/descriptors.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 60 };

const who nobody = {.kind = OW_NOBODY, .id = "", .title = "ttl_a"};
const who admin = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .id = "opr_1", .title = "ttl_a"};
const who viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .id = "opr_2", .title = "ttl_a"};
const who owner = {.kind = OW_OPERATOR,
                   .role = OW_ROLE_ADMIN,
                   .id = "opr_3",
                   .title = "ttl_a",
                   .every_title = true};
const who platform = {.kind = OW_PLATFORM, .id = "", .title = ""};

// ---- What data would answer ----

static ow_code fake_erase(ow_run *run) {
    fixture *f = run->self;
    Overworld__Data__V1__ErasePlayerResponse *reply = run->reply;
    if (f->data_away) {
        return ow_fail(run->err, OW_UNAVAILABLE, "away", "data is away");
    }
    f->erasures++;
    reply->more = f->erasures % 3 != 0; // in three slices
    return OW_OK;
}

static ow_code fake_list(ow_run *run) {
    Overworld__Data__V1__KvListResponse *reply = run->reply;
    const Overworld__Data__V1__KvListRequest *request = run->request;
    ow_arena *arena = run->call->arena;
    bool first = request->page_token[0] == '\0';
    reply->entries = ow_arena_calloc(arena, 1, sizeof *reply->entries);
    reply->entries[0] = ow_arena_alloc(arena, sizeof **reply->entries);
    overworld__data__v1__entry__init(reply->entries[0]);
    reply->entries[0]->key = ow_arena_strdup_in(arena, first ? "gold" : "silver");
    reply->entries[0]->value.data = ow_arena_memdup_in(arena, "12", 2);
    reply->entries[0]->value.len = 2;
    reply->n_entries = 1;
    reply->next_page_token = ow_arena_strdup_in(arena, first ? "more" : "");
    return OW_OK;
}

static const ow_method fake_data[] = {
    {"ErasePlayer", 0, {{OW_LOOP, fake_erase}}},
    {"KvList", 0, {{OW_LOOP, fake_list}}},
    {0},
};

static void offer_data(fixture *f) {
    ow_err err = {0};
    ow_service_options options = {.descriptor = &overworld__data__v1__data__descriptor,
                                  .methods = fake_data,
                                  .api = f->api,
                                  .self = f,
                                  .loop = f->loop,
                                  .is_stand_in = true};
    ow_directory_expect_here(f->directory, options.descriptor);
    assert_ow_ok(ow_service_new(&options, &f->data_service, &err), &err);
    assert_ow_ok(ow_directory_offer(f->directory, f->data_service, &err), &err);
}

// ---- The module ----

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    print_error("fatal: %s: %s\n", why->reason, why->message);
    abort();
}

ow_code identity_start(fixture *f, ow_err *err) {
    const ow_config_table tables[] = {
        {"identity", ow_identity_module.config, ow_identity_module.config_size}, {0}};
    const char *flags[1 + sizeof f->more_flags / sizeof f->more_flags[0]] = {
        "--identity.max_sessions=3"};
    size_t flag_count = 1;
    while (f->more_flags[flag_count - 1] != NULL) {
        flags[flag_count] = f->more_flags[flag_count - 1];
        flag_count++;
    }
    ow_config_free(f->config);
    f->config = NULL;
    ow_code code = ow_config_load(tables, NULL, flags, flag_count, NULL, &f->config, err);
    if (code == OW_OK) {
        code =
            ow_identity_module.init(&f->env, ow_config_of(f->config, "identity"), &f->module, err);
    }
    if (code == OW_OK) {
        code = ow_identity_module.start(f->module, err);
    }
    if (code != OW_OK) {
        ow_identity_module.stop(f->module); // half-built
        ow_identity_module.free(f->module);
        f->module = NULL;
    }
    return code;
}

void identity_wait_ready(fixture *f) {
    const char *why_not = NULL;
    time_t until = time(NULL) + DEADLINE_S;
    while (!ow_identity_module.ready(f->module, &why_not)) {
        assert_int_equal(ow_loop_turn(f->loop, 100000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

void identity_stop(fixture *f) {
    ow_identity_module.drain(f->module);
    for (int i = 0; i < 1000 && !ow_identity_module.drained(f->module); i++) {
        ow_loop_turn(f->loop, 10000, NULL);
    }
    assert_true(ow_identity_module.drained(f->module));
    ow_identity_module.stop(f->module);
    ow_identity_module.free(f->module);
    f->module = NULL;
}

int fixture_setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->mode = *(const mode *)*state;
    snprintf(f->folder, sizeof f->folder, "/tmp/owid-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->data, sizeof f->data, "%s/data", f->folder);
    assert_int_equal(mkdir(f->data, 0700), 0);
    char clock_file[96];
    snprintf(clock_file, sizeof clock_file, "%s/clock", f->folder);
    assert_int_equal(ow_clock_open(clock_file, &f->clock, NULL), OW_OK);
    assert_int_equal(ow_loop_new(&f->loop, NULL), OW_OK);
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &f->api, NULL), OW_OK);
    f->metrics = ow_metrics_new();
    ow_directory_options options = {
        .loop = f->loop, .local_kind = f->mode.channel, .seed = 5, .api = f->api};
    assert_int_equal(ow_directory_new(&options, &f->directory, NULL), OW_OK);
    assert_int_equal(ow_pool_new(2, 64, &f->pool, NULL), OW_OK);
    f->env = (ow_module_env){
        .loop = f->loop,
        .clock = f->clock,
        .directory = f->directory,
        .api = f->api,
        .pool = f->pool,
        .metrics = f->metrics,
        .data_folder = f->data,
        .process = "test",
        .rerun_writes = f->mode.rerun_writes,
        .on_fatal = on_fatal,
    };
    offer_data(f);
    ow_err err = {0};
    assert_ow_ok(identity_start(f, &err), &err);
    f->identity = ow_directory_get(f->directory, &overworld__identity__v1__identity__descriptor);
    identity_wait_ready(f);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int fixture_teardown(void **state) {
    fixture *f = *state;
    if (f->module != NULL) {
        identity_stop(f);
    }
    ow_directory_withdraw(f->directory, f->data_service);
    ow_loop_turn(f->loop, 0, NULL);
    ow_service_free(f->data_service);
    ow_pool_free(f->pool);
    ow_directory_free(f->directory);
    ow_loop_turn(f->loop, 0, NULL);
    ow_config_free(f->config);
    ow_api_free(f->api);
    ow_metrics_free(f->metrics);
    ow_clock_close(f->clock);
    ow_loop_free(f->loop);
    nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

// ---- Calls ----

static ProtobufCMessage *copy_message(const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    free(bytes);
    return copy;
}

static void forget_message(answer *a) {
    if (a->message != NULL) {
        protobuf_c_message_free_unpacked(a->message, NULL);
        a->message = NULL;
    }
}

static void on_answer(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    answer *a = call->user;
    assert_false(a->ended);
    if (message != NULL) {
        forget_message(a);
        a->message = copy_message(message);
        a->messages++;
        if (strcmp(message->descriptor->short_name, "VerificationState") == 0) {
            return;
        }
    }
    a->ended = true;
    a->code = call->err.code;
    a->err = call->err;
    a->call = NULL;
    ow_call_free(call);
}

static unsigned method_index(const char *name) {
    const ProtobufCServiceDescriptor *service = &overworld__identity__v1__identity__descriptor;
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(service, name);
    assert_non_null(method);
    return (unsigned)(method - service->methods);
}

void ask_begin(fixture *f, const who *as, const char *method, const ProtobufCMessage *request,
               answer *a) {
    *a = (answer){0};
    ow_principal principal = {.kind = as->kind,
                              .role = as->role,
                              .every_title = as->every_title,
                              .with_api_key = as->with_api_key};
    snprintf(principal.id, sizeof principal.id, "%s", as->id);
    snprintf(principal.title, sizeof principal.title, "%s", as->title);
    ow_call_options options = {.principal = &principal,
                               .client_address = "203.0.113.7",
                               .timeout_us = INT64_C(3600000000),
                               .from_outside = as->kind != OW_PLATFORM};
    a->call = ow_call_new(f->loop, &options);
    assert_non_null(a->call);
    a->call->user = a;
    f->identity->invoke(f->identity, method_index(method), request, on_answer, a->call);
}

void answer_wait(fixture *f, answer *a, int messages) {
    time_t until = time(NULL) + DEADLINE_S;
    while (!a->ended && a->messages < messages) {
        assert_int_equal(ow_loop_turn(f->loop, 100000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

void ask(fixture *f, const who *as, const char *method, const ProtobufCMessage *request,
         answer *a) {
    ask_begin(f, as, method, request, a);
    time_t until = time(NULL) + DEADLINE_S;
    while (!a->ended) {
        assert_int_equal(ow_loop_turn(f->loop, 100000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

void answer_deinit(answer *a) {
    forget_message(a);
}
