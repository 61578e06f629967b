// Deploy, step by step: look into the bundle (pool), see what is known already (read) and still whole
// (pool), have it built (loop), store what came of it (pool), move the names (write), tell everybody (loop).

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <stdlib.h>
#include <string.h>

typedef Overworld__Runner__V1__BuildRequest build_request;
typedef Overworld__Runner__V1__BuildResponse build_response;
typedef Overworld__Runner__V1__GetRunnerStatusRequest status_request;
typedef Overworld__Runner__V1__GetRunnerStatusResponse status_response;

enum {
    CODE_MAX = 8 << 20, // bytes of a shared object
    DIAGNOSTICS_MAX = 200,
};

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the bundle needs too much memory");
}

// ---- 1. pool: the bundle ----

static ow_code check_request(const deploy_request *request, ow_err *err) {
    ow_code code = check_server_name(request->virtual_server, err);
    if (code == OW_OK) {
        code = check_description(request->description, err);
    }
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, err);
    }
    if (code == OW_OK && !is_sha256(request->bundle_sha256)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_hash",
                       "bundle_sha256 has 64 lower-case hexadecimal digits");
    }
    return code;
}

// Not there, or not what it was.
static bool is_lost(ow_code code) {
    return code == OW_NOT_FOUND || code == OW_DATA_LOSS;
}

static ow_code open_bundle(const registry *r, const char *sha256, ow_archive_map *ret_map,
                           ow_err *err) {
    char *path = blobs_path(&r->blobs, sha256);
    if (path == NULL) {
        return no_memory(err);
    }
    ow_code code = blobs_touch(&r->blobs, sha256, err);
    code = code == OW_OK ? ow_archive_map_open(path, ret_map, err) : code;
    free(path);
    return !is_lost(code) ? code
                          : ow_fail(err, OW_NOT_FOUND, "no_bundle",
                                    "the bundle %s was not uploaded, or is damaged", sha256);
}

static ow_code read_manifest(const ow_archive *archive, const deploy_request *request,
                             ow_arena *arena, ow_manifest *ret_manifest, ow_err *err) {
    const ow_archive_file *file = ow_archive_find(archive, OW_MANIFEST_FILE);
    if (file == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest", "there is no %s in the bundle",
                       OW_MANIFEST_FILE);
    }
    ow_code code =
        ow_manifest_read((const char *)file->bytes, file->size, arena, ret_manifest, err);
    if (code == OW_OK && strcmp(ret_manifest->name, request->virtual_server) != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest",
                       "\"name\" is \"%s\", but \"%s\" is to be deployed", ret_manifest->name,
                       request->virtual_server);
    }
    return code == OW_OK ? ow_manifest_check_files(ret_manifest, archive, err) : code;
}

// As they are stored, and their hash among what makes the revision.
static bool pack_triggers(const ow_manifest *manifest, deploy_state *s, ow_arena *arena) {
    if (manifest->triggers == NULL) {
        return true;
    }
    char hex[OW_SHA256_HEX_SIZE];
    s->triggers = message_pack_in(arena, manifest->triggers, &s->triggers_size);
    if (s->triggers == NULL) {
        return false;
    }
    sha256_hex(s->triggers, s->triggers_size, hex);
    s->revision->triggers_sha256 = ow_arena_strdup_in(arena, hex);
    return s->revision->triggers_sha256 != NULL;
}

static ow_code read_bundle(ow_run *run, const ow_archive_map *map) {
    deploy_state *s = run->state;
    ow_arena *arena = run->call->arena;
    ow_archive archive;
    ow_manifest manifest;
    ow_code code = ow_archive_read(map->bytes, map->size, arena, &archive, run->err);
    if (code == OW_OK) {
        code = read_manifest(&archive, run->request, arena, &manifest, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    s->runtime = manifest.runtime;
    s->entries = entry_list(&manifest, arena);
    s->revision = revision_of(&manifest, &archive, arena);
    if (s->entries == NULL || s->revision == NULL ||
        !source_key(&manifest, &archive, s->source_key) || !pack_triggers(&manifest, s, arena)) {
        return no_memory(run->err);
    }
    return OW_OK;
}

ow_code deploy_check(ow_run *run) {
    registry *r = run->self;
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    change_begin(&s->change, r);
    s->started_us = ow_clock_mono_us(r->env->clock);
    s->toolchain = "";
    ow_archive_map map = {0};
    ow_code code = check_request(request, run->err);
    if (code == OW_OK) {
        code = open_bundle(r, request->bundle_sha256, &map, run->err);
    }
    if (code == OW_OK) {
        code = read_bundle(run, &map);
    }
    ow_archive_map_close(&map);
    return code;
}

// ---- 2. read: what is known ----

ow_code deploy_prior(ow_run *run) {
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    tx t = tx_of(run, &s->change);
    ow_code code = store_title_resolve(&t);
    s->title = t.title;
    if (code == OW_OK) {
        code = store_key_find(&t, "Deploy", request->request_key, run->request, run->reply,
                              &s->change.answered);
    }
    if (code != OW_OK || s->change.answered) {
        return code;
    }
    // Said before the build rather than after it.
    server_row row;
    code = store_server_find(&t, request->virtual_server, &row);
    code = code == OW_OK ? store_check_base(&t, &row, request->based_on) : code;
    if (code == OW_NOT_FOUND && request->create) {
        *run->err = (ow_err){0};
        code = OW_OK;
    }
    return code == OW_OK
               ? store_builds_find(&t, s->source_key, s->known, KNOWN_BUILDS_MAX, &s->known_count)
               : code;
}

// ---- 3. pool: which of the builds are still whole ----

ow_code deploy_recall(ow_run *run) {
    registry *r = run->self;
    deploy_state *s = run->state;
    int whole = 0;
    for (int i = 0; i < s->known_count; i++) {
        if (blobs_touch(&r->blobs, s->known[i].code_sha256, NULL) == OW_OK) {
            s->known[whole++] = s->known[i];
        }
    }
    s->known_count = whole;
    return OW_OK;
}

// ---- 4. loop: the build ----

static char *copy_in(ow_arena *arena, const char *text) {
    char *copy = ow_arena_strdup_in(arena, text);
    return copy != NULL ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}

static void keep_diagnostics(ow_run *run, const build_response *message) {
    deploy_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    size_t count =
        message->n_diagnostics < DIAGNOSTICS_MAX ? message->n_diagnostics : DIAGNOSTICS_MAX;
    reply->diagnostics = ow_arena_calloc(arena, count, sizeof *reply->diagnostics);
    for (size_t i = 0; reply->diagnostics != NULL && i < count; i++) {
        const diagnostic_msg *from = message->diagnostics[i];
        diagnostic_msg *to = MESSAGE_IN(arena, diagnostic);
        if (to == NULL) {
            break;
        }
        to->file = copy_in(arena, from->file);
        to->line = from->line;
        to->column = from->column;
        to->severity = copy_in(arena, from->severity);
        to->message = copy_in(arena, from->message);
        reply->diagnostics[reply->n_diagnostics++] = to;
    }
}

static ow_code bad_build(ow_err *err, const char *what) {
    return ow_fail(err, OW_INTERNAL, "bad_build", "the runner's build %s", what);
}

static ow_code first_message(ow_run *run, const build_response *message) {
    deploy_state *s = run->state;
    s->heard = true;
    keep_diagnostics(run, message);
    if (!message->ok) {
        return OW_OK;
    }
    if (message->code_size < 1 || message->code_size > CODE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "code_too_large",
                       "the compiled code has more than %d MB", CODE_MAX >> 20);
    }
    s->built = true;
    s->code_size = (size_t)message->code_size;
    s->code = ow_arena_alloc(run->call->arena, s->code_size);
    return s->code != NULL ? OW_OK : no_memory(run->err);
}

static ow_code take_message(ow_run *run, const build_response *message) {
    deploy_state *s = run->state;
    ow_code code = s->heard ? OW_OK : first_message(run, message);
    if (code != OW_OK || message->code_chunk.len == 0) {
        return code;
    }
    if (!s->built || message->code_chunk.len > s->code_size - s->code_filled) {
        return bad_build(run->err, "sent more than it announced");
    }
    memcpy(s->code + s->code_filled, message->code_chunk.data, message->code_chunk.len);
    s->code_filled += message->code_chunk.len;
    return OW_OK;
}

static void on_build(const build_response *message, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    deploy_state *s = run->state;
    if (message != NULL) {
        if (sub->err.code == OW_OK && run->err->code == OW_OK &&
            take_message(run, message) != OW_OK) {
            ow_call_cancel(sub, OW_CANCELLED);
        }
        return;
    }
    ow_code code = run->err->code;
    if (code == OW_OK && sub->err.code != OW_OK) {
        *run->err = sub->err;
        code = sub->err.code;
    }
    ow_call_free(sub);
    if (code == OW_OK && (!s->heard || s->code_filled != s->code_size)) {
        code = bad_build(run->err, "ended early");
    }
    ow_run_resume(run, code);
}

static ow_call *sub_call(ow_run *run) {
    ow_call *sub = ow_call_child(run->call);
    if (sub != NULL) {
        sub->user = run;
    }
    return sub;
}

static void ask_for_build(ow_run *run) {
    registry *r = run->self;
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    ow_call *sub = sub_call(run);
    build_request *ask = ow_arena_alloc(run->call->arena, sizeof *ask);
    if (sub == NULL || ask == NULL) {
        ow_call_free(sub);
        ow_run_resume(run, no_memory(run->err));
        return;
    }
    overworld__runner__v1__build_request__init(ask);
    ask->runtime = (char *)(uintptr_t)s->runtime;
    ask->bundle_sha256 = request->bundle_sha256;
    ask->entry_check = (char *)(uintptr_t)s->entries;
    overworld__runner__v1__runner__build(r->runner, ask, on_build, sub);
}

static bool reuse(ow_run *run, const char *toolchain) {
    deploy_state *s = run->state;
    s->toolchain = copy_in(run->call->arena, toolchain);
    for (int i = 0; toolchain[0] != 0 && i < s->known_count; i++) {
        if (strcmp(s->known[i].toolchain, toolchain) == 0) {
            memcpy(s->code_sha256, s->known[i].code_sha256, OW_SHA256_HEX_SIZE);
            s->reused = true;
            return true;
        }
    }
    return false;
}

static void on_status(const status_response *status, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    deploy_state *s = run->state;
    bool reused = false;
    for (size_t i = 0; status != NULL && !reused && i < status->n_runtimes; i++) {
        if (strcmp(status->runtimes[i]->name, s->runtime) == 0) {
            reused = reuse(run, status->runtimes[i]->toolchain);
        }
    }
    if (status == NULL) {
        *run->err = sub->err;
    }
    ow_call_free(sub);
    if (run->err->code != OW_OK) {
        ow_run_resume(run, run->err->code);
    } else if (reused) {
        ow_run_resume(run, OW_OK);
    } else {
        ask_for_build(run);
    }
}

static void ask_for_toolchain(ow_run *run) {
    registry *r = run->self;
    ow_call *sub = sub_call(run);
    status_request *ask = ow_arena_alloc(run->call->arena, sizeof *ask);
    if (sub == NULL || ask == NULL) {
        ow_call_free(sub);
        ow_run_resume(run, no_memory(run->err));
        return;
    }
    overworld__runner__v1__get_runner_status_request__init(ask);
    overworld__runner__v1__runner__get_runner_status(r->runner, ask, on_status, sub);
}

ow_code deploy_build(ow_run *run) {
    registry *r = run->self;
    deploy_state *s = run->state;
    if (s->change.answered) {
        return OW_OK;
    }
    routes_expect(r->routes);
    ow_counter_add(r->deploys, 1);
    ask_for_toolchain(run);
    return OW_PENDING;
}

// ---- 5. pool: code and data files ----

static ow_code keep_files(ow_run *run, const ow_archive_map *map) {
    registry *r = run->self;
    deploy_state *s = run->state;
    ow_archive archive;
    ow_code code = ow_archive_read(map->bytes, map->size, run->call->arena, &archive, run->err);
    for (size_t i = 0; code == OW_OK && i < s->revision->n_files; i++) {
        const ow_archive_file *file = ow_archive_find(&archive, s->revision->files[i]->path);
        char hex[OW_SHA256_HEX_SIZE];
        code = file != NULL ? blobs_put(&r->blobs, file->bytes, file->size, hex, run->err)
                            : ow_fail(run->err, OW_DATA_LOSS, "bundle_changed",
                                      "the bundle changed while it was deployed");
    }
    return code;
}

static bool has_code(const deploy_state *s) {
    return s->built || s->reused;
}

static ow_code keep_reused(registry *r, const char *sha256, ow_err *err) {
    ow_code code = blobs_touch(&r->blobs, sha256, err);
    if (is_lost(code)) {
        return ow_fail(err, OW_ABORTED, "build_gone",
                       "the code built earlier was removed just now: deploy again");
    }
    ow_counter_add(r->reused_builds, code == OW_OK ? 1 : 0);
    return code;
}

ow_code deploy_keep(ow_run *run) {
    registry *r = run->self;
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    deploy_response *reply = run->reply;
    if (s->change.answered) {
        return OW_OK;
    }
    reply->build_ms = (int32_t)((ow_clock_mono_us(r->env->clock) - s->started_us + 500) / 1000);
    if (!has_code(s)) {
        ow_counter_add(r->failed_builds, 1);
        return OW_OK;
    }
    ow_code code = OW_OK;
    if (s->built) {
        code = blobs_put(&r->blobs, s->code, s->code_size, s->code_sha256, run->err);
    } else {
        code = keep_reused(r, s->code_sha256, run->err);
    }
    ow_archive_map map = {0};
    if (code == OW_OK && s->revision->n_files > 0) {
        code = open_bundle(r, request->bundle_sha256, &map, run->err);
    }
    if (code == OW_OK && s->revision->n_files > 0) {
        code = keep_files(run, &map);
    }
    ow_archive_map_close(&map);
    return code;
}

// ---- 6. write: the names ----

static ow_code keep_build(tx *t, const deploy_state *s) {
    known_build build = {.toolchain = s->toolchain, .code_sha256 = s->code_sha256};
    return s->built && s->toolchain[0] != 0 ? store_build_keep(t, s->source_key, &build) : OW_OK;
}

static ow_code make_deployment(ow_run *run, deployment *ret_deployment) {
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    ow_arena *arena = run->call->arena;
    s->revision->code_sha256 = s->code_sha256;
    char id[OW_SHA256_HEX_SIZE];
    size_t size = 0;
    uint8_t *body = message_pack_in(arena, s->revision, &size);
    if (body == NULL || !revision_hash(s->title, request->virtual_server, s->revision, arena, id)) {
        return no_memory(run->err);
    }
    *ret_deployment = (deployment){
        .server = request->virtual_server,
        .runtime = s->runtime,
        .description = request->description,
        .revision_id = copy_in(arena, id),
        .bundle_sha256 = request->bundle_sha256,
        .body = body,
        .body_size = size,
        .triggers = s->triggers,
        .triggers_size = s->triggers_size,
        .create = request->create,
        .publish = request->publish,
        .based_on = request->based_on,
    };
    return OW_OK;
}

ow_code deploy_commit(ow_run *run) {
    deploy_state *s = run->state;
    const deploy_request *request = run->request;
    if (s->change.answered) {
        return OW_OK;
    }
    tx t = tx_of(run, &s->change);
    t.title = s->title;
    if (!has_code(s)) {
        const deploy_response *reply = run->reply;
        return store_announce_failed_build(&t, request->virtual_server,
                                           reply->n_diagnostics > 0 ? reply->diagnostics[0]->message
                                                                    : "");
    }
    deployment d;
    bool found = false;
    ow_code code =
        store_key_find(&t, "Deploy", request->request_key, run->request, run->reply, &found);
    if (code != OW_OK || found) {
        return code;
    }
    code = make_deployment(run, &d);
    if (code == OW_OK) {
        code = keep_build(&t, s);
    }
    if (code == OW_OK) {
        code = store_deploy(&t, &d, run->reply);
    }
    return code == OW_OK
               ? store_key_keep(&t, "Deploy", request->request_key, run->request, run->reply)
               : code;
}

// ---- 7. loop ----

ow_code deploy_tell(ow_run *run) {
    const registry *r = run->self;
    deploy_state *s = run->state;
    ow_bus_kick(r->bus);
    return s->change.answered || !has_code(s) ? OW_OK : step_announce(run);
}

ow_code deploy_apply(ow_run *run) {
    const registry *r = run->self;
    const deploy_request *request = run->request;
    deploy_state *s = run->state;
    if (s->change.answered || !has_code(s)) {
        return OW_OK;
    }
    s->change.apply = (applier_waiter){
        .run = run, .reply = run->reply, .title = s->title, .server = request->virtual_server};
    return applier_wait(r->applier, &s->change.apply);
}
