#include "core/rpc/service.h"

#include "core/rpc/internal.h"
#include "core/rpc/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct slot {
    const ow_method *method;
    const ow_api_method *rule;
    const ProtobufCMessageDescriptor *output;
    uint64_t calls, failed;
} slot;

typedef struct service {
    ProtobufCService base; // first: the generated stubs know only this
    ow_service_options options;
    size_t running;
    slot slots[]; // one for each method of the descriptor, in its order
} service;

// One call on its way through the steps. In the call's arena.
typedef struct run {
    ow_run pub; // first
    service *service;
    slot *slot;
    ProtobufCClosure closure;
    int next_step;
    bool in_loop_step;
    bool pending; // a loop step has returned OW_PENDING
    bool resumed; // ... or will, but was resumed before it could
    ow_code resumed_code;
    void *saved; // of a write step: state and reply as they were at its start
    ow_err *pool_err;
    ow_code pool_code;
    union {
        ow_db_job db;
        ow_pool_job pool;
    } job;
} run;

static void advance(run *r);

static const ow_step *current_step(const run *r) {
    return &r->slot->method->steps[r->next_step - 1];
}

// ---- The end ----

static void finish(run *r, ow_code code) {
    ow_call *call = r->pub.call;
    call->on_cancel = NULL;
    call_disarm(call);
    if (call->cancelled) {
        ow_call_fail_cancelled(call);
        code = call->cancel_code;
    } else if (code == OW_OK) {
        call->err.code = OW_OK; // a step may have lived with an error
        call->err.reason[0] = call->err.message[0] = '\0';
    } else if (call->err.code != code) {
        ow_fail(&call->err, code, "unspecified", "%s failed", r->slot->rule->path);
    }
    r->service->running--;
    r->slot->failed += code != OW_OK;
    r->closure(code == OW_OK ? r->pub.reply : NULL, call);
}

// ---- Steps in other threads ----

static size_t saved_size(const run *r) {
    return r->slot->method->state_size +
           (r->pub.reply != NULL ? r->slot->output->sizeof_message : 0);
}

static void copy_out(run *r) {
    size_t state_size = r->slot->method->state_size;
    memcpy(r->saved, r->pub.state, state_size);
    if (r->pub.reply != NULL) {
        memcpy((char *)r->saved + state_size, r->pub.reply, r->slot->output->sizeof_message);
    }
}

static void copy_back(run *r) {
    size_t state_size = r->slot->method->state_size;
    memcpy(r->pub.state, r->saved, state_size);
    if (r->pub.reply != NULL) {
        memcpy(r->pub.reply, (char *)r->saved + state_size, r->slot->output->sizeof_message);
    }
}

static ow_code run_in_thread(run *r, ow_err *err) {
    // The loop may cancel the call, and write its error, meanwhile.
    r->pub.err = err;
    err->code = OW_OK;
    ow_code code = current_step(r)->fn(&r->pub);
    if (code == OW_PENDING) {
        return ow_fail(err, OW_INTERNAL, "bad_step", "%s: only loop steps may be pending",
                       r->slot->rule->path);
    }
    if (code != OW_OK && err->code != code) {
        ow_fail(err, code, "unspecified", "%s failed", r->slot->rule->path);
    }
    return code;
}

static void thread_step_done(run *r, ow_code code, const ow_err *err) {
    r->pub.err = &r->pub.call->err;
    if (code == OW_OK) {
        advance(r);
        return;
    }
    if (err != NULL) {
        r->pub.call->err = *err;
    }
    finish(r, code);
}

static ow_code db_run(ow_db_conn *conn, void *self, ow_err *err) {
    run *r = self;
    if (r->saved != NULL) {
        copy_back(r);
    }
    r->pub.db = conn;
    ow_code code = run_in_thread(r, err);
    r->pub.db = NULL;
    return code;
}

static void db_done(void *self, ow_code code, const ow_err *err) {
    thread_step_done(self, code, err);
}

static void pool_work(void *self) {
    run *r = self;
    r->pool_code = run_in_thread(r, r->pool_err);
}

static void pool_done(void *self) {
    run *r = self;
    thread_step_done(r, r->pool_code, r->pool_err);
}

static ow_code arena_full(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "call_too_large",
                   "the call needs more memory than one call may have");
}

static ow_code start_db(run *r, ow_where where) {
    r->saved = NULL;
    if (where == OW_WRITE) {
        r->saved = ow_arena_alloc(r->pub.call->arena, saved_size(r));
        if (r->saved == NULL) {
            return arena_full(r->pub.err);
        }
        copy_out(r);
    }
    r->job.db = (ow_db_job){.run = db_run, .done = db_done, .self = r};
    (where == OW_WRITE ? ow_db_write : ow_db_read)(r->service->options.db, &r->job.db);
    return OW_OK;
}

static ow_code start_pool(run *r) {
    r->pool_err = ow_arena_calloc(r->pub.call->arena, 1, sizeof *r->pool_err);
    if (r->pool_err == NULL) {
        return arena_full(r->pub.err);
    }
    r->job.pool = (ow_pool_job){
        .work = pool_work,
        .done = pool_done,
        .self = r,
        .loop = r->service->options.loop,
    };
    return ow_pool_submit(r->service->options.pool, &r->job.pool, r->pub.err);
}

// ---- Steps on the loop ----

static ow_code run_on_loop(run *r, const ow_step *step) {
    ow_call *call = r->pub.call;
    r->resumed = false;
    r->in_loop_step = true;
    call_hold(call);
    ow_code code = step->fn(&r->pub);
    r->in_loop_step = false;
    if (code == OW_PENDING) {
        if (r->resumed) {
            code = r->resumed_code;
        } else {
            r->pending = true;
            call_arm(call);
        }
    }
    call_release(call);
    return code;
}

static void advance(run *r) {
    for (;;) {
        const ow_step *step = &r->slot->method->steps[r->next_step];
        if (r->next_step == OW_METHOD_STEPS_MAX || step->fn == NULL) {
            finish(r, OW_OK);
            return;
        }
        if (!ow_call_is_live(r->pub.call)) {
            finish(r, r->pub.call->cancel_code);
            return;
        }
        r->next_step++;
        ow_code code;
        if (step->where == OW_LOOP) {
            code = run_on_loop(r, step);
        } else {
            code = step->where == OW_POOL ? start_pool(r) : start_db(r, step->where);
            if (code == OW_OK) {
                return;
            }
        }
        if (code == OW_PENDING) {
            return;
        }
        if (code != OW_OK) {
            finish(r, code);
            return;
        }
    }
}

void ow_run_resume(ow_run *pub, ow_code code) {
    run *r = (run *)pub;
    assert(r->in_loop_step || r->pending);
    if (r->in_loop_step) {
        r->resumed = true;
        r->resumed_code = code;
        return;
    }
    r->pending = false;
    r->pub.call->on_cancel = NULL;
    if (code == OW_OK) {
        advance(r);
    } else {
        finish(r, code);
    }
}

ow_code ow_run_send(ow_run *pub, const ProtobufCMessage *message) {
    run *r = (run *)pub;
    ow_call *call = pub->call;
    assert(r->slot->rule->server_streaming);
    if (!call->cancelled) {
        call_hold(call);
        r->closure(message, call);
        call_release(call);
    }
    return call->cancelled ? call->cancel_code : OW_OK;
}

void ow_run_finish(ow_run *pub, ow_code code) {
    run *r = (run *)pub;
    r->next_step = OW_METHOD_STEPS_MAX;
    ow_run_resume(pub, code);
}

// ---- The beginning ----

static ow_code admit(service *s, slot *to, const ProtobufCMessage *request, ow_call *call,
                     run **ret_run) {
    if (!ow_call_is_live(call)) {
        return call->cancel_code;
    }
    if (call->hops > OW_CALL_MAX_HOPS) {
        return ow_fail(&call->err, OW_RESOURCE_EXHAUSTED, "too_deep",
                       "more than %d calls within each other", OW_CALL_MAX_HOPS);
    }
    ow_code code = ow_api_check(to->rule, call, &call->err);
    if (code != OW_OK) {
        return code;
    }
    run *r = ow_arena_calloc(call->arena, 1, sizeof *r);
    void *state = ow_arena_calloc(call->arena, 1, to->method->state_size);
    void *reply =
        to->rule->server_streaming ? NULL : ow_arena_alloc(call->arena, to->output->sizeof_message);
    if (r == NULL || state == NULL || (reply == NULL && !to->rule->server_streaming)) {
        return arena_full(&call->err);
    }
    if (reply != NULL) {
        protobuf_c_message_init(to->output, reply);
    }
    r->pub = (ow_run){
        .call = call,
        .self = s->options.self,
        .request = request,
        .reply = reply,
        .state = state,
        .err = &call->err,
    };
    r->service = s;
    r->slot = to;
    *ret_run = r;
    return OW_OK;
}

static void service_invoke(ProtobufCService *base, unsigned index, const ProtobufCMessage *request,
                           ProtobufCClosure closure, void *closure_data) {
    service *s = (service *)base;
    slot *to = &s->slots[index];
    ow_call *call = closure_data;
    run *r = NULL;
    to->calls++;
    if (admit(s, to, request, call, &r) != OW_OK) {
        to->failed++;
        closure(NULL, call);
        return;
    }
    r->closure = closure;
    s->running++;
    advance(r);
}

// ---- Making one ----

static const ow_method *find_method(const ow_method *methods, const char *name, int *ret_times) {
    const ow_method *found = NULL;
    *ret_times = 0;
    for (const ow_method *m = methods; m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            found = m;
            ++*ret_times;
        }
    }
    return found;
}

static ow_code bad_table(ow_err *err, const char *service, const char *method, const char *what) {
    return ow_fail(err, OW_INTERNAL, "bad_service", "%s.%s %s", service, method, what);
}

static ow_code check_steps(const ow_service_options *options, const ow_method *method,
                           ow_err *err) {
    const char *service = options->descriptor->name;
    if (method->steps[0].fn == NULL) {
        return bad_table(err, service, method->name, "has no steps");
    }
    for (int i = 0; i < OW_METHOD_STEPS_MAX && method->steps[i].fn != NULL; i++) {
        ow_where where = method->steps[i].where;
        if ((where == OW_READ || where == OW_WRITE) && options->db == NULL) {
            return bad_table(err, service, method->name, "needs a database");
        }
        if (where == OW_POOL && options->pool == NULL) {
            return bad_table(err, service, method->name, "needs a pool");
        }
    }
    return OW_OK;
}

static ow_code not_here(ow_run *run) {
    return ow_fail(run->err, OW_UNIMPLEMENTED, "not_here", "this stand-in has no such method");
}

static const ow_method absent = {"", 0, {{OW_LOOP, not_here}}};

static ow_code fill_slot(service *s, unsigned index, ow_err *err) {
    const ProtobufCServiceDescriptor *descriptor = s->options.descriptor;
    const ProtobufCMethodDescriptor *method = &descriptor->methods[index];
    slot *to = &s->slots[index];
    int times;
    to->method = find_method(s->options.methods, method->name, &times);
    to->rule = ow_api_find_named(s->options.api, descriptor->name, method->name);
    to->output = method->output;
    if (times == 0 && s->options.is_stand_in) {
        to->method = &absent;
        times = 1;
    }
    if (times != 1) {
        return bad_table(err, descriptor->name, method->name,
                         times == 0 ? "is missing in the table" : "is twice in the table");
    }
    if (to->rule == NULL) {
        return bad_table(err, descriptor->name, method->name, "is not in the descriptors");
    }
    return check_steps(&s->options, to->method, err);
}

static ow_code fill_slots(service *s, ow_err *err) {
    const ProtobufCServiceDescriptor *descriptor = s->options.descriptor;
    ow_code code = OW_OK;
    for (unsigned i = 0; code == OW_OK && i < descriptor->n_methods; i++) {
        code = fill_slot(s, i, err);
    }
    for (const ow_method *m = s->options.methods; code == OW_OK && m->name != NULL; m++) {
        if (protobuf_c_service_descriptor_get_method_by_name(descriptor, m->name) == NULL) {
            code = bad_table(err, descriptor->name, m->name, "is no method of the service");
        }
    }
    return code;
}

ow_code ow_service_new(const ow_service_options *options, ProtobufCService **ret_service,
                       ow_err *err) {
    size_t count = options->descriptor->n_methods;
    service *s = calloc(1, sizeof *s + count * sizeof s->slots[0]);
    if (s == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a service");
    }
    s->base = (ProtobufCService){.descriptor = options->descriptor, .invoke = service_invoke};
    s->options = *options;
    ow_code code = fill_slots(s, err);
    if (code != OW_OK) {
        free(s);
        return code;
    }
    *ret_service = &s->base;
    return OW_OK;
}

ProtobufCService *ow_service_free(ProtobufCService *base) {
    service *s = (service *)base;
    assert(s == NULL || s->running == 0);
    free(s);
    return NULL;
}

size_t ow_service_running(const ProtobufCService *base) {
    return ((const service *)base)->running;
}

void ow_service_stats(const ProtobufCService *base, size_t index, ow_method_stats *ret_stats) {
    const slot *from = &((const service *)base)->slots[index];
    *ret_stats = (ow_method_stats){
        .name = from->method->name,
        .calls = from->calls,
        .failed = from->failed,
    };
}
