#include "tests/conformance/rpc/probe.h"

#include "core/db_sqlite/db_sqlite.h"
#include "tests/conformance/rpc/descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Overworld__Probe__V1__EchoRequest echo_request;
typedef Overworld__Probe__V1__EchoReply echo_reply;
typedef Overworld__Probe__V1__FailRequest fail_request;
typedef Overworld__Probe__V1__LookReply look_reply;
typedef Overworld__Probe__V1__DescendRequest descend_request;
typedef Overworld__Probe__V1__DescendReply descend_reply;
typedef Overworld__Probe__V1__CountRequest count_request;
typedef Overworld__Probe__V1__CountReply count_reply;
typedef Overworld__Probe__V1__SeenReply seen_reply;
typedef Overworld__Probe__V1__StepsRequest steps_request;
typedef Overworld__Probe__V1__StepsReply steps_reply;

static ow_code arena_full(ow_run *run) {
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "call_too_large", "the reply does not fit");
}

static ow_code echo(ow_run *run) {
    const echo_request *request = run->request;
    echo_reply *reply = run->reply;
    reply->text = ow_arena_strdup_in(run->call->arena, request->text);
    reply->data.len = request->data.len;
    reply->data.data = ow_arena_memdup_in(run->call->arena, request->data.data, request->data.len);
    return reply->text != NULL && reply->data.data != NULL ? OW_OK : arena_full(run);
}

static ow_code fail(ow_run *run) {
    const fail_request *request = run->request;
    return ow_fail(run->err, (ow_code)request->code, request->reason, "%s", request->message);
}

static ow_code look(ow_run *run) {
    look_reply *reply = run->reply;
    ow_call *call = run->call;
    char text[OW_TRACEPARENT_MAX];
    ow_trace_format(text, &call->trace);
    reply->kind = (int32_t)call->principal->kind;
    reply->role = (int32_t)call->principal->role;
    reply->id = (char *)call->principal->id;
    reply->title = (char *)call->principal->title;
    reply->every_title = call->principal->every_title;
    reply->client_address = (char *)call->client_address;
    reply->request_id = call->request_id;
    reply->traceparent = ow_arena_strdup_in(call->arena, text);
    reply->hops = call->hops;
    reply->from_outside = call->from_outside;
    reply->left_us = ow_call_left_us(call);
    return OW_OK;
}

static void on_cancel(ow_call *call, void *self) {
    ow_run *run = self;
    probe *p = run->self;
    (void)call;
    p->cancelled++;
    // Whatever it says, the caller is told of the cancellation.
    ow_run_resume(run, ow_fail(run->err, OW_ABORTED, "gave_up", "cancelled"));
}

static ow_code await_cancel(ow_run *run) {
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = run;
    return OW_PENDING;
}

// ---- Sub-calls ----

static void on_descended(const descend_reply *reply, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    descend_reply *own = run->reply;
    ow_code code = sub->err.code;
    if (reply != NULL) {
        own->hops = reply->hops;
        own->trace_id = ow_arena_strdup_in(run->call->arena, reply->trace_id);
    } else {
        *run->err = sub->err;
    }
    ow_call_free(sub);
    ow_run_resume(run, code);
}

static ow_code descend(ow_run *run) {
    const descend_request *request = run->request;
    probe *p = run->self;
    if (request->more == 0 && request->wait) {
        return await_cancel(run);
    }
    if (request->more == 0) {
        descend_reply *reply = run->reply;
        char text[OW_TRACEPARENT_MAX];
        ow_trace_format(text, &run->call->trace);
        reply->hops = run->call->hops;
        reply->trace_id = ow_arena_printf_in(run->call->arena, "%.32s", text + 3);
        return OW_OK;
    }
    ow_call *sub = ow_call_child(run->call);
    descend_request *deeper = run->state;
    overworld__probe__v1__descend_request__init(deeper);
    deeper->more = request->more - 1;
    deeper->wait = request->wait;
    sub->user = run;
    overworld__probe__v1__probe__descend(p->front, deeper, on_descended, sub);
    return OW_PENDING;
}

// ---- Streams ----

static ow_code count(ow_run *run) {
    const count_request *request = run->request;
    probe *p = run->self;
    count_reply message;
    overworld__probe__v1__count_reply__init(&message);
    message.data.len = (size_t)request->size;
    message.data.data = ow_arena_calloc(run->call->arena, 1, message.data.len);
    for (int i = 1; i <= request->count; i++) {
        message.number = i;
        ow_code code = ow_run_send(run, &message.base);
        if (code != OW_OK) {
            p->refused_sends++;
            return code;
        }
    }
    return request->fail_code == 0 ? OW_OK
                                   : ow_fail(run->err, (ow_code)request->fail_code, "counted_out",
                                             "after %d", request->count);
}

typedef struct ticker {
    ow_run *run;
    ow_timer timer;
    int number;
} ticker;

static void tick_again(ticker *t) {
    ow_loop *loop = t->run->call->loop;
    (void)ow_loop_timer_set(loop, &t->timer, ow_loop_now_us(loop) + 1000);
}

static void on_tick(void *self) {
    ticker *t = self;
    count_reply message;
    overworld__probe__v1__count_reply__init(&message);
    message.number = ++t->number;
    if (ow_run_send(t->run, &message.base) == OW_OK) {
        tick_again(t);
    }
}

static void on_tick_cancel(ow_call *call, void *self) {
    ticker *t = self;
    probe *p = t->run->self;
    p->cancelled++;
    ow_loop_timer_cancel(call->loop, &t->timer);
    ow_run_finish(t->run, OW_OK);
}

static ow_code tick(ow_run *run) {
    ticker *t = run->state;
    t->run = run;
    t->timer = (ow_timer){.on_due = on_tick, .self = t};
    run->call->on_cancel = on_tick_cancel;
    run->call->on_cancel_self = t;
    tick_again(t);
    return OW_PENDING;
}

static ow_code seen(ow_run *run) {
    probe *p = run->self;
    seen_reply *reply = run->reply;
    reply->cancelled = p->cancelled;
    reply->running = (int32_t)ow_service_running(p->service) - 1;
    reply->refused_sends = p->refused_sends;
    return OW_OK;
}

// ---- Steps in other threads ----

// Appends to the reply and adds to the state, so that a step run twice without care would show.
static ow_code note(ow_run *run, const char *name) {
    const steps_request *request = run->request;
    steps_reply *reply = run->reply;
    int64_t *times = run->state;
    char **names = ow_arena_calloc(run->call->arena, reply->n_threads + 1, sizeof *names);
    for (size_t i = 0; i < reply->n_threads; i++) {
        names[i] = reply->threads[i];
    }
    ++*times;
    names[reply->n_threads++] =
        ow_arena_printf_in(run->call->arena, "%s%lld", name, (long long)*times);
    reply->threads = names;
    return strcmp(request->fail_in, name) == 0
               ? ow_fail(run->err, OW_ABORTED, "as_asked", "failed in %s", name)
               : OW_OK;
}

static ow_code steps_loop(ow_run *run) {
    return note(run, "loop");
}

static ow_code steps_pool(ow_run *run) {
    return note(run, "pool");
}

static ow_code steps_write(ow_run *run) {
    const steps_request *request = run->request;
    ow_code code = ow_db_exec(run->db, NULL, run->err,
                              "INSERT INTO totals (name, total) VALUES ($1, $2) ON CONFLICT (name) "
                              "DO UPDATE SET total = totals.total + excluded.total",
                              "ti", request->key, (int64_t)request->add);
    return code == OW_OK ? note(run, "write") : code;
}

static ow_code steps_read(ow_run *run) {
    const steps_request *request = run->request;
    steps_reply *reply = run->reply;
    ow_rows *rows;
    bool found;
    ow_code code = ow_db_query(run->db, &rows, run->err, "SELECT total FROM totals WHERE name = $1",
                               "t", request->key);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, run->err);
    }
    if (code == OW_OK && found) {
        reply->total = ow_rows_int(rows, 0);
    }
    return code == OW_OK ? note(run, "read") : code;
}

static const ow_method methods[] = {
    {"Echo", 0, {{OW_LOOP, echo}}},
    {"ForAnybody", 0, {{OW_LOOP, echo}}},
    {"ForPlayersAndServers", 0, {{OW_LOOP, echo}}},
    {"ForDevelopers", 0, {{OW_LOOP, echo}}},
    {"ForServicesAndAdmins", 0, {{OW_LOOP, echo}}},
    {"Fail", 0, {{OW_LOOP, fail}}},
    {"Look", 0, {{OW_LOOP, look}}},
    {"Wait", 0, {{OW_LOOP, await_cancel}}},
    {"Descend", sizeof(descend_request), {{OW_LOOP, descend}}},
    {"Count", 0, {{OW_LOOP, count}}},
    {"Tick", sizeof(ticker), {{OW_LOOP, tick}}},
    {"Seen", 0, {{OW_LOOP, seen}}},
    {"Steps",
     sizeof(int64_t),
     {{OW_LOOP, steps_loop},
      {OW_POOL, steps_pool},
      {OW_WRITE, steps_write},
      {OW_READ, steps_read},
      {OW_LOOP, steps_loop}}},
    {0},
};

static const ow_db_migration migrations[] = {
    {1, "CREATE TABLE totals (name TEXT PRIMARY KEY, total BIGINT NOT NULL)"},
    {0},
};

static void must(ow_code code, const ow_err *err) {
    if (code != OW_OK) {
        fprintf(stderr, "%s: %s\n", err->reason, err->message);
        abort();
    }
}

static void on_fatal(void *self, const ow_err *why) {
    (void)self;
    must(why->code, why);
}

void probe_open(probe *p, ow_channel_kind kind, const char *folder) {
    ow_err err = {0};
    *p = (probe){0};
    must(ow_loop_new(&p->loop, &err), &err);
    must(ow_api_open(ow_descriptors, ow_descriptors_size, &p->api, &err), &err);
    must(ow_pool_new(2, 16, &p->pool, &err), &err);
    ow_db_options store = {
        .name = "probe",
        .folder = folder,
        .migrations = migrations,
        .loop = p->loop,
        .readers = 1,
        .rerun_writes = true,
        .on_fatal = on_fatal,
    };
    must(ow_db_sqlite_open(&store, &p->db, &err), &err);
    ow_directory_options options = {
        .loop = p->loop,
        .local_kind = kind,
        .seed = 4711,
        .api = p->api,
    };
    must(ow_directory_new(&options, &p->directory, &err), &err);
    ow_service_options service = {
        .descriptor = &overworld__probe__v1__probe__descriptor,
        .methods = methods,
        .api = p->api,
        .self = p,
        .loop = p->loop,
        .db = p->db,
        .pool = p->pool,
    };
    must(ow_service_new(&service, &p->service, &err), &err);
    must(ow_directory_offer(p->directory, p->service, &err), &err);
    p->front = ow_directory_get(p->directory, service.descriptor);
}

void probe_close(probe *p) {
    ow_directory_free(p->directory);
    ow_service_free(p->service);
    ow_db_close(p->db);
    ow_pool_free(p->pool);
    ow_api_free(p->api);
    ow_loop_free(p->loop);
}
