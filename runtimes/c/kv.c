// The kv functions of overworld.h.

#include <string.h>

#include "overworld/data/v1/data.pb-c.h"
#include "runtimes/c/internal.h"

typedef Overworld__Data__V1__Scope scope_msg;
typedef Overworld__Data__V1__Entry entry_msg;
typedef Overworld__Data__V1__Condition condition_msg;
typedef Overworld__Data__V1__KvGetRequest kv_get_request;
typedef Overworld__Data__V1__KvGetResponse kv_get_response;
typedef Overworld__Data__V1__KvSetRequest kv_set_request;
typedef Overworld__Data__V1__KvSetResponse kv_set_response;

// protobuf-c's strings are not const; nobody writes to them.
static char *text_of(const char *text) {
    return (char *)(uintptr_t)(text ? text : "");
}

// The host fills in whose: the virtual server, and the player behind this call.
static void set_scope(scope_msg *scope, const char *wanted) {
    overworld__data__v1__scope__init(scope);
    wanted = wanted ? wanted : "";
    if (strcmp(wanted, OW_KV_SERVER) == 0) {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER;
    } else if (strcmp(wanted, OW_KV_TITLE) == 0) {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__TITLE;
    } else if (strcmp(wanted, OW_KV_PLAYER) == 0) {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
    } else if (wanted[0] != '\0') {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
        scope->player_id = text_of(wanted);
    }
}

static int64_t time_us(const Google__Protobuf__Timestamp *time) {
    return time ? time->seconds * 1000000 + time->nanos / 1000 : 0;
}

static void fill_item(const entry_msg *entry, ow_kv_item *item) {
    *item = (ow_kv_item){
        .key = entry->key,
        .value = entry->value.len > 0 ? (const void *)entry->value.data : "",
        .length = entry->value.len,
        .version = entry->version,
        .updated_us = time_us(entry->updated_at),
        .expires_us = time_us(entry->expires_at),
    };
}

ow_status ow_kv_get(ow_ctx *ctx, const char *scope, const char *key, ow_kv_item *item) {
    scope_msg whose;
    kv_get_request request = OVERWORLD__DATA__V1__KV_GET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    char *keys[] = {text_of(key)};
    set_scope(&whose, scope);
    request.scope = &whose;
    request.n_keys = 1;
    request.keys = keys;
    *item = (ow_kv_item){0};
    ow_status status = platform_call(ctx, "kv.get", &request.base,
                                     &overworld__data__v1__kv_get_response__descriptor, &message);
    if (status != OW_DONE) {
        return status;
    }
    const kv_get_response *reply = (const kv_get_response *)message;
    if (reply->n_entries == 0) {
        return platform_fail(ctx, OW_NOTHING, "no_key", "there is no such key");
    }
    fill_item(reply->entries[0], item);
    return OW_DONE;
}

struct setting {
    const char *scope, *key;
    const void *value;
    size_t length;
    int64_t ttl_ms;
    condition_msg *condition;
};

static ow_status set(ow_ctx *ctx, const struct setting *wanted, int64_t *new_version) {
    scope_msg whose;
    kv_set_request request = OVERWORLD__DATA__V1__KV_SET_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    set_scope(&whose, wanted->scope);
    request.scope = &whose;
    request.key = text_of(wanted->key);
    request.value.data = (uint8_t *)(uintptr_t)wanted->value;
    request.value.len = wanted->length;
    request.ttl_ms = wanted->ttl_ms;
    request.condition = wanted->condition;
    ow_status status = platform_call(ctx, "kv.set", &request.base,
                                     &overworld__data__v1__kv_set_response__descriptor, &message);
    if (status == OW_DONE && new_version) {
        *new_version = ((const kv_set_response *)message)->version;
    }
    return status;
}

ow_status ow_kv_set(ow_ctx *ctx, const char *scope, const char *key, const void *value,
                    size_t length, int64_t ttl_ms) {
    struct setting wanted = {
        .scope = scope, .key = key, .value = value, .length = length, .ttl_ms = ttl_ms};
    return set(ctx, &wanted, NULL);
}

ow_status ow_kv_cas(ow_ctx *ctx, const char *scope, const char *key, const void *value,
                    size_t length, int64_t version, int64_t *new_version) {
    condition_msg condition = OVERWORLD__DATA__V1__CONDITION__INIT;
    condition.kind = version == 0 ? OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT
                                  : OVERWORLD__DATA__V1__CONDITION__KIND__VERSION;
    condition.version = version;
    struct setting wanted = {
        .scope = scope, .key = key, .value = value, .length = length, .condition = &condition};
    return set(ctx, &wanted, new_version);
}
