// LinkLogin, UnlinkLogin, ListLogins, ChangePassword: what players do with their own logins.

#include "services/identity/methods.h"

#include <stdio.h>
#include <string.h>

login_msg *login_message(ow_run *run, const login_row *row) {
    char id[LOGIN_ID_SIZE];
    bool failed = false;
    login_msg *made = ow_arena_alloc(run->call->arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    make_login_id(row->hash, id);
    overworld__identity__v1__login__init(made);
    made->login_id = dup(run, id, &failed);
    made->kind = dup(run, row->kind, &failed);
    made->shown = dup(run, row->shown, &failed);
    made->created_at = timestamp(run, row->created_us, &failed);
    return failed ? NULL : made;
}

// ---- LinkLogin ----

static ow_code link_email_check(ow_run *run, const email_password *email, linking *state) {
    const identity *self = run->self;
    ow_code code = normalize_email(email->email, state->email, run->err);
    if (code == OW_OK) {
        code = check_new_password(email->password, state->email, (int)self->config.password_min,
                                  run->err);
    }
    state->id = state->email;
    state->key = (login_key){.kind = LOGIN_EMAIL, .shown = state->email, .password = ""};
    return code;
}

static ow_code link_secret_check(ow_run *run, login_kind kind, const char *id, linking *state) {
    state->id = id;
    state->key = (login_key){.kind = kind, .shown = "", .password = ""};
    return check_secret_id(id, kind == LOGIN_DEVICE ? "bad_device_id" : "bad_custom_id", run->err);
}

ow_code link_check(ow_run *run) {
    const link_login_request *request = run->request;
    linking *state = run->state;
    ow_code code;
    switch (request->login_case) {
    case OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_DEVICE_ID:
        code = link_secret_check(run, LOGIN_DEVICE, request->device_id, state);
        break;
    case OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_CUSTOM_ID:
        code = link_secret_check(run, LOGIN_CUSTOM, request->custom_id, state);
        break;
    case OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_EMAIL:
        code = link_email_check(run, request->email, state);
        break;
    case OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_TOKEN:
        state->key.kind = LOGIN_OIDC;
        state->now_us = now_us(run);
        return proving_begin(run, &state->proof, request->token);
    default:
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_login", "name the login to be linked");
    }
    if (code == OW_OK) {
        hash_login(run->call->principal->title, state->key.kind, state->id, state->key.hash);
        state->now_us = now_us(run);
    }
    return code;
}

// What costs CPU: an id token's signature, or the hash of a password.
ow_code link_prove(ow_run *run) {
    const link_login_request *request = run->request;
    linking *state = run->state;
    if (state->key.kind == LOGIN_OIDC) {
        return proving_verify(run, &state->proof, &state->key);
    }
    if (state->key.kind != LOGIN_EMAIL || state->password_hash[0] != '\0') {
        return OW_OK;
    }
    state->key.password = state->password_hash;
    return ow_password_hash(request->email->password, strlen(request->email->password),
                            state->password_hash, run->err);
}

ow_code link_renew(ow_run *run) {
    linking *state = run->state;
    return state->key.kind == LOGIN_OIDC ? proving_renew(run, &state->proof) : OW_OK;
}

ow_code link_store(ow_run *run) {
    linking *state = run->state;
    ow_code code =
        store_login_link(run->db, run->call->principal->id, &state->key, state->now_us, run->err);
    return code == OW_OK ? store_login_find(run->db, state->key.hash, &state->row, run->err) : code;
}

ow_code link_reply(ow_run *run) {
    const linking *state = run->state;
    link_login_response *reply = run->reply;
    reply->login = login_message(run, &state->row);
    return reply->login != NULL ? OW_OK : no_memory(run);
}

// ---- UnlinkLogin, ListLogins ----

ow_code unlink_store(ow_run *run) {
    const unlink_login_request *request = run->request;
    return store_login_unlink(run->db, run->call->principal->id, request->login_id, run->err);
}

ow_code list_logins(ow_run *run) {
    list_logins_response *reply = run->reply;
    login_row rows[LOGINS_OF_PLAYER_MAX];
    int count = 0;
    ow_code code = store_logins_list(run->db, run->call->principal->id, rows, &count, run->err);
    if (code != OW_OK) {
        return code;
    }
    reply->logins = ow_arena_calloc(run->call->arena, LOGINS_OF_PLAYER_MAX, sizeof(login_msg *));
    if (reply->logins == NULL) {
        return no_memory(run);
    }
    for (int i = 0; i < count; i++) {
        reply->logins[i] = login_message(run, &rows[i]);
        if (reply->logins[i] == NULL) {
            return no_memory(run);
        }
        reply->n_logins++;
    }
    return OW_OK;
}

// ---- ChangePassword ----

ow_code password_check(ow_run *run) {
    const change_password_request *request = run->request;
    password_changing *state = run->state;
    ow_code code = check_password_form(request->current_password, run->err);
    code = code == OW_OK ? check_password_form(request->new_password, run->err) : code;
    // By the player's id: whoever stole a token guesses no password with it.
    code = code == OW_OK ? password_attempt(run, run->call->principal->id) : code;
    if (code == OW_OK) {
        session_prepare(run, &state->session);
    }
    return code;
}

ow_code password_find(ow_run *run) {
    const identity *self = run->self;
    const change_password_request *request = run->request;
    password_changing *state = run->state;
    login_row rows[LOGINS_OF_PLAYER_MAX];
    int count = 0;
    ow_code code = store_logins_list(run->db, run->call->principal->id, rows, &count, run->err);
    for (int i = 0; code == OW_OK && i < count; i++) {
        if (strcmp(rows[i].kind, login_kind_name(LOGIN_EMAIL)) == 0) {
            state->row = rows[i];
        }
    }
    if (code == OW_OK && state->row.kind[0] == '\0') {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "no_email",
                       "the player has no e-mail login: link one");
    }
    return code == OW_OK ? check_new_password(request->new_password, state->row.shown,
                                              (int)self->config.password_min, run->err)
                         : code;
}

ow_code password_hash(ow_run *run) {
    const change_password_request *request = run->request;
    password_changing *state = run->state;
    if (!ow_password_verify(state->row.password, request->current_password,
                            strlen(request->current_password))) {
        return bad_credentials(run);
    }
    return ow_password_hash(request->new_password, strlen(request->new_password), state->new_hash,
                            run->err);
}

ow_code password_store(ow_run *run) {
    password_changing *state = run->state;
    const ow_principal *player = run->call->principal;
    password_change change = {.old_hash = state->row.password, .new_hash = state->new_hash};
    memcpy(change.login_hash, state->row.hash, sizeof change.login_hash);
    ow_code code = store_password_change(run->db, &change, run->err);
    if (code == OW_OK) {
        code = store_player_sessions_end(run->db, player->id, state->session.row.now_us,
                                         &state->ended, run->err);
    }
    return code == OW_OK ? store_session_begin(run->db, &state->session.row, player->id,
                                               player->title, run->err)
                         : code;
}

ow_code password_reply(ow_run *run) {
    const password_changing *state = run->state;
    const ow_principal *player = run->call->principal;
    const fresh_session *session = &state->session;
    password_was_right(run, player->id);
    tell_ended(run, &state->ended, session->row.now_us);
    return reply_login(run, &(admission){.player_id = player->id,
                                         .title = player->title,
                                         .session_id = session->row.session_id,
                                         .refresh_token = session->refresh_token,
                                         .refresh_expires_us = session->row.expires_us});
}
