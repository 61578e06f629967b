#include "services/runner/runner_world.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/archive.h"
#include "core/testing/ow_test.h"
#include "proto/descriptors.h"
#include "services/runner/internal.h"
#include "services/runner/runner.h"
#include "services/runner/runner_world_parts.h"

#define PATIENCE_MS 20000

// protobuf-c's strings are not const; nobody writes to them.
static char *mutable(const char *text) {
    return (char *)(uintptr_t)text;
}

// ---- opening and closing

static void open_folders(world *w) {
    const char *base = getenv("TEST_TMPDIR");
    char here[512];
    char path[1200];
    snprintf(w->folder, sizeof w->folder, "%s/runner-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->data, sizeof w->data, "%s/data", w->folder);
    snprintf(w->binaries, sizeof w->binaries, "%s/bin", w->folder);
    snprintf(w->clock_file, sizeof w->clock_file, "%s/clock", w->folder);
    assert_int_equal(mkdir(w->data, 0700), 0);
    assert_int_equal(mkdir(w->binaries, 0700), 0);
    assert_non_null(getcwd(here, sizeof here));
    const char *const programs[][2] = {{"runtimes/c", "ow-rt-c"}, {"runtimes/build", "ow-build-c"}};
    for (int i = 0; i < 2; i++) {
        char link[600];
        snprintf(path, sizeof path, "%s/%s/%s", here, programs[i][0], programs[i][1]);
        snprintf(link, sizeof link, "%s/%s", w->binaries, programs[i][1]);
        assert_int_equal(symlink(path, link), 0);
    }
}

static ProtobufCService *offer(world *w, const ProtobufCServiceDescriptor *descriptor,
                               const ow_method *methods) {
    ow_err err = {0};
    ProtobufCService *service = NULL;
    ow_service_options options = {.descriptor = descriptor,
                                  .methods = methods,
                                  .api = w->api,
                                  .self = w,
                                  .loop = w->loop,
                                  .is_stand_in = true};
    ow_directory_expect_here(w->directory, descriptor);
    assert_ow_ok(ow_service_new(&options, &service, &err), &err);
    assert_ow_ok(ow_directory_offer(w->directory, service, &err), &err);
    return service;
}

static void open_core(world *w, ow_channel_kind kind) {
    ow_err err = {0};
    assert_ow_ok(ow_loop_new(&w->loop, &err), &err);
    assert_ow_ok(ow_clock_open(w->clock_file, &w->clock, &err), &err);
    assert_ow_ok(ow_api_open(ow_descriptors, ow_descriptors_size, &w->api, &err), &err);
    assert_ow_ok(ow_pool_new(1, 100, &w->pool, &err), &err);
    w->metrics = ow_metrics_new();
    ow_directory_options options = {.loop = w->loop, .local_kind = kind, .seed = 7, .api = w->api};
    assert_ow_ok(ow_directory_new(&options, &w->directory, &err), &err);
    w->registry_service =
        offer(w, &overworld__registry__v1__registry__descriptor, world_registry_methods);
    w->telemetry_service =
        offer(w, &overworld__telemetry__v1__telemetry__descriptor, world_telemetry_methods);
}

world *world_open(ow_channel_kind kind, const char *const *flags) {
    ow_err err = {0};
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->text = calloc(1, TEXT_MAX);
    w->arena = ow_arena_new((size_t)64 << 20);
    open_folders(w);
    open_core(w, kind);
    size_t count = 0;
    while (flags != NULL && flags[count] != NULL) {
        count++;
    }
    const ow_config_table tables[] = {
        {"runner", ow_runner_module.config, ow_runner_module.config_size}, {.module = NULL}};
    char *none[] = {NULL};
    assert_ow_ok(ow_config_load(tables, NULL, flags, count, none, &w->config, &err), &err);
    w->env = (ow_module_env){.loop = w->loop,
                             .clock = w->clock,
                             .directory = w->directory,
                             .api = w->api,
                             .pool = w->pool,
                             .metrics = w->metrics,
                             .data_folder = w->data,
                             .binary_folder = w->binaries,
                             .process = "test"};
    assert_ow_ok(
        ow_runner_module.init(&w->env, ow_config_of(w->config, "runner"), &w->runner, &err), &err);
    assert_ow_ok(ow_runner_module.start(w->runner, &err), &err);
    w->runner_stub = ow_directory_get(w->directory, &overworld__runner__v1__runner__descriptor);
    return w;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place) {
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

void world_drain(world *w) {
    ow_runner_module.drain(w->runner);
}

bool world_drained(world *w) {
    return ow_runner_module.drained(w->runner);
}

void world_close(world *w) {
    world_drain(w);
    for (int i = 0; i < 3000 && !world_drained(w); i++) {
        world_turn(w);
    }
    ow_runner_module.stop(w->runner);
    ow_runner_module.free(w->runner);
    ow_directory_withdraw(w->directory, w->registry_service);
    ow_directory_withdraw(w->directory, w->telemetry_service);
    for (int i = 0; i < 10; i++) {
        world_turn(w);
    }
    ow_service_free(w->registry_service);
    ow_service_free(w->telemetry_service);
    ow_directory_free(w->directory);
    ow_pool_free(w->pool);
    for (int i = 0; i < 3; i++) {
        world_turn(w);
    }
    ow_metrics_free(w->metrics);
    ow_config_free(w->config);
    ow_api_free(w->api);
    ow_clock_close(w->clock);
    ow_loop_free(w->loop);
    for (unsigned i = 0; i < w->blob_count; i++) {
        free(w->blobs[i].bytes);
    }
    ow_arena_free(w->arena);
    (void)nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w->text);
    free(w);
}

// ---- turning

void world_turn(world *w) {
    ow_err err = {0};
    assert_ow_ok(ow_loop_turn(w->loop, 10000, &err), &err);
}

void world_until(world *w, const bool *flag) {
    int64_t limit_us = ow_loop_now_us(w->loop) + PATIENCE_MS * 1000;
    while (!*flag) {
        world_turn(w);
        if (ow_loop_now_us(w->loop) > limit_us) {
            fail_msg("nothing came within %d ms", PATIENCE_MS);
        }
    }
}

void world_turn_for(world *w, int ms) {
    int64_t limit_us = ow_loop_now_us(w->loop) + (int64_t)ms * 1000;
    while (ow_loop_now_us(w->loop) < limit_us) {
        world_turn(w);
    }
}

bool world_shows(const world *w, const char *line) {
    size_t size;
    char *text = ow_metrics_text(w->metrics, &size);
    assert_non_null(text);
    bool found = strstr(text, line) != NULL;
    free(text);
    return found;
}

void world_clock_advance(world *w, int64_t us) {
    ow_clock_advance(w->clock, us);
}

static ow_call *new_call(world *w, int timeout_ms, ow_principal_kind kind) {
    ow_principal principal = {.kind = kind};
    snprintf(principal.id, sizeof principal.id, "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6");
    snprintf(principal.title, sizeof principal.title, "%s", WORLD_TITLE);
    ow_call_options options = {.principal = &principal,
                               .timeout_us = (timeout_ms > 0 ? timeout_ms : PATIENCE_MS) * 1000LL};
    ow_call *call = ow_call_new(w->loop, &options);
    assert_non_null(call);
    snprintf(w->last_request_id, sizeof w->last_request_id, "%s", call->request_id);
    return call;
}

// ---- blobs and builds

static const char *put_blob(world *w, const void *bytes, size_t size) {
    assert_true(w->blob_count < BLOBS_MAX);
    struct stored_blob *blob = &w->blobs[w->blob_count++];
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, blob->sha256);
    blob->bytes = malloc(size + 1);
    assert_non_null(blob->bytes);
    memcpy(blob->bytes, bytes, size);
    blob->size = size;
    return blob->sha256;
}

struct building {
    bool done, ok;
    ow_code code;
    uint8_t *bytes;
    size_t size;
    char *text;
    size_t text_size;
};

static void on_built(const build_response *message, void *closure_data) {
    ow_call *call = closure_data;
    struct building *building = call->user;
    if (message == NULL) {
        building->done = true;
        building->code = call->err.code;
        if (building->code != OW_OK) {
            print_error("build: %s: %s\n", call->err.reason, call->err.message);
        }
        ow_call_free(call);
        return;
    }
    building->ok = message->ok;
    size_t used = 0;
    for (size_t i = 0; i < message->n_diagnostics && building->text != NULL; i++) {
        const diagnostic *item = message->diagnostics[i];
        int wrote = snprintf(building->text + used, building->text_size - used, "%s:%d: %s: %s\n",
                             item->file, item->line, item->severity, item->message);
        used += wrote > 0 && used + (size_t)wrote < building->text_size ? (size_t)wrote : 0;
    }
    if (message->code_chunk.len > 0) {
        building->bytes = realloc(building->bytes, building->size + message->code_chunk.len);
        assert_non_null(building->bytes);
        memcpy(building->bytes + building->size, message->code_chunk.data, message->code_chunk.len);
        building->size += message->code_chunk.len;
    }
}

static void build(world *w, const char *source, size_t length, const char *symbols,
                  struct building *building) {
    ow_err err = {0};
    uint8_t *archive = NULL;
    size_t size = 0;
    ow_archive_file file = {
        .path = "functions.c", .bytes = (const uint8_t *)source, .size = length};
    assert_ow_ok(ow_archive_write(&file, 1, &archive, &size, &err), &err);
    build_request request = OVERWORLD__RUNNER__V1__BUILD_REQUEST__INIT;
    request.runtime = mutable("c");
    request.bundle_sha256 = mutable(put_blob(w, archive, size));
    request.entry_check = mutable(symbols);
    free(archive);
    ow_call *call = new_call(w, 0, OW_PLATFORM);
    call->user = building;
    overworld__runner__v1__runner__build(w->runner_stub, &request, on_built, call);
    world_until(w, &building->done);
}

bool world_build(world *w, const char *source_text, const char *symbols, char *ret_text,
                 size_t size) {
    struct building building = {.text = ret_text, .text_size = size};
    ret_text[0] = '\0';
    build(w, source_text, strlen(source_text), symbols, &building);
    free(building.bytes);
    return building.ok;
}

// ---- deploying

static struct stored_server *server_of(world *w, const char *name) {
    for (unsigned i = 0; i < w->server_count; i++) {
        if (strcmp(w->servers[i].routes.name, name) == 0) {
            return &w->servers[i];
        }
    }
    assert_true(w->server_count < SERVERS_MAX);
    struct stored_server *server = &w->servers[w->server_count++];
    overworld__registry__v1__virtual_server_routes__init(&server->routes);
    overworld__registry__v1__route_alias__init(&server->alias);
    server->routes.title_id = mutable(WORLD_TITLE);
    server->routes.name = ow_arena_strdup_in(w->arena, name);
    server->routes.runtime = mutable("c");
    server->routes.latest_revision_id = server->latest;
    server->alias.name = mutable("$DEFAULT");
    server->alias.is_public = true;
    server->alias.revision_id = server->latest;
    server->aliases[0] = &server->alias;
    server->routes.aliases = server->aliases;
    server->routes.n_aliases = 1;
    server->routes.revisions = server->revisions;
    return server;
}

static void add_functions(world *w, route_revision *revision,
                          const struct world_function *functions) {
    size_t count = 0;
    while (functions[count].name != NULL) {
        count++;
    }
    revision->functions = ow_arena_calloc(w->arena, count, sizeof *revision->functions);
    for (size_t i = 0; i < count; i++) {
        function_info *info = ow_arena_alloc(w->arena, sizeof *info);
        overworld__registry__v1__function_info__init(info);
        info->name = ow_arena_strdup_in(w->arena, functions[i].name);
        info->entry = info->name;
        info->timeout_ms = functions[i].timeout_ms;
        info->memory_mb = functions[i].memory_mb;
        revision->functions[revision->n_functions++] = info;
    }
}

static void add_extras(world *w, route_revision *revision, const struct world_revision *wanted) {
    if (wanted->data_file != NULL) {
        bundle_file *file = ow_arena_alloc(w->arena, sizeof *file);
        overworld__registry__v1__bundle_file__init(file);
        file->path = mutable("words.txt");
        file->size = (int64_t)strlen(wanted->data_file);
        file->sha256 =
            ow_arena_strdup_in(w->arena, put_blob(w, wanted->data_file, strlen(wanted->data_file)));
        revision->files = ow_arena_calloc(w->arena, 1, sizeof *revision->files);
        revision->files[revision->n_files++] = file;
    }
    if (wanted->env_mood != NULL) {
        env_var *variable = ow_arena_alloc(w->arena, sizeof *variable);
        overworld__registry__v1__env_var__init(variable);
        variable->name = mutable("MOOD");
        variable->value = ow_arena_strdup_in(w->arena, wanted->env_mood);
        revision->env = ow_arena_calloc(w->arena, 1, sizeof *revision->env);
        revision->env[revision->n_env++] = variable;
    }
}

static char *read_source(world *w, const char *path, const char *salt, size_t *ret_length) {
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    char *text = ow_arena_alloc(w->arena, 65536);
    size_t length = fread(text, 1, 60000, file);
    fclose(file);
    length += (size_t)snprintf(text + length, 5000, "\n// %s\n", salt != NULL ? salt : "");
    *ret_length = length;
    return text;
}

void world_deploy(world *w, const char *name, const struct world_revision *wanted, char *ret_id) {
    size_t length = 0;
    char diagnostics[2000] = "";
    char *source = read_source(w, wanted->source, wanted->salt, &length);
    struct building building = {.text = diagnostics, .text_size = sizeof diagnostics};
    build(w, source, length, wanted->functions[0].name, &building);
    if (!building.ok) {
        fail_msg("build failed: %s", diagnostics);
    }
    route_revision *revision = ow_arena_alloc(w->arena, sizeof *revision);
    overworld__registry__v1__route_revision__init(revision);
    revision->code_sha256 =
        ow_arena_strdup_in(w->arena, put_blob(w, building.bytes, building.size));
    free(building.bytes);
    char seed[400];
    uint8_t digest[OW_SHA256_SIZE];
    snprintf(seed, sizeof seed, "%s %s %s", name, revision->code_sha256,
             wanted->salt != NULL ? wanted->salt : "");
    ow_sha256(seed, strlen(seed), digest);
    char id[OW_SHA256_HEX_SIZE];
    ow_hex_encode(digest, sizeof digest, id);
    revision->revision_id = ow_arena_strdup_in(w->arena, id);
    revision->version = wanted->version;
    add_functions(w, revision, wanted->functions);
    add_extras(w, revision, wanted);
    struct stored_server *server = server_of(w, name);
    server->removed = false;
    // Only what has a number stays reachable.
    size_t kept = 0;
    for (size_t i = 0; i < server->routes.n_revisions; i++) {
        if (server->revisions[i]->version > 0 && kept < REVISIONS_MAX - 1) {
            server->revisions[kept++] = server->revisions[i];
        }
    }
    server->revisions[kept++] = revision;
    server->routes.n_revisions = kept;
    snprintf(server->latest, sizeof server->latest, "%s", id);
    if (ret_id != NULL) {
        memcpy(ret_id, id, sizeof id);
    }
    world_tell_watchers(w, server);
}

void world_remove(world *w, const char *name) {
    struct stored_server *server = server_of(w, name);
    server->removed = true;
    world_tell_watchers(w, server);
}

// ---- calling

static void keep_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from);
}

static void on_invoked(const invoke_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct world_pending *pending = call->user;
    struct world_reply *kept = &pending->reply;
    kept->code = reply != NULL ? OW_OK : call->err.code;
    if (reply == NULL) {
        keep_text(kept->err_reason, sizeof kept->err_reason, call->err.reason);
        keep_text(kept->message, sizeof kept->message, call->err.message);
    } else {
        keep_text(kept->reason, sizeof kept->reason, reply->reason);
        keep_text(kept->message, sizeof kept->message, reply->message);
        keep_text(kept->refusal_code, sizeof kept->refusal_code, reply->refusal_code);
        keep_text(kept->details, sizeof kept->details, reply->details_json);
        keep_text(kept->stack, sizeof kept->stack, reply->stack);
        keep_text(kept->content_type, sizeof kept->content_type, reply->content_type);
        kept->length = reply->payload.len;
        kept->payload = calloc(1, reply->payload.len + 1);
        if (reply->payload.len > 0) {
            memcpy(kept->payload, reply->payload.data, reply->payload.len);
        }
        kept->cold = reply->cold;
        kept->retry_after_s = reply->retry_after_s;
        kept->instance_us = reply->instance_us;
    }
    pending->done = true;
    pending->call = NULL;
    free(pending->payload);
    ow_call_free(call);
}

static const char *revision_of(world *w, const char *name) {
    for (unsigned i = 0; i < w->server_count; i++) {
        if (strcmp(w->servers[i].routes.name, name) == 0) {
            return w->servers[i].latest;
        }
    }
    return "";
}

void world_begin(world *w, struct world_pending *pending, const char *server, const char *function,
                 const char *payload, int timeout_ms) {
    memset(pending, 0, sizeof *pending);
    pending->world = w;
    invoke_request *request = &pending->request;
    overworld__runner__v1__invoke_request__init(request);
    request->virtual_server = mutable(server);
    request->function = mutable(function);
    request->qualifier = mutable("$DEFAULT");
    request->revision_id = mutable(revision_of(w, server));
    request->source = mutable("client");
    request->content_type = mutable("text/plain");
    pending->payload = strdup(payload);
    request->payload.data = (uint8_t *)pending->payload;
    request->payload.len = strlen(payload);
    pending->call = new_call(w, timeout_ms, OW_PLAYER);
    pending->call->user = pending;
    overworld__runner__v1__runner__invoke(w->runner_stub, request, on_invoked, pending->call);
}

struct world_reply world_call(world *w, const char *server, const char *function,
                              const char *payload, int timeout_ms) {
    struct world_pending pending;
    world_begin(w, &pending, server, function, payload, timeout_ms);
    world_until(w, &pending.done);
    return pending.reply;
}

void world_reply_deinit(struct world_reply *reply) {
    free(reply->payload);
    reply->payload = NULL;
}

struct status_wait {
    bool done;
    status_response *copy;
};

static void on_status(const status_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    struct status_wait *wait = call->user;
    assert_non_null(reply);
    size_t size = overworld__runner__v1__get_runner_status_response__get_packed_size(reply);
    uint8_t *bytes = malloc(size + 1);
    overworld__runner__v1__get_runner_status_response__pack(reply, bytes);
    wait->copy = overworld__runner__v1__get_runner_status_response__unpack(NULL, size, bytes);
    free(bytes);
    wait->done = true;
    ow_call_free(call);
}

status_response *world_status(world *w) {
    struct status_wait wait = {0};
    status_request request = OVERWORLD__RUNNER__V1__GET_RUNNER_STATUS_REQUEST__INIT;
    request.pools = true;
    ow_call *call = new_call(w, 0, OW_PLATFORM);
    call->user = &wait;
    overworld__runner__v1__runner__get_runner_status(w->runner_stub, &request, on_status, call);
    world_until(w, &wait.done);
    return wait.copy;
}

void world_status_free(status_response *status) {
    overworld__runner__v1__get_runner_status_response__free_unpacked(status, NULL);
}

const char *world_last_request_id(const world *w) {
    return w->last_request_id;
}

void world_end_zygotes(world *w) {
    struct runner *runner = w->runner;
    for (int i = 0; i < RUNTIMES_COUNT; i++) {
        if (runner->runtimes.each[i].zygote != NULL) {
            ow_host_zygote_stop(runner->runtimes.each[i].zygote);
        }
    }
}
