// Handlers of the Kv methods.

#include "services/data/internal.h"

#include <string.h>

enum { SECOND_US = 1000000 };

static ow_code no_memory(ow_run *run) {
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
}

static int64_t now_us(const ow_run *run) {
    const data *self = run->self;
    return ow_clock_wall_us(self->env->clock);
}

static ow_code scope_of(ow_run *run, const scope_msg *wanted, kv_scope *ret_scope) {
    return kv_scope_of(run->call->principal->title, wanted, ret_scope, run->err);
}

// ---- Entries ----

static Google__Protobuf__Timestamp *timestamp(ow_arena *arena, int64_t us) {
    Google__Protobuf__Timestamp *made = ow_arena_alloc(arena, sizeof *made);
    if (made != NULL) {
        google__protobuf__timestamp__init(made);
        made->seconds = us / SECOND_US;
        made->nanos = (int32_t)(us % SECOND_US) * 1000;
    }
    return made;
}

// Of what is in the arena already. NULL when out of memory.
static entry_msg *entry_message(ow_arena *arena, const kv_entry *entry) {
    entry_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__data__v1__entry__init(made);
    made->key = (char *)(uintptr_t)entry->key;
    made->value.data = (uint8_t *)(uintptr_t)entry->value;
    made->value.len = entry->size;
    made->version = entry->version;
    made->updated_at = timestamp(arena, entry->updated_us);
    if (entry->expires_us > 0) {
        made->expires_at = timestamp(arena, entry->expires_us);
    }
    bool whole = made->updated_at != NULL && (entry->expires_us == 0 || made->expires_at != NULL);
    return whole ? made : NULL;
}

// ---- KvGet ----

typedef struct getting {
    kv_scope scope;
    int64_t now_us;
} getting;

static ow_code get_check(ow_run *run) {
    const kv_get_request *request = run->request;
    getting *state = run->state;
    if (request->n_keys == 0 || request->n_keys > KV_KEYS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_keys", "ask for 1 to %d keys",
                       KV_KEYS_MAX);
    }
    ow_code code = scope_of(run, request->scope, &state->scope);
    for (size_t i = 0; i < request->n_keys && code == OW_OK; i++) {
        code = kv_check_key(request->keys[i], run->err);
    }
    state->now_us = now_us(run);
    return code;
}

static ow_code get_read(ow_run *run) {
    const kv_get_request *request = run->request;
    const getting *state = run->state;
    kv_get_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->entries = ow_arena_calloc(arena, request->n_keys, sizeof *reply->entries);
    if (reply->entries == NULL) {
        return no_memory(run);
    }
    for (size_t i = 0; i < request->n_keys; i++) {
        kv_entry entry;
        bool found = false;
        ow_code code = kv_store_get(run->db, &state->scope, request->keys[i], state->now_us, arena,
                                    &entry, &found, run->err);
        if (code != OW_OK) {
            return code;
        }
        if (!found) {
            continue;
        }
        entry_msg *made = entry_message(arena, &entry);
        if (made == NULL) {
            return no_memory(run);
        }
        reply->entries[reply->n_entries++] = made;
    }
    return OW_OK;
}

// ---- Changes of one key ----

typedef struct changing {
    kv_scope scope;
    kv_operation operation;
    kv_change change;
} changing;

static ow_code change_check(ow_run *run, const scope_msg *scope, const char *key,
                            const condition_msg *condition) {
    const data *self = run->self;
    changing *state = run->state;
    ow_code code = scope_of(run, scope, &state->scope);
    code = code == OW_OK ? kv_check_key(key, run->err) : code;
    code = code == OW_OK ? kv_check_condition(condition, run->err) : code;
    state->operation.scope = &state->scope;
    state->operation.key = key;
    state->operation.condition = condition != NULL ? (int)condition->kind : 0;
    state->operation.version = condition != NULL ? condition->version : 0;
    state->change = (kv_change){.operations = &state->operation,
                                .count = 1,
                                .now_us = now_us(run),
                                .quotas = &self->quotas,
                                .arena = run->call->arena};
    return code;
}

static ow_code change_store(ow_run *run) {
    changing *state = run->state;
    return kv_store_apply(run->db, &state->change, run->err);
}

static ow_code set_check(ow_run *run) {
    const kv_set_request *request = run->request;
    changing *state = run->state;
    ow_code code = change_check(run, request->scope, request->key, request->condition);
    code = code == OW_OK ? kv_check_value(request->value.len, run->err) : code;
    state->operation.action = KV_SET;
    state->operation.value = request->value.data;
    state->operation.size = request->value.len;
    return code == OW_OK ? kv_expiry(state->change.now_us, request->ttl_ms,
                                     &state->operation.expires_us, run->err)
                         : code;
}

static ow_code set_reply(ow_run *run) {
    const changing *state = run->state;
    kv_set_response *reply = run->reply;
    reply->version = state->operation.new_version;
    return OW_OK;
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method data_methods[] = {
    {"KvGet", sizeof(getting), {{OW_LOOP, get_check}, {OW_READ, get_read}}},
    {"KvSet",
     sizeof(changing),
     {{OW_LOOP, set_check}, {OW_WRITE, change_store}, {OW_LOOP, set_reply}}},
    {"StartBackup", 0, {{OW_READ, start_backup}, {OW_LOOP, started_backup}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
