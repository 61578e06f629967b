#include "services/runner/routes.h"

#include <stdlib.h>
#include <string.h>

#include "core/split/split.h"
#include "services/runner/hash.h"

#define BUCKETS 1024u

bool routes_init(struct routes *routes) {
    *routes = (struct routes){.buckets = calloc(BUCKETS, sizeof *routes->buckets)};
    return routes->buckets != NULL;
}

static server_routes *free_state(server_routes *state) {
    if (state != NULL) {
        overworld__registry__v1__virtual_server_routes__free_unpacked(state, NULL);
    }
    return NULL;
}

static void free_entry(struct route_entry *entry) {
    for (int i = 0; i < ROUTES_KEEP_MAX; i++) {
        free_state(entry->states[i]);
    }
    free(entry->title_id);
    free(entry->name);
    free(entry);
}

void routes_deinit(struct routes *routes) {
    for (unsigned i = 0; routes->buckets != NULL && i < BUCKETS; i++) {
        while (routes->buckets[i] != NULL) {
            struct route_entry *next = routes->buckets[i]->next;
            free_entry(routes->buckets[i]);
            routes->buckets[i] = next;
        }
    }
    free(routes->buckets);
    routes->buckets = NULL;
}

static struct route_entry **place_of(const struct routes *routes, const char *title_id,
                                     const char *name) {
    uint64_t hash = hash_text(hash_text(HASH_START, title_id), name);
    struct route_entry **at = &routes->buckets[hash % BUCKETS];
    while (*at != NULL &&
           (strcmp((*at)->name, name) != 0 || strcmp((*at)->title_id, title_id) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static struct route_entry *make_entry(struct route_entry **place, const char *title_id,
                                      const char *name) {
    struct route_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    entry->title_id = strdup(title_id);
    entry->name = strdup(name);
    if (entry->title_id == NULL || entry->name == NULL) {
        free_entry(entry);
        return NULL;
    }
    *place = entry;
    return entry;
}

static server_routes *copy_state(const server_routes *state) {
    size_t size = overworld__registry__v1__virtual_server_routes__get_packed_size(state);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return NULL;
    }
    overworld__registry__v1__virtual_server_routes__pack(state, bytes);
    server_routes *copy = overworld__registry__v1__virtual_server_routes__unpack(NULL, size, bytes);
    free(bytes);
    return copy;
}

// `state` NULL: the virtual server is gone, what it was is kept for a while.
static void replace(struct route_entry *entry, server_routes *state, int64_t now_us) {
    const int last = ROUTES_KEEP_MAX - 1;
    if (state == NULL && entry->states[0] == NULL) {
        return;
    }
    if (entry->states[0] == NULL) { // came back: nothing to push down
        entry->states[0] = state;
        return;
    }
    free_state(entry->states[last]);
    memmove(&entry->states[1], &entry->states[0], (size_t)last * sizeof entry->states[0]);
    memmove(&entry->until_us[1], &entry->until_us[0], (size_t)last * sizeof entry->until_us[0]);
    entry->states[0] = state;
    entry->until_us[1] = now_us + ROUTES_KEEP_US;
}

static bool upsert(struct routes *routes, const server_routes *state, int64_t now_us) {
    struct route_entry **place = place_of(routes, state->title_id, state->name);
    struct route_entry *entry = *place;
    if (entry == NULL) {
        entry = make_entry(place, state->title_id, state->name);
    }
    server_routes *copy = entry != NULL ? copy_state(state) : NULL;
    if (copy == NULL) {
        return false;
    }
    entry->seen = true;
    replace(entry, copy, now_us);
    return true;
}

static void for_unseen(struct routes *routes, bool drop, int64_t now_us) {
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct route_entry *at = routes->buckets[i]; at != NULL; at = at->next) {
            if (drop && !at->seen) {
                replace(at, NULL, now_us);
            }
            if (!drop) {
                at->seen = false;
            }
        }
    }
}

void routes_sweep(struct routes *routes, int64_t now_us) {
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct route_entry **at = &routes->buckets[i];
        while (*at != NULL) {
            struct route_entry *entry = *at;
            bool any = entry->states[0] != NULL;
            for (int k = 1; k < ROUTES_KEEP_MAX; k++) {
                if (entry->states[k] != NULL && entry->until_us[k] <= now_us) {
                    entry->states[k] = free_state(entry->states[k]);
                }
                any = any || entry->states[k] != NULL;
            }
            if (any) {
                at = &entry->next;
            } else {
                *at = entry->next;
                free_entry(entry);
            }
        }
    }
}

bool routes_apply(struct routes *routes, const route_change *change, int64_t now_us) {
    if (change->reset) {
        routes->arriving = true;
        for_unseen(routes, false, now_us);
    }
    if (change->upsert != NULL && !upsert(routes, change->upsert, now_us)) {
        return false;
    }
    if (change->removed_name[0] != '\0') {
        struct route_entry *entry =
            *place_of(routes, change->removed_title_id, change->removed_name);
        if (entry != NULL) {
            replace(entry, NULL, now_us);
        }
    }
    if (change->complete) {
        for_unseen(routes, true, now_us);
        routes_sweep(routes, now_us);
        routes->arriving = false;
        routes->complete = true;
    }
    routes->sequence = change->sequence;
    return true;
}

const server_routes *routes_server(const struct routes *routes, const char *title_id,
                                   const char *name) {
    const struct route_entry *entry = *place_of(routes, title_id, name);
    return entry != NULL ? entry->states[0] : NULL;
}

static const char *of_version(const server_routes *server, const char *qualifier) {
    char *end = NULL;
    long long version = strtoll(qualifier, &end, 10);
    for (size_t i = 0; version > 0 && *end == '\0' && i < server->n_revisions; i++) {
        if (server->revisions[i]->version == version) {
            return server->revisions[i]->revision_id;
        }
    }
    return NULL;
}

static const char *pick_side(const route_alias *alias, const struct route_caller *caller) {
    if (alias->newer_revision_id[0] == '\0') {
        return alias->revision_id;
    }
    const char *key = caller->routing_key[0] != '\0' ? caller->routing_key : caller->player;
    if (alias->random || key[0] == '\0') {
        key = caller->request_id;
    }
    return ow_split_point(alias->newer_revision_id, key) < (unsigned)alias->newer_weight
               ? alias->newer_revision_id
               : alias->revision_id;
}

bool routes_may_name(const server_routes *server, const char *qualifier, ow_principal_kind kind) {
    if (kind == OW_OPERATOR || kind == OW_PLATFORM) {
        return true;
    }
    for (size_t i = 0; i < server->n_aliases; i++) {
        if (strcmp(server->aliases[i]->name, qualifier) == 0) {
            return kind == OW_SERVER || server->aliases[i]->is_public;
        }
    }
    return false;
}

const char *routes_resolve(const server_routes *server, const char *qualifier,
                           const struct route_caller *caller) {
    const char *wanted = qualifier[0] == '\0' ? "$DEFAULT" : qualifier;
    if (strcmp(wanted, "$LATEST") == 0) {
        return server->latest_revision_id[0] != '\0' ? server->latest_revision_id : NULL;
    }
    for (size_t i = 0; i < server->n_aliases; i++) {
        if (strcmp(server->aliases[i]->name, wanted) == 0) {
            return pick_side(server->aliases[i], caller);
        }
    }
    return of_version(server, wanted);
}

static const function_info *routes_function(const route_revision *revision, const char *function) {
    for (size_t i = 0; i < revision->n_functions; i++) {
        if (strcmp(revision->functions[i]->name, function) == 0) {
            return revision->functions[i];
        }
    }
    return NULL;
}

static const route_revision *revision_in(const server_routes *server, const char *revision_id) {
    for (size_t i = 0; i < server->n_revisions; i++) {
        if (strcmp(server->revisions[i]->revision_id, revision_id) == 0) {
            return server->revisions[i];
        }
    }
    return NULL;
}

// The newest state that knows the revision; NULL: none.
static const server_routes *state_of(const struct routes *routes, const struct route_key *key,
                                     int64_t now_us, bool *ret_current) {
    const struct route_entry *entry = *place_of(routes, key->title_id, key->virtual_server);
    for (int i = 0; entry != NULL && i < ROUTES_KEEP_MAX; i++) {
        const server_routes *state = entry->states[i];
        bool kept = state != NULL && (i == 0 || entry->until_us[i] > now_us);
        if (kept && revision_in(state, key->revision_id) != NULL) {
            *ret_current = i == 0;
            return state;
        }
    }
    return NULL;
}

bool routes_find(const struct routes *routes, const struct route_key *key, int64_t now_us,
                 struct route *ret_route) {
    bool current = false;
    const server_routes *server = state_of(routes, key, now_us, &current);
    const route_revision *revision = server != NULL ? revision_in(server, key->revision_id) : NULL;
    const function_info *function =
        revision != NULL ? routes_function(revision, key->function) : NULL;
    if (function == NULL) {
        return false;
    }
    *ret_route = (struct route){
        .server = server, .revision = revision, .function = function, .current = current};
    return true;
}

bool routes_know(const struct routes *routes, const struct route_key *key, int64_t now_us) {
    bool current = false;
    return state_of(routes, key, now_us, &current) != NULL;
}

bool routes_is_named(const server_routes *server, const char *revision_id) {
    if (strcmp(server->latest_revision_id, revision_id) == 0) {
        return true;
    }
    for (size_t i = 0; i < server->n_aliases; i++) {
        const route_alias *alias = server->aliases[i];
        if (strcmp(alias->revision_id, revision_id) == 0 ||
            strcmp(alias->newer_revision_id, revision_id) == 0) {
            return true;
        }
    }
    return false;
}
