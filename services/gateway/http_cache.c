#include "services/gateway/http_cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

typedef struct cache_entry cache_entry;

struct cache_entry {
    cache_entry *next;          // of its bucket
    cache_entry *newer, *older; // by use
    uint64_t hash;
    char *key;
    uint8_t *bytes; // head, then body; NULL: never filled, or purged
    http_copy copy;
    size_t cost;
    bool filling;
    bool
        purged; // since that began: what comes was asked for before, and is for nobody who asks now
    bool giving;   // its fill is being handed on
    bool given_up; // and was given up again meanwhile
    http_waiter *first, *last;
    size_t waiting;
};

struct http_cache {
    size_t max_bytes, bytes;
    cache_entry *newest, *oldest;
    cache_entry *buckets[BUCKETS];
};

// ---- entries ----

static uint64_t hash_of(const char *key) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 31;
}

static cache_entry *find(const http_cache *cache, const char *key) {
    uint64_t hash = hash_of(key);
    cache_entry *e = cache->buckets[hash % BUCKETS];
    while (e != NULL && (e->hash != hash || strcmp(e->key, key) != 0)) {
        e = e->next;
    }
    return e;
}

static void unlink_use(http_cache *cache, cache_entry *e) {
    if (e->newer != NULL) {
        e->newer->older = e->older;
    } else {
        cache->newest = e->older;
    }
    if (e->older != NULL) {
        e->older->newer = e->newer;
    } else {
        cache->oldest = e->newer;
    }
}

static void link_newest(http_cache *cache, cache_entry *e) {
    e->newer = NULL;
    e->older = cache->newest;
    if (cache->newest != NULL) {
        cache->newest->newer = e;
    } else {
        cache->oldest = e;
    }
    cache->newest = e;
}

static cache_entry *entry_new(http_cache *cache, const char *key) {
    cache_entry *made = calloc(1, sizeof *made);
    if (made == NULL || (made->key = strdup(key)) == NULL) {
        free(made);
        return NULL;
    }
    made->hash = hash_of(key);
    made->cost = sizeof *made + strlen(key) + 1;
    made->next = cache->buckets[made->hash % BUCKETS];
    cache->buckets[made->hash % BUCKETS] = made;
    cache->bytes += made->cost;
    link_newest(cache, made);
    return made;
}

static void entry_free(http_cache *cache, cache_entry *gone) {
    for (cache_entry **at = &cache->buckets[gone->hash % BUCKETS]; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            break;
        }
    }
    unlink_use(cache, gone);
    cache->bytes -= gone->cost;
    free(gone->key);
    free(gone->bytes);
    free(gone);
}

// What is being filled stays: somebody will come back for it.
static void keep_bound(http_cache *cache) {
    for (cache_entry *e = cache->oldest; e != NULL && cache->bytes > cache->max_bytes;) {
        cache_entry *next = e->newer;
        if (!e->filling && !e->giving) {
            entry_free(cache, e);
        }
        e = next;
    }
}

static void drop_copy(http_cache *cache, cache_entry *e) {
    size_t size = e->copy.head_size + e->copy.size;
    if (e->bytes != NULL) {
        free(e->bytes);
        e->bytes = NULL;
        e->cost -= size;
        cache->bytes -= size;
    }
}

// ---- who waits ----

static void enqueue(cache_entry *e, http_waiter *waiter) {
    waiter->entry = e;
    waiter->is_late = e->purged;
    waiter->next = NULL;
    waiter->previous = e->last;
    if (e->last != NULL) {
        e->last->next = waiter;
    } else {
        e->first = waiter;
    }
    e->last = waiter;
    e->waiting++;
}

void http_cache_leave(http_waiter *waiter) {
    cache_entry *e = waiter->entry;
    if (e == NULL) {
        return;
    }
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    } else {
        e->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    } else {
        e->last = waiter->previous;
    }
    waiter->entry = NULL;
    e->waiting--;
}

// ---- what is offered ----

http_cache *http_cache_new(size_t max_bytes) {
    http_cache *cache = calloc(1, sizeof *cache);
    if (cache != NULL) {
        cache->max_bytes = max_bytes;
    }
    return cache;
}

http_cache *http_cache_free(http_cache *cache) {
    while (cache != NULL && cache->oldest != NULL) {
        entry_free(cache, cache->oldest);
    }
    free(cache);
    return NULL;
}

static void touch(http_cache *cache, cache_entry *e) {
    unlink_use(cache, e);
    link_newest(cache, e);
}

http_lookup http_cache_find(http_cache *cache, const char *key, int64_t now_us, http_waiter *waiter,
                            const http_copy **ret_copy) {
    cache_entry *e = find(cache, key);
    e = e != NULL ? e : entry_new(cache, key);
    if (e == NULL) {
        return CACHE_FULL;
    }
    touch(cache, e);
    if (e->bytes != NULL && now_us < e->copy.expires_us) {
        *ret_copy = &e->copy;
        return CACHE_FRESH;
    }
    if (!e->filling) {
        e->filling = true;
        return CACHE_FILL;
    }
    if (e->waiting >= HTTP_CACHE_WAITERS_MAX) {
        return CACHE_FULL;
    }
    enqueue(e, waiter);
    return CACHE_WAIT;
}

const http_copy *http_cache_stale(http_cache *cache, const char *key) {
    cache_entry *e = find(cache, key);
    if (e == NULL || e->bytes == NULL) {
        return NULL;
    }
    touch(cache, e);
    return &e->copy;
}

static bool store(http_cache *cache, cache_entry *e, const http_copy *copy) {
    size_t size = copy->head_size + copy->size;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, copy->head, copy->head_size);
    if (copy->size > 0) {
        memcpy(bytes + copy->head_size, copy->body, copy->size);
    }
    drop_copy(cache, e);
    e->bytes = bytes;
    e->copy = *copy;
    e->copy.head = (const char *)bytes;
    e->copy.body = bytes + copy->head_size;
    e->cost += size;
    cache->bytes += size;
    return true;
}

void http_cache_fill(http_cache *cache, const char *key, const http_copy *copy) {
    cache_entry *e = find(cache, key);
    e = e != NULL ? e : entry_new(cache, key);
    if (e == NULL || !store(cache, e, copy)) {
        http_cache_give_up(cache, key);
        return;
    }
    while (e->first != NULL && !e->first->is_late) {
        http_waiter *waiter = e->first;
        http_cache_leave(waiter);
        waiter->on_filled(waiter->self, &e->copy, false);
    }
    if (e->purged) {
        drop_copy(cache, e);
        http_cache_give_up(cache, key); // to those who came after the purge
        return;
    }
    e->filling = false;
    keep_bound(cache);
}

// Who fills next asks anew: it is early enough for all who wait.
static void begin_anew(cache_entry *e) {
    for (http_waiter *each = e->purged ? e->first : NULL; each != NULL; each = each->next) {
        each->is_late = false;
    }
    e->purged = false;
}

void http_cache_give_up(http_cache *cache, const char *key) {
    cache_entry *e = find(cache, key);
    if (e == NULL) {
        return;
    }
    if (e->giving) {
        e->given_up = true;
        return;
    }
    // Whoever is told may give up at once, as may all behind them: not a stack frame for each.
    e->giving = true;
    do {
        http_waiter *next = e->first;
        e->given_up = false;
        begin_anew(e);
        e->filling = next != NULL;
        if (next != NULL) {
            http_cache_leave(next);
            next->on_filled(next->self, NULL, true);
        }
    } while (e->given_up);
    e->giving = false;
    if (!e->filling && e->bytes == NULL) {
        entry_free(cache, e);
    }
    keep_bound(cache);
}

// True when it had a copy.
static bool purge(http_cache *cache, cache_entry *e) {
    bool had = e->bytes != NULL;
    drop_copy(cache, e);
    e->purged = e->filling;
    if (!e->filling && !e->giving) {
        entry_free(cache, e);
    }
    return had;
}

size_t http_cache_purge(http_cache *cache, const char *prefix) {
    size_t length = strlen(prefix);
    size_t count = 0;
    for (cache_entry *e = cache->oldest; e != NULL;) {
        cache_entry *next = e->newer;
        if (strncmp(e->key, prefix, length) == 0) {
            count += purge(cache, e) ? 1 : 0;
        }
        e = next;
    }
    return count;
}

size_t http_cache_bytes(const http_cache *cache) {
    return cache->bytes;
}
