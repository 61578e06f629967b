// The methods of Hands: functions run by people, and the payloads that are kept for it.

#include "services/events/internal.h"
#include "services/events/test_events_store.h"

#include "core/audit/audit.h"
#include "overworld/identity/v1/identity.pb-c.h"

#include <stdio.h>
#include <string.h>

typedef Overworld__Identity__V1__FindPlayerRequest find_player_request;
typedef Overworld__Identity__V1__Player player_msg;

enum { NAME_MAX_SIZE = 60, BY_HAND_PAYLOAD_MAX = 6 << 20 };

typedef struct by_hand {
    int64_t now_us;
    test_event_place place;
    test_event_msg *event;  // whose payload is taken; NULL: the request's
    ow_principal principal; // it runs for
    invoke_request request;
    ow_run *run;
} by_hand;

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static bool is_name(const char *text) {
    size_t size = strlen(text);
    return size > 0 && size <= NAME_MAX_SIZE;
}

static ow_code begin(ow_run *run, const char *virtual_server, const char *function) {
    events *e = run->self;
    by_hand *h = run->state;
    const ow_principal *principal = run->call->principal;
    h->now_us = ow_clock_wall_us(e->env->clock);
    h->run = run;
    h->place = (test_event_place){principal->title, virtual_server, function, principal->id};
    if (principal->title[0] == '\0') {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                       "name a title in Overworld-Title");
    }
    return is_name(virtual_server) && is_name(function)
               ? OW_OK
               : ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                         "virtual_server and function have 1 to %d characters", NAME_MAX_SIZE);
}

static ow_code audit(ow_run *run, const char *action, const char *after) {
    const by_hand *h = run->state;
    char object[2 * NAME_MAX_SIZE + 2];
    snprintf(object, sizeof object, "%.60s/%.60s", h->place.virtual_server, h->place.function);
    ow_audit_entry entry = ow_audit_of_call(run->call, h->now_us);
    entry.action = action;
    entry.object = object;
    entry.before = "";
    entry.after = after;
    return ow_audit_append(run->db, &entry, run->err);
}

// ---- InvokeByHand ----

static void on_player(const player_msg *player, void *closure_data) {
    ow_call *call = closure_data;
    ow_run *run = call->user;
    ow_code code = player != NULL ? OW_OK : call->err.code;
    if (player == NULL) {
        *run->err = call->err;
    }
    ow_call_free(call);
    ow_run_resume(run, code);
}

// What runs for a player is trusted to run for one who is there: keys are kept for whoever calls.
static ow_code ask_for_player(ow_run *run, const char *player_id) {
    const events *e = run->self;
    ow_call *call = ow_call_child(run->call);
    find_player_request *request =
        call != NULL ? ow_arena_alloc(call->arena, sizeof *request) : NULL;
    if (request == NULL) {
        ow_call_free(call);
        return ow_fail(run->err, OW_UNAVAILABLE, "overloaded", "no memory for a call");
    }
    overworld__identity__v1__find_player_request__init(request);
    request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_PLAYER_ID;
    request->player_id = borrow(player_id);
    call->user = run;
    overworld__identity__v1__identity__find_player(e->identity, request, on_player, call);
    return OW_PENDING;
}

static ow_code by_hand_begin(ow_run *run) {
    const by_hand_request *request = run->request;
    by_hand *h = run->state;
    ow_code code = begin(run, request->virtual_server, request->function);
    h->principal = *run->call->principal;
    if (code != OW_OK || request->as_player[0] == '\0') {
        return code;
    }
    if (!ow_id_is(request->as_player, "plr_")) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid", "as_player is a player's id");
    }
    h->principal = (ow_principal){.kind = OW_PLAYER};
    snprintf(h->principal.id, sizeof h->principal.id, "%s", request->as_player);
    snprintf(h->principal.title, sizeof h->principal.title, "%s", h->place.title_id);
    return ask_for_player(run, request->as_player);
}

// Noted before it runs: what a person did is known, whatever comes of it.
static ow_code by_hand_note(ow_run *run) {
    const by_hand_request *request = run->request;
    by_hand *h = run->state;
    ow_arena *arena = run->call->arena;
    ow_code code = OW_OK;
    if (request->test_event[0] != '\0') {
        code = test_event_find(run->db, &h->place, request->test_event, arena, &h->event, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    size_t size = h->event != NULL ? h->event->payload.len : request->payload.len;
    return audit(run, "function.invoke",
                 ow_audit_state_in(arena, "ttti", "qualifier", request->qualifier, "as_player",
                                   request->as_player, "test_event", request->test_event,
                                   "payload_size", (int64_t)size));
}

static char *copy(ow_run *run, const char *text) {
    char *made = ow_arena_strdup_in(run->call->arena, text);
    return made != NULL ? made : borrow("");
}

static void fill(ow_run *run, const invoke_response *from) {
    by_hand_response *reply = run->reply;
    reply->reason = copy(run, from->reason);
    reply->message = copy(run, from->message);
    reply->refusal_code = copy(run, from->refusal_code);
    reply->details_json = copy(run, from->details_json);
    reply->stack = copy(run, from->stack);
    reply->content_type = copy(run, from->content_type);
    reply->invocation_id = copy(run, from->invocation_id);
    reply->request_id = run->call->request_id;
    reply->version = from->version;
    reply->instance_us = from->instance_us;
    reply->payload.data =
        ow_arena_memdup_in(run->call->arena, from->payload.data, from->payload.len);
    reply->payload.len = reply->payload.data != NULL ? from->payload.len : 0;
}

static void on_invoked(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    by_hand *h = call->user;
    ow_run *run = h->run;
    ow_code code = OW_OK;
    if (reply != NULL) {
        fill(run, reply);
    } else {
        *run->err = call->err;
        code = call->err.code;
    }
    ow_call_free(call);
    ow_run_resume(run, code);
}

static ow_code by_hand_invoke(ow_run *run) {
    events *e = run->self;
    const by_hand_request *request = run->request;
    by_hand *h = run->state;
    if (request->payload.len > BY_HAND_PAYLOAD_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "payload_too_large",
                       "a payload has at most 6 MB");
    }
    ow_call *call = ow_call_child(run->call);
    if (call == NULL) {
        return ow_fail(run->err, OW_UNAVAILABLE, "overloaded", "no memory for a call");
    }
    call->principal = &h->principal;
    call->user = h;
    overworld__runner__v1__invoke_request__init(&h->request);
    h->request.virtual_server = request->virtual_server;
    h->request.function = request->function;
    h->request.qualifier = request->qualifier[0] != '\0' ? request->qualifier : borrow("$DEFAULT");
    h->request.source = borrow("manual");
    h->request.payload = h->event != NULL ? h->event->payload : request->payload;
    const char *type = h->event != NULL ? h->event->content_type : request->content_type;
    h->request.content_type = borrow(type[0] != '\0' ? type : "application/json");
    overworld__runner__v1__runner__invoke(e->runner, &h->request, on_invoked, call);
    return OW_PENDING;
}

// ---- Test events ----

static ow_code test_event_save_begin(ow_run *run) {
    const save_test_event_request *request = run->request;
    by_hand *h = run->state;
    const test_event_msg *event = request->event;
    if (event == NULL || !is_name(event->name)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid",
                       "a test event has a name of 1 to %d characters", NAME_MAX_SIZE);
    }
    if (event->payload.len > PAYLOAD_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "payload_too_large",
                       "a test event has at most %d KB", PAYLOAD_MAX >> 10);
    }
    ow_code code = begin(run, event->virtual_server, event->function);
    h->place.owner = event->shared ? "" : h->place.owner;
    return code;
}

static const char *event_text(ow_run *run, const char *name, bool shared, size_t size) {
    return ow_audit_state_in(run->call->arena, "tbi", "name", name, "shared", (int)shared,
                             "payload_size", (int64_t)size);
}

static ow_code test_event_save_store(ow_run *run) {
    const save_test_event_request *request = run->request;
    const by_hand *h = run->state;
    const test_event_msg *event = request->event;
    ow_code code = test_event_save(run->db, &h->place, event, h->now_us, run->err);
    return code == OW_OK ? audit(run, "test_event.save",
                                 event_text(run, event->name, event->shared, event->payload.len))
                         : code;
}

static ow_code test_events_list_begin(ow_run *run) {
    const list_test_events_request *request = run->request;
    return begin(run, request->virtual_server, request->function);
}

static ow_code test_events_list_read(ow_run *run) {
    const by_hand *h = run->state;
    list_test_events_response *reply = run->reply;
    return test_events_list(run->db, &h->place, run->call->arena, &reply->events, &reply->n_events,
                            run->err);
}

static ow_code test_event_delete_begin(ow_run *run) {
    const delete_test_event_request *request = run->request;
    by_hand *h = run->state;
    ow_code code = begin(run, request->virtual_server, request->function);
    h->place.owner = request->shared ? "" : h->place.owner;
    return code;
}

static ow_code test_event_delete_store(ow_run *run) {
    const delete_test_event_request *request = run->request;
    const by_hand *h = run->state;
    ow_code code = test_event_delete(run->db, &h->place, request->name, run->err);
    return code == OW_OK
               ? audit(run, "test_event.delete", event_text(run, request->name, request->shared, 0))
               : code;
}

const ow_method hands_methods[] = {
    {"InvokeByHand",
     sizeof(by_hand),
     {{OW_LOOP, by_hand_begin}, {OW_WRITE, by_hand_note}, {OW_LOOP, by_hand_invoke}}},
    {"SaveTestEvent",
     sizeof(by_hand),
     {{OW_LOOP, test_event_save_begin}, {OW_WRITE, test_event_save_store}}},
    {"ListTestEvents",
     sizeof(by_hand),
     {{OW_LOOP, test_events_list_begin}, {OW_READ, test_events_list_read}}},
    {"DeleteTestEvent",
     sizeof(by_hand),
     {{OW_LOOP, test_event_delete_begin}, {OW_WRITE, test_event_delete_store}}},
    {0},
};
