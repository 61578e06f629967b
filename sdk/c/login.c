/* Logins on the wire: the server key's signature, and what comes back. */
#include "sdk/c/internal.h"

#include "sdk/c/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Times ---- */

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
static int64_t read_timestamp(const char *text) {
    int year, month, day, hour, minute, second;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) !=
        6) {
        return 0;
    }
    return days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
}

int64_t sdk_read_date(const char *text) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4];
    int year, day, hour, minute, second;
    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute,
               &second) != 6) {
        return 0;
    }
    const char *place = strlen(month) == 3 ? strstr(months, month) : NULL;
    if (place == NULL || (place - months) % 3 != 0) {
        return 0;
    }
    int number = (int)(place - months) / 3 + 1;
    return days_from_date(year, number, day) * 86400 + hour * 3600 + minute * 60 + second;
}

/* ---- What comes back ---- */

bool sdk_read_login(const ow_client_reply *reply, sdk_tokens *ret_tokens, ow_client_error *error) {
    sdk_json json = sdk_json_parse(reply->data, reply->size);
    char *access = sdk_json_text_dup(sdk_json_member(json, "accessToken"));
    if (access == NULL || access[0] == '\0') {
        free(access);
        return sdk_fail(error, "bad_answer",
                        "the answer to the login has no access token; is it an Overworld server?");
    }
    char expires_at[40];
    ow_client_login *login = &ret_tokens->login;
    memset(ret_tokens, 0, sizeof *ret_tokens);
    ret_tokens->access = access;
    ret_tokens->refresh = sdk_json_text_dup(sdk_json_member(json, "refreshToken"));
    sdk_json_text(sdk_json_member(json, "playerId"), login->player_id, sizeof login->player_id);
    sdk_json_text(sdk_json_member(json, "sessionId"), login->session_id, sizeof login->session_id);
    login->is_new_player = sdk_json_is_true(sdk_json_member(json, "isNewPlayer"));
    sdk_json_text(sdk_json_member(json, "expiresAt"), expires_at, sizeof expires_at);
    login->expires_at = read_timestamp(expires_at);
    return true;
}

/* proto3 JSON writes 64-bit numbers as strings, small ones as they are. */
static int64_t read_number(sdk_json value) {
    enum { MOST_DIGITS = 15 };
    char text[24];
    bool is_text = sdk_json_text(value, text, sizeof text);
    const char *digits = is_text ? text : value.at;
    size_t size = is_text ? strlen(text) : value.size;
    int64_t number = 0;
    for (size_t i = 0; i < size && i < MOST_DIGITS && digits[i] >= '0' && digits[i] <= '9'; i++) {
        number = number * 10 + (digits[i] - '0');
    }
    return number;
}

void sdk_read_place(const ow_client_reply *reply, sdk_place *ret_place) {
    sdk_json json = sdk_json_parse(reply->data, reply->size);
    sdk_json queue = sdk_json_member(json, "queue");
    memset(ret_place, 0, sizeof *ret_place);
    ret_place->ticket = sdk_json_text_dup(sdk_json_member(queue, "ticket"));
    if (ret_place->ticket != NULL) {
        ret_place->ahead = read_number(sdk_json_member(queue, "ahead"));
        ret_place->poll_after_ms = read_number(sdk_json_member(queue, "pollAfterS")) * 1000;
        ret_place->refresh = sdk_json_text_dup(sdk_json_member(json, "refreshToken"));
    }
}

/* ---- The server key ---- */

static void hex(const uint8_t *bytes, size_t size, char *text) {
    for (size_t i = 0; i < size; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* base64url without padding, as server keys' secrets are written; 0 when it is not that. */
static size_t decode_secret(const char *text, uint8_t *bytes, size_t room) {
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
            bytes[used++] = (uint8_t)(bits >> have);
        }
    }
    return used;
}

/* base64 with padding, as proto3 JSON writes bytes. */
static void encode_signature(const uint8_t mac[SDK_SHA256_SIZE], char text[48]) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t used = 0;
    for (int i = 0; i < SDK_SHA256_SIZE; i += 3) {
        uint32_t second = i + 1 < SDK_SHA256_SIZE ? mac[i + 1] : 0;
        uint32_t third = i + 2 < SDK_SHA256_SIZE ? mac[i + 2] : 0;
        uint32_t bits = (uint32_t)mac[i] << 16 | second << 8 | third;
        for (int shift = 18; shift >= 0; shift -= 6) {
            text[used++] = alphabet[bits >> shift & 63];
        }
    }
    text[used - 1] = '='; /* 32 bytes are two short of 33, one character more is ours */
    text[used] = '\0';
}

/* The text that is signed is defined at ServerLoginRequest in identity.proto. */
static bool sign(const ow_client *client, const char *timestamp, const char *nonce,
                 char signature[48]) {
    const char *title = client->title != NULL ? client->title : "";
    uint8_t digest[SDK_SHA256_SIZE];
    char title_hash[2 * SDK_SHA256_SIZE + 1];
    sdk_sha256(title, strlen(title), digest);
    hex(digest, sizeof digest, title_hash);
    char text[512];
    int length = snprintf(text, sizeof text,
                          "overworld-server-login\n%s\n%s\n%s\nPOST\n" IDENTITY "ServerLogin\n%s\n",
                          client->server_key_id, timestamp, nonce, title_hash);
    uint8_t secret[64];
    size_t secret_size = decode_secret(client->server_key_secret, secret, sizeof secret);
    if (length < 0 || (size_t)length >= sizeof text || secret_size == 0) {
        return false;
    }
    sdk_hmac_sha256((sdk_bytes){secret, secret_size}, (sdk_bytes){text, (size_t)length}, digest);
    encode_signature(digest, signature);
    volatile uint8_t *wiped = secret;
    for (size_t i = 0; i < sizeof secret; i++) {
        wiped[i] = 0;
    }
    return true;
}

char *sdk_server_login_body(const ow_client *client, ow_client_error *error) {
    const sdk_platform *platform = client->platform;
    uint8_t random[16];
    char nonce[2 * sizeof random + 1];
    char timestamp[24];
    char signature[48];
    if (!platform->random(platform->self, random, sizeof random)) {
        sdk_fail(error, "no_random", "the system gave no random bytes");
        return NULL;
    }
    hex(random, sizeof random, nonce);
    snprintf(timestamp, sizeof timestamp, "%" PRId64, platform->wall_s(platform->self));
    if (!sign(client, timestamp, nonce, signature)) {
        sdk_fail(error, "invalid_argument",
                 "the server key's secret is malformed: give it as it was shown when it was made");
        return NULL;
    }
    const sdk_json_field fields[] = {
        {"keyId", client->server_key_id, false},
        {"timestamp", timestamp, false},
        {"nonce", nonce, false},
        {"signature", signature, false},
        {"title", client->title, false},
    };
    char *body = sdk_json_object(fields, sizeof fields / sizeof fields[0]);
    if (body == NULL) {
        sdk_fail(error, "out_of_memory", "out of memory");
    }
    return body;
}
