// WebSockets by wslay, which knows frames; when to read and write, and for how long, is decided here.
//
// Messages are queued in wslay during a turn; at its end each socket that has some is pumped: frames
// are gathered in a buffer on the stack and go out in few writes. Only what the kernel does not take
// stays behind in memory of its own, so that an idle socket costs wslay's context and little else.

#include "core/ws/ws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define STAGE_SIZE 16384
#define READ_A_TURN 65536
// Each ping wants a pong: who asks more than they read is not read for a while.
#define QUEUED_TO_READ 64

typedef enum ws_state {
    WS_OPEN,
    WS_CLOSING, // a close frame was queued, sent or received
    WS_ENDING,  // both sides have said it: the peer's end of the stream is awaited
    WS_CLOSED,
} ws_state;

struct ow_ws {
    ow_ws_group *group;
    ow_ws *next, *previous; // in the group's list of those to be pumped
    void *self;
    wslay_event_context_ptr context;
    ow_watch watch;
    ow_timer timer;
    uint8_t *early, *rest; // received before we began; not taken by the kernel yet
    uint8_t *stage;        // while it is pumped
    uint32_t early_size, early_at, rest_size, rest_at, stage_size;
    uint32_t read_left; // of this turn
    uint32_t events;    // that are watched
    ws_state state;
    bool is_pumped; // it is in that list
    bool heard;     // something came since the last ping
    bool was_full;  // something waited after the last pump
    bool malformed; // a frame could not be read; the close frame that wslay queued has no code
    bool broken;
};

struct ow_ws_group {
    ow_ws_options options;
    ow_turn_hook hook;
    ow_ws *first, *last;
    size_t pumped; // in this list
};

// ---- the group ----

static void want_pump(ow_ws *ws) {
    ow_ws_group *group = ws->group;
    if (ws->is_pumped || ws->state == WS_CLOSED) {
        return;
    }
    ws->is_pumped = true;
    ws->next = NULL;
    ws->previous = group->last;
    if (group->last != NULL) {
        group->last->next = ws;
    } else {
        group->first = ws;
    }
    group->last = ws;
    group->pumped++;
}

static void leave_pump(ow_ws *ws) {
    ow_ws_group *group = ws->group;
    if (!ws->is_pumped) {
        return;
    }
    ws->is_pumped = false;
    group->pumped--;
    if (ws->previous != NULL) {
        ws->previous->next = ws->next;
    } else {
        group->first = ws->next;
    }
    if (ws->next != NULL) {
        ws->next->previous = ws->previous;
    } else {
        group->last = ws->previous;
    }
}

// ---- what wslay asks for ----

static ssize_t take_early(ow_ws *ws, uint8_t *buffer, size_t room) {
    size_t left = ws->early_size - ws->early_at;
    size_t size = left < room ? left : room;
    memcpy(buffer, ws->early + ws->early_at, size);
    ws->early_at += (uint32_t)size;
    if (ws->early_at == ws->early_size) {
        free(ws->early);
        ws->early = NULL;
    }
    return (ssize_t)size;
}

static ssize_t on_recv(wslay_event_context_ptr context, uint8_t *buffer, size_t room, int flags,
                       void *self) {
    (void)flags;
    ow_ws *ws = self;
    ssize_t size = -1;
    errno = EAGAIN;
    if (ws->early != NULL) {
        size = take_early(ws, buffer, room);
    } else if (ws->read_left > 0) {
        room = room < ws->read_left ? room : ws->read_left;
        size = recv(ws->watch.fd, buffer, room, MSG_DONTWAIT);
    }
    if (size > 0) {
        ws->heard = true;
        ws->read_left -= (uint32_t)size < ws->read_left ? (uint32_t)size : ws->read_left;
        return size;
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    ws->broken = true;
    wslay_event_set_error(context, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                       int flags, void *self) {
    (void)flags;
    ow_ws *ws = self;
    size_t room = STAGE_SIZE - ws->stage_size;
    size = size < room ? size : room;
    if (size == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(ws->stage + ws->stage_size, bytes, size);
    ws->stage_size += (uint32_t)size;
    return (ssize_t)size;
}

// ---- writing ----

static bool is_waiting(const ow_ws *ws) {
    return ws->rest != NULL || wslay_event_want_write(ws->context);
}

// The bytes that the kernel took; marks the socket broken when it will take no more.
static size_t push_out(ow_ws *ws, const uint8_t *bytes, size_t size) {
    ssize_t sent = send(ws->watch.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        ws->broken = true;
    }
    return sent > 0 ? (size_t)sent : 0;
}

static bool write_rest(ow_ws *ws) {
    if (ws->rest == NULL) {
        return true;
    }
    ws->rest_at += (uint32_t)push_out(ws, ws->rest + ws->rest_at, ws->rest_size - ws->rest_at);
    if (ws->rest_at < ws->rest_size) {
        return false;
    }
    free(ws->rest);
    ws->rest = NULL;
    return true;
}

static bool keep_rest(ow_ws *ws, const uint8_t *bytes, size_t size) {
    ws->rest = malloc(size);
    if (ws->rest == NULL) {
        ws->broken = true;
        return false;
    }
    memcpy(ws->rest, bytes, size);
    ws->rest_size = (uint32_t)size;
    ws->rest_at = 0;
    return true;
}

static void write_out(ow_ws *ws) {
    uint8_t stage[STAGE_SIZE];
    ws->stage = stage;
    bool more = true;
    while (more && !ws->broken && write_rest(ws) && wslay_event_want_write(ws->context)) {
        ws->stage_size = 0;
        if (wslay_event_send(ws->context) != 0) {
            ws->broken = true;
        }
        more = ws->stage_size > 0;
        size_t sent = more ? push_out(ws, stage, ws->stage_size) : 0;
        if (sent < ws->stage_size) {
            keep_rest(ws, stage + sent, ws->stage_size - sent);
        }
    }
    ws->stage = NULL;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message, void *self) {
    (void)context;
    ow_ws *ws = self;
    const ow_ws_handler *handler = &ws->group->options.handler;
    // Half a code; wslay lets it pass.
    if (message->opcode == WSLAY_CONNECTION_CLOSE && message->msg_length == 1) {
        ws->malformed = true;
    }
    if (ws->state == WS_OPEN && !wslay_is_ctrl_frame(message->opcode)) {
        handler->on_message(ws->self, ws, message->opcode == WSLAY_TEXT_FRAME, message->msg,
                            message->msg_length);
        // A close that follows would overtake the answer.
        write_out(ws);
    }
}

// ---- the end ----

static int code_of(ow_ws *ws) {
    if (ws->malformed) {
        return OW_WS_PROTOCOL;
    }
    if (wslay_event_get_close_received(ws->context)) {
        return wslay_event_get_status_code_received(ws->context);
    }
    return wslay_event_get_close_sent(ws->context) ? wslay_event_get_status_code_sent(ws->context)
                                                   : OW_WS_ABNORMAL;
}

static void release_loop(ow_ws *ws) {
    leave_pump(ws);
    ow_loop_unwatch(ws->group->options.loop, &ws->watch);
    ow_loop_timer_cancel(ws->group->options.loop, &ws->timer);
}

static void finish(ow_ws *ws) {
    const ow_ws_handler *handler = &ws->group->options.handler;
    int code = code_of(ws);
    release_loop(ws);
    ws->state = WS_CLOSED;
    handler->on_closed(ws->self, ws, code);
}

static void set_timer(ow_ws *ws, int64_t after_us) {
    ow_loop *loop = ws->group->options.loop;
    ow_loop_timer_set(loop, &ws->timer, ow_loop_now_us(loop) + after_us);
}

static void begin_closing(ow_ws *ws) {
    ws->state = WS_CLOSING;
    set_timer(ws, ws->group->options.close_wait_us);
}

// Ends our direction and waits for the peer's: closing with unread bytes would destroy the close
// frame on its way.
static void begin_ending(ow_ws *ws) {
    ws->state = WS_ENDING;
    shutdown(ws->watch.fd, SHUT_WR);
}

static void discard(ow_ws *ws) {
    uint8_t buffer[4096];
    ssize_t size = 1;
    for (size_t taken = 0; size > 0 && taken < READ_A_TURN; taken += (size_t)size) {
        size = recv(ws->watch.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    }
    ws->broken = size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR);
}

// ---- pumping ----

static void read_in(ow_ws *ws) {
    ws->read_left = READ_A_TURN;
    if (ws->state == WS_ENDING) {
        discard(ws);
    } else if (wslay_event_want_read(ws->context) && wslay_event_recv(ws->context) != 0) {
        ws->malformed = !ws->broken;
        wslay_event_shutdown_read(ws->context);
    }
}

static void watch_again(ow_ws *ws) {
    // What is not read for good would wake the loop over and over.
    bool reads =
        ws->state == WS_ENDING || (wslay_event_want_read(ws->context) &&
                                   wslay_event_get_queued_msg_count(ws->context) < QUEUED_TO_READ);
    uint32_t events = (reads ? EPOLLIN : 0U) | (is_waiting(ws) ? EPOLLOUT : 0U);
    if (events != ws->events &&
        ow_loop_rewatch(ws->group->options.loop, &ws->watch, events, NULL) == OW_OK) {
        ws->events = events;
    }
}

static void follow_state(ow_ws *ws) {
    bool heard_close =
        wslay_event_get_close_received(ws->context) || !wslay_event_get_read_enabled(ws->context);
    if (ws->state == WS_OPEN && heard_close) {
        begin_closing(ws);
    }
    if (ws->state == WS_CLOSING && heard_close && wslay_event_get_close_sent(ws->context) &&
        ws->rest == NULL) {
        begin_ending(ws);
    }
}

static void settle(ow_ws *ws) {
    const ow_ws_handler *handler = &ws->group->options.handler;
    if (!ws->broken) {
        write_out(ws);
        follow_state(ws);
    }
    if (ws->broken) {
        finish(ws);
        return;
    }
    bool is_full = is_waiting(ws);
    bool drained = ws->was_full && !is_full && ws->state == WS_OPEN;
    ws->was_full = is_full;
    watch_again(ws);
    if (drained && handler->on_drained != NULL) {
        handler->on_drained(ws->self, ws);
    }
}

static void on_ready(void *self, uint32_t events) {
    ow_ws *ws = self;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_in(ws);
    }
    settle(ws);
}

static int64_t on_flush(void *self) {
    ow_ws_group *group = self;
    // Those that ask to be pumped meanwhile come behind these, in the next turn.
    for (size_t left = group->pumped; left > 0 && group->first != NULL; left--) {
        ow_ws *ws = group->first;
        leave_pump(ws);
        if (ws->early != NULL) {
            read_in(ws);
        }
        settle(ws);
    }
    return group->first != NULL ? 0 : -1;
}

// ---- pings, and how long an end may take ----

static void on_due(void *self) {
    ow_ws *ws = self;
    const ow_ws_options *options = &ws->group->options;
    if (ws->state != WS_OPEN || !ws->heard) {
        finish(ws);
        return;
    }
    ws->heard = false;
    set_timer(ws, options->ping_us);
    struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    wslay_event_queue_msg(ws->context, &ping);
    want_pump(ws);
    if (options->handler.on_ping != NULL) {
        options->handler.on_ping(ws->self, ws);
    }
}

// ---- what is offered ----

ow_ws_group *ow_ws_group_new(const ow_ws_options *options) {
    ow_ws_group *group = calloc(1, sizeof *group);
    if (group != NULL) {
        group->options = *options;
        group->hook = (ow_turn_hook){.on_turn = on_flush, .self = group};
        ow_loop_hook_add(options->loop, OW_TURN_FLUSH, &group->hook);
    }
    return group;
}

ow_ws_group *ow_ws_group_free(ow_ws_group *group) {
    if (group != NULL) {
        ow_loop_hook_remove(group->options.loop, OW_TURN_FLUSH, &group->hook);
        free(group);
    }
    return NULL;
}

static bool keep_early(ow_ws *ws, const void *early, size_t size) {
    if (size == 0) {
        return true;
    }
    ws->early = malloc(size);
    if (ws->early == NULL) {
        return false;
    }
    memcpy(ws->early, early, size);
    ws->early_size = (uint32_t)size;
    return true;
}

static ow_code begin(ow_ws *ws, int fd, ow_err *err) {
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    const ow_ws_options *options = &ws->group->options;
    if (wslay_event_context_server_init(&ws->context, &callbacks, ws) != 0) {
        ws->context = NULL; // freed already, or never there
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a WebSocket");
    }
    wslay_event_config_set_max_recv_msg_length(ws->context, options->max_message);
    ws->watch = (ow_watch){.on_ready = on_ready, .self = ws, .fd = -1};
    ws->timer = (ow_timer){.on_due = on_due, .self = ws};
    ws->events = EPOLLIN;
    ws->heard = true;
    ow_code code = ow_loop_watch(options->loop, &ws->watch, fd, ws->events, err);
    if (code == OW_OK) {
        set_timer(ws, options->ping_us);
        want_pump(ws);
        ow_loop_wake(options->loop);
    }
    return code;
}

ow_code ow_ws_open(ow_ws_group *group, int fd, const void *early, size_t early_size, void *self,
                   ow_ws **ret_ws, ow_err *err) {
    ow_ws *ws = calloc(1, sizeof *ws);
    if (ws == NULL || !keep_early(ws, early, early_size)) {
        free(ws);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a WebSocket");
    }
    ws->group = group;
    ws->self = self;
    ow_code code = begin(ws, fd, err);
    if (code != OW_OK) {
        ow_ws_free(ws);
        return code;
    }
    *ret_ws = ws;
    return OW_OK;
}

ow_ws *ow_ws_free(ow_ws *ws) {
    if (ws != NULL) {
        release_loop(ws);
        if (ws->context != NULL) {
            wslay_event_context_free(ws->context);
        }
        free(ws->early);
        free(ws->rest);
        free(ws);
    }
    return NULL;
}

size_t ow_ws_queued(const ow_ws *ws) {
    size_t rest = ws->rest != NULL ? ws->rest_size - ws->rest_at : 0;
    return wslay_event_get_queued_msg_length(ws->context) + rest;
}

ow_code ow_ws_send(ow_ws *ws, const void *text, size_t size, ow_err *err) {
    if (ws->state != WS_OPEN) {
        return ow_fail(err, OW_UNAVAILABLE, "closed", "the WebSocket is closing");
    }
    if (ow_ws_queued(ws) + size > ws->group->options.max_queued) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "slow_reader",
                       "the peer does not read what was sent before");
    }
    struct wslay_event_msg message = {.opcode = WSLAY_TEXT_FRAME, .msg = text, .msg_length = size};
    if (wslay_event_queue_msg(ws->context, &message) != 0) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a message");
    }
    want_pump(ws);
    return OW_OK;
}

void ow_ws_close(ow_ws *ws, int code, const char *reason) {
    if (ws->state != WS_OPEN) {
        return;
    }
    size_t size = strlen(reason);
    size = size < OW_WS_REASON_MAX ? size : OW_WS_REASON_MAX;
    write_out(ws); // what was queued before; the close would overtake it
    wslay_event_queue_close(ws->context, (uint16_t)code, (const uint8_t *)reason, size);
    begin_closing(ws);
    want_pump(ws);
}
