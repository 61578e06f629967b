// The methods: validate, ask the hub, fill the reply. All of it on the loop.

#include "services/push/internal.h"

#include "core/clock/clock.h"
#include "core/json/check.h"
#include "core/timestamp/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_US 1000000
#define MILLISECOND 1000
#define MARGIN_US 200000 // of a poll before its caller's deadline

typedef struct poll_state {
    push *owner;
    ow_run *run;
    struct poll_state *next, *previous;
    hub_poller poller;
    ow_timer timer;
    bool waits;
} poll_state;

// ---- time ----

void push_expect(push *p) {
    int64_t now = ow_clock_mono_us(p->env->clock);
    int64_t next = hub_expire(p->hub, now);
    if (next != INT64_MAX && !p->stopping) {
        // The clock may be a test's: look again soon.
        int64_t wait = next - now < LOOK_US ? next - now : LOOK_US;
        ow_loop_timer_set(p->env->loop, &p->expiry, ow_loop_now_us(p->env->loop) + wait);
    }
}

static void expect_if_idle(push *p) {
    if (p->expiry.index == 0) {
        push_expect(p);
    }
}

// ---- Send, GetMessage ----

static bool is_topic(const char *text) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-";
    size_t size = strspn(text, allowed);
    return size > 0 && size <= TOPIC_MAX && text[size] == '\0';
}

static ow_code check_title(const ow_run *run) {
    return run->call->principal->title[0] != '\0'
               ? OW_OK
               : ow_fail(run->err, OW_INVALID_ARGUMENT, "no_title", "this needs a title");
}

static ow_code check_send(const ow_run *run) {
    const send_request *request = run->request;
    if (request->n_player_ids == 0 || request->n_player_ids > HUB_PLAYERS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_players",
                       "a message goes to 1 to %d players", HUB_PLAYERS_MAX);
    }
    for (size_t i = 0; i < request->n_player_ids; i++) {
        if (!ow_id_is(request->player_ids[i], PLAYER_PREFIX)) {
            return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_player",
                           "\"%.40s\" is no player's id", request->player_ids[i]);
        }
    }
    if (!is_topic(request->topic)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_topic",
                       "a topic has 1 to %d letters, digits and _ . : / -", TOPIC_MAX);
    }
    size_t size = strlen(request->payload_json);
    if (size > PAYLOAD_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "payload_too_large",
                       "a payload has at most %d bytes", PAYLOAD_MAX);
    }
    // It stands one level deep in what clients get.
    return ow_json_check(request->payload_json, size, OW_JSON_MAX_DEPTH - 1, run->err);
}

static ow_code send_message(ow_run *run) {
    push *p = run->self;
    const send_request *request = run->request;
    send_response *reply = run->reply;
    char *id = ow_arena_alloc(run->call->arena, OW_ID_MAX);
    hub_sent sent;
    ow_code code = check_title(run);
    code = code == OW_OK ? check_send(run) : code;
    if (code != OW_OK) {
        return code;
    }
    if (id == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a message");
    }
    ow_id_make(id, ID_PREFIX, ow_clock_wall_us(p->env->clock));
    hub_new_message made = {.id = id,
                            .title = run->call->principal->title,
                            .topic = request->topic,
                            .payload = request->payload_json,
                            .players = (const char *const *)request->player_ids,
                            .player_count = request->n_player_ids};
    code = hub_send(p->hub, &made, ow_clock_mono_us(p->env->clock), &sent, run->err);
    if (code == OW_OK) {
        reply->message_id = id;
        reply->sent = sent.sent;
        reply->waiting = sent.waiting;
        expect_if_idle(p);
    }
    return code;
}

static ow_code fill_report(ow_run *run, const hub_report *report) {
    ow_arena *arena = run->call->arena;
    get_message_response *reply = run->reply;
    Google__Protobuf__Timestamp *created = ow_timestamp_in(arena, ow_id_time_ms(report->id) * 1000);
    char **ids = ow_arena_calloc(arena, HUB_LISTED_MAX, sizeof *ids);
    reply->message_id = ow_arena_strdup_in(arena, report->id);
    reply->topic = ow_arena_strdup_in(arena, report->topic);
    bool whole =
        created != NULL && ids != NULL && reply->message_id != NULL && reply->topic != NULL;
    for (int i = 0; whole && i < report->listed; i++) {
        ids[i] = ow_arena_strdup_in(arena, report->undelivered_ids[i]);
        whole = ids[i] != NULL;
    }
    if (!whole) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a report");
    }
    reply->created_at = created;
    reply->players = report->players;
    reply->waiting = report->waiting;
    reply->sent = report->sent;
    reply->delivered = report->delivered;
    reply->undelivered = report->undelivered;
    reply->undelivered_player_ids = ids;
    reply->n_undelivered_player_ids = (size_t)report->listed;
    return OW_OK;
}

static ow_code get_message(ow_run *run) {
    push *p = run->self;
    const get_message_request *request = run->request;
    hub_report report;
    ow_code code = check_title(run);
    if (code != OW_OK) {
        return code;
    }
    push_expect(p);
    if (!hub_report_of(p->hub, run->call->principal->title, request->message_id, &report)) {
        return ow_fail(run->err, OW_NOT_FOUND, "message_not_found",
                       "no message of that id is known (any more)");
    }
    return fill_report(run, &report);
}

// ---- Poll ----

static hub_player caller_of(const ow_run *run) {
    return (hub_player){run->call->principal->title, run->call->principal->id};
}

static ow_code fill_message(ow_run *run, const hub_read_message *from, message_msg *to) {
    const push *p = run->self;
    ow_arena *arena = run->call->arena;
    char cursor[HUB_CURSOR_MAX];
    overworld__push__v1__message__init(to);
    hub_cursor(p->hub, from->sequence, cursor);
    to->cursor = ow_arena_strdup_in(arena, cursor);
    to->message_id = ow_arena_strdup_in(arena, hub_message_id(from->message));
    to->topic = ow_arena_strdup_in(arena, hub_message_topic(from->message));
    to->payload_json = ow_arena_strdup_in(arena, hub_message_payload(from->message));
    bool whole = to->cursor != NULL && to->message_id != NULL && to->topic != NULL &&
                 to->payload_json != NULL;
    return whole
               ? OW_OK
               : ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a poll");
}

static ow_code read_line(ow_run *run) {
    push *p = run->self;
    const poll_request *request = run->request;
    poll_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    hub_read_message found[POLL_MESSAGES_MAX];
    hub_reading reading = {.messages = found, .room = POLL_MESSAGES_MAX};
    char cursor[HUB_CURSOR_MAX];
    ow_code code = hub_read(p->hub, caller_of(run), request->cursor, &reading, run->err);
    if (code != OW_OK) {
        return code;
    }
    hub_cursor(p->hub, reading.sequence, cursor);
    reply->lost = reading.lost;
    reply->cursor = ow_arena_strdup_in(arena, cursor);
    reply->messages = ow_arena_calloc(arena, reading.count + 1, sizeof *reply->messages);
    message_msg *all = ow_arena_calloc(arena, reading.count + 1, sizeof *all);
    if (reply->cursor == NULL || reply->messages == NULL || all == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a poll");
    }
    for (size_t i = 0; code == OW_OK && i < reading.count; i++) {
        reply->messages[i] = &all[i];
        code = fill_message(run, &found[i], &all[i]);
    }
    reply->n_messages = code == OW_OK ? reading.count : 0;
    return code;
}

static void leave_polls(poll_state *state) {
    push *p = state->owner;
    if (!state->waits) {
        return;
    }
    state->waits = false;
    if (state->previous != NULL) {
        state->previous->next = state->next;
    } else {
        p->waiting_polls = state->next;
    }
    if (state->next != NULL) {
        state->next->previous = state->previous;
    }
    p->polls--;
    ow_loop_timer_cancel(p->env->loop, &state->timer);
    state->run->call->on_cancel = NULL;
}

// Something is there, or there is no more waiting.
static void on_wake(void *self) {
    poll_state *state = self;
    leave_polls(state);
    ow_run_resume(state->run, read_line(state->run));
}

static void on_poll_due(void *self) {
    poll_state *state = self;
    hub_poll_end(state->owner->hub, caller_of(state->run), &state->poller);
    on_wake(state);
}

static void on_poll_cancelled(ow_call *call, void *self) {
    poll_state *state = self;
    (void)call;
    hub_poll_end(state->owner->hub, caller_of(state->run), &state->poller);
    leave_polls(state);
    ow_fail(state->run->err, OW_CANCELLED, "cancelled", "the caller has gone");
    ow_run_resume(state->run, OW_CANCELLED);
}

static void join_polls(push *p, ow_run *run, poll_state *state, int64_t wait_us) {
    *state = (poll_state){.owner = p, .run = run, .next = p->waiting_polls, .waits = true};
    state->poller = (hub_poller){on_wake, state};
    state->timer = (ow_timer){.on_due = on_poll_due, .self = state};
    if (p->waiting_polls != NULL) {
        p->waiting_polls->previous = state;
    }
    p->waiting_polls = state;
    p->polls++;
    run->call->on_cancel = on_poll_cancelled;
    run->call->on_cancel_self = state;
    ow_loop_timer_set(p->env->loop, &state->timer, ow_loop_now_us(p->env->loop) + wait_us);
}

static bool may_wait(const push *p, const ow_run *run, int64_t wait_us) {
    const poll_response *reply = run->reply;
    return reply->n_messages == 0 && !reply->lost && wait_us > 0 &&
           p->polls < (size_t)p->config.max_polls && !p->stopping;
}

static ow_code poll(ow_run *run) {
    push *p = run->self;
    const poll_request *request = run->request;
    if (request->wait_ms < 0 || request->wait_ms > POLL_WAIT_MAX_MS) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_wait", "a poll waits 0 to %d ms",
                       POLL_WAIT_MAX_MS);
    }
    ow_code code = read_line(run);
    int64_t wait_us = (int64_t)request->wait_ms * MILLISECOND;
    int64_t left_us = ow_call_left_us(run->call) - MARGIN_US;
    wait_us = wait_us < left_us ? wait_us : left_us;
    if (code != OW_OK || !may_wait(p, run, wait_us)) {
        return code;
    }
    poll_state *state = run->state;
    join_polls(p, run, state, wait_us);
    code = hub_poll(p->hub, caller_of(run), &state->poller, run->err);
    if (code != OW_OK) {
        leave_polls(state);
        return code;
    }
    return OW_PENDING;
}

// ---- Attach ----

static void unlink_attachment(attachment *a) {
    for (attachment **at = &a->owner->attachments; *at != NULL; at = &(*at)->next) {
        if (*at == a) {
            *at = a->next;
            break;
        }
    }
    a->gateway = NULL;
    a->run->call->on_cancel = NULL;
}

// The stream ends; whoever calls sees to the hub's side.
static void end_stream(attachment *a, ow_code code) {
    ow_run *run = a->run;
    unlink_attachment(a);
    if (run->err->code == OW_OK) {
        ow_fail(run->err, code, "detached", "attach again");
    }
    ow_run_finish(run, code);
}

static void on_attachment_cancelled(ow_call *call, void *self) {
    attachment *a = self;
    if (a->sending) {
        a->cancelled = true;
        return;
    }
    hub_detach(a->owner->hub, a->gateway);
    end_stream(a, call->err.code != OW_OK ? call->err.code : OW_CANCELLED);
}

static bool tell(attachment *a, const delivery *what) {
    a->sending = true;
    ow_code code = ow_run_send(a->run, &what->base);
    a->sending = false;
    if (code == OW_OK && !a->cancelled) {
        return true;
    }
    end_stream(a, OW_RESOURCE_EXHAUSTED);
    return false;
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static void put_target(attachment *a, size_t i, hub_target target) {
    overworld__push__v1__target__init(&a->targets[i]);
    a->targets[i].connection = target.connection;
    a->targets[i].sequence = target.sequence;
    a->target_pointers[i] = &a->targets[i];
}

static bool on_deliver(void *self, const hub_message *message, const hub_target *targets,
                       size_t count) {
    attachment *a = self;
    delivery what = OVERWORLD__PUSH__V1__DELIVERY__INIT;
    for (size_t i = 0; i < count; i++) {
        put_target(a, i, targets[i]);
    }
    what.kind = OVERWORLD__PUSH__V1__DELIVERY_KIND__MESSAGE;
    what.targets = a->target_pointers;
    what.n_targets = count;
    what.message_id = borrow(hub_message_id(message));
    what.topic = borrow(hub_message_topic(message));
    what.payload_json = borrow(hub_message_payload(message));
    return tell(a, &what);
}

static bool on_ready_connection(void *self, hub_target target, bool lost) {
    attachment *a = self;
    delivery what = OVERWORLD__PUSH__V1__DELIVERY__INIT;
    put_target(a, 0, target);
    what.kind = OVERWORLD__PUSH__V1__DELIVERY_KIND__READY;
    what.targets = a->target_pointers;
    what.n_targets = 1;
    what.lost = lost;
    return tell(a, &what);
}

static bool on_close_connection(void *self, uint64_t connection, const char *reason) {
    attachment *a = self;
    delivery what = OVERWORLD__PUSH__V1__DELIVERY__INIT;
    put_target(a, 0, (hub_target){connection, 0});
    what.kind = OVERWORLD__PUSH__V1__DELIVERY_KIND__CLOSE;
    what.targets = a->target_pointers;
    what.n_targets = 1;
    what.reason = borrow(reason);
    return tell(a, &what);
}

static ow_code check_gateway_id(const char *id, ow_err *err) {
    size_t size = strlen(id);
    return size > 0 && size < OW_ID_MAX
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_gateway", "a gateway needs an id");
}

static void end_earlier(push *p, const hub_gateway *gateway) {
    for (attachment *a = p->attachments; gateway != NULL && a != NULL; a = a->next) {
        if (a->gateway == gateway) {
            hub_detach(p->hub, a->gateway);
            end_stream(a, OW_ABORTED);
            return;
        }
    }
}

static ow_code attach(ow_run *run) {
    push *p = run->self;
    const attach_request *request = run->request;
    attachment *a = run->state;
    ow_code code = check_gateway_id(request->gateway_id, run->err);
    if (code != OW_OK) {
        return code;
    }
    if (p->stopping) {
        return ow_fail(run->err, OW_UNAVAILABLE, "stopping", "push is stopping");
    }
    end_earlier(p, hub_find_gateway(p->hub, request->gateway_id));
    hub_sink sink = {on_deliver, on_ready_connection, on_close_connection, a};
    a->owner = p;
    a->run = run;
    a->gateway = hub_attach(p->hub, request->gateway_id, &sink);
    if (a->gateway == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a gateway");
    }
    a->next = p->attachments;
    p->attachments = a;
    run->call->on_cancel = on_attachment_cancelled;
    run->call->on_cancel_self = a;
    delivery hello = OVERWORLD__PUSH__V1__DELIVERY__INIT;
    hello.kind = OVERWORLD__PUSH__V1__DELIVERY_KIND__ATTACHED;
    hello.epoch = borrow(hub_epoch(p->hub));
    hub_gateway *gateway = a->gateway;
    if (!tell(a, &hello)) {
        hub_detach(p->hub, gateway);
    }
    return OW_PENDING;
}

// ---- Hold, Release, Acknowledge ----

static ow_code hold(ow_run *run) {
    push *p = run->self;
    const hold_request *request = run->request;
    hub_player player = {run->call->principal->title, request->player_id};
    ow_code code = check_title(run);
    if (code != OW_OK) {
        return code;
    }
    if (strlen(player.id) >= OW_ID_MAX || player.id[0] == '\0') {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_player", "this is no player's id");
    }
    hub_gateway *gateway = hub_find_gateway(p->hub, request->gateway_id);
    if (gateway == NULL) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "not_attached", "attach first");
    }
    return hub_hold(p->hub, gateway, request->connection, player, request->cursor, run->err);
}

static ow_code release(ow_run *run) {
    push *p = run->self;
    const release_request *request = run->request;
    hub_release(p->hub, request->gateway_id, request->connection,
                (hub_player){run->call->principal->title, request->player_id});
    return OW_OK;
}

static ow_code acknowledge(ow_run *run) {
    push *p = run->self;
    const acknowledge_request *request = run->request;
    if (request->n_items > ACKNOWLEDGEMENTS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "too_many", "at most %d acknowledgements",
                       ACKNOWLEDGEMENTS_MAX);
    }
    for (size_t i = 0; i < request->n_items; i++) {
        const acknowledgement *item = request->items[i];
        hub_acknowledge(p->hub, (hub_player){item->title_id, item->player_id}, item->sequence);
    }
    return OW_OK;
}

// ---- the end ----

void push_end_all(push *p) {
    p->stopping = true;
    while (p->attachments != NULL) {
        hub_detach(p->hub, p->attachments->gateway);
        end_stream(p->attachments, OW_UNAVAILABLE);
    }
    while (p->waiting_polls != NULL) {
        on_poll_due(p->waiting_polls);
    }
}

const ow_method push_methods[] = {
    {"Send", 0, {{OW_LOOP, send_message}}},
    {"GetMessage", 0, {{OW_LOOP, get_message}}},
    {"Poll", sizeof(poll_state), {{OW_LOOP, poll}}},
    {"Attach", sizeof(attachment), {{OW_LOOP, attach}}},
    {"Hold", 0, {{OW_LOOP, hold}}},
    {"Release", 0, {{OW_LOOP, release}}},
    {"Acknowledge", 0, {{OW_LOOP, acknowledge}}},
    {0},
};
