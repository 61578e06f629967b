// ListPlayers.

#include "services/identity/methods.h"
#include "services/identity/player_lists_store.h"

#include <stdio.h>
#include <string.h>

static ow_code bad_token(ow_run *run) {
    return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_token", "this is no page token");
}

// E-mail addresses are kept in lower case; an issuer's are as it writes them.
static const char *normalized(ow_run *run, const char *prefix) {
    char *made = ow_arena_strdup_in(run->call->arena, prefix);
    bool is_address = strstr(prefix, "://") == NULL;
    for (char *at = made; made != NULL && is_address && *at != '\0'; at++) {
        *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
    }
    return made;
}

// A token is the last row's: "ID", by a prefix "ID SHOWN".
static ow_code read_token(ow_run *run, const char *token, player_range *range) {
    char *id = ow_arena_strdup_in(run->call->arena, token);
    range->after = "";
    range->shown = "";
    if (id == NULL) {
        return no_memory(run);
    }
    if (token[0] == '\0') {
        return OW_OK;
    }
    char *shown = strchr(id, ' ');
    if (shown != NULL) {
        *shown++ = '\0';
    }
    bool sound = ow_id_is(id, "plr_") && (shown != NULL) == (range->prefix[0] != '\0') &&
                 (shown == NULL || strncmp(shown, range->prefix, strlen(range->prefix)) == 0);
    range->after = id;
    range->shown = shown != NULL ? shown : "";
    return sound ? OW_OK : bad_token(run);
}

static ow_code range_of(ow_run *run, player_range *range) {
    const list_players_request *request = run->request;
    ow_code code = check_title(run->call->principal->title, run->err);
    if (code != OW_OK) {
        return code;
    }
    if (request->page_size < 0 || request->page_size > PLAYERS_PAGE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_size", "at most %d a page",
                       PLAYERS_PAGE_MAX);
    }
    if (strlen(request->shown_prefix) > SHOWN_PREFIX_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_prefix", "at most %d bytes",
                       SHOWN_PREFIX_MAX);
    }
    range->title = run->call->principal->title;
    range->prefix = normalized(run, request->shown_prefix);
    range->limit = (request->page_size > 0 ? request->page_size : PAGE_DEFAULT) + 1;
    return range->prefix != NULL ? read_token(run, request->page_token, range) : no_memory(run);
}

static listed_player_msg *message_of(ow_run *run, const listed_player *row) {
    bool failed = false;
    listed_player_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__identity__v1__listed_player__init(made);
    made->player_id = dup(run, row->player_id, &failed);
    made->platform = dup(run, row->platform, &failed);
    made->shown = dup(run, row->shown, &failed);
    made->created_at = timestamp(run, row->created_us, &failed);
    if (row->banned_until_us > now_us(run)) {
        made->banned_until = timestamp(run, row->banned_until_us, &failed);
    }
    return failed ? NULL : made;
}

static ow_code fill(ow_run *run, const player_range *range, const listed_player *rows, int count) {
    list_players_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    int shown = count < range->limit ? count : range->limit - 1;
    reply->players = ow_arena_calloc(arena, (size_t)shown + 1, sizeof *reply->players);
    for (int i = 0; reply->players != NULL && i < shown; i++) {
        reply->players[i] = message_of(run, &rows[i]);
        if (reply->players[i] == NULL) {
            return no_memory(run);
        }
        reply->n_players++;
    }
    if (shown < count) {
        const listed_player *last = &rows[shown - 1];
        bool by_prefix = range->prefix[0] != '\0';
        reply->next_page_token = ow_arena_printf_in(
            arena, "%s%s%s", last->player_id, by_prefix ? " " : "", by_prefix ? last->shown : "");
    }
    return reply->players != NULL && reply->next_page_token != NULL ? OW_OK : no_memory(run);
}

ow_code list_players(ow_run *run) {
    player_range range;
    int count = 0;
    ow_code code = range_of(run, &range);
    if (code != OW_OK) {
        return code;
    }
    listed_player *rows =
        ow_arena_calloc(run->call->arena, (size_t)range.limit, sizeof(listed_player));
    if (rows == NULL) {
        return no_memory(run);
    }
    code = store_players_list(run->db, &range, rows, &count, run->err);
    return code == OW_OK ? fill(run, &range, rows, count) : code;
}
