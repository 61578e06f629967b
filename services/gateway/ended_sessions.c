#include "services/gateway/ended_sessions.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 2 * ENDED_SESSIONS_MAX, ID_WORDS = OW_ID_MAX / sizeof(uint64_t) };

typedef struct entry {
    uint64_t id[ID_WORDS]; // the text, filled up with NUL
    int64_t until_s;
    uint32_t next; // in its bucket: index + 1; 0: the last
} entry;

struct ended_sessions {
    size_t first, count; // a ring in the order of until_s
    uint32_t buckets[BUCKETS];
    entry entries[ENDED_SESSIONS_MAX];
};

ended_sessions *ended_sessions_new(void) {
    return calloc(1, sizeof(ended_sessions));
}

ended_sessions *ended_sessions_free(ended_sessions *ended) {
    free(ended);
    return NULL;
}

static void id_words(const char *session_id, uint64_t ret_words[static ID_WORDS]) {
    memset(ret_words, 0, ID_WORDS * sizeof *ret_words);
    memcpy(ret_words, session_id, strnlen(session_id, OW_ID_MAX - 1));
}

// The random part of the id stands at its end, but all of it decides.
static size_t bucket_of(const uint64_t words[static ID_WORDS]) {
    uint64_t hash = 0;
    for (size_t i = 0; i < ID_WORDS; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash % BUCKETS;
}

static void forget_first(ended_sessions *ended) {
    uint32_t gone = (uint32_t)ended->first + 1;
    entry *first = &ended->entries[ended->first];
    uint32_t *link = &ended->buckets[bucket_of(first->id)];
    while (*link != gone) {
        link = &ended->entries[*link - 1].next;
    }
    *link = first->next;
    ended->first = (ended->first + 1) % ENDED_SESSIONS_MAX;
    ended->count--;
}

void ended_sessions_add(ended_sessions *ended, const char *session_id, int64_t until_s,
                        int64_t now_s) {
    while (ended->count > 0 &&
           (ended->entries[ended->first].until_s <= now_s || ended->count == ENDED_SESSIONS_MAX)) {
        forget_first(ended);
    }
    size_t at = (ended->first + ended->count++) % ENDED_SESSIONS_MAX;
    entry *made = &ended->entries[at];
    id_words(session_id, made->id);
    made->until_s = until_s;
    uint32_t *bucket = &ended->buckets[bucket_of(made->id)];
    made->next = *bucket;
    *bucket = (uint32_t)at + 1;
}

bool ended_sessions_has(const ended_sessions *ended, const char *session_id) {
    if (ended->count == 0) {
        return false;
    }
    uint64_t words[ID_WORDS];
    id_words(session_id, words);
    uint32_t at = ended->buckets[bucket_of(words)];
    while (at != 0 && memcmp(ended->entries[at - 1].id, words, sizeof words) != 0) {
        at = ended->entries[at - 1].next;
    }
    return at != 0;
}

size_t ended_sessions_count(const ended_sessions *ended) {
    return ended->count;
}
