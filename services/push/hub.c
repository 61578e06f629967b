#include "services/push/hub.h"

#include "services/push/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- entries and messages ----

static int *count_of(hub_message *m, entry_state state) {
    switch (state) {
    case ENTRY_WAITING:
        return &m->waiting;
    case ENTRY_SENT:
        return &m->sent;
    case ENTRY_DELIVERED:
        return &m->delivered;
    default:
        return &m->undelivered;
    }
}

static void set_state(hub_entry *e, entry_state state) {
    --*count_of(e->message, e->state);
    e->state = state;
    ++*count_of(e->message, state);
}

static void list_append(hub_list *list, hub_message *m) {
    m->next = NULL;
    m->previous = list->last;
    if (list->last != NULL) {
        list->last->next = m;
    } else {
        list->first = m;
    }
    list->last = m;
    list->count++;
}

static void list_remove(hub_list *list, hub_message *m) {
    if (m->previous != NULL) {
        m->previous->next = m->next;
    } else {
        list->first = m->next;
    }
    if (m->next != NULL) {
        m->next->previous = m->previous;
    } else {
        list->last = m->previous;
    }
    list->count--;
}

static void forget(hub *h, hub_message *m) {
    list_remove(&h->ended, m);
    for (hub_message **at = &h->by_id[m->hash % MESSAGE_BUCKETS]; *at != NULL;
         at = &(*at)->next_by_id) {
        if (*at == m) {
            *at = m->next_by_id;
            break;
        }
    }
    h->counts.bytes -= m->bytes;
    free(m->undelivered_ids);
    free(m);
}

// One holds it no more; with the last the entries go, and only the report stays.
static void let_go(hub *h, hub_message *m) {
    if (--m->open > 0) {
        return;
    }
    list_remove(&h->kept, m);
    list_append(&h->ended, m);
    m->ended_us = h->now_us;
    h->counts.bytes -= m->body_bytes;
    m->bytes -= m->body_bytes;
    free(m->body);
    m->body = NULL;
    while (h->ended.count > REPORTS_MAX) {
        forget(h, h->ended.first);
    }
}

static void list_undelivered(hub_message *m, const hub_line *line) {
    if (m->undelivered_ids == NULL) {
        m->undelivered_ids = calloc(HUB_LISTED_MAX, sizeof *m->undelivered_ids);
    }
    if (m->undelivered_ids != NULL && m->listed < HUB_LISTED_MAX) {
        memcpy(m->undelivered_ids[m->listed++], line->id, sizeof line->id);
    }
}

static void settle(hub *h, hub_entry *e, entry_state how) {
    hub_line *line = e->line;
    hub_message *m = e->message;
    set_state(e, how);
    line_unlink(line, e);
    if (how != ENTRY_DELIVERED && line->lost < e->sequence) {
        line->lost = e->sequence;
    }
    if (how == ENTRY_UNDELIVERED) {
        list_undelivered(m, line);
    }
    h->counts.delivered += how == ENTRY_DELIVERED;
    h->counts.sent += how == ENTRY_SENT;
    h->counts.undelivered += how == ENTRY_UNDELIVERED;
    let_go(h, m);
}

// Nobody has confirmed it, and it is kept no longer.
static void give_up(hub *h, hub_entry *e) {
    bool held = e->line->gateway != NULL && e->state == ENTRY_SENT;
    settle(h, e, held ? ENTRY_SENT : ENTRY_UNDELIVERED);
}

static void confirm(hub *h, hub_line *line, uint64_t sequence) {
    while (line->first != NULL && line->first->sequence <= sequence) {
        settle(h, line->first, ENTRY_DELIVERED);
    }
}

// ---- cursors ----

void hub_cursor(const hub *h, uint64_t sequence, char text[static HUB_CURSOR_MAX]) {
    snprintf(text, HUB_CURSOR_MAX, "%s-%" PRIu64, h->epoch, sequence);
}

typedef struct cursor_place {
    uint64_t sequence; // 0: from the beginning
    bool foreign;      // of another hub
} cursor_place;

static ow_code read_cursor(const hub *h, const char *text, cursor_place *ret_place, ow_err *err) {
    size_t epoch = sizeof h->epoch - 1;
    cursor_place place = {0, false};
    if (text[0] != '\0') {
        size_t digits = strlen(text) > epoch ? strspn(text + epoch + 1, "0123456789") : 0;
        if (digits == 0 || digits > 19 || text[epoch] != '-' || text[epoch + 1 + digits] != '\0') {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_cursor", "this is no cursor");
        }
        place.foreign = memcmp(text, h->epoch, epoch) != 0;
        place.sequence = place.foreign ? 0 : strtoull(text + epoch + 1, NULL, 10);
        if (place.sequence > h->sequence) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_cursor",
                           "this cursor is not reached yet");
        }
    }
    *ret_place = place;
    return OW_OK;
}

static bool is_lost(const hub_line *line, const char *cursor, cursor_place place) {
    return cursor[0] != '\0' && (place.foreign || place.sequence < line->lost);
}

// ---- sending ----

static ow_code overloaded(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "too many messages are kept");
}

static hub_message *message_new(hub *h, const hub_new_message *made, int64_t now_us) {
    size_t id = strlen(made->id) + 1;
    size_t title = strlen(made->title) + 1;
    size_t topic = strlen(made->topic) + 1;
    size_t payload = strlen(made->payload) + 1;
    hub_message *m = calloc(1, sizeof *m + id + title + topic);
    size_t body = made->player_count * sizeof(hub_entry) + payload;
    if (m == NULL || (m->body = malloc(body)) == NULL) {
        free(m);
        return NULL;
    }
    m->id = memcpy(m->texts, made->id, id);
    m->title = memcpy(m->texts + id, made->title, title);
    m->topic = memcpy(m->texts + id + title, made->topic, topic);
    m->payload =
        memcpy((char *)m->body + made->player_count * sizeof(hub_entry), made->payload, payload);
    m->payload_size = payload;
    m->body_bytes = body;
    m->bytes = sizeof *m + id + title + topic + body;
    m->created_us = now_us;
    m->hash = hub_hash(h, made->title, made->id);
    return m;
}

// The lines of all players, made where they are missing, each once. False: nothing was made.
static size_t find_lines(hub *h, const hub_new_message *made) {
    size_t count = 0;
    h->mark++;
    for (size_t i = 0; i < made->player_count; i++) {
        hub_line *line = line_of(h, (hub_player){made->title, made->players[i]});
        if (line == NULL) {
            while (count > 0) {
                line_drop_if_idle(h, h->scratch[--count]);
            }
            return 0;
        }
        if (line->mark != h->mark) {
            line->mark = h->mark;
            h->scratch[count++] = line;
        }
    }
    return count;
}

static void keep_bounds(hub *h, hub_line *line, size_t more) {
    while (line->first != NULL &&
           (line->count >= h->limits.line_messages || line->bytes + more > h->limits.line_bytes)) {
        give_up(h, line->first);
    }
}

static hub_gateway *enlist(hub *h, hub_message *m, size_t nth, hub_gateway *touched) {
    hub_line *line = h->scratch[nth];
    hub_entry *e = &m->body[nth];
    keep_bounds(h, line, m->payload_size);
    *e = (hub_entry){.line = line, .message = m, .sequence = ++h->sequence, .state = ENTRY_WAITING};
    m->waiting++;
    m->open++;
    m->players++;
    line_append(line, e);
    hub_gateway *gateway = line->gateway;
    if (gateway == NULL) {
        return touched;
    }
    set_state(e, ENTRY_SENT);
    if (gateway->target_count == 0) {
        gateway->next_touched = touched;
        touched = gateway;
    }
    gateway->targets[gateway->target_count++] = (hub_target){line->connection, e->sequence};
    return touched;
}

static void deliver_all(hub *h, const hub_message *m, hub_gateway *touched) {
    for (hub_gateway *next; touched != NULL; touched = next) {
        next = touched->next_touched;
        size_t count = touched->target_count;
        touched->target_count = 0;
        if (!touched->sink.deliver(touched->sink.self, m, touched->targets, count)) {
            hub_detach(h, touched);
        }
    }
}

static void wake_pollers(hub_message *m, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hub_entry *e = &m->body[i];
        if ((e->state == ENTRY_WAITING || e->state == ENTRY_SENT) && e->line->poller != NULL) {
            hub_poller *poller = e->line->poller;
            e->line->poller = NULL;
            poller->wake(poller->self);
        }
    }
}

ow_code hub_send(hub *h, const hub_new_message *made, int64_t now_us, hub_sent *ret_sent,
                 ow_err *err) {
    h->now_us = now_us;
    hub_message *m = message_new(h, made, now_us);
    bool fits = m != NULL && h->counts.bytes + m->bytes <= h->limits.bytes;
    size_t count = fits ? find_lines(h, made) : 0;
    if (count == 0) {
        free(m != NULL ? m->body : NULL);
        free(m);
        return overloaded(err);
    }
    h->counts.bytes += m->bytes;
    h->counts.messages += count;
    list_append(&h->kept, m);
    m->next_by_id = h->by_id[m->hash % MESSAGE_BUCKETS];
    h->by_id[m->hash % MESSAGE_BUCKETS] = m;
    m->open = 1; // ours
    hub_gateway *touched = NULL;
    for (size_t i = 0; i < count; i++) {
        touched = enlist(h, m, i, touched);
    }
    deliver_all(h, m, touched);
    *ret_sent = (hub_sent){m->sent, m->waiting};
    wake_pollers(m, count);
    let_go(h, m);
    return OW_OK;
}

// ---- gateways ----

hub_gateway *hub_find_gateway(const hub *h, const char *id) {
    for (hub_gateway *each = h->gateways; each != NULL; each = each->next) {
        if (strcmp(each->id, id) == 0) {
            return each;
        }
    }
    return NULL;
}

hub_gateway *hub_attach(hub *h, const char *id, const hub_sink *sink) {
    hub_detach(h, hub_find_gateway(h, id));
    hub_gateway *made = calloc(1, sizeof *made);
    if (made != NULL) {
        snprintf(made->id, sizeof made->id, "%s", id);
        made->sink = *sink;
        made->next = h->gateways;
        h->gateways = made;
    }
    return made;
}

// What was given to its holder waits for the next one.
static void line_release(hub *h, hub_line *line) {
    line_set_holder(h, line, NULL, 0);
    for (hub_entry *e = line->first; e != NULL; e = e->next) {
        set_state(e, ENTRY_WAITING);
    }
}

void hub_detach(hub *h, hub_gateway *gateway) {
    if (gateway == NULL) {
        return;
    }
    while (gateway->lines != NULL) {
        hub_line *line = gateway->lines;
        line_release(h, line);
        line_drop_if_idle(h, line);
    }
    for (hub_gateway **at = &h->gateways; *at != NULL; at = &(*at)->next) {
        if (*at == gateway) {
            *at = gateway->next;
            break;
        }
    }
    free(gateway);
}

// Everything that is left in the line. False: the gateway takes no more.
static bool give_line(hub_gateway *gateway, hub_line *line) {
    for (hub_entry *e = line->first; e != NULL; e = e->next) {
        hub_target target = {line->connection, e->sequence};
        set_state(e, ENTRY_SENT);
        if (!gateway->sink.deliver(gateway->sink.self, e->message, &target, 1)) {
            return false;
        }
    }
    return true;
}

// Whoever held the player by another connection is told that they do no more. False: `gateway` takes no
// more, its sink is gone.
static bool change_holder(hub *h, hub_line *line, hub_gateway *gateway, uint64_t connection) {
    hub_gateway *before = line->gateway;
    uint64_t replaced = line->connection;
    if (before != NULL) {
        line_release(h, line);
    }
    line_set_holder(h, line, gateway, connection);
    bool same = before == gateway && replaced == connection;
    if (before == NULL || same || before->sink.close(before->sink.self, replaced, "replaced")) {
        return true;
    }
    if (before == gateway) {
        return false;
    }
    hub_detach(h, before);
    return true;
}

ow_code hub_hold(hub *h, hub_gateway *gateway, uint64_t connection, hub_player player,
                 const char *cursor, ow_err *err) {
    cursor_place place;
    ow_code code = read_cursor(h, cursor, &place, err);
    if (code != OW_OK) {
        return code;
    }
    hub_line *line = line_of(h, player);
    if (line == NULL) {
        return overloaded(err);
    }
    confirm(h, line, place.sequence);
    bool takes_more = change_holder(h, line, gateway, connection);
    uint64_t start = line->first != NULL ? line->first->sequence - 1 : h->sequence;
    hub_target ready = {connection, start};
    if (!takes_more ||
        !gateway->sink.ready(gateway->sink.self, ready, is_lost(line, cursor, place)) ||
        !give_line(gateway, line)) {
        hub_detach(h, gateway);
    }
    return OW_OK;
}

void hub_release(hub *h, const char *gateway_id, uint64_t connection, hub_player player) {
    hub_line *line = line_find(h, player);
    if (line != NULL && line->gateway != NULL && line->connection == connection &&
        strcmp(line->gateway->id, gateway_id) == 0) {
        line_release(h, line);
        line_drop_if_idle(h, line);
    }
}

void hub_acknowledge(hub *h, hub_player player, uint64_t sequence) {
    hub_line *line = line_find(h, player);
    if (line != NULL) {
        confirm(h, line, sequence);
        line_drop_if_idle(h, line);
    }
}

// ---- polling ----

ow_code hub_read(hub *h, hub_player player, const char *cursor, hub_reading *reading, ow_err *err) {
    cursor_place place;
    ow_code code = read_cursor(h, cursor, &place, err);
    if (code != OW_OK) {
        return code;
    }
    hub_line *line = line_of(h, player);
    if (line == NULL) {
        return overloaded(err);
    }
    confirm(h, line, place.sequence);
    reading->lost = is_lost(line, cursor, place);
    reading->count = 0;
    hub_entry *e = line->first;
    for (; e != NULL && reading->count < reading->room; e = e->next) {
        set_state(e, ENTRY_SENT);
        reading->messages[reading->count++] = (hub_read_message){e->sequence, e->message};
    }
    reading->sequence =
        reading->count > 0 ? reading->messages[reading->count - 1].sequence : h->sequence;
    line_drop_if_idle(h, line);
    return OW_OK;
}

ow_code hub_poll(hub *h, hub_player player, hub_poller *poller, ow_err *err) {
    hub_line *line = line_of(h, player);
    if (line == NULL) {
        return overloaded(err);
    }
    hub_poller *before = line->poller;
    line->poller = poller;
    if (before != NULL) {
        before->wake(before->self);
    }
    return OW_OK;
}

void hub_poll_end(hub *h, hub_player player, hub_poller *poller) {
    hub_line *line = line_find(h, player);
    if (line != NULL && line->poller == poller) {
        line->poller = NULL;
        line_drop_if_idle(h, line);
    }
}

// ---- time ----

static void end_message(hub *h, hub_message *m) {
    int players = m->players;
    m->open++;
    for (int i = 0; i < players; i++) {
        hub_entry *e = &m->body[i];
        if (e->line != NULL) {
            hub_line *line = e->line;
            give_up(h, e);
            line_drop_if_idle(h, line);
        }
    }
    let_go(h, m);
}

int64_t hub_expire(hub *h, int64_t now_us) {
    h->now_us = now_us;
    while (h->kept.first != NULL && h->kept.first->created_us + h->limits.keep_us <= now_us) {
        end_message(h, h->kept.first);
    }
    while (h->ended.first != NULL && h->ended.first->ended_us + h->limits.report_us <= now_us) {
        forget(h, h->ended.first);
    }
    int64_t next = INT64_MAX;
    if (h->kept.first != NULL) {
        next = h->kept.first->created_us + h->limits.keep_us;
    }
    if (h->ended.first != NULL && h->ended.first->ended_us + h->limits.report_us < next) {
        next = h->ended.first->ended_us + h->limits.report_us;
    }
    return next;
}

// ---- what is known ----

const char *hub_message_id(const hub_message *m) {
    return m->id;
}

const char *hub_message_topic(const hub_message *m) {
    return m->topic;
}

const char *hub_message_payload(const hub_message *m) {
    return m->payload;
}

bool hub_report_of(const hub *h, const char *title, const char *message_id,
                   hub_report *ret_report) {
    uint64_t hash = hub_hash(h, title, message_id);
    for (hub_message *m = h->by_id[hash % MESSAGE_BUCKETS]; m != NULL; m = m->next_by_id) {
        if (m->hash != hash || strcmp(m->id, message_id) != 0 || strcmp(m->title, title) != 0) {
            continue;
        }
        *ret_report = (hub_report){m->id,          m->topic,   m->title, m->created_us,
                                   m->players,     m->waiting, m->sent,  m->delivered,
                                   m->undelivered, {NULL},     m->listed};
        for (int i = 0; i < m->listed; i++) {
            ret_report->undelivered_ids[i] = m->undelivered_ids[i];
        }
        return true;
    }
    return false;
}
