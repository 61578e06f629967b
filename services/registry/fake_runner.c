#include "services/registry/fake_runner.h"

#include "core/testing/ow_test.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stdio.h>
#include <string.h>

typedef Overworld__Runner__V1__BuildRequest build_request;
typedef Overworld__Runner__V1__BuildResponse build_response;
typedef Overworld__Runner__V1__GetRunnerStatusResponse status_response;
typedef Overworld__Runner__V1__RuntimeStatus runtime_status;
typedef Overworld__Registry__V1__Diagnostic diagnostic;

static ow_code invoke(ow_run *run) {
    return ow_fail(run->err, OW_UNIMPLEMENTED, "fake", "the fake runner runs nothing");
}

static void send_code(ow_run *run, const char *code) {
    build_response message = OVERWORLD__RUNNER__V1__BUILD_RESPONSE__INIT;
    message.ok = true;
    message.code_size = (int64_t)strlen(code);
    assert_int_equal(ow_run_send(run, &message.base), OW_OK);
    for (const char *at = code; *at != 0; at++) {
        build_response piece = OVERWORLD__RUNNER__V1__BUILD_RESPONSE__INIT;
        piece.code_chunk = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t)at};
        assert_int_equal(ow_run_send(run, &piece.base), OW_OK);
    }
}

static void send_failure(ow_run *run) {
    diagnostic d = OVERWORLD__REGISTRY__V1__DIAGNOSTIC__INIT;
    d.file = (char *)(uintptr_t) "main.c";
    d.line = 7;
    d.severity = (char *)(uintptr_t) "error";
    d.message = (char *)(uintptr_t) "expected ';'";
    diagnostic *list[] = {&d};
    build_response message = OVERWORLD__RUNNER__V1__BUILD_RESPONSE__INIT;
    message.diagnostics = list;
    message.n_diagnostics = 1;
    assert_int_equal(ow_run_send(run, &message.base), OW_OK);
}

static ow_code build(ow_run *run) {
    fake_runner *f = run->self;
    const build_request *request = run->request;
    f->builds++;
    snprintf(f->last_entries, sizeof f->last_entries, "%s", request->entry_check);
    snprintf(f->last_bundle, sizeof f->last_bundle, "%s", request->bundle_sha256);
    if (f->code != NULL) {
        send_code(run, f->code);
    } else {
        send_failure(run);
    }
    ow_run_finish(run, OW_OK);
    return OW_PENDING;
}

static ow_code status(ow_run *run) {
    fake_runner *f = run->self;
    status_response *reply = run->reply;
    runtime_status *c = ow_arena_alloc(run->call->arena, sizeof *c);
    reply->runtimes = ow_arena_alloc(run->call->arena, sizeof *reply->runtimes);
    overworld__runner__v1__runtime_status__init(c);
    c->name = (char *)(uintptr_t) "c";
    c->ready = true;
    c->toolchain = (char *)(uintptr_t)f->toolchain;
    reply->runtimes[0] = c;
    reply->n_runtimes = 1;
    return OW_OK;
}

static const ow_method methods[] = {
    {"Invoke", 0, {{OW_LOOP, invoke}}},
    {"Build", 0, {{OW_LOOP, build}}},
    {"GetRunnerStatus", 0, {{OW_LOOP, status}}},
    {0},
};

void fake_runner_offer(fake_runner *f, ow_directory *directory, const ow_api *api, ow_loop *loop) {
    ow_err err;
    ow_service_options options = {
        .descriptor = &overworld__runner__v1__runner__descriptor,
        .methods = methods,
        .api = api,
        .self = f,
        .loop = loop,
        .is_stand_in = true,
    };
    ow_directory_expect_here(directory, options.descriptor);
    assert_int_equal(ow_service_new(&options, &f->service, &err), OW_OK);
    assert_int_equal(ow_directory_offer(directory, f->service, &err), OW_OK);
}

void fake_runner_withdraw(fake_runner *f, ow_directory *directory) {
    ow_directory_withdraw(directory, f->service);
    f->service = ow_service_free(f->service);
}
