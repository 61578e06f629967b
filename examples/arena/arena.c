/*
 * Ratings of players, and a leaderboard. Everything about a match is written as one: both ratings, both
 * places in the leaderboard, and that the match was counted.
 *
 * Keys of a player: "rating", a number. Keys of the virtual server: "rank/<from the top>/<player>" (listing
 * them is the leaderboard), "match/<id>" for a day.
 */
#include <overworld.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rating.h"

enum { ATTEMPTS = 50, KEY_SIZE = 160, PLACES_MAX = 100 };

#define DAY_MS (24 * 3600 * INT64_C(1000))

typedef struct fighter {
    const char *id;
    int64_t rating, version; /* version 0: had none yet */
    char old_rank[KEY_SIZE], new_rank[KEY_SIZE], text[24];
} fighter;

/* Higher ratings first, since lists go by the bytes of keys. */
static void rank_key(char key[KEY_SIZE], int64_t rating, const char *player) {
    snprintf(key, KEY_SIZE, "rank/%04d/%s", (int)(RATING_MOST - rating), player);
}

static ow_status read_fighter(ow_ctx *ctx, fighter *f) {
    ow_kv_item item;
    ow_status status = ow_kv_get(ctx, f->id, "rating", &item);
    f->version = item.version;
    f->rating = status == OW_DONE ? strtoll(item.value, NULL, 10) : RATING_FIRST;
    rank_key(f->old_rank, f->rating, f->id);
    return status == OW_NOTHING ? OW_DONE : status;
}

/* Its rating, if nobody changed it since, and its place in the leaderboard. */
static size_t change_fighter(fighter *f, int64_t rating, ow_kv_operation *operations) {
    snprintf(f->text, sizeof f->text, "%lld", (long long)rating);
    rank_key(f->new_rank, rating, f->id);
    operations[0] = (ow_kv_operation){
        .action = OW_KV_SET,
        .scope = f->id,
        .key = "rating",
        .value = f->text,
        .length = strlen(f->text),
        .condition = f->version > 0 ? OW_KV_IF_VERSION : OW_KV_IF_ABSENT,
        .version = f->version,
    };
    operations[1] =
        (ow_kv_operation){.action = OW_KV_DELETE, .scope = OW_KV_SERVER, .key = f->old_rank};
    operations[2] = (ow_kv_operation){.action = OW_KV_SET,
                                      .scope = OW_KV_SERVER,
                                      .key = f->new_rank,
                                      .value = f->text,
                                      .length = strlen(f->text)};
    return 3;
}

/* OW_CONFLICT: a rating changed meanwhile, or the match is counted already. */
static ow_status count_match(ow_ctx *ctx, const char *match_key, fighter *winner, fighter *loser) {
    ow_kv_operation operations[7];
    ow_status status = read_fighter(ctx, winner);
    status = status == OW_DONE ? read_fighter(ctx, loser) : status;
    if (status != OW_DONE) {
        return status;
    }
    int64_t points =
        rating_points(winner->rating, loser->rating, ow_config_int64(ctx, "K_FACTOR", 32));
    operations[0] = (ow_kv_operation){.action = OW_KV_SET,
                                      .scope = OW_KV_SERVER,
                                      .key = match_key,
                                      .value = "",
                                      .ttl_ms = DAY_MS,
                                      .condition = OW_KV_IF_ABSENT};
    size_t count = 1;
    count += change_fighter(winner, winner->rating + points, operations + count);
    count += change_fighter(loser, loser->rating - points, operations + count);
    return ow_kv_batch(ctx, operations, count);
}

static int reply_match(ow_ctx *ctx, const fighter *winner, const fighter *loser) {
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "winner", winner->text);
    cJSON_AddStringToObject(reply, "loser", loser->text);
    return ow_reply_json(ctx, reply);
}

static int fail(ow_ctx *ctx, const char *what) {
    return ow_user_error(ctx, "%s: %s: %s", what, ow_error_reason(ctx), ow_error_message(ctx));
}

/* {"match": ID, "winner": PLAYER, "loser": PLAYER}: counted once, however often it is reported. */
int match_over(ow_ctx *ctx) {
    cJSON *request = ow_payload_json(ctx);
    const char *match = ow_json_string(request, "match", "");
    fighter winner = {.id = ow_json_string(request, "winner", "")};
    fighter loser = {.id = ow_json_string(request, "loser", "")};
    char match_key[KEY_SIZE];
    ow_kv_item counted;
    if (!match[0] || strlen(match) > 100 || strcmp(winner.id, loser.id) == 0 ||
        strncmp(winner.id, "plr_", 4) != 0 || strncmp(loser.id, "plr_", 4) != 0) {
        return ow_refuse(ctx, "bad_match", "a match has an id, a winner and another player", NULL);
    }
    snprintf(match_key, sizeof match_key, "match/%s", match);
    for (int i = 0; i < ATTEMPTS; i++) {
        ow_status status = count_match(ctx, match_key, &winner, &loser);
        if (status == OW_DONE) {
            ow_log_fields(ctx, OW_INFO, "match over", "match", match, "winner", winner.id, NULL);
            return reply_match(ctx, &winner, &loser);
        }
        if (status != OW_CONFLICT) {
            return fail(ctx, "the match was not counted");
        }
        if (ow_kv_get(ctx, OW_KV_SERVER, match_key, &counted) == OW_DONE) {
            return ow_refuse(ctx, "counted", "this match was counted already", NULL);
        }
    }
    return ow_user_error(ctx, "too many matches of the same players at a time");
}

/* {"places": 10}: the best, first one first. */
int leaderboard(ow_ctx *ctx) {
    int places = (int)ow_json_number(ow_payload_json(ctx), "places", 10);
    ow_kv_query query = {.scope = OW_KV_SERVER, .prefix = "rank/", .limit = places};
    ow_kv_page page;
    if (places < 1 || places > PLACES_MAX) {
        return ow_refuse(ctx, "bad_places", "places is a number from 1 to 100", NULL);
    }
    if (ow_kv_list(ctx, &query, &page) != OW_DONE) {
        return fail(ctx, "no leaderboard");
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(reply, "places");
    for (size_t i = 0; i < page.count; i++) {
        cJSON *place = cJSON_CreateObject();
        cJSON_AddStringToObject(place, "player", strrchr(page.items[i].key, '/') + 1);
        cJSON_AddNumberToObject(place, "rating", strtod(page.items[i].value, NULL));
        cJSON_AddItemToArray(list, place);
    }
    return ow_reply_json(ctx, reply);
}

/* The caller's own. */
int rating(ow_ctx *ctx) {
    ow_kv_item item;
    ow_status status = ow_kv_get(ctx, OW_KV_PLAYER, "rating", &item);
    if (status != OW_DONE && status != OW_NOTHING) {
        return fail(ctx, "no rating");
    }
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddNumberToObject(reply, "rating",
                            status == OW_DONE ? strtod(item.value, NULL) : RATING_FIRST);
    return ow_reply_json(ctx, reply);
}
