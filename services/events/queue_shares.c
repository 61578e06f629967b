#include "services/events/queue_shares.h"

#include <stddef.h>
#include <string.h>

static const title_share *find(const queue_shares *s, const char *title_id) {
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->titles[i].title_id, title_id) == 0) {
            return &s->titles[i];
        }
    }
    return NULL;
}

void shares_add(queue_shares *s, const char *title_id, int64_t count) {
    title_share *share = (title_share *)(uintptr_t)find(s, title_id);
    size_t size = strnlen(title_id, OW_ID_MAX);
    if (share == NULL && s->count < SHARES_MAX && size < OW_ID_MAX) {
        share = &s->titles[s->count++];
        memcpy(share->title_id, title_id, size + 1);
        share->waiting = 0;
    }
    *(share != NULL ? &share->waiting : &s->rest) += count;
}

int64_t shares_of(const queue_shares *s, const char *title_id) {
    const title_share *share = find(s, title_id);
    return share != NULL ? share->waiting : s->count == SHARES_MAX ? s->rest : 0;
}

int64_t shares_total(const queue_shares *s) {
    int64_t total = s->rest;
    for (int i = 0; i < s->count; i++) {
        total += s->titles[i].waiting;
    }
    return total;
}

static int64_t at_most(int64_t value, int64_t max) {
    return value < max ? value : max;
}

share_verdict shares_admit(const queue_shares *s, const char *title_id, int64_t count,
                           int64_t max) {
    int64_t half = max > 1 ? max / 2 : max;
    int64_t mine = shares_of(s, title_id);
    int64_t others = shares_total(s) - mine;
    int64_t counted = mine + count; // with of each other title no more than it is entitled to
    if (others == 0) {
        return counted <= max ? SHARE_ADMITS : SHARE_QUEUE_FULL;
    }
    if (counted > half) {
        return SHARE_USED_UP;
    }
    for (int i = 0; i < s->count; i++) {
        const title_share *other = &s->titles[i];
        counted += strcmp(other->title_id, title_id) == 0 ? 0 : at_most(other->waiting, half);
    }
    counted += find(s, title_id) != NULL || s->count < SHARES_MAX ? at_most(s->rest, half) : 0;
    return counted <= max ? SHARE_ADMITS : SHARE_QUEUE_FULL;
}
