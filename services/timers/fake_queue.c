#include "services/timers/fake_queue.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static fake_execution *find(fake_queue *f, const char *key) {
    for (int i = 0; i < f->count; i++) {
        if (strcmp(f->executions[i].key, key) == 0) {
            return &f->executions[i];
        }
    }
    return NULL;
}

static fake_execution *take(fake_queue *f, const ow_call *call, const new_execution *e) {
    assert_true(f->count < FAKE_EXECUTIONS_MAX);
    fake_execution *x = &f->executions[f->count++];
    snprintf(x->id, sizeof x->id, "exe_%d", f->count);
    snprintf(x->key, sizeof x->key, "%s", e->deduplication_key);
    snprintf(x->function, sizeof x->function, "%s", e->function);
    snprintf(x->qualifier, sizeof x->qualifier, "%s", e->qualifier);
    snprintf(x->source, sizeof x->source, "%s", e->source);
    snprintf(x->ordering, sizeof x->ordering, "%s", e->ordering_key);
    snprintf(x->payload, sizeof x->payload, "%.*s", (int)e->payload.len,
             (const char *)e->payload.data);
    snprintf(x->title, sizeof x->title, "%s", call->principal->title);
    snprintf(x->request_id, sizeof x->request_id, "%s", call->request_id);
    x->due_us = us_of_time(e->due);
    x->state = f->state;
    return x;
}

static ow_code enqueue(ow_run *run) {
    fake_queue *f = run->self;
    const enqueue_request *request = run->request;
    enqueue_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    f->calls++;
    if (f->fails != OW_OK) {
        return ow_fail(run->err, f->fails, "not_now", "the queue does not want it");
    }
    assert_int_equal(request->n_executions, 1);
    const new_execution *e = request->executions[0];
    const fake_execution *x = find(f, e->deduplication_key);
    Overworld__Events__V1__Enqueued *answer = ow_arena_alloc(arena, sizeof *answer);
    overworld__events__v1__enqueued__init(answer);
    answer->duplicate = x != NULL;
    f->repeats += x != NULL ? 1 : 0;
    x = x != NULL ? x : take(f, run->call, e);
    answer->execution_id = ow_arena_strdup_in(arena, x->id);
    reply->executions = ow_arena_alloc(arena, sizeof *reply->executions);
    reply->executions[0] = answer;
    reply->n_executions = 1;
    return f->loses_answers ? ow_fail(run->err, OW_UNAVAILABLE, "lost", "the answer was lost")
                            : OW_OK;
}

static ow_code get_execution(ow_run *run) {
    fake_queue *f = run->self;
    const get_execution_request *request = run->request;
    execution_msg *reply = run->reply;
    for (int i = 0; i < f->count; i++) {
        if (strcmp(f->executions[i].id, request->execution_id) == 0) {
            reply->state = (char *)(uintptr_t)f->executions[i].state;
            return OW_OK;
        }
    }
    return ow_fail(run->err, OW_NOT_FOUND, "no_execution", "there is none");
}

static const ow_method methods[] = {
    {"Enqueue", 0, {{OW_LOOP, enqueue}}},
    {"GetExecution", 0, {{OW_LOOP, get_execution}}},
    {0},
};

void fake_queue_make(fake_queue *f, const ow_api *api, ow_loop *loop) {
    ow_err err;
    ow_service_options options = {
        .descriptor = &overworld__events__v1__queue__descriptor,
        .methods = methods,
        .api = api,
        .self = f,
        .loop = loop,
        .is_stand_in = true,
    };
    f->loop = loop;
    f->state = "done";
    assert_int_equal(ow_service_new(&options, &f->service, &err), OW_OK);
}

void fake_queue_offer(fake_queue *f, ow_directory *directory, const ow_api *api, ow_loop *loop) {
    ow_err err;
    ow_directory_expect_here(directory, &overworld__events__v1__queue__descriptor);
    fake_queue_make(f, api, loop);
    assert_int_equal(ow_directory_offer(directory, f->service, &err), OW_OK);
}

void fake_queue_withdraw(fake_queue *f, ow_directory *directory) {
    ow_directory_withdraw(directory, f->service);
    f->service = ow_service_free(f->service);
}
