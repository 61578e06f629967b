#include "core/request_key/request_key.h"

#include "core/crypto/hash.h"
#include "core/json/check.h"
#include "core/rpc/call.h"

#include <string.h>

enum { KEY_MAX = 80 };

static const int64_t LIFE_US = INT64_C(24) * 3600 * 1000000;

ow_code ow_request_key_check(const char *key, ow_err *err) {
    size_t length = strnlen(key, KEY_MAX + 1);
    bool is_good = length <= KEY_MAX && ow_utf8_check(key, length);
    for (size_t i = 0; is_good && i < length; i++) {
        is_good = (unsigned char)key[i] >= ' ' && key[i] != 0x7F;
    }
    return is_good ? OW_OK
                   : ow_fail(err, OW_INVALID_ARGUMENT, "bad_request_key",
                             "a request_key is one line of at most %d bytes", KEY_MAX);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a request_key");
}

static uint8_t *pack(ow_arena *arena, const ProtobufCMessage *message, size_t *ret_size) {
    uint8_t *bytes = ow_arena_alloc(arena, protobuf_c_message_get_packed_size(message) + 1);
    if (bytes != NULL) {
        *ret_size = protobuf_c_message_pack(message, bytes);
    }
    return bytes;
}

static ow_code hash_request(const ow_request_key *key, char ret_hex[static OW_SHA256_HEX_SIZE],
                            ow_err *err) {
    uint8_t sha256[OW_SHA256_SIZE];
    size_t size = 0;
    const uint8_t *bytes = pack(key->arena, key->request, &size);
    if (bytes == NULL) {
        return no_memory(err);
    }
    ow_sha256(bytes, size, sha256);
    ow_hex_encode(sha256, sizeof sha256, ret_hex);
    return OW_OK;
}

static ow_code take_reply(const ow_request_key *key, ow_rows *rows, ProtobufCMessage *reply,
                          ow_err *err) {
    const ProtobufCMessageDescriptor *type = reply->descriptor;
    ProtobufCAllocator *allocator = ow_arena_alloc(key->arena, sizeof *allocator);
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 1, &size);
    const ProtobufCMessage *first =
        allocator != NULL
            ? protobuf_c_message_unpack(type, ow_arena_protobuf(key->arena, allocator), size, bytes)
            : NULL;
    if (first == NULL) {
        return no_memory(err);
    }
    memcpy(reply, first, type->sizeof_message);
    return OW_OK;
}

ow_code ow_request_key_find(ow_db_conn *db, const ow_request_key *key, ProtobufCMessage *reply,
                            bool *ret_found, ow_err *err) {
    char hash[OW_SHA256_HEX_SIZE];
    ow_rows *rows = NULL;
    bool found = false;
    *ret_found = false;
    if (key->key[0] == '\0') {
        return OW_OK;
    }
    ow_code code = hash_request(key, hash, err);
    if (code == OW_OK) {
        code = ow_db_query(db, &rows, err,
                           "SELECT request_sha256, reply FROM request_keys WHERE title_id = $1"
                           " AND principal_id = $2 AND method = $3 AND request_key = $4"
                           " AND created_us > $5",
                           "tttti", key->title, key->principal, key->method, key->key,
                           key->now_us - LIFE_US);
    }
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    if (code == OW_OK && found && strcmp(ow_rows_text(rows, 0), hash) != 0) {
        code = ow_fail(err, OW_INVALID_ARGUMENT, "request_key_reused",
                       "request_key \"%.60s\" was used for another request", key->key);
    }
    if (code == OW_OK && found) {
        code = take_reply(key, rows, reply, err);
        *ret_found = code == OW_OK;
    }
    ow_rows_close(rows);
    return code;
}

ow_code ow_request_key_keep(ow_db_conn *db, const ow_request_key *key,
                            const ProtobufCMessage *reply, ow_err *err) {
    char hash[OW_SHA256_HEX_SIZE];
    size_t size = 0;
    if (key->key[0] == '\0') {
        return OW_OK;
    }
    ow_code code = hash_request(key, hash, err);
    const uint8_t *bytes = code == OW_OK ? pack(key->arena, reply, &size) : NULL;
    if (bytes == NULL) {
        return code != OW_OK ? code : no_memory(err);
    }
    // A few old ones go with each new one: the table stays as large as a day's keys.
    code = ow_db_exec(db, NULL, err,
                      "DELETE FROM request_keys WHERE created_us <= $1 AND request_key IN"
                      " (SELECT request_key FROM request_keys WHERE created_us <= $2"
                      " ORDER BY created_us LIMIT 20)",
                      "ii", key->now_us - LIFE_US, key->now_us - LIFE_US);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO request_keys (title_id, principal_id, method, request_key,"
                      " request_sha256, reply, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7)"
                      " ON CONFLICT (title_id, principal_id, method, request_key) DO UPDATE SET"
                      " request_sha256 = excluded.request_sha256, reply = excluded.reply,"
                      " created_us = excluded.created_us",
                      "tttttbi", key->title, key->principal, key->method, key->key, hash, bytes,
                      size, key->now_us);
}
