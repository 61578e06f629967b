#include "tests/conformance/rpc/peer.h"

#include "core/rpc_grpc/rpc_grpc.h"
#include "tests/conformance/rpc/probe.h"

#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_signal(void *self, uint32_t events) {
    (void)events;
    ow_loop_stop(self);
}

int peer_main(const char *folder) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    probe p;
    probe_open(&p, OW_CHANNEL_LOCAL, folder);
    ow_err err = {0};
    ow_grpc *grpc = NULL;
    ow_grpc_options options = {.loop = p.loop, .api = p.api, .folder = folder};
    ow_watch watch = {.on_ready = on_signal, .self = p.loop};
    if (ow_loop_watch(p.loop, &watch, signalfd(-1, &signals, SFD_CLOEXEC), EPOLLIN, &err) !=
            OW_OK ||
        ow_grpc_new(&options, &grpc, &err) != OW_OK ||
        ow_grpc_offer(grpc, p.service, &err) != OW_OK || ow_loop_run(p.loop, &err) != OW_OK) {
        fprintf(stderr, "peer: %s: %s\n", err.reason, err.message);
        return 1;
    }
    ow_grpc_stop(grpc);
    ow_loop_unwatch(p.loop, &watch);
    ow_grpc_free(grpc);
    probe_close(&p);
    return 0;
}
