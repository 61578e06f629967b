// The suite through gRPC: the callee is another process (this program with --peer FOLDER), which can
// be killed and started again.

#include "tests/conformance/rpc/peer.h"
#include "tests/conformance/rpc/suite.h"

#include "core/rpc_grpc/rpc_grpc.h"
#include "tests/conformance/rpc/descriptors.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct rig_grpc {
    rig rig; // first
    ow_api *api;
    ow_grpc *grpc;
    ow_directory *directory;
    char folder[FOLDER_MAX];
    pid_t peer;
} rig_grpc;

// ---- The rig ----

static void start_callee(rig *r) {
    rig_grpc *remote = (rig_grpc *)r;
    char self[] = "/proc/self/exe";
    char option[] = "--peer";
    char *argv[] = {self, option, remote->folder, NULL};
    assert_int_equal(posix_spawn(&remote->peer, self, NULL, NULL, argv, environ), 0);
}

static int end_callee(rig_grpc *remote, int signal) {
    int status = -1;
    assert_int_equal(kill(remote->peer, signal), 0);
    assert_int_equal(waitpid(remote->peer, &status, 0), remote->peer);
    return status;
}

static void stop_callee(rig *r) {
    end_callee((rig_grpc *)r, SIGKILL);
}

static int64_t echo_until_found(rig *r) {
    const Overworld__Probe__V1__EchoRequest request = OVERWORLD__PROBE__V1__ECHO_REQUEST__INIT;
    ow_err err = {0};
    int64_t begun = ow_loop_now_us(r->loop);
    for (;;) {
        outcome o = {0};
        suite_run_call(&o, r, "Echo", &request, suite_call(r));
        outcome_deinit(&o);
        int64_t took = ow_loop_now_us(r->loop) - begun;
        if (o.err.code == OW_OK) {
            return took;
        }
        assert_int_equal(o.err.code, OW_UNAVAILABLE);
        assert_string_equal(o.err.reason, "unreachable");
        assert_true(took < 10 * 1000 * 1000);
        assert_int_equal(ow_loop_turn(r->loop, 10 * 1000, &err), OW_OK);
    }
}

static int open_rig(void **state) {
    rig_grpc *remote = calloc(1, sizeof *remote);
    assert_non_null(remote);
    make_folder(remote->folder);
    ow_err err = {0};
    rig *r = &remote->rig;
    *r = (rig){.encodes = true, .stop_callee = stop_callee, .start_callee = start_callee};
    start_callee(r);
    assert_int_equal(ow_loop_new(&r->loop, &err), OW_OK);
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &remote->api, &err), OW_OK);
    ow_grpc_options options = {.loop = r->loop, .api = remote->api, .folder = remote->folder};
    assert_int_equal(ow_grpc_new(&options, &remote->grpc, &err), OW_OK);
    ow_directory_options directory = {
        .loop = r->loop,
        .connector = ow_grpc_connector(remote->grpc),
        .api = remote->api,
    };
    assert_int_equal(ow_directory_new(&directory, &remote->directory, &err), OW_OK);
    r->probe = ow_directory_get(remote->directory, &overworld__probe__v1__probe__descriptor);
    echo_until_found(r);
    *state = remote;
    return 0;
}

static int close_rig(void **state) {
    rig_grpc *remote = *state;
    int status = end_callee(remote, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ow_directory_free(remote->directory);
    ow_grpc_free(remote->grpc);
    ow_api_free(remote->api);
    ow_loop_free(remote->rig.loop);
    remove_folder(remote->folder);
    free(remote);
    return 0;
}

// ---- What only this channel has ----

static void a_restarted_peer_is_found_again(void **state) {
    rig *r = *state;
    for (int i = 0; i < 3; i++) {
        stop_callee(r);
        start_callee(r);
        int64_t took = echo_until_found(r);
        print_message("found again after %lld ms\n", (long long)took / 1000);
    }
}

static void a_killed_peer_fails_running_calls_at_once(void **state) {
    rig *r = *state;
    const Overworld__Probe__V1__WaitRequest wait = OVERWORLD__PROBE__V1__WAIT_REQUEST__INIT;
    const Overworld__Probe__V1__TickRequest tick = OVERWORLD__PROBE__V1__TICK_REQUEST__INIT;
    outcome waiting = {0};
    outcome ticking = {0};
    ow_err err = {0};
    suite_begin(&ticking, r, "Tick", &tick, suite_call(r));
    suite_begin(&waiting, r, "Wait", &wait, suite_call(r));
    while (ticking.messages == 0) {
        assert_int_equal(ow_loop_turn(r->loop, 10 * 1000, &err), OW_OK);
    }
    stop_callee(r);
    suite_wait(&waiting);
    suite_wait(&ticking);
    assert_int_equal(waiting.err.code, OW_UNAVAILABLE);
    assert_int_equal(ticking.err.code, OW_UNAVAILABLE);
    outcome_deinit(&ticking);
    start_callee(r);
    echo_until_found(r);
}

static void a_stopping_peer_answers_running_calls(void **state) {
    rig_grpc *remote = *state;
    rig *r = &remote->rig;
    const Overworld__Probe__V1__WaitRequest wait = OVERWORLD__PROBE__V1__WAIT_REQUEST__INIT;
    const Overworld__Probe__V1__TickRequest tick = OVERWORLD__PROBE__V1__TICK_REQUEST__INIT;
    outcome waiting = {0};
    outcome ticking = {0};
    ow_err err = {0};
    suite_begin(&waiting, r, "Wait", &wait, suite_call(r));
    suite_begin(&ticking, r, "Tick", &tick, suite_call(r));
    while (ticking.messages == 0) {
        assert_int_equal(ow_loop_turn(r->loop, 10 * 1000, &err), OW_OK);
    }
    assert_int_equal(kill(remote->peer, SIGTERM), 0);
    suite_wait(&waiting);
    suite_wait(&ticking);
    assert_int_equal(waiting.err.code, OW_UNAVAILABLE);
    assert_string_equal(waiting.err.reason, "stopping");
    assert_int_equal(ticking.err.code, OW_UNAVAILABLE);
    assert_string_equal(ticking.err.reason, "stopping");
    outcome_deinit(&ticking);
    int status;
    assert_int_equal(waitpid(remote->peer, &status, 0), remote->peer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    start_callee(r);
    echo_until_found(r);
}

static void a_draining_peer_ends_what_would_never_end(void **state) {
    rig_grpc *remote = *state;
    rig *r = &remote->rig;
    const Overworld__Probe__V1__WaitRequest wait = OVERWORLD__PROBE__V1__WAIT_REQUEST__INIT;
    const Overworld__Probe__V1__TickRequest tick = OVERWORLD__PROBE__V1__TICK_REQUEST__INIT;
    outcome waiting = {0};
    outcome ticking = {0};
    outcome late = {0};
    ow_err err = {0};
    ow_call *endless = suite_call(r);
    endless->deadline_us = OW_NO_DEADLINE;
    suite_begin(&ticking, r, "Tick", &tick, endless);
    while (ticking.messages == 0) {
        assert_int_equal(ow_loop_turn(r->loop, 10 * 1000, &err), OW_OK);
    }
    ow_call *short_one = suite_call(r);
    short_one->deadline_us = ow_loop_now_us(r->loop) + 500 * 1000;
    suite_begin(&waiting, r, "Wait", &wait, short_one);
    echo_until_found(r); // by then the other call has arrived too
    assert_int_equal(kill(remote->peer, SIGINT), 0);
    suite_wait(&ticking);
    assert_int_equal(ticking.err.code, OW_UNAVAILABLE);
    assert_string_equal(ticking.err.reason, "stopping");
    assert_int_equal(waiting.ends, 0);
    suite_run_call(&late, r, "Wait", &wait, suite_call(r));
    assert_int_equal(late.err.code, OW_UNAVAILABLE);
    assert_string_equal(late.err.reason, "stopping");
    suite_wait(&waiting);
    assert_int_equal(waiting.err.code, OW_DEADLINE_EXCEEDED);
    outcome_deinit(&ticking);
    int status;
    assert_int_equal(waitpid(remote->peer, &status, 0), remote->peer);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    start_callee(r);
    echo_until_found(r);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--peer") == 0) {
        return peer_main(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restarted_peer_is_found_again),
        cmocka_unit_test(a_killed_peer_fails_running_calls_at_once),
        cmocka_unit_test(a_stopping_peer_answers_running_calls),
        cmocka_unit_test(a_draining_peer_ends_what_would_never_end),
    };
    int failed = suite_run("grpc", open_rig, close_rig);
    return failed + cmocka_run_group_tests_name("grpc: peers", tests, open_rig, close_rig);
}
