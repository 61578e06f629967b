#include "services/registry/registry_logic.h"
#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include <stdlib.h>
#include <string.h>

enum {
    CHANGES_AT_ONCE = 64,            // rows of each kind in one read
    BYTES_AT_ONCE = MAX_ROUTE_BYTES, // routes of one read; one virtual server may go beyond
};

// A virtual server whose routes are being put together.
typedef struct gathering {
    server_routes *routes;
    void **revisions, **aliases;
    size_t revision_room, alias_room;
    const char *latest;
} gathering;

static ow_code gather_revisions(tx *t, gathering *g) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT revision_id, version, body FROM revisions"
                               " WHERE title_id = $1 AND virtual_server = $2"
                               " ORDER BY version, revision_id",
                               "tt", g->routes->title_id, g->routes->name);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        size_t size = 0;
        const void *bytes = ow_rows_blob(rows, 2, &size);
        route_revision_msg *r = message_unpack_in(
            t->arena, &overworld__registry__v1__route_revision__descriptor, bytes, size);
        g->revisions = grown(t, g->revisions, g->routes->n_revisions, &g->revision_room);
        if (r == NULL || g->revisions == NULL) {
            t->out_of_memory = true;
            break;
        }
        r->revision_id = (char *)(uintptr_t)row_text(t, rows, 0);
        r->version = ow_rows_int(rows, 1);
        g->revisions[g->routes->n_revisions++] = r;
    }
    g->routes->revisions = (route_revision_msg **)g->revisions;
    return code != OW_OK ? code : tx_end(t);
}

// The revision that an alias's target means; "" while there is none.
static const char *revision_of_target(const gathering *g, const char *target) {
    if (strcmp(target, LATEST) == 0) {
        return g->latest;
    }
    int64_t version = strtoll(target, NULL, 10);
    for (size_t i = 0; i < g->routes->n_revisions; i++) {
        if (g->routes->revisions[i]->version == version) {
            return g->routes->revisions[i]->revision_id;
        }
    }
    return "";
}

// Columns: name, target, second_target, second_weight, is_public, split. False when it leads nowhere
// or did not fit.
static bool read_route_alias(tx *t, const gathering *g, ow_rows *rows, route_alias_msg *alias) {
    const char *revision = revision_of_target(g, ow_rows_text(rows, 1));
    const char *second = ow_rows_text(rows, 2);
    alias->name = (char *)(uintptr_t)row_text(t, rows, 0);
    alias->revision_id = (char *)(uintptr_t)revision;
    alias->is_public = ow_rows_int(rows, 4) != 0;
    if (second[0] != 0) {
        alias->newer_revision_id = (char *)(uintptr_t)revision_of_target(g, second);
        alias->newer_weight = (int32_t)ow_rows_int(rows, 3);
        alias->random = strcmp(ow_rows_text(rows, 5), SPLIT_RANDOM) == 0;
    }
    return revision[0] != 0;
}

static ow_code gather_aliases(tx *t, gathering *g) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT name, target, second_target, second_weight, is_public, split"
                               " FROM aliases WHERE title_id = $1 AND virtual_server = $2"
                               " ORDER BY name",
                               "tt", g->routes->title_id, g->routes->name);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        route_alias_msg *alias = MESSAGE_IN(t->arena, route_alias);
        g->aliases = grown(t, g->aliases, g->routes->n_aliases, &g->alias_room);
        if (alias == NULL || g->aliases == NULL) {
            t->out_of_memory = true;
            break;
        }
        if (read_route_alias(t, g, rows, alias)) {
            g->aliases[g->routes->n_aliases++] = alias;
        }
    }
    g->routes->aliases = (route_alias_msg **)g->aliases;
    return code != OW_OK ? code : tx_end(t);
}

static ow_code keep_change(tx *t, stored_changes *list, const route_change *change) {
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        stored_change *bigger = ow_arena_calloc(t->arena, room, sizeof *bigger);
        if (bigger == NULL) {
            t->out_of_memory = true;
            return tx_end(t);
        }
        if (list->count > 0) {
            memcpy(bigger, list->changes, list->count * sizeof *bigger);
        }
        list->changes = bigger;
        list->room = room;
    }
    stored_change *kept = &list->changes[list->count];
    kept->sequence = change->sequence;
    kept->bytes = message_pack_in(t->arena, change, &kept->size);
    if (kept->bytes == NULL) {
        t->out_of_memory = true;
        return tx_end(t);
    }
    list->count++;
    return OW_OK;
}

typedef struct changed_server {
    const char *title, *name, *runtime, *latest;
    int64_t seq, secrets_seq;
} changed_server;

// The HTTP routes that are in force travel with the names that they are reached by.
static ow_code gather_routes(tx *t, const changed_server *s, server_routes *routes) {
    triggers_msg *triggers = NULL;
    const char *before = t->title;
    t->title = s->title;
    ow_code code = store_triggers_in_force(t, s->name, &triggers);
    code = code == OW_OK ? store_routes_switch(t, s->name, triggers) : code;
    t->title = before;
    if (code == OW_OK && triggers != NULL) {
        routes->routes = triggers->routes;
        routes->n_routes = triggers->n_routes;
    }
    return code;
}

static ow_code keep_server(tx *t, stored_changes *list, const changed_server *s) {
    server_routes *routes = MESSAGE_IN(t->arena, virtual_server_routes);
    if (routes == NULL) {
        t->out_of_memory = true;
        return tx_end(t);
    }
    routes->title_id = (char *)(uintptr_t)s->title;
    routes->name = (char *)(uintptr_t)s->name;
    routes->runtime = (char *)(uintptr_t)s->runtime;
    routes->latest_revision_id = (char *)(uintptr_t)s->latest;
    routes->secrets_sequence = s->secrets_seq;
    gathering g = {.routes = routes, .latest = s->latest};
    ow_code code = gather_revisions(t, &g);
    if (code == OW_OK) {
        code = gather_aliases(t, &g);
    }
    if (code == OW_OK) {
        code = gather_routes(t, s, routes);
    }
    if (code != OW_OK) {
        return code;
    }
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.sequence = s->seq;
    change.upsert = routes;
    return keep_change(t, list, &change);
}

static ow_code add_servers(tx *t, int64_t after, int64_t *limit, stored_changes *list) {
    changed_server found[CHANGES_AT_ONCE];
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(t->db, &rows, t->err,
                    "SELECT title_id, name, runtime, latest_revision, route_seq, secrets_seq"
                    " FROM virtual_servers WHERE route_seq > $1 AND route_seq <= $2"
                    " ORDER BY route_seq LIMIT $3",
                    "iii", after, *limit, (int64_t)CHANGES_AT_ONCE);
    int count = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        found[count++] = (changed_server){
            row_text(t, rows, 0), row_text(t, rows, 1), row_text(t, rows, 2),
            row_text(t, rows, 3), ow_rows_int(rows, 4), ow_rows_int(rows, 5),
        };
    }
    size_t bytes = 0;
    for (int i = 0; code == OW_OK && i < count; i++) {
        code = keep_server(t, list, &found[i]);
        bytes += code == OW_OK ? list->changes[list->count - 1].size : 0;
        if (bytes > BYTES_AT_ONCE || i + 1 == CHANGES_AT_ONCE) {
            *limit = found[i].seq;
            list->more = true;
            break;
        }
    }
    return code;
}

static ow_code add_titles(tx *t, int64_t after, int64_t *limit, stored_changes *list) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT title_id, name, route_seq FROM titles"
                               " WHERE route_seq > $1 AND route_seq <= $2"
                               " ORDER BY route_seq LIMIT $3",
                               "iii", after, *limit, (int64_t)CHANGES_AT_ONCE);
    int count = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
        change.title_id = (char *)(uintptr_t)row_text(t, rows, 0);
        change.title_name = (char *)(uintptr_t)row_text(t, rows, 1);
        change.sequence = ow_rows_int(rows, 2);
        code = keep_change(t, list, &change);
        if (++count == CHANGES_AT_ONCE) {
            *limit = change.sequence;
            list->more = true;
        }
    }
    return code;
}

static ow_code add_removals(tx *t, int64_t after, int64_t *limit, stored_changes *list) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT title_id, name, seq FROM route_removals"
                               " WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
                               "iii", after, *limit, (int64_t)CHANGES_AT_ONCE);
    int count = 0;
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
        change.removed_title_id = (char *)(uintptr_t)row_text(t, rows, 0);
        change.removed_name = (char *)(uintptr_t)row_text(t, rows, 1);
        change.sequence = ow_rows_int(rows, 2);
        code = keep_change(t, list, &change);
        if (++count == CHANGES_AT_ONCE) {
            *limit = change.sequence;
            list->more = true;
        }
    }
    return code;
}

static ow_code read_counter(tx *t, int64_t *ret_value) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code =
        ow_db_query(t->db, &rows, t->err, "SELECT value FROM counters WHERE name = 'route'", "");
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, t->err);
    }
    if (code == OW_OK && found) {
        *ret_value = ow_rows_int(rows, 0);
        ow_rows_close(rows);
    }
    return code;
}

static int by_sequence(const void *left, const void *right) {
    int64_t a = ((const stored_change *)left)->sequence;
    int64_t b = ((const stored_change *)right)->sequence;
    return a < b ? -1 : a > b;
}

ow_code store_changes_since(tx *t, int64_t after, stored_changes *ret_changes) {
    stored_changes list = {0};
    int64_t limit = after;
    ow_code code = read_counter(t, &limit);
    // A kind that has more than fits lowers the limit; what an earlier kind found beyond it is cut.
    if (code == OW_OK) {
        code = add_servers(t, after, &limit, &list);
    }
    if (code == OW_OK) {
        code = add_titles(t, after, &limit, &list);
    }
    if (code == OW_OK) {
        code = add_removals(t, after, &limit, &list);
    }
    if (code != OW_OK) {
        return code;
    }
    if (list.count > 0) {
        qsort(list.changes, list.count, sizeof *list.changes, by_sequence);
    }
    while (list.count > 0 && list.changes[list.count - 1].sequence > limit) {
        list.count--;
    }
    list.last = limit;
    *ret_changes = list;
    return tx_end(t);
}
