#include "tests/stage/harness.h"

#include "core/metrics/metrics.h"
#include "proto/descriptors.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 60 };

// ---- The module ----

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    print_error("fatal: %s: %s\n", why->reason, why->message);
    abort();
}

ow_code harness_start(fixture *f, ow_err *err) {
    const ow_module *module = f->subject->module;
    const ow_config_table tables[] = {{module->name, module->config, module->config_size}, {0}};
    const char *flags[HARNESS_FLAGS_MAX + 1];
    size_t flag_count = 0;
    if (f->subject->flag != NULL) {
        flags[flag_count++] = f->subject->flag;
    }
    for (int i = 0; i < HARNESS_FLAGS_MAX && f->more_flags[i] != NULL; i++) {
        flags[flag_count++] = f->more_flags[i];
    }
    ow_config_free(f->config);
    f->config = NULL;
    ow_code code = ow_config_load(tables, NULL, flags, flag_count, NULL, &f->config, err);
    if (code == OW_OK) {
        code = module->init(&f->env, ow_config_of(f->config, module->name), &f->module, err);
    }
    if (code == OW_OK) {
        code = module->start(f->module, err);
    }
    if (code != OW_OK) {
        module->stop(f->module); // half-built
        module->free(f->module);
        f->module = NULL;
    }
    return code;
}

void harness_wait_ready(fixture *f) {
    const char *why_not = NULL;
    time_t until = time(NULL) + DEADLINE_S;
    while (f->subject->module->ready != NULL && !f->subject->module->ready(f->module, &why_not)) {
        assert_int_equal(ow_loop_turn(f->loop, 100000, NULL), OW_OK);
        assert_true(time(NULL) < until);
    }
}

void harness_stop(fixture *f) {
    const ow_module *module = f->subject->module;
    if (module->drain != NULL) {
        module->drain(f->module);
    }
    for (int i = 0; i < 1000 && !module->drained(f->module); i++) {
        ow_loop_turn(f->loop, 10000, NULL);
    }
    assert_true(module->drained(f->module));
    module->stop(f->module);
    module->free(f->module);
    f->module = NULL;
}

int harness_setup(void **state, const subject *about) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->mode = *(const mode *)*state;
    f->subject = about;
    memcpy(f->more_flags, f->mode.flags, sizeof f->more_flags);
    snprintf(f->folder, sizeof f->folder, "/tmp/owhar-XXXXXX");
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
    if (about->before != NULL) {
        about->before(f);
    }
    ow_err err = {0};
    assert_ow_ok(harness_start(f, &err), &err);
    f->service = ow_directory_get(f->directory, about->service);
    harness_wait_ready(f);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int harness_teardown(void **state) {
    fixture *f = *state;
    if (f->module != NULL) {
        harness_stop(f);
    }
    if (f->subject->after != NULL) {
        f->subject->after(f);
    }
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
        const char *streamed = a->of->subject->streamed;
        if (streamed != NULL && strcmp(message->descriptor->short_name, streamed) == 0) {
            return;
        }
    }
    a->ended = true;
    a->code = call->err.code;
    a->err = call->err;
    a->call = NULL;
    ow_call_free(call);
}

static unsigned method_index(const ProtobufCServiceDescriptor *service, const char *name) {
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(service, name);
    assert_non_null(method);
    return (unsigned)(method - service->methods);
}

void ask_begin(fixture *f, const who *as, const char *method, const ProtobufCMessage *request,
               answer *a) {
    *a = (answer){.of = f};
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
    f->service->invoke(f->service, method_index(f->subject->service, method), request, on_answer,
                       a->call);
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
