#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"
#include "core/split/split.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "name, target, second_target, second_weight, is_public, split, previous, updated_us, etag,"    \
    " kept_revision"

typedef struct alias_row {
    const char *name, *split, *previous;
    const char *kept; // revision whose triggers stay in force; "": of where it leads
    alias_aim aim;
    int64_t updated_us, etag;
    bool is_public;
} alias_row;

static alias_row read_alias(tx *t, ow_rows *rows) {
    return (alias_row){
        .name = row_text(t, rows, 0),
        .aim = {row_text(t, rows, 1), row_text(t, rows, 2), ow_rows_int(rows, 3)},
        .is_public = ow_rows_int(rows, 4) != 0,
        .split = row_text(t, rows, 5),
        .previous = row_text(t, rows, 6),
        .updated_us = ow_rows_int(rows, 7),
        .etag = ow_rows_int(rows, 8),
        .kept = row_text(t, rows, 9),
    };
}

static ow_code find_alias(tx *t, const char *server, const char *name, alias_row *ret_row) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT " COLUMNS " FROM aliases WHERE title_id = $1"
                               " AND virtual_server = $2 AND name = $3",
                               "ttt", t->title, server, name);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_alias", "\"%s\" has no alias \"%.60s\"", server,
                       name);
    }
    *ret_row = read_alias(t, rows);
    ow_rows_close(rows);
    return OW_OK;
}

// ---- the message ----

static alias_target_msg *target_msg(tx *t, const char *version, int64_t weight) {
    alias_target_msg *target = MESSAGE_IN(t->arena, alias_target);
    if (target == NULL) {
        t->out_of_memory = true;
        return NULL;
    }
    target->version = (char *)(uintptr_t)version;
    target->weight = (int32_t)weight;
    return target;
}

static void fill_alias(tx *t, const alias_row *row, alias_msg *ret_alias) {
    const alias_aim *aim = &row->aim;
    bool splits = aim->second[0] != 0;
    int64_t rest = (int64_t)OW_SPLIT_WHOLE - aim->second_weight;
    ret_alias->name = (char *)(uintptr_t)row->name;
    ret_alias->targets = ow_arena_calloc(t->arena, 2, sizeof *ret_alias->targets);
    if (ret_alias->targets == NULL) {
        t->out_of_memory = true;
        return;
    }
    ret_alias->targets[0] = target_msg(t, aim->target, rest);
    ret_alias->targets[1] = splits ? target_msg(t, aim->second, aim->second_weight) : NULL;
    ret_alias->n_targets = t->out_of_memory ? 0 : splits ? 2 : 1;
    ret_alias->is_public = row->is_public;
    ret_alias->split = (char *)(uintptr_t)row->split;
    ret_alias->previous = (char *)(uintptr_t)row->previous;
    ret_alias->updated_at = timestamp_in(t->arena, row->updated_us);
    ret_alias->etag =
        (char *)(uintptr_t)kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)row->etag));
}

ow_code store_aliases_list(tx *t, const char *server, server_msg *ret_server) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT " COLUMNS " FROM aliases"
                               " WHERE title_id = $1 AND virtual_server = $2 ORDER BY name",
                               "tt", t->title, server);
    void **list = NULL;
    size_t count = 0;
    size_t room = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        alias_msg *alias = MESSAGE_IN(t->arena, alias);
        list = grown(t, list, count, &room);
        if (alias == NULL || list == NULL) {
            t->out_of_memory = true;
            break;
        }
        alias_row row = read_alias(t, rows);
        fill_alias(t, &row, alias);
        list[count++] = alias;
    }
    ret_server->aliases = (alias_msg **)list;
    ret_server->n_aliases = count;
    return code != OW_OK ? code : tx_end(t);
}

// ---- checks ----

static ow_code check_version(tx *t, const char *server, const char *target) {
    ow_rows *rows = NULL;
    bool found = false;
    if (target[0] == 0 || strcmp(target, LATEST) == 0) {
        return OW_OK;
    }
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT version FROM revisions WHERE title_id = $1"
                               " AND virtual_server = $2 AND version = $3",
                               "tti", t->title, server, (int64_t)strtoll(target, NULL, 10));
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    if (!found) {
        return ow_fail(t->err, OW_NOT_FOUND, "no_version", "\"%s\" has no version %s", server,
                       target);
    }
    ow_rows_close(rows);
    return OW_OK;
}

static ow_code check_aim(tx *t, const char *server, const alias_aim *aim) {
    ow_code code = check_version(t, server, aim->target);
    return code == OW_OK ? check_version(t, server, aim->second) : code;
}

static ow_code check_room(tx *t, const char *server) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT count(*) FROM aliases WHERE title_id = $1"
                               " AND virtual_server = $2",
                               "tt", t->title, server);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code != OW_OK) {
        return code;
    }
    int64_t count = ow_rows_int(rows, 0);
    ow_rows_close(rows);
    return count < MAX_ALIASES_OF_SERVER
               ? OW_OK
               : ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "too_many_aliases",
                         "a virtual server has at most %d aliases", MAX_ALIASES_OF_SERVER);
}

static ow_code find_both(tx *t, const char *server, const char *name, server_row *ret_server,
                         alias_row *ret_alias) {
    ow_code code = store_server_find(t, server, ret_server);
    return code == OW_OK ? find_alias(t, server, name, ret_alias) : code;
}

static ow_code check_alias_etag(tx *t, const alias_row *row, const char *etag) {
    if (etag[0] != 0 && strtoll(etag, NULL, 10) != row->etag) {
        return ow_fail(t->err, OW_ABORTED, "stale_etag",
                       "somebody else changed the alias \"%s\": read it again", row->name);
    }
    return OW_OK;
}

// ---- changes ----

static const char *alias_state(tx *t, const alias_row *row) {
    return ow_audit_state_in(
        t->arena, "tttt", "targets", kept_text(t, describe_aim(&row->aim, t->arena)), "split",
        row->split, "visibility", row->is_public ? "public" : "private", "previous", row->previous);
}

// `before` and `after` are made by alias_state; "" when there was, or is, none.
static ow_code audit_alias(tx *t, const char *action, const char *server, const char *name,
                           const char *before, const char *after) {
    const char *subject = kept_text(t, ow_arena_printf_in(t->arena, "%s/%s", server, name));
    ow_code code = store_audit(t, action, subject, before, after);
    bool leads = code == OW_OK && after[0] != '\0';
    return leads ? store_announce_deployed(t, server, name, "") : code;
}

static ow_code save_alias(tx *t, const char *server, const alias_row *row) {
    return ow_db_exec(t->db, NULL, t->err,
                      "UPDATE aliases SET target = $1, second_target = $2, second_weight = $3,"
                      " is_public = $4, split = $5, previous = $6, updated_us = $7, etag = $8,"
                      " kept_revision = $9"
                      " WHERE title_id = $10 AND virtual_server = $11 AND name = $12",
                      "ttiittiitttt", row->aim.target, row->aim.second, row->aim.second_weight,
                      (int64_t)row->is_public, row->split, row->previous, row->updated_us,
                      row->etag, row->kept, t->title, server, row->name);
}

// The triggers in force go where the alias goes, unless they are kept.
static ow_code keep_triggers(tx *t, const char *server, bool keep, alias_row *row) {
    revision_msg *r = NULL;
    if (!keep || row->kept[0] != 0) {
        row->kept = keep ? row->kept : "";
        return OW_OK;
    }
    bool second = row->aim.second[0] != 0 && row->aim.second_weight > OW_SPLIT_WHOLE / 2;
    ow_code code = store_revision_named(t, server, second ? row->aim.second : row->aim.target, &r);
    row->kept = code == OW_OK ? r->revision_id : "";
    return code;
}

static void aim_at(tx *t, alias_row *row, const alias_aim *aim) {
    row->previous = previous_after(&row->aim, aim, row->previous);
    row->aim = *aim;
    row->updated_us = t->now_us;
    row->etag++;
}

static ow_code save_change(tx *t, const char *action, const server_row *server, const char *before,
                           const alias_row *row) {
    ow_code code = save_alias(t, server->name, row);
    if (code == OW_OK) {
        code = audit_alias(t, action, server->name, row->name, before, alias_state(t, row));
    }
    return code == OW_OK ? touch_server(t, server) : code;
}

ow_code move_default(tx *t, const char *server, int64_t version, bool *ret_changed) {
    alias_row row;
    alias_aim aim = {kept_text(t, ow_arena_printf_in(t->arena, "%lld", (long long)version)), "", 0};
    ow_code code = find_alias(t, server, DEFAULT_ALIAS, &row);
    if (code != OW_OK || same_aim(&row.aim, &aim)) {
        return code;
    }
    const char *before = alias_state(t, &row);
    aim_at(t, &row, &aim);
    row.kept = "";
    *ret_changed = true;
    code = save_alias(t, server, &row);
    return code == OW_OK
               ? audit_alias(t, "alias.move", server, row.name, before, alias_state(t, &row))
               : code;
}

ow_code store_alias_create(tx *t, const create_alias_request *request, const alias_aim *aim,
                           alias_msg *ret_alias) {
    server_row server;
    ow_code code = store_server_find(t, request->virtual_server, &server);
    if (code == OW_OK) {
        code = check_aim(t, server.name, aim);
    }
    if (code == OW_OK) {
        code = check_room(t, server.name);
    }
    if (code != OW_OK) {
        return code;
    }
    alias_row row = {
        .name = request->name,
        .split = request->split[0] != 0 ? request->split : SPLIT_BY_KEY,
        .previous = "",
        .kept = "",
        .aim = *aim,
        .updated_us = t->now_us,
        .etag = 1,
        .is_public = request->is_public,
    };
    code = ow_db_exec(t->db, NULL, t->err,
                      "INSERT INTO aliases (title_id, virtual_server, name, target, is_public)"
                      " VALUES ($1, $2, $3, $4, 0)",
                      "tttt", t->title, server.name, row.name, row.aim.target);
    if (code == OW_ALREADY_EXISTS) {
        return ow_fail(t->err, OW_ALREADY_EXISTS, "name_taken",
                       "\"%s\" has an alias \"%s\" already", server.name, row.name);
    }
    if (code == OW_OK) {
        code = save_change(t, "alias.create", &server, "", &row);
    }
    if (code != OW_OK) {
        return code;
    }
    fill_alias(t, &row, ret_alias);
    return tx_end(t);
}

static void take_settings(alias_row *row, const update_alias_request *request) {
    if (request->split[0] != 0) {
        row->split = request->split;
    }
    if (request->visibility[0] != 0) {
        row->is_public = strcmp(request->visibility, "public") == 0;
    }
}

ow_code store_alias_update(tx *t, const update_alias_request *request, const alias_aim *aim,
                           alias_msg *ret_alias) {
    server_row server;
    alias_row row;
    ow_code code = find_both(t, request->virtual_server, request->name, &server, &row);
    if (code == OW_OK) {
        code = check_alias_etag(t, &row, request->etag);
    }
    if (code == OW_OK && aim != NULL) {
        code = check_aim(t, server.name, aim);
    }
    if (code == OW_OK && aim != NULL) {
        code = keep_triggers(t, server.name, request->keep_triggers, &row);
    }
    if (code != OW_OK) {
        return code;
    }
    const char *before = alias_state(t, &row);
    take_settings(&row, request);
    alias_aim same = row.aim;
    aim_at(t, &row, aim != NULL ? aim : &same);
    code = save_change(t, "alias.move", &server, before, &row);
    if (code != OW_OK) {
        return code;
    }
    fill_alias(t, &row, ret_alias);
    return tx_end(t);
}

ow_code store_alias_rollback(tx *t, const rollback_alias_request *request, alias_msg *ret_alias) {
    server_row server;
    alias_row row;
    ow_code code = find_both(t, request->virtual_server, request->name, &server, &row);
    if (code == OW_OK) {
        code = check_alias_etag(t, &row, request->etag);
    }
    if (code != OW_OK) {
        return code;
    }
    const char *settled = settled_on(&row.aim);
    if (row.previous[0] == 0 || (settled != NULL && strcmp(row.previous, settled) == 0)) {
        return ow_fail(t->err, OW_FAILED_PRECONDITION, "no_previous",
                       "the alias \"%s\" was nowhere else before", row.name);
    }
    alias_aim back = {row.previous, "", 0};
    code = check_aim(t, server.name, &back);
    if (code == OW_OK) {
        code = keep_triggers(t, server.name, request->keep_triggers, &row);
    }
    if (code != OW_OK) {
        return code;
    }
    const char *before = alias_state(t, &row);
    aim_at(t, &row, &back);
    code = save_change(t, "alias.rollback", &server, before, &row);
    if (code != OW_OK) {
        return code;
    }
    fill_alias(t, &row, ret_alias);
    return tx_end(t);
}

ow_code store_alias_delete(tx *t, const delete_alias_request *request) {
    server_row server;
    alias_row row;
    ow_code code = find_both(t, request->virtual_server, request->name, &server, &row);
    if (code == OW_OK) {
        code = check_alias_etag(t, &row, request->etag);
    }
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "DELETE FROM aliases WHERE title_id = $1 AND virtual_server = $2"
                          " AND name = $3",
                          "ttt", t->title, server.name, row.name);
    }
    // A later alias of that name is another one.
    if (code == OW_OK) {
        code = ow_db_exec(t->db, NULL, t->err,
                          "DELETE FROM route_switches WHERE title_id = $1"
                          " AND virtual_server = $2 AND alias = $3",
                          "ttt", t->title, server.name, row.name);
    }
    if (code == OW_OK) {
        code = audit_alias(t, "alias.delete", server.name, row.name, alias_state(t, &row), "");
    }
    if (code == OW_OK) {
        code = touch_server(t, &server);
    }
    return code != OW_OK ? code : tx_end(t);
}
