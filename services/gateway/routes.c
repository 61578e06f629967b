#include "services/gateway/routes.h"

#include "core/arena/arena.h"
#include "core/split/split.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64
#define ENTRY_MAX_BYTES (32 << 20) // registry sends at most 6 MB; small names take more room here

typedef struct route_alias {
    const char *name;
    bool is_public, random;
    const route_revision *revision;
    const route_revision *newer; // NULL: no split
    unsigned newer_weight;
} route_alias;

// One virtual server of one title, wholly in its own arena.
typedef struct entry {
    struct entry *next;
    ow_arena *arena;
    uint64_t hash;
    uint64_t generation; // of the table that mentioned it last
    const char *title_id;
    const char *name;
    const route_revision *latest;
    route_revision *revisions;
    size_t revision_count;
    route_alias *aliases;
    size_t alias_count;
    http_routes http;
} entry;

struct routes {
    entry **buckets;
    size_t bucket_count, count;
    uint64_t generation;
    bool complete;
};

routes *gateway_routes_new(void) {
    routes *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return NULL;
    }
    all->bucket_count = FIRST_BUCKETS;
    all->buckets = calloc(all->bucket_count, sizeof(entry *));
    if (all->buckets == NULL) {
        free(all);
        return NULL;
    }
    return all;
}

routes *gateway_routes_free(routes *all) {
    if (all == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < all->bucket_count; i++) {
        for (entry *each = all->buckets[i]; each != NULL;) {
            entry *next = each->next;
            ow_arena_free(each->arena);
            each = next;
        }
    }
    free(all->buckets);
    free(all);
    return NULL;
}

bool gateway_routes_are_complete(const routes *all) {
    return all->complete;
}

size_t gateway_routes_count(const routes *all) {
    return all->count;
}

// ---- the hash table ----

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static uint64_t hash_key(const char *title_id, const char *name) {
    return hash_text(hash_text(UINT64_C(0xcbf29ce484222325), title_id), name);
}

// The place of the pointer to the entry, or of the NULL where it would be.
static entry **find_place(const routes *all, const char *title_id, const char *name) {
    uint64_t hash = hash_key(title_id, name);
    entry **place = &all->buckets[hash % all->bucket_count];
    while (*place != NULL && ((*place)->hash != hash || strcmp((*place)->name, name) != 0 ||
                              strcmp((*place)->title_id, title_id) != 0)) {
        place = &(*place)->next;
    }
    return place;
}

static void remove_at(routes *all, entry **place) {
    entry *gone = *place;
    if (gone != NULL) {
        *place = gone->next;
        all->count--;
        ow_arena_free(gone->arena);
    }
}

// Without memory for more buckets the chains grow longer: slower, not wrong.
static void grow(routes *all) {
    if (all->count <= all->bucket_count) {
        return;
    }
    size_t count = all->bucket_count * 2;
    entry **buckets = calloc(count, sizeof(entry *));
    if (buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < all->bucket_count; i++) {
        for (entry *each = all->buckets[i]; each != NULL;) {
            entry *next = each->next;
            each->next = buckets[each->hash % count];
            buckets[each->hash % count] = each;
            each = next;
        }
    }
    free(all->buckets);
    all->buckets = buckets;
    all->bucket_count = count;
}

// ---- building an entry ----

static route_exposure read_exposure(const char *text) {
    if (strcmp(text, "client") == 0) {
        return EXPOSED_CLIENT;
    }
    return strcmp(text, "server") == 0 ? EXPOSED_SERVER : EXPOSED_INTERNAL;
}

static bool stands_in(const virtual_server_routes *all, const char *path) {
    for (size_t i = 0; i < all->n_routes; i++) {
        if (strcmp(all->routes[i]->fallback_file, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool build_files(ow_arena *arena, const virtual_server_routes *all,
                        const Overworld__Registry__V1__RouteRevision *from, route_revision *to) {
    route_file *files = ow_arena_calloc(arena, from->n_files + 1, sizeof *files);
    for (size_t i = 0; files != NULL && i < from->n_files; i++) {
        if (stands_in(all, from->files[i]->path)) {
            route_file *file = &files[to->file_count++];
            *file = (route_file){ow_arena_strdup_in(arena, from->files[i]->path),
                                 ow_arena_strdup_in(arena, from->files[i]->sha256)};
            if (file->path == NULL || file->sha256 == NULL) {
                return false;
            }
        }
    }
    to->files = files;
    return files != NULL;
}

static bool build_revision(ow_arena *arena, const Overworld__Registry__V1__RouteRevision *from,
                           route_revision *to) {
    route_function *functions = ow_arena_calloc(arena, from->n_functions, sizeof *functions);
    *to = (route_revision){.revision_id = ow_arena_strdup_in(arena, from->revision_id),
                           .version = from->version,
                           .functions = functions,
                           .function_count = from->n_functions};
    if (functions == NULL || to->revision_id == NULL) {
        return false;
    }
    for (size_t i = 0; i < from->n_functions; i++) {
        const Overworld__Registry__V1__FunctionInfo *info = from->functions[i];
        functions[i] =
            (route_function){ow_arena_strdup_in(arena, info->name), read_exposure(info->exposure),
                             info->timeout_ms, info->log_payload};
        if (functions[i].name == NULL) {
            return false;
        }
    }
    return true;
}

static const route_revision *find_revision(const entry *in, const char *revision_id) {
    for (size_t i = 0; i < in->revision_count; i++) {
        if (strcmp(in->revisions[i].revision_id, revision_id) == 0) {
            return &in->revisions[i];
        }
    }
    return NULL;
}

static bool build_aliases(entry *made, const virtual_server_routes *from) {
    made->aliases = ow_arena_calloc(made->arena, from->n_aliases, sizeof *made->aliases);
    if (made->aliases == NULL) {
        return false;
    }
    made->alias_count = from->n_aliases;
    for (size_t i = 0; i < from->n_aliases; i++) {
        const Overworld__Registry__V1__RouteAlias *alias = from->aliases[i];
        made->aliases[i] = (route_alias){
            .name = ow_arena_strdup_in(made->arena, alias->name),
            .is_public = alias->is_public,
            .random = alias->random,
            .revision = find_revision(made, alias->revision_id),
            .newer = find_revision(made, alias->newer_revision_id),
            .newer_weight = (unsigned)alias->newer_weight,
        };
        if (made->aliases[i].name == NULL) {
            return false;
        }
    }
    return true;
}

static bool fill_entry(entry *made, const virtual_server_routes *from) {
    ow_arena *arena = made->arena;
    made->title_id = ow_arena_strdup_in(arena, from->title_id);
    made->name = ow_arena_strdup_in(arena, from->name);
    made->revisions = ow_arena_calloc(arena, from->n_revisions, sizeof *made->revisions);
    if (made->title_id == NULL || made->name == NULL || made->revisions == NULL) {
        return false;
    }
    made->revision_count = from->n_revisions;
    for (size_t i = 0; i < from->n_revisions; i++) {
        if (!build_revision(arena, from->revisions[i], &made->revisions[i]) ||
            !build_files(arena, from, from->revisions[i], &made->revisions[i])) {
            return false;
        }
    }
    made->latest = find_revision(made, from->latest_revision_id);
    made->hash = hash_key(made->title_id, made->name);
    return build_aliases(made, from) && http_routes_build(arena, from, &made->http);
}

static entry *build_entry(const virtual_server_routes *from) {
    ow_arena *arena = ow_arena_new(ENTRY_MAX_BYTES);
    entry *made = arena != NULL ? ow_arena_calloc(arena, 1, sizeof *made) : NULL;
    if (made == NULL) {
        ow_arena_free(arena);
        return NULL;
    }
    made->arena = arena;
    if (!fill_entry(made, from)) {
        ow_arena_free(arena);
        return NULL;
    }
    return made;
}

// ---- changes ----

static ow_code upsert(routes *all, const virtual_server_routes *from, ow_err *err) {
    entry *made = build_entry(from);
    if (made == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory",
                       "no memory for the routes of %s", from->name);
    }
    made->generation = all->generation;
    entry **place = find_place(all, made->title_id, made->name);
    remove_at(all, place);
    made->next = *place;
    *place = made;
    all->count++;
    grow(all);
    return OW_OK;
}

// Forgets what the table that is now complete did not mention.
static void sweep(routes *all) {
    for (size_t i = 0; i < all->bucket_count; i++) {
        entry **place = &all->buckets[i];
        while (*place != NULL) {
            if ((*place)->generation != all->generation) {
                remove_at(all, place);
            } else {
                place = &(*place)->next;
            }
        }
    }
}

ow_code gateway_routes_apply(routes *all, const route_change *change, ow_err *err) {
    ow_code code = OW_OK;
    if (change->reset) {
        all->generation++;
    }
    if (change->upsert != NULL) {
        code = upsert(all, change->upsert, err);
    }
    if (change->removed_name[0] != '\0') {
        remove_at(all, find_place(all, change->removed_title_id, change->removed_name));
    }
    if (change->complete) {
        sweep(all);
        all->complete = true;
    }
    return code;
}

const http_routes *gateway_routes_http(const routes *all, const char *title_id, const char *name) {
    const entry *in = *find_place(all, title_id, name);
    return in != NULL ? &in->http : NULL;
}

// ---- finding ----

static ow_code not_found(const route_query *query, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "function_not_found",
                   "there is no function %.60s/%.60s %.60s", query->virtual_server, query->function,
                   query->qualifier);
}

// The same reason: whoever tries a name again has to branch on one.
static ow_code no_such_qualifier(const route_query *query, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "function_not_found", "%.60s has no alias or version %.60s",
                   query->virtual_server, query->qualifier);
}

static ow_code not_exposed(const route_query *query, const char *what, ow_err *err) {
    return ow_fail(err, OW_PERMISSION_DENIED, "not_exposed", "%.60s/%.60s: %s",
                   query->virtual_server, query->function, what);
}

static const route_revision *find_version(const entry *in, const char *qualifier) {
    char *end;
    long long version = strtoll(qualifier, &end, 10);
    if (*end != '\0' || version <= 0 || qualifier[0] < '1' || qualifier[0] > '9') {
        return NULL;
    }
    for (size_t i = 0; i < in->revision_count; i++) {
        if (in->revisions[i].version == version) {
            return &in->revisions[i];
        }
    }
    return NULL;
}

// A player stays on one side of a split by key; what has no key goes by chance, as all do in a
// random one. Chance is the request's id.
static const route_revision *pick_side(const route_alias *alias, const route_query *query) {
    if (alias->newer == NULL || alias->revision == NULL) {
        return alias->revision;
    }
    const char *key = query->routing_key;
    if (key[0] == '\0' && query->principal->kind == OW_PLAYER) {
        key = query->principal->id;
    }
    if (alias->random || key[0] == '\0') {
        key = query->request_id;
    }
    return ow_split_point(alias->newer->revision_id, key) < alias->newer_weight ? alias->newer
                                                                                : alias->revision;
}

// Whether it is there or not: the name of what is not public yet is nobody's business.
#define NOT_FOR_PLAYERS "players may name public aliases only, and this is none"

// Aliases are for players when public and for server keys; versions and $LATEST for operators.
static ow_code find_qualified(const entry *in, const route_query *query,
                              const route_revision **ret_revision, ow_err *err) {
    ow_principal_kind kind = query->principal->kind;
    for (size_t i = 0; i < in->alias_count; i++) {
        if (strcmp(in->aliases[i].name, query->qualifier) == 0) {
            if (kind == OW_PLAYER && !in->aliases[i].is_public) {
                return not_exposed(query, NOT_FOR_PLAYERS, err);
            }
            *ret_revision = pick_side(&in->aliases[i], query);
            return *ret_revision != NULL ? OW_OK : not_found(query, err);
        }
    }
    if (kind != OW_OPERATOR) {
        return not_exposed(query,
                           kind == OW_PLAYER ? NOT_FOR_PLAYERS
                                             : "there is no such alias, and only operators may "
                                               "name versions and $LATEST",
                           err);
    }
    *ret_revision =
        strcmp(query->qualifier, "$LATEST") == 0 ? in->latest : find_version(in, query->qualifier);
    return *ret_revision != NULL ? OW_OK : no_such_qualifier(query, err);
}

static const route_function *find_function(const route_revision *in, const char *name) {
    for (size_t i = 0; i < in->function_count; i++) {
        if (strcmp(in->functions[i].name, name) == 0) {
            return &in->functions[i];
        }
    }
    return NULL;
}

static ow_code check_exposure(const route_query *query, const route_function *function,
                              ow_err *err) {
    switch (query->principal->kind) {
    case OW_PLAYER:
        return function->exposure == EXPOSED_CLIENT
                   ? OW_OK
                   : not_exposed(query, "this function is not for game clients", err);
    case OW_SERVER:
        return function->exposure != EXPOSED_INTERNAL
                   ? OW_OK
                   : not_exposed(query, "this function is for other functions only", err);
    case OW_OPERATOR:
        return query->principal->role >= OW_ROLE_DEVELOPER
                   ? OW_OK
                   : not_exposed(query, "running functions needs the role developer", err);
    case OW_PLATFORM:
        return OW_OK;
    case OW_NOBODY:
        break;
    }
    return ow_fail(err, OW_UNAUTHENTICATED, "no_token", "calling a function needs a token");
}

ow_code gateway_routes_find(const routes *all, const route_query *query,
                            const route_revision **ret_revision,
                            const route_function **ret_function, ow_err *err) {
    const entry *in = *find_place(all, query->principal->title, query->virtual_server);
    if (in == NULL) {
        return not_found(query, err);
    }
    const route_revision *revision;
    ow_code code = find_qualified(in, query, &revision, err);
    if (code != OW_OK) {
        return code;
    }
    const route_function *function = find_function(revision, query->function);
    if (function == NULL) {
        return not_found(query, err);
    }
    code = check_exposure(query, function, err);
    if (code == OW_OK) {
        *ret_revision = revision;
        *ret_function = function;
    }
    return code;
}
