// The methods of the registry: validate, call the store, fill the reply.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include "core/audit/methods.h"

#include <stdlib.h>
#include <string.h>

void change_begin(change *c, const registry *r) {
    c->now_us = ow_clock_wall_us(r->env->clock);
    ow_id_make(c->fresh_id, "", c->now_us);
}

tx tx_of(ow_run *run, const change *c) {
    return (tx){
        .db = run->db,
        .arena = run->call->arena,
        .err = run->err,
        .now_us = c->now_us,
        .title = run->call->principal->title,
        .every_title = run->call->principal->every_title || !run->call->from_outside,
        .principal = run->call->principal->id,
        .request_id = run->call->request_id,
        .address = run->call->client_address,
        .fresh_id = c->fresh_id,
        .bus = ((const registry *)run->self)->bus,
    };
}

// Reads need no time and make nothing.
static tx reading_tx(ow_run *run) {
    static const change none = {.now_us = 0};
    return tx_of(run, &none);
}

ow_code step_announce(ow_run *run) {
    registry *r = run->self;
    const change *c = run->state;
    ow_bus_kick(r->bus);
    return c->answered ? OW_OK : routes_announce(r->routes, run);
}

// Behind it, where what is in force may be other triggers.
static ow_code step_apply(ow_run *run) {
    const registry *r = run->self;
    change *c = run->state;
    c->apply = (applier_waiter){.run = run};
    return c->answered ? OW_OK : applier_wait(r->applier, &c->apply);
}

ow_code begin_change(ow_run *run) {
    registry *r = run->self;
    change_begin(run->state, r);
    routes_expect(r->routes);
    return OW_OK;
}

// ---- Titles ----

static ow_code create_title_check(ow_run *run) {
    const create_title_request *request = run->request;
    ow_code code = check_title_name(request->name, run->err);
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

static ow_code create_title_store(ow_run *run) {
    change *c = run->state;
    const create_title_request *request = run->request;
    tx t = tx_of(run, c);
    t.title = "";
    ow_code code = store_key_find(&t, "CreateTitle", request->request_key, run->request, run->reply,
                                  &c->answered);
    if (code != OW_OK || c->answered) {
        return code;
    }
    code = store_title_create(&t, request->name, run->reply);
    if (code == OW_OK) {
        code = store_key_keep(&t, "CreateTitle", request->request_key, run->request, run->reply);
    }
    return code == OW_OK ? tx_end(&t) : code;
}

static ow_code list_titles(ow_run *run) {
    const list_titles_request *request = run->request;
    tx t = reading_tx(run);
    int limit = 0;
    ow_code code = page_limit(request->page_size, &limit, run->err);
    return code == OW_OK ? store_titles_list(&t, request->page_token, limit, run->reply) : code;
}

static ow_code rename_title_check(ow_run *run) {
    const rename_title_request *request = run->request;
    ow_code code = check_title_name(request->name, run->err);
    return code == OW_OK ? begin_change(run) : code;
}

static ow_code rename_title_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_rename(&t, run->request, run->reply);
    return code == OW_OK ? tx_end(&t) : code;
}

// ---- Virtual servers ----

static ow_code create_server_check(ow_run *run) {
    const create_server_request *request = run->request;
    ow_code code = check_server_name(request->name, run->err);
    if (code == OW_OK && strcmp(request->runtime, "c") != 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_runtime", "runtime must be \"c\"");
    }
    if (code == OW_OK) {
        code = check_description(request->description, run->err);
    }
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

static ow_code create_server_store(ow_run *run) {
    change *c = run->state;
    const create_server_request *request = run->request;
    tx t = tx_of(run, c);
    server_row row;
    ow_code code = store_title_resolve(&t);
    if (code == OW_OK) {
        code = store_key_find(&t, "CreateVirtualServer", request->request_key, run->request,
                              run->reply, &c->answered);
    }
    if (code != OW_OK || c->answered) {
        return code;
    }
    code = store_server_create(&t, request->name, request->runtime, request->description, &row);
    if (code == OW_OK) {
        code = store_server_fill(&t, &row, run->reply);
    }
    return code == OW_OK ? store_key_keep(&t, "CreateVirtualServer", request->request_key,
                                          run->request, run->reply)
                         : code;
}

static ow_code get_server(ow_run *run) {
    const get_server_request *request = run->request;
    tx t = reading_tx(run);
    server_row row;
    ow_code code = store_title_resolve(&t);
    if (code == OW_OK) {
        code = store_server_find(&t, request->name, &row);
    }
    return code == OW_OK ? store_server_fill(&t, &row, run->reply) : code;
}

static ow_code update_server_check(ow_run *run) {
    const update_server_request *request = run->request;
    ow_code code = check_description(request->description, run->err);
    return code == OW_OK ? begin_change(run) : code;
}

static ow_code update_server_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_server_update(&t, run->request, run->reply) : code;
}

static ow_code list_servers(ow_run *run) {
    const list_servers_request *request = run->request;
    tx t = reading_tx(run);
    int limit = 0;
    ow_code code = page_limit(request->page_size, &limit, run->err);
    if (code == OW_OK) {
        code = check_name_filter(request->name_contains, run->err);
    }
    if (code == OW_OK) {
        code = check_name_filter(request->function_contains, run->err);
    }
    if (code == OW_OK) {
        code = store_title_resolve(&t);
    }
    return code == OW_OK ? store_servers_list(&t, request, limit, run->reply) : code;
}

static ow_code delete_server_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    if (code == OW_OK) {
        code = store_server_delete(&t, run->request);
    }
    return code == OW_OK ? tx_end(&t) : code;
}

// ---- Versions ----

static ow_code publish_check(ow_run *run) {
    const publish_request *request = run->request;
    ow_code code = check_description(request->description, run->err);
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

static ow_code publish_store(ow_run *run) {
    change *c = run->state;
    const publish_request *request = run->request;
    tx t = tx_of(run, c);
    ow_code code = store_title_resolve(&t);
    if (code == OW_OK) {
        code = store_key_find(&t, "Publish", request->request_key, run->request, run->reply,
                              &c->answered);
    }
    if (code != OW_OK || c->answered) {
        return code;
    }
    code = store_publish(&t, request, run->reply);
    return code == OW_OK
               ? store_key_keep(&t, "Publish", request->request_key, run->request, run->reply)
               : code;
}

static ow_code list_versions(ow_run *run) {
    const list_versions_request *request = run->request;
    tx t = reading_tx(run);
    int limit = 0;
    server_row row;
    ow_code code = page_limit(request->page_size, &limit, run->err);
    if (code == OW_OK) {
        code = store_title_resolve(&t);
    }
    if (code == OW_OK) {
        code = store_server_find(&t, request->virtual_server, &row);
    }
    if (code != OW_OK) {
        return code;
    }
    char *end = NULL;
    int64_t below = strtoll(request->page_token, &end, 10);
    if (below < 0 || *end != 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token is not one that was handed out");
    }
    return store_versions_list(&t, request->virtual_server, below, limit, run->reply);
}

// ---- Blobs and routes ----

static ow_code put_chunk(ow_run *run) {
    registry *r = run->self;
    return uploads_put(r->uploads, run);
}

static ow_code get_chunk(ow_run *run) {
    registry *r = run->self;
    const get_blob_request *request = run->request;
    get_blob_response *reply = run->reply;
    if (!is_sha256(request->sha256)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_hash",
                       "sha256 has 64 lower-case hexadecimal digits");
    }
    blob_piece piece = {
        .offset = request->offset,
        .buffer = ow_arena_alloc(run->call->arena, BLOB_CHUNK_MAX),
        .room = BLOB_CHUNK_MAX,
    };
    if (piece.buffer == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a piece");
    }
    ow_code code = blobs_read(&r->blobs, request->sha256, &piece, run->err);
    reply->data = (ProtobufCBinaryData){piece.size, piece.buffer};
    reply->total_size = piece.total;
    return code;
}

static ow_code watch(ow_run *run) {
    registry *r = run->self;
    return routes_watch(r->routes, run);
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    registry *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    registry *self = run->self;
    ow_backup_note(run, ow_clock_wall_us(self->env->clock));
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    registry *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method registry_methods[] = {
    {"CreateTitle",
     sizeof(change),
     {{OW_LOOP, create_title_check}, {OW_WRITE, create_title_store}, {OW_LOOP, step_announce}}},
    {"ListTitles", 0, {{OW_READ, list_titles}}},
    {"RenameTitle",
     sizeof(change),
     {{OW_LOOP, rename_title_check}, {OW_WRITE, rename_title_store}, {OW_LOOP, step_announce}}},
    {"CreateVirtualServer",
     sizeof(change),
     {{OW_LOOP, create_server_check}, {OW_WRITE, create_server_store}, {OW_LOOP, step_announce}}},
    {"GetVirtualServer", 0, {{OW_READ, get_server}}},
    {"UpdateVirtualServer",
     sizeof(change),
     {{OW_LOOP, update_server_check}, {OW_WRITE, update_server_store}}},
    {"ListVirtualServers", 0, {{OW_READ, list_servers}}},
    {"DeleteVirtualServer",
     sizeof(change),
     {{OW_LOOP, begin_change},
      {OW_WRITE, delete_server_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"Deploy",
     sizeof(deploy_state),
     {{OW_POOL, deploy_check},
      {OW_READ, deploy_prior},
      {OW_POOL, deploy_recall},
      {OW_LOOP, deploy_build},
      {OW_POOL, deploy_keep},
      {OW_WRITE, deploy_commit},
      {OW_LOOP, deploy_tell},
      {OW_LOOP, deploy_apply}}},
    {"Publish",
     sizeof(change),
     {{OW_LOOP, publish_check},
      {OW_WRITE, publish_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"CreateAlias",
     sizeof(alias_change),
     {{OW_LOOP, create_alias_check},
      {OW_WRITE, create_alias_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"UpdateAlias",
     sizeof(alias_change),
     {{OW_LOOP, update_alias_check},
      {OW_WRITE, update_alias_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"RollbackAlias",
     sizeof(change),
     {{OW_LOOP, begin_change},
      {OW_WRITE, rollback_alias_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"DeleteAlias",
     sizeof(change),
     {{OW_LOOP, delete_alias_check},
      {OW_WRITE, delete_alias_store},
      {OW_LOOP, step_announce},
      {OW_LOOP, step_apply}}},
    {"SetSecret",
     sizeof(secret_change),
     {{OW_LOOP, set_secret_check},
      {OW_READ, set_secret_title},
      {OW_LOOP, set_secret_seal},
      {OW_WRITE, set_secret_store},
      {OW_LOOP, step_announce}}},
    {"ListSecrets", 0, {{OW_READ, list_secrets}}},
    {"UseSecretVersion",
     sizeof(change),
     {{OW_LOOP, begin_change}, {OW_WRITE, use_secret_store}, {OW_LOOP, step_announce}}},
    {"DeleteSecret",
     sizeof(change),
     {{OW_LOOP, begin_change}, {OW_WRITE, delete_secret_store}, {OW_LOOP, step_announce}}},
    {"ListRoutes", 0, {{OW_READ, list_routes}}},
    {"SetRouteDisabled",
     sizeof(change),
     {{OW_LOOP, begin_change}, {OW_WRITE, set_route_disabled_store}, {OW_LOOP, step_announce}}},
    {"GetSecretValues",
     sizeof(secret_reading),
     {{OW_READ, secret_values_read}, {OW_LOOP, secret_values_open}}},
    {"GetRevision", 0, {{OW_READ, revision_read}, {OW_POOL, revision_files}}},
    {"GetFile", sizeof(file_reading), {{OW_READ, file_find}, {OW_POOL, file_read}}},
    {"ListVersions", 0, {{OW_READ, list_versions}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"PutBundleChunk", sizeof(upload_piece), {{OW_LOOP, put_chunk}}},
    {"GetBlobChunk", 0, {{OW_POOL, get_chunk}}},
    {"WatchRoutes", sizeof(watcher), {{OW_LOOP, watch}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
