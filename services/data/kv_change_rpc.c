// Everything that writes: one operation or several in one step.

#include "services/data/internal.h"

// ---- Changes of one key ----

static ow_code change_check(ow_run *run, const scope_msg *scope, const char *key,
                            const condition_msg *condition) {
    const data *self = run->self;
    changing *state = run->state;
    ow_code code = kv_scope_wanted(run, scope, &state->scope);
    code = code == OW_OK ? kv_check_key(key, run->err) : code;
    code = code == OW_OK ? kv_check_condition(condition, run->err) : code;
    state->operation.scope = &state->scope;
    state->operation.key = key;
    state->operation.condition = condition != NULL ? (int)condition->kind : 0;
    state->operation.version = condition != NULL ? condition->version : 0;
    state->change = (kv_change){.operations = &state->operation,
                                .count = 1,
                                .now_us = kv_now_us(run),
                                .quotas = &self->quotas,
                                .arena = run->call->arena};
    return code;
}

ow_code kv_change_store(ow_run *run) {
    changing *state = run->state;
    return kv_store_apply(run->db, &state->change, run->err);
}

ow_code kv_set_check(ow_run *run) {
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

ow_code kv_set_reply(ow_run *run) {
    const changing *state = run->state;
    kv_set_response *reply = run->reply;
    reply->version = state->operation.new_version;
    return OW_OK;
}

ow_code kv_delete_check(ow_run *run) {
    const kv_delete_request *request = run->request;
    changing *state = run->state;
    state->operation.action = KV_DELETE;
    return change_check(run, request->scope, request->key, request->condition);
}

ow_code kv_delete_reply(ow_run *run) {
    const changing *state = run->state;
    kv_delete_response *reply = run->reply;
    reply->deleted = state->operation.was_there;
    return OW_OK;
}

ow_code kv_increment_check(ow_run *run) {
    const kv_increment_request *request = run->request;
    changing *state = run->state;
    ow_code code = change_check(run, request->scope, request->key, NULL);
    state->operation.action = KV_INCREMENT;
    state->operation.delta = request->delta;
    return code == OW_OK ? kv_expiry(state->change.now_us, request->ttl_ms,
                                     &state->operation.expires_us, run->err)
                         : code;
}

ow_code kv_increment_reply(ow_run *run) {
    const changing *state = run->state;
    kv_increment_response *reply = run->reply;
    reply->value = state->operation.number;
    reply->version = state->operation.new_version;
    return OW_OK;
}

// ---- KvBatch ----

static const kv_action actions[] = {
    [OVERWORLD__DATA__V1__KV_OPERATION__KIND__GET] = KV_GET,
    [OVERWORLD__DATA__V1__KV_OPERATION__KIND__SET] = KV_SET,
    [OVERWORLD__DATA__V1__KV_OPERATION__KIND__DELETE] = KV_DELETE,
    [OVERWORLD__DATA__V1__KV_OPERATION__KIND__INCREMENT] = KV_INCREMENT,
};

static ow_code check_operation(ow_run *run, const kv_operation_msg *wanted, kv_scope *scope,
                               kv_operation *ret_operation) {
    const kv_batch_request *request = run->request;
    const batching *state = run->state;
    size_t kind = (size_t)wanted->kind;
    if (kind < 1 || kind >= sizeof actions / sizeof *actions) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_operation",
                       "kind is GET, SET, DELETE or INCREMENT");
    }
    *ret_operation = (kv_operation){
        .action = actions[kind],
        .scope = scope,
        .key = wanted->key,
        .value = wanted->value.data,
        .size = wanted->value.len,
        .delta = wanted->delta,
        .condition = wanted->condition != NULL ? (int)wanted->condition->kind : 0,
        .version = wanted->condition != NULL ? wanted->condition->version : 0,
    };
    ow_code code =
        kv_scope_wanted(run, wanted->scope != NULL ? wanted->scope : request->scope, scope);
    code = code == OW_OK ? kv_check_key(wanted->key, run->err) : code;
    code = code == OW_OK ? kv_check_condition(wanted->condition, run->err) : code;
    code = code == OW_OK ? kv_check_value(wanted->value.len, run->err) : code;
    return code == OW_OK ? kv_expiry(state->change.now_us, wanted->ttl_ms,
                                     &ret_operation->expires_us, run->err)
                         : code;
}

static ow_code check_operations(ow_run *run) {
    const kv_batch_request *request = run->request;
    batching *state = run->state;
    size_t bytes = 0;
    for (size_t i = 0; i < request->n_operations; i++) {
        ow_code code = check_operation(run, request->operations[i], &state->scopes[i],
                                       &state->change.operations[i]);
        if (code != OW_OK) {
            return ow_err_context(run->err, "operation %zu", i);
        }
        bytes += request->operations[i]->value.len;
    }
    if (bytes > KV_BATCH_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "batch_too_large",
                       "the values of a batch have at most %d bytes together", KV_BATCH_MAX);
    }
    return OW_OK;
}

ow_code kv_batch_check(ow_run *run) {
    const kv_batch_request *request = run->request;
    const data *self = run->self;
    batching *state = run->state;
    ow_arena *arena = run->call->arena;
    if (request->n_operations == 0 || request->n_operations > KV_KEYS_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_operation",
                       "a batch has 1 to %d operations", KV_KEYS_MAX);
    }
    state->change = (kv_change){
        .operations = ow_arena_calloc(arena, request->n_operations, sizeof(kv_operation)),
        .count = request->n_operations,
        .now_us = kv_now_us(run),
        .quotas = &self->quotas,
        .arena = arena,
    };
    state->scopes = ow_arena_calloc(arena, request->n_operations, sizeof *state->scopes);
    if (state->change.operations == NULL || state->scopes == NULL) {
        return kv_no_memory(run);
    }
    return check_operations(run);
}

ow_code kv_batch_store(ow_run *run) {
    batching *state = run->state;
    ow_code code = kv_store_apply(run->db, &state->change, run->err);
    if (code != OW_OK && !ow_code_is_fault(code)) {
        return ow_err_context(run->err, "operation %zu", state->change.at);
    }
    return code;
}

static kv_result_msg *result_message(ow_arena *arena, const kv_operation *op) {
    kv_result_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__data__v1__kv_result__init(made);
    made->found = op->was_there;
    made->version = op->new_version;
    made->value = op->number;
    if (op->action == KV_GET && op->was_there) {
        made->entry = kv_entry_message(arena, &op->entry);
        return made->entry != NULL ? made : NULL;
    }
    return made;
}

ow_code kv_batch_reply(ow_run *run) {
    const batching *state = run->state;
    kv_batch_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->results = ow_arena_calloc(arena, state->change.count, sizeof *reply->results);
    for (size_t i = 0; reply->results != NULL && i < state->change.count; i++) {
        reply->results[i] = result_message(arena, &state->change.operations[i]);
        if (reply->results[i] == NULL) {
            return kv_no_memory(run);
        }
        reply->n_results++;
    }
    return reply->results != NULL ? OW_OK : kv_no_memory(run);
}

// ---- KvDeletePrefix, ErasePlayer, ApplyTriggers ----

static ow_code erase_check(ow_run *run, const scope_msg *scope, const char *prefix) {
    erasing *state = run->state;
    ow_code code = kv_scope_wanted(run, scope, &state->scope);
    state->range = (kv_range){.first = state->span.first,
                              .end = state->span.end,
                              .limit = KV_SLICE,
                              .max_bytes = KV_SLICE_BYTES,
                              .now_us = kv_now_us(run)};
    return code == OW_OK ? kv_span_of(prefix, "", false, &state->span, run->err) : code;
}

ow_code kv_delete_prefix_check(ow_run *run) {
    const kv_delete_prefix_request *request = run->request;
    return erase_check(run, request->scope, request->prefix);
}

ow_code kv_delete_prefix_store(ow_run *run) {
    erasing *state = run->state;
    kv_delete_prefix_response *reply = run->reply;
    ow_code code =
        kv_store_delete_range(run->db, &state->scope, &state->range, &state->deleted, run->err);
    reply->deleted = state->deleted.keys;
    reply->more = state->deleted.more;
    return code;
}

ow_code kv_erase_player_check(ow_run *run) {
    const data *self = run->self;
    const erase_player_request *request = run->request;
    erasing *state = run->state;
    scope_msg scope = OVERWORLD__DATA__V1__SCOPE__INIT;
    scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
    scope.player_id = request->player_id;
    ow_code code = erase_check(run, &scope, "");
    if (code == OW_OK) {
        known_players_remove(self->known, &state->scope);
    }
    return code;
}

ow_code kv_erase_player_store(ow_run *run) {
    erasing *state = run->state;
    erase_player_response *reply = run->reply;
    ow_code code = kv_store_end(run->db, &state->scope, state->range.now_us, run->err);
    if (code == OW_OK) {
        code =
            kv_store_delete_range(run->db, &state->scope, &state->range, &state->deleted, run->err);
    }
    reply->more = state->deleted.more;
    return code;
}

ow_code kv_apply_check(ow_run *run) {
    const apply_triggers_request *request = run->request;
    scope_msg scope = OVERWORLD__DATA__V1__SCOPE__INIT;
    scope.kind = OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER;
    scope.virtual_server = request->virtual_server;
    return erase_check(run, &scope, "");
}

ow_code kv_apply_store(ow_run *run) {
    const apply_triggers_request *request = run->request;
    apply_triggers_response *reply = run->reply;
    erasing *state = run->state;
    bool counts = false;
    kv_deployment deployment = {request->deployment, request->removed ? state->range.now_us : 0};
    ow_code code = kv_store_deployed(run->db, &state->scope, &deployment, &counts, run->err);
    if (code == OW_OK && counts && request->removed) {
        code =
            kv_store_delete_range(run->db, &state->scope, &state->range, &state->deleted, run->err);
    }
    reply->deployment = request->deployment;
    reply->more = state->deleted.more;
    return code;
}
