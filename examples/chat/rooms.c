/* Rooms, in which players talk. A room is the key "room/<name>" of the virtual server: its members, each with
 * the time until which it is one.
 *
 *     join    (client)    {"room": "lobby"}                 -> {"room": "lobby", "members": 3}
 *     leave   (client)    {"room": "lobby"}                 -> {"room": "lobby", "members": 2}
 *     say     (client)    {"room": "lobby", "text": "hi"}   -> {"from": "plr_...", "text": "hi", "at": "..."}
 *     history (client)    {"room": "lobby", "limit": 20}    -> {"lines": [{"from": ...}, ...]}
 *     trim    (internal)  by the timer                      -> {"rooms": 2, "deleted": 17}
 *
 * What is said reaches the members as a push of the topic "chat.room:<name>".
 */
#include <overworld.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "request.h"
#include "words.h"

enum { NAME_MAX_BYTES = 32, KEY_SIZE = 64, MEMBERS_MAX = 100, ATTEMPTS = 50, TEXT_MAX = 500 };
enum { SAID_MAX = 5, SAID_WINDOW_MS = 10000, LINES_MAX = 200, TRIM_LEFT_MS = 2000 };

#define DAY_MS (24 * 3600 * INT64_C(1000))
#define ROOM_PREFIX "room/"

/* ---- members ---- */

typedef struct room {
    char key[KEY_SIZE];
    const char *name;
    cJSON *members;  /* {"plr_...": "until, in microseconds"} */
    int64_t version; /* 0: it is not there */
} room;

/* False: the call has ended with a refusal. */
static bool find_room(ow_ctx *ctx, const cJSON *request, room *r) {
    const char *name = ow_json_string(request, "room", "");
    size_t size = strlen(name);
    if (size == 0 || size > NAME_MAX_BYTES ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != size) {
        ow_refuse(ctx, "bad_room", "a room has 1 to 32 letters, digits, '_' and '-'", NULL);
        return false;
    }
    *r = (room){.name = name};
    snprintf(r->key, sizeof r->key, ROOM_PREFIX "%s", name);
    return true;
}

/* Without those who were members; freed by Overworld. */
static ow_status read_room(ow_ctx *ctx, room *r) {
    int64_t now_us = ow_now_us(ctx);
    r->version = 0;
    r->members = ow_kv_get_json(ctx, OW_KV_SERVER, r->key, &r->version);
    if (!r->members) {
        return strcmp(ow_error_reason(ctx), "no_key") == 0 ? OW_NOTHING : OW_AWAY;
    }
    for (cJSON *member = r->members->child; member;) {
        cJSON *next = member->next;
        if (ow_json_int64(r->members, member->string, 0) <= now_us) {
            cJSON_Delete(cJSON_DetachItemViaPointer(r->members, member));
        }
        member = next;
    }
    return OW_DONE;
}

/* OW_CONFLICT when somebody else changed it since it was read. */
static ow_status write_room(ow_ctx *ctx, const room *r, const cJSON *members) {
    char *text = cJSON_PrintUnformatted(members);
    ow_kv_operation set = {.action = OW_KV_SET,
                           .scope = OW_KV_SERVER,
                           .key = r->key,
                           .value = text,
                           .length = strlen(text),
                           .ttl_ms = DAY_MS,
                           .condition = r->version ? OW_KV_IF_VERSION : OW_KV_IF_ABSENT,
                           .version = r->version};
    ow_status status = ow_kv_batch(ctx, &set, 1);
    free(text);
    return status;
}

/* OW_FULL when there is no place. Without `joins` the player leaves. */
static ow_status try_change(ow_ctx *ctx, room *r, const char *player, bool joins, int *count) {
    ow_status status = read_room(ctx, r);
    if (status == OW_AWAY) {
        return status;
    }
    cJSON *members = r->members ? cJSON_Duplicate(r->members, true) : cJSON_CreateObject();
    cJSON_DeleteItemFromObjectCaseSensitive(members, player);
    if (joins) {
        ow_json_add_int64(members, player, ow_now_us(ctx) + DAY_MS * 1000);
    }
    *count = cJSON_GetArraySize(members);
    status = *count > MEMBERS_MAX ? OW_FULL : write_room(ctx, r, members);
    cJSON_Delete(members);
    return status;
}

static int change_room(ow_ctx *ctx, bool joins) {
    room r;
    int count = 0;
    ow_status status = OW_CONFLICT;
    if (!find_room(ctx, request_read(ctx), &r)) {
        return 0;
    }
    if (!ow_player(ctx)[0]) {
        return ow_refuse(ctx, "no_player", "rooms are for players", NULL);
    }
    /* Whoever was faster: read again, then try again. */
    for (int i = 0; i < ATTEMPTS && status == OW_CONFLICT; i++) {
        status = try_change(ctx, &r, ow_player(ctx), joins, &count);
    }
    if (status == OW_FULL && count > MEMBERS_MAX) {
        return ow_refuse(ctx, "room_full", "this room has as many members as it may have", NULL);
    }
    if (status != OW_DONE) {
        return request_fail(ctx, r.key);
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "room", r.name);
    cJSON_AddNumberToObject(reply, "members", count);
    return ow_reply_json(ctx, reply);
}

int join(ow_ctx *ctx) {
    return change_room(ctx, true);
}

int leave(ow_ctx *ctx) {
    return change_room(ctx, false);
}

/* False: the call has ended; only members speak and read. */
static bool is_member(ow_ctx *ctx, room *r) {
    if (read_room(ctx, r) == OW_AWAY) {
        request_fail(ctx, r->key);
        return false;
    }
    if (!r->members || !cJSON_HasObjectItem(r->members, ow_player(ctx))) {
        ow_refuse(ctx, "not_a_member", "join the room first", NULL);
        return false;
    }
    return true;
}

/* ---- saying something ---- */

/* Five messages in ten seconds: the key goes by itself when the time is over. */
static bool may_speak(ow_ctx *ctx) {
    int64_t said = 0;
    ow_status status = ow_kv_increment(ctx, OW_KV_PLAYER, "chat/said", 1, SAID_WINDOW_MS, &said);
    if (status == OW_DONE && said > SAID_MAX) {
        ow_refuse(ctx, "too_fast", "five messages in ten seconds are enough", NULL);
        return false;
    }
    return true;
}

static void tell_members(ow_ctx *ctx, const room *r, const char *line) {
    const char *players[MEMBERS_MAX];
    char topic[KEY_SIZE];
    size_t count = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, r->members) {
        if (count < MEMBERS_MAX) {
            players[count++] = member->string;
        }
    }
    snprintf(topic, sizeof topic, "chat.room:%s", r->name);
    if (ow_push_all(ctx, players, count, topic, line) != OW_DONE) {
        /* It was said all the same: who missed it finds it in the history. */
        ow_log_fields(ctx, OW_WARN, "not told", "room", r->name, "why", ow_error_message(ctx),
                      NULL);
    }
}

static cJSON *write_line(ow_ctx *ctx, const room *r, const char *text) {
    size_t places;
    char *masked = words_mask(ctx, text, &places);
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "room", r->name);
    cJSON_AddStringToObject(line, "from", ow_player(ctx));
    cJSON_AddStringToObject(line, "text", masked);
    ow_json_add_int64(line, "at", ow_now_us(ctx));
    free(masked);
    return line;
}

int say(ow_ctx *ctx) {
    room r;
    cJSON *request = request_read(ctx);
    const char *text = ow_json_string(request, "text", "");
    if (!find_room(ctx, request, &r)) {
        return 0;
    }
    if (!text[0] || strlen(text) > TEXT_MAX) {
        return ow_refuse(ctx, "bad_text", "a message has 1 to 500 bytes", NULL);
    }
    if (!is_member(ctx, &r) || !may_speak(ctx)) {
        return 0;
    }
    cJSON *line = write_line(ctx, &r, text);
    char *said = cJSON_PrintUnformatted(line);
    ow_status status = history_keep(ctx, r.name, said);
    if (status == OW_DONE) {
        tell_members(ctx, &r, said);
    }
    free(said);
    if (status != OW_DONE) {
        cJSON_Delete(line);
        return request_fail(ctx, "not kept");
    }
    return ow_reply_json(ctx, line);
}

/* ---- what was said ---- */

int history(ow_ctx *ctx) {
    room r;
    cJSON *request = request_read(ctx);
    int64_t limit = ow_json_int64(request, "limit", 50);
    if (!find_room(ctx, request, &r)) {
        return 0;
    }
    if (limit < 1 || limit > LINES_MAX) {
        return ow_refuse(ctx, "bad_limit", "limit is a number from 1 to 200", NULL);
    }
    if (!is_member(ctx, &r)) {
        return 0;
    }
    cJSON *lines = history_read(ctx, r.name, (int)limit);
    if (!lines) {
        return request_fail(ctx, "no history");
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddItemToObject(reply, "lines", lines);
    return ow_reply_json(ctx, reply);
}

/* What it does not come to, the timer's next run does. */
int trim(ow_ctx *ctx) {
    ow_kv_query query = {.scope = OW_KV_SERVER, .prefix = ROOM_PREFIX, .keys_only = true};
    ow_kv_page page;
    ow_status status = OW_DONE;
    int rooms = 0, deleted = 0, all = 0;
    do {
        status = ow_kv_list(ctx, &query, &page);
        for (size_t i = 0; status == OW_DONE && i < page.count; i++, rooms++) {
            status = history_trim(ctx, page.items[i].key + strlen(ROOM_PREFIX), &deleted);
            all += deleted;
        }
        query.cursor = page.next;
    } while (status == OW_DONE && page.next && ow_deadline_left_ms(ctx) > TRIM_LEFT_MS);
    if (status != OW_DONE) {
        return request_fail(ctx, "trim");
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddNumberToObject(reply, "rooms", rooms);
    cJSON_AddNumberToObject(reply, "deleted", all);
    return ow_reply_json(ctx, reply);
}
