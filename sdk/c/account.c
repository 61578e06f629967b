/* Logins and logouts that a game asks for. */
#include "sdk/c/internal.h"

#include <string.h>

/* ---- Logging in ---- */

/* With one text that says who it is. */
static bool login_with(ow_client *client, const char *method, sdk_json_field proof,
                       ow_client_on_login on_login, void *user, ow_client_error *error) {
    if (client->server_key_id != NULL) {
        return sdk_fail(error, "invalid_argument", "this client logs in with a server key");
    }
    if (proof.text == NULL || proof.text[0] == '\0') {
        return sdk_fail(error, "invalid_argument", "no %s was given", proof.name);
    }
    const sdk_login_request request = {method, &proof, 1};
    return sdk_login_start(client, &request, on_login, user, error);
}

bool ow_client_login_device_start(ow_client *client, const char *device_id,
                                  ow_client_on_login on_login, void *user, ow_client_error *error) {
    return login_with(client, IDENTITY "DeviceLogin", (sdk_json_field){"deviceId", device_id},
                      on_login, user, error);
}

bool ow_client_resume_start(ow_client *client, const char *refresh_token,
                            ow_client_on_login on_login, void *user, ow_client_error *error) {
    return login_with(client, IDENTITY "RefreshSession",
                      (sdk_json_field){"refreshToken", refresh_token}, on_login, user, error);
}

/* ---- Logging out ---- */

bool ow_client_logout_start(ow_client *client, ow_client_on_reply on_logout, void *user,
                            ow_client_error *error) {
    const char *token = client->session.refresh_token;
    const sdk_json_field field = {"refreshToken", token};
    ow_client_request request = {0};
    if (client->session.is_running) {
        return sdk_fail(error, "busy", "a login is under way: poll the client first");
    }
    if (token == NULL) {
        return sdk_fail(error, "not_logged_in", "no player is logged in");
    }
    char *body = sdk_json_object(&field, 1);
    if (body == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    request.method = "POST";
    request.path = IDENTITY "Logout";
    request.body = body;
    request.size = strlen(body);
    request.without_token = true;
    request.may_repeat = true;
    bool ok = sdk_operation_start(client, &request, true, on_logout, user, error);
    sdk_wipe_and_free(body);
    if (ok) {
        sdk_session_end(client);
    }
    return ok;
}

/* ---- The waiting forms ---- */

typedef struct waited {
    bool done;
    bool ok;
    ow_client_login *login;
    ow_client_error *error;
} waited;

static void settle(waited *w, bool ok, const ow_client_error *error) {
    w->done = true;
    w->ok = ok;
    if (error != NULL && w->error != NULL) {
        *w->error = *error;
        w->error->details = NULL;
    }
}

static void on_waited_login(void *user, const ow_client_login *login,
                            const ow_client_error *error) {
    waited *w = user;
    if (login != NULL && w->login != NULL) {
        *w->login = *login;
    }
    settle(w, login != NULL, error);
}

static void on_waited_logout(void *user, ow_client_reply *reply, const ow_client_error *error) {
    settle(user, reply != NULL, error);
}

static bool wait_for(ow_client *client, waited *w) {
    while (!w->done) {
        ow_client_poll(client, 1000);
    }
    return w->ok;
}

bool ow_client_login_device(ow_client *client, const char *device_id, ow_client_login *ret_login,
                            ow_client_error *error) {
    waited w = {.login = ret_login, .error = error};
    return sdk_may_wait(client, error) &&
           ow_client_login_device_start(client, device_id, on_waited_login, &w, error) &&
           wait_for(client, &w);
}

bool ow_client_resume(ow_client *client, const char *refresh_token, ow_client_login *ret_login,
                      ow_client_error *error) {
    waited w = {.login = ret_login, .error = error};
    return sdk_may_wait(client, error) &&
           ow_client_resume_start(client, refresh_token, on_waited_login, &w, error) &&
           wait_for(client, &w);
}

bool ow_client_login_server(ow_client *client, ow_client_login *ret_login, ow_client_error *error) {
    waited w = {.login = ret_login, .error = error};
    if (client->server_key_id == NULL) {
        return sdk_fail(error, "invalid_argument", "the configuration has no server key");
    }
    return sdk_may_wait(client, error) &&
           sdk_login_start(client, NULL, on_waited_login, &w, error) && wait_for(client, &w);
}

bool ow_client_logout(ow_client *client, ow_client_error *error) {
    waited w = {.error = error};
    return sdk_may_wait(client, error) &&
           ow_client_logout_start(client, on_waited_logout, &w, error) && wait_for(client, &w);
}
