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

#include "sdk/c/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY "/overworld.identity.v1.Identity/"

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
    return client->server_key_id != NULL || s->refresh_token != NULL || s->device_id != NULL;
}

static void forget(session *s) {
    char **secrets[] = {&s->token, &s->refresh_token, &s->device_id};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        sdk_wipe_and_free(*secrets[i]);
        *secrets[i] = NULL;
    }
}

void sdk_session_free(ow_client *client) {
    forget(&client->session);
    sdk_wipe_and_free(client->session.next_device_id);
    client->session.next_device_id = NULL;
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
    if (s->next_device_id != NULL) {
        sdk_wipe_and_free(s->device_id);
        s->device_id = s->next_device_id;
        s->next_device_id = NULL;
    }
    if (s->refresh_token != NULL) { /* it renews from now on */
        sdk_wipe_and_free(s->device_id);
        s->device_id = NULL;
    }
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

static void on_login_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    ow_client *client = user;
    session *s = &client->session;
    sdk_tokens tokens;
    ow_client_error own;
    s->is_running = false;
    if (error == NULL && !sdk_read_login(reply, &tokens, &own)) {
        error = &own;
    }
    if (error == NULL) {
        keep(client, &tokens);
    }
    sdk_wipe_and_free(s->next_device_id);
    s->next_device_id = NULL;
    ow_client_on_login on_login = s->on_login;
    s->on_login = NULL;
    if (on_login != NULL) {
        on_login(s->on_login_user, error == NULL ? &tokens.login : NULL, error);
    }
    if (s->is_renewal && error == NULL) {
        tell(client, OW_CLIENT_RENEWED, NULL);
    } else if (s->is_renewal) {
        renewal_failed(client, error);
    } else if (error != NULL && !sdk_token_is_good(client)) {
        sdk_operations_fail_waiting(client, error);
    }
}

/* ---- The request ---- */

static char *text_body(const char *name, const char *text, ow_client_error *error) {
    const sdk_json_field field = {name, text};
    char *body = sdk_json_object(&field, 1);
    if (body == NULL) {
        sdk_fail(error, "out_of_memory", "out of memory");
    }
    return body;
}

static bool has_next_device(const ow_client *client) {
    return client->session.next_device_id != NULL;
}

static char *next_device_body(const ow_client *client, ow_client_error *error) {
    return text_body("deviceId", client->session.next_device_id, error);
}

static bool has_refresh_token(const ow_client *client) {
    return client->session.refresh_token != NULL;
}

static char *refresh_body(const ow_client *client, ow_client_error *error) {
    return text_body("refreshToken", client->session.refresh_token, error);
}

static bool has_server_key(const ow_client *client) {
    return client->server_key_id != NULL;
}

static bool has_device(const ow_client *client) {
    return client->session.device_id != NULL;
}

static char *device_body(const ow_client *client, ow_client_error *error) {
    return text_body("deviceId", client->session.device_id, error);
}

/* The ways to a token; the first that applies is taken. A server key's signature is good once. */
static const struct way {
    bool (*applies)(const ow_client *client);
    const char *path;
    char *(*body)(const ow_client *client, ow_client_error *error);
    bool may_repeat;
    long timeout_ms; /* 0: the client's */
} ways[] = {
    {has_next_device, IDENTITY "DeviceLogin", next_device_body, true, 0},
    {has_refresh_token, IDENTITY "RefreshSession", refresh_body, true, REFRESH_TIMEOUT_MS},
    {has_server_key, IDENTITY "ServerLogin", sdk_server_login_body, false, 0},
    {has_device, IDENTITY "DeviceLogin", device_body, true, 0},
};

static bool begin(ow_client *client, ow_client_error *error) {
    session *s = &client->session;
    const struct way *way = ways;
    while (!way->applies(client)) {
        if (++way == ways + sizeof ways / sizeof ways[0]) {
            return sdk_fail(error, "not_logged_in",
                            "log in before calling: ow_client_login_device");
        }
    }
    char *body = way->body(client, error);
    if (body == NULL) {
        return false;
    }
    ow_client_request request = {0};
    request.method = "POST";
    request.path = way->path;
    request.body = body;
    request.size = strlen(body);
    request.without_token = true;
    request.may_repeat = way->may_repeat;
    request.timeout_ms = way->timeout_ms;
    s->is_running = sdk_operation_start(client, &request, true, on_login_reply, client, error);
    s->is_renewal = s->token != NULL && s->on_login == NULL;
    sdk_wipe_and_free(body);
    return s->is_running;
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

/* ---- Logins that a game asks for ---- */

static bool login(ow_client *client, ow_client_on_login on_login, void *user,
                  ow_client_error *error) {
    session *s = &client->session;
    s->on_login = on_login;
    s->on_login_user = user;
    bool ok = begin(client, error);
    if (!ok) {
        s->on_login = NULL;
        sdk_wipe_and_free(s->next_device_id);
        s->next_device_id = NULL;
    }
    return ok;
}

static bool may_log_in(const ow_client *client, ow_client_error *error) {
    return !client->session.is_running ||
           sdk_fail(error, "busy", "a login is under way already: poll the client until it ended");
}

bool ow_client_login_device_start(ow_client *client, const char *device_id,
                                  ow_client_on_login on_login, void *user, ow_client_error *error) {
    if (client->server_key_id != NULL) {
        return sdk_fail(error, "invalid_argument", "this client logs in with a server key");
    }
    if (device_id == NULL) {
        return sdk_fail(error, "invalid_argument", "no device id was given");
    }
    if (!may_log_in(client, error)) {
        return false;
    }
    client->session.next_device_id = sdk_strdup(device_id);
    return client->session.next_device_id != NULL
               ? login(client, on_login, user, error)
               : sdk_fail(error, "out_of_memory", "out of memory");
}

typedef struct waited_login {
    bool done;
    bool ok;
    ow_client_login *login;
    ow_client_error *error;
} waited_login;

static void on_waited_login(void *user, const ow_client_login *login,
                            const ow_client_error *error) {
    waited_login *waited = user;
    waited->done = true;
    waited->ok = login != NULL;
    if (login != NULL && waited->login != NULL) {
        *waited->login = *login;
    }
    if (error != NULL && waited->error != NULL) {
        *waited->error = *error;
        waited->error->details = NULL;
    }
}

static bool wait_for_login(ow_client *client, waited_login *waited) {
    while (!waited->done) {
        ow_client_poll(client, 1000);
    }
    return waited->ok;
}

bool ow_client_login_device(ow_client *client, const char *device_id, ow_client_login *ret_login,
                            ow_client_error *error) {
    waited_login waited = {.login = ret_login, .error = error};
    return sdk_may_wait(client, error) &&
           ow_client_login_device_start(client, device_id, on_waited_login, &waited, error) &&
           wait_for_login(client, &waited);
}

bool ow_client_login_server(ow_client *client, ow_client_login *ret_login, ow_client_error *error) {
    waited_login waited = {.login = ret_login, .error = error};
    if (client->server_key_id == NULL) {
        return sdk_fail(error, "invalid_argument", "the configuration has no server key");
    }
    return sdk_may_wait(client, error) && may_log_in(client, error) &&
           login(client, on_waited_login, &waited, error) && wait_for_login(client, &waited);
}

const char *ow_client_access_token(const ow_client *client) {
    return client->session.token != NULL ? client->session.token : "";
}
