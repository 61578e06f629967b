// What a call costs over each channel: an echo of 100 bytes. CPU is that of caller and callee.

#include "core/rpc_grpc/rpc_grpc.h"
#include "tests/conformance/rpc/descriptors.h"
#include "tests/conformance/rpc/peer.h"
#include "tests/conformance/rpc/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_US = 30 * 1000 * 1000, TEXT = 100 };

typedef struct bench {
    ow_loop *loop;
    ProtobufCService *service;
    Overworld__Probe__V1__EchoRequest request;
    char text[TEXT + 1];
    int64_t to_begin;
    int64_t running;
    int64_t failed;
} bench;

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_us(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void on_reply(const Overworld__Probe__V1__EchoReply *reply, void *closure_data) {
    ow_call *call = closure_data;
    bench *b = call->user;
    b->failed += reply == NULL;
    b->running--;
    ow_call_free(call);
}

static void begin_one(bench *b) {
    static const ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = &platform, .timeout_us = TIMEOUT_US};
    ow_call *call = ow_call_new(b->loop, &options);
    call->user = b;
    b->to_begin--;
    b->running++;
    overworld__probe__v1__probe__echo(b->service, &b->request, on_reply, call);
}

static void run(bench *b, const char *name, int64_t calls, int at_once) {
    ow_err err = {0};
    b->to_begin = calls;
    b->failed = 0;
    double cpu = cpu_us(RUSAGE_SELF);
    double begun = now_us();
    while (b->to_begin > 0 || b->running > 0) {
        for (int i = 0; i < 64 && b->to_begin > 0 && b->running < at_once; i++) {
            begin_one(b);
        }
        if (b->running > 0 && ow_loop_turn(b->loop, -1, &err) != OW_OK) {
            abort();
        }
    }
    double wall = now_us() - begun;
    cpu = cpu_us(RUSAGE_SELF) - cpu;
    printf("%-16s %9.3f us a call, %8.0f calls/s, caller's CPU %7.3f us, %lld failed\n", name,
           wall / (double)calls, (double)calls / wall * 1e6, cpu / (double)calls,
           (long long)b->failed);
}

static void prepare(bench *b, ow_loop *loop, ProtobufCService *service) {
    *b = (bench){.loop = loop, .service = service};
    overworld__probe__v1__echo_request__init(&b->request);
    memset(b->text, 'x', TEXT);
    b->request.text = b->text;
}

static void bench_here(ow_channel_kind kind, const char *folder) {
    probe p;
    bench b;
    probe_open(&p, kind, folder);
    prepare(&b, p.loop, p.front);
    run(&b, kind == OW_CHANNEL_LOCAL ? "local" : "packed",
        kind == OW_CHANNEL_LOCAL ? 3000000 : 300000, 64);
    probe_close(&p);
}

static void bench_grpc(const char *folder, pid_t peer) {
    ow_err err = {0};
    ow_loop *loop;
    ow_api *api;
    ow_grpc *grpc;
    ow_grpc_options options = {.folder = folder};
    if (ow_loop_new(&loop, &err) != OW_OK ||
        ow_api_open(ow_descriptors, ow_descriptors_size, &api, &err) != OW_OK) {
        abort();
    }
    options.loop = loop;
    options.api = api;
    if (ow_grpc_new(&options, &grpc, &err) != OW_OK) {
        abort();
    }
    const ow_connector *connector = ow_grpc_connector(grpc);
    bench b;
    prepare(
        &b, loop,
        connector->connect(connector->self, &overworld__probe__v1__probe__descriptor, NULL, &err));
    do {
        usleep(20 * 1000);
        b.failed = 0;
        b.to_begin = 1;
        begin_one(&b);
        while (b.running > 0) {
            ow_loop_turn(loop, -1, &err);
        }
    } while (b.failed > 0);
    run(&b, "grpc, 1 at once", 20000, 1);
    run(&b, "grpc, 64 at once", 200000, 64);
    ow_grpc_free(grpc);
    kill(peer, SIGTERM);
    waitpid(peer, NULL, 0);
    printf("%-16s callee's CPU %.3f us\n", "grpc", cpu_us(RUSAGE_CHILDREN) / 220000);
    ow_api_free(api);
    ow_loop_free(loop);
}

int main(void) {
    char folder[FOLDER_MAX];
    make_folder(folder);
    pid_t peer = fork(); // before the library is there
    if (peer == 0) {
        return peer_main(folder);
    }
    bench_grpc(folder, peer);
    bench_here(OW_CHANNEL_LOCAL, folder);
    bench_here(OW_CHANNEL_PACKED, folder);
    remove_folder(folder);
    return 0;
}
