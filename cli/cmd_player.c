// ow player ...: finding accounts, letting them in or not, handing them out, deleting them.

#include "cli/list.h"

#include "overworld/identity/v1/identity.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define IDENTITY "/overworld.identity.v1.Identity/"

static const int64_t FOR_GOOD_S = 253402300799; // the end of the year 9999

typedef Overworld__Identity__V1__Player Player;
typedef Overworld__Identity__V1__FindPlayerRequest FindPlayer;
typedef Google__Protobuf__Timestamp Timestamp;

static const ProtobufCMessageDescriptor *const player_type =
    &overworld__identity__v1__player__descriptor;

// ---- Printing ----

static const char *date(cli *c, const Timestamp *at) {
    return cli_seconds(at) == FOR_GOOD_S ? "for good" : cli_date(c, at);
}

static void print_logins(cli *c, const Player *player) {
    static const char *const columns[] = {"LOGIN", "KIND", "WHAT", "LINKED", NULL};
    cli_table table = {.columns = columns};
    for (size_t i = 0; i < player->n_logins; i++) {
        const Overworld__Identity__V1__Login *login = player->logins[i];
        cli_table_add(c, &table, login->login_id);
        cli_table_add(c, &table, login->kind);
        cli_table_add(c, &table, login->shown[0] != '\0' ? login->shown : "-");
        cli_table_add(c, &table, date(c, login->created_at));
    }
    cli_table_print(c, &table);
}

static void print_sessions(cli *c, const Player *player) {
    static const char *const columns[] = {"SESSION", "BEGUN", "REFRESHED", "ENDS", NULL};
    cli_table table = {.columns = columns};
    for (size_t i = 0; i < player->n_sessions; i++) {
        const Overworld__Identity__V1__Session *session = player->sessions[i];
        cli_table_add(c, &table, session->session_id);
        cli_table_add(c, &table, date(c, session->created_at));
        cli_table_add(c, &table, date(c, session->refreshed_at));
        cli_table_add(c, &table, date(c, session->expires_at));
    }
    cli_table_print(c, &table);
}

static void print_player(cli *c, const Player *player) {
    printf("%s, made %s%s%s\n", player->player_id, date(c, player->created_at),
           player->platform[0] != '\0' ? " on " : "", player->platform);
    if (player->banned_until != NULL) {
        printf("banned until: %s%s%s\n", date(c, player->banned_until),
               player->ban_reason[0] != '\0' ? ": " : "", player->ban_reason);
    }
    putchar('\n');
    print_logins(c, player);
    if (player->n_sessions > 0) {
        putchar('\n');
        print_sessions(c, player);
    }
}

// ---- Finding ----

static cli_exit find(cli *c, const FindPlayer *request, Player **ret_player) {
    return cli_rpc(c, IDENTITY "FindPlayer", &request->base, player_type, true, ret_player);
}

// By --device or --custom, or by what the argument looks like.
static cli_exit name_player(cli *c, FindPlayer *request) {
    const char *device = cli_text(c, "device"), *custom = cli_text(c, "custom");
    int named = (c->arg_count > 0) + (device != NULL) + (custom != NULL);
    if (named != 1) {
        return cli_fail(c, CLI_USAGE,
                        "name one player: PLAYER_ID, E-MAIL, --device ID or --custom ID");
    }
    if (device != NULL) {
        request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_DEVICE_ID;
        request->device_id = (char *)device;
    } else if (custom != NULL) {
        request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_CUSTOM_ID;
        request->custom_id = (char *)custom;
    } else if (strchr(c->args[0], '@') != NULL) {
        request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_EMAIL;
        request->email = (char *)c->args[0];
    } else {
        request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_PLAYER_ID;
        request->player_id = (char *)c->args[0];
    }
    return CLI_OK;
}

static cli_exit cmd_player_find(cli *c) {
    FindPlayer request = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__INIT;
    Player *player;
    cli_exit code = name_player(c, &request);
    code = code == CLI_OK ? find(c, &request, &player) : code;
    if (code == CLI_OK && !c->json) {
        printf("%s%s\n", player->player_id, player->banned_until != NULL ? " banned" : "");
    }
    return code;
}

static cli_exit cmd_player_show(cli *c) {
    FindPlayer request = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__INIT;
    Player *player;
    cli_exit code = name_player(c, &request);
    code = code == CLI_OK ? find(c, &request, &player) : code;
    if (code == CLI_OK && !c->json) {
        print_player(c, player);
    }
    return code;
}

static void add_listed(cli *c, cli_table *table, const void *entry) {
    const Overworld__Identity__V1__ListedPlayer *p = entry;
    cli_table_add(c, table, p->player_id);
    cli_table_add(c, table, p->shown[0] != '\0' ? p->shown : NULL);
    cli_table_add(c, table, p->platform[0] != '\0' ? p->platform : NULL);
    cli_table_add(c, table, cli_ago(c, cli_seconds(p->created_at)));
    cli_table_add(c, table, p->banned_until != NULL ? "banned" : NULL);
}

static cli_exit cmd_player_list(cli *c) {
    static const char *const columns[] = {"PLAYER", "LOGIN", "PLATFORM", "MADE", "BAN", NULL};
    Overworld__Identity__V1__ListPlayersRequest request =
        OVERWORLD__IDENTITY__V1__LIST_PLAYERS_REQUEST__INIT;
    request.shown_prefix = (char *)(uintptr_t)(c->arg_count > 0 ? c->args[0] : "");
    return cli_list_print(
        c, &(cli_list){.path = "/overworld.identity.v1.Identity/ListPlayers",
                       .request = &request.base,
                       .reply_type = &overworld__identity__v1__list_players_response__descriptor,
                       .columns = columns,
                       .add_row = add_listed,
                       .default_limit = 50,
                       .if_empty =
                           "No players fit. A game client makes one when it logs in; with sdk/c "
                           "that is ow_client_login_device."});
}

// ---- Bans and sessions ----

static cli_exit read_span_end(cli *c, const char *span, Timestamp *to) {
    if (!cli_read_span(span, &to->seconds) || to->seconds == 0) {
        return cli_fail(c, CLI_USAGE, "--for \"%s\" is no duration: use 30m, 12h or 7d", span);
    }
    to->seconds += (int64_t)time(NULL);
    return CLI_OK;
}

// --for or --until; neither is for good.
static cli_exit read_end(cli *c, Timestamp *storage, Timestamp **ret_until) {
    const char *span = cli_text(c, "for"), *until = cli_text(c, "until");
    if (span == NULL && until == NULL) {
        return CLI_OK;
    }
    if (span != NULL && until != NULL) {
        return cli_fail(c, CLI_USAGE, "give --for or --until, not both");
    }
    *ret_until = storage;
    if (span != NULL) {
        return read_span_end(c, span, storage);
    }
    return cli_read_date(until, &storage->seconds)
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "--until \"%s\" is no time: use 2026-01-31T08:00:00Z",
                          until);
}

static cli_exit cmd_player_ban(cli *c) {
    Overworld__Identity__V1__BanPlayerRequest request =
        OVERWORLD__IDENTITY__V1__BAN_PLAYER_REQUEST__INIT;
    Timestamp until = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    const char *reason = cli_text(c, "reason");
    request.player_id = (char *)c->args[0];
    request.reason = (char *)(reason != NULL ? reason : "");
    Player *player;
    cli_exit code = read_end(c, &until, &request.until);
    code = code == CLI_OK
               ? cli_rpc(c, IDENTITY "BanPlayer", &request.base, player_type, true, &player)
               : code;
    if (code == CLI_OK) {
        cli_say(c, "banned %s: %s", player->player_id, date(c, player->banned_until));
    }
    return code;
}

static cli_exit cmd_player_unban(cli *c) {
    Overworld__Identity__V1__UnbanPlayerRequest request =
        OVERWORLD__IDENTITY__V1__UNBAN_PLAYER_REQUEST__INIT;
    request.player_id = (char *)c->args[0];
    Player *player;
    cli_exit code = cli_rpc(c, IDENTITY "UnbanPlayer", &request.base, player_type, true, &player);
    if (code == CLI_OK) {
        cli_say(c, "%s may log in again", player->player_id);
    }
    return code;
}

static cli_exit cmd_player_logout(cli *c) {
    Overworld__Identity__V1__LogoutPlayerRequest request =
        OVERWORLD__IDENTITY__V1__LOGOUT_PLAYER_REQUEST__INIT;
    request.player_id = (char *)c->args[0];
    Overworld__Identity__V1__LogoutPlayerResponse *done;
    cli_exit code =
        cli_rpc(c, IDENTITY "LogoutPlayer", &request.base,
                &overworld__identity__v1__logout_player_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "%" PRId32 " sessions ended", done->ended_sessions);
    }
    return code;
}

// ---- Export and deletion ----

// JSON in either case: a person gets it as a file. One object for each page of what functions remember.
static cli_exit cmd_player_export(cli *c) {
    Overworld__Identity__V1__ExportPlayerRequest request =
        OVERWORLD__IDENTITY__V1__EXPORT_PLAYER_REQUEST__INIT;
    request.player_id = (char *)c->args[0];
    Overworld__Identity__V1__ExportPlayerResponse *all;
    c->json = true;
    for (;;) {
        cli_exit code =
            cli_rpc(c, IDENTITY "ExportPlayer", &request.base,
                    &overworld__identity__v1__export_player_response__descriptor, true, &all);
        if (code != CLI_OK || all->next_page_token[0] == '\0') {
            return code;
        }
        request.page_token = all->next_page_token;
    }
}

static cli_exit cmd_player_delete(cli *c) {
    const char *again = cli_text(c, "yes");
    if (again == NULL || strcmp(again, c->args[0]) != 0) {
        return cli_fail(c, CLI_USAGE, "this cannot be undone: repeat the id, --yes %s", c->args[0]);
    }
    Overworld__Identity__V1__DeletePlayerRequest request =
        OVERWORLD__IDENTITY__V1__DELETE_PLAYER_REQUEST__INIT;
    request.player_id = (char *)c->args[0];
    Overworld__Identity__V1__DeletePlayerResponse *done;
    cli_exit code =
        cli_rpc(c, IDENTITY "DeletePlayer", &request.base,
                &overworld__identity__v1__delete_player_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", c->args[0]);
    }
    return code;
}

// ---- The table ----

static const cli_flag player_list_flags[] = {
    {"limit", CLI_FLAG_INT, "N", "at most so many (default 50)"},
    {0},
};

static const cli_flag player_flags[] = {
    {"device", CLI_FLAG_TEXT, "ID", "who logs in with this device id"},
    {"custom", CLI_FLAG_TEXT, "ID", "who logs in with this custom id"},
    {0},
};

static const cli_flag ban_flags[] = {
    {"reason", CLI_FLAG_TEXT, "TEXT", "shown to the player"},
    {"for", CLI_FLAG_TEXT, "TIME", "30m, 12h or 7d from now (default: for good)"},
    {"until", CLI_FLAG_TEXT, "TIME", "an RFC 3339 time"},
    {0},
};

static const cli_flag player_delete_flags[] = {
    {"yes", CLI_FLAG_TEXT, "PLAYER", "the id again"},
    {0},
};

const cli_command player_commands[] = {
    {"player list", "[BEGINNING]", "the newest players, or those whose e-mail address begins so", 0,
     1, player_list_flags, cmd_player_list, "ow player list ann@"},
    {"player find", "[PLAYER|EMAIL]", "the id of a player", 0, 1, player_flags, cmd_player_find,
     "ow player find ann@example.com"},
    {"player show", "[PLAYER|EMAIL]", "one player: logins, sessions, ban", 0, 1, player_flags,
     cmd_player_show, "ow player show --device 5f2c..."},
    {"player ban", "PLAYER", "refuse a player and end all sessions", 1, 1, ban_flags,
     cmd_player_ban, "ow player ban plr_01... --for 7d --reason 'aimbot'"},
    {"player unban", "PLAYER", "let a banned player in again", 1, 1, NULL, cmd_player_unban,
     "ow player unban plr_01..."},
    {"player logout", "PLAYER", "end all sessions of a player", 1, 1, NULL, cmd_player_logout,
     "ow player logout plr_01..."},
    {"player export", "PLAYER", "print all that is stored about a player, as JSON", 1, 1, NULL,
     cmd_player_export, "ow player export plr_01... > player.json"},
    {"player delete", "PLAYER", "delete a player with all logins and sessions", 1, 1,
     player_delete_flags, cmd_player_delete, "ow player delete plr_01... --yes plr_01..."},
    {0},
};
