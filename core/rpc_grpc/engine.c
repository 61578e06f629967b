#include "core/rpc_grpc/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// The library is not built with the thread sanitizer: what passes through it must be told, and what
// it does inside is not for us to mend.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#endif
#ifdef WITH_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "called_from_lib:libgrpc.so\n"
           "called_from_lib:libgpr.so\n"
           "called_from_lib:libstdc++.so\n"
           "race:libgrpc.so\n"
           "race:libgpr.so\n"
           "race:libstdc++.so\n"
           "race:libabsl\n"
           "deadlock:libgrpc.so\n"
           "mutex:libgrpc.so\n"
           "thread:libgpr.so\n";
}
#else
static void __tsan_acquire(void *address) {
    (void)address;
}

static void __tsan_release(void *address) {
    (void)address;
}
#endif

enum { STOP_PATIENCE_US = 5 * 1000 * 1000, CANCEL_ALL_AFTER_US = 1000 * 1000 };

// ---- Tags ----

static void on_message(void *self) {
    op *o = self;
    o->grpc->outstanding--;
    o->done(o, o->ok);
}

void op_begin(op *o, ow_grpc *g, void (*done)(op *o, bool ok), void *self) {
    *o = (op){
        .message = {.on_message = on_message, .self = o},
        .grpc = g,
        .done = done,
        .self = self,
    };
    g->outstanding++;
    __tsan_release(o);
}

void op_abandon(op *o) {
    o->grpc->outstanding--;
}

void op_start_batch(op *o, grpc_call *call, const grpc_op *ops, size_t count) {
    if (grpc_call_start_batch(call, ops, count, o, NULL) != GRPC_CALL_OK) {
        o->ok = false;
        ow_loop_post(o->grpc->loop, &o->message);
    }
}

static void *wait_for_completions(void *self) {
    ow_grpc *g = self;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(g->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        op *o = event.tag;
        __tsan_acquire(o);
        o->ok = event.success != 0;
        ow_loop_post(g->loop, &o->message);
    }
}

// ---- Start ----

ow_code ow_grpc_new(const ow_grpc_options *options, ow_grpc **ret_grpc, ow_err *err) {
    ow_grpc *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for gRPC");
    }
    g->loop = options->loop;
    g->api = options->api;
    g->connector =
        (ow_connector){.connect = remote_connect, .is_connected = remote_is_connected, .self = g};
    int length = snprintf(g->folder, sizeof g->folder, "%s", options->folder);
    if (length >= (int)sizeof g->folder) {
        free(g);
        return ow_fail(err, OW_INVALID_ARGUMENT, "path_too_long",
                       "%s is too long for the folder of the sockets", options->folder);
    }
    ow_code code = mtls_open(g, options, err);
    if (code != OW_OK) {
        ow_grpc_free(g);
        return code;
    }
    *ret_grpc = g;
    return OW_OK;
}

ow_code engine_start(ow_grpc *g, ow_err *err) {
    if (g->stopped) {
        return ow_fail(err, OW_UNAVAILABLE, "stopping", "this process is stopping");
    }
    if (g->started) {
        return OW_OK;
    }
    // Signals are for the main thread, not for those that are made from here.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    grpc_init();
    g->queue = grpc_completion_queue_create_for_next(NULL);
    int failure = pthread_create(&g->thread, NULL, wait_for_completions, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        grpc_completion_queue_shutdown(g->queue);
        grpc_completion_queue_destroy(g->queue);
        grpc_shutdown();
        return ow_fail_errno(err, failure, "cannot start the thread for gRPC");
    }
    g->started = true;
    return OW_OK;
}

const ow_connector *ow_grpc_connector(ow_grpc *g) {
    return &g->connector;
}

ow_code ow_grpc_offer(ow_grpc *g, ProtobufCService *service, const char *copy, ow_err *err) {
    if (mkdir(g->folder, 0700) != 0 && errno != EEXIST) {
        return ow_fail_errno(err, errno, "cannot make the folder %s", g->folder);
    }
    ow_code code = engine_start(g, err);
    return code == OW_OK ? server_offer(g, service, copy, err) : code;
}

void ow_grpc_set_serving(ow_grpc *g, const char *service, bool serving) {
    for (offer *o = g->offers; o != NULL; o = o->next) {
        if (service == NULL || strcmp(o->service->descriptor->name, service) == 0) {
            o->serving = serving;
        }
    }
    health_changed(g->health);
}

// ---- Stop ----

void ow_grpc_drain(ow_grpc *g) {
    g->draining = true;
    server_close_listeners(g);
    health_changed(g->health);
    server_end_calls(g, true);
}

bool ow_grpc_drained(const ow_grpc *g) {
    return g->server_calls == NULL;
}

static void turn_until_quiet(ow_grpc *g) {
    ow_err err = {0};
    int64_t begun = 0;
    bool cancelled = false;
    while (g->outstanding > 0) {
        if (ow_loop_turn(g->loop, 10 * 1000, &err) != OW_OK) {
            return;
        }
        int64_t now = ow_loop_now_us(g->loop);
        begun = begun == 0 ? now : begun;
        if (!cancelled && now - begun > CANCEL_ALL_AFTER_US && g->server != NULL) {
            cancelled = true;
            grpc_server_cancel_all_calls(g->server);
        }
        if (now - begun > STOP_PATIENCE_US) {
            return;
        }
    }
}

void ow_grpc_stop(ow_grpc *g) {
    if (g->stopped) {
        return;
    }
    ow_grpc_drain(g);
    g->stopped = true;
    if (!g->started) {
        return;
    }
    clients_cancel(g);
    server_end_calls(g, false);
    server_shutdown(g);
    turn_until_quiet(g);
    remotes_close(g);
    // With tags outstanding the library would wait for them for ever; the process is about to end,
    // and the kernel takes back what is left.
    if (g->outstanding == 0) {
        server_free(g);
        grpc_completion_queue_shutdown(g->queue);
        pthread_join(g->thread, NULL);
        grpc_completion_queue_destroy(g->queue);
        grpc_shutdown_blocking();
    }
}

ow_grpc *ow_grpc_free(ow_grpc *g) {
    if (g == NULL) {
        return NULL;
    }
    ow_grpc_stop(g);
    remotes_free(g);
    mtls_close(g);
    if (g->outstanding == 0) {
        free(g);
    }
    return NULL;
}
