#pragma once

// What a title's types and subscriptions say, ready to be asked: compiled once for each version of them.
// The store changes the version with every change (an id that is never used again), so a copy with the
// right version is right.

#include "services/events/event_messages.h"
#include "services/events/filter.h"

#include "core/db/db.h"
#include "core/id/id.h"

typedef struct type_rule {
    char *name;
    ow_json *schema; // NULL: any data
    bool client;
} type_rule;

typedef struct subscription_rule {
    char subscription_id[OW_ID_MAX];
    char *virtual_server;
    subscription_msg *declared;
    filter *filter;
} subscription_rule;

typedef struct rules {
    char *title_id;
    char version[OW_ID_MAX];
    type_rule *types; // by name
    size_t type_count;
    subscription_rule *subscriptions; // by id; those that are switched on
    size_t subscription_count;
    int refs; // the cache's own
} rules;

enum { TYPES_MAX = 500, SUBSCRIPTIONS_MAX = 1000, SUBSCRIPTIONS_BYTES_MAX = 2 << 20 };

const type_rule *rules_find_type(const rules *rules, const char *name);

// A subscription's filter. Heap. Codes as filter_add.
ow_code subscription_filter(const subscription_msg *declared, filter **ret_filter, ow_err *err);

// ---- The cache ----
//
// Its lock guards which copies there are and their counts; nothing else is done while it is held.

typedef struct rules_cache rules_cache;

// Heap. NULL: out of memory.
rules_cache *rules_cache_new(void);
rules_cache *rules_cache_free(rules_cache *cache);

// The copy that was used last for a title, whatever its version; NULL: none. Any thread; rules_put_back.
const rules *rules_cache_get(rules_cache *cache, const char *title_id);
// NULL is accepted.
void rules_put_back(rules_cache *cache, const rules *rules);

// Sees to it that the cache has what rules_current would read, in a read step: a title's largest rules take longer to
// compile than a write may. Codes as rules_current.
ow_code rules_warm(rules_cache *cache, ow_db_conn *db, const char *title_id, ow_err *err);

// The rules as the store has them in this step, read only when the cache has another version. In a read
// or write step; rules_put_back. Codes as ow_db_query; resource_exhausted "memory".
ow_code rules_current(rules_cache *cache, ow_db_conn *db, const char *title_id,
                      const rules **ret_rules, ow_err *err);

// A version that nobody had before. In the write step of a change. Codes as ow_db_exec.
ow_code rules_changed(ow_db_conn *db, const char *title_id, const char *version, ow_err *err);
