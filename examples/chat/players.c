/* Who is there.
 *
 *     greet (internal)  by the subscription to player.login: an event
 *
 * Greets the player, and remembers as "known/<player>" of the virtual server, for 30 days, that there is one.
 * An event may come twice; a second greeting does no harm.
 */
#include <overworld.h>
#include <stdio.h>

#include "request.h"

#define MONTH_MS (30 * 24 * 3600 * INT64_C(1000))

int greet(ow_ctx *ctx) {
    cJSON *login = ow_json_object(ow_payload_json(ctx), "event_data");
    const char *player = ow_json_string(login, "player_id", NULL);
    char key[64];
    if (!player) {
        return ow_refuse(ctx, "no_player", "this is no event of a login", NULL);
    }
    snprintf(key, sizeof key, "known/%s", player);
    if (ow_kv_set(ctx, OW_KV_SERVER, key, "", 0, MONTH_MS) != OW_DONE) {
        return request_fail(ctx, key);
    }
    bool is_new = ow_json_bool(login, "is_new_player", false);
    const char *greeting = is_new ? "{\"text\":\"Welcome! Say hello in the lobby.\"}"
                                  : "{\"text\":\"Good to see you again.\"}";
    /* Kept for a minute: the client connects after it has logged in. */
    if (ow_push(ctx, player, "chat.greeting", greeting) != OW_DONE) {
        return request_fail(ctx, "not greeted");
    }
    return ow_reply_text(ctx, "null");
}
