// The kv functions of overworld.h.

#include <stdlib.h>
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
typedef Overworld__Data__V1__KvDeleteRequest kv_delete_request;
typedef Overworld__Data__V1__KvDeleteResponse kv_delete_response;
typedef Overworld__Data__V1__KvIncrementRequest kv_increment_request;
typedef Overworld__Data__V1__KvIncrementResponse kv_increment_response;
typedef Overworld__Data__V1__KvListRequest kv_list_request;
typedef Overworld__Data__V1__KvListResponse kv_list_response;
typedef Overworld__Data__V1__KvBatchRequest kv_batch_request;
typedef Overworld__Data__V1__KvBatchResponse kv_batch_response;
typedef Overworld__Data__V1__KvDeletePrefixRequest kv_delete_prefix_request;
typedef Overworld__Data__V1__KvDeletePrefixResponse kv_delete_prefix_response;
typedef Overworld__Data__V1__KvOperation kv_operation_msg;
typedef Overworld__Data__V1__KvResult kv_result_msg;

#define OPERATIONS_MAX 64
#define MESSAGE(type) overworld__data__v1__##type##__descriptor

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
    ow_status status =
        platform_call(ctx, "kv.get", &request.base, &MESSAGE(kv_get_response), &message);
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
    ow_status status =
        platform_call(ctx, "kv.set", &request.base, &MESSAGE(kv_set_response), &message);
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

ow_status ow_kv_delete(ow_ctx *ctx, const char *scope, const char *key) {
    scope_msg whose;
    kv_delete_request request = OVERWORLD__DATA__V1__KV_DELETE_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    set_scope(&whose, scope);
    request.scope = &whose;
    request.key = text_of(key);
    ow_status status =
        platform_call(ctx, "kv.delete", &request.base, &MESSAGE(kv_delete_response), &reply);
    if (status == OW_DONE && !((const kv_delete_response *)reply)->deleted) {
        return platform_fail(ctx, OW_NOTHING, "no_key", "there is no such key");
    }
    return status;
}

ow_status ow_kv_increment(ow_ctx *ctx, const char *scope, const char *key, int64_t delta,
                          int64_t ttl_ms, int64_t *value) {
    scope_msg whose;
    kv_increment_request request = OVERWORLD__DATA__V1__KV_INCREMENT_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    set_scope(&whose, scope);
    request.scope = &whose;
    request.key = text_of(key);
    request.delta = delta;
    request.ttl_ms = ttl_ms;
    ow_status status =
        platform_call(ctx, "kv.increment", &request.base, &MESSAGE(kv_increment_response), &reply);
    if (status == OW_DONE && value) {
        *value = ((const kv_increment_response *)reply)->value;
    }
    return status;
}

// ---- many keys

static ow_status fill_page(ow_ctx *ctx, const kv_list_response *reply, ow_kv_page *page) {
    ow_kv_item *items = platform_keep(ctx, (reply->n_entries + 1) * sizeof *items);
    if (!items) {
        return platform_fail(ctx, OW_AWAY, "memory", "no memory for the items");
    }
    for (size_t i = 0; i < reply->n_entries; i++) {
        fill_item(reply->entries[i], &items[i]);
    }
    page->items = items;
    page->count = reply->n_entries;
    page->next = reply->next_page_token[0] ? reply->next_page_token : NULL;
    return OW_DONE;
}

ow_status ow_kv_list(ow_ctx *ctx, const ow_kv_query *query, ow_kv_page *page) {
    scope_msg whose;
    kv_list_request request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    set_scope(&whose, query->scope);
    request.scope = &whose;
    request.prefix = text_of(query->prefix);
    request.page_token = text_of(query->cursor);
    request.page_size = query->limit;
    request.descending = query->descending;
    request.keys_only = query->keys_only;
    *page = (ow_kv_page){0};
    ow_status status =
        platform_call(ctx, "kv.list", &request.base, &MESSAGE(kv_list_response), &reply);
    return status == OW_DONE ? fill_page(ctx, (const kv_list_response *)reply, page) : status;
}

ow_status ow_kv_delete_prefix(ow_ctx *ctx, const char *scope, const char *prefix, int64_t *deleted,
                              bool *more) {
    scope_msg whose;
    kv_delete_prefix_request request = OVERWORLD__DATA__V1__KV_DELETE_PREFIX_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    set_scope(&whose, scope);
    request.scope = &whose;
    request.prefix = text_of(prefix);
    ow_status status = platform_call(ctx, "kv.delete_prefix", &request.base,
                                     &MESSAGE(kv_delete_prefix_response), &reply);
    if (status == OW_DONE && deleted) {
        *deleted = ((const kv_delete_prefix_response *)reply)->deleted;
    }
    if (status == OW_DONE && more) {
        *more = ((const kv_delete_prefix_response *)reply)->more;
    }
    return status;
}

// ---- batches

struct batch {
    kv_batch_request request;
    kv_operation_msg operations[OPERATIONS_MAX], *pointers[OPERATIONS_MAX];
    scope_msg scopes[OPERATIONS_MAX];
    condition_msg conditions[OPERATIONS_MAX];
};

static void add_operation(struct batch *batch, const ow_kv_operation *wanted) {
    size_t at = batch->request.n_operations++;
    kv_operation_msg *operation = batch->pointers[at] = &batch->operations[at];
    condition_msg *condition = &batch->conditions[at];
    overworld__data__v1__kv_operation__init(operation);
    overworld__data__v1__condition__init(condition);
    set_scope(&batch->scopes[at], wanted->scope);
    condition->kind = (Overworld__Data__V1__Condition__Kind)wanted->condition;
    condition->version = wanted->version;
    operation->kind = (Overworld__Data__V1__KvOperation__Kind)wanted->action;
    operation->scope = &batch->scopes[at];
    operation->condition = condition;
    operation->key = text_of(wanted->key);
    operation->value.data = (uint8_t *)(uintptr_t)wanted->value;
    operation->value.len = wanted->length;
    operation->ttl_ms = wanted->ttl_ms;
    operation->delta = wanted->delta;
}

static void fill_operation(const kv_result_msg *result, ow_kv_operation *operation) {
    operation->found = result->found;
    operation->written = result->version;
    operation->number = result->value;
    operation->item = (ow_kv_item){0};
    if (result->entry) {
        fill_item(result->entry, &operation->item);
    }
}

ow_status ow_kv_batch(ow_ctx *ctx, ow_kv_operation *operations, size_t count) {
    ProtobufCMessage *message = NULL;
    struct batch *batch = count <= OPERATIONS_MAX ? platform_keep(ctx, sizeof *batch) : NULL;
    if (!batch) {
        return platform_fail(ctx, OW_INVALID, "bad_operation", "a batch has 1 to 64 operations");
    }
    overworld__data__v1__kv_batch_request__init(&batch->request);
    batch->request.operations = batch->pointers;
    for (size_t i = 0; i < count; i++) {
        add_operation(batch, &operations[i]);
    }
    ow_status status =
        platform_call(ctx, "kv.batch", &batch->request.base, &MESSAGE(kv_batch_response), &message);
    const kv_batch_response *reply = (const kv_batch_response *)message;
    if (status == OW_DONE && reply->n_results != count) {
        return platform_fail(ctx, OW_AWAY, "bad_reply", "the reply could not be read");
    }
    for (size_t i = 0; status == OW_DONE && i < count; i++) {
        fill_operation(reply->results[i], &operations[i]);
    }
    return status;
}

// ---- JSON

cJSON *ow_kv_get_json(ow_ctx *ctx, const char *scope, const char *key, int64_t *version) {
    ow_kv_item item;
    if (ow_kv_get(ctx, scope, key, &item) != OW_DONE) {
        return NULL;
    }
    cJSON *tree = context_keep(ctx, cJSON_ParseWithLength(item.value, item.length));
    if (!tree) {
        (void)platform_fail(ctx, OW_INVALID, "not_json", "the value is no JSON");
    } else if (version) {
        *version = item.version;
    }
    return tree;
}

ow_status ow_kv_set_json(ow_ctx *ctx, const char *scope, const char *key, cJSON *tree) {
    char *text = tree ? cJSON_PrintUnformatted(tree) : NULL;
    ow_status status = text ? ow_kv_set(ctx, scope, key, text, strlen(text), 0)
                            : platform_fail(ctx, OW_INVALID, "not_json", "this is no JSON");
    cJSON_Delete(tree);
    free(text);
    return status;
}
