#include "core/rpc/call.h"

#include "core/rpc/internal.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { ARENA_MAX = 16 << 20 };

static const ow_principal nobody = {.kind = OW_NOBODY};

static void on_timer(void *self);

static ow_call *call_alloc(ow_loop *loop, size_t arena_max) {
    ow_arena *arena = ow_arena_new(arena_max == 0 ? ARENA_MAX : arena_max);
    ow_call *call = arena == NULL ? NULL : ow_arena_calloc(arena, 1, sizeof *call);
    if (call == NULL) {
        ow_arena_free(arena);
        return NULL;
    }
    call->arena = arena;
    call->loop = loop;
    call->timer = (ow_timer){.on_due = on_timer, .self = call};
    return call;
}

static int64_t deadline_after(const ow_loop *loop, int64_t timeout_us) {
    int64_t deadline;
    if (__builtin_add_overflow(ow_loop_now_us(loop), timeout_us, &deadline)) {
        return OW_NO_DEADLINE;
    }
    return deadline;
}

static int64_t wall_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// A text as the call keeps it; "" for none. False: no memory.
static bool take_text(ow_call *call, const char *text, size_t room, const char **ret_text) {
    *ret_text = "";
    if (text != NULL && text[0] != '\0') {
        *ret_text = ow_arena_memdup_in(call->arena, text, strnlen(text, room - 1));
    }
    return *ret_text != NULL;
}

static bool take_origin(ow_call *call, const ow_call_options *options) {
    call->principal = &nobody;
    if (options->principal != NULL) {
        call->principal =
            ow_arena_memdup_in(call->arena, options->principal, sizeof *options->principal);
    }
    return call->principal != NULL &&
           take_text(call, options->client_address, OW_ADDRESS_MAX, &call->client_address) &&
           take_text(call, options->tracestate, OW_TRACESTATE_MAX, &call->tracestate);
}

ow_call *ow_call_new(ow_loop *loop, const ow_call_options *options) {
    ow_call *call = call_alloc(loop, options->arena_max);
    if (call == NULL) {
        return NULL;
    }
    if (!take_origin(call, options)) {
        return ow_call_free(call);
    }
    if (options->request_id != NULL) {
        memcpy(call->request_id, options->request_id, strnlen(options->request_id, OW_ID_MAX - 1));
    } else {
        ow_id_make(call->request_id, "", wall_now_us());
    }
    if (options->trace != NULL) {
        call->trace = *options->trace;
    } else {
        ow_trace_begin(&call->trace);
    }
    call->deadline_us = deadline_after(loop, options->timeout_us);
    call->from_outside = options->from_outside;
    return call;
}

ow_call *ow_call_child(ow_call *parent) {
    ow_call *call = call_alloc(parent->loop, 0);
    if (call == NULL) {
        return NULL;
    }
    call->principal = parent->principal;
    call->client_address = parent->client_address;
    call->tracestate = parent->tracestate;
    memcpy(call->request_id, parent->request_id, sizeof call->request_id);
    call->trace = parent->trace;
    trace_derive_span(&call->trace, ++parent->spans);
    call->deadline_us = parent->deadline_us;
    call->hops = parent->hops == UINT8_MAX ? UINT8_MAX : (uint8_t)(parent->hops + 1);
    call->parent = parent;
    call->next_sibling = parent->first_child;
    if (call->next_sibling != NULL) {
        call->next_sibling->prev_sibling = call;
    }
    parent->first_child = call;
    if (parent->cancelled) {
        call->cancelled = true;
        call->told = true;
        call->cancel_code = parent->cancel_code;
        call->cancel_reason = parent->cancel_reason;
        ow_call_fail_cancelled(call);
    }
    return call;
}

ow_call *ow_call_from_metadata(ow_loop *loop, const ow_call_metadata *metadata,
                               int64_t timeout_us) {
    ow_call_options options = {
        .principal = &metadata->principal,
        .request_id = metadata->request_id,
        .client_address = metadata->client_address,
        .tracestate = metadata->tracestate,
        .trace = &metadata->trace,
        .timeout_us = timeout_us,
        .arena_max = 3 * OW_CALL_MESSAGE_MAX, // the request, the reply, and the work between
        .from_outside = metadata->from_outside,
    };
    ow_call *call = ow_call_new(loop, &options);
    if (call != NULL) {
        call->hops = metadata->hops;
    }
    return call;
}

static void leave_tree(ow_call *call) {
    if (call->prev_sibling != NULL) {
        call->prev_sibling->next_sibling = call->next_sibling;
    } else if (call->parent != NULL) {
        call->parent->first_child = call->next_sibling;
    }
    if (call->next_sibling != NULL) {
        call->next_sibling->prev_sibling = call->prev_sibling;
    }
}

ow_call *ow_call_free(ow_call *call) {
    if (call == NULL) {
        return NULL;
    }
    assert(call->first_child == NULL);
    leave_tree(call);
    ow_loop_timer_cancel(call->loop, &call->timer);
    if (call->cancelling) {
        call->freed = true; // ow_call_cancel_for is still looking at it
    } else {
        ow_arena_free(call->arena);
    }
    return NULL;
}

int64_t ow_call_left_us(const ow_call *call) {
    if (call->deadline_us == OW_NO_DEADLINE) {
        return OW_NO_DEADLINE;
    }
    int64_t left = call->deadline_us - ow_loop_now_us(call->loop);
    return left > 0 ? left : 0;
}

// ---- Cancellation ----

void ow_call_fail_cancelled(ow_call *call) {
    const char *what = "the call was ended early";
    if (call->cancel_code == OW_DEADLINE_EXCEEDED) {
        what = "the time for the call is over";
    } else if (call->cancel_code == OW_CANCELLED) {
        what = "the caller has gone";
    } else if (call->cancel_code == OW_UNAVAILABLE) {
        what = "the service cannot be reached now";
    }
    ow_fail(&call->err, call->cancel_code, call->cancel_reason, "%s", what);
}

static void mark_cancelled(ow_call *call, ow_code code, const char *reason) {
    if (call->cancelled) {
        return;
    }
    call->cancelled = true;
    call->cancel_code = code;
    call->cancel_reason = reason;
    ow_call_fail_cancelled(call);
    for (ow_call *child = call->first_child; child != NULL; child = child->next_sibling) {
        mark_cancelled(child, code, reason);
    }
}

// Sub-calls first: their ends are what the steps above wait for.
static ow_call *next_untold(ow_call *call) {
    for (ow_call *child = call->first_child; child != NULL; child = child->next_sibling) {
        ow_call *found = next_untold(child);
        if (found != NULL) {
            return found;
        }
    }
    return call->told ? NULL : call;
}

static void tell(ow_call *call) {
    call->told = true;
    if (call->held > 0) {
        call->put_off = true;
        return;
    }
    void (*on_cancel)(ow_call *, void *) = call->on_cancel;
    call->on_cancel = NULL;
    if (on_cancel != NULL) {
        on_cancel(call, call->on_cancel_self);
    }
}

void ow_call_cancel_for(ow_call *call, ow_code code, const char *reason) {
    if (call->cancelled) {
        return;
    }
    mark_cancelled(call, code, reason);
    // Whoever is told may end and free any call of the tree, this one included.
    call->cancelling = true;
    for (ow_call *next = next_untold(call); next != NULL;
         next = call->freed ? NULL : next_untold(call)) {
        tell(next);
    }
    call->cancelling = false;
    if (call->freed) {
        ow_arena_free(call->arena);
    }
}

void ow_call_cancel(ow_call *call, ow_code code) {
    ow_call_cancel_for(call, code, code == OW_DEADLINE_EXCEEDED ? "timeout" : "cancelled");
}

static void on_timer(void *self) {
    ow_call *call = self;
    if (call->put_off) {
        call->put_off = false;
        tell(call);
    } else {
        ow_call_cancel(call, OW_DEADLINE_EXCEEDED);
    }
}

void call_arm(ow_call *call) {
    if (call->deadline_us != OW_NO_DEADLINE && !call->cancelled && call->timer.index == 0) {
        // Without memory for the timer the call ends when its work does.
        (void)ow_loop_timer_set(call->loop, &call->timer, call->deadline_us);
    }
}

void call_disarm(ow_call *call) {
    call->put_off = false;
    ow_loop_timer_cancel(call->loop, &call->timer);
}

void call_hold(ow_call *call) {
    call->held++;
}

void call_release(ow_call *call) {
    call->held--;
    if (call->held == 0 && call->put_off) {
        (void)ow_loop_timer_set(call->loop, &call->timer, ow_loop_now_us(call->loop));
    }
}

bool ow_call_is_live(ow_call *call) {
    if (!call->cancelled && ow_call_left_us(call) == 0) {
        ow_call_cancel(call, OW_DEADLINE_EXCEEDED);
    }
    if (call->cancelled) {
        ow_call_fail_cancelled(call);
        return false;
    }
    return true;
}

// ---- protobuf-c ----

static void *arena_allocate(void *arena, size_t size) {
    return ow_arena_alloc(arena, size);
}

static void arena_keep(void *arena, void *memory) {
    (void)arena;
    (void)memory;
}

ProtobufCAllocator *ow_arena_protobuf(ow_arena *arena, ProtobufCAllocator *storage) {
    *storage = (ProtobufCAllocator){
        .alloc = arena_allocate,
        .free = arena_keep,
        .allocator_data = arena,
    };
    return storage;
}
