#include "services/gateway/pushes.h"

#include "services/gateway/internal.h"

#include "core/json/tree.h"
#include "core/json/writer.h"
#include "core/log/log.h"
#include "core/ws/ws.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CURSOR_MAX 40
#define EPOCH_SIZE 16
#define CLIENT_MESSAGE_MAX 2048
#define CLIENT_MESSAGES_A_PING 1000
#define TEXT_ROOM 20480 // payload, topic and what stands around them
#define HEAD_ROOM 80    // {"type":"message","cursor":"
#define SLOT_BITS 24
#define SLOTS_MAX (1U << SLOT_BITS)
#define CALL_TIMEOUT_US 10000000
#define ACKS_MAX 1000 // of one call
#define CLOSE_WAIT_US 5000000
#define JSON_DEPTH 4

typedef enum session_state {
    SESSION_NEW,     // no ticket yet
    SESSION_HOLDING, // the hub is to be told
    SESSION_ASKED,   // the hub was told, READY is to come
    SESSION_READY,
    SESSION_OVER, // it closes
} session_state;

// What has to be told to the hub, outside of what it is just doing.
enum { CHORE_HOLD = 1, CHORE_RELEASE = 2, CHORE_ACKNOWLEDGE = 4 };

typedef struct session {
    pushes *owner;
    struct session *next_chore;
    ow_http_socket *socket;
    ow_ws *ws;
    char *ticket; // "Bearer ..."
    uint64_t connection;
    uint64_t sequence, confirmed; // sent to the client, confirmed by it
    ow_principal principal;
    char cursor[CURSOR_MAX]; // of the last message that it confirmed; "": none
    session_state state;
    int messages; // since the last ping
    uint8_t chores;
    bool in_chores;
    bool held;   // the hub may think that we hold the player
    bool is_old; // it was told READY before
} session;

struct pushes {
    gateway *gw;
    ow_ws_group *group;
    session **slots;
    size_t slot_count, slot_room, count;
    uint64_t serial;
    session *first_chore, *last_chore;
    ow_message chores;
    bool chores_posted;
    ow_subscription watch;
    attach_request request;
    ProtobufCService *hub;
    char gateway_id[OW_ID_MAX];
    char epoch[EPOCH_SIZE + 1];
    char text[TEXT_ROOM];
    ow_gauge *connections;
    ow_counter *messages, *slow;
    bool stopping;
};

// ---- sessions by their number ----

static session *session_of(const pushes *all, uint64_t connection) {
    size_t slot = connection & (SLOTS_MAX - 1);
    session *found = slot < all->slot_count ? all->slots[slot] : NULL;
    return found != NULL && found->connection == connection ? found : NULL;
}

static bool take_slot(pushes *all, session *s) {
    size_t slot = 0;
    if (all->count == all->slot_room) {
        size_t room = all->slot_room > 0 ? all->slot_room * 2 : 64;
        session **slots = room <= SLOTS_MAX ? realloc(all->slots, room * sizeof *slots) : NULL;
        if (slots == NULL) {
            return false;
        }
        all->slots = slots;
        all->slot_room = room;
    }
    if (all->count == all->slot_count) {
        slot = all->slot_count++;
    } else {
        // Behind the last one that was taken, most are free.
        slot = (size_t)(all->serial % all->slot_count);
        while (all->slots[slot] != NULL) {
            slot = slot + 1 < all->slot_count ? slot + 1 : 0;
        }
    }
    all->slots[slot] = s;
    s->connection = ++all->serial << SLOT_BITS | slot;
    all->count++;
    ow_gauge_set(all->connections, (int64_t)all->count);
    return true;
}

static void leave_slot(pushes *all, const session *s) {
    all->slots[s->connection & (SLOTS_MAX - 1)] = NULL;
    all->count--;
    ow_gauge_set(all->connections, (int64_t)all->count);
}

// ---- chores ----

static void want(session *s, int chore) {
    pushes *all = s->owner;
    s->chores |= (uint8_t)chore;
    if (!s->in_chores) {
        s->in_chores = true;
        s->next_chore = NULL;
        if (all->last_chore != NULL) {
            all->last_chore->next_chore = s;
        } else {
            all->first_chore = s;
        }
        all->last_chore = s;
    }
    if (!all->chores_posted && !all->stopping) {
        all->chores_posted = true;
        ow_loop_post(all->gw->loop, &all->chores);
    }
}

static ow_call *call_hub(pushes *all, const ow_principal *who) {
    static const ow_principal platform = {.kind = OW_PLATFORM};
    ow_call_options options = {.principal = who != NULL ? who : &platform,
                               .timeout_us = CALL_TIMEOUT_US};
    ow_call *call = ow_call_new(all->gw->loop, &options);
    if (call != NULL) {
        call->user = all;
    }
    return call;
}

typedef struct holding {
    hold_request request;
    pushes *all;
} holding;

static void end_session(session *s, int code, const char *reason) {
    if (s->state != SESSION_OVER) {
        s->state = SESSION_OVER;
        ow_ws_close(s->ws, code, reason);
    }
    if (s->held) {
        want(s, CHORE_RELEASE);
    }
}

static void on_released(const release_response *reply, void *closure_data) {
    (void)reply; // the hub sees the connection's end, or its gateway's
    ow_call_free(closure_data);
}

static void release(pushes *all, const ow_principal *who, uint64_t connection) {
    ow_call *call = call_hub(all, who);
    release_request *request = call != NULL ? ow_arena_alloc(call->arena, sizeof *request) : NULL;
    char *player = request != NULL ? ow_arena_strdup_in(call->arena, who->id) : NULL;
    if (player == NULL) {
        ow_call_free(call);
        return;
    }
    overworld__push__v1__release_request__init(request);
    request->gateway_id = all->gateway_id;
    request->connection = connection;
    request->player_id = player;
    overworld__push__v1__push__release(all->hub, request, on_released, call);
}

static void release_player(session *s) {
    s->held = false;
    release(s->owner, &s->principal, s->connection);
}

// Who could not be held now is held when the stream is back, or at the next ping.
static void on_held(const hold_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    const holding *asked = call->user;
    session *s = session_of(asked->all, asked->request.connection);
    if (reply == NULL && s != NULL && s->state == SESSION_ASKED) {
        s->state = SESSION_HOLDING;
        if (call->err.code == OW_INVALID_ARGUMENT) {
            s->held = false;
            end_session(s, PUSH_BAD_MESSAGE, call->err.reason);
        }
    }
    if (reply != NULL && s == NULL && !asked->all->stopping) {
        // It went meanwhile; its release may have been faster than this.
        release(asked->all, call->principal, asked->request.connection);
    }
    ow_call_free(call);
}

static void hold_player(session *s) {
    pushes *all = s->owner;
    if (s->state != SESSION_HOLDING || !all->watch.is_fresh) {
        return;
    }
    ow_call *call = call_hub(all, &s->principal);
    holding *asked = call != NULL ? ow_arena_calloc(call->arena, 1, sizeof *asked) : NULL;
    char *cursor = asked != NULL ? ow_arena_strdup_in(call->arena, s->cursor) : NULL;
    char *player = asked != NULL ? ow_arena_strdup_in(call->arena, s->principal.id) : NULL;
    if (cursor == NULL || player == NULL) {
        ow_call_free(call);
        return;
    }
    asked->all = all;
    call->user = asked;
    overworld__push__v1__hold_request__init(&asked->request);
    asked->request.gateway_id = all->gateway_id;
    asked->request.connection = s->connection;
    asked->request.player_id = player;
    asked->request.cursor = cursor;
    s->state = SESSION_ASKED;
    s->held = true;
    overworld__push__v1__push__hold(all->hub, &asked->request, on_held, call);
}

static void on_acknowledged(const acknowledge_response *reply, void *closure_data) {
    (void)reply; // what it does not hear of now, it hears of with the next cursor
    ow_call_free(closure_data);
}

typedef struct confirmation {
    acknowledge_request request;
    acknowledgement items[ACKS_MAX];
    acknowledgement *pointers[ACKS_MAX];
    ow_call *call;
} confirmation;

static void send_confirmation(pushes *all, confirmation *made) {
    if (made != NULL) {
        overworld__push__v1__push__acknowledge(all->hub, &made->request, on_acknowledged,
                                               made->call);
    }
}

// Adds to the one that is being made, or begins it.
static confirmation *confirm(pushes *all, confirmation *made, const session *s) {
    if (made != NULL && made->request.n_items == ACKS_MAX) {
        send_confirmation(all, made);
        made = NULL;
    }
    if (made == NULL) {
        ow_call *call = call_hub(all, NULL);
        made = call != NULL ? ow_arena_alloc(call->arena, sizeof *made) : NULL;
        if (made == NULL) {
            ow_call_free(call);
            return NULL;
        }
        overworld__push__v1__acknowledge_request__init(&made->request);
        made->request.items = made->pointers;
        made->call = call;
    }
    acknowledgement *item = &made->items[made->request.n_items];
    overworld__push__v1__acknowledgement__init(item);
    item->title_id = ow_arena_strdup_in(made->call->arena, s->principal.title);
    item->player_id = ow_arena_strdup_in(made->call->arena, s->principal.id);
    item->sequence = s->confirmed;
    made->pointers[made->request.n_items] = item;
    made->request.n_items += item->title_id != NULL && item->player_id != NULL;
    return made;
}

static void session_free(session *s) {
    leave_slot(s->owner, s);
    ow_ws_free(s->ws);
    ow_http_socket_close(s->socket);
    free(s->ticket);
    free(s);
}

static void do_chores(void *self) {
    pushes *all = self;
    confirmation *made = NULL;
    session *s = all->first_chore;
    all->first_chore = all->last_chore = NULL;
    all->chores_posted = false;
    for (session *next; s != NULL; s = next) {
        int chores = s->chores;
        next = s->next_chore;
        s->in_chores = false;
        s->chores = 0;
        if ((chores & CHORE_ACKNOWLEDGE) != 0 && (chores & CHORE_RELEASE) == 0) {
            made = confirm(all, made, s);
        }
        if ((chores & CHORE_HOLD) != 0) {
            hold_player(s);
        }
        if ((chores & CHORE_RELEASE) != 0) {
            if (s->held) {
                release_player(s);
            }
            if (s->ws == NULL) {
                session_free(s);
            }
        }
    }
    send_confirmation(all, made);
}

// ---- what clients say ----

static bool take_ticket(session *s, const char *ticket) {
    size_t size = strlen(ticket) + sizeof "Bearer ";
    free(s->ticket);
    s->ticket = malloc(size);
    if (s->ticket != NULL) {
        snprintf(s->ticket, size, "Bearer %s", ticket);
    }
    return s->ticket != NULL;
}

static void greet(session *s, const ow_json *said) {
    gateway *gw = s->owner->gw;
    const char *ticket = ow_json_string(ow_json_get(said, "ticket"));
    const char *cursor = ow_json_string(ow_json_get(said, "cursor"));
    ow_err err;
    if (ticket == NULL || (cursor != NULL && strlen(cursor) >= sizeof s->cursor)) {
        end_session(s, PUSH_BAD_MESSAGE, "the first message is {\"ticket\":\"...\"}");
    } else if (!take_ticket(s, ticket) ||
               verifier_check(gw->verifier, s->ticket, ow_clock_wall_us(gw->env->clock),
                              &s->principal, &err) != OW_OK) {
        end_session(s, PUSH_UNAUTHENTICATED, s->ticket != NULL ? err.reason : "overloaded");
    } else if (s->principal.kind != OW_PLAYER) {
        end_session(s, PUSH_NOT_A_PLAYER, "not_a_player");
    } else {
        snprintf(s->cursor, sizeof s->cursor, "%s", cursor != NULL ? cursor : "");
        s->state = SESSION_HOLDING;
        want(s, CHORE_HOLD);
    }
}

static void take_acknowledgement(session *s, const char *cursor) {
    const pushes *all = s->owner;
    size_t digits = strlen(cursor) > EPOCH_SIZE ? strspn(cursor + EPOCH_SIZE + 1, "0123456789") : 0;
    bool whole = digits > 0 && digits < 20 && cursor[EPOCH_SIZE] == '-' &&
                 cursor[EPOCH_SIZE + 1 + digits] == '\0';
    if (!whole) {
        end_session(s, PUSH_BAD_MESSAGE, "bad_cursor");
        return;
    }
    // One of a hub that is gone says nothing about this one.
    uint64_t sequence = strtoull(cursor + EPOCH_SIZE + 1, NULL, 10);
    if (memcmp(cursor, all->epoch, EPOCH_SIZE) == 0 && sequence > s->confirmed &&
        sequence <= s->sequence && s->state == SESSION_READY) {
        s->confirmed = sequence;
        snprintf(s->cursor, sizeof s->cursor, "%s", cursor);
        want(s, CHORE_ACKNOWLEDGE);
    }
}

static void on_message(void *self, ow_ws *ws, bool is_text, const void *bytes, size_t size) {
    session *s = self;
    (void)ws;
    ow_json *said = NULL;
    if (s->state == SESSION_OVER) {
        return;
    }
    if (++s->messages > CLIENT_MESSAGES_A_PING) {
        end_session(s, PUSH_TOO_MANY, "too_many_messages");
        return;
    }
    if (!is_text || ow_json_parse(bytes, size, JSON_DEPTH, &said, NULL) != OW_OK ||
        ow_json_kind_of(said) != OW_JSON_OBJECT) {
        end_session(s, PUSH_BAD_MESSAGE, "a message is a JSON object");
    } else if (s->state == SESSION_NEW) {
        greet(s, said);
    } else if (ow_json_string(ow_json_get(said, "ack")) != NULL) {
        take_acknowledgement(s, ow_json_string(ow_json_get(said, "ack")));
    }
    ow_json_free(said);
}

static void on_ping(void *self, ow_ws *ws) {
    session *s = self;
    gateway *gw = s->owner->gw;
    ow_principal who;
    ow_err err;
    (void)ws;
    s->messages = 0;
    if (s->state == SESSION_NEW) {
        end_session(s, PUSH_UNAUTHENTICATED, "no_ticket");
    } else if (s->state != SESSION_OVER &&
               verifier_check(gw->verifier, s->ticket, ow_clock_wall_us(gw->env->clock), &who,
                              &err) == OW_UNAUTHENTICATED) {
        end_session(s, PUSH_UNAUTHENTICATED, err.reason);
    } else if (s->state == SESSION_HOLDING) {
        want(s, CHORE_HOLD);
    }
}

static void on_closed(void *self, ow_ws *ws, int code) {
    session *s = self;
    (void)ws;
    (void)code;
    s->state = SESSION_OVER;
    s->ws = ow_ws_free(s->ws);
    if (s->held || s->in_chores) {
        want(s, CHORE_RELEASE);
    } else {
        session_free(s);
    }
}

// ---- what the hub says ----

static void say(session *s, const char *text, size_t size) {
    pushes *all = s->owner;
    ow_err err;
    if (ow_ws_send(s->ws, text, size, &err) == OW_OK) {
        return;
    }
    ow_counter_add(all->slow, 1);
    end_session(s, PUSH_SLOW_READER, err.reason);
}

static void on_attached(pushes *all, const delivery *what) {
    bool same = strcmp(all->epoch, what->epoch) == 0;
    snprintf(all->epoch, sizeof all->epoch, "%s", what->epoch);
    for (size_t i = 0; i < all->slot_count; i++) {
        session *s = all->slots[i];
        if (s == NULL || s->state == SESSION_NEW || s->state == SESSION_OVER) {
            continue;
        }
        s->state = SESSION_HOLDING;
        s->sequence = same ? s->sequence : 0;
        s->confirmed = same ? s->confirmed : 0;
        want(s, CHORE_HOLD);
    }
}

// Who was ready before and lost nothing need not know that the hub was away.
static void on_ready(session *s, const delivery *what, uint64_t sequence) {
    char text[120];
    if (s->state != SESSION_ASKED) {
        return;
    }
    s->state = SESSION_READY;
    bool tell = !s->is_old || what->lost;
    s->is_old = true;
    s->sequence = s->sequence > sequence ? s->sequence : sequence;
    s->confirmed = s->confirmed > sequence ? s->confirmed : sequence;
    snprintf(s->cursor, sizeof s->cursor, "%s-%" PRIu64, s->owner->epoch, s->confirmed);
    if (tell) {
        int size = snprintf(text, sizeof text, "{\"type\":\"ready\",\"cursor\":\"%s\",\"lost\":%s}",
                            s->cursor, what->lost ? "true" : "false");
        say(s, text, (size_t)size);
    }
}

// The same for everybody but the cursor, which is written in front.
static void on_push(pushes *all, const delivery *what) {
    char *tail = all->text + HEAD_ROOM;
    int tail_size = snprintf(tail, sizeof all->text - HEAD_ROOM,
                             "\",\"id\":\"%s\",\"topic\":\"%s\",\"payload\":%s}", what->message_id,
                             what->topic, what->payload_json);
    if (tail_size < 0 || (size_t)tail_size >= sizeof all->text - HEAD_ROOM) {
        return; // the hub takes none that is so large
    }
    for (size_t i = 0; i < what->n_targets; i++) {
        char head[HEAD_ROOM + 1];
        session *s = session_of(all, what->targets[i]->connection);
        uint64_t sequence = what->targets[i]->sequence;
        if (s == NULL || s->state != SESSION_READY || sequence <= s->sequence) {
            continue;
        }
        int size = snprintf(head, sizeof head, "{\"type\":\"message\",\"cursor\":\"%s-%" PRIu64,
                            all->epoch, sequence);
        memcpy(tail - size, head, (size_t)size);
        s->sequence = sequence;
        say(s, tail - size, (size_t)size + (size_t)tail_size);
    }
    ow_counter_add(all->messages, what->n_targets);
}

static ow_news on_delivery(void *self, const ProtobufCMessage *message) {
    pushes *all = self;
    const delivery *what = (const delivery *)message;
    session *s = what->n_targets == 1 ? session_of(all, what->targets[0]->connection) : NULL;
    switch (what->kind) {
    case OVERWORLD__PUSH__V1__DELIVERY_KIND__ATTACHED:
        on_attached(all, what);
        return OW_NEWS_WHOLE;
    case OVERWORLD__PUSH__V1__DELIVERY_KIND__READY:
        if (s != NULL) {
            on_ready(s, what, what->targets[0]->sequence);
        }
        return OW_NEWS_PART;
    case OVERWORLD__PUSH__V1__DELIVERY_KIND__MESSAGE:
        on_push(all, what);
        return OW_NEWS_PART;
    case OVERWORLD__PUSH__V1__DELIVERY_KIND__CLOSE:
        if (s != NULL) {
            s->held = false;
            end_session(s, PUSH_REPLACED, what->reason);
        }
        return OW_NEWS_PART;
    default:
        return OW_NEWS_PART;
    }
}

// ---- connections ----

static session *session_new(pushes *all, ow_http_socket *socket, const void *early, size_t size) {
    session *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->owner = all;
    if (ow_ws_open(all->group, ow_http_socket_fd(socket), early, size, s, &s->ws, NULL) != OW_OK ||
        !take_slot(all, s)) {
        ow_ws_free(s->ws);
        free(s);
        return NULL;
    }
    s->socket = socket;
    return s;
}

void pushes_take(void *self, ow_http_socket *socket, const void *early, size_t size) {
    pushes *all = self;
    if (socket == NULL) {
        return;
    }
    session *s = all->stopping ? NULL : session_new(all, socket, early, size);
    if (s == NULL) {
        ow_http_socket_close(socket);
    } else if (all->gw->draining) {
        end_session(s, OW_WS_GOING_AWAY, "stopping");
    }
}

// ---- life ----

pushes *pushes_new(struct gateway *gw) {
    pushes *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    ow_ws_options options = {.loop = gw->loop,
                             .handler = {on_message, NULL, on_ping, on_closed},
                             .max_message = CLIENT_MESSAGE_MAX,
                             .max_queued = (size_t)gw->config->push_queue,
                             .ping_us = gw->config->push_ping,
                             .close_wait_us = CLOSE_WAIT_US};
    all->gw = gw;
    all->group = ow_ws_group_new(&options);
    all->chores = (ow_message){.on_message = do_chores, .self = all};
    ow_id_make(all->gateway_id, "gtw_", ow_clock_wall_us(gw->env->clock));
    all->connections = ow_metrics_gauge(gw->env->metrics, "overworld_gateway_push_connections",
                                        "WebSockets that are open", NULL);
    all->messages = ow_metrics_counter(gw->env->metrics, "overworld_gateway_push_messages_total",
                                       "Messages given to players' WebSockets", NULL);
    all->slow = ow_metrics_counter(gw->env->metrics, "overworld_gateway_push_slow_readers_total",
                                   "WebSockets closed because nobody read", NULL);
    return all->group != NULL ? all : pushes_free(all);
}

pushes *pushes_free(pushes *all) {
    if (all != NULL) {
        ow_ws_group_free(all->group);
        free(all->slots);
        free(all);
    }
    return NULL;
}

void pushes_start(pushes *all) {
    gateway *gw = all->gw;
    all->hub = ow_directory_get(gw->env->directory, &overworld__push__v1__push__descriptor);
    overworld__push__v1__attach_request__init(&all->request);
    all->request.gateway_id = all->gateway_id;
    all->watch = (ow_subscription){.loop = gw->loop,
                                   .name = "pushes",
                                   .service = all->hub,
                                   .method = "Attach",
                                   .request = &all->request.base,
                                   .on_message = on_delivery,
                                   .self = all};
    ow_subscription_start(&all->watch);
}

const struct ow_subscription *pushes_stream(const pushes *all) {
    return &all->watch;
}

bool pushes_are_full(const pushes *all) {
    return all->count >= (size_t)all->gw->config->push_connections;
}

size_t pushes_count(const pushes *all) {
    return all->count;
}

void pushes_drain(pushes *all) {
    for (size_t i = 0; i < all->slot_count; i++) {
        if (all->slots[i] != NULL && all->slots[i]->ws != NULL) {
            end_session(all->slots[i], OW_WS_GOING_AWAY, "stopping");
        }
    }
}

void pushes_stop(pushes *all) {
    all->stopping = true;
    for (size_t i = 0; i < all->slot_count; i++) {
        if (all->slots[i] != NULL) {
            session_free(all->slots[i]);
        }
    }
    all->first_chore = all->last_chore = NULL;
    ow_subscription_stop(&all->watch);
}
