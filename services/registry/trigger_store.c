// The triggers in force, and who has been told.

#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"
#include "services/registry/triggers.h"

#include <string.h>

// Where an alias mostly leads: on a tie the older version counts.
#define HEAVIER                                                                                    \
    "CASE WHEN a.second_target <> '' AND a.second_weight > 5000 THEN a.second_target"              \
    " ELSE a.target END"

static ow_code add_declared(tx *t, ow_rows *rows, triggers_msg *all) {
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 1, &size);
    triggers_msg *declared =
        message_unpack_in(t->arena, &overworld__api__triggers__descriptor, bytes, size);
    if (declared == NULL || !ow_triggers_add(all, declared, row_text(t, rows, 0), t->arena)) {
        t->out_of_memory = true;
    }
    return tx_end(t);
}

ow_code store_triggers_in_force(tx *t, const char *server, triggers_msg **ret_triggers) {
    ow_rows *rows = NULL;
    bool more = true;
    triggers_msg *all = message_in(t->arena, &overworld__api__triggers__descriptor);
    if (all == NULL) {
        t->out_of_memory = true;
        return tx_end(t);
    }
    ow_code code = ow_db_query(
        t->db, &rows, t->err,
        "SELECT a.name, r.triggers FROM aliases a"
        " JOIN virtual_servers v ON v.title_id = a.title_id AND v.name = a.virtual_server"
        " JOIN revisions r ON r.title_id = a.title_id AND r.virtual_server = a.virtual_server"
        " WHERE a.title_id = $1 AND a.virtual_server = $2 AND r.triggers IS NOT NULL"
        " AND (r.revision_id = a.kept_revision OR (a.kept_revision = ''"
        " AND CASE WHEN " HEAVIER " = $3 THEN r.revision_id = v.latest_revision"
        " ELSE r.version > 0 AND CAST(r.version AS TEXT) = " HEAVIER " END))"
        " ORDER BY a.name",
        "ttt", t->title, server, "$LATEST");
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        code = add_declared(t, rows, all);
    }
    ow_rows_close(rows);
    *ret_triggers = all;
    return code;
}

// ---- Whom it is not yet applied for ----

static ow_code keep_pending(tx *t, ow_rows *rows, int room, pending_apply list[], int *count,
                            bool removed) {
    bool more = true;
    ow_code code = OW_OK;
    while (*count < room && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        list[(*count)++] = (pending_apply){.title = row_text(t, rows, 0),
                                           .server = row_text(t, rows, 1),
                                           .number = ow_rows_int(rows, 2),
                                           .removed = removed};
    }
    ow_rows_close(rows);
    return code == OW_OK ? tx_end(t) : code;
}

static ow_code fill(tx *t, pending_apply *p) {
    t->title = p->title;
    p->request = message_in(t->arena, &overworld__api__apply_triggers_request__descriptor);
    if (p->request == NULL) {
        t->out_of_memory = true;
        return tx_end(t);
    }
    p->request->virtual_server = (char *)(uintptr_t)p->server;
    p->request->deployment = p->number;
    p->request->removed = p->removed;
    return p->removed ? OW_OK : store_triggers_in_force(t, p->server, &p->request->triggers);
}

ow_code store_applies_pending(tx *t, int room, pending_apply ret_list[], int *ret_count) {
    ow_rows *rows = NULL;
    *ret_count = 0;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT v.title_id, v.name, v.route_seq FROM virtual_servers v"
                               " LEFT JOIN applied p ON p.title_id = v.title_id"
                               " AND p.virtual_server = v.name"
                               " WHERE p.number IS NULL OR p.number < v.route_seq"
                               " ORDER BY v.route_seq LIMIT $1",
                               "i", (int64_t)room);
    code = code == OW_OK ? keep_pending(t, rows, room, ret_list, ret_count, false) : code;
    rows = NULL;
    code = code == OW_OK ? ow_db_query(t->db, &rows, t->err,
                                       "SELECT p.title_id, p.virtual_server, c.value"
                                       " FROM applied p JOIN counters c ON c.name = 'route'"
                                       " LEFT JOIN virtual_servers v ON v.title_id = p.title_id"
                                       " AND v.name = p.virtual_server WHERE v.name IS NULL"
                                       " LIMIT $1",
                                       "i", (int64_t)room)
                         : code;
    code = code == OW_OK ? keep_pending(t, rows, room, ret_list, ret_count, true) : code;
    for (int i = 0; code == OW_OK && i < *ret_count; i++) {
        code = fill(t, &ret_list[i]);
    }
    return code;
}

ow_code store_apply_done(tx *t, const pending_apply *p) {
    return p->removed
               ? ow_db_exec(t->db, NULL, t->err,
                            "DELETE FROM applied WHERE title_id = $1 AND virtual_server = $2", "tt",
                            p->title, p->server)
               : ow_db_exec(t->db, NULL, t->err,
                            "INSERT INTO applied (title_id, virtual_server, number)"
                            " VALUES ($1, $2, $3) ON CONFLICT (title_id, virtual_server)"
                            " DO UPDATE SET number = excluded.number",
                            "tti", p->title, p->server, p->number);
}
