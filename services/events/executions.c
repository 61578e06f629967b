#include "services/events/executions.h"

#include "core/timestamp/timestamp.h"

#include "services/events/filter.h"

#include <string.h>

enum { NAME_MAX_SIZE = 60, KEY_MAX_SIZE = 256, LANE_MAX_SIZE = 700 };

#define TIME_MAX_S INT64_C(253402300799) // the end of the year 9999: what JSON can say

static const char *const kinds[] = {
    [OW_NOBODY] = "nobody",     [OW_PLAYER] = "player",     [OW_SERVER] = "server",
    [OW_OPERATOR] = "operator", [OW_PLATFORM] = "platform",
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an execution");
}

static bool is_name(const char *text) {
    size_t size = strlen(text);
    return size > 0 && size <= NAME_MAX_SIZE;
}

// Printable, since it stands in keys, logs and messages.
static bool is_key(const char *text) {
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return size <= KEY_MAX_SIZE;
}

static ow_principal_kind kind_of(const char *name) {
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i], name) == 0) {
            return (ow_principal_kind)i;
        }
    }
    return OW_NOBODY;
}

static bool names_nothing(const destination_msg *to) {
    if (to == NULL) {
        return false;
    }
    if (to->event_type[0] != '\0') {
        return !event_type_is_name(to->event_type) || to->function[0] != '\0';
    }
    return !is_name(to->virtual_server) || !is_name(to->function) ||
           strlen(to->qualifier) > NAME_MAX_SIZE;
}

static ow_code check_destinations(const new_execution_msg *wanted, ow_err *err) {
    return names_nothing(wanted->on_success) || names_nothing(wanted->on_failure)
               ? ow_fail(err, OW_INVALID_ARGUMENT, "invalid",
                         "a destination is a function of a virtual server, or the type of an event")
               : OW_OK;
}

static bool are_names(const new_execution_msg *wanted) {
    bool to_url = wanted->url[0] != '\0' && wanted->subscription_key[0] != '\0';
    return (to_url || (is_name(wanted->virtual_server) && is_name(wanted->function))) &&
           strlen(wanted->qualifier) <= NAME_MAX_SIZE && is_name(wanted->source);
}

static bool are_keys(const new_execution_msg *wanted) {
    const char *const keys[] = {wanted->ordering_key,     wanted->deduplication_key,
                                wanted->subscription_key, wanted->content_type,
                                wanted->trigger_id,       wanted->routing_key};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!is_key(keys[i])) {
            return false;
        }
    }
    return wanted->concurrency >= 0;
}

static ow_code check(const new_execution_msg *wanted, ow_err *err) {
    if (!are_names(wanted)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid",
                       "virtual_server, function and source have 1 to %d characters",
                       NAME_MAX_SIZE);
    }
    if (wanted->payload.len > PAYLOAD_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "payload_too_large",
                       "an asynchronous payload has at most %d KB", PAYLOAD_MAX >> 10);
    }
    if (wanted->depth < 0 || wanted->depth > DEPTH_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "chain_too_deep",
                       "executions cause each other %d deep at most", DEPTH_MAX);
    }
    if (wanted->due != NULL && wanted->due->seconds > TIME_MAX_S) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid", "due: a time until the year 9999");
    }
    if (!are_keys(wanted)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "invalid",
                       "keys have at most %d printable characters, concurrency is not negative",
                       KEY_MAX_SIZE);
    }
    return check_destinations(wanted, err);
}

static ow_code take_retry(const new_execution_msg *wanted, retry_policy *retry, ow_err *err) {
    if (wanted->retry != NULL) {
        *retry = (retry_policy){
            .max_attempts = wanted->retry->max_attempts,
            .base_us = wanted->retry->base_us,
            .max_age_us = wanted->retry->max_age_us,
        };
    }
    if (!retry_policy_complete(retry)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_retry",
                       "1 to %d attempts, 1 ms to 1 h between the first two, 1 s to 14 days in all",
                       ATTEMPTS_MAX);
    }
    return OW_OK;
}

// What is stored, with everything said that was left out.
typedef struct complete_facts {
    execution_facts facts;
    new_execution_msg wanted;
    principal_msg principal;
    retry_msg retry;
    char traceparent[OW_TRACEPARENT_MAX];
} complete_facts;

static char *borrow(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static void complete(complete_facts *c, const new_execution_msg *wanted,
                     const execution_origin *origin, const retry_policy *retry) {
    overworld__events__v1__execution_facts__init(&c->facts);
    overworld__events__v1__execution_principal__init(&c->principal);
    overworld__events__v1__retry_policy__init(&c->retry);
    c->wanted = *wanted;
    c->facts.wanted = &c->wanted;
    c->facts.request_id = borrow(origin->request_id);
    c->facts.client_address = borrow(origin->client_address);
    ow_trace_format(c->traceparent, origin->trace);
    c->facts.traceparent = c->traceparent;
    c->retry.max_attempts = (int32_t)retry->max_attempts;
    c->retry.base_us = retry->base_us;
    c->retry.max_age_us = retry->max_age_us;
    c->wanted.retry = &c->retry;
    if (c->wanted.principal == NULL) {
        c->principal.kind = borrow(kinds[origin->principal->kind]);
        c->principal.id = borrow(origin->principal->id);
        c->wanted.principal = &c->principal;
    }
    if (c->wanted.qualifier[0] == '\0') {
        c->wanted.qualifier = borrow("$DEFAULT");
    }
    if (c->wanted.content_type[0] == '\0') {
        c->wanted.content_type = borrow("application/json");
    }
    if (c->wanted.payload.len > PAYLOAD_INLINE_MAX) {
        c->wanted.payload = (ProtobufCBinaryData){0, NULL};
    }
}

static bool pack_facts(const execution_facts *facts, ow_arena *arena,
                       ProtobufCBinaryData *ret_facts) {
    size_t size = overworld__events__v1__execution_facts__get_packed_size(facts);
    uint8_t *bytes = ow_arena_alloc(arena, size);
    if (bytes == NULL) {
        return false;
    }
    overworld__events__v1__execution_facts__pack(facts, bytes);
    *ret_facts = (ProtobufCBinaryData){size, bytes};
    return true;
}

bool execution_repack(const execution_row *row, ProtobufCBinaryData payload,
                      const char *content_type, ow_arena *arena, ProtobufCBinaryData *ret_facts,
                      ProtobufCBinaryData *ret_apart) {
    execution_facts facts = *row->facts;
    new_execution_msg wanted = *row->facts->wanted;
    bool apart = payload.len > PAYLOAD_INLINE_MAX;
    facts.wanted = &wanted;
    wanted.payload = apart ? (ProtobufCBinaryData){0, NULL} : payload;
    wanted.content_type = content_type[0] != '\0' ? borrow(content_type) : wanted.content_type;
    *ret_apart = apart ? payload : (ProtobufCBinaryData){0, NULL};
    return pack_facts(&facts, arena, ret_facts);
}

static bool name_lanes(const new_execution_msg *wanted, const char *title_id, ow_arena *arena,
                       new_execution *new) {
    new->subscription = wanted->subscription_key[0] != '\0'
                            ? ow_arena_printf_in(arena, "%s %s", title_id, wanted->subscription_key)
                            : ow_arena_printf_in(arena, "%s %s/%s", title_id,
                                                 wanted->virtual_server, wanted->function);
    new->lane = "";
    if (new->subscription != NULL && wanted->ordering_key[0] != '\0') {
        new->lane = ow_arena_printf_in(arena, "%s %s", new->subscription, wanted->ordering_key);
    }
    new->deduplication_key = ow_arena_strdup_in(arena, wanted->deduplication_key);
    return new->subscription != NULL &&new->lane != NULL &&new->deduplication_key != NULL;
}

static int64_t due_of(const new_execution_msg *wanted, int64_t now_us) {
    if (wanted->due == NULL || wanted->due->seconds < 0) {
        return now_us;
    }
    int64_t due_us = ow_timestamp_us(wanted->due);
    return due_us > now_us ? due_us : now_us;
}

ow_code execution_prepare(const new_execution_msg *wanted, const execution_origin *origin,
                          const execution_limits *limits, ow_arena *arena, new_execution *ret_new,
                          ow_err *err) {
    retry_policy retry = {0};
    ow_code code = check(wanted, err);
    code = code == OW_OK ? take_retry(wanted, &retry, err) : code;
    if (code != OW_OK) {
        return code;
    }
    complete_facts c;
    complete(&c, wanted, origin, &retry);
    *ret_new = (new_execution){
        .title_id = origin->title_id,
        .created_us = origin->now_us,
        .concurrency = wanted->concurrency > 0 ? wanted->concurrency : limits->concurrency,
    };
    ret_new->item.due_us = due_of(wanted, origin->now_us);
    ret_new->item.since_us = ret_new->item.due_us;
    if (!pack_facts(&c.facts, arena, &ret_new->facts) ||
        !name_lanes(wanted, origin->title_id, arena, ret_new)) {
        return no_memory(err);
    }
    ret_new->size = (int64_t)ret_new->facts.len;
    if (wanted->payload.len > PAYLOAD_INLINE_MAX) {
        ret_new->payload = wanted->payload;
        ret_new->size += (int64_t)wanted->payload.len;
    }
    return OW_OK;
}

ow_principal execution_principal(const execution_row *row) {
    const principal_msg *from = row->facts->wanted->principal;
    ow_principal principal = {0};
    if (from != NULL) {
        principal.kind = kind_of(from->kind);
        memcpy(principal.id, from->id, strnlen(from->id, sizeof principal.id - 1));
    }
    memcpy(principal.title, row->title_id, strnlen(row->title_id, sizeof principal.title - 1));
    return principal;
}
