/* A gift for everybody: a long task, spread over the queue.
 *
 *     gift_all    (server)    {"gift": "spring", "coins": 10}  -> {"gift": "spring", "accepted": true}
 *     gift_spread (internal)  finds who gets it, and spawns for each
 *     gift_one    (internal)  gives it to one
 *     purse       (client)    {}                               -> {"coins": 30}
 *
 * gift_all answers at once: that the gift is spread is a row on disk by then. Each step may run again, after a
 * crash or because somebody asks twice, and still everybody gets a gift once: the name of the gift is the key of
 * what is spawned, and the player's own key "gift/<name>" is written together with the coins.
 */
#include <overworld.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

enum { KEY_SIZE = 128, NAME_MAX_BYTES = 40, COINS_MAX = 1000, PAGE = 200 };

#define KEPT_MS (90 * 24 * 3600 * INT64_C(1000))
#define KNOWN_PREFIX "known/"

static ow_status spawn_json(ow_ctx *ctx, const char *function, const char *key, cJSON *request) {
    char text[512] = "";
    bool fits = cJSON_PrintPreallocated(request, text, (int)sizeof text, false);
    ow_spawn_options options = {.key = key};
    cJSON_Delete(request);
    return fits ? ow_spawn(ctx, function, text, strlen(text), &options) : OW_INVALID;
}

static cJSON *gift_of(const char *gift, int64_t coins) {
    cJSON *request = cJSON_CreateObject();
    cJSON_AddStringToObject(request, "gift", gift);
    cJSON_AddNumberToObject(request, "coins", (double)coins);
    return request;
}

int gift_all(ow_ctx *ctx) {
    cJSON *request = request_read(ctx);
    const char *gift = ow_json_string(request, "gift", "");
    int64_t coins = ow_json_int64(request, "coins", 0);
    char key[KEY_SIZE];
    if (!gift[0] || strlen(gift) > NAME_MAX_BYTES || coins < 1 || coins > COINS_MAX) {
        return ow_refuse(ctx, "bad_gift", "a gift has a name, and 1 to 1,000 coins", NULL);
    }
    snprintf(key, sizeof key, "spread/%s", gift);
    if (spawn_json(ctx, "gift_spread", key, gift_of(gift, coins)) != OW_DONE) {
        return request_fail(ctx, key);
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "gift", gift);
    cJSON_AddBoolToObject(reply, "accepted", true);
    return ow_reply_json(ctx, reply);
}

static ow_status give_later(ow_ctx *ctx, const cJSON *gift, const char *player) {
    const char *name = ow_json_string(gift, "gift", "");
    char key[KEY_SIZE];
    cJSON *request = gift_of(name, ow_json_int64(gift, "coins", 0));
    cJSON_AddStringToObject(request, "player", player);
    snprintf(key, sizeof key, "gift/%s/%s", name, player);
    return spawn_json(ctx, "gift_one", key, request);
}

int gift_spread(ow_ctx *ctx) {
    const cJSON *gift = ow_payload_json(ctx);
    ow_kv_query query = {
        .scope = OW_KV_SERVER, .prefix = KNOWN_PREFIX, .limit = PAGE, .keys_only = true};
    ow_kv_page page;
    ow_status status;
    int players = 0;
    do {
        status = ow_kv_list(ctx, &query, &page);
        for (size_t i = 0; status == OW_DONE && i < page.count; i++, players++) {
            status = give_later(ctx, gift, page.items[i].key + strlen(KNOWN_PREFIX));
        }
        query.cursor = page.next;
    } while (status == OW_DONE && page.next);
    if (status != OW_DONE) {
        return request_fail(ctx, "not spread"); /* the queue tries again */
    }
    ow_log(ctx, OW_INFO, "for %d players", players);
    return ow_reply_text(ctx, "null");
}

int gift_one(ow_ctx *ctx) {
    const cJSON *gift = ow_payload_json(ctx);
    const char *player = ow_json_string(gift, "player", "");
    char mark[KEY_SIZE];
    snprintf(mark, sizeof mark, "gift/%s", ow_json_string(gift, "gift", ""));
    ow_kv_operation operations[] = {
        {.action = OW_KV_SET,
         .scope = player,
         .key = mark,
         .value = "",
         .ttl_ms = KEPT_MS,
         .condition = OW_KV_IF_ABSENT},
        {.action = OW_KV_INCREMENT,
         .scope = player,
         .key = "coins",
         .delta = ow_json_int64(gift, "coins", 0)},
    };
    ow_status status = ow_kv_batch(ctx, operations, 2);
    if (status == OW_CONFLICT) {
        return ow_reply_text(ctx, "null"); /* the player has it already */
    }
    if (status != OW_DONE) {
        return request_fail(ctx, mark);
    }
    char text[64];
    snprintf(text, sizeof text, "{\"coins\":%lld}", (long long)operations[1].number);
    ow_push(ctx, player, "chat.gift", text);
    return ow_reply_text(ctx, "null");
}

int purse(ow_ctx *ctx) {
    ow_kv_item item;
    ow_status status = ow_kv_get(ctx, OW_KV_PLAYER, "coins", &item);
    if (status != OW_DONE && status != OW_NOTHING) {
        return request_fail(ctx, "no purse");
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddNumberToObject(reply, "coins", status == OW_DONE ? strtod(item.value, NULL) : 0);
    return ow_reply_json(ctx, reply);
}
