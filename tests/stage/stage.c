#include "tests/stage/stage.h"

#include "core/metrics/metrics.h"
#include "core/rpc/pool.h"
#include "proto/descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_S = 20, ARENA_MAX = 256 << 20, CALL_TIMEOUT_US = 15 * 1000 * 1000 };

static void must(ow_code code, const ow_err *err) {
    if (code != OW_OK) {
        fail_msg("%s: %s (%s:%d)", err->reason, err->message, err->file, err->line);
    }
}

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    fprintf(stderr, "fatal: %s: %s\n", why->reason, why->message);
    abort();
}

static void make_folder(stage *s) {
    const char *base = getenv("TEST_TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/stage_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(s->folder));
}

static void make_module(stage *s) {
    must(s->module->init(&s->env, ow_config_of(s->config, s->module->name), &s->self, &s->err),
         &s->err);
}

void stage_open(stage *s, const ow_module *module, ow_channel_kind kind, const char *const *flags) {
    *s = (stage){.module = module};
    make_folder(s);
    char clock_file[STAGE_PATH_MAX + 10];
    snprintf(clock_file, sizeof clock_file, "%s/clock", s->folder);
    must(ow_clock_open(clock_file, &s->clock, &s->err), &s->err);
    must(ow_loop_new(&s->loop, &s->err), &s->err);
    must(ow_api_open(ow_descriptors, ow_descriptors_size, &s->api, &s->err), &s->err);
    must(ow_pool_new(2, 256, &s->pool, &s->err), &s->err);
    s->metrics = ow_metrics_new();
    s->arena = ow_arena_new(ARENA_MAX);
    assert_true(s->metrics != NULL && s->arena != NULL);
    ow_directory_options options = {.loop = s->loop, .local_kind = kind, .seed = 7, .api = s->api};
    must(ow_directory_new(&options, &s->directory, &s->err), &s->err);
    s->tables[0] = (ow_config_table){module->name, module->config, module->config_size};
    size_t count = 0;
    while (flags != NULL && flags[count] != NULL) {
        count++;
    }
    char *const no_environment[] = {NULL};
    must(ow_config_load(s->tables, NULL, flags, count, no_environment, &s->config, &s->err),
         &s->err);
    s->env = (ow_module_env){
        .loop = s->loop,
        .clock = s->clock,
        .directory = s->directory,
        .api = s->api,
        .pool = s->pool,
        .metrics = s->metrics,
        .data_folder = s->folder,
        .binary_folder = s->folder,
        .process = "test",
        .rerun_writes = true,
        .on_fatal = on_fatal,
    };
    make_module(s);
}

static bool is_ready(void *self) {
    stage *s = self;
    const char *why_not = "";
    return s->module->ready(s->self, &why_not);
}

ProtobufCService *stage_offer(stage *s, const ProtobufCServiceDescriptor *descriptor,
                              const ow_method *methods, void *self) {
    ow_service_options options = {
        .descriptor = descriptor,
        .methods = methods,
        .api = s->api,
        .self = self,
        .loop = s->loop,
        .is_stand_in = true,
    };
    ProtobufCService *service = NULL;
    assert_int_equal(ow_service_new(&options, &service, NULL), OW_OK);
    assert_int_equal(ow_directory_offer(s->directory, service, NULL), OW_OK);
    return service;
}

void stage_start(stage *s) {
    must(s->module->start(s->self, &s->err), &s->err);
    stage_until(s, is_ready, s);
}

static bool is_drained(void *self) {
    stage *s = self;
    return s->module->drained == NULL || s->module->drained(s->self);
}

static void end_module(stage *s) {
    if (s->module->drain != NULL) {
        s->module->drain(s->self);
    }
    stage_until(s, is_drained, s);
    s->module->stop(s->self);
    for (int i = 0; i < 20; i++) {
        must(ow_loop_turn(s->loop, 0, &s->err), &s->err);
    }
    s->module->free(s->self);
}

void stage_restart(stage *s) {
    end_module(s);
    make_module(s);
    stage_start(s);
}

void stage_close(stage *s) {
    end_module(s);
    s->config = ow_config_free(s->config);
    s->directory = ow_directory_free(s->directory);
    s->pool = ow_pool_free(s->pool);
    s->metrics = ow_metrics_free(s->metrics);
    s->api = ow_api_free(s->api);
    s->loop = ow_loop_free(s->loop);
    s->clock = ow_clock_close(s->clock);
    s->arena = ow_arena_free(s->arena);
}

void stage_until(stage *s, bool (*done)(void *self), void *self) {
    time_t until = time(NULL) + PATIENCE_S;
    while (!done(self)) {
        must(ow_loop_turn(s->loop, 10000, &s->err), &s->err);
        if (time(NULL) > until) {
            fail_msg("what the test waits for does not come");
        }
    }
}

ow_call *stage_call_new(stage *s, const stage_caller *who) {
    ow_principal principal = {
        .kind = who->kind, .role = who->role, .every_title = who->every_title};
    snprintf(principal.id, sizeof principal.id, "%s", who->id != NULL ? who->id : "opr_test");
    snprintf(principal.title, sizeof principal.title, "%s", who->title != NULL ? who->title : "");
    ow_call_options options = {
        .principal = &principal,
        .timeout_us = CALL_TIMEOUT_US,
        .from_outside = who->kind != OW_PLATFORM,
    };
    ow_call *call = ow_call_new(s->loop, &options);
    assert_non_null(call);
    return call;
}

typedef struct waiting {
    stage *stage;
    bool done;
    void *reply;
} waiting;

static void on_reply(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    waiting *w = call->user;
    stage *s = w->stage;
    if (reply != NULL) {
        size_t size = protobuf_c_message_get_packed_size(reply);
        uint8_t *bytes = ow_arena_alloc(s->arena, size);
        ProtobufCAllocator storage;
        assert_non_null(bytes);
        protobuf_c_message_pack(reply, bytes);
        w->reply = protobuf_c_message_unpack(reply->descriptor,
                                             ow_arena_protobuf(s->arena, &storage), size, bytes);
        assert_non_null(w->reply);
    }
    s->err = call->err;
    w->done = true;
}

static bool has_reply(void *self) {
    return ((waiting *)self)->done;
}

void *stage_call(stage *s, const ProtobufCServiceDescriptor *service, const char *method,
                 const void *request, const stage_caller *who) {
    const ProtobufCMethodDescriptor *m =
        protobuf_c_service_descriptor_get_method_by_name(service, method);
    assert_non_null(m);
    ProtobufCService *callee = ow_directory_get(s->directory, service);
    waiting w = {.stage = s};
    ow_call *call = stage_call_new(s, who);
    call->user = &w;
    callee->invoke(callee, (unsigned)(m - service->methods), request, on_reply, call);
    stage_until(s, has_reply, &w);
    ow_call_free(call);
    return w.reply;
}
