#include "services/events/rules.h"

#include "services/events/store_rows.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TITLES_MAX = 64 };

// ---- Rules ----

static void free_rules(rules *r) {
    for (size_t i = 0; i < r->type_count; i++) {
        free(r->types[i].name);
        ow_json_free(r->types[i].schema);
    }
    for (size_t i = 0; i < r->subscription_count; i++) {
        subscription_rule *s = &r->subscriptions[i];
        free(s->virtual_server);
        overworld__api__subscription__free_unpacked(s->declared, NULL);
        filter_free(s->filter);
    }
    free(r->types);
    free(r->subscriptions);
    free(r->title_id);
    free(r);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for rules of events");
}

static int by_name(const void *name, const void *type) {
    return strcmp(name, ((const type_rule *)type)->name);
}

const type_rule *rules_find_type(const rules *rules, const char *name) {
    return rules->type_count > 0
               ? bsearch(name, rules->types, rules->type_count, sizeof *rules->types, by_name)
               : NULL;
}

ow_code subscription_filter(const subscription_msg *declared, filter **ret_filter, ow_err *err) {
    filter *made = filter_new();
    ow_code code = made != NULL ? OW_OK : no_memory(err);
    for (size_t i = 0; code == OW_OK && i < declared->n_any; i++) {
        const condition_group_msg *group = declared->any[i];
        if (group->n_all == 0) {
            code = ow_fail(err, OW_INVALID_ARGUMENT, "bad_condition", "a group has no conditions");
        }
        for (size_t j = 0; code == OW_OK && j < group->n_all; j++) {
            const condition_msg *c = group->all[j];
            code = filter_add(made, i, c->pointer, c->operator_, c->value, err);
        }
    }
    if (code != OW_OK) {
        filter_free(made);
        return code;
    }
    *ret_filter = made;
    return OW_OK;
}

// ---- Reading them ----

static ow_code read_type(ow_rows *rows, type_rule *type, ow_err *err) {
    const char *schema = ow_rows_text(rows, 1);
    type->name = strdup(ow_rows_text(rows, 0));
    type->client = ow_rows_int(rows, 2) != 0;
    if (type->name == NULL) {
        return no_memory(err);
    }
    return schema[0] == '\0' ? OW_OK
                             : ow_json_parse(schema, strlen(schema), 64, &type->schema, err);
}

static ow_code read_types(ow_db_conn *db, rules *r, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = true;
    r->types = calloc(TYPES_MAX, sizeof *r->types);
    if (r->types == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT name, schema_json, client FROM event_types"
                               " WHERE title_id = $1 ORDER BY name",
                               "t", r->title_id);
    while (code == OW_OK && r->type_count < TYPES_MAX) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        code = read_type(rows, &r->types[r->type_count++], err);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code read_subscription(ow_rows *rows, subscription_rule *s, ow_err *err) {
    size_t size = 0;
    const void *bytes = ow_rows_blob(rows, 2, &size);
    rows_copy_id(rows, 0, s->subscription_id);
    s->virtual_server = strdup(ow_rows_text(rows, 1));
    s->declared = overworld__api__subscription__unpack(NULL, size, bytes);
    if (s->virtual_server == NULL || s->declared == NULL) {
        return no_memory(err);
    }
    return subscription_filter(s->declared, &s->filter, err);
}

static ow_code read_subscriptions(ow_db_conn *db, rules *r, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = true;
    r->subscriptions = calloc(SUBSCRIPTIONS_MAX, sizeof *r->subscriptions);
    if (r->subscriptions == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT subscription_id, virtual_server, declared"
                               " FROM subscriptions WHERE title_id = $1 AND disabled = 0"
                               " ORDER BY subscription_id",
                               "t", r->title_id);
    while (code == OW_OK && r->subscription_count < SUBSCRIPTIONS_MAX) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        code = read_subscription(rows, &r->subscriptions[r->subscription_count++], err);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code read_version(ow_db_conn *db, const char *title_id, char version[static OW_ID_MAX],
                            ow_err *err) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT version FROM rule_versions WHERE title_id = $1", "t", title_id);
    code = rows_one(code, rows, &found, err);
    version[0] = '\0';
    if (code == OW_OK && found) {
        rows_copy_id(rows, 0, version);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code read_rules(ow_db_conn *db, const char *title_id, const char *version,
                          rules **ret_rules, ow_err *err) {
    rules *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return no_memory(err);
    }
    memcpy(r->version, version, OW_ID_MAX);
    r->title_id = strdup(title_id);
    ow_code code = r->title_id != NULL ? read_types(db, r, err) : no_memory(err);
    code = code == OW_OK ? read_subscriptions(db, r, err) : code;
    if (code != OW_OK) {
        free_rules(r);
        return code;
    }
    *ret_rules = r;
    return OW_OK;
}

ow_code rules_changed(ow_db_conn *db, const char *title_id, const char *version, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO rule_versions (title_id, version) VALUES ($1, $2)"
                      " ON CONFLICT (title_id) DO UPDATE SET version = excluded.version",
                      "tt", title_id, version);
}

// ---- The cache ----

struct rules_cache {
    pthread_mutex_t lock;
    rules *copies[TITLES_MAX]; // a count each for being here
    size_t next;               // to be replaced when there is no room
};

rules_cache *rules_cache_new(void) {
    rules_cache *cache = calloc(1, sizeof *cache);
    if (cache != NULL) {
        pthread_mutex_init(&cache->lock, NULL);
    }
    return cache;
}

rules_cache *rules_cache_free(rules_cache *cache) {
    for (size_t i = 0; cache != NULL && i < TITLES_MAX; i++) {
        if (cache->copies[i] != NULL) {
            free_rules(cache->copies[i]);
        }
    }
    if (cache != NULL) {
        pthread_mutex_destroy(&cache->lock);
    }
    free(cache);
    return NULL;
}

static size_t place_of(const rules_cache *cache, const char *title_id) {
    size_t at = 0;
    while (at < TITLES_MAX &&
           (cache->copies[at] == NULL || strcmp(cache->copies[at]->title_id, title_id) != 0)) {
        at++;
    }
    return at;
}

const rules *rules_cache_get(rules_cache *cache, const char *title_id) {
    pthread_mutex_lock(&cache->lock);
    size_t at = place_of(cache, title_id);
    rules *found = at < TITLES_MAX ? cache->copies[at] : NULL;
    if (found != NULL) {
        found->refs++;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

void rules_put_back(rules_cache *cache, const rules *borrowed) {
    rules *r = (rules *)(uintptr_t)borrowed;
    if (r == NULL) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    bool last = --r->refs == 0;
    pthread_mutex_unlock(&cache->lock);
    if (last) {
        free_rules(r);
    }
}

// Puts it where the old copy or nobody is; the caller has a count of it besides.
static void put(rules_cache *cache, rules *fresh) {
    pthread_mutex_lock(&cache->lock);
    size_t at = place_of(cache, fresh->title_id);
    for (size_t i = 0; at == TITLES_MAX && i < TITLES_MAX; i++) {
        at = cache->copies[i] == NULL ? i : at;
    }
    if (at == TITLES_MAX) {
        at = cache->next++ % TITLES_MAX;
    }
    rules *old = cache->copies[at];
    bool last = old != NULL && --old->refs == 0;
    cache->copies[at] = fresh;
    fresh->refs = 2;
    pthread_mutex_unlock(&cache->lock);
    if (last) {
        free_rules(old);
    }
}

ow_code rules_current(rules_cache *cache, ow_db_conn *db, const char *title_id,
                      const rules **ret_rules, ow_err *err) {
    char version[OW_ID_MAX];
    ow_code code = read_version(db, title_id, version, err);
    if (code != OW_OK) {
        return code;
    }
    const rules *known = rules_cache_get(cache, title_id);
    if (known != NULL && strcmp(known->version, version) == 0) {
        *ret_rules = known;
        return OW_OK;
    }
    rules_put_back(cache, known);
    rules *fresh = NULL;
    code = read_rules(db, title_id, version, &fresh, err);
    if (code == OW_OK) {
        put(cache, fresh);
        *ret_rules = fresh;
    }
    return code;
}

ow_code rules_warm(rules_cache *cache, ow_db_conn *db, const char *title_id, ow_err *err) {
    const rules *current = NULL;
    ow_code code = rules_current(cache, db, title_id, &current, err);
    rules_put_back(cache, current);
    return code;
}
