#include "services/data/kv_logic.h"

#include "core/crypto/hash.h"
#include "core/json/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MAX_MS (INT64_C(10) * 366 * 24 * 3600 * 1000)
#define LAST_CHARACTER "\xF4\x8F\xBF\xBF" // U+10FFFF

// ---- Scopes ----

static bool is_name(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || length > KV_NAME_MAX ||
        !((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z')) {
        return false;
    }
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
           length;
}

static ow_code bad_scope(ow_err *err, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_scope", "%s", why);
}

static ow_code server_scope(const scope_msg *wanted, const char **ret_owner, ow_err *err) {
    if (!is_name(wanted->virtual_server) || wanted->player_id[0] != '\0') {
        return bad_scope(err, "a virtual server's scope has virtual_server and nothing else");
    }
    *ret_owner = wanted->virtual_server;
    return OW_OK;
}

static ow_code title_scope(const scope_msg *wanted, const char **ret_owner, ow_err *err) {
    if (wanted->virtual_server[0] != '\0' || wanted->player_id[0] != '\0') {
        return bad_scope(err, "the title's scope has neither virtual_server nor player_id");
    }
    *ret_owner = "";
    return OW_OK;
}

static ow_code player_scope(const scope_msg *wanted, const char **ret_owner, ow_err *err) {
    if (!ow_id_is(wanted->player_id, "plr_") || wanted->virtual_server[0] != '\0') {
        return bad_scope(err, "a player's scope has player_id and nothing else");
    }
    *ret_owner = wanted->player_id;
    return OW_OK;
}

static const struct {
    char letter;
    ow_code (*owner)(const scope_msg *wanted, const char **ret_owner, ow_err *err);
} kinds[] = {
    [KV_OF_SERVER] = {'v', server_scope},
    [KV_OF_TITLE] = {'t', title_scope},
    [KV_OF_PLAYER] = {'p', player_scope},
};

ow_code kv_scope_of(const char *title, const scope_msg *wanted, kv_scope *ret_scope, ow_err *err) {
    const char *owner = NULL;
    if (title[0] == '\0') {
        return ow_fail(err, OW_INVALID_ARGUMENT, "no_title", "name the title in Overworld-Title");
    }
    int kind = wanted != NULL ? (int)wanted->kind : 0;
    if (kind < KV_OF_SERVER || kind > KV_OF_PLAYER) {
        return bad_scope(err, "scope.kind is VIRTUAL_SERVER, TITLE or PLAYER");
    }
    ow_code code = kinds[kind].owner(wanted, &owner, err);
    if (code == OW_OK) {
        ret_scope->kind = (kv_kind)kind;
        snprintf(ret_scope->title, sizeof ret_scope->title, "%s", title);
        snprintf(ret_scope->text, sizeof ret_scope->text, "%s:%c:%s", title, kinds[kind].letter,
                 owner);
    }
    return code;
}

// ---- Keys and values ----

static bool has_control(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7F) {
            return true;
        }
    }
    return false;
}

ow_code kv_check_key(const char *key, ow_err *err) {
    size_t length = strlen(key);
    if (length == 0 || length > KV_KEY_MAX || !ow_utf8_check(key, length) || has_control(key) ||
        strstr(key, LAST_CHARACTER) != NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_key",
                       "a key has 1 to %d bytes of UTF-8 without control characters", KV_KEY_MAX);
    }
    return OW_OK;
}

ow_code kv_check_value(size_t size, ow_err *err) {
    if (size > KV_VALUE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "value_too_large",
                       "a value has at most %d bytes, this one %zu", KV_VALUE_MAX, size);
    }
    return OW_OK;
}

ow_code kv_add_read(size_t *bytes, size_t size, ow_err *err) {
    *bytes += size;
    return *bytes <= KV_READ_MAX
               ? OW_OK
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "reply_too_large",
                         "the values that are read have more than %d bytes together", KV_READ_MAX);
}

ow_code kv_expiry(int64_t now_us, int64_t ttl_ms, int64_t *ret_expires_us, ow_err *err) {
    if (ttl_ms < 0 || ttl_ms > TTL_MAX_MS) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_ttl",
                       "ttl_ms is 0 (for good) to 10 years in milliseconds");
    }
    *ret_expires_us = ttl_ms == 0 ? 0 : now_us + ttl_ms * 1000;
    return OW_OK;
}

ow_code kv_check_condition(const condition_msg *condition, ow_err *err) {
    if (condition == NULL) {
        return OW_OK;
    }
    bool versioned = condition->kind == OVERWORLD__DATA__V1__CONDITION__KIND__VERSION;
    if (condition->kind > OVERWORLD__DATA__V1__CONDITION__KIND__VERSION ||
        (versioned ? condition->version < 1 : condition->version != 0)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_condition",
                       "condition.kind is ANY, ABSENT, or VERSION with a version");
    }
    return OW_OK;
}

static bool is_text(const char *text) {
    size_t length = strlen(text);
    return length <= KV_KEY_MAX && ow_utf8_check(text, length) && !has_control(text) &&
           strstr(text, LAST_CHARACTER) == NULL;
}

ow_code kv_span_of(const char *prefix, const char *page_token, bool descending, kv_span *ret_span,
                   ow_err *err) {
    char from[KV_KEY_MAX + 1] = "";
    if (!is_text(prefix)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_prefix",
                       "a prefix is the beginning of a key, or empty");
    }
    snprintf(ret_span->first, sizeof ret_span->first, "%s", prefix);
    snprintf(ret_span->end, sizeof ret_span->end, "%s" LAST_CHARACTER, prefix);
    if (page_token[0] == '\0') {
        return OW_OK;
    }
    int64_t size =
        ow_base64url_decode(page_token, strlen(page_token), (uint8_t *)from, sizeof from - 1);
    if (size < 1 || (size_t)size >= sizeof from || strlen(from) != (size_t)size || !is_text(from) ||
        strncmp(from, prefix, strlen(prefix)) != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token must be a next_page_token as it was given");
    }
    if (descending) {
        snprintf(ret_span->end, sizeof ret_span->end, "%s", from);
    } else {
        // No key has a control character: this is the first text that can follow.
        snprintf(ret_span->first, sizeof ret_span->first, "%s\001", from);
    }
    return OW_OK;
}

const char *kv_page_token(const char *key, ow_arena *arena) {
    char token[OW_BASE64URL_SIZE(KV_KEY_MAX)];
    ow_base64url_encode(key, strlen(key), token);
    return ow_arena_strdup_in(arena, token);
}

bool kv_parse_number(const void *text, size_t size, int64_t *ret_number) {
    char copy[24] = "";
    if (size == 0 || size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, size);
    const char *digits = copy + (copy[0] == '-');
    if (digits[0] == '\0' || strspn(digits, "0123456789") != size - (size_t)(digits - copy)) {
        return false;
    }
    errno = 0;
    long long number = strtoll(copy, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *ret_number = number;
    return true;
}
