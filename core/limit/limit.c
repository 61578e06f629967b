#include "core/limit/limit.h"

#include "core/limit/internal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

// Any window of the full length touches up to one part more than it has.
#define PARTS 16
#define SLOTS (PARTS + 1)
#define FIRST_ROOM 64
#define LOOKS 8 // buckets that are looked at for one that may give way
#define NONE UINT32_MAX

#define CACHE_LINE 64

// One cache line, since the buckets of many players are rarely at hand.
typedef struct bucket {
    _Alignas(CACHE_LINE) uint64_t key;
    int64_t slot;          // the latest one in which a token was asked for
    uint32_t next;         // in its chain; NONE ends it
    uint32_t used;         // tokens that are not back: the sum of `taken`
    uint16_t taken[SLOTS]; // a ring, one slot after the other
    uint8_t at;            // where `slot` is in `taken`
} bucket;

_Static_assert(sizeof(bucket) == CACHE_LINE, "a bucket is one cache line");

struct ow_limit {
    ow_limit_options options;
    int64_t slot_us;
    uint64_t secret[2];
    bucket *buckets;
    uint32_t *chains; // `room` of them, a power of two
    uint32_t count, room;
    uint32_t hand; // where the next search for a bucket that may give way begins
    uint64_t forgotten;
};

ow_limit *ow_limit_new(const ow_limit_options *options) {
    ow_limit *limit = calloc(1, sizeof *limit);
    if (limit == NULL ||
        getrandom(limit->secret, sizeof limit->secret, 0) != (ssize_t)sizeof limit->secret) {
        free(limit);
        return NULL;
    }
    limit->options = *options;
    limit->slot_us = options->window_us / PARTS > 0 ? options->window_us / PARTS : 1;
    return limit;
}

ow_limit *ow_limit_free(ow_limit *limit) {
    if (limit != NULL) {
        free(limit->buckets);
        free(limit->chains);
        free(limit);
    }
    return NULL;
}

uint64_t ow_limit_key(const ow_limit *limit, const void *bytes, size_t size) {
    return siphash(limit->secret, bytes, size);
}

size_t ow_limit_keys(const ow_limit *limit) {
    return limit->count;
}

uint64_t ow_limit_forgotten(const ow_limit *limit) {
    return limit->forgotten;
}

// ---- finding and making buckets ----

static uint32_t *chain_of(const ow_limit *limit, uint64_t key) {
    return &limit->chains[key & (limit->room - 1)];
}

static bucket *find(const ow_limit *limit, uint64_t key) {
    if (limit->room == 0) {
        return NULL;
    }
    for (uint32_t i = *chain_of(limit, key); i != NONE; i = limit->buckets[i].next) {
        if (limit->buckets[i].key == key) {
            return &limit->buckets[i];
        }
    }
    return NULL;
}

static void link_in(ow_limit *limit, uint32_t i) {
    uint32_t *chain = chain_of(limit, limit->buckets[i].key);
    limit->buckets[i].next = *chain;
    *chain = i;
}

static void link_out(ow_limit *limit, uint32_t i) {
    uint32_t *at = chain_of(limit, limit->buckets[i].key);
    while (*at != i) {
        at = &limit->buckets[*at].next;
    }
    *at = limit->buckets[i].next;
}

static bool grow(ow_limit *limit) {
    uint32_t room = limit->room > 0 ? limit->room * 2 : FIRST_ROOM;
    bucket *buckets = aligned_alloc(CACHE_LINE, room * sizeof *buckets);
    if (buckets == NULL) {
        return false;
    }
    if (limit->count > 0) {
        memcpy(buckets, limit->buckets, limit->count * sizeof *buckets);
    }
    free(limit->buckets);
    limit->buckets = buckets;
    uint32_t *chains = realloc(limit->chains, room * sizeof *chains);
    if (chains == NULL) {
        return false;
    }
    limit->chains = chains;
    limit->room = room;
    memset(chains, 0xff, room * sizeof *chains);
    for (uint32_t i = 0; i < limit->count; i++) {
        link_in(limit, i);
    }
    return true;
}

// A bucket whose tokens are all back, or else the one that was idle for longest, of the next few.
static uint32_t give_way(ow_limit *limit, int64_t slot) {
    uint32_t oldest = limit->hand % limit->count;
    for (uint32_t n = 0; n < LOOKS; n++) {
        uint32_t i = (limit->hand + n) % limit->count;
        oldest = limit->buckets[i].slot < limit->buckets[oldest].slot ? i : oldest;
    }
    limit->hand = (limit->hand + LOOKS) % limit->count;
    const bucket *gone = &limit->buckets[oldest];
    limit->forgotten += gone->used > 0 && slot - gone->slot < SLOTS;
    link_out(limit, oldest);
    return oldest;
}

static bucket *make(ow_limit *limit, uint64_t key, int64_t slot) {
    uint32_t i = limit->count;
    if (limit->count >= limit->options.max_keys) {
        i = give_way(limit, slot);
    } else if (limit->count == limit->room && !grow(limit)) {
        return NULL;
    } else {
        limit->count++;
    }
    limit->buckets[i] = (bucket){.key = key, .slot = slot};
    link_in(limit, i);
    return &limit->buckets[i];
}

// ---- tokens ----

// Puts back the tokens whose window has passed.
static void advance(bucket *b, int64_t slot) {
    if (slot - b->slot >= SLOTS) {
        memset(b->taken, 0, sizeof b->taken);
        b->used = 0;
        b->slot = slot;
        return;
    }
    for (; b->slot < slot; b->slot++) {
        b->at = b->at + 1 < SLOTS ? (uint8_t)(b->at + 1) : 0;
        b->used -= b->taken[b->at];
        b->taken[b->at] = 0;
    }
}

// Until the oldest token that is out is back.
static int64_t wait_of(const ow_limit *limit, const bucket *b, int64_t now_us) {
    int64_t age = SLOTS - 1;
    while (age > 0 && b->taken[(b->at + SLOTS - (uint32_t)age) % SLOTS] == 0) {
        age--;
    }
    int64_t wait = (b->slot - age + SLOTS) * limit->slot_us - now_us;
    return wait > 0 ? wait : 1;
}

int64_t ow_limit_take(ow_limit *limit, uint64_t key, int64_t now_us) {
    return ow_limit_take_of(limit, key, limit->options.count, now_us);
}

int64_t ow_limit_take_of(ow_limit *limit, uint64_t key, uint32_t count, int64_t now_us) {
    if (count == 0) {
        return 0;
    }
    int64_t slot = now_us / limit->slot_us;
    bucket *b = find(limit, key);
    b = b != NULL ? b : make(limit, key, slot);
    if (b == NULL) {
        return 0;
    }
    advance(b, slot);
    if (b->used >= count) {
        return wait_of(limit, b, now_us);
    }
    if (b->taken[b->at] == UINT16_MAX) {
        return (slot + 1) * limit->slot_us - now_us;
    }
    b->taken[b->at]++;
    b->used++;
    return 0;
}

void ow_limit_give_back(ow_limit *limit, uint64_t key) {
    bucket *b = find(limit, key);
    if (b != NULL && b->taken[b->at] > 0) {
        b->taken[b->at]--;
        b->used--;
    }
}
