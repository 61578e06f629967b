#pragma once

// Who may still put how much into the queue. No I/O.

#include "core/id/id.h"

#include <stdint.h>

enum { SHARES_MAX = 256 };

typedef struct title_share {
    char title_id[OW_ID_MAX];
    int64_t waiting;
} title_share;

// What waits, by title.
typedef struct queue_shares {
    title_share titles[SHARES_MAX];
    int count;
    int64_t rest; // of titles for which there was no place; they share one
} queue_shares;

void shares_add(queue_shares *s, const char *title_id, int64_t count);
int64_t shares_total(const queue_shares *s);
int64_t shares_of(const queue_shares *s, const char *title_id);

typedef enum share_verdict {
    SHARE_ADMITS,
    SHARE_QUEUE_FULL,
    SHARE_USED_UP, // others wait, too, and this title has its half
} share_verdict;

// May `count` more of a title wait, of `max` in all? A title has the whole queue to itself until others wait;
// from then on it has half of it, and what it has beyond that takes nothing away from them. So there are never
// more than one and a half times `max`.
share_verdict shares_admit(const queue_shares *s, const char *title_id, int64_t count, int64_t max);
