// HTTP routes that are switched off or on by hand, over what the manifests declare.

#include "services/registry/registry_store.h"
#include "services/registry/store_rows.h"

#include "core/audit/audit.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_ALIAS "$DEFAULT"

typedef Overworld__Api__Route route_msg;

typedef struct route_switch {
    const char *alias, *name, *by; // `name` NULL: there is none
    bool disabled;
    int64_t at_us;
} route_switch;

static const char *alias_of(const char *alias) {
    return alias[0] != '\0' ? alias : DEFAULT_ALIAS;
}

static int compare(const route_msg *route, const char *alias, const char *name) {
    int order = strcmp(alias_of(route->alias), alias);
    return order != 0 ? order : strcmp(route->name, name);
}

static route_msg *find_route(const triggers_msg *in_force, const char *alias, const char *name) {
    for (size_t i = 0; i < in_force->n_routes; i++) {
        if (compare(in_force->routes[i], alias, name) == 0) {
            return in_force->routes[i];
        }
    }
    return NULL;
}

// ---- Reading ----

typedef struct route_switches {
    route_switch list[ROUTE_SWITCHES_MAX];
    size_t count;
} route_switches;

static ow_code read_switches(tx *t, const char *server, route_switches *ret_switches) {
    ow_rows *rows = NULL;
    bool more = true;
    size_t count = 0;
    ow_code code = ow_db_query(t->db, &rows, t->err,
                               "SELECT alias, name, switched_by, disabled, switched_us"
                               " FROM route_switches WHERE title_id = $1 AND virtual_server = $2"
                               " ORDER BY alias, name LIMIT $3",
                               "tti", t->title, server, (int64_t)ROUTE_SWITCHES_MAX);
    while (code == OW_OK && (code = ow_rows_next(rows, &more, t->err)) == OW_OK && more) {
        ret_switches->list[count++] = (route_switch){.alias = row_text(t, rows, 0),
                                                     .name = row_text(t, rows, 1),
                                                     .by = row_text(t, rows, 2),
                                                     .disabled = ow_rows_int(rows, 3) != 0,
                                                     .at_us = ow_rows_int(rows, 4)};
    }
    ret_switches->count = count;
    return code != OW_OK ? code : tx_end(t);
}

static route_switches *new_switches(tx *t) {
    route_switches *made = ow_arena_alloc(t->arena, sizeof *made);
    t->out_of_memory = t->out_of_memory || made == NULL;
    return made;
}

ow_code store_routes_switch(tx *t, const char *server, const triggers_msg *in_force) {
    route_switches *switches = in_force->n_routes > 0 ? new_switches(t) : NULL;
    ow_code code = switches != NULL ? read_switches(t, server, switches) : tx_end(t);
    for (size_t i = 0; switches != NULL && code == OW_OK && i < switches->count; i++) {
        const route_switch *s = &switches->list[i];
        route_msg *route = find_route(in_force, s->alias, s->name);
        if (route != NULL) {
            route->disabled = s->disabled;
        }
    }
    return code;
}

// ---- Showing ----

// What an etag stands for: how it is switched, and since when.
static char *etag_in(tx *t, const route_msg *route, const route_switch *s) {
    bool disabled = s != NULL ? s->disabled : route->disabled != 0;
    const char *text = kept_text(t, ow_arena_printf_in(t->arena, "%d.%lld", (int)disabled,
                                                       (long long)(s != NULL ? s->at_us : 0)));
    return (char *)(uintptr_t)text;
}

static void fill_state(tx *t, route_msg *route, const route_switch *s, route_state_msg *state) {
    state->declared = route;
    state->disabled = route->disabled;
    state->etag = etag_in(t, route, s);
    if (s != NULL) {
        state->disabled = s->disabled;
        state->switched_by = (char *)(uintptr_t)s->by;
        state->switched = timestamp_in(t->arena, s->at_us);
    }
}

static const route_switch *switch_of(const route_switches *switches, const route_msg *route) {
    for (size_t i = 0; i < switches->count; i++) {
        if (compare(route, switches->list[i].alias, switches->list[i].name) == 0) {
            return &switches->list[i];
        }
    }
    return NULL;
}

typedef struct shown_route {
    route_msg *route;
    bool undeclared;
} shown_route;

static int by_alias_and_name(const void *left, const void *right) {
    const shown_route *a = left, *b = right;
    return compare(a->route, alias_of(b->route->alias), b->route->name);
}

// Of a switch whose route is gone.
static route_msg *bare_route_in(tx *t, const route_switch *s) {
    route_msg *route = ow_arena_alloc(t->arena, sizeof *route);
    if (route == NULL) {
        t->out_of_memory = true;
        return NULL;
    }
    overworld__api__route__init(route);
    route->alias = (char *)(uintptr_t)s->alias;
    route->name = (char *)(uintptr_t)s->name;
    return route;
}

// Routes in force, and switches that outlived theirs: whoever wants to be rid of them has to see them.
static shown_route *all_in_order(tx *t, const triggers_msg *in_force,
                                 const route_switches *switches, size_t *ret_count) {
    size_t count = 0;
    shown_route *list =
        ow_arena_calloc(t->arena, in_force->n_routes + switches->count + 1, sizeof *list);
    for (size_t i = 0; list != NULL && i < in_force->n_routes; i++) {
        list[count++] = (shown_route){in_force->routes[i], false};
    }
    for (size_t i = 0; list != NULL && i < switches->count; i++) {
        const route_switch *s = &switches->list[i];
        if (find_route(in_force, s->alias, s->name) == NULL) {
            list[count] = (shown_route){bare_route_in(t, s), true};
            count += list[count].route != NULL ? 1 : 0;
        }
    }
    if (count > 0) {
        qsort(list, count, sizeof *list, by_alias_and_name);
    }
    t->out_of_memory = t->out_of_memory || list == NULL;
    *ret_count = count;
    return list;
}

static ow_code in_force_of(tx *t, const char *server, triggers_msg **ret_triggers) {
    server_row row;
    ow_code code = store_server_find(t, server, &row);
    return code == OW_OK ? store_triggers_in_force(t, server, ret_triggers) : code;
}

// Both sides of what is said of routes: what is declared, and what was switched by hand.
static ow_code read_both(tx *t, const char *server, triggers_msg **ret_in_force,
                         route_switches **ret_switches) {
    *ret_switches = new_switches(t);
    ow_code code = in_force_of(t, server, ret_in_force);
    code = code == OW_OK ? tx_end(t) : code;
    return code == OW_OK ? read_switches(t, server, *ret_switches) : code;
}

// A page token is "alias/name" of the last one; "" before the first. False: it is none.
static bool read_token(const tx *t, const char *token, const char **ret_alias,
                       const char **ret_name) {
    char *copy = ow_arena_strdup_in(t->arena, token);
    char *slash = copy != NULL ? strchr(copy, '/') : NULL;
    *ret_alias = *ret_name = "";
    if (slash != NULL) {
        *slash = '\0';
        *ret_alias = copy;
        *ret_name = slash + 1;
    }
    return slash != NULL || token[0] == '\0';
}

// How many come up to the one that the token names: nothing comes up to "".
static size_t count_passed(const shown_route *list, size_t count, const char *alias,
                           const char *name) {
    size_t passed = 0;
    while (passed < count && compare(list[passed].route, alias, name) <= 0) {
        passed++;
    }
    return passed;
}

static bool fill_page(tx *t, const shown_route *list, size_t count, const route_switches *switches,
                      list_routes_response *page) {
    page->routes = ow_arena_calloc(t->arena, count + 1, sizeof *page->routes);
    for (size_t i = 0; page->routes != NULL && i < count; i++) {
        page->routes[i] = MESSAGE_IN(t->arena, route_state);
        if (page->routes[i] == NULL) {
            return false;
        }
        fill_state(t, list[i].route, switch_of(switches, list[i].route), page->routes[i]);
        page->routes[i]->undeclared = list[i].undeclared;
        page->n_routes++;
    }
    return page->routes != NULL;
}

ow_code store_route_states(tx *t, const list_routes_request *request, int limit,
                           list_routes_response *ret_page) {
    triggers_msg *in_force = NULL;
    route_switches *switches = NULL;
    const char *alias, *name;
    if (!read_token(t, request->page_token, &alias, &name)) {
        return ow_fail(t->err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token is not one that was handed out");
    }
    ow_code code = read_both(t, request->virtual_server, &in_force, &switches);
    if (code != OW_OK) {
        return code;
    }
    size_t all = 0;
    const shown_route *list = all_in_order(t, in_force, switches, &all);
    size_t from = count_passed(list, all, alias, name);
    size_t count = all - from < (size_t)limit ? all - from : (size_t)limit;
    if (t->out_of_memory || !fill_page(t, list + from, count, switches, ret_page)) {
        t->out_of_memory = true;
        return tx_end(t);
    }
    if (from + count < all && count > 0) {
        const route_msg *last = list[from + count - 1].route;
        ret_page->next_page_token = (char *)(uintptr_t)kept_text(
            t, ow_arena_printf_in(t->arena, "%s/%s", alias_of(last->alias), last->name));
    }
    return tx_end(t);
}

// ---- Switching ----

static ow_code check_room(tx *t, const char *server) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(
        t->db, &rows, t->err,
        "SELECT count(*) FROM route_switches WHERE title_id = $1 AND virtual_server = $2", "tt",
        t->title, server);
    code = code == OW_OK ? ow_rows_next(rows, &found, t->err) : code;
    int64_t count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code == OW_OK && count >= ROUTE_SWITCHES_MAX
               ? ow_fail(t->err, OW_RESOURCE_EXHAUSTED, "too_many_switches",
                         "a virtual server has at most %d routes switched by hand",
                         ROUTE_SWITCHES_MAX)
               : code;
}

// One that is as declared needs no row.
static ow_code keep_switch(tx *t, const char *server, const route_msg *route,
                           const route_switch *s) {
    ow_code code = ow_db_exec(t->db, NULL, t->err,
                              "DELETE FROM route_switches WHERE title_id = $1"
                              " AND virtual_server = $2 AND alias = $3 AND name = $4",
                              "tttt", t->title, server, s->alias, s->name);
    if (code != OW_OK || s->disabled == (route->disabled != 0)) {
        return code;
    }
    code = check_room(t, server);
    return code == OW_OK
               ? ow_db_exec(t->db, NULL, t->err,
                            "INSERT INTO route_switches (title_id, virtual_server, alias, name,"
                            " disabled, switched_by, switched_us)"
                            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                            "ttttiti", t->title, server, s->alias, s->name, (int64_t)s->disabled,
                            s->by, s->at_us)
               : code;
}

// Tells gateways, and leaves a trace of who did it.
static ow_code after_switch(tx *t, const char *server, const route_switch *before,
                            const route_switch *after) {
    int64_t seq = 0;
    const char *object =
        kept_text(t, ow_arena_printf_in(t->arena, "%s/%s/%s", server, after->alias, after->name));
    ow_code code = store_audit(t, "route.switch", object,
                               ow_audit_state_in(t->arena, "b", "disabled", (int)before->disabled),
                               ow_audit_state_in(t->arena, "b", "disabled", (int)after->disabled));
    code = code == OW_OK ? store_next_route(t, &seq) : code;
    return code == OW_OK ? ow_db_exec(t->db, NULL, t->err,
                                      "UPDATE virtual_servers SET route_seq = $1"
                                      " WHERE title_id = $2 AND name = $3",
                                      "itt", seq, t->title, server)
                         : code;
}

// The route that is to be switched. One that is gone, only for its switch to be forgotten.
static ow_code find_switched(tx *t, const set_route_disabled_request *request,
                             const triggers_msg *in_force, const route_switches *switches,
                             route_msg **ret_route) {
    const char *alias = alias_of(request->alias);
    *ret_route = find_route(in_force, alias, request->name);
    for (size_t i = 0; *ret_route == NULL && !request->disabled && i < switches->count; i++) {
        const route_switch *s = &switches->list[i];
        if (strcmp(s->alias, alias) == 0 && strcmp(s->name, request->name) == 0) {
            *ret_route = bare_route_in(t, s);
        }
    }
    return *ret_route != NULL || t->out_of_memory
               ? tx_end(t)
               : ow_fail(t->err, OW_NOT_FOUND, "no_route",
                         "\"%s\" has no route \"%.60s\" for %.60s", request->virtual_server,
                         request->name, alias);
}

static ow_code check_switch_etag(tx *t, const char *etag, const route_msg *route,
                                 const route_switch *known) {
    return etag[0] != '\0' && strcmp(etag, etag_in(t, route, known)) != 0
               ? ow_fail(t->err, OW_ABORTED, "stale_etag",
                         "somebody else switched the route \"%.60s\": read it again", route->name)
               : tx_end(t);
}

ow_code store_route_set_disabled(tx *t, const set_route_disabled_request *request,
                                 route_state_msg *ret_state) {
    triggers_msg *in_force = NULL;
    route_msg *route = NULL;
    route_switch after = {alias_of(request->alias), request->name, t->principal,
                          request->disabled != 0, t->now_us};
    route_switches *switches = NULL;
    ow_code code = read_both(t, request->virtual_server, &in_force, &switches);
    code = code == OW_OK ? find_switched(t, request, in_force, switches, &route) : code;
    if (code != OW_OK) {
        return code;
    }
    const route_switch *known = switch_of(switches, route);
    route_switch before = {.disabled = known != NULL ? known->disabled : route->disabled != 0};
    code = check_switch_etag(t, request->etag, route, known);
    code = code == OW_OK ? keep_switch(t, request->virtual_server, route, &after) : code;
    code = code == OW_OK ? after_switch(t, request->virtual_server, &before, &after) : code;
    if (code == OW_OK) {
        bool differs = after.disabled != (route->disabled != 0);
        fill_state(t, route, differs ? &after : NULL, ret_state);
        ret_state->undeclared = find_route(in_force, after.alias, after.name) == NULL;
    }
    return code == OW_OK ? tx_end(t) : code;
}
