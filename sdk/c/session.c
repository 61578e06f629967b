/*
 * Staying logged in.
 *
 *     logged out --login--> logged in --renewed--> logged in
 *                               |
 *                               +--renewal refused--> logged out, with the event
 *
 * One login or renewal is under way at a time. A renewal begins when three quarters of the token's life
 * are over, or when an operation finds that the token is used up or refused; those operations wait for it.
 * What cannot be reached is asked again while the old token lasts.
 */
#include "sdk/c/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_PATH IDENTITY "RefreshSession"

enum {
    MARGIN_MS = 30000,     /* a token that ends sooner is not sent any more */
    LEAST_LIFE_MS = 60000, /* whatever the clocks say: the server knows better */
    FIRST_PAUSE_MS = 1000, /* the server forgives a repeated refresh token for 10 s */
    LAST_PAUSE_MS = 60000,
    REFRESH_TIMEOUT_MS = 5000,
};

/* ---- What is known ---- */

bool sdk_token_is_good(const ow_client *client) {
    const session *s = &client->session;
    return s->token != NULL && sdk_now_ms(client) < s->usable_until_ms;
}

bool sdk_can_renew(const ow_client *client) {
    const session *s = &client->session;
    return client->server_key_id != NULL || s->refresh_token != NULL;
}

static void forget(session *s) {
    sdk_wipe_and_free(s->token);
    sdk_wipe_and_free(s->refresh_token);
    s->token = NULL;
    s->refresh_token = NULL;
}

void sdk_session_free(ow_client *client) {
    forget(&client->session);
}

/* Takes over what a login brought. The token's life is counted from the server's own clock, since that of
 * a player's machine may be wrong. */
static void keep(ow_client *client, sdk_tokens *tokens) {
    session *s = &client->session;
    int64_t server_s = client->answer_date_s;
    int64_t now = sdk_now_ms(client);
    sdk_wipe_and_free(s->token);
    sdk_wipe_and_free(s->refresh_token);
    s->token = tokens->access;
    s->refresh_token = tokens->refresh;
    s->generation++;
    s->renew_pause_ms = FIRST_PAUSE_MS;
    s->usable_until_ms = SDK_NEVER;
    s->renew_at_ms = SDK_NEVER;
    if (tokens->login.expires_at == 0) {
        return;
    }
    server_s = server_s != 0 ? server_s : client->platform->wall_s(client->platform->self);
    int64_t life = (tokens->login.expires_at - server_s) * 1000;
    life = life > LEAST_LIFE_MS ? life : LEAST_LIFE_MS;
    int64_t margin = life / 4 < MARGIN_MS ? life / 4 : MARGIN_MS;
    s->usable_until_ms = now + life - margin;
    /* Not all clients of a server that restarted at the same time. */
    s->renew_at_ms = now + sdk_between(client, life * 7 / 10, life * 8 / 10);
    s->renew_at_ms = s->renew_at_ms < s->usable_until_ms ? s->renew_at_ms : s->usable_until_ms;
}

/* ---- The answer ---- */

static bool is_refusal(const ow_client_error *error) {
    return error->status >= 400 && error->status < 500 && error->status != 408 &&
           error->status != 429;
}

static void tell(ow_client *client, ow_client_event event, const ow_client_error *error) {
    if (client->on_event != NULL) {
        client->on_event(client->on_event_user, event, error);
    }
}

static void renewal_failed(ow_client *client, const ow_client_error *error) {
    session *s = &client->session;
    if (is_refusal(error)) {
        ow_client_error why = *error;
        forget(s);
        tell(client, OW_CLIENT_LOGGED_OUT, error);
        snprintf(why.reason, sizeof why.reason, "logged_out");
        why.details = NULL;
        sdk_operations_fail_waiting(client, &why);
        return;
    }
    s->renew_at_ms =
        sdk_now_ms(client) + sdk_between(client, s->renew_pause_ms, s->renew_pause_ms * 3 / 2);
    s->renew_pause_ms =
        s->renew_pause_ms * 2 < LAST_PAUSE_MS ? s->renew_pause_ms * 2 : LAST_PAUSE_MS;
    if (!sdk_token_is_good(client)) {
        sdk_operations_fail_waiting(client, error);
    }
}

static void settle(ow_client *client, bool was_renewal, const ow_client_error *error) {
    if (was_renewal && error == NULL) {
        tell(client, OW_CLIENT_RENEWED, NULL);
    } else if (was_renewal) {
        renewal_failed(client, error);
    } else if (error != NULL && !sdk_token_is_good(client)) {
        sdk_operations_fail_waiting(client, error);
    }
}

static void on_login_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    ow_client *client = user;
    session *s = &client->session;
    ow_client_on_login on_login = s->on_login;
    bool was_renewal = s->is_renewal; /* callbacks may begin the next login */
    sdk_tokens tokens;
    ow_client_error own;
    s->is_running = false;
    s->on_login = NULL;
    if (error == NULL && !sdk_read_login(reply, &tokens, &own)) {
        error = &own;
    }
    if (error == NULL) {
        keep(client, &tokens);
    }
    settle(client, was_renewal, error);
    if (on_login != NULL) {
        on_login(s->on_login_user, error == NULL ? &tokens.login : NULL, error);
    }
}

/* ---- The request ---- */

/* Sends `body`, which it frees; NULL: there was no memory for it. */
static bool send_login(ow_client *client, const char *path, char *body, bool may_repeat,
                       ow_client_error *error) {
    session *s = &client->session;
    if (body == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    ow_client_request request = {0};
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.size = strlen(body);
    request.without_token = true;
    request.may_repeat = may_repeat;
    request.timeout_ms = strcmp(path, REFRESH_PATH) == 0 ? REFRESH_TIMEOUT_MS : 0;
    s->is_running = sdk_operation_start(client, &request, true, on_login_reply, client, error);
    sdk_wipe_and_free(body);
    return s->is_running;
}

/* By what the client has. */
static bool begin(ow_client *client, ow_client_error *error) {
    session *s = &client->session;
    const sdk_json_field refresh = {"refreshToken", s->refresh_token, false};
    s->is_renewal = s->token != NULL && s->on_login == NULL;
    if (s->refresh_token != NULL) {
        return send_login(client, REFRESH_PATH, sdk_json_object(&refresh, 1), true, error);
    }
    if (client->server_key_id != NULL) {
        char *body = sdk_server_login_body(client, error);
        /* A signature is good once. */
        return body != NULL && send_login(client, IDENTITY "ServerLogin", body, false, error);
    }
    return sdk_fail(error, "not_logged_in", "log in before calling: ow_client_login_device");
}

void sdk_session_need(ow_client *client) {
    ow_client_error error;
    if (!client->session.is_running && !begin(client, &error)) {
        sdk_operations_fail_waiting(client, &error);
    }
}

void sdk_session_tick(ow_client *client) {
    session *s = &client->session;
    ow_client_error error;
    if (s->token != NULL && !s->is_running && sdk_can_renew(client) &&
        sdk_now_ms(client) >= s->renew_at_ms && !begin(client, &error)) {
        renewal_failed(client, &error);
    }
}

void sdk_session_token_refused(ow_client *client, unsigned generation) {
    if (generation == client->session.generation) {
        client->session.usable_until_ms = 0;
    }
}

bool sdk_login_start(ow_client *client, const sdk_login_request *request,
                     ow_client_on_login on_login, void *user, ow_client_error *error) {
    session *s = &client->session;
    if (s->is_running) {
        return sdk_fail(error, "busy", "a login is under way already: poll the client first");
    }
    s->on_login = on_login;
    s->on_login_user = user;
    s->is_renewal = false;
    bool ok = request != NULL
                  ? send_login(client, request->path,
                               sdk_json_object(request->fields, request->count), true, error)
                  : begin(client, error);
    s->on_login = ok ? on_login : NULL;
    return ok;
}

void sdk_session_end(ow_client *client) {
    ow_client_error error;
    forget(&client->session);
    sdk_fail(&error, "logged_out", "the player was logged out");
    sdk_operations_fail_waiting(client, &error);
}

const char *ow_client_access_token(const ow_client *client) {
    return client->session.token != NULL ? client->session.token : "";
}

const char *ow_client_refresh_token(const ow_client *client) {
    return client->session.refresh_token != NULL ? client->session.refresh_token : "";
}
