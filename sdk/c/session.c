/*
 * Staying logged in.
 *
 *     logged out --login--> logged in --renewed--> logged in
 *          \        ^           |
 *           queued--+           +--renewal refused--> logged out, with the event
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
#define CONTINUE_PATH IDENTITY "ContinueLogin"
#define QUIT_PATH IDENTITY "QuitLoginQueue"

enum {
    MARGIN_MS = 30000,     /* a token that ends sooner is not sent any more */
    LEAST_LIFE_MS = 60000, /* whatever the clocks say: the server knows better */
    FIRST_PAUSE_MS = 1000, /* the server forgives a repeated refresh token for 10 s */
    LAST_PAUSE_MS = 60000,
    REFRESH_TIMEOUT_MS = 5000,
    LEAST_ASK_MS = 1000, /* the server forgets who has not asked for a minute */
    MOST_ASK_MS = 20000,
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
    free(client->session.ticket);
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

/* The login under way is over; `tokens` NULL: it failed. */
static void end_login(ow_client *client, sdk_tokens *tokens, const ow_client_error *error) {
    session *s = &client->session;
    ow_client_on_login on_login = s->on_login;
    bool was_renewal = s->is_renewal; /* callbacks may begin the next login */
    s->is_running = false;
    s->is_cancelled = false;
    s->on_login = NULL;
    free(s->ticket);
    s->ticket = NULL;
    if (tokens != NULL) {
        keep(client, tokens);
    }
    settle(client, was_renewal, error);
    if (on_login != NULL) {
        on_login(s->on_login_user, tokens != NULL ? &tokens->login : NULL, error);
    }
}

/* ---- The queue ---- */

static void ask_later(ow_client *client, int64_t after_ms) {
    int64_t most = after_ms < MOST_ASK_MS ? after_ms : MOST_ASK_MS;
    client->session.ask_at_ms = sdk_now_ms(client) + (most > LEAST_ASK_MS ? most : LEAST_ASK_MS);
}

/* The server has used the refresh token up for this place; the next one comes with it. */
static void take_refresh_token(session *s, char *next) {
    if (next != NULL && s->is_refresh && (s->is_renewal || s->token == NULL)) {
        sdk_wipe_and_free(s->refresh_token);
        s->refresh_token = next;
    } else {
        sdk_wipe_and_free(next);
    }
}

static void take_place(ow_client *client, sdk_place *place) {
    session *s = &client->session;
    if (s->ticket == NULL) {
        s->queue_end_ms = sdk_now_ms(client) + client->queue_timeout_ms;
    }
    free(s->ticket);
    s->ticket = place->ticket;
    s->ahead = place->ahead;
    take_refresh_token(s, place->refresh);
    ask_later(client, place->poll_after_ms);
    if (client->queue_timeout_ms > 0 && !s->is_cancelled) {
        tell(client, OW_CLIENT_QUEUED, NULL);
    }
}

/* ---- The answer to a login, a renewal, or a question for the place ---- */

static void on_login_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    ow_client *client = user;
    session *s = &client->session;
    sdk_place place = {0};
    sdk_tokens tokens;
    ow_client_error own;
    s->is_asking = false;
    if (error == NULL) {
        sdk_read_place(reply, &place);
    }
    if (place.ticket != NULL) {
        take_place(client, &place);
        return;
    }
    if (error != NULL && s->ticket != NULL && !is_refusal(error)) {
        ask_later(client, (int64_t)error->retry_after_s * 1000);
        return;
    }
    if (error == NULL && !sdk_read_login(reply, &tokens, &own)) {
        error = &own;
    }
    end_login(client, error == NULL ? &tokens : NULL, error);
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
    s->is_refresh = strcmp(path, REFRESH_PATH) == 0;
    request.timeout_ms = s->is_refresh ? REFRESH_TIMEOUT_MS : 0;
    s->is_running = sdk_operation_start(client, &request, true, on_login_reply, client, error);
    sdk_wipe_and_free(body);
    return s->is_running;
}

static bool send_ticket(ow_client *client, const char *path, ow_client_on_reply on_reply) {
    const sdk_json_field ticket = {"ticket", client->session.ticket, false};
    char *body = sdk_json_object(&ticket, 1);
    ow_client_request request = {0};
    request.method = "POST";
    request.path = path;
    request.body = body;
    request.size = body != NULL ? strlen(body) : 0;
    request.without_token = true;
    request.may_repeat = true;
    request.timeout_ms = REFRESH_TIMEOUT_MS;
    bool ok = body != NULL && sdk_operation_start(client, &request, true, on_reply, client, NULL);
    free(body);
    return ok;
}

int64_t sdk_session_asks_at(const ow_client *client) {
    const session *s = &client->session;
    if (s->ticket == NULL || s->is_asking) {
        return SDK_NEVER;
    }
    if (s->is_cancelled) {
        return sdk_now_ms(client);
    }
    return s->ask_at_ms < s->queue_end_ms ? s->ask_at_ms : s->queue_end_ms;
}

static void ask_for_place(ow_client *client) {
    session *s = &client->session;
    s->is_asking = send_ticket(client, CONTINUE_PATH, on_login_reply);
    if (!s->is_asking) {
        ask_later(client, LEAST_ASK_MS);
    }
}

void sdk_session_conclude(ow_client *client) {
    session *s = &client->session;
    ow_client_error error;
    bool is_over = s->is_cancelled || sdk_now_ms(client) >= s->queue_end_ms;
    if (s->ticket == NULL || s->is_asking || !is_over) {
        return;
    }
    if (s->is_cancelled) {
        sdk_fail(&error, "cancelled", "the login was given up");
    } else if (client->queue_timeout_ms == 0) {
        sdk_fail(&error, "login_queued", "the server is full: %lld players wait",
                 (long long)s->ahead);
    } else {
        sdk_fail(&error, "timeout", "no place was free within the time to wait for one");
    }
    send_ticket(client, QUIT_PATH, NULL);
    client->is_calling_back = true;
    end_login(client, NULL, &error);
    client->is_calling_back = false;
}

int64_t ow_client_queue_ahead(const ow_client *client) {
    return client->session.ticket != NULL ? client->session.ahead : -1;
}

bool ow_client_login_cancel(ow_client *client) {
    client->session.is_cancelled = client->session.is_running;
    return client->session.is_running;
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
    if (sdk_now_ms(client) >= sdk_session_asks_at(client) && !s->is_cancelled) {
        ask_for_place(client);
    }
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
