/* Logins and logouts that a game asks for. */
#include "sdk/c/internal.h"

#include <stddef.h>
#include <string.h>

/* ---- Logging in ---- */

enum { MOST_FIELDS = 5, TOKEN_FIELDS = 3 };

/* Each way of logging in: what must be given for it, and what goes with it. */
static const struct way {
    const char *path;
    size_t proof;         /* offset of the text without which it is not meant */
    const char *names[2]; /* of the fields of the request, by the place of the texts */
    bool may_find_only;   /* existing_only has a meaning */
} ways[] = {
    {IDENTITY "DeviceLogin", offsetof(ow_client_credentials, device_id), {"deviceId", NULL}, true},
    {IDENTITY "CustomLogin", offsetof(ow_client_credentials, custom_id), {"customId", NULL}, true},
    {IDENTITY "EmailLogin", offsetof(ow_client_credentials, email), {"email", "password"}, false},
    {IDENTITY "OidcLogin", offsetof(ow_client_credentials, id_token), {NULL, NULL}, true},
};

static const char *proof_of(const ow_client_credentials *credentials, const struct way *way) {
    return *(const char *const *)(const void *)((const char *)credentials + way->proof);
}

/* The one way that is meant; NULL: none, or several. */
static const struct way *way_of(const ow_client_credentials *credentials) {
    const struct way *found = NULL;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (proof_of(credentials, &ways[i]) != NULL) {
            if (found != NULL) {
                return NULL;
            }
            found = &ways[i];
        }
    }
    return found;
}

/* What the other texts need beside them. */
static bool is_whole(const ow_client_credentials *credentials) {
    return (credentials->email == NULL || credentials->password != NULL) &&
           (credentials->id_token == NULL || credentials->provider != NULL);
}

static bool start_by_token(ow_client *client, const ow_client_credentials *credentials,
                           const sdk_login_request *request, ow_client_on_login on_login,
                           void *user, ow_client_error *error) {
    const sdk_json_field token[TOKEN_FIELDS] = {
        {"provider", credentials->provider, false},
        {"idToken", credentials->id_token, false},
        {"nonce", credentials->nonce, false},
    };
    char *object = sdk_json_object(token, TOKEN_FIELDS);
    sdk_json_field fields[MOST_FIELDS];
    if (object == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    memcpy(fields, request->fields, sizeof fields);
    fields[0].name = "token";
    fields[0].text = object;
    fields[0].is_value = true;
    const sdk_login_request whole = {request->path, fields, MOST_FIELDS};
    bool ok = sdk_login_start(client, &whole, on_login, user, error);
    sdk_wipe_and_free(object);
    return ok;
}

bool ow_client_login_with_start(ow_client *client, const ow_client_credentials *credentials,
                                ow_client_on_login on_login, void *user, ow_client_error *error) {
    const struct way *way = way_of(credentials);
    if (client->server_key_id != NULL) {
        return sdk_fail(error, "invalid_argument", "this client logs in with a server key");
    }
    if (way == NULL || !is_whole(credentials)) {
        return sdk_fail(error, "invalid_argument",
                        "give one of device_id, custom_id, email and password, or provider and "
                        "id_token");
    }
    const char *flag = way->may_find_only ? "existingOnly" : "create";
    bool is_set = way->may_find_only ? credentials->existing_only : credentials->create;
    const sdk_json_field fields[MOST_FIELDS] = {
        {way->names[0], proof_of(credentials, way), false},
        {way->names[1], way->names[1] != NULL ? credentials->password : NULL, false},
        {"platform", credentials->platform, false},
        {flag, is_set ? "true" : NULL, true},
        {"custom", credentials->custom, false},
    };
    const sdk_login_request request = {way->path, fields, MOST_FIELDS};
    return credentials->id_token != NULL
               ? start_by_token(client, credentials, &request, on_login, user, error)
               : sdk_login_start(client, &request, on_login, user, error);
}

bool ow_client_login_device_start(ow_client *client, const char *device_id,
                                  ow_client_on_login on_login, void *user, ow_client_error *error) {
    ow_client_credentials credentials = {0};
    credentials.device_id = device_id;
    return ow_client_login_with_start(client, &credentials, on_login, user, error);
}

bool ow_client_resume_start(ow_client *client, const char *refresh_token,
                            ow_client_on_login on_login, void *user, ow_client_error *error) {
    const sdk_json_field field = {"refreshToken", refresh_token, false};
    const sdk_login_request request = {IDENTITY "RefreshSession", &field, 1};
    if (client->server_key_id != NULL) {
        return sdk_fail(error, "invalid_argument", "this client logs in with a server key");
    }
    if (refresh_token == NULL || refresh_token[0] == '\0') {
        return sdk_fail(error, "invalid_argument", "no refresh token was given");
    }
    return sdk_login_start(client, &request, on_login, user, error);
}

/* ---- Logging out ---- */

bool ow_client_logout_start(ow_client *client, ow_client_on_reply on_logout, void *user,
                            ow_client_error *error) {
    const char *token = client->session.refresh_token;
    const sdk_json_field field = {"refreshToken", token, false};
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

bool ow_client_login_with(ow_client *client, const ow_client_credentials *credentials,
                          ow_client_login *ret_login, ow_client_error *error) {
    waited w = {.login = ret_login, .error = error};
    return sdk_may_wait(client, error) &&
           ow_client_login_with_start(client, credentials, on_waited_login, &w, error) &&
           wait_for(client, &w);
}

bool ow_client_login_device(ow_client *client, const char *device_id, ow_client_login *ret_login,
                            ow_client_error *error) {
    ow_client_credentials credentials = {0};
    credentials.device_id = device_id;
    return ow_client_login_with(client, &credentials, ret_login, error);
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
