/* Logging in: the two requests, the server key's signature, and what comes back. */
#include "sdk/c/internal.h"

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICE_LOGIN_PATH "/overworld.identity.v1.Identity/DeviceLogin"
#define SERVER_LOGIN_PATH "/overworld.identity.v1.Identity/ServerLogin"

enum { TOKEN_MARGIN_S = 30 };

bool sdk_token_is_good(const ow_client *client) {
    return client->token != NULL &&
           (client->token_expires_at == 0 ||
            (int64_t)time(NULL) + TOKEN_MARGIN_S < client->token_expires_at);
}

bool sdk_has_credentials(const ow_client *client) {
    return client->device_id != NULL || client->server_key_id != NULL;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_from_date(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* RFC 3339 in UTC as proto3 JSON writes timestamps; 0 when it is not one. */
static int64_t parse_timestamp(const char *text) {
    int year, month, day, hour, minute, second;
    if (text == NULL || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute,
                               &second) != 6) {
        return 0;
    }
    return days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

static const char *text_of(const cJSON *object, const char *name) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text != NULL ? text : "";
}

static bool read_login(ow_client *client, const ow_client_reply *reply, ow_client_login *ret_login,
                       ow_client_error *error) {
    cJSON *json = cJSON_ParseWithLength(reply->data, reply->size);
    const char *token = text_of(json, "accessToken");
    if (token[0] == '\0') {
        cJSON_Delete(json);
        return sdk_fail(error, "bad_answer",
                        "the server's answer to the login has no access token; is %s an Overworld "
                        "server?",
                        client->url);
    }
    memset(ret_login, 0, sizeof *ret_login);
    snprintf(ret_login->player_id, sizeof ret_login->player_id, "%s", text_of(json, "playerId"));
    snprintf(ret_login->session_id, sizeof ret_login->session_id, "%s", text_of(json, "sessionId"));
    ret_login->is_new_player = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "isNewPlayer"));
    ret_login->expires_at = parse_timestamp(text_of(json, "expiresAt"));
    free(client->token);
    client->token = sdk_strdup(token);
    client->token_expires_at = ret_login->expires_at;
    cJSON_Delete(json);
    return client->token != NULL || sdk_fail(error, "out_of_memory", "out of memory");
}

static void on_login_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    ow_client *client = user;
    ow_client_on_login on_login = client->on_login;
    ow_client_login login;
    ow_client_error own;
    client->login_running = false;
    if (error == NULL && !read_login(client, reply, &login, &own)) {
        error = &own;
    }
    client->on_login = NULL;
    if (on_login != NULL) {
        on_login(client->on_login_user, error == NULL ? &login : NULL, error);
    }
    sdk_login_ended(client, error);
}

static char *device_body(const ow_client *client) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "deviceId", client->device_id);
    char *body = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return body;
}

static void hex(const unsigned char *bytes, size_t size, char *text) {
    for (size_t i = 0; i < size; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* base64url without padding, as server keys' secrets are written; 0 when it is not that. */
static size_t decode_secret(const char *text, unsigned char *bytes, size_t room) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    int have = 0;
    size_t used = 0;
    for (; *text != '\0'; text++) {
        const char *place = strchr(alphabet, *text);
        if (place == NULL || used == room) {
            return 0;
        }
        bits = bits << 6 | (uint32_t)(place - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[used++] = (unsigned char)(bits >> have);
        }
    }
    return used;
}

/* The text that is signed is defined at ServerLoginRequest in identity.proto. */
static bool sign(const ow_client *client, int64_t timestamp, const char *nonce, char *signature) {
    const char *title = client->title != NULL ? client->title : "";
    unsigned char digest[EVP_MAX_MD_SIZE];
    char title_hash[2 * 32 + 1];
    if (!EVP_Digest(title, strlen(title), digest, NULL, EVP_sha256(), NULL)) {
        return false;
    }
    hex(digest, 32, title_hash);
    char text[512];
    int length =
        snprintf(text, sizeof text, "overworld-server-login\n%s\n%" PRId64 "\n%s\nPOST\n%s\n%s\n",
                 client->server_key_id, timestamp, nonce, SERVER_LOGIN_PATH, title_hash);
    if (length < 0 || (size_t)length >= sizeof text) {
        return false;
    }
    unsigned char secret[64];
    size_t secret_size = decode_secret(client->server_key_secret, secret, sizeof secret);
    unsigned digest_size = 0;
    bool ok =
        secret_size > 0 && HMAC(EVP_sha256(), secret, (int)secret_size, (const unsigned char *)text,
                                (size_t)length, digest, &digest_size) != NULL;
    OPENSSL_cleanse(secret, sizeof secret);
    return ok && EVP_EncodeBlock((unsigned char *)signature, digest, 32) > 0;
}

static char *server_body(const ow_client *client, ow_client_error *error) {
    unsigned char random[16];
    char nonce[2 * sizeof random + 1];
    char signature[64];
    int64_t now = (int64_t)time(NULL);
    if (RAND_bytes(random, sizeof random) != 1) {
        sdk_fail(error, "no_random", "the system gave no random bytes");
        return NULL;
    }
    hex(random, sizeof random, nonce);
    if (!sign(client, now, nonce, signature)) {
        sdk_fail(error, "invalid_argument",
                 "the server key's secret is malformed: give it as it was shown when it was made");
        return NULL;
    }
    char timestamp[24];
    snprintf(timestamp, sizeof timestamp, "%" PRId64, now);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "keyId", client->server_key_id);
    cJSON_AddStringToObject(json, "timestamp", timestamp);
    cJSON_AddStringToObject(json, "nonce", nonce);
    cJSON_AddStringToObject(json, "signature", signature);
    if (client->title != NULL) {
        cJSON_AddStringToObject(json, "title", client->title);
    }
    char *body = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    if (body == NULL) {
        sdk_fail(error, "out_of_memory", "out of memory");
    }
    return body;
}

bool sdk_login_begin(ow_client *client, ow_client_on_login on_login, void *user,
                     ow_client_error *error) {
    bool server = client->server_key_id != NULL;
    if (!sdk_has_credentials(client)) {
        return sdk_fail(error, "not_logged_in", "log in before calling: ow_client_login_device");
    }
    char *body = server ? server_body(client, error) : device_body(client);
    if (body == NULL) {
        return server ? false : sdk_fail(error, "out_of_memory", "out of memory");
    }
    ow_client_request request = {0};
    request.method = "POST";
    request.path = server ? SERVER_LOGIN_PATH : DEVICE_LOGIN_PATH;
    request.body = body;
    request.size = strlen(body);
    request.without_token = true;
    client->login_running = true;
    client->on_login = on_login;
    client->on_login_user = user;
    bool ok = ow_client_send_start(client, &request, on_login_reply, client, error);
    cJSON_free(body);
    if (!ok) {
        client->login_running = false;
        client->on_login = NULL;
    }
    return ok;
}

bool ow_client_login_device_start(ow_client *client, const char *device_id,
                                  ow_client_on_login on_login, void *user, ow_client_error *error) {
    if (client->server_key_id != NULL) {
        return sdk_fail(error, "invalid_argument", "this client logs in with a server key");
    }
    if (client->login_running) {
        return sdk_fail(error, "busy", "a login is under way already");
    }
    char *copy = sdk_strdup(device_id);
    if (copy == NULL) {
        return sdk_fail(error, "invalid_argument", "no device id was given");
    }
    free(client->device_id);
    client->device_id = copy;
    return sdk_login_begin(client, on_login, user, error);
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
    return ow_client_login_device_start(client, device_id, on_waited_login, &waited, error) &&
           wait_for_login(client, &waited);
}

bool ow_client_login_server(ow_client *client, ow_client_login *ret_login, ow_client_error *error) {
    waited_login waited = {.login = ret_login, .error = error};
    if (client->server_key_id == NULL) {
        return sdk_fail(error, "invalid_argument", "the configuration has no server key");
    }
    if (client->login_running) {
        return sdk_fail(error, "busy", "a login is under way already");
    }
    return sdk_login_begin(client, on_waited_login, &waited, error) &&
           wait_for_login(client, &waited);
}

const char *ow_client_access_token(const ow_client *client) {
    return client->token != NULL ? client->token : "";
}
