// FindPlayer, BanPlayer, UnbanPlayer, LogoutPlayer, ExportPlayer, DeletePlayer: accounts, as operators
// (and players their own) handle them.

#include "services/identity/announcements.h"
#include "services/identity/methods.h"

#include "core/json/check.h"

#include <stdio.h>
#include <string.h>

// ---- What is shown ----

static bool fill_logins(ow_run *run, const account *from, player_msg *to) {
    to->logins = ow_arena_calloc(run->call->arena, LOGINS_OF_PLAYER_MAX, sizeof *to->logins);
    for (int i = 0; to->logins != NULL && i < from->login_count; i++) {
        to->logins[i] = login_message(run, &from->logins[i]);
        if (to->logins[i] == NULL) {
            return false;
        }
        to->n_logins++;
    }
    return to->logins != NULL;
}

static session_msg *session_message(ow_run *run, const session_row *row) {
    bool failed = false;
    session_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__identity__v1__session__init(made);
    made->session_id = dup(run, row->session_id, &failed);
    made->created_at = timestamp(run, row->created_us, &failed);
    made->refreshed_at = timestamp(run, row->issued_us, &failed);
    made->expires_at = timestamp(run, row->expires_us, &failed);
    return failed ? NULL : made;
}

static bool fill_sessions(ow_run *run, const account *from, player_msg *to) {
    to->sessions = ow_arena_calloc(run->call->arena, SESSIONS_OF_PLAYER_MAX, sizeof *to->sessions);
    for (int i = 0; to->sessions != NULL && i < from->session_count; i++) {
        to->sessions[i] = session_message(run, &from->sessions[i]);
        if (to->sessions[i] == NULL) {
            return false;
        }
        to->n_sessions++;
    }
    return to->sessions != NULL;
}

// Any step.
static ow_code fill_player(ow_run *run, const account *from, player_msg *to) {
    const player_row *row = &from->player;
    bool failed = false;
    to->player_id = dup(run, row->player_id, &failed);
    to->platform = dup(run, row->platform, &failed);
    to->created_at = timestamp(run, row->created_us, &failed);
    if (row->banned_until_us > now_us(run)) {
        to->banned_until = timestamp(run, row->banned_until_us, &failed);
        to->ban_reason = dup(run, row->ban_reason, &failed);
    }
    return !failed && fill_logins(run, from, to) && fill_sessions(run, from, to) ? OW_OK
                                                                                 : no_memory(run);
}

static ow_code check_player_id(ow_run *run, const char *player_id) {
    ow_code code = check_title(run->call->principal->title, run->err);
    if (code == OW_OK && !ow_id_is(player_id, "plr_")) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_player_id",
                       "player_id is not that of a player");
    }
    return code;
}

// ---- FindPlayer ----

static ow_code find_by_login(ow_run *run, login_kind kind, const char *id) {
    player_key *key = run->state;
    char email[EMAIL_SIZE];
    ow_code code = kind == LOGIN_EMAIL ? normalize_email(id, email, run->err)
                                       : check_secret_id(id, "bad_id", run->err);
    if (code == OW_OK) {
        hash_login(key->title, kind, kind == LOGIN_EMAIL ? email : id, key->login_hash);
    }
    return code;
}

static ow_code find_by_subject(ow_run *run, const oidc_subject *subject) {
    const identity *self = run->self;
    player_key *key = run->state;
    const provider *p = providers_find(self->providers, key->title, subject->provider);
    char id[LOGIN_SHOWN_SIZE];
    if (p == NULL || strlen(subject->subject) > OW_ID_SUBJECT_MAX) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_player", "there is no such provider or subject");
    }
    snprintf(id, sizeof id, "%s\n%s", provider_issuer(p), subject->subject);
    hash_login(key->title, LOGIN_OIDC, id, key->login_hash);
    return OW_OK;
}

ow_code find_player_check(ow_run *run) {
    const find_player_request *request = run->request;
    player_key *key = run->state;
    *key = (player_key){.title = run->call->principal->title, .player_id = ""};
    ow_code code = check_title(key->title, run->err);
    if (code != OW_OK) {
        return code;
    }
    switch (request->by_case) {
    case OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_PLAYER_ID:
        key->player_id = request->player_id;
        return check_player_id(run, request->player_id);
    case OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_DEVICE_ID:
        return find_by_login(run, LOGIN_DEVICE, request->device_id);
    case OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_CUSTOM_ID:
        return find_by_login(run, LOGIN_CUSTOM, request->custom_id);
    case OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_EMAIL:
        return find_by_login(run, LOGIN_EMAIL, request->email);
    case OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_OIDC:
        return find_by_subject(run, request->oidc);
    default:
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_player_named",
                       "name the player by player_id, device_id, custom_id, email or oidc");
    }
}

ow_code find_player_read(ow_run *run) {
    account found;
    ow_code code = store_account_find(run->db, run->state, &found, run->err);
    return code == OW_OK ? fill_player(run, &found, run->reply) : code;
}

// ---- BanPlayer, UnbanPlayer, LogoutPlayer ----

static bool is_plain_text(const char *text, size_t max) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return length <= max && ow_utf8_check(text, length);
}

static void account_begin(ow_run *run, account_change *change, const char *player_id) {
    change->by = author_of(run);
    change->player_id = player_id;
}

ow_code ban_check(ow_run *run) {
    const ban_player_request *request = run->request;
    account_change *change = run->state;
    ow_code code = check_player_id(run, request->player_id);
    if (code == OW_OK && !is_plain_text(request->reason, BAN_REASON_SIZE - 1)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_reason",
                       "reason must have at most %d bytes of UTF-8 without control characters",
                       BAN_REASON_SIZE - 1);
    }
    account_begin(run, change, request->player_id);
    int64_t last_s = BANNED_FOR_GOOD_US / SECOND_US;
    int64_t until_s = request->until != NULL ? request->until->seconds : last_s;
    if (code == OW_OK && (until_s <= change->by.entry.at_us / SECOND_US || until_s > last_s)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_until",
                       "until must be in the future, before the year 10000");
    }
    change->ban = (player_ban){.player_id = request->player_id,
                               .reason = request->reason,
                               .until_us = until_s * SECOND_US};
    return code;
}

ow_code unban_check(ow_run *run) {
    const unban_player_request *request = run->request;
    account_change *change = run->state;
    account_begin(run, change, request->player_id);
    change->ban = (player_ban){.player_id = request->player_id, .reason = ""};
    return check_player_id(run, request->player_id);
}

ow_code ban_store(ow_run *run) {
    account_change *change = run->state;
    account now;
    player_key key = {.title = change->by.entry.title, .player_id = change->player_id};
    ow_code code = store_player_ban(run->db, &change->by, &change->ban, &change->ended, run->err);
    if (code == OW_OK && change->ban.until_us > 0) {
        code = announce_ban(run, &change->ban, change->by.entry.at_us);
    }
    code = code == OW_OK ? store_account_find(run->db, &key, &now, run->err) : code;
    return code == OW_OK ? fill_player(run, &now, run->reply) : code;
}

ow_code account_tell(ow_run *run) {
    const account_change *change = run->state;
    tell_ended(run, &change->ended, change->by.entry.at_us);
    return OW_OK;
}

ow_code logout_player_check(ow_run *run) {
    const logout_player_request *request = run->request;
    account_begin(run, run->state, request->player_id);
    return check_player_id(run, request->player_id);
}

ow_code logout_player_store(ow_run *run) {
    account_change *change = run->state;
    ow_code code =
        store_player_logout(run->db, &change->by, change->player_id, &change->ended, run->err);
    return code == OW_OK ? announce_logouts(run, change->player_id, &change->ended) : code;
}

ow_code logout_player_tell(ow_run *run) {
    const account_change *change = run->state;
    logout_player_response *reply = run->reply;
    reply->ended_sessions = change->ended.count;
    return account_tell(run);
}

// ---- ExportPlayer, DeletePlayer ----

// A player means himself, whether he says so or not.
static ow_code own_or_named(ow_run *run, const char *named, const char **ret_player_id) {
    const ow_principal *principal = run->call->principal;
    bool is_player = principal->kind == OW_PLAYER;
    if (is_player && named[0] != '\0' && strcmp(named, principal->id) != 0) {
        return ow_fail(run->err, OW_PERMISSION_DENIED, "not_yours",
                       "players may do this with their own account alone");
    }
    *ret_player_id = is_player ? principal->id : named;
    return check_player_id(run, *ret_player_id);
}

ow_code export_check(ow_run *run) {
    const export_player_request *request = run->request;
    player_key *key = run->state;
    export_player_response *reply = run->reply;
    bool failed = false;
    *key = (player_key){.title = run->call->principal->title};
    reply->exported_at = timestamp(run, now_us(run), &failed);
    return failed ? no_memory(run) : own_or_named(run, request->player_id, &key->player_id);
}

ow_code export_read(ow_run *run) {
    account found;
    export_player_response *reply = run->reply;
    ow_code code = store_account_find(run->db, run->state, &found, run->err);
    if (code != OW_OK) {
        return code;
    }
    reply->player = ow_arena_alloc(run->call->arena, sizeof *reply->player);
    if (reply->player == NULL) {
        return no_memory(run);
    }
    overworld__identity__v1__player__init(reply->player);
    return fill_player(run, &found, reply->player);
}

ow_code delete_check(ow_run *run) {
    const delete_player_request *request = run->request;
    account_change *change = run->state;
    account_begin(run, change, "");
    return own_or_named(run, request->player_id, &change->player_id);
}

// Who is not there has nothing to be deleted elsewhere either.
ow_code delete_find(ow_run *run) {
    const account_change *change = run->state;
    account found;
    player_key key = {.title = change->by.entry.title, .player_id = change->player_id};
    return store_account_find(run->db, &key, &found, run->err);
}

ow_code delete_store(ow_run *run) {
    account_change *change = run->state;
    return store_player_delete(run->db, &change->by, change->player_id, &change->ended, run->err);
}
