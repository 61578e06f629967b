#pragma once

// Replies of routes that are kept for a while: bounded, the one that was used longest ago goes first. What
// has run out stays, as long as there is room, to stand in for a function that fails. One fill runs for a
// key at a time; who wants the same meanwhile waits for it. Pure; loop thread.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_CACHE_WAITERS_MAX 1000

typedef struct http_cache http_cache;

typedef struct http_copy {
    int status;
    const char *head; // the reply's headers, as the door wrote them down
    size_t head_size;
    const void *body;
    size_t size;
    int64_t stored_us, expires_us;
} http_copy;

// Who waits for a fill; embedded in its owner.
typedef struct http_waiter {
    // `copy` is what was stored; NULL: nothing was, and this one is to fill now (`fills`) or to ask for
    // itself.
    void (*on_filled)(void *self, const http_copy *copy, bool fills);
    void *self;
    struct http_waiter *next, *previous; // these are the cache's own
    void *entry;                         // NULL: it does not wait
    bool is_late;                        // the key was purged since the fill that runs began
} http_waiter;

typedef enum http_lookup {
    CACHE_FRESH, // *ret_copy, until the cache is next changed
    CACHE_FILL, // nothing fresh, and nobody fetches it: the caller does, then calls _fill or _give_up
    CACHE_WAIT, // somebody fetches it: on_filled comes
    CACHE_FULL, // too many wait: ask for it without the cache
} http_lookup;

// Heap. NULL when out of memory.
http_cache *http_cache_new(size_t max_bytes);
http_cache *http_cache_free(http_cache *cache);

http_lookup http_cache_find(http_cache *cache, const char *key, int64_t now_us, http_waiter *waiter,
                            const http_copy **ret_copy);
// The last copy, however old, which counts as a use; NULL: there is none.
const http_copy *http_cache_stale(http_cache *cache, const char *key);

// Stores what was fetched (copied) and gives it to those who wait.
void http_cache_fill(http_cache *cache, const char *key, const http_copy *copy);
// It was not fit to be stored, or failed: the first who waits is to fill. An old copy stays.
void http_cache_give_up(http_cache *cache, const char *key);
// It waits no more. Does nothing for one that does not.
void http_cache_leave(http_waiter *waiter);

// Forgets all keys that begin so; returns how many copies went. What is being filled goes to those who wait for it, and
// is not kept; who asks from now on waits for the next fill.
size_t http_cache_purge(http_cache *cache, const char *prefix);
size_t http_cache_bytes(const http_cache *cache);
