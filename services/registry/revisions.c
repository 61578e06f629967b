#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"

#include <stdlib.h>
#include <string.h>

// Columns: revision_id, version, created_us, created_by, description, bundle_sha256, body, triggers.
static revision_msg *read_revision(tx *t, ow_rows *rows) {
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 6, &size);
    const route_revision_msg *body = message_unpack_in(
        t->arena, &overworld__registry__v1__route_revision__descriptor, bytes, size);
    revision_msg *r = MESSAGE_IN(t->arena, revision);
    if (body == NULL || r == NULL) {
        t->out_of_memory = true;
        return NULL;
    }
    r->revision_id = (char *)(uintptr_t)row_text(t, rows, 0);
    r->version = ow_rows_int(rows, 1);
    r->created_at = timestamp_in(t->arena, ow_rows_int(rows, 2));
    r->created_by = (char *)(uintptr_t)row_text(t, rows, 3);
    r->description = (char *)(uintptr_t)row_text(t, rows, 4);
    r->bundle_sha256 = (char *)(uintptr_t)row_text(t, rows, 5);
    r->n_functions = body->n_functions;
    r->functions = body->functions;
    r->n_env = body->n_env;
    const void *triggers = ow_rows_blob(rows, 7, &size);
    r->triggers =
        triggers != NULL
            ? message_unpack_in(t->arena, &overworld__api__triggers__descriptor, triggers, size)
            : NULL;
    r->env = body->env;
    r->fetch = body->fetch;
    return r;
}

// *ret_revision NULL when there is none.
static ow_code look_up(tx *t, const char *server, const char *revision_id,
                       revision_msg **ret_revision) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT revision_id, version, created_us, created_by, description,"
                               " bundle_sha256, body, triggers FROM revisions"
                               " WHERE title_id = $1 AND virtual_server = $2 AND revision_id = $3",
                               "ttt", t->title, server, revision_id);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    *ret_revision = NULL;
    if (found) {
        *ret_revision = read_revision(t, rows);
        ow_rows_close(rows);
    }
    return tx_end(t);
}

ow_code store_revision_find(tx *t, const char *server, const char *revision_id,
                            revision_msg **ret_revision) {
    revision_msg *r = NULL;
    ow_code code = look_up(t, server, revision_id, &r);
    if (code == OW_OK && r == NULL) {
        return ow_fail(t->err, OW_DATA_LOSS, "no_revision", "the revision %s of %s is missing",
                       revision_id, server);
    }
    if (code == OW_OK) {
        *ret_revision = r;
    }
    return code;
}

// "" when there is none.
static ow_code id_of_version(tx *t, const char *server, const char *version, const char **ret_id) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT revision_id FROM revisions WHERE title_id = $1"
                               " AND virtual_server = $2 AND version = $3 AND version > 0",
                               "tti", t->title, server, (int64_t)strtoll(version, NULL, 10));
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    *ret_id = "";
    if (code == OW_OK && found) {
        *ret_id = row_text(t, rows, 0);
        ow_rows_close(rows);
    }
    return code;
}

ow_code store_revision_named(tx *t, const char *server, const char *version,
                             revision_msg **ret_revision) {
    server_row row;
    ow_code code = store_server_find(t, server, &row);
    if (code != OW_OK) {
        return code;
    }
    const char *id = row.latest_revision;
    if (strcmp(version, LATEST) != 0) {
        code = id_of_version(t, row.name, version, &id);
    }
    if (code == OW_OK && id[0] == 0) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_version", "\"%s\" has no version %.24s", row.name,
                       version);
    }
    return code == OW_OK ? store_revision_find(t, row.name, id, ret_revision) : code;
}

static ow_code insert_revision(tx *t, const deployment *d) {
    return ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO revisions (title_id, virtual_server, revision_id, version,"
                      " created_us, created_by, description, bundle_sha256, body, triggers)"
                      " VALUES ($1, $2, $3, 0, $4, $5, $6, $7, $8, $9)",
                      "tttitttbb", t->title, d->server, d->revision_id, t->now_us, t->principal,
                      d->description, d->bundle_sha256, d->body, d->body_size, d->triggers,
                      d->triggers_size);
}

// What was $LATEST and never got a number is reached by nothing any more.
static ow_code drop_unpublished(tx *t, const char *server, const char *revision_id) {
    return ow_db_exec(t->db, NULL, t->err,
                      "DELETE FROM revisions WHERE title_id = $1 AND virtual_server = $2"
                      " AND revision_id = $3 AND version = 0",
                      "ttt", t->title, server, revision_id);
}

ow_code touch_server(tx *t, const server_row *row) {
    int64_t seq = 0;
    ow_code code = store_next_route(t, &seq);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(t->db, NULL, t->err,
                      "UPDATE virtual_servers SET latest_revision = $1, latest_version = $2,"
                      " updated_us = $3, etag = etag + 1, route_seq = $4"
                      " WHERE title_id = $5 AND name = $6",
                      "tiiitt", row->latest_revision, row->latest_version, t->now_us, seq, t->title,
                      row->name);
}

// Every version is in the routes of its virtual server, which have to fit one message.
static ow_code check_version_room(tx *t, const char *server) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT CAST(coalesce(sum(length(body)), 0) AS BIGINT) FROM revisions"
                    " WHERE title_id = $1 AND virtual_server = $2",
                    "tt", t->title, server);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    int64_t size = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return size < MAX_ROUTE_BYTES
               ? OW_OK
               : ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "too_many_versions",
                         "the versions of \"%s\" describe more than %d MB of functions and files",
                         server, MAX_ROUTE_BYTES >> 20);
}

static ow_code number_revision(tx *t, server_row *row, revision_msg *r, const char *description) {
    ow_code code = check_version_room(t, row->name);
    if (code != OW_OK) {
        return code;
    }
    row->latest_version++;
    r->version = row->latest_version;
    if (description[0] != 0) {
        r->description = (char *)(uintptr_t)description;
    }
    return ow_db_exec(t->db, NULL, t->err,
                      "UPDATE revisions SET version = $1, description = $2"
                      " WHERE title_id = $3 AND virtual_server = $4 AND revision_id = $5",
                      "itttt", r->version, r->description, t->title, row->name, r->revision_id);
}

// Numbers `r` unless it has a number. *ret_changed is set when something changed, else left.
static ow_code publish(tx *t, server_row *row, revision_msg *r, const char *description,
                       bool *ret_changed) {
    if (r->version > 0) {
        return OW_OK;
    }
    int64_t before = row->latest_version;
    ow_code code = number_revision(t, row, r, description);
    if (code == OW_OK) {
        *ret_changed = true;
        code = store_audit(t, "virtual_server.publish", row->name,
                           ow_audit_state_in(t->arena, "i", "latest_version", before),
                           ow_audit_state_in(t->arena, "it", "latest_version", r->version,
                                             "revision", r->revision_id));
    }
    return code;
}

ow_code store_check_base(tx *t, const server_row *row, const char *based_on) {
    return based_on[0] == 0 || strcmp(row->latest_revision, based_on) == 0
               ? OW_OK
               : ow_fail(t->err, OW_ABORTED, "stale_etag",
                         "\"%s\" was deployed by somebody else meanwhile", row->name);
}

static ow_code find_or_create(tx *t, const deployment *d, server_row *ret_row) {
    ow_code code = store_server_find(t, d->server, ret_row);
    if (code == OW_NOT_FOUND && d->create) {
        code = store_server_create(t, d->server, d->runtime, "", ret_row);
    }
    code = code == OW_OK ? store_check_base(t, ret_row, d->based_on) : code;
    if (code == OW_OK && strcmp(ret_row->runtime, d->runtime) != 0) {
        return ow_fail(t->err, OW_FAILED_PRECONDITION, "runtime_differs",
                       "the virtual server \"%s\" runs \"%s\", the bundle is for \"%s\"", d->server,
                       ret_row->runtime, d->runtime);
    }
    return code;
}

// For who looks for a function: store_servers_list.
static ow_code keep_function_names(tx *t, const char *server, const revision_msg *r) {
    size_t size = 1;
    for (size_t i = 0; i < r->n_functions; i++) {
        size += strlen(r->functions[i]->name) + 1;
    }
    char *names = ow_arena_calloc(t->arena, size, 1);
    char *end = names;
    for (size_t i = 0; names != NULL && i < r->n_functions; i++) {
        end = stpcpy(end, r->functions[i]->name);
        *end++ = '\n';
    }
    t->out_of_memory = t->out_of_memory || names == NULL;
    return names == NULL ? tx_end(t)
                         : ow_db_exec(t->db, NULL, t->err,
                                      "UPDATE virtual_servers SET functions = $1"
                                      " WHERE title_id = $2 AND name = $3",
                                      "ttt", names, t->title, server);
}

// Makes the revision $LATEST: its row is there afterwards.
static ow_code make_latest(tx *t, const deployment *d, server_row *row, revision_msg **ret_r) {
    revision_msg *r = NULL;
    ow_code code = look_up(t, d->server, d->revision_id, &r);
    if (code == OW_OK && r == NULL) {
        code = insert_revision(t, d);
    }
    if (code == OW_OK && strcmp(row->latest_revision, d->revision_id) != 0) {
        code = drop_unpublished(t, d->server, row->latest_revision);
        row->latest_revision = d->revision_id;
    }
    code = code == OW_OK ? store_revision_find(t, d->server, d->revision_id, ret_r) : code;
    return code == OW_OK ? keep_function_names(t, d->server, *ret_r) : code;
}

static ow_code publish_and_move(tx *t, server_row *row, revision_msg *r, const char *description,
                                bool *ret_changed) {
    ow_code code = publish(t, row, r, description, ret_changed);
    return code == OW_OK ? move_default(t, row->name, r->version, ret_changed) : code;
}

static ow_code tell_deployed(tx *t, const deployment *d, const server_row *row) {
    ow_code code = store_audit(
        t, "virtual_server.deploy", d->server,
        ow_audit_state_in(t->arena, "t", "latest", row->latest_revision),
        ow_audit_state_in(t->arena, "tt", "latest", d->revision_id, "bundle", d->bundle_sha256));
    return code == OW_OK ? store_announce_deployed(t, d->server, "$LATEST", d->revision_id) : code;
}

ow_code store_deploy(tx *t, const deployment *d, deploy_response *reply) {
    server_row row;
    revision_msg *r = NULL;
    ow_code code = find_or_create(t, d, &row);
    if (code != OW_OK) {
        return code;
    }
    bool changed = strcmp(row.latest_revision, d->revision_id) != 0;
    reply->unchanged = !changed;
    if (changed) {
        code = tell_deployed(t, d, &row);
    }
    if (code == OW_OK) {
        code = make_latest(t, d, &row, &r);
    }
    if (code == OW_OK && d->publish) {
        code = publish_and_move(t, &row, r, d->description, &changed);
    }
    if (code == OW_OK && changed) {
        code = touch_server(t, &row);
    }
    if (code != OW_OK) {
        return code;
    }
    reply->built = true;
    reply->revision = r;
    return tx_end(t);
}

ow_code store_publish(tx *t, const publish_request *request, publish_response *reply) {
    server_row row;
    revision_msg *r = NULL;
    bool changed = false;
    ow_code code = store_server_find(t, request->virtual_server, &row);
    if (code != OW_OK) {
        return code;
    }
    if (row.latest_revision[0] == 0) {
        return ow_fail(t->err, OW_FAILED_PRECONDITION, "nothing_deployed",
                       "\"%s\" has no code yet: deploy first", request->virtual_server);
    }
    code = store_revision_find(t, row.name, row.latest_revision, &r);
    if (code == OW_OK) {
        code = publish(t, &row, r, request->description, &changed);
    }
    if (code == OW_OK && request->move_default) {
        code = move_default(t, row.name, r->version, &changed);
    }
    if (code == OW_OK && changed) {
        code = touch_server(t, &row);
    }
    if (code != OW_OK) {
        return code;
    }
    reply->revision = r;
    return tx_end(t);
}

ow_code store_versions_list(tx *t, const char *server, int64_t below, int limit,
                            list_versions_response *ret_page) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(
        t->db, &rows, t->err,
        "SELECT revision_id, version, created_us, created_by, description, bundle_sha256, body, triggers"
        " FROM revisions WHERE title_id = $1 AND virtual_server = $2 AND version > 0"
        " AND version < $3 ORDER BY version DESC LIMIT $4",
        "ttii", t->title, server, below == 0 ? INT64_MAX : below, (int64_t)limit + 1);
    void **list = NULL;
    size_t count = 0;
    size_t room = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        if (count == (size_t)limit) {
            int64_t last = ((revision_msg *)list[count - 1])->version;
            ret_page->next_page_token = (char *)(uintptr_t)kept_text(
                t, ow_arena_printf_in(t->arena, "%lld", (long long)last));
            ow_rows_close(rows);
            break;
        }
        list = grown(t, list, count, &room);
        revision_msg *r = list != NULL ? read_revision(t, rows) : NULL;
        if (r == NULL) {
            break;
        }
        list[count++] = r;
    }
    ret_page->versions = (revision_msg **)list;
    ret_page->n_versions = count;
    return code != OW_OK ? code : tx_end(t);
}

ow_code store_builds_find(tx *t, const char *key, known_build ret_builds[], int room,
                          int *ret_count) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT toolchain, code_sha256 FROM builds WHERE source_key = $1"
                               " ORDER BY created_us DESC LIMIT $2",
                               "ti", key, (int64_t)room);
    bool more = true;
    int count = 0;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        if (count < room) {
            ret_builds[count++] = (known_build){.toolchain = row_text(t, rows, 0),
                                                .code_sha256 = row_text(t, rows, 1)};
        }
    }
    *ret_count = count;
    return code != OW_OK ? code : tx_end(t);
}

ow_code store_build_keep(tx *t, const char *key, const known_build *build) {
    return ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO builds (source_key, toolchain, code_sha256, created_us)"
                      " VALUES ($1, $2, $3, $4) ON CONFLICT (source_key, toolchain) DO UPDATE SET"
                      " code_sha256 = excluded.code_sha256, created_us = excluded.created_us",
                      "ttti", key, build->toolchain, build->code_sha256, t->now_us);
}
