#include "tests/stage/stage.h"

#include "core/metrics/metrics.h"
#include "core/rpc/pool.h"
#include "proto/descriptors.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    PATIENCE_S = 60,
    POOL_THREADS = 2,
    POOL_JOBS = 256,
    ARENA_MAX = 256 << 20,
    CALL_TIMEOUT_US = 15 * 1000 * 1000
};

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
    snprintf(s->data, sizeof s->data, "%s/data", s->folder);
    assert_int_equal(mkdir(s->data, 0700), 0);
}

void stage_open(stage *s, const ow_module *module, ow_channel_kind kind, const char *const *flags) {
    *s = (stage){.module = module, .call_timeout_us = CALL_TIMEOUT_US};
    make_folder(s);
    char clock_file[STAGE_PATH_MAX + 10];
    snprintf(clock_file, sizeof clock_file, "%s/clock", s->folder);
    must(ow_clock_open(clock_file, &s->clock, &s->err), &s->err);
    must(ow_loop_new(&s->loop, &s->err), &s->err);
    must(ow_api_open(ow_descriptors, ow_descriptors_size, &s->api, &s->err), &s->err);
    must(ow_pool_new(POOL_THREADS, POOL_JOBS, &s->pool, &s->err), &s->err);
    s->metrics = ow_metrics_new();
    s->arena = ow_arena_new(ARENA_MAX);
    assert_true(s->metrics != NULL && s->arena != NULL);
    ow_directory_options options = {.loop = s->loop, .local_kind = kind, .seed = 7, .api = s->api};
    must(ow_directory_new(&options, &s->directory, &s->err), &s->err);
    for (size_t i = 0; flags != NULL && flags[i] != NULL; i++) {
        stage_set_flag(s, flags[i]);
    }
    s->env = (ow_module_env){
        .loop = s->loop,
        .clock = s->clock,
        .directory = s->directory,
        .api = s->api,
        .pool = s->pool,
        .metrics = s->metrics,
        .data_folder = s->data,
        .binary_folder = s->folder,
        .process = "test",
        .rerun_writes = true,
        .on_fatal = on_fatal,
    };
}

ProtobufCService *stage_stand_in(stage *s, const ProtobufCServiceDescriptor *descriptor,
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
    must(ow_service_new(&options, &service, &s->err), &s->err);
    return service;
}

ProtobufCService *stage_offer(stage *s, const ProtobufCServiceDescriptor *descriptor,
                              const ow_method *methods, void *self) {
    ProtobufCService *service = stage_stand_in(s, descriptor, methods, self);
    must(ow_directory_offer(s->directory, service, &s->err), &s->err);
    return service;
}

// ---- The module's life ----

void stage_set_flag(stage *s, const char *flag) {
    size_t key = strcspn(flag, "=") + 1;
    size_t at = 0;
    while (at < STAGE_FLAGS_MAX && s->flags[at] != NULL && strncmp(s->flags[at], flag, key) != 0) {
        at++;
    }
    if (at == STAGE_FLAGS_MAX) {
        fail_msg("more than %d flags", STAGE_FLAGS_MAX);
        return;
    }
    s->flags[at] = ow_arena_strdup_in(s->arena, flag);
    assert_non_null(s->flags[at]);
}

static ow_code read_config(stage *s, ow_err *err) {
    const ow_module *module = s->module;
    char *const no_environment[] = {NULL};
    size_t count = 0;
    while (count < STAGE_FLAGS_MAX && s->flags[count] != NULL) {
        count++;
    }
    s->config = ow_config_free(s->config);
    s->tables[0] = (ow_config_table){module->name, module->config, module->config_size};
    return ow_config_load(s->tables, NULL, s->flags, count, no_environment, &s->config, err);
}

ow_code stage_try_start(stage *s, ow_err *err) {
    const ow_module *module = s->module;
    ow_code code = read_config(s, err);
    if (code == OW_OK) {
        code = module->init(&s->env, ow_config_of(s->config, module->name), &s->self, err);
    }
    if (code == OW_OK) {
        code = module->start(s->self, err);
    }
    if (code != OW_OK && s->self != NULL) {
        module->stop(s->self); // half-built
        module->free(s->self);
        s->self = NULL;
    }
    return code;
}

static bool is_ready(void *self) {
    stage *s = self;
    const char *why_not = "";
    return s->module->ready == NULL || s->module->ready(s->self, &why_not);
}

void stage_wait_ready(stage *s) {
    stage_until(s, is_ready, s);
}

void stage_start(stage *s) {
    must(stage_try_start(s, &s->err), &s->err);
    stage_wait_ready(s);
}

static bool is_drained(void *self) {
    stage *s = self;
    return s->module->drained == NULL || s->module->drained(s->self);
}

void stage_stop(stage *s) {
    if (s->module->drain != NULL) {
        s->module->drain(s->self);
    }
    stage_until(s, is_drained, s);
    s->module->stop(s->self);
    for (int i = 0; i < 20; i++) {
        must(ow_loop_turn(s->loop, 0, &s->err), &s->err);
    }
    s->module->free(s->self);
    s->self = NULL;
}

void stage_restart(stage *s) {
    stage_stop(s);
    stage_start(s);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk) {
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

void stage_close(stage *s) {
    if (s->self != NULL) {
        stage_stop(s);
    }
    s->config = ow_config_free(s->config);
    s->directory = ow_directory_free(s->directory);
    s->pool = ow_pool_free(s->pool);
    s->metrics = ow_metrics_free(s->metrics);
    s->api = ow_api_free(s->api);
    s->loop = ow_loop_free(s->loop);
    s->clock = ow_clock_close(s->clock);
    s->arena = ow_arena_free(s->arena);
    nftw(s->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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
    ow_principal principal = {.kind = who->kind,
                              .role = who->role,
                              .every_title = who->every_title,
                              .with_api_key = who->with_api_key};
    snprintf(principal.id, sizeof principal.id, "%s", who->id != NULL ? who->id : "opr_test");
    snprintf(principal.title, sizeof principal.title, "%s", who->title != NULL ? who->title : "");
    ow_call_options options = {
        .principal = &principal,
        .client_address = "203.0.113.7",
        .timeout_us = s->call_timeout_us,
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
