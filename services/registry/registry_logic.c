#include "services/registry/registry_logic.h"

#include "core/json/check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void sha256_hex(const void *bytes, size_t size, char ret_hex[static OW_SHA256_HEX_SIZE]) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, ret_hex);
}

bool is_sha256(const char *text) {
    size_t length = strspn(text, "0123456789abcdef");
    return length == OW_SHA256_HEX_SIZE - 1 && text[length] == 0;
}

ow_code page_limit(int32_t page_size, int *ret_limit, ow_err *err) {
    if (page_size < 0 || page_size > PAGE_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_page_size", "page_size is 1 to %d", PAGE_MAX);
    }
    *ret_limit = page_size == 0 ? PAGE_DEFAULT : page_size;
    return OW_OK;
}

// One line of text: UTF-8 without control characters, at most `max` bytes.
static bool is_line(const char *text, size_t max) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
            return false;
        }
    }
    return length <= max && ow_utf8_check(text, length);
}

ow_code check_title_name(const char *name, ow_err *err) {
    if (name[0] == 0 || !is_line(name, TITLE_NAME_MAX)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_name",
                       "a title's name is one line of 1 to %d bytes", TITLE_NAME_MAX);
    }
    return OW_OK;
}

ow_code check_server_name(const char *name, ow_err *err) {
    if (!ow_manifest_is_name(name)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_name",
                       "a virtual server's name is 1 to %d letters, digits, '_' and '-', with a "
                       "letter first",
                       OW_MANIFEST_NAME_MAX);
    }
    return OW_OK;
}

ow_code check_description(const char *description, ow_err *err) {
    if (!is_line(description, DESCRIPTION_MAX)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_description",
                       "a description is one line of at most %d bytes", DESCRIPTION_MAX);
    }
    return OW_OK;
}

ow_code check_name_filter(const char *part, ow_err *err) {
    if (!is_line(part, OW_MANIFEST_NAME_MAX)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_filter",
                       "what names are looked for by is one line of at most %d bytes",
                       OW_MANIFEST_NAME_MAX);
    }
    return OW_OK;
}

bool name_has(const char *name, const char *part) {
    size_t length = strlen(part);
    while (*name != '\0' && strncasecmp(name, part, length) != 0) {
        name++;
    }
    return strncasecmp(name, part, length) == 0;
}

ow_code check_secret_name(const char *name, ow_err *err) {
    if (!ow_manifest_is_name(name)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_name",
                       "a secret's name is 1 to %d letters, digits, '_' and '-', with a letter "
                       "first",
                       OW_MANIFEST_NAME_MAX);
    }
    return OW_OK;
}

ow_code check_secret_value(const void *bytes, size_t size, ow_err *err) {
    if (size == 0 || size > SECRET_VALUE_MAX || memchr(bytes, 0, size) != NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_value",
                       "a secret has 1 to %d bytes, and no NUL among them", SECRET_VALUE_MAX);
    }
    return OW_OK;
}

// Texts go into hashes with their length, so that no two lists of texts look the same.
static void add_text(ow_sha256_stream *stream, const void *text, size_t size) {
    uint64_t length = size;
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(length >> (8 * i));
    }
    ow_sha256_stream_add(stream, bytes, sizeof bytes);
    ow_sha256_stream_add(stream, text, size);
}

static void finish_hex(ow_sha256_stream *stream, char ret_hex[static OW_SHA256_HEX_SIZE]) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256_stream_finish(stream, digest);
    ow_hex_encode(digest, sizeof digest, ret_hex);
    ow_sha256_stream_free(stream);
}

bool source_key(const ow_manifest *manifest, const ow_archive *archive,
                char ret_hex[static OW_SHA256_HEX_SIZE]) {
    ow_sha256_stream *stream = ow_sha256_stream_new();
    if (stream == NULL) {
        return false;
    }
    add_text(stream, manifest->runtime, strlen(manifest->runtime));
    for (size_t i = 0; i < manifest->function_count; i++) {
        const char *entry = manifest->functions[i].entry;
        add_text(stream, entry, strlen(entry));
    }
    for (size_t i = 0; i < archive->count; i++) {
        const ow_archive_file *file = &archive->files[i];
        if (ow_manifest_is_source(file->path)) {
            add_text(stream, file->path, strlen(file->path));
            add_text(stream, file->bytes, file->size);
        }
    }
    finish_hex(stream, ret_hex);
    return true;
}

static function_msg *function_of(const ow_manifest_function *f, ow_arena *arena) {
    function_msg *message = MESSAGE_IN(arena, function_info);
    if (message != NULL) {
        message->name = (char *)(uintptr_t)f->name;
        message->exposure = (char *)(uintptr_t)f->exposure;
        message->entry = (char *)(uintptr_t)f->entry;
        message->timeout_ms = f->timeout_ms;
        message->memory_mb = f->memory_mb;
        message->log_payload = f->log_payload;
    }
    return message;
}

static bool add_functions(const ow_manifest *manifest, ow_arena *arena, route_revision_msg *r) {
    r->functions = ow_arena_calloc(arena, manifest->function_count, sizeof *r->functions);
    for (size_t i = 0; r->functions != NULL && i < manifest->function_count; i++) {
        r->functions[i] = function_of(&manifest->functions[i], arena);
        if (r->functions[i] == NULL) {
            return false;
        }
        r->n_functions++;
    }
    return r->functions != NULL;
}

static bool add_env(const ow_manifest *manifest, ow_arena *arena, route_revision_msg *r) {
    r->env = ow_arena_calloc(arena, manifest->env_count, sizeof *r->env);
    for (size_t i = 0; r->env != NULL && i < manifest->env_count; i++) {
        env_var_msg *variable = MESSAGE_IN(arena, env_var);
        if (variable == NULL) {
            return false;
        }
        variable->name = (char *)(uintptr_t)manifest->env[i].name;
        variable->value = (char *)(uintptr_t)manifest->env[i].value;
        r->env[r->n_env++] = variable;
    }
    return r->env != NULL;
}

static bool add_fetch(const ow_manifest *manifest, ow_arena *arena, route_revision_msg *r) {
    if (manifest->fetch_host_count == 0) {
        return true;
    }
    r->fetch = MESSAGE_IN(arena, fetch_rules);
    if (r->fetch == NULL) {
        return false;
    }
    r->fetch->hosts = (char **)(uintptr_t)manifest->fetch_hosts;
    r->fetch->n_hosts = manifest->fetch_host_count;
    r->fetch->networks = (char **)(uintptr_t)manifest->fetch_networks;
    r->fetch->n_networks = manifest->fetch_network_count;
    r->fetch->plain = manifest->fetch_plain;
    return true;
}

static bool add_files(const ow_manifest *manifest, const ow_archive *archive, ow_arena *arena,
                      route_revision_msg *r) {
    r->files = ow_arena_calloc(arena, OW_MANIFEST_DATA_FILES_MAX, sizeof *r->files);
    for (size_t i = 0; r->files != NULL && i < archive->count; i++) {
        const ow_archive_file *file = &archive->files[i];
        if (!ow_manifest_is_data(manifest, file->path)) {
            continue;
        }
        bundle_file_msg *message = MESSAGE_IN(arena, bundle_file);
        char hex[OW_SHA256_HEX_SIZE];
        sha256_hex(file->bytes, file->size, hex);
        char *kept = ow_arena_strdup_in(arena, hex);
        if (message == NULL || kept == NULL) {
            return false;
        }
        message->path = (char *)(uintptr_t)file->path;
        message->sha256 = kept;
        message->size = (int64_t)file->size;
        r->files[r->n_files++] = message;
    }
    return r->files != NULL;
}

route_revision_msg *revision_of(const ow_manifest *manifest, const ow_archive *archive,
                                ow_arena *arena) {
    route_revision_msg *r = MESSAGE_IN(arena, route_revision);
    if (r == NULL || !add_functions(manifest, arena, r) || !add_env(manifest, arena, r) ||
        !add_fetch(manifest, arena, r) || !add_files(manifest, archive, arena, r)) {
        return NULL;
    }
    return r;
}

bool revision_hash(const char *title, const char *server, const route_revision_msg *r,
                   ow_arena *arena, char ret_hex[static OW_SHA256_HEX_SIZE]) {
    // protobuf-c packs fields in order and has no maps here, so equal revisions pack equally.
    route_revision_msg plain = *r;
    plain.revision_id = (char *)(uintptr_t)protobuf_c_empty_string;
    plain.version = 0;
    size_t size = 0;
    uint8_t *bytes = message_pack_in(arena, &plain, &size);
    ow_sha256_stream *stream = ow_sha256_stream_new();
    if (bytes == NULL || stream == NULL) {
        ow_sha256_stream_free(stream);
        return false;
    }
    add_text(stream, title, strlen(title));
    add_text(stream, server, strlen(server));
    add_text(stream, bytes, size);
    finish_hex(stream, ret_hex);
    return true;
}

char *entry_list(const ow_manifest *manifest, ow_arena *arena) {
    char *list = ow_arena_strdup_in(arena, manifest->functions[0].entry);
    for (size_t i = 1; list != NULL && i < manifest->function_count; i++) {
        bool again = false;
        for (size_t k = 0; k < i && !again; k++) {
            again = strcmp(manifest->functions[k].entry, manifest->functions[i].entry) == 0;
        }
        if (!again) {
            list = ow_arena_printf_in(arena, "%s,%s", list, manifest->functions[i].entry);
        }
    }
    return list;
}
