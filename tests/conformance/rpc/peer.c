#include "tests/conformance/rpc/peer.h"

#include "core/rpc_grpc/rpc_grpc.h"
#include "tests/conformance/rpc/probe.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { DRAIN_MS = 5000 };

typedef struct peer {
    ow_loop *loop;
    ow_grpc *grpc;
    ow_watch watch;
    int signal;
} peer;

static void on_signal(void *self, uint32_t events) {
    peer *me = self;
    struct signalfd_siginfo info;
    (void)events;
    if (read(me->watch.fd, &info, sizeof info) == sizeof info) {
        me->signal = (int)info.ssi_signo;
        ow_loop_stop(me->loop);
    }
}

static bool drained_in_time(peer *me) {
    ow_err err = {0};
    ow_grpc_drain(me->grpc);
    int64_t until = ow_loop_now_us(me->loop) + DRAIN_MS * 1000;
    while (!ow_grpc_drained(me->grpc) && ow_loop_now_us(me->loop) < until) {
        if (ow_loop_turn(me->loop, 10 * 1000, &err) != OW_OK) {
            return false;
        }
    }
    return ow_grpc_drained(me->grpc);
}

static ow_code serve(peer *me, probe *p, const char *folder, ow_err *err) {
    ow_grpc_options options = {.loop = p->loop, .api = p->api, .folder = folder};
    ow_code code = ow_grpc_new(&options, &me->grpc, err);
    if (code == OW_OK) {
        code = ow_grpc_offer(me->grpc, p->service, NULL, err);
    }
    return code == OW_OK ? ow_loop_run(p->loop, err) : code;
}

int peer_main(const char *folder) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    probe p;
    probe_open(&p, OW_CHANNEL_LOCAL, folder);
    ow_err err = {0};
    peer me = {.loop = p.loop, .watch = {.on_ready = on_signal, .self = &me}};
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (ow_loop_watch(p.loop, &me.watch, fd, EPOLLIN, &err) != OW_OK ||
        serve(&me, &p, folder, &err) != OW_OK) {
        fprintf(stderr, "peer: %s: %s\n", err.reason, err.message);
        return 1;
    }
    bool good = me.signal == SIGTERM || drained_in_time(&me);
    ow_grpc_stop(me.grpc);
    ow_loop_unwatch(p.loop, &me.watch);
    close(fd);
    ow_grpc_free(me.grpc);
    probe_close(&p);
    return good ? 0 : 3;
}
