#include "core/rpc/api.h"

#include "overworld/api/access.pb-c.h"

#include <google/protobuf/descriptor.pb-c.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACCESS_OPTION = 50001, // proto/overworld/api/access.proto
    NAME_BYTES_MAX = 512,
    ARENA_MAX = 64 << 20,
    NESTING_MAX = 16,
};

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;

typedef struct file_entry {
    const char *name;
    const uint8_t *bytes;
    size_t size;
} file_entry;

typedef struct symbol_entry {
    const char *name;
    size_t file;
} symbol_entry;

// Grows while the set is read, then only read.
typedef struct list {
    void *items;
    size_t count, capacity, item_size;
} list;

struct ow_api {
    ow_arena *names;
    list methods; // ow_api_method, by path
    list symbols; // symbol_entry, by name
    list files;   // file_entry, in the set's order
};

static void *list_add(list *l) {
    if (l->count == l->capacity) {
        size_t capacity = l->capacity == 0 ? 64 : 2 * l->capacity;
        void *items = realloc(l->items, capacity * l->item_size);
        if (items == NULL) {
            return NULL;
        }
        l->items = items;
        l->capacity = capacity;
    }
    return (char *)l->items + l->item_size * l->count++;
}

static int by_path(const void *a, const void *b) {
    const ow_api_method *left = a;
    const ow_api_method *right = b;
    return strcmp(left->path, right->path);
}

static int by_name(const void *a, const void *b) {
    const symbol_entry *left = a;
    const symbol_entry *right = b;
    return strcmp(left->name, right->name);
}

// ---- Access rules ----

static const struct {
    uint32_t allow;
    ow_role role;
} callers[] = {
    [OVERWORLD__API__CALLER__PUBLIC] = {OW_ALLOW_PUBLIC, OW_ROLE_NONE},
    [OVERWORLD__API__CALLER__PLAYER] = {OW_ALLOW_PLAYER, OW_ROLE_NONE},
    [OVERWORLD__API__CALLER__SERVER] = {OW_ALLOW_SERVER, OW_ROLE_NONE},
    [OVERWORLD__API__CALLER__VIEWER] = {OW_ALLOW_OPERATOR, OW_ROLE_VIEWER},
    [OVERWORLD__API__CALLER__DEVELOPER] = {OW_ALLOW_OPERATOR, OW_ROLE_DEVELOPER},
    [OVERWORLD__API__CALLER__ADMIN] = {OW_ALLOW_OPERATOR, OW_ROLE_ADMIN},
    [OVERWORLD__API__CALLER__SERVICE] = {OW_ALLOW_SERVICE, OW_ROLE_NONE},
    [OVERWORLD__API__CALLER__CONSOLE] = {OW_ALLOW_CONSOLE, OW_ROLE_NONE},
};

static void add_caller(ow_api_method *method, unsigned caller) {
    if (caller >= sizeof callers / sizeof callers[0]) {
        return;
    }
    method->allow |= callers[caller].allow;
    ow_role role = callers[caller].role;
    if (role != OW_ROLE_NONE && (method->min_role == OW_ROLE_NONE || role < method->min_role)) {
        method->min_role = role; // of several roles the least one decides
    }
}

// protobuf-c keeps the option among the unknown fields, its length in front.
static void read_access(ow_api_method *method, const ProtobufCMessageUnknownField *field) {
    size_t skip = 0;
    while (skip < field->len && (field->data[skip] & 0x80) != 0) {
        skip++;
    }
    if (skip >= field->len) {
        return;
    }
    Overworld__Api__Access *access =
        overworld__api__access__unpack(NULL, field->len - skip - 1, field->data + skip + 1);
    if (access == NULL) {
        return;
    }
    for (size_t i = 0; i < access->n_allow; i++) {
        add_caller(method, (unsigned)access->allow[i]);
    }
    method->every_title = access->every_title;
    overworld__api__access__free_unpacked(access, NULL);
}

static void read_options(ow_api_method *method, const Google__Protobuf__MethodOptions *options) {
    if (options == NULL) {
        return;
    }
    method->no_side_effects =
        options->has_idempotency_level &&
        options->idempotency_level ==
            GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
    for (unsigned i = 0; i < options->base.n_unknown_fields; i++) {
        if (options->base.unknown_fields[i].tag == ACCESS_OPTION) {
            read_access(method, &options->base.unknown_fields[i]);
        }
    }
}

// ---- Reading the set ----

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for the descriptors");
}

static ow_code add_symbol(ow_api *api, const char *prefix, const char *name, const char **ret_full,
                          ow_err *err) {
    symbol_entry *symbol = list_add(&api->symbols);
    const char *full = ow_arena_printf_in(api->names, "%s%s%s", prefix, *prefix ? "." : "", name);
    if (symbol == NULL || full == NULL) {
        return no_memory(err);
    }
    *symbol = (symbol_entry){.name = full, .file = api->files.count - 1};
    *ret_full = full;
    return OW_OK;
}

static ow_code add_message(ow_api *api, const char *prefix, const message_proto *message, int depth,
                           ow_err *err) {
    const char *full;
    ow_code code = add_symbol(api, prefix, message->name, &full, err);
    if (code == OW_OK && depth == NESTING_MAX) {
        return ow_fail(err, OW_INTERNAL, "bad_descriptors", "%s is nested too deep", full);
    }
    const char *unused;
    for (size_t i = 0; code == OW_OK && i < message->n_enum_type; i++) {
        code = add_symbol(api, full, message->enum_type[i]->name, &unused, err);
    }
    for (size_t i = 0; code == OW_OK && i < message->n_nested_type; i++) {
        code = add_message(api, full, message->nested_type[i], depth + 1, err);
    }
    return code;
}

static ow_code add_method(ow_api *api, const char *service, const method_proto *proto,
                          ow_err *err) {
    const char *full;
    ow_code code = add_symbol(api, service, proto->name, &full, err);
    if (code != OW_OK || strncmp(service, "grpc.", 5) == 0) {
        return code;
    }
    ow_api_method *method = list_add(&api->methods);
    if (method == NULL) {
        return no_memory(err);
    }
    *method = (ow_api_method){
        .service = service,
        .name = ow_arena_strdup_in(api->names, proto->name),
        .path = ow_arena_printf_in(api->names, "/%s/%s", service, proto->name),
        .server_streaming = proto->has_server_streaming && proto->server_streaming,
    };
    if (method->name == NULL || method->path == NULL) {
        return no_memory(err);
    }
    read_options(method, proto->options);
    return method->allow != 0 ? OW_OK
                              : ow_fail(err, OW_INTERNAL, "bad_descriptors",
                                        "%s has no access rule", method->path);
}

static ow_code add_definitions(ow_api *api, const file_proto *file, ow_err *err) {
    const char *package = file->package == NULL ? "" : file->package;
    const char *full;
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < file->n_message_type; i++) {
        code = add_message(api, package, file->message_type[i], 0, err);
    }
    for (size_t i = 0; code == OW_OK && i < file->n_enum_type; i++) {
        code = add_symbol(api, package, file->enum_type[i]->name, &full, err);
    }
    for (size_t i = 0; code == OW_OK && i < file->n_extension; i++) {
        code = add_symbol(api, package, file->extension[i]->name, &full, err);
    }
    for (size_t i = 0; code == OW_OK && i < file->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *service = file->service[i];
        code = add_symbol(api, package, service->name, &full, err);
        for (size_t m = 0; code == OW_OK && m < service->n_method; m++) {
            code = add_method(api, full, service->method[m], err);
        }
    }
    return code;
}

static ow_code add_file(ow_api *api, const uint8_t *bytes, size_t size, ow_err *err) {
    file_proto *file = google__protobuf__file_descriptor_proto__unpack(NULL, size, bytes);
    if (file == NULL) {
        return ow_fail(err, OW_INTERNAL, "bad_descriptors", "a file descriptor is malformed");
    }
    file_entry *entry = list_add(&api->files);
    const char *name = ow_arena_strdup_in(api->names, file->name == NULL ? "" : file->name);
    ow_code code = OW_OK;
    if (entry == NULL || name == NULL) {
        code = no_memory(err);
    } else {
        *entry = (file_entry){.name = name, .bytes = bytes, .size = size};
        code = add_definitions(api, file, err);
    }
    google__protobuf__file_descriptor_proto__free_unpacked(file, NULL);
    return code;
}

// One `repeated FileDescriptorProto file = 1`: the files stand in the set as they are handed out.
static bool next_file(const uint8_t **at, size_t *left, const uint8_t **ret_file,
                      size_t *ret_size) {
    enum { FILE_TAG = 1 << 3 | 2 };
    if (*left < 2 || **at != FILE_TAG) {
        return false;
    }
    size_t size = 0;
    size_t used = 1;
    for (int shift = 0; shift < 35; shift += 7) {
        if (used == *left) {
            return false;
        }
        uint8_t byte = (*at)[used++];
        size |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    if (size > *left - used) {
        return false;
    }
    *ret_file = *at + used;
    *ret_size = size;
    *at += used + size;
    *left -= used + size;
    return true;
}

static ow_code read_set(ow_api *api, const uint8_t *bytes, size_t left, ow_err *err) {
    const uint8_t *file;
    size_t size;
    while (left > 0) {
        if (!next_file(&bytes, &left, &file, &size)) {
            return ow_fail(err, OW_INTERNAL, "bad_descriptors", "the descriptor set is malformed");
        }
        ow_code code = add_file(api, file, size, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

ow_code ow_api_open(const uint8_t *file_descriptor_set, size_t size, ow_api **ret_api,
                    ow_err *err) {
    ow_api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        return no_memory(err);
    }
    api->methods.item_size = sizeof(ow_api_method);
    api->symbols.item_size = sizeof(symbol_entry);
    api->files.item_size = sizeof(file_entry);
    api->names = ow_arena_new(ARENA_MAX);
    ow_code code =
        api->names == NULL ? no_memory(err) : read_set(api, file_descriptor_set, size, err);
    if (code != OW_OK) {
        ow_api_free(api);
        return code;
    }
    if (api->methods.count > 0) {
        qsort(api->methods.items, api->methods.count, sizeof(ow_api_method), by_path);
    }
    if (api->symbols.count > 0) {
        qsort(api->symbols.items, api->symbols.count, sizeof(symbol_entry), by_name);
    }
    *ret_api = api;
    return OW_OK;
}

ow_api *ow_api_free(ow_api *api) {
    if (api == NULL) {
        return NULL;
    }
    free(api->methods.items);
    free(api->symbols.items);
    free(api->files.items);
    ow_arena_free(api->names);
    free(api);
    return NULL;
}

// ---- Questions ----

static const void *find(const list *l, const void *key,
                        int (*compare)(const void *, const void *)) {
    return l->count == 0 ? NULL : bsearch(key, l->items, l->count, l->item_size, compare);
}

const ow_api_method *ow_api_find(const ow_api *api, const char *path) {
    ow_api_method key = {.path = path};
    return find(&api->methods, &key, by_path);
}

const ow_api_method *ow_api_find_named(const ow_api *api, const char *service, const char *method) {
    char path[NAME_BYTES_MAX];
    int length = snprintf(path, sizeof path, "/%s/%s", service, method);
    return length < (int)sizeof path ? ow_api_find(api, path) : NULL;
}

const ow_api_method *ow_api_methods(const ow_api *api, size_t *ret_count) {
    *ret_count = api->methods.count;
    return api->methods.items;
}

static bool principal_fits(const ow_api_method *method, const ow_principal *who) {
    if ((method->allow & (OW_ALLOW_PUBLIC | OW_ALLOW_CONSOLE)) != 0) {
        return true;
    }
    switch (who->kind) {
    case OW_PLAYER:
        return (method->allow & OW_ALLOW_PLAYER) != 0;
    case OW_SERVER:
        return (method->allow & OW_ALLOW_SERVER) != 0;
    case OW_OPERATOR:
        return (method->allow & OW_ALLOW_OPERATOR) != 0 && who->role >= method->min_role &&
               (who->every_title || !method->every_title);
    case OW_NOBODY:
    case OW_PLATFORM:
        break;
    }
    return false;
}

ow_code ow_api_check(const ow_api_method *method, const ow_call *call, ow_err *err) {
    if (!call->from_outside && (method->allow & OW_ALLOW_SERVICE) != 0) {
        return OW_OK;
    }
    if (principal_fits(method, call->principal)) {
        return OW_OK;
    }
    if (call->principal->kind == OW_NOBODY) {
        return ow_fail(err, OW_UNAUTHENTICATED, "no_token", "%s needs a token; log in first",
                       method->path);
    }
    return ow_fail(err, OW_PERMISSION_DENIED, "not_allowed",
                   "%s is not open to this principal or role", method->path);
}

bool ow_api_file_of_symbol(const ow_api *api, const char *symbol, const uint8_t **ret_bytes,
                           size_t *ret_size) {
    symbol_entry key = {.name = symbol};
    const symbol_entry *found = find(&api->symbols, &key, by_name);
    if (found == NULL) {
        return false;
    }
    const file_entry *file = (const file_entry *)api->files.items + found->file;
    *ret_bytes = file->bytes;
    *ret_size = file->size;
    return true;
}

bool ow_api_file_by_name(const ow_api *api, const char *file, const uint8_t **ret_bytes,
                         size_t *ret_size) {
    const file_entry *files = api->files.items;
    for (size_t i = 0; i < api->files.count; i++) {
        if (strcmp(files[i].name, file) == 0) {
            *ret_bytes = files[i].bytes;
            *ret_size = files[i].size;
            return true;
        }
    }
    return false;
}
