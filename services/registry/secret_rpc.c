// The methods about secrets. A value is seen here alone: sealed before it goes to the store, unsealed
// for runners.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include "core/crypto/seal.h"
#include "core/crypto/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_ROOM = 512, KEY_BYTES = 32 };

ow_code secrets_open(registry *r, ow_err *err) {
    char path[PATH_ROOM];
    int length = snprintf(path, sizeof path, "%s/keys", r->env->data_folder);
    if (length < 0 || (size_t)length + sizeof "/secrets.key" > sizeof path) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_folder",
                       "the data folder's path is too long");
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return ow_fail_errno(err, errno, "%s", path);
    }
    snprintf(path + length, sizeof path - (size_t)length, "/secrets.key");
    ow_secret key = {0};
    ow_code code = ow_secret_load_or_make(path, KEY_BYTES, &key, NULL, err);
    if (code == OW_OK) {
        ow_sha256(key.bytes, key.size, r->secrets_key);
        ow_secret_deinit(&key);
    }
    return code;
}

// What a sealed value belongs to: it opens for nothing else.
static char *owner_text(ow_arena *arena, const char *title, const char *server, const char *name) {
    return ow_arena_printf_in(arena, "%s/%s/%s", title, server, name);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for secrets");
}

// ---- SetSecret ----

ow_code set_secret_check(ow_run *run) {
    const set_secret_request *request = run->request;
    ow_code code = check_secret_name(request->name, run->err);
    if (code == OW_OK) {
        code = check_secret_value(request->value.data, request->value.len, run->err);
    }
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

ow_code set_secret_title(ow_run *run) {
    secret_change *state = run->state;
    tx t = tx_of(run, &state->change);
    ow_code code = store_title_resolve(&t);
    state->title = t.title;
    return code == OW_OK ? tx_end(&t) : code;
}

ow_code set_secret_seal(ow_run *run) {
    const registry *r = run->self;
    secret_change *state = run->state;
    const set_secret_request *request = run->request;
    ow_arena *arena = run->call->arena;
    size_t size = request->value.len + OW_SEAL_OVERHEAD;
    char *owner = owner_text(arena, state->title, request->virtual_server, request->name);
    uint8_t *sealed = ow_arena_alloc(arena, size);
    if (owner == NULL || sealed == NULL) {
        return no_memory(run->err);
    }
    ow_seal_input plain = {r->secrets_key, owner, request->value.data, request->value.len};
    state->value = (sealed_value){request->name, sealed, size};
    // What the request is told by is stored, and must not give a value away that can be guessed.
    state->told_by = *request;
    state->told_by.value = (ProtobufCBinaryData){sizeof state->told_value, state->told_value};
    ow_hmac_sha256(r->secrets_key, sizeof r->secrets_key, request->value.data, request->value.len,
                   state->told_value);
    return ow_seal(&plain, sealed, run->err);
}

ow_code set_secret_store(ow_run *run) {
    secret_change *state = run->state;
    tx t = tx_of(run, &state->change);
    t.title = state->title;
    const set_secret_request *request = &state->told_by;
    bool *answered = &state->change.answered;
    ow_code code =
        store_key_find(&t, "SetSecret", request->request_key, &request->base, run->reply, answered);
    if (code != OW_OK || *answered) {
        return code;
    }
    code = store_secret_set(&t, run->request, &state->value, run->reply);
    return code == OW_OK
               ? store_key_keep(&t, "SetSecret", request->request_key, &request->base, run->reply)
               : code;
}

// ---- The others ----

ow_code use_secret_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_secret_use(&t, run->request, run->reply) : code;
}

ow_code delete_secret_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_secret_delete(&t, run->request) : code;
}

ow_code list_secrets(ow_run *run) {
    static const change none = {.now_us = 0};
    const list_secrets_request *request = run->request;
    tx t = tx_of(run, &none);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_secrets_list(&t, request->virtual_server, run->reply) : code;
}

// ---- GetSecretValues ----

ow_code secret_values_read(ow_run *run) {
    secret_reading *state = run->state;
    const get_secret_values_request *request = run->request;
    get_secret_values_response *reply = run->reply;
    tx t = tx_of(run, &state->change);
    ow_code code = store_title_resolve(&t);
    state->title = t.title;
    return code == OW_OK ? store_secret_values(&t, request->virtual_server, state->values,
                                               &state->count, &reply->sequence)
                         : code;
}

static ow_code open_value(ow_run *run, const sealed_value *value, secret_value_msg *ret_value) {
    const registry *r = run->self;
    const secret_reading *state = run->state;
    const get_secret_values_request *request = run->request;
    ow_arena *arena = run->call->arena;
    char *owner = owner_text(arena, state->title, request->virtual_server, value->name);
    uint8_t *plain = ow_arena_alloc(arena, value->size);
    if (owner == NULL || plain == NULL) {
        return no_memory(run->err);
    }
    ret_value->name = (char *)(uintptr_t)value->name;
    ret_value->value = (ProtobufCBinaryData){value->size - OW_SEAL_OVERHEAD, plain};
    ow_seal_input sealed = {r->secrets_key, owner, value->bytes, value->size};
    return ow_unseal(&sealed, plain, run->err);
}

ow_code secret_values_open(ow_run *run) {
    const secret_reading *state = run->state;
    get_secret_values_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    reply->values = ow_arena_calloc(arena, state->count, sizeof *reply->values);
    for (size_t i = 0; reply->values != NULL && i < state->count; i++) {
        reply->values[i] = MESSAGE_IN(arena, secret_value);
        if (reply->values[i] == NULL) {
            return no_memory(run->err);
        }
        ow_code code = open_value(run, &state->values[i], reply->values[i]);
        if (code != OW_OK) {
            return code;
        }
        reply->n_values++;
    }
    return reply->values != NULL ? OW_OK : no_memory(run->err);
}
