#include "cli/contents.h"

#include "cli/pieces.h"
#include "cli/rpc.h"
#include "core/crypto/hash.h"
#include "core/json/transcode.h"
#include "core/json/tree.h"
#include "overworld/registry/v1/registry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTRY "/overworld.registry.v1.Registry/"
#define MANIFEST "virtualserver.json"

enum {
    TRIGGER_TEXT_MAX = 1 << 20,
    MANIFEST_DEPTH = 16,
    TIMEOUT_DEFAULT_MS = 3000,
    MEMORY_DEFAULT_MB = 128,
    HALF_OF_CALLS = 5000,
};

typedef Overworld__Registry__V1__GetRevisionResponse Revision;
typedef Overworld__Registry__V1__FunctionInfo FunctionInfo;
typedef Overworld__Api__Triggers Triggers;

static void add_part(cli_contents *to, const char *kind, const char *name, const char *text) {
    to->list[to->count++] = (cli_part){kind, name, text != NULL ? text : ""};
}

static bool make_room(cli *c, cli_contents *contents, size_t parts) {
    contents->list = ow_arena_calloc(c->arena, parts + 1, sizeof *contents->list);
    return contents->list != NULL;
}

static void add_function(cli *c, cli_contents *to, const FunctionInfo *f) {
    add_part(to, "function", f->name,
             ow_arena_printf_in(c->arena, "%s, %d ms, %d MB, entry %s%s", f->exposure,
                                f->timeout_ms, f->memory_mb, f->entry,
                                f->log_payload ? ", logs payloads" : ""));
}

static void add_file(cli *c, cli_contents *to, const char *path, int64_t size, const char *sha256) {
    add_part(to, "file", path,
             ow_arena_printf_in(c->arena, "%" PRId64 " bytes, %.12s", size, sha256));
}

int cli_part_order(const void *left, const void *right) {
    const cli_part *a = left, *b = right;
    int kind = strcmp(a->kind, b->kind);
    return kind != 0 ? kind : strcmp(a->name, b->name);
}

// ---- Triggers, as their JSON without what names them ----

static const char *const trigger_kinds[] = {"timer", "subscription", "webhook", "route"};

bool cli_part_is_trigger(const cli_part *part) {
    for (size_t i = 0; i < sizeof trigger_kinds / sizeof trigger_kinds[0]; i++) {
        if (strcmp(part->kind, trigger_kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void add_trigger(cli *c, cli_contents *to, const char *kind, const char *name,
                        const char *alias, const ProtobufCMessage *message) {
    const char *text = NULL;
    const char *title = alias[0] != '\0' && strcmp(alias, "$DEFAULT") != 0
                            ? ow_arena_printf_in(c->arena, "%s for %s", name, alias)
                            : name;
    size_t size = 0;
    ow_err err;
    ow_json_from_message(message, c->arena, TRIGGER_TEXT_MAX, &text, &size, &err);
    add_part(to, kind, title, text);
}

static size_t trigger_count(const Triggers *t) {
    return t != NULL ? t->n_timers + t->n_subscriptions + t->n_webhooks + t->n_routes : 0;
}

static void add_triggers(cli *c, cli_contents *to, const Triggers *t) {
    for (size_t i = 0; t != NULL && i < t->n_timers; i++) {
        add_trigger(c, to, "timer", t->timers[i]->name, t->timers[i]->alias, &t->timers[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_subscriptions; i++) {
        add_trigger(c, to, "subscription", t->subscriptions[i]->name, t->subscriptions[i]->alias,
                    &t->subscriptions[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_webhooks; i++) {
        add_trigger(c, to, "webhook", t->webhooks[i]->name, t->webhooks[i]->alias,
                    &t->webhooks[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_routes; i++) {
        add_trigger(c, to, "route", t->routes[i]->name, t->routes[i]->alias, &t->routes[i]->base);
    }
}

// ---- Of a version ----

static void add_fetch(cli_contents *to, const Overworld__Registry__V1__FetchRules *rules) {
    for (size_t i = 0; i < rules->n_hosts; i++) {
        add_part(to, "fetch host", rules->hosts[i], "");
    }
    for (size_t i = 0; i < rules->n_networks; i++) {
        add_part(to, "fetch network", rules->networks[i], "");
    }
    if (rules->plain) {
        add_part(to, "fetch", "plain", "true");
    }
}

static size_t part_count(const Revision *from) {
    const Overworld__Registry__V1__Revision *r = from->revision;
    return r->n_functions + r->n_env + from->n_files + trigger_count(r->triggers) +
           (r->fetch != NULL ? r->fetch->n_hosts + r->fetch->n_networks + 1 : 0);
}

static void add_revision(cli *c, cli_contents *to, const Revision *from) {
    const Overworld__Registry__V1__Revision *r = from->revision;
    for (size_t i = 0; i < r->n_functions; i++) {
        add_function(c, to, r->functions[i]);
    }
    for (size_t i = 0; i < r->n_env; i++) {
        add_part(to, "env", r->env[i]->name, r->env[i]->value);
    }
    if (r->fetch != NULL) {
        add_fetch(to, r->fetch);
    }
    for (size_t i = 0; i < from->n_files; i++) {
        add_file(c, to, from->files[i]->path, from->files[i]->size, from->files[i]->sha256);
    }
    add_triggers(c, to, r->triggers);
    qsort(to->list, to->count, sizeof *to->list, cli_part_order);
}

cli_exit cli_contents_of_version(cli *c, const char *server, const char *version,
                                 cli_contents *ret_contents) {
    Overworld__Registry__V1__GetRevisionRequest request =
        OVERWORLD__REGISTRY__V1__GET_REVISION_REQUEST__INIT;
    Revision *found;
    request.virtual_server = (char *)(uintptr_t)server;
    request.version = (char *)(uintptr_t)version;
    cli_exit code =
        cli_rpc(c, REGISTRY "GetRevision", &request.base,
                &overworld__registry__v1__get_revision_response__descriptor, false, &found);
    if (code != CLI_OK) {
        return code;
    }
    cli_contents contents = {.server = server, .version = version};
    if (!make_room(c, &contents, part_count(found))) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    add_revision(c, &contents, found);
    *ret_contents = contents;
    return CLI_OK;
}

// ---- Of what runs ----

static const char *default_target(const Overworld__Registry__V1__VirtualServer *vs) {
    for (size_t i = 0; i < vs->n_aliases; i++) {
        const Overworld__Registry__V1__Alias *alias = vs->aliases[i];
        if (strcmp(alias->name, "$DEFAULT") == 0 && alias->n_targets > 0) {
            bool second = alias->n_targets > 1 && alias->targets[1]->weight > HALF_OF_CALLS;
            return alias->targets[second ? 1 : 0]->version;
        }
    }
    return "$LATEST";
}

// Not cli_rpc: that there is none is no failure.
static cli_exit find_server(cli *c, const char *server,
                            Overworld__Registry__V1__VirtualServer **ret_vs) {
    Overworld__Registry__V1__GetVirtualServerRequest wanted =
        OVERWORLD__REGISTRY__V1__GET_VIRTUAL_SERVER_REQUEST__INIT;
    wanted.name = (char *)(uintptr_t)server;
    cli_exit code = c->client != NULL ? CLI_OK : cli_connect(c);
    const char *body = code == CLI_OK ? cli_request_text(c, &wanted.base) : NULL;
    if (body == NULL) {
        return code;
    }
    ow_client_request request = {
        .method = "POST", .path = REGISTRY "GetVirtualServer", .body = body, .size = strlen(body)};
    ow_client_reply *reply = NULL;
    ow_client_error error;
    *ret_vs = NULL;
    if (!ow_client_send(c->client, &request, &reply, &error)) {
        return strcmp(error.reason, "no_virtual_server") == 0 ? CLI_OK : cli_tell(c, &error);
    }
    code = cli_read_reply(c, reply, &overworld__registry__v1__virtual_server__descriptor, ret_vs);
    ow_client_reply_free(reply);
    return code;
}

cli_exit cli_contents_running(cli *c, const char *server, cli_contents *ret_contents) {
    Overworld__Registry__V1__VirtualServer *vs = NULL;
    cli_exit code = find_server(c, server, &vs);
    *ret_contents = (cli_contents){.server = server};
    return code == CLI_OK && vs != NULL && vs->latest != NULL
               ? cli_contents_of_version(c, server, default_target(vs), ret_contents)
               : code;
}

// ---- Of a bundle, as the registry reads its manifest ----

static const char *text_of(const ow_json *object, const char *name, const char *otherwise) {
    const char *text = ow_json_string(ow_json_get(object, name));
    return text != NULL ? text : otherwise;
}

static char *kept_text(cli *c, const char *text) {
    return ow_arena_strdup_in(c->arena, text);
}

static char *entry_of(cli *c, const char *name) {
    char *entry = kept_text(c, name);
    for (char *at = entry; at != NULL && *at != '\0'; at++) {
        *at = *at == '-' ? '_' : *at;
    }
    return entry;
}

static void add_functions(cli *c, cli_contents *to, const ow_json *functions) {
    for (const ow_json *f = ow_json_first(functions); f != NULL; f = ow_json_next(f)) {
        FunctionInfo info = OVERWORLD__REGISTRY__V1__FUNCTION_INFO__INIT;
        int64_t timeout = TIMEOUT_DEFAULT_MS, memory = MEMORY_DEFAULT_MB;
        bool logs = false;
        ow_json_as_int(ow_json_get(f, "timeout_ms"), &timeout);
        ow_json_as_int(ow_json_get(f, "memory_mb"), &memory);
        ow_json_as_bool(ow_json_get(f, "log_payload"), &logs);
        const char *entry = text_of(f, "entry", NULL);
        info.name = kept_text(c, ow_json_name_of(f));
        info.entry = entry != NULL ? kept_text(c, entry) : entry_of(c, ow_json_name_of(f));
        info.exposure = kept_text(c, text_of(f, "exposure", "internal"));
        info.timeout_ms = (int32_t)timeout;
        info.memory_mb = (int32_t)memory;
        info.log_payload = logs;
        add_function(c, to, &info);
    }
}

static void add_texts(cli *c, cli_contents *to, const char *kind, const ow_json *list) {
    for (const ow_json *v = ow_json_first(list); v != NULL; v = ow_json_next(v)) {
        const char *text = ow_json_string(v);
        add_part(to, kind, kept_text(c, text != NULL ? text : ""), "");
    }
}

static void add_manifest(cli *c, cli_contents *to, const ow_json *manifest) {
    const ow_json *fetch = ow_json_get(manifest, "fetch");
    const ow_json *env = ow_json_get(manifest, "env");
    bool plain = false;
    add_functions(c, to, ow_json_get(manifest, "functions"));
    for (const ow_json *v = ow_json_first(env); v != NULL; v = ow_json_next(v)) {
        const char *text = ow_json_string(v);
        add_part(to, "env", kept_text(c, ow_json_name_of(v)),
                 kept_text(c, text != NULL ? text : ""));
    }
    add_texts(c, to, "fetch host", ow_json_get(fetch, "hosts"));
    add_texts(c, to, "fetch network", ow_json_get(fetch, "networks"));
    if (ow_json_as_bool(ow_json_get(fetch, "plain"), &plain) && plain) {
        add_part(to, "fetch", "plain", "true");
    }
}

static void add_files(cli *c, cli_contents *to) {
    for (size_t i = 0; i < to->files.count; i++) {
        const ow_archive_file *file = &to->files.files[i];
        uint8_t digest[OW_SHA256_SIZE];
        char hex[OW_SHA256_HEX_SIZE];
        ow_sha256(file->bytes, file->size, digest);
        ow_hex_encode(digest, sizeof digest, hex);
        add_file(c, to, file->path, (int64_t)file->size, hex);
    }
}

static size_t manifest_count(const ow_json *manifest) {
    const ow_json *fetch = ow_json_get(manifest, "fetch");
    return ow_json_count(ow_json_get(manifest, "functions")) +
           ow_json_count(ow_json_get(manifest, "env")) +
           ow_json_count(ow_json_get(fetch, "hosts")) +
           ow_json_count(ow_json_get(fetch, "networks")) + 1;
}

static bool fill_from(cli *c, cli_contents *to, const ow_archive_file *manifest, ow_err *err) {
    ow_json_input input = {.text = (const char *)manifest->bytes,
                           .size = manifest->size,
                           .ignore_unknown = true}; // what is no trigger
    ow_json *tree = NULL;
    Triggers *triggers = NULL;
    if (ow_json_to_message(&input, &overworld__api__triggers__descriptor, c->arena,
                           (ProtobufCMessage **)&triggers, err) != OW_OK ||
        ow_json_parse(input.text, input.size, MANIFEST_DEPTH, &tree, err) != OW_OK) {
        return false;
    }
    bool room = make_room(c, to, manifest_count(tree) + to->files.count + trigger_count(triggers));
    if (room) {
        add_manifest(c, to, tree);
        add_files(c, to);
        add_triggers(c, to, triggers);
        qsort(to->list, to->count, sizeof *to->list, cli_part_order);
    } else {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "out of memory");
    }
    ow_json_free(tree);
    return room;
}

bool cli_contents_of_bundle(cli *c, const cli_bundle *bundle, cli_contents *ret_contents,
                            ow_err *err) {
    cli_contents contents = {.server = bundle->name};
    if (ow_archive_read(bundle->bytes, bundle->size, c->arena, &contents.files, err) != OW_OK) {
        return false;
    }
    const ow_archive_file *manifest = ow_archive_find(&contents.files, MANIFEST);
    if (manifest == NULL || !fill_from(c, &contents, manifest, err)) {
        return false;
    }
    *ret_contents = contents;
    return true;
}

// ---- Files ----

static cli_exit get_file(cli *c, const cli_contents *contents, const char *path,
                         const uint8_t **ret_bytes, size_t *ret_size) {
    Overworld__Registry__V1__GetFileRequest request =
        OVERWORLD__REGISTRY__V1__GET_FILE_REQUEST__INIT;
    Overworld__Registry__V1__GetFileResponse *piece;
    pieces file = {0};
    request.virtual_server = (char *)(uintptr_t)contents->server;
    request.version = (char *)(uintptr_t)contents->version;
    request.path = (char *)(uintptr_t)path;
    do {
        cli_exit code =
            cli_rpc(c, REGISTRY "GetFile", &request.base,
                    &overworld__registry__v1__get_file_response__descriptor, false, &piece);
        if (code != CLI_OK) {
            return code;
        }
        if (!pieces_add(&file, c->arena, piece)) {
            return cli_fail(c, CLI_FAILED, "out of memory, or the file changed meanwhile");
        }
        request.offset = file.size;
    } while (piece->data.len > 0 && file.size < file.total);
    *ret_bytes = file.bytes;
    *ret_size = (size_t)file.size;
    return CLI_OK;
}

cli_exit cli_contents_file(cli *c, const cli_contents *contents, const char *path,
                           const uint8_t **ret_bytes, size_t *ret_size) {
    const ow_archive_file *file =
        contents->version == NULL ? ow_archive_find(&contents->files, path) : NULL;
    if (contents->version != NULL) {
        return get_file(c, contents, path, ret_bytes, ret_size);
    }
    *ret_bytes = file != NULL ? file->bytes : NULL;
    *ret_size = file != NULL ? file->size : 0;
    return file != NULL ? CLI_OK : cli_fail(c, CLI_FAILED, "%s is not in the bundle", path);
}
