/*
 * Hearing pushes.
 *
 *     paused --connect--> greeting --ready--> open --broken--> paused
 *        |                   |refused twice
 *        +------poll---------+--> polling, for a minute, then paused
 *
 * What was handled last stands in the cursor; it goes with every connection and every poll, so that
 * nothing is missed within the time that the server keeps messages. Once a second it is confirmed.
 */
#include "sdk/c/internal.h"
#include "sdk/c/websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/v1/push"
#define POLL_PATH "/overworld.push.v1.Push/Poll"

enum {
    CURSOR_MAX = 64,
    FIRST_PAUSE_MS = 500,
    LAST_PAUSE_MS = 30000,
    GREETING_MS = 10000,
    SILENCE_MS = 90000, /* the server pings every 25 s */
    CONFIRM_MS = 1000,
    POLLING_MS = 60000,
    POLL_WAIT_MS = 20000,
    POLL_TIMEOUT_MS = 30000,
    REFUSALS_TO_POLL = 2,
    PUMPS = 16, /* rounds of one tick */

    BAD_MESSAGE = 4000,
    UNAUTHENTICATED = 4001,
    NOT_A_PLAYER = 4003,
    REPLACED = 4009,
};

typedef enum push_state {
    PUSH_OFF,
    PUSH_PAUSED,
    PUSH_GREETING,
    PUSH_OPEN,
    PUSH_POLLING
} push_state;

struct sdk_push {
    ow_client_on_push on_push;
    void *user;
    push_state state;
    void *stream;
    char cursor[CURSOR_MAX];
    bool unconfirmed;
    bool is_polling; /* a poll is under way */
    int refusals;    /* connections since the last one that was ready */
    int64_t due_ms;  /* of the next thing to do, or of giving up */
    int64_t confirm_at_ms, poll_until_ms, pause_ms;
    unsigned token_generation;
    sdk_ws ws;
};

static void tell(ow_client *client, ow_client_event event) {
    if (client->on_event != NULL) {
        bool before = client->is_calling_back;
        client->is_calling_back = true;
        client->on_event(client->on_event_user, event, NULL);
        client->is_calling_back = before;
    }
}

static void pause_for_a_while(ow_client *client) {
    sdk_push *p = client->push;
    p->state = PUSH_PAUSED;
    p->due_ms = sdk_now_ms(client) + sdk_between(client, p->pause_ms / 2, p->pause_ms);
    p->pause_ms = p->pause_ms * 2 < LAST_PAUSE_MS ? p->pause_ms * 2 : LAST_PAUSE_MS;
}

static void hang_up(ow_client *client) {
    sdk_push *p = client->push;
    if (p->stream != NULL) {
        client->transport->disconnect(p->stream);
        p->stream = NULL;
    }
}

/* ---- what comes ---- */

static bool keep_cursor(sdk_push *p, sdk_json object) {
    char cursor[CURSOR_MAX];
    if (!sdk_json_text(sdk_json_member(object, "cursor"), cursor, sizeof cursor)) {
        return false;
    }
    bool is_new = strcmp(cursor, p->cursor) != 0;
    memcpy(p->cursor, cursor, sizeof p->cursor);
    return is_new;
}

static void deliver(ow_client *client, const char *id, const char *topic, const char *payload,
                    size_t size) {
    sdk_push *p = client->push;
    ow_client_push push = {id, topic, payload, size};
    bool before = client->is_calling_back;
    client->is_calling_back = true;
    p->on_push(p->user, &push);
    client->is_calling_back = before;
}

static void take_message(ow_client *client, sdk_json said) {
    sdk_push *p = client->push;
    char id[48];
    char topic[80];
    sdk_json payload = sdk_json_member(said, "payload");
    if (payload.at == NULL || !keep_cursor(p, said)) {
        return;
    }
    sdk_json_text(sdk_json_member(said, "id"), id, sizeof id);
    sdk_json_text(sdk_json_member(said, "topic"), topic, sizeof topic);
    char *text = malloc(payload.size + 1);
    if (text != NULL) {
        memcpy(text, payload.at, payload.size);
        text[payload.size] = '\0';
        deliver(client, id, topic, text, payload.size);
        free(text);
    }
    if (!p->unconfirmed) {
        p->unconfirmed = true;
        p->confirm_at_ms = sdk_now_ms(client) + CONFIRM_MS;
    }
}

static void take_ready(ow_client *client, sdk_json said) {
    sdk_push *p = client->push;
    bool lost = sdk_json_is_true(sdk_json_member(said, "lost"));
    p->state = PUSH_OPEN;
    p->refusals = 0;
    p->pause_ms = FIRST_PAUSE_MS;
    keep_cursor(p, said);
    if (lost) {
        tell(client, OW_CLIENT_PUSHES_LOST);
    }
}

static void take_text(ow_client *client) {
    sdk_push *p = client->push;
    char type[16];
    sdk_json said = sdk_json_parse(p->ws.message, p->ws.message_size);
    sdk_json_text(sdk_json_member(said, "type"), type, sizeof type);
    p->due_ms = sdk_now_ms(client) + SILENCE_MS;
    if (strcmp(type, "ready") == 0) {
        take_ready(client, said);
    } else if (strcmp(type, "message") == 0) {
        take_message(client, said);
    }
}

/* ---- polling ---- */

static void on_poll(void *user, ow_client_reply *reply, const ow_client_error *error) {
    ow_client *client = user;
    sdk_push *p = client->push;
    p->is_polling = false;
    if (p->state != PUSH_POLLING) {
        return;
    }
    if (error != NULL) {
        if (strcmp(error->reason, "bad_cursor") == 0) {
            p->cursor[0] = '\0';
            tell(client, OW_CLIENT_PUSHES_LOST);
        }
        pause_for_a_while(client);
        return;
    }
    sdk_json answer = sdk_json_parse(reply->data, reply->size);
    sdk_json all = sdk_json_member(answer, "messages");
    if (sdk_json_is_true(sdk_json_member(answer, "lost"))) {
        tell(client, OW_CLIENT_PUSHES_LOST);
    }
    for (sdk_json each = sdk_json_element(all, (sdk_json){NULL, 0});
         each.at != NULL && p->state == PUSH_POLLING; each = sdk_json_element(all, each)) {
        char id[48];
        char topic[80];
        char *payload = sdk_json_text_dup(sdk_json_member(each, "payloadJson"));
        sdk_json_text(sdk_json_member(each, "messageId"), id, sizeof id);
        sdk_json_text(sdk_json_member(each, "topic"), topic, sizeof topic);
        keep_cursor(p, each);
        if (payload != NULL) {
            deliver(client, id, topic, payload, strlen(payload));
        }
        free(payload);
    }
    keep_cursor(p, answer);
    p->pause_ms = FIRST_PAUSE_MS;
    if (p->state == PUSH_POLLING) {
        p->state = PUSH_PAUSED;
        p->due_ms = 0;
    }
}

static void poll_once(ow_client *client) {
    sdk_push *p = client->push;
    char body[CURSOR_MAX + 48];
    ow_client_request request;
    memset(&request, 0, sizeof request);
    snprintf(body, sizeof body, "{\"cursor\":\"%s\",\"waitMs\":%d}", p->cursor, (int)POLL_WAIT_MS);
    request.method = "POST";
    request.path = POLL_PATH;
    request.body = body;
    request.size = strlen(body);
    request.timeout_ms = POLL_TIMEOUT_MS;
    request.may_repeat = true;
    p->state = PUSH_POLLING;
    p->is_polling = sdk_operation_start(client, &request, false, on_poll, client, NULL);
    if (!p->is_polling) {
        pause_for_a_while(client);
    }
}

/* ---- the connection ---- */

static void greet(ow_client *client) {
    sdk_push *p = client->push;
    const sdk_json_field fields[] = {{"ticket", client->session.token, false},
                                     {"cursor", p->cursor, false}};
    char *text = sdk_json_object(fields, 2);
    p->token_generation = client->session.generation;
    if (text != NULL) {
        sdk_ws_say(&p->ws, text, strlen(text));
    }
    sdk_wipe_and_free(text);
}

static void connect_now(ow_client *client) {
    sdk_push *p = client->push;
    uint8_t random[20] = {0};
    char host[256];
    char path[256];
    const char *at = strstr(client->url, "://") + 3;
    size_t size = strcspn(at, "/");
    snprintf(host, sizeof host, "%.*s", (int)size, at);
    snprintf(path, sizeof path, "%s" PATH, at + size);
    client->platform->random(client->platform->self, random, sizeof random);
    p->stream = client->transport->connect(client->transport_state, client->url, client->ca_file);
    if (p->stream == NULL) {
        p->refusals++;
        pause_for_a_while(client);
        return;
    }
    sdk_ws_begin(&p->ws, random, host, path);
    p->unconfirmed = false;
    p->state = PUSH_GREETING;
    p->due_ms = sdk_now_ms(client) + GREETING_MS;
}

/* It ended, by whatever code (0: without one). */
static void on_end(ow_client *client, int code) {
    sdk_push *p = client->push;
    hang_up(client);
    p->refusals += p->state == PUSH_GREETING;
    if (code == REPLACED || code == NOT_A_PLAYER) {
        p->state = PUSH_OFF;
        tell(client, code == REPLACED ? OW_CLIENT_PUSHES_MOVED : OW_CLIENT_PUSHES_LOST);
        return;
    }
    if (code == UNAUTHENTICATED) {
        sdk_session_token_refused(client, p->token_generation);
    } else if (code == BAD_MESSAGE) {
        p->cursor[0] = '\0';
        tell(client, OW_CLIENT_PUSHES_LOST);
    }
    if (p->refusals >= REFUSALS_TO_POLL) {
        p->refusals = 0;
        p->poll_until_ms = sdk_now_ms(client) + POLLING_MS;
    }
    pause_for_a_while(client);
}

/* False: the connection is over. */
static bool take_event(ow_client *client, sdk_ws_event event) {
    sdk_push *p = client->push;
    switch (event) {
    case SDK_WS_UPGRADED:
        greet(client);
        return true;
    case SDK_WS_MESSAGE:
        take_text(client);
        return p->stream != NULL; /* the game may have stopped listening */
    case SDK_WS_REFUSED:
        p->refusals = REFUSALS_TO_POLL;
        on_end(client, 0);
        return false;
    case SDK_WS_CLOSED:
        client->transport->send(p->stream, p->ws.out, p->ws.out_size);
        on_end(client, p->ws.code);
        return false;
    case SDK_WS_BROKEN:
        on_end(client, 0);
        return false;
    default:
        return true;
    }
}

/* False: the connection is over. */
static bool take_bytes(ow_client *client, size_t size) {
    sdk_push *p = client->push;
    sdk_ws_received(&p->ws, size);
    p->due_ms = p->state == PUSH_OPEN ? sdk_now_ms(client) + SILENCE_MS : p->due_ms;
    sdk_ws_event event = sdk_ws_next(&p->ws);
    while (event != SDK_WS_NOTHING) {
        if (!take_event(client, event)) {
            return false;
        }
        event = sdk_ws_next(&p->ws);
    }
    return true;
}

/* Sends and receives what can be. False: the connection is over, or there was nothing to receive. */
static bool pump(ow_client *client) {
    sdk_push *p = client->push;
    size_t room;
    long sent =
        p->ws.out_size > 0 ? client->transport->send(p->stream, p->ws.out, p->ws.out_size) : 0;
    if (sent > 0) {
        sdk_ws_sent(&p->ws, (size_t)sent);
    }
    uint8_t *to = sdk_ws_room(&p->ws, &room);
    long received = client->transport->receive(p->stream, to, room);
    if (sent < 0 || received < 0) {
        on_end(client, 0);
        return false;
    }
    if (received > 0 && !take_bytes(client, (size_t)received)) {
        return false;
    }
    return received > 0 || (p->ws.out_size > 0 && sent > 0);
}

static void confirm(ow_client *client) {
    sdk_push *p = client->push;
    char text[CURSOR_MAX + 16];
    int size = snprintf(text, sizeof text, "{\"ack\":\"%s\"}", p->cursor);
    if (p->unconfirmed && sdk_now_ms(client) >= p->confirm_at_ms &&
        sdk_ws_say(&p->ws, text, (size_t)size)) {
        p->unconfirmed = false;
    }
}

static void run_connection(ow_client *client) {
    sdk_push *p = client->push;
    bool more = true;
    confirm(client);
    for (int i = 0; more && i < PUMPS; i++) {
        more = pump(client);
    }
    if (p->stream != NULL && sdk_now_ms(client) >= p->due_ms) {
        on_end(client, 0);
    }
}

static void resume_now(ow_client *client) {
    sdk_push *p = client->push;
    if (!sdk_token_is_good(client)) {
        if (sdk_can_renew(client)) {
            sdk_session_need(client);
        }
        p->due_ms = sdk_now_ms(client) + FIRST_PAUSE_MS;
    } else if (p->is_polling) {
        p->due_ms = sdk_now_ms(client) + FIRST_PAUSE_MS; /* an earlier one still has to end */
    } else if (client->transport->connect == NULL || sdk_now_ms(client) < p->poll_until_ms) {
        poll_once(client);
    } else {
        connect_now(client);
    }
}

void sdk_push_tick(ow_client *client) {
    sdk_push *p = client->push;
    if (p == NULL) {
        return;
    }
    if (p->state == PUSH_PAUSED && sdk_now_ms(client) >= p->due_ms) {
        resume_now(client);
    }
    if (p->stream != NULL) {
        run_connection(client);
    }
}

int sdk_push_patience(const ow_client *client, int wait_ms) {
    const sdk_push *p = client->push;
    int64_t now = sdk_now_ms(client);
    int64_t until = now + wait_ms;
    if (p == NULL || p->state == PUSH_OFF || p->state == PUSH_POLLING) {
        return wait_ms;
    }
    until = p->due_ms < until ? p->due_ms : until;
    until = p->unconfirmed && p->confirm_at_ms < until ? p->confirm_at_ms : until;
    return until > now ? (int)(until - now) : 0;
}

bool sdk_push_is_on(const ow_client *client) {
    return client->push != NULL && client->push->state != PUSH_OFF;
}

/* ---- what the game asks for ---- */

bool ow_client_listen(ow_client *client, ow_client_on_push on_push, void *user,
                      ow_client_error *error) {
    if (on_push == NULL) {
        return sdk_fail(error, "invalid_argument", "listening needs a callback");
    }
    if (client->push == NULL) {
        client->push = calloc(1, sizeof *client->push);
    }
    if (client->push == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    client->push->on_push = on_push;
    client->push->user = user;
    if (client->push->state == PUSH_OFF) {
        client->push->state = PUSH_PAUSED;
        client->push->pause_ms = FIRST_PAUSE_MS;
        client->push->due_ms = 0;
    }
    return true;
}

void ow_client_listen_stop(ow_client *client) {
    if (client->push != NULL) {
        hang_up(client);
        client->push->state = PUSH_OFF;
    }
}

bool ow_client_is_listening(const ow_client *client) {
    return client->push != NULL &&
           (client->push->state == PUSH_OPEN || client->push->state == PUSH_POLLING);
}

void sdk_push_free(ow_client *client) {
    if (client->push != NULL) {
        hang_up(client);
        free(client->push);
        client->push = NULL;
    }
}
