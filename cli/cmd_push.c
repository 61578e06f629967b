// ow push: a message to players who are connected, or come back within a minute.

#include "cli/rpc.h"

#include "overworld/push/v1/push.pb-c.h"

#include <stdio.h>
#include <string.h>

enum { PLAYERS_MAX = 1000 };

// The ids of a list with commas, in the arena; NULL: too many, or out of memory.
static char **split_ids(cli *c, const char *list, size_t *ret_count) {
    char **ids = ow_arena_calloc(c->arena, PLAYERS_MAX, sizeof *ids);
    char *rest = ow_arena_strdup_in(c->arena, list);
    *ret_count = 0;
    if (ids == NULL || rest == NULL) {
        return NULL;
    }
    for (char *id; *ret_count < PLAYERS_MAX && (id = strsep(&rest, ",")) != NULL;) {
        ids[(*ret_count)++] = id;
    }
    return rest == NULL ? ids : NULL;
}

static cli_exit cmd_push(cli *c) {
    Overworld__Push__V1__SendRequest request = OVERWORLD__PUSH__V1__SEND_REQUEST__INIT;
    Overworld__Push__V1__SendResponse *reply;
    request.player_ids = split_ids(c, c->args[0], &request.n_player_ids);
    if (request.player_ids == NULL) {
        return cli_fail(c, CLI_USAGE, "at most %d players at a time", PLAYERS_MAX);
    }
    request.topic = (char *)(uintptr_t)c->args[1];
    request.payload_json = (char *)(uintptr_t)(c->arg_count > 2 ? c->args[2] : "null");
    cli_exit code = cli_rpc(c, "/overworld.push.v1.Push/Send", &request.base,
                            &overworld__push__v1__send_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s\n", reply->message_id);
        cli_say(c, "on the way to %d, kept for %d who are not connected", (int)reply->sent,
                (int)reply->waiting);
    }
    return code;
}

// ---- The table ----

const cli_command push_commands[] = {
    {"push", "PLAYER[,PLAYER...] TOPIC [JSON]", "tell players something at once", 2, 3, NULL,
     cmd_push, "ow push plr_01... notice '{\"text\":\"back in five minutes\"}'"},
    {0},
};
